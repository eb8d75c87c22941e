"""`cousins info`: what a pack holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from .console import Json, emit, table


def info(
    pack: Annotated[Path, typer.Argument(help="A scene pack: folder or zip.")],
    as_json: Json = False,
) -> None:
    """Show a pack's objects with their masses, its cousins and its warnings."""
    from cousins.pack import read, summary

    told = summary(read(pack))
    emit(told, as_json, escape(_text(told)))


def _text(told: dict[str, Any]) -> str:
    capture = told["capture"]
    size = "size, cm" if told["metric"] else "size, no unit"
    lines = [
        f"{told['path']}: scanned from {capture['name'] or 'a capture'} ({capture['layout']})"
        f" by cousins {told['cousins_version']}",
        "",
        *table(
            ["object", "mass, kg", "90 % of it in", size, "stands on", "seen"],
            [
                [
                    _called(o),
                    *_mass(o["mass"]),
                    " x ".join(f"{100 * s:.1f}" for s in o["size"]),
                    o["support"],
                    f"{o['observed_fraction']:.0%}",
                ]
                for o in told["objects"]
            ],
        ),
        "",
    ]
    surfaces = [f"{s['name']} ({s['kind']}, {s['height']:.3f} m)" for s in told["supports"]]
    lines.append(f"surfaces: {', '.join(surfaces) or 'none'}")
    for f in told["families"]:
        near, far = f["distance"]
        span = f", distance {near:.2f} to {far:.2f}" if near is not None else ""
        lines.append(f"family {f['family']}: {f['cousins']:,} cousins{span}")
    if told["augmented"]:
        lines += _drawn(told["augmented"])
    if told["mined"]:
        lines.append(_mined(told["mined"]))
    if not told["families"]:
        lines.append("no cousins yet: `cousins augment` adds them")
    lines += [f"warning: {w}" for w in told["warnings"]]
    return "\n".join(lines)


def _drawn(made: dict[str, Any]) -> list[str]:
    """How the cousins were drawn."""
    strengths = ", ".join(f"{name} {value:g}" for name, value in made["axes"].items())
    lines = [
        f"drawn with seed {made['seed']}; strengths: {strengths}",
        f"shapes of each object: {made['shapes']}, up to {made['swaps']:.0%} of them of another "
        f"thing ({made['library'] or 'of no library'})",
    ]
    if made["distances"]:
        lines.append("distances asked for: {:g} to {:g}".format(*made["distances"]))
    counts = ", ".join(f"{count:,} with {k}" for k, count in made["with_distractors"].items())
    lines.append(f"things that the twin does not have: {counts}")
    reasons = made["rejected_by_reason"].items()
    why = ", ".join(f"{times:,} {reason}" for reason, times in reasons)
    lines.append(f"rejected: {made['rejected_share']:.0%} of draws{f' ({why})' if why else ''}")
    return lines


def _mined(made: dict[str, Any]) -> str:
    """For which policy, and how that does."""
    here, there = (made[k]["successes"] / made[k]["trials"] for k in ("success", "ordinary"))
    return (
        f"mined for what breaks {made['policy']} at {made['task']}: it succeeds in {here:.0%} of "
        f"episodes here, and in {there:.0%} on ordinary cousins"
    )


def _called(thing: dict[str, Any]) -> str:
    if thing["label"] == thing["name"]:
        return thing["name"]
    sure = thing["label_confidence"]
    by = f", {sure:.0%} sure by {thing['label_source']}" if sure < 1 else ""
    return f"{thing['name']} ({thing['label']}{by})"


def _mass(mass: dict[str, Any] | None) -> tuple[str, str]:
    if mass is None:  # the pack is not metric
        return "not known", ""
    return f"{mass['mode']:.3g}", f"{mass['q05']:.2g} to {mass['q95']:.2g}"
