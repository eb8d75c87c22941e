"""Colour for a mesh: a texture with a small cell for every pair of triangles, baked from frames.

The layout needs no unwrapping library and never overlaps; faces are laid out along a space-filling
curve, so that neighbours in the picture are neighbours on the thing and mipmaps stay clean.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.types import Array, Frame, Mesh


@dataclass(frozen=True)
class Atlas:
    """Where each face lies in the texture. uv (m, 3, 2); texels: for every texel that belongs to a
    face its row and column (k, 2), face (k,) and barycentric weights (k, 3)."""

    size: int
    uv: Array
    pixels: NDArray[np.int32]
    face: NDArray[np.int32]
    weights: NDArray[np.float32]


def lay_out(mesh: Mesh, cell: int = 8) -> Atlas:
    """An atlas with `cell` x `cell` texels for two faces."""
    count = len(mesh.faces)
    order = _morton(mesh.vertices[mesh.faces].mean(1))
    side = int(np.ceil(np.sqrt(-(-count // 2))))
    slot = np.empty(count, int)
    slot[order] = np.arange(count)
    square, second = slot // 2, slot % 2
    corner = np.column_stack([square // side, square % side]) * cell  # row, column
    # Corners of the two triangles of a cell, half a texel in so that filtering stays within.
    a, b = 0.5, cell - 0.5
    first = np.array([[a, a], [b - 1, a], [a, b - 1]])
    other = np.array([[b, b], [a + 1, b], [b, a + 1]])
    corners = np.where(second[:, None, None] == 0, first, other) + corner[:, None]
    size = side * cell
    uv = np.stack([corners[..., 1] / size, 1 - corners[..., 0] / size], -1)
    row, column = np.mgrid[0:cell, 0:cell].reshape(2, -1)
    face_of = np.full((side * side, 2), -1)
    face_of[square, second] = np.arange(count)
    upper = (row + column < cell).astype(int)
    face = face_of[:, np.where(upper == 1, 0, 1)]
    squares = np.arange(side * side)
    pixels = np.stack([(squares // side * cell)[:, None] + row,
                       (squares % side * cell)[:, None] + column], -1)  # fmt: skip
    used = face >= 0
    face, pixels = face[used].astype(np.int32), pixels[used].astype(np.int32)
    local = pixels + 0.5 - corners[face, 0]
    edge1, edge2 = corners[face, 1] - corners[face, 0], corners[face, 2] - corners[face, 0]
    det = edge1[:, 0] * edge2[:, 1] - edge1[:, 1] * edge2[:, 0]
    b1 = (local[:, 0] * edge2[:, 1] - local[:, 1] * edge2[:, 0]) / det
    b2 = (edge1[:, 0] * local[:, 1] - edge1[:, 1] * local[:, 0]) / det
    weights = np.column_stack([1 - b1 - b2, b1, b2]).astype(np.float32)
    return Atlas(size, uv, pixels, face, weights)


def _morton(points: Array) -> np.ndarray:
    """The order of points (n, 3) along a Z-order curve."""
    span = np.maximum(np.ptp(points, axis=0).max(), 1e-9)
    q = ((points - points.min(0)) / span * 1023).astype(np.uint64)
    key = np.zeros(len(points), np.uint64)
    for bit in range(10):
        for axis in range(3):
            key |= ((q[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(3 * bit + axis)
    return np.argsort(key, kind="stable")


@dataclass
class Baker:
    """Collects colour for one mesh (in the world) from frames that are added one by one."""

    mesh: Mesh
    cell: int = 8
    atlas: Atlas = field(init=False)
    points: NDArray[np.float32] = field(init=False)
    normals: NDArray[np.float32] = field(init=False)
    total: NDArray[np.float32] = field(init=False)
    weight: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        self.atlas = lay_out(self.mesh, self.cell)
        corners = self.mesh.vertices[self.mesh.faces].astype(np.float32)
        atlas = self.atlas
        self.points = np.einsum("kc,kcd->kd", atlas.weights, corners[atlas.face])
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        self.normals = normal[atlas.face]
        self.total = np.zeros((len(self.points), 3), np.float32)
        self.weight = np.zeros(len(self.points), np.float32)

    def add(self, frame: Frame, depth: NDArray[np.float32], pose: Array) -> None:
        """Take in one frame: its cleaned depth (h, w), and world_from_camera (4, 4)."""
        to_eye = pose[:3, 3].astype(np.float32) - self.points
        distance = np.linalg.norm(to_eye, axis=1)
        cosine = np.einsum("ij,ij->i", to_eye, self.normals) / distance
        facing = np.flatnonzero(cosine > 0.25)
        camera = np.linalg.inv(pose).astype(np.float32)
        p = self.points[facing] @ camera[:3, :3].T + camera[:3, 3]
        front = p[:, 2] > 0.05
        facing, p = facing[front], p[front]
        k = frame.depth_intrinsics
        u, v = p[:, 0] / p[:, 2] * k.fx + k.cx, p[:, 1] / p[:, 2] * k.fy + k.cy
        seen = (u >= 0) & (v >= 0) & (u < k.width - 1) & (v < k.height - 1)
        facing, p, u, v = facing[seen], p[seen], u[seen], v[seen]
        d = depth[(v + 0.5).astype(int), (u + 0.5).astype(int)]
        # What hides the texel lies in front of it; edges of depth are unknown and so left out.
        visible = (d > 0) & (np.abs(d - p[:, 2]) < 0.015)
        facing, p = facing[visible], p[visible]
        if frame.colour_from_depth is not None:
            p = p @ frame.colour_from_depth[:3, :3].T + frame.colour_from_depth[:3, 3]
        k = frame.colour_intrinsics
        u = np.rint(p[:, 0] / p[:, 2] * k.fx + k.cx).astype(int)
        v = np.rint(p[:, 1] / p[:, 2] * k.fy + k.cy).astype(int)
        inside = (u >= 0) & (v >= 0) & (u < k.width) & (v < k.height)
        facing, u, v = facing[inside], u[inside], v[inside]
        # Steep: close to the best view alone, yet without its seams.
        weight = (cosine[facing] / distance[facing]) ** 6
        self.total[facing] += weight[:, None] * frame.colour[v, u]
        self.weight[facing] += weight

    def bake(self, fallback: Array) -> Mesh:
        """The mesh with its texture. What no frame saw takes the colour of the nearest seen texel,
        or `fallback` (3,) 0..255 where nothing was seen at all."""
        from scipy.spatial import KDTree

        seen = self.weight > 0
        colour = np.tile(np.asarray(fallback, np.float32), (len(self.points), 1))
        colour[seen] = self.total[seen] / self.weight[seen, None]
        if seen.any() and not seen.all():
            step = max(1, int(seen.sum()) // 20000)
            known = np.flatnonzero(seen)[::step]
            nearest = KDTree(self.points[known]).query(self.points[~seen])[1]
            colour[~seen] = colour[known[nearest]]
        return paint(self.mesh, self.atlas, colour)


def paint(mesh: Mesh, atlas: Atlas, colour: NDArray[Any]) -> Mesh:
    """The mesh with `colour` (k, 3) 0..255 on the atlas' texels."""
    texture = np.zeros((atlas.size, atlas.size, 3), np.uint8)
    texture[atlas.pixels[:, 0], atlas.pixels[:, 1]] = np.clip(np.rint(colour), 0, 255)
    return replace(mesh, uv=atlas.uv, texture=texture)


def paint_vertices(mesh: Mesh, colours: Array, cell: int = 4) -> Mesh:
    """The mesh with colours (n, 3) 0..1 of its vertices spread over its faces."""
    atlas = lay_out(mesh, cell)
    weights = np.clip(atlas.weights, 0, 1)
    weights = weights / weights.sum(1, keepdims=True)
    return paint(mesh, atlas, 255 * np.einsum("kc,kcd->kd", weights,
                                              colours[mesh.faces[atlas.face]]))  # fmt: skip


def merge(meshes: list[Mesh]) -> Mesh:
    """Textured meshes as one, their textures stacked in one picture."""
    width = max(m.texture.shape[1] for m in meshes if m.texture is not None)
    height = sum(m.texture.shape[0] for m in meshes if m.texture is not None)
    texture = np.zeros((height, width, 3), np.uint8)
    vertices, faces, uvs = [], [], []
    row = count = 0
    for m in meshes:
        if m.texture is None or m.uv is None:
            raise ValueError("merge takes textured meshes")
        h, w = m.texture.shape[:2]
        texture[row : row + h, :w] = m.texture
        uvs.append(np.stack([m.uv[..., 0] * w / width,
                             1 - (row + (1 - m.uv[..., 1]) * h) / height], -1))  # fmt: skip
        vertices.append(m.vertices)
        faces.append(m.faces + count)
        row, count = row + h, count + len(m.vertices)
    return Mesh(np.vstack(vertices), np.vstack(faces).astype(np.int32), np.vstack(uvs), texture)
