"""Objects by geometry alone: what stands above a support and bends outwards all over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cousins.reconstruct.tsdf import Surface
from cousins.segment.ground import Ground, fit_ground, floor_near
from cousins.segment.informed import informed
from cousins.segment.parts import Limits, Parts
from cousins.segment.patches import means, parted, smoothed, thinned, unit
from cousins.segment.stacking import objects, relations
from cousins.segment.supports import hull, inside
from cousins.types import Array, Support

__all__ = ["FINE", "SHEET_HEIGHT", "Geometric", "Ground", "Segment", "connected", "fit_ground"]

SHEET_HEIGHT = 0.03  # what is lower may be paper, a magazine, a book, m
FINE = 0.0007  # depth noise after fusion below which single sheets can be told apart, m
LOW = 0.015  # what is lower may be the depth's own drift, m
RING = 0.025  # how far round a low thing the support is looked at, m
CELL = 0.004  # of the thinned surface, m


@dataclass(frozen=True)
class Segment:
    """One object's seen surface: points, normals, colours (n, 3) in the world.

    base: height of what it stands on, as seen under it, m.
    noise: of the depth after fusion, as seen on the support, m.
    notes: what could not be told, in plain words.
    on: the index, among the segments it came with, of the one that it stands on or lies in; None
    for the support itself.
    agreement: the share of the pictures that agree on it, 0..1, where any were asked.
    """

    points: Array
    normals: Array
    colours: Array
    support: Support
    base: float
    noise: float
    notes: tuple[str, ...] = ()
    on: int | None = None
    agreement: float | None = None


@dataclass(frozen=True)
class Raised:
    """What rises above a support. points, normals, colours (n, 3); height (n,) over it, m; bare
    (n,): whether the support is seen right below."""

    points: Array
    normals: Array
    colours: Array
    height: Array
    bare: np.ndarray

    def __getitem__(self, which: np.ndarray) -> Raised:
        return Raised(self.points[which], self.normals[which], self.colours[which],
                      self.height[which], self.bare[which])  # fmt: skip


@dataclass(frozen=True)
class Geometric:
    """Parts what rises above a support into objects: by gaps, inward bends and what rests on what.

    gap: points nearer than this hang together, m. min_height: what counts as above, m (or three
    times the noise); a floor is seen from farther and gets its own. min_size, max_size: longest
    side of an object, m. max_lift: an object's lowest point is at most this far above what it
    stands on, m; max_hidden_lift where nobody saw what is below it. min_points: of an object.
    smooth: over which normals are averaged, patch: width of the patches of which parts are made, m.
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
        self,
        surface: Surface,
        support: Support,
        above: tuple[Support, ...] = (),
        told: np.ndarray | None = None,
    ) -> tuple[Segment, ...]:
        """The segments on one support, largest first.

        above: supports higher up, whose own layers are not objects of this one. told (n,): the
        thing that pictures say each of the surface's points is of, -1 where they say nothing.
        """
        ground = fit_ground(surface, support)
        near = _near(surface, support, above)
        height = surface.vertices[near, 2] - ground(surface.vertices[near, :2])
        least = self.min_height if support.kind != "floor" else self.min_height_on_floor
        up = height > max(least, 3 * ground.noise)
        flat = near[~up & (np.abs(height) < 0.01)]
        flat = np.column_stack([surface.vertices[flat, :2], height[~up & (np.abs(height) < 0.01)]])
        near = near[up]
        points = surface.vertices[near]
        raised = Raised(points, surface.normals[near], surface.colours[near], height[up],
                        _bare(points, flat))  # fmt: skip
        fit = self._candidates(raised, support)
        raised = raised[fit]
        if not len(raised.points):
            return ()
        # The noisier the depth, the larger a part must be before it is believed.
        limits = Limits(round(self.min_points * max(1.0, ground.noise / 0.0005)), ground.noise)
        cells, parts = self._parts(raised, limits, None if told is None else told[near[fit]])
        member = {a: parts.labels[cells] == a for a in reversed(parts.by_size())}
        kept = [a for a, m in member.items() if self._is_object(raised[m], support, ground.noise)
                and _steps_up(raised[m], flat, ground.noise)]  # fmt: skip
        while True:  # what rests on what is none falls with it
            on = relations(parts, kept, limits)
            stays = [b is not None or self._stands(raised[member[a]], support)
                     for a, b in zip(kept, on, strict=True)]  # fmt: skip
            if all(stays):
                break
            kept = [a for a, stay in zip(kept, stays, strict=True) if stay]
        found = []
        for a, below in zip(kept, on, strict=True):
            seen = raised[member[a]]
            base = float(np.median(ground(seen.points[:, :2])))
            if support.kind == "floor":
                base = floor_near(surface, seen.points, base)
            if below is not None:
                base = max(base, parts.top_under(a, kept[below], base))
            found.append(Segment(seen.points, seen.normals, seen.colours, support, base,
                                 ground.noise, _notes(seen.height, ground), below))  # fmt: skip
        return tuple(found)

    def _candidates(self, raised: Raised, support: Support) -> np.ndarray:
        """(n,) bool: what hangs together and may stand on the support, so that the rest, furniture
        beyond it say, need not be looked at."""
        labels = _drop_small(connected(raised.points, self.gap), self.min_points)
        keep = np.zeros(len(labels), bool)
        for label in range(labels.max(initial=-1) + 1):
            member = labels == label
            whole = raised[member]
            size = np.ptp(whole.points, axis=0).max()
            fits = support.kind != "floor" or size < self.max_size
            keep[member] = (
                fits and _share_within(whole, support) > 0.3 and self._stands(whole, support)
            )
        return keep

    def _parts(
        self, raised: Raised, limits: Limits, told: np.ndarray | None
    ) -> tuple[np.ndarray, Parts]:
        """Which cell each point is in, and the cells' objects."""
        cells = thinned(raised.points, raised.normals, CELL)
        points, raw, colours = (
            means(v, cells) for v in (raised.points, raised.normals, raised.colours)
        )
        normals = smoothed(points, unit(raw), self.smooth)
        labels, seams = parted(points, normals, raw, colours, self.patch, self.gap, limits.seam)
        height, bare = means(np.column_stack([raised.height, raised.bare]), cells).T
        parts = Parts(points, normals, np.bincount(cells), height, bare > 0.5, labels, seams)
        parts = objects(parts, limits)
        if told is not None:
            of = np.full(len(points), -1)
            of[cells[told >= 0]] = told[told >= 0]
            parts = informed(parts, of, limits)
        return cells, parts

    def _is_object(self, raised: Raised, support: Support, noise: float) -> bool:
        if len(raised.points) < self.min_points:
            return False
        extent = np.ptp(raised.points, axis=0)
        if max(extent) > self.max_size or max(extent[:2]) < self.min_size:
            return False
        if _share_within(raised, support) < 0.5:
            return False
        # A fringe along the rim of a table is fusion's own, not a thing.
        core = _share_within(raised, support, -max(0.025, 60 * noise))
        return bool(raised.height.max() > 0.012 or core > 0.5)

    def _stands(self, raised: Raised, support: Support) -> bool:
        """Whether a thing stands on the support: it comes near, or may where nobody saw."""
        lift = float(np.percentile(raised.height, 2))
        hidden = support.kind != "floor" and raised.bare.mean() < 0.5
        return lift < (self.max_hidden_lift if hidden else self.max_lift)


def _near(surface: Surface, support: Support, above: tuple[Support, ...]) -> np.ndarray:
    """The rows of the vertices over and round a support, and not of one higher up."""
    low, high = support.polygon.min(0) - 0.1, support.polygon.max(0) + 0.1
    v = surface.vertices
    near = np.all((v[:, :2] > low) & (v[:, :2] < high), axis=1) & (v[:, 2] > support.height - 0.03)
    index = np.flatnonzero(near)
    for other in above:
        high_up = v[index, 2] > other.height - 0.06
        index = index[~(inside(other.polygon, v[index, :2], 0.03) & high_up)]
    return index


def _share_within(raised: Raised, support: Support, margin: float = 0.0) -> float:
    """The share of points over the support's outline, grown by `margin` metres."""
    some = raised.points[:: 1 + len(raised.points) // 400, :2]
    return float(inside(hull(support.polygon), some, margin).mean())


def _bare(points: Array, flat: Array) -> np.ndarray:
    """(n,) whether the support is seen right below each point, all round. flat: as _steps_up."""
    from scipy.ndimage import uniform_filter

    both = np.floor(np.concatenate([points[:, :2], flat[:, :2]]) / 0.01).astype(int)
    if not len(both):
        return np.zeros(0, bool)
    both += 1 - both.min(0)
    seen = np.zeros(both.max(0) + 2)
    seen[tuple(both[len(points) :].T)] = 1.0
    return np.asarray(uniform_filter(seen, 3, mode="constant"))[tuple(both[: len(points)].T)] > 0.7


def _steps_up(raised: Raised, flat: Array, noise: float) -> bool:
    """Whether a low thing rises by a step from what lies round it, and not as depth drifts off.

    flat: (n, 3), x, y and height of the support's own points.
    """
    from scipy.spatial import KDTree

    points, height = raised.points, raised.height
    if np.percentile(height, 95) > LOW or not len(flat):
        return True
    low, high = points[:, :2].min(0) - RING, points[:, :2].max(0) + RING
    flat = flat[np.all((flat[:, :2] > low) & (flat[:, :2] < high), axis=1)]
    if len(flat) < 30:
        return True
    distance = KDTree(points[:, :2]).query(flat[:, :2])[0]
    beside = flat[(distance > RING / 4) & (distance < RING), 2]
    return len(beside) < 30 or np.median(height) > np.median(beside) + 4 * noise


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


def _notes(height: Array, ground: Ground) -> tuple[str, ...]:
    if float(np.percentile(height, 95)) < SHEET_HEIGHT and ground.noise > FINE:
        return (
            f"flat things that lie on one another are one here: at a depth noise of "
            f"{1000 * ground.noise:.1f} mm their edges cannot be told apart",
        )
    return ()
