"""The free space in and about a closed mesh, and what of it is an opening: the hollow of a bowl,
the hole of a handle. What stands in for the mesh in collision may not fill that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.raycast import caster
from cousins.types import Array, Mesh

ROOM = 0.0075  # radius of the ball for which an opening has room, m
ENCLOSED = 0.5  # share of directions in which the mesh is met from inside an opening
LITTLE = 0.05  # share of the free space within the hull that may be so enclosed and be none
FILLED = 0.2  # share of it that may be filled before it counts as closed
CELLS = 100_000  # in a bounding box
LEAST = 0.002  # edge of a cell, m


@dataclass(frozen=True)
class Space:
    """A mesh's bounding box in cells. points (n, 3); depth (n,): how far outside the mesh each
    lies, m, negative inside it. cell: edge, m. shape: (3,) cells along each axis.
    """

    points: Array
    depth: NDArray[np.float32]
    cell: float
    shape: NDArray[np.int_]

    def depth_at(self, points: Array) -> NDArray[np.float32]:
        """Depth of the nearest cells of points (..., 3)."""
        index = np.rint((points - self.points[0]) / self.cell).astype(np.int32)
        i, j, k = np.moveaxis(np.clip(index, 0, self.shape - 1), -1, 0)
        return self.depth[(i * self.shape[1] + j) * self.shape[2] + k]


def space(mesh: Mesh) -> Space:
    """The space about a closed mesh."""
    import open3d as o3d

    low, size = mesh.vertices.min(0), np.ptp(mesh.vertices, axis=0)
    cell = max(LEAST, float(size.prod() / CELLS) ** (1 / 3))
    shape = np.ceil(size / cell).astype(int) + 1
    points = np.indices(shape).reshape(3, -1).T * cell + low
    depth = caster(mesh.vertices, mesh.faces).compute_signed_distance(
        o3d.core.Tensor(points.astype(np.float32))
    )
    return Space(points, depth.numpy(), cell, shape)


def opening(mesh: Mesh, around: Space | None = None) -> Array:
    """(n, 3) points spread over the openings of a closed mesh; none for a solid.

    They lie in its convex hull, ROOM or more from it, and see it in most directions: the crook of
    an L or of a banana is none.
    """
    import open3d as o3d

    around = around or space(mesh)
    points = around.points[around.depth > ROOM]
    points = points[within_hull(mesh.vertices, points)]
    points = points[:: max(1, len(points) // 1500)]
    if not len(points):
        return points
    ways = sphere(64)
    rays = np.empty((len(points), len(ways), 6), np.float32)
    rays[..., :3], rays[..., 3:] = points[:, None], ways
    met = caster(mesh.vertices, mesh.faces).test_occlusions(o3d.core.Tensor(rays)).numpy()
    inside = met.mean(1) > ENCLOSED
    return points[inside] if inside.mean() > LITTLE else points[:0]


def within_hull(vertices: Array, points: Array) -> NDArray[np.bool_]:
    """(n,) which of points (n, 3) lie in the convex hull of vertices (m, 3)."""
    from scipy.spatial import ConvexHull

    inside = np.all((points >= vertices.min(0)) & (points <= vertices.max(0)), axis=1)
    planes = ConvexHull(vertices).equations.astype(np.float32)
    near = points[inside].astype(np.float32)
    inside[inside] = (near @ planes[:, :3].T + planes[:, 3] <= 1e-6).all(1)
    return inside


def sphere(count: int) -> Array:
    """(count, 3) unit vectors, evenly over the sphere (Fibonacci's spiral)."""
    i = np.arange(count) + 0.5
    z, turn = 1 - 2 * i / count, np.pi * (1 + 5**0.5) * i
    r = np.sqrt(1 - z * z)
    return np.column_stack([r * np.cos(turn), r * np.sin(turn), z])
