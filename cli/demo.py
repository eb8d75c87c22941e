"""`cousins demo`: everything in one go, on a capture that comes with the package."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from .console import Json, emit, progress


def demo(
    n: Annotated[int, typer.Option("-n", "--cousins", help="How many cousins.")] = 1000,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A folder for the pack and the report.")
    ] = Path("cousins-demo"),
    capture: Annotated[
        Path | None, typer.Option(help="Your own capture instead of the bundled desk.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same cousins.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Threads; all CPUs by default.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the output, whatever it is.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Scan a bundled capture, make and run cousins of it, and write a report with pictures."""
    from cousins.demo import demo as show

    with progress(as_json) as report:
        done = show(
            output, n, seed=seed, capture=capture, workers=workers, force=force, progress=report
        )
    text = (
        f"{done.objects} objects, {done.cousins:,} cousins in {sum(done.seconds.values()):.0f} s; "
        f"they step at {done.steps_per_second:,.0f} steps per second, {done.unstable} unstable\n"
        f"report    {done.report}\npictures  {done.grid}\n"
        f"look      cousins view {done.pack}\n"
        f"          cousins view {done.pack} --cousin 7 --web"
    )
    emit(asdict(done), as_json, escape(text))
