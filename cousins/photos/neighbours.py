"""Which views are held against which, and how near and far to look, told by the sparse points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.types import Array, Intrinsics

ANGLE = 10.0  # degrees between two rays to a point: less measures its depth badly
NARROWER, WIDER = 4.0, 8.0  # how fast worth falls on either side; wider, things look different
SAMPLE = 2000  # points are enough to tell how views lie to one another
FEWEST = 20  # points in a view, or nothing is known of how far it looks
SPREAD = (1.0, 99.0)  # percent of a view's points, of which a few are wrong
FLAT = 0.01  # of the distance: points as far from a plane may be on it
TRIALS = 500  # samples: three of a plane's points come up surely if it has a fifth of all
MARGIN = 1.5  # times beyond those: surfaces without points lie before and behind them


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


@dataclass(frozen=True)
class Sweep:
    """Parallel planes to try in a view: inverse depth is slope (3,) times (u, v, 1), and one of the
    labels (d,), which lie evenly apart. low, high: inverse depths between which it makes sense."""

    slope: Array
    labels: Array
    low: float
    high: float


def sweep(
    points: Array,
    ground: Array | None,
    pose: Array,
    others: Array,
    camera: Intrinsics,
    step: float,
    most: int,
) -> Sweep | None:
    """The planes for a view, None where it sees too few of the points (m, 3).

    They are parallel to the `ground` (4,), a plane (n, d) with n x = d, or to the picture: whatever
    takes fewer. From one to the next, what they show moves by `step` pixels in one of the views at
    the poses others (k, 4, 4), or by more where that would take more than `most` planes.
    """
    seen, z = in_view(points, pose, camera)
    if seen.sum() < FEWEST:
        return None
    near, far = (float(v) for v in np.percentile(z[seen], SPREAD))
    low, high = 1 / (far * MARGIN), MARGIN / near
    inside = seen & (z > 0.9 * near) & (z < 1.1 * far)
    pixel = (points[inside] - pose[:3, 3]) @ pose[:3, :3] @ camera.matrix.T / z[inside, None]
    slopes = [np.zeros(3)]
    if ground is not None:
        height = ground[3] - ground[:3] @ pose[:3, 3]
        if abs(height) > 0.05 * near:
            slopes.append(slope_of(ground, pose, camera))
    beyond = [1 / z[inside] - pixel @ slope for slope in slopes]
    ends = [np.percentile(b, SPREAD) for b in beyond]
    k = int(np.argmin([b - a for a, b in ends]))
    margin = (1 - 1 / MARGIN) * (high - low) / 2
    first, last = ends[k][0] - margin, ends[k][1] + margin
    if k == 0:
        first, last = max(first, low), min(last, high)
    middle = 2 / (low + high)
    pixels = parallax(pose, others, camera, middle) * (last - first)
    count = int(np.clip(np.ceil(pixels / step) + 1, 3, most))
    return Sweep(slopes[k], np.linspace(first, last, count), low, high)


def parallax(pose: Array, others: Array, camera: Intrinsics, depth: float) -> float:
    """By how many pixels a point at this depth moves in another picture for each unit of inverse
    depth: the median over the picture, in that of the poses others (k, 4, 4) where it is most."""
    u, v = np.meshgrid(np.linspace(0, camera.width - 1, 7), np.linspace(0, camera.height - 1, 5))
    rays = np.stack([u, v, np.ones_like(u)], -1).reshape(-1, 3) @ np.linalg.inv(camera.matrix).T
    most, small = 0.0, 1e-3
    for other in others:
        turn = other[:3, :3].T @ pose[:3, :3]
        shift = other[:3, :3].T @ (pose[:3, 3] - other[:3, 3])
        ends = [
            (rays @ turn.T + shift * q) @ camera.matrix.T
            for q in ((1 - small) / depth, (1 + small) / depth)
        ]
        front = (ends[0][:, 2] > 0.1) & (ends[1][:, 2] > 0.1)
        if front.any():
            a, b = (end[front, :2] / end[front, 2:] for end in ends)
            moved = float(np.median(np.linalg.norm(a - b, axis=1)))
            most = max(most, moved * depth / (2 * small))
    return most


def ground(points: Array, poses: Array, up: Array | None, seed: int = 0) -> Array | None:
    """(4,) the plane n x = d that most points (m, 3) lie on, n towards the cameras; None if those
    are less than a tenth of them.

    up: (3,) its normal, where that is known. By random samples (Fischler and Bolles 1981).
    """
    if len(points) < FEWEST:
        return None
    points = points[:: -(-len(points) // SAMPLE)]
    near = FLAT * float(np.median(np.linalg.norm(points - poses[:, :3, 3].mean(0), axis=1)))
    rng = np.random.default_rng(seed)
    best, most = None, len(points) / 10
    for _ in range(TRIALS):
        a, b, c = points[rng.choice(len(points), 3, replace=False)]
        normal = np.cross(b - a, c - a) if up is None else up
        length = np.linalg.norm(normal)
        if length < near**2 and up is None:
            continue
        normal = normal / length
        on = np.abs(points @ normal - normal @ a) < near
        if on.sum() > most:
            most, best = on.sum(), (normal, on)
    if best is None:
        return None
    normal, on = best
    middle = points[on].mean(0)
    if up is None:
        normal = np.linalg.svd(points[on] - middle, full_matrices=False)[2][2]
    if np.median((poses[:, :3, 3] - middle) @ normal) < 0:
        normal = -normal
    return np.append(normal, normal @ middle)


def levels(points: Array, ground: Array | None, poses: Array) -> Array:
    """(k, 4) planes parallel to the ground on which many of the points (m, 3) lie, itself first: of
    a floor, say, and a table."""
    if ground is None:
        return np.zeros((0, 4))
    middle = poses[:, :3, 3].mean(0)
    near = FLAT * float(np.median(np.linalg.norm(points - middle, axis=1)))
    height = np.sort(points @ ground[:3])
    found, least = [ground[3]], len(points) / 20
    height = height[np.abs(height - ground[3]) > 2 * near]
    while len(height) >= max(least, 3):
        first = np.searchsorted(height, height - near / 2)
        count = np.searchsorted(height, height + near / 2, side="right") - first
        best = int(np.argmax(count))
        if count[best] < least:
            break
        found.append(float(np.median(height[first[best] : first[best] + count[best]])))
        height = height[np.abs(height - height[best]) > 2 * near]
    return np.column_stack([np.tile(ground[:3], (len(found), 1)), found])


def slope_of(plane: Array, pose: Array, camera: Intrinsics) -> Array:
    """(3,) inverse depth on the plane (4,) as seen from `pose`, by a pixel's u, v, 1."""
    height = plane[3] - plane[:3] @ pose[:3, 3]
    if height == 0:
        return np.zeros(3)  # seen edge on, it is nowhere
    return plane[:3] @ pose[:3, :3] @ np.linalg.inv(camera.matrix) / height
