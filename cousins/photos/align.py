"""The views' own world laid over the one in which a phone tracked itself.

Umeyama's similarity (1991) between camera centres, with weights that leave out where tracking
jumped. The rotation is held by the cameras' directions too: a phone that is led along a straight
line leaves the turn about this line open otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cousins.types import Array

LEVER = 0.5  # m at which a phone's error in direction is as long as its error in place
TUKEY = 4.685  # standard deviations at which a place counts no more, as for a robust mean
MEDIAN = 1.54  # of a length whose three parts have unit variance
LEAST = 0.001  # m: phones do not track better
TRIALS = 300
ROUNDS = 30
# Errors of tracking drift: neighbours share them, and so many of a capture's are independent.
INDEPENDENT = 10


@dataclass(frozen=True)
class Similarity:
    """x in the views' world lies at scale * rotation @ x + offset in the tracked one. residual:
    median distance of camera centres, m. agree: the share of them that counts. error: the standard
    error of the scale, as a share of it."""

    scale: float
    rotation: Array
    offset: Array
    residual: float
    agree: float
    error: float


def similarity(poses: Array, tracked: Array, scale: float | None = None) -> Similarity | None:
    """That takes the poses (n, 4, 4) to the tracked ones (n, 4, 4), m; `scale` holds it.

    None for less than three poses, or where they do not move.
    """
    a, b = poses[:, :3, 3], tracked[:, :3, 3]
    turns = tracked[:, :3, :3] @ poses[:, :3, :3].transpose(0, 2, 1)
    rotation = _nearest(np.median(turns, axis=0))
    start = _start(a @ rotation.T, b, scale) if len(a) > 2 else None
    if start is None:
        return None
    s, offset = start
    distance = np.linalg.norm(s * a @ rotation.T + offset - b, axis=1)
    weight = _weights(distance)
    for _ in range(ROUNDS):
        share = weight / weight.sum()
        da, db = a - share @ a, b - share @ b
        moment = np.einsum("n,ni,nj->ij", share, db, s * da)
        rotation = _nearest(moment + LEVER**2 * np.einsum("n,nij->ij", share, turns))
        if scale is None:
            s = float(share @ (db * (da @ rotation.T)).sum(1) / (share @ (da**2).sum(1)))
        offset = share @ b - s * rotation @ (share @ a)
        distance = np.linalg.norm(s * a @ rotation.T + offset - b, axis=1)
        weight = _weights(distance)
    kept = weight > 0
    spread = float(((a[kept] - a[kept].mean(0)) ** 2).sum(1).mean() ** 0.5) * s
    noise = float(np.median(distance)) / MEDIAN
    count = min(INDEPENDENT, len(a))
    return Similarity(s, rotation, offset, float(np.median(distance)), float(kept.mean()),
                      noise / max(spread, 1e-9) / np.sqrt(count))  # fmt: skip


def moved(poses: Array, by: Similarity) -> Array:
    """The poses (n, 4, 4) in the other world."""
    out = poses.copy()
    out[:, :3, :3] = by.rotation @ poses[:, :3, :3]
    out[:, :3, 3] = by.scale * poses[:, :3, 3] @ by.rotation.T + by.offset
    return out


def _start(a: Array, b: Array, scale: float | None) -> tuple[float, Array] | None:
    """Scale and offset from the two cameras that bring half of all nearest: least median of
    squares (Rousseeuw 1984), which a jump of tracking does not pull. a, b: (n, 3)."""
    i, j = np.triu_indices(len(a), 1)
    base = np.linalg.norm(a[i] - a[j], axis=1)
    wide = np.flatnonzero((base >= np.median(base)) & (base > 0))
    if not len(wide):
        return None
    wide = wide[np.random.default_rng(0).permutation(len(wide))[:TRIALS]]
    best, least = None, np.inf
    for k, m, length in zip(i[wide], j[wide], base[wide], strict=True):
        s = scale or float(np.linalg.norm(b[k] - b[m]) / length)
        offset = (b[k] + b[m] - s * (a[k] + a[m])) / 2
        middle = float(np.median(np.linalg.norm(s * a + offset - b, axis=1)))
        if s > 0 and middle < least:
            best, least = (s, offset), middle
    return best


def _weights(distance: Array) -> Array:
    """Tukey's, for the lengths (n,) of errors that are normal along three axes."""
    reach = TUKEY * max(float(np.median(distance)) / MEDIAN, LEAST)
    return np.clip(1 - (distance / reach) ** 2, 0, None) ** 2


def _nearest(matrix: Array) -> Array:
    """The rotation nearest to a (3, 3) matrix."""
    u, _, vt = np.linalg.svd(matrix)
    return u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt
