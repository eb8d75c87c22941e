"""What MuJoCo has and MuJoCo Warp has not: a world that explodes starts anew. Imported late, since
it needs the extra `warp`."""

# pyright: reportInvalidTypeForm=false
from importlib import import_module
from typing import Any

import mujoco

wp: Any = import_module("warp")
LIMIT = wp.constant(float(mujoco.mjMAXVAL))


@wp.kernel(enable_backward=False)
def restart_lost(
    qpos0: wp.array2d[float],
    qacc: wp.array2d[float],
    qpos: wp.array2d[float],
    qvel: wp.array2d[float],
    act: wp.array2d[float],
    warmstart: wp.array2d[float],
    overflow: wp.array[int],
    lost: wp.array[int],
) -> None:
    """Put every world whose position, velocity or acceleration is not a number, or beyond
    mjMAXVAL, to its start and at rest, and note that. qpos0 has one row, or one a world."""
    world = wp.tid()
    bad = bool(False)  # noqa: UP018 (Warp's own, to be changed below)
    for i in range(qpos.shape[1]):
        if not (wp.abs(qpos[world, i]) <= LIMIT):  # nor is what is not a number
            bad = True
    for i in range(qvel.shape[1]):
        if not (wp.abs(qvel[world, i]) <= LIMIT) or not (wp.abs(qacc[world, i]) <= LIMIT):
            bad = True
    if bad:
        lost[world] = 1
        overflow[world] = 0  # what such a world asked for is no measure
        for i in range(qpos.shape[1]):
            qpos[world, i] = qpos0[world % qpos0.shape[0], i]
        for i in range(qvel.shape[1]):
            qvel[world, i] = 0.0
            warmstart[world, i] = 0.0
        for i in range(act.shape[1]):
            act[world, i] = 0.0
