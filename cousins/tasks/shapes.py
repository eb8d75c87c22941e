"""What the objects of each cousin are like: their bounds and openings, from the union model."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.bank import Bank, Family
from cousins.mesh import matrix_from_quaternion
from cousins.tasks import Shape
from cousins.types import Array

_MESH = int(mujoco.mjtGeom.mjGEOM_MESH)


def shapes(family: Family, model: mujoco.MjModel, names: tuple[str, ...]) -> Shape:
    """Of the family's n cousins (n, A, ...). model: the union model, with its collision meshes."""
    body = np.array([model.body(name).id for name in names])
    if family.bank is None:
        return _of_fields(family, model, body)
    low, high, opening, radius, depth = _tables(family.bank, model, body)
    order = [int(np.flatnonzero(family.bank.body == b)[0]) for b in body]
    of, each = family.arrays["shape"][:, order], np.arange(len(body))
    return Shape(low[of, each], high[of, each], opening[of, each], radius[of, each],
                 depth[of, each])  # fmt: skip


def balls(family: Family, model: mujoco.MjModel, names: tuple[str, ...]) -> tuple[Any, Array]:
    """Ids (D,) of the bodies of what else is free to move, and the radii (n, D) of balls about
    their origins."""
    own = {model.body(name).id for name in names}
    free = model.jnt_bodyid[model.jnt_type == mujoco.mjtJoint.mjJNT_FREE]
    more = tuple(model.body(int(b)).name for b in free if int(b) not in own)
    if not more:
        return np.zeros(0, np.int64), np.zeros((len(family), 0))
    shape = shapes(family, model, more)
    far = np.maximum(np.abs(shape.low), np.abs(shape.high))
    return np.array([model.body(name).id for name in more]), np.linalg.norm(far[..., :2], axis=-1)


def _tables(bank: Bank, model: mujoco.MjModel, body: NDArray[np.int64]) -> tuple[Array, ...]:
    order = [int(np.flatnonzero(bank.body == b)[0]) for b in body]
    many = len(bank.dataid)
    low, high = np.zeros((2, many, len(body), 3))
    for a, k in enumerate(order):
        slots = np.flatnonzero((bank.owner == k) & ~bank.visual)
        for shape in range(int(bank.shapes[k])):
            used = slots[bank.used[shape, slots]]
            points = np.vstack([
                corners(model, int(model.geom_type[bank.geom[j]]), int(bank.dataid[shape, j]),
                        bank.position[shape, j], bank.quaternion[shape, j], bank.size[shape, j])
                for j in used
            ])  # fmt: skip
            low[shape, a], high[shape, a] = points.min(0), points.max(0)
    return low, high, bank.opening[:, order], bank.radius[:, order], bank.depth[:, order]


def _of_fields(family: Family, model: mujoco.MjModel, body: NDArray[np.int64]) -> Shape:
    """Of a family whose arrays are the model's fields."""
    n, own = len(family), family.fields()
    low, high = np.zeros((2, n, len(body), 3))
    known: dict[bytes, tuple[Array, Array]] = {}
    for a, b in enumerate(body.tolist()):
        geoms = model.body_geomadr[b] + np.arange(model.body_geomnum[b])
        solid = geoms[(model.geom_contype[geoms] | model.geom_conaffinity[geoms]) != 0]
        for i in range(n):
            rows = [np.asarray(own[name][i] if name in own else getattr(model, name), float)[solid]
                    for name in ("geom_dataid", "geom_pos", "geom_quat", "geom_size")]  # fmt: skip
            key = b"".join(row.tobytes() for row in (*rows, np.array(b)))
            if key not in known:
                each = zip(model.geom_type[solid].tolist(), *rows, strict=True)
                points = np.vstack([corners(model, t, int(d), p, q, s) for t, d, p, q, s in each])
                known[key] = (points.min(0), points.max(0))
            low[i, a], high[i, a] = known[key]
    none = np.zeros((n, len(body)))
    return Shape(low, high, np.zeros((*none.shape, 3)), none, none)


def corners(
    model: mujoco.MjModel, kind: int, mesh: int, position: Array, quaternion: Array, size: Array
) -> Array:
    """(v, 3) points of a geom in its body's frame, the hull of which holds it: a mesh's vertices,
    a primitive's extremes."""
    rotation = matrix_from_quaternion(np.asarray(quaternion, float))
    if kind == _MESH:
        first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        return model.mesh_vert[first : first + count] @ rotation.T + position
    names = mujoco.mjtGeom
    half = {
        int(names.mjGEOM_SPHERE): np.full(3, size[0]),
        int(names.mjGEOM_CYLINDER): np.array([size[0], size[0], size[1]]),
        int(names.mjGEOM_CAPSULE): np.array([size[0], size[0], size[0] + size[1]]),
    }.get(kind, np.asarray(size, float))
    if kind == int(names.mjGEOM_SPHERE):
        rotation = np.eye(3)
    signs = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), -1).reshape(-1, 3)
    if kind in (int(names.mjGEOM_CYLINDER), int(names.mjGEOM_CAPSULE)):
        angle = np.arange(24) * np.pi / 12
        round_ = np.column_stack([np.cos(angle), np.sin(angle)]) * half[0]
        ends = [np.column_stack([round_, np.full(24, z)]) for z in (-half[2], half[2])]
        return np.vstack(ends) @ rotation.T + position
    return (signs * half) @ rotation.T + position
