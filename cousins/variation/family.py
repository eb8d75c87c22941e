"""Chunks of a family: drawn, settled, certified, and drawn anew until all passed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.types import Cousin, Family
from cousins.variation import certificate, distance
from cousins.variation.sampling import Source, draw, seeds
from cousins.variation.union import Draws, arrays

ROUNDS = 50  # draws of one cousin before it is given up
HOPELESS = 1000  # draws after which a chunk without any success is given up

Faults = Mapping[str, int]


@dataclass(frozen=True)
class Chunk:
    """Cousins that passed, in the order of their indices, and what was rejected on the way.

    rejected: how many draws were. faults: why, as counts of "object: reason"; a draw may have
    several. missing: the indices that never passed.
    """

    cousins: tuple[Cousin, ...]
    arrays: Mapping[str, NDArray[Any]] = field(repr=False)
    rejected: int
    faults: Faults
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
    faults: Counter[str] = Counter()
    rejected, todo = 0, list(indices)
    for attempt in range(ROUNDS):
        for index, cousin, row, reasons in _attempt(source, todo, attempt, threads):
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
    return Chunk(cousins, stacked, rejected, dict(faults), tuple(todo))


def worst(chunks: Sequence[Chunk]) -> str:
    """The faults that reject most, with their counts, in words."""
    faults: Counter[str] = Counter()
    for part in chunks:
        faults.update(part.faults)
    return "; ".join(f"{reason} ({times} times)" for reason, times in faults.most_common(3))


def joined(source: Source, chunks: Sequence[Chunk]) -> Family:
    """The family of these chunks, in their order; at least one of them holds a cousin."""
    chunks = [part for part in chunks if part.cousins]
    cousins = tuple(cousin for part in chunks for cousin in part.cousins)
    names = chunks[0].arrays
    together = {name: np.concatenate([part.arrays[name] for part in chunks]) for name in names}
    return Family(source.union.xml, source.union.files, together, cousins)


_Result = tuple[int, Cousin | None, dict[str, NDArray[Any]], list[str]]


def _attempt(
    source: Source, indices: Sequence[int], attempt: int, threads: int
) -> Iterator[_Result]:
    model, prints = source.union.model, source.footprints
    names = [asset.name for asset in source.union.scene.assets]
    drawn, stuck = draw(source, indices, attempt)
    for row in np.flatnonzero(stuck >= 0).tolist():
        first = prints.units[stuck[row]].members[0]
        yield indices[row], None, {}, [f"{names[first]}: {certificate.NO_ROOM}"]
    rows = np.flatnonzero(stuck < 0)
    if not len(rows):
        return
    drawn, numbers = _rows(drawn, rows), [indices[row] for row in rows.tolist()]
    values = arrays(source.union, drawn)
    values["qpos"], faults = certificate.settle(model, names, values, threads)
    settled = ~faults.any((1, 2))
    for i in np.flatnonzero(~settled).tolist():
        yield numbers[i], None, {}, certificate.reasons(faults[i], names)
    kept = np.flatnonzero(settled)
    if not len(kept):
        return
    values = {name: value[kept] for name, value in values.items()}
    drawn = _posed(source, _rows(drawn, kept), values["qpos"])
    verdicts = certificate.hold(model, names, prints, values, threads)
    axes = distance.axes(source.union, prints, drawn)
    whole = distance.distance(axes)
    for i, granted in enumerate(verdicts.certificates(names, [attempt + 1] * len(kept))):
        index = numbers[kept[i]]
        if not granted.passed:
            yield index, None, {}, list(granted.reasons)
            continue
        went = {axis: float(value[i]) for axis, value in axes.items()}
        seed = seeds(source, index, attempt)
        cousin = Cousin(index, seed, went, float(whole[i]), granted)
        yield index, cousin, {name: value[i] for name, value in values.items()}, []


def _rows(draws: Draws, rows: NDArray[np.int64]) -> Draws:
    return Draws(**{f.name: getattr(draws, f.name)[rows] for f in fields(draws)})


def _posed(source: Source, draws: Draws, qpos: NDArray[np.float64]) -> Draws:
    start = np.array([slot.address for slot in source.union.slots])
    return replace(
        draws,
        position=qpos[:, start[:, None] + np.arange(3)],
        quaternion=qpos[:, start[:, None] + np.arange(3, 7)],
    )
