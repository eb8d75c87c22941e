"""Convex parts of a closed mesh, which together stand for it in collision.

The mesh is cut by planes until no cell's convex hull reaches far into the free space, and cells
that make one convex body are joined again. A cut is the plane that parts the most pairs of surface
points which the free space keeps from seeing each other: the line of sight as a measure of
concavity is that of Asafi, Goren and Cohen-Or 2013, "Weak convex decomposition by lines-of-sight".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.mesh import solid_moments
from cousins.shape.hollow import FILLED, Space, opening, space, sphere, within_hull
from cousins.types import Array, Mesh

PAIRED = 250  # surface points of a cell, every two of which are tried for sight
PROBES = 16000  # cells of free space in which a body's cost is measured
STEPS = 12  # along a line of sight
OFFSETS = 24  # of planes along each normal


@dataclass(frozen=True)
class Convex:
    """Splits a closed mesh into convex parts.

    parts: at most so many. slack: so far outside the mesh, in metres, a part may reach at no cost.
    share: it is done when what parts cover beyond the slack, in volume times depth squared, is this
    share of what the whole's hull covers: a wall somewhat too thick is a little fault beside a hole
    that is closed. hull_vertices: at most about so many in each part.
    """

    parts: int = 32
    slack: float = 0.002
    share: float = 1e-5
    hull_vertices: int = 48
    seed: int = 0

    def __call__(self, mesh: Mesh) -> tuple[tuple[Mesh, ...], str | None]:
        """The parts, and a warning where they close an opening or could not be cut."""
        whole = convex_hull(mesh.vertices, self.hull_vertices)
        if solid_moments(whole)[0] < 1.03 * solid_moments(mesh)[0]:
            return (whole,), None
        solid = _solid(mesh)
        if solid is None:
            return (whole,), "its mesh is not closed; its convex hull collides in its place"
        around = space(mesh)
        free = _Free(around, self)
        cells = _cut(solid, free, np.random.default_rng(self.seed))
        cells = _join([free.body(c.corners) for c in cells if _has_volume(c.corners)], free)
        parts = tuple(convex_hull(c.corners, self.hull_vertices) for c in cells)
        holes = opening(mesh, around)
        covered = np.zeros(len(holes), bool)
        for part in parts:
            covered |= within_hull(part.vertices, holes)
        filled = covered.sum() / max(1, len(holes))
        return parts, f"convex parts fill {filled:.0%} of its opening" if filled > FILLED else None


@dataclass(frozen=True, eq=False)
class _Body:
    """corners (n, 3) of a convex body; what it covers of the free space, at which cost; and the
    piece of the mesh, a manifold3d.Manifold, of which it is the hull."""

    corners: Array
    covered: NDArray[np.int_]
    cost: float
    solid: Any = None


class _Free:
    """The free space beyond the slack, and what bodies cover of it."""

    def __init__(self, around: Space, settings: Convex) -> None:
        self.space, self.settings = around, settings
        every = np.flatnonzero(around.depth > settings.slack)
        rng = np.random.default_rng(settings.seed)
        self.all = np.sort(rng.choice(every, min(len(every), PROBES), replace=False))

    def body(self, corners: Array, within: NDArray[np.int_] | None = None, solid=None) -> _Body:
        """The hull of `corners`; `within`: of the free space, what it can cover at all."""
        index = self.all if within is None else within
        corners = _capped(corners, self.settings.hull_vertices)
        if _has_volume(corners):
            index = index[within_hull(corners, self.space.points[index])]
        else:
            index = index[:0]
        cost = float(((self.space.depth[index] - self.settings.slack) ** 2).sum())
        return _Body(corners, index, cost, solid)

    def blocked(self, points: Array) -> NDArray[np.float32]:
        """(n, n): how deep the line between two points (n, 3) runs in the free space, m."""
        i, j = np.triu_indices(len(points), 1)
        deepest = np.zeros(len(i), np.float32)
        for t in (np.arange(STEPS) + 0.5) / STEPS:
            line = points[i] * (1 - t) + points[j] * t
            deepest = np.maximum(deepest, self.space.depth_at(line))
        out = np.zeros((len(points),) * 2, np.float32)
        out[i, j] = np.maximum(deepest - self.settings.slack, 0)
        return out + out.T


def _cut(solid, free: _Free, rng: np.random.Generator) -> list[_Body]:
    """The cells of a solid, somewhat more than may be kept."""
    cells = [free.body(_corners(solid.hull()), None, solid)]
    enough = free.settings.share * cells[0].cost
    while len(cells) < 1.5 * free.settings.parts:
        k = max(range(len(cells)), key=lambda i: cells[i].cost)
        worst = cells[k]
        if worst.cost <= enough:
            break
        normal, offset = _plane(worst, free, rng)
        pieces = [p for half in worst.solid.split_by_plane(tuple(normal), offset)
                  for p in half.decompose() if p.volume() > 1e-10]  # fmt: skip
        if len(pieces) < 2:
            break
        cells[k : k + 1] = [free.body(_corners(p.hull()), worst.covered, p) for p in pieces]
    return cells


def _plane(cell: _Body, free: _Free, rng: np.random.Generator) -> tuple[Array, float]:
    """Normal and offset of the plane that parts the most blocked sight in a cell."""
    points = np.vstack([_on_surface(cell.solid, PAIRED, rng), cell.corners])
    blocked = free.blocked(points)
    own = np.linalg.svd(points - points.mean(0), full_matrices=False)[2]
    normals = np.vstack([_NORMALS, own])
    along = points @ normals.T
    low, step = along.min(0), np.ptp(along, axis=0) / OFFSETS

    def parted(height: Array, offsets: Array) -> Array:
        side = (height > offsets[..., None]).astype(np.float32).reshape(-1, len(points))
        return np.einsum("kn,kn->k", side @ blocked, 1 - side)

    offsets = low + step * (np.arange(OFFSETS) + 0.5)[:, None]
    best = int(np.argmax(parted(along.T[:, None], offsets.T)))
    k, i = divmod(best, OFFSETS)
    # A wall is thinner than a step: once more about the best, and midway where several are.
    fine = offsets[i, k] + step[k] * np.linspace(-1, 1, 17)
    gain = parted(along[:, k], fine)
    return normals[k], float(fine[gain >= gain.max() * (1 - 1e-6)].mean())


def _join(bodies: list[_Body], free: _Free) -> list[_Body]:
    """Join two and two, the cheapest first, as long as it costs nearly nothing, or as there are
    too many."""
    enough = 0.3 * free.settings.share * free.body(np.vstack([b.corners for b in bodies])).cost
    tried: dict[tuple[int, int], tuple[_Body, _Body, _Body]] = {}
    while len(bodies) > 1:
        best = None
        for i, a in enumerate(bodies):
            for b in bodies[:i]:
                if not _touch(a, b, free.space.cell) and len(bodies) <= free.settings.parts:
                    continue
                key = id(a), id(b)
                if key not in tried:
                    tried[key] = free.body(np.vstack([a.corners, b.corners])), a, b
                added = tried[key][0].cost - a.cost - b.cost
                if best is None or added < best[0]:
                    best = added, *tried[key]
        if best is None or (best[0] > enough and len(bodies) <= free.settings.parts):
            break
        _, both, a, b = best
        bodies = [*(x for x in bodies if x is not a and x is not b), both]
    return bodies


def _touch(a: _Body, b: _Body, gap: float) -> bool:
    apart = np.maximum(a.corners.min(0) - b.corners.max(0), b.corners.min(0) - a.corners.max(0))
    return bool(apart.max() < gap)


def _normals() -> Array:
    """(n, 3) normals of the planes tried: level, sixteen upright ones, and slanting ones."""
    turn = np.pi * np.arange(16) / 16
    upright = np.column_stack([np.cos(turn), np.sin(turn), np.zeros(16)])
    rise = np.pi * np.arange(1, 8) / 8
    slanting = [np.column_stack([np.cos(rise), np.zeros(7), np.sin(rise)]),
                np.column_stack([np.zeros(7), np.cos(rise), np.sin(rise)])]  # fmt: skip
    return np.vstack([upright, *slanting])


_NORMALS = _normals()


def _solid(mesh: Mesh):
    """The mesh as a manifold3d.Manifold; None where it is none."""
    import manifold3d

    solid = manifold3d.Manifold(
        manifold3d.Mesh(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32))
    )
    return solid if solid.status() == manifold3d.Error.NoError and solid.volume() > 0 else None


def _corners(solid) -> Array:
    return np.asarray(solid.to_mesh().vert_properties[:, :3], float)


def _on_surface(solid, count: int, rng: np.random.Generator) -> Array:
    """(count, 3) points spread over a solid's surface."""
    vertices, faces = _corners(solid), solid.to_mesh().tri_verts
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    k = rng.choice(len(faces), count, p=area / area.sum())
    r, s = np.sqrt(rng.random((count, 1))), rng.random((count, 1))
    return (1 - r) * a[k] + r * (1 - s) * b[k] + r * s * c[k]


def _has_volume(vertices: Array) -> bool:
    """Whether points span a volume that a physics engine can take as a hull."""
    if len(vertices) < 4:
        return False
    singular = np.linalg.svd(vertices - vertices.mean(0), compute_uv=False)
    return bool(singular[2] / np.sqrt(len(vertices)) > 2e-4)


def convex_hull(vertices: Array, most: int = 48) -> Mesh:
    """The hull of points (n, 3), closed and outward, of at most `most` vertices and the six that
    make its bounding box."""
    import trimesh

    hull = trimesh.convex.convex_hull(np.asarray(vertices, float))
    if len(hull.vertices) > most:
        hull = trimesh.convex.convex_hull(_capped(np.asarray(hull.vertices), most))
    return Mesh(np.asarray(hull.vertices, float), np.asarray(hull.faces, np.int32))


def _capped(vertices: Array, most: int) -> Array:
    """The extreme ones of vertices (n, 3) along `most` directions spread over the sphere."""
    if len(vertices) <= most:
        return vertices
    # The axes' own extremes too: they keep the bounding box and so the foot.
    directions = np.vstack([sphere(most), np.eye(3), -np.eye(3)])
    return vertices[np.unique(np.argmax(vertices @ directions.T, axis=0))]
