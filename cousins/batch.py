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
    made = Batch(model, len(arrays["qpos"]), threads, persistent)
    load(made, arrays)
    with quiet():
        made.reset()
    return made


def load(sims: Batch, arrays: Mapping[str, NDArray[Any]], ids: NDArray[Any] | None = None) -> None:
    """Make the simulations `ids` (k,), in ascending order and by default all, the k rows of
    `arrays`. Their state stays what it is until they are reset. Raises ValueError as `batch`."""
    model, qpos, to = sims.model, arrays["qpos"], slice(None) if ids is None else ids
    if meshless(model, arrays):
        raise ValueError("a cousin's mesh is none of the model's")
    for name, value in arrays.items():
        if name != "qpos":
            sims.expand(name)[to] = value
    sims.expand("qpos0")[to] = qpos
    position, quaternion = sims.expand("body_pos"), sims.expand("body_quat")
    free = np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE)
    for joint in free:
        body, start = model.jnt_bodyid[joint], model.jnt_qposadr[joint]
        position[to, body] = qpos[:, start : start + 3]
        quaternion[to, body] = qpos[:, start + 3 : start + 7]
    sims.set_const(ids)
    # After set_const, which would put the union model's values back.
    _bounds_of_meshes(sims, free, to)


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


def _bounds_of_meshes(sims: Batch, free: NDArray[np.int64], to: slice | NDArray[Any]) -> None:
    """Write what only the compiler derives from a mesh: its bounding sphere, and from that the
    length by which a free body's rotation is measured when it is put to sleep."""
    model = sims.model
    radius, size, position = (sims.expand(f"geom_{f}") for f in ("rbound", "size", "pos"))
    meshes = np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_MESH)
    every = np.arange(sims.nsim)[to][:, None]
    radius[every, meshes] = np.linalg.norm(size[every, meshes], axis=-1)
    length, centre = sims.expand("dof_length"), sims.expand("body_ipos")
    for joint in free:
        body, dof = model.jnt_bodyid[joint], model.jnt_dofadr[joint]
        geoms = model.body_geomadr[body] + np.arange(model.body_geomnum[body])
        offset = np.linalg.norm(position[every, geoms] - centre[every, body], axis=-1)
        length[to, dof + 3 : dof + 6] = (offset + radius[every, geoms]).max(1)[:, None]
