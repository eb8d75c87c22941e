"""What a capture holds, before any scan: in seconds, and what of it to film again.

    findings = examine(open_capture("my_table"))
    told = summary(findings)          # numbers, and film_again in plain words
    image = drawing.coverage(findings)

A picture and its words are given as the first frame sees the place: its near side is the front.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins import scanning
from cousins.cache import NoCache
from cousins.errors import ScanError
from cousins.progress import Progress, silent
from cousins.reconstruct.gravity import rotation_to_z
from cousins.reconstruct.poses import Refine
from cousins.segment.supports import inside
from cousins.segment.upright import Upright
from cousins.segment.world import World, main_support, moved, orient
from cousins.survey import around
from cousins.survey.around import Seen, Way
from cousins.survey.looks import Look, blurred, gather, streamed
from cousins.types import Array, Capture, Support

LEAST = 50  # vertices of the coarse surface that tell of a side: 10 cm by 7 of it
UPRIGHT = 0.5  # of a normal's z: less, and a surface faces a side
ENOUGH = 3  # directions: what one hides behind an edge, and errs in along its ray, two more see
# As of a scan, but that poses are refined on fewer frames and points: for what they tell, enough.
SETTINGS = scanning.Settings(refine=Refine(keyframes=60, pairs=6, samples=500, iterations=8))


@dataclass(frozen=True)
class Findings:
    """What was found, as arrays: `summary` tells it, `drawing.coverage` draws it.

    times: (n,) of all frames, s. world: with the coarse surface, and no support where none was
    found; `fault` then says why. interest: (v,) which vertices of the surface are supports or
    things on them; seen: how those were. poses: (k, 4, 4) of the looks, in the world.
    checks, again: of the scan's own stages, as in a pack's quality.json.
    """

    capture: Capture
    looks: tuple[Look, ...]
    times: Array
    picture_size: tuple[int, int] | None
    depth_size: tuple[int, int]
    world: World
    fault: str
    poses: Array
    way: Way
    interest: NDArray[np.bool_]
    seen: Seen
    checks: Mapping[str, Any]
    again: tuple[tuple[float, str], ...]

    @property
    def edges(self) -> Array:
        """(k,) widths of the edges in the looks' pictures, px."""
        return np.array([look.edge for look in self.looks])

    @property
    def blurred(self) -> NDArray[np.bool_]:
        """(k,) which of the looks' pictures are blurred."""
        return blurred(self.edges)


@dataclass(frozen=True)
class Survey:
    """What a capture holds, in numbers, and what to film again, the most useful first.

    What is not known is None. looked_at: how many frames were, evenly apart. Shares lie in 0..1.
    dropped: share of frames that the phone left out. blurred: share of the pictures. edge_px:
    median width of their edges, at 640 columns; 2.7 is sharp. exposure: how many times brighter
    the brightest frames show the same surface than the darkest. known: median share of depth
    pixels with depth; least_known: the worst three frames and their shares. sure: of those, with
    the phone's full confidence. distance: m, to what is in the middle of the image; pixel_mm: how
    much of it a depth pixel covers. turn: degrees a second, median and 95th percentile; step_px:
    median way of the picture from frame to frame. extent: of the camera positions, m. round:
    degrees of the way round the middle that were filmed. elevation: of the cameras above it,
    degrees, least and most. well_seen: share of the supports and of what stands on them that was
    seen from three directions or more, and of each side; facing: of the things' upright surface
    that faces each side. supports: name, kind, height and size, m.
    """

    path: str
    layout: str
    frames: int
    looked_at: int
    seconds: float | None
    rate: float | None
    dropped: float
    picture_size: tuple[int, int] | None
    blurred: float | None
    edge_px: float | None
    exposure: float | None
    depth_size: tuple[int, int]
    known: float
    least_known: tuple[tuple[int, float], ...]
    sure: float | None
    distance: float
    pixel_mm: float
    turn: tuple[float, float] | None
    step_px: float
    extent: tuple[float, float, float]
    round: float
    gaps: tuple[tuple[float, float], ...]
    elevation: tuple[float, float] | None
    frames_apart_mm: float | None
    frames_apart_after_refinement_mm: float | None
    pose_drift_mm: float | None
    up: str
    support_tilt_degrees: float | None
    supports: tuple[dict[str, Any], ...]
    well_seen: float | None
    well_seen_by_side: dict[str, float]
    well_seen_facing: dict[str, float]
    film_again: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())


def examine(capture: Capture, progress: Progress = silent) -> Findings:
    """Looks at 90 frames or fewer, evenly apart, in one pass over the capture's files.

    Raises CaptureError for a damaged picture. A capture without a support surface is no error
    here: `summary` says so.
    """
    looks, times, picture, depth = gather(
        capture.frames(), len(capture), SETTINGS.max_range, progress
    )
    chosen = capture.poses[[look.number for look in looks]]
    small = replace(capture, poses=chosen, frames=streamed(looks))
    run = scanning.Run(small, SETTINGS, NoCache(), progress)
    scanning.refine_poses(run)
    surface = scanning.overview(run)
    fault = ""
    try:
        world = orient(run.capture, surface)
    except ScanError as error:
        fault = str(error).removeprefix(f"{capture.path}: ")
        world = _upright(run.capture, surface)
    poses = world.world_from_capture @ run.capture.poses
    distances = np.array([look.distance for look in looks])
    middle = _middle(world) if world.supports else around.looked_at(poses, distances)
    way = around.way(poses, middle, world.walls)
    interest = _interest(world)
    frames = list(run.capture.frames())
    seen = around.seen(
        world.surface.vertices[interest], world.surface.normals[interest], frames,
        world.world_from_capture, SETTINGS.coarse_voxel,
    )  # fmt: skip
    return Findings(capture, looks, times, picture, depth, world, fault, poses, way, interest, seen,
                    run.checks, tuple(run.again))  # fmt: skip


def _upright(capture: Capture, surface: Any) -> World:
    """The world of a capture without supports: up as the layout or the cameras have it."""
    up = capture.up if capture.up is not None else -capture.poses[:, :3, 1].mean(0)
    pose = np.eye(4)
    pose[:3, :3] = rotation_to_z(up)
    source = "the layout's world" if capture.up is not None else "the camera's up"
    return World(pose, moved(surface, pose), (), (), 0.0, Upright(up, source))


def _middle(world: World) -> Array:
    """Where on the main support the cameras look: over the world's origin."""
    return np.array([0.0, 0.0, main_support(world.supports).height])


def _interest(world: World) -> NDArray[np.bool_]:
    if not world.supports:
        return np.ones(len(world.surface.vertices), bool)
    found = np.zeros(len(world.surface.vertices), bool)
    for region in scanning.regions(world, SETTINGS):
        found |= around.within(world.surface, region.low, region.high)
    return found if found.any() else ~found


def summary(findings: Findings) -> Survey:
    """The findings in numbers and words."""
    from cousins.survey.advice import film_again

    told = _numbers(findings)
    return replace(told, film_again=film_again(findings, told))


def _numbers(f: Findings) -> Survey:
    edges, gain = f.edges, f.seen.gain
    known = np.array([look.known for look in f.looks])
    worst = np.argsort(known, kind="stable")[:3]
    sure = [look.sure for look in f.looks if look.sure is not None]
    distances = np.array([look.distance for look in f.looks if look.distance > 0])
    distance = float(np.median(distances)) if len(distances) else 0.0
    seconds, rate, dropped = _timing(f.times)
    refined = f.checks.get("frames_apart_mm")
    return Survey(
        path=str(f.capture.path),
        layout=f.capture.layout,
        frames=len(f.capture),
        looked_at=len(f.looks),
        seconds=seconds,
        rate=rate,
        dropped=dropped,
        picture_size=f.picture_size,
        blurred=_rounded(f.blurred.mean(), 3) if np.isfinite(edges).any() else None,
        edge_px=_rounded(np.nanmedian(edges), 1) if np.isfinite(edges).any() else None,
        exposure=_ratio(gain),
        depth_size=f.depth_size,
        known=round(float(np.median(known)), 3),
        least_known=tuple((f.looks[i].number, round(float(known[i]), 3)) for i in worst),
        sure=round(float(np.median(sure)), 3) if sure else None,
        distance=round(distance, 2),
        pixel_mm=round(1000 * distance / _depth_focal(f), 2),
        turn=_turning(f.capture.poses, f.times),
        step_px=round(_step(f, distance), 1),
        extent=_triple(f.way.extent),
        round=round(f.way.round, 0),
        gaps=tuple((round(a, 0), round(b, 0)) for a, b in f.way.gaps),
        elevation=_pair(f.way.elevation) if np.isfinite(f.way.elevation[0]) else None,
        frames_apart_mm=refined or None,
        frames_apart_after_refinement_mm=f.checks.get("frames_apart_after_refinement_mm") or None,
        pose_drift_mm=f.checks.get("pose_drift_mm") if refined else None,
        up=f.world.up.source,
        support_tilt_degrees=round(float(np.degrees(f.world.tilt)), 2) if not f.fault else None,
        supports=tuple(
            {"name": s.name, "kind": s.kind, "height": round(s.height, 2),
             "size": [round(float(v), 2) for v in np.ptp(s.polygon, axis=0)]}
            for s in f.world.supports
        ),
        well_seen=_well(f.seen.directions),
        well_seen_by_side=sides(f),
        well_seen_facing=facing(f),
        warnings=f.capture.warnings,
    )  # fmt: skip


def sides(f: Findings) -> dict[str, float]:
    """The share of each side's surface that was seen from ENOUGH directions; a side that has too
    little surface to tell is left out."""
    off = f.world.surface.vertices[f.interest] - f.way.middle
    return _shares(f.seen.directions, around.quadrant(off, f.way))


def facing(f: Findings) -> dict[str, float]:
    """The same share of the things' upright surface that faces each side."""
    surface = f.world.surface
    normals = surface.normals[f.interest]
    upright = standing(surface.vertices[f.interest], f.world.supports)
    upright &= np.abs(normals[:, 2]) < UPRIGHT
    return _shares(f.seen.directions[upright], around.quadrant(normals[upright], f.way))


def _shares(directions: NDArray[np.int32], side: NDArray[np.int64]) -> dict[str, float]:
    shares = {}
    for i, name in enumerate(around.SIDES):
        here = directions[side == i]
        if len(here) >= LEAST:
            shares[name] = round(float((here >= ENOUGH).mean()), 2)
    return shares


def standing(points: Array, supports: tuple[Support, ...]) -> NDArray[np.bool_]:
    """(n,) which points (n, 3) are of things: well above a support, and within reach of it."""
    found = np.zeros(len(points), bool)
    for support in supports:
        if support.kind == "floor" and len(supports) > 1:
            continue  # what rises from the floor beside a table is its legs, and chairs
        here = np.flatnonzero(np.abs(points[:, 2] - support.height) < SETTINGS.headroom)
        here = here[inside(support.polygon, points[here, :2])]
        found[here] = points[here, 2] > support.height + 2 * SETTINGS.coarse_voxel
    return found


def _well(directions: NDArray[np.int32]) -> float | None:
    return round(float((directions >= ENOUGH).mean()), 2) if len(directions) else None


def _ratio(gain: Array) -> float | None:
    some = gain[np.isfinite(gain)]
    if len(some) < 3:
        return None
    low, high = np.percentile(some, [5, 95])
    return round(float(high / max(low, 0.01)), 2)


def _timing(times: Array) -> tuple[float | None, float | None, float]:
    """Seconds, frames a second, and the share of frames that were left out between others."""
    steps = np.diff(times)
    if not len(steps) or not np.isfinite(steps).all() or (steps <= 0).any():
        return None, None, 0.0
    seconds, step = float(steps.sum()), float(np.median(steps))
    # Each step holds a whole number of the usual ones: the rate itself may waver.
    lost = float((np.maximum(np.rint(steps / step), 1) - 1).sum())
    return round(seconds, 2), round(1 / step, 1), round(lost / (lost + len(times)), 3)


def _turns(poses: Array) -> Array:
    """(n - 1,) radians from each pose to the next."""
    relative = poses[:-1, :3, :3].transpose(0, 2, 1) @ poses[1:, :3, :3]
    return np.arccos(np.clip((np.trace(relative, axis1=1, axis2=2) - 1) / 2, -1, 1))


def _turning(poses: Array, times: Array) -> tuple[float, float] | None:
    steps = np.diff(times)
    if not len(steps) or not (steps > 0).all():
        return None
    speed = np.degrees(_turns(poses)) / steps
    return _pair((float(np.median(speed)), float(np.percentile(speed, 95))))


def _step(f: Findings, distance: float) -> float:
    poses = f.capture.poses
    if len(poses) < 2:
        return 0.0
    moved_by = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
    lens = f.looks[0].frame.colour_intrinsics
    width = f.picture_size[0] if f.picture_size else f.depth_size[0]
    return float(np.median(
        lens.scaled(width, round(width * lens.height / lens.width)).fx
        * np.hypot(_turns(poses), moved_by / max(distance, 0.1))
    ))  # fmt: skip


def _depth_focal(f: Findings) -> float:
    lens = f.looks[0].frame.depth_intrinsics
    return lens.fx * f.depth_size[0] / lens.width


def _rounded(value: Any, digits: int) -> float:
    return round(float(value), digits)


def _pair(values: tuple[float, float]) -> tuple[float, float]:
    return round(float(values[0]), 1), round(float(values[1]), 1)


def _triple(values: Array) -> tuple[float, float, float]:
    x, y, z = (round(float(v), 2) for v in values)
    return x, y, z
