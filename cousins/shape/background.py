"""The place without its objects, to be looked at and not to be touched."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.reconstruct.tsdf import Surface
from cousins.segment.geometric import Segment
from cousins.segment.supports import inside
from cousins.shape.texture import merge, paint_vertices
from cousins.types import Array, Mesh, Support

TEXEL = 0.003  # of a table's picture, m
FLAT = 0.03  # what is level, this near to a table and no object is drawn on it, m
CLUSTER = 0.03  # size of the background's triangles, m


def background(
    coarse: Surface, fine: Surface, supports: tuple[Support, ...], segments: list[Segment]
) -> Mesh | None:
    """One textured mesh: each support as a flat picture with the objects painted over, and the
    rest of the coarse surface."""
    meshes = [m for s in supports for m in [_top(s, fine, coarse, segments)] if m is not None]
    rest = _rest(coarse, supports, segments)
    if rest is not None:
        meshes.append(rest)
    return merge(meshes) if meshes else None


def _top(support: Support, fine: Surface, coarse: Surface, segments: list[Segment]) -> Mesh | None:
    """The support's polygon with its picture seen from above; what objects hid is painted in."""
    import cv2

    floor = support.kind == "floor"
    texel, source, band = (0.012, coarse, 0.05) if floor else (TEXEL, fine, FLAT)
    low = support.polygon.min(0)
    width, height = (int(n) for n in np.ceil(np.ptp(support.polygon, axis=0) / texel) + 1)
    if width * height > 4_000_000 or width < 2 or height < 2:
        return None
    near = (np.abs(source.vertices[:, 2] - support.height) < band) & (source.normals[:, 2] > 0.8)
    cell = np.rint((source.vertices[near, :2] - low) / texel).astype(int)
    within = np.all((cell >= 0) & (cell < [width, height]), axis=1)
    cell, colour = cell[within], 255 * source.colours[near][within]
    total = np.zeros((height, width, 3))
    count = np.zeros((height, width))
    np.add.at(total, (cell[:, 1], cell[:, 0]), colour)
    np.add.at(count, (cell[:, 1], cell[:, 0]), 1)
    hidden = np.zeros((height, width), np.uint8)
    for segment in segments:
        spot = np.rint((segment.points[:, :2] - low) / texel).astype(int)
        spot = spot[np.all((spot >= 0) & (spot < [width, height]), axis=1)]
        hidden[spot[:, 1], spot[:, 0]] = 1
    # Depth smears and colour ghosts at an object's foot: paint over a rim too.
    hidden = cv2.dilate(hidden, np.ones((7, 7), np.uint8))
    known = (count > 0) & (hidden == 0)
    if known.mean() < 0.05:
        return None
    picture = np.clip(total / np.maximum(count, 1)[..., None], 0, 255).astype(np.uint8)
    outline = np.rint((support.polygon - low) / texel).astype(np.int32)
    shape = np.zeros((height, width), np.uint8)
    cv2.fillPoly(shape, [outline], 1)
    picture = _fill(picture, known)
    corners, faces = _triangulate(support.polygon)
    uv = (corners - low) / texel + 0.5
    uv = np.column_stack([uv[:, 0] / width, 1 - uv[:, 1] / height])
    vertices = np.column_stack([corners, np.full(len(corners), support.height)])
    return Mesh(vertices, faces, uv[faces], picture)


def _fill(picture: NDArray[np.uint8], known: np.ndarray) -> NDArray[np.uint8]:
    """Unknown texels from known ones: by pyramid, so that holes of any size are smooth."""
    import cv2

    if known.all() or not known.any():
        return picture
    image: Any = picture.astype(np.float32) * known[..., None]
    weight: Any = known.astype(np.float32)
    levels: list[tuple[Any, Any]] = [(image, weight)]
    while min(weight.shape) > 2 and not (weight > 0).all():
        image, weight = cv2.pyrDown(image), cv2.pyrDown(weight)
        levels.append((image, weight))
    image, weight = levels[-1]
    filled = image / np.maximum(weight, 1e-6)[..., None]
    for image, weight in reversed(levels[:-1]):
        up = cv2.resize(filled, weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
        share = np.clip(weight, 0, 1)[..., None]
        filled = np.where(share > 0.02, image / np.maximum(weight, 1e-6)[..., None], up)
        filled = share * filled + (1 - share) * up
    return np.where(known[..., None], picture, np.clip(filled, 0, 255).astype(np.uint8))


def _triangulate(polygon: Array) -> tuple[Array, NDArray[np.int32]]:
    """Ear clipping of a simple counter-clockwise polygon. Corners (k, 2) and faces (m, 3)."""
    left = list(range(len(polygon)))
    faces = []
    while len(left) > 3:
        for i in range(len(left)):
            a, b, c = (polygon[left[(i + d) % len(left)]] for d in (-1, 0, 1))
            turn = (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])
            if turn <= 0:
                continue
            others = [polygon[j] for j in left if j not in (left[i - 1], left[i],
                                                           left[(i + 1) % len(left)])]  # fmt: skip
            if not inside(np.array([a, b, c]), np.array(others)).any():
                break
        else:
            i = 0  # only slivers are left
        faces.append([left[i - 1], left[i], left[(i + 1) % len(left)]])
        del left[i]
    faces.append(left)
    return polygon, np.array(faces, np.int32)


def _rest(coarse: Surface, supports: tuple[Support, ...], segments: list[Segment]) -> Mesh | None:
    """The coarse surface without supports and objects, in triangles of even size."""
    import open3d as o3d
    from scipy.spatial import KDTree

    drop = np.zeros(len(coarse.vertices), bool)
    for support in supports:
        near = np.flatnonzero(np.abs(coarse.vertices[:, 2] - support.height)
                              < (0.08 if support.kind == "floor" else 0.02))  # fmt: skip
        drop[near[inside(support.polygon, coarse.vertices[near, :2], 0.02)]] = True
    if segments:
        points = np.vstack([s.points for s in segments])
        distance, _ = KDTree(points).query(coarse.vertices, distance_upper_bound=0.03)
        drop |= np.isfinite(distance)
    faces = coarse.faces[~drop[coarse.faces].any(1)]
    if not len(faces):
        return None
    mesh = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(coarse.vertices), o3d.utility.Vector3iVector(faces)
    )
    mesh.vertex_colors = o3d.utility.Vector3dVector(coarse.colours)
    mesh.remove_unreferenced_vertices()
    mesh = mesh.simplify_vertex_clustering(CLUSTER, o3d.geometry.SimplificationContraction.Average)
    mesh.remove_degenerate_triangles()
    if not len(mesh.triangles):
        return None
    small = Mesh(np.asarray(mesh.vertices), np.asarray(mesh.triangles).astype(np.int32))
    return paint_vertices(small, np.asarray(mesh.vertex_colors), cell=4)
