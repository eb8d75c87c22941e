"""What stands on what: parts of a surface become objects, since each object must rest on something.

A part that rests on nothing belongs to what holds it (a handle). One that rests on another is an
object of its own, unless both are turned about one axis (a bottle's neck). The inside of a
container is the container's; what rises in it is content.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cousins.segment.pairs import (
    NARROW,
    alike,
    beside_itself,
    clings,
    hollow,
    in_outline,
    lies_within,
    limb,
    lining,
    one_axis,
    one_vessel,
    open_above,
    rests_on,
    sides,
)
from cousins.segment.parts import NEAR, Limits, Parts
from cousins.segment.supports import hull, inside

SHORT = 0.09  # what is narrow and no longer is a piece of another thing, m: a pen is longer
EVEN = 0.004  # spread in height of a ledge's points, and what is that near to it may be either's, m


def objects(parts: Parts, limits: Limits) -> Parts:
    """Parts joined until each is an object."""
    parts = _ledged(_absorbed(parts, limits.least))
    return parts.merged(lambda now, a: _owner(now, a, limits))


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
        if (within and (small or tie > limits.tie)) or lining(parts, a, b, within, limits):
            return b
        if size[a] <= size[b] and one_vessel(parts, a, b):
            return b
        content = content or (within and open_above(parts, a, b))
    longest, second = sides(parts.points[mine])
    if not content and second < NARROW and longest < SHORT:  # a sliver is a piece of its neighbour
        for b, _ in others:
            if 5 * size[a] < size[b]:
                return b
    held = [(b, tie) for b, tie in others
            if size[b] > size[a] / 10 and rests_on(parts, a, b, limits)]  # fmt: skip
    piece = small or hollow(parts, a)
    for b, tie in held:
        one = tie > limits.tie or one_axis(parts, a, b, limits.noise)
        inner = not content and beside_itself(parts, a, b)
        if piece or one or inner or alike(parts, a, b) > limits.alike:
            return b
    if held or content:
        return None
    if np.percentile(parts.height[mine], 2) < limits.lift:
        for b, tie in others:
            one = tie > limits.tie or in_outline(parts, a, b, 0.6) or clings(parts, a, b)
            if (one or limb(parts, a, b) or limb(parts, b, a)) and size[a] <= size[b]:
                return b
        return None
    # It hangs, unless nobody saw what it may stand on; a mere piece of its neighbour hangs anyway.
    mere = 10 * size[a] < size[others[0][0]]
    hangs = mere or parts.bare[mine].mean() > 0.5 or others[0][1] > limits.tie
    return others[0][0] if hangs else None


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
