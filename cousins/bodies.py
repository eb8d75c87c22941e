"""Which bodies of a model are objects, what is seen of them, and what they are called."""

from __future__ import annotations

import mujoco
import numpy as np

from cousins import raycast
from cousins.errors import UsageError


def movable(model: mujoco.MjModel) -> list[int]:
    """The ids of the bodies that a free joint carries."""
    free = model.jnt_type == mujoco.mjtJoint.mjJNT_FREE
    return model.jnt_bodyid[free].tolist()


def visible(model: mujoco.MjModel, body: int) -> list[int]:
    """The visible geoms of a body and its children."""
    mine = model.body_rootid[model.geom_bodyid] == model.body_rootid[body]
    return np.flatnonzero(mine & np.isin(model.geom_group, raycast.VISIBLE)).tolist()


def middle(model: mujoco.MjModel, data: mujoco.MjData) -> tuple[float, float, float]:
    """The middle of the bounds of all movable bodies' geoms. Raises UsageError if there is none."""
    triangles = [raycast.triangles(model, data, g)[0] for b in movable(model)
                 for g in visible(model, b)]  # fmt: skip
    if not triangles:
        raise UsageError("the model has no visible free body to film; give the walk a target")
    points = np.concatenate(triangles).reshape(-1, 3)
    x, y, z = (points.min(0) + points.max(0)) / 2
    return float(x), float(y), float(z)


def body_name(model: mujoco.MjModel, body: int) -> str:
    """The body's name, or one like body_3."""
    return model.body(body).name or f"body_{body}"


def geom_name(model: mujoco.MjModel, geom: int) -> str:
    """The geom's name, or one like geom_3."""
    return model.geom(geom).name or f"geom_{geom}"
