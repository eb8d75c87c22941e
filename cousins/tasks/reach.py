"""Reach: the gripper goes to a place right above a thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cousins.tasks import JOINTS, Layout, Memory, Now, Verdict
from cousins.tasks.frames import length, of, sight
from cousins.tasks.manipulation import (
    FINGER,
    Manipulation,
    around,
    clear,
    fallen,
    first,
    manipulator,
)

ABOVE = 0.03  # m over the thing's top
HIGH = 0.12  # m over its top that the gripper begins at
ASIDE = 0.25  # m from it at most
NEAR = 0.02  # m


@dataclass(frozen=True)
class Reach(Manipulation):
    """The gripper is to be within `near` of a place `ABOVE` the top of a thing."""

    near: float = NEAR
    limit: float = 4.0

    @property
    def name(self) -> str:
        """Its name."""
        return "reach"

    @property
    def instruction(self) -> str:
        """In words."""
        return f"move the gripper right above {self.object or 'the object'}"

    @property
    def grips(self) -> bool:
        """The gripper stays closed."""
        return False

    def suits(self, layout: Layout) -> list[int]:
        """Everything."""
        return list(range(len(layout.names)))

    def begin(self, xp: Any, layout: Layout, uniform: Any, now: Now) -> Memory:
        """The place, and where the gripper begins: higher, and to the side."""
        s, robot = sight(xp, layout, now), manipulator(layout)
        which = self.which(xp, layout, uniform[..., 0])
        top = of(xp, which, s.high)[..., 2:]
        middle = of(xp, which, s.middle)[..., :2]
        goal = xp.concatenate([middle, top + ABOVE], -1)
        places = middle[..., None, :] + around(xp, uniform[..., 1], ASIDE * uniform[..., 2])
        others = xp.zeros((*uniform.shape[:-1], 1, 4)) + xp.asarray([1e3, 1e3, 0.0, 0.0])
        room = clear(xp, layout, now, which, places, others, 0.0 * uniform[..., 0])
        start = of(xp, first(xp, room, 0.0), places)
        tall = s.high[..., 2].max(-1)[..., None]
        tool = xp.concatenate([start, tall + HIGH * uniform[..., 3:4] + FINGER], -1)
        joints = robot.reaching(xp, tool, 2 * xp.pi * uniform[..., 4])
        return {"which": which, "goal": goal, JOINTS: joints}

    def judge(self, xp: Any, layout: Layout, memory: Memory, now: Now, action: Any) -> Verdict:
        """Worth: how near it is. Lost once it has knocked something over."""
        s = sight(xp, layout, now)
        far = length(xp, s.tool - memory["goal"])
        done = far < self.near
        return self.verdict(xp, 1 - xp.tanh(5 * far), done, fallen(xp, layout, s))
