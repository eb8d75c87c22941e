"""The unseen side of a symmetric thing from its seen side.

A surface of revolution (about an upright or a level axis) or an upright mirror plane is taken up
only where the seen part bears it out: the turned or mirrored points must fall on the seen surface,
wherever they fall on what was seen, and enough of them must. What was seen is never overruled.
After Thrun and Wegbreit 2005, "Shape from symmetry".
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cousins.shape.axis import ANGLES, NEAR, Axis, find_axis, frames, turn
from cousins.shape.evidence import Grid
from cousins.types import Array

TURNED = 0.78  # share of the images in seen places that must: a handle's do not
MIRRORED = 0.92
CONFIRMED = 0.3, 0.4  # shares of all images that must: turned, mirrored
TRIED = 1200  # points
USUAL = 0.7  # quantile of what was seen round an axis that counts
RING = 0.25  # share of a ring that must be seen: a few stray voxels are no witness for it
EVEN = 0.7  # share of the points on the sides whose radius is their height's
SUNK = 0.005  # m: what is turned about a level axis reaches no deeper below the base
SIDE = 0.9  # cosine to the axis below which a normal is a side's
PLANES = 36, 17  # directions and offsets of mirror planes tried first


@dataclass(frozen=True)
class Completion:
    """Signed distance and what is known of it, (x, y, z) each, with the unseen side completed.

    points and normals (n, 3): the segment's, with their images in places that were not seen.
    kind: of the symmetry. filled (x, y, z): which voxels it gave.
    """

    signed: Array
    known: NDArray[np.bool_]
    points: Array
    normals: Array
    kind: str
    filled: NDArray[np.bool_]

    def of(self, grid: Grid) -> Grid:
        """The grid, as if the images had been seen too."""
        whole = copy(grid)
        whole.segment = replace(grid.segment, points=self.points, normals=self.normals)
        return whole


class _Evidence:
    """What was seen, looked up at points."""

    def __init__(self, grid: Grid, signed: Array, seen: NDArray[np.bool_]) -> None:
        self.grid, self.near = grid, max(NEAR, grid.voxel)
        self.signed, self.seen = signed.ravel(), seen.ravel()

    def agree(self, images: Array) -> tuple[float, float]:
        """Of images (n, 3): the share, of those in seen places, that lies on the seen surface;
        and the share of all that does. The support's own surface says nothing."""
        cell = (images - self.grid.origin) / self.grid.voxel
        inside = np.all((cell > 0) & (cell < np.array(self.grid.shape) - 1), axis=1)
        counts = images[:, 2] > self.grid.segment.base + self.grid.wall
        at = self.grid.at(images)
        met = counts & inside & self.seen[at]
        on = met & (np.abs(self.signed[at]) < self.near)
        # Behind a surface there may be the other side of a thin wall: half a contradiction.
        through = met & (self.signed[at] < -self.near)
        against = met.sum() - 0.5 * through.sum()
        return float(on.sum() / max(1, against)), float(on.sum() / max(1, counts.sum()))


def complete(grid: Grid, signed: Array, seen: NDArray[np.bool_]) -> Completion | None:
    """The evidence (x, y, z) of a grid completed by the thing's own symmetry; None without one."""
    evidence = _Evidence(grid, signed, seen)
    rng = np.random.default_rng(0)
    s = grid.segment
    index = rng.choice(len(s.points), min(TRIED, len(s.points)), replace=False)
    points, normals = s.points[index], s.normals[index]
    for frame in frames(normals):
        axis = find_axis(points @ frame.T, normals @ frame.T, frame)
        if axis is None or axis.even < EVEN:
            continue
        turns = [turn(axis, 2 * np.pi * k / ANGLES) for k in range(1, ANGLES)]
        # A flat end agrees with itself however it is turned: only the sides tell.
        sides = points[np.abs(normals @ frame[2]) < SIDE]
        images = np.vstack([move(sides) for move in turns])
        # A sheet is a part of a large roll, but that would lie half in the table.
        if np.quantile(images[:, 2], 0.05) < s.base - SUNK:
            continue
        right, confirmed = evidence.agree(images)
        if right > TURNED and confirmed > CONFIRMED[0]:
            values, known = _by_revolution(grid, signed, seen, axis)
            return _with(grid, evidence, signed, values, known, "revolution", turns)
    plane = _plane(points, evidence)
    if plane is None:
        return None
    values, known = _by_mirror(grid, signed, seen, plane)
    return _with(grid, evidence, signed, values, known, "a mirror plane", [_mirror(*plane)])


def _with(
    grid: Grid,
    evidence: _Evidence,
    signed: Array,
    values: Array,
    known: NDArray[np.bool_],
    kind: str,
    motions: list[Callable[[Array], Array]],
) -> Completion:
    """Takes up values where nothing was seen, and the images of points there."""
    seen = evidence.seen.reshape(grid.shape)
    filled = known & ~seen
    s = grid.segment
    points, normals = [s.points], [s.normals]
    for move in motions:
        images = move(s.points)
        at = grid.at(images)
        new = filled.ravel()[at] & (np.abs(values.ravel()[at]) < evidence.near)
        points.append(images[new])
        normals.append((move(s.points + s.normals) - images)[new])
    whole = np.where(filled, values, signed)
    return Completion(whole, seen | filled, np.vstack(points), np.vstack(normals), kind, filled)


def _mirror(angle: float, offset: float) -> Callable[[Array], Array]:
    normal = np.array([np.cos(angle), np.sin(angle), 0.0])
    return lambda points: points - 2 * (points @ normal - offset)[:, None] * normal


def _plane(points: Array, evidence: _Evidence) -> tuple[float, float] | None:
    """Angle of the normal and offset of the best upright mirror plane, from coarse to fine."""

    def worth(angle: float, offset: float, of: Array) -> float:
        right, confirmed = evidence.agree(_mirror(angle, offset)(of))
        return right + 0.25 * min(confirmed, 0.8)

    few = points[:300]
    tried = []
    for angle in np.pi * np.arange(PLANES[0]) / PLANES[0]:
        along = points[:, :2] @ [np.cos(angle), np.sin(angle)]
        low, high = np.quantile(along, [0.25, 0.75])
        tried += [(worth(angle, o, few), angle, o) for o in np.linspace(low, high, PLANES[1])]
    found = []
    for _, angle, offset in sorted(tried, reverse=True)[:4]:
        best = worth(angle, offset, points), angle, offset
        for degrees, shift in ((2.0, 0.003), (0.8, 0.0012), (0.3, 0.0005)):
            steps = [
                (np.radians(degrees) * i, shift * j) for i in (-1, 0, 1) for j in (-2, -1, 0, 1, 2)
            ]
            _, angle, offset = best
            best = max(best, *((worth(angle + a, offset + b, points), angle + a, offset + b)
                               for a, b in steps))  # fmt: skip
        found.append(best)
    _, angle, offset = max(found)
    right, confirmed = evidence.agree(_mirror(angle, offset)(points))
    return (angle, offset) if right > MIRRORED and confirmed > CONFIRMED[1] else None


def _by_revolution(
    grid: Grid, signed: Array, seen: NDArray[np.bool_], axis: Axis
) -> tuple[Array, NDArray[np.bool_]]:
    """A high median, over the angle, of what was seen at the same radius and height: free is
    what was seen through, but inside may be only behind one side of a wall."""
    from scipy.ndimage import map_coordinates

    local = grid.centres @ axis.frame.T.astype(np.float32)
    radius = np.hypot(local[:, 0] - axis.centre[0], local[:, 1] - axis.centre[1]) / grid.voxel
    height = (local[:, 2] - local[:, 2].min()) / grid.voxel
    cell = np.column_stack([radius, height])
    shape = np.ceil(cell.max(0)).astype(int) + 1
    flat = np.rint(radius).astype(int) * shape[1] + np.rint(height).astype(int)
    index = np.flatnonzero(seen.ravel())
    index = index[np.argsort(flat[index], kind="stable")]
    starts = np.flatnonzero(np.diff(flat[index], prepend=-1))
    table, enough = np.zeros(shape.prod()), np.zeros(shape.prod())
    values = signed.ravel()[index]
    every = np.bincount(flat, minlength=shape.prod())
    for group in np.split(np.arange(len(index)), starts[1:]):
        k = flat[index[group[0]]]
        table[k] = np.quantile(values[group], USUAL)
        enough[k] = len(group) >= RING * every[k]
    sure = map_coordinates(enough.reshape(shape), cell.T, order=1, mode="nearest")
    total = map_coordinates((table * enough).reshape(shape), cell.T, order=1, mode="nearest")
    known = sure > 0.5
    return (np.where(known, total / np.maximum(sure, 0.5), 0.0).reshape(grid.shape),
            known.reshape(grid.shape))  # fmt: skip


def _by_mirror(
    grid: Grid, signed: Array, seen: NDArray[np.bool_], plane: tuple[float, float]
) -> tuple[Array, NDArray[np.bool_]]:
    """What was seen at each voxel's mirror image."""
    from scipy.ndimage import map_coordinates

    cells = ((_mirror(*plane)(grid.centres.astype(float)) - grid.origin) / grid.voxel).T
    sure = map_coordinates(seen.astype(np.float32), cells, order=1, cval=0.0)
    total = map_coordinates(np.where(seen, signed, 0.0), cells, order=1, cval=0.0)
    known = sure > 0.5
    return (np.where(known, total / np.maximum(sure, 0.5), 0.0).reshape(grid.shape),
            known.reshape(grid.shape))  # fmt: skip
