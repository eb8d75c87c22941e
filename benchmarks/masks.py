"""What masks of pictures add to geometry: true masks, spoilt as networks spoil them, against none.

    python benchmarks/masks.py [--layout flush ...] [--seeds 4] [--keep DIR] [--json FILE]

Films generated scenes, and takes each through a scan as far as its objects: by geometry alone, then
with masks that are right, and with masks of which 10% are missing, 10% hold a neighbour as well,
all are shifted by 5 pixels and 20% of the pictures answer every prompt with another object's mask.
An object is found if a segment's overlap with it, intersection over union of surface points, is at
least one half.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from generated import filmed
from rich.console import Console
from rich.table import Table
from segments import compare, nearest, true_labels

from cousins import scanning
from cousins.cache import Cache
from cousins.capture import open_rgbd
from cousins.errors import ScanError
from cousins.household import scene
from cousins.masks import Masker
from cousins.masks.ask import Ask
from cousins.masks.keyframes import smaller
from cousins.phone import Phone
from cousins.phone.masks import Errors, true_masks
from cousins.progress import silent
from cousins.score import in_pack, load_truth
from cousins.types import Capture, Frame

SPOILT = Errors(dropped=0.1, merged=0.1, shift=5.0, wrong=0.2)
MASKERS = {"geometry alone": None, "true masks": Errors(), "spoilt masks": SPOILT}
FOUND = 0.5


@dataclass(frozen=True)
class Result:
    """One scene with one kind of masks. overlaps: of each true object with its best segment.
    seconds: that asking took beyond geometry."""

    layout: str
    seed: int
    masks: str
    overlaps: list[float]
    found: int
    over: int
    under: int
    seconds: float


def main() -> None:
    """Film, segment, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--layout", action="append", default=[], help="repeatable")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0, help="the first")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the films, or use them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    arguments = parser.parse_args()
    layouts = arguments.layout or ["flush", "touching", "stacked"]
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as scratch:
        for layout in layouts:
            for seed in range(arguments.seed, arguments.seed + arguments.seeds):
                path = filmed(layout, seed, arguments.keep or Path(scratch))
                results += of_scene(layout, seed, path)
                for r in results[-len(MASKERS) :]:
                    print(r.layout, r.seed, r.masks, np.round(r.overlaps, 2).tolist(), r.found,
                          f"{r.seconds:.1f} s", flush=True)  # fmt: skip
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(r) for r in results], indent=1) + "\n")
    show(results, layouts)


def of_scene(layout: str, seed: int, path: Path) -> Iterator[Result]:
    """One scene by geometry alone and with each kind of masks."""
    capture, staged = open_rgbd(path), scene(layout, seed)
    phone = Phone(colour_size=_size(capture), walk=staged.walk, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        for name, errors in MASKERS.items():
            masker = errors and true_masks(staged.model, phone, _shown(capture), errors)
            yield Result(layout, seed, name, *_segmented(capture, path, masker, Path(folder)))


def _size(capture: Capture) -> tuple[int, int]:
    k = next(capture.frames()).colour_intrinsics
    return k.width, k.height


def _shown(capture: Capture) -> Iterator[Frame]:
    for frame in capture.frames():
        yield smaller(frame, Ask().longest)


def _segmented(
    capture: Capture, path: Path, masker: Masker | None, folder: Path
) -> tuple[list[float], int, int, int, float]:
    run = scanning.Run(capture, scanning.Settings(masker=masker), Cache(folder), silent)
    scanning.refine_poses(run)
    scanning.register_colour(run)
    world = scanning.find_world(run)
    surface = scanning.fuse(run, world)
    try:
        segments = scanning.segment(run, world, surface)
    except ScanError:
        segments = []
    truth = load_truth(path.with_name(f"{path.name}.truth.json"))
    true = true_labels(surface, world, in_pack(truth, world.world_from_capture))
    found = nearest([s.points for s in segments], surface.vertices, 1e-6)
    return *compare(true, found, len(segments)), run.seconds.get("masks", 0.0)


def show(results: list[Result], layouts: list[str]) -> None:
    """Print the pooled numbers as a table."""
    table = Table("", "masks", "true", "found", "recall", "precision", "mean overlap", "over",
                  "under", "asking, s")  # fmt: skip
    for layout in [*layouts, "all"]:
        for name in MASKERS:
            some = [r for r in results if r.masks == name and layout in (r.layout, "all")]
            table.add_row(layout, name, *_pooled(some))
    Console(width=120).print(table)


def _pooled(results: list[Result]) -> list[Any]:
    every = np.concatenate([r.overlaps for r in results])
    found, hits = sum(r.found for r in results), int((every >= FOUND).sum())
    return [str(len(every)), str(found), f"{hits / len(every):.3f}", f"{hits / max(found, 1):.3f}",
            f"{every.mean():.3f}", str(sum(r.over for r in results)),
            str(sum(r.under for r in results)),
            f"{np.mean([r.seconds for r in results]):.1f}"]  # fmt: skip


if __name__ == "__main__":
    main()
