"""How well pictures fit one another at each depth: plane sweep (Collins 1996).

Likeness is the normalised cross-correlation of small windows, which brightness and contrast leave
alone. Where a window shows nothing but noise, all depths fit as badly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.photos.paths import FULL, Costs
from cousins.types import Array, Intrinsics

Levels = NDArray[np.float32]
NOISE = 2.0  # levels of 255, rms: a phone's pictures after compression, made smaller
SIZE = (5, 5)  # px, of a window
MIDDLE = np.float32(128)  # sums of squares about it keep their digits


@dataclass(frozen=True)
class Picture:
    """grey (h, w) levels; camera; pose (4, 4) world_from_camera."""

    grey: Levels
    camera: Intrinsics
    pose: Array


def costs(
    own: Picture,
    others: Sequence[Picture],
    labels: Array | Levels,
    slope: Array | None = None,
) -> Costs:
    """(h, d, w) how badly the others fit at d inverse depths: labels (d,), or (d, h, w); the former
    are of planes of the `slope` (3,), by which inverse depth changes with a pixel's u, v, 1.

    Of the others the better half counts at each pixel and depth: what one side hides from sight
    the other mostly shows. From 0, alike, to FULL, not at all.
    """
    h, w = own.grey.shape
    windows = _Windows(own.grey - MIDDLE)
    ways = [(Way(own, other, slope), other.grey - MIDDLE) for other in others]
    count = -(-len(others) // 2)
    out = np.empty((h, len(labels), w), np.int16)
    for d, label in enumerate(labels):
        best: list[Levels] = []
        for way, grey in ways:
            _keep(best, windows.like(way(grey, label)), count)
        like = np.sum(best, axis=0)
        out[:, d] = np.rint(FULL * (1 - like / np.float32(count)))
    return out


def edges(grey: Levels) -> Levels:
    """(h, w) how many levels grey changes by between neighbours, at most, in each window: so far
    from an edge in the picture may windows put that of a thing."""
    import cv2

    change = np.zeros_like(grey)
    across, down = np.abs(np.diff(grey, axis=1)), np.abs(np.diff(grey, axis=0))
    change[:, 1:] = across
    change[1:] = np.maximum(change[1:], down)
    change[:, :-1] = np.maximum(change[:, :-1], across)
    change[:-1] = np.maximum(change[:-1], down)
    return np.asarray(cv2.dilate(change, np.ones(SIZE, np.uint8)), np.float32)


def _keep(best: list[Levels], like: Levels, count: int) -> None:
    """Sorts a picture into the `count` best, pixel by pixel, the best of all first."""
    for k, kept in enumerate(best):
        best[k], like = np.maximum(kept, like), np.minimum(kept, like)
    if len(best) < count:
        best.append(like)


class _Windows:
    """A picture's windows, against which warped ones are held."""

    def __init__(self, grey: Levels) -> None:
        self.grey = grey
        self.mean = _mean(grey)
        self.weight = 1 / np.sqrt(_variance(grey))

    def like(self, other: Levels) -> Levels:
        """(h, w) 1 for windows that are alike, 0 for those that have nothing in common."""
        like = _mean(self.grey * other)
        like -= self.mean * _mean(other)
        like *= self.weight
        variance = _variance(other)
        like /= np.sqrt(variance, out=variance)
        return np.clip(like, 0, 1, out=like)


def _variance(grey: Levels) -> Levels:
    """Of each window, with that of noise, so that it is never zero."""
    mean = _mean(grey)
    variance = _mean(grey * grey)
    variance -= mean * mean
    np.maximum(variance, 0, out=variance)
    variance += np.float32(NOISE**2)
    return variance


def _mean(image: Levels) -> Levels:
    import cv2

    return np.asarray(cv2.blur(image, SIZE), np.float32)


class Way:
    """From one picture's pixels p = (u, v, 1) and inverse depths q, or what they are beyond a
    `slope`, to another's: a p + b q."""

    def __init__(self, own: Picture, other: Picture, slope: Array | None = None) -> None:
        k, j = own.camera.matrix, other.camera.matrix
        turn = other.pose[:3, :3].T @ own.pose[:3, :3]
        shift = other.pose[:3, :3].T @ (own.pose[:3, 3] - other.pose[:3, 3])
        self.a, self.b = j @ turn @ np.linalg.inv(k), j @ shift
        if slope is not None:
            self.a = self.a + np.outer(self.b, slope)
        h, w = own.grey.shape
        self.size = (w, h)

    def __call__(self, grey: Levels, label: Array | Levels) -> Levels:
        """The other's picture as seen from here if all lies at the inverse depth `label`, one or
        (h, w); 0 out of its view."""
        import cv2

        if np.ndim(label) == 0:
            plane = self.a.copy()
            plane[:, 2] += self.b * float(label)
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            return np.asarray(cv2.warpPerspective(grey, plane, self.size, flags=flags), np.float32)
        u, v, _ = self.pixels(np.asarray(label, np.float32))
        return np.asarray(cv2.remap(grey, u, v, cv2.INTER_LINEAR), np.float32)

    def pixels(self, inverse: Levels) -> tuple[Levels, Levels, Levels]:
        """(h, w) where in the other's picture each pixel is seen, and its depth there as a share of
        its depth here; nowhere (-9) behind the camera."""
        w, h = self.size
        a, b = self.a.astype(np.float32), self.b.astype(np.float32)
        u, v = np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)[:, None]
        x, y, z = (a[i, 0] * u + a[i, 1] * v + a[i, 2] + b[i] * inverse for i in range(3))
        front = z > 1e-3
        z = np.where(front, z, 1)
        return np.where(front, x / z, -9), np.where(front, y / z, -9), z * front
