"""What of a surface lies near depth that is known: the rest may be a guess."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cousins.reconstruct.depth import points, transform
from cousins.types import Array, Mesh, Views


def known(views: Views, depths: Sequence[Path], cell: float) -> Array:
    """(n, 3) points of the views' depth maps (`Stereo`), one in each cell of that width."""
    found = [np.zeros((0, 3))]
    for pose, path in zip(views.poses, depths, strict=True):
        depth = np.load(path)
        camera = views.camera.scaled(depth.shape[1], depth.shape[0])
        found.append(_thin(transform(pose, points(depth, camera)), cell))
    return _thin(np.concatenate(found), cell)


def _thin(p: Array, cell: float) -> Array:
    return p[np.unique(np.floor(p / cell).astype(np.int64), axis=0, return_index=True)[1]]


def near(mesh: Mesh, p: Array, reach: float) -> Mesh:
    """The faces whose corners all lie within `reach` of one of the points (n, 3)."""
    from scipy.spatial import KDTree

    return part(mesh, np.isfinite(KDTree(p).query(mesh.vertices, distance_upper_bound=reach)[0]))


def part(mesh: Mesh, keep: np.ndarray) -> Mesh:
    """The faces whose corners are all kept: keep (v,) bool. Without texture."""
    faces = mesh.faces[np.all(keep[mesh.faces], axis=1)]
    used, faces = np.unique(faces, return_inverse=True)
    return Mesh(mesh.vertices[used], faces.reshape(-1, 3).astype(np.int32))
