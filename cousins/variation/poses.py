"""Where groups are tried: relations are solved for here, not hoped for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cousins.polygons import slide, turned
from cousins.types import Array
from cousins.variation.groups import Face, Group, Link
from cousins.variation.plan import GOES, SWAPS, Index, State
from cousins.variation.relations import TOGETHER
from cousins.variation.units import GAP

TRIES = 96  # places that are tried for a group before its cousin is drawn anew
NEAR = 0.05  # how far what stays near its place is moved at full strength, as a hand would, m
NEAR_TURN = 0.35  # and turned, rad
# How far a shape that is larger than the seen one may be moved to fit in, m: half of what 25 cm
# gain by 15%.
ROOM = 0.02
SLACK = 1e-9  # of rounding, m

# Roberts' sequence: successive points (x, y, yaw, gap) fill the cube evenly from any beginning.
_GOLDEN = 1.1673039782614187  # the root of x^5 = x + 1
_STEP = _GOLDEN ** -np.arange(1.0, 5.0)


@dataclass(frozen=True)
class Pose:
    """Of a unit in some cousins: xy (r, 2) of its first object, yaw (r,), and of each member its
    place (r, 2), yaw (r,) and outline (r, k, 2)."""

    xy: Array
    yaw: Array
    place: dict[int, Array]
    turn: dict[int, Array]
    outline: dict[int, Array]

    def moved(self, by: Array) -> Pose:
        place = {i: p + by for i, p in self.place.items()}
        outline = {i: o + by[:, None] for i, o in self.outline.items()}
        return Pose(self.xy + by, self.yaw, place, self.turn, outline)


def poses(state: State, group: Group, g: int, rows: Index, t: int) -> dict[int, Pose]:
    """Where the units of a group are tried, by unit."""
    prints, strength = state.prints, state.strength[rows]
    root = prints.units[group.units[0]]
    first = root.members[0]
    faces = group.faces.get(group.units[0], ())
    number = np.mod(state.uniform[rows, group.units[0]][:, :3] + t * _STEP[:3], 1.0)
    seen, mode = prints.position[first, :2], state.mode[rows, g]
    nearer = 1.0 if group.extra else min(1.0, 2 * (1 - t / (TRIES - 1)))
    late = t >= TRIES // 2
    goes = (mode == GOES) | ((mode == SWAPS) & late)
    # Its own seen place may be taken by what it wanted to swap with.
    reach = np.where(mode == SWAPS, 1.0, nearer)
    side = 2 * number[:, :2] - 1
    if faces:
        along = np.array([-faces[0].normal[1], faces[0].normal[0]])
        low, high = faces[0].span
        anywhere = (low + number[:, 0] * (high - low) - along @ seen)[:, None] * along
    else:
        low, high = root.support.polygon.min(0), root.support.polygon.max(0)
        anywhere = low + number[:, :2] * (high - low) - seen
    close = (NEAR * strength * reach)[:, None] * side
    xy = np.where(goes[:, None], seen + reach[:, None] * anywhere, state.target[rows, g] + close)
    # A shape of its own may not fit where the seen one did.
    xy = xy + ROOM * t / (TRIES - 1) * np.any(state.shape[rows] > 0, axis=1)[:, None] * side
    turn = np.where(goes, np.pi, NEAR_TURN * strength) * reach * (2 * number[:, 2] - 1)
    if group.faces:
        turn = np.zeros(len(rows))
    ease = strength * reach
    out = {group.units[0]: _onto(state, faces, _pose(state, group, 0, rows, xy, turn, ease))}
    for link in group.links:
        out[link.child] = _linked(state, group, link, rows, out, ease, t)
    return out


def _pose(
    state: State, group: Group, k: int, rows: Index, xy: Array, yaw: Array, ease: Array
) -> Pose:
    """Unit k of a group with its first object at xy, turned by yaw; what stands in a round
    container is turned further in it, about the container's axis, in proportion to `ease`."""
    prints, u = state.prints, group.units[k]
    members = prints.units[u].members
    offset = {i: prints.position[i, :2] - prints.position[members[0], :2] for i in members}
    place, turn = {}, {}
    for i in members:
        place[i] = np.broadcast_to(offset[i], (len(rows), 1, 2))
        turn[i] = yaw
    for container, inside in group.inner:
        if container in members:
            inner = np.pi * ease * (2 * state.uniform[rows, u, 7] - 1)
            inner = np.where(state.round[rows, container], inner, 0.0)
            outline = prints.outline[container, 0]
            axis = offset[container] + (outline.min(0) + outline.max(0)) / 2
            for i in inside:
                arm = place[i] - axis
                place[i] = place[i] + (turned(arm, inner) - arm)
                turn[i] = yaw + inner
    at = {i: xy + turned(place[i], yaw)[:, 0] for i in members}
    outlines = {
        i: turned(prints.outline[i, state.shape[rows, i]], turn[i]) + at[i][:, None]
        for i in members
    }
    return Pose(xy, yaw, at, turn, outlines)


def _onto(state: State, faces: Sequence[Face], pose: Pose) -> Pose:
    """The unit moved so that it keeps the gaps that it was seen to have to one or two faces."""
    off = []
    for face in faces:
        wall = (state.prints.obstacles[face.j].outline[0] @ face.normal).max()
        x, y = face.normal
        outline = pose.outline[face.i]
        off.append(wall + face.gap - (x * outline[..., 0] + y * outline[..., 1]).min(1))
    if not faces:
        return pose
    # Rounding must not move what is in place.
    off = [np.where(np.abs(d) < SLACK, 0.0, d) for d in off]
    if len(faces) == 1:
        return pose.moved(off[0][:, None] * faces[0].normal)
    a, b = (face.normal for face in faces)
    cross = a[0] * b[1] - a[1] * b[0]
    x, y = off[0] * b[1] - off[1] * a[1], off[1] * a[0] - off[0] * b[0]
    return pose.moved(np.column_stack([x, y]) / cross)


def _linked(
    state: State,
    group: Group,
    link: Link,
    rows: Index,
    before: dict[int, Pose],
    ease: Array,
    t: int,
) -> Pose:
    """The unit that a link leads to, slid along until its gap is right."""
    prints, faces = state.prints, group.faces.get(link.child, ())
    k = group.units.index(link.child)
    u, pose = next((u, p) for u, p in before.items() if link.a in p.outline)
    own = 2 * state.uniform[rows, link.child, 6] - 1
    yaw = pose.yaw if faces else pose.yaw + NEAR_TURN * ease * own
    base, first = (prints.units[v].members[0] for v in (u, link.child))
    offset = prints.position[first, :2] - prints.position[base, :2]
    xy = pose.xy + turned(np.broadcast_to(offset, (len(rows), 1, 2)), pose.yaw)[:, 0]
    child = _onto(state, faces, _pose(state, group, k, rows, xy, yaw, ease))
    way = child.place[link.b] - pose.place[link.a]
    way = way / np.maximum(np.hypot(way[:, 0], way[:, 1]), SLACK)[:, None]
    if len(faces) == 1:
        # Along the face, unless it stands between its neighbour and the face.
        x, y = -faces[0].normal[1], faces[0].normal[0]
        share = (way[:, 0] * x + way[:, 1] * y)[:, None]
        way = np.where(np.abs(share) > 0.5, np.sign(share) * np.array([x, y]), way)
    number = np.mod(state.uniform[rows, link.child, 5] + t * _STEP[3], 1.0)
    wanted = link.gap + ease * (GAP + number * (TOGETHER - GAP) - link.gap)
    by = slide(pose.outline[link.a], child.outline[link.b], way, wanted)
    by = np.where(np.abs(by) < SLACK, 0.0, by)
    return child if len(faces) > 1 else child.moved(by[:, None] * way)
