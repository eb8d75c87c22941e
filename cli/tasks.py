"""`cousins tasks`: what can be done in a scene, and whether an expert can do it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from .console import Json, emit, progress, table
from .engine import settings_given
from .trial import RobotConfig, Settings, robot_of

if TYPE_CHECKING:
    from cousins.feasible import Tried
    from cousins.tasks.offers import Offers


def tasks(
    pack: Annotated[Path, typer.Argument(help="A scene pack: folder or zip.")],
    task: Annotated[
        list[str] | None,
        typer.Option(help="Only this one, as push or push:cylinder_1; may be repeated."),
    ] = None,
    robot: Annotated[str, typer.Option(help="arm, gantry, or an MJCF.")] = "gantry",
    robot_config: RobotConfig = None,
    check: Annotated[
        int | None,
        typer.Option(help="Let the expert try each task in the twin and in so many cousins, and "
                     "keep in the pack in which it never succeeds."),
    ] = None,
    tries: Annotated[int, typer.Option(help="Tries in each cousin, until one succeeds.")] = 3,
    seed: Annotated[int, typer.Option(help="The same seed gives the same episodes.")] = 0,
    settings: Settings = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Say which tasks a scene affords, with what, and why not the others."""
    from cousins.feasible import keep, tried
    from cousins.pack import read
    from cousins.tasks import task as task_named
    from cousins.tasks.offers import known, offers

    opened, joined = read(pack), robot_of(robot, robot_config)
    asked = dict.fromkeys(text.partition(":")[0] for text in task or ())
    found = offers(known(opened, joined), asked or None)
    done: list[Tried] = []
    if check is not None:
        given = settings_given(settings)
        able = dict.fromkeys(offer.task for offer in found.offers)
        chosen = task or [name for name in able if task_named(name).robotic]
        with progress(as_json) as report:
            done += (tried(opened, name, joined, cousins=check, tries=tries, seed=seed,
                           progress=report, **given) for name in chosen)  # fmt: skip
        if check:
            keep(opened, done)
    result: dict[str, Any] = {"path": str(pack), "robot": joined.name, **asdict(found)}
    if check is not None:
        result["checked"] = [_told(one) for one in done]
    emit(result, as_json, escape(_text(found, done)))


def _told(one: Tried) -> dict[str, Any]:
    out = asdict(one) | {"entry": one.entry.model_dump(mode="json")}
    for name in ("twin", "cousins"):
        if (rate := getattr(one, name)) is not None:
            out[name]["share"] = rate.share
    return out


def _text(found: Offers, done: list[Tried]) -> str:
    lines = table(["task", "in words"], [[offer.spelled, offer.said] for offer in found.offers])
    if found.lacking:
        lines += ["", *(f"no {name}: {why}" for name, why in found.lacking.items())]
    if done:
        head = ["task", "twin", "cousins", "never done in", "the expert failed"]
        lines += ["", *table(head, [_row(one) for one in done])]
        lines += ["", "Intervals are 95 %."]
    return "\n".join(lines)


def _row(one: Tried) -> list[str]:
    failed = ", ".join(f"{kind} {times}" for kind, times in one.failures.items())
    never = f"{len(one.entry.infeasible)} of {len(one.entry.tried)}"
    others = "" if one.cousins is None else _share(one.cousins)
    return [one.task, _share(one.twin), others, never, failed or "never"]


def _share(rate: Any) -> str:
    return f"{rate.share:.0%} ({rate.low:.0%} to {rate.high:.0%}) of {rate.trials}"
