"""Sort: things of one kind go to one side of the robot, those of the other kind to the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cousins.errors import UsageError
from cousins.tasks import Layout, Memory, Now, Verdict
from cousins.tasks.frames import Sight, length, of, sight
from cousins.tasks.lift import graspable, hovering, taken
from cousins.tasks.manipulation import Manipulation, fallen, manipulator

BORDER = 0.02  # m that a thing's middle is beyond the middle line
ROW = 0.09  # m between the places of a side
OUT = 0.16  # m from the middle line at which they are
AWAY = 0.03  # m over the last one that the fingers are in the end
SLOW = 0.1  # m/s


@dataclass(frozen=True)
class Sort(Manipulation):
    """Everything that can be grasped is to be on its kind's side of the line straight ahead of the
    robot's base: what rolls on the left, what stands on the right."""

    limit: float = 30.0

    @property
    def name(self) -> str:
        """Its name."""
        return "sort"

    @property
    def instruction(self) -> str:
        """In words."""
        return "put what rolls on the left and what stands on the right"

    def suits(self, layout: Layout) -> list[int]:
        """All that is sorted, if there is something of either kind."""
        good = graspable(layout)
        kinds = {bool(self._rolls(layout)[k]) for k in good}
        return good if len(kinds) == 2 else []

    def _rolls(self, layout: Layout) -> Any:
        return np.zeros(len(layout.names), bool) if layout.rolls is None else layout.rolls

    def sides(self, layout: Layout) -> Any:
        """(A,) 1 for the left, -1 for the right, 0 for what is not sorted. Raises UsageError where
        there is nothing to sort."""
        if self.object:
            raise UsageError("task sort takes no object: it is about all that can be grasped")
        good = self.chosen(layout)
        good = self.suits(layout) if good else []
        out = np.zeros(len(layout.names))
        out[good] = np.where(self._rolls(layout)[good], 1.0, -1.0)
        return out

    def begin(self, xp: Any, layout: Layout, uniform: Any, now: Now) -> Memory:
        """The gripper begins above the first thing."""
        s, robot = sight(xp, layout, now), manipulator(layout)
        which = self.about(xp, layout, {}, s)
        return {"begun": 0.0 * uniform[..., 0], **hovering(xp, robot, s, which, uniform)}

    def right(self, xp: Any, layout: Layout, s: Sight) -> Any:
        """(..., A) which things lie where they are to be, with those that are not sorted."""
        side = xp.asarray(self.sides(layout))
        lies = (s.low[..., 2] - s.start[..., 2] < 0.0) & (length(xp, s.velocity) < SLOW)
        return (side == 0) | ((s.middle[..., 1] * side > BORDER) & lies)

    def about(self, xp: Any, layout: Layout, memory: Memory, s: Sight) -> Any:
        """(..., A) the first that is not; in the end the last one."""
        side = self.sides(layout)
        order = xp.asarray(np.where(side != 0, np.arange(len(side)), 1e3))
        wrong = xp.where(self.right(xp, layout, s), 1e3, order)
        last = int(np.flatnonzero(side)[-1])
        k = xp.where(wrong.min(-1) < 1e3, xp.argmin(wrong, -1), last)
        return (k[..., None] == xp.arange(len(side))).astype(float)

    def goal(self, xp: Any, layout: Layout, memory: Memory, s: Sight) -> Any:
        """(..., 3) the place of that one on its side: the nearest along the line that is free."""
        which = self.about(xp, layout, memory, s)
        side = (which * xp.asarray(self.sides(layout))).sum(-1)
        at = of(xp, which, s.middle)
        others = s.middle[..., :2] + 1e3 * which[..., None]
        robot = manipulator(layout)
        low, high = robot.low[0] + 0.05, robot.high[0] - 0.05
        rows = xp.arange(7) - 3
        x = xp.clip(at[..., None, 0] + ROW * rows, low, high)
        y = xp.broadcast_to(OUT * side[..., None], x.shape)
        places = xp.stack([x, y], -1)
        gap = length(xp, places[..., :, None, :] - others[..., None, :, :]).min(-1)
        score = xp.where(gap > ROW, 1.0, gap) - 1e-3 * xp.abs(rows)
        best = (xp.argmax(score, -1)[..., None] == xp.arange(7)).astype(float)
        start = of(xp, which, s.start)[..., 2:]
        return xp.concatenate([of(xp, best, places), start], -1)

    def judge(self, xp: Any, layout: Layout, memory: Memory, now: Now, action: Any) -> Verdict:
        """Worth: the share that is on its side, and what is done about the next one."""
        s = sight(xp, layout, now)
        which, goal = self.about(xp, layout, memory, s), self.goal(xp, layout, memory, s)
        side = self.sides(layout)
        right = self.right(xp, layout, s)
        count = float((side != 0).sum())
        share = (right & xp.asarray(side != 0)).sum(-1) / count
        reached, risen, held = taken(xp, s, which)
        far = length(xp, (of(xp, which, s.middle) - goal)[..., :2])
        step = 0.3 * reached + 0.3 * held * xp.clip(risen / 0.03, 0, 1) + 0.4 * (1 - xp.tanh(5 * far))
        free = s.tool[..., 2] > of(xp, which, s.high)[..., 2] + AWAY
        done = right.all(-1) & free
        worth = xp.where(right.all(-1), 1.0, share + step / (count + 1))
        return self.verdict(xp, worth, done, fallen(xp, layout, s, but=which))

