"""Steps per second of an engine's different cousins, beside those of worlds that are all one
cousin, and beside the bare engine; with memory, contacts, and what is awake.

    python benchmarks/engines.py [--pack PACK] [--engine cpu] [-n 1 64 1024 4096] [--json FILE]

Worlds are set going by a push before each timed piece, so that what is timed moves. Ratios compare
the same few cousins, by turns: mixed in one batch, each in a batch of its own, and each compiled by
itself in a bare `mujoco.batch.Batch`, so that both sides have the same contacts to solve.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import yaml
from clutter import clutter, manifest, quality
from mujoco.batch import Batch
from rich.console import Console
from rich.table import Table

from cousins import pack
from cousins.bank import Family
from cousins.engines import Running, State, engine
from cousins.parity import SPEED, SPIN
from cousins.scene import build, compile_model
from cousins.types import Scene
from cousins.variation.export import cousin_scene
from cousins.variation.union import unseen

FEW = 3  # cousins that the ratios compare
STEPS = 50  # after each push
LEAST = 40_000  # steps of all worlds together in a timed piece, at least


@dataclass(frozen=True)
class Row:
    """One line of the table. homogeneous, bare: the ratio of the mixed batch's rate to theirs."""

    engine: str
    worlds: int
    sleep: bool
    steps_per_second: float
    homogeneous: float
    bare: float | None
    kilobytes: float
    contacts: float
    awake: float
    overlap: float
    unstable: int


def measure(
    name: str, path: Path, n: int, sleep: bool, turns: int, settings: dict[str, Any]
) -> Row:
    """n worlds of a pack's first family: all different as far as it goes, then the ratios of a few.

    A world's memory is told from a thousand worlds on: fewer hardly show in a process's.
    """
    opened = pack.read(path)
    scene, family = pack.load_scene(opened), pack.load_family(opened, opened.families[0])
    made = engine(name, **settings, **({"sleep": True} if sleep else {}))
    one = made(family, [0])  # what any number of worlds share
    before = resident()
    whole = made(family, np.resize(np.arange(len(family)), n))
    took = (resident() - before) / n / 1e3 if n >= 1000 else np.nan
    rate = n * STEPS / np.median([timed(whole, turn) for turn in range(turns)])
    contacts, awake = float(whole.ncon().mean()), float(whole.awake().mean())
    deepest, unstable = float(overlap_of(whole)), len(whole.unstable())
    del whole, one
    few = np.linspace(0, len(family) - 1, min(FEW, n)).astype(int)
    mixed = made(family, np.resize(few, n))
    alike = [made(family, np.full(n, row)) for row in few]
    bare = [Bare(scene, family, row, n) for row in few] if name == "cpu" and not sleep else []
    pairs = [
        (timed(mixed, turn), np.mean([timed(a, turn) for a in alike]),
         np.mean([timed(b, turn) for b in bare] or [np.nan]))
        for turn in range(turns)
    ]  # fmt: skip
    ratios = np.median(
        [(homogeneous / mine, alone / mine) for mine, homogeneous, alone in pairs], 0
    )
    return Row(
        name, n, sleep, float(rate), float(ratios[0]), float(ratios[1]) if bare else None,
        took, contacts, awake, deepest, unstable,
    )  # fmt: skip


class Bare:
    """n worlds of one cousin's own compiled model, in a batch that knows nothing of cousins."""

    def __init__(self, scene: Scene, family: Family, row: int, n: int) -> None:
        xml, files = build(*cousin_scene(scene, family, int(row)))
        self.model = compile_model(xml, unseen(xml, files))
        self.batch = Batch(self.model, n)

    def __len__(self) -> int:
        return self.batch.nsim

    def reset(self) -> None:
        """To the start, at rest."""
        self.batch.reset()

    def state(self) -> State:
        """Of all worlds, as an engine's."""
        names = ("time", "qpos", "qvel", "act", "qacc_warmstart")
        return State(*(np.array(self.batch.bind(name)) for name in names))

    def restore(self, state: State) -> None:
        """Velocities alone: all else is as after a reset."""
        self.batch.qvel = state.qvel

    def step(self, steps: int) -> None:
        """All worlds."""
        self.batch.step(nstep=steps)


def timed(running: Running | Bare, turn: int) -> float:
    """Seconds that `STEPS` of all worlds take, after a push."""
    n, seconds = len(running), []
    for _ in range(max(1, LEAST // (n * STEPS))):
        running.reset()
        state = running.state()
        drawn = np.random.default_rng(turn).normal(size=(n, state.qvel.shape[1] // 6, 6))
        push = drawn * np.repeat([SPEED, SPIN], 3)
        running.restore(replace(state, qvel=push.reshape(n, -1)))
        began = time.perf_counter()
        running.step(STEPS)
        seconds.append(time.perf_counter() - began)
    return float(np.mean(seconds))


def overlap_of(running: Running, most: int = 256) -> float:
    """m, the deepest of up to `most` worlds."""
    found = running.contacts(np.arange(min(len(running), most)))
    return float(-found.distance.min(initial=0.0))


def resident() -> int:
    """Bytes of this process that are in memory."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def show(rows: Sequence[Row], of: str) -> None:
    """The table, with the machine's name."""
    processor = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), platform.processor()
    )  # fmt: skip
    title = f"{of}; {os.cpu_count()} cores of {processor}; MuJoCo {mujoco.__version__}"
    table = Table("engine", "worlds", "sleep", "steps/s", "over homogeneous", "over bare",
                  "KB a world", "contacts", "awake", "overlap, mm", "unstable",
                  title=title)  # fmt: skip
    for r in rows:
        bare = "–" if r.bare is None else f"{r.bare:.2f}"
        table.add_row(r.engine, f"{r.worlds:,}", "yes" if r.sleep else "no",
                      f"{r.steps_per_second:,.0f}", f"{r.homogeneous:.2f}", bare,
                      "–" if np.isnan(r.kilobytes) else f"{r.kilobytes:.0f}",
                      f"{r.contacts:.1f}", f"{r.awake:.0%}",
                      f"{1000 * r.overlap:.3f}", str(r.unstable))  # fmt: skip
    Console(width=150).print(table)


def made_up(folder: Path) -> Path:
    """A pack of cousins of a made-up scene."""
    from cousins.pipeline import augment

    path = folder / "clutter"
    pack.write(path, clutter(), manifest(), quality())
    augment(path, 256)
    return path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0] if __doc__ else None)
    parser.add_argument("--pack", type=Path, help="with cousins; by default a made-up one")
    parser.add_argument("--engine", default="cpu")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                        help="a setting of the engine")  # fmt: skip
    parser.add_argument("-n", type=int, nargs="+", default=[1, 64, 1024, 4096])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--no-sleep", action="store_true", help="only without sleep")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    asked = parser.parse_args()
    settings = {key: yaml.safe_load(value) for key, _, value in
                (pair.partition("=") for pair in asked.set)}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        opened = pack.read(asked.pack or made_up(Path(folder)))
        rows = []
        for sleep, n in product((False,) if asked.no_sleep else (False, True), asked.n):
            # Each in a process of its own, so that its memory is its own.
            with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
                task = fresh.submit(measure, asked.engine, opened.path, n, sleep, asked.turns,
                                    settings)  # fmt: skip
                rows.append(task.result())
            print(f"{n} worlds: {rows[-1].steps_per_second:,.0f} steps/s", file=sys.stderr)
    if asked.json:
        asked.json.write_text(json.dumps([asdict(row) for row in rows]) + "\n")
    show(rows, asked.pack.name if asked.pack else "clutter")


if __name__ == "__main__":
    main()
