"""A parallel gripper swept over an object, held one way: where its fingers go down beside what they
could close on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.grasps.gripper import Gripper
from cousins.grasps.solid import Solid, lines
from cousins.types import Array

Ints = NDArray[np.int64]

BIN = 0.0015  # m, along the way that the pads close, at least
BINS, COLUMNS, LEVELS = 160, 40, 24  # along, across and up, at most
# Candidates of one way to hold the gripper that are looked at closely: in all, of one thing between
# the pads, and at one place along it.
PER_TURN, PER_THING, HEIGHTS = 24, 12, 3
# m, by which a hold is half as good: off the centre of mass across, along and above the pads.
ACROSS, ALONG, ABOVE = 0.03, 0.05, 0.08


@dataclass(frozen=True, eq=False)
class Sweep:
    """An object seen by a tool whose axes are the columns of `frame`, object_from_tool: x, y, and
    h, which is -z. Lengths in m.

    Lines along y at columns x (c,) and heights h (l,), h the faster: low, high (p, c l), from where
    to where they run within each part, low > high where they miss it. column, rise: how far apart
    they are. bin: along y, from `start` on; filled (c, l, b): the bins that a part reaches into.
    bottom: the least height of the object. centre (3,): of mass, in x, y, h. floor: of the object's
    vertices along any direction. tall, wide: how many lines the pads' height has, and how many
    their half width. body: the object.
    """

    frame: Array
    x: Array
    h: Array
    low: Array
    high: Array
    column: float
    rise: float
    start: float
    bin: float
    filled: NDArray[np.bool_]
    bottom: float
    centre: Array
    tall: int
    wide: int
    body: Solid


def sweep(body: Solid, gripper: Gripper, frame: Array, centre: Array) -> Sweep:
    """The object as the tool sees it. centre (3,): of mass, in the object's frame."""
    flip = np.array([1.0, 1.0, -1.0])
    middle = centre @ frame * flip
    x, y, h = (body.vertices @ frame * flip).T
    across, width, height = np.ptp(x), gripper.pad[0], float(np.ptp(h))
    # A whole number of lines over the pads' width, and one through the centre of mass.
    column = width / 2 / max(1, int(width / 2 / max(min(width / 6, across / 12), across / COLUMNS)))
    first, last = np.ceil((x.min() - middle[0]) / column), np.floor((x.max() - middle[0]) / column)
    columns = middle[0] + column * np.arange(first, last + 1)
    levels = int(np.clip(np.ceil(height / (gripper.pad[1] / 4)), 8, LEVELS))
    rise = height / levels
    heights = h.min() + rise * (np.arange(levels) + 0.5)
    size = max(BIN, float(np.ptp(y)) / BINS)
    room = gripper.thickness + gripper.clearance
    bins = int(np.ceil((np.ptp(y) + 2 * room) / size)) + 2
    start = float(y.min() + y.max() - bins * size) / 2
    at, level = (v.ravel() for v in np.meshgrid(columns, heights, indexing="ij"))
    low, high = lines(body, frame).through(at, -level)
    filled = _filled(low, high, start, size, bins).reshape(len(columns), levels, bins)
    tall = max(1, round(gripper.pad[1] / rise))
    wide = round(width / 2 / column)
    return Sweep(frame, columns, heights, low, high, column, rise, start, size, filled,
                 float(h.min()), middle, tall, wide, body)  # fmt: skip


def _filled(low: Array, high: Array, start: float, size: float, bins: int) -> NDArray[np.bool_]:
    """(n, b) the bins of n lines that a part reaches into."""
    part, ray = np.nonzero(low < high)
    a = np.floor((low[part, ray] - start) / size).astype(int)
    b = np.ceil((high[part, ray] - start) / size).astype(int)
    wide, many = bins + 1, low.shape[1]
    edge = np.bincount(ray * wide + a, minlength=many * wide)
    edge = (edge - np.bincount(ray * wide + b, minlength=many * wide)).astype(np.int16)
    return np.cumsum(edge.reshape(many, wide), axis=1, dtype=np.int16)[:, :-1] > 0


def _spread(mask: NDArray[np.bool_], axis: int, back: int, ahead: int) -> NDArray[np.bool_]:
    """Where any of the mask is true from `back` cells behind to `ahead` cells on."""
    out = mask.copy()
    moved, result = mask.swapaxes(axis, 0), out.swapaxes(axis, 0)
    for k in range(1, min(back, len(moved) - 1) + 1):
        result[k:] |= moved[:-k]
    for k in range(1, min(ahead, len(moved) - 1) + 1):
        result[:-k] |= moved[k:]
    return out


@dataclass(frozen=True, eq=False)
class Candidates:
    """n of them: the column of the tool point, the level above which the fingers are, the first and
    the last bin between the pads, and bins that are free beyond a finger on the narrower side."""

    column: Ints
    level: Ints
    first: Ints
    last: Ints
    spare: Ints

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, which: NDArray) -> Candidates:
        """Some of them."""
        return Candidates(self.column[which], self.level[which], self.first[which],
                          self.last[which], self.spare[which])  # fmt: skip


def candidates(swept: Sweep, gripper: Gripper) -> Candidates:
    """Where neither the fingers nor the palm meet the object as they go down, and the pads close on
    something that is not too wide; the most promising ones."""
    above = swept.filled.copy()
    for k in range(len(swept.h) - 2, -1, -1):
        above[:, k] |= above[:, k + 1]
    met = _spread(above, 0, swept.wide, swept.wide)
    touched = _spread(_spread(swept.filled, 0, swept.wide, swept.wide), 1, 0, swept.tall - 1)
    finger = gripper.thickness / swept.bin
    need = int(np.ceil(finger + gripper.clearance / swept.bin))
    most = (gripper.opening - 2 * gripper.clearance) / swept.bin
    found = _between(met, need, most + 1)
    # The pads meet it, and nothing of the fingers above them does so before.
    slack, end = np.arange(3), met.shape[2] - 1
    at = found.column[:, None], found.level[:, None]
    good = touched[(*at, np.minimum(found.first[:, None] + slack, end))].any(1)
    good &= touched[(*at, np.maximum(found.last[:, None] - slack, 0))].any(1)
    good &= ~_palm(above, swept, gripper, found)
    found = found[good]
    # Roughly as good as in the end.
    engaged = np.minimum(len(swept.h) - found.level, swept.tall) / swept.tall
    off = (swept.x[found.column] - swept.centre[0]) / ACROSS
    middle = swept.start + swept.bin * (found.first + found.last + 1) / 2
    along = (middle - swept.centre[1]) / ALONG
    tip = swept.bottom + swept.rise * found.level
    lift = (tip + gripper.pad[1] / 2 - swept.centre[2]) / ABOVE
    rough = engaged / (1 + off**2) / (1 + along**2) / (1 + lift**2)
    order = np.lexsort((np.abs(off), -rough))
    # Not too many alike.
    thing = (found.first // 8) * met.shape[2] + found.last // 8
    order = order[_rank((thing * len(swept.x) + found.column)[order]) < HEIGHTS]
    return found[order[_rank(thing[order]) < PER_THING][:PER_TURN]]


def _rank(keys: Ints) -> Ints:
    """(n,) how many of the same key come before each."""
    order = np.argsort(keys, kind="stable")
    sorted_ = keys[order]
    new = np.concatenate([[True], sorted_[1:] != sorted_[:-1]])[: len(keys)]
    since = np.arange(len(keys)) - np.maximum.accumulate(np.where(new, np.arange(len(keys)), 0))
    out = np.empty_like(since)
    out[order] = since
    return out


def _between(met: NDArray[np.bool_], need: int, most: float) -> Candidates:
    """What two fingers can hold between them where they meet met (c, l, b). A finger takes `need`
    bins, and they are at most `most` apart."""
    wide, bins = met.shape[-1] + 2, met.shape[-1]
    framed = np.zeros((*met.shape[:-1], wide), bool)
    framed[..., 1:-1] = met
    flat = framed.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    (row, first), last = np.divmod(edges[0::2], wide), edges[1::2] % wide - 1
    # Beyond the outermost it is free for ever.
    same = row[1:] == row[:-1]
    gap = np.where(same, first[1:] - last[:-1] - 1, bins)
    before, after = np.concatenate([[bins], gap]), np.concatenate([gap, [bins]])
    start, end = (
        np.flatnonzero(before[: len(row)] >= need),
        np.flatnonzero(after[: len(row)] >= need),
    )
    begin = np.searchsorted(row[end], row[start])
    many = np.searchsorted(row[end], row[start], side="right") - begin
    left = np.repeat(np.arange(len(start)), many)
    right = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many) + begin[left]
    left, right = start[left], end[right]
    fits = (right >= left) & (last[right] - first[left] < most)
    left, right = left[fits], right[fits]
    column, level = np.divmod(row[left], met.shape[1])
    spare = np.minimum(before[left], after[right]) - need
    return Candidates(column, level, first[left], last[right], spare)


def _palm(
    above: NDArray[np.bool_], swept: Sweep, gripper: Gripper, found: Candidates
) -> NDArray[np.bool_]:
    """(n,) whether the palm meets the object."""
    under = found.level + int(np.floor((gripper.depth - gripper.clearance) / swept.rise))
    reach = under < above.shape[1]
    if not reach.any():
        return reach
    side = int(np.ceil(gripper.palm[0] / 2 / swept.column))
    half = int(np.ceil(gripper.palm[1] / 2 / swept.bin))
    sums = np.cumsum(_spread(above, 0, side, side), axis=2, dtype=np.int16)
    sums = np.concatenate([np.zeros_like(sums[..., :1]), sums], axis=2)
    under = np.minimum(under, above.shape[1] - 1)
    middle = (found.first + found.last + 1) // 2
    a, b = np.maximum(middle - half, 0), np.minimum(middle + half, above.shape[2])
    return reach & (sums[found.column, under, b] > sums[found.column, under, a])
