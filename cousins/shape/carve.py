"""Visibility carving: the closed shape that agrees with every ray.

A voxel that a ray passed through is outside; one near a seen surface has that surface's signed
distance; one that no ray reached is inside as far as the convex hull of what was seen, for a
thing is rather whole than hollow where nobody looked.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cousins.errors import ScanError
from cousins.shape.evidence import Carving, Grid
from cousins.shape.foot import guess, is_thin
from cousins.shape.symmetry import complete
from cousins.types import Array, Mesh

__all__ = ["Carving", "Grid", "decimate", "extract"]

CRUMB = 20  # faces
FLAT = 0.5  # of a voxel: what ends so near to its base ends on it
WHOLE = 0.9  # of the surface, in one piece: more is not asked for
TOLD = 0.2  # of the surface: less that was completed by symmetry is not worth telling


def extract(grid: Grid) -> tuple[Mesh, float]:
    """The closed mesh in the world, and the share of its surface that was seen.

    Where its own symmetry gave much of the rest, `grid.completed` says so afterwards. Raises
    ScanError where the carved shape is empty or does not close.
    """
    import trimesh
    from scipy.ndimage import gaussian_filter

    signed, seen = grid.evidence()
    surface = seen & (np.abs(signed) < 2 * grid.voxel)
    thin = is_thin(grid, signed, seen)
    whole = complete(grid, signed, seen) if grid.settings.symmetry else None
    if whole is None:
        signed = np.maximum(guess(grid, signed, seen, thin), _beyond(grid))
    else:
        own = whole.of(grid)
        signed = np.maximum(guess(own, whole.signed, whole.known, thin), _beyond(own))
    # What lies deep is no deeper than a thin wall is thin, or smoothing would eat the wall.
    signed = np.clip(signed, -grid.voxel, grid.voxel)
    # In voxels: hardly at all at a phone's noise, more at a structured-light camera's.
    width = min(1.5, 0.6 + 600 * grid.segment.noise)
    smooth = np.pad(gaussian_filter(signed, width), 1, constant_values=grid.voxel)
    if smooth.min() >= 0:
        raise ScanError("nothing is left of an object after carving: film it from more sides")
    mesh, kept = _in_one_piece(smooth, grid.voxel, grid.origin)
    if kept < WHOLE:
        grid.lost = f"{1 - kept:.0%} of what was seen of it hangs apart and is left out"
    trimesh.smoothing.filter_taubin(mesh, iterations=8)
    # What stands on it is even to less than a voxel; left uneven it would tilt the thing.
    low = np.abs(mesh.vertices[:, 2] - grid.segment.base) < FLAT * grid.voxel
    mesh.vertices[low, 2] = grid.segment.base
    if not mesh.is_watertight or mesh.volume <= 0:
        raise ScanError("a carved shape does not close: film the object from more sides")
    cells = np.rint((mesh.triangles_center - grid.origin) / grid.voxel).astype(int)
    i, j, k = np.clip(cells, 0, np.array(grid.shape) - 1).T
    share = float(mesh.area_faces[surface[i, j, k]].sum() / mesh.area)
    if whole is not None:
        given = float(mesh.area_faces[whole.filled[i, j, k]].sum() / mesh.area)
        if given > TOLD:
            grid.completed = f"{given:.0%} of its surface is completed by symmetry ({whole.kind})"
    return Mesh(np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int32)), share


def _in_one_piece(smooth: Array, voxel: float, origin: Array) -> tuple[Any, float]:
    """The largest shell of a padded distance field, as a trimesh.Trimesh, and its share of all
    shells' area. Crumbs and inner hollows are dropped.

    Where that is less than WHOLE, a neck may have got lost: a little thicker it may hold.
    """
    import trimesh
    from skimage.measure import marching_cubes

    found = []
    for thicker in (0.0, 0.3, 0.6):
        vertices, faces, _, _ = marching_cubes(smooth, thicker * voxel)
        vertices = (vertices - 1) * voxel + origin
        shells = trimesh.Trimesh(vertices, faces).split(only_watertight=False)
        outer = [shell for shell in shells if len(shell.faces) > CRUMB and shell.volume > 0]
        if not outer:
            continue
        best = max(outer, key=lambda shell: (shell.area, len(shell.faces)))
        found.append((best, float(best.area / sum(shell.area for shell in outer))))
        if found[-1][1] >= WHOLE:
            return found[-1]
    if not found:
        raise ScanError("nothing is left of an object after carving: film it from more sides")
    return found[0]


def _beyond(grid: Grid) -> Array:
    """(x, y, z): how far a voxel is out of the box of the segment's points and a margin, m: what
    is seen there is another thing, though the grid reaches so far for symmetry's sake."""
    points, margin = grid.segment.points, grid.settings.hull_margin + 2 * grid.voxel
    low, high = points.min(0) - margin, points.max(0) + margin
    low[2] = -np.inf
    return np.maximum(low - grid.centres, grid.centres - high).max(1).reshape(grid.shape)


def decimate(mesh: Mesh, faces: int) -> Mesh:
    """The mesh with about `faces` triangles, or as it is where that would open it."""
    import open3d as o3d
    import trimesh

    if len(mesh.faces) <= faces:
        return mesh
    legacy = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(mesh.vertices), o3d.utility.Vector3iVector(mesh.faces)
    )
    legacy = legacy.simplify_quadric_decimation(faces)
    small = trimesh.Trimesh(np.asarray(legacy.vertices), np.asarray(legacy.triangles))
    if not small.is_watertight or small.volume <= 0:
        return mesh
    return Mesh(np.asarray(small.vertices, float), np.asarray(small.faces, np.int32))
