"""Depth images made fit for fusion."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cousins.types import Array, Frame, Intrinsics

MAX_RANGE = 4.0  # m: past it both LiDAR phones and structured light are off by centimetres
UNKNOWN = 160  # of 255: the grey of what no picture shows


def clean(frame: Frame, max_range: float = MAX_RANGE) -> NDArray[np.float32]:
    """(h, w) depth without what should not be fused: 0 there.

    Dropped are low confidence, what lies beyond `max_range`, and pixels on a depth edge, whose
    value is a mixture of front and back ("flying pixels").
    """
    import cv2

    depth = np.where(np.isfinite(frame.depth), frame.depth, 0.0).astype(np.float32)
    depth[(depth < 0.1) | (depth > max_range)] = 0.0
    if frame.confidence is not None:
        depth[frame.confidence == 0] = 0.0
    kernel = np.ones((3, 3), np.uint8)
    far = cv2.dilate(depth, kernel)
    near = cv2.erode(np.where(depth == 0, np.inf, depth).astype(np.float32), kernel)
    # A surface seen at 80 degrees changes by less than this over two pixels.
    slope = 2 * np.tan(np.radians(80)) / frame.depth_intrinsics.fx
    depth[(far - near) > np.maximum(0.015, slope * depth)] = 0.0
    return depth


def points(depth: NDArray[np.float32], intrinsics: Intrinsics, step: int = 1) -> Array:
    """(n, 3) points in camera axes of the known pixels, every `step`-th row and column."""
    v, u = np.mgrid[0 : depth.shape[0] : step, 0 : depth.shape[1] : step]
    z = depth[::step, ::step]
    known = z > 0
    z, u, v = z[known].astype(float), u[known], v[known]
    k = intrinsics
    return np.column_stack([(u - k.cx) / k.fx * z, (v - k.cy) / k.fy * z, z])


def transform(pose: Array, p: Array) -> Array:
    """(n, 3) points through a 4x4 pose."""
    return p @ pose[:3, :3].T + pose[:3, 3]


def registered_colour(frame: Frame) -> NDArray[np.uint8]:
    """(h, w, 3) the colour that each depth pixel sees, at the depth's size.

    Where the cameras are one this is a resize; else each pixel's point is looked up in the colour
    image, and a pixel without depth takes the colour of the same ray far away. Without a picture
    everything is one grey.
    """
    import cv2

    h, w = frame.depth.shape
    if frame.colour is None:
        return np.full((h, w, 3), UNKNOWN, np.uint8)
    if frame.colour_from_depth is None:
        return np.asarray(cv2.resize(frame.colour, (w, h), interpolation=cv2.INTER_AREA), np.uint8)
    pose, c = frame.colour_from_depth, frame.colour_intrinsics
    rays = _rays(frame.depth_intrinsics, h, w) @ pose[:3, :3].T.astype(np.float32)
    z = np.where(frame.depth > 0, frame.depth, 10.0).astype(np.float32)
    x, y, far = (z * rays[..., i] + np.float32(pose[i, 3]) for i in range(3))
    column, row = x / far * np.float32(c.fx) + c.cx, y / far * np.float32(c.fy) + c.cy
    edge = cv2.BORDER_REPLICATE
    image = cv2.remap(frame.colour, column, row, cv2.INTER_LINEAR, borderMode=edge)
    return np.asarray(image, np.uint8)


@lru_cache(maxsize=2)
def _rays(k: Intrinsics, height: int, width: int) -> NDArray[np.float32]:
    """(h, w, 3) each pixel's ray, of depth 1."""
    v, u = np.mgrid[0:height, 0:width]
    rays = np.stack([(u - k.cx) / k.fx, (v - k.cy) / k.fy, np.ones_like(u)], -1)
    return rays.astype(np.float32)


def coarser(frame: Frame, width: int) -> Frame:
    """The frame with every second, third, ... depth pixel, at most `width` columns of them."""
    step = -(-frame.depth.shape[1] // width)
    if step == 1:
        return frame
    depth = np.ascontiguousarray(frame.depth[::step, ::step])
    sure = frame.confidence
    k = frame.depth_intrinsics
    h, w = depth.shape
    return replace(
        frame,
        depth=depth,
        depth_intrinsics=Intrinsics(w, h, k.fx / step, k.fy / step, k.cx / step, k.cy / step),
        confidence=None if sure is None else np.ascontiguousarray(sure[::step, ::step]),
    )
