"""New places for every unit of a scene, drawn for many cousins at once by rejection.

Units that were seen beside one another are placed together, as a group: one of them anywhere that
the axis' strength lets it go, the others about it. A relation is solved for, not hoped for: a
neighbour is slid along until its gap is right, what is against a wall slides along the wall. What
then lies over an edge, in an obstacle or in another object is rejected, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, combinations, product

import numpy as np
from numpy.typing import NDArray

from cousins.polygons import clear, gap, inset
from cousins.types import Array
from cousins.variation.axes import Drawn, Source, mean
from cousins.variation.groups import Group, groups
from cousins.variation.plan import GOES, REASONS, Index, State, begin
from cousins.variation.poses import SLACK, TRIES, Pose, poses
from cousins.variation.relations import AGAINST, TOGETHER, found
from cousins.variation.units import GAP, Footprints, Obstacle

NUMBERS = 8  # that a unit's place is made of: x, y, yaw, mode, order, gap, own turn, turn inside
DISTRACTORS = 3  # the most that a family has
_EDGE, _OBSTACLE, _OBJECT, _RELATION = range(len(REASONS))

_Check = tuple[Index, NDArray[np.bool_], int]  # which cousins were asked, which passed, for what


@dataclass(frozen=True)
class Placement:
    """Where n cousins' A objects stand: position (n, A, 3), yaw (n, A) from the seen pose.

    stuck (n,): the unit that found no room, -1 where all did. tried (n, 4): the places that were
    rejected, for each of `REASONS` the first that was found.
    """

    position: Array
    yaw: Array
    stuck: Index
    tried: Index


def place(prints: Footprints, shape: Index, uniform: Array, strength: Array) -> Placement:
    """Places for objects of shapes (n, A), from uniform (n, U, NUMBERS) numbers for U units.

    strength (n,) in 0..1: at 0 all stands where it was seen, unless a shape that is larger than
    the seen one does not fit there. With it grow how far a group is moved and turned, the chances
    that it goes anywhere on its support with any yaw and that it swaps places with another one,
    and how far what stands in a round container is turned there. Distractors go anywhere at any
    strength. Relations are kept. The later half of the tries lies nearer and nearer to the seen
    pose. Footprints keep `GAP` from one another, where they are at the same height and were not
    seen nearer, and keep to their support.
    """
    n = len(shape)
    together = groups(prints, found(prints))
    state = begin(prints, together, shape, uniform, strength)
    stuck = np.full(n, -1)
    for g, group in enumerate(together):
        todo = np.flatnonzero(stuck < 0)
        for t in range(TRIES):
            if not len(todo):
                break
            todo = todo[~_try(state, together, g, todo, t)]
        stuck[todo] = group.units[0]
    # What is in its seen place but for rounding is in its seen place.
    there = np.abs(state.position - prints.position) < SLACK
    position = np.where(there, prints.position, state.position)
    return Placement(position, state.yaw, stuck, state.tried)


def layout_distance(
    prints: Footprints, position: Array, quaternion: Array, seen: Array, extra: int
) -> Array:
    """(n,) distances in 0..1 of n cousins' layouts from the twin's: 0 for the twin's own.

    position (n, A, 3), quaternion (n, A, 4): poses, the last `extra` of distractors; seen (A, 4):
    the twin's orientations. Three quarters count how far its own objects went and turned, in the
    mean: half from the way, over half the diagonal of what each stands on, half from the turn,
    over half a turn. A quarter counts the distractors, over `DISTRACTORS`.
    """
    own = slice(0, position.shape[1] - extra)
    clutter = min(extra / DISTRACTORS, 1.0) / 4
    if position.shape[1] == extra:
        return np.full(len(position), clutter)
    reach = np.array([np.linalg.norm(np.ptp(s.polygon, axis=0)) / 2 for s in prints.supports])
    went = np.linalg.norm(position[:, own, :2] - prints.position[own, :2], axis=-1) / reach[own]
    # By the chord between the quaternions, which is nothing where they are the same.
    chords = [np.linalg.norm(quaternion[:, own] + sign * seen[own], axis=-1) for sign in (-1, 1)]
    turn = 4 * np.arcsin(np.minimum(np.minimum(*chords) / 2, 1)) / np.pi
    moved = np.minimum(went, 1) / 2 + np.minimum(turn, 1) / 2
    return 0.75 * mean(moved) + clutter


def _try(state: State, together: list[Group], g: int, rows: Index, t: int) -> NDArray[np.bool_]:
    """Try a place for group g in these cousins, and keep it where nothing speaks against it."""
    tried = poses(state, together[g], g, rows, t)
    good = np.ones(len(rows), bool)
    checks = (
        _surroundings(state, rows, tried, good),
        _others(state, together, g, rows, tried, good),
        _relatives(state, together[g], rows, tried, good),
    )
    # Each looks only at what was good so far.
    for at, passed, reason in chain.from_iterable(checks):
        good[at] = passed
        state.tried[rows[at[~passed]], reason] += 1
    done = rows[good]
    for pose in tried.values():
        for i, outline in pose.outline.items():
            state.position[done, i, :2] = pose.place[i][good]
            state.yaw[done, i] = pose.turn[i][good]
            state.outline[done, i] = outline[good]
    return good


def _surroundings(
    state: State, rows: Index, tried: dict[int, Pose], good: NDArray[np.bool_]
) -> Iterator[_Check]:
    """Does it lie on its support, and clear of what stands still?"""
    prints = state.prints
    for u, pose in tried.items():
        polygon = prints.units[u].support.polygon
        for i, outline in pose.outline.items():
            if prints.carrier[i] < 0:
                # Far from the edge the middle alone tells.
                at, need = np.flatnonzero(good), prints.inset[i] - SLACK
                at = at[inset(pose.place[i][at], polygon) < state.radius[rows[at], i] + need]
                yield at, clear(outline[at], polygon) >= need, _EDGE
            for j, obstacle in enumerate(prints.obstacles):
                level = state.low[rows, i] < obstacle.high
                level &= state.high[rows, i] > obstacle.low
                at = np.flatnonzero(good & level)
                if len(at) and prints.room[i, j] > -np.inf:
                    apart = _gap_to(obstacle, outline[at])
                    yield at, apart >= prints.room[i, j] - SLACK, _OBSTACLE


def _others(
    state: State,
    together: list[Group],
    g: int,
    rows: Index,
    tried: dict[int, Pose],
    good: NDArray[np.bool_],
) -> Iterator[_Check]:
    """Does it keep clear of other groups? What has not been placed yet keeps the place free that
    it is meant for, so that it can stay there."""
    of = np.array([h for h, group in enumerate(together) for _ in group.members])
    them = np.array([j for group in together for j in group.members])
    of, them = of[of != g], them[of != g]
    kept = (state.mode[rows] != GOES) & (state.partner[rows] != g)
    there = kept[:, of] | (of < g)
    places = state.position[rows][:, them, :2]
    for pose in tried.values():
        for i, outline in pose.outline.items():
            close = _near(state, rows, pose.place[i][:, None], i, places, them)
            at, k = np.nonzero(close & there & good[:, None])
            j = them[k]
            apart = gap(outline[at], state.outline[rows[at], j])
            met = np.unique(at[apart < state.prints.apart[i, j] - SLACK])
            yield met, np.zeros(len(met), bool), _OBJECT


def _relatives(
    state: State, group: Group, rows: Index, tried: dict[int, Pose], good: NDArray[np.bool_]
) -> Iterator[_Check]:
    """Do the units of the group keep clear of one another, and near to what they were near to?"""
    prints = state.prints
    for u, v in combinations(group.units, 2):
        for i, j in product(tried[u].outline, tried[v].outline):
            a, b = tried[u], tried[v]
            at = np.flatnonzero(good & _near(state, rows, a.place[i], i, b.place[j], j))
            apart = gap(a.outline[i][at], b.outline[j][at])
            yield at, apart >= prints.apart[i, j] - SLACK, _OBJECT
    outlines = {i: outline for pose in tried.values() for i, outline in pose.outline.items()}
    for link in group.links:
        at = np.flatnonzero(good)
        apart = gap(outlines[link.a][at], outlines[link.b][at])
        yield at, apart <= TOGETHER + SLACK, _RELATION
    for face in chain.from_iterable(group.faces.values()):
        at = np.flatnonzero(good)
        apart = _gap_to(prints.obstacles[face.j], outlines[face.i][at])
        yield at, apart <= AGAINST + SLACK, _RELATION


def _gap_to(obstacle: Obstacle, outlines: Array) -> Array:
    return gap(
        outlines, np.broadcast_to(obstacle.outline, (len(outlines), *obstacle.outline.shape[1:]))
    )


def _near(
    state: State, rows: Index, place: Array, i: int, other: Array, j: int | Index
) -> NDArray[np.bool_]:
    """Whether objects i and j, at these places, are at one height and so near to one another that
    their outlines must be compared: (r,), or for many objects j (r, J)."""
    mine = (slice(None), None) if isinstance(j, np.ndarray) else slice(None)
    low, high, radius = (e[rows, i][mine] for e in (state.low, state.high, state.radius))
    each = (rows[mine], j)
    away = place - other
    reach = radius + state.radius[each] + GAP
    level = (low < state.high[each]) & (high > state.low[each])
    return level & (away[..., 0] ** 2 + away[..., 1] ** 2 < reach**2)


@dataclass(frozen=True)
class Layout:
    """The axis; see the module. qpos (n, nq) as placed; stuck and tried as in `Placement`."""

    name: str = "layout"

    def numbers(self, source: Source) -> int:
        """`NUMBERS` for each unit."""
        return NUMBERS * len(source.footprints.units)

    def draw(self, source: Source, uniform: Array, strength: Array, drawn: Drawn) -> Drawn:
        """See `place`."""
        n, bank = len(uniform), source.union.bank
        numbers = uniform.reshape(n, len(source.footprints.units), NUMBERS)
        placed = place(source.footprints, drawn["shape"].astype(np.int64), numbers, strength)
        qpos = np.broadcast_to(source.union.model.qpos0, (n, source.union.model.nq)).copy()
        seen = np.array([a.quaternion for a in source.scene.assets])
        at = bank.address[:, None]
        qpos[:, at + np.arange(3)] = placed.position
        qpos[:, at + np.arange(3, 7)] = yawed(seen, placed.yaw)
        return {"qpos": qpos, "stuck": placed.stuck, "tried": placed.tried}

    def distance(self, source: Source, drawn: Drawn) -> Array:
        """See `layout_distance`."""
        pose = drawn["qpos"][:, source.union.bank.address[:, None] + np.arange(7)]
        seen = np.array([a.quaternion for a in source.scene.assets])
        return layout_distance(source.footprints, pose[..., :3], pose[..., 3:], seen, source.family)


def yawed(quaternion: Array, yaw: Array) -> Array:
    """(n, A, 4): quaternions (A, 4) turned about world z by yaw (n, A)."""
    c, s = np.cos(yaw / 2), np.sin(yaw / 2)
    w, x, y, z = np.moveaxis(quaternion, -1, 0)
    return np.stack([c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w], -1)
