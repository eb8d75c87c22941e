"""What each group of a layout is to do, and what is known before any place is tried."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.polygons import CORNERS
from cousins.types import Array
from cousins.variation.groups import Group
from cousins.variation.relations import height_share
from cousins.variation.units import TOUCH, Footprints

ANYWHERE = 0.5  # chance at full strength that a group goes anywhere on its support
SWAP = 0.3  # and that it wants to swap places with another one of its support
ROUND = 0.05  # by how much the width of a round thing varies with the direction, over its mean
REASONS = ("edge", "obstacle", "another object", "relation")
STAYS, GOES, SWAPS = range(3)

Index = NDArray[np.int64]


@dataclass(frozen=True)
class State:
    """What is given, and what is placed so far: position, yaw, outline and the counts are filled in
    as groups find places. Until then an object's are those of the place that is kept free for it.

    mode, partner (n, G): what a group does, and which one it swaps places with; target (n, G, 2):
    about where its first object is to be. low, high (n, A): world z. round (n, A).
    """

    prints: Footprints
    shape: Index
    uniform: Array
    strength: Array
    mode: Index
    partner: Index
    target: Array
    position: Array
    yaw: Array
    outline: Array
    low: Array
    high: Array
    radius: Array
    round: NDArray[np.bool_]
    tried: Index


def begin(
    prints: Footprints, together: list[Group], shape: Index, uniform: Array, strength: Array
) -> State:
    n, count = shape.shape
    mode, partner, target = _plan(prints, together, uniform, strength)
    near = np.zeros(shape.shape, bool)
    for g, group in enumerate(together):
        near[:, list(group.members)] = mode[:, g, None] == STAYS
    z, low, high = _heights(prints, shape, near)
    position = np.dstack([np.broadcast_to(prints.position[:, :2], (n, count, 2)), z])
    for g, group in enumerate(together):
        shift = target[:, g] - prints.position[prints.units[group.units[0]].members[0], :2]
        position[:, list(group.members), :2] += shift[:, None]
    each = np.arange(count)
    outline = prints.outline[each, shape] + position[:, :, None, :2]
    radius = np.linalg.norm(prints.outline, axis=-1).max(2)[each, shape]
    angle = np.linspace(0, np.pi, CORNERS // 2, endpoint=False)
    width = np.ptp(prints.outline @ np.array([np.cos(angle), np.sin(angle)]), axis=2)
    round_ = (np.ptp(width, axis=2) <= ROUND * width.mean(2))[each, shape]
    return State(
        prints=prints,
        shape=shape,
        uniform=uniform,
        strength=strength,
        mode=mode,
        partner=partner,
        target=target,
        position=position,
        yaw=np.zeros((n, count)),
        outline=outline,
        low=low,
        high=high,
        radius=radius,
        round=round_,
        tried=np.zeros((n, len(REASONS)), np.int64),
    )


def _heights(
    prints: Footprints, shape: Index, near: NDArray[np.bool_]
) -> tuple[Array, Array, Array]:
    """World z (n, A) of positions, feet and tops: on the surface, or as high upon its carrier as it
    was seen, in proportion to the carrier's height.

    near (n, A): what stays near its seen place, and may reach over the edge and below it there.
    """
    each = np.arange(shape.shape[1])
    low, high = prints.low[each, shape], prints.high[each, shape]
    z = np.empty(shape.shape)
    for unit in prints.units:
        for i in unit.members:  # what carries comes before what is carried
            below = prints.carrier[i]
            if below < 0:
                # What stands still has sunk in by microns: left so, it need not settle again.
                sunk = float(prints.position[i, 2] + prints.low[i, 0]) - unit.support.height
                keeps = near[:, i] | (abs(sunk) < TOUCH)
                foot = unit.support.height + np.where(keeps, sunk, 0.0)
            else:
                up = height_share(prints, i) * (high[:, below] - low[:, below])
                foot = z[:, below] + low[:, below] + up
            z[:, i] = foot - low[:, i]
    return z, z + low, z + high


def _plan(
    prints: Footprints, together: list[Group], uniform: Array, strength: Array
) -> tuple[Index, Index, Array]:
    """What each group is to do: mode and partner (n, G), and about where (n, G, 2)."""
    n, roots = len(uniform), [g.units[0] for g in together]
    first = [prints.units[u].members[0] for u in roots]
    chance, key = uniform[:, roots, 3], uniform[:, roots, 4]
    mode = np.full((n, len(together)), STAYS)
    wants = chance < (ANYWHERE + SWAP) * strength[:, None]
    # What stands in a corner has nowhere to go.
    cornered = [len(group.faces.get(group.units[0], ())) > 1 for group in together]
    goes = (chance < ANYWHERE * strength[:, None]) & ~np.array(cornered, bool)
    mode[goes] = GOES
    mode[:, [g.extra for g in together]] = GOES
    partner = np.full((n, len(together)), -1)
    target = np.broadcast_to(prints.position[first, :2], (n, len(together), 2)).copy()
    free = [g for g, group in enumerate(together) if not (group.faces or group.extra)]
    for name in dict.fromkeys(prints.units[u].support.name for u in roots):
        there = np.array([g for g in free if prints.units[roots[g]].support.name == name], np.int64)
        asks = (wants & ~goes)[:, there]
        order = np.argsort(np.where(asks, key[:, there], 2.0), axis=1, kind="stable")
        for pair in range(len(there) // 2):
            rows = np.flatnonzero(asks.sum(1) >= 2 * pair + 2)
            a, b = (there[order[rows, 2 * pair + k]] for k in range(2))
            mode[rows, a] = mode[rows, b] = SWAPS
            partner[rows, a], partner[rows, b] = b, a
            target[rows, a], target[rows, b] = (
                prints.position[np.array(first)[one], :2] for one in (b, a)
            )
    return mode, partner, target
