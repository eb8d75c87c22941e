"""From a body's triangles to an item: closed, of few faces, in one texture, with convex parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.library.item import MOST_VERTICES
from cousins.library.read import MAX_FACES, Piece, Raw
from cousins.library.within import Refused
from cousins.raycast import caster
from cousins.shape.carve import decimate
from cousins.shape.convex import Convex, convex_hull
from cousins.shape.primitive import fit_primitive
from cousins.shape.texture import TEXEL, paint, unwrap
from cousins.types import Array, Mesh, Primitive

LARGEST, LEAST = 5.0, 0.001  # m: what is larger or smaller was not modelled in metres
FACES = 20_000
SPLIT = 3_000  # faces, about those of a scanned thing: more split no better, and slowly
CELLS = 96  # along the longest side of what is closed anew: 2 mm of a dinner plate
WIDEST = 1024  # texels along a side of a texture


@dataclass(frozen=True)
class Prepared:
    """What an item needs of a body. notes: in words, what was done to it."""

    visual: Mesh
    parts: tuple[Mesh, ...]
    primitive: Primitive | None
    watertight: bool
    notes: tuple[str, ...] = ()


def prepare(raw: Raw) -> Prepared:
    """The body about the centre of its bounding box. Raises Refused for one that is no shape."""
    triangles = _checked([p.triangles for p in raw.pieces])
    if np.einsum("ij,ij->", triangles[:, 0], np.cross(triangles[:, 1], triangles[:, 2])) < 0:
        raw = replace(raw, pieces=tuple(_inside_out(p) for p in raw.pieces))
        triangles = triangles[:, ::-1]
    mesh, order = _welded(triangles)
    notes = []
    closed = _closed(mesh)
    if closed is None:
        closed = _solidified(mesh)
        notes.append("was not closed: closed anew")
    same = closed is mesh
    small = decimate(closed, FACES)
    if len(small.faces) > FACES:  # many shells, which open before they are simple
        small = decimate(_solidified(mesh), FACES)
    same = same and small is closed
    visual = _textured(small, raw.pieces, order if same else None)
    centre = (small.vertices.min(0) + small.vertices.max(0)) / 2
    visual = replace(visual, vertices=visual.vertices - centre)
    parts, primitive = raw.parts, raw.primitive
    if parts is None:
        parts, primitive = _parts(Mesh(visual.vertices, visual.faces))
    else:
        parts = tuple(Mesh(_few(p).vertices - centre, _few(p).faces) for p in parts)
        if primitive is not None:
            x, y, z = (float(v) for v in np.array(primitive.position) - centre)
            primitive = replace(primitive, position=(x, y, z))
    return Prepared(visual, parts, primitive, _closed(small) is not None, tuple(notes))


def _checked(pieces: list[Array]) -> Array:
    """(m, 3, 3) all triangles. Raises Refused."""
    triangles = np.concatenate(pieces) if pieces else np.zeros((0, 3, 3))
    if not len(triangles):
        raise Refused("holds no triangle")
    if len(triangles) > MAX_FACES:
        raise Refused(f"has {len(triangles):,} faces, above {MAX_FACES:,}")
    if not np.isfinite(triangles).all():
        raise Refused("has coordinates that are no numbers")
    size = np.ptp(triangles.reshape(-1, 3), axis=0)
    words = " × ".join(f"{s:.3g}" for s in size)
    if size.max() > LARGEST:
        raise Refused(f"is {words} m large: scale it to metres")
    if size.max() < LEAST:
        raise Refused(f"is {words} m small: scale it to metres")
    if size.min() < LEAST:
        raise Refused(f"is as flat as paper ({words} m)")
    return triangles


def _inside_out(piece: Piece) -> Piece:
    uv = None if piece.uv is None else piece.uv[:, ::-1]
    return replace(piece, triangles=piece.triangles[:, ::-1], colours=piece.colours[:, ::-1], uv=uv)


def _welded(triangles: Array) -> tuple[Mesh, NDArray[np.intp]]:
    """Triangles with shared vertices, without those that vanish, and which of all are left."""
    points = triangles.reshape(-1, 3)
    near = np.round(points / (1e-6 * np.ptp(points, axis=0).max())).astype(np.int64)
    _, first, index = np.unique(near, axis=0, return_index=True, return_inverse=True)
    faces = index.reshape(-1, 3)
    a, b, c = faces.T
    left = np.flatnonzero((a != b) & (b != c) & (c != a))
    if not len(left):
        raise Refused("holds no triangle")
    return Mesh(points[first], faces[left].astype(np.int32)), left


def _closed(mesh: Mesh) -> Mesh | None:
    """The mesh itself where it is one closed surface, the union of its shells where it is several,
    None where it is open."""
    import manifold3d
    import trimesh

    whole = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    if not whole.is_watertight or not whole.is_winding_consistent or whole.volume <= 0:
        return None
    solid = manifold3d.Manifold(
        manifold3d.Mesh(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32))
    )
    if solid.status() != manifold3d.Error.NoError or solid.volume() <= 0:
        return None
    shells = solid.decompose()
    if len(shells) == 1:
        return mesh
    union = manifold3d.Manifold.batch_boolean(
        [s for s in shells if s.volume() > 0], manifold3d.OpType.Add
    ).to_mesh()
    vertices = np.asarray(union.vert_properties[:, :3], float)
    return Mesh(vertices, np.asarray(union.tri_verts, np.int32))


def _solidified(mesh: Mesh) -> Mesh:
    """A closed surface about an open one: what lies within it or within half a cell of it.

    Inside is what cannot be reached from outside without crossing the surface, so that a hole
    smaller than a cell is closed and a bowl of no thickness gets a wall.
    """
    import open3d as o3d
    import trimesh
    from scipy.ndimage import label
    from skimage.measure import marching_cubes

    cell = float(np.ptp(mesh.vertices, axis=0).max()) / CELLS
    low = mesh.vertices.min(0) - 2.5 * cell
    shape = np.ceil((np.ptp(mesh.vertices, axis=0) + 5 * cell) / cell).astype(int) + 1
    points = (np.indices(shape).reshape(3, -1).T * cell + low).astype(np.float32)
    far = caster(mesh.vertices, mesh.faces).compute_distance(o3d.core.Tensor(points)).numpy()
    far = far.reshape(shape)
    # No step from cell to cell crosses a surface that is nowhere nearer than half of one.
    found: Any = label(far > 0.51 * cell)
    reached = found[0]
    outside = reached == reached[0, 0, 0]
    signed = np.where(outside | (far <= 0.51 * cell), far, -far) - 0.5 * cell
    # A corner that lies on the surface to the last digit would make triangles of no area.
    signed = np.where(np.abs(signed) < 1e-3 * cell, 1e-3 * cell, signed)
    vertices, faces, _, _ = marching_cubes(signed, 0.0)
    shells = trimesh.Trimesh(vertices * cell + low, faces).split(only_watertight=True)
    solid = [s for s in shells if s.volume > 0]
    if not solid:
        raise Refused("does not close")
    best = max(solid, key=lambda s: s.area)
    return Mesh(np.asarray(best.vertices, float), np.asarray(best.faces, np.int32))


def _parts(mesh: Mesh) -> tuple[tuple[Mesh, ...], Primitive | None]:
    fit = fit_primitive(mesh)
    mesh = decimate(mesh, SPLIT)
    if fit is not None:
        return (convex_hull(mesh.vertices),), fit[0]
    return Convex()(mesh)[0], None


def _few(part: Mesh) -> Mesh:
    return part if len(part.vertices) <= MOST_VERTICES else convex_hull(part.vertices)


def _textured(mesh: Mesh, pieces: tuple[Piece, ...], order: NDArray[np.intp] | None) -> Mesh:
    """The mesh with the pieces' colours in one texture. order: which of their triangles its faces
    are, where they are still the same."""
    import cv2

    if all(p.plain for p in pieces):
        return mesh
    one = pieces[0]
    if order is not None and len(pieces) == 1 and one.texture is not None and one.uv is not None:
        inside = one.uv.min() >= 0 and one.uv.max() <= 1
        if inside and (one.colours == 1).all():
            texture = one.texture
            scale = WIDEST / max(texture.shape[:2])
            if scale < 1:
                texture = cv2.resize(texture, None, fx=scale, fy=scale,
                                     interpolation=cv2.INTER_AREA)  # fmt: skip
            return replace(mesh, uv=one.uv[order], texture=np.ascontiguousarray(texture))
    corners = mesh.vertices[mesh.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]),
                          axis=1).sum() / 2  # fmt: skip
    atlas = unwrap(mesh, max(TEXEL, float(np.sqrt(area)) / 500))
    weights = np.clip(atlas.weights, 0, 1)
    weights = weights / weights.sum(1, keepdims=True)
    points = np.einsum("kc,kcd->kd", weights, corners[atlas.face])
    return paint(mesh, atlas, 255 * _colours(pieces, points))


def _colours(pieces: tuple[Piece, ...], points: Array) -> Array:
    """(n, 3) RGB in 0..1 of the pieces' surfaces where they are nearest to points (n, 3)."""
    import open3d as o3d

    corners = np.concatenate([p.triangles for p in pieces]).reshape(-1, 3)
    found = caster(corners, np.arange(len(corners)).reshape(-1, 3)).compute_closest_points(
        o3d.core.Tensor(points.astype(np.float32))
    )
    face = found["primitive_ids"].numpy().astype(int)
    u, v = found["primitive_uvs"].numpy().T
    weights = np.stack([1 - u - v, u, v], -1)
    out = np.empty((len(points), 3))
    start = 0
    for piece in pieces:
        mine = np.flatnonzero((face >= start) & (face < start + len(piece.triangles)))
        own, w = face[mine] - start, weights[mine]
        rgb = np.einsum("kc,kcd->kd", w, piece.colours[own])
        if piece.texture is not None and piece.uv is not None:
            at = np.einsum("kc,kcd->kd", w, piece.uv[own]) % 1.0  # a texture goes on and on
            h, wide = piece.texture.shape[:2]
            row = np.minimum(((1 - at[:, 1]) * h).astype(int), h - 1)
            rgb = (
                rgb * piece.texture[row, np.minimum((at[:, 0] * wide).astype(int), wide - 1)] / 255
            )
        out[mine] = rgb
        start += len(piece.triangles)
    return np.clip(out, 0, 1)
