"""The truth beside a film: what a perfect scan of it would find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from cousins import raycast
from cousins.phone.bodies import body_name, geom_name, movable, visible
from cousins.types import Array

STEEPEST = 0.5  # vertical part of a contact's normal: below it, a thing leans and does not stand
FOOT = 0.002  # m above its lowest point: what of an object may stand on something
REACH = 0.005  # m above and below its foot where a ray looks for what it stands on
_GROUPS = np.array([g in raycast.VISIBLE for g in range(mujoco.mjNGROUP)], np.uint8)


def truth(model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, Any]:
    """What a perfect scan would find, in the model's own world (z up): for `NAME.truth.json`.

    `data` must be as mj_forward leaves it.

    objects: one entry a free body: name, mass (kg), friction (sliding; the most of its geoms that
    collide), position and quaternion (w x y z) of the body, centre, size and bounds of its mesh
    (m), volume (m³, None where the mesh is not closed), vertices (n, 3) and faces (m, 3) of its
    visible geoms, and support: the name of what it stands on (see `support_of`), None if of
    nothing.
    supports: name and height (m) of each static geom that something stands on.
    support_height: of the static surface under the objects (the median, where they stand on
    several); None if they stand on nothing.
    """
    objects, stands = [], []
    for body in movable(model):
        entry = _object(model, data, body)
        found = support_of(model, data, body, entry["vertices"])
        objects.append({**entry, "support": found.name if found else None})
        stands.append(found)
    heights: dict[str, list[float]] = {}
    for found in stands:
        if found and found.static:
            heights.setdefault(found.name, []).append(found.height)
    return {
        "support_height": _support_height(model, data, objects),
        "gravity_axis": [0, 0, 1],
        "supports": [{"name": n, "height": float(np.median(h))} for n, h in heights.items()],
        "objects": [{**o, "vertices": o["vertices"].tolist()} for o in objects],
    }


def _object(model: mujoco.MjModel, data: mujoco.MjData, body: int) -> dict[str, Any]:
    import trimesh

    parts = []
    for geom in visible(model, body):
        corners = raycast.triangles(model, data, geom)[0].reshape(-1, 3)
        part = trimesh.Trimesh(np.round(corners, 7), np.arange(len(corners)).reshape(-1, 3))
        parts.append(part)
    closed = all(part.is_volume for part in parts)
    mesh: Any = parts[0]
    if len(parts) > 1:
        mesh = trimesh.boolean.union(parts) if closed else trimesh.util.concatenate(parts)
    geoms = model.body_rootid[model.geom_bodyid] == model.body_rootid[body]
    touching = geoms & ((model.geom_contype | model.geom_conaffinity) > 0)
    return {
        "name": body_name(model, body),
        "mass": float(model.body_subtreemass[body]),
        "friction": float(model.geom_friction[touching if touching.any() else geoms, 0].max()),
        "position": data.xpos[body].tolist(),
        "quaternion": data.xquat[body].tolist(),
        "centre": mesh.bounds.mean(0).tolist(),
        "size": np.ptp(mesh.bounds, axis=0).tolist(),
        "bounds": mesh.bounds.tolist(),
        "volume": float(mesh.volume) if closed else None,
        "vertices": np.round(mesh.vertices, 6),
        "faces": mesh.faces.tolist(),
    }


@dataclass(frozen=True)
class Stand:
    """What an object stands on, and the height at which it does, m."""

    name: str
    height: float
    static: bool


def support_of(
    model: mujoco.MjModel, data: mujoco.MjData, body: int, vertices: Array
) -> Stand | None:
    """What the free body `body`, with visible vertices (n, 3) in the world, stands on.

    A free body goes by its name; all else counts as static and goes by its geom's name, or one
    like geom_3. It is whatever carries most of the object through contacts whose normals point
    mostly up, by the upward force and, where that is zero, by their number. Where there is no such
    contact, it is what most rays meet that are cast straight down from the object's foot within
    REACH. None if both find nothing.
    """
    found = _by_contact(model, data, body) or _by_ray(model, data, body, vertices)
    if not found:
        return None
    (static, number), heights = found
    name = (geom_name if static else body_name)(model, number)
    return Stand(name, float(np.mean(heights)), static)


_Thing = tuple[bool, int]  # static and a geom's id, or not and a free body's


def _thing(model: mujoco.MjModel, geom: int) -> _Thing:
    root = int(model.body_rootid[model.geom_bodyid[geom]])
    return (False, root) if root in movable(model) else (True, geom)


def _by_contact(
    model: mujoco.MjModel, data: mujoco.MjData, body: int
) -> tuple[_Thing, list[float]] | None:
    loads: dict[_Thing, float] = {}
    heights: dict[_Thing, list[float]] = {}
    force = np.zeros(6)
    for i in range(data.ncon):
        contact = data.contact[i]
        if min(contact.geom) < 0:  # with a flex
            continue
        first, second = (_thing(model, int(g)) for g in contact.geom)
        if first == second or (False, body) not in (first, second):
            continue
        other, sign = (first, 1) if second == (False, body) else (second, -1)
        axes = sign * contact.frame.reshape(3, 3)  # the first, the normal, from first to second
        if axes[0, 2] < STEEPEST:
            continue
        mujoco.mj_contactForce(model, data, i, force)
        loads[other] = loads.get(other, 0.0) + float(force[:3] @ axes[:, 2])
        heights.setdefault(other, []).append(float(contact.pos[2]))
    if not loads:
        return None
    best = max(loads, key=lambda thing: (round(loads[thing], 9), len(heights[thing])))
    return best, heights[best]


def _by_ray(
    model: mujoco.MjModel, data: mujoco.MjData, body: int, vertices: Array
) -> tuple[_Thing, list[float]] | None:
    foot = vertices[vertices[:, 2] < vertices[:, 2].min() + FOOT]
    heights: dict[_Thing, list[float]] = {}
    met = np.full(1, -1, np.int32)
    for point in [foot.mean(0), *foot[:: len(foot) // 64 + 1]]:
        start = point + [0, 0, REACH]
        distance = mujoco.mj_ray(
            model, data, start, np.array([0, 0, -1.0]), _GROUPS, 1, body, met, None
        )
        if met[0] < 0 or distance > 2 * REACH:
            continue
        other = _thing(model, int(met[0]))
        if other != (False, body):
            heights.setdefault(other, []).append(float(start[2] - distance))
    if not heights:
        return None
    best = max(heights, key=lambda thing: len(heights[thing]))
    return best, heights[best]


def _support_height(
    model: mujoco.MjModel, data: mujoco.MjData, objects: list[dict[str, Any]]
) -> float | None:
    moving = np.isin(model.body_rootid[model.geom_bodyid], movable(model))
    static = np.flatnonzero(~moving & np.isin(model.geom_group, raycast.VISIBLE)).tolist()
    if not static or not objects:
        return None
    stage = raycast.stage(model, data, geoms=static)
    # From a centimetre above the lowest point, at the middle, straight down.
    from_ = np.array([[*o["centre"][:2], o["bounds"][0][2] + 0.01] for o in objects])
    hits = raycast.cast(stage, from_, np.tile([0.0, 0.0, -1.0], (len(from_), 1)))
    heights = from_[:, 2] - hits.distance
    return float(np.median(heights[hits.geom >= 0])) if (hits.geom >= 0).any() else None
