"""Place: a thing is carried to a region, into a container or onto another thing, and let go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cousins.errors import UsageError
from cousins.tasks import Layout, Memory, Now, Verdict
from cousins.tasks.frames import Sight, length, of, sight, turned
from cousins.tasks.lift import graspable, hovering, taken
from cousins.tasks.manipulation import (
    ROOM,
    Manipulation,
    around,
    clear,
    fallen,
    first,
    manipulator,
    obstacles,
)

NEAR, FAR = 0.12, 0.25  # m that a region lies off
LOW = 0.015  # m over where it would lie that it may be let go
AWAY = 0.02  # m that the fingers are then off it, to either side or above
SLOW = 0.1  # m/s
WIDER = 0.005  # m, radius of an opening beyond that of what goes in
FILLED = 0.6  # of its box: a cylinder fills .79 of it, a bowl a fifth


@dataclass(frozen=True)
class _Carry(Manipulation):
    limit: float = 10.0
    radius: float = 0.03

    def suits(self, layout: Layout) -> list[int]:
        """What can be grasped and stays where it is put."""
        rolls = np.zeros(len(layout.names), bool) if layout.rolls is None else layout.rolls
        return [k for k in graspable(layout) if not rolls[k]]

    def begun(self, xp: Any, layout: Layout, s: Sight, which: Any, uniform: Any) -> Memory:
        return {"which": which, **hovering(xp, manipulator(layout), s, which, uniform)}

    def rests(self, xp: Any, s: Sight, which: Any, goal: Any) -> Any:
        """(...) whether it lies where it is to."""
        at = of(xp, which, s.middle)
        return (length(xp, (at - goal)[..., :2]) < self.radius) & (
            xp.abs(at[..., 2] - goal[..., 2]) < LOW
        )

    def judge(self, xp: Any, layout: Layout, memory: Memory, now: Now, action: Any) -> Verdict:
        """Worth: to reach it, to raise it, to bring it there, to let it go. Done once it lies
        there, slow, and the fingers are off it. Lost once something else fell over, or it fell."""
        s = sight(xp, layout, now)
        which, goal = self.about(xp, layout, memory, s), self.goal(xp, layout, memory, s)
        reached, risen, held = taken(xp, s, which)
        at = of(xp, which, s.middle)
        there = self.rests(xp, s, which, goal)
        far = length(xp, (at - goal)[..., :2])
        high = of(xp, which, s.high)[..., 2]
        off = (s.tool[..., 2] > high + AWAY) | (length(xp, (s.tool - at)[..., :2]) > 2 * AWAY + 0.05)
        slow = length(xp, of(xp, which, s.velocity)) < SLOW
        carried = held * xp.clip(risen / 0.03, 0, 1)
        near = 1 - xp.tanh(5 * far)
        worth = 0.2 * reached + 0.2 * carried + 0.3 * near * xp.maximum(carried, there * 1.0)
        worth = xp.where(there, 0.7 + 0.3 * (s.opening > 0.9 * manipulator(layout).opening), worth)
        done = there & off & slow
        return self.verdict(xp, worth, done, fallen(xp, layout, s, but=which))


@dataclass(frozen=True)
class PlaceOn(_Carry):
    """A thing is to stand within `radius` of the middle of a region on what it stands on."""

    near: float = NEAR
    far: float = FAR

    @property
    def name(self) -> str:
        """Its name."""
        return "place_on"

    @property
    def instruction(self) -> str:
        """In words."""
        return f"put {self.object or 'the object'} down on the marked region"

    def begin(self, xp: Any, layout: Layout, uniform: Any, now: Now) -> Memory:
        """The region, which is free."""
        s = sight(xp, layout, now)
        which = self.which(xp, layout, uniform[..., 0])
        others = obstacles(xp, layout, which, now, s)
        middle, extent = of(xp, which, s.middle), of(xp, which, s.high - s.low)
        away = self.near + (self.far - self.near) * uniform[..., 6]
        places = middle[..., None, :2] + around(xp, uniform[..., 7], away)
        # The open fingers have to have room too.
        radius = length(xp, extent[..., :2]) / 2 + ROOM
        room = clear(xp, layout, now, which, places, others, radius)
        goal = of(xp, first(xp, room, ROOM), places)
        return {**self.begun(xp, layout, s, which, uniform),
                "goal": xp.concatenate([goal, middle[..., 2:]], -1)}  # fmt: skip


@dataclass(frozen=True)
class Stack(_Carry):
    """A thing is to stand on another. target: that one's name, "" for the first that is suited."""

    target: str = ""

    @property
    def name(self) -> str:
        """Its name."""
        return "stack"

    @property
    def instruction(self) -> str:
        """In words."""
        return f"stack {self.object or 'the object'} on {self.target or 'the other one'}"

    def bases(self, layout: Layout) -> list[int]:
        """What something can stand on, the widest first: what fills its box has a top."""
        none = np.zeros(len(layout.names))
        rolls = none if layout.rolls is None else layout.rolls
        fill = none + 1 if layout.fill is None else layout.fill
        wide = layout.size[:, :2].min(1)
        good = [k for k in range(len(wide))
                if not rolls[k] and fill[k] > FILLED and layout.size[k, 2] < 3 * wide[k]]  # fmt: skip
        return sorted(good, key=lambda k: -wide[k])

    def suits(self, layout: Layout) -> list[int]:
        """What can be grasped, and stands on something else that stands."""
        return [k for k in super().suits(layout) if set(self.bases(layout)) - {k}]

    def onto(self, layout: Layout) -> int:
        """The other thing. Raises UsageError for one that is not suited."""
        own = self.chosen(layout)
        good = [k for k in self.bases(layout) if own != [k]]
        names = [layout.names[k] for k in good]
        if self.target and self.target not in names:
            raise UsageError(
                f"task {self.name}: nothing can be put there: {self.target!r}; "
                f"there is: {', '.join(names) or 'nothing'}"
            )
        return good[names.index(self.target) if self.target else 0]

    def begin(self, xp: Any, layout: Layout, uniform: Any, now: Now) -> Memory:
        """Which goes where."""
        s = sight(xp, layout, now)
        which = self.which(xp, layout, uniform[..., 0])
        return self.begun(xp, layout, s, which, uniform)

    def goal(self, xp: Any, layout: Layout, memory: Memory, s: Sight) -> Any:
        """On the middle of the other's top, wherever that is now."""
        k, which = self.onto(layout), memory["which"]
        tall = of(xp, which, s.high - s.low)[..., 2:] / 2
        return xp.concatenate([s.middle[..., k, :2], s.high[..., k, 2:] + tall], -1)


@dataclass(frozen=True)
class PlaceIn(Stack):
    """A thing is to lie within a container's opening."""

    @property
    def name(self) -> str:
        """Its name."""
        return "place_in"

    @property
    def instruction(self) -> str:
        """In words."""
        return f"put {self.object or 'the object'} into {self.target or 'the container'}"

    def bases(self, layout: Layout) -> list[int]:
        """What has an opening, the widest first."""
        shape = layout.shape
        assert shape is not None
        good = np.flatnonzero(np.asarray(shape.depth) > 0)
        return sorted(good.tolist(), key=lambda k: -float(shape.radius[k]))

    def suits(self, layout: Layout) -> list[int]:
        """What can be grasped and goes into some opening; what rolls as well."""
        shape = layout.shape
        assert shape is not None
        room = {k: float(shape.radius[k]) for k in self.bases(layout)}
        half = np.linalg.norm(layout.size[:, :2], axis=1) / 2
        return [
            k for k in graspable(layout)
            if any(half[k] + WIDER <= wide for j, wide in room.items() if j != k)
        ]  # fmt: skip

    def begin(self, xp: Any, layout: Layout, uniform: Any, now: Now) -> Memory:
        """Also how wide the opening is, and where it is in its object's frame."""
        k, shape = self.onto(layout), now.shape
        assert shape is not None
        hole = xp.concatenate(
            [shape.opening[..., k, :], shape.radius[..., k, None], shape.depth[..., k, None]], -1
        )
        return {**super().begin(xp, layout, uniform, now), "hole": hole}

    def goal(self, xp: Any, layout: Layout, memory: Memory, s: Sight) -> Any:
        """The middle of the opening at the depth at which it lies on the bottom."""
        k, which, hole = self.onto(layout), memory["which"], memory["hole"]
        rim = s.position[..., k, :] + turned(s.turn[..., k, :, :], hole[..., :3])
        tall = of(xp, which, s.high - s.low)[..., 2:] / 2
        return xp.concatenate([rim[..., :2], rim[..., 2:] - hole[..., 4:5] + tall], -1)

    def rests(self, xp: Any, s: Sight, which: Any, goal: Any) -> Any:
        """(...) whether it is within the opening; how deep it lies is the container's matter."""
        at = of(xp, which, s.middle)
        near = length(xp, (at - goal)[..., :2]) < self.radius + 0.02
        return near & (at[..., 2] < goal[..., 2] + 0.03)

