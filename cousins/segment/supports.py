"""Support surfaces and walls: the planes of a room that things stand on and against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cousins.polygons import signed_area
from cousins.reconstruct.tsdf import Surface
from cousins.types import Array, Support, Wall

CELL = 0.02  # of the occupancy grids, m
FLOOR_BAND = 0.08  # pieces of one floor may differ by this in height, m
BESIDE = 8  # cells, of what is broad, that a narrow strip is still of it
SHELF = 0.3  # a surface narrower than this is a shelf, m
BRIDGE, SAME = 0.3, 0.006  # what is no farther apart, and no more in height, may be one, m
ENDED = 0.3  # of what is between, seen through: more, and there is a gap
LEVEL = np.cos(np.radians(10))  # a highest-plane rule without this gate once chose one tilted 11°


@dataclass(frozen=True)
class Supports:
    """Finds horizontal surfaces. min_area: of one, m². band: half its thickness, m."""

    min_area: float = 0.09
    band: float = 0.03

    def __call__(self, surface: Surface, cameras: Array) -> tuple[Support, ...]:
        """The supports of a surface in a z-up world, lowest first.

        cameras: (n, 3) positions, to tell a floor from a table top.
        """
        level = surface.normals[:, 2] > LEVEL
        points, area = surface.vertices[level], vertex_areas(surface)[level]
        found: list[tuple[float, Array, float]] = []
        for height in self._peaks(points[:, 2], area):
            layer = points[np.abs(points[:, 2] - height) < self.band]
            lower = surface.vertices[surface.vertices[:, 2] < height - 2 * self.band]
            for polygon, inside, size in _components(layer, lower, self.min_area):
                z = float(np.median(layer[inside, 2]))
                if not any(abs(z - h) < 2 * self.band and _overlap(p, polygon)
                           for h, p, _ in found):  # fmt: skip
                    found.append((z, polygon, size))
        found.sort(key=lambda f: f[0])
        return _named(found, cameras)

    def _peaks(self, z: Array, area: Array) -> list[float]:
        if not len(z):
            return []
        step = 0.01
        edges = np.arange(z.min() - 3 * step, z.max() + 4 * step, step)
        votes, _ = np.histogram(z, edges, weights=area)
        votes = np.convolve(votes, [0.25, 0.5, 1.0, 0.5, 0.25], "same")
        peaks = []
        order = np.argsort(-votes, kind="stable")
        taken = np.zeros(len(votes), bool)
        for i in order:
            if votes[i] < self.min_area / 2:
                break
            if not taken[max(0, i - 2) : i + 3].any():
                near = np.abs(z - (edges[i] + step / 2)) < 2 * step
                peaks.append(float(np.median(z[near])))
            taken[i] = True
        return peaks


def vertex_areas(surface: Surface) -> Array:
    """(n,) a third of the area of the faces round each vertex, m²."""
    a, b, c = (surface.vertices[surface.faces[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
    weights = np.repeat(area, 3)
    return np.bincount(surface.faces.ravel(), weights, len(surface.vertices)).astype(float)


def _components(
    layer: Array, lower: Array, min_area: float
) -> list[tuple[Array, np.ndarray, float]]:
    """Polygon, mask of the layer's points, and area of each connected piece of a layer.

    lower: points (n, 3) below it, where it cannot be.
    """
    import cv2

    if len(layer) < 3:
        return []
    origin = layer[:, :2].min(0) - 10 * CELL
    cells = ((layer[:, :2] - origin) / CELL).astype(int)
    image = np.zeros((cells.max(0) + 12)[::-1], np.uint8)
    image[cells[:, 1], cells[:, 0]] = 1
    # Close over seams and the footprints of small things; then a hole is something standing there.
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    closed = cv2.morphologyEx(image, cv2.MORPH_CLOSE, disc)
    closed = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    # A chair's rail at a table's height is no part of the table, unless all of it is as narrow.
    broad = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (11, 11))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, broad)
    if opened.sum() > 0.8 * closed.sum():
        # What was narrow, but runs beside what is broad, is its rim beyond a shadow.
        beside = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * BESIDE + 1, 2 * BESIDE + 1))
        closed = cv2.bitwise_and(closed, cv2.dilate(opened, beside))
    seen_through = _seen_through(closed.shape, origin, lower)
    closed = _shadows_filled(closed, seen_through)
    heights = np.full(closed.shape, np.nan)
    heights[cells[:, 1], cells[:, 0]] = layer[:, 2]
    closed = _bridged(closed, heights, seen_through)
    contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    pieces = []
    for contour in contours:
        filled = np.zeros_like(closed)
        cv2.drawContours(filled, [contour], -1, 1, cv2.FILLED)
        member = filled[cells[:, 1], cells[:, 0]] > 0
        # What was seen decides, not what was closed over.
        seen = float(np.logical_and(image, filled).sum()) * CELL**2
        if seen < min_area:
            continue
        polygon = cv2.approxPolyDP(contour, 0.75, True)[:, 0]
        if len(polygon) < 3:
            continue
        pieces.append((_counter_clockwise(origin + (polygon + 0.5) * CELL), member, seen))
    return pieces


def _seen_through(shape: tuple[int, ...], origin: Array, lower: Array) -> np.ndarray:
    """(h, w) where points (n, 3) below a layer were seen: there it is not."""
    import cv2

    below = np.zeros(shape, np.uint8)
    cells = ((lower[:, :2] - origin) / CELL).astype(int)
    cells = cells[np.all((cells >= 0) & (cells < shape[::-1]), axis=1)]
    below[cells[:, 1], cells[:, 0]] = 1
    return cv2.dilate(below, np.ones((3, 3), np.uint8)) > 0


def _shadows_filled(image: np.ndarray, seen_through: np.ndarray) -> np.ndarray:
    """With what each piece's convex outline holds and nobody saw: there its things hide it."""
    import cv2

    out = image.copy()
    for contour in cv2.findContours(image, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]:
        out[(_outline(contour, image.shape) > 0) & ~seen_through] = 1
    return out


def _bridged(image: np.ndarray, heights: Array, seen_through: np.ndarray) -> np.ndarray:
    """With neighbours at one height joined where nothing was seen to end between them: what stands
    there, a crate say, parts a table. heights (h, w): of the layer's points, m, or NaN."""
    import cv2

    count, labels = cv2.connectedComponents(image)
    known = [heights[(labels == i) & np.isfinite(heights)] for i in range(count)]
    # The first label is that of the ground between; what is all hidden has no height.
    level = [np.median(h) if i and len(h) else np.nan for i, h in enumerate(known)]
    out = image.copy()
    for a in range(1, count):
        away = cv2.distanceTransform((labels != a).astype(np.uint8), cv2.DIST_L2, 5)
        for b in range(a + 1, count):
            if CELL * away[labels == b].min() > BRIDGE or not abs(level[a] - level[b]) < SAME:
                continue
            both = _outline(np.argwhere(np.isin(labels, (a, b)))[:, None, ::-1], image.shape)
            between = (both > 0) & (image == 0)
            if seen_through[between].mean() < ENDED:
                out[between & ~seen_through] = 1
    return out


def _outline(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(h, w) 1 within the convex outline of pixels (n, 1, 2), x and y."""
    import cv2

    mask = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(points.astype(np.int32)), 1)
    return mask


def _counter_clockwise(polygon: Array) -> Array:
    return polygon if signed_area(polygon) > 0 else polygon[::-1]


def inside(polygon: Array, xy: Array, margin: float = 0.0) -> np.ndarray:
    """(n,) whether points lie in the polygon grown by `margin` metres."""
    import cv2

    contour = polygon.astype(np.float32)
    return np.array([cv2.pointPolygonTest(contour, (float(x), float(y)), margin != 0.0) >= -margin
                     for x, y in xy], bool)  # fmt: skip


def hull(xy: Array) -> Array:
    """(k, 2) the convex outline of points (n, 2)."""
    import cv2

    return np.asarray(cv2.convexHull(xy.astype(np.float32))[:, 0], float)


def _overlap(a: Array, b: Array) -> bool:
    return bool(inside(a, b).mean() > 0.3 or inside(b, a).mean() > 0.3)


def _named(found: list[tuple[float, Array, float]], cameras: Array) -> tuple[Support, ...]:
    import cv2

    supports, counts = [], {"floor": 0, "table": 0, "shelf": 0}
    lowest = found[0][0] if found else 0.0
    # A floor has something else well above it, or is filmed from a standing person's height.
    floor = bool(found) and (found[-1][0] - lowest > 0.25 or cameras[:, 2].min() - lowest > 1.2)
    ground = [f for f in found if floor and f[0] - lowest < FLOOR_BAND]
    if len(ground) > 1:
        # Far from the camera a floor bends by centimetres and breaks: it is one all the same.
        z = float(np.average([f[0] for f in ground], weights=[f[2] for f in ground]))
        hull = cv2.convexHull(np.vstack([f[1] for f in ground]).astype(np.float32))[:, 0]
        whole = (z, _counter_clockwise(hull.astype(float)), sum(f[2] for f in ground))
        found = [whole, *found[len(ground) :]]
    for z, polygon, _ in found:
        _, sides, _ = cv2.minAreaRect(polygon.astype(np.float32))
        kind: Literal["floor", "table", "shelf"] = "shelf" if min(sides) < SHELF else "table"
        if floor and z - lowest < FLOOR_BAND:
            kind = "floor"
        counts[kind] += 1
        name = kind if counts[kind] == 1 else f"{kind}_{counts[kind]}"
        supports.append(Support(name, kind, z, polygon))
    return tuple(supports)


def find_walls(surface: Surface, min_area: float = 0.4) -> tuple[Wall, ...]:
    """The vertical planes of a surface in a z-up world, largest first.

    Votes over azimuth and offset of what is vertical (a Hough transform), refined by the median.
    """
    upright = np.abs(surface.normals[:, 2]) < 0.17
    points, normals = surface.vertices[upright], surface.normals[upright]
    area = vertex_areas(surface)[upright]
    walls: list[Wall] = []
    left = np.ones(len(points), bool)
    for _ in range(8):
        if area[left].sum() < min_area:
            break
        azimuth = np.arctan2(normals[:, 1], normals[:, 0])
        turn = np.histogram(azimuth[left], 72, (-np.pi, np.pi), weights=area[left])[0]
        turn = turn + np.roll(turn, 1) + np.roll(turn, -1)
        angle = -np.pi + (np.argmax(turn) + 0.5) * np.pi / 36
        for _ in range(3):
            normal = np.array([np.cos(angle), np.sin(angle), 0.0])
            facing = left & (normals @ normal > np.cos(np.radians(12)))
            if not facing.any():
                break
            mean = (normals[facing] * area[facing, None]).sum(0)
            angle = np.arctan2(mean[1], mean[0])
        normal = np.array([np.cos(angle), np.sin(angle), 0.0])
        facing = left & (normals @ normal > np.cos(np.radians(15)))
        if not facing.any():
            break
        offset = points @ normal
        steps = np.arange(offset.min(), offset.max() + 0.1, 0.04)
        votes, edges = np.histogram(offset[facing], steps, weights=area[facing])
        votes = votes[:-1] + votes[1:]
        best = int(np.argmax(votes))
        near = facing & (offset >= edges[best]) & (offset <= edges[best + 2])
        if votes[best] < min_area:
            left &= ~facing
            continue
        distance = float(np.median(offset[near]))
        along = points[near] @ np.array([-normal[1], normal[0], 0.0])
        low, high = np.percentile(along, [1, 99])
        bottom, top = np.percentile(points[near, 2], [1, 99])
        if high - low > 0.5 and top - bottom > 0.5:
            centre = normal * distance + np.array([-normal[1], normal[0], 0.0]) * (low + high) / 2
            centre[2] = (bottom + top) / 2
            walls.append(Wall(f"wall_{len(walls) + 1}", centre, normal,
                              float(high - low) / 2, float(top - bottom) / 2))  # fmt: skip
        left &= ~(facing & (np.abs(offset - distance) < 0.06))
    return tuple(walls)
