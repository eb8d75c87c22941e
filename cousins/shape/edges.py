"""Depth images whose edges are sharp again.

A sensor smears depth over an edge: between an object and what lies behind it come two or three
pixels of neither, 10 mm wide at a metre. Dropping them loses every rim. But the smear is even, so
the outline runs where the depth passes the middle between front and back; each side is then
carried on to there (the toggle of Kramer and Bruckner 1975, by planes and between pixels).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cousins.reconstruct.depth import MAX_RANGE, clean
from cousins.types import Array, Frame, Intrinsics

STEP = 0.015  # front and back lie at least this far apart at an edge, m
RIDGE = 0.010  # a thin thing's pixels are nearer than those on both sides by this, m
REACH = 3  # pixels, as far as an edge is smeared
# What a pixel counts, by the square of how much farther off its depth is than away from any edge:
AT_EDGE = 0.04  # five times, where it is made up of both sides
UNSURE = 0.2  # twice and more, where the phone itself is not sure of it
FINE = 640  # columns that a sharp image has at least


def sharp(
    frame: Frame, max_range: float = MAX_RANGE
) -> tuple[NDArray[np.float32], Intrinsics, NDArray[np.float32]]:
    """Depth (h, w) cleaned and sharpened, 0 where unknown; its camera: maybe a finer one; and how
    much each pixel counts (h, w), 1 for one away from any edge.

    A sensor that tells of no confidence is none that smears: structured light leaves shadows at
    an edge and jumps, and its depth is only cleaned.
    """
    import cv2

    depth = clean(frame, max_range)
    if frame.confidence is None:
        return depth, frame.depth_intrinsics, np.ones_like(depth)
    raw = np.where(np.isfinite(frame.depth) & (frame.depth < max_range), frame.depth, 0)
    raw = raw.astype(np.float32)
    h, w = depth.shape
    times = max(1, -(-FINE // w))
    camera = frame.depth_intrinsics.scaled(w * times, h * times)
    size = (w * times, h * times)
    whole = cv2.erode(np.asarray(depth > 0, np.uint8), np.ones((3, 3), np.uint8)) > 0
    smooth = np.where(cv2.resize(whole.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0,
                      cv2.resize(raw, size, interpolation=cv2.INTER_LINEAR),
                      cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST))  # fmt: skip
    # Beside what was dropped lies what is smeared less, and yet by millimetres.
    sure = depth.copy()
    if frame.confidence is not None:
        beside = cv2.dilate((depth == 0).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        sure[beside & (frame.confidence < 2)] = 0
    kernel = np.ones((2 * REACH + 1,) * 2, np.uint8)
    far = cv2.dilate(sure, kernel)
    near = cv2.erode(np.where(sure > 0, sure, np.inf).astype(np.float32), kernel)
    band = np.argwhere((sure == 0) & (raw > 0) & (far - near > STEP))
    trust = np.where(frame.confidence < 2, np.float32(UNSURE), np.float32(1))
    trust = np.asarray(cv2.resize(trust, size, interpolation=cv2.INTER_NEAREST), np.float32)
    if not len(band):
        return smooth, camera, trust
    front, back, middle = _sides(sure, band)
    # Where between a pixel's centre and its neighbours' each of its finer pixels lies.
    part = (np.arange(times) + 0.5) / times - 0.5
    y, x = (a.ravel() for a in np.meshgrid(part, part, indexing="ij"))
    offset = np.stack([np.ones_like(x), x, y])
    rows = (band[:, :1] * times + np.repeat(np.arange(times), times)).astype(int)
    columns = (band[:, 1:] * times + np.tile(np.arange(times), times)).astype(int)
    between = cv2.resize(raw, size, interpolation=cv2.INTER_LINEAR)[rows, columns]
    value = np.where(between < middle[:, None], front @ offset, back @ offset)
    # Of what is thinner than the smear no pixel keeps the depth: no telling what lies behind it.
    thin = cv2.dilate(_ridges(raw).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    value[(between >= middle[:, None]) & thin[band[:, 0], band[:, 1]][:, None]] = 0
    smooth[rows, columns] = np.where(value > 0.1, value, 0)
    trust[rows, columns] = AT_EDGE
    return smooth, camera, trust


def _ridges(raw: NDArray[np.float32]) -> np.ndarray:
    """(h, w) whether a pixel is nearer, by RIDGE, than those two away on either side of it."""
    ridge = np.zeros(raw.shape, bool)
    for way in ((0, 2), (2, 0), (2, 2), (2, -2)):
        one, other = (np.roll(raw, (sign * way[0], sign * way[1]), (0, 1)) for sign in (1, -1))
        ridge |= (np.minimum(one, other) - raw > RIDGE) & (raw > 0)
    return ridge


def _sides(depth: NDArray[np.float32], band: NDArray[np.intp]) -> tuple[Array, Array, Array]:
    """Planes (n, 3) of what lies before and behind an edge at n pixels (n, 2), as depth = a +
    b dx + c dy; zeros where there is but one side; and the depth (n,) between the two."""
    reach = REACH + 1
    step = np.arange(-reach, reach + 1)
    dy, dx = (a.ravel() for a in np.meshgrid(step, step, indexing="ij"))
    padded = np.pad(depth, reach)
    z = padded[band[:, :1] + dy + reach, band[:, 1:] + dx + reach].astype(np.float64)
    known = z > 0
    close = known & (np.maximum(np.abs(dx), np.abs(dy)) <= REACH)
    low = np.where(close, z, np.inf).min(1)
    high = np.where(close, z, 0).max(1)
    middle = (low + high) / 2
    nearer = known & (z < middle[:, None])
    fall = 1.0 / (1 + dx**2 + dy**2)
    front, back = (_plane(z, side * fall, dx, dy) for side in (nearer, known & ~nearer))
    # The middle at the pixel itself, for both sides may slope.
    middle = np.clip((front[:, 0] + back[:, 0]) / 2, low, high)
    return front, back, middle


def _plane(z: Array, weight: Array, dx: np.ndarray, dy: np.ndarray) -> Array:
    """(n, 3) weighted least squares of depth over offsets in pixels; flat where few support it."""
    terms = np.stack([np.ones(len(dx)), dx, dy], 1)
    products = (terms[:, :, None] * terms[:, None]).reshape(len(dx), 9)
    total = weight.sum(1)
    mean = (weight * z).sum(1) / np.maximum(total, 1e-9)
    left = (weight @ products).reshape(-1, 3, 3)
    # A slope must be borne out by several pixels: a few would carry their noise far.
    left[:, [1, 2], [1, 2]] += 0.5
    left[:, 0, 0] += 1e-9
    right = (weight * (z - mean[:, None])) @ terms
    plane = np.linalg.solve(left, right[..., None])[..., 0]
    plane[:, 0] += mean
    plane[total == 0] = 0
    return plane
