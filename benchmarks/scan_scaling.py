"""How a scan's time grows with the number of frames: one scene, filmed with more and more of them.

    python benchmarks/scan_scaling.py [--frames 45 90 180 360] [--size 640x480] [--json FILE]

Each scan runs in a process of its own. Beside each time stands that of a straight line through the
first and the last: a scan whose time grew faster than its frames would lie below it in between.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scan import measure

from cousins.household import scene
from cousins.phone import Phone, film


def main() -> None:
    """Film, scan, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--frames", nargs="+", type=int, default=[45, 90, 180, 360])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", default="640x480", help="of the pictures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    model = scene("spread", arguments.seed).model
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for frames in sorted(arguments.frames):
            capture = Path(folder) / f"{frames}"
            film(model, capture, Phone(frames=frames, colour_size=(width, height)))
            result = measure(capture, Path(folder) / f"{frames}.pack")
            if "error" in result:
                sys.exit(f"{frames} frames: {result['error']}")
            results.append({"frames": frames} | result)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    show(results)


def show(results: list[dict[str, Any]]) -> None:
    """Print the times beside a straight line's, and the stages that grow."""
    frames = np.array([r["frames"] for r in results], float)
    seconds = np.array([r["seconds"] for r in results])
    slope = (seconds[-1] - seconds[0]) / max(frames[-1] - frames[0], 1)
    line = seconds[0] + slope * (frames - frames[0])
    stages = [name for name in results[-1]["stages"] if results[-1]["stages"][name] > 0.5]
    table = Table("frames", "time, s", "straight line, s", "s a frame", "peak, MB", *stages,
                  title="scan time against frames")  # fmt: skip
    for i, r in enumerate(results):
        each = [f"{r['stages'].get(name, 0.0):.1f}" for name in stages]
        table.add_row(str(r["frames"]), f"{seconds[i]:.1f}", f"{line[i]:.1f}",
                      f"{seconds[i] / frames[i]:.2f}", f"{r['peak_rss_mb']:.0f}",
                      *each)  # fmt: skip
    Console(width=160).print(table)
    print(f"each further frame takes {slope:.3f} s; the rest, {line[0] - slope * frames[0]:.0f} s")


if __name__ == "__main__":
    main()
