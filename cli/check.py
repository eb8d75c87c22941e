"""`cousins check`: whether a pack keeps its contract, and its cousins their certificates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from .console import Json, emit


def check(
    pack: Annotated[Path, typer.Argument(help="A scene pack: folder or zip.")],
    cousins: Annotated[
        int, typer.Option(min=0, help="Step this many cousins of each family anew; 0 steps none.")
    ] = 32,
    seed: Annotated[int, typer.Option(help="Which cousins are drawn for that.")] = 0,
    as_json: Json = False,
) -> None:
    """Check a pack's files and some of its cousins' certificates; exit 1 with the reasons."""
    from cousins.pack import check as contract
    from cousins.recheck import certificates

    problems = contract(pack)
    stepped = 0
    if not problems and cousins:
        stepped, problems = certificates(pack, cousins, seed)
    result = {"ok": not problems, "problems": problems, "cousins": stepped}
    good = f"{pack}: keeps the contract; {stepped} cousins stepped, all stand still"
    emit(result, as_json, escape("\n".join(problems) or good))
    raise typer.Exit(1 if problems else 0)
