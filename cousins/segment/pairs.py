"""How two parts of a surface lie to one another: on, in, round, along or beside."""

from __future__ import annotations

import numpy as np

from cousins import polygons
from cousins.segment.parts import NEAR, Limits, Parts
from cousins.segment.patches import unit
from cousins.segment.supports import hull, inside
from cousins.types import Array

LEVEL = 0.6  # a normal's least z where something can stand
CELL = 0.005  # of footprints, m
SLENDER = 0.055  # a limb's section is smaller, m
ENCLOSED = 0.75  # of a pit's rim: a notch, as an L has, is half open
NARROW = 0.025  # the second side of a sliver, m
CLINGS = 0.6  # the share of a small part near another that makes it a piece of that
OFF_AXIS = 0.12  # of its radius, as far as a round part's normals miss its axis: 7 degrees
ROUND = 0.3  # share of a part that must stand upright for that


def sides(points: Array) -> tuple[float, float]:
    """The longest and the second side of points (n, 3), along their principal axes, m."""
    p = points - points.mean(0)
    along = p @ np.linalg.svd(p, full_matrices=False)[2].T
    longest, second, _ = np.ptp(np.percentile(along, [3, 97], axis=0), axis=0)
    return float(longest), float(second)


def clings(parts: Parts, a: int, b: int) -> bool:
    """Whether part a, much smaller than part b, lies along that nearly all over, as what depth
    smears about its foot does; a slender thing may lie so by itself."""
    mine = parts.labels == a
    small = 5 * parts.count[mine].sum() < parts.count[parts.labels == b].sum()
    broad = sides(parts.points[mine])[1] > NARROW
    return bool(small and broad and len(parts.touching(a, b)) > CLINGS * mine.sum())


def beside_itself(parts: Parts, a: int, b: int) -> bool:
    """Whether part a lies in part b's outline and reaches no higher: it is a piece of it."""
    low, high = np.percentile(parts.points[parts.labels == a, 2], [3, 97])
    top = np.percentile(parts.points[parts.labels == b, 2], 97)
    return bool(top > low + 0.7 * (high - low) and in_outline(parts, a, b, 0.6))


def hollow(parts: Parts, a: int) -> bool:
    """Whether a part faces its own middle, as the inside of a vessel does."""
    p, n = parts.points[parts.labels == a], parts.normals[parts.labels == a]
    return bool(np.einsum("ij,ij->i", p - p.mean(0), n).mean() < -0.001)


def open_above(parts: Parts, a: int, b: int) -> bool:
    """Whether part a is seen from above as a whole: no wall, and part b is not over it."""
    mine, theirs = (np.flatnonzero(parts.labels == k) for k in (a, b))
    if hollow(parts, a):
        return False
    cells = np.floor(parts.points[np.concatenate([mine, theirs]), :2] / CELL).astype(int)
    cell = np.unique(cells, axis=0, return_inverse=True)[1].ravel()
    own, level = cell[: len(mine)], parts.normals[mine, 2] > LEVEL
    if len(np.unique(own[level])) < 0.25 * len(np.unique(own)):
        return False
    top = np.full(cell.max() + 1, -np.inf)
    np.maximum.at(top, cell[len(mine) :], parts.points[theirs, 2])
    return bool(np.mean(top[own] > parts.points[mine, 2] + NEAR) < 0.3)


def rests_on(parts: Parts, a: int, b: int, limits: Limits) -> bool:
    """Whether part a stands on part b: that is level where they meet, a does not reach below it
    and rises over it. Where all of b's top is covered, a stands on it if it begins where b ends.
    """
    mine, theirs = (parts.points[parts.labels == k, 2] for k in (a, b))
    low, high = np.percentile(mine, [3, 95])
    near = parts.touching(b, a)
    if not len(near) or np.percentile(theirs, 3) > low:
        return False
    level = near[parts.normals[near, 2] > LEVEL]
    if len(level) > 0.25 * len(near):
        seam = np.median(parts.points[level, 2])
    else:
        seam = np.percentile(theirs, 95)
        if not in_outline(parts, a, b, 0.5, NEAR / 2):  # flush sides lie on the outline
            return False
    return bool(low > seam - NEAR and high > seam + limits.rise)


def lining(parts: Parts, a: int, b: int, within: bool, limits: Limits) -> bool:
    """Whether part a is the inside of part b: it lies within that and does not rise from it."""
    mine = parts.labels == a
    floor = np.mean(parts.normals[mine, 2] > 0.8) > 0.8
    if not (within or (floor and in_outline(parts, a, b, 0.9))):
        return False
    near = parts.touching(a, b)
    if not len(near):
        return False
    seam = np.median(parts.points[near, 2])
    return bool(np.percentile(parts.points[mine, 2], 95) < seam + limits.rise)


def lies_within(parts: Parts, a: int, b: int) -> bool:
    """Whether part b is a ring, seen from above, about part a."""
    from scipy.ndimage import binary_closing, binary_fill_holes

    mine, theirs = (parts.points[parts.labels == k, :2] for k in (a, b))
    low, margin = theirs.min(0), 4
    spots = ((theirs - low) / CELL).astype(int) + margin
    ring = np.zeros(spots.max(0) + 1 + margin, bool)
    ring[spots[:, 0], spots[:, 1]] = True
    filled = np.asarray(binary_fill_holes(binary_closing(ring, iterations=2)))
    spots = np.floor((mine - low) / CELL).astype(int) + margin
    known = np.all((spots >= 0) & (spots < ring.shape), axis=1)
    within = np.zeros(len(mine), bool)
    within[known] = filled[spots[known, 0], spots[known, 1]]
    return bool(within.mean() > 0.9)


def one_vessel(parts: Parts, a: int, b: int) -> bool:
    """Whether two parts are a vessel's two sides: as high as one another, and neither alone but
    both together about a pit."""
    tops = [np.percentile(parts.height[parts.labels == k], 95) for k in (a, b)]
    if max(tops) > 1.3 * min(tops):
        return False
    upper = parts.height > min(tops) / 2
    one, other, both = (_surrounded(parts.points[upper & np.isin(parts.labels, k), :2])
                        for k in (a, b, (a, b)))  # fmt: skip
    return both > ENCLOSED > max(one, other)


def _surrounded(xy: Array) -> float:
    """How much of the rim of the largest pit among points (n, 2) they hold; 0 where it is small."""
    import cv2

    if len(xy) < 3:
        return 0.0
    spots = ((xy - xy.min(0)) / CELL).astype(np.int32) + 2
    shape = spots.max(0) + 3
    covered, outline = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    covered[tuple(spots.T)] = 1
    cross = np.ones((3, 3), np.uint8)
    covered = cv2.morphologyEx(covered, cv2.MORPH_CLOSE, cross)
    cv2.fillConvexPoly(outline, cv2.convexHull(spots[:, ::-1]), 1)
    _, pieces, found, _ = cv2.connectedComponentsWithStats(outline & (1 - covered), connectivity=4)
    if len(found) < 2:
        return 0.0
    which = 1 + int(found[1:, cv2.CC_STAT_AREA].argmax())
    if found[which, cv2.CC_STAT_AREA] < 0.15 * outline.sum():
        return 0.0
    pit = (pieces == which).astype(np.uint8)
    rim = (cv2.dilate(pit, cross) > 0) & (pit == 0)
    return float(covered[rim].mean())


def in_outline(parts: Parts, a: int, b: int, share: float, margin: float = 0.0) -> bool:
    """Whether that share of part a lies within the convex outline of part b, grown by `margin`
    metres, seen from above."""
    mine, theirs = (parts.points[parts.labels == k, :2] for k in (a, b))
    outline = hull(theirs)
    return (
        len(outline) > 2 and inside(outline, mine[:: 1 + len(mine) // 200], margin).mean() > share
    )


def limb(parts: Parts, a: int, b: int) -> bool:
    """Whether part a is slender and runs into part b with its whole section, as a hammer's handle
    into its head. Two things that touch narrow towards where they do."""
    from scipy.spatial import KDTree

    p = parts.points[parts.labels == a]
    away = KDTree(parts.points[parts.labels == b]).query(p)[0]
    end, beyond = p[away < 0.008], p[(away > 0.015) & (away < 0.035)]
    if min(len(end), len(beyond)) < 8:
        return False
    along = unit((beyond.mean(0) - end.mean(0))[None, :2])[0]
    across = np.array([[-along[1], along[0], 0.0], [0.0, 0.0, 1.0]])
    (narrow, low), (wide, high) = (np.ptp(np.percentile(q @ across.T, [5, 95], axis=0), axis=0)
                                   for q in (end, beyond))  # fmt: skip
    length = np.ptp(p[:, :2] @ along)
    slender = max(wide, high) < SLENDER and length > 1.2 * wide
    return bool(slender and narrow > 0.8 * wide and low > 0.6 * high)


def alike(parts: Parts, a: int, b: int) -> float:
    """The overlap of two parts' convex outlines, seen from above, over what both cover."""
    one, other = (hull(parts.points[parts.labels == k, :2]) for k in (a, b))
    both = abs(polygons.signed_area(polygons.common(one, other)))
    whole = sum(abs(polygons.signed_area(p)) for p in (one, other)) - both
    return both / max(whole, 1e-15)


def one_axis(parts: Parts, a: int, b: int, noise: float) -> bool:
    """Whether two parts are turned about one upright axis, as a bottle and its neck."""
    found = [_axis(parts.points[m], parts.normals[m])
             for m in (parts.labels == a, parts.labels == b)]  # fmt: skip
    (one, radius, off), (other, larger, out) = found
    # Normals are off by some degrees, and miss by as much of the radius.
    reach = max(0.003, 3 * noise, OFF_AXIS * max(radius, larger))
    return bool(max(off, out) < reach and np.linalg.norm(one - other) < reach)


def _axis(points: Array, normals: Array) -> tuple[Array, float, float]:
    """Where the normals of what stands upright meet, seen from above, how far from there that is,
    and how far they miss, m: without end for what is not turned."""
    upright = np.abs(normals[:, 2]) < 0.8
    p, n = points[upright, :2], unit(normals[upright, :2])
    if len(p) < max(20, ROUND * len(points)):
        return np.zeros(2), 0.0, np.inf
    across = np.column_stack([-n[:, 1], n[:, 0]])
    if np.linalg.eigvalsh(across.T @ across / len(p))[0] < 0.1:
        return np.zeros(2), 0.0, np.inf  # one face: its normals do not meet
    offset = np.einsum("ij,ij->i", across, p)
    centre = np.linalg.lstsq(across, offset, rcond=None)[0]
    radius = np.median(np.linalg.norm(p - centre, axis=1))
    return centre, float(radius), float(np.sqrt(np.mean((across @ centre - offset) ** 2)))
