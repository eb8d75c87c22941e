"""Looks into a compiled MuJoCo model by casting rays at its triangles: no display, no GPU.

Every geom becomes triangles in the world; one cast answers for many rays. Meshes carry their 2D
texture; other geoms their colour times their texture's mean. Height fields, SDFs, flexes and skins
are not drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins import native
from cousins.errors import UsageError
from cousins.types import Array, Intrinsics

VISIBLE = (0, 1, 2)  # the geom groups that MuJoCo's viewers show
HORIZON = 50.0  # m: half size of a plane that has none
SECTIONS = 128  # a cylinder of radius 10 cm is then 0.03 mm too thin between edges
CREASE = np.radians(40.0)  # faces that meet at less are shaded as one surface
MOST_SMOOTHED = 200_000  # faces: beyond this they are too small for their edges to show
_GREY = np.array([0.5, 0.5, 0.5, 1.0])
_OFFSET = 1e-4  # m that a shadow ray starts above its surface
SKY, GROUND = np.array([0.46, 0.48, 0.52]), np.array([0.26, 0.24, 0.22])  # light from all around
SUN, LAMP = 0.52, 0.14  # the light that casts shadows, and the one at the camera
BEYOND = np.array([0.80, 0.85, 0.90])  # where a ray meets nothing


Floats = NDArray[np.floating[Any]]  # pictures are computed in float32, which is faster


@dataclass(frozen=True)
class Stage:
    """A model's visible triangles in the world, m of them, from g geoms.

    caster: open3d's RaycastingScene. geom (m,): the geom id of each. normals (m, 3, 3) and
    uv (m, 3, 2; v down) per corner, float32. colours (g, 3) RGB in 0..1; textures by geom.
    reflectance (g,): of the materials, as MuJoCo has it. triangles (m, 3, 3), world corners.
    """

    caster: Any
    triangles: Array
    geom: NDArray[np.int32]
    normals: Floats
    uv: Floats
    colours: Floats
    textures: dict[int, NDArray[np.uint8]]
    reflectance: Array


@dataclass(frozen=True)
class Hits:
    """What n rays met. distance (n,) in units of the ray's direction, inf for nothing.

    geom (n,): geom id or -1. face (n,): row of the stage's triangles. normal (n, 3), unit and
    towards the ray's origin, of the flat triangle. weights (n, 3): barycentric; both float32.
    """

    distance: Array
    geom: NDArray[np.int32]
    face: NDArray[np.int64]
    normal: Floats
    weights: Floats


def caster(vertices: Array, faces: NDArray[Any]) -> Any:
    """Open3D's RaycastingScene (Embree) of triangles: vertices (n, 3) m, faces (m, 3).

    Raises MissingDependencyError where open3d is missing.
    """
    o3d = native.require("open3d")
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        o3d.core.Tensor(np.asarray(vertices, np.float32)),
        o3d.core.Tensor(np.asarray(faces, np.uint32)),
    )
    return scene


def stage(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    groups: Sequence[int] = VISIBLE,
    geoms: Sequence[int] | None = None,
) -> Stage:
    """The geoms of these groups, or just `geoms`, as they stand in `data`.

    Raises UsageError for a kind of geom that cannot be cast, or if nothing is visible.
    """
    if geoms is None:
        seen = np.isin(model.geom_group, groups) & (_rgba(model)[:, 3] > 0)
        geoms = np.flatnonzero(seen).tolist()
    parts = [(g, *triangles(model, data, g)) for g in geoms]
    if not parts:
        raise UsageError("the model has no visible geom (groups 0 to 2) to film")
    corners = np.concatenate([p[1] for p in parts])
    textures = {g: t for g in geoms if (t := _texture(model, g)) is not None}
    colours = _rgba(model)[:, :3].copy()
    for g, texture in textures.items():
        if model.geom_type[g] != mujoco.mjtGeom.mjGEOM_MESH:
            colours[g] *= texture.reshape(-1, texture.shape[2])[:, :3].mean(0) / 255
    textured = {g: t for g, t in textures.items() if _has_uv(model, g)}
    return Stage(
        caster=caster(corners.reshape(-1, 3), np.arange(3 * len(corners)).reshape(-1, 3)),
        triangles=corners,
        geom=np.concatenate([np.full(len(p[1]), p[0], np.int32) for p in parts]),
        normals=np.concatenate([p[2] for p in parts]).astype(np.float32),
        uv=np.concatenate([p[3] for p in parts]).astype(np.float32),
        colours=colours.astype(np.float32),
        textures=textured,
        reflectance=_reflectance(model),
    )


def cast(stage: Stage, origins: Floats, directions: Floats) -> Hits:
    """The first thing that each of n rays meets; origins and directions (n, 3)."""
    o3d = native.require("open3d")

    got = stage.caster.cast_rays(o3d.core.Tensor(_packed(origins, directions)))
    distance = got["t_hit"].numpy().astype(float)
    face = got["primitive_ids"].numpy().astype(np.int64)
    hit = np.isfinite(distance)
    face[~hit] = 0
    u, v = got["primitive_uvs"].numpy().T
    normal = got["primitive_normals"].numpy()
    normal = np.where((normal * directions).sum(1, keepdims=True) > 0, -normal, normal)
    return Hits(distance, np.where(hit, stage.geom[face], -1).astype(np.int32), face, normal,
                np.column_stack([1 - u - v, u, v]))  # fmt: skip


def _packed(origins: Floats, directions: Floats) -> Floats:
    """(n, 6) rays as Embree wants them."""
    both = np.empty((len(directions), 6), np.float32)
    both[:, :3], both[:, 3:] = origins, directions
    return both


def rays(camera: Intrinsics, world_from_camera: Array, scale: int = 1) -> tuple[Array, Array]:
    """Origins and directions (h*w, 3) through the pixels of `camera`, `scale` times finer.

    A direction's length along the optical axis is 1, so that distances are depths.
    """
    directions = _through_pixels(camera, scale) @ world_from_camera[:3, :3].T
    return np.broadcast_to(world_from_camera[:3, 3], directions.shape), directions


@lru_cache(maxsize=4)
def _through_pixels(camera: Intrinsics, scale: int) -> Array:
    fine = camera.scaled(camera.width * scale, camera.height * scale)
    rows = np.indices((fine.height, fine.width), float).reshape(2, -1)[::-1]
    pixels = np.vstack([rows, np.ones(rows.shape[1])])
    return pixels.T @ np.linalg.inv(fine.matrix).T


class Seen(NamedTuple):
    """What each pixel (h, w) sees: depth in m, 0 for nothing; the cosine at which the surface is
    met; the geom's id, -1 for nothing."""

    depth: Array
    cosine: Array
    geom: NDArray[np.int32]


def depth(stage: Stage, camera: Intrinsics, world_from_camera: Array) -> Seen:
    """What a depth camera at this pose sees, without error."""
    origins, directions = rays(camera, world_from_camera)
    hits = cast(stage, origins, directions)
    shape = camera.height, camera.width
    cosine = np.abs(np.einsum("ij,ij->i", hits.normal, directions))
    cosine /= np.linalg.norm(directions, axis=1)
    found = hits.geom >= 0
    return Seen(
        np.where(found, hits.distance, 0.0).reshape(shape),
        np.where(found, cosine, 0.0).reshape(shape),
        hits.geom.reshape(shape),
    )


def picture(
    stage: Stage,
    camera: Intrinsics,
    world_from_camera: Array,
    lamps: Array,
    finer: int = 1,
) -> NDArray[np.uint8]:
    """(h, w, 3) RGB. lamps (k, 3): points that share one light, for soft shadows.

    finer: rays along each side of a pixel.
    """
    origins, wide = rays(camera, world_from_camera, finer)
    directions = wide.astype(np.float32)
    hits = cast(stage, origins, directions)
    found = hits.geom >= 0
    if not found.all():
        hits = Hits(*(getattr(hits, name)[found] for name in Hits.__dataclass_fields__))
        directions = directions[found]
    points = world_from_camera[:3, 3].astype(np.float32)
    points = points + directions * hits.distance[:, None].astype(np.float32)
    towards = -directions / _length(directions)
    normal = _smooth(stage, hits)
    rgb = np.tile(BEYOND.astype(np.float32), (len(found), 1))
    rgb[found] = albedo(stage, hits) * _light(stage, points, hits.normal, normal, towards, lamps)
    fine = rgb.reshape(camera.height, finer, camera.width, finer, 3)
    return np.clip(fine.mean((1, 3)) * 255 + 0.5, 0, 255).astype(np.uint8)


def albedo(stage: Stage, hits: Hits) -> Floats:
    """(n, 3) surface colour in 0..1 of rays that all met something."""
    rgb = stage.colours[hits.geom]
    order = np.argsort(hits.geom, kind="stable")
    edges = np.searchsorted(hits.geom[order], [[g, g + 1] for g in stage.textures])
    for texture, (start, end) in zip(stage.textures.values(), edges, strict=True):
        mine = order[start:end]
        if len(mine):
            rgb[mine] *= _bilinear(texture, _at(hits.weights[mine], stage.uv, hits.face[mine]))
    return rgb


def _at(weights: Floats, corners: Floats, face: NDArray[np.int64]) -> Floats:
    """(n, k): what faces have at their `corners` (m, 3, k), at n points on them."""
    a, b, c = (weights[:, i, None] * corners[:, i][face] for i in range(3))
    return a + b + c


def _dot(a: Floats, b: Floats) -> Floats:
    """(n, 1) scalar products of rows."""
    return a[:, :1] * b[:, :1] + a[:, 1:2] * b[:, 1:2] + a[:, 2:] * b[:, 2:]


def _length(a: Floats) -> Floats:
    return np.sqrt(_dot(a, a))


def _bilinear(texture: NDArray[np.uint8], uv: Floats) -> Floats:
    h, w = texture.shape[:2]
    x, y = uv[:, 0] * w - 0.5, uv[:, 1] * h - 0.5
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - x0).astype(np.float32)[:, None], (y - y0).astype(np.float32)[:, None]
    near = [[texture[(y0 + j) % h, (x0 + i) % w, :3] for i in (0, 1)] for j in (0, 1)]
    top = near[0][0] * (1 - fx) + near[0][1] * fx
    return (top * (1 - fy) + (near[1][0] * (1 - fx) + near[1][1] * fx) * fy) / np.float32(255)


def _smooth(stage: Stage, hits: Hits) -> Floats:
    normal = _at(hits.weights, stage.normals, hits.face)
    normal /= np.maximum(_length(normal), 1e-9)
    return np.where(_dot(normal, hits.normal) < 0, -normal, normal)


def _light(
    stage: Stage, points: Floats, flat: Floats, normal: Floats, towards: Floats, lamps: Array
) -> Floats:
    """(n, 3) light that reaches each point: from all around, from the lamps, from the camera."""
    share = (normal[:, 2:] + 1) / 2
    light = (GROUND + (SKY - GROUND) * share).astype(np.float32)
    start = points + flat * np.float32(_OFFSET)
    for lamp in lamps:
        way = lamp.astype(np.float32) - start
        cosine = np.maximum(_dot(normal, way) / _length(way), 0)
        cosine[cast_any(stage, start, way)] = 0
        light += cosine * np.float32(SUN / len(lamps))
    return light + np.float32(LAMP) * np.maximum(_dot(normal, towards), 0)


def cast_any(stage: Stage, origins: Floats, directions: Floats) -> NDArray[np.bool_]:
    """Whether each of n rays meets anything before its direction's end."""
    o3d = native.require("open3d")

    pairs = o3d.core.Tensor(_packed(origins, directions))
    return stage.caster.test_occlusions(pairs, tnear=0.0, tfar=1.0).numpy()


def _reflectance(model: mujoco.MjModel) -> Array:
    """(ngeom,) of the geoms' materials, 0 without one."""
    out = np.zeros(model.ngeom)
    has = model.geom_matid >= 0
    out[has] = model.mat_reflectance[model.geom_matid[has]]
    return out


def _rgba(model: mujoco.MjModel) -> Array:
    """(ngeom, 4): the geom's own colour, or its material's where the geom was given none."""
    rgba = model.geom_rgba.astype(float)
    plain = (np.abs(rgba - _GREY) < 1e-6).all(1) & (model.geom_matid >= 0)
    rgba[plain] = model.mat_rgba[model.geom_matid[plain]]
    return rgba


def _texture(model: mujoco.MjModel, geom: int) -> NDArray[np.uint8] | None:
    material = model.geom_matid[geom]
    if material < 0:
        return None
    role = int(mujoco.mjtTextureRole.mjTEXROLE_RGB)
    texture = model.mat_texid[material, role]
    if texture < 0 or model.tex_nchannel[texture] < 3:
        return None
    h, w, c = (int(a[texture]) for a in (model.tex_height, model.tex_width, model.tex_nchannel))
    start = int(model.tex_adr[texture])
    return model.tex_data[start : start + h * w * c].reshape(h, w, c)


def _has_uv(model: mujoco.MjModel, geom: int) -> bool:
    is_mesh = model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH
    return bool(is_mesh) and model.mesh_texcoordadr[model.geom_dataid[geom]] >= 0


def triangles(model: mujoco.MjModel, data: mujoco.MjData, geom: int) -> tuple[Array, Array, Array]:
    """World triangles (m, 3, 3), corner normals (m, 3, 3), uv (m, 3, 2) of one geom."""
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
        local, uv = _mesh(model, int(model.geom_dataid[geom]))
    else:
        local = _primitive(model, geom)
        uv = np.zeros((len(local), 3, 2))
    rotation = data.geom_xmat[geom].reshape(3, 3)
    return local @ rotation.T + data.geom_xpos[geom], corner_normals(local) @ rotation.T, uv


def corner_normals(triangles: Array) -> Array:
    """(m, 3, 3) unit normals at the corners: smooth over faces that meet at less than CREASE."""
    from scipy import sparse

    across = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    unit = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
    m = len(triangles)
    if m > MOST_SMOOTHED:
        return np.repeat(unit[:, None], 3, axis=1)
    vertex = np.unique(np.round(triangles.reshape(-1, 3), 7), axis=0, return_inverse=True)[1]
    vertex, ones, face = vertex.ravel(), np.ones(3 * m), np.repeat(np.arange(m), 3)
    corner_at: Any = sparse.csr_array((ones, (np.arange(3 * m), vertex)))
    around = (corner_at @ sparse.csr_array((ones, (vertex, face)))).tocoo()
    alike = np.einsum("ij,ij->i", unit[around.row // 3], unit[around.col]) > np.cos(CREASE)
    weights = sparse.csr_array((alike.astype(float), (around.row, around.col)), (3 * m, m))
    normals = weights @ across
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return normals.reshape(m, 3, 3)


def _mesh(model: mujoco.MjModel, mesh: int) -> tuple[Array, Array]:
    def part(values: NDArray, start: NDArray, count: NDArray) -> NDArray:
        return values[start[mesh] : start[mesh] + count[mesh]]

    faces = part(model.mesh_face, model.mesh_faceadr, model.mesh_facenum)
    vertices = part(model.mesh_vert, model.mesh_vertadr, model.mesh_vertnum).astype(float)
    uv = np.zeros((len(faces), 3, 2))
    if model.mesh_texcoordadr[mesh] >= 0:
        corners = part(model.mesh_texcoord, model.mesh_texcoordadr, model.mesh_texcoordnum)
        uv = corners[part(model.mesh_facetexcoord, model.mesh_faceadr, model.mesh_facenum)]
    return vertices[faces], uv.astype(float)


def _primitive(model: mujoco.MjModel, geom: int) -> Array:
    from trimesh import creation

    kind, size = mujoco.mjtGeom(model.geom_type[geom]), model.geom_size[geom]
    if kind == mujoco.mjtGeom.mjGEOM_PLANE:
        x, y = (s if s > 0 else HORIZON for s in size[:2])
        a, b, c, d = np.array([[-x, -y, 0], [x, -y, 0], [x, y, 0], [-x, y, 0]])
        return np.array([[a, b, c], [a, c, d]])
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        mesh = creation.box(2 * size)
    elif kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        mesh = creation.cylinder(size[0], 2 * size[1], sections=SECTIONS)
    elif kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        mesh = creation.capsule(2 * size[1], size[0], count=(64, 64))
    elif kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        mesh = creation.icosphere(4, size[0])
    elif kind == mujoco.mjtGeom.mjGEOM_ELLIPSOID:
        mesh = creation.icosphere(4).apply_scale(size)
    else:
        name = model.geom(geom).name or str(geom)
        raise UsageError(f"geom {name}: a {kind.name} cannot be filmed; give it as a mesh")
    return np.asarray(mesh.triangles, float)
