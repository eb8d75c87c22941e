"""Convex parts as half-spaces, and what straight lines run through of them.

numpy alone: where packs are only read and run there is no ray caster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.types import Array

Part = tuple[Array, NDArray[np.integer]]  # vertices (v, 3), m, and triangles (f, 3) from outside
FLAT = 1e-18  # m^4, twice a triangle's area squared: one that has no plane
OPEN = 1e-3  # of a surface's area: so much of it is not faced by the rest
EDGEWISE = 1e-7  # cosine: to a plane that a line runs along it never comes


@dataclass(frozen=True, eq=False)
class Solid:
    """A union of p convex parts.

    normals (f, 3), unit, outwards, offsets (f,) and areas (f,): of the planes that bound them, each
    part's in a row; part (f,): whose; vertices (v, 3): all of them; centre (3,): of volume.
    """

    normals: Array
    offsets: Array
    areas: Array
    part: NDArray[np.int64]
    vertices: Array
    centre: Array

    def __len__(self) -> int:
        return int(self.part[-1]) + 1 if len(self.part) else 0


def solid(parts: Sequence[Part]) -> Solid:
    """Of convex parts. What has no volume is left out; triangles in one plane count once. A part
    that is not quite convex is taken as what its planes, moved out to its vertices, enclose."""
    planes, areas, owner, volumes, centres, points = [], [], [], [], [], []
    for vertices, faces in parts:
        vertices = np.asarray(vertices, float)
        a, b, c = (vertices[faces[:, i]] for i in range(3))
        cross = np.cross(b - a, c - a)
        volume = np.einsum("ij,ij->i", a - vertices[0], np.cross(b - vertices[0], c - vertices[0]))
        if volume.sum() <= 1e-15:
            continue
        twice = np.linalg.norm(cross, axis=1)
        keep = twice**2 > FLAT
        normal, area = cross[keep] / twice[keep, None], twice[keep] / 2
        if np.linalg.norm(cross.sum(0)) > OPEN * twice.sum():
            # Not closed: bounded by its box at least, whichever way a line runs.
            normal, area = np.vstack([normal, np.eye(3), -np.eye(3)]), np.append(area, np.zeros(6))
        distance = (normal @ vertices.T).max(1)
        one, which = np.unique(np.round(np.column_stack([normal, 10 * distance]), 4), axis=0,
                               return_inverse=True)  # fmt: skip
        first = np.zeros(len(one), np.int64)
        first[which.ravel()] = np.arange(len(normal))
        planes.append(np.column_stack([normal[first], distance[first]]))
        areas.append(np.bincount(which.ravel(), area, len(one)))
        owner.append(np.full(len(one), len(volumes)))
        volumes.append(volume.sum())
        corner = (a + b + c + vertices[0]) / 4
        centres.append((volume[:, None] * corner).sum(0) / volume.sum())
        points.append(vertices)
    if not planes:
        none = np.zeros(0)
        return Solid(np.zeros((0, 3)), none, none, np.zeros(0, np.int64), np.zeros((0, 3)),
                     np.zeros(3))  # fmt: skip
    stacked, weights = np.vstack(planes), np.array(volumes)
    centre = (weights[:, None] * np.array(centres)).sum(0) / weights.sum()
    return Solid(stacked[:, :3], stacked[:, 3], np.concatenate(areas), np.concatenate(owner),
                 np.vstack(points), centre)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines along a frame's y, at x and z of that frame.

    Along a line (x, z) a plane is met at y = row @ (1, x, z): rows (f, 3). rising (f,): whether
    the part ends there, towards greater y; else it begins. normals (f, 3), in the frame.
    """

    rows: Array
    rising: NDArray[np.bool_]
    normals: Array
    part: NDArray[np.int64]

    def through(self, x: Array, z: Array) -> tuple[Array, Array]:
        """(p, n) from where to where in y lines x (n,), z (n,) run within each part; from > to
        where they miss it."""
        at = np.stack([np.ones_like(x), x, z])
        up, down = np.flatnonzero(self.rising), np.flatnonzero(~self.rising)
        each = np.arange(int(self.part[-1]) + 1)
        high = np.minimum.reduceat(self.rows[up] @ at, np.searchsorted(self.part[up], each))
        low = np.maximum.reduceat(self.rows[down] @ at, np.searchsorted(self.part[down], each))
        return low, high

    def surface(self, part: NDArray[np.integer], x: Array, z: Array, rising: bool) -> Array:
        """(n, 3) unit normals, in the frame, of the planes at which lines (n,) leave each its part
        (n,), or enter it where not `rising`."""
        mine = (self.part[:, None] == part) & (self.rising == rising)[:, None]
        met = self.rows @ np.stack([np.ones_like(x), x, z])
        met = np.where(mine, met if rising else -met, np.inf)
        return self.normals[met.argmin(0)]


def lines(body: Solid, frame: Array) -> Lines:
    """Lines along the y of a frame (3, 3), whose columns are its axes."""
    normals = body.normals @ frame
    nx, ny, nz = normals.T
    along = np.where(np.abs(ny) < EDGEWISE, np.where(ny < 0, -EDGEWISE, EDGEWISE), ny)
    rows = np.column_stack([body.offsets, -nx, -nz]) / along[:, None]
    return Lines(rows, along > 0, normals, body.part)


def box(size: Array, sides: int = 4) -> Part:
    """A box of half lengths `size`, (3,); with more sides, an upright prism within the ellipse of
    half axes size[0], size[1]."""
    turn = 2 * np.pi * (np.arange(sides) + 0.5) / sides
    ring = np.column_stack([np.cos(turn), np.sin(turn)])
    if sides == 4:
        ring = np.sign(ring)
    ring = ring * size[:2]
    vertices = np.vstack([np.column_stack([ring, np.full(sides, s * size[2])]) for s in (-1, 1)])
    i = np.arange(sides)
    j = (i + 1) % sides
    fan = np.column_stack([np.zeros(sides - 2, int), i[1:-1], i[2:]])
    walls = [np.column_stack([i, j, sides + j]), np.column_stack([i, sides + j, sides + i])]
    return vertices, np.vstack([*walls, fan + sides, fan[:, ::-1]])


def ball(radius: float, around: int = 24, rings: int = 11) -> Part:
    """A sphere, as a polyhedron with corners on it."""
    down = np.pi * np.arange(1, rings + 1) / (rings + 1)
    turn = 2 * np.pi * np.arange(around) / around
    ring = np.stack([np.sin(down)[:, None] * np.cos(turn), np.sin(down)[:, None] * np.sin(turn),
                     np.cos(down)[:, None] + 0 * turn], -1)  # fmt: skip
    vertices = radius * np.vstack([ring.reshape(-1, 3), [[0, 0, 1.0]], [[0, 0, -1.0]]])
    i = np.arange(around)
    j = (i + 1) % around
    top, low = rings * around, (rings - 1) * around
    faces = [np.column_stack([np.full(around, top), i, j]),
             np.column_stack([np.full(around, top + 1), low + j, low + i])]  # fmt: skip
    for k in range(rings - 1):
        a, b = k * around, (k + 1) * around
        faces.append(np.column_stack([a + i, b + i, b + j]))
        faces.append(np.column_stack([a + i, b + j, a + j]))
    return vertices, np.vstack(faces)
