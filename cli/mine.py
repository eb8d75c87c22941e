"""`cousins mine`: cousins that break a policy, as a pack to train on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from . import trial
from .console import Json, emit, pixels, progress, table
from .engine import settings_given

if TYPE_CHECKING:
    from cousins.mining import Mining
    from cousins.schema import Share

TRAITS = 6  # of objects that are told, at most


def mine(
    pack: Annotated[Path, typer.Argument(help="A scene pack, with cousins or without.")],
    policy: trial.PolicyName,
    task: Annotated[
        str | None,
        typer.Option(help="What is to be done; else what the policy was trained for, or push."),
    ] = None,
    n: Annotated[int, typer.Option("-n", "--rollouts", help="Of the policy, in all.")] = 2000,
    wanted: Annotated[int, typer.Option("-k", "--wanted", help="How many cousins, at most.")] = 32,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A new pack; PACK.mined by default.")
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option(
            help="Strengths of axes, as `cousins augment` takes them; else as the pack's cousins "
            "were drawn."
        ),
    ] = None,
    library: Annotated[
        Path | None, typer.Option(help="A folder of shapes, as `cousins augment` takes it.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same cousins.")] = 0,
    engine: trial.Engine = "cpu",
    threads: trial.Threads = 0,
    robot: trial.RobotName = None,
    robot_config: trial.RobotConfig = None,
    control: trial.Control = None,
    settings: trial.Settings = None,
    size: trial.Size = "128x96",
    noise: trial.Noise = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the output, whatever it is.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Search the axes of variation for cousins on which a policy fails and an expert does not."""
    from cousins.library import Household, index
    from cousins.mining import drawn_as
    from cousins.mining import mine as search
    from cousins.pack import read
    from cousins.variation.strengths import settings_of

    asked = settings_given(settings)
    if threads:
        asked["threads"] = threads
    with progress(as_json) as report:
        found = Household() if library is None else index(library, progress=report)
        opened = read(pack)
        vary = None if axes is None else settings_of(axes, drawn_as(opened, found))
        done = search(
            opened, policy, out=output, task=task, rollouts=n, cousins=wanted, seed=seed,
            settings=vary, library=found, engine=engine, robot=trial.robot_of(robot, robot_config),
            control=control, size=pixels("--size", size), noise=noise, asked=asked,
            threads=threads, force=force, progress=report,
        )  # fmt: skip
    emit(_plain(done), as_json, escape(_text(done)))


def _plain(done: Mining) -> dict[str, Any]:
    from dataclasses import asdict

    out = {**asdict(done), "path": str(done.path), "mined": done.mined.model_dump(mode="json")}
    return out | {"rejected_by_reason": out.pop("reasons")}


def _text(done: Mining) -> str:
    from cousins.mining.traits import AXIS

    mined = done.mined
    lines = [
        f"{mined.task}: {mined.instruction}",
        f"{done.path}: {len(mined.cousins):,} cousins that break {mined.policy}, the hardest first",
    ]
    if len(mined.cousins) < done.wanted:
        lines.append(f"({done.wanted:,} were wanted; ask for more rollouts)")
    rows = [
        [name, f"{own.trials:,}", _percent(own), "" if expert is None else _percent(expert)]
        for name, own, expert in (("mined", mined.success, mined.expert),
                                  ("ordinary", mined.ordinary, mined.expert_ordinary))
    ]  # fmt: skip
    lines += ["", *table(["cousins", "episodes", mined.policy, "the expert"], rows)]
    lines += ["", "What mined cousins have more of, and less"]
    axes = [one for one in done.differences if one.name.startswith(AXIS)]
    others = [one for one in done.differences if not one.name.startswith(AXIS)]
    told = axes + [one for one in others if 0 not in one.interval][:TRAITS]
    head = ["", "mined", "ordinary", "effect"]
    cells = [[f"  {d.name}", f"{d.mined:.3g}", f"{d.ordinary:.3g}",
              f"{d.effect:+.2f} [{d.interval.low:+.2f}, {d.interval.high:+.2f}]"]
             for d in told]  # fmt: skip
    lines += [*table(head, cells), ""]
    why = ", ".join(f"{times} {reason}" for reason, times in done.reasons.items())
    lines.append(f"{mined.rejected:,} of {mined.drawn:,} draws failed their certificate"
                 + (f": {why}" if why else ""))  # fmt: skip
    if mined.expert is None:
        lines.append("no expert does this task, so whether these can be done is not known")
    else:
        lines.append(f"{mined.infeasible:,} cousins were left out: the expert failed there too")
    lines.append(
        f"{mined.rollouts:,} rollouts, and {mined.expert_rollouts:,} of the expert, in "
        f"{done.seconds:.0f} s; intervals are 95 %, effects in standard deviations"
    )
    return "\n".join(lines)


def _percent(share: Share) -> str:
    from cousins.evaluation.rates import Rate
    from cousins.evaluation.tell import percent

    return percent(Rate(share.successes, share.trials, share.low, share.high))
