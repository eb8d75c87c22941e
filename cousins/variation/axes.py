"""Axes of variation: each says how many numbers it takes, what it draws from them, and how far that
is from the twin. A new one is one small file; packages bring theirs by an entry point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cousins.types import Array, Scene
from cousins.variation.judge import Judge
from cousins.variation.union import Union
from cousins.variation.units import Footprints

Drawn = Mapping[str, NDArray[Any]]


SHARES = np.linspace(0, 1, 9)  # of the strengths, at which their distances are measured


@dataclass(frozen=True)
class Settings:
    """What may vary. strengths: of each axis, 0..1; an axis that is not named has 1. shapes: of
    each object, its own among them; swaps: the share of them that are other things of its kind.
    distractors: how many things that the twin does not have may stand about. distances: what the
    whole distance must lie between."""

    strengths: Mapping[str, float] = field(default_factory=dict)
    shapes: int = 28
    swaps: float = 0.4
    distractors: int = 3
    distances: tuple[float, float] | None = None

    def strength(self, axis: str) -> float:
        """Of one axis."""
        return float(self.strengths.get(axis, 1.0))


@dataclass(frozen=True)
class Source:
    """All that cousins of one family are drawn from. family: how many of the scene's last objects
    are distractors. pilot (S,): the distance, in the mean, that each of `SHARES` of the strengths
    gives."""

    union: Union
    footprints: Footprints
    judge: Judge
    settings: Settings
    seed: int
    family: int
    pilot: Array

    @property
    def scene(self) -> Scene:
        """The twin with the family's distractors."""
        return self.union.scene

    @property
    def twin(self) -> Scene:
        """The scene without them."""
        return replace(self.scene, assets=self.scene.assets[: self.own])

    @property
    def own(self) -> int:
        """How many objects are the twin's."""
        return len(self.scene.assets) - self.family


class Axis(Protocol):
    """One way in which cousins differ. name: what `--axes` and the index call it."""

    @property
    def name(self) -> str: ...

    def numbers(self, source: Source) -> int:
        """How many uniform numbers one cousin takes."""
        ...

    def draw(self, source: Source, uniform: Array, strength: Array, drawn: Drawn) -> Drawn:
        """Arrays of n cousins by name, from numbers (n, `numbers`) and strengths (n,) in 0..1, of
        which 0 gives the twin. drawn: what the axes before have drawn."""
        ...

    def distance(self, source: Source, drawn: Drawn) -> Array:
        """(n,) in 0..1: 0 for the twin, and in the mean the larger the greater the strength."""
        ...


def combined(values: Mapping[str, Array]) -> Array:
    """(n,) the distance over all axes: their mean, so that it grows with each."""
    return mean(np.stack(list(values.values()), axis=1))


def mean(values: Array) -> Array:
    """(n,) means of (n, k), 0 for no k. Each is the same to the last digit whoever else is there:
    numpy adds in an order that goes by how an array lies in memory."""
    n, k = values.shape
    return np.ascontiguousarray(values).mean(1) if k else np.zeros(n)


def names(axes: Sequence[Axis]) -> list[str]:
    """What the axes are called."""
    return [axis.name for axis in axes]
