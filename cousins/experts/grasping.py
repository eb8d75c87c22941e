"""How an expert takes a thing: the best grasp of its shape for which there is room."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cousins.bank import Bank
from cousins.env.episodes import Episodes
from cousins.env.worlds import Ids, Part, Worlds
from cousins.experts.motion import turning, yaw_of
from cousins.grasps import Grasps, GraspTable, Gripper, Obstacles, clearance, shape_parts, table
from cousins.grasps.near import WAYS
from cousins.mesh import quaternion_from_matrix
from cousins.tasks.frames import Sight, inward
from cousins.tasks.lift import DEEP
from cousins.types import Array

COUNT = 32  # grasps of each shape that are known
TURN = 0.1  # of a grasp's score, that a quarter turn costs
FREE, PRESSED = (
    0.004,
    50.0,
)  # m that a grasp keeps from other things, and what each metre less costs
OUT = 10.0  # what each metre costs that the tool does not come to
NARROW = 0.012  # m wider than a thing, that fingers open which have no more room
FLOOR = 0.015  # m above the ground that the tool stays where no grasp is known
FAR = 100.0  # m: what is not there is put beyond it
NEXT = 5  # places on in the order, of the grasp that is tried after one that failed

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Hold:
    """Where the tool takes things, each (k, ...): place (k, 3), in the base's frame, yaw (k,), and
    how far the fingers open on the way, m (k,)."""

    place: Array
    yaw: Array
    wide: Array


class Grasping:
    """What is known of the shapes that worlds have."""

    def __init__(self, worlds: Worlds, gripper: Gripper) -> None:
        self.gripper = gripper
        self._tables: dict[int, GraspTable] = {}
        self._parts: dict[tuple[int, int, int], tuple] = {}
        known: dict[bytes, GraspTable] = {}
        for part in worlds.parts:
            assert part.reach is not None
            bank, model = part.reach.bank, part.reach.plain
            if bank is None:
                continue
            many = len(worlds.layout.names)
            for k in range(many):
                for shape in range(int(bank.shapes[k])):
                    self._parts[part.family, k, shape] = shape_parts(model, bank, k, shape)
            # Most families have the same shapes: those are looked at once.
            mine = (v for key, v in self._parts.items() if key[0] == part.family)
            key = b"".join(vertices.tobytes() for parts in mine for vertices, _ in parts)
            if key not in known:
                known[key] = table(model, _few(bank, many), gripper, COUNT)
            self._tables[part.family] = known[key]

    def choose(self, episodes: Episodes, s: Sight, ids: Ids, about: Ints, tried: Ints) -> Hold:
        """How worlds (k,) take their things about (k,), after so many grasps (k,) that failed."""
        worlds, robot = episodes.worlds, episodes.worlds.layout.robot
        assert robot is not None
        out = self._plain(s, ids, about)
        for part in worlds.parts:
            mine = np.flatnonzero(part.holds(ids))
            if not len(mine) or part.family not in self._tables:
                continue
            which, k = ids[mine], about[mine]
            pose = np.column_stack([s.position[which, k], _quaternions(s.turn[which, k])])
            found, good = self._tables[part.family].at(k, _variants(part, which, k), pose)
            others = self._around(episodes, part, s, which, k)
            wide = np.minimum(found.opening, self.gripper.opening)
            slim = np.minimum(wide, found.width + NARROW)
            room, less = (clearance(found, others, self.gripper, None, w) for w in (wide, slim))
            wide = np.where((room < FREE) & (less > room), slim, wide)
            off = -np.minimum(robot.room(np, found.position[..., :2]), 0.0)
            best = _best(found, good, np.maximum(room, less), off, yaw_of(s.closing[which]),
                         tried[mine])  # fmt: skip
            has, rows = good.any(1), np.arange(len(mine))
            pick = mine[has]
            out.place[pick] = found.position[rows, best][has]
            out.yaw[pick] = yaw_of(found.rotation[rows, best][:, :, 1][has])
            out.wide[pick] = wide[rows, best][has]
        return out

    def _plain(self, s: Sight, ids: Ids, k: Ints) -> Hold:
        """Where no grasp is known: about the middle, across what is narrow."""
        middle, high, low, turn = (v[ids, k] for v in (s.middle, s.high, s.low, s.turn))
        size = high - low
        level = np.maximum(np.maximum(middle[:, 2], high[:, 2] - DEEP), low[:, 2] + FLOOR)
        narrow = np.where((size[:, 0] < size[:, 1])[:, None], turn[:, :2, 0], turn[:, :2, 1])
        yaw = np.arctan2(narrow[:, 1], narrow[:, 0])
        place = np.column_stack([middle[:, :2], level])
        return Hold(place, yaw, np.full(len(ids), self.gripper.opening))

    def _around(self, episodes: Episodes, part: Part, s: Sight, ids: Ids, about: Ints) -> Obstacles:
        """What else stands there, in worlds (k,) of one family: each thing's convex parts, and
        distractors as upright cylinders."""
        every = [_cylinders(episodes, ids)]
        for j in range(s.low.shape[1]):
            item = np.full(len(ids), j)
            shapes = _variants(part, ids, item)
            for shape in np.unique(shapes).tolist():
                rows = np.flatnonzero((shapes == shape) & (about != j))
                if not len(rows):
                    continue
                at = np.column_stack([s.position[ids[rows], j], _quaternions(s.turn[ids[rows], j])])
                one = Obstacles.of(self._parts[part.family, j, shape], at)
                every.append(_spread(one, rows, len(ids)))
        return Obstacles.joined(every)


def _variants(part: Part, ids: Ids, k: Ints) -> Ints:
    assert part.reach is not None
    return part.reach.variant[part.running.rows[ids - part.first], k]


def _quaternions(turn: Array) -> Array:
    return np.array([quaternion_from_matrix(r) for r in turn]).reshape(-1, 4)


def _best(
    found: Grasps, good: NDArray[np.bool_], room: Array, off: Array, yaw: Array, tried: Ints
) -> Ints:
    """(n,) the best grasp of each, another one where some failed."""
    way = np.arctan2(found.rotation[..., 1, 1], found.rotation[..., 0, 1])
    turn = np.abs(turning(yaw[:, None], way)) / (np.pi / 2)
    worth = found.score - TURN * turn + np.clip(room, -1.0, FREE) * PRESSED - OUT * off
    order = np.argsort(-np.where(good, worth, -1e6), axis=1, kind="stable")
    many = np.maximum(good.sum(1), 1)
    return order[np.arange(len(order)), (NEXT * tried) % many]


def _spread(one: Obstacles, rows: Ints, many: int) -> Obstacles:
    """Of rows of so many worlds; nothing in the others."""
    m = one.top.shape[-1]
    low, high = np.zeros((2, many, m, WAYS))
    top = np.full((many, m), -np.inf)
    low[rows], high[rows], top[rows] = one.low, one.high, one.top
    return Obstacles(low, high, top)


def _cylinders(episodes: Episodes, ids: Ids) -> Obstacles:
    """Distractors."""
    now = episodes.now(ids)
    if now.clutter is None or not now.clutter.shape[1]:
        none = np.zeros((len(ids), 0, WAYS))
        return Obstacles(none, none, none[..., 0])
    assert now.hand is not None
    at, radius = inward(np, now.hand.base, now.clutter[..., :3]), now.clutter[..., 3]
    angle = np.pi * np.arange(WAYS) / WAYS
    along = at[..., :2] @ np.stack([np.cos(angle), np.sin(angle)])
    there = np.linalg.norm(at[..., :2], axis=-1) < FAR
    top = np.where(there, at[..., 2] + radius, -np.inf)
    return Obstacles(along - radius[..., None], along + radius[..., None], top)


def _few(bank: Bank, many: int) -> Bank:
    """The bank with its first objects alone."""
    return replace(bank, body=bank.body[:many])
