"""What a robot's MJCF does not say of itself: which joints make the arm, what opens the gripper,
where the tool is, where it starts and how fast it may go. One YAML file for each robot.

Lengths are m, angles rad, joints in the order from the base to the tool. The base frame is the
world of the robot's own MJCF: x ahead, across what the robot stands at, y left, z up, its origin
at the height of what stands before it. The tool frame has z out of the gripper, towards what it
grips, y along the line on which the fingers close, and x so that it is right-handed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cousins.archive import read_file
from cousins.errors import UsageError
from cousins.schema import Name, Positive, Text, Vector3, Vector4

MAX_YAML = 64 << 10

Names = Annotated[tuple[Text, ...], Field(min_length=1, max_length=32)]
Numbers = Annotated[tuple[float, ...], Field(max_length=64)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Pose(_Model):
    """Where a frame lies in another: position, and quaternion w, x, y, z of any length but 0."""

    position: Vector3 = (0.0, 0.0, 0.0)
    quaternion: Vector4 = (1.0, 0.0, 0.0, 0.0)

    @model_validator(mode="after")
    def _turns(self) -> Pose:
        if not any(self.quaternion):
            raise ValueError("a quaternion of zeros turns nothing")
        return self


class Tool(Pose):
    """The tool frame on a body of the MJCF, where that has no site for it."""

    body: Text


class Gripper(_Model):
    """actuators, and what they are told when it is `open` and when it is `closed`; opening: what
    then lies between the pads, m; speed: at which that changes, m/s. joints: those that the fingers
    move on, and at `home`, where they are when it is open. pads: the geoms that touch what is
    gripped, or bodies, all of whose geoms do; friction: theirs, whatever they touch, by default as
    the MJCF has it."""

    actuators: Names
    open: Numbers
    closed: Numbers
    opening: Positive
    speed: Positive = 0.15
    joints: Names
    home: Numbers
    pads: Names
    friction: Positive | None = None

    @model_validator(mode="after")
    def _fits(self) -> Gripper:
        _as_many("gripper.open", self.open, "gripper.actuators", self.actuators)
        _as_many("gripper.closed", self.closed, "gripper.actuators", self.actuators)
        _as_many("gripper.home", self.home, "gripper.joints", self.joints)
        return self


class Workspace(_Model):
    """The box, in the base frame, in which the tool's place is chosen."""

    low: Vector3
    high: Vector3

    @model_validator(mode="after")
    def _wide(self) -> Workspace:
        if any(a >= b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError("workspace: low must lie below high")
        return self


class Description(_Model):
    """A robot; see the module and docs/robots.md.

    base: the body at its root; stand: that body's pose in the base frame, as the MJCF has it by
    default. tool: a site, or where on which body that lies. joints: the chain's; actuators: one of
    position for each. velocity: the fastest that each joint goes, rad/s or m/s; tool_speed, m/s,
    and tool_turn, rad/s, the same of the tool. home: of the joints, where an episode begins.
    reach: how far from the base's origin the tool gets, m. gravcomp: gravity does nothing to the
    robot, as the controllers of real ones see to.
    """

    name: Name
    base: Text
    stand: Pose | None = None
    tool: Text | Tool
    joints: Names
    actuators: Names
    velocity: Annotated[tuple[Positive, ...], Field(max_length=64)]
    home: Numbers
    reach: Positive
    workspace: Workspace
    tool_speed: Positive = 0.25
    tool_turn: Positive = 1.5
    gravcomp: bool = True
    gripper: Gripper

    @model_validator(mode="after")
    def _fits(self) -> Description:
        for name in ("actuators", "velocity", "home"):
            _as_many(name, getattr(self, name), "joints", self.joints)
        for names in ((*self.joints, *self.gripper.joints),
                      (*self.actuators, *self.gripper.actuators)):  # fmt: skip
            twice = [name for name in names if names.count(name) > 1]
            if twice:
                raise ValueError(f"{twice[0]!r} is named twice")
        return self


def _as_many(name: str, values: tuple[Any, ...], other: str, names: tuple[str, ...]) -> None:
    if len(values) != len(names):
        raise ValueError(f"{name} has {len(values)} entries, {other} {len(names)}")


def description(path: Path) -> Description:
    """The description in a YAML file. Raises UsageError for a file that cannot be read, that is no
    YAML, or that describes no robot: with the field and what is wrong with it."""
    import yaml

    data = read_file(path, MAX_YAML, UsageError, "this describes no robot")
    try:
        held = yaml.safe_load(data.decode("utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        reason = getattr(error, "problem", None) or type(error).__name__
        raise UsageError(f"{path}: no YAML ({reason}): see docs/robots.md") from None
    if not isinstance(held, dict):
        raise UsageError(f"{path}: no mapping of fields: see docs/robots.md")
    try:
        return Description.model_validate(held)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        told = f"{where}: {what}" if where else what
        raise UsageError(f"{path}: {told}: see docs/robots.md") from None
