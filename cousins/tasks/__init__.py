"""Tasks: what is to be done in a scene, when it is done, and what that is worth.

A task is a frozen dataclass of pure functions over arrays. `xp` is the arrays' library, numpy or
jax.numpy, so that one text serves every engine; arrays have any leading axes, written `...`, or
none, as under `jax.vmap`. A is the number of the twin's own objects: distractors are no task's.
Other packages bring further ones by the entry point group `cousins.tasks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins import plugins
from cousins.errors import PackError, UsageError
from cousins.mesh import matrix_from_quaternion
from cousins.pack import Pack
from cousins.schema import ObjectEntry
from cousins.types import Array

if TYPE_CHECKING:
    from cousins.bank import Family
    from cousins.robots import Robot
    from cousins.robots.manipulator import Manipulator

BUILT_IN = {
    "hold": "cousins.tasks.hold:Hold",
    "reach": "cousins.tasks.reach:Reach",
    "push": "cousins.tasks.push:Push",
    "lift": "cousins.tasks.lift:Lift",
    "place_on": "cousins.tasks.place:PlaceOn",
    "place_in": "cousins.tasks.place:PlaceIn",
    "stack": "cousins.tasks.place:Stack",
    "sort": "cousins.tasks.sort:Sort",
}
LYING = 0.5  # cosine of its axis with the vertical, under which a cylinder lies
JOINTS = "joints"  # in an episode's memory: where a robot's joints begin


@dataclass(frozen=True)
class Surface:
    """A horizontal surface that objects stand on. height, m; polygon (V, 2): its convex hull,
    counter-clockwise, in the world."""

    name: str
    height: float
    polygon: Array


@dataclass(frozen=True)
class Layout:
    """What a task knows before it begins: the twin's A objects, and the robot.

    names; labels: what they are, in words; position (A, 3) and quaternion (A, 4) in the twin; size
    (A, 3), of their bounding boxes, m; mass (A,): the twin's, kg, which a cousin's is not; rolls
    (A,): it would; fill (A,): the share of its box that it fills; surface (A,): which of `surfaces` each stands on, be it on others; -1 for none.
    shape: what the twin's objects are, (A, ...). timestep: of the models, s. robot: None without.
    """

    names: tuple[str, ...]
    position: Array
    quaternion: Array
    size: Array
    mass: Array
    timestep: float
    labels: tuple[str, ...] = ()
    rolls: NDArray[np.bool_] | None = None
    fill: Array | None = None
    surface: NDArray[np.int64] | None = None
    surfaces: tuple[Surface, ...] = ()
    shape: Shape | None = None
    robot: Manipulator | None = None


@dataclass(frozen=True)
class Shape:
    """What the objects of a cousin are like, which changes from cousin to cousin; lengths in m, in
    the object's frame.

    low and high (..., A, 3): their collision shapes' bounds. opening (..., A, 3): the centre of a
    container's, radius and depth (..., A): see `cousins.affordance.Opening`; depth 0 without one.
    """

    low: Any
    high: Any
    opening: Any
    radius: Any
    depth: Any


@dataclass(frozen=True)
class Hand:
    """A robot at a moment. base (..., 7): where its base stands in the world; joints and speed
    (..., J): of the arm; target (..., J): where its joints are told to go; opening (...): between
    its fingertips, m."""

    base: Any
    joints: Any
    speed: Any
    target: Any
    opening: Any


@dataclass(frozen=True)
class Places:
    """Where a family's union model keeps the A objects: body (A,), qpos (A, 7) and qvel (A, 6)."""

    body: NDArray[np.int64]
    qpos: NDArray[np.int64]
    qvel: NDArray[np.int64]


@dataclass(frozen=True)
class Now:
    """A moment of some worlds. time (...), s since the episode began; start (..., A, 7): where the
    objects were then; pose (..., A, 7): position, m, and quaternion; velocity (..., A, 6): linear,
    m/s, in the world's frame, and angular, rad/s, in the object's own, as MuJoCo's qvel has it.

    With a robot: hand; shape of the cousin's objects; clutter (..., D, 4): position of what else
    stands there, the distractors, and the radius of a ball about each, m."""

    time: Any
    start: Any
    pose: Any
    velocity: Any
    hand: Hand | None = None
    shape: Shape | None = None
    clutter: Any = None


@dataclass(frozen=True)
class Command:
    """What acts until the next action. wrench (..., A, 6): forces, N, and torques, N m, in the
    world's frame, on objects' centres of mass. joints (..., J): where a robot's arm is to go; grip
    (...): how far its gripper is to open, 0..1. None: nothing, and where they are told to be."""

    wrench: Any = None
    joints: Any = None
    grip: Any = None


@dataclass(frozen=True)
class Verdict:
    """reward (...); ended (...): it cannot be done any more, which is no matter of time; success
    (...): it is done, at this moment."""

    reward: Any
    ended: Any
    success: Any


Memory = Mapping[str, Any]  # what an episode drew when it began; arrays with the leading axes
Watched = Mapping[str, Any]  # what a task kept account of since an episode began; each (...)


class Task(Protocol):
    """One task. control: s that each action acts; limit: s, after which an episode is cut off."""

    @property
    def name(self) -> str: ...

    @property
    def instruction(self) -> str:
        """What is to be done, in words."""
        ...

    @property
    def robotic(self) -> bool:
        """Whether it takes a robot."""
        ...

    @property
    def control(self) -> float: ...

    @property
    def limit(self) -> float: ...

    def numbers(self, layout: Layout) -> int:
        """How many uniform numbers in 0..1 an episode is drawn from."""
        ...

    def actions(self, layout: Layout) -> int:
        """How many numbers an action has, each in -1..1."""
        ...

    def observations(self, layout: Layout) -> tuple[str, ...]:
        """A name for each number of an observation."""
        ...

    def begin(self, xp: Any, layout: Layout, uniform: Any, now: Now) -> Memory:
        """What an episode remembers, from uniform (..., numbers) and the moment when it begins. A
        robot is at home then, and goes to `JOINTS` before the first action where that is given."""
        ...

    def command(self, xp: Any, layout: Layout, memory: Memory, now: Now, action: Any) -> Command:
        """What an action (..., actions) does until the next."""
        ...

    def observe(self, xp: Any, layout: Layout, memory: Memory, now: Now) -> Any:
        """(..., D) as `observations` names it."""
        ...

    def judge(self, xp: Any, layout: Layout, memory: Memory, now: Now, action: Any) -> Verdict:
        """Of the moment that an action led to."""
        ...


class Accountable(Protocol):
    """What a task may have beside, by which an evaluation tells why episodes fail."""

    def watch(
        self, xp: Any, layout: Layout, memory: Memory, now: Now, watched: Watched | None
    ) -> Watched:
        """A few numbers (...) that grow or shrink as an episode goes on, such as how far a thing
        ever was; watched: of the moment before, None when the episode begins."""
        ...

    def failures(
        self, xp: Any, layout: Layout, memory: Memory, now: Now, watched: Watched
    ) -> Mapping[str, Any]:
        """Kinds of failure, each with whether (...) an episode that ended now without success
        failed so. An episode is of the first kind that is true."""
        ...


def task(name: str, **settings: Any) -> Task:
    """The task of this name, with its settings. Raises UsageError for a name or a setting that is
    not known, and lists those that are."""
    found = {**plugins.load("cousins.tasks"), **dict.fromkeys(BUILT_IN)}
    if name not in found:
        raise UsageError(f"no task {name!r}; tasks: {', '.join(sorted(found))}")
    kind = found[name]
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        kind = getattr(import_module(module), attribute)
    known = getattr(kind, "__dataclass_fields__", {})
    for setting in settings:
        if setting not in known:
            raise UsageError(
                f"task {name} has no setting {setting!r}; settings: {', '.join(known) or 'none'}"
            )
    return kind(**settings)


def layout(
    pack: Pack,
    model: mujoco.MjModel,
    robot: Robot | None = None,
    control: str = "delta",
    family: Family | None = None,
) -> Layout:
    """What a task knows of a pack. model: any of its families', for the time step. robot: the one
    that is joined to it, moved in the mode `control`; family: then, any of it, without the robot.

    Raises PackError for a pack without objects or without a scale, in which nothing has a mass.
    """
    told = pack.objects
    if not told:
        raise PackError(f"{pack.path}: holds no object, so there is nothing to do in it")
    if any(entry.mass is None for entry in told):
        raise PackError(f"{pack.path}: has no scale, so nothing in it has a mass: scan it with one")
    known = Layout(
        names=tuple(entry.name for entry in told),
        position=np.array([entry.position for entry in told], float),
        quaternion=np.array([entry.quaternion for entry in told], float),
        size=np.array([entry.size for entry in told], float),
        mass=np.array([entry.mass.mode for entry in told if entry.mass is not None], float),
        timestep=float(model.opt.timestep),
        labels=tuple(entry.label for entry in told),
        rolls=np.array([_rolls(entry) for entry in told]),
        fill=np.array([entry.volume / max(float(np.prod(entry.size)), 1e-12) for entry in told]),
    )
    if robot is None:
        return known
    from cousins.robots.manipulator import manipulator
    from cousins.tasks.twin import surfaces, twin_shape

    on, all_ = surfaces(pack)
    return replace(known, surface=on, surfaces=all_, robot=manipulator(robot, control),
                   shape=None if family is None else twin_shape(family, known.names))  # fmt: skip


def _rolls(entry: ObjectEntry) -> bool:
    """Whether it is a ball, or a cylinder that lies."""
    own = entry.collision_primitive
    if own is None or own.kind == "box":
        return False
    turn = matrix_from_quaternion(np.array(entry.quaternion))
    axis = turn @ matrix_from_quaternion(np.array(own.quaternion))[:, 2]
    return own.kind == "sphere" or abs(axis[2]) < LYING


def places(names: tuple[str, ...], model: mujoco.MjModel) -> Places:
    """Where a model keeps objects. Raises PackError for one that is no free body of it."""
    body = np.array([mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, name) for name in names])
    joint = np.where(body >= 0, model.body_jntadr[body], -1)
    free = (joint >= 0) & (model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE)
    if not free.all():
        raise PackError(
            f"a family's model has no object {names[int(np.argmin(free))]}: augment anew"
        )
    return Places(
        body,
        model.jnt_qposadr[joint][:, None] + np.arange(7),
        model.jnt_dofadr[joint][:, None] + np.arange(6),
    )
