"""`cousins weigh`: what a pack's objects weigh on a scale."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from .console import Json, emit, progress

LITTLE = 0.02  # a change of an interval's ends that is not worth a line


def weigh(
    pack: Annotated[Path, typer.Argument(help="A scene pack: folder or zip.")],
    masses: Annotated[
        list[str],
        typer.Argument(metavar="OBJECT=MASS...", help="Such as mug_1=312g or box_1=0.41±0.01."),
    ],
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Threads; all CPUs by default.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Drop files in the pack that are no part of it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Tell what objects weigh; what shares their label or material, and all cousins, follow.

    A mass is in kg, or in g, mg, lb or oz where that stands behind it. What stands behind ± (or +-)
    is how far the scale may be off, nine times in ten; 1 g or half a percent if it is not told.
    """
    from cousins.weigh import parsed, weigh

    with progress(as_json) as report:
        done = weigh(pack, parsed(masses), force=force, workers=workers, progress=report)
    lines = []
    for name, (old, new) in done.restated.objects.items():
        if old.mass is None or new.mass is None or not new.mass.changed(old.mass):
            continue
        if max(abs(new.mass.q05 / old.mass.q05 - 1), abs(new.mass.q95 / old.mass.q95 - 1)) < LITTLE:
            continue
        was, now = old.mass.q95 / old.mass.q05, new.mass.q95 / new.mass.q05
        lines.append(
            f"{escape(name)}: {new.mass.mode:.4g} kg, 90% in {new.mass.q05:.3g} to "
            f"{new.mass.q95:.3g} (was {old.mass.q05:.2g} to {old.mass.q95:.2g}: a factor of "
            f"{was:.2g}, now {now:.2g})"
        )
    lines += [escape(line) for line in done.warnings]
    if done.restated.cousins:
        lines.append(f"{done.restated.cousins:,} cousins drawn anew")
    keys = {"name", "label", "mass", "friction", "material"}
    result = {
        "path": str(pack),
        "objects": [new.model_dump(mode="json", include=keys)
                    for _, new in done.restated.objects.values()],
        "cousins": done.restated.cousins,
        "warnings": list(done.warnings),
    }  # fmt: skip
    emit(result, as_json, "\n".join(lines))
