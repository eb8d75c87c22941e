"""What is searched over: the numbers that cousins are made of, all uniform in 0..1.

A point is a row of them: how far from the twin, where a distance is asked for; then of each axis
its strength and its own numbers, as many as the family takes that takes most. Each point is a
cousin that an ordinary draw might have given, however unlikely.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cousins.bank import Family
from cousins.mining.traits import table, traits
from cousins.types import Array
from cousins.variation.family import Chunk, Result, joined, judged
from cousins.variation.sampling import Draws, Numbers, Sources, axes, made

FULL = 0.1  # of a strength's number: from here on an axis has all of its strength


@dataclass(frozen=True)
class Points:
    """n points: uniform (n, `Space.width`); family (n,): how many distractors each has."""

    uniform: Array
    family: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.family)

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Points:
        return Points(self.uniform[rows], self.family[rows])


@dataclass(frozen=True)
class Certified:
    """What became of n points. good (n,): which passed. chunks: by family, those that did, with
    their place among the points as their index. reasons: why the others did not, counts."""

    good: NDArray[np.bool_]
    chunks: tuple[Chunk, ...]
    reasons: Counter[str]


@dataclass(frozen=True)
class Space:
    """All points that a run draws from."""

    sources: Sources

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many numbers each axis takes at most, in the order of the columns."""
        return {axis.name: max(axis.numbers(source) for source in self.sources.each)
                for axis in axes()}  # fmt: skip

    @property
    def width(self) -> int:
        """Of a point."""
        return 1 + sum(1 + count for count in self.counts.values())

    @cached_property
    def columns(self) -> dict[str, slice]:
        """Of each axis, its strength first."""
        out, at = {}, 1
        for name, count in self.counts.items():
            out[name], at = slice(at, at + 1 + count), at + 1 + count
        return out

    def draws(self, family: int, uniform: Array) -> Draws:
        """The cousins of points (n, width) with so many distractors, before they settle."""
        source, of, strengths = self.sources.each[family], {}, {}
        for axis in axes():
            mine = uniform[:, self.columns[axis.name]]
            strengths[axis.name] = np.minimum(mine[:, 0] / FULL, 1.0)
            of[axis.name] = mine[:, 1 : 1 + axis.numbers(source)]
        return made(source, Numbers(uniform[:, 0], of), strengths=strengths)

    def traits(self, points: Points) -> Array:
        """(n, T) what points are like, as they are put, before they settle."""
        out = np.zeros((len(points), 0))
        for family, source in enumerate(self.sources.each):
            mine = points.family == family
            if mine.any():
                drawn = self.draws(family, points.uniform[mine])
                told = table(traits(source, drawn.arrays, drawn.values))
                out = out if out.shape[1] else np.zeros((len(points), told.shape[1]))
                out[mine] = told
        return out

    def certified(self, points: Points, seed: tuple[int, int], threads: int = 0) -> Certified:
        """Settle points and certify them, as `cousins augment` does. seed: what the cousins say
        that they were drawn from, beside their family and their place."""
        good, chunks, reasons = np.zeros(len(points), bool), [], Counter[str]()
        for family, source in enumerate(self.sources.each):
            places = np.flatnonzero(points.family == family)
            if not len(places):
                continue
            drawn = self.draws(family, points.uniform[places])
            each = [(seed[0], family, seed[1], int(place)) for place in places]
            found = list(judged(source, drawn, places.tolist(), each, 1, threads))
            for _, cousin, _, why in found:
                if cousin is None:
                    reasons.update({reason.partition(": ")[2] for reason in why})
            passed = sorted((r for r in found if r[1] is not None), key=lambda r: r[0])
            good[[r[0] for r in passed]] = True
            chunks.append(_chunk(passed))
        return Certified(good, tuple(chunks), reasons)

    def families(self, made: Certified, order: Sequence[int]) -> list[Family]:
        """The cousins at these places among the points, numbered in this order from 0."""
        number = {place: k for k, place in enumerate(order)}
        out = []
        for part in made.chunks:
            mine = [r for r, cousin in enumerate(part.cousins) if cousin.index in number]
            mine.sort(key=lambda r: number[part.cousins[r].index])
            if not mine:
                continue
            source = self.sources.each[part.cousins[mine[0]].seed[1]]
            cousins = tuple(replace(part.cousins[r], index=number[part.cousins[r].index])
                            for r in mine)  # fmt: skip
            arrays = {name: value[mine] for name, value in part.arrays.items()}
            out.append(joined(source, [replace(part, cousins=cousins, arrays=arrays)]))
        return out

    def apart(self, one: Points, others: Points) -> Array:
        """(n, m) how far points lie from others: the root mean square over the axes of the root
        mean square difference of their numbers."""
        parts = []
        for columns in self.columns.values():
            off = one.uniform[:, None, columns] - others.uniform[None, :, columns]
            parts.append((off**2).mean(-1))
        return np.sqrt(np.mean(parts, axis=0))


def _chunk(passed: Sequence[Result]) -> Chunk:
    """Certified cousins, in this order."""
    cousins = tuple(cousin for _, cousin, _, _ in passed if cousin is not None)
    rows = [row for _, _, row, _ in passed]
    names = rows[0] if rows else ()
    return Chunk(cousins, {name: np.stack([row[name] for row in rows]) for name in names}, 0,
                 {}, {}, ())  # fmt: skip
