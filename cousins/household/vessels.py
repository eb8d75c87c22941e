"""Household shapes that hold something: cans, bottles, bowls, mugs, trays and baskets.

Lengths in metres; frames as in cousins.household.shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cousins.household import solids
from cousins.household.shapes import UPRIGHT, Opening, Plain
from cousins.household.solids import SECTIONS, WEDGES, Solid, joined
from cousins.types import Array, Primitive

# The flat sides of what is turned come nearer to the axis than its corners do.
_FLAT = float(np.cos(np.pi / SECTIONS) * np.cos(np.pi / WEDGES))


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
        return Primitive("cylinder", (self.radius, half, 0.0), (0.0, 0.0, half), UPRIGHT)

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


def distance_to(line: Array, point: Array) -> float:
    """From a point (2,) to a line of points (k, 2) joined up."""
    a, b = line[:-1], line[1:]
    along = b - a
    share = np.einsum("ij,ij->i", point - a, along) / np.maximum((along**2).sum(1), 1e-18)
    nearest = a + np.clip(share, 0, 1)[:, None] * along
    return float(np.linalg.norm(nearest - point, axis=1).min())
