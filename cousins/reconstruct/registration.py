"""How far the colour camera stands from where the capture says it does.

Where one thing hides another, depth jumps and colour mostly changes: of all offsets of the colour
camera the right one brings most change of colour under the jumps of depth. (The idea is that of
Levinson and Thrun 2013, "Automatic online calibration of cameras and lasers".)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cousins.reconstruct.depth import clean
from cousins.types import Array, Frame, Intrinsics

Edges = tuple[Array, NDArray[np.float32], Intrinsics]


@dataclass(frozen=True)
class Registration:
    """offset (2,): of the colour camera from where it was taken to be, along its x and y axes, m;
    zero where none is sure. error (2,): the standard error of what was estimated, m; infinite where
    nothing could be."""

    offset: Array
    error: Array


@dataclass(frozen=True)
class Register:
    """Estimates the offset from frames. frames: at most so many are looked at. reach: the largest
    offset, m. jump: share of the depth by which the far side lies behind, at an edge. groups: of
    frames that are estimated apart, for the error. sure: standard errors that an offset must be
    off zero to be believed, and `least` metres."""

    frames: int = 30
    reach: float = 0.04
    jump: float = 0.02
    groups: int = 5
    sure: float = 4.0
    least: float = 0.003

    def __call__(self, frames: Iterable[Frame]) -> Registration:
        """What the frames' edges say together; frames without a picture say nothing."""
        every = (self._edges(f, f.colour) for f in frames if f.colour is not None)
        edges = [e for e in every if len(e[0]) >= 50]
        unknown = Registration(np.zeros(2), np.full(2, np.inf))
        if len(edges) < self.groups:
            return unknown
        coarse = np.arange(-self.reach, self.reach + 1e-9, 0.004)
        maps = np.stack([self._agreement(e, coarse, coarse) for e in edges])
        best = self._peak(maps.sum(0), coarse)
        each = [self._peak(maps[g :: self.groups].sum(0), coarse) for g in range(self.groups)]
        error = np.std(each, axis=0, ddof=1) / np.sqrt(self.groups)
        if np.abs(best).max() > self.reach - 0.006:
            return unknown  # a peak at the rim of the search is none
        size = float(np.linalg.norm(best))
        believed = size > self.least and size > self.sure * float(np.linalg.norm(error))
        return Registration(best if believed else np.zeros(2), error)

    def _edges(self, frame: Frame, colour: NDArray[np.uint8]) -> Edges:
        """Points (k, 3) in the colour camera's axes on the near side of depth's jumps, and how much
        colour changes, 0..1, at the colour image's pixels, blurred to the size of depth's."""
        import cv2

        depth = clean(frame, 2.5)
        k, found = frame.depth_intrinsics, [np.zeros((0, 3))]
        for way in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            v, u, z = self._jumps(depth, way)
            found.append(np.column_stack([(u - k.cx) / k.fx * z, (v - k.cy) / k.fy * z, z]))
        points = np.concatenate(found)
        pose = frame.colour_from_depth
        if pose is not None:
            points = points @ pose[:3, :3].T + pose[:3, 3]
        scale = frame.colour_intrinsics.width / depth.shape[1]
        grey = cv2.cvtColor(colour, cv2.COLOR_RGB2LAB).astype(np.float32)
        grey = cv2.GaussianBlur(grey, (0, 0), max(0.6, 0.5 * scale))
        change = np.zeros(grey.shape[:2], np.float32)
        for channel in cv2.split(grey):
            change += cv2.Sobel(channel, -1, 1, 0) ** 2 + cv2.Sobel(channel, -1, 0, 1) ** 2
        change = np.sqrt(change)
        # Saturated: a faint edge of a thing counts nearly as much as a stripe's on it.
        return points, change / (change + 2 * np.median(change) + 1e-6), frame.colour_intrinsics

    def _jumps(
        self, depth: NDArray[np.float32], way: tuple[int, int]
    ) -> tuple[Array, Array, Array]:
        """Rows, columns and near depth (k,) of the jumps to what lies farther `way` (row, column).

        Cleaning leaves a gap of some pixels where depth jumps: its middle is taken.
        """

        def ahead(n: int) -> NDArray[np.float32]:
            return np.roll(depth, (-n * way[0], -n * way[1]), (0, 1))

        slope = depth - ahead(-2)
        start = (depth > 0) & (ahead(-2) > 0)
        start[:8], start[-8:], start[:, :8], start[:, -8:] = False, False, False, False
        out = []
        for gap in range(1, 7):
            far = ahead(gap)
            step = far - depth - gap * np.abs(slope) / 2  # more than a slope's
            v, u = np.nonzero(start & (step > self.jump * depth) & (far < depth + 1.0))
            out.append([v + gap / 2 * way[0], u + gap / 2 * way[1], depth[v, u]])
            start &= far == 0
        v, u, z = np.concatenate(out, axis=1)
        return v, u, z

    def _agreement(self, edges: Edges, xs: Array, ys: Array) -> Array:
        """(y, x) mean change of colour under the edges, for each offset."""
        points, change, k = edges
        row = [_pixel(points[:, 1] - y, points[:, 2], k.fy, k.cy, k.height) for y in ys]
        column = [_pixel(points[:, 0] - x, points[:, 2], k.fx, k.cx, k.width) for x in xs]
        return np.array([[float(change[v, u].mean()) for u in column] for v in row])

    def _peak(self, agreement: Array, grid: Array) -> Array:
        """(2,) x, y of the maximum, between the grid's points by a parabola through three."""
        i, j = np.unravel_index(int(np.argmax(agreement)), agreement.shape)
        return np.array(
            [_vertex(agreement[i], int(j), grid), _vertex(agreement[:, j], int(i), grid)]
        )


def _pixel(side: Array, z: Array, focal: float, centre: float, size: int) -> NDArray[np.intp]:
    return np.clip(np.rint(side / z * focal + centre), 0, size - 1).astype(np.intp)


def _vertex(values: Array, i: int, grid: Array) -> float:
    if not 0 < i < len(grid) - 1:
        return float(grid[i])
    a, b, c = values[i - 1 : i + 2]
    bend = a - 2 * b + c
    shift = 0.5 * (a - c) / bend if bend < 0 else 0.0
    return float(grid[i] + shift * (grid[1] - grid[0]))


def moved(frame: Frame, offset: Array) -> Frame:
    """The frame with its colour camera `offset` (2,) metres further along its own axes."""
    pose = np.eye(4) if frame.colour_from_depth is None else frame.colour_from_depth.copy()
    pose[:2, 3] -= offset
    return replace(frame, colour_from_depth=pose)
