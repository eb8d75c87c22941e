"""New places for every unit of a scene, drawn for many cousins at once by rejection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.polygons import clear, gap, turned
from cousins.types import Array
from cousins.variation.units import GAP, Footprints, Unit

TRIES = 96  # places that are tried for a unit before its cousin is drawn anew
NEAR = 0.03  # how far from its seen place a unit that stays may be moved, m
NEAR_TURN = 0.2  # and turned, rad


@dataclass(frozen=True)
class Placement:
    """Where n cousins' A objects stand: position (n, A, 3), yaw (n, A) from the seen pose.

    stuck (n,): the unit that found no room, -1 where all did.
    """

    position: Array
    yaw: Array
    stuck: NDArray[np.int64]


def place(
    prints: Footprints,
    shape: NDArray[np.int64],
    uniform: Array,
    stays: NDArray[np.bool_],
) -> Placement:
    """Places for objects of shapes (n, A), from uniform (n, U, TRIES, 3) numbers for U units.

    A unit goes anywhere on its support with any yaw; where `stays` (n, U), near its seen pose as
    long as the first half of the tries last. The later half lies nearer and nearer to the seen
    pose. Footprints keep `GAP` from one another, where they are at the same height, and keep to
    their support.
    """
    n, count = shape.shape
    state = _State(
        np.zeros((n, count, 3)),
        np.zeros((n, count)),
        np.zeros((n, count, prints.outline.shape[2], 2)),
        np.take_along_axis(prints.low[None], shape[:, :, None], 2)[..., 0],
        np.take_along_axis(prints.high[None], shape[:, :, None], 2)[..., 0],
    )
    stuck = np.full(n, -1)
    placed: list[int] = []
    for u, unit in enumerate(prints.units):
        heights = _heights(prints, unit, shape, state)
        todo = np.flatnonzero(stuck < 0)
        for t in range(TRIES):
            if not len(todo):
                break
            poses = _candidates(
                prints, unit, uniform[todo, u, t], stays[todo, u] & (t < TRIES // 2), t
            )
            good = _try(prints, unit, shape, state, heights, placed, todo, *poses)
            todo = todo[~good]
        stuck[todo] = u
        placed += unit.members
    return Placement(state.position, state.yaw, stuck)


@dataclass(frozen=True)
class _State:
    """What is placed so far; its arrays are filled in as units find their places."""

    position: Array
    yaw: Array
    outline: Array
    low: Array
    high: Array


def _candidates(
    prints: Footprints, unit: Unit, uniform: Array, stays: NDArray[np.bool_], t: int
) -> tuple[Array, Array]:
    root = unit.members[0]
    seen = prints.position[root, :2]
    reach = min(1.0, 2.0 * (1.0 - t / (TRIES - 1)))
    low, high = unit.support.polygon.min(0), unit.support.polygon.max(0)
    anywhere = low + uniform[:, :2] * (high - low) - seen
    near = NEAR * (2 * uniform[:, :2] - 1)
    turn = np.where(stays, NEAR_TURN, np.pi) * (2 * uniform[:, 2] - 1)
    return seen + reach * np.where(stays[:, None], near, anywhere), reach * turn


def _heights(
    prints: Footprints, unit: Unit, shape: NDArray[np.int64], state: _State
) -> dict[int, Array]:
    """World z (n,) of each member: on the surface, or as high upon its carrier as it was seen,
    in proportion to the carrier's height."""
    out: dict[int, Array] = {}
    for i in unit.members:
        below = prints.carrier[i]
        if below < 0:
            out[i] = unit.support.height - state.low[:, i]
            continue
        foot = prints.position[:, 2] + prints.low[:, 0]
        share = (foot[i] - foot[below]) / (prints.high[below, 0] - prints.low[below, 0])
        bottom = out[below] + state.low[:, below]
        out[i] = bottom + share * (state.high[:, below] - state.low[:, below]) - state.low[:, i]
    return out


def _try(
    prints: Footprints,
    unit: Unit,
    shape: NDArray[np.int64],
    state: _State,
    heights: dict[int, Array],
    placed: list[int],
    rows: NDArray[np.int64],
    root_xy: Array,
    yaw: Array,
) -> NDArray[np.bool_]:
    good = np.ones(len(rows), bool)
    root = prints.position[unit.members[0], :2]
    found: list[tuple[int, Array, Array]] = []
    for i in unit.members:
        offset = np.broadcast_to(prints.position[i, :2] - root, (len(rows), 1, 2))
        xy = root_xy + turned(offset, yaw)[:, 0]
        outline = turned(prints.outline[i, shape[rows, i]], yaw) + xy[:, None]
        found.append((i, xy, outline))
        if prints.carrier[i] < 0:
            at = np.flatnonzero(good)
            good[at] = clear(outline[at], unit.support.polygon) >= prints.inset[i] - 1e-9
        bottom, top = (heights[i][rows] + e[rows, i] for e in (state.low, state.high))
        for j, obstacle in enumerate(prints.obstacles):
            at = np.flatnonzero(good & (bottom < obstacle.high) & (top > obstacle.low))
            other = np.broadcast_to(obstacle.outline, (len(at), *obstacle.outline.shape[1:]))
            good[at] = gap(outline[at], other) >= prints.room[i, j] - 1e-9
        for j in placed:
            z = state.position[rows, j, 2]
            level = (bottom < z + state.high[rows, j]) & (top > z + state.low[rows, j])
            at = np.flatnonzero(good & level)
            good[at] = gap(outline[at], state.outline[rows[at], j]) >= GAP
    done = rows[good]
    for i, xy, outline in found:
        state.position[done, i, :2] = xy[good]
        state.position[done, i, 2] = heights[i][done]
        state.yaw[done, i] = yaw[good]
        state.outline[done, i] = outline[good]
    return good
