"""What can be done with an object: put something into it, hook a finger through it, stand it up,
take it between two fingers. Told from its collision shape, since that is what a simulated hand
meets.

Lengths follow the shape: rasters have as many cells whatever the size, and what a raster finds is
then measured against the shape itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins import native
from cousins.mesh import matrix_from_quaternion
from cousins.raycast import caster
from cousins.types import Array, Asset

FINGER = 0.012  # m: a slender fingertip, and a gripper's; what takes none is not worth keeping
LEAST = FINGER / 2  # m across: cracks between a scan's convex parts are narrower
GRIPPER = 0.085  # m: what a common parallel gripper opens to
PAD = 0.022  # m: how wide its fingertips are, and about how high
STEADY = 0.05  # rad: what a slope or a nudge tilts a thing by
CELLS = 112  # along the longer side seen from above
PIXELS = 128  # along the longer side of a silhouette
RIPPLE = 0.001  # of the size: a hump of the energy that is no hold, like the facets of a ball
SAME = 0.98  # of the largest ball: one that is not to be told from it
CLOSER = 0.003  # of it: a gain that is worth a step
NARROWER = 0.5  # an opening of less than this share of the twin's takes other things
TIGHTER = 0.6  # and a handle, other hands


@dataclass(frozen=True)
class Opening:
    """The hollow of a container, open upwards.

    centre (3,), m: of the largest ball that sinks to its middle into the rim; radius of that ball,
    m; depth from the rim, where water would run over, to the lowest point within, m.
    """

    centre: Array
    radius: float
    depth: float


@dataclass(frozen=True)
class Handle:
    """A hole that a straight finger goes through. centre (3,), m; axis (3,), unit: the way that the
    finger goes, either way; gap: the diameter of the thickest that passes, m."""

    centre: Array
    axis: Array
    gap: float


@dataclass(frozen=True)
class Affordances:
    """What an object affords, as it is turned; places are from the object's origin.

    tip: how far it can be tilted before it falls over, least of all directions, rad; 0 for what
    rolls or does not stand. grasp: what two parallel fingers have to open to, m, to hold it level
    about its centre of mass at the best height and turn. footprint: long and short side of the
    least rectangle about its shadow, m. height: m.
    """

    opening: Opening | None
    handle: Handle | None
    stands: bool
    tip: float
    grasp: float
    footprint: tuple[float, float]
    height: float


def affordances(asset: Asset, rotation: Array | None = None) -> Affordances:
    """What the asset affords where it is turned by `rotation`: world_from_object (3, 3), by default
    its own quaternion. Up is the world's z.

    Places and directions are the object's, turned into the world's axes: the origin stays the
    object's own, and `rotation.T @ centre` is in the object's frame. Raises
    MissingDependencyError where open3d is missing.
    """
    turn = matrix_from_quaternion(asset.quaternion) if rotation is None else rotation
    body = _body(asset, turn)
    low, high = body.vertices.min(0), body.vertices.max(0)
    tip = _tip(body.vertices - body.centre)
    # Shadows of one or two convex bodies enclose nothing, nor do two convex bodies hold water.
    hollow = len(body.parts) > 2
    return Affordances(
        opening=_opening(body) if hollow else None,
        handle=_handle(body) if hollow else None,
        stands=tip > STEADY,
        tip=tip,
        grasp=_grasp(body),
        footprint=_rectangle(body.vertices[:, :2]),
        height=float(high[2] - low[2]),
    )


def lost(twin: Affordances, other: Affordances) -> tuple[str, ...]:
    """What the twin affords and the other does not, in words; empty where all is kept."""
    said = []
    if twin.opening is not None and 2 * twin.opening.radius >= FINGER:
        if other.opening is None:
            said.append("its opening is closed")
        elif other.opening.radius < NARROWER * twin.opening.radius:
            said.append("its opening is too narrow")
    if twin.handle is not None and twin.handle.gap >= FINGER:
        least = max(FINGER, TIGHTER * twin.handle.gap)
        if other.handle is None or other.handle.gap < least:
            said.append("its handle cannot be gripped")
    if twin.stands and not other.stands:
        said.append("does not stand")
    if twin.grasp <= GRIPPER < other.grasp:
        said.append("too wide to grasp")
    return tuple(said)


@dataclass(frozen=True, eq=False)
class _Body:
    """Convex parts turned into the world's axes, as vertices (n, 3) and triangles (m, 3), and the
    rows of the vertices that are each part's. centre (3,): of mass."""

    vertices: Array
    faces: NDArray[np.int64]
    parts: tuple[slice, ...]
    centre: Array

    @cached_property
    def rays(self) -> Any:
        """Open3D's RaycastingScene of it."""
        return caster(self.vertices, self.faces)

    @cached_property
    def edges(self) -> tuple[Array, Array]:
        """Both ends, (e, 3) each, of every edge of every part."""
        pairs = np.sort(self.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        keys = np.unique(pairs[:, 0] * len(self.vertices) + pairs[:, 1])
        return self.vertices[keys // len(self.vertices)], self.vertices[keys % len(self.vertices)]

    def along_edges(self, apart: float) -> tuple[Array, Array]:
        """x, y (n, 2) and z (n,) of points on its edges, at most so far apart, m: a wall that is
        thinner than rays are apart ends in edges."""
        a, b = self.edges
        count = np.ceil(np.linalg.norm(b - a, axis=1) / apart).astype(int) + 1
        first = np.repeat(np.cumsum(count) - count, count)
        share = (np.arange(count.sum()) - first) / np.repeat(count, count)
        points = np.repeat(a, count, axis=0) + share[:, None] * np.repeat(b - a, count, axis=0)
        return points[:, :2], points[:, 2]

    @property
    def size(self) -> float:
        """m, the diagonal of its bounds."""
        return float(np.linalg.norm(np.ptp(self.vertices, axis=0)))

    def distance(self, points: Array) -> Array:
        """(n,) m from points (n, 3) outside of it to its surface."""
        o3d = native.require("open3d")
        query = o3d.core.Tensor(np.ascontiguousarray(points, np.float32))
        return self.rays.compute_distance(query).numpy().astype(float)

    def cast(self, starts: Array, way: Array) -> Array:
        """(n,) m that rays from (n, 3) run along `way`, (3,) or (n, 3), until they meet it."""
        o3d = native.require("open3d")
        rays = np.concatenate([starts, np.broadcast_to(way, starts.shape)], axis=-1)
        found = self.rays.cast_rays(o3d.core.Tensor(np.ascontiguousarray(rays, np.float32)))
        return found["t_hit"].numpy().astype(float)


def _body(asset: Asset, turn: Array) -> _Body:
    from cousins.shape.primitive import primitive_mesh

    meshes = asset.parts if asset.primitive is None else (primitive_mesh(asset.primitive),)
    first = np.cumsum([0, *(len(m.vertices) for m in meshes)])
    return _Body(
        np.vstack([m.vertices for m in meshes]) @ turn.T,
        np.vstack([m.faces.astype(np.int64) + k for m, k in zip(meshes, first, strict=False)]),
        tuple(slice(a, b) for a, b in pairwise(first)),
        turn @ asset.center_of_mass,
    )


def _opening(body: _Body) -> Opening | None:
    """What would hold water: the shape's height seen from above, flooded from outside and from
    wide holes (grey-scale reconstruction by erosion, Vincent 1993), less that height."""
    from scipy.ndimage import label
    from skimage.morphology import reconstruction

    low, high = body.vertices.min(0), body.vertices.max(0)
    step = float((high - low)[:2].max()) / CELLS
    # Off what is symmetric: a ray that runs within a face meets it anywhere.
    origin = low[:2] - 1.863 * step
    width, height = np.ceil((high[:2] - low[:2]) / step).astype(int) + 4
    x, y = np.meshgrid(origin[0] + step * np.arange(width), origin[1] + step * np.arange(height))
    places = np.stack([x, y], -1).reshape(-1, 2)
    top = high[2] + step
    starts = np.column_stack([places, np.full(len(places), top)])
    ground = top - body.cast(starts, np.array([0.0, 0.0, -1.0])).reshape(height, width)
    places, heights = body.along_edges(step / 2)
    column, row = np.rint((places - origin) / step).astype(int).T
    np.maximum.at(ground, (row, column), heights)
    through = ~np.isfinite(ground)
    ground[through] = low[2] - step
    seed = np.where(_wide(through, step), ground, top)
    seed[0], seed[-1], seed[:, 0], seed[:, -1] = ground[0], ground[-1], ground[:, 0], ground[:, -1]
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])  # no water passes where corners meet
    level = reconstruction(seed, ground, method="erosion", footprint=cross)
    numbers, count = label(level - ground > LEAST / 2)  # pyright: ignore[reportGeneralTypeIssues]
    best: Opening | None = None
    for k in range(1, count + 1):
        basin = numbers == k
        rim = float(level[basin].max())
        # What stands above the rim hinders a ball that is let down beside it.
        free = _inwards(ground <= rim + step) * step
        found = _ball(body, basin, free, rim, origin, step)
        if found is not None and (best is None or found[1] > best.radius):
            best = Opening(found[0], found[1], rim - float(ground[basin & ~through].min()))
    return best if best is not None and 2 * best.radius >= LEAST else None


def _wide(through: NDArray[np.bool_], step: float) -> NDArray[np.bool_]:
    """Of a mask's patches, those that a finger goes through: cracks between a scan's convex parts
    let nothing out that one would put in."""
    from scipy.ndimage import label

    numbers, _ = label(through)  # pyright: ignore[reportGeneralTypeIssues]
    wide = np.unique(numbers[2 * step * _inwards(through) >= FINGER])
    return through & np.isin(numbers, wide)


def _ball(
    body: _Body, basin: NDArray[np.bool_], free: Array, rim: float, origin: Array, step: float
) -> tuple[Array, float] | None:
    """Centre (3,) and radius of the largest ball half sunk in a basin at its rim."""
    room = np.where(basin, np.minimum(free, _inwards(basin) * step), 0.0)
    if 2 * room.max() < LEAST:
        return None
    # Its middle is far from the basin's border: what is less than half as far need not be tried.
    tried = np.argwhere(room >= room.max() / 2)
    stride = len(tried) // 150 + 1
    middle = np.array(np.unravel_index(int(room.argmax()), room.shape))
    cells = np.vstack([middle, tried[::stride]])
    limit = free[tuple(cells.T)]
    points = np.column_stack([origin + step * cells[:, ::-1], np.full(len(cells), rim)])
    radii = np.minimum(body.distance(points), limit)
    # What is limited by the depth goes in at many places: in the middle, then.
    k = 0 if radii[0] > SAME * radii.max() else int(radii.argmax())
    centre, radius, ahead = points[k], float(radii[k]), limit[k]
    reach = step if k == 0 else step * np.sqrt(stride)
    while reach > step / 8:
        near = centre + reach * _NEAR
        # Nowhere is the room above the rim less than at the cell, by more than one goes from it.
        found = np.minimum(body.distance(near), ahead)
        if found.max() > (1 + CLOSER) * radius:
            centre, radius = near[found.argmax()], float(found.max())
        else:
            reach /= 2
    return centre, radius


_NEAR = np.array([(x, y, 0.0) for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y])


def _inwards(mask: NDArray[np.bool_]) -> Array:
    """Cells from each of a mask's, from its middle, to the edge of the nearest that is not."""
    import cv2

    far = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.maximum(far.astype(float) - 0.5, 0.0)


def _handle(body: _Body) -> Handle | None:
    """The widest hole of its silhouettes: what is free there is free all the way along."""
    views = [_holes(body, way) for way in _ways()]
    best = max(views, key=lambda view: view.step * float(view.inwards.max()))
    if not best.inwards.any():
        return None
    way = best.frame[2]
    centre = best.widest(float(way @ body.vertices.mean(0)))
    centre, gap = _widest(body, way, centre, 0.05)
    for turn in (0.12, 0.05, 0.02):  # rad: ways are 15 to 25 degrees apart
        x, y, _ = _frame(way)
        for angle in np.arange(6) * np.pi / 3:
            tilted = way + turn * (np.cos(angle) * x + np.sin(angle) * y)
            tilted = tilted / np.linalg.norm(tilted)
            other, wider = _widest(body, tilted, centre, 0.05)
            # Tilted, a rod may come to lie beside the hole, or within a wall.
            if wider > gap and _holes(body, tilted).at(other) > 0:
                way, centre, gap = tilted, other, wider
    centre, gap = _widest(body, way, centre, 0.005)
    return Handle(centre, way, gap) if gap >= LEAST else None


@lru_cache(maxsize=1)
def _ways() -> tuple[Array, ...]:
    """Half of all directions: level ones closely, since slots between rails are seen from few."""
    rings = ((0.0, 12, np.pi), (0.5, 10, 2 * np.pi), (1.0, 6, 2 * np.pi), (np.pi / 2, 1, np.pi))
    return tuple(
        np.array([np.cos(a) * np.cos(up), np.sin(a) * np.cos(up), np.sin(up)])
        for up, count, whole in rings
        for a in (np.arange(count) + 0.13) * whole / count
    )


def _frame(way: Array) -> Array:
    """(3, 3), rows: two directions across `way`, and `way`."""
    k = int(np.argmin(np.abs(way)))
    across: Array = np.eye(3)[k] - way[k] * way
    across = across / np.linalg.norm(across)
    return np.array([across, np.cross(way, across), way])


@dataclass(frozen=True, eq=False)
class _Holes:
    """Seen along `frame[2]`: inwards (h, w), the pixels from each of a hole's to its border, else
    0. low (3,): of the shape along the frame's rows; step: side of a pixel, m."""

    frame: Array
    inwards: NDArray[Any]
    low: Array
    step: float

    def at(self, place: Array) -> float:
        """How far within a hole the line along the view through a place (3,) runs, m."""
        column, row = np.rint((self.frame[:2] @ place - self.low[:2]) / self.step + 2).astype(int)
        height, width = self.inwards.shape
        inside = 0 <= row < height and 0 <= column < width
        return self.step * float(self.inwards[row, column]) if inside else 0.0

    def widest(self, middle: float) -> Array:
        """(3,) where the widest one is, `middle` along the view."""
        row, column = np.unravel_index(int(self.inwards.argmax()), self.inwards.shape)
        place = self.low[:2] + self.step * (np.array([column, row]) - 2.0)
        return np.append(place, middle) @ self.frame


def _holes(body: _Body, way: Array) -> _Holes:
    """The holes of the silhouette along `way`, by raster: the union of convex parts' shadows."""
    import cv2

    frame = _frame(way)
    seen = body.vertices @ frame.T
    low, high = seen.min(0), seen.max(0)
    step = float((high - low)[:2].max()) / PIXELS
    # As fixed-point numbers of 1/16 pixel; a border of two pixels is background.
    pixels = np.rint(((seen[:, :2] - low[:2]) / step + 2) * 16).astype(np.int32)
    width, height = np.ceil((high - low)[:2] / step).astype(int) + 5
    picture = np.ones((height, width), np.uint8)
    for part in body.parts:
        cv2.fillConvexPoly(picture, cv2.convexHull(pixels[part]), 0, cv2.LINE_8, 4)
    cv2.floodFill(picture, None, (0, 0), 0)  # pyright: ignore[reportCallIssue, reportArgumentType]
    inwards = cv2.distanceTransform(picture, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return _Holes(frame, inwards, low, step)


def _widest(body: _Body, way: Array, centre: Array, fine: float) -> tuple[Array, float]:
    """Centre (3,) and diameter of the thickest straight rod along `way` that passes around there.

    A convex part's shadow ends at shadows of its edges. A rod is only moved within its own width,
    so that it never gets past one. fine: share of its radius to which it is placed.
    """
    frame = _frame(way)
    a, b = (ends @ frame[:2].T for ends in body.edges)
    place = frame[:2] @ centre
    apart = _segments(place[None], a, b)[0]
    radius = float(apart.min())
    # A rod twice as thick, moved by as much, meets nothing beyond these; a wider one is not sought.
    close = apart < 4 * radius + 0.02 * body.size
    near_a, near_b = a[close], b[close]
    reach, most = radius / 2, 2 * radius + 0.01 * body.size
    while reach > fine * radius:
        near = place + reach * _NEAR[:, :2]
        found = np.minimum(_segments(near, near_a, near_b).min(1), most)
        if found.max() > radius:
            place, radius = near[found.argmax()], float(found.max())
        else:
            reach /= 2
    apart = _segments(place[None], a, b)[0]
    # Along the rod, its middle is the middle of what is around it.
    around = apart < apart.min() + 0.02 * body.size
    along = np.concatenate([ends[around] @ way for ends in body.edges])
    return np.append(place, (along.min() + along.max()) / 2) @ frame, 2 * float(apart.min())


def _segments(points: Array, a: Array, b: Array) -> Array:
    """(n, e) from points (n, 2) to segments between a and b (e, 2)."""
    x, y = (b - a).T
    dx, dy = (points[:, k, None] - a[:, k] for k in (0, 1))
    long = np.maximum(x * x + y * y, 1e-18)
    share = np.clip(dx * (x / long) + dy * (y / long), 0.0, 1.0)
    dx -= share * x
    dy -= share * y
    return np.sqrt(dx * dx + dy * dy)


def _tip(points: Array) -> float:
    """How far points (n, 3) about a centre of mass can be tilted before they fall over, rad.

    The centre's height above a plane, tilted any way, is how far the points reach below it. What is
    tilted falls where that height is greatest; with a flat foot, where the centre is right above
    the foot's edge. 0 where it rolls, or falls as it is.
    """
    from scipy.spatial import ConvexHull

    points = points[ConvexHull(points).vertices]
    hump = RIPPLE * float(np.linalg.norm(np.ptp(points, axis=0)))
    azimuth = np.arange(36) * np.pi / 18
    tilt = np.radians(np.arange(91))
    sideways = points[:, :2] @ np.array([np.cos(azimuth), np.sin(azimuth)])  # (n, 36)
    down = -points[:, 2, None, None] * np.cos(tilt) + sideways[..., None] * np.sin(tilt)
    height = down.max(0)  # (36, 91)
    peak = np.maximum.accumulate(height, axis=1)
    falls = height < peak - hump
    falls[:, -1] = True
    until = falls.argmax(1)
    best = np.array([h[: k + 1].argmax() for h, k in zip(height, until, strict=True)])
    rise = height[np.arange(len(height)), best] - height[:, 0]
    return float(np.where(rise > hump, tilt[best], 0.0).min())


def _grasp(body: _Body) -> float:
    """m between two fingertips, level, that close on it about its centre of mass, at the height and
    turn where that is least."""
    low, high = body.vertices[:, 2].min(), body.vertices[:, 2].max()
    levels = low + (high - low) * (np.arange(12) + 0.5) / 12
    across = np.linspace(-PAD / 2, PAD / 2, 5)
    azimuth = np.arange(18) * np.pi / 18
    way = np.column_stack([np.cos(azimuth), np.sin(azimuth), 0 * azimuth])
    side = np.column_stack([-np.sin(azimuth), np.cos(azimuth), 0 * azimuth])
    far = 2 * body.size
    middle = np.append(body.centre[:2], 0.0)
    at = (middle + across[None, None, :, None] * side[:, None, None]
          + levels[None, :, None, None] * np.array([0.0, 0.0, 1.0]))  # fmt: skip
    ways = np.broadcast_to(way[:, None, None], at.shape)
    near, rest = (
        body.cast((at - sign * far * ways).reshape(-1, 3), (sign * ways).reshape(-1, 3))
        for sign in (1, -1)
    )
    near, rest = (far - found.reshape(at.shape[:3]) for found in (near, rest))
    # From the middle to the outermost that a fingertip meets on its side; nothing is -inf.
    wide = near.max(2) + rest.max(2)
    held = np.isfinite(near[:, :, 2]) & np.isfinite(rest[:, :, 2])
    if not held.any():
        return float(_rectangle(body.vertices[:, :2])[1])
    # As high as the fingertips are, where it is as high.
    rows = max(1, min(len(levels), round(PAD / max(1e-9, (high - low) / 12))))
    wide = np.where(held, wide, np.inf)
    runs = np.lib.stride_tricks.sliding_window_view(wide, rows, axis=1).max(-1)
    return float(runs.min() if np.isfinite(runs).any() else wide.min())


def _rectangle(points: Array) -> tuple[float, float]:
    """Long and short side of the least rectangle about points (n, 2), m."""
    import cv2

    hull = cv2.convexHull(points.astype(np.float32))
    (_, sides, _) = cv2.minAreaRect(hull)
    return float(max(sides)), float(min(sides))
