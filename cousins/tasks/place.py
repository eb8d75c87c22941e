"""Place: a thing is carried to a region, into a container or onto another thing, and let go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from cousins.errors import UsageError
from cousins.tasks import Layout, Memory, Now, Verdict, Watched
from cousins.tasks.account import fallen, of_taking
from cousins.tasks.frames import Sight, length, of, sight, turned
from cousins.tasks.lift import graspable, hovering, taken
from cousins.tasks.manipulation import (
    ANY,
    ROOM,
    Manipulation,
    around,
    clear,
    first,
    flag,
    manipulator,
    named,
    obstacles,
    region,
    within,
)

NEAR, FAR = 0.12, 0.25  # m that a region lies off
LOW = 0.015  # m over where it would lie that it may be let go
AWAY = 0.02  # m that the fingers are then off it, to either side or above
SLOW = 0.1  # m/s
SHALLOW, WALL = 0.75, 0.01  # of its depth, that a bowl's radius is; m, its wall and its slope
SUNK = 0.75  # of an opening's depth, above which a thing is not in it
WIDER = 0.005  # m, radius of an opening beyond that of what goes in
WIDE = 0.33  # of a thing's long side, that what carries it is wide
FILLED = 0.6  # of its box: a cylinder fills .79 of it, a bowl a fifth


@dataclass(frozen=True)
class _Carry(Manipulation):
    limit: float = 10.0
    radius: float = 0.03

    def suits(self, layout: Layout) -> list[int]:
        """What can be grasped and stays where it is put."""
        rolls = flag(layout, "rolls")
        return [k for k in graspable(layout) if not rolls[k]]

    def lacks(self, layout: Layout) -> str:
        """In words."""
        return "nothing within reach fits between the fingers and stays where it is put"

    def rests(self, xp: Any, memory: Memory, s: Sight, which: Any, goal: Any) -> Any:
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
        there = self.rests(xp, memory, s, which, goal)
        far = length(xp, (at - goal)[..., :2])
        high = of(xp, which, s.high)[..., 2]
        off = (s.tool[..., 2] > high + AWAY) | (
            length(xp, (s.tool - at)[..., :2]) > 2 * AWAY + 0.05
        )
        slow = length(xp, of(xp, which, s.velocity)) < SLOW
        carried = held * xp.clip(risen / 0.03, 0, 1)
        near = 1 - xp.tanh(5 * far)
        worth = 0.2 * reached + 0.2 * carried + 0.3 * near * xp.maximum(carried, there * 1.0)
        worth = xp.where(there, 0.7 + 0.3 * (s.opening > 0.9 * manipulator(layout).opening), worth)
        done = there & off & slow
        return self.verdict(xp, now, worth, done, fallen(xp, layout, s, but=which))

    def failures(
        self, xp: Any, layout: Layout, memory: Memory, now: Now, watched: Watched
    ) -> Mapping[str, Any]:
        """See `cousins.tasks.account.of_taking`."""
        s, which = sight(xp, layout, now), memory["which"]
        goal = self.goal(xp, layout, memory, s)
        return of_taking(xp, layout, s, which, watched, goal)


@dataclass(frozen=True)
class PlaceOn(_Carry):
    """A thing is to stand within `radius` of the middle of a region on what it stands on."""

    near: float = NEAR
    far: float = FAR

    @property
    def name(self) -> str:
        """Its name."""
        return "place_on"

    def says(self, thing: str, target: str) -> str:
        """In words."""
        return f"put {thing} down on the marked region"

    def suits(self, layout: Layout) -> list[int]:
        """Of these, what stands on the surface itself, where the region is."""
        return [k for k in super().suits(layout) if flag(layout, "stands")[k]]

    def begin(self, xp: Any, layout: Layout, uniform: Any, now: Now) -> Memory:
        """The region, which is free."""
        which, now, s, begun = self.opened(xp, layout, uniform, now)
        others = obstacles(xp, layout, which, now, s)
        middle, extent = of(xp, which, s.middle), of(xp, which, s.high - s.low)
        away = self.near + (self.far - self.near) * uniform[..., 6]
        places = middle[..., None, :2] + around(xp, uniform[..., 7], away)
        # The open fingers have to have room too.
        radius = length(xp, extent[..., :2]) / 2 + ROOM
        room = clear(xp, layout, now, which, places, others, radius)
        goal = of(xp, first(xp, room, ROOM), places)
        return {**begun, **hovering(xp, manipulator(layout), s, which, uniform),
                "goal": xp.concatenate([goal, middle[..., 2:]], -1)}  # fmt: skip

    def mark(self, xp: Any, layout: Layout, memory: Memory, now: Now) -> Any:
        """The region."""
        return region(xp, layout, memory, now, self.radius)


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
        thing = self.object if self.object not in ("", ANY) else "the object"
        return self.says(thing, self.target or self.other)

    def said(self, layout: Layout) -> str:
        """In words, of this scene's things."""
        return self.says(self.called(layout), named(layout, self.onto(layout)))

    @property
    def other(self) -> str:
        """The other thing, where it has no name."""
        return "the other one"

    def says(self, thing: str, target: str) -> str:
        """In words."""
        return f"stack {thing} on {target}"

    def lacks(self, layout: Layout) -> str:
        """In words."""
        if not self.bases(layout):
            return "nothing here has a top to stand on"
        return "nothing that fits between the fingers stands on another thing here"

    def choices(self, layout: Layout) -> list[tuple[str, ...]]:
        """Each pair."""
        return [(layout.names[k], layout.names[base]) for k, base in self.pairs(layout)]

    def settled(self, layout: Layout) -> Self:
        """The same with the object and the target named."""
        return replace(super().settled(layout), target=layout.names[self.onto(layout)])

    def bases(self, layout: Layout) -> list[int]:
        """What something can stand on, the widest first: what fills its box has a top."""
        fill = np.ones(len(layout.names)) if layout.fill is None else layout.fill
        wide = layout.size[:, :2].min(1)
        low, free = layout.size[:, 2] < 3 * wide, flag(layout, "stands") & flag(layout, "bare")
        good = low & free & ~flag(layout, "rolls") & (fill > FILLED)
        return sorted((k for k in within(layout) if good[k]), key=lambda k: -wide[k])

    def taken(self, layout: Layout) -> list[int]:
        """What can be carried."""
        return super().suits(layout)

    def carries(self, layout: Layout, base: int, k: int) -> bool:
        """Whether there is room for an object on that base."""
        return layout.size[base, :2].min() > WIDE * layout.size[k, :2].max()

    def pairs(self, layout: Layout) -> list[tuple[int, int]]:
        """Each object that it suits with each other one that it can go to, those first that are
        taken where nothing is asked for."""
        bases = self.bases(layout)
        return [(k, base) for k in self.taken(layout) for base in bases
                if base != k and self.carries(layout, base, k)]  # fmt: skip

    def suits(self, layout: Layout) -> list[int]:
        """What can be grasped, and stands on something else that stands."""
        pairs = self.pairs(layout)
        names = [layout.names[base] for _, base in pairs]
        if self.target and self.target not in names:
            raise UsageError(
                f"task {self.name}: nothing can be put there: {self.target!r}; "
                f"there is: {', '.join(dict.fromkeys(names)) or 'nothing'}"
            )
        return list(dict.fromkeys(k for k, base in pairs
                                  if self.target in ("", layout.names[base])))  # fmt: skip

    def chosen(self, layout: Layout) -> list[int]:
        """The objects that an episode may be about: of any, those that go to the one target."""
        found = super().chosen(layout)
        target = self._onto(layout, found)
        return [k for k in found if (k, target) in self.pairs(layout)]

    def onto(self, layout: Layout) -> int:
        """The other thing."""
        return self._onto(layout, super().chosen(layout))

    def _onto(self, layout: Layout, own: list[int]) -> int:
        if self.target:
            return layout.names.index(self.target)
        return next(base for k, base in self.pairs(layout) if k in own)

    def begin(self, xp: Any, layout: Layout, uniform: Any, now: Now) -> Memory:
        """Which goes where."""
        which, now, s, begun = self.opened(xp, layout, uniform, now)
        target = (xp.arange(len(layout.names)) == self.onto(layout)).astype(float)
        return {**begun, **hovering(xp, manipulator(layout), s, which, uniform),
                "target": xp.broadcast_to(target, which.shape)}  # fmt: skip

    def goal(self, xp: Any, layout: Layout, memory: Memory, s: Sight) -> Any:
        """On the middle of the other's top, wherever that is now."""
        which, target = memory["which"], memory["target"]
        tall = of(xp, which, s.high - s.low)[..., 2:] / 2
        middle, top = of(xp, target, s.middle)[..., :2], of(xp, target, s.high)[..., 2:]
        return xp.concatenate([middle, top + tall], -1)


@dataclass(frozen=True)
class PlaceIn(Stack):
    """A thing is to lie within a container's opening."""

    @property
    def name(self) -> str:
        """Its name."""
        return "place_in"

    @property
    def other(self) -> str:
        """The other thing, where it has no name."""
        return "the container"

    def says(self, thing: str, target: str) -> str:
        """In words."""
        return f"put {thing} into {target}"

    def lacks(self, layout: Layout) -> str:
        """In words."""
        if layout.shape is None:
            return "what has an opening is known once there are cousins: augment first"
        if not self.bases(layout):
            return "nothing here has an opening"
        return "nothing within reach that fits between the fingers goes through an opening here"

    def bases(self, layout: Layout) -> list[int]:
        """What has an opening, the widest first."""
        shape, free = layout.shape, flag(layout, "stands") & flag(layout, "bare")
        if shape is None:
            return []
        good = [k for k in within(layout) if shape.depth[k] > 0 and free[k]]
        return sorted(good, key=lambda k: -float(shape.radius[k]))

    def carries(self, layout: Layout, base: int, k: int) -> bool:
        """Whether it goes through the opening."""
        shape = layout.shape
        assert shape is not None
        wide, deep = float(shape.radius[base]), float(shape.depth[base])
        if wide > SHALLOW * deep:
            # The ball that the radius is of lies on the bottom: the rim is wider.
            wide = max(wide, float(layout.size[base, :2].min()) / 2 - WALL)
        return float(np.hypot(*layout.size[k, :2])) / 2 + WIDER <= wide

    def taken(self, layout: Layout) -> list[int]:
        """What can be grasped; what rolls as well."""
        return graspable(layout)

    def begin(self, xp: Any, layout: Layout, uniform: Any, now: Now) -> Memory:
        """Also how wide the opening is, and where it is in its object's frame."""
        begun, shape = super().begin(xp, layout, uniform, now), now.shape
        assert shape is not None
        hole = xp.concatenate(
            [shape.opening, shape.radius[..., None], shape.depth[..., None]], -1
        )  # fmt: skip
        return {**begun, "hole": of(xp, begun["target"], hole)}

    def goal(self, xp: Any, layout: Layout, memory: Memory, s: Sight) -> Any:
        """The middle of the opening at the depth at which it lies on the bottom."""
        which, target, hole = memory["which"], memory["target"], memory["hole"]
        rim = of(xp, target, s.position) + turned(of(xp, target, s.turn), hole[..., :3])
        tall = of(xp, which, s.high - s.low)[..., 2:] / 2
        return xp.concatenate([rim[..., :2], rim[..., 2:] - hole[..., 4:5] + tall], -1)

    def rests(self, xp: Any, memory: Memory, s: Sight, which: Any, goal: Any) -> Any:
        """(...) whether it is within the opening; how deep it lies is the container's matter."""
        at = of(xp, which, s.middle)
        near = length(xp, (at - goal)[..., :2]) < memory["hole"][..., 3]
        return near & (at[..., 2] < goal[..., 2] + SUNK * memory["hole"][..., 4])
