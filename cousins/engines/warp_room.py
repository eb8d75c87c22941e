"""How much room a family's contacts want on a device, where arrays can't grow."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.bank import Family
from cousins.batch import advance, batch
from cousins.engines.cpu import physical
from cousins.types import Array

SAMPLE = 64  # cousins
MARGIN = 2  # times the peak that a sample of them reached
LOOK_EVERY = 0.02  # s
RESTING, STIRRED = 0.1, 0.5  # s
# A stir that makes neighbours meet and things topple, as a clumsy hand does: what fell by some
# four centimetres is as fast, and what is as large as a fist rolls like that.
SPEED, SPIN = 0.5, 10.0  # m/s and rad/s, of each component
CORNERS = 4  # contacts on which a box rests: room for an object that touches nothing yet


@dataclass(frozen=True)
class Room:
    """The most that a world of a sample had at once. contacts; rows of constraints;
    moments (t, s, nq): what the s worlds looked like meanwhile."""

    contacts: int
    rows: int
    moments: Array


def sample(rows: NDArray[np.int64], seed: int = 0) -> NDArray[np.int64]:
    """Some of the rows, the same ones each time."""
    if len(rows) <= SAMPLE:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, SAMPLE, replace=False))


def room(model: mujoco.MjModel, family: Family, rows: NDArray[np.int64], seed: int = 0) -> Room:
    """Step cousins as they stand, and then stirred, with MuJoCo on the CPU."""
    sims = batch(model, physical(family, rows))
    contacts, constraints = sims.bind("ncon"), sims.bind("nefc")
    piece = max(1, round(LOOK_EVERY / model.opt.timestep))
    most, moments = np.zeros(2, int), [np.array(sims.qpos)]
    free = np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE)
    dofs = model.jnt_dofadr[free][:, None] + np.arange(6)
    rng = np.random.default_rng(seed)
    for seconds in (RESTING, STIRRED):
        for _ in range(round(seconds / LOOK_EVERY)):
            advance(sims, piece)
            most = np.maximum(most, [contacts.max(), constraints.max()])
        moments.append(np.array(sims.qpos))
        sims.qvel[:, dofs] = rng.normal(0, [SPEED] * 3 + [SPIN] * 3, (len(rows), *dofs.shape))
    least = CORNERS * len(free)
    each = 2 * (model.geom_condim.max(initial=3) - 1)
    return Room(max(int(most[0]), least), max(int(most[1]), int(least * each)), np.array(moments))
