"""A policy in a pack's cousins, the robot that it moves and what it sees, as the command line asks
for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, overload

import typer

if TYPE_CHECKING:
    from cousins.robots import Robot

PolicyName = Annotated[
    str,
    typer.Option(
        "--policy",
        help="A training's folder, policy.onnx, an SB3 .zip, module:callable, file.py:callable, "
        "http://HOST:PORT, expert, zero or random.",
    ),
]
RobotName = Annotated[
    str | None, typer.Option("--robot", help="Of a task that takes one: arm, gantry, or an MJCF.")
]
RobotConfig = Annotated[
    Path | None,
    typer.Option("--robot-config", help="What the MJCF does not say of itself: a YAML file."),
]

Control = Annotated[
    str | None, typer.Option("--control", help="What actions move: joint, delta or pose.")
]
Engine = Annotated[str, typer.Option("--engine", help="What steps them: cpu, warp, mjx.")]
Threads = Annotated[int, typer.Option("--threads", help="Threads; 0: all CPUs.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="A setting of the task or the engine; may be repeated."
    ),
]
Size = Annotated[str, typer.Option("--size", help="Pictures that the policy sees.")]
Noise = Annotated[
    bool, typer.Option("--noise", help="Pictures are as bad as each cousin's own camera.")
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
