"""Which views are held against which, and how near and far to look, told by the sparse points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cousins.errors import ScanError
from cousins.types import Array, Intrinsics

ANGLE = 10.0  # degrees between two rays to a point: less measures its depth badly
NARROWER, WIDER = 4.0, 8.0  # how fast worth falls on either side; wider, things look different
SAMPLE = 2000  # points are enough to tell how views lie to one another
FEWEST = 20  # points in a view, or nothing is known of how far it looks
SPREAD = (2.0, 98.0)  # percent of a view's points, of which a few are wrong
MARGIN = 1.25  # times beyond those: surfaces without points lie before and behind them


def neighbours(
    poses: Array, camera: Intrinsics, points: Array, count: int
) -> list[NDArray[np.int64]]:
    """For each view, up to `count` others that show the same from about ANGLE aside, best first.

    poses (n, 4, 4) world_from_camera; points (m, 3). Views on all sides of it are preferred, for
    what hides a thing from one side does not from the other.
    """
    points = points[:: -(-len(points) // SAMPLE)] if len(points) else points
    ray = points - poses[:, None, :3, 3]
    far = np.linalg.norm(ray, axis=2)
    ray /= np.maximum(far, 1e-12)[..., None]
    seen = np.stack([in_view(points, pose, camera)[0] for pose in poses])
    out = []
    for i, pose in enumerate(poses):
        both = seen & seen[i]
        angle = np.degrees(np.arccos(np.clip(np.einsum("mk,nmk->nm", ray[i], ray), -1, 1)))
        off = (angle - ANGLE) / np.where(angle < ANGLE, NARROWER, WIDER)
        with np.errstate(divide="ignore", invalid="ignore"):
            size = np.where(both, np.minimum(far / far[i], far[i] / far), 0)
        worth = (np.exp(-0.5 * off**2) * size * both).sum(1) / max(1, seen[i].sum())
        worth[i] = 0
        side = (poses[:, :3, 3] - pose[:3, 3]) @ pose[:3, :2]
        side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-12)
        chosen: list[int] = []
        while len(chosen) < count and worth.max(initial=0) > 0.01:
            best = int(np.argmax(worth))
            chosen.append(best)
            worth = worth * (1 - 0.6 * np.maximum(0, side @ side[best]))
            worth[best] = 0
        out.append(np.array(chosen, np.int64))
    return out


def in_view(
    points: Array, pose: Array, camera: Intrinsics
) -> tuple[NDArray[np.bool_], Array]:  # fmt: skip
    """Which of the points (m, 3) a camera at `pose` has in view, and the depth (m,) of all."""
    x, y, z = ((points - pose[:3, 3]) @ pose[:3, :3]).T
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
    inside = (z > 0) & (u >= 0) & (v >= 0) & (u <= camera.width - 1) & (v <= camera.height - 1)
    return inside, z


def reach(points: Array, pose: Array, camera: Intrinsics) -> tuple[float, float] | None:
    """The nearest and farthest depth that a view is searched for, None where it has few points."""
    seen, z = in_view(points, pose, camera)
    if seen.sum() < FEWEST:
        return None
    near, far = np.percentile(z[seen], SPREAD)
    return float(near / MARGIN), float(far * MARGIN)


def parallax(
    pose: Array, others: Array, camera: Intrinsics, near: float, far: float
) -> float:  # fmt: skip
    """By how many pixels a point of the picture moves in another at most, of those at the poses
    others (k, 4, 4), as its depth goes from near to far: the median over the picture."""
    u, v = np.meshgrid(np.linspace(0, camera.width - 1, 7), np.linspace(0, camera.height - 1, 5))
    rays = np.stack([u, v, np.ones_like(u)], -1).reshape(-1, 3) @ np.linalg.inv(camera.matrix).T
    most = 0.0
    for other in others:
        turn = other[:3, :3].T @ pose[:3, :3]
        shift = other[:3, :3].T @ (pose[:3, 3] - other[:3, 3])
        ends = [(rays * z @ turn.T + shift) @ camera.matrix.T for z in (near, far)]
        good = (ends[0][:, 2] > 0.1 * near) & (ends[1][:, 2] > 0.1 * near)
        if good.any():
            a, b = (end[good, :2] / end[good, 2:] for end in ends)
            most = max(most, float(np.median(np.linalg.norm(a - b, axis=1))))
    return most


def planes(near: float, far: float, pixels: float, step: float, most: int) -> Array:
    """(d,) inverse depths from far to near, evenly apart: `step` pixels of `pixels` in all, or more
    where that would take more than `most` of them. Raises ScanError for an empty range."""
    if not 0 < near < far:
        raise ScanError(f"depths from {near:g} to {far:g}: the sparse points make no sense")
    count = int(np.clip(np.ceil(pixels / step) + 1, 3, most))
    return np.linspace(1 / far, 1 / near, count)
