"""Which frames masks are asked of: few, that between them show everything from several sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cousins.reconstruct.depth import clean, points, transform
from cousins.types import Array, Frame, Intrinsics

NEAR = 0.008  # a point farther from a cell than this is not of it, m
FACING = 0.15  # cosine: what is seen more askance is not
WANTED = 4  # views of each cell, where there are so many
LITTLE = 0.02  # of all that is wanted: a further frame that adds less is not worth its network
SAMPLES = 40_000  # pixels of a frame's depth that are looked at


@dataclass(frozen=True)
class View:
    """A frame as the cells of a surface see it. cell (s,): those that it shows, and pixel (s, 2),
    where, x and y in the picture. depth (t, 2): pixels whose depth is known, some of them, and on
    (t,), whether that is at a cell. size: (width, height) of the picture."""

    index: int
    cell: NDArray[np.intp]
    pixel: NDArray[np.intp]
    depth: NDArray[np.intp]
    on: NDArray[np.bool_]
    size: tuple[int, int]

    def cells(self, n: int) -> NDArray[np.bool_]:
        """(n,) which of n cells are seen."""
        out = np.zeros(n, bool)
        out[self.cell] = True
        return out


def seen(frame: Frame, cells: Array, normals: Array, max_range: float) -> View:
    """What a frame, which must have a picture, shows of cells (n, 3) that face along normals
    (n, 3), both in the frame's world: those that are where its depth is, and face it."""
    from scipy.spatial import KDTree

    depth, pose, k = clean(frame, max_range), frame.world_from_camera, frame.depth_intrinsics
    local = (cells - pose[:3, 3]) @ pose[:3, :3]
    faces = ((pose[:3, 3] - cells) * normals).sum(1) > FACING * np.linalg.norm(local, axis=1)
    ahead = np.flatnonzero(faces & (local[:, 2] > 0))
    ahead = ahead[_within(_pixel(k, local[ahead]), k)]
    x, y = _pixel(k, local[ahead]).T
    cell = ahead[np.abs(depth[y, x] - local[ahead, 2]) < NEAR]
    pixel = _in_picture(frame, local[cell])
    step = max(1, int(np.sqrt(depth.size / SAMPLES)))
    some = points(depth, k, step)
    away = KDTree(cells).query(transform(pose, some), distance_upper_bound=NEAR)[0]
    where, c = _in_picture(frame, some), frame.colour_intrinsics
    within, inside = _within(pixel, c), _within(where, c)
    return View(frame.index, cell[within], pixel[within], where[inside],
                np.isfinite(away)[inside], (c.width, c.height))  # fmt: skip


def _in_picture(frame: Frame, local: Array) -> NDArray[np.intp]:
    """(n, 2) where the picture shows points (n, 3) in the depth camera's axes."""
    if frame.colour_from_depth is not None:
        local = transform(frame.colour_from_depth, local)
    return _pixel(frame.colour_intrinsics, local)


def _pixel(k: Intrinsics, local: Array) -> NDArray[np.intp]:
    z = np.maximum(local[:, 2:], 1e-6)
    return np.rint(local[:, :2] / z * [k.fx, k.fy] + [k.cx, k.cy]).astype(np.intp)


def _within(pixel: NDArray[np.intp], k: Intrinsics) -> NDArray[np.bool_]:
    return np.asarray(((pixel >= 0) & (pixel < [k.width, k.height])).all(1))


def chosen(views: Sequence[NDArray[np.bool_]], least: int, most: int) -> list[int]:
    """Which of the views, each (n,) of the cells that it sees, to take: at least `least` and at
    most `most` of them, by what each adds to those before it; in order.

    Greedy, which is within 1 - 1/e of the best (Nemhauser, Wolsey and Fisher 1978).
    """
    if not views:
        return []
    shown = np.array(views)
    wanted = np.minimum(shown.sum(0), WANTED)
    count, taken = np.zeros(shown.shape[1]), []
    while len(taken) < min(most, len(views)):
        # The second look at a cell is worth less than the first.
        gain = shown @ np.where(count < wanted, 1 / (1 + count), 0.0)
        gain[taken] = -1
        best = int(gain.argmax())
        if len(taken) >= least and gain[best] < LITTLE * shown.shape[1]:
            break
        taken.append(best)
        count += shown[best]
    return sorted(taken)


def smaller(frame: Frame, most: int) -> Frame:
    """The frame with its picture at most `most` pixels along its longest side."""
    import cv2

    k, picture = frame.colour_intrinsics, frame.colour
    scale = most / max(k.width, k.height)
    if picture is None or scale >= 1:
        return frame
    size = max(round(k.width * scale), 1), max(round(k.height * scale), 1)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return replace(frame, colour=np.asarray(small), colour_intrinsics=k.scaled(*size))
