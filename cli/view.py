"""`cousins view`: the twin or a cousin in MuJoCo's viewer, in a window or in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import Json, emit


def view(
    pack: Annotated[Path, typer.Argument(help="A scene pack: folder or zip.")],
    cousin: Annotated[
        int | None, typer.Option(help="Which cousin, by its number; else the twin.")
    ] = None,
    web: Annotated[
        bool, typer.Option("--web", help="Serve it to a browser on this machine only.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="With --web; 0 takes the first that is free.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Open the twin or a cousin in MuJoCo's viewer."""
    from cousins.viewer import browser, window

    def told(url: str) -> None:
        where = "in a window" if not url else f"at {url} (from this machine only; Ctrl+C ends it)"
        name = "the twin" if cousin is None else f"cousin {cousin}"
        result = {"pack": str(pack), "cousin": cousin, "url": url or None}
        emit(result, as_json, f"Viewing {name} {where}")

    if web:
        browser(pack, cousin, port, told)
    else:
        window(pack, cousin, told)
