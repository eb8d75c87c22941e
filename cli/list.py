"""`cousins list`: a pack's cousins by their distance from the twin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from .console import Json, emit, table

if TYPE_CHECKING:
    from cousins.index import Index

# Named before the verb takes the name of `list`.
Texts = list[str] | None


def list(
    pack: Annotated[Path, typer.Argument(help="A scene pack: folder or zip.")],
    sort: Annotated[
        str, typer.Option(help="By what: index, distance, an axis, attempts, drift, energy.")
    ] = "index",
    distance: Annotated[
        str | None, typer.Option(help="Only cousins this far from the twin, as 0.2:0.4.")
    ] = None,
    axis: Annotated[
        Texts, typer.Option(help="Only those this far on an axis, as shape=0:0.3; repeatable.")
    ] = None,
    n: Annotated[int, typer.Option("-n", "--cousins", min=1, help="How many lines at most.")] = 20,
    as_json: Json = False,
) -> None:
    """List cousins with their distances from the twin, sorted and filtered."""
    from cousins.index import chosen, index
    from cousins.pack import read

    spans = _spans(axis or ())
    if distance is not None:
        spans["distance"] = _span("--distance", distance)
    held = index(read(pack))
    rows = chosen(held, sort, spans)
    told = [_told(held, i) for i in rows[:n].tolist()]
    result = {"path": str(pack), "cousins": len(held), "found": len(rows), "listed": told}
    emit(result, as_json, escape(_text(result, held)))


def _told(held: Index, i: int) -> dict[str, Any]:
    """One cousin, in plain JSON types."""
    axes = {name: values[i] for name, values in held.axes.items() if values[i] == values[i]}
    return {
        "index": int(held.number[i]),
        "family": int(held.family[i]),
        "distractors": int(held.distractors[i]),
        "distance": float(held.distance[i]),
        "axes": {name: float(value) for name, value in axes.items()},
        "attempts": int(held.attempts[i]),
        "overlap": float(held.overlap[i]),
        "drift": float(held.drift[i]),
        "tilt": float(held.tilt[i]),
        "energy": float(held.energy[i]),
    }


def _text(result: dict[str, Any], held: Index) -> str:
    if not result["cousins"]:
        return f"{result['path']}: no cousins yet: `cousins augment` adds them"
    head = ["cousin", "family", "distance", *held.axes, "attempts", "drift, mm", "energy, nJ"]
    rows = [
        [
            str(c["index"]),
            str(c["family"]),
            f"{c['distance']:.3f}",
            *(f"{c['axes'][name]:.2f}" if name in c["axes"] else "" for name in held.axes),
            str(c["attempts"]),
            f"{1000 * c['drift']:.3f}",
            f"{1e9 * c['energy']:.3g}",
        ]
        for c in result["listed"]
    ]
    found = f"{result['found']:,} of {result['cousins']:,} cousins"
    more = f", the first {len(rows):,} of them above" if len(rows) < result["found"] else ""
    return "\n".join([*table(head, rows), "", found + more])


def _spans(texts: Any) -> dict[str, tuple[float, float]]:
    """Spans by axis, of texts as shape=0:0.3."""
    from cousins.errors import UsageError

    spans: dict[str, tuple[float, float]] = {}
    for text in texts:
        name, equals, ends = text.partition("=")
        if not equals or name in spans:
            raise UsageError(f"--axis {text[:60]!r}: give each axis once, as shape=0:0.3")
        spans[name] = _span(f"--axis {name[:60]}", ends)
    return spans


def _span(what: str, text: str) -> tuple[float, float]:
    from cousins.errors import UsageError

    try:
        low, high = (float(end) for end in text.split(":"))
    except ValueError:
        raise UsageError(f"{what} {text[:40]!r}: give it as 0.2:0.4") from None
    if not low <= high:
        raise UsageError(f"{what} {text[:40]!r}: ends before it begins; give it as 0.2:0.4")
    return low, high
