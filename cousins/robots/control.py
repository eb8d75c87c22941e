"""What a policy's actions mean: from numbers in -1..1 to where a robot's joints are to go.

Three modes. `joint`: each joint on or back. `delta`: the tool on or back, along and about the base
frame's axes. `pose`: the tool to a place in the workspace. All three change the last *targets*, not
what was measured, so that a robot that hangs back a little does not sag; but targets stay on a
leash from what was measured, so that pushing against something does not wind them up.

Pure functions over any leading axes, for numpy and jax.numpy alike: `xp` is either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cousins.errors import UsageError
from cousins.robots import Robot
from cousins.robots.chain import Chain, chain, fk, jacobian, rotation_of, vector_of
from cousins.robots.ik import ik
from cousins.types import Array

MODES = ("joint", "delta", "pose")
PLACE, TURN = ("x", "y", "z"), ("roll", "pitch", "yaw")
GRIP = "grip"
AXES = ("x", "y", "z", "yaw", GRIP)  # of a tool that points down, as one that picks things up does
ITERATIONS = 3  # of inverse kinematics; a step of the tool is about a centimetre
LAG = 0.15  # s: in `joint`, as far as a joint goes in it, its target may be ahead
RANK = 1e-3  # singular value, m or rad for each rad, below which a joint does not move the tool


@dataclass(frozen=True)
class Action:
    """One number of an action: its name, what unit it has, and what -1 and 1 are of it."""

    name: str
    unit: str
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Controller:
    """How actions drive a robot; make it with `controller`.

    axes: what an action has a number for, in this order, and actions: what each of these means;
    the rest of the tool's pose is held as `place` (3,) and `turn` (3, 3) have it. rest (J,): the
    joints at home. low and high (3,): the box in which the tool's place is kept. speed (J,), of
    joints, rad/s or m/s; tool_speed, m/s, and tool_turn, rad/s; leash, m, and leash_turn, rad: how
    far targets may be ahead of what was measured, on each axis. closed and opened (G,): what the
    gripper's actuators are told then; grip, in -1..1: how far it is open where no action says so;
    grip_speed: of how far it opens, in a second, as a share.
    """

    mode: str
    axes: tuple[str, ...]
    actions: tuple[Action, ...]
    chain: Chain
    joints: tuple[str, ...]
    rest: Array
    place: Array
    turn: Array
    low: Array
    high: Array
    speed: Array
    tool_speed: float
    tool_turn: float
    leash: float
    leash_turn: float
    grip: float
    grip_speed: float
    closed: Array
    opened: Array


def controller(
    robot: Robot,
    mode: str = "delta",
    axes: tuple[str, ...] | None = None,
    place: tuple[float, float, float] | None = None,
    grip: float = -1.0,
    leash: float = 0.03,
    leash_turn: float = 0.3,
) -> Controller:
    """A robot's controller.

    mode: see the module. axes: of `joint`, joints' names, else of x, y, z, roll, pitch and yaw; and
    "grip", by default all joints, or x, y, z and yaw with the tool pointing down, and the gripper.
    With ("x", "y") the tool stays at one height and turn. place: where the tool is held on axes
    that no action moves, by default as at home, in the base frame, m. grip: how far the gripper is
    open where no action says so, from -1, closed, to 1.

    Raises UsageError for a mode or an axis that there is not, and for an axis along or about which
    the robot cannot move its tool.
    """
    told, links = robot.config, chain(robot)
    if mode not in MODES:
        raise UsageError(f"no controller {mode[:40]!r}; controllers: {', '.join(MODES)}")
    known = (*told.joints, GRIP) if mode == "joint" else (*PLACE, *TURN, GRIP)
    if axes is None:
        axes = known if mode == "joint" else AXES
    for axis in axes:
        if axis not in known or axes.count(axis) > 1:
            what = "named twice" if axis in known else f"not there; there are: {', '.join(known)}"
            raise UsageError(f"controller {mode}: axis {axis[:40]!r} is {what}")
    if mode == "pose" and {"roll", "pitch"} & set(axes):
        raise UsageError("controller pose: roll and pitch are for the controller delta")
    if not set(axes) - {GRIP}:
        raise UsageError(f"controller {mode}: no axis moves the tool; axes: {', '.join(known)}")
    home = np.array(told.home)
    at, turned = fk(np, links, home)
    if mode != "joint":
        _able(told.name, links, home, axes)
    return Controller(
        mode=mode,
        axes=tuple(axes),
        actions=tuple(_action(robot, links, mode, axis) for axis in axes),
        chain=links,
        joints=told.joints,
        rest=home,
        place=at if place is None else np.array(place, float),
        turn=turned,
        low=np.array(told.workspace.low),
        high=np.array(told.workspace.high),
        speed=np.array(told.velocity),
        tool_speed=told.tool_speed,
        tool_turn=told.tool_turn,
        leash=leash,
        leash_turn=leash_turn,
        grip=grip,
        grip_speed=told.gripper.speed / told.gripper.opening,
        closed=np.array(told.gripper.closed),
        opened=np.array(told.gripper.open),
    )


def targets(
    xp: Any, controller: Controller, target: Any, measured: Any, action: Any, period: float,
    held: Any = None,
) -> Any:  # fmt: skip
    """(..., J) where the joints are to go until the next action.

    target (..., J): what this gave last, where an episode begins the joints as they are; measured
    (..., J): where they are now; action (..., len(axes)) in -1..1, what is beyond is cut; period:
    s until the next; held (..., 3): the tool's place on axes that no action moves, by default the
    controller's. Targets stay within the joints' ranges, and their steps keep to the speeds of
    the joints, and of the tool unless the leash pulls them back.
    """
    action = xp.clip(action, -1.0, 1.0)
    low, high = xp.asarray(controller.chain.low), xp.asarray(controller.chain.high)
    fastest = xp.asarray(controller.speed)
    if controller.mode == "joint":
        moved = _joints(xp, controller, target, measured, action, period)
        return xp.clip(moved, low, high)
    place, turned = fk(xp, controller.chain, target)
    wanted = xp.clip(_place(xp, controller, place, action, period, held),
                     xp.asarray(controller.low), xp.asarray(controller.high))  # fmt: skip
    step = _short(xp, wanted - place, controller.tool_speed * period)
    turn = _short(xp, _turn(xp, controller, turned, action, period), controller.tool_turn * period)
    now, now_turned = fk(xp, controller.chain, measured)
    # Each axis on a leash of its own: what presses down shall not let go sideways.
    ahead = place + step - now
    aim = now + xp.clip(ahead, -controller.leash, controller.leash)
    about = vector_of(xp, rotation_of(xp, turn) @ turned @ xp.swapaxes(now_turned, -1, -2))
    about = xp.clip(about, -controller.leash_turn, controller.leash_turn)
    rest = xp.asarray(controller.rest)
    found, _ = ik(xp, controller.chain, target, aim, rotation_of(xp, about) @ now_turned,
                  ITERATIONS, rest)  # fmt: skip
    # Slower joints slow the others, so that the tool keeps its direction.
    over = (xp.abs(found - target) / (fastest * period)).max(-1)[..., None]
    return xp.clip(target + (found - target) / xp.maximum(over, 1.0), low, high)


def grip(xp: Any, controller: Controller, last: Any, action: Any, period: float) -> Any:
    """(..., G) what the gripper's actuators are told until the next action.

    last (..., G): what they were told before; action (..., len(axes)): -1 closes, 1 opens, and what
    is between is as far open. It gets there as fast as the gripper goes.
    """
    if GRIP in controller.axes:
        share = (xp.clip(action[..., controller.axes.index(GRIP)], -1.0, 1.0) + 1) / 2
    else:
        share = 0 * action[..., 0] + (controller.grip + 1) / 2
    wide = xp.asarray(controller.opened - controller.closed)
    wanted = xp.asarray(controller.closed) + share[..., None] * wide
    most = controller.grip_speed * period * xp.abs(wide)
    return last + xp.clip(wanted - last, -most, most)


def _joints(
    xp: Any, controller: Controller, target: Any, measured: Any, action: Any, period: float
) -> Any:
    """(..., J) targets of the mode `joint`, before their ranges."""
    axes, none = controller.axes, 0 * target[..., 0]
    chosen = [action[..., axes.index(n)] if n in axes else none for n in controller.joints]
    fastest = xp.asarray(controller.speed)
    moved = target + xp.stack(chosen, -1) * fastest * period
    return xp.clip(moved, measured - LAG * fastest, measured + LAG * fastest)


def _place(
    xp: Any, controller: Controller, place: Any, action: Any, period: float, held: Any
) -> Any:
    """(..., 3) where the tool is wanted, of its place (..., 3)."""
    out, kept = [], controller.place if held is None else held
    for k, axis in enumerate(PLACE):
        if axis not in controller.axes:
            out.append(0 * place[..., k] + kept[..., k])
            continue
        number = action[..., controller.axes.index(axis)]
        if controller.mode == "delta":
            out.append(place[..., k] + number * controller.tool_speed * period)
        else:
            low, high = controller.low[k], controller.high[k]
            out.append(low + (number + 1) / 2 * (high - low))
    return xp.stack(out, -1)


def _turn(xp: Any, controller: Controller, turned: Any, action: Any, period: float) -> Any:
    """(..., 3) the rotation vector that is wanted of the tool, of its rotation (..., 3, 3)."""
    axes, none = controller.axes, 0 * turned[..., 0, 0]
    numbers = [action[..., axes.index(axis)] if axis in axes else none for axis in TURN]
    if "roll" in axes or "pitch" in axes:
        return xp.stack(numbers, -1) * controller.tool_turn * period
    held = xp.asarray(controller.turn)
    # Whatever tilted it meanwhile, it is led back to how it is held, turned by a yaw: by its own,
    # where steps of the tool do not turn it.
    from_held = turned @ held.T
    yaw = xp.arctan2(from_held[..., 1, 0], from_held[..., 0, 0])
    if "yaw" not in axes:
        yaw = yaw if controller.mode == "delta" else none
    elif controller.mode == "delta":
        yaw = yaw + numbers[2] * controller.tool_turn * period
    else:
        yaw = numbers[2] * np.pi
    about = xp.stack([none, none, yaw], -1)
    return vector_of(xp, rotation_of(xp, about) @ held @ xp.swapaxes(turned, -1, -2))


def _short(xp: Any, vector: Any, most: float) -> Any:
    """Vectors (..., 3), those that are longer than `most` of that length."""
    length = xp.sqrt((vector**2).sum(-1))[..., None]
    return vector * xp.minimum(1.0, most / xp.maximum(length, 1e-12))


def _able(name: str, links: Chain, home: Array, axes: tuple[str, ...]) -> None:
    """Raises UsageError for an axis that no joint moves the tool on, alone."""
    rows = jacobian(np, links, home)
    chosen: list[int] = []
    for row, axis in enumerate((*PLACE, *TURN)):
        if axis not in axes:
            continue
        chosen.append(row)
        least = np.linalg.svd(rows[chosen], compute_uv=False)[-1]
        if least < RANK or len(chosen) > len(links):
            raise UsageError(f"robot {name}: its joints cannot move the tool on the axis {axis!r}")


def _action(robot: Robot, links: Chain, mode: str, axis: str) -> Action:
    told = robot.config
    if axis == GRIP:
        return Action(GRIP, "m", 0.0, told.gripper.opening)
    if mode == "joint":
        k = told.joints.index(axis)
        unit = "m/s" if links.slide[k] else "rad/s"
        return Action(f"d{axis}", unit, -told.velocity[k], told.velocity[k])
    if mode == "pose":
        if axis == "yaw":
            return Action("yaw", "rad", -np.pi, np.pi)
        k = PLACE.index(axis)
        return Action(axis, "m", told.workspace.low[k], told.workspace.high[k])
    most, unit = (told.tool_speed, "m/s") if axis in PLACE else (told.tool_turn, "rad/s")
    return Action(f"d{axis}", unit, -most, most)
