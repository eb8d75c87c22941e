"""A robot, and how it is moved, as the command line asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, overload

import typer

if TYPE_CHECKING:
    from cousins.robots import Robot

RobotName = Annotated[
    str | None, typer.Option("--robot", help="Of a task that takes one: arm, gantry, or an MJCF.")
]
RobotConfig = Annotated[
    Path | None,
    typer.Option("--robot-config", help="What the MJCF does not say of itself: a YAML file."),
]


@overload
def robot_of(name: str, config: Path | None) -> Robot: ...
@overload
def robot_of(name: None, config: Path | None) -> Robot | None: ...
@overload
def robot_of(name: str | None, config: Path | None) -> Robot | None: ...
def robot_of(name: str | None, config: Path | None) -> Robot | None:
    """The robot of that name or file; None for none, which leaves it to the task. Raises UsageError
    for what there is not."""
    from cousins.errors import UsageError
    from cousins.robots import robot

    if name is None and config is not None:
        raise UsageError(f"--robot-config {config}: of which MJCF? Give it as --robot")
    return None if name is None else robot(name, config)
