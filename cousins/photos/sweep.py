"""How well pictures fit one another at each depth: plane sweep (Collins 1996).

Likeness is the normalised cross-correlation of small windows, which brightness and contrast leave
alone. Where nothing is to be seen in a window, noise decides nothing: it fits half at any depth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.photos.paths import FULL, Costs
from cousins.types import Array, Intrinsics

Levels = NDArray[np.float32]
NOISE = 2.0  # levels of 255, rms: a phone's pictures after compression, made smaller


@dataclass(frozen=True)
class Picture:
    """grey (h, w) levels; camera; pose (4, 4) world_from_camera."""

    grey: Levels
    camera: Intrinsics
    pose: Array


def costs(
    own: Picture, others: Sequence[Picture], labels: Array | Levels, window: int
) -> Costs:  # fmt: skip
    """(h, d, w) how badly the others fit at d inverse depths: labels (d,), or (d, h, w).

    Of the others the better half counts at each pixel and depth: what one side hides from sight
    the other mostly shows. From 0, alike, to FULL, not at all.
    """
    h, w = own.grey.shape
    window_of = _Window(own.grey, window)
    ways = [_Way(own, other) for other in others]
    count = -(-len(others) // 2)
    out = np.empty((h, len(labels), w), np.int16)
    for d, label in enumerate(labels):
        best: list[Levels] = []
        for way, other in zip(ways, others, strict=True):
            cost = window_of.unlike(way(other.grey, label))
            for k, kept in enumerate(best):  # an insertion sort of pictures, best first
                best[k], cost = np.minimum(kept, cost), np.maximum(kept, cost)
            if len(best) < count:
                best.append(cost)
        out[:, d] = np.rint(sum(best) * np.float32(FULL / count))
    return out


class _Window:
    """A picture's windows of `size` pixels a side, against which warped ones are held."""

    def __init__(self, grey: Levels, size: int) -> None:
        self.size = (size, size)
        self.grey = grey - np.float32(128)
        self.mean = self._mean(self.grey)
        variance = self._mean(self.grey * self.grey) - self.mean * self.mean
        self.weight = 1 / np.sqrt(np.maximum(variance, 0) + np.float32(NOISE**2))

    def _mean(self, image: Levels) -> Levels:
        import cv2

        return np.asarray(cv2.blur(image, self.size), np.float32)

    def unlike(self, other: Levels) -> Levels:
        """(h, w) 0 for windows that are alike, 1 for those that have nothing in common."""
        mean = self._mean(other)
        variance = self._mean(other * other)
        variance -= mean * mean
        np.maximum(variance, 0, out=variance)
        variance += np.float32(NOISE**2)
        like = self._mean(self.grey * other)
        like -= self.mean * mean
        like *= self.weight
        like /= np.sqrt(variance, out=variance)
        return np.clip(1 - like, 0, 1)


class _Way:
    """From one picture's pixels and inverse depths to another's: (a + b q) of each pixel."""

    def __init__(self, own: Picture, other: Picture) -> None:
        k, j = own.camera.matrix, other.camera.matrix
        turn = other.pose[:3, :3].T @ own.pose[:3, :3]
        shift = other.pose[:3, :3].T @ (own.pose[:3, 3] - other.pose[:3, 3])
        self.a, self.b = j @ turn @ np.linalg.inv(k), j @ shift
        h, w = own.grey.shape
        self.size = (w, h)

    def __call__(self, grey: Levels, label: Array | Levels) -> Levels:
        """The other's grey (h, w) as seen from here if all lies at the inverse depth `label`, one
        or (h, w); the middle grey out of its view."""
        import cv2

        if np.ndim(label) == 0:
            plane = self.a.copy()
            plane[:, 2] += self.b * float(label)
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            seen = cv2.warpPerspective(grey - np.float32(128), plane, self.size, flags=flags)
        else:
            u, v, _ = self.pixels(np.asarray(label, np.float32))
            seen = cv2.remap(grey - np.float32(128), u, v, cv2.INTER_LINEAR)
        return np.asarray(seen, np.float32)

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


def way(own: Picture, other: Picture) -> _Way:
    """How pixels of `own`, with their inverse depths, lie in `other`."""
    return _Way(own, other)


def windows(pictures: Sequence[Picture], chosen: NDArray[np.int64]) -> Iterator[Picture]:
    """Those chosen."""
    return (pictures[i] for i in chosen.tolist())
