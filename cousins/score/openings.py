"""Openings: what a ball can be lowered into, and whether it still can in the scanned object.

A basin is what would hold water in the object as it stands: its height field seen from above,
flooded from outside (grey-scale reconstruction by erosion; Vincent 1993, "Morphological grayscale
reconstruction in image analysis"), less the height field.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.score.field import STEP, Field, Solid, disc, look, patches
from cousins.types import Array

DEEP = 0.015  # m: a basin less deep than this is no opening
WIDE = 0.008  # m: nor is one that takes no ball of this radius
WET = 0.002  # m of water: less joins no two basins
SMALLER = 0.8  # of the ball that fits the truth goes into the scan
SHIFT = 0.005  # m: how far beside the true place
SHORT, SHORTER = 0.005, 0.25  # m, and share of the depth: how much less deep or deeper it may end
PLACES = 150  # where a ball is tried in each basin


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

    field = look(shape)
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
    field = look(true)
    end = _lowered(field, field.cell(opening.place)[None], radius)[0]
    ours = look(found)
    around = ours.cell(opening.place) + disc(SHIFT / STEP)
    ends = _lowered(ours, around, radius)
    return bool(np.abs(ends - end).min() <= max(SHORT, SHORTER * opening.depth))


def _largest(field: Field, depth: Array) -> Opening | None:
    deepest = float(depth.max())
    if deepest < DEEP:
        return None
    places = np.argwhere(depth >= deepest / 2)
    places = places[:: len(places) // PLACES + 1]
    rim = max(float(field.heights.flat[depth.argmax()]), field.floor) + deepest

    def best(radius: float) -> NDArray[np.int_] | None:
        low = _lowered(field, places, radius)
        i = int(np.argmin(low))
        return places[i] if low[i] <= rim - max(radius, deepest / 2) else None

    place, fits, too_large = best(WIDE), WIDE, deepest
    if place is None:
        return None
    while too_large - fits > 2e-4:
        middle = (fits + too_large) / 2
        there = best(middle)
        place, fits, too_large = (
            (place, fits, middle) if there is None else (there, middle, too_large)
        )
    return Opening(field.place(place), fits, deepest)


def _lowered(field: Field, cells: NDArray[np.int_], radius: float) -> Array:
    """(k,) heights of the lowest point of a ball let straight down over each of cells (k, 2)."""
    offsets = disc(radius / STEP)
    apart = STEP * np.hypot(*offsets.T)
    row, column = np.moveaxis(cells[:, None] + offsets, -1, 0)
    height, width = field.heights.shape
    outside = (row < 0) | (row >= height) | (column < 0) | (column >= width)
    heights = field.heights[row.clip(0, height - 1), column.clip(0, width - 1)]
    under = np.where(outside, field.floor, heights).clip(field.floor)
    return (under + np.sqrt(np.maximum(radius**2 - apart**2, 0))).max(1) - radius
