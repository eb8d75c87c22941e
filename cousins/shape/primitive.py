"""A box, cylinder or sphere that stands for a closed mesh in collision, where one fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cousins.mesh import matrix_from_quaternion, solid_moments
from cousins.raycast import caster
from cousins.shape.hollow import FILLED, opening
from cousins.types import Array, Mesh, Primitive

FIT = 0.85  # overlap over union at which a primitive is as good as the mesh


def fit_primitive(mesh: Mesh, samples: int = 30000) -> tuple[Primitive, float] | None:
    """The primitive that overlaps a closed mesh best, and its overlap over union; None below FIT,
    and where it would fill an opening.

    The mesh is in its object's frame: z up, centred on its bounding box.
    """
    volume, centre, _ = solid_moments(mesh)
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    rng = np.random.default_rng(0)
    points = rng.uniform(low - 0.002, high + 0.002, (samples, 3))
    inside = _occupied(mesh, points)
    best = max(
        ((p, _overlap(points, inside, p)) for p in _candidates(volume, centre, low, high)),
        key=lambda pair: pair[1],
    )
    if best[1] < FIT:
        return None
    holes = opening(mesh)
    return None if len(holes) and _within(holes, best[0]).mean() > FILLED else best


def round_off(mesh: Mesh, slack: float = 0.0015) -> Mesh:
    """A ball without the pedestal that carving leaves where a ball hides its own underside.

    Where a sphere fits best, what lies more than `slack` metres outside it is drawn in to it.
    """
    fit = fit_primitive(mesh)
    if fit is None or fit[0].kind != "sphere":
        return mesh
    centre, radius = np.array(fit[0].position), fit[0].size[0] + slack
    offset = mesh.vertices - centre
    distance = np.linalg.norm(offset, axis=1, keepdims=True)
    inner = centre + offset * np.minimum(1.0, radius / np.maximum(distance, 1e-9))
    return replace(mesh, vertices=inner)


def _candidates(volume: float, centre: Array, low: Array, high: Array) -> list[Primitive]:
    middle, size = (low + high) / 2, high - low
    unit = (1.0, 0.0, 0.0, 0.0)
    out = []
    # A noisy surface bulges past its faces: the box of equal volume, but never far from the bounds.
    shrink = np.clip((volume / size.prod()) ** (1 / 3), 0.95, 1.0)
    half = size * np.array([shrink, shrink, 1.0]) / 2
    out.append(Primitive("box", tuple(half), tuple(middle), unit))
    s = np.sqrt(0.5)
    for axis, quaternion in ((2, unit), (0, (s, 0.0, s, 0.0)), (1, (s, s, 0.0, 0.0))):
        length = size[axis]
        across = np.delete(size, axis)
        if across.max() > 1.25 * across.min():
            continue
        radius = np.sqrt(volume / (np.pi * length))
        at = np.where(np.arange(3) == 2, middle, centre)
        at[axis] = middle[axis]
        if axis != 2:
            at[2] = low[2] + radius
        out.append(Primitive("cylinder", (radius, length / 2, 0.0), tuple(at), quaternion))
    if size.max() < 1.2 * size.min():
        radius = (3 * volume / (4 * np.pi)) ** (1 / 3)
        at = (centre[0], centre[1], low[2] + radius)
        out.append(Primitive("sphere", (radius, 0.0, 0.0), at, unit))
    return [Primitive(p.kind, _floats(p.size), _floats(p.position), p.quaternion) for p in out]


def _floats(values) -> tuple[float, float, float]:
    a, b, c = (float(v) for v in values)
    return a, b, c


def _occupied(mesh: Mesh, points: Array) -> np.ndarray:
    import open3d as o3d

    scene = caster(mesh.vertices, mesh.faces)
    return scene.compute_occupancy(o3d.core.Tensor(points.astype(np.float32))).numpy() > 0.5


def _overlap(points: Array, inside: np.ndarray, primitive: Primitive) -> float:
    within = _within(points, primitive)
    return float((within & inside).sum() / max(1, (within | inside).sum()))


def _within(points: Array, primitive: Primitive) -> np.ndarray:
    """(n,) which of points (n, 3) lie in the primitive."""
    local = (points - primitive.position) @ matrix_from_quaternion(np.array(primitive.quaternion))
    a, b, _ = primitive.size
    if primitive.kind == "box":
        return np.all(np.abs(local) <= primitive.size, axis=1)
    if primitive.kind == "cylinder":
        return (np.hypot(local[:, 0], local[:, 1]) <= a) & (np.abs(local[:, 2]) <= b)
    return np.linalg.norm(local, axis=1) <= a


def primitive_mesh(primitive: Primitive) -> Mesh:
    """The primitive as a convex mesh in its object's frame, for tools that read meshes."""
    import trimesh

    a, b, _ = primitive.size
    if primitive.kind == "box":
        mesh = trimesh.creation.box(2 * np.array(primitive.size))
    elif primitive.kind == "cylinder":
        mesh = trimesh.creation.cylinder(a, 2 * b, sections=32)
    else:
        mesh = trimesh.creation.icosphere(2, a)
    rotation = matrix_from_quaternion(np.array(primitive.quaternion))
    vertices = np.asarray(mesh.vertices) @ rotation.T + primitive.position
    return Mesh(vertices, np.asarray(mesh.faces, np.int32))
