"""Steps per second of a family beside those of a bare batch of its twin, in one run.

Both step the same number of simulations by turns, so that what else the machine does hits both.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from clutter import clutter, table
from mujoco.batch import Batch

from cousins import pack
from cousins.engines.cpu import Cpu
from cousins.library import Household
from cousins.scene import build, compile_model
from cousins.variation.axes import Settings
from cousins.variation.family import chunk, joined
from cousins.variation.sampling import sources


def main(n: int, of: Path | None, turns: int = 6, steps: int = 50) -> None:
    """Step family and twin by turns and print the ratio."""
    scene = clutter() if of is None else pack.load_scene(pack.read(of))
    # Without distractors, which the twin does not step.
    drawn_from = sources(scene, 0, Settings(distractors=0), Household()).each[0]
    family = joined(drawn_from, [chunk(drawn_from, range(n))])
    running = Cpu()(family)
    bare = Batch(compile_model(*build(scene)), n)
    running.step(steps)
    bare.step(nstep=steps)
    rates = []
    for turn in range(turns):
        pair = {}
        # Who goes first takes turns as well.
        for name in ("family", "twin") if turn % 2 else ("twin", "family"):
            began = time.perf_counter()
            running.step(steps) if name == "family" else bare.step(nstep=steps)
            pair[name] = n * steps / (time.perf_counter() - began)
        rates.append(pair)
    mine, theirs = (np.median([r[k] for r in rates]) for k in ("family", "twin"))
    ratio = float(np.median([r["family"] / r["twin"] for r in rates]))
    table(
        f"run {of.name if of else 'clutter'}: {n} cousins {mine:,.0f} steps/s, "
        f"bare batch of the twin {theirs:,.0f} steps/s, "
        f"{running.ncon().mean():.0f} contacts a cousin",
        [("family over bare batch", ratio, "steps/s", 0.9, False)],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=1000)
    parser.add_argument("--pack", type=Path)
    arguments = parser.parse_args()
    main(arguments.n, arguments.pack)
