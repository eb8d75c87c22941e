"""`cousins train`: a policy that does a task in a pack's cousins."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars

from cousins.errors import CousinsError

from .console import Json, emit, err
from .engine import settings_given
from .trial import RobotConfig, RobotName, robot_of

if TYPE_CHECKING:
    from cousins.train import Moment, Trained

EVERY = 30.0  # s between lines where no bar can be drawn


class TrainingInterruptedError(CousinsError):
    """Ctrl-C; what was learnt is saved."""

    exit_code = 130


def train(
    pack: Annotated[Path, typer.Argument(help="A scene pack with cousins: folder or zip.")],
    task: Annotated[str, typer.Option(help="What is to be learnt.")] = "hold",
    steps: Annotated[
        int | None,
        typer.Option(help="Actions in all worlds together; a million without --minutes."),
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after so long.")] = None,
    worlds: Annotated[int, typer.Option(help="Worlds that run at once.")] = 64,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A new folder; runs/TASK by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same policy.")] = 0,
    engine: Annotated[str, typer.Option(help="What steps them: cpu, warp.")] = "cpu",
    robot: RobotName = None,
    robot_config: RobotConfig = None,
    control: Annotated[
        str, typer.Option(help="What actions move: joint, delta or pose.")
    ] = "delta",
    trainer: Annotated[
        str | None,
        typer.Option(help="sb3 or rsl-rl; by default the first on cpu, the second elsewhere."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE",
            help="A setting of the task, the engine or the trainer; may be repeated.",
        ),
    ] = None,
    cousins: Annotated[
        str | None, typer.Option(help="Only cousins this far from the twin, as 0.2:0.4.")
    ] = None,
    curriculum: Annotated[
        bool, typer.Option("--curriculum", help="The nearest cousins first, the others by and by.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the output's last checkpoint.")
    ] = False,
    no_video: Annotated[bool, typer.Option("--no-video", help="Film no result.")] = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Train a policy by reinforcement learning; ONNX with a card, checkpoints, logs and a video."""
    from cousins.errors import UsageError
    from cousins.tasks import task as named
    from cousins.train import Curriculum
    from cousins.train import train as learn
    from cousins.variation.strengths import span

    out = output or Path("runs") / task
    asked = settings_given(settings)
    known = getattr(named(task), "__dataclass_fields__", {})
    chosen = named(task, **{name: asked.pop(name) for name in list(asked) if name in known})
    taken = {"pack", "task", "out", "steps", "minutes", "worlds", "seed", "engine", "robot",
             "control", "cousins", "curriculum", "trainer", "resume", "video", "watch"}  # fmt: skip
    if taken & set(asked):
        name = min(taken & set(asked))
        raise UsageError(f"--set {name}: not a setting; it has an option of its own")
    try:
        with _told(as_json) as watch:
            done = learn(
                pack, chosen, out=out, steps=steps, minutes=minutes, worlds=worlds, seed=seed,
                engine=engine, robot=robot_of(robot, robot_config), control=control,
                cousins=None if cousins is None else span(cousins, "--cousins"),
                curriculum=Curriculum() if curriculum else None, trainer=trainer, resume=resume,
                video=not no_video, watch=watch, **asked,
            )  # fmt: skip
    except KeyboardInterrupt:
        raise TrainingInterruptedError(f"{out}: interrupted: --resume goes on from here") from None
    told = {name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in asdict(done).items()}  # fmt: skip
    told |= {"folder": str(done.folder), "video": done.video and str(done.video)}
    emit(told, as_json, _text(done))


def _text(done: Trained) -> str:
    where = escape(str(done.folder))
    whole = sum(done.spent.values()) or 1.0
    shares = ", ".join(f"{part} {value / whole:.0%}" for part, value in done.spent.items())
    lines = [f"{where}: {done.steps:,} steps in {_time(done.seconds)} ({shares})"]
    if done.episodes:
        lines.append(
            f"of the last of {done.episodes:,} episodes {done.success:.0%} ended in success; "
            f"return {done.mean_return:.3g}; cousins up to a distance of {done.distance:.2f}"
        )
    else:
        lines.append("no episode has ended: ask for more steps")
    if done.no_video:
        lines.append(f"no video: {escape(done.no_video)}")
    return "\n".join(lines)


@contextmanager
def _told(quiet: bool) -> Iterator[Callable[[Moment], None]]:
    """Tells on stderr how far it is: a bar on a terminal, else a line now and then."""
    if quiet:
        yield lambda moment: None
    elif not err.is_terminal:
        last = -EVERY

        def line(moment: Moment) -> None:
            nonlocal last
            if time.monotonic() - last >= EVERY or moment.left == 0:
                last = time.monotonic()
                print(_line(moment), file=sys.stderr, flush=True)

        yield line
    else:
        with Bars(BarColumn(), TextColumn("{task.description}"), console=err) as bars:
            bar = bars.add_task("loading", total=None)

            def draw(moment: Moment) -> None:
                whole = moment.seconds + moment.left
                share = moment.seconds / whole if whole > 0 else 1.0
                bars.update(bar, total=1.0, completed=share, description=_line(moment))

            yield draw


def _line(moment: Moment) -> str:
    of = "" if moment.total is None else f" of {moment.total:,}"
    parts = [f"{moment.steps:,}{of} steps", f"{moment.rate:,.0f} steps/s"]
    if moment.tally.episodes:
        parts.append(f"success {moment.tally.success:.0%}")
        parts.append(f"return {moment.tally.mean_return:.3g}")
    parts.append(f"distance to {moment.tally.distance:.2f}")
    if not math.isnan(moment.left):
        parts.append(f"{_time(moment.left)} left")
    return ", ".join(parts)


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
