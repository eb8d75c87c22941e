"""A family's arrays in one `mujoco.batch.Batch`: one simulation a cousin, no compile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError
from numpy.typing import NDArray

from cousins.bank import meshless


def batch(
    model: mujoco.MjModel,
    arrays: Mapping[str, NDArray[Any]],
    threads: int = 0,
    persistent: bool = False,
) -> Batch:
    """Simulations of the rows of `arrays`, each at its `qpos` and at rest.

    threads: 0 takes every CPU. A cousin is compiled in the pose that it starts in, so that a
    reset goes back to it. Raises ValueError for a field that the model lacks or another shape.
    """
    qpos = arrays["qpos"]
    if meshless(model, arrays):
        raise ValueError("a cousin's mesh is none of the model's")
    made = Batch(model, len(qpos), threads, persistent)
    for name, value in arrays.items():
        if name != "qpos":
            made.expand(name)[:] = value
    made.expand("qpos0")[:] = qpos
    position, quaternion = made.expand("body_pos"), made.expand("body_quat")
    free = np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE)
    for joint in free:
        body, start = model.jnt_bodyid[joint], model.jnt_qposadr[joint]
        position[:, body] = qpos[:, start : start + 3]
        quaternion[:, body] = qpos[:, start + 3 : start + 7]
    made.set_const()
    # After set_const, which would put the union model's values back.
    _bounds_of_meshes(made, model, free)
    with quiet():
        made.reset()
    return made


@contextmanager
def quiet() -> Iterator[None]:
    """Within it MuJoCo's warnings are counted for each simulation, as ever, but neither printed
    nor written to a MUJOCO_LOG.TXT in the working directory."""
    before, silent = mujoco.MjLogConfig.get(), mujoco.MjLogConfig.get()
    silent.logto_console = silent.logto_file = False
    silent.set()
    try:
        yield
    finally:
        before.set()


def advance(sims: Batch, steps: int, piece: int = 50) -> NDArray[np.bool_]:
    """Step every simulation, a piece at a time, so that an interrupt is heard.

    Gives (n,) whether MuJoCo gave up a simulation, which then stays where it was.
    """
    failed = np.zeros(sims.nsim, bool)
    with quiet():
        for start in range(0, steps, piece):
            try:
                sims.step(nstep=min(piece, steps - start))
            except SimulationError as error:
                failed[list(error.ids)] = True
    return failed


def _bounds_of_meshes(made: Batch, model: mujoco.MjModel, free: NDArray[np.int64]) -> None:
    """Write what only the compiler derives from a mesh: its bounding sphere, and from that the
    length by which a free body's rotation is measured when it is put to sleep."""
    radius, size, position = (made.expand(f"geom_{f}") for f in ("rbound", "size", "pos"))
    meshes = model.geom_type == mujoco.mjtGeom.mjGEOM_MESH
    radius[:, meshes] = np.linalg.norm(size[:, meshes], axis=-1)
    length, centre = made.expand("dof_length"), made.expand("body_ipos")
    for joint in free:
        body, dof = model.jnt_bodyid[joint], model.jnt_dofadr[joint]
        geoms = model.body_geomadr[body] + np.arange(model.body_geomnum[body])
        offset = np.linalg.norm(position[:, geoms] - centre[:, body, None], axis=-1)
        length[:, dof + 3 : dof + 6] = (offset + radius[:, geoms]).max(1)[:, None]
