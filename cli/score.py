"""`cousins score`: how far a pack is from the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from .console import Json, emit, progress, table


def score(
    pack: Annotated[Path, typer.Argument(help="A scene pack: folder or zip.")],
    truth: Annotated[
        Path, typer.Argument(help="NAME.truth.json, or the capture that has it beside it.")
    ],
    as_json: Json = False,
) -> None:
    """Hold a pack against the truth of its capture: what was found, how true it is, if it rests."""
    import numpy as np

    from cousins.pack import load_model, load_scene, read
    from cousins.score import load_truth
    from cousins.score import score as run

    true, found = load_truth(truth), read(pack)
    world_from_capture = np.array(found.manifest.world_from_capture)
    with progress(as_json) as report:
        told = run(load_scene(found), world_from_capture, true, load_model(found), report).numbers()
    emit(told, as_json, escape(_text(told)))


def _text(told: dict[str, Any]) -> str:
    head = ["true object", "found", "chamfer", "95%", "F", "hull", "volume", "centre", "turn",
            "support", "openings", "handles", "mass", "friction"]  # fmt: skip
    rows = [_row(each) for each in told["each"]]
    rows += [[name, "missed"] for name in told["missed"]]
    rows += [["invented", name] for name in told["invented"]]
    blank = [""] * len(head)
    lines = table(head, [[*row, *blank][: len(head)] for row in rows])
    lines += ["(chamfer, 95% and centre in mm, turn in degrees, hull and volume over the true)", ""]
    lines += [f"split: {name} into {', '.join(into)}" for name, into in told["over"].items()]
    lines += [f"merged: {', '.join(held)} in {name}" for name, held in told["under"].items()]
    lines.append(
        f"found: {told['matched']} of {told['true']} true objects (recall {told['recall']:.2f});"
        f" {told['matched']} of {told['found']} found are true (precision {told['precision']:.2f});"
        f" {len(told['over'])} split, {len(told['under'])} merged"
    )
    if told["each"]:
        lines.append(
            f"medians: chamfer {told['chamfer_mm']:.2f} mm, 95% Hausdorff"
            f" {told['hausdorff95_mm']:.2f} mm, F-score at 5 mm {told['f_score']:.3f},"
            f" hull volume off by {told['hull_off']:.1%}"
        )
        lines.append(
            f"at most: chamfer {told['worst_chamfer_mm']:.2f} mm, centre off by"
            f" {told['centre_mm']:.2f} mm, turned by {told['off_degrees']:.2f}°"
        )
    counts = ("supports", "right"), ("openings", "kept"), ("handles", "kept"), (
        "masses", "held"), ("frictions", "held")  # fmt: skip
    shares = [f"{name} {what} {told[f'{name}_{what}']} of {told[name]}"
              for name, what in counts if told[name]]  # fmt: skip
    lines.append("; ".join(shares) or "nothing else to tell")
    lines.append(
        f"let go for 2 s: drift {told['drift_mm']:.3f} mm, turn {told['turn_degrees']:.3f}°;"
        f" penetration at the start {told['penetration_mm']:.3f} mm"
    )
    return "\n".join(lines)


def _row(each: dict[str, Any]) -> list[str]:
    volume = each["volume_ratio"]
    return [
        each["true"],
        each["found"],
        f"{each['chamfer_mm']:.2f}",
        f"{each['hausdorff95_mm']:.1f}",
        f"{each['f_score']:.3f}",
        f"{each['hull_ratio']:.2f}",
        "" if volume is None else f"{volume:.2f}",
        f"{each['centre_mm']:.1f}",
        f"{each['off_degrees']:.1f}",
        _verdict(each["support"], "right", "WRONG"),
        _kept(each, "openings"),
        _kept(each, "handles"),
        _verdict(each["mass"], "held", "OUT"),
        _verdict(each["friction"], "held", "OUT"),
    ]


def _kept(each: dict[str, Any], what: str) -> str:
    return f"{each[f'{what}_kept']} of {each[what]}" if each[what] else ""


def _verdict(holds: bool | None, yes: str, no: str) -> str:
    return "" if holds is None else yes if holds else no
