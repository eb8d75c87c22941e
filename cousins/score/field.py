"""A shape seen straight along one direction: how high it is above each cell of a plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins import native
from cousins.mesh import shell_moments
from cousins.raycast import caster
from cousins.score.match import surface
from cousins.types import Array, Mesh

CELLS = 300  # along a shape's extent, at most: a chair is looked at less closely than a cup
DENSE = 2e6  # points on a square metre
ASIDE = np.array([0.137, 0.219])  # of a cell
UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Solid:
    """A mesh made ready to be seen from many sides. points (n, 3) on it; extent, m, any way."""

    mesh: Mesh
    caster: Any
    points: Array
    extent: float


@dataclass(frozen=True)
class Field:
    """heights (h, w): the highest point along `axes[2]` over each cell, -inf where there is none.

    axes (3, 3): rows are the directions of columns, of rows and up. origin (2,): the first cell's
    centre along the first two, m. A border of two cells is empty. floor: the shape's lowest point.
    step: side of a cell, m.
    """

    heights: Array
    axes: Array
    origin: Array
    floor: float
    step: float

    def cell(self, places: Array) -> NDArray[np.int_]:
        """(..., 2) row and column of the cells that hold places (..., 2) on the plane."""
        return np.rint((places - self.origin) / self.step).astype(int)[..., ::-1]

    def place(self, cells: NDArray[np.int_]) -> Array:
        """(..., 2) where the centres of cells (..., 2) lie on the plane."""
        return self.origin + self.step * cells[..., ::-1]


def solid(mesh: Mesh) -> Solid:
    """Raises MissingDependencyError where open3d is missing."""
    count = int(np.clip(DENSE * shell_moments(mesh)[0], 2_000, 400_000))
    extent = float(np.linalg.norm(np.ptp(mesh.vertices, axis=0)))
    return Solid(mesh, caster(mesh.vertices, mesh.faces), surface(mesh, count), extent)


def look(shape: Solid, finest: float, up: Array = UP) -> Field:
    """The shape seen against `up`, a unit vector (3,), in cells of `finest` m or somewhat more.

    Rays through the cells' centres find what is broad; points on the surface find walls and wires
    that are thinner than a cell, so that nothing leaks through them.
    """
    o3d = native.require("open3d")
    frame, step = axes(up), max(finest, shape.extent / CELLS)
    seen = shape.mesh.vertices @ frame.T
    low, high = seen.min(0), seen.max(0)
    # Off what is symmetric: a ray that runs within a face meets it anywhere.
    origin = low[:2] - (2 - ASIDE) * step
    width, height = np.ceil((high[:2] - low[:2]) / step).astype(int) + 5
    x, y = np.meshgrid(origin[0] + step * np.arange(width), origin[1] + step * np.arange(height))
    top = high[2] + 0.01
    starts = np.stack([x, y, np.full(x.shape, top)], axis=-1) @ frame
    rays = np.concatenate([starts, np.broadcast_to(-frame[2], starts.shape)], axis=-1)
    hit = shape.caster.cast_rays(o3d.core.Tensor(rays.astype(np.float32)))["t_hit"].numpy()
    field = Field(top - hit.astype(float), frame, origin, float(low[2]), step)
    points = shape.points @ frame.T
    row, column = field.cell(points[:, :2]).T
    np.maximum.at(field.heights, (row, column), points[:, 2])
    return field


def axes(up: Array) -> Array:
    """(3, 3) whose rows are right-handed and end with `up`; the world's own for UP."""
    k = int(np.argmin(np.abs(up)))
    across: Array = np.eye(3)[k] - up[k] * up
    across = across / np.linalg.norm(across)
    return np.array([across, np.cross(up, across), up])


def patches(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int_], int]:
    """Cells of `mask` (h, w) that share edges have the same number, from 1; and how many there are.

    A wall one cell wide may turn by corners: two cells that only share one are apart.
    """
    from scipy.ndimage import label

    numbered: Any = label(mask)
    return numbered[0], int(numbered[1])
