"""The axis of a surface of revolution, found in a part of the surface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cousins.types import Array

NEAR = 0.0025  # m: so near to a surface a point lies on it
TRIED = 1200  # points
ANGLES = 12  # by which they are turned
BANDS = 0.004  # m: heights in which a radius is taken as one
ROUND = 0.7  # share of the points whose radius is their height's, in a likely part of a round thing
LARGER = 2.5  # than the seen part the whole of it may be


@dataclass(frozen=True)
class Axis:
    """frame (3, 3): rows are right-handed axes, the last one along the axis, which goes through
    centre (2,) in the plane of the others. fit: share of points whose radius is their height's;
    even: the share of those on its sides."""

    frame: Array
    centre: Array
    fit: float
    even: float


def reach(points: Array, normals: Array) -> Array:
    """(2, 3) least and most of a segment's points (n, 3) and, where these look like a part of a
    surface of revolution, of the whole surface."""
    rng = np.random.default_rng(0)
    index = rng.choice(len(points), min(TRIED, len(points)), replace=False)
    some, along = points[index], normals[index]
    bounds = np.array([points.min(0), points.max(0)])
    for frame in frames(along):
        axis = find_axis(some @ frame.T, along @ frame.T, frame)
        if axis is not None and axis.fit > ROUND:
            every = np.vstack([some, *(turn(axis, 2 * np.pi * k / ANGLES)(some)
                                       for k in range(ANGLES))])  # fmt: skip
            whole = np.array([every.min(0), every.max(0)])
            if (np.ptp(whole, axis=0) < LARGER * np.ptp(bounds, axis=0)).all():
                return np.array([np.minimum(bounds[0], whole[0]), np.maximum(bounds[1], whole[1])])
    return bounds


def frames(normals: Array) -> list[Array]:
    """Frames of the axes tried: the upright one, and the level one that normals shun."""
    level = normals[:, :2]
    weight = np.ones(len(level))
    for _ in range(10):
        # Caps at the ends have normals along the axis: they are left out by degrees.
        along = np.linalg.eigh((level * weight[:, None]).T @ level)[1][:, 0]
        weight = 1 / (1 + (level @ along / 0.2) ** 2) ** 2
    a = np.array([*along, 0.0])
    return [np.eye(3), np.array([np.cross([0, 0, 1.0], a), [0, 0, 1.0], a])]


def find_axis(points: Array, normals: Array, frame: Array) -> Axis | None:
    """Where an axis along the last coordinate best meets the normals' lines, then where radii at
    one height agree best; by robust least squares."""
    length = np.hypot(normals[:, 0], normals[:, 1])
    side = length > 0.4
    if side.sum() < 60:
        return None
    p, n, z = points[side, :2], normals[side, :2] / length[side, None], points[side, 2]
    across = np.column_stack([-n[:, 1], n[:, 0]])
    off = (across * p).sum(1)
    weight = np.ones(len(p))
    centre = p.mean(0)
    for _ in range(15):
        centre = np.linalg.lstsq(across * weight[:, None], off * weight, rcond=None)[0]
        weight = 1 / (1 + ((across @ centre - off) / 0.004) ** 2)
    band = np.unique(np.floor(z / BANDS), return_inverse=True)[1].ravel()
    band = 2 * band + ((n * (p - centre)).sum(1) > 0)
    count = int(band.max()) + 1
    for _ in range(15):
        radius = np.linalg.norm(p - centre, axis=1)
        total = np.maximum(np.bincount(band, weight, count), 1e-9)
        error = radius - (np.bincount(band, weight * radius, count) / total)[band]
        way = (p - centre) / np.maximum(radius, 1e-9)[:, None]
        mean = np.column_stack([np.bincount(band, weight * way[:, k], count) for k in (0, 1)])
        slope = way - (mean / total[:, None])[band]
        weight = 1 / (1 + (error / 0.002) ** 2)
        root = np.sqrt(weight)
        centre = centre + np.linalg.lstsq(slope * root[:, None], error * root, rcond=1e-3)[0]
    on = float((np.abs(error) < NEAR).sum())
    return Axis(frame, centre, on / len(points), on / len(p))


def turn(axis: Axis, angle: float) -> Callable[[Array], Array]:
    c, s = np.cos(angle), np.sin(angle)
    rotation = axis.frame.T @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ axis.frame
    point = axis.frame.T @ np.array([*axis.centre, 0.0])
    return lambda points: (points - point) @ rotation.T + point
