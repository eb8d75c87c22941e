"""Whether a model's bodies stand still when they are let go."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from cousins.types import Array


@dataclass(frozen=True)
class Rest:
    """How still a model's free bodies stand: drift (n,) m, turn (n,) rad after some seconds of
    free motion; penetration: the deepest contact before it, m."""

    drift: Array
    turn: Array
    penetration: float


def rest(model: mujoco.MjModel, seconds: float = 2.0) -> Rest:
    """Steps a model from its initial state and sees how far its free bodies go."""
    free = model.jnt_type == mujoco.mjtJoint.mjJNT_FREE
    bodies = model.jnt_bodyid[free]
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    penetration = max([0.0, *(-float(contact.dist) for contact in data.contact)])
    position, quaternion = data.xpos[bodies].copy(), data.xquat[bodies].copy()
    for _ in range(round(seconds / model.opt.timestep)):
        mujoco.mj_step(model, data)
    dot = np.abs(np.einsum("ij,ij->i", quaternion, data.xquat[bodies]))
    return Rest(
        np.linalg.norm(data.xpos[bodies] - position, axis=1),
        2 * np.arccos(np.clip(dot, 0, 1)),
        penetration,
    )
