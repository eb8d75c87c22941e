"""`cousins augment`: give a pack its cousins."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from .console import Json, emit, progress


def augment(
    pack: Annotated[Path, typer.Argument(help="A scene pack: folder or zip.")],
    n: Annotated[int, typer.Option("-n", "--cousins", help="How many cousins.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same cousins.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A new pack for twin and cousins; else into the pack."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Threads; all CPUs by default. They change no cousin.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the output, whatever it is.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make cousins that differ in layout, shape, mass, friction and colour, and certify each."""
    from cousins.pipeline import augment as make

    with progress(as_json) as report:
        done = make(pack, n, seed=seed, out=output, workers=workers, progress=report, force=force)
    lines = [
        f"{escape(str(output or pack))}: {done.cousins:,} cousins in {done.seconds:.1f} s, "
        f"{done.bytes / done.cousins / 1000:.1f} kB each and {done.bank_bytes / 1e6:.1f} MB of "
        "shapes"
    ]
    if done.rejected:
        why = ", ".join(f"{times} {reason}" for reason, times in done.rejected_by_reason.items())
        lines.append(f"{done.rejected:,} draws failed their certificate and were redrawn: {why}")
    emit(asdict(done), as_json, "\n".join(lines))
