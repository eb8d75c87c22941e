"""What the numbers of observations and actions are: units, and in which frame."""

from __future__ import annotations

from dataclasses import dataclass

from cousins.errors import CousinsError
from cousins.robots import Robot
from cousins.robots import robot as named
from cousins.robots.control import GRIP, MODES, Action, controller

WORLD = (
    "The world is the pack's: z up, lengths in metres; `world_from_capture` in the manifest of the "
    "pack takes points of the capture to it. Velocities of turning are in the object's own frame."
)
BASE = (
    "The base frame is the robot's: x ahead, across what the robot stands at, y left, z up, its "
    "origin at the height of what stands before it. The tool is between the fingertips. Where an "
    "object is, is the middle of its upright box, from the tool, along the axes of the base frame."
)
SLACK = 0.05  # m that the tool may leave its workspace by before the robot is to stop

_HELD = {  # by what an object's own numbers end in, without a robot
    "d": ("m", "from where it stood, along the world's {}"),
    "q": ("", "of its attitude, a quaternion w, x, y, z with w not below 0: {}"),
    "v": ("m/s", "of its velocity, along the world's {}"),
    "w": ("rad/s", "of its velocity of turning, about its own {}"),
}
_SEEN = {
    "tool.x": ("m", "the tool's place in the base frame, x"),
    "tool.y": ("m", "the same, y"),
    "tool.z": ("m", "the same, z"),
    "tool.closing_cos": ("", "cosine of twice the angle, about z, at which the fingers close"),
    "tool.closing_sin": ("", "sine of that"),
    "tool.opening": ("m", "between the fingertips"),
    **{f"tool.lag_{a}": ("m", f"from the tool to where it is told to be, {a}") for a in "xyz"},
    **{f"object.{a}": ("m", f"from the tool to the middle of the object, {a}") for a in "xyz"},
    **{f"object.r{i}{j}": ("", f"row {i}, column {j} of the object's rotation in the base frame")
       for i in "123" for j in "12"},
    **{f"object.v{a}": ("m/s", f"the object's velocity, {a}") for a in "xyz"},
    **{f"object.size_{a}": ("m", f"size of the object's upright box, {a}") for a in "xyz"},
    "object.top": ("m", "from the tool up to the object's top"),
    **{f"goal.{a}": ("m", f"from the tool to where that is to come, {a}") for a in "xyz"},
    **{f"nearest.{a}": ("m", f"from the tool to the nearest other thing, {a}; 0.3 at most")
       for a in "xyz"},
}  # fmt: skip


@dataclass(frozen=True)
class Moved:
    """A robot as its actions drive it: how, and what each action is; an action that is not known
    is None."""

    robot: Robot
    mode: str
    actions: tuple[Action | None, ...]


def observed(name: str, robotic: bool) -> tuple[str, str]:
    """Unit and meaning of a number of an observation, both empty where they are not known."""
    if robotic:
        return _SEEN.get(name, ("", ""))
    part = name.rpartition(".")[2]
    if len(part) == 2 and part[0] in _HELD and part[1] in ("wxyz" if part[0] == "q" else "xyz"):
        unit, words = _HELD[part[0]]
        return unit, words.format(part[1])
    return "", ""


def moved(of: Robot | str, actions: tuple[str, ...], mode: str | None = None) -> Moved | None:
    """The robot that a policy was trained with, and what these actions are to it; mode: how they
    move it, where that is told. None where it is not known here, as one's own robot is not."""
    try:
        robot = named(of) if isinstance(of, str) else of
    except CousinsError:
        return None
    arm = tuple(action for action in actions if action != GRIP)
    # Where names are those of two modes, the first is meant, as environments have it.
    modes = sorted(MODES, key=("delta", "pose", "joint").index)
    for each in [mode] if mode in MODES else modes:
        axes = tuple(a if each == "pose" else a[1:] for a in arm)
        try:
            told = controller(robot, each, (*axes, GRIP)).actions
        except CousinsError:
            continue
        by_name = {action.name: action for action in told}
        if all(action in by_name for action in arm):
            return Moved(robot, each, tuple(by_name.get(action) for action in actions))
    return Moved(robot, "", tuple(None for _ in actions))


def rests(action: str, robotic: bool) -> float | None:
    """What number of an action leaves things be; None: that which was told last. A robot's speeds
    have names that begin with d; its other actions say where to be."""
    return None if robotic and not action.startswith("d") else 0.0


def workspace(told: Moved) -> dict[str, tuple[float, float]]:
    """By the observation's name, the box of the robot's tool and a little more, m; empty where
    actions move joints, which nothing keeps in it."""
    if told.mode not in ("delta", "pose"):
        return {}
    box = told.robot.config.workspace
    return {f"tool.{axis}": (low - SLACK, high + SLACK)
            for axis, low, high in zip("xyz", box.low, box.high, strict=True)}  # fmt: skip
