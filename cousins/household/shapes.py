"""Household shapes, each a frozen dataclass that says how its `solid` comes about.

Lengths in metres. A shape's frame has z up, its foot at z = 0, and what turns, turns about z.
`wall` is how thick the shape's walls are where it is hollow to the eye, else 0. `zone` says of
points (n, 3) on the surface which of two tones they are painted in: 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cousins.household import solids
from cousins.household.solids import Solid, block, joined
from cousins.types import Array, Primitive

UPRIGHT = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Opening:
    """Room for a ball: of `radius`, centred on `centre` (3,), it touches nothing, neither there
    nor on its straight way in from outside against `axis` (3,), a unit vector that points out."""

    centre: tuple[float, float, float]
    axis: tuple[float, float, float]
    radius: float


class Shape(Protocol):
    """What every shape of this module can tell of itself."""

    @property
    def wall(self) -> float: ...
    def solid(self) -> Solid: ...
    def openings(self) -> tuple[Opening, ...]: ...
    def primitive(self) -> Primitive | None: ...
    def zone(self, points: Array) -> NDArray[np.intp]: ...


@dataclass(frozen=True)
class Plain:
    """What most shapes have: no hollow, no primitive, one tone."""

    @property
    def wall(self) -> float:
        return 0.0

    def openings(self) -> tuple[Opening, ...]:
        return ()

    def primitive(self) -> Primitive | None:
        """The primitive that is the whole shape, if there is one."""
        return None

    def zone(self, points: Array) -> NDArray[np.intp]:
        return np.zeros(len(points), int)


@dataclass(frozen=True)
class Box(Plain):
    """Sides along x, y and z."""

    size: tuple[float, float, float]

    def solid(self) -> Solid:
        x, y, z = self.size
        return block((-x / 2, -y / 2, 0), (x / 2, y / 2, z))

    def primitive(self) -> Primitive:
        x, y, z = self.size
        return Primitive("box", (x / 2, y / 2, z / 2), (0.0, 0.0, z / 2), UPRIGHT)


@dataclass(frozen=True)
class Ball(Plain):
    """A ball."""

    radius: float

    def solid(self) -> Solid:
        import trimesh

        fine, coarse = (np.asarray(trimesh.creation.icosphere(n, self.radius).vertices)
                        for n in (3, 2))  # fmt: skip
        whole, part = solids.hull(fine), solids.hull(coarse)
        return Solid(whole.mesh, part.parts).moved((0, 0, self.radius))

    def primitive(self) -> Primitive:
        return Primitive("sphere", (self.radius, 0.0, 0.0), (0.0, 0.0, self.radius), UPRIGHT)


@dataclass(frozen=True)
class Hammer(Plain):
    """Lies flat: a handle along x, and a head across its end. handle, head: half widths."""

    length: float
    handle: float
    head: float
    head_length: float

    def solid(self) -> Solid:
        turn = np.linspace(0, 2 * np.pi, 8, endpoint=False) + np.pi / 8
        ring = (
            self.handle
            / np.cos(np.pi / 8)
            * np.column_stack([0 * turn, np.cos(turn), np.sin(turn)])
        )
        ring[:, 2] += self.head
        handle = solids.hull(np.vstack([ring, ring + [self.length - self.head, 0, 0]]))
        low, high = self.length - 2 * self.head, self.length
        y = self.head_length / 2
        return joined([handle, block((low, -y, 0), (high, y, 2 * self.head))])

    def zone(self, points: Array) -> NDArray[np.intp]:
        """The head."""
        return (points[:, 0] > self.length - 2 * self.head - 1e-4).astype(int)


@dataclass(frozen=True)
class Screwdriver(Plain):
    """Lies along x: an eight-sided handle and a thin shaft. Radii to the flats."""

    handle_length: float
    handle: float
    shaft_length: float
    shaft: float

    def solid(self) -> Solid:
        def bar(radius: float, low: float, high: float) -> Solid:
            turn = np.linspace(0, 2 * np.pi, 8, endpoint=False) + np.pi / 8
            y, z = radius / np.cos(np.pi / 8) * np.array([np.cos(turn), np.sin(turn)])
            ends = [np.column_stack([np.full(8, x), y, z + self.handle]) for x in (low, high)]
            return solids.hull(np.vstack(ends))

        whole = self.handle_length + self.shaft_length
        return joined([bar(self.handle, 0, self.handle_length),
                       bar(self.shaft, self.handle_length - 0.01, whole)])  # fmt: skip

    def zone(self, points: Array) -> NDArray[np.intp]:
        """The shaft."""
        return (points[:, 0] > self.handle_length + 1e-4).astype(int)


@dataclass(frozen=True)
class Spatula(Plain):
    """A thin blade flat on the table, and a handle that rises from it by `rise` over its length.

    blade: along x, across, thickness. handle: along x, across, thickness.
    """

    blade: tuple[float, float, float]
    handle: tuple[float, float, float]
    rise: float = 0.0

    def solid(self) -> Solid:
        a, b, t = self.blade
        long, wide, thick = self.handle
        blade = block((0, -b / 2, 0), (a, b / 2, t))
        near, far = -long, 0.15 * a
        ends = [(x, s * wide / 2, z + up) for x, z in ((far, 0.0), (near, self.rise))
                for s in (-1, 1) for up in (0.0, thick)]  # fmt: skip
        return joined([blade, solids.hull(np.array(ends))])

    def zone(self, points: Array) -> NDArray[np.intp]:
        """The blade."""
        return (points[:, 0] > 1e-4).astype(int)


@dataclass(frozen=True)
class Ell(Plain):
    """An L of two bars, `thick` each: flat on the table, `width` high, or upright and so deep."""

    long: float
    short: float
    thick: float
    width: float
    upright: bool

    def solid(self) -> Solid:
        a, b, t, w = self.long, self.short, self.thick, self.width
        if self.upright:
            return joined(
                [block((0, -w / 2, 0), (a, w / 2, t)), block((0, -w / 2, 0), (t, w / 2, b))]
            )
        return joined([block((0, 0, 0), (a, t, w)), block((0, 0, 0), (t, b, w))])

    def zone(self, points: Array) -> NDArray[np.intp]:
        """The shorter bar."""
        return (points[:, 0] < self.thick + 1e-4).astype(int)


@dataclass(frozen=True)
class Book(Plain):
    """Lies flat, its spine at -x: two boards, a spine, and pages set back from the edges."""

    size: tuple[float, float, float]
    board: float = 0.0025
    inset: float = 0.003

    def solid(self) -> Solid:
        x, y, z = self.size
        b, i = self.board, self.inset
        boards = [block((-x / 2, -y / 2, low), (x / 2, y / 2, low + b)) for low in (0, z - b)]
        spine = block((-x / 2, -y / 2, 0), (-x / 2 + b, y / 2, z))
        pages = block((-x / 2 + b / 2, -y / 2 + i, b / 2), (x / 2 - i, y / 2 - i, z - b / 2))
        return joined([*boards, spine, pages])

    def zone(self, points: Array) -> NDArray[np.intp]:
        """The pages."""
        x, y, z = self.size
        edge = self.inset / 2
        within = (points[:, 0] > -x / 2 + self.board) & (points[:, 0] < x / 2 - edge)
        within &= np.abs(points[:, 1]) < y / 2 - edge
        return (within & (np.abs(points[:, 2] - z / 2) < z / 2 - self.board / 2)).astype(int)


@dataclass(frozen=True)
class Bundle(Plain):
    """Boxes tied on top of one another: one thing. layers: x, y, z and yaw (rad) of each."""

    layers: tuple[tuple[float, float, float, float], ...]

    def solid(self) -> Solid:
        pieces, base = [], 0.0
        for x, y, z, yaw in self.layers:
            turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
            corners = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)]) * [x / 2, y / 2] @ turn.T
            low = max(base - 0.0005, 0.0)  # a hair into the one below, so that they are one
            ends = [np.column_stack([corners, np.full(4, h)]) for h in (low, base + z)]
            pieces.append(solids.frustum(*ends))
            base += z
        return joined(pieces)

    def zone(self, points: Array) -> NDArray[np.intp]:
        """Every other layer."""
        edges = np.cumsum([layer[2] for layer in self.layers])[:-1]
        return np.searchsorted(edges, points[:, 2]) % 2
