"""Grasps found by sweeping a parallel gripper over an object's convex parts.

For each way to hold the gripper, lines along the way that it closes are cut with every part. Where
a finger of the gripper's length goes down beside them, on either side, without meeting the object,
its pads close on what lies between. Such a grasp holds where the surfaces that the pads meet first
face each other within the cone of friction (antipodal grasps: Nguyen 1988, "Constructing
force-closure grasps").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.grasps.gripper import Grasps, Gripper, joined
from cousins.grasps.solid import Part, Solid, lines, solid
from cousins.types import Array

TURNS = 12  # ways to turn the gripper about its approach, through half a turn
FACES = 4  # further turns, square to the largest upright faces
BIN = 0.0015  # m, along the way that the pads close, at least
BINS, COLUMNS, LEVELS = 160, 40, 24  # along, across and up, at most
# Of each turn, looked at closely: in all, of one thing between the pads, at one place along it.
PER_TURN, PER_THING, HEIGHTS = 32, 16, 3
TOUCH = 0.0007  # m, what a pad yields: all that is so near to its first contact is touched
TURN = 0.002  # m, that a pad does not touch before it has turned the thing by a little
# m, by which a hold is half as good: off the centre of mass across, along and above the pads.
ACROSS, ALONG, ABOVE = 0.03, 0.05, 0.08
STIFF = 1e-9  # m², of what is touched: narrower, it may lean any way
TURNED = 0.8  # rad, up to which pads turn a wall
# Of the friction cone: where half of what is held slips, how sharply, and what is worth no try.
HALF, SHARP, STEEPEST = 0.7, 0.12, 1.15
SAME = 1e-9  # of the score: no difference


def grasps(
    parts: Sequence[Part] | Solid,
    gripper: Gripper | None = None,
    count: int = 64,
    rotation: Array | None = None,
    centre: Array | None = None,
    tilt: float = 0.0,
) -> Grasps:
    """Up to `count` grasps of an object of convex parts, each vertices (v, 3) and triangles (f, 3)
    in the object's frame, the best first; the same at every call.

    rotation: world_from_object (3, 3), as it lies; by default upright. centre (3,): of mass, in the
    object's frame; by default of volume. tilt: by how much the approach may lean from straight
    down, about the way the pads close, rad. The object is taken to lie on a plane that is level.
    """
    body = parts if isinstance(parts, Solid) else solid(parts)
    gripper = gripper or Gripper()
    if not len(body):
        return joined([])
    turn = np.eye(3) if rotation is None else np.asarray(rotation, float)
    middle = body.centre if centre is None else np.asarray(centre, float)
    found = [_turned(body, gripper, frame, middle, turn[2]) for frame in _frames(body, turn, tilt)]
    every = joined([g for g in found if len(g)])
    # Rounded, so that what is alike but for the last digits keeps its order.
    order = np.argsort(-np.round(every.score / SAME), kind="stable")
    return every[order[:count]]


def _frames(body: Solid, turn: Array, tilt: float) -> list[Array]:
    """Ways to hold the tool, object_from_tool (3, 3)."""
    up = turn[2]
    east = turn[0]
    north = turn[1]
    normal = body.normals @ turn.T
    upright = np.abs(normal[:, 2]) < 0.3
    angle = np.arctan2(normal[upright, 1], normal[upright, 0]) % np.pi
    peaks = _peaks(angle, body.areas[upright])
    turns = ((peaks[0] if peaks else 0.0) + np.pi * np.arange(TURNS) / TURNS).tolist()
    for peak in peaks[1:]:
        if min(abs((peak - t + np.pi / 2) % np.pi - np.pi / 2) for t in turns) > np.radians(3):
            turns.append(peak)
    out = []
    for t in turns:
        y = np.cos(t) * east + np.sin(t) * north
        x = np.cross(y, -up)
        for lean in (0.0,) if tilt <= 0 else (0.0, -tilt, -tilt / 2, tilt / 2, tilt):
            z = -np.cos(lean) * up + np.sin(lean) * x
            out.append(np.column_stack([np.cross(y, z), y, z]))
    return out


def _peaks(angle: Array, weight: Array) -> list[float]:
    """The angles, modulo half a turn, about which the most weight lies."""
    out: list[float] = []
    weight = weight.copy()
    enough = 0.1 * weight.sum()
    while len(out) <= FACES and weight.sum() > enough > 0:
        bins = np.bincount((angle / np.radians(2)).astype(int) % 90, weight, 90)
        around = bins + np.roll(bins, 1) + np.roll(bins, -1)
        middle = np.radians(2 * int(around.argmax()) + 1)
        off = (angle - middle + np.pi / 2) % np.pi - np.pi / 2
        near = np.abs(off) < np.radians(4)
        out.append(float(middle + (off * weight)[near].sum() / max(weight[near].sum(), 1e-30)))
        weight[near] = 0.0
    return out


@dataclass(frozen=True, eq=False)
class _Grid:
    """Lines at columns x (c,) and heights h (l,) of a frame, and bins along y from `start` on;
    low, high: the parts' bounds along h."""

    x: Array
    h: Array
    start: float
    bin: float
    bins: int
    low: float
    rise: float


def _grid(body: Solid, gripper: Gripper, frame: Array, middle: Array) -> _Grid:
    x, y, h = (body.vertices @ frame * [1, 1, -1]).T
    width, pad = np.ptp(x), gripper.pad[0]
    step = max(min(pad / 6, width / 12), width / COLUMNS)
    first, last = np.ceil((x.min() - middle[0]) / step), np.floor((x.max() - middle[0]) / step)
    columns = middle[0] + step * np.arange(first, last + 1)
    levels = int(np.clip(np.ceil(np.ptp(h) / (gripper.pad[1] / 4)), 8, LEVELS))
    rise = np.ptp(h) / levels
    size = max(BIN, np.ptp(y) / BINS)
    room = gripper.thickness + gripper.opening / 2
    bins = int(np.ceil((np.ptp(y) + 2 * room) / size)) + 2
    start = (y.min() + y.max() - bins * size) / 2
    return _Grid(columns, h.min() + rise * (np.arange(levels) + 0.5), start, size, bins, h.min(),
                 rise)  # fmt: skip


def _turned(body: Solid, gripper: Gripper, frame: Array, centre: Array, up: Array) -> Grasps:
    """The grasps of one way to hold the tool, by the columns of `frame`."""
    middle = centre @ frame * [1, 1, -1]
    grid = _grid(body, gripper, frame, middle)
    if not len(grid.x):
        return joined([])
    x, h = (v.ravel() for v in np.meshgrid(grid.x, grid.h, indexing="ij"))
    low, high = lines(body, frame).through(x, -h)
    filled = _filled(low, high, grid)
    picked = _candidates(filled, grid, gripper, middle)
    if not len(picked.column):
        return joined([])
    return _held(picked, low, high, grid, gripper, frame, middle, body, up)


def _filled(low: Array, high: Array, grid: _Grid) -> NDArray[np.bool_]:
    """(c, l, b) the bins that a part reaches into."""
    part, ray = np.nonzero(low < high)
    a = np.floor((low[part, ray] - grid.start) / grid.bin).astype(int)
    b = np.ceil((high[part, ray] - grid.start) / grid.bin).astype(int)
    wide, many = grid.bins + 1, len(low[0])
    edge = np.bincount(ray * wide + a, minlength=many * wide)
    edge = edge - np.bincount(ray * wide + b, minlength=many * wide)
    deep = np.cumsum(edge.astype(np.int16).reshape(many, wide), axis=1, dtype=np.int16)[:, :-1] > 0
    return deep.reshape(len(grid.x), len(grid.h), grid.bins)


def _spread(mask: NDArray[np.bool_], axis: int, back: int, ahead: int) -> NDArray[np.bool_]:
    """Where any of the mask is true from `back` cells behind to `ahead` cells on."""
    out = mask.copy()
    moved, result = np.moveaxis(mask, axis, 0), np.moveaxis(out, axis, 0)
    for k in range(1, min(back, len(moved) - 1) + 1):
        result[k:] |= moved[:-k]
    for k in range(1, min(ahead, len(moved) - 1) + 1):
        result[:-k] |= moved[k:]
    return out


@dataclass(frozen=True, eq=False)
class _Picked:
    """Candidates (n,): the column, the level above which the fingers are, the first and the last
    bin between the pads, and bins that are free beyond a finger on the narrower side."""

    column: NDArray[np.int64]
    level: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    spare: NDArray[np.int64]


def _candidates(filled: NDArray[np.bool_], grid: _Grid, gripper: Gripper, middle: Array) -> _Picked:
    step = grid.x[1] - grid.x[0] if len(grid.x) > 1 else gripper.pad[0]
    beside = int(np.ceil(gripper.pad[0] / 2 / step - 1e-6))
    tall = max(1, round(gripper.pad[1] / grid.rise))
    above = np.logical_or.accumulate(filled[:, ::-1], axis=1)[:, ::-1]
    met = _spread(above, 0, beside, beside)
    # A line of the pad's edge may be one too far out: within it, the pad touches.
    inner = int(np.floor(gripper.pad[0] / 2 / step + 1e-6))
    touched = _spread(_spread(filled, 0, inner, inner), 1, 0, tall - 1)
    need = int(np.ceil((gripper.thickness + gripper.clearance) / grid.bin))
    most = (gripper.opening - 2 * gripper.clearance) / grid.bin
    row, first, last, spare = _between(met, need, most + 1)
    column, level = np.divmod(row, len(grid.h))
    # The pads meet it, and nothing of the fingers above them does so before.
    slack = np.arange(3)
    at = column[:, None], level[:, None]
    good = touched[(*at, np.minimum(first[:, None] + slack, grid.bins - 1))].any(1)
    good &= touched[(*at, np.maximum(last[:, None] - slack, 0))].any(1)
    good &= ~_palm(above, grid, gripper, step, column, level, first, last)
    column, level, first, last, spare = (v[good] for v in (column, level, first, last, spare))
    spare = spare - int(np.ceil(gripper.thickness / grid.bin))
    # Roughly as good as in the end.
    engaged = np.minimum(len(grid.h) - level, tall) / tall
    off = (grid.x[column] - middle[0]) / ACROSS
    along = (grid.start + grid.bin * (first + last + 1) / 2 - middle[1]) / ALONG
    lift = (grid.low + grid.rise * level + gripper.pad[1] / 2 - middle[2]) / ABOVE
    rough = engaged / (1 + off**2) / (1 + along**2) / (1 + lift**2)
    order = np.lexsort((np.abs(off), -rough))
    # Of each column and each thing between the pads the best heights, and not too many alike.
    thing = (first // 8) * grid.bins + last // 8
    order = order[_rank((thing * len(grid.x) + column)[order]) < HEIGHTS]
    order = order[_rank(thing[order]) < PER_THING][:PER_TURN]
    return _Picked(column[order], level[order], first[order], last[order], spare[order])


def _rank(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) how many of the same key come before each."""
    order = np.argsort(keys, kind="stable")
    sorted_ = keys[order]
    new = np.concatenate([[True], sorted_[1:] != sorted_[:-1]])[: len(keys)]
    since = np.arange(len(keys)) - np.maximum.accumulate(np.where(new, np.arange(len(keys)), 0))
    out = np.empty_like(since)
    out[order] = since
    return out


def _between(met: NDArray[np.bool_], need: int, most: float) -> tuple[NDArray[np.int64], ...]:
    """What two fingers can hold between them, by rows of met (..., b): the row, the first and the
    last bin, and how many bins are free on either side at least. A finger takes `need` bins, and
    they are at most `most` apart."""
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
    return row[left], first[left], last[right], np.minimum(before[left], after[right])


def _palm(
    above: NDArray[np.bool_],
    grid: _Grid,
    gripper: Gripper,
    step: float,
    column: NDArray[np.int64],
    level: NDArray[np.int64],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """(n,) whether the palm meets the object."""
    under = level + int(np.floor((gripper.depth - gripper.clearance) / grid.rise))
    reach = under < above.shape[1]
    if not reach.any():
        return reach
    side = int(np.ceil(gripper.palm[0] / 2 / step))
    half = int(np.ceil(gripper.palm[1] / 2 / grid.bin))
    sums = np.cumsum(_spread(above, 0, side, side), axis=2, dtype=np.int32)
    sums = np.concatenate([np.zeros_like(sums[..., :1]), sums], axis=2)
    under = np.minimum(under, above.shape[1] - 1)
    middle = (first + last + 1) // 2
    a, b = np.maximum(middle - half, 0), np.minimum(middle + half, grid.bins)
    return reach & (sums[column, under, b] > sums[column, under, a])


def _held(
    picked: _Picked,
    low: Array,
    high: Array,
    grid: _Grid,
    gripper: Gripper,
    frame: Array,
    middle: Array,
    body: Solid,
    up: Array,
) -> Grasps:
    """Of candidates those that hold, each as it is in truth."""
    step = grid.x[1] - grid.x[0] if len(grid.x) > 1 else gripper.pad[0]
    inner = int(np.floor(gripper.pad[0] / 2 / step + 1e-6))
    tall = max(1, round(gripper.pad[1] / grid.rise))
    # The pad's lines, and those just around it.
    i = picked.column[:, None, None] + np.arange(-inner - 1, inner + 2)[:, None]
    k = picked.level[:, None, None] + np.arange(-1, tall + 1)
    own = (np.abs(i - picked.column[:, None, None]) <= inner) & (k >= picked.level[:, None, None])
    own &= k < picked.level[:, None, None] + tall
    real = (i >= 0) & (i < len(grid.x)) & (k >= 0) & (k < len(grid.h))
    i, k = np.clip(i, 0, len(grid.x) - 1), np.clip(k, 0, len(grid.h) - 1)
    ray = (i * len(grid.h) + k).reshape(len(i), -1)
    own, real = own.reshape(ray.shape), np.broadcast_to(real, own.shape).reshape(ray.shape)
    beside = np.pad(np.arange((2 * inner + 3) * (tall + 2)).reshape(2 * inner + 3, -1)[1:-1, 1:-1], 1,
                    mode="edge").ravel()  # fmt: skip
    a, b = low[:, ray], high[:, ray]  # (p, n, w)
    start, stop = (grid.start + grid.bin * (v + o)[:, None] for v, o in
                   ((picked.first, -0.5), (picked.last, 1.5)))  # fmt: skip
    mine = real & (a < b) & (a < stop) & (b > start)
    sides = [_side(np.where(mine, a, np.inf).min(0), own, beside, ray, grid),
             _side(np.where(mine, -b, np.inf).min(0), own, beside, ray, grid)]  # fmt: skip
    left, right = sides[0].at, -sides[1].at
    width = right - left
    slant = _slant(sides[0], sides[1], width)
    steep = slant / np.arctan(gripper.friction)
    tip = grid.low + grid.rise * picked.level
    floor = np.where(picked.level == 0, gripper.clearance, 0.0)
    tip = tip + floor
    at = np.stack([grid.x[picked.column], (left + right) / 2, -(tip + gripper.pad[1] / 2)], -1)
    position = at @ frame.T
    lowest = position @ up - _reach(gripper, frame, up, width)
    drop = lowest - (body.vertices @ up).min()
    opening = np.minimum(width + 2 * grid.bin * np.maximum(picked.spare, 0), gripper.opening)
    ok = np.isfinite(width) & (width > 0) & (steep < STEEPEST)
    ok &= width <= gripper.opening - 2 * gripper.clearance
    ok &= drop > gripper.clearance - 1e-6
    patch = np.minimum(sides[0].high - sides[0].low, sides[1].high - sides[1].low) + [step,
            grid.rise]  # fmt: skip
    area = np.clip(patch / gripper.pad, 0.0, 1.0).prod(1)
    lever = (at * [1, 1, -1] - middle) / [ACROSS, ALONG, ABOVE]
    margin = np.clip((gripper.opening - width) / 0.02, 0.0, 1.0)
    score = _holds(steep) * (1 - 0.3 * steep) * (0.6 + 0.4 * area) * (0.8 + 0.2 * margin)
    score = score / (1 + lever**2).prod(1)
    n = len(at)
    found = Grasps(position, np.broadcast_to(frame, (n, 3, 3)), width, opening, score, drop, slant)
    return found[np.flatnonzero(ok)]


def _holds(steep: Array) -> Array:
    """How surely what is met at a share of the friction cone is held: as measured, by tries of
    grasps as they come (`benchmarks/grasps.py`)."""
    return 1 / (1 + np.exp((steep - HALF) / SHARP))


def _slant(left: _Side, right: _Side, width: Array) -> Array:
    """(n,) rad, by how much what the pads meet is from facing each other along their way.

    Either as a friction cone has it: the larger of the angles between that way and the surfaces'
    normals, and the angle at which one place is seen from the other. Or, of two surfaces as good
    as parallel, like a bowl's wall, less: they are turned until the pads lie flat on them.
    """
    steepest = np.arctan(np.maximum(*(np.linalg.norm(s.slope, axis=1) for s in (left, right))))
    gap = np.maximum(left.low, right.low) - np.minimum(left.high, right.high)
    apart = np.arctan2(np.linalg.norm(np.maximum(gap, 0.0), axis=1), width)
    # Where one recedes as the other comes nearer, they are parallel.
    other = np.arctan(np.linalg.norm(left.slope + right.slope, axis=1))
    turned = np.where(steepest < TURNED, steepest / 2 + other, np.inf)
    return np.minimum(steepest + apart, turned)


def _reach(gripper: Gripper, frame: Array, up: Array, width: Array) -> Array:
    """(n,) m that fingertips are below the tool point, along the world's z."""
    x, y, z = np.abs(frame.T @ up)
    return (z * gripper.pad[1] / 2 + x * gripper.pad[0] / 2
            + y * (width / 2 + gripper.thickness))  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Side:
    """What one pad touches: at (n,), where it first does along its way; low, high (n, 2): bounds in
    column and height of all that it touches; slope (n, 2): by how much what it touches recedes."""

    at: Array
    low: Array
    high: Array
    slope: Array


def _side(
    met: Array,
    own: NDArray[np.bool_],
    beside: NDArray[np.int64],
    ray: NDArray[np.int64],
    grid: _Grid,
) -> _Side:
    """Of one pad: met (n, w), how far along its way each line of its area, which are its `own`,
    and of those around meets the object; beside (w,): of each, the nearest of its own."""
    at = np.where(own, met, np.inf).min(1)
    depth = met - at[:, None]
    places = np.stack([grid.x[ray // len(grid.h)], grid.h[ray % len(grid.h)]], -1)
    touched = (own & (depth <= TURN))[..., None]
    low = np.where(touched, places, np.inf).min(1)
    high = np.where(touched, places, -np.inf).max(1)
    # The plane through what it touches, and a little through all around: between two corners that
    # it leans on there may be nothing, and on one corner it may lie any way.
    depth = np.where(np.isfinite(depth), depth, np.inf)
    weight = 1 / (1 + (depth / TOUCH) ** 2)
    # What is around counts as much as what it is next to.
    weight = np.where(own, weight, weight * weight[:, beside])
    weight = weight / np.maximum(weight.sum(1, keepdims=True), 1e-30)
    depth = np.where(weight > 0, depth, 0.0)
    off = places - np.einsum("nw,nwi->ni", weight, places)[:, None]
    rise = depth - (weight * depth).sum(1)[:, None]
    square = np.einsum("nw,nwi,nwj->nij", weight, off, off) + STIFF * np.eye(2)
    mixed = np.einsum("nw,nwi,nw->ni", weight, off, rise)
    return _Side(at, low, high, np.linalg.solve(square, mixed[..., None])[..., 0])
