"""1,000 cousins of a pack (a made-up one of forty convex parts): how long, and how large."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from clutter import clutter, manifest, quality, table

from cousins import pack
from cousins.pipeline import augment


def main(n: int, of: Path | None) -> None:
    """Augment a pack, by default of the cluttered table, and print the numbers."""
    with tempfile.TemporaryDirectory() as folder:
        path = of or Path(folder) / "clutter"
        if of is None:
            pack.write(path, clutter(), manifest(), quality())
        done = augment(path, n, out=Path(folder) / "out")
    rows = [
        ("time for 1,000 cousins", done.seconds * 1000 / n, "s", 90.0, True),
        ("a cousin beyond the mesh bank", done.bytes / n / 1000, "kB", 10.0, True),
    ]
    table(f"augment {path.name}: {n:,} cousins, {done.rejected} draws rejected, "
          f"mesh bank {done.bank_bytes / 1e6:.1f} MB", rows)  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=1000)
    parser.add_argument("--pack", type=Path)
    arguments = parser.parse_args()
    main(arguments.n, arguments.pack)
