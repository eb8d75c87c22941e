"""Polygons in the plane: area, convex outlines, what two share, how far apart, and how far inside.

The last two for many at a time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cousins.types import Array

CORNERS = 24  # of an outline


def signed_area(polygon: Array) -> float:
    """Of a simple polygon (k, 2): positive where its corners run counter-clockwise."""
    a, b = polygon, np.roll(polygon, -1, axis=0)
    return float(np.sum(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])) / 2


def outline(points: Array) -> Array:
    """(CORNERS, 2) corners, counter-clockwise, of a convex polygon around (n, 2) points.

    Its edges face fixed, evenly spread directions, so that it lies outside the convex hull by at
    most 0.9% of the width, and all outlines have as many corners.
    """
    angle = np.arange(CORNERS) * 2 * np.pi / CORNERS
    normal = np.column_stack([np.cos(angle), np.sin(angle)])
    reach = (points @ normal.T).max(0)
    following, reach_next = np.roll(normal, -1, axis=0), np.roll(reach, -1)
    # Where two neighbouring edges meet.
    cross = normal[:, 0] * following[:, 1] - normal[:, 1] * following[:, 0]
    x = (reach * following[:, 1] - reach_next * normal[:, 1]) / cross
    y = (reach_next * normal[:, 0] - reach * following[:, 0]) / cross
    return np.column_stack([x, y])


def common(a: Array, b: Array) -> Array:
    """(k, 2) corners of what two convex polygons (n, 2), (m, 2), in metres, share; none where they
    do not meet."""
    import cv2

    if min(len(a), len(b)) < 3:
        return np.zeros((0, 2))
    # In millimetres: OpenCV's intersection goes astray in metres.
    one, other = ((1000 * p).astype(np.float32) for p in (a, b))
    _, both = cv2.intersectConvexConvex(one, other)  # pyright: ignore[reportCallIssue, reportArgumentType]
    corners = np.zeros((0, 2)) if both is None else np.asarray(both, float).reshape(-1, 2) / 1000
    # It also gives back a corner or two of polygons that lie apart.
    return corners if len(corners) > 2 else np.zeros((0, 2))


def turned(points: Array, angle: Array) -> Array:
    """(n, k, 2) or (k, 2) points turned about the origin by angles (n,): (n, k, 2)."""
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y = points[..., 0], points[..., 1]
    return np.stack([c * x - s * y, s * x + c * y], -1)


def gap(a: Array, b: Array) -> Array:
    """(n,) lower bounds of the distances between convex polygons (n, j, 2) and (n, k, 2).

    The widest gap across an edge of either; negative by how deep they overlap.
    """
    return np.maximum(_across(a, b), _across(b, a))


def slide(a: Array, b: Array, way: Array, wanted: Array) -> Array:
    """(n,) how far convex polygons b (n, k, 2) must go along unit vectors way (n, 2), which lead
    away from a (n, j, 2), for a gap of `wanted` (n,), as `gap` has it."""
    x, y = way[:, 0, None], way[:, 1, None]
    far = np.full(len(a), np.inf)
    for one, other, sign in ((a, b, 1.0), (b, a, -1.0)):
        nx, ny, across = _separations(one, other)
        rate = sign * (nx * x + ny * y)
        rising = (rate > 1e-6) & (across > -np.inf)
        ways = (wanted[:, None] - np.where(rising, across, 0.0)) / np.where(rising, rate, 1.0)
        far = np.minimum(far, np.where(rising, ways, np.inf).min(1))
    return far


def _across(a: Array, b: Array) -> Array:
    return _separations(a, b)[2].max(1)


def _separations(a: Array, b: Array) -> tuple[Array, Array, Array]:
    """The outward normals' x and y (n, j) of a's edges, and how far off b lies across each."""
    edge = np.roll(a, -1, axis=1) - a
    length = np.hypot(edge[..., 0], edge[..., 1])
    safe = np.where(length > 1e-9, length, 1.0)
    nx, ny = edge[..., 1] / safe, -edge[..., 0] / safe
    reach = nx * a[..., 0] + ny * a[..., 1]
    nearest = (nx[:, :, None] * b[:, None, :, 0] + ny[:, :, None] * b[:, None, :, 1]).min(2)
    return nx, ny, np.where(length > 1e-9, nearest - reach, -np.inf)


def inset(points: Array, polygon: Array) -> Array:
    """(...,) signed distances of (..., 2) points to the border of a simple polygon (k, 2).

    Positive inside.
    """
    p = points[..., None, :]
    distance = np.sqrt(((p - _on_edges(points, polygon)) ** 2).sum(-1)).min(-1)
    return np.where(_inside(p, polygon, np.roll(polygon, -1, axis=0)), distance, -distance)


def nearest(point: Array, polygon: Array) -> Array:
    """(2,) the point on the border of a polygon (k, 2) that is nearest to a point (2,)."""
    on = _on_edges(point, polygon)
    return on[((on - point) ** 2).sum(-1).argmin()]


def _on_edges(points: Array, polygon: Array) -> Array:
    """(..., k, 2) the point on each edge of a polygon (k, 2) that is nearest to points (..., 2)."""
    edge = np.roll(polygon, -1, axis=0) - polygon
    away = points[..., None, :] - polygon
    along = (away * edge).sum(-1) / np.maximum((edge * edge).sum(-1), 1e-18)
    return polygon + np.clip(along, 0, 1)[..., None] * edge


def _inside(p: Array, a: Array, b: Array) -> NDArray[np.bool_]:
    # A ray towards +x crosses the border an odd number of times from inside.
    straddles = (a[:, 1] > p[..., 1]) != (b[:, 1] > p[..., 1])
    rise = np.where(b[:, 1] == a[:, 1], 1.0, b[:, 1] - a[:, 1])
    x = a[:, 0] + (p[..., 1] - a[:, 1]) / rise * (b[:, 0] - a[:, 0])
    return (straddles & (p[..., 0] < x)).sum(-1) % 2 == 1


def clear(footprint: Array, polygon: Array) -> Array:
    """(n,) least insets of footprints (n, k, 2) in a counter-clockwise polygon, concave or not.

    A notch whose corner lies inside a footprint counts as well.
    """
    least = inset(footprint, polygon).min(-1)
    before, after = polygon - np.roll(polygon, 1, axis=0), np.roll(polygon, -1, axis=0) - polygon
    reflex = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0] < 0
    for corner in polygon[reflex]:
        point = np.broadcast_to(corner, (len(footprint), 1, 2))
        least = np.minimum(least, _across(footprint, point))
    return least
