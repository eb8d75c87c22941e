"""The expert that pushes: round to behind the thing, then straight on, and round again if it comes
off the line."""

from __future__ import annotations

import numpy as np

from cousins.env.episodes import Episodes
from cousins.env.worlds import Ids
from cousins.experts.motion import look, towards
from cousins.tasks.frames import length, of
from cousins.tasks.manipulation import SPAN, across, obstacles
from cousins.types import Array

ROUND = 0.02  # m between fingertips and thing on the way round
STRIDE = np.radians(35.0)  # of the circle, of one waypoint
BEHIND = 0.93  # cosine of the angle off straight behind, within which it begins to push
LOST = 0.70  # and past which it goes round again
NEAR = 0.04  # m from the goal, within which it goes slowly


class Pushing:
    """n worlds. pushing (n,): whether it is behind the thing and goes on."""

    def __init__(self, n: int) -> None:
        self.pushing = np.zeros(n, bool)
        self.way = np.ones(n)  # round, 1 counter-clockwise

    def begin(self, episodes: Episodes, ids: Ids) -> None:
        """Round first."""
        self.pushing[ids] = False
        self.way[ids] = 0.0

    def __call__(self, episodes: Episodes) -> Array:
        """(n, K) actions."""
        s, memory = look(episodes), episodes.memory
        which, now = memory["which"], episodes.now()
        at = of(np, which, s.middle)[:, :2]
        left = memory["goal"][:, :2] - at
        far = np.maximum(length(np, left), 1e-6)
        u = left / far[:, None]
        from_it = s.tool[:, :2] - at
        gap = np.maximum(length(np, from_it), 1e-6)
        behind = -(from_it * u).sum(1) / gap
        circle = across(np, which, now) + SPAN + ROUND
        pushing = np.where(self.pushing, behind > LOST, behind > BEHIND)
        self.way = np.where(self.pushing & ~pushing, 0.0, self.way)  # chosen anew
        self.pushing = pushing
        # Round: along a circle to straight behind, on the side that is nearer, or free.
        own, goal = np.arctan2(from_it[:, 1], from_it[:, 0]), np.arctan2(-u[:, 1], -u[:, 0])
        short = (goal - own + np.pi) % (2 * np.pi) - np.pi
        others = obstacles(np, episodes.worlds.layout, which, now, s, memory["level"])
        new = self.way == 0
        if new.any():
            self.way = np.where(new, self._side(at, own, short, circle, others), self.way)
        turn = np.where(np.sign(short) == self.way, short, short + 2 * np.pi * self.way)
        turn = np.where(np.abs(short) < STRIDE, short, turn)
        angle = own + np.clip(turn, -STRIDE, STRIDE)
        place = at + circle[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
        # Too near to go round: straight out first.
        close = ~self.pushing & (gap < circle - ROUND)
        out = at + (circle * 1.05 / gap)[:, None] * from_it
        place = np.where(close[:, None], out, place)
        # On: ahead along the line, and back onto it.
        off = from_it + (from_it * -u).sum(1)[:, None] * u
        on = s.tool[:, :2] + 0.05 * u - 1.2 * off
        place = np.where(self.pushing[:, None], on, place)
        speed = np.where(self.pushing, np.where(far < NEAR, 0.4, 0.7), 1.0)
        return towards(episodes, s, np.column_stack([place, s.tool[:, 2]]), None, speed)

    def _side(self, at: Array, own: Array, short: Array, circle: Array, others: Array) -> Array:
        """(n,) which way round has more room: 1 or -1; the shorter one if both have enough."""
        room = []
        for way in (1.0, -1.0):
            turn = np.where(np.sign(short) == way, short, short + 2 * np.pi * way)
            steps = own[:, None] + turn[:, None] * np.linspace(0, 1, 9)
            path = at[:, None] + circle[:, None, None] * np.stack(
                [np.cos(steps), np.sin(steps)], -1
            )
            gap = length(np, path[:, :, None] - others[:, None, :, :2]) - others[:, None, :, 3]
            room.append(gap.min((1, 2)) - SPAN)
        nearer = np.where(short >= 0, 1.0, -1.0)
        mine = np.where(nearer > 0, room[0], room[1])
        other = np.where(nearer > 0, room[1], room[0])
        return np.where((mine > 0) | (mine >= other), nearer, -nearer)
