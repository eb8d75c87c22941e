"""The expert that takes things: above, down, close, up; and over, down, open, away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cousins.env.episodes import Episodes
from cousins.env.worlds import Ids
from cousins.experts.grasping import Grasping
from cousins.experts.motion import look, towards, turning, yaw_of
from cousins.grasps import Gripper
from cousins.tasks.frames import Sight, apart, length, of
from cousins.tasks.lift import Lift
from cousins.tasks.manipulation import Manipulation, across, obstacles
from cousins.tasks.place import PlaceIn
from cousins.types import Array

ABOVE, DOWN, CLOSE, UP, OVER, LOWER, OPEN, AWAY = range(8)
HIGH = 0.07  # m above a grasp from which the fingers go down
ALONG = 0.02  # m aside, from which it does not go down yet
NEAR, TURNED = 0.006, 0.06  # m and rad, within which a place is reached
WAIT = {CLOSE: 0.5, OPEN: 0.4}  # s
PATIENCE = 2.5  # s after which the next thing is done all the same
BLOCKED, SOON = 0.012, 0.3  # m behind where it is to be, and s into a phase: something is there
TOUCHED = 0.006  # m that the tool hangs back as what it holds touches something
SPARE = 0.02  # m wider, that fingers open within a container
NOTHING = 0.004  # m between fingers that hold nothing
CARRY = 0.04  # m of room between what is carried and what stands below
AROUND = 0.05  # m beside the way, within which it counts what stands there
RISEN, LEFT = 0.04, 0.015  # m that the tool rose, and that a thing then has to have risen
MORE = 0.03  # m that a thing is lifted beyond what is asked
LOST = 0.04  # m: a thing that slipped so far is taken anew
SLOW = 0.5  # share of the speed at which things are taken and set down
RELEASE = 0.004  # m above its place at which a thing is let go
TIPS, RIM = 0.011, 0.012  # m that fingertips are below the tool, and are kept above a rim

Bools = NDArray[np.bool_]


class Carrying:
    """n worlds. phase (n,), and since when, s (n,); place (n, 3), in the base's frame, and yaw
    (n,) of the tool as it takes the thing, and how far it opens (n,), m; held (n, 3): the tool from
    the thing's middle, as it was taken; tried (n,): grasps that failed; about (n,): the thing's
    number; begun (n,): the height at which it was, and taken (n,): how far the fingers are apart as
    they hold it, m."""

    def __init__(self, episodes: Episodes) -> None:
        n, worlds = len(episodes.begun), episodes.worlds
        robot = worlds.layout.robot
        assert robot is not None
        self.grasping = Grasping(worlds, Gripper(opening=robot.opening))
        self.phase, self.tried = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.about = np.full(n, -1)
        self.since, self.yaw, self.wide, self.begun, self.taken = np.zeros((5, n))
        self.place, self.held = np.zeros((2, n, 3))

    def begin(self, episodes: Episodes, ids: Ids) -> None:
        """Above the thing first."""
        self.about[ids], self.tried[ids] = -1, 0

    def __call__(self, episodes: Episodes) -> Array:
        """(n, K) actions."""
        s, layout, memory = look(episodes), episodes.worlds.layout, episodes.memory
        task, robot = episodes.task, layout.robot
        assert isinstance(task, Manipulation)
        assert robot is not None
        which, goal = task.about(np, layout, memory, s), task.goal(np, layout, memory, s)
        time = np.asarray(episodes.elapsed * task.control, float)
        about = which.argmax(1)
        busy = np.isin(self.phase, [OPEN, AWAY]) & (self.about >= 0)
        new = (about != self.about) & ~busy
        self._take(episodes, s, about, np.flatnonzero(new), time)

        at = of(np, which, s.middle)
        spot, beside = self._spot(episodes, s, which, goal, at)
        spot = np.clip(spot, robot.low, robot.high)
        slow = np.where(np.isin(self.phase, [DOWN, LOWER]), SLOW, 1.0)
        arm = towards(episodes, s, spot, self.yaw, slow)
        shut = np.isin(self.phase, [CLOSE, UP, OVER, LOWER])
        self.taken = np.where(self.phase == LOWER, s.opening, self.taken)
        lets = np.full(len(spot), robot.opening)
        if isinstance(task, PlaceIn):  # within a container, no wider than it takes
            lets = np.minimum(self.taken + SPARE, lets)
        wide = np.where(np.isin(self.phase, [OPEN, AWAY]), lets, self.wide)
        grip = np.where(shut, -1.0, np.clip(2 * wide / robot.opening - 1, -1, 1))
        self._next(task, s, spot, at, time, beside)
        return np.column_stack([arm, grip])

    def _spot(
        self, episodes: Episodes, s: Sight, which: Array, goal: Array, at: Array
    ) -> tuple[Array, Bools]:
        """(n, 3) where the tool is to be, and whether (n,) it first has to rise, since something
        stands beside the fingers."""
        task, now, phase = episodes.task, episodes.now(), self.phase
        others = _others(episodes, s, which)
        held = goal + self.held
        # As high as what is carried, or the open hand, has to be over what stands on its way.
        low = of(np, which, s.low)[:, 2]
        radius = across(np, which, now) + AROUND
        over = _tallest(others, s.tool[:, :2], held[:, :2], radius)
        hangs = np.clip(s.tool[:, 2] - low, 0.0, 0.3)
        rise = task.height + MORE if isinstance(task, Lift) else CARRY
        up = self.place[:, 2] + rise
        if not isinstance(task, Lift):
            up = np.maximum(up, over + CARRY + hangs)
        down = held[:, 2] + RELEASE
        if isinstance(task, PlaceIn):
            # Fingers stay out of the container, what they hold goes as deep as they allow.
            rim = held[:, 2] - of(np, which, s.high - s.low)[:, 2] / 2 - self.held[:, 2]
            rim = rim + episodes.memory["hole"][:, 4]
            down = np.maximum(down, rim + RIM + TIPS)
        up = np.maximum(up, down)
        aside = length(np, (self.place - s.tool)[:, :2]) > ALONG
        hand = _tallest(others, s.tool[:, :2], self.place[:, :2], np.full(len(up), 0.1))
        first = self.place[:, 2] + HIGH
        first = np.where(aside, np.maximum(first, hand + MORE), first)
        # Straight up before anything else.
        beside = aside & (s.tool[:, 2] < first - 0.02)
        here = s.tool + s.lag
        spots = {
            ABOVE: (np.where(beside[:, None], here, self.place), first),
            DOWN: (self.place, self.place[:, 2]),
            CLOSE: (self.place, self.place[:, 2]),
            UP: (self.place, up),
            OVER: (np.where((s.tool[:, 2] < up - MORE)[:, None], here, held), up),
            LOWER: (held, down),
            OPEN: (held, down),
            AWAY: (held, down + HIGH),
        }
        out = np.zeros_like(s.tool)
        for k, (xy, z) in spots.items():
            out = np.where((phase == k)[:, None], np.column_stack([xy[:, :2], z]), out)
        return out, beside

    def _next(
        self, task: Manipulation, s: Sight, spot: Array, at: Array, time: Array, beside: Bools
    ) -> None:
        """What comes after what is done."""
        phase, spent = self.phase, time - self.since
        turned = np.abs(turning(yaw_of(s.closing), self.yaw)) < TURNED
        there = (length(np, s.tool - spot) < NEAR) & turned & ~beside
        there |= (spent > PATIENCE) & (phase != ABOVE)
        # What is set down touches ground, or a container's wall: no need to press.
        there |= (phase == LOWER) & (s.lag[:, 2] < -TOUCHED) & (spent > SOON)
        for k, wait in WAIT.items():
            there = np.where(phase == k, spent > wait, there)
        ends = UP if isinstance(task, Lift) else AWAY
        there &= phase != ends
        gone = length(np, s.tool - at - self.held) > LOST
        slipped = np.isin(phase, [OVER, LOWER]) & gone
        taken = at[:, 2] - self.begun
        missed = (phase == UP) & (s.tool[:, 2] > self.place[:, 2] + RISEN) & (taken < LEFT)
        missed |= (phase == UP) & (s.opening < NOTHING)
        stuck = np.isin(phase, [ABOVE, DOWN]) & (length(np, s.lag) > BLOCKED) & (spent > SOON)
        stuck |= (phase == ABOVE) & (spent > PATIENCE)
        again = slipped | missed | (stuck & ~there)
        leaves = (phase == UP) & there
        self.held = np.where(leaves[:, None], s.tool - at, self.held)
        done = (phase == AWAY) & (length(np, s.tool - spot) < 2 * NEAR)
        self.phase = np.where(again, ABOVE, np.where(there, phase + 1, phase))
        self.tried = self.tried + again
        self.since = np.where(again | there, time, self.since)
        self.about = np.where(again | done, -1, self.about)  # and chosen anew

    def _take(self, episodes: Episodes, s: Sight, about: Ids, ids: Ids, time: Array) -> None:
        """Choose how worlds (k,) take their things."""
        if not len(ids):
            return
        k = about[ids]
        found = self.grasping.choose(episodes, s, ids, k, self.tried[ids])
        self.about[ids], self.begun[ids] = k, s.middle[ids, k, 2]
        self.phase[ids], self.since[ids] = ABOVE, time[ids]
        self.place[ids], self.yaw[ids], self.wide[ids] = found.place, found.yaw, found.wide
        self.held[ids] = found.place - s.middle[ids, k]


def _others(episodes: Episodes, s: Sight, which: Array) -> Array:
    """(n, m, 5) what stands around in the base's frame: x, y, z, radius, top."""
    found = obstacles(np, episodes.worlds.layout, which, episodes.now(), s)
    own = s.high.shape[1]
    top = np.concatenate([s.high[..., 2], found[:, own:, 2] + found[:, own:, 3]], axis=1)
    return np.concatenate([found, top[..., None]], -1)


def _tallest(others: Array, start: Array, end: Array, radius: Array) -> Array:
    """(n,) the top of the tallest thing on the way from (n, 2) to (n, 2), as wide as that; 0 for
    none."""
    gap = apart(np, start, end, others[..., :2]) - others[..., 3]
    return np.where(gap < radius[:, None], others[..., 4], 0.0).max(1, initial=0.0)
