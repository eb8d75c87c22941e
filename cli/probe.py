"""`cousins probe`: what a pack's objects do when they are tilted, pushed and dropped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from .console import Json, emit, progress, table

if TYPE_CHECKING:
    from cousins.probe import Probed, Told
    from cousins.types import Distribution

_BY_HAND = """
By hand: tilt a board with the thing on it until it moves; to see it tip, tape a strip in front of
its foot, on the side to which it tips most easily. Push it low, through a scale. Drop it flat from
10 cm. Then tell: cousins probe PACK --object NAME --observed tilt_slide=27deg"""


def probe(
    pack: Annotated[Path, typer.Argument(help="A scene pack: folder or zip.")],
    objects: Annotated[
        list[str] | None, typer.Option("--object", help="Only this one; may be repeated.")
    ] = None,
    samples: Annotated[
        int, typer.Option(min=2, max=20_000, help="Draws from each object's distributions.")
    ] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Which draws.")] = 0,
    observed: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROBE=VALUE",
            help="What you saw one object do: tilt_slide=27deg, tilt_tip=31deg, push_slide=2.1N "
            "(or gf), drop=3cm; may be repeated.",
        ),
    ] = None,
    error: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROBE=ERROR",
            help="How far that may be off, nine times in ten; else 2deg, 10% and 5mm.",
        ),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write what that tells into the pack.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Drop files in the pack that are no part of it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Foretell what you can check by hand: when each object slides, tips and gives way to a push,
    and how it bounces; or learn from what you saw."""
    from cousins.errors import UsageError
    from cousins.probe import observations, observe
    from cousins.probe import probe as run

    if observed:
        if len(objects or ()) != 1:
            raise UsageError("--observed is of one object: name it with --object")
        seen = observations(observed, error or ())
        told = observe(pack, (objects or [""])[0], seen, samples, seed)
        drawn_anew = _write(pack, told, force) if write else None
        emit(_told(pack, told, write), as_json, "\n".join(_changes(told, write, drawn_anew)))
        return
    for option, given in (("--error", error), ("--write", write)):
        if given:
            raise UsageError(f"{option} goes with --observed")
    with progress(as_json) as report:
        done = run(pack, objects or (), samples, seed, report)
    head = ["object", "on a tilted board", "slides at", "tips or rolls at", "slides when pushed by",
            "which is", "from 10 cm comes back"]  # fmt: skip
    lines = table(head, [_row(p) for p in done])
    result = {
        "path": str(pack), "samples": samples, "seed": seed, "objects": [_entry(p) for p in done]
    }  # fmt: skip
    emit(result, as_json, escape("\n".join(lines) + "\n" + _BY_HAND))


_UNITS = {
    "tilt_slide": ("deg", 57.29577951308232), "tilt_tip": ("deg", 57.29577951308232),
    "push_slide": ("N", 1.0), "drop": ("m", 1.0),
}  # fmt: skip


def _row(done: Probed) -> list[str]:
    name = done.asset.name
    if not done.outcomes.stands.any():
        return [name, "does not stand by itself", "", "", "", "", ""]
    share = done.slides_first
    first = "slides" if share == 1 else "tips or rolls" if share == 0 else f"{share:.0%} slide"
    return [
        name,
        first,
        _span(done, "tilt_slide", 57.29577951308232, "°"),
        _span(done, "tilt_tip", 57.29577951308232, "°"),
        _span(done, "push_slide", 1.0, " N"),
        _span(done, "push_slide", 1000 / 9.81, " gf"),
        _span(done, "drop", 100.0, " cm"),
    ]


def _span(done: Probed, probe: str, scale: float, unit: str) -> str:
    found = done.quantiles(probe)
    if probe not in done.probes:
        return "no scale"
    if found is None:
        return "-"
    low, middle, high = (_short(scale * v) for v in found)
    return f"{middle}{unit} ({low} to {high})"


def _short(value: float) -> str:
    """Two digits, and no power of ten."""
    return f"{float(f'{value:.2g}'):.10g}" if value >= 0.005 else "0"


def _entry(done: Probed) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": done.asset.name,
        "label": done.asset.label,
        "stands": float(done.outcomes.stands.mean()),
        "slides_first": done.slides_first,
    }
    for probe in done.probes:
        unit, scale = _UNITS[probe]
        found = done.quantiles(probe)
        entry[probe] = None
        if found:
            low, middle, high = (scale * v for v in found)
            entry[probe] = {"unit": unit, "q05": low, "q50": middle, "q95": high}
    return entry


def _changes(told: Told, write: bool, drawn_anew: int | None) -> list[str]:
    from cousins.probe import FEW, RARE

    lines = [escape(f"{told.asset.name}: it {', '.join(one.words for one in told.seen)}")]
    for name, before in told.before.items():
        after = told.after.get(name)
        word = name.replace("_", " ")
        if after is None:
            lines.append(f"  {word}: {_interval(before)}, of which this tells nothing")
        else:
            lines.append(f"  {word}: {_interval(before)} before, {_interval(after)} now")
    if {one.probe for one in told.seen} == {"push_slide"}:
        lines.append("  a push tells of mass times friction: a scale would part the two")
    if told.expected < RARE:
        lines.append("  that is strange, as it is known: is it that thing, on a usual board?")
    lines.append(f"  {told.effective:.0f} draws' worth agree with it")
    if told.effective < FEW:
        lines.append("  that is few: more --samples make it surer")
    if write and told.after:
        anew = f", and {drawn_anew:,} cousins drawn anew" if drawn_anew else ""
        lines.append(f"  written into the pack{anew}")
    elif told.after:
        lines.append("  the pack is as before: --write puts it there")
    return lines


def _interval(distribution: Distribution) -> str:
    low, middle, high = (distribution.quantile(q) for q in (0.05, 0.5, 0.95))
    return f"{middle:.3g} ({low:.2g} to {high:.2g})"


def _told(pack: Path, told: Told, write: bool) -> dict[str, Any]:
    from cousins.distributions import to_json

    return {
        "path": str(pack),
        "object": told.asset.name,
        "observed": [vars(one) for one in told.seen],
        "before": {name: to_json(d) for name, d in told.before.items()},
        "after": {name: to_json(d) for name, d in told.after.items()},
        "effective_samples": told.effective,
        "expected": told.expected,
        "written": write and bool(told.after),
    }


def _write(pack: Path, told: Told, force: bool) -> int:
    from cousins.restate import restate

    if not told.after:
        return 0
    return restate(pack, {told.asset.name: dict(told.after)}, force=force).cousins
