"""The depth sensor: true depth in, what the phone writes out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cousins.phone.noise import Noise
from cousins.types import Array

GRAZING, FLAT = 0.3, 0.12  # cosine below which confidence is at most 1, and 0
FAR, OUT = 3.0, 5.0  # m: beyond, confidence is at most 1, and 0; Apple gives a range of 5 m
EDGE, TORN = 0.003, 0.010  # m of mixing at an edge: beyond, confidence is at most 1, and 0
CONTRAST = 0.02  # of 0..1 grey: an edge in the picture that stops the low-pass


def sensed(
    depth: Array,
    cosine: Array,
    noise: Noise | None,
    rng: np.random.Generator,
    guide: Array | None = None,
    lost: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """What the sensor makes of true depth (h, w; m) seen at `cosine`: mm, 0 for nothing, and
    ARKit's confidence 0..2.

    guide: (h, w) grey in 0..1, the picture that guides the low-pass; None for no low-pass.
    lost: pixels whose light does not come back.
    """
    import cv2

    seen = (depth > 0) if lost is None else (depth > 0) & ~lost
    true = np.where(seen, depth, 0.0)
    measured = true
    confidence = np.full(depth.shape, 2, np.uint8)
    if noise is not None:
        if noise.smear > 0:
            weight = cv2.GaussianBlur(seen.astype(float), (0, 0), noise.smear)
            measured = cv2.GaussianBlur(true, (0, 0), noise.smear) / np.maximum(weight, 1e-6)
        radius = round(noise.smoothing)
        if guide is not None and radius > 0:
            measured = guided(measured, seen, guide, radius)
        edge = np.abs(measured - true)
        smooth = cv2.GaussianBlur(rng.standard_normal(depth.shape), (0, 0), noise.grain)
        grain = np.sqrt(1 - noise.blotch) * rng.standard_normal(depth.shape)
        grain += np.sqrt(noise.blotch) * smooth / smooth.std()
        measured = measured + (noise.floor + noise.growth * depth**2) * grain
        confidence[edge > EDGE] = 1
        confidence[edge > TORN] = 0
    unsure = (cosine < GRAZING) | (depth > FAR)
    confidence[unsure] = np.minimum(confidence[unsure], 1)
    confidence[(cosine < FLAT) | (depth > OUT) | ~seen] = 0
    millimetres = np.clip(np.rint(measured * 1000), 0, 65534)
    return np.where(seen, millimetres, 0).astype(np.uint16), confidence


def guided(depth: Array, seen: NDArray[np.bool_], guide: Array, radius: int) -> Array:
    """Depth (h, w) smoothed over windows of 2 radius + 1 pixels, except where `guide` has an edge.

    The guided filter of He, Sun and Tang (PAMI 35(6), 2013), over the pixels that are `seen`:
    within each window depth becomes linear in the guide's grey.
    """
    import cv2

    def mean(image: Array) -> Array:
        size = (2 * radius + 1, 2 * radius + 1)
        return cv2.boxFilter(image * seen, -1, size, normalize=False,
                             borderType=cv2.BORDER_CONSTANT) / count  # fmt: skip

    count: Array = np.ones(1)
    count = np.maximum(mean(np.ones(depth.shape)), 1.0)
    grey, level = mean(guide), mean(depth)
    slope = (mean(guide * depth) - grey * level) / (mean(guide**2) - grey**2 + CONTRAST**2)
    return mean(slope) * guide + mean(level - slope * grey)
