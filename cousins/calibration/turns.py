"""The few sums over quaternions (..., 4), w x y z, that residuals of poses need."""

from __future__ import annotations

import numpy as np

from cousins.types import Array


def between(a: Array, b: Array) -> Array:
    """(..., 3) the turn that takes `a` to `b`, rad, as a vector along its axis in a's frame."""
    w = (a * b).sum(-1)
    av, bv, aw, bw = a[..., 1:], b[..., 1:], a[..., :1], b[..., :1]
    v = aw * bv - bw * av - np.cross(av, bv)
    v = np.where((w < 0)[..., None], -v, v)
    sine = np.linalg.norm(v, axis=-1)
    angle = 2 * np.arctan2(sine, np.abs(w))
    return v * (angle / np.maximum(sine, 1e-12))[..., None]


def mean(quaternions: Array) -> Array:
    """(4,) the mean turn of (n, 4) that lie close together."""
    same = quaternions * np.sign((quaternions * quaternions[0]).sum(-1, keepdims=True) + 1e-300)
    total = same.sum(0)
    return total / np.linalg.norm(total)


def blend(a: Array, b: Array, share: Array) -> Array:
    """From `a` to `b` by `share` (...,): straight, then made unit; right for small turns."""
    b = np.where((a * b).sum(-1, keepdims=True) < 0, -b, b)
    out = a + share[..., None] * (b - a)
    return out / np.linalg.norm(out, axis=-1, keepdims=True)


def at(times: Array, poses: Array, when: Array) -> Array:
    """Poses (..., m, 7) at `when` (m,), between poses (..., T, 7) at `times` (T,); held before the
    first and after the last."""
    index = np.clip(np.searchsorted(times, when, side="right") - 1, 0, len(times) - 2)
    share = np.clip((when - times[index]) / (times[index + 1] - times[index]), 0, 1)
    a, b = poses[..., index, :], poses[..., index + 1, :]
    place = a[..., :3] + share[:, None] * (b[..., :3] - a[..., :3])
    turn = blend(a[..., 3:], b[..., 3:], np.broadcast_to(share, a.shape[:-1]))
    return np.concatenate([place, turn], -1)
