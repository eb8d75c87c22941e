"""`cousins render`: a picture of the twin, of a cousin, or of many in a grid."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from .console import Json, emit, pixels, progress


def render(
    pack: Annotated[Path, typer.Argument(help="A scene pack: folder or zip.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A .png or .jpg file.")],
    cousin: Annotated[
        int | None, typer.Option(help="Which cousin, by its number; else the twin.")
    ] = None,
    grid: Annotated[
        int | None,
        typer.Option(help="How many pictures: the twin, then cousins from near to far."),
    ] = None,
    camera: Annotated[str, typer.Option(help="One of the model's cameras.")] = "overview",
    size: Annotated[
        str | None, typer.Option(help="Pixels of one picture: 640x480, in a grid 320x240.")
    ] = None,
    noise: Annotated[
        bool, typer.Option("--noise", help="With the noise of the cousin's own camera.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Draw the twin, a cousin, or a grid of them, without a display."""
    from cousins.errors import UsageError
    from cousins.pack import read
    from cousins.picture import grid as draw_grid
    from cousins.picture import image_suffix, picture, save

    if cousin is not None and grid is not None:
        raise UsageError("--cousin and --grid exclude each other: give one")
    if noise and cousin is None:
        raise UsageError("--noise: the twin and a grid have none: give --cousin too")
    image_suffix(output)
    width_height = pixels("--size", size or ("640x480" if grid is None else "320x240"))
    start = time.monotonic()
    opened = read(pack)
    with progress(as_json) as report:
        if grid is None:
            image = picture(opened, cousin, camera, width_height, noise)
        else:
            image = draw_grid(opened, grid, camera, width_height, report)
    save(output, image)
    seconds = round(time.monotonic() - start, 2)
    height, width = image.shape[:2]
    result = {"file": str(output), "width": width, "height": height, "seconds": seconds}
    emit(result, as_json, f"{output}: {width} x {height} pixels in {seconds} s")
