"""Household shapes, each a frozen dataclass that says how its `solid` comes about.

Lengths in metres. A shape's frame has z up, its foot at z = 0, and what turns, turns about z.
`wall` is how thick the shape's walls are where it is hollow to the eye, else 0. `zone` says of
points (n, 3) on the surface which of two tones they are painted in: 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cousins.household import solids
from cousins.household.solids import SECTIONS, WEDGES, Solid, block, joined
from cousins.types import Array, Primitive

# The flat sides of what is turned come nearer to the axis than its corners do.
_FLAT = float(np.cos(np.pi / SECTIONS) * np.cos(np.pi / WEDGES))
_UPRIGHT = (1.0, 0.0, 0.0, 0.0)


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
        return Primitive("box", (x / 2, y / 2, z / 2), (0.0, 0.0, z / 2), _UPRIGHT)


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
        return Primitive("sphere", (self.radius, 0.0, 0.0), (0.0, 0.0, self.radius), _UPRIGHT)


@dataclass(frozen=True)
class Can(Plain):
    """A cylinder with its edges broken."""

    radius: float
    height: float
    edge: float = 0.001

    def solid(self) -> Solid:
        r, h, e = self.radius, self.height, self.edge
        outline = np.array([(0, 0), (r - e, 0), (r, e), (r, h - e), (r - e, h), (0, h)])
        return solids.turned(outline, [np.array([(0, 0), (r, 0), (r, h), (0, h)])])

    def primitive(self) -> Primitive:
        half = self.height / 2
        return Primitive("cylinder", (self.radius, half, 0.0), (0.0, 0.0, half), _UPRIGHT)

    def zone(self, points: Array) -> NDArray[np.intp]:
        """Its ends."""
        margin = 0.04 * self.height
        return (np.abs(points[:, 2] - self.height / 2) > self.height / 2 - margin).astype(int)


@dataclass(frozen=True)
class Bottle(Plain):
    """A body, shoulders, a neck and a cap. shoulder: share of the height at which the body ends."""

    radius: float
    height: float
    shoulder: float
    neck: float
    cap: float
    cap_height: float

    def solid(self) -> Solid:
        r, h, n = self.radius, self.height, self.neck
        low, top = self.shoulder * h, h - self.cap_height
        middle = (r + n) / 2 + 0.15 * (r - n), low + 0.45 * (0.9 * top - low)
        rows = np.array([(r - 0.002, 0), (r, 0.003), (r, low), middle, (n, 0.9 * top), (n, top),
                         (self.cap, top), (self.cap, h)])  # fmt: skip
        outline = np.vstack([[(0, 0)], rows, [(0, h)]])
        cells = [np.array([(0, a[1]), a, b, (0, b[1])])
                 for a, b in pairwise(rows) if b[1] - a[1] > 1e-6]  # fmt: skip
        return solids.turned(outline, cells)

    def zone(self, points: Array) -> NDArray[np.intp]:
        """The cap."""
        return (points[:, 2] > self.height - self.cap_height - 1e-4).astype(int)


@dataclass(frozen=True)
class Bowl(Plain):
    """A wall of even thickness that rises from a flat foot; a plate is a shallow one.

    foot and radius: of the outside, below and at the rim. cone: 0 for a wall that starts level and
    ends upright, 1 for a straight one.
    """

    radius: float
    foot: float
    height: float
    thickness: float
    cone: float = 0.0
    steps: int = 5

    @property
    def wall(self) -> float:
        return self.thickness

    def profile(self) -> tuple[Array, Array]:
        """Outside and inside from the foot to the rim, (steps + 1, 2) radius and height each."""
        t = np.linspace(0, np.pi / 2, self.steps + 1)
        out = (1 - self.cone) * np.sin(t) + self.cone * (1 - np.cos(t))
        outer = np.column_stack([self.foot + (self.radius - self.foot) * out,
                                 self.height * (1 - np.cos(t))])  # fmt: skip
        inner = solids.offset(outer, self.thickness)
        inner[-1, 1] = self.height
        return outer, inner

    def solid(self) -> Solid:
        outer, inner = self.profile()
        floor = inner[0, 1]
        base = np.array([(0, 0), outer[0], inner[0], (0, floor)])
        outline = np.vstack([[(0, 0)], outer, inner[::-1], [(0, floor)]])
        return solids.turned(outline, [base, *solids.strip(outer, inner)])

    def openings(self) -> tuple[Opening, ...]:
        """The hollow, where a ball half sunk in it is wider than 15 mm."""
        inner = self.profile()[1]
        profile = np.vstack([[(0, inner[0, 1])], inner])
        radius = _FLAT * distance_to(profile, np.array([0.0, self.height]))
        return (Opening((0.0, 0.0, self.height), (0, 0, 1), radius),) if radius > 0.015 else ()

    def zone(self, points: Array) -> NDArray[np.intp]:
        """A band at the rim."""
        return (np.hypot(points[:, 0], points[:, 1]) > 0.92 * self.radius).astype(int)


@dataclass(frozen=True)
class Mug(Plain):
    """A cup, wider above by `flare`, with a handle that fingers go through.

    loop: how far the handle reaches out and half of how far it reaches up. grip: half its
    thickness; it is half again as wide.
    """

    radius: float
    height: float
    thickness: float
    flare: float
    loop: tuple[float, float]
    grip: float

    @property
    def wall(self) -> float:
        return self.thickness

    def _profile(self) -> tuple[Array, Array]:
        r, h, t = self.radius, self.height, self.thickness
        low = r - self.flare
        outer = np.array([(low, 0), (low + self.flare * 1.3 * t / h, 1.3 * t), (r, h)])
        return outer, np.array([(outer[1, 0] - t, 1.3 * t), (r - t, h)])

    def _at(self, z: float) -> float:
        """The cup's outer radius at a height."""
        return self.radius - self.flare * (1 - z / self.height)

    def solid(self) -> Solid:
        outer, inner = self._profile()
        base = np.array([(0, 0), outer[0], outer[1], (0, outer[1, 1])])
        outline = np.vstack([[(0, 0)], outer, inner[::-1], [(0, inner[0, 1])]])
        cup = solids.turned(outline, [base, *solids.strip(outer[1:], inner)])
        return joined([cup, self._handle()])

    def _handle(self) -> Solid:
        out, up = self.loop
        t = np.linspace(-np.pi / 2, np.pi / 2, 17)
        z = self.height / 2 + up * np.sin(t)
        # It starts inside the wall, whose outer surface leans by the flare.
        start = np.array([self._at(v) for v in z]) - 0.55 * self.thickness
        way = np.column_stack([start + out * np.cos(t), 0 * t, z])
        return solids.tube(way, self.grip, 1.5 * self.grip)

    def openings(self) -> tuple[Opening, ...]:
        """The cup, and the gap between it and the handle."""
        _, inner = self._profile()
        profile = np.vstack([[(0, inner[0, 1])], inner])
        cup = _FLAT * distance_to(profile, np.array([0.0, self.height]))
        outer, (out, up) = self._at(self.height / 2), self.loop
        room = out - 0.55 * self.thickness - self.grip  # from the cup to the handle's inside
        t = np.linspace(-np.pi / 2, np.pi / 2, 33)
        z = up * np.sin(t)
        x = np.array([self._at(self.height / 2 + v) for v in z]) - outer
        way = np.column_stack([x - 0.55 * self.thickness + out * np.cos(t), z])
        gap = np.array([[x, distance_to(way, np.array([x, 0.0])) - self.grip]
                        for x in np.linspace(0.2, 0.8, 25) * room])  # fmt: skip
        # A leaning wall is as far away as its foot of perpendicular.
        lean = np.cos(np.arctan2(self.flare, self.height))
        free = np.minimum(gap[:, 1], gap[:, 0] * lean)
        best, radius = float(gap[free.argmax(), 0]), 0.96 * float(free.max())
        handle = Opening((outer + best, 0.0, self.height / 2), (0, 1, 0), radius)
        return Opening((0.0, 0.0, self.height), (0, 0, 1), cup), handle

    def zone(self, points: Array) -> NDArray[np.intp]:
        """The handle."""
        beyond = np.hypot(points[:, 0], points[:, 1]) > self.radius + 0.0005
        return beyond.astype(int)


@dataclass(frozen=True)
class Container(Plain):
    """A rectangular tray or basket without a lid.

    top and bottom: outer lengths along x and y there. rails: (from, to) heights that the sides
    cover; with gaps between them, posts stand in the corners, as wide as `post`.
    """

    top: tuple[float, float]
    bottom: tuple[float, float]
    height: float
    thickness: float
    rails: tuple[tuple[float, float], ...] = ()
    post: float = 0.0

    @property
    def wall(self) -> float:
        return self.thickness

    def _corner(self, z: float) -> Array:
        share = z / self.height
        return ((1 - share) * np.array(self.bottom) + share * np.array(self.top)) / 2

    def _side(self, axis: int, sign: int, low: float, high: float) -> Solid:
        points = []
        for z in (low, high):
            corner = self._corner(z)
            for a in (corner[axis], corner[axis] - self.thickness):
                for b in (-corner[1 - axis], corner[1 - axis]):
                    points.append((sign * a, b, z) if axis == 0 else (b, sign * a, z))
        return solids.hull(np.array(points))

    def _post(self, sx: int, sy: int) -> Solid:
        points = [(sx * (x - a), sy * (y - b), z) for z in (0.0, self.height)
                  for x, y in [self._corner(z)]
                  for a in (0.0, self.post) for b in (0.0, self.post)]  # fmt: skip
        return solids.hull(np.array(points))

    def solid(self) -> Solid:
        floor = [(*(s * self._corner(z)), z) for z in (0.0, self.thickness)
                 for s in ((1, 1), (1, -1), (-1, 1), (-1, -1))]  # fmt: skip
        pieces = [solids.hull(np.array(floor))]
        for low, high in self.rails or ((0.0, self.height),):
            pieces += [self._side(a, s, low, high) for a in (0, 1) for s in (1, -1)]
        if self.post:
            pieces += [self._post(sx, sy) for sx in (1, -1) for sy in (1, -1)]
        return joined(pieces)

    def openings(self) -> tuple[Opening, ...]:
        """The whole hollow."""
        narrow = []
        for axis in (0, 1):
            low, high = self._corner(self.thickness)[axis], self._corner(self.height)[axis]
            lean = np.cos(np.arctan2(high - low, self.height - self.thickness))
            narrow.append((high - self.thickness) * lean)
        radius = float(min(*narrow, self.height - self.thickness))
        if self.post:
            corner = self._corner(self.height) - self.post
            radius = min(radius, float(np.hypot(*corner)))
        return (Opening((0.0, 0.0, self.height), (0, 0, 1), 0.999 * radius),)

    def zone(self, points: Array) -> NDArray[np.intp]:
        """The inside."""
        share = np.clip(points[:, 2:] / self.height, 0, 1)
        corner = ((1 - share) * np.array(self.bottom) + share * np.array(self.top)) / 2
        inside = np.abs(points[:, :2]) < corner - self.thickness / 2
        return (inside.all(1) & (points[:, 2] > self.thickness / 2)).astype(int)


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


def distance_to(line: Array, point: Array) -> float:
    """From a point (2,) to a line of points (k, 2) joined up."""
    a, b = line[:-1], line[1:]
    along = b - a
    share = np.einsum("ij,ij->i", point - a, along) / np.maximum((along**2).sum(1), 1e-18)
    nearest = a + np.clip(share, 0, 1)[:, None] * along
    return float(np.linalg.norm(nearest - point, axis=1).min())
