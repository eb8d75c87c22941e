"""Deformations of an object's own shape: scaled, tapered, bent, turned on a lathe, pulled about.

Each is a map of space that keeps its handedness and takes no two places to one, by construction:
so a closed mesh stays closed, no face turns inside out, and what was hollow stays hollow. The
convex parts go through the same map, and become the hulls of what they were taken to. Whether such
a hull closes anything, `cousins.affordance` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cousins.mesh import matrix_from_quaternion, solid_moments
from cousins.physics import mass_moments, moments
from cousins.raycast import caster
from cousins.scene import MAX_HULL_VERTICES
from cousins.types import Array, Asset, Mesh, Primitive

SCALE = (0.7, 1.4)  # range of each axis
TAPER = 0.2  # most that the top widens or narrows
BEND = 0.1  # most that the top moves sideways, over the height
PROFILE = 0.2  # most that a radius of a round thing changes
LATTICE = 0.08  # of its size: most that a node moves; under 1/12, so that the map is one to one
OVAL = 0.5  # of that for round things: what was thrown or turned is nearly round
FINE = 10  # pieces that a mesh's sides are cut into at least, for a curve to show, and
BOWED = 4  # a part's: between them, what bulges by a tenth is missed by a 16th of that
MOST_FACES = 2_400  # of a mesh that is made finer: a scan's own are fine enough
SAMPLES = 600  # points on each shape that a distance is a mean over
FAR = 0.06  # of the size: a mean distance as long as this is as far as shapes get

_Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Deformation:
    """How a variant differs, in the order in which it is done; the default is no change at all.

    lattice: how far the 3×3×3 nodes over the bounding box move, as shares of its sides: 81 numbers,
    by x, y, z of the node and then the coordinate. profile: by how much the radius about the
    upright axis through `axis` (2,), m in the object's frame, grows or shrinks, from the foot to
    the top: Bernstein coefficients. scale: of each axis. taper: by how much the top widens. bend:
    how far the top moves sideways (2,), over the height.
    """

    scale: _Vector = (1.0, 1.0, 1.0)
    taper: float = 0.0
    bend: tuple[float, float] = (0.0, 0.0)
    profile: tuple[float, ...] = ()
    axis: tuple[float, float] = (0.0, 0.0)
    lattice: tuple[float, ...] = ()


def draw(asset: Asset, rng: np.random.Generator, strength: float) -> Deformation:
    """A random deformation whose amplitudes are `strength`, 0..1, of the full ones; 0 is none.

    A primitive stays one of its kind: it is only scaled. A round thing stays nearly round. As many
    numbers are drawn at any strength, so that one seed at two strengths goes the same way.
    """
    low, high = np.log(SCALE)
    a, b, c = (float(v) for v in np.exp(strength * rng.uniform(low, high, 3)))
    taper, *rest = (float(v) for v in strength * rng.uniform(-1, 1, 7))
    nodes = strength * LATTICE * rng.uniform(-1, 1, (3, 3, 3, 3))
    kind = asset.primitive.kind if asset.primitive else None
    if kind == "sphere":
        return Deformation((a, a, a))
    if kind == "cylinder":
        return Deformation((a, a, c))
    if kind == "box":
        return Deformation((a, b, c))
    nodes[:, :, 0, 2] = 0.0  # the bottom stays flat
    axis = round_about(asset.visual)
    if axis is not None:
        nodes *= OVAL
    return Deformation(
        scale=(a, b if axis is None else a, c),
        taper=TAPER * taper,
        bend=(BEND * rest[0], BEND * rest[1]),
        profile=() if axis is None else tuple(PROFILE * v for v in rest[2:]),
        axis=axis or (0.0, 0.0),
        lattice=tuple(nodes.ravel().tolist()),
    )


def deformed(asset: Asset, name: str, deformation: Deformation) -> Asset:
    """The asset deformed, under another name.

    A primitive is scaled along its own axes. Anything else keeps its bottom flat. The origin is
    again at the centre of the visual mesh's bounding box. Distributions are the original's; volume,
    centre of mass and inertia are the new shape's at their modes.
    """
    if asset.primitive is not None:
        return _weighed(_scaled(asset, asset.primitive, name, deformation))
    move = _map(asset.visual, deformation)
    fine = refined(asset.visual, asset.size / FINE)
    vertices = move(fine.vertices)
    centre = (vertices.min(0) + vertices.max(0)) / 2
    bare = (Mesh(part.vertices, part.faces) for part in asset.parts)
    parts = _parts([refined(part, asset.size / BOWED) for part in bare], move, centre)
    visual = replace(fine, vertices=vertices - centre)
    return _weighed(replace(asset, name=name, visual=visual, parts=parts))


def _weighed(asset: Asset) -> Asset:
    closed = asset.visual if asset.watertight else hull(asset.visual.vertices)
    centre, inertia = mass_moments(
        moments(closed, asset.primitive), asset.mass.mode, asset.shell_fraction.mode
    )
    volume = solid_moments(closed)[0]
    return replace(asset, volume=volume, center_of_mass=centre, inertia=inertia)


def _map(mesh: Mesh, deformation: Deformation) -> Callable[[Array], Array]:
    """From places (n, 3) of the object's frame to where they are taken."""
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    size = np.maximum(high - low, 1e-9)
    axis = np.array(deformation.axis)
    nodes = np.array(deformation.lattice).reshape(-1, 3)

    def move(points: Array) -> Array:
        share = np.clip((points - low) / size, 0.0, 1.0)
        if len(nodes):
            weights = np.einsum("ni,nj,nk->nijk", *(_bernstein(s, 3) for s in share.T))
            points = points + size * (weights.reshape(len(points), -1) @ nodes)
        up = np.clip((points[:, 2:] - low[2]) / size[2], 0.0, 1.0)
        flat = points[:, :2]
        if deformation.profile:
            grown = _bernstein(up[:, 0], len(deformation.profile)) @ np.array(deformation.profile)
            flat = axis + (flat - axis) * (1 + grown[:, None])
        flat = flat * np.array(deformation.scale[:2]) * (1 + deformation.taper * up)
        flat = flat + np.array(deformation.bend) * size[2] * deformation.scale[2] * up**2
        return np.column_stack([flat, points[:, 2] * deformation.scale[2]])

    return move


def _bernstein(share: Array, count: int) -> Array:
    """(n, count) Bernstein polynomials of degree count - 1 at (n,) places in 0..1."""
    from scipy.special import comb

    k = np.arange(count)
    return comb(count - 1, k) * share[:, None] ** k * (1 - share[:, None]) ** (count - 1 - k)


def _parts(
    parts: Sequence[Mesh], move: Callable[[Array], Array], centre: Array
) -> tuple[Mesh, ...]:
    """The hulls of where the parts are taken, each of at most MAX_HULL_VERTICES."""
    moved = move(np.vstack([part.vertices for part in parts])) - centre
    ends = np.cumsum([len(part.vertices) for part in parts])
    return tuple(_capped(points) for points in np.split(moved, ends[:-1]))


def _capped(points: Array) -> Mesh:
    from cousins.shape.hollow import sphere

    found = hull(points)
    if len(found.vertices) <= MAX_HULL_VERTICES:
        return found
    # The extreme ones every way, as seen from within its box, so that a long part is as well kept
    # along its sides as at its ends. The axes' own keep the bounding box, and so the foot.
    ways = np.vstack([sphere(MAX_HULL_VERTICES - 6), np.eye(3), -np.eye(3)])
    even = found.vertices / np.ptp(found.vertices, axis=0)
    return hull(found.vertices[np.unique((even @ ways.T).argmax(0))])


def _scaled(asset: Asset, primitive: Primitive, name: str, deformation: Deformation) -> Asset:
    axes = matrix_from_quaternion(np.array(primitive.quaternion))
    linear = axes @ np.diag(deformation.scale) @ axes.T
    vertices = asset.visual.vertices @ linear
    centre = (vertices.min(0) + vertices.max(0)) / 2
    x, y, z = (float(v) for v in linear @ np.array(primitive.position) - centre)
    size = scaled_size(primitive, deformation.scale)
    return replace(
        asset,
        name=name,
        visual=replace(asset.visual, vertices=vertices - centre),
        parts=tuple(replace(p, vertices=p.vertices @ linear - centre) for p in asset.parts),
        primitive=replace(primitive, size=size, position=(x, y, z)),
    )


def scaled_size(primitive: Primitive, scale: _Vector) -> _Vector:
    """MuJoCo's size of the primitive after scaling along its own axes."""
    a, b, c = primitive.size
    if primitive.kind == "cylinder":  # radius, half height
        return (a * scale[0], b * scale[2], c)
    if primitive.kind == "sphere":
        return (a * scale[0], b, c)
    return (a * scale[0], b * scale[1], c * scale[2])


def round_about(mesh: Mesh) -> tuple[float, float] | None:
    """Where the upright axis passes that most of the mesh is turned about, if there is one."""
    from cousins.shape.axis import ROUND, find_axis

    points, normals = _sampled(mesh, 2 * SAMPLES)
    axis = find_axis(points, normals, np.eye(3))
    if axis is None or axis.even < ROUND:
        return None
    return float(axis.centre[0]), float(axis.centre[1])


def refined(mesh: Mesh, longest: Array) -> Mesh:
    """The same surface in triangles with edges of at most `longest` along x, y and z (3,), m,
    unless they are too many.

    An edge is halved for both its faces, so that what was closed stays closed. Texture coordinates
    are halved with it.
    """
    while len(mesh.faces) < MOST_FACES:
        halved = _halved(mesh, longest)
        if halved is None:
            break
        mesh = halved
    return mesh


# By which edges are halved (0-1, 1-2, 2-0: bits 1, 2, 4), at corners 3, 4, 5: the new triangles.
_SPLIT = {
    0b000: [(0, 1, 2)],
    0b001: [(0, 3, 2), (3, 1, 2)],
    0b010: [(0, 1, 4), (0, 4, 2)],
    0b100: [(0, 1, 5), (5, 1, 2)],
    0b011: [(3, 1, 4), (0, 3, 4), (0, 4, 2)],
    0b110: [(5, 4, 2), (0, 1, 4), (0, 4, 5)],
    0b101: [(0, 3, 5), (3, 1, 2), (3, 2, 5)],
    0b111: [(0, 3, 5), (3, 1, 4), (5, 4, 2), (3, 4, 5)],
}


def _halved(mesh: Mesh, longest: Array) -> Mesh | None:
    """With every edge halved that is too long; None where none is."""
    faces = mesh.faces.astype(np.int64)
    ends = np.stack([faces, np.roll(faces, -1, axis=1)], -1)  # (m, 3, 2)
    count = len(mesh.vertices)
    keys, edge = np.unique(np.sort(ends, -1) @ [count, 1], return_inverse=True)
    edge = edge.reshape(-1, 3)
    a, b = mesh.vertices[keys // count], mesh.vertices[keys % count]
    long: NDArray[np.bool_] = np.any(np.abs(b - a) > longest, axis=1)
    if not long.any():
        return None
    number = count + np.cumsum(long) - 1
    corners = np.hstack([faces, number[edge]])  # (m, 6); those of edges not halved are not used
    marks = long[edge] @ [1, 2, 4]
    uv = mesh.uv
    both = None if uv is None else np.concatenate([uv, (uv + np.roll(uv, -1, axis=1)) / 2], 1)
    new_faces, new_uv = [], []
    for mark, pattern in _SPLIT.items():
        rows = marks == mark
        for triangle in pattern:
            new_faces.append(corners[rows][:, triangle])
            if both is not None:
                new_uv.append(both[rows][:, triangle])
    return replace(
        mesh,
        vertices=np.vstack([mesh.vertices, ((a + b) / 2)[long]]),
        faces=np.vstack(new_faces).astype(np.int32),
        uv=np.concatenate(new_uv) if new_uv else None,
    )


def hull(points: Array) -> Mesh:
    """The convex hull of (n, 3) points."""
    from scipy.spatial import ConvexHull

    found = ConvexHull(points)
    corners = points[found.simplices]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    # Qhull's triangles come in either winding; its equations point outwards.
    inward = np.einsum("ij,ij->i", normals, found.equations[:, :3]) < 0
    faces = np.where(inward[:, None], found.simplices[:, ::-1], found.simplices)
    used, index = np.unique(faces, return_inverse=True)
    return Mesh(points[used], index.reshape(-1, 3).astype(np.int32))


def shape_distance(a: Asset, b: Asset) -> float:
    """How far two shapes are apart, 0 (the same) to 1: the mean distance of the surface of each
    from the other's, over FAR of the size of `a`, where they stand in one place.

    A change of size counts as well. Raises MissingDependencyError where open3d is missing.
    """
    one, other = (_standing(x.visual) for x in (a, b))
    size = float(np.linalg.norm(np.ptp(one.vertices, axis=0)))
    mean = (_away(one, other) + _away(other, one)) / 2
    return min(1.0, mean / (FAR * size))


def _standing(mesh: Mesh) -> Mesh:
    """With the middle of its foot at the origin."""
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    return Mesh(mesh.vertices - [*((low + high) / 2)[:2], low[2]], mesh.faces)


def _away(mesh: Mesh, other: Mesh) -> float:
    from cousins import native

    o3d = native.require("open3d")
    points = o3d.core.Tensor(_sampled(mesh, SAMPLES)[0].astype(np.float32))
    return float(caster(other.vertices, other.faces).compute_distance(points).numpy().mean())


def _sampled(mesh: Mesh, count: int) -> tuple[Array, Array]:
    """(count, 3) points spread evenly over a mesh, the same at each call, and their normals."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    across = np.cross(b - a, c - a)
    area = np.linalg.norm(across, axis=1)
    total: NDArray[np.float64] = np.cumsum(area)
    face = np.searchsorted(total, (np.arange(count) + 0.5) / count * total[-1])
    # Two sequences that fill the square evenly (Roberts 2018, the plastic number's).
    u, v = (np.arange(count)[:, None] * [0.7548776662466927, 0.5698402909980532] % 1.0).T
    root = np.sqrt(u)
    weights = np.stack([1 - root, root * (1 - v), root * v], -1)
    points = np.einsum("nc,cnd->nd", weights, np.stack([a[face], b[face], c[face]]))
    return points, across[face] / area[face, None]
