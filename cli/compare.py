"""`cousins compare`: whether a simulation tells policies apart as reality does."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from .console import Json, emit, table

if TYPE_CHECKING:
    from cousins.compare import Compared


def compare(
    sim: Annotated[
        list[Path],
        typer.Option(help="Success rates in simulation: CSV, or `cousins evaluate --json`; may be "
                     "repeated."),
    ],
    real: Annotated[list[Path], typer.Option(help="Success rates in reality, likewise.")],
    level: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option(help="The same seed gives the same intervals.")] = 0,
    html: Annotated[Path | None, typer.Option(help="Also write a page with a scatter.")] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Tell how well success rates in simulation agree with those in reality, by policy."""
    from cousins.compare import compare as run
    from cousins.compare import joined, page, read_rates
    from cousins.errors import UsageError

    if seed < 0:
        raise UsageError("a seed is 0 or more")
    tables = [joined([read_rates(path) for path in paths]) for paths in (sim, real)]
    told = run(*tables, level=level, seed=seed)
    if html is not None:
        page.write(html, told)
    emit(_plain(told), as_json, escape(_text(told, html)))


def _plain(told: Compared) -> dict[str, Any]:
    out = asdict(told)
    for each, own in zip(out["agreements"], told.agreements, strict=True):
        each["k"] = own.k
    return out


def _text(told: Compared, html: Path | None) -> str:
    from cousins.compare.page import number, rows, span, title

    lines: list[str] = []
    for one in told.agreements:
        lines += [f"{title(one)}: {one.words}"]
        cells = [[f"  {name}", number(of.value), span(of.interval), span(of.dropped)]
                 for name, of in rows(one)]  # fmt: skip
        lines += [*table(["", "value", f"{told.level:.0%}", "without any one"], cells), ""]
    lines.append("(r and tau near 1, MMRV near 0: the simulation ranks policies as reality does)")
    for where, names in (("simulation", told.only_sim), ("reality", told.only_real)):
        if names:
            more = f" and {len(names) - 20} more" if len(names) > 20 else ""
            lines.append(f"only in {where}: {', '.join(names[:20])}{more}")
    if html is not None:
        lines.append(f"written: {html}")
    return "\n".join(lines)
