"""`cousins evaluate`: how often a policy succeeds over a pack's cousins, and on what that hangs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from . import trial
from .console import Json, emit, pixels, progress, table
from .engine import settings_given

if TYPE_CHECKING:
    from cousins.evaluation.evaluate import Evaluation


def evaluate(
    pack: Annotated[Path, typer.Argument(help="A scene pack with cousins: folder or zip.")],
    policy: trial.PolicyName,
    task: Annotated[
        str | None, typer.Option(help="What is to be done; else what the policy was trained for.")
    ] = None,
    n: Annotated[int, typer.Option("-n", "--count", help="Episodes, at most.")] = 1000,
    against: Annotated[
        str | None, typer.Option(help="Another policy, on the same episodes.")
    ] = None,
    cousins: Annotated[
        str | None,
        typer.Option(help="Only cousins at this distance from the twin, as 0.2:0.4; or as 3,7,12."),
    ] = None,
    isolate: Annotated[
        int,
        typer.Option(help="So many cousins for each axis by itself, at four strengths; 0: none."),
    ] = 0,
    until_width: Annotated[
        float | None,
        typer.Option(help="Stop once the interval of the success rate is as narrow, as 0.05."),
    ] = None,
    until_better: Annotated[
        bool, typer.Option("--until-better", help="Stop once one of two policies is the better.")
    ] = False,
    worst: Annotated[int, typer.Option(help="The worst cousins: how many are looked for.")] = 8,
    seed: Annotated[int, typer.Option(help="The same seed gives the same episodes.")] = 0,
    worlds: Annotated[int, typer.Option(help="Worlds at once; they change no result.")] = 256,
    engine: trial.Engine = "cpu",
    threads: trial.Threads = 0,
    robot: trial.RobotName = None,
    robot_config: trial.RobotConfig = None,
    control: trial.Control = None,
    settings: trial.Settings = None,
    size: trial.Size = "128x96",
    noise: trial.Noise = False,
    scratch: Annotated[
        Path | None,
        typer.Option(help="Where --isolate keeps its cousins; else in PACK.isolated."),
    ] = None,
    episodes: Annotated[
        Path | None, typer.Option(help="Write every episode to this .csv or .jsonl.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write a page with charts: report.html.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Try a policy on a pack's cousins: success with its interval, by distance and by axis, how it
    fails, and where it does worst."""
    from cousins.evaluation import page
    from cousins.evaluation.evaluate import Until
    from cousins.evaluation.evaluate import evaluate as run
    from cousins.evaluation.tell import check_table, result, write_episodes

    if episodes is not None:
        check_table(episodes)
    if output is not None:
        page.check_page(output)
    asked = settings_given(settings)
    if threads:
        asked["threads"] = threads
    with progress(as_json) as report:
        done = run(
            pack, policy, task=task, episodes=n, worlds=worlds, seed=seed, engine=engine,
            cousins=_chosen(cousins), against=against, until=Until(until_width, until_better),
            hardest=worst, isolate=isolate, scratch=scratch, size=pixels("--size", size),
            noise=noise, robot=trial.robot_of(robot, robot_config), control=control, settings=asked,
            progress=report,
        )  # fmt: skip
        if episodes is not None:
            write_episodes(episodes, done)
        if output is not None:
            page.write(output, done, report)
    written = {"report": str(output) if output else None,
               "table": str(episodes) if episodes else None}  # fmt: skip
    emit(result(done) | written, as_json, escape(_text(done, output, episodes)))


def _text(done: Evaluation, *written: Path | None) -> str:
    from cousins.evaluation.tell import intervals, percent, rows, versus

    first = done.first
    lines = [
        f"{done.task}: {done.instruction}",
        f"{first.policy}: {percent(first.rate)} of {len(first.episodes):,} episodes",
    ]
    if done.comparison and done.second:
        lines.append(f"against {done.second.policy}: {versus(done.comparison)}")
    if done.stopped:
        lines.append(f"stopped: {done.stopped}")
    for title, (head, body) in rows(done).items():
        lines += ["", title, *(f"  {line}" for line in table(head, body))]
    lines += ["", intervals(done)]
    lines += [f"note: {note}" for note in done.notes]
    lines.append(f"{done.per_second:,.1f} episodes a second, {done.seconds:.0f} s in all")
    lines += [f"wrote {path}" for path in written if path is not None]
    return "\n".join(lines)


def _chosen(text: str | None) -> Any:
    """What --cousins means: a span of distances, numbers, or all."""
    from cousins.errors import UsageError

    if text is None:
        return None
    try:
        if ":" in text:
            low, high = (float(end) for end in text.split(":"))
            if low <= high:
                return low, high
        else:
            return [int(number) for number in text.split(",")]
    except ValueError:
        pass
    raise UsageError(f"--cousins {text[:40]!r}: give distances as 0.2:0.4, or numbers as 3,7,12")
