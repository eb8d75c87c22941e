"""Lenses that distort: a picture, or a depth image, as a camera without distortion would see it.

Formulas of Brown 1966 (radial and tangential) and of Kannala and Brandt 2006 (fisheye), with the
coefficients as COLMAP, OpenCV and nerfstudio number them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.capture import quality
from cousins.types import Array, Intrinsics

_OUTSIDE = -1e4  # px: no picture lies there
_STEPS = 2048  # along the radius, to find where a polynomial turns back


@dataclass(frozen=True)
class Optics:
    """A camera and its distortion. radial: k1 to k4; tangential: p1, p2, of a lens that is no
    fisheye. A fisheye's radial polynomial is in the angle, another lens's in its tangent."""

    camera: Intrinsics
    radial: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    tangential: tuple[float, float] = (0.0, 0.0)
    fisheye: bool = False

    @property
    def straight(self) -> bool:
        """Whether straight lines stay straight in its pictures."""
        return not (self.fisheye or any(self.radial) or any(self.tangential))


def undone(
    image: NDArray[Any], optics: Optics, target: Intrinsics, where: str, nearest: bool = False
) -> NDArray[Any]:
    """The image (h, w) or (h, w, 3) of `optics` as `target` would see it, 0 where it saw nothing.

    It may be of any size of the same view, and keeps it. nearest: take values as they are, as depth
    needs it, instead of mixing neighbours. Raises CaptureError for an image of another shape.
    """
    height, width = image.shape[:2]
    own = optics.camera
    quality.check_same_view((width, height), (own.width, own.height), where)
    if optics.straight and own == target:
        return image
    import cv2

    x, y = _sources(replace(optics, camera=own.scaled(width, height)), target.scaled(width, height))
    how = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    return cv2.remap(image, x, y, how, borderMode=cv2.BORDER_CONSTANT, borderValue=0)


@lru_cache(maxsize=4)  # pictures and depth of a capture with one camera, or with one a frame
def _sources(optics: Optics, target: Intrinsics) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """x and y, each (h, w): where a pixel of the target lies in the picture of `optics`."""
    k, t = optics.camera, target
    x = ((np.arange(t.width) - t.cx) / t.fx)[None, :]
    y = ((np.arange(t.height) - t.cy) / t.fy)[:, None]
    r2 = x * x + y * y
    stretch = _stretch(optics, r2)
    p1, p2 = optics.tangential
    u = k.fx * (x * stretch + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)) + k.cx
    v = k.fy * (y * stretch + 2 * p2 * x * y + p1 * (r2 + 2 * y * y)) + k.cy
    unseen = r2 > _reach(optics, float(r2.max())) ** 2
    u[unseen] = v[unseen] = _OUTSIDE
    return u.astype(np.float32), v.astype(np.float32)


def _stretch(optics: Optics, r2: Array) -> Array:
    """How much farther from the axis the lens draws a point at the squared radius r2."""
    k1, k2, k3, k4 = optics.radial
    if not optics.fisheye:
        return 1 + r2 * (k1 + r2 * (k2 + r2 * (k3 + r2 * k4)))
    r = np.sqrt(r2)
    angle = np.arctan(r)
    a2 = angle * angle
    drawn = angle * (1 + a2 * (k1 + a2 * (k2 + a2 * (k3 + a2 * k4))))
    return np.divide(drawn, r, out=np.ones_like(r), where=r > 1e-9)


def _reach(optics: Optics, r2: float) -> float:
    """The radius up to which the lens draws outer points farther out; beyond, a fitted polynomial
    may turn back, and would show the picture's inner part once more."""
    r = np.linspace(0, np.sqrt(r2), _STEPS)
    back = np.flatnonzero(np.diff(r * _stretch(optics, r * r)) <= 0)
    return float(r[back[0]]) if len(back) else np.inf
