"""From where a place was filmed: how far round, how high, and what of it from how many sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.reconstruct.depth import transform
from cousins.reconstruct.tsdf import Surface
from cousins.types import Array, Frame, Wall

OPEN = 45.0  # degrees: a wider gap between neighbouring cameras is one in the way round
OVERHEAD = 75.0  # degrees above the middle: from there it has no side
ASIDE = np.radians(45)  # off the optical axis: more, and a frame does not look at the middle
SECTOR = 30.0  # degrees between directions that count as two
GRAZING = np.cos(np.radians(80))  # flatter, and depth is not of the surface
BAND = 6  # of directions' elevations, SECTOR each
TURNS = round(360 / SECTOR)
NAMES = ("front", "front right", "right", "back right",
         "back", "back left", "left", "front left")  # fmt: skip
SIDES = NAMES[::2]


@dataclass(frozen=True)
class Way:
    """Where the cameras were, about the middle (3,) of what they looked at; z up.

    extent: (3,) of their positions, m. front: azimuth of the first camera, degrees; azimuths are
    counted from it, to the right of one who stands there: 0 front, 90 right. round: degrees of the
    way round that were filmed. gaps: (from, to) azimuths, degrees, of what was not. walled: of
    each gap, the share that a wall bars. elevation: least and most above the middle, degrees; NaN
    where no camera looks at it. radius: median distance from it on the level, m.
    """

    middle: Array
    extent: Array
    front: float
    round: float
    gaps: tuple[tuple[float, float], ...]
    walled: tuple[float, ...]
    elevation: tuple[float, float]
    radius: float


def looked_at(poses: Array, distances: Array) -> Array:
    """(3,) the middle of what cameras (n, 4, 4) see `distances` (n,) ahead; 0: unknown."""
    eyes, some = poses[:, :3, 3], distances > 0
    spots = eyes[some] + distances[some, None] * poses[some, :3, 2]
    return np.median(spots if some.any() else eyes, axis=0)


def way(poses: Array, middle: Array, walls: Sequence[Wall]) -> Way:
    """The way of cameras (n, 4, 4) about a middle (3,), in a z-up world with these walls."""
    eyes, ahead = poses[:, :3, 3], poses[:, :3, 2]
    off = eyes - middle
    far = np.maximum(np.linalg.norm(off, axis=1), 1e-9)
    elevation = np.degrees(np.arcsin(np.clip(off[:, 2] / far, -1, 1)))
    looking = -(off * ahead).sum(1) / far > np.cos(ASIDE)
    front = _front(off[0], poses[0], float(elevation[0]))
    azimuth = (np.degrees(np.arctan2(off[:, 1], off[:, 0])) - front) % 360
    beside = looking & (np.abs(elevation) < OVERHEAD)
    gaps = open_gaps(azimuth[beside])
    radius = float(np.median(np.hypot(*off[beside, :2].T))) if beside.any() else 0.0
    walled = tuple(
        float(barred(middle, radius, front + np.arange(a, b, 5.0) + 2.5, walls).mean())
        for a, b in gaps
    )
    heights = elevation[looking] if looking.any() else np.array([np.nan])
    return Way(middle, np.ptp(eyes, axis=0), front, 360 - sum(b - a for a, b in gaps), gaps, walled,
               (float(heights.min()), float(heights.max())), radius)  # fmt: skip


def _front(off: Array, pose: Array, elevation: float) -> float:
    # From overhead, the lower edge of the picture is the side where the person stands.
    x, y = off[:2] if abs(elevation) < OVERHEAD else pose[:2, 1]
    return float(np.degrees(np.arctan2(y, x)))


def open_gaps(azimuth: Array) -> tuple[tuple[float, float], ...]:
    """(from, to) degrees, to > from, of the gaps wider than OPEN between azimuths (n,)."""
    if not len(azimuth):
        return ((0.0, 360.0),)
    at = np.sort(azimuth % 360)
    after = np.append(at[1:], at[0] + 360)
    return tuple((float(a), float(b)) for a, b in zip(at, after, strict=True) if b - a > OPEN)


def barred(middle: Array, radius: float, turn: Array, walls: Sequence[Wall]) -> NDArray[np.bool_]:
    """(n,) whether a wall stands between the middle and cameras `radius` from it at azimuths (n,)
    of the world, degrees."""
    angle = np.radians(turn)
    out = radius * np.stack([np.cos(angle), np.sin(angle), np.zeros(len(angle))], 1)
    found = np.zeros(len(angle), bool)
    for wall in walls:
        before = float((middle - wall.centre) @ wall.normal)
        towards = -(out @ wall.normal)
        met = (before > 0) & (towards > before)
        where = middle + out * (before / np.where(met, towards, 1))[:, None]
        along = (where - wall.centre) @ np.cross(wall.normal, [0, 0, 1])
        found |= met & (np.abs(along) < wall.half_width)
    return found


def sides_in(gap: tuple[float, float]) -> list[str]:
    """The names of the sides that lie in a gap; the one that lies nearest its middle, if none."""
    turns = [(90 * i, 90 * i + 360) for i in range(4)]
    inside = [
        side for side, turn in zip(SIDES, turns, strict=True)
        if any(gap[0] < at < gap[1] for at in turn)
    ]  # fmt: skip
    return inside or [NAMES[round((gap[0] + gap[1]) / 2 / 45) % 8]]


@dataclass(frozen=True)
class Seen:
    """How n points of a surface were seen. frames (n,): how many frames have depth on it.

    directions (n,): from how many directions, SECTOR degrees apart. gain: (k,) how bright each
    frame shows the same points against the median of all; NaN where it is not known.
    """

    frames: NDArray[np.int32]
    directions: NDArray[np.int32]
    gain: Array


def seen(
    points: Array, normals: Array, frames: Sequence[Frame], world_from_capture: Array, voxel: float
) -> Seen:
    """How points (n, 3) with normals (n, 3), in the world and fused at `voxel` m, were seen."""
    import cv2

    count = np.zeros(len(points), np.int32)
    bins = np.zeros((len(points), TURNS * BAND), bool)
    sample = np.arange(0, len(points), max(1, len(points) // 500))
    bright = np.full((len(frames), len(sample)), np.nan)
    for i, frame in enumerate(frames):
        pose = world_from_capture @ frame.world_from_camera
        ray = pose[:3, 3] - points
        ray /= np.maximum(np.linalg.norm(ray, axis=1), 1e-9)[:, None]
        p = transform(np.asarray(np.linalg.inv(pose), float), points)
        k = frame.depth_intrinsics
        front = np.flatnonzero(((ray * normals).sum(1) > GRAZING) & (p[:, 2] > 0.1))
        z = p[front, 2]
        u = np.rint(p[front, 0] / z * k.fx + k.cx).astype(int)
        v = np.rint(p[front, 1] / z * k.fy + k.cy).astype(int)
        inside = (u >= 0) & (v >= 0) & (u < k.width) & (v < k.height)
        front, z, u, v = front[inside], z[inside], u[inside], v[inside]
        # As far off as the surface may be: two voxels, and the noise of depth, which grows.
        near = np.abs(frame.depth[v, u] - z) < 2 * voxel + 0.01 * z**2
        front, u, v = front[near], u[near], v[near]
        count[front] += 1
        bins[front, _direction(ray[front])] = True
        if frame.colour is not None:
            grey = cv2.cvtColor(frame.colour, cv2.COLOR_RGB2GRAY)
            grey = cv2.resize(grey, (k.width, k.height), interpolation=cv2.INTER_AREA)
            shown = np.full(len(points), np.nan)
            shown[front] = grey[v, u]
            bright[i] = shown[sample]
    return Seen(count, bins.sum(1).astype(np.int32), _gain(bright))


def _direction(ray: Array) -> NDArray[np.int64]:
    """(n,) the sector that unit vectors (n, 3) point to; straight up and down there is but one."""
    height = np.degrees(np.arcsin(np.clip(ray[:, 2], -1, 1)))
    band = np.clip((height + 90) // SECTOR, 0, BAND - 1).astype(int)
    turn = (np.degrees(np.arctan2(ray[:, 1], ray[:, 0])) % 360 // SECTOR).astype(int) % TURNS
    return np.where((band == 0) | (band == BAND - 1), 0, turn) + TURNS * band


def _gain(bright: Array) -> Array:
    out = np.full(len(bright), np.nan)
    often = np.isfinite(bright).sum(0) >= 3
    if not often.any():
        return out
    bright = bright[:, often]
    usual = np.maximum(np.nanmedian(bright, axis=0), 1.0)
    for i, row in enumerate(bright):
        some = np.isfinite(row)
        if some.sum() >= 10:  # fewer, and one highlight decides
            out[i] = float(np.median(row[some] / usual[some]))
    return out


def quadrant(ways: Array, way: Way) -> NDArray[np.int64]:
    """(n,) to which of SIDES vectors (n, 3) point."""
    turn = np.degrees(np.arctan2(ways[:, 1], ways[:, 0])) - way.front
    return np.rint(turn / 90).astype(int) % 4


def within(surface: Surface, low: Array, high: Array) -> NDArray[np.bool_]:
    """(n,) which vertices lie in a box."""
    return np.asarray(((surface.vertices > low) & (surface.vertices < high)).all(1))
