"""`cousins tag`: a page to print, from which photos and videos learn their scale."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import Json, emit


def tag(
    output: Annotated[Path, typer.Option("--output", "-o", help="A .pdf file.")],
    size: Annotated[float, typer.Option(help="Side of the black square, m.")] = 0.1,
    number: Annotated[int, typer.Option("--id", help="Which tag: 0 to 586.")] = 0,
    as_json: Json = False,
) -> None:
    """Write a tag to print and lay beside the things: it gives photos and videos their scale."""
    from cousins.photos.tag import save

    save(output, number, size)
    result = {"file": str(output), "id": number, "tag_size": size}
    emit(
        result,
        as_json,
        f"{output}: tag {number}; print at 100%, check the 100 mm bar, lay it flat among the"
        f" things, and scan with --tag-size {size:g}",
    )
