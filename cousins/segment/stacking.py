"""What stands on what: parts of a surface become objects, since each object must rest on something.

A part that rests on nothing belongs to what holds it (a handle). One that rests on another is an
object of its own, unless both are turned about one axis (a bottle's neck). The inside of a
container is the container's; what rises in it is content.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cousins.polygons import signed_area
from cousins.segment.patches import Borders, unit
from cousins.segment.supports import hull, inside
from cousins.types import Array

LEVEL = 0.6  # a normal's least z where something can stand
CELL = 0.005  # of footprints, m
SLENDER = 0.055  # a limb's section is smaller, m
ENCLOSED = 0.75  # of a pit's rim: a notch, as an L has, is half open
NARROW, SHORT = 0.025, 0.09  # a piece of a thing has smaller sides, m: a pen is longer
CLINGS = 0.6  # the share of a small part near another that makes it a piece of that
OFF_AXIS = 0.12  # of its radius, as far as a round part's normals miss its axis: 7 degrees
ROUND = 0.3  # share of a part that must stand upright for that
EVEN = 0.004  # spread in height of a ledge's points, and what is that near to it may be either's, m
NEAR = 0.012  # what is nearer than this touches, m


@dataclass(frozen=True)
class Limits:
    """When a part is an object; what it takes grows with the depth's noise.

    least: points. noise: m. lift: height of its lowest points if it stands on the support, m.
    """

    least: int
    noise: float
    lift: float = 0.02

    @property
    def rise(self) -> float:
        """How far content rises over where it lies in its container, m."""
        return max(0.005, 4 * self.noise)

    @property
    def least_upper(self) -> float:
        """The longest side of the least thing that is told from what it lies on, m."""
        return max(0.02, 30 * self.noise)

    @property
    def tie(self) -> float:
        """Two that touch are one if the mean affinity over their border is more."""
        return max(-0.2, -0.1 - 500 * max(0.0, self.noise - 0.0004))

    @property
    def seam(self) -> float:
        """As tie, of what grew together: the worst of many levels is bad by chance."""
        return 2 * self.tie

    @property
    def alike(self) -> float:
        """The overlap of two parts' outlines beyond which one is the other's upper half."""
        return 1 - 200 * self.noise


@dataclass(frozen=True)
class Parts:
    """A surface in parts. points, normals (n, 3); count (n,): how many points each stands for;
    height (n,) over the support; bare (n,): whether the support is seen right below; labels (n,)
    and the parts' borders."""

    points: Array
    normals: Array
    count: np.ndarray
    height: Array
    bare: np.ndarray
    labels: np.ndarray
    borders: Borders

    def joined(self, a: int, b: int) -> Parts:
        """With part a as b's."""
        into = np.arange(self.labels.max(initial=0) + 1)
        into[a] = b
        return replace(self, labels=into[self.labels], borders=self.borders.between(into))

    def beside(self, a: int) -> list[tuple[int, float]]:
        """The parts that meet part a, longest border first, and the affinity over each border."""
        rows = np.flatnonzero((self.borders.pairs == a).any(1))
        rows = rows[np.argsort(-self.borders.weight[rows], kind="stable")]
        return [
            (int(self.borders.pairs[r].sum()) - a, float(self.borders.affinity[r])) for r in rows
        ]

    def by_size(self) -> list[int]:
        """The labels in use, smallest part first."""
        size = np.bincount(self.labels, self.count)
        return [int(a) for a in np.argsort(size, kind="stable") if size[a] > 0]

    def touching(self, b: int, a: int) -> np.ndarray:
        """The rows of part b's points that lie near part a."""
        from scipy.spatial import KDTree

        theirs = np.flatnonzero(self.labels == b)
        tree = KDTree(self.points[self.labels == a])
        near = tree.query(self.points[theirs], distance_upper_bound=NEAR)[0]
        return theirs[np.isfinite(near)]

    def top_under(self, a: int, b: int, otherwise: float) -> float:
        """The height of what is level of part b round part a, m; `otherwise` where nothing is."""
        near = self.touching(b, a)
        near = near[self.normals[near, 2] > 0.8]
        return float(np.median(self.points[near, 2])) if len(near) else otherwise


def objects(parts: Parts, limits: Limits) -> Parts:
    """Parts joined until each is an object."""
    parts = _ledged(_absorbed(parts, limits.least))
    while True:
        for a in parts.by_size():
            b = _owner(parts, a, limits)
            if b is not None:
                parts = parts.joined(a, b)
                break
        else:
            return parts


def _absorbed(parts: Parts, least: int) -> Parts:
    """What is too small to be an object joins what it meets most, the smallest first."""
    alone: set[int] = set()
    while True:
        size = np.bincount(parts.labels, parts.count)
        small = [a for a in parts.by_size() if size[a] < least and a not in alone]
        if not small:
            return parts
        others = parts.beside(small[0])
        if others:
            parts = parts.joined(small[0], others[0][0])
        else:
            alone.add(small[0])


def _ledged(parts: Parts) -> Parts:
    """With flush sides cut where the ledge beside them says that one thing ends on another.

    A side that two boxes share grew to one of them as a whole.
    """
    labels = parts.labels.copy()
    for b, a in np.concatenate([parts.borders.pairs, parts.borders.pairs[:, ::-1]]):
        mine, theirs, near = parts.labels == a, parts.labels == b, parts.touching(b, a)
        level = parts.points[near[parts.normals[near, 2] > 0.9], 2]
        if len(level) < 20 or np.ptp(np.quantile(level, [0.1, 0.9])) > EVEN:
            continue
        ledge = float(np.median(level))
        high = parts.points[:, 2] > ledge
        if np.mean(high[mine]) < 0.5 or np.mean(high[theirs]) > 0.5:
            continue
        for part, there, of in ((mine, ~high, b), (theirs, high, a)):
            beyond = part & there & (np.abs(parts.points[:, 2] - ledge) > EVEN)
            outline = hull(parts.points[parts.labels == of, :2])
            if beyond.sum() > 20 and len(outline) > 2:
                rows = np.flatnonzero(beyond)
                if inside(outline, parts.points[rows, :2], NEAR / 2).mean() > 0.9:
                    labels[rows] = of
    return replace(parts, labels=labels)


def _owner(parts: Parts, a: int, limits: Limits) -> int | None:
    """The part that part a belongs to; None where it is an object, or the larger of two."""
    mine = parts.labels == a
    others = parts.beside(a)
    if not others:
        return None
    size = np.bincount(parts.labels, parts.count)
    small = (np.ptp(parts.points[mine], axis=0).max() < limits.least_upper
             or size[a] < 2 * limits.least)  # fmt: skip
    content = False
    for b, tie in others:
        within = lies_within(parts, a, b)
        if (within and (small or tie > limits.tie)) or _lining(parts, a, b, within, limits):
            return b
        if size[a] <= size[b] and _one_vessel(parts, a, b):
            return b
        content = content or (within and _open_above(parts, a, b))
    longest, second = _sides(parts.points[mine])
    if not content and second < NARROW and longest < SHORT:  # a sliver is a piece of its neighbour
        for b, _ in others:
            if 5 * size[a] < size[b]:
                return b
    held = [(b, tie) for b, tie in others
            if size[b] > size[a] / 10 and rests_on(parts, a, b, limits)]  # fmt: skip
    piece = small or _hollow(parts, a)
    for b, tie in held:
        one = tie > limits.tie or _one_axis(parts, a, b, limits.noise)
        inner = not content and _beside_itself(parts, a, b)
        if piece or one or inner or _alike(parts, a, b) > limits.alike:
            return b
    if held or content:
        return None
    if np.percentile(parts.height[mine], 2) < limits.lift:
        for b, tie in others:
            one = tie > limits.tie or _in_outline(parts, a, b, 0.6) or _clings(parts, a, b)
            if (one or _limb(parts, a, b) or _limb(parts, b, a)) and size[a] <= size[b]:
                return b
        return None
    # It hangs, unless nobody saw what it may stand on; a mere piece of its neighbour hangs anyway.
    mere = 10 * size[a] < size[others[0][0]]
    hangs = mere or parts.bare[mine].mean() > 0.5 or others[0][1] > limits.tie
    return others[0][0] if hangs else None


def _sides(points: Array) -> tuple[float, float]:
    """The longest and the second side of points (n, 3), along their principal axes, m."""
    p = points - points.mean(0)
    along = p @ np.linalg.svd(p, full_matrices=False)[2].T
    longest, second, _ = np.ptp(np.percentile(along, [3, 97], axis=0), axis=0)
    return float(longest), float(second)


def _clings(parts: Parts, a: int, b: int) -> bool:
    """Whether part a, much smaller than part b, lies along that nearly all over, as what depth
    smears about its foot does; a slender thing may lie so by itself."""
    mine = parts.labels == a
    small = 5 * parts.count[mine].sum() < parts.count[parts.labels == b].sum()
    broad = _sides(parts.points[mine])[1] > NARROW
    return bool(small and broad and len(parts.touching(a, b)) > CLINGS * mine.sum())


def _beside_itself(parts: Parts, a: int, b: int) -> bool:
    """Whether part a lies in part b's outline and reaches no higher: it is a piece of it."""
    low, high = np.percentile(parts.points[parts.labels == a, 2], [3, 97])
    top = np.percentile(parts.points[parts.labels == b, 2], 97)
    return bool(top > low + 0.7 * (high - low) and _in_outline(parts, a, b, 0.6))


def _hollow(parts: Parts, a: int) -> bool:
    """Whether a part faces its own middle, as the inside of a vessel does."""
    p, n = parts.points[parts.labels == a], parts.normals[parts.labels == a]
    return bool(np.einsum("ij,ij->i", p - p.mean(0), n).mean() < -0.001)


def _open_above(parts: Parts, a: int, b: int) -> bool:
    """Whether part a is seen from above as a whole: no wall, and part b is not over it."""
    mine, theirs = (np.flatnonzero(parts.labels == k) for k in (a, b))
    if _hollow(parts, a):
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
        if not _in_outline(parts, a, b, 0.5, NEAR / 2):  # flush sides lie on the outline
            return False
    return bool(low > seam - NEAR and high > seam + limits.rise)


def _lining(parts: Parts, a: int, b: int, within: bool, limits: Limits) -> bool:
    """Whether part a is the inside of part b: it lies within that and does not rise from it."""
    mine = parts.labels == a
    floor = np.mean(parts.normals[mine, 2] > 0.8) > 0.8
    if not (within or (floor and _in_outline(parts, a, b, 0.9))):
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


def _one_vessel(parts: Parts, a: int, b: int) -> bool:
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


def _in_outline(parts: Parts, a: int, b: int, share: float, margin: float = 0.0) -> bool:
    """Whether that share of part a lies within the convex outline of part b, grown by `margin`
    metres, seen from above."""
    mine, theirs = (parts.points[parts.labels == k, :2] for k in (a, b))
    outline = hull(theirs)
    return (
        len(outline) > 2 and inside(outline, mine[:: 1 + len(mine) // 200], margin).mean() > share
    )


def _limb(parts: Parts, a: int, b: int) -> bool:
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


def _alike(parts: Parts, a: int, b: int) -> float:
    """The overlap of two parts' convex outlines, seen from above, over what both cover."""
    import cv2

    # In millimetres: OpenCV's intersection goes astray in metres.
    one, other = (hull(1000 * parts.points[parts.labels == k, :2]) for k in (a, b))
    areas = abs(signed_area(one)) + abs(signed_area(other))
    both = cv2.intersectConvexConvex(one.astype(np.float32), other.astype(np.float32))[0]  # pyright: ignore[reportCallIssue, reportArgumentType]
    return both / max(areas - both, 1e-9)


def _one_axis(parts: Parts, a: int, b: int, noise: float) -> bool:
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


def relations(parts: Parts, labels: list[int], limits: Limits) -> list[int | None]:
    """For each object the index of the one that it stands on or lies in; None: the support."""
    found: list[int | None] = []
    size = [float(np.prod(np.ptp(parts.points[parts.labels == a, :2], axis=0))) for a in labels]
    for i, a in enumerate(labels):
        met = [labels.index(b) for b, _ in parts.beside(a) if b in labels]
        on = [j for j in met if rests_on(parts, a, labels[j], limits)]
        within = [j for j in range(len(labels))
                  if j != i and size[j] > size[i] and lies_within(parts, a, labels[j])]  # fmt: skip
        found.append(next(iter([*on, *sorted(within, key=lambda j: size[j])]), None))
    for i in range(len(found)):  # what would rest on itself by way of others rests on the support
        seen, j = {i}, found[i]
        while j is not None:
            if j in seen:
                found[i] = None
                break
            seen.add(j)
            j = found[j]
    return found
