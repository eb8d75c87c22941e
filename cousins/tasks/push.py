"""Push: a thing is to slide, upright, into a region that is marked on what it stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cousins.tasks import JOINTS, Layout, Memory, Now, Verdict, Watched
from cousins.tasks.account import TOUCHED, collided, fallen, fell
from cousins.tasks.frames import apart, length, of, sight
from cousins.tasks.manipulation import (
    ROOM,
    SPAN,
    TRIES,
    Manipulation,
    across,
    around,
    clear,
    first,
    flag,
    manipulator,
    obstacles,
    region,
    within,
)

NEAR, FAR = 0.08, 0.16  # m that the region lies off
BESIDE = 0.04  # m at most from the thing that the fingertips begin at, beside what is kept free
TIP = 0.02  # m over the surface that the tool stays at least; fingertips reach lower
DEEP = 0.03  # m below a thing's top: what is wider above the fingers does not touch it
LEVEL = 0.01  # m that a surface is off the height of the robot's base
MOVED = 0.03  # m that another thing may be pushed aside


@dataclass(frozen=True)
class Push(Manipulation):
    """The fingertips, one on either side of the way, move over the surface at one height; a thing
    is to come within `radius` of the middle of a region. near and far: how far that lies off, m;
    spread: how far round the thing from straight behind it the fingertips may begin, rad."""

    radius: float = 0.03
    near: float = NEAR
    far: float = FAR
    spread: float = 0.8
    limit: float = 3.0

    @property
    def name(self) -> str:
        """Its name."""
        return "push"

    def says(self, thing: str, target: str) -> str:
        """In words."""
        return f"push {thing} into the marked region"

    @property
    def axes(self) -> tuple[str, ...]:
        """Over the surface."""
        return ("x", "y")

    @property
    def grips(self) -> bool:
        """The gripper is held."""
        return False

    @property
    def open(self) -> float:
        """Half open: two fingertips keep a thing before them."""
        return 0.5

    def lacks(self, layout: Layout) -> str:
        """In words."""
        return "nothing within reach stands, and is low and small enough to be pushed"

    def suits(self, layout: Layout) -> list[int]:
        """What stands where the robot's base does, does not roll and is not tall for its width; the
        smallest first, which has most room."""
        robot, size = manipulator(layout), layout.size
        rolls = flag(layout, "rolls")
        wide = size[:, :2].min(1)
        low = [k for k in within(layout) if not rolls[k] and self._on_level(layout, k)
               and size[k, 2] < 2 * wide[k] and size[k, :2].max() < robot.reach / 3]  # fmt: skip
        return sorted(low, key=lambda k: size[k, :2].max())

    def _on_level(self, layout: Layout, k: int) -> bool:
        """Whether it stands on the surface over which the fingertips move."""
        if not (flag(layout, "stands")[k] and flag(layout, "bare")[k]):
            return False
        if layout.surface is None or layout.base is None:
            return True
        on = layout.surface[k]
        return on >= 0 and abs(layout.surfaces[on].height - layout.base[2]) < LEVEL

    def begin(self, xp: Any, layout: Layout, uniform: Any, now: Now) -> Memory:
        """The region, to which the way is free, and where the fingertips begin, beside it."""
        which, now, s, begun = self.opened(xp, layout, uniform, now)
        robot = manipulator(layout)
        middle, extent = of(xp, which, s.middle)[..., :2], of(xp, which, s.high - s.low)
        floor, radius = of(xp, which, s.low)[..., 2:], across(xp, which, now)
        level = xp.maximum(floor[..., 0] + TIP, of(xp, which, s.high)[..., 2] - DEEP)
        others, walls = (obstacles(xp, layout, which, now, s, at) for at in (None, level))
        fingers = SPAN + 0.0 * radius
        away = self.near + (self.far - self.near) * uniform[..., 2]
        step = around(xp, uniform[..., 1], away)
        places = middle[..., None, :] + step
        ends = xp.broadcast_to(middle[..., None, :], places.shape)
        way = apart(xp, ends, places, xp.broadcast_to(
            others[..., None, :, :2], (*places.shape[:-1], others.shape[-2], 2)))  # fmt: skip
        way = (way - others[..., None, :, 3]).min(-1) - radius[..., None]
        # Behind the thing there is to be room for the gripper.
        behind = middle[..., None, :] - step * ((radius + SPAN) / away)[..., None, None]
        room = xp.minimum(clear(xp, layout, now, which, places, others, radius),
                          clear(xp, layout, now, which, behind, walls, fingers))  # fmt: skip
        goal = of(xp, first(xp, xp.minimum(room, way), ROOM), places)
        begin = radius + SPAN + ROOM / 2 + BESIDE * uniform[..., 4]
        # Evenly over the arc, in steps of the golden ratio.
        share = (uniform[..., 3, None] + 0.618034 * xp.arange(TRIES)) % 1.0
        back = xp.arctan2(middle[..., 1] - goal[..., 1], middle[..., 0] - goal[..., 0])
        angle = back[..., None] + self.spread * (2 * share - 1)
        arc = xp.stack([xp.cos(angle), xp.sin(angle)], -1)
        beside = middle[..., None, :] + begin[..., None, None] * arc
        free = clear(xp, layout, now, which, beside, walls, fingers)
        start = of(xp, first(xp, free, ROOM / 2), beside)
        tool = xp.concatenate([start, level[..., None]], -1)
        joints = robot.reaching(xp, tool, back + xp.pi / 2)  # open across the way
        return {**begun, "goal": xp.concatenate([goal, floor + extent[..., 2:] / 2], -1),
                "first": length(xp, goal - middle), "level": level, JOINTS: joints}  # fmt: skip

    def mark(self, xp: Any, layout: Layout, memory: Memory, now: Now) -> Any:
        """The region."""
        return region(xp, layout, memory, now, self.radius)

    def judge(self, xp: Any, layout: Layout, memory: Memory, now: Now, action: Any) -> Verdict:
        """Worth: the share of the way that is done, and how near the fingertips are to right behind
        it. Lost once something fell over."""
        s, which = sight(xp, layout, now), memory["which"]
        at = of(xp, which, s.middle)[..., :2]
        left = memory["goal"][..., :2] - at
        far = length(xp, left)
        radius = length(xp, of(xp, which, s.high - s.low)[..., :2]) / 2
        back = at - left / xp.maximum(far, 1e-6)[..., None] * (radius + 0.01)[..., None]
        placed = 1 - xp.tanh(8 * length(xp, s.tool[..., :2] - back))
        worth = 0.3 * placed + 0.7 * xp.clip(1 - far / memory["first"], -1, 1)
        aside = length(xp, (s.position - s.start)[..., :2]) * (1 - which)
        done = far < self.radius
        worth = worth - 0.3 * (aside.max(-1) > MOVED)
        return self.verdict(xp, now, worth, done, fallen(xp, layout, s))

    def failures(
        self, xp: Any, layout: Layout, memory: Memory, now: Now, watched: Watched
    ) -> Mapping[str, Any]:
        """The thing fell over, others were moved, or it was never touched."""
        s, which = sight(xp, layout, now), memory["which"]
        return {"fell": fell(xp, layout, s, which),
                "collided": collided(xp, layout, s, which, watched),
                "missed": watched["moved"] < TOUCHED}  # fmt: skip
