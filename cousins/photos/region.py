"""Where in the world the pictures look: what of a reconstruction is worth keeping."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cousins.errors import ScanError
from cousins.types import Array, Views

FEW = 20  # sparse points in a picture: fewer do not tell how far away it looks
OUTLIERS = (1.0, 99.0)  # percent: sparse points hold some that were matched wrongly
MARGIN = 0.15  # of the box's longest side: surfaces reach past their last sparse point


@dataclass(frozen=True)
class Region:
    """A box of the views' world. frame: (4, 4) world_from_box, with the origin in its middle, z
    along the world's up where it is known. half: (3,) half lengths. near, far: least and most
    distance from a camera to what it shows of the box."""

    frame: Array
    half: Array
    near: float
    far: float


def region(views: Views) -> Region:
    """The box that the views show: round what most cameras aim at, as far as sparse points reach.

    What lies further from the middle than the cameras do is background. Raises ScanError where the
    cameras do not tell what they look at.
    """
    eyes, axes = views.poses[:, :3, 3], views.poses[:, :3, 2]
    depths = _depths(views)
    if np.isfinite(depths).sum() < 0.5 * len(views):
        depths = _crossing(eyes, axes)
    sound = np.isfinite(depths) & (depths > 0)
    if sound.sum() < 2:
        raise ScanError("the pictures share no place that they look at; take them all round it")
    aims = eyes[sound] + depths[sound, None] * axes[sound]
    middle = np.median(aims, axis=0)
    distance = float(np.median(depths[sound]))
    # Half the pictures aim within this of the middle: along a bench they move with the camera.
    spread = float(np.median(np.linalg.norm(aims - middle, axis=1)))
    radius = distance + 2 * spread
    rotation = _upright(views.up)
    inside = views.points[np.linalg.norm(views.points - middle, axis=1) < radius]
    if len(inside) < FEW:
        half = np.full(3, 0.5 * radius)
    else:
        low, high = np.percentile((inside - middle) @ rotation, OUTLIERS, axis=0)
        middle = middle + rotation @ ((low + high) / 2)
        half = (high - low) / 2
        half = half + MARGIN * 2 * half.max()
    frame = np.eye(4)
    frame[:3, :3], frame[:3, 3] = rotation, middle
    away = np.linalg.norm(eyes - middle, axis=1)
    reach = float(np.linalg.norm(half))
    seen = _nearest(views, inside)
    near = 0.5 * (seen if np.isfinite(seen) else max(float(away.min()) - reach, 0.1 * radius))
    return Region(frame, half, near, float(away.max()) + reach)


def _depths(views: Views) -> Array:
    """(n,) median depth of the sparse points in each picture; nan where there are few."""
    out = np.full(len(views), np.nan)
    for i in range(len(views)):
        z = _in_view(views, i, views.points)
        if len(z) >= FEW:
            out[i] = np.median(z)
    return out


def _nearest(views: Views, points: Array) -> float:
    """Least distance at which a camera has a point before it, but for outliers; inf for none."""
    near = [np.percentile(z, OUTLIERS[0]) for i in range(len(views))
            if len(z := _in_view(views, i, points))]  # fmt: skip
    return float(min(near, default=np.inf))


def _in_view(views: Views, i: int, points: Array) -> Array:
    """Depths of the points that lie within picture i."""
    pose, k = views.poses[i], views.camera
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    local = local[local[:, 2] > 0]
    u = local[:, 0] / local[:, 2] * k.fx + k.cx
    v = local[:, 1] / local[:, 2] * k.fy + k.cy
    return local[(u >= 0) & (v >= 0) & (u < k.width) & (v < k.height), 2]


def _crossing(eyes: Array, axes: Array) -> Array:
    """(n,) distances along the optical axes to the point that lies nearest to all of them."""
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    # Axes that are all but parallel meet nowhere: then no depth is positive and finite.
    whole = across.sum(0)
    if np.linalg.cond(whole) > 1e4:
        return np.full(len(eyes), np.nan)
    point = np.linalg.solve(whole, np.einsum("nij,nj->i", across, eyes))
    return np.einsum("ni,ni->n", point - eyes, axes)


def _upright(up: Array | None) -> Array:
    """(3, 3) rotation whose third column is up; the identity where up is not known."""
    if up is None:
        return np.eye(3)
    z = np.asarray(up, float) / np.linalg.norm(up)
    x = np.cross(np.eye(3)[int(np.argmin(np.abs(z)))], z)
    x /= np.linalg.norm(x)
    return np.column_stack([x, np.cross(z, x), z])
