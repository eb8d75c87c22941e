"""Objects by geometry alone: what stands above a support surface and hangs together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cousins.reconstruct.tsdf import Surface
from cousins.segment.patches import (
    agglomerate,
    borders,
    means,
    patches,
    smoothed,
    thinned,
    trusted,
    unit,
)
from cousins.segment.stacking import Limits, Parts, objects, relations
from cousins.segment.supports import area, hull, inside
from cousins.types import Array, Support

SHEET_HEIGHT = 0.03  # level and lower than this may be paper, a magazine, a book, m
FINE = 0.0007  # depth noise after fusion below which single sheets can be told apart, m
LOW = 0.015  # what is lower may be the depth's own drift, m
RING = 0.025  # how far round a low thing the support is looked at, m


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
    max_hidden_lift: float = 0.25
    min_points: int = 120
    smooth: float = 0.010
    patch: float = 0.014

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
        bare = _bare(points, height, least, up)
        points_beside = np.column_stack([points[~up, :2], height[~up]])
        points, normals, colours, height = points[up], normals[up], colours[up], height[up]
        standing = self._could_be_objects(points, height, support, bare)
        points, normals, colours = points[standing], normals[standing], colours[standing]
        height, bare = height[standing], bare[standing]
        if not len(points):
            return ()
        limits = Limits(round(self.min_points * max(1.0, ground.noise / 0.0005)), ground.noise)
        cells, parts = self._parts(points, normals, colours, height, bare, limits)
        labels = parts.labels[cells]
        every = list(reversed(parts.by_size()))
        every = [
            a for a in every if self._is_object(points[labels == a], height[labels == a], support)
        ]
        flat = points_beside[np.abs(points_beside[:, 2]) < 0.01]
        every = [
            a
            for a in every
            if _steps_up(points[labels == a], height[labels == a], flat, ground.noise)
        ]
        on = relations(parts, every, limits)
        kept = [
            a
            for a, below in zip(every, on, strict=True)
            if below is not None or self._stands(height[labels == a], bare[labels == a], support)
        ]
        on = relations(parts, kept, limits)
        found = []
        for a, below in zip(kept, on, strict=True):
            member = labels == a
            base = float(np.median(ground(points[member, :2])))
            if support.kind == "floor":
                base = _floor_near(surface, points[member], base)
            if below is not None:
                base = max(base, _top_near(parts, kept[below], a, base))
            notes = _notes(height[member], ground)
            seen = points[member], normals[member], colours[member]
            found.append(Segment(*seen, support, base, ground.noise, notes, below))
        return tuple(found)

    def _stands(self, height: Array, bare: np.ndarray, support: Support) -> bool:
        """Whether a thing stands on the support: it comes near, or may where nobody saw."""
        lift = float(np.percentile(height, 2))
        hidden = support.kind != "floor" and bare.mean() < 0.5
        return lift < (self.max_hidden_lift if hidden else self.max_lift)

    def _could_be_objects(
        self, points: Array, height: Array, support: Support, bare: np.ndarray
    ) -> np.ndarray:
        """(n,) bool: what hangs together and may stand on the support, so that the rest, furniture
        beyond it say, need not be looked at."""
        labels = _drop_small(connected(points, self.gap), self.min_points)
        keep = np.zeros(len(points), bool)
        outline = hull(support.polygon)
        for label in range(labels.max(initial=-1) + 1):
            member = np.flatnonzero(labels == label)
            within = inside(outline, points[member[:: 1 + len(member) // 400], :2]).mean()
            size = np.ptp(points[member], axis=0).max()
            keep[member] = (within > 0.3
                            and (support.kind != "floor" or size < self.max_size)
                            and self._stands(height[member], bare[member], support))  # fmt: skip
        return keep

    def _parts(
        self,
        points: Array,
        normals: Array,
        colours: Array,
        height: Array,
        bare: np.ndarray,
        limits: Limits,
    ) -> tuple[np.ndarray, Parts]:
        """Which cell each point is in, and the cells' objects."""
        cells = thinned(points, normals, 0.004)
        p, raw, c = means(points, cells), means(normals, cells), means(colours, cells)
        n = smoothed(p, unit(raw), self.smooth)
        patch = patches(p, n, c, self.patch)
        edges = borders(p, n, c, patch, self.gap, trusted(raw, patch))
        whole = agglomerate(int(patch.max()) + 1, edges)
        parts = Parts(
            p,
            n,
            np.bincount(cells),
            means(height[:, None], cells)[:, 0],
            means(bare[:, None].astype(float), cells)[:, 0] > 0.5,
            whole[patch],
            edges.between(whole),
        )
        return cells, objects(parts, limits)

    def _is_object(self, points: Array, height: Array, support: Support) -> bool:
        if len(points) < self.min_points:
            return False
        extent = np.ptp(points, axis=0)
        if max(extent) > self.max_size or max(extent[:2]) < self.min_size:
            return False
        within = inside(hull(support.polygon), points[:: max(1, len(points) // 400), :2])
        if within.mean() < 0.5:
            return False
        # A fringe along the rim of a table is fusion's own, not a thing.
        core = inside(support.polygon, points[:: max(1, len(points) // 400), :2], -0.025)
        return bool(height.max() > 0.012 or core.mean() > 0.5)


def _bare(points: Array, height: Array, least: float, up: np.ndarray) -> np.ndarray:
    """(n,) of the points that are up: whether the support is seen right below, all round."""
    from scipy.ndimage import uniform_filter

    spots = np.floor(points[:, :2] / 0.01).astype(int)
    spots += 1 - spots.min(0)
    seen = np.zeros(spots.max(0) + 2)
    x, y = spots[~up & (np.abs(height) < max(0.01, least))].T
    seen[x, y] = 1.0
    return np.asarray(uniform_filter(seen, 3, mode="constant"))[spots[up, 0], spots[up, 1]] > 0.7


def _steps_up(points: Array, height: Array, flat: Array, noise: float) -> bool:
    """Whether a low thing rises by a step from what lies round it, and not as depth drifts off.

    flat: (n, 3), x, y and height of the support's own points.
    """
    from scipy.spatial import KDTree

    if np.percentile(height, 95) > LOW or not len(flat):
        return True
    low, high = points[:, :2].min(0) - RING, points[:, :2].max(0) + RING
    flat = flat[np.all((flat[:, :2] > low) & (flat[:, :2] < high), axis=1)]
    if len(flat) < 30:
        return True
    distance = KDTree(points[:, :2]).query(flat[:, :2])[0]
    beside = flat[(distance > RING / 4) & (distance < RING), 2]
    return len(beside) < 30 or np.median(height) > np.median(beside) + 4 * noise


def _top_near(parts: Parts, below: int, a: int, base: float) -> float:
    near = parts.touching(below, a)
    near = near[parts.normals[near, 2] > 0.8]
    return float(np.median(parts.points[near, 2])) if len(near) else base


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
