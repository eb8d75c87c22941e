"""Colour for a mesh: a texture baked from frames, or from the colours of its vertices.

Objects are unwrapped into charts. A background of tens of thousands of faces has a small cell for
every two of them instead, along a space-filling curve, which costs nothing to lay out.
"""

from __future__ import annotations

from colorsys import hsv_to_rgb
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.types import Array, Frame, Mesh

FOOT = 0.005  # height over the support under which pixels mix thing and support, m
SKIN = 0.008  # how far a pixel's depth may lie off the surface that it colours, m
GOLDEN = (3 - 5**0.5) / 2  # the golden angle, of a turn: its multiples keep far apart
TEXEL = 0.0008  # of an object's texture, m: about a pixel of a phone's picture at arm's length


@dataclass(frozen=True)
class Atlas:
    """Where each face lies in the texture. uv (m, 3, 2); texels: for every texel that belongs to a
    face its row and column (k, 2), face (k,) and barycentric weights (k, 3). size: its height and
    width."""

    size: tuple[int, int]
    uv: Array
    pixels: NDArray[np.int32]
    face: NDArray[np.int32]
    weights: NDArray[np.float32]


def unwrap(mesh: Mesh, texel: float = TEXEL) -> Atlas:
    """An atlas of few large charts, with texels of `texel` metres or a picture of about 1000².

    By xatlas (Young 2018), which keeps the faces' order. Charts are 4 texels apart.
    """
    import xatlas

    corners = mesh.vertices[mesh.faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = float(np.linalg.norm(cross, axis=1).sum() / 2)
    packer = xatlas.Atlas()
    packer.add_mesh(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32))
    options = xatlas.PackOptions()
    options.padding, options.bilinear = 4, True
    options.texels_per_unit = min(1 / texel, 1000 / np.sqrt(area))
    packer.generate(xatlas.ChartOptions(), options)
    _, index, uv = packer[0]
    uv = uv[index].astype(float)  # (m, 3, 2), v down
    size = (int(packer.height), int(packer.width))
    pixels, face, weights = _rasterise(uv * [size[1], size[0]], size)
    return Atlas(size, np.stack([uv[..., 0], 1 - uv[..., 1]], -1), pixels, face, weights)


def _rasterise(
    corners: Array, size: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Texels of triangles (m, 3, 2; column, row): those whose centre lies within or hardly
    outside, each given to the triangle that it lies deepest in."""
    owner = np.full(size, -1, np.int32)
    depth = np.full(size, -0.75)
    weights = np.zeros((*size, 3), np.float32)
    for i, (a, b, c) in enumerate(corners):
        low = np.maximum(np.floor(np.minimum(np.minimum(a, b), c) - 1), 0).astype(int)
        high = np.minimum(np.ceil(np.maximum(np.maximum(a, b), c) + 1), size[::-1]).astype(int)
        ab, ac = b - a, c - a
        det = ab[0] * ac[1] - ab[1] * ac[0]
        if abs(det) < 1e-12:
            continue
        x = np.arange(low[0], high[0])[None, :] + 0.5 - a[0]
        y = np.arange(low[1], high[1])[:, None] + 0.5 - a[1]
        wb, wc = (x * ac[1] - y * ac[0]) / det, (ab[0] * y - ab[1] * x) / det
        w = np.stack([1 - wb - wc, wb, wc], -1)
        # Barycentric weight times height is the distance to the side, in texels.
        sides = np.array([np.hypot(*(c - b)), np.hypot(*ac), np.hypot(*ab)])
        inner = (w * (abs(det) / np.maximum(sides, 1e-9))).min(-1)
        part = (slice(low[1], high[1]), slice(low[0], high[0]))
        better = inner > depth[part]
        depth[part][better] = inner[better]
        owner[part][better] = i
        weights[part][better] = w[better]
    pixels = np.argwhere(owner >= 0).astype(np.int32)
    rows, columns = pixels.T
    return pixels, owner[rows, columns], weights[rows, columns]


def lay_out(mesh: Mesh, cell: int = 4) -> Atlas:
    """An atlas with `cell` x `cell` texels for two faces."""
    count = len(mesh.faces)
    order = _morton(mesh.vertices[mesh.faces].mean(1))
    slot = np.empty(count, int)
    slot[order] = np.arange(count)
    square, second = slot // 2, slot % 2
    squares = _z_curve(-(-count // 2)) * cell
    corner = squares[square]  # row, column
    # Corners of the two triangles of a cell, half a texel in so that filtering stays within.
    a, b = 0.5, cell - 0.5
    first = np.array([[a, a], [b - 1, a], [a, b - 1]])
    other = np.array([[b, b], [a + 1, b], [b, a + 1]])
    corners = np.where(second[:, None, None] == 0, first, other) + corner[:, None]
    high, wide = (int(n) + cell for n in squares.max(0))
    uv = np.stack([corners[..., 1] / wide, 1 - corners[..., 0] / high], -1)
    row, column = np.mgrid[0:cell, 0:cell].reshape(2, -1)
    face_of = np.full((len(squares), 2), -1)
    face_of[square, second] = np.arange(count)
    upper = (row + column < cell).astype(int)
    face = face_of[:, np.where(upper == 1, 0, 1)]
    pixels = squares[:, None] + np.column_stack([row, column])
    used = face >= 0
    face, pixels = face[used].astype(np.int32), pixels[used].astype(np.int32)
    local = pixels + 0.5 - corners[face, 0]
    edge1, edge2 = corners[face, 1] - corners[face, 0], corners[face, 2] - corners[face, 0]
    det = edge1[:, 0] * edge2[:, 1] - edge1[:, 1] * edge2[:, 0]
    b1 = (local[:, 0] * edge2[:, 1] - local[:, 1] * edge2[:, 0]) / det
    b2 = (edge1[:, 0] * local[:, 1] - edge1[:, 1] * local[:, 0]) / det
    weights = np.column_stack([1 - b1 - b2, b1, b2]).astype(np.float32)
    return Atlas((high, wide), uv, pixels, face, weights)


def _z_curve(count: int) -> np.ndarray:
    """(count, 2) rows and columns along a Z-order curve in the plane."""
    index = np.arange(count)
    row, column = np.zeros(count, int), np.zeros(count, int)
    for bit in range(16):
        column |= ((index >> (2 * bit)) & 1) << bit
        row |= ((index >> (2 * bit + 1)) & 1) << bit
    return np.column_stack([row, column])


def _morton(points: Array) -> np.ndarray:
    """The order of points (n, 3) along a Z-order curve."""
    span = np.maximum(np.ptp(points, axis=0).max(), 1e-9)
    q = ((points - points.min(0)) / span * 1023).astype(np.uint64)
    key = np.zeros(len(points), np.uint64)
    for bit in range(10):
        for axis in range(3):
            key |= ((q[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(3 * bit + axis)
    return np.argsort(key, kind="stable")


def sharpness(picture: NDArray[np.uint8]) -> float:
    """How sharp a picture (h, w, 3) is, 0..1: the share of its detail, by energy, that lies in the
    finest octave.

    A share, and not an amount as Laplacian variance is, since frames show different things.
    """
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    levels = [grey, cv2.GaussianBlur(grey, (0, 0), 1.0), cv2.GaussianBlur(grey, (0, 0), 4.0)]
    fine = float(((levels[0] - levels[1]) ** 2).mean())
    coarse = float(((levels[1] - levels[2]) ** 2).mean())
    return fine / max(fine + coarse, 1e-9)


@dataclass
class Baker:
    """Collects colour for one mesh (in the world) from frames that are added one by one.

    base: height of what it stands on, m; so close above it pixels mix the two.
    """

    mesh: Mesh
    base: float = -np.inf
    atlas: Atlas = field(init=False)
    points: NDArray[np.float32] = field(init=False)
    normals: NDArray[np.float32] = field(init=False)
    total: NDArray[np.float32] = field(init=False)
    weight: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        self.atlas = unwrap(self.mesh)
        corners = self.mesh.vertices[self.mesh.faces].astype(np.float32)
        atlas = self.atlas
        self.points = np.einsum("kc,kcd->kd", atlas.weights, corners[atlas.face])
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        self.normals = normal[atlas.face]
        self.total = np.zeros((len(self.points), 3), np.float32)
        self.weight = np.zeros(len(self.points), np.float32)

    def add(
        self, frame: Frame, depth: NDArray[np.float32], pose: Array, sharp: float = 1.0
    ) -> None:
        """Take in one frame: its cleaned depth (h, w), world_from_camera (4, 4), and how sharp its
        picture is, as `sharpness` tells. A frame without a picture adds nothing."""
        if frame.colour is None:
            return
        to_eye = pose[:3, 3].astype(np.float32) - self.points
        distance = np.linalg.norm(to_eye, axis=1)
        cosine = np.einsum("ij,ij->i", to_eye, self.normals) / distance
        facing = np.flatnonzero((cosine > 0.25) & (self.points[:, 2] > self.base + FOOT))
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
        visible = (d > 0) & (np.abs(d - p[:, 2]) < SKIN)
        facing, p = facing[visible], p[visible]
        if frame.colour_from_depth is not None:
            p = p @ frame.colour_from_depth[:3, :3].T + frame.colour_from_depth[:3, 3]
        k = frame.colour_intrinsics
        u = np.rint(p[:, 0] / p[:, 2] * k.fx + k.cx).astype(int)
        v = np.rint(p[:, 1] / p[:, 2] * k.fy + k.cy).astype(int)
        inside = (u >= 0) & (v >= 0) & (u < k.width) & (v < k.height)
        facing, u, v = facing[inside], u[inside], v[inside]
        # Steep: close to the best view alone, yet without its seams.
        weight = sharp**2 * (cosine[facing] / distance[facing]) ** 6
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
    """The mesh with `colour` (k, 3) 0..255 on the atlas' texels.

    Texels between charts take their nearest neighbour's, so that smaller copies of the picture,
    which renderers make for things far away, have no dark seams.
    """
    from scipy.ndimage import distance_transform_edt

    texture = np.zeros((*atlas.size, 3), np.uint8)
    empty = np.ones(atlas.size, bool)
    rows, columns = atlas.pixels.T
    texture[rows, columns] = np.clip(np.rint(colour), 0, 255)
    empty[rows, columns] = False
    if empty.any():
        nearest = distance_transform_edt(empty, return_distances=False, return_indices=True)
        texture = texture[tuple(np.asarray(nearest))]
    return replace(mesh, uv=atlas.uv, texture=texture)


def paint_vertices(mesh: Mesh, colours: Array, cell: int = 4) -> Mesh:
    """The mesh with colours (n, 3) 0..1 of its vertices spread over its faces."""
    atlas = lay_out(mesh, cell)
    weights = np.clip(atlas.weights, 0, 1)
    weights = weights / weights.sum(1, keepdims=True)
    return paint(mesh, atlas, 255 * np.einsum("kc,kcd->kd", weights,
                                              colours[mesh.faces[atlas.face]]))  # fmt: skip


def matte(mesh: Mesh, index: int) -> Mesh:
    """The mesh in one plain colour, which differs from those of other indices.

    All of it lies on one spot of the texture, so that no corner of a face needs a place of its own.
    """
    colour = np.rint(255 * np.array(hsv_to_rgb(index * GOLDEN % 1, 0.4, 0.75))).astype(np.uint8)
    return replace(
        mesh, uv=np.full((*mesh.faces.shape, 2), 0.5), texture=np.tile(colour, (4, 4, 1))
    )


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
