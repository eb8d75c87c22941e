"""What physics says of cousins: that they settle, and then stand still on what they stood on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from cousins.errors import UsageError
from cousins.polygons import inset
from cousins.scene import compile_model
from cousins.types import Array, Certificate, Family, Scene
from cousins.variation.batch import advance, batch
from cousins.variation.units import Footprints, footprints

OVERLAP = 0.001  # deepest penetration, m
DRIFT = 0.002  # how far an object may move while it is held, m
TILT = 0.05  # and turn, rad: a ball of 4 cm that rolls as far
SETTLE_DRIFT = 0.02  # how far it may move from where it was put until it has settled, m
SETTLE_TILT = 0.2  # and turn, rad
DROP = 0.01  # lower than this, it fell, m
DAMPED, FREE, HELD = 0.2, 0.3, 0.5  # s
BRAKE = 0.02  # while damped, all speeds are set to zero this often, s

NO_ROOM, UNSTABLE, OVERLAPS = "found no room", "went unstable", "overlaps another"
FELL, OFF, MOVED, UNSETTLED = (
    "fell",
    "off its support",
    "does not stand still",
    "moved while it settled",
)
KINDS = (NO_ROOM, UNSTABLE, FELL, OFF, OVERLAPS, UNSETTLED, MOVED)


@dataclass(frozen=True)
class Verdicts:
    """n cousins of A objects: faults (n, A, len(KINDS)), overlap, drift and tilt (n,)."""

    faults: NDArray[np.bool_]
    overlap: Array
    drift: Array
    tilt: Array

    def certificates(self, names: Sequence[str], attempts: Sequence[int]) -> list[Certificate]:
        """One for each cousin, its reasons in words."""
        return [
            Certificate(
                float(self.overlap[i]),
                float(self.drift[i]),
                float(self.tilt[i]),
                tuple(reasons(self.faults[i], names)),
                attempts[i],
            )
            for i in range(len(self.faults))
        ]


def reasons(faults: NDArray[np.bool_], names: Sequence[str]) -> list[str]:
    """One cousin's faults (A, len(KINDS)) in words: "object: reason"."""
    return [f"{names[a]}: {KINDS[k]}" for a, k in np.argwhere(faults)]


def certify(
    scene: Scene,
    family: Family,
    indices: Sequence[int] | None = None,
    threads: int = 0,
) -> list[Certificate]:
    """Verify rows of a family of `scene` anew: all, or those of `indices`.

    Each starts where it is stored and is held for half a second. Raises UsageError for a row that
    the family does not hold, and ValueError for a family that does not belong to the scene.
    """
    rows = np.arange(len(family)) if indices is None else np.asarray(indices, np.int64)
    if not len(rows):
        return []
    if not (0 <= rows.min() and rows.max() < len(family)):
        raise UsageError(f"the family holds cousins 0 to {len(family) - 1} only")
    model = compile_model(family.xml, dict(family.files))
    prints = footprints(scene, [[asset] for asset in scene.assets])
    arrays = {name: value[rows] for name, value in family.arrays.items()}
    names = [asset.name for asset in scene.assets]
    attempts = [family.cousins[row].certificate.attempts for row in rows]
    return hold(model, names, prints, arrays, threads).certificates(names, attempts)


def settle(
    model: mujoco.MjModel,
    names: Sequence[str],
    arrays: Mapping[str, NDArray[Any]],
    threads: int = 0,
) -> tuple[Array, NDArray[np.bool_]]:
    """Let cousins come to rest from where they were put: qpos (n, nq), faults as in `Verdicts`."""
    bodies, start = _bodies(model, names), arrays["qpos"]
    sims = batch(model, arrays, threads)
    brake, failed = max(1, round(BRAKE / model.opt.timestep)), np.zeros(len(start), bool)
    for _ in range(round(DAMPED / model.opt.timestep / brake)):
        failed |= advance(sims, brake)
        sims.qvel[:] = 0
    failed |= advance(sims, round(FREE / model.opt.timestep))
    qpos = sims.qpos.copy()
    drift, tilt, drop = _motion(model, bodies, start, qpos)
    faults = np.zeros((len(qpos), len(bodies), len(KINDS)), bool)
    faults[..., KINDS.index(FELL)] = drop > DROP
    faults[..., KINDS.index(UNSETTLED)] = (drift > SETTLE_DRIFT) | (tilt > SETTLE_TILT)
    faults[..., KINDS.index(UNSTABLE)] = _unstable(sims, failed)[:, None]
    return qpos, faults


def hold(
    model: mujoco.MjModel,
    names: Sequence[str],
    prints: Footprints,
    arrays: Mapping[str, NDArray[Any]],
    threads: int = 0,
) -> Verdicts:
    """Step cousins from their stored pose at rest, and see that nothing happens."""
    bodies, start = _bodies(model, names), arrays["qpos"]
    sims = batch(model, arrays, threads)
    deepest, _ = contacts(sims, model)
    failed = advance(sims, round(HELD / model.opt.timestep))
    later, touching = contacts(sims, model)
    qpos = sims.qpos.copy()
    drift, tilt, drop = (np.nan_to_num(v, nan=np.inf) for v in _motion(model, bodies, start, qpos))
    deepest = np.maximum(deepest, later)[:, bodies]
    faults = np.zeros((len(qpos), len(bodies), len(KINDS)), bool)
    faults[..., KINDS.index(OVERLAPS)] = deepest > OVERLAP
    faults[..., KINDS.index(MOVED)] = (drift > DRIFT) | (tilt > TILT)
    faults[..., KINDS.index(FELL)] = drop > DROP
    faults[..., KINDS.index(OFF)] = _off(model, bodies, prints, touching, qpos)
    faults[..., KINDS.index(UNSTABLE)] = _unstable(sims, failed)[:, None]
    return Verdicts(faults, deepest.max(1), drift.max(1), tilt.max(1))


def contacts(sims: Batch, model: mujoco.MjModel) -> tuple[Array, NDArray[np.bool_]]:
    """For each simulation in its present pose: the deepest penetration (n, nbody) that each body
    has part in, m, and whether each geom touches each body (n, ngeom, nbody)."""
    n = sims.nsim
    deepest = np.zeros((n, model.nbody))
    touching = np.zeros((n, model.ngeom, model.nbody), bool)
    data, own = mujoco.MjData(model), sims.get_model(0)
    for i in range(n):
        sims.get_model(i, own)
        sims.get_data(i, data)
        own.opt.enableflags &= ~int(mujoco.mjtEnableBit.mjENBL_SLEEP)  # what sleeps touches too
        if not np.isfinite(data.qpos).all():
            continue
        mujoco.mj_kinematics(own, data)
        mujoco.mj_comPos(own, data)
        mujoco.mj_collision(own, data)
        for a, b in (data.contact.geom.T, data.contact.geom.T[::-1]):
            body = own.geom_bodyid[b]
            np.maximum.at(deepest[i], body, -data.contact.dist)
            touching[i, a, body] = True
    return deepest, touching


def _bodies(model: mujoco.MjModel, names: Sequence[str]) -> NDArray[np.int64]:
    return np.array([mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, name) for name in names])


def _motion(
    model: mujoco.MjModel, bodies: NDArray[np.int64], before: Array, after: Array
) -> tuple[Array, Array, Array]:
    """How far each body moved (m), turned (rad) and sank (m): each (n, A)."""
    start = model.jnt_qposadr[model.body_jntadr[bodies]]
    place, turn = start[:, None] + np.arange(3), start[:, None] + np.arange(3, 7)
    moved = after[:, place] - before[:, place]
    cosine = np.abs((after[:, turn] * before[:, turn]).sum(-1))
    with np.errstate(invalid="ignore"):
        angle = 2 * np.arccos(np.clip(cosine, 0, 1))
    return np.linalg.norm(moved, axis=-1), angle, -moved[..., 2]


def _off(
    model: mujoco.MjModel,
    bodies: NDArray[np.int64],
    prints: Footprints,
    touching: NDArray[np.bool_],
    qpos: Array,
) -> NDArray[np.bool_]:
    out = np.zeros((len(qpos), len(bodies)), bool)
    start = model.jnt_qposadr[model.body_jntadr[bodies]]
    for i, body in enumerate(bodies):
        carrier = prints.carrier[i]
        if carrier >= 0:
            first = model.body_geomadr[bodies[carrier]]
            geoms = first + np.arange(model.body_geomnum[bodies[carrier]])
            out[:, i] = ~touching[:, geoms, body].any(1)
            continue
        support = prints.supports[i]
        geom = model.geom(support.name).id
        # As far over the edge as it was seen, at most.
        least = min(0.0, float(inset(prints.position[i, :2], support.polygon)))
        inside = inset(qpos[:, start[i] : start[i] + 2], support.polygon) >= least - DRIFT
        out[:, i] = ~(touching[:, geom, body] & inside)
    return out


def _unstable(sims: Batch, failed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return failed | ~np.isfinite(sims.qpos).all(1) | (sims.warning[..., 1] > 0).any(1)
