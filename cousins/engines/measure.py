"""How fast an engine steps families, and how they fare meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cousins.bank import Family
from cousins.engines import Engine
from cousins.engines import overlap as worst
from cousins.progress import Progress, silent

PIECE = 50  # steps between two looks


@dataclass(frozen=True)
class Measured:
    """What `measure` found. steps: of each cousin; seconds: spent on stepping alone.

    contacts: mean of a cousin, over the run; awake: mean share of objects; overlap: the deepest
    penetration at the end, m; unstable: the numbers of the cousins that went unstable.
    """

    cousins: int
    steps: int
    seconds: float
    steps_per_second: float
    contacts: float
    awake: float
    overlap: float
    unstable: tuple[int, ...]


def measure(
    engine: Engine, families: Iterable[Family], steps: int, progress: Progress = silent
) -> Measured:
    """Step all cousins of the families, one family after the other, from where they start.

    Cousins are numbered as `cousins.pack.numbered` does. Raises what the engine raises.
    """
    cousins, first, seconds, overlap = 0, 0, 0.0, 0.0
    unstable: list[int] = []
    contacts: list[float] = []
    awake: list[float] = []
    for family in families:
        running = engine(family)
        for start in range(0, steps, PIECE):
            began = time.perf_counter()
            running.step(min(PIECE, steps - start))
            seconds += time.perf_counter() - began
            contacts.append(float(running.ncon().sum()))
            awake.append(float(running.awake().sum()))
            progress("steps", min(start + PIECE, steps), steps)
        overlap = max(overlap, float(worst(running).max()))
        unstable += [first + family.cousins[row].index for row in running.unstable()]
        first += 1 + max(cousin.index for cousin in family.cousins)
        cousins += len(running)
    looks = -(-steps // PIECE)
    return Measured(
        cousins=cousins,
        steps=steps,
        seconds=seconds,
        steps_per_second=cousins * steps / seconds,
        contacts=float(np.sum(contacts)) / (cousins * looks),
        awake=float(np.sum(awake)) / (cousins * looks),
        overlap=overlap,
        unstable=tuple(unstable),
    )
