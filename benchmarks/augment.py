"""Cousins of a pack, by default of a made-up one of forty convex parts: how long, how large, how
many draws pass, and how long compiling each by itself would take.

    python benchmarks/augment.py [-n 1000] [--pack PACK] [--share K] [--scale N M] [--stand K]

Each run has a process of its own, so that its peak of memory is its own. All axes are at 1.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from unittest.mock import patch

import numpy as np
import stand
from clutter import clutter, manifest, quality, table

from cousins import pack, pipeline
from cousins.batch import batch
from cousins.scene import build, compile_model
from cousins.variation.axes import Settings
from cousins.variation.export import cousin_scene
from cousins.variation.sampling import axes

MINUTES = 6.0  # that 10,000 cousins may take
COMPILED = 20  # cousins that are compiled by themselves
HALF = 0.5  # the strength at which --share tells how many draws pass
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """One run of augment. bank_seconds: of `seconds`, before the first cousin is drawn. peak: MB.
    shapes: how many distinct ones the bank holds of each of the twin's objects."""

    cousins: int
    seconds: float
    bank_seconds: float
    peak: float
    bytes: int
    bank_bytes: int
    rejected: int
    reasons: dict[str, int]
    shapes: tuple[int, ...]

    @property
    def rate(self) -> float:
        """Cousins a second, once the bank is made."""
        return self.cousins / (self.seconds - self.bank_seconds)

    @property
    def passed(self) -> float:
        """The share of draws that did."""
        return self.cousins / (self.cousins + self.rejected)


@dataclass(frozen=True)
class Compiled:
    """Seconds a cousin takes, in the median: to be written as XML of its own, to be compiled from
    that, and to be put into a batch instead; and how many bodies and geoms it has."""

    export: float
    compile: float
    batch: float
    geoms: int


def alone(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the function gives, called in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def run(path: Path, n: int, out: Path, strength: float = 1.0) -> Run:
    """Augment a pack into another."""
    spent: list[float] = []
    make = pipeline.sources

    def clocked(*args: Any) -> Any:
        began = time.monotonic()
        made = make(*args)
        spent.append(time.monotonic() - began)
        return made

    settings = Settings({axis.name: strength for axis in axes()})
    with patch.object(pipeline, "sources", clocked):
        done = pipeline.augment(path, n, out=out, settings=settings)
    peak = pipeline.peak_rss_mb()  # before the pack is looked at again
    made = pack.read(out)
    bank = pack.load_family(made, made.families[0]).bank
    shapes = () if bank is None else tuple(bank.shapes[: len(made.objects)].tolist())
    return Run(done.cousins, done.seconds, sum(spent), peak, done.bytes, done.bank_bytes,
               done.rejected, done.rejected_by_reason, shapes)  # fmt: skip


def compiled(path: Path, k: int) -> Compiled:
    """The yardstick: cousins of a pack reset as by a benchmark that compiles XML anew each time."""
    held = pack.read(path)
    scene, family = pack.load_scene(held), pack.load_family(held, held.families[0])
    chosen = np.linspace(0, len(family) - 1, min(k, len(family))).astype(int).tolist()
    spent, geoms = [], 0
    for row in chosen:
        began = time.perf_counter()
        xml, files = build(*cousin_scene(scene, family, row))
        written = time.perf_counter()
        geoms = compile_model(xml, files).ngeom
        spent.append((written - began, time.perf_counter() - written))
    model = compile_model(family.xml, dict(family.files))
    rows = range(min(len(family), 256))
    began = time.perf_counter()
    batch(model, family.fields(rows))
    batched = (time.perf_counter() - began) / len(rows)
    export, each = np.median(spent, axis=0)
    return Compiled(float(export), float(each), batched, geoms)


def show(name: str, done: Run, other: Compiled, half: Run | None) -> None:
    """Print the numbers of a run beside their yardsticks."""
    rows = [
        ("time for 10,000 cousins", (done.bank_seconds + 10_000 / done.rate) / 60, "min", MINUTES,
         True),
        ("a cousin beyond the bank", done.bytes / done.cousins / 1000, "kB", 5.0, True),
        ("peak memory", done.peak / 1000, "GB", 1.5, True),
        ("distinct shapes an object, at least", float(min(done.shapes)), "", 24.0, False),
    ]  # fmt: skip
    if half is not None:
        rows.append(("draws that pass at strength 0.5", 100 * half.passed, "%", 60.0, False))
    table(f"augment {name}: {done.cousins:,} cousins in {done.seconds:.1f} s", rows)
    print(f"bank: {done.bank_seconds:.1f} s, {done.bank_bytes / 1e6:.1f} MB, "
          f"{np.median(done.shapes):.0f} shapes an object in the median")  # fmt: skip
    print(f"draws that pass at strength 1: {done.passed:.0%}; rejected: {_said(done)}")
    if half is not None:
        print(f"and at strength {HALF:g}, of {half.cousins:,}: {half.passed:.0%}; "
              f"rejected: {_said(half)}")  # fmt: skip
    print(f"cousins a second: {done.rate:.1f} drawn, settled and certified; "
          f"{1 / other.batch:,.0f} put into a batch; {1 / other.compile:.1f} compiled each by "
          f"itself, of {other.geoms} geoms, and {1 / (other.export + other.compile):.1f} with "
          f"writing its XML ({1 / other.export:.1f} without compiling)")  # fmt: skip


def _said(done: Run) -> str:
    return ", ".join(f"{times} {reason}" for reason, times in done.reasons.items()) or "none"


def scale(path: Path, few: int, many: int, folder: Path) -> dict[str, Any]:
    """Whether more cousins take as long each, and no more memory."""
    a, b = (alone(run, path, n, folder / f"scale-{n}") for n in (few, many))
    table(
        f"augment {path.name}: {many:,} cousins ({b.rate:.1f} a second, {b.peak:.0f} MB) beside "
        f"{few:,} ({a.rate:.1f} a second, {a.peak:.0f} MB)",
        [
            ("rate of many over that of few", b.rate / a.rate, "", 0.9, False),
            ("peak memory of many over few", b.peak / a.peak, "", 1.1, True),
        ],
    )
    return {"few": asdict(a), "many": asdict(b)}


def main() -> None:
    """Augment, print."""
    arguments = _arguments()
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        path = arguments.pack or folder / "clutter"
        if arguments.pack is None:
            pack.write(path, clutter(), manifest(), quality())
        if arguments.scale:
            few, many = arguments.scale
            told["scale"] = scale(path, few, many, folder)
        else:
            out = folder / "out"
            done = alone(run, path, arguments.n, out)
            other = alone(compiled, out, COMPILED)
            half = arguments.share and alone(run, path, arguments.share, folder / "half", HALF)
            show(path.name, done, other, half or None)
            told |= {"run": asdict(done), "compiled": asdict(other)}
            if half:
                told["half"] = asdict(half)
            if arguments.stand:
                found = stand.measure(out, arguments.stand, 5.0, os.cpu_count() or 1)
                stand.show(found, 5.0)
                told["stand"] = stand.told(found)
    if arguments.json:
        arguments.json.write_text(json.dumps(told) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0] if __doc__ else None)
    parser.add_argument("-n", type=int, default=1000, help="cousins")
    parser.add_argument("--pack", type=Path)
    parser.add_argument("--share", type=int, metavar="K",
                        help="so many at strength 0.5 too: how many draws pass")  # fmt: skip
    parser.add_argument("--scale", type=int, nargs=2, metavar=("N", "M"),
                        help="instead: the rate and the memory of M beside those of N")  # fmt: skip
    parser.add_argument("--stand", type=int, metavar="K",
                        help="so many as plain MJCF: do they stand? See stand.py")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
