"""Sort: things of one kind go to one side of the robot, those of the other kind to the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from cousins.errors import UsageError
from cousins.tasks import OBJECTS, Layout, Memory, Now, Verdict, Watched
from cousins.tasks.account import fallen
from cousins.tasks.frames import Sight, length, of, sight
from cousins.tasks.lift import graspable, hovering, taken
from cousins.tasks.manipulation import (
    DRAWN,
    Manipulation,
    across,
    clear,
    first,
    flag,
    jittered,
    manipulator,
    obstacles,
)

BORDER = 0.02  # m that a thing's middle is beyond the middle line
OUT, ROW = 0.06, 0.05  # m from that line at which the places of a side begin, and between them
# Along the line and off it, those first that are the least way off.
ROWS = np.array(sorted(np.ndindex(15, 7), key=lambda at: (abs(at[0] - 7) + at[1], at))) - [7, 0]
GAP = 0.03  # m between things, for fingers
AWAY = 0.03  # m over the last one that the fingers are in the end
SLOW = 0.1  # m/s


@dataclass(frozen=True)
class Sort(Manipulation):
    """Everything that can be grasped is to be on its kind's side of the line straight ahead of the
    robot's base: what rolls on the left, what stands on the right."""

    limit: float = 45.0

    @property
    def name(self) -> str:
        """Its name."""
        return "sort"

    def says(self, thing: str, target: str) -> str:
        """In words."""
        return "put what rolls on the left and what stands on the right"

    def called(self, layout: Layout) -> str:
        """All of them."""
        return "everything"

    def lacks(self, layout: Layout) -> str:
        """In words."""
        return "not both what rolls and what stands is within reach and fits between the fingers"

    def choices(self, layout: Layout) -> list[tuple[str, ...]]:
        """It is about all of them."""
        return [()] if self.suits(layout) else []

    def settled(self, layout: Layout) -> Self:
        """As it is."""
        return self

    def suits(self, layout: Layout) -> list[int]:
        """All that is sorted, if there is something of either kind."""
        good, rolls = graspable(layout), flag(layout, "rolls")
        return good if len({bool(rolls[k]) for k in good}) == 2 else []

    def numbers(self, layout: Layout) -> int:
        """Where each thing begins."""
        return DRAWN + 3 * len(layout.names)

    def sides(self, layout: Layout) -> Any:
        """(A,) 1 for the left, -1 for the right, 0 for what is not sorted. Raises UsageError where
        there is nothing to sort."""
        if self.object:
            raise UsageError("task sort takes no object: it is about all that can be grasped")
        self.chosen(layout)
        good, out = self.suits(layout), np.zeros(len(layout.names))
        out[good] = np.where(flag(layout, "rolls")[good], 1.0, -1.0)
        return out

    def begin(self, xp: Any, layout: Layout, uniform: Any, now: Now) -> Memory:
        """The gripper begins above the first thing."""
        robot, sides = manipulator(layout), self.sides(layout)
        each = np.eye(len(sides))
        for k in np.flatnonzero(sides).tolist():
            mine = xp.broadcast_to(xp.asarray(each[k]), now.pose.shape[:-1])
            drawn = uniform[..., DRAWN + 3 * k :][..., :3]
            now = jittered(xp, layout, now, mine, drawn, self.jitter)
        s = sight(xp, layout, now)
        memory = {"side": xp.broadcast_to(xp.asarray(sides), now.pose.shape[:-1])}
        memory["place"] = self._places(xp, layout, memory, now, s)
        which = self.about(xp, layout, memory, s)
        return {**memory, OBJECTS: now.pose, **hovering(xp, robot, s, which, uniform)}

    def _places(self, xp: Any, layout: Layout, memory: Memory, now: Now, s: Sight) -> Any:
        """(..., A, 3) where each thing is to go: to a free place on its side, the nearest along the
        line and to it; what is right stays."""
        right, each = self.right(xp, memory, s), np.eye(len(layout.names))
        out, taken_ = s.middle, []
        for k in np.flatnonzero(self.sides(layout)).tolist():
            mine = xp.broadcast_to(xp.asarray(each[k]), now.pose.shape[:-1])
            radius = across(xp, mine, now)
            others = xp.concatenate([obstacles(xp, layout, mine, now, s), *taken_], -2)
            x = s.middle[..., k, 0, None] + ROW * xp.asarray(ROWS[:, 0])
            y = memory["side"][..., k, None] * (OUT + ROW * xp.asarray(ROWS[:, 1]))
            tried = xp.stack([x, y], -1)
            room = clear(xp, layout, now, mine, tried, others, radius)
            best = of(xp, first(xp, room, GAP), tried)
            best = xp.where(right[..., k, None], s.middle[..., k, :2], best)
            flat = xp.concatenate([best, s.middle[..., k, 2:]], -1)
            taken_.append(xp.concatenate([flat, radius[..., None]], -1)[..., None, :])
            out = xp.where(mine[..., None] > 0, flat[..., None, :], out)
        return out

    def right(self, xp: Any, memory: Memory, s: Sight) -> Any:
        """(..., A) which things lie where they are to be, with those that are not sorted."""
        side = memory["side"]
        lies = (s.low[..., 2] - s.start[..., 2] < 0.0) & (length(xp, s.velocity) < SLOW)
        return (side == 0) | ((s.middle[..., 1] * side > BORDER) & lies)

    def about(self, xp: Any, layout: Layout, memory: Memory, s: Sight) -> Any:
        """(..., A) the first that is not; in the end the last one."""
        many = len(layout.names)
        order = xp.arange(many) * 1.0
        wrong = xp.where(self.right(xp, memory, s), 1e3, order)
        last = xp.where(memory["side"] != 0, order, -1.0).max(-1)
        k = xp.where(wrong.min(-1) < 1e3, wrong.min(-1), last)
        return (k[..., None] == order).astype(float)

    def goal(self, xp: Any, layout: Layout, memory: Memory, s: Sight) -> Any:
        """(..., 3) its place."""
        return of(xp, self.about(xp, layout, memory, s), memory["place"])

    def judge(self, xp: Any, layout: Layout, memory: Memory, now: Now, action: Any) -> Verdict:
        """Worth: the share that is on its side, and what is done about the next one."""
        s = sight(xp, layout, now)
        which, goal = self.about(xp, layout, memory, s), self.goal(xp, layout, memory, s)
        sorted_, right = memory["side"] != 0, self.right(xp, memory, s)
        count = sorted_.sum(-1) * 1.0
        share = (right & sorted_).sum(-1) / count
        reached, risen, held = taken(xp, s, which)
        far = length(xp, (of(xp, which, s.middle) - goal)[..., :2])
        near, up = 1 - xp.tanh(5 * far), xp.clip(risen / 0.03, 0, 1)
        step = 0.3 * reached + 0.3 * held * up + 0.4 * near
        free = s.tool[..., 2] > of(xp, which, s.high)[..., 2] + AWAY
        done = right.all(-1) & free
        worth = xp.where(right.all(-1), 1.0, share + step / (count + 1))
        return self.verdict(xp, now, worth, done, fallen(xp, layout, s, but=which))

    def watch(
        self, xp: Any, layout: Layout, memory: Memory, now: Now, watched: Watched | None
    ) -> Watched:
        """Of the thing that is sorted next; `right`: how many are."""
        right = self.right(xp, memory, sight(xp, layout, now)).sum(-1) * 1.0
        told = dict(super().watch(xp, layout, memory, now, watched))
        return {**told, "right": right}

    def failures(
        self, xp: Any, layout: Layout, memory: Memory, now: Now, watched: Watched
    ) -> Mapping[str, Any]:
        """Something fell over or off, or not all was sorted."""
        s = sight(xp, layout, now)
        return {"fell": fallen(xp, layout, s), "unsorted": ~self.right(xp, memory, s).all(-1)}
