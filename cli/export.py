"""`cousins export`: one cousin as plain MJCF."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import Json, emit


def export(
    pack: Annotated[Path, typer.Argument(help="A scene pack: folder or zip.")],
    cousin: Annotated[int, typer.Option(help="Which cousin, by its number.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A folder, or a .zip for MjSpec.from_zip.")
    ],
    force: Annotated[
        bool, typer.Option("--force", help="Replace the output, whatever it is.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write one cousin as model.xml and assets/, which open by themselves."""
    from cousins.export import export_cousin

    files = export_cousin(pack, cousin, output, force)
    result = {"output": str(output), "cousin": cousin, "files": files}
    emit(result, as_json, f"{output}: model.xml and {files - 1} files under assets/")
