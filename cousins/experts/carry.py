"""The expert that takes things: above, down, close, up; and over, down, open, away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cousins.bank import Bank
from cousins.env.episodes import Episodes
from cousins.env.worlds import Ids, Worlds
from cousins.experts.motion import look, towards, turning, yaw_of
from cousins.grasps import Grasps, Gripper, Obstacles, clearance
from cousins.grasps.near import WAYS
from cousins.grasps.table import GraspTable, shape_parts, table
from cousins.mesh import quaternion_from_matrix
from cousins.tasks.frames import Sight, length, of
from cousins.tasks.lift import DEEP, Lift
from cousins.tasks.manipulation import Manipulation, obstacles
from cousins.tasks.place import PlaceIn
from cousins.types import Array

ABOVE, DOWN, CLOSE, UP, OVER, LOWER, OPEN, AWAY = range(8)
HIGH = 0.07  # m above a grasp from which the fingers go down
ALONG = 0.02  # m aside, from which it does not go down yet
NEAR, TURNED = 0.006, 0.06  # m and rad, within which a place is reached
WAIT = {CLOSE: 0.5, OPEN: 0.4}  # s
PATIENCE = 2.5  # s after which the next thing is done all the same
CARRY = 0.05  # m of room between what is carried and what stands below
RISEN, LEFT = 0.04, 0.015  # m that the tool rose, and that a thing then has to have risen
LOST = 0.04  # m: a thing that slipped so far is taken anew
SLOW = 0.5  # share of the speed at which things are taken and set down
RELEASE = 0.004  # m above its place at which a thing is let go
DROP = 0.01  # m above a container's rim
COUNT = 32  # grasps of each shape that are known
TURN = 0.1  # of a grasp's score, that a quarter turn costs
FREE = 0.004  # m that a grasp keeps from other things


class Carrying:
    """n worlds. phase (n,), and since when, s (n,); place (n, 3), in the base's frame, and yaw
    (n,) of the tool as it takes the thing, and how far it opens (n,), m; tried (n,): grasps that
    failed; about (n,): the thing's number."""

    def __init__(self, episodes: Episodes) -> None:
        n, worlds = len(episodes.begun), episodes.worlds
        robot = worlds.layout.robot
        assert robot is not None
        self.gripper = Gripper(opening=robot.opening)
        self.phase, self.since, self.tried = np.zeros(n, int), np.zeros(n), np.zeros(n, int)
        self.place, self.yaw, self.wide = np.zeros((n, 3)), np.zeros(n), np.zeros(n)
        self.held = np.zeros((n, 3))  # the tool from the thing's middle, as it was taken
        self.about = np.full(n, -1)
        self.tables = _tables(worlds, self.gripper)

    def begin(self, episodes: Episodes, ids: Ids) -> None:
        """Above the thing first."""
        self.about[ids], self.tried[ids] = -1, 0

    def __call__(self, episodes: Episodes) -> Array:
        """(n, K) actions."""
        s, layout, memory = look(episodes), episodes.worlds.layout, episodes.memory
        task, robot = episodes.task, layout.robot
        assert isinstance(task, Manipulation) and robot is not None
        which, goal = task.about(np, layout, memory, s), task.goal(np, layout, memory, s)
        time = episodes.elapsed * task.control
        about, n = which.argmax(1), len(which)
        others = _others(episodes, s, which)
        new = (about != self.about) & ((self.phase != OPEN) & (self.phase != AWAY) | (self.about < 0))
        self._take(episodes, s, about, others, np.flatnonzero(new), time)
        self.about = np.where(new, about, self.about)

        at = of(np, which, s.middle)
        tallest = np.maximum(others[..., 4].max(1), 0.0)
        below = self.place[:, 2] - of(np, which, s.low)[:, 2]  # of the tool, as it takes it
        rise = task.height + 0.03 if isinstance(task, Lift) else CARRY
        safe = np.maximum(tallest + CARRY, 0.0)
        up = np.maximum(self.place[:, 2] + rise, np.where(
            isinstance(task, Lift), 0.0, safe + np.clip(below, 0, 0.3)))  # fmt: skip
        up = np.minimum(up, robot.high[2])
        held = goal + self.held
        low = held[:, 2] + RELEASE
        if isinstance(task, PlaceIn):
            low = held[:, 2] + memory["hole"][:, 4] + DROP
        flat, phase = np.zeros((n, 3)), self.phase
        aside = length(np, (self.place - s.tool)[:, :2]) > ALONG
        first = np.where(aside, np.maximum(self.place[:, 2] + HIGH, tallest + 0.03),
                         self.place[:, 2] + HIGH)  # fmt: skip
        # Straight up before anything else, where something stands beside the fingers.
        beside = aside & (s.tool[:, 2] < first - 0.02)
        spots = {
            ABOVE: (np.where(beside[:, None], s.tool + s.lag, self.place), first),
            DOWN: (self.place, self.place[:, 2]),
            CLOSE: (self.place, self.place[:, 2]),
            UP: (self.place, up),
            OVER: (held, np.maximum(up, low)),
            LOWER: (held, low),
            OPEN: (held, low),
            AWAY: (held, low + HIGH),
        }
        for k, (xy, z) in spots.items():
            flat = np.where((phase == k)[:, None], np.column_stack([xy[:, :2], z]), flat)
        flat = np.clip(flat, robot.low, robot.high)
        slow = np.where(np.isin(phase, [DOWN, LOWER]), SLOW, 1.0)
        arm = towards(episodes, s, flat, self.yaw, slow)
        shut = np.isin(phase, [CLOSE, UP, OVER, LOWER])
        wide = np.where(phase == OPEN, np.maximum(self.wide, robot.opening * 0.95), self.wide)
        grip = np.where(shut, -1.0, np.clip(2 * wide / robot.opening - 1, -1, 1))
        self._next(episodes, s, flat, at, time, beside)
        return np.column_stack([arm, grip])

    def _next(
        self, episodes: Episodes, s: Sight, spot: Array, at: Array, time: Array, beside: Array
    ) -> None:
        """What comes after what is done."""
        phase, spent = self.phase, time - self.since
        turned = np.abs(turning(yaw_of(s.closing), self.yaw)) < TURNED
        there = (length(np, s.tool - spot) < NEAR) & turned & ~beside
        there |= (spent > PATIENCE) & (phase != ABOVE)
        for k, wait in WAIT.items():
            there = np.where(phase == k, spent > wait, there)
        ends = UP if isinstance(episodes.task, Lift) else AWAY
        there &= phase != ends
        fingers = at + self.held
        gone = length(np, s.tool - fingers) > LOST
        carried = np.isin(phase, [OVER, LOWER]) & gone
        taken = at[:, 2] - self._from
        missed = (phase == UP) & (s.tool[:, 2] > self.place[:, 2] + RISEN) & (taken < LEFT)
        again = carried | missed
        leaves = (phase == UP) & there
        self.held = np.where(leaves[:, None], s.tool - at, self.held)
        self.phase = np.where(again, ABOVE, np.where(there, phase + 1, phase))
        self.tried = self.tried + again
        self.since = np.where(again | there, time, self.since)
        self.about = np.where(again, -1, self.about)  # and chosen anew
        done = (phase == AWAY) & (length(np, s.tool - spot) < 2 * NEAR)
        self.about = np.where(done, -1, self.about)

    def _take(
        self, episodes: Episodes, s: Sight, about: Array, others: Array, ids: Ids, time: Array
    ) -> None:
        """Choose how worlds (k,) take their things."""
        if not hasattr(self, "_from"):
            self._from = np.zeros(len(about))
        if not len(ids):
            return
        k = about[ids]
        self._from[ids] = s.middle[ids, k, 2]
        self.phase[ids], self.since[ids] = ABOVE, time[ids]
        turn = s.turn[ids, k]
        pose = np.concatenate(
            [s.position[ids, k], np.array([quaternion_from_matrix(r) for r in turn])], 1
        )
        middle, high, low = s.middle[ids, k], s.high[ids, k], s.low[ids, k]
        size = high - low
        # Where no grasp is known: about the middle, across what is narrow.
        level = np.maximum(middle[:, 2], high[:, 2] - DEEP)
        place = np.column_stack([middle[:, :2], np.maximum(level, low[:, 2] + 0.015)])
        narrow = np.where((size[:, 0] < size[:, 1])[:, None], turn[:, :2, 0], turn[:, :2, 1])
        yaw, wide = np.arctan2(narrow[:, 1], narrow[:, 0]), np.full(len(ids), self.gripper.opening)
        for part, held in zip(episodes.worlds.parts, self.tables, strict=True):
            mine = np.flatnonzero(part.holds(ids))
            if not len(mine) or held is None:
                continue
            local = ids[mine] - part.first
            assert part.reach is not None
            shape = part.reach.variant[part.running.rows[local], k[mine]]
            found, good = held.at(k[mine], shape, pose[mine])
            own = others[ids[mine]]
            room = clearance(found, _around(own), self.gripper, own[:, 0, 5])
            best = _best(found, good, room, yaw_of(s.closing[ids[mine]]), self.tried[ids[mine]])
            has, rows = good.any(1), np.arange(len(mine))
            pick = mine[has]
            place[pick] = found.position[rows, best][has]
            closing = found.rotation[rows, best][:, :, 1][has]
            yaw[pick] = yaw_of(closing)
            opening = np.minimum(found.opening[rows, best], self.gripper.opening)
            wide[pick] = opening[has]
        self.place[ids], self.yaw[ids], self.wide[ids] = place, yaw, wide
        self.held[ids] = place - middle


def _best(found: Grasps, good: Array, room: Array, yaw: Array, tried: Array) -> Array:
    """(n,) the best grasp of each, the next best where some failed."""
    way = np.arctan2(found.rotation[..., 1, 1], found.rotation[..., 0, 1])
    off = np.abs(turning(yaw[:, None], way)) / (np.pi / 2)
    worth = np.where(good, found.score - TURN * off + np.minimum(room, FREE) * 50, -1e3)
    order = np.argsort(-worth, axis=1, kind="stable")
    many = np.maximum(good.sum(1), 1)
    return order[np.arange(len(order)), (5 * tried) % many]


def _others(episodes: Episodes, s: Sight, which: Array) -> Array:
    """(n, m, 6) what stands around in the base's frame: x, y, z, radius, top, and the height of
    what the thing stands on."""
    now, layout = episodes.now(), episodes.worlds.layout
    found = obstacles(np, layout, which, now, s)
    own = len(layout.names)
    tops = np.concatenate(
        [s.high[..., 2], found[:, own:, 2] + found[:, own:, 3]], axis=1
    )
    tops = np.where(found[..., 0] > 100, -1.0, tops)
    floor = of(np, which, s.start)[:, 2:] * 0.0
    return np.concatenate(
        [found, tops[..., None], np.broadcast_to(floor[:, None], (*tops.shape, 1))], -1
    )


def _around(others: Array) -> Obstacles:
    """Cylinders, as the grasps' clearance has them."""
    angle = np.pi * np.arange(WAYS) / WAYS
    ways = np.column_stack([np.cos(angle), np.sin(angle)])
    along = others[..., :2] @ ways.T
    return Obstacles(along - others[..., 3:4], along + others[..., 3:4], others[..., 4])


def _tables(worlds: Worlds, gripper: Gripper) -> list[GraspTable | None]:
    """Of each family. Most families have the same shapes: those are looked at once."""
    known: dict[bytes, GraspTable] = {}
    out: list[GraspTable | None] = []
    for part in worlds.parts:
        assert part.reach is not None
        bank, model = part.reach.bank, part.reach.plain
        if bank is None:
            out.append(None)
            continue
        many = len(worlds.layout.names)
        parts = [shape_parts(model, bank, k, shape)
                 for k in range(many) for shape in range(int(bank.shapes[k]))]  # fmt: skip
        key = b"".join(v.tobytes() for part in parts for v, _ in part)
        if key not in known:
            known[key] = table(model, few(bank, many), gripper, COUNT)
        out.append(known[key])
    return out


def few(bank: Bank, many: int) -> Bank:
    """The bank with its first objects alone."""
    return replace(bank, body=bank.body[:many])
