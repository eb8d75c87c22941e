"""`cousins capture`: what a capture holds, and what of it to film again, before any scan."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from .console import Json, emit, progress, table

if TYPE_CHECKING:
    from cousins.survey import Survey
    from cousins.survey.photos import PhotoSurvey

PICTURE, NUMBERS = "coverage.png", "capture.json"


def capture(
    capture: Annotated[Path, typer.Argument(help="Folder that the phone's app wrote.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help=f"Folder for {PICTURE} and {NUMBERS}; else none."),
    ] = None,
    intrinsics: Annotated[
        str | None, typer.Option(help="fx,fy,cx,cy in pixels, where the capture does not tell.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say in seconds what a capture holds, and what to film again."""
    from cousins import survey
    from cousins.capture import open_capture
    from cousins.capture.camera import parse
    from cousins.native import require
    from cousins.survey.photos import survey_photos
    from cousins.types import Photos

    if output is not None:
        _check(output)
    found: Any = open_capture(capture, parse(intrinsics) if intrinsics else None)
    with progress(as_json) as report:
        if isinstance(found, Photos):
            seen = survey_photos(found, report)
            told, text, image = asdict(seen), _photos(seen), None
        else:
            require("open3d")
            findings = survey.examine(found, report)
            summary = survey.summary(findings)
            told, text = asdict(summary), _text(summary)
            image = findings if output is not None else None
    if output is not None:
        members = {NUMBERS: (json.dumps(told, indent=1) + "\n").encode()}
        if image is not None:
            from cousins.picture import encode
            from cousins.survey.drawing import coverage

            members[PICTURE] = encode(coverage(image))
            text += f"\n\n{output / PICTURE} shows it"
        _write(output, members)
    emit(told, as_json, escape(text))


def _check(folder: Path) -> None:
    """Before any work: whether the folder can be written, and holds nothing else."""
    from cousins.archive import ensure_writable
    from cousins.errors import UsageError

    if folder.suffix == ".zip":
        raise UsageError(f"{folder}: give a folder, not a .zip")
    if folder.exists():
        if not folder.is_dir():
            raise UsageError(f"{folder}: exists and is a file: choose another folder")
        foreign = sorted(p.name for p in folder.iterdir() if p.name not in (PICTURE, NUMBERS))
        if foreign:
            raise UsageError(
                f"{folder}: holds {foreign[0]}, which `cousins capture` did not write: choose"
                " another folder"
            )
    ensure_writable(folder, (PICTURE, NUMBERS), NUMBERS, force=True)


def _write(folder: Path, members: dict[str, bytes]) -> None:
    from cousins.archive import replace

    replace(folder, members)


def _text(s: Survey) -> str:
    rows = [
        ["frames", _frames(s)],
        ["pictures", _pictures(s)],
        ["depth", _depth(s)],
        ["distance", f"{s.distance:.2f} m; a depth pixel covers {s.pixel_mm:.1f} mm of that"],
        ["motion", _motion(s)],
        ["way round", _way(s)],
        ["tracking", _tracking(s)],
        ["up", _up(s)],
        ["surfaces", _supports(s)],
        ["well seen", _seen(s)],
        ["things from", _shares(s.well_seen_facing) or "too little stands up to tell"],
    ]
    return "\n".join([f"{s.path}: {s.layout}", "", *table(["", ""], rows)[1:], "", *_said(s)])


def _said(s: Survey | PhotoSurvey) -> list[str]:
    lines = [f"film again: {line}" for line in s.film_again]
    if not lines:
        lines = ["nothing to film again"]
    return lines + [f"note: {line}" for line in s.warnings]


def _frames(s: Survey) -> str:
    text = str(s.frames)
    if s.seconds is not None:
        text += f" in {s.seconds:.1f} s, {s.rate:g} a second"
    if s.dropped > 0:
        text += f"; {s.dropped:.0%} left out by the phone"
    return text + (f"; {s.looked_at} looked at" if s.looked_at < s.frames else "")


def _pictures(s: Survey) -> str:
    if s.picture_size is None:
        return "none"
    text = "{}x{}".format(*s.picture_size)
    if s.blurred is not None:
        text += f"; {s.blurred:.0%} blurred, edges {s.edge_px} px wide"
    if s.exposure is not None:
        text += f"; brightness within {s.exposure - 1:.0%}"
    return text


def _depth(s: Survey) -> str:
    worst = ", ".join(f"{share:.0%} in {number}" for number, share in s.least_known)
    text = "{}x{}; {:.0%} known, least: {}".format(*s.depth_size, s.known, worst)
    return text + (f"; {s.sure:.0%} of it sure" if s.sure is not None else "")


def _motion(s: Survey) -> str:
    text = f"{s.step_px:.0f} px from frame to frame"
    if s.turn is None:
        return text
    return text + f"; {s.turn[0]:.0f} degrees a second, at the fastest {s.turn[1]:.0f}"


def _way(s: Survey) -> str:
    text = f"{s.round:.0f} of 360 degrees"
    if s.elevation:
        text += ", {:.0f} to {:.0f} degrees above".format(*s.elevation)
    return text + "; cameras within {:.2f} x {:.2f} x {:.2f} m".format(*s.extent)


def _tracking(s: Survey) -> str:
    if s.frames_apart_mm is None:
        return "not told: too few frames see the same"
    return (
        f"frames lie {s.frames_apart_mm:.1f} mm apart, {s.frames_apart_after_refinement_mm:.1f} "
        f"once refined; drift {s.pose_drift_mm:.0f} mm"
    )


def _up(s: Survey) -> str:
    tilt = s.support_tilt_degrees
    return s.up + ("" if tilt is None else f"; the main surface is {tilt:.1f} degrees off it")


def _supports(s: Survey) -> str:
    return "; ".join(
        "{} at {:.2f} m, {:.1f} x {:.1f} m".format(p["name"], p["height"], *p["size"])
        for p in s.supports
    ) or "none found"  # fmt: skip


def _seen(s: Survey) -> str:
    if s.well_seen is None:
        return "nothing"
    sides = _shares(s.well_seen_by_side)
    return f"{s.well_seen:.0%} from 3 directions or more" + (f"; {sides}" if sides else "")


def _shares(by_side: dict[str, float]) -> str:
    return ", ".join(f"{side} {share:.0%}" for side, share in by_side.items())


def _photos(s: PhotoSurvey) -> str:
    blur = "too few edges to tell" if s.blurred is None else f"{s.blurred:.0%} blurred"
    if s.edge_px is not None:
        blur += f", edges {s.edge_px} px wide"
    rows = [
        ["pictures", "{}, {}x{}".format(s.pictures, *s.size)],
        ["names", f"{s.names[0]} to {s.names[1]}"],
        ["order", "one after the other" if s.ordered else "none"],
        ["sharpness", blur],
        ["poses", "given" if s.posed else "none: they are to be solved"],
    ]
    if s.extent is not None:
        unit = "m" if s.metric else "units"
        rows.append(["positions", "within {:.2f} x {:.2f} x {:.2f} {}".format(*s.extent, unit)])
    if s.step is not None:
        rows.append(["motion", f"{s.step:.1%} of the width from one to the next, "
                               f"{s.parallax_px:.1f} px of it parallax"])  # fmt: skip
    return "\n".join([f"{s.path}: {s.layout}", "", *table(["", ""], rows)[1:], "", *_said(s)])
