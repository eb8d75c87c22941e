"""Which frames masks are asked of: few, that between them show everything from several sides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cousins.reconstruct.depth import clean, points, transform
from cousins.types import Array, Frame

NEAR = 0.008  # a pixel's point farther from a cell than this is not of it, m
WANTED = 4  # views of each cell, where there are so many
LITTLE = 0.02  # of all that is wanted: a further frame that adds less is not worth its network
SAMPLES = 40_000  # pixels of a frame's depth that are looked at


@dataclass(frozen=True)
class View:
    """A frame as the cells of a surface see it, at s pixels of its depth: cell (s,), the nearest
    cell, -1 where none is near; pixel (s, 2), x and y in the picture; away (s,), the distance, m.
    size: (width, height) of the picture."""

    index: int
    cell: NDArray[np.intp]
    pixel: NDArray[np.intp]
    away: Array
    size: tuple[int, int]

    def cells(self, n: int) -> NDArray[np.bool_]:
        """(n,) which of n cells are seen."""
        out = np.zeros(n, bool)
        out[self.cell[self.cell >= 0]] = True
        return out


def seen(frame: Frame, cells: Array, max_range: float) -> View:
    """What a frame shows of cells (n, 3), in the frame's world. It must have a picture."""
    from scipy.spatial import KDTree

    depth = clean(frame, max_range)
    step = max(1, int(np.sqrt(depth.size / SAMPLES)))
    local = points(depth, frame.depth_intrinsics, step)
    away, cell = KDTree(cells).query(transform(frame.world_from_camera, local),
                                     distance_upper_bound=NEAR)  # fmt: skip
    cell = np.where(np.isfinite(away), cell, -1)
    if frame.colour_from_depth is not None:
        local = transform(frame.colour_from_depth, local)
    k = frame.colour_intrinsics
    pixel = np.rint(local[:, :2] / local[:, 2:] * [k.fx, k.fy] + [k.cx, k.cy]).astype(np.intp)
    within = ((pixel >= 0) & (pixel < [k.width, k.height])).all(1) & (local[:, 2] > 0)
    return View(frame.index, cell[within], pixel[within], local[within, 2], (k.width, k.height))


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


def every(frames: Iterable[Frame], cells: Array, max_range: float) -> list[NDArray[np.bool_]]:
    """What each of the frames sees of the cells."""
    return [seen(frame, cells, max_range).cells(len(cells)) for frame in frames]
