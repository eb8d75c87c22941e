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
) -> Batch:
    """Simulations of the rows of `arrays`, each at its `qpos` and at rest.

    threads: 0 takes every CPU. A cousin is compiled in the pose that it starts in, so that a
    reset goes back to it. Raises ValueError for a field that the model lacks or another shape.
    """
    made = Batch(model, len(arrays["qpos"]), threads)
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
    free = np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE)
    every, body = np.arange(sims.nsim)[to][:, None], model.jnt_bodyid[free]
    pose = qpos[:, model.jnt_qposadr[free][:, None] + np.arange(7)]
    sims.expand("body_pos")[every, body] = pose[..., :3]
    sims.expand("body_quat")[every, body] = pose[..., 3:]
    sims.set_const(ids)
    # After set_const, which would put the union model's values back.
    _bounds_of_meshes(sims, free, every)


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


def advance(
    sims: Batch, steps: int, piece: int = 50, ids: NDArray[np.int64] | None = None
) -> NDArray[np.bool_]:
    """Step simulations (k,), all by default, a piece at a time, so that an interrupt is heard.

    Gives (n,) whether MuJoCo gave up a simulation, which then stays where it was.
    """
    failed = np.zeros(sims.nsim, bool)
    with quiet():
        for start in range(0, steps, piece):
            try:
                sims.step(ids, min(piece, steps - start))
            except SimulationError as error:
                failed[list(error.ids)] = True
    return failed


def _bounds_of_meshes(sims: Batch, free: NDArray[np.int64], every: NDArray[np.int64]) -> None:
    """Write what only the compiler derives from a mesh: its bounding sphere, and from that the
    length by which a free body's rotation is measured when it is put to sleep. every (k, 1): the
    simulations."""
    model = sims.model
    radius, size, position = (sims.expand(f"geom_{f}") for f in ("rbound", "size", "pos"))
    meshes = np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_MESH)
    radius[every, meshes] = np.linalg.norm(size[every, meshes], axis=-1)
    if not len(free):
        return
    body = model.jnt_bodyid[free]
    many = model.body_geomnum[body]
    first = np.cumsum(many) - many  # of each body's geoms among these
    geom = np.arange(many.sum()) + np.repeat(model.body_geomadr[body] - first, many)
    offset = position[every, geom] - sims.expand("body_ipos")[every, np.repeat(body, many)]
    reach = np.linalg.norm(offset, axis=-1) + radius[every, geom]
    rotation = model.jnt_dofadr[free][:, None] + np.arange(3, 6)
    farthest = np.maximum.reduceat(reach, first, axis=1)
    sims.expand("dof_length")[every, rotation.ravel()] = np.repeat(farthest, 3, axis=1)
