"""`cousins deploy`: a trained policy as a folder that runs on a robot."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from .console import Json, emit, progress
from .trial import RobotConfig, RobotName, robot_of


def deploy(
    run: Annotated[Path, typer.Argument(help="What a training left: policy.onnx, policy.json.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A folder to write, or a .zip.")],
    pack: Annotated[
        Path | None, typer.Option(help="Run it in this pack first, to record what it meets.")
    ] = None,
    episodes: Annotated[int, typer.Option(help="Of that.")] = 32,
    robot: RobotName = None,
    robot_config: RobotConfig = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=LOW:HIGH", help="Stop where this number leaves that."),
    ] = None,
    max_change: Annotated[
        float | None, typer.Option(help="Of an action, in a period; else as recorded.")
    ] = None,
    outside: Annotated[
        str, typer.Option(help="Of what was seen in training: flag, hold, rest or stop.")
    ] = "flag",
    bad: Annotated[
        str, typer.Option(help="An observation that is none: hold, rest or stop.")
    ] = "rest",
    stale: Annotated[str, typer.Option(help="Nothing good for a while: rest or stop.")] = "rest",
    stale_after: Annotated[
        float | None, typer.Option(help="That while, s; five periods by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same folder.")] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the output, whatever it is.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a policy with its contract, a guarded runner and a check, to run without cousins."""
    from cousins.deploy import Safety
    from cousins.deploy import deploy as write

    limits = dict(_limit(text) for text in limit or ())
    safety = Safety(outside, bad, stale, stale_after, max_change)
    with progress(as_json) as report:
        done = write(run, output, pack=pack, episodes=episodes, limits=limits, safety=safety,
                     robot=robot_of(robot, robot_config), seed=seed, force=force,
                     progress=report)  # fmt: skip
    lines = [
        f"{output}: {done.observations} observations to {done.actions} actions, {done.rate:.4g} "
        "times a second",
        done.check,
    ]
    if done.recorded:
        lines.append(f"recorded in {done.recorded[0]} episodes, {done.recorded[1]} of them done")
    lines += [f"not told: {note}" for note in done.notes]
    lines.append("there: pip install numpy onnxruntime; python runner.py --check")
    emit(asdict(done) | {"path": str(done.path)}, as_json, escape("\n".join(lines)))


def _limit(text: str) -> tuple[str, tuple[float, float]]:
    from cousins.errors import UsageError

    name, _, span = text.rpartition("=")
    try:
        low, high = (float(end) for end in span.split(":"))
    except ValueError:
        low = high = float("nan")
    if not name or not low < high:
        raise UsageError(f"--limit {text}: give it as NAME=LOW:HIGH")
    return name, (low, high)
