"""Pose refinement: every frame against many others at once, so that drift closes up.

Point-to-plane alignment (Chen and Medioni 1992) over all pairs of frames that see the same place,
with correspondences by projection (Blais and Levine 1995), solved jointly by Gauss-Newton with
Tukey's weights, and held by the phone's own odometry. Aligning frames to the fused model instead
gains nothing, for the model has the drift in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.reconstruct.depth import clean
from cousins.types import Array, Frame, Intrinsics


@dataclass(frozen=True)
class View:
    """One frame made small. points, normals (h, w, 3) in camera axes, NaN where unknown; sample
    (k, 3) points and their normals (k, 3), spread over directions; k its camera."""

    points: NDArray[np.float32]
    normals: NDArray[np.float32]
    sample: NDArray[np.float32]
    sample_normals: NDArray[np.float32]
    camera: Intrinsics


@dataclass(frozen=True)
class Refinement:
    """Refined poses (n, 4, 4), and the median distance between surfaces of overlapping frames
    before and after, m."""

    poses: Array
    before: float
    after: float


@dataclass(frozen=True)
class Refine:
    """Refines world_from_camera poses.

    keyframes: at most so many frames are held against one another; the rest go along with them.
    width: of the depth images it works on, pixels. pairs: frames that each frame is held against.
    samples: points a frame. max_range: of depth, m. step, turn: how far the odometry may err from
    one frame to the next, m and rad: a random walk, so that the first frames are the most sure,
    and the scene stays where they put it.
    """

    keyframes: int = 200
    width: int = 128
    pairs: int = 10
    samples: int = 700
    max_range: float = 2.5
    iterations: int = 12
    reach: float = 0.025
    step: float = 0.0007
    turn: float = 0.0008

    def __call__(self, frames: Iterable[Frame], poses: Array) -> Refinement:
        """The poses of the frames, refined; as they were where that brings surfaces no nearer."""
        rng = np.random.default_rng(0)
        every = -(-len(poses) // self.keyframes)
        views = [self._view(f, rng) for i, f in enumerate(frames) if i % every == 0]
        first = poses[::every]
        pairs = self._pairs(views, first)
        if len(views) < 3 or not len(pairs):
            return Refinement(poses, 0.0, 0.0)
        refined, centre = first.copy(), first[:, :3, 3].mean(0)
        before = self._residual(views, pairs, first)
        for i in range(self.iterations):
            reach = self.reach * (1 if i < 4 else 0.6)
            refined = self._solve(views, pairs, refined, first, centre, reach)
        after = self._residual(views, pairs, refined)
        if after > 0.97 * before:
            return Refinement(poses, before, before)
        change = _twist(refined, first, centre)
        known, wanted = np.arange(0, len(poses), every), np.arange(len(poses))
        between = [np.asarray(np.interp(wanted, known, c), float) for c in change.T]
        moved = [
            _apply(c, pose, centre) for c, pose in zip(np.stack(between, 1), poses, strict=True)
        ]
        return Refinement(np.stack(moved), before, after)

    def _view(self, frame: Frame, rng: np.random.Generator) -> View:
        depth = clean(frame, self.max_range)
        n = max(1, -(-depth.shape[1] // self.width))
        h, w = depth.shape[0] // n, depth.shape[1] // n
        blocks = depth[: h * n, : w * n].reshape(h, n, w, n)
        known = (blocks > 0).all((1, 3))
        flat = np.ptp(blocks, axis=(1, 3)) < 0.02 * blocks.max((1, 3))
        z = np.where(known & flat, blocks.mean((1, 3)), np.nan).astype(np.float32)
        k = frame.depth_intrinsics
        small = Intrinsics(w, h, k.fx / n, k.fy / n, (k.cx + 0.5) / n - 0.5, (k.cy + 0.5) / n - 0.5)
        v, u = np.mgrid[0:h, 0:w]
        points = np.stack([(u - small.cx) / small.fx * z, (v - small.cy) / small.fy * z, z], -1)
        points = points.astype(np.float32)
        normals = _normals(points)
        whole = np.flatnonzero(np.isfinite(normals[..., 0]).ravel())
        p, m = points.reshape(-1, 3)[whole], normals.reshape(-1, 3)[whole]
        # A table fills most of a frame and holds it in three directions only: sample the rest too.
        cell = np.rint(2 * m).astype(int) @ np.array([1, 10, 100])
        _, inverse, counts = np.unique(cell, return_inverse=True, return_counts=True)
        chance = 1 / np.sqrt(counts[inverse.ravel()])
        size = min(self.samples, len(p))
        chosen = rng.choice(len(p), size, replace=False, p=chance / chance.sum()) if size else []
        return View(points, normals, p[chosen], m[chosen], small)

    def _pairs(self, views: list[View], poses: Array) -> NDArray[np.int64]:
        """(k, 2) frames that see the same: the next few, and others spread over the capture."""
        n, found = len(views), []
        inverse = np.linalg.inv(poses)
        for i in range(n):
            p = views[i].sample[::8]
            if not len(p):
                continue
            world = p @ poses[i, :3, :3].T + poses[i, :3, 3]
            share = np.array([_inside(views[j].camera, world, inverse[j]) for j in range(n)])
            share[i] = 0
            near = [j for j in (i + 1, i + 2) if j < n and share[j] > 0.3]
            far = np.flatnonzero(share > 0.35)
            far = far[np.abs(far - i) > 2]
            count = min(len(far), self.pairs - len(near))
            spread = far[np.linspace(0, len(far) - 1, count).astype(int)] if count > 0 else []
            found += [(i, int(j)) for j in (*near, *spread)]
        return np.array(found, int).reshape(-1, 2)

    def _matches(
        self, views: list[View], i: int, j: int, poses: Array, reach: float
    ) -> tuple[Array, Array, Array, Array]:
        """World points (k, 3) of frame i, normals (k, 3) of j there, distances (k,), and trust
        (k,): the noise of depth grows with its square past a metre (Khoshelham 2012)."""
        a, b = views[i], views[j]
        relative = (np.linalg.inv(poses[j]) @ poses[i]).astype(np.float32)
        p = a.sample @ relative[:3, :3].T + relative[:3, 3]
        m = a.sample_normals @ relative[:3, :3].T
        k = b.camera
        with np.errstate(divide="ignore", invalid="ignore"):
            u, v = p[:, 0] / p[:, 2] * k.fx + k.cx, p[:, 1] / p[:, 2] * k.fy + k.cy
        seen = (p[:, 2] > 0.1) & (u > -0.5) & (v > -0.5) & (u < k.width - 0.5)
        seen &= v < k.height - 0.5
        p, m = p[seen], m[seen]
        row, column = np.rint(v[seen]).astype(int), np.rint(u[seen]).astype(int)
        q, normal = b.points[row, column], b.normals[row, column]
        offset = p - q
        with np.errstate(invalid="ignore"):
            good = (np.linalg.norm(offset, axis=1) < reach) & ((m * normal).sum(1) > 0.8)
        distance = (offset * normal).sum(1)[good].astype(float)
        rotation = poses[j, :3, :3]
        world = p[good].astype(float) @ rotation.T + poses[j, :3, 3]
        trust = np.maximum(1.0, p[good, 2].astype(float)) ** -4
        return world, normal[good].astype(float) @ rotation.T, distance, trust

    def _residual(self, views: list[View], pairs: NDArray[np.int64], poses: Array) -> float:
        every = [np.abs(self._matches(views, i, j, poses, self.reach)[2]) for i, j in pairs]
        together = np.concatenate(every)
        return float(np.median(together)) if len(together) else 0.0

    def _solve(
        self,
        views: list[View],
        pairs: NDArray[np.int64],
        poses: Array,
        first: Array,
        centre: Array,
        reach: float,
    ) -> Array:
        n = len(poses)
        matches = [self._matches(views, i, j, poses, reach) for i, j in pairs]
        every = np.abs(np.concatenate([m[2] for m in matches]))
        if not len(every):
            return poses
        sigma = max(0.001, 1.4826 * float(np.median(every)))
        # Neighbouring pixels err alike (the depth is upsampled and smoothed): they count less.
        alike = 1 / (20 * sigma**2)
        hessian, gradient = np.zeros((n, n, 6, 6)), np.zeros((n, 6))
        for (i, j), (x, normal, r, trust) in zip(pairs, matches, strict=True):
            if len(r) < 20:
                continue
            weight = alike * trust * (1 - np.minimum(1, (r / (4.685 * sigma)) ** 2)) ** 2
            jacobian = np.hstack([np.cross(x - centre, normal), normal])
            block = (jacobian * weight[:, None]).T @ jacobian
            slope = jacobian.T @ (weight * r)
            hessian[i, i] += block
            hessian[j, j] += block
            hessian[i, j] -= block
            hessian[j, i] -= block
            gradient[i] += slope
            gradient[j] -= slope
        moved = _twist(poses, first, centre)
        gap = 1 / np.array([self.turn] * 3 + [self.step] * 3) ** 2
        for i in range(n):
            # A walk that starts right is known by its start alone; but each frame's own depth errs
            # too, so the first few count, and the later ones less and less.
            anchor = gap / (i + 1) ** 2
            hessian[i, i] += np.diag(anchor)
            gradient[i] += anchor * moved[i]
            if i + 1 < n:
                between = gap * (moved[i + 1] - moved[i])
                for a, b, sign in ((i, i, 1), (i + 1, i + 1, 1), (i, i + 1, -1), (i + 1, i, -1)):
                    hessian[a, b] += sign * np.diag(gap)
                gradient[i + 1] += between
                gradient[i] -= between
        full = hessian.transpose(0, 2, 1, 3).reshape(6 * n, 6 * n)
        change = np.linalg.solve(full, -gradient.ravel()).reshape(n, 6)
        return np.stack([_apply(c, pose, centre) for c, pose in zip(change, poses, strict=True)])


def _normals(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w, 3) unit normals towards the camera from differences over two pixels either side."""
    du, dv = np.full_like(points, np.nan), np.full_like(points, np.nan)
    du[:, 2:-2] = points[:, 4:] - points[:, :-4]
    dv[2:-2] = points[4:] - points[:-4]
    normal = np.cross(dv, du)
    with np.errstate(invalid="ignore", divide="ignore"):
        normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    away = (normal * points).sum(2) > 0
    normal[away] = -normal[away]
    return normal


def _inside(camera: Intrinsics, world: Array, camera_from_world: Array) -> float:
    """Share of world points that a camera has in view."""
    p = world @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        u = p[:, 0] / p[:, 2] * camera.fx + camera.cx
        v = p[:, 1] / p[:, 2] * camera.fy + camera.cy
    inside = (p[:, 2] > 0.1) & (u > 0) & (v > 0) & (u < camera.width) & (v < camera.height)
    return float(inside.mean())


def _apply(change: NDArray[Any], pose: Array, centre: Array) -> Array:
    """The pose after a small rotation vector about `centre` and a translation, in the world."""
    from scipy.spatial.transform import Rotation

    turn = np.array(Rotation.from_rotvec(change[:3]).as_matrix(), float)
    out = np.eye(4)
    out[:3, :3] = turn @ pose[:3, :3]
    out[:3, 3] = turn @ (pose[:3, 3] - centre) + centre + change[3:]
    return out


def _twist(poses: Array, first: Array, centre: Array) -> Array:
    """(n, 6) the changes that `_apply` would take from `first` to `poses`."""
    from scipy.spatial.transform import Rotation

    turn = poses[:, :3, :3] @ first[:, :3, :3].transpose(0, 2, 1)
    shift = poses[:, :3, 3] - centre
    shift = shift - np.einsum("nij,nj->ni", turn, first[:, :3, 3] - centre)
    return np.hstack([np.asarray(Rotation.from_matrix(turn).as_rotvec(), float), shift])
