"""What to film again, in plain words, the most useful first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cousins.survey import ENOUGH, SETTINGS, around

if TYPE_CHECKING:
    from cousins.survey import Findings, Survey

WIDE = 90.0  # degrees of the way round: beyond, some upright side is seen at 45 degrees at best
STEEP = 55.0  # degrees: filmed from higher only, sides are seen too flat for depth
FLAT = 25.0  # degrees: filmed from lower only, tops are
LITTLE = 0.5  # of the depth pixels
POOR = 0.3  # of a side's surface
MANY = 0.2  # of the pictures or frames
FEW = 12  # frames: neighbours on a whole way round are then 30 degrees apart
PIXELS = 4  # of depth along the smallest thing that a scan keeps
HALF_STOP = 1.41  # times brighter: textures then show seams
UNSURE = 0.5  # of the depth that the phone is sure of


def film_again(f: Findings, told: Survey) -> tuple[str, ...]:
    """The lines of advice; none where nothing would help."""
    lines = [*f.again, *_place(f, told), *_cameras(f, told), *_pictures(f, told)]
    return tuple(line for _, line in sorted(lines, key=lambda pair: -pair[0]))


Lines = list[tuple[float, str]]


def _place(f: Findings, told: Survey) -> Lines:
    """Whether there is a place at all, and what of it is seen poorly."""
    lines: Lines = []
    if f.fault:
        lines.append((10.0, f.fault))
    elif not (told.supports and _raised(f)):
        lines.append((9.0, "only an empty floor was seen; film some objects"))
    poor = {side: 1 - well for side, well in told.well_seen_by_side.items() if 1 - well > POOR}
    if len(poor) == len(told.well_seen_by_side) and poor and told.well_seen is not None:
        lines.append(
            (2 + (1 - told.well_seen),
             f"{1 - told.well_seen:.0%} of {_surface(told)} was seen from fewer than {ENOUGH} "
             "directions; walk round it, and hold the phone at two heights")
        )  # fmt: skip
    else:
        for side, share in poor.items():
            lines.append(
                (2 + share,
                 f"the {side} side of {_surface(told)} was seen by few frames: {share:.0%} of it "
                 f"from fewer than {ENOUGH} directions; film it from there and from beside it")
            )  # fmt: skip
    unfilmed = {side for gap in f.way.gaps if gap[1] - gap[0] > WIDE
                for side in around.sides_in(gap)}  # fmt: skip
    for side, well in told.well_seen_facing.items():
        if 1 - well > POOR and side not in unfilmed:
            lines.append(
                (2.2 + (1 - well),
                 f"{1 - well:.0%} of what faces the {side} on {_surface(told, alone=True)} was "
                 f"seen from fewer than {ENOUGH} directions; film more from the {side}, and lower")
            )  # fmt: skip
    return lines


def _raised(f: Findings) -> bool:
    """Whether anything stands out of a lone floor; what lies on a table is told only by a scan."""
    if any(s.kind != "floor" for s in f.world.supports):
        return True
    from cousins import scanning

    return bool(scanning.regions(f.world, SETTINGS))


def _surface(told: Survey, alone: bool = False) -> str:
    """The main surface in words, with its things unless it is meant alone."""
    raised = [s for s in told.supports if s["kind"] != "floor"] or list(told.supports)
    if not raised:
        return "what was filmed"
    name = max(raised, key=lambda s: s["size"][0] * s["size"][1])["name"]
    return (name if "_" in name else f"the {name}") + ("" if alone else " and its things")


def _cameras(f: Findings, told: Survey) -> Lines:
    """From where it was filmed."""
    lines: Lines = []
    for gap, walled in zip(f.way.gaps, f.way.walled, strict=True):
        free = (gap[1] - gap[0]) * (1 - walled)
        if free > WIDE:
            lines.append(
                (3 + free / 90,
                 f"nothing was filmed from the {_listed(around.sides_in(gap))}: "
                 f"{gap[1] - gap[0]:.0f} of 360 degrees round what you filmed are missing (the "
                 "first frame's side is the front); walk on round it")
            )  # fmt: skip
    if told.elevation:
        low, high = told.elevation
        if low > STEEP:
            lines.append(
                (2.5, f"everything was filmed from {low:.0f} degrees above or more; hold the phone "
                      "lower as well, or the things' sides stay unseen")
            )  # fmt: skip
        if high < FLAT:
            lines.append(
                (2.5, f"everything was filmed from at most {high:.0f} degrees above; hold the "
                      "phone higher as well, or the things' tops stay unseen")
            )  # fmt: skip
    if told.frames < FEW:
        lines.append((4.0, f"there are {told.frames} frames only; film 5 to 20 seconds, all the "
                           "way round"))  # fmt: skip
    most = 1000 * SETTINGS.min_size / PIXELS
    if told.pixel_mm > most:
        lines.append(
            (1.5 + told.pixel_mm / most,
             f"at {told.distance:.1f} m a depth pixel covers {told.pixel_mm:.0f} mm, and things "
             f"below {PIXELS * told.pixel_mm / 10:.0f} cm are lost; film from "
             f"{told.distance * most / told.pixel_mm:.1f} m or nearer")
        )  # fmt: skip
    if told.known < LITTLE:
        lines.append((3.0, f"only {told.known:.0%} of the depth images is known within "
                           f"{SETTINGS.max_range:.0f} m; film from 0.5 to 1.5 m, and dull what is "
                           "shiny or clear with powder or tape"))  # fmt: skip
    if told.sure is not None and told.sure < UNSURE:
        lines.append((1.5, f"the phone is sure of {told.sure:.0%} of its depth only; film from 0.5 "
                           "to 1.5 m, and not along surfaces"))  # fmt: skip
    if told.dropped > MANY:
        lines.append((1.0 + told.dropped, f"the phone left out {told.dropped:.0%} of its frames; "
                                          "let it cool, and free some storage"))  # fmt: skip
    return lines


def _pictures(f: Findings, told: Survey) -> Lines:
    lines: Lines = []
    if told.picture_size is None:
        lines.append((0.6, "there are no pictures, so that everything will be grey; record them as "
                           "well"))  # fmt: skip
    if told.blurred is not None and told.blurred > MANY:
        lines.append(
            (1.2 + told.blurred,
             f"{told.blurred:.0%} of the pictures are blurred{_cause(f)}; move more slowly, with "
             "more light")
        )  # fmt: skip
    if told.exposure is not None and told.exposure > HALF_STOP:
        lines.append((0.5 + told.exposure / 10,
                      f"the brightest frames show the same surface {told.exposure:.1f} times as "
                      "bright as the darkest; lock the exposure, or keep windows and lamps out of "
                      "view"))  # fmt: skip
    return lines


def _cause(f: Findings) -> str:
    """Whether they are those in which the phone moved fastest."""
    edges = f.edges
    eyes, ahead = f.poses[:, :3, 3], f.poses[:, :3, 2]
    if len(eyes) < 3:
        return ""
    speed = np.linalg.norm(np.gradient(eyes, axis=0), axis=1)
    speed = speed + f.way.radius * np.linalg.norm(np.gradient(ahead, axis=0), axis=1)
    sharp, bad = speed[~f.blurred & np.isfinite(edges)], speed[f.blurred]
    faster = len(sharp) and len(bad) and np.median(bad) > 1.3 * np.median(sharp)
    return ", those where the phone moved fastest" if faster else ""


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
