"""`cousins label`: call an object of a pack by another name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from .console import Json, emit, progress

if TYPE_CHECKING:
    from cousins.labels.label import Label


def label(
    pack: Annotated[Path, typer.Argument(help="A scene pack: folder or zip.")],
    names: Annotated[
        list[str], typer.Argument(metavar="OBJECT=TEXT...", help='Such as box_1="cracker box".')
    ],
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Threads; all CPUs by default.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Drop files in the pack that are no part of it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what objects of a pack are; what is known of them follows, and so do all cousins."""
    from cousins.restate import restate

    labels = _named(names)
    with progress(as_json) as report:
        done = restate(pack, {}, labels, force=force, workers=workers, progress=report)
    lines = []
    for name, (old, o) in done.objects.items():
        lines.append(f"{escape(name)}: {escape(o.label)}")
        if o.mass is not None and o.mass.changed(old.mass):
            lines[-1] += f"; mass {o.mass.mode:.3g} kg, 90% in {o.mass.q05:.2g} to {o.mass.q95:.2g}"
        elif o.mass is not None:
            lines[-1] += f"; mass as before, {o.mass.mode:.3g} kg"
    if done.cousins:
        lines.append(f"{done.cousins:,} cousins drawn anew")
    keys = {"name", "label", "label_source", "label_confidence", "mass"}
    result = {
        "path": str(pack),
        "objects": [o.model_dump(mode="json", include=keys) for _, o in done.objects.values()],
        "cousins": done.cousins,
    }
    emit(result, as_json, "\n".join(lines))


def _named(texts: list[str]) -> dict[str, Label]:
    from cousins.errors import UsageError
    from cousins.labels.given import given

    labels: dict[str, Label] = {}
    for text in texts:
        name, equals, words = text.partition("=")
        if not name or not equals:
            raise UsageError(f'{text[:80]!r}: give it as OBJECT=TEXT, such as box_1="cracker box"')
        if name in labels:
            raise UsageError(f"{name[:60]!r}: is there twice: leave one")
        labels[name] = given(repr(name[:60]), words)
    return labels
