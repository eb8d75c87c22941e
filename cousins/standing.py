"""What carries what in a compiled model: told by contacts, or by rays where there is none."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from cousins import raycast
from cousins.bodies import body_name, geom_name, movable
from cousins.types import Array

STEEPEST = 0.5  # vertical part of a contact's normal: below it, a thing leans and does not stand
FOOT = 0.002  # m above its lowest point: what of an object may stand on something
REACH = 0.005  # m above and below its foot where a ray looks for what it stands on
_GROUPS = np.array([g in raycast.VISIBLE for g in range(mujoco.mjNGROUP)], np.uint8)


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
