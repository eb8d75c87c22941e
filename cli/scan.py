"""`cousins scan`: a capture in, a scene pack out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .console import Json, emit, progress

MOST = 3  # lines of advice that are printed


def scan(
    capture: Annotated[Path, typer.Argument(help="Folder that the phone's app wrote.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Pack to write: folder or .zip.")],
    voxel: Annotated[
        float, typer.Option(help="Voxel of the fusion, metres.", min=0.001, max=0.02)
    ] = 0.003,
    segmenter: Annotated[str, typer.Option(help="How objects are told apart.")] = "geometric",
    force: Annotated[bool, typer.Option(help="Replace whatever is at the output.")] = False,
    as_json: Json = False,
) -> None:
    """Turn a capture into a scene that opens in MuJoCo."""
    from cousins.pipeline import scan as run
    from cousins.scanning import Settings
    from cousins.segment import segmenter as named

    with progress(as_json) as report:
        result = run(
            capture,
            output,
            settings=Settings(voxel=voxel, segmenter=named(segmenter)),
            progress=report,
            force=force,
        )
    lines = [f"film again: {line}" for line in result.film_again]
    lines += [f"note: {line}" for line in result.warnings]
    told = "".join(f"\n  {line}" for line in lines[:MOST])
    if len(lines) > MOST:
        told += f"\n  and {len(lines) - MOST} more in quality.json"
    emit(
        asdict(result),
        as_json,
        f"{output}: {result.objects} objects in {result.seconds:.0f} s "
        f"({result.peak_rss_mb:.0f} MB){told}",
    )
