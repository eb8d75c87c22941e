"""One shape to swap in for an object, and what a library of them is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from cousins.types import Array, Asset, Mesh, Primitive

MOST_VERTICES = 64  # of a convex part: as many as engines take well


@dataclass(frozen=True)
class Item:
    """A shape in metres, z up, its origin at the centre of its bounding box.

    label: what it is, in words; category: what that is of assets/categories.toml, or None.
    parts: convex, each of MOST_VERTICES at most. `primitive` stands for all of them where it fits
    as well. source: its file, or "household". paint: makes the
    visual mesh with its looks; see `dressed`. licence: what is said of it, "" where nothing is.
    """

    name: str
    label: str
    category: str | None
    visual: Mesh
    parts: tuple[Mesh, ...]
    primitive: Primitive | None
    watertight: bool
    source: str
    licence: str = ""
    paint: Callable[[], Mesh] | None = field(default=None, repr=False, compare=False)

    def dressed(self) -> Item:
        """The same with its looks, where making them takes too long to do so for every item."""
        return self if self.paint is None else replace(self, visual=self.paint(), paint=None)

    @property
    def size(self) -> Array:
        """(3,) extent of the visual mesh, m."""
        return np.ptp(self.visual.vertices, axis=0)


class Library(Protocol):
    """Finds shapes that could stand in an object's place. name: what a pack calls it."""

    @property
    def name(self) -> str: ...

    def __call__(self, asset: Asset, count: int, rng: np.random.Generator) -> Iterable[Item]:
        """Up to `count` items that `fitted` can fit to the asset; fewer where there are no more.

        The same generator draws the same items.
        """
        ...
