"""Openings: what a ball can be lowered into, and whether it still can in the scanned object.

A basin is what would hold water in the object as it stands: its height field seen from above,
flooded from outside (grey-scale reconstruction by erosion; Vincent 1993, "Morphological grayscale
reconstruction in image analysis"), less the height field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cousins.score.field import Field, Solid, look, patches
from cousins.types import Array

DEEP = 0.015  # m: a basin less deep than this is no opening
WIDE = 0.008  # m: nor is one that takes no ball of this radius
CELL = 0.001  # m
WET = 0.002  # m of water: less joins no two basins
SMALLER = 0.8  # of the ball that fits the truth goes into the scan
SHIFT = 0.005  # m: how far beside the true place
SHORT, SHORTER = 0.005, 0.25  # m, and share of the depth: how much less deep or deeper it may end
PLACES = 150  # where a ball is tried in each basin, before it is tried all round the best
CLOSE = 3e-4  # m: to which the radius is found


@dataclass(frozen=True)
class Opening:
    """The largest ball that goes into a basin: by its radius, and by half of the basin's depth.

    place (2,): world x, y of its centre; radius; depth of the basin, from its rim, m.
    """

    place: Array
    radius: float
    depth: float


def openings(shape: Solid) -> tuple[Opening, ...]:
    """One for each basin that is DEEP and WIDE enough, seen from above, as the shape stands.

    A hole right through ends where the shape does: on what it stands on. Wells that share one rim
    are one basin.
    """
    from skimage.morphology import reconstruction

    field = look(shape, CELL)
    ground = np.maximum(field.heights, field.floor)
    seed = np.full_like(ground, ground.max())
    seed[0], seed[-1], seed[:, 0], seed[:, -1] = ground[0], ground[-1], ground[:, 0], ground[:, -1]
    # As in `patches`: water does not pass where cells only share a corner.
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
    depth = reconstruction(seed, ground, method="erosion", footprint=cross) - ground
    basins, count = patches(depth > WET)
    found = (_largest(field, np.where(basins == k, depth, 0.0)) for k in range(1, count + 1))
    return tuple(opening for opening in found if opening)


def kept(opening: Opening, true: Solid, found: Solid) -> bool:
    """Whether a somewhat smaller ball, let down there, ends in the scan about where it should."""
    radius = SMALLER * opening.radius
    field = look(true, CELL)
    end = _lowered(field, field.cell(opening.place)[None], radius)[0]
    ours = look(found, CELL)
    reach = int(SHIFT / ours.step)
    around = ours.cell(opening.place) + np.argwhere(np.isfinite(_dome(reach))) - reach
    ends = _lowered(ours, around, radius)
    return bool(np.abs(ends - end).min() <= max(SHORT, SHORTER * opening.depth))


def _largest(field: Field, depth: Array) -> Opening | None:
    from scipy.ndimage import distance_transform_edt

    deepest = float(depth.max())
    if deepest < DEEP:
        return None
    rim = max(float(field.heights.flat[depth.argmax()]), field.floor) + deepest
    inward: Any = distance_transform_edt(depth > WET)
    deep = np.argwhere(depth >= deepest / 2)
    deep = deep[np.argsort(-inward[tuple(deep.T)], kind="stable")]
    stride = len(deep) // PLACES + 1
    place, radius = _fit(field, deep[::stride], rim, deepest, WIDE)
    if place is None:
        return None
    near = deep[np.hypot(*(deep - place).T) <= max(2.0, np.sqrt(2.0 * stride))]
    finer, radius = _fit(field, near, rim, deepest, radius)
    return Opening(field.place(place if finer is None else finer), radius, deepest)


def _fit(
    field: Field, places: NDArray[np.int_], rim: float, depth: float, fits: float
) -> tuple[NDArray[np.int_] | None, float]:
    """The place that takes the largest ball, and its radius; None where not even `fits` goes in.

    Of places where it ends equally low, to a millimetre, the first.
    """
    best, too_large, radius = None, depth, fits
    while True:
        low = _lowered(field, places, radius)
        i = int(np.argmin(low.round(3)))
        if low[i] <= rim - max(radius, depth / 2):
            best, fits = places[i], radius
        elif best is None:
            return None, fits
        else:
            too_large = radius
        if too_large - fits < CLOSE:
            return best, fits
        radius = (fits + too_large) / 2


def _lowered(field: Field, cells: NDArray[np.int_], radius: float) -> Array:
    """(k,) heights of the lowest point of a ball let straight down over each of cells (k, 2)."""
    dome = field.step * _dome(radius / field.step)
    beside = max(0, -int(cells.min()), int((cells - field.heights.shape).max()) + 1)
    pad = len(dome) // 2 + beside
    ground = np.pad(field.heights.clip(field.floor), pad, constant_values=field.floor)
    around = sliding_window_view(ground, dome.shape)
    return np.array([(around[row, column] + dome).max() for row, column in cells + beside]) - radius


def _dome(radius: float) -> Array:
    """(k, k) heights of the upper half of a ball over each cell, -inf beside it; all in cells."""
    across = np.arange(-int(radius), int(radius) + 1.0)
    squared = radius**2 - across[:, None] ** 2 - across**2
    return np.where(squared >= 0, np.sqrt(np.maximum(squared, 0)), -np.inf)
