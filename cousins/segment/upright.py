"""Which way is up: what the layout says, held against the planes that were seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cousins.errors import ScanError
from cousins.reconstruct.gravity import NONE, largest_plane, layer, level
from cousins.reconstruct.tsdf import Surface
from cousins.segment.supports import Supports, vertex_areas
from cousins.types import Array, Capture

LEVEL = np.radians(3)  # of a plane's own normals: what is closer agrees
RIVAL = 0.3  # of another plane's area that must be level, or that plane is believed
OTHER = np.radians(45)  # a plane so far off a stated up may be a wall, unless
OPPOSITE = np.radians(135)  # no wall stands so: where nothing is level, up was taken for down
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


@dataclass(frozen=True)
class _Planes:
    """What planes a surface has. area (n,): of its vertices. poses (k, 4, 4): the cameras'."""

    surface: Surface
    area: Array
    poses: Array

    @property
    def single(self) -> bool:
        """Whether all comes from one frame, whose normals are too noisy to go by."""
        return len(self.poses) == 1

    def level_with(self, normal: Array) -> _Plane:
        if self.single:
            return _Plane(normal, layer(self.surface, self.area, normal), 1.0)
        same = self.surface.normals @ normal > np.cos(LEVEL)
        turned = np.einsum("nij,i->nj", self.poses[:, :3, :3], normal).mean(0)
        return _Plane(normal, float(self.area[same].sum()), float(np.linalg.norm(turned)))

    def near(self, start: Array) -> _Plane | None:
        """The plane that most of the surface near a direction (3,) lies in, if there is any."""
        try:
            if self.single:
                return self.level_with(largest_plane(self.surface, self.area, start))
            return self.level_with(level(self.surface, start))
        except ScanError:
            return None


def upright(capture: Capture, surface: Surface) -> Upright:
    """Up as the layout defines it, unless the planes clearly say otherwise; else as they say.

    A plane near the stated up says so where hardly anything is level with that but much with the
    plane. One that is far off may be a wall: it is believed where it was the cameras' turning axis,
    as up is of a person who walks round things, whichever way the phone is held, or where it is the
    other way up and nothing could stand on what is level. Raises ScanError where nothing tells.
    """
    across, down, ahead = capture.poses[:, :3, :3].mean(0).T
    planes = _Planes(surface, vertex_areas(surface), capture.poses)
    if capture.up is None:
        return Upright(_estimated(planes, across, down, ahead), "planes and the camera's up")
    stated = capture.up / np.linalg.norm(capture.up)
    own, near = planes.level_with(stated), planes.near(stated)
    others = [planes.near(start) for start in (-down, down, across, -across, -ahead)]
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
        and (
            p.steady > best.steady + STEADIER
            or (best.area < Supports().min_area and _apart(stated, p.normal) > OPPOSITE)
        )
    ]
    if rivals:
        still = [p for p in rivals if p.steady > max(r.steady for r in rivals) - STEADIER]
        return _against(stated, max(still, key=lambda p: p.area).normal)
    if doubted:
        return _against(stated, best.normal)
    off = "" if near is None else f", {_degrees(stated, near.normal):.1f} degrees off the planes'"
    return Upright(stated, f"the layout's world{off}")


def _estimated(planes: _Planes, across: Array, down: Array, ahead: Array) -> Array:
    """Up where no layout tells: of a plane near to the cameras' own up, on the whole.

    Round a table that is up itself; one camera looks down on it, by anything up to a right angle.
    What is held sideways is thought of where nothing could stand on what was found.
    """
    first = planes.near(-down - ahead if planes.single else -down)
    if first is not None and (not planes.single or first.area > Supports().min_area):
        return first.normal
    found = first, planes.near(across - ahead), planes.near(-across - ahead)
    best = max((p for p in found if p), key=lambda p: p.area, default=None)
    if best is None:
        raise ScanError(NONE)
    return best.normal


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
