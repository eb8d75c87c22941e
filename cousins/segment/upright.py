"""Which way is up: what the layout says, held against the planes that were seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cousins.errors import ScanError
from cousins.reconstruct.gravity import estimate_up, level
from cousins.reconstruct.tsdf import Surface
from cousins.segment.supports import Supports, vertex_areas
from cousins.types import Array, Capture

LEVEL = np.radians(3)  # of a plane's own normals: what is closer agrees
RIVAL = 0.3  # of another plane's area that must be level, or that plane is believed
OTHER = np.radians(45)  # a plane so far off a stated up may be a wall, unless
STEADIER = 0.15  # by that it kept its place before the cameras while they went round


@dataclass(frozen=True)
class Upright:
    """direction (3,): up, in the capture's world. source: in words. warnings: what was wrong."""

    direction: Array
    source: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Plane:
    """normal (3,): of a surface. area: of what lies level with it, m². steady: how still it stays
    in the cameras' axes, 0 to 1."""

    normal: Array
    area: float
    steady: float


def upright(capture: Capture, surface: Surface) -> Upright:
    """Up as the layout defines it, unless the planes clearly say otherwise; else as they say.

    A plane near the stated up says so where hardly anything is level with that but much with the
    plane. One that is far off may be a wall: it is believed where nothing could stand on what is
    level, or where it was the cameras' turning axis, as up is of a person who walks round things,
    whichever way the phone is held. Raises ScanError where nothing tells.
    """
    stated = capture.up
    if stated is None:
        return Upright(estimate_up(surface, capture.poses), "planes and the camera's up")
    stated = stated / np.linalg.norm(stated)
    area = vertex_areas(surface)

    def plane(normal: Array) -> _Plane:
        same = surface.normals @ normal > np.cos(LEVEL)
        turned = np.einsum("nij,i->nj", capture.poses[:, :3, :3], normal)
        return _Plane(normal, float(area[same].sum()), float(np.linalg.norm(turned.mean(0))))

    own = plane(stated)
    near, *others = (None if n is None else plane(n) for n in _normals(capture, surface, stated))
    if near is None and not any(others):
        return Upright(stated, "the layout's world; no plane was seen to check it by")
    doubted = near is not None and own.area < RIVAL * near.area
    best = near if near is not None and doubted else own
    rivals = [
        p
        for p in others
        if p is not None
        and _apart(stated, p.normal) > OTHER
        and p.area > RIVAL * best.area
        and (best.area < Supports().min_area or p.steady > best.steady + STEADIER)
    ]
    if rivals:
        still = [p for p in rivals if p.steady > max(r.steady for r in rivals) - STEADIER]
        return _against(stated, max(still, key=lambda p: p.area).normal)
    if doubted:
        return _against(stated, best.normal)
    off = "" if near is None else f", {_degrees(stated, near.normal):.1f} degrees off the planes'"
    return Upright(stated, f"the layout's world{off}")


def _normals(capture: Capture, surface: Surface, stated: Array) -> list[Array | None]:
    """The planes' normals nearest to the stated up, and to each way that a camera can be held."""
    across, down = capture.poses[:, :3, 0].mean(0), capture.poses[:, :3, 1].mean(0)
    back = -capture.poses[:, :3, 2].mean(0)
    found: list[Array | None] = []
    for start in (stated, -down, down, across, -across, back):
        try:
            found.append(level(surface, start))
        except ScanError:
            found.append(None)
    return found


def _against(stated: Array, normal: Array) -> Upright:
    off = _degrees(stated, normal)
    return Upright(
        normal,
        f"planes, {off:.1f} degrees off the layout's world",
        (
            f"the capture's own up is {off:.0f} degrees off the planes that were seen, and these"
            " were believed: check that its poses are in the layout's axes",
        ),
    )


def _apart(a: Array, b: Array) -> float:
    return float(np.arccos(np.clip(a @ b, -1, 1)))


def _degrees(a: Array, b: Array) -> float:
    return float(np.degrees(_apart(a, b)))
