"""Which depths are told: those that something in the pictures bears out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cousins.photos.sweep import Levels, Picture, Way


def borne_out(
    own: Picture,
    depth: Levels,
    others: Sequence[tuple[Picture, Levels]],
    within: float,
    witnesses: int,
) -> Levels:
    """The view's depth (h, w), 0 where fewer than `witnesses` others have the same, or more look
    through it than that; the mean of those that agree.

    within: the share of the depth by which they may differ.
    """
    import cv2

    known = depth > 0
    inverse = np.where(known, 1 / np.where(known, depth, 1), 0).astype(np.float32)
    agreed = np.zeros(depth.shape, np.int16)
    through = np.zeros(depth.shape, np.int16)
    total = np.ones_like(depth)
    for other, theirs in others:
        u, v, farther = Way(own, other).pixels(inverse)
        near = cv2.INTER_NEAREST
        there = np.asarray(cv2.remap(theirs, u, v, near), np.float32)
        ratio = np.where(known & (farther > 0), there / np.maximum(farther * depth, 1e-9), 0)
        same = np.abs(ratio - 1) < within
        agreed += same
        through += ratio > 1 + 2 * within
        total += np.where(same, ratio, 0)
    good = (agreed >= witnesses) & (agreed >= through)
    return np.where(good, depth * total / (1 + agreed), 0).astype(np.float32)


def spanned(
    guess: Levels, inverse: Levels, sure: NDArray[np.bool_], within: float
) -> NDArray[np.bool_]:
    """(h, w) where a guess at inverse depth (h, w) lies on a straight line between the nearest two
    pixels that are sure of theirs: on a plane it is linear in the picture. What is carried on
    beyond the last that is sure is made up.

    sure (h, w) of bool. within: the share by which a pixel may be off that line. Lines run along
    rows, columns and diagonals; two of the four must do.
    """
    fits = np.zeros(inverse.shape, np.int8)
    for turned, aside in ((False, 0), (True, 0), (False, 1), (False, -1)):
        g, q, s = (guess.T, inverse.T, sure.T) if turned else (guess, inverse, sure)
        before, ago = _last(q, s, aside)
        after, ahead = (a[::-1] for a in _last(q[::-1], s[::-1], -aside))
        line = (before * ahead + after * ago) / np.maximum(ago + ahead, 1)
        fit = (before > 0) & (after > 0) & (np.abs(line - g) < within * g)
        fits += fit.T if turned else fit
    return fits >= 2


def _last(inverse: Levels, sure: NDArray[np.bool_], aside: int) -> tuple[Levels, Levels]:
    """(h, w) the last sure value on the way down to each pixel, `aside` columns a row, 0 for none;
    and how many rows above it is."""
    value, ago = np.zeros_like(inverse), np.zeros_like(inverse)
    w = inverse.shape[1]
    to = slice(max(aside, 0), w + min(aside, 0))
    since = slice(max(-aside, 0), w - max(aside, 0))
    for y in range(len(inverse)):
        if y:
            value[y, to], ago[y, to] = value[y - 1, since], ago[y - 1, since] + 1
        value[y, sure[y]], ago[y, sure[y]] = inverse[y, sure[y]], 0
    return value, ago


def without_rims(depth: Levels, within: float, size: tuple[int, int]) -> Levels:
    """The depth (h, w) without the near side of its jumps: windows of `size` (width, height) that
    hold an edge take the nearer thing's depth half a window beyond its outline."""
    import cv2

    far = cv2.dilate(depth, np.ones(size[::-1], np.uint8))
    return np.where(depth < far * (1 - 3 * within), 0, depth).astype(np.float32)


def without_speckles(depth: Levels, within: float, least: int) -> Levels:
    """The depth (h, w) without patches of less than `least` pixels, whose depth changes by less
    than the share `within` from one pixel to the next."""
    import cv2

    log = np.where(depth > 0, np.log(np.where(depth > 0, depth, 1)), 0)
    if not depth.any():
        return depth
    low = log[depth > 0].min()
    # As OpenCV wants it: whole numbers, of which one is none.
    levels = np.where(depth > 0, np.minimum((log - low) * 1000, 32000), -1000).astype(np.int16)
    cv2.filterSpeckles(levels, -1000, least, max(1, round(2000 * within)))
    return np.where(levels > -1000, depth, 0).astype(np.float32)
