"""Closed meshes together with the convex parts that they are made of: turned, bent and joined.

Every builder knows its convex parts by construction, so that no opening is ever hulled shut.
Lengths in metres, z up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cousins.shape.convex import convex_hull
from cousins.types import Array, Mesh

Vector = Sequence[float] | Array

SECTIONS = 48  # sides of what is turned
WEDGES = 24  # convex parts round a hollow: each spans two sides, and bulges 1% of a radius in
RINGS = 32  # sides of a solid convex part: two rings are 64 vertices, as many as engines take well


@dataclass(frozen=True)
class Solid:
    """A closed mesh, outward, and convex parts whose union it is."""

    mesh: Mesh
    parts: tuple[Mesh, ...]

    @property
    def bounds(self) -> Array:
        """(2, 3): least and most of each coordinate."""
        return np.array([self.mesh.vertices.min(0), self.mesh.vertices.max(0)])

    def moved(self, by: Vector) -> Solid:
        """The same solid elsewhere; by (3,)."""

        def move(mesh: Mesh) -> Mesh:
            return Mesh(mesh.vertices + np.asarray(by, float), mesh.faces)

        return Solid(move(self.mesh), tuple(move(part) for part in self.parts))


def hull(points: Array) -> Solid:
    """The convex hull of points (n, 3): its own single part."""
    mesh = convex_hull(points, len(points))
    return Solid(mesh, (mesh,))


def block(low: Vector, high: Vector) -> Solid:
    """A box along the axes, from corner to corner."""
    return hull(np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1])
                          for z in (low[2], high[2])]))  # fmt: skip


def frustum(bottom: Array, top: Array) -> Solid:
    """Between two horizontal polygons (k, 2) with heights: rows x, y, z."""
    return hull(np.vstack([bottom, top]))


def joined(solids: Sequence[Solid]) -> Solid:
    """The union of solids that overlap or share faces; its parts are all of theirs."""
    import trimesh

    whole = trimesh.boolean.union([_trimesh(s.mesh) for s in solids], engine="manifold")
    return Solid(_mesh(whole), tuple(part for s in solids for part in s.parts))


def turned(outline: Array, cells: Sequence[Array]) -> Solid:
    """A solid of revolution about z.

    outline: (k, 2) radius and height, from the axis at the bottom round the outside and back to
    the axis. cells: convex polygons (c, 2) that tile the same profile. One with a side on the axis
    becomes one part, any other a ring of WEDGES parts.
    """
    import trimesh

    mesh = _mesh(trimesh.creation.revolve(np.asarray(outline, float), sections=SECTIONS))
    parts = []
    for cell in (np.asarray(c, float) for c in cells):
        if (cell[:, 0] < 1e-9).sum() > 1:
            parts.append(convex_hull(_swept(cell, np.arange(RINGS) / RINGS), 2 * RINGS + 2))
            continue
        wedge = _swept(cell, np.array([0.0, 0.5, 1.0]) / WEDGES)
        first = convex_hull(wedge, len(wedge))
        for angle in 2 * np.pi * np.arange(WEDGES) / WEDGES:
            c, s = np.cos(angle), np.sin(angle)
            turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
            parts.append(Mesh(first.vertices @ turn.T, first.faces))
    return Solid(mesh, tuple(parts))


def strip(outer: Array, inner: Array) -> list[Array]:
    """The quadrilateral cells between two profiles of as many points each, (k, 2)."""
    return [np.array([outer[i], outer[i + 1], inner[i + 1], inner[i]])
            for i in range(len(outer) - 1)]  # fmt: skip


def offset(profile: Array, by: float) -> Array:
    """A profile (k, 2), outside on the right as one walks, moved inwards by `by` metres."""
    along = np.gradient(profile, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    return profile + by * np.column_stack([-along[:, 1], along[:, 0]])


def tube(way: Array, thick: float, wide: float, sides: int = 12, stride: int = 2) -> Solid:
    """An elliptic tube along `way` (k, 3), a curve in the plane y = 0, closed at its ends.

    thick and wide: half widths in that plane and along y. Each part spans `stride` steps.
    """
    along = np.gradient(way, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    y = np.array([0.0, 1.0, 0.0])
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False)[:, None]
    rings = [p + thick * np.cos(turn) * np.cross(a, y) + wide * np.sin(turn) * y
             for p, a in zip(way, along, strict=True)]  # fmt: skip
    k = len(way)
    quads = [(i * sides + j, i * sides + (j + 1) % sides, (i + 1) * sides + (j + 1) % sides,
              (i + 1) * sides + j) for i in range(k - 1) for j in range(sides)]  # fmt: skip
    fan = [(0, j + 1, j) for j in range(1, sides - 1)]
    ends = fan + [tuple((k - 1) * sides + i for i in reversed(f)) for f in fan]
    faces = [f for a, b, c, d in quads for f in ((a, b, c), (a, c, d))] + ends
    parts = tuple(convex_hull(np.vstack(rings[i : i + stride + 1]), 10**6)
                  for i in range(0, k - 1, stride))  # fmt: skip
    mesh = Mesh(np.vstack(rings), np.array(faces, np.int32))
    return Solid(_outward(mesh), parts)


def _swept(cell: Array, turns: Array) -> Array:
    angle = 2 * np.pi * turns[:, None]
    r, z = cell[:, 0], cell[:, 1]
    return np.stack([r * np.cos(angle), r * np.sin(angle), z + 0 * angle], -1).reshape(-1, 3)


def _outward(mesh: Mesh) -> Mesh:
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    inside_out = np.einsum("ij,ij->", a, np.cross(b, c)) < 0
    return Mesh(mesh.vertices, np.ascontiguousarray(mesh.faces[:, ::-1])) if inside_out else mesh


def _trimesh(mesh: Mesh):
    import trimesh

    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def _mesh(mesh) -> Mesh:
    return _outward(Mesh(np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int32)))
