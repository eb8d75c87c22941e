"""Pushed household things of known mass and friction: what calibration makes of noisy logs.

    python benchmarks/calibrate.py [-n 50] [--first 0] [--only {force,blind}] [--json FILE]

Each trial is one thing on a table, its mass and friction drawn from what a scan would believe of
it, pushed four times from all sides: thrice quick and let go, once slow. The tracker errs by 1 mm
and 0.5°, loses one row in fifty and has a clock of its own; the sensor errs by 3%. The last push, a
quick one, is held out. The posterior is made with the force and without it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from cousins.calibration import simulated
from cousins.calibration.calibrate import PARTICLES, belief_of, what_damps
from cousins.calibration.infer import infer
from cousins.calibration.likelihood import errors
from cousins.calibration.log import Push, parse_csv, pushes_of
from cousins.calibration.simulate import Guess, Pusher, Stage, simulate, stage
from cousins.calibration.tell import Told, tell
from cousins.calibration.trial import NeverMovedError, NeverTouchedError, Trial, trial
from cousins.errors import CousinsError
from cousins.scene import build

CATEGORIES = ("box", "can", "mug", "bottle", "ball", "carton", "bowl", "book", "case", "ell")


def main() -> None:
    """Push, infer, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("-n", type=int, default=50, help="trials")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--only", choices=("force", "blind"))
    parser.add_argument("--particles", type=int, default=PARTICLES)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="a line a trial goes there too")
    arguments = parser.parse_args()
    kinds = [arguments.only] if arguments.only else ["force", "blind"]
    rows: list[dict[str, Any]] = []
    for number in range(arguments.first, arguments.first + arguments.n):
        for kind in kinds:
            row = one(number, kind == "force", arguments.particles, arguments.threads)
            rows.append(row)
            if arguments.json:
                with arguments.json.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    show(rows)


def one(number: int, force: bool, particles: int, threads: int) -> dict[str, Any]:
    """One trial."""
    rng = np.random.default_rng(np.random.SeedSequence(20, spawn_key=(number,)))
    category = CATEGORIES[number % len(CATEGORIES)]
    asset = simulated.thing(category, rng)
    scene = simulated.scene(asset)
    on = stage(*build(scene), asset.name, Pusher())
    belief = belief_of(on, asset.mass, asset.friction)
    # Within what is believed, so that the intervals can be counted; 1% tails aside.
    truth = belief.guess(rng.standard_normal((1, 4)).clip(-2.3, 2.3))
    ways = simulated.strokes(asset, rng, 5)
    del ways[3]  # a slow one
    sensors = simulated.Sensors(offset=float(rng.uniform(-0.1, 0.1)))
    table = simulated.make_log(scene, asset.name, truth, ways, sensors, rng)
    if not force:
        table = {k: v for k, v in table.items() if not k.startswith("force")}
    pushes = pushes_of("log", parse_csv("log", simulated.csv_text(table)))
    row: dict[str, Any] = {"trial": number, "category": category, "force": force}
    try:
        trials = made(on, pushes)
    except CousinsError as error:  # counted, not hidden
        return {**row, "failed": str(error)}
    began = time.monotonic()
    posterior = infer(on, trials[:-1], belief, particles, np.random.default_rng(number), threads)
    row["seconds"] = time.monotonic() - began
    told = tell(posterior, what_damps(on), "benchmark")
    for name, value in zip(told.properties, vars(truth).values(), strict=True):
        row[name] = against(told.properties[name], float(value[0]))
    row |= {"correlation": told.correlation, "product": told.product, "words": told.words,
            "odd": posterior.odd, "diverged": posterior.diverged,
            "offset_error": float(np.mean(posterior.offsets)) - sensors.offset}  # fmt: skip
    median = Guess(*(np.array([p.q50]) for p in told.properties.values()))
    before = belief.guess(np.zeros((1, 4)))
    row["held_out"] = [error_of(on, trials[-1], g, sensors.offset) for g in (median, before)]
    return row


def made(on: Stage, pushes: Sequence[Push]) -> list[Trial]:
    """The trials of all pushes that moved the thing; the last one must have."""
    trials = []
    for push in pushes:
        try:
            trials.append(trial(on, push, {}))
        except (NeverMovedError, NeverTouchedError):
            if push is pushes[-1] or (push is pushes[-2] and not trials):
                raise
    return trials


def error_of(on: Any, held: Trial, guess: Guess, offset: float) -> float:
    """mm, of the held-out push."""
    return 1000 * float(errors(held, on.period, simulate(on, held.path, guess), offset)[0][0])


def against(told: Told, truth: float) -> dict[str, Any]:
    """One property of one trial against the truth."""
    numbers = {k: v for k, v in asdict(told).items() if k in ("q05", "q50", "q95", "contraction")}
    return {**numbers, "truth": truth, "told": told.told, "error": abs(told.q50 / truth - 1),
            "inside": told.q05 <= truth <= told.q95}  # fmt: skip


def show(rows: list[dict[str, Any]]) -> None:
    """The table."""
    table = Table("", "trials", "told", "median error", "90th", "90% intervals hold", "all of them")
    for force in (True, False):
        mine = [r for r in rows if r["force"] is force and "failed" not in r]
        for name in ("mass", "friction", "damping", "grip") if mine else ():
            told = [r[name] for r in mine if r[name]["told"]]
            error = [t["error"] for t in told] or [np.nan]
            table.add_row(
                f"{name}, {'with' if force else 'without'} force",
                str(len(mine)),
                str(len(told)),
                f"{np.median(error):.1%}",
                f"{np.quantile(error, 0.9):.1%}",
                f"{np.mean([t['inside'] for t in told] or [np.nan]):.2f}",
                f"{np.mean([r[name]['inside'] for r in mine]):.2f}",
            )
    Console().print(table)
    good = [r for r in rows if "failed" not in r]
    if good:
        after, before = np.median([r["held_out"] for r in good], axis=0)
        print(f"held out: {after:.1f} mm, {before:.1f} mm before; "
              f"{np.median([r['seconds'] for r in good]):.0f} s a trial; "
              f"{len(rows) - len(good)} of {len(rows)} logs could not be used")  # fmt: skip


if __name__ == "__main__":
    main()
