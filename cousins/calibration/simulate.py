"""Thousands of guesses at an object's properties, pushed alike, in one batch.

The pusher is a free body so heavy that nothing slows it, put back on its path every few steps. A
mocap body would not do: MuJoCo takes it to stand still in every contact, so that it would damp and
rub what it moves along with. What a push takes from the heavy body's speed is the force on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import SimulationError
from numpy.typing import NDArray

from cousins.scene import CONTACT, ROLLING, TORSIONAL, quiet
from cousins.types import Array
from cousins.variation.batch import batch

PUSHER = "cousins_pusher"
HEAVY = 1e3  # kg, and kg m²: a push of 10 N slows it by 0.1 mm/s until it is put back
PERIOD = 0.004  # s between two records, and two corrections of the pusher; see `Stage.steps`


@dataclass(frozen=True)
class Pusher:
    """A ball of `radius`, m; a capsule along its own z where `length` (between its ends' centres),
    m, is not zero."""

    radius: float = 0.01
    length: float = 0.0


@dataclass(frozen=True)
class Stage:
    """One object and the pusher, compiled; all else stands still.

    body, geoms, address and dof are the object's ids, `free` and `speed` the pusher's address of
    qpos and dof. radius: of a thing that rolls, m, else None. steps: of a record.
    """

    model: mujoco.MjModel = field(repr=False)
    name: str
    body: int
    geoms: NDArray[np.int64]
    address: int
    dof: int
    free: int
    speed: int
    pusher_geom: int
    radius: float | None
    steps: int

    @property
    def period(self) -> float:
        """Seconds between two records."""
        return self.steps * self.model.opt.timestep


@dataclass(frozen=True)
class Guess:
    """n guesses: mass (n,) kg, friction (n,), damping (n,) and grip (n,), the pusher's friction.

    damping: of a round thing the rolling resistance over its radius; of others the torsional
    friction, m, which slows turning on the spot.
    """

    mass: Array
    friction: Array
    damping: Array
    grip: Array


@dataclass(frozen=True)
class Path:
    """The pusher's way at every record: position (T, 3), quaternion (T, 4); `start` (7,), or
    (n, 7) one a guess, is the object's pose then; others: poses (7,) of further objects by name."""

    position: Array
    quaternion: Array
    start: Array
    others: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Traces:
    """What n guesses did. pose (n, T, 7); force (n, T, 3), N, on the object by the pusher, mean of
    the time up to each record; alive (n,): False where MuJoCo gave up."""

    pose: NDArray[Any]
    force: NDArray[Any]
    alive: NDArray[np.bool_]

    def __getitem__(self, rows: slice | Sequence[int] | NDArray[np.int64]) -> Traces:
        """Those of some guesses."""
        return Traces(self.pose[rows], self.force[rows], self.alive[rows])


def stage(xml: str, files: Mapping[str, bytes], name: str, pusher: Pusher) -> Stage:
    """The scene of `xml` with one free object and the pusher. Raises ValueError as MuJoCo does.

    What is only seen goes; every other body stands still where it is put.
    """
    spec = mujoco.MjSpec.from_string(xml, assets=dict(files))
    for geom in [g for g in spec.geoms if g.contype == 0 and g.conaffinity == 0]:
        spec.delete(geom)
    for body in spec.bodies:
        if body.name != name and body.joints:
            for joint in list(body.joints):
                spec.delete(joint)
            body.mocap = body.parent == spec.worldbody
    tool = spec.worldbody.add_body(name=PUSHER, pos=[0, 0, 100.0], gravcomp=1.0)
    # Heavy by its armature: gravity has no part in that.
    tool.add_joint(name=PUSHER, type=mujoco.mjtJoint.mjJNT_FREE, armature=HEAVY)
    kind = mujoco.mjtGeom.mjGEOM_CAPSULE if pusher.length else mujoco.mjtGeom.mjGEOM_SPHERE
    reference, impedance = (np.array(CONTACT[k].split(), float) for k in ("solref", "solimp"))
    # Its own friction, not the object's, decides how it grips: the two are another pair. It goes
    # through tables unhindered, as what a log holds cannot be stopped.
    tool.add_geom(name=PUSHER, type=kind, size=[pusher.radius, pusher.length / 2, 0], condim=4,
                  priority=2, friction=[0.4, TORSIONAL, 1e-4], solref=reference,
                  solimp=np.append(impedance, [0.5, 2]))  # fmt: skip
    for body in spec.bodies:
        if body.name not in (name, PUSHER):
            spec.add_exclude(bodyname1=body.name, bodyname2=PUSHER)
    # The solver's tolerance counts in the mean inertia, of which the pusher is nearly all.
    spec.option.tolerance *= 1e-1 / HEAVY
    model = spec.compile()
    body = model.body(name).id
    geoms = model.body_geomadr[body] + np.arange(model.body_geomnum[body])
    own, tool_joint = model.body_jntadr[body], model.joint(PUSHER).id
    round_ = model.geom_condim[geoms[0]] == 6
    return Stage(
        model, name, int(body), geoms,
        int(model.jnt_qposadr[own]), int(model.jnt_dofadr[own]),
        int(model.jnt_qposadr[tool_joint]), int(model.jnt_dofadr[tool_joint]),
        model.geom(PUSHER).id, float(model.geom_size[geoms[0], 0]) if round_ else None,
        max(1, round(PERIOD / model.opt.timestep)),
    )  # fmt: skip


def usual(stage: Stage) -> tuple[float, float]:
    """The damping that the twin has, and the spread (of its logarithm) that a thing of its kind may
    have: a hard ball on wood rolls with 0.005 to 0.02; torsion is a guess within a factor of 3."""
    if stage.radius is not None:
        return ROLLING, float(np.log(2) / 1.645)
    return TORSIONAL, float(np.log(3) / 1.645)


def simulate(stage: Stage, path: Path, guess: Guess, threads: int = 0) -> Traces:
    """Push every guess along the path. Bit for bit the same with any number of threads."""
    n, model = len(guess.mass), stage.model
    with quiet():
        sims = batch(model, _fields(stage, path, guess), threads)
    _place_others(sims, model, path)
    place = slice(stage.address, stage.address + 7)
    tool, speed = slice(stage.free, stage.free + 7), slice(stage.speed, stage.speed + 6)
    pace = _speeds(path, stage.period)
    records = len(path.position)
    pose, force = np.empty((n, records, 7)), np.zeros((n, records, 3))
    alive = np.ones(n, bool)
    pose[:, 0] = path.start
    with quiet():
        for k in range(records - 1):
            sims.qpos[:, tool] = np.concatenate([path.position[k], path.quaternion[k]])
            sims.qvel[:, speed] = pace[k]
            try:
                sims.step(nstep=stage.steps)
            except SimulationError as error:
                alive[list(error.ids)] = False
            pose[:, k + 1] = sims.qpos[:, place]
            lost = pace[k, :3] - sims.qvel[:, stage.speed : stage.speed + 3]
            force[:, k + 1] = HEAVY * lost / stage.period
    alive &= np.isfinite(pose).all((1, 2)) & (sims.warning[..., 1] == 0).all(1)
    return Traces(pose, force, alive)


def _fields(stage: Stage, path: Path, guess: Guess) -> dict[str, NDArray]:
    n, model, body = len(guess.mass), stage.model, stage.body
    mass = np.broadcast_to(model.body_mass, (n, model.nbody)).copy()
    inertia = np.broadcast_to(model.body_inertia, (n, model.nbody, 3)).copy()
    inertia[:, body] *= (guess.mass / mass[:, body])[:, None]
    mass[:, body] = guess.mass
    friction = np.broadcast_to(model.geom_friction, (n, model.ngeom, 3)).copy()
    friction[:, stage.geoms, 0] = guess.friction[:, None]
    if stage.radius is None:
        friction[:, stage.geoms, 1] = guess.damping[:, None]
    else:
        friction[:, stage.geoms, 2] = guess.damping[:, None] * stage.radius
    friction[:, stage.pusher_geom, 0] = guess.grip
    qpos = np.broadcast_to(model.qpos0, (n, model.nq)).copy()
    qpos[:, stage.address : stage.address + 7] = path.start
    qpos[:, stage.free : stage.free + 3] = path.position[0]
    qpos[:, stage.free + 3 : stage.free + 7] = path.quaternion[0]
    return {"qpos": qpos, "body_mass": mass, "body_inertia": inertia, "geom_friction": friction}


def _place_others(sims: mujoco.batch.Batch, model: mujoco.MjModel, path: Path) -> None:
    for name, pose in path.others.items():
        mocap = model.body_mocapid[model.body(name).id]
        sims.mocap_pos[:, mocap] = pose[:3]
        sims.mocap_quat[:, mocap] = pose[3:]


def _speeds(path: Path, period: float) -> Array:
    """(T - 1, 6) the pusher's speed between records: linear in the world, angular in its own
    frame, as a free joint's."""
    linear = np.diff(path.position, axis=0) / period
    turn = np.zeros((len(linear), 3))
    for k, (a, b) in enumerate(zip(path.quaternion[:-1], path.quaternion[1:], strict=True)):
        mujoco.mju_subQuat(turn[k], b, a)
    return np.hstack([linear, turn / period])


def at_rest(stage: Stage, start: Array, others: Mapping[str, Array], seconds: float = 0.3) -> Array:
    """The pose (7,) in which the object rests when it is let go in `start`, without momentum.

    A logged start floats or sinks by the tracker's noise; pushed from there it would drop first.
    """
    away = np.array([[0.0, 0.0, 100.0]])
    path = Path(away, np.array([[1.0, 0, 0, 0]]), start, others)
    guess = Guess(*(np.array([v]) for v in (stage.model.body_mass[stage.body], 0.5, 0.01, 0.4)))
    if stage.radius is None:
        guess = Guess(guess.mass, guess.friction, np.array([TORSIONAL]), guess.grip)
    sims = batch(stage.model, _fields(stage, path, guess), 1)
    _place_others(sims, stage.model, path)
    with quiet():
        for _ in range(int(seconds / stage.model.opt.timestep / 5)):
            sims.step(nstep=5)
            sims.qvel[:] *= 0.5
    return sims.qpos[0, stage.address : stage.address + 7].copy()


def gap(stage: Stage, path: Path) -> Array:
    """(T,) m between the pusher's surface and the object where it starts, at every record; 0 is
    given for all that touch."""
    model, data = stage.model, mujoco.MjData(stage.model)
    data.qpos[stage.address : stage.address + 7] = path.start
    out = np.empty(len(path.position))
    points = np.zeros(6)
    for k, (position, quaternion) in enumerate(zip(path.position, path.quaternion, strict=True)):
        data.qpos[stage.free : stage.free + 7] = np.concatenate([position, quaternion])
        mujoco.mj_kinematics(model, data)
        out[k] = min(
            mujoco.mj_geomDistance(model, data, stage.pusher_geom, int(g), 10.0, points)
            for g in stage.geoms
        )
    return np.maximum(out, 0.0)
