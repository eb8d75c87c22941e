"""`cousins check`: whether a pack keeps its contract, and its cousins their certificates."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from .console import Json, emit, progress
from .engine import Proxies, Settings, engine_of

if TYPE_CHECKING:
    from cousins.parity import Parity


def check(
    pack: Annotated[Path, typer.Argument(help="A scene pack: folder or zip.")],
    cousins: Annotated[
        int, typer.Option(min=0, help="Step this many cousins of each family anew; 0 steps none.")
    ] = 32,
    engine: Annotated[
        str | None,
        typer.Option(help="Hold this engine to MuJoCo itself, one cousin at a time, as well."),
    ] = None,
    proxies: Proxies = False,
    settings: Settings = None,
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
    result: dict[str, Any] = {"ok": not problems, "problems": problems, "cousins": stepped}
    good = f"{pack}: keeps the contract; {stepped} cousins stepped, all stand still"
    lines = problems or [good]
    if engine and not problems and cousins:
        found = _held(pack, engine, settings, proxies, cousins, seed, as_json)
        result |= {"ok": found.good, "parity": asdict(found)}
        lines = [good, *_text(engine, found)]
    emit(result, as_json, escape("\n".join(lines)))
    raise typer.Exit(0 if result["ok"] else 1)


def _held(
    pack: Path, engine: str, settings: list[str] | None, proxies: bool, cousins: int, seed: int,
    as_json: bool,
) -> Parity:  # fmt: skip
    from cousins.parity import parity

    chosen = engine_of(engine, settings)
    with progress(as_json) as report:
        return parity(pack, chosen, cousins, seed, proxies, report)


def _text(engine: str, found: Parity) -> list[str]:
    from cousins.parity import EACH, MEDIAN, REST

    moved, turned, rest = (
        f"{scale * a:.2g} {unit} (worst {scale * b:.2g})"
        for scale, unit, (a, b) in (
            (1000, "mm", found.moved), (180 / 3.14159265, "degrees", found.turned),
            (1000, "mm", found.rest),
        )
    )  # fmt: skip
    limits = f"{1000 * MEDIAN:g} mm, or an object than {1000 * EACH:g} mm,"
    verdict = "agrees with" if found.good else f"is farther than {limits} from"
    return [
        f"{engine} {verdict} MuJoCo over {found.cousins} cousins, each set going by a push:",
        f"  after {found.steps} steps apart by {moved}, {turned}; {found.identical:.0%} to the bit",
        f"  the object that is farthest, by {1000 * found.by_object:.2g} mm at the median",
        f"  at rest, {REST} steps later, apart by {rest}",
        f"  contacts of a cousin: {found.contacts[1]:.1f}, in MuJoCo {found.contacts[0]:.1f}",
    ]
