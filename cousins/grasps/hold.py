"""What the pads of a gripper meet as they close, and how well that holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.grasps.gripper import Grasps, Gripper, joined
from cousins.grasps.sweep import ABOVE, ACROSS, ALONG, Candidates, Ints, Sweep
from cousins.types import Array

TOUCH = 0.0007  # m, what a pad yields: all that is so near to its first contact is touched
TURN = 0.002  # m, that a pad does not touch before it has turned the thing by a little
TURNED = 0.8  # rad, up to which pads turn a wall
STIFF = 1e-9  # m², of what is touched: narrower, it may lean any way
# Of the friction cone: where half of what is held slips, how sharply, and what is worth no try.
HALF, SHARP, STEEPEST = 0.7, 0.12, 1.15


def held(swept: Sweep, picked: Candidates, gripper: Gripper, up: Array) -> Grasps:
    """Of candidates those that hold, each as it is in truth. up (3,): the world's, in the object's
    frame."""
    if not len(picked):
        return joined([])
    tip = swept.bottom + swept.rise * picked.level
    tip = tip + np.where(picked.level == 0, gripper.clearance, 0.0)
    left, right = _sides(swept, picked, tip)
    width = -right.at - left.at
    slant = _slant(left, right, width)
    steep = slant / np.arctan(gripper.friction)
    across, along = swept.x[picked.column], (left.at - right.at) / 2
    at = np.stack([across, along, tip + gripper.pad[1] / 2], -1)
    position = at * [1, 1, -1] @ swept.frame.T
    drop = position @ up - _reach(gripper, swept.frame, up, width)
    drop = drop - (swept.body.vertices @ up).min()
    opening = np.minimum(width + 2 * (gripper.clearance + swept.bin * picked.spare),
                         gripper.opening)  # fmt: skip
    ok = left.met & right.met & (width > 0) & (steep < STEEPEST)
    ok &= width <= gripper.opening - 2 * gripper.clearance
    ok &= drop > gripper.clearance - 1e-6
    patch = np.minimum(left.high - left.low, right.high - right.low) + [swept.column, swept.rise]
    area = np.clip(patch / gripper.pad, 0.0, 1.0).prod(1)
    lever = (at - swept.centre) / [ACROSS, ALONG, ABOVE]
    margin = np.clip((gripper.opening - width) / 0.02, 0.0, 1.0)
    score = _holds(steep) * (1 - 0.3 * steep) * (0.6 + 0.4 * area) * (0.8 + 0.2 * margin)
    score = score / (1 + lever**2).prod(1)
    rotation = np.broadcast_to(swept.frame, (len(at), 3, 3))
    return Grasps(position, rotation, width, opening, score, drop, slant)[np.flatnonzero(ok)]


def _holds(steep: Array) -> Array:
    """How surely what is met at a share of the friction cone is held: as measured, by tries of
    grasps as they come (`benchmarks/grasps.py`)."""
    return 1 / (1 + np.exp((np.minimum(steep, 10.0) - HALF) / SHARP))


def _slant(left: _Side, right: _Side, width: Array) -> Array:
    """(n,) rad, by how much what the pads meet is from facing each other along their way.

    Either as a friction cone has it: the larger of the angles between that way and the surfaces'
    normals, and the angle at which one place is seen from the other. Or, of two surfaces as good
    as parallel, like a bowl's wall, less: they are turned until the pads lie flat on them.
    """
    steepest = np.arctan(np.maximum(*(np.linalg.norm(s.slope, axis=1) for s in (left, right))))
    gap = np.maximum(left.low, right.low) - np.minimum(left.high, right.high)
    gap = np.where((left.met & right.met)[:, None], np.maximum(gap, 0.0), 0.0)
    apart = np.arctan2(np.linalg.norm(gap, axis=1), width)
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
    """What one pad touches: met (n,), whether anything; at (n,), where it first does along its way;
    low, high (n, 2): bounds in column and height of all that it touches; slope (n, 2): by how much
    that recedes."""

    met: NDArray[np.bool_]
    at: Array
    low: Array
    high: Array
    slope: Array

    def __getitem__(self, which: slice) -> _Side:
        return _Side(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


def _sides(swept: Sweep, picked: Candidates, tip: NDArray) -> tuple[_Side, _Side]:
    """What the left pad meets, which comes along y, and the right one, which comes the other way.
    tip (n,): the height of the fingertips."""
    wide, tall, levels = swept.wide, swept.tall, len(swept.h)
    # The pad's lines, and those just around it.
    i = picked.column[:, None, None] + np.arange(-wide - 1, wide + 2)[:, None]
    k = picked.level[:, None, None] + np.arange(-1, tall + 1)
    real = (i >= 0) & (i < len(swept.x)) & (k >= 0) & (k < levels)
    i, k = np.clip(i, 0, len(swept.x) - 1), np.clip(k, 0, levels - 1)
    n, shape = len(picked), (2 * wide + 3, tall + 2)
    ray, real = (i * levels + k).reshape(n, -1), real.reshape(n, -1)
    inner = np.zeros(shape, bool)
    inner[1:-1, 1:-1] = True
    own = inner.ravel() & (swept.h[ray % levels] > tip[:, None])
    cells = np.arange(inner.size).reshape(shape)[1:-1, 1:-1]
    beside = np.pad(cells, 1, mode="edge").ravel()
    a, b = swept.low[:, ray], swept.high[:, ray]  # (p, n, w)
    start = (swept.start + swept.bin * (picked.first - 0.5))[:, None]
    stop = (swept.start + swept.bin * (picked.last + 1.5))[:, None]
    mine = real & (a < b) & (a < stop) & (b > start)
    met = [np.where(mine, v, np.inf).min(0) for v in (a, -b)]
    both = _side(np.vstack(met), np.vstack([own, own]), beside, np.vstack([ray, ray]), swept)
    return both[:n], both[n:]


def _side(met: Array, own: NDArray[np.bool_], beside: Ints, ray: Ints, swept: Sweep) -> _Side:
    """Of pads: met (n, w), how far along its way each line of its area, which are its `own`, and of
    those around meets the object; beside (w,): of each, the nearest of its own."""
    at = np.where(own, met, np.inf).min(1)
    some = np.isfinite(at)
    at = np.where(some, at, 0.0)
    depth = met - at[:, None]
    places = np.stack([swept.x[ray // len(swept.h)], swept.h[ray % len(swept.h)]], -1)
    touched = (own & (depth <= TURN))[..., None]
    low = np.where(touched, places, np.inf).min(1)
    high = np.where(touched, places, -np.inf).max(1)
    # The plane through what it touches, and a little through all around: between two corners that
    # it leans on there may be nothing, and on one corner it may lie any way.
    weight = 1 / (1 + (depth / TOUCH) ** 2)
    # What is around counts as much as what it is next to.
    weight = np.where(own, weight, weight * weight[:, beside])
    weight = weight / np.maximum(weight.sum(1, keepdims=True), 1e-30)
    depth = np.where(weight > 0, depth, 0.0)
    off = places - (weight[:, None] @ places)
    rise = depth - (weight * depth).sum(1)[:, None]
    heavy = weight[..., None] * off
    square = heavy.swapaxes(1, 2) @ off + STIFF * np.eye(2)
    mixed = heavy.swapaxes(1, 2) @ rise[..., None]
    return _Side(some, at, low, high, np.linalg.solve(square, mixed)[..., 0])
