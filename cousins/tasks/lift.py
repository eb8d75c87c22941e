"""Lift: a thing is taken between the fingers and raised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cousins.tasks import JOINTS, Layout, Memory, Now, Verdict, Watched
from cousins.tasks.account import fallen, holding, of_taking
from cousins.tasks.frames import Sight, length, of, sight
from cousins.tasks.manipulation import MARGIN, Manipulation, flag, manipulator, within

HOVER, ABOVE = 0.02, 0.06  # m over the thing's top that the fingertips begin at: least, and more
ASIDE = 0.03  # m
THERE = 0.84  # of how near the fingers are, 2 cm off: from there on they close
DEEP = 0.035  # m that fingertips go below a thing's top at most


@dataclass(frozen=True)
class Lift(Manipulation):
    """A thing is to be `height` above where it stood, between the fingers."""

    height: float = 0.10
    limit: float = 4.0

    @property
    def name(self) -> str:
        """Its name."""
        return "lift"

    def says(self, thing: str, target: str) -> str:
        """In words."""
        return f"pick up {thing}"

    def lacks(self, layout: Layout) -> str:
        """In words."""
        return "nothing within reach fits between the fingers"

    def suits(self, layout: Layout) -> list[int]:
        """What fits between the open fingers, the narrowest for that first."""
        return graspable(layout)

    def begin(self, xp: Any, layout: Layout, uniform: Any, now: Now) -> Memory:
        """The gripper begins open, above the thing and a little aside."""
        which, now, s, begun = self.opened(xp, layout, uniform, now)
        return {**begun, **hovering(xp, manipulator(layout), s, which, uniform),
                "goal": of(xp, which, s.middle) + xp.asarray([0.0, 0.0, self.height])}  # fmt: skip

    def judge(self, xp: Any, layout: Layout, memory: Memory, now: Now, action: Any) -> Verdict:
        """Worth: how near the fingers are to where they take it, open until they are there and then
        closed, and how high it is. Lost once something fell over or off."""
        s, which = sight(xp, layout, now), memory["which"]
        reached, risen, held = taken(xp, s, which)
        share = xp.clip(risen / self.height, 0, 1)
        shut = 1 - s.opening / manipulator(layout).opening
        grip = xp.where(reached > THERE, shut, 0.5 * (1 - shut))
        worth = 0.25 * reached + 0.15 * grip + 0.6 * share * held
        done = (risen >= self.height) & (held > 0)
        return self.verdict(xp, now, worth, done, fallen(xp, layout, s, but=which))

    def failures(
        self, xp: Any, layout: Layout, memory: Memory, now: Now, watched: Watched
    ) -> Mapping[str, Any]:
        """See `cousins.tasks.account.of_taking`."""
        s = sight(xp, layout, now)
        return of_taking(xp, layout, s, memory["which"], watched)


def graspable(layout: Layout) -> list[int]:
    """Which objects fit between the open fingers and carry nothing, the narrowest first of those
    that stand."""
    wide, robot = layout.size[:, :2].min(1), manipulator(layout)
    rolls, bare = flag(layout, "rolls"), flag(layout, "bare")
    good = [k for k in within(layout) if bare[k] and wide[k] <= robot.opening - MARGIN]
    return sorted(good, key=lambda k: (bool(rolls[k]), wide[k]))


def hovering(xp: Any, robot: Any, s: Sight, which: Any, uniform: Any) -> Memory:
    """Where the gripper begins above a thing: by uniform (..., 1:6)."""
    middle, top = of(xp, which, s.middle)[..., :2], of(xp, which, s.high)[..., 2:]
    angle, away = 2 * xp.pi * uniform[..., 1], ASIDE * uniform[..., 2]
    aside = away[..., None] * xp.stack([xp.cos(angle), xp.sin(angle)], -1)
    low, high = xp.asarray(robot.low), xp.asarray(robot.high)
    tool = xp.concatenate([middle + aside, top + HOVER + ABOVE * uniform[..., 3:4]], -1)
    across, _ = s.across(xp, which)  # along which the fingers close, nearly
    yaw = xp.arctan2(across[..., 1], across[..., 0]) + 0.8 * (uniform[..., 4] - 0.5)
    return {JOINTS: robot.reaching(xp, xp.clip(tool, low, high), yaw)}


def taken(xp: Any, s: Sight, which: Any) -> tuple[Any, Any, Any]:
    """(...) each: how near, 0..1, the fingers are to where they take it, how far it has risen, m,
    and whether it is between them, 0 or 1."""
    middle, high = of(xp, which, s.middle), of(xp, which, s.high)
    start = of(xp, which, s.start)
    level = xp.maximum(middle[..., 2], high[..., 2] - DEEP)
    at = xp.concatenate([middle[..., :2], level[..., None]], -1)
    far = length(xp, s.tool - at)
    risen = of(xp, which, s.position)[..., 2] - start[..., 2]
    return 1 - xp.tanh(8 * far), risen, holding(xp, s, which)
