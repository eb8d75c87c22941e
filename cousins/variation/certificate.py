"""What physics says of cousins: that they settle, and then stand still on what they stood on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from cousins.bank import Family, rows
from cousins.batch import advance, batch
from cousins.errors import PackError, UsageError
from cousins.mesh import matrix_from_quaternion
from cousins.polygons import inset
from cousins.scene import compile_model
from cousins.types import Array, Certificate, Scene
from cousins.variation.distractors import with_distractors
from cousins.variation.judge import Judge
from cousins.variation.relations import broken
from cousins.variation.robot import nominal, reachable
from cousins.variation.union import unseen
from cousins.variation.units import Footprints, footprints

OVERLAP = 0.001  # deepest penetration, m
DRIFT = 0.002  # how far an object may move while it is held, m
TILT = 0.03  # and turn, rad
SETTLE_DRIFT = 0.02  # how far it may move from where it was put until it has settled, m
SETTLE_TILT = 0.2  # and turn, rad
DROP = 0.01  # lower than this, it fell, m
DAMPED, FREE, HELD = 0.2, 0.3, 0.5  # s
BRAKE = 0.02  # while damped, all speeds are set to zero this often, s

LOOK = 0.05  # m above an opening from which one looks into it
OPEN = 0.6  # of an opening's depth that must be free
AROUND = 0.5  # of its radius: how far from its middle one looks as well
SPEED = 0.005  # m/s: what is faster after half a second will not have stood still after five

NO_ROOM, UNSTABLE, OVERLAPS = "found no room", "went unstable", "overlaps another"
FELL, OFF, MOVED, UNSETTLED, RESTLESS = (
    "fell",
    "off its support",
    "does not stand still",
    "moved while it settled",
    "still moves",
)
STRAYED, COVERED, TOO_FAR = (
    "no longer stands as it did to its neighbour",
    "its opening is covered",
    "out of the robot's reach",
)
KINDS = (NO_ROOM, UNSTABLE, FELL, OFF, OVERLAPS, UNSETTLED, MOVED, RESTLESS, STRAYED, COVERED,
         TOO_FAR)  # fmt: skip


@dataclass(frozen=True)
class Verdicts:
    """n cousins of A objects: faults (n, A, len(KINDS)), overlap (m), drift (m), tilt (rad) and
    energy (J) (n,)."""

    faults: NDArray[np.bool_]
    overlap: Array
    drift: Array
    tilt: Array
    energy: Array

    def certificates(self, names: Sequence[str], attempts: Sequence[int]) -> list[Certificate]:
        """One for each cousin, its reasons in words."""
        return [
            Certificate(
                float(self.overlap[i]),
                float(self.drift[i]),
                float(self.tilt[i]),
                tuple(reasons(self.faults[i], names)),
                attempts[i],
                float(self.energy[i]),
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
    the family does not hold, PackError for a family that has no bank, and ValueError for one that
    does not belong to the scene.
    """
    chosen = np.arange(len(family)) if indices is None else np.asarray(indices, np.int64)
    if not len(chosen):
        return []
    if not (0 <= chosen.min() and chosen.max() < len(family)):
        raise UsageError(f"the family holds cousins 0 to {len(family) - 1} only")
    if family.bank is None:
        raise PackError("a family without a bank of shapes, of an older version: augment anew")
    model = compile_model(family.xml, unseen(family.xml, family.files))
    whole = with_distractors(scene, family, model)
    extra = len(whole.assets) - len(scene.assets)
    prints = footprints(whole, [[asset] for asset in whole.assets], extra=extra)
    # The outlines are of the objects' own shapes: of each cousin's, placing has told already.
    judge = Judge(model, whole, prints, (), family.bank, len(scene.assets))
    drawn = {name: value[chosen] for name, value in family.arrays.items()}
    attempts = [family.cousins[row].certificate.attempts for row in chosen]
    return hold(judge, drawn, threads).certificates(judge.names, attempts)


def trial(
    judge: Judge, drawn: Mapping[str, NDArray[Any]], threads: int = 0
) -> tuple[Verdicts, Array]:
    """Let cousins come to rest from where they were put, and see that they then stand still.

    drawn: as `cousins.bank.rows` takes it. Gives also qpos (n, nq), where they came to rest. What
    fails while it settles is not held.
    """
    qpos, faults = settle(judge, drawn, threads)
    zero = np.zeros(len(qpos))
    out = Verdicts(faults, zero, zero.copy(), zero.copy(), zero.copy())
    kept = np.flatnonzero(~faults.any((1, 2)))
    if len(kept):
        rest = {name: value[kept] for name, value in drawn.items()} | {"qpos": qpos[kept]}
        held = hold(judge, rest, threads)
        for name in ("faults", "overlap", "drift", "tilt", "energy"):
            getattr(out, name)[kept] = getattr(held, name)
    return out, qpos


def settle(
    judge: Judge, drawn: Mapping[str, NDArray[Any]], threads: int = 0
) -> tuple[Array, NDArray[np.bool_]]:
    """Let cousins come to rest from where they were put: qpos (n, nq), faults as in `Verdicts`."""
    model, bodies, start = judge.model, judge.bank.body, drawn["qpos"]
    sims = batch(model, rows(judge.bank, drawn), threads)
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


def hold(judge: Judge, drawn: Mapping[str, NDArray[Any]], threads: int = 0) -> Verdicts:
    """Step cousins from their stored pose at rest, and see that nothing happens."""
    model, bodies, start = judge.model, judge.bank.body, drawn["qpos"]
    fields = rows(judge.bank, drawn)
    sims = batch(model, fields, threads)
    deepest, _ = contacts(sims, model)
    covered = _covered(judge, sims, drawn)
    failed = advance(sims, round(HELD / model.opt.timestep))
    later, touching = contacts(sims, model)
    qpos = sims.qpos.copy()
    energy = _energy(model, bodies, fields, sims.qvel)
    drift, tilt, drop = (np.nan_to_num(v, nan=np.inf) for v in _motion(model, bodies, start, qpos))
    deepest = np.maximum(deepest, later)[:, bodies]
    faults = np.zeros((len(qpos), len(bodies), len(KINDS)), bool)
    faults[..., KINDS.index(OVERLAPS)] = deepest > OVERLAP
    faults[..., KINDS.index(MOVED)] = (drift > DRIFT) | (tilt > TILT)
    faults[..., KINDS.index(FELL)] = drop > DROP
    faults[..., KINDS.index(OFF)] = _off(model, bodies, judge.prints, touching, qpos)
    faults[..., KINDS.index(UNSTABLE)] = _unstable(sims, failed)[:, None]
    faults[..., KINDS.index(RESTLESS)] = energy > 0.5 * drawn["mass"] * SPEED**2
    faults[..., KINDS.index(COVERED)] = covered
    faults[..., KINDS.index(STRAYED)] = _strayed(judge, drawn)
    faults[..., KINDS.index(TOO_FAR)] = too_far(judge, drawn)
    whole = np.nan_to_num(energy.sum(1), nan=np.inf)
    return Verdicts(faults, deepest.max(1), drift.max(1), tilt.max(1), whole)


def _energy(
    model: mujoco.MjModel, bodies: NDArray[Any], fields: Mapping[str, NDArray[Any]],
    qvel: Array,
) -> Array:  # fmt: skip
    """(n, A) J of motion, at most."""
    first = model.jnt_dofadr[model.body_jntadr[bodies]]
    # A free joint's speed is that of the body's origin; its centre of mass may go that much faster.
    turn = np.linalg.norm(qvel[:, first[:, None] + np.arange(3, 6)], axis=-1)
    speed = np.linalg.norm(qvel[:, first[:, None] + np.arange(3)], axis=-1)
    speed = speed + turn * np.linalg.norm(fields["body_ipos"][:, bodies], axis=-1)
    rotary = fields["body_inertia"][:, bodies].max(-1) * turn**2
    return 0.5 * (fields["body_mass"][:, bodies] * speed**2 + rotary)


def _covered(judge: Judge, sims: Batch, drawn: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """(n, A) whether something lies over or in an opening that is free in the twin."""
    bank = judge.bank
    out = np.zeros((sims.nsim, len(bank.body)), bool)
    collides = np.array([0, 0, 0, 1, 0, 0], np.uint8)
    ways = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]], float)
    for i in range(judge.own):
        if bank.depth[0, i] <= 0 or i in judge.prints.carrier:
            continue
        k = drawn["shape"][:, i]
        pose = drawn["qpos"][:, bank.address[i] + np.arange(7)]
        turn = matrix_from_quaternion(pose[:, 3:])
        middle = pose[:, :3] + np.einsum("nij,nj->ni", turn, bank.opening[k, i])
        eye = np.repeat(middle[:, None], len(ways), 1)
        eye[..., :2] += (AROUND * bank.radius[k, i])[:, None, None] * ways
        eye[..., 2] += LOOK
        gone = sims.ray(eye, np.array([0.0, 0.0, -1.0]), geomgroup=collides)[0]
        free = (gone < 0) | (gone > LOOK + OPEN * bank.depth[k, i][:, None])
        out[:, i] = free.sum(1) < len(ways) - 1
    return out


def _strayed(judge: Judge, drawn: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """(n, A) whether an object no longer stands to another as it did."""
    names, out = judge.names, np.zeros((len(drawn["qpos"]), len(judge.names)), bool)
    if not judge.relations:
        return out
    pose = drawn["qpos"][:, judge.bank.address[:, None] + np.arange(7)]
    seen = np.array([a.quaternion for a in judge.scene.assets])
    gone = broken(judge.relations, judge.prints, drawn["shape"], pose[..., :3], pose[..., 3:], seen)
    for r, relation in enumerate(judge.relations):
        out[:, names.index(relation.a)] |= gone[:, r]
    return out


def too_far(judge: Judge, drawn: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """(n, A) whether the robot does not reach what it would reach in the twin."""
    out = np.zeros((len(drawn["qpos"]), len(judge.names)), bool)
    if "robot_base" not in drawn or not judge.own:
        return out
    seen = np.array([a.position for a in judge.scene.assets])[None, : judge.own]
    # Where it stands is told without the distractors, as when it was drawn.
    twin = replace(judge.scene, assets=judge.scene.assets[: judge.own])
    twins = reachable(nominal(twin)[None], seen)
    place = judge.bank.address[: judge.own, None] + np.arange(3)
    reached = reachable(drawn["robot_base"], drawn["qpos"][:, place])
    out[:, : judge.own] = twins & ~reached
    return out


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


def _motion(
    model: mujoco.MjModel, bodies: NDArray[Any], before: Array, after: Array
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
    bodies: NDArray[Any],
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
