"""1,000 cousins of five objects with forty convex parts: how long, and how large."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from clutter import clutter, manifest, quality, table

from cousins import pack
from cousins.pipeline import augment


def main(n: int = 1000) -> None:
    """Augment a pack of the cluttered table and print the numbers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clutter"
        pack.write(path, clutter(), manifest(), quality())
        done = augment(path, n)
    rows = [
        ("time for 1,000 cousins", done.seconds * 1000 / n, "s", 90.0, True),
        ("a cousin beyond the mesh bank", done.bytes / n / 1000, "kB", 10.0, True),
    ]
    table(f"augment: {n:,} cousins, {done.rejected} draws rejected, "
          f"mesh bank {done.bank_bytes / 1e6:.1f} MB", rows)  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
