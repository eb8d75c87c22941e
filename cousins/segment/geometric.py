"""Objects by geometry alone: what stands above a support surface and hangs together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cousins.reconstruct.tsdf import Surface
from cousins.segment.supports import area, inside
from cousins.types import Array, Support

SHEET_HEIGHT = 0.03  # level and lower than this may be paper, a magazine, a book, m
FINE = 0.0007  # depth noise after fusion below which single sheets can be told apart, m
RIM = 0.010  # how far beside a sheet's top its sides may lie, m


@dataclass(frozen=True)
class Segment:
    """One object's seen surface: points, normals, colours (n, 3) in the world.

    base: height of what it stands on, as seen under it, m.
    noise: of the depth after fusion, as seen on the support, m.
    notes: what could not be told, in plain words.
    on: the index, among the segments it came with, of the one that it stands on or lies in; None
    for the support itself.
    """

    points: Array
    normals: Array
    colours: Array
    support: Support
    base: float
    noise: float
    notes: tuple[str, ...] = ()
    on: int | None = None


@dataclass(frozen=True)
class Ground:
    """A support's surface as seen: z = polynomial of x, y. It takes up slow bends of the depth.

    noise: robust standard deviation of the support's points about it, m.
    """

    centre: Array
    coefficients: Array
    noise: float

    def __call__(self, xy: Array) -> Array:
        """(n,) heights at (n, 2) positions."""
        return _terms(xy - self.centre) @ self.coefficients


def _terms(p: Array) -> Array:
    x, y = p[:, 0], p[:, 1]
    return np.column_stack([np.ones(len(p)), x, y, x * x, x * y, y * y])


def fit_ground(surface: Surface, support: Support) -> Ground:
    """Least squares over the support's level points, trimmed to those that are not things on it."""
    polygon = support.polygon
    low, high = polygon.min(0), polygon.max(0)
    z = surface.vertices[:, 2]
    level = (surface.normals[:, 2] > 0.94) & (np.abs(z - support.height) < 0.03)
    level &= np.all((surface.vertices[:, :2] > low) & (surface.vertices[:, :2] < high), axis=1)
    points = surface.vertices[level]
    centre = polygon.mean(0)
    cells = np.unique(np.floor(points[:, :2] / 0.05), axis=0)
    # A bend fitted to a corner of a surface would run off over the rest of it.
    if len(points) < 500 or len(cells) * 0.05**2 < 0.25 * area(polygon):
        return Ground(centre, np.array([support.height, 0, 0, 0, 0, 0.0]), 0.003)
    terms = _terms(points[:, :2] - centre)
    keep = np.ones(len(points), bool)
    coefficients = np.zeros(6)
    noise = 0.01
    for _ in range(12):
        coefficients = np.linalg.lstsq(terms[keep], points[keep, 2], rcond=None)[0]
        residual = points[:, 2] - terms @ coefficients
        # Things lie above and never below, so the upper side is trimmed harder.
        noise = max(0.0004, 1.4826 * float(np.median(np.abs(residual[keep]))))
        keep = (residual < 2.0 * noise) & (residual > -4.0 * noise)
    return Ground(centre, np.asarray(coefficients, float), noise)


@dataclass(frozen=True)
class Geometric:
    """Parts what rises above a support into objects by connection in space.

    gap: points nearer than this hang together, m. min_height: what counts as above, m (or three
    times the noise); a floor is seen from farther and gets its own. max_size: longest side of an
    object, m. max_lift: an object's lowest point is at most this far above the support, m.
    """

    gap: float = 0.010
    min_height: float = 0.004
    min_height_on_floor: float = 0.03
    min_size: float = 0.02
    max_size: float = 0.7
    max_lift: float = 0.04
    min_points: int = 120

    def __call__(
        self, surface: Surface, support: Support, above: tuple[Support, ...] = ()
    ) -> tuple[Segment, ...]:
        """The segments on one support, largest first.

        above: supports higher up, whose own layers are not objects of this one.
        """
        ground = fit_ground(surface, support)
        low, high = support.polygon.min(0) - 0.1, support.polygon.max(0) + 0.1
        near = np.all((surface.vertices[:, :2] > low) & (surface.vertices[:, :2] < high), axis=1)
        near &= surface.vertices[:, 2] > support.height - 0.03
        for other in above:
            under = inside(other.polygon, surface.vertices[near, :2], 0.03)
            index = np.flatnonzero(near)
            near[index[under & (surface.vertices[index, 2] > other.height - 0.06)]] = False
        points, normals = surface.vertices[near], surface.normals[near]
        colours = surface.colours[near]
        if not len(points):
            return ()
        height = points[:, 2] - ground(points[:, :2])
        least = self.min_height if support.kind != "floor" else self.min_height_on_floor
        up = height > max(least, 3 * ground.noise)
        points, normals, colours, height = points[up], normals[up], colours[up], height[up]
        labels = _enclosed_joined(points, self._parts(points, normals, height))
        found = []
        for label in range(labels.max(initial=-1) + 1):
            member = labels == label
            if not self._is_object(points[member], height[member], support):
                continue
            base = float(np.median(ground(points[member, :2])))
            if support.kind == "floor":
                base = _floor_near(surface, points[member], base)
            notes = _notes(height[member], ground)
            seen = points[member], normals[member], colours[member]
            found.append(Segment(*seen, support, base, ground.noise, notes))
        return tuple(sorted(found, key=lambda s: -len(s.points)))

    def _parts(self, points: Array, normals: Array, height: Array) -> np.ndarray:
        """(n,) labels from 0; -1 belongs to nothing."""
        whole = np.full(len(points), -1)
        slab = np.flatnonzero((normals[:, 2] > 0.9) & (height < SHEET_HEIGHT))
        pieces = _drop_small(connected(points[slab], self.gap), self.min_points)
        count = 0
        for piece in range(pieces.max(initial=-1) + 1):
            member = slab[pieces == piece]
            if _is_sheet(points[member]):
                whole[member] = count
                count += 1
        whole = _with_rims(points, height, whole)
        rest = np.flatnonzero(whole < 0)
        own = _drop_small(connected(points[rest], self.gap), self.min_points)
        whole[rest] = np.where(own >= 0, own + count, -1)
        return whole

    def _is_object(self, points: Array, height: Array, support: Support) -> bool:
        if len(points) < self.min_points:
            return False
        extent = np.ptp(points, axis=0)
        if max(extent) > self.max_size or max(extent[:2]) < self.min_size:
            return False
        if np.percentile(height, 2) > self.max_lift:
            return False
        within = inside(support.polygon, points[:: max(1, len(points) // 400), :2])
        if within.mean() < 0.7:
            return False
        # A fringe along the rim of a table is fusion's own, not a thing.
        core = inside(support.polygon, points[:: max(1, len(points) // 400), :2], -0.025)
        return bool(height.max() > 0.012 or core.mean() > 0.5)


def connected(points: Array, gap: float) -> np.ndarray:
    """(n,) labels of the connected components of points nearer than `gap`, by voxels of gap / 2."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import KDTree

    if not len(points):
        return np.zeros(0, int)
    cells, inverse = np.unique(np.floor(points / (gap / 2)).astype(int), axis=0,
                               return_inverse=True)  # fmt: skip
    pairs = KDTree(cells).query_pairs(2.01, output_type="ndarray")
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (len(cells),) * 2)
    return connected_components(graph, directed=False)[1][inverse.ravel()]


def _drop_small(labels: np.ndarray, least: int) -> np.ndarray:
    """Labels renumbered from 0 by size; components of fewer than `least` members become -1."""
    counts = np.bincount(labels) if len(labels) else np.zeros(0, int)
    order = np.argsort(-counts, kind="stable")
    new = np.full(len(counts) + 1, -1)
    kept = order[counts[order] >= least]
    new[kept] = np.arange(len(kept))
    return new[labels]


def _is_sheet(points: Array) -> bool:
    """Whether level low points make a slab (paper, a magazine, a book) and not a ledge or a rim.

    A slab holds a disc of 4 cm and covers 60 cm².
    """
    import cv2

    if len(points) < 300:
        return False
    cell = 0.005
    cells = ((points[:, :2] - points[:, :2].min(0)) / cell).astype(int) + 1
    image = np.zeros(cells.max(0) + 2, np.uint8)
    image[cells[:, 0], cells[:, 1]] = 1
    radius = cv2.distanceTransform(image, cv2.DIST_L2, 3).max() * cell
    return bool(image.sum() * cell**2 > 0.006 and radius > 0.02)


def _with_rims(points: Array, height: Array, labels: np.ndarray) -> np.ndarray:
    """Sheets with their sides: what lies beside them, or on them, and hardly higher."""
    from scipy.spatial import KDTree

    labels = labels.copy()
    for sheet in range(labels.max(initial=-1) + 1):
        mine = labels == sheet
        rest = np.flatnonzero(labels < 0)
        tree = KDTree(points[mine, :2])
        distance, index = tree.query(points[rest, :2], distance_upper_bound=RIM)
        near, nearest = np.isfinite(distance), np.asarray(index)
        top = height[mine][nearest[near]]
        rest = rest[near]
        labels[rest[height[rest] < top + 0.005]] = sheet
    return labels


def _enclosed_joined(points: Array, labels: np.ndarray) -> np.ndarray:
    """Join what a ring of another surrounds and touches: the inside of a bowl is the bowl.

    Surrounded from above, that is: not merely within a convex outline, where a small thing may
    lie in the crook of a large one.
    """
    from scipy.ndimage import binary_closing, binary_fill_holes
    from scipy.spatial import KDTree

    labels = labels.copy()
    cell, rim = 0.005, 4
    sizes = np.bincount(labels[labels >= 0], minlength=1)
    by_size = [int(i) for i in np.argsort(-sizes, kind="stable")]
    for i, outer in enumerate(by_size):
        theirs = points[labels == outer]
        if not len(theirs):
            continue
        low = theirs[:, :2].min(0)
        spots = ((theirs[:, :2] - low) / cell).astype(int) + rim
        ring = np.zeros(spots.max(0) + 1 + rim, bool)
        ring[spots[:, 0], spots[:, 1]] = True
        filled = np.asarray(binary_fill_holes(binary_closing(ring, iterations=2)))
        for inner in by_size[i + 1 :]:
            mine = points[labels == inner]
            if not len(mine):
                continue
            spots = ((mine[:, :2] - low) / cell).astype(int) + rim
            known = np.all((spots >= 0) & (spots < ring.shape), axis=1)
            within = np.zeros(len(mine), bool)
            within[known] = filled[spots[known, 0], spots[known, 1]]
            if within.mean() > 0.9 and KDTree(theirs).query(mine)[0].min() < 0.02:
                labels[labels == inner] = outer
    return labels


def _floor_near(surface: Surface, points: Array, height: float) -> float:
    """Height of the floor round a thing, which a room's floor as a whole is too rough for, m."""
    low, high = points[:, :2].min(0) - 0.1, points[:, :2].max(0) + 0.1
    v = surface.vertices
    near = np.all((v[:, :2] > low) & (v[:, :2] < high), axis=1) & (np.abs(v[:, 2] - height) < 0.04)
    near &= surface.normals[:, 2] > 0.95
    return float(np.median(v[near, 2])) if near.sum() > 200 else height


def _notes(height: Array, ground: Ground) -> tuple[str, ...]:
    if float(np.percentile(height, 95)) < SHEET_HEIGHT and ground.noise > FINE:
        return (
            f"flat things that lie on one another are one here: at a depth noise of "
            f"{1000 * ground.noise:.1f} mm their edges cannot be told apart",
        )
    return ()
