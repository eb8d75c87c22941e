"""Chunks of a family: drawn, settled, certified, and drawn anew until all passed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.bank import Family
from cousins.types import Array, Cousin
from cousins.variation import certificate
from cousins.variation.axes import Source, combined
from cousins.variation.sampling import Draws, distances, draw, seeds

OUTSIDE = "cousin: not at the distance asked for"
ROUNDS = 50  # draws of one cousin before it is given up
HOPELESS = 1000  # draws after which a chunk without any success is given up

Faults = Mapping[str, int]


@dataclass(frozen=True)
class Chunk:
    """Cousins that passed, in the order of their indices, and what was rejected on the way.

    rejected: how many draws were. faults: why, as counts of "object: reason"; a draw may have
    several. places: that were tried in vain for an object, counts by reason. missing: the indices
    that never passed.
    """

    cousins: tuple[Cousin, ...]
    arrays: Mapping[str, NDArray[Any]] = field(repr=False)
    rejected: int
    faults: Faults
    places: Faults
    missing: tuple[int, ...]


def chunk(
    source: Source,
    indices: Sequence[int],
    threads: int = 0,
    report: Callable[[int], None] = lambda passed: None,
) -> Chunk:
    """Cousins of these indices, each drawn until it passes.

    What each becomes depends on the scene, the seed and its index alone. `report` is told how
    many have passed.
    """
    good: dict[int, tuple[Cousin, dict[str, NDArray[Any]]]] = {}
    faults, places = Counter[str](), Counter[str]()
    rejected, todo = 0, list(indices)
    for attempt in range(ROUNDS):
        for index, cousin, row, reasons in _attempt(source, todo, attempt, threads, places):
            faults.update(reasons)
            if cousin is not None:
                good[index] = cousin, row
        todo = [index for index in todo if index not in good]
        rejected += len(todo)
        report(len(good))
        if not todo or (not good and rejected >= HOPELESS):
            break
    order = sorted(good)
    rows = [good[index][1] for index in order]
    stacked = {name: np.stack([row[name] for row in rows]) for name in (rows[0] if rows else ())}
    cousins = tuple(good[index][0] for index in order)
    return Chunk(cousins, stacked, rejected, dict(faults), dict(places), tuple(todo))


def joined(source: Source, chunks: Sequence[Chunk]) -> Family:
    """The family of these chunks, in their order; at least one of them holds a cousin."""
    chunks = [part for part in chunks if part.cousins]
    cousins = tuple(cousin for part in chunks for cousin in part.cousins)
    names = chunks[0].arrays
    together = {name: np.concatenate([part.arrays[name] for part in chunks]) for name in names}
    return Family(source.union.xml, source.union.files, together, cousins, source.union.bank)


Result = tuple[int, Cousin | None, dict[str, NDArray[Any]], list[str]]


def _attempt(
    source: Source, indices: Sequence[int], attempt: int, threads: int, places: Counter[str]
) -> Iterator[Result]:
    made = draw(source, indices, attempt)
    places.update(made.places)
    each = [seeds(source, index, attempt) for index in indices]
    yield from judged(source, made, indices, each, attempt + 1, threads)


def judged(
    source: Source, made: Draws, indices: Sequence[int], each: Sequence[tuple[int, ...]],
    attempts: int = 1, threads: int = 0,
) -> Iterator[Result]:  # fmt: skip
    """Settle and certify draws, which are the cousins of these indices and seeds: of each the
    index, the cousin with its row of arrays, or None and why not, in no certain order."""
    prints, names = source.footprints, [asset.name for asset in source.scene.assets]
    far = _outside(source, made.distance)
    for row in np.flatnonzero(made.stuck >= 0).tolist():
        first = prints.units[made.stuck[row]].members[0]
        yield indices[row], None, {}, [f"{names[first]}: {certificate.NO_ROOM}"]
    for row in np.flatnonzero((made.stuck < 0) & far).tolist():
        yield indices[row], None, {}, [OUTSIDE]
    lost = certificate.too_far(source.judge, made.arrays).any(1) & (made.stuck < 0) & ~far
    for row in np.flatnonzero(lost).tolist():
        yield indices[row], None, {}, [f"cousin: {certificate.TOO_FAR}"]
    rows = np.flatnonzero((made.stuck < 0) & ~far & ~lost)
    if not len(rows):
        return
    drawn = {name: value[rows] for name, value in made.arrays.items()}
    verdicts, qpos = certificate.trial(source.judge, drawn, threads)
    drawn["qpos"] = qpos
    values = distances(source, drawn)
    whole = combined(values)
    # What settles may come to lie nearer or farther than it was put.
    far = _outside(source, whole)
    for i, granted in enumerate(verdicts.certificates(names, [attempts] * len(rows))):
        number = indices[rows[i]]
        if not granted.passed or far[i]:
            yield number, None, {}, list(granted.reasons) or [OUTSIDE]
            continue
        went = {axis: float(value[i]) for axis, value in values.items()}
        cousin = Cousin(number, each[rows[i]], went, float(whole[i]), granted)
        yield number, cousin, {name: value[i] for name, value in drawn.items()}, []


def _outside(source: Source, distance: Array) -> NDArray[np.bool_]:
    low, high = source.settings.distances or (0.0, np.inf)
    return (distance < low) | (distance > high)
