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
    axes: Annotated[
        str | None,
        typer.Option(
            help="Strengths of axes, 0 to 1, as layout=1,shape=0.5,look=0; or a YAML file. "
            "Axes: shape, physics, layout, look, camera, robot; 1 where none is given."
        ),
    ] = None,
    distance: Annotated[
        str | None, typer.Option(help="Only cousins this far from the twin, as 0.2:0.4.")
    ] = None,
    library: Annotated[
        Path | None,
        typer.Option(
            help="A folder of GLB, OBJ, USD or MJCF to swap shapes in from; else drawn "
            "household things."
        ),
    ] = None,
    shapes: Annotated[
        int | None, typer.Option(help="Shapes of each object, its own among them; 28 by default.")
    ] = None,
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
    """Make cousins that differ in shape, layout, physics, look and view, and certify each."""
    from dataclasses import replace

    from cousins.library import Household, index
    from cousins.pipeline import augment as make
    from cousins.variation.strengths import settings_of, span

    settings = settings_of(axes)
    if distance is not None:
        settings = replace(settings, distances=span(distance))
    if shapes is not None:
        settings = replace(settings, shapes=shapes)
    refused: tuple[str, ...] = ()
    with progress(as_json) as report:
        found = Household()
        if library is not None:
            found = index(library, progress=report)
            refused = found.refused
        done = make(pack, n, seed=seed, out=output, workers=workers, progress=report, force=force,
                    settings=settings, library=found)  # fmt: skip
    lines = [
        f"{escape(str(output or pack))}: {done.cousins:,} cousins in {done.seconds:.1f} s, "
        f"{done.bytes / done.cousins / 1000:.1f} kB each and {done.bank_bytes / 1e6:.1f} MB of "
        "shapes"
    ]
    if done.rejected:
        why = ", ".join(f"{times} {reason}" for reason, times in done.rejected_by_reason.items())
        lines.append(f"{done.rejected:,} draws failed their certificate and were redrawn: {why}")
    lines += [f"not taken from {escape(str(library))}: {escape(line)}" for line in refused]
    emit(asdict(done) | {"library_refused": refused}, as_json, "\n".join(lines))
