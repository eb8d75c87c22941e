"""What tasks with a robot have in common: what is seen, what an action does, where things can go.

Lengths and directions are in the frame of the robot's base, in which it would see them in the real
place too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cousins.errors import UsageError
from cousins.tasks import JOINTS, Command, Layout, Memory, Now, Verdict
from cousins.tasks.frames import Sight, apart, inside, inward, length, of, outward, sight

UPRIGHT = 0.7  # cosine of the lean past which a thing has fallen over
FELL = 0.05  # m below where it stood, it has fallen off
FINGER = 0.025  # m, radius about the closed fingertips
ROOM = 0.02  # m that is kept between things
TRIES = 12  # places that are tried for what an episode draws
MARGIN = 0.008  # m that a gripper opens wider than what it takes
WON, LOST = 10.0, -20.0  # rewards at the end
ANY = "any"  # in place of an object's name: another one in each episode
SEEN = (
    "tool.x", "tool.y", "tool.z", "tool.closing_cos", "tool.closing_sin", "tool.opening",
    "tool.lag_x", "tool.lag_y", "tool.lag_z",
    "object.x", "object.y", "object.z", "object.r11", "object.r21", "object.r31", "object.r12",
    "object.r22", "object.r32", "object.vx", "object.vy", "object.vz", "object.size_x",
    "object.size_y", "object.size_z", "object.top", "goal.x", "goal.y", "goal.z",
    "nearest.x", "nearest.y", "nearest.z",
)  # fmt: skip


@dataclass(frozen=True)
class Manipulation:
    """One thing, and a place for it. object: its name, "" for the first that the task suits, "any"
    for another in each episode. mode: how actions move the arm, see `cousins.robots.control`."""

    object: str = ""
    control: float = 0.05
    limit: float = 5.0

    @property
    def robotic(self) -> bool:
        """It takes a robot."""
        return True

    @property
    def axes(self) -> tuple[str, ...]:
        """Along and about which an action moves the tool."""
        return ("x", "y", "z", "yaw")

    @property
    def grips(self) -> bool:
        """Whether an action opens and closes the gripper; else it is held as it is."""
        return True

    @property
    def opened(self) -> float:
        """How far open the gripper is held, 0..1, where no action moves it."""
        return 0.0

    def suits(self, layout: Layout) -> list[int]:
        """Which objects it can be done with."""
        raise NotImplementedError

    def numbers(self, layout: Layout) -> int:
        """The object, the goal's way and distance, and the tool's beginning."""
        return 8

    def actions(self, layout: Layout) -> int:
        """See `action_names`."""
        return len(self.action_names(layout))

    def action_names(self, layout: Layout) -> tuple[str, ...]:
        """What each number of an action moves."""
        robot = manipulator(layout)
        return (*robot.moves(self.axes), *(("grip",) if self.grips else ()))

    def observations(self, layout: Layout) -> tuple[str, ...]:
        """Names; see `observe`."""
        return SEEN

    def command(self, xp: Any, layout: Layout, memory: Memory, now: Now, action: Any) -> Command:
        """Where the arm's joints are to go, and how far the gripper opens: -1 closed, 1 open."""
        robot, hand = manipulator(layout), now.hand
        assert hand is not None
        action = xp.clip(action, -1, 1)
        arm = action[..., :-1] if self.grips else action
        grip = (action[..., -1] + 1) / 2 if self.grips else self.opened + xp.zeros(arm.shape[:-1])
        joints = robot.towards(
            xp, self.axes, hand.target, hand.joints, arm, self.control, memory.get("level")
        )
        return Command(joints=joints, grip=grip)

    def observe(self, xp: Any, layout: Layout, memory: Memory, now: Now) -> Any:
        """(..., 31): the tool, then the object and the goal and what is nearest, from the tool."""
        s = sight(xp, layout, now)
        which, goal = self.about(xp, layout, memory, s), self.goal(xp, layout, memory, s)
        tool = s.tool
        closing = s.closing
        flat = xp.maximum(length(xp, closing[..., :2]), 1e-6)
        cos, sin = closing[..., 0] / flat, closing[..., 1] / flat
        # A gripper turned half round is the same one: twice the angle.
        line = xp.stack([cos * cos - sin * sin, 2 * sin * cos, s.opening], -1)
        turn = of(xp, which, s.turn)
        position = of(xp, which, s.middle)
        size = of(xp, which, s.high - s.low)
        top = of(xp, which, s.high)[..., 2:] - tool[..., 2:]
        others = obstacles(xp, layout, which, now, s)[..., :3] - tool[..., None, :]
        near = length(xp, others[..., :2])
        one = near == near.min(-1, keepdims=True)
        nearest = of(xp, one / xp.maximum(one.sum(-1, keepdims=True), 1), others)
        nearest = xp.clip(nearest, -0.3, 0.3)
        parts = [tool, line, s.lag, position - tool, turn[..., :, 0], turn[..., :, 1],
                 of(xp, which, s.velocity), size, top, goal - tool, nearest]  # fmt: skip
        return xp.concatenate(parts, -1)

    def about(self, xp: Any, layout: Layout, memory: Memory, s: Sight) -> Any:
        """(..., A) 1 for the object that is to be moved now."""
        return memory["which"]

    def goal(self, xp: Any, layout: Layout, memory: Memory, s: Sight) -> Any:
        """(..., 3) where the middle of that object's box is to come, or the gripper."""
        return memory["goal"]

    def chosen(self, layout: Layout) -> list[int]:
        """The objects that an episode may be about. Raises UsageError for one that it does not
        suit, with those that it does."""
        good = self.suits(layout)
        names = [layout.names[k] for k in good]
        if not good:
            raise UsageError(f"task {self.name}: there is nothing in this scene to do it with")
        if self.object in ("", ANY):
            return good if self.object == ANY else good[:1]
        if self.object not in names:
            raise UsageError(
                f"task {self.name} does not suit {self.object!r}; it suits: {', '.join(names)}"
            )
        return [good[names.index(self.object)]]

    @property
    def name(self) -> str:
        """Of the task."""
        raise NotImplementedError

    def which(self, xp: Any, layout: Layout, uniform: Any) -> Any:
        """(..., A) 1 for the object of an episode, from uniform (...)."""
        good = xp.asarray(self.chosen(layout))
        many = len(self.chosen(layout))
        drawn = good[xp.minimum((uniform * many).astype(int), many - 1)]
        return (drawn[..., None] == xp.arange(len(layout.names))).astype(float)

    def verdict(self, xp: Any, worth: Any, done: Any, lost: Any) -> Verdict:
        """From what a moment is worth, 0..1: each costs what it lacks, so that the sooner it is
        done the better."""
        reward = worth - 1 + WON * done + LOST * (lost & ~done)
        return Verdict(reward, lost | done, done)


def fallen(xp: Any, layout: Layout, s: Sight, but: Any = None) -> Any:
    """(...) whether anything fell off, or anything fell over that stood; but (..., A): what may
    lean, as what is carried does."""
    stood = np.ones(len(layout.names), bool) if layout.rolls is None else ~layout.rolls
    leans = (s.up < UPRIGHT) & xp.asarray(stood)
    if but is not None:
        leans = leans & (but < 0.5)
    fell = s.position[..., 2] < s.start[..., 2] - FELL
    return (leans | fell).any(-1)


def manipulator(layout: Layout) -> Any:
    """The robot. Raises UsageError without one."""
    if layout.robot is None:
        raise UsageError('this task needs a robot: give one, as robot="gantry"')
    return layout.robot


def obstacles(xp: Any, layout: Layout, which: Any, now: Now, s: Sight) -> Any:
    """(..., A + D, 4) middle and radius about the vertical of all things but those that `which`
    (..., A) is 1 for, which are put far off."""
    half = (s.high - s.low)[..., :2] / 2
    radius = length(xp, half)
    own = xp.concatenate([s.middle, radius[..., None]], -1)
    away = xp.asarray([1e3, 1e3, 1e3, 0.0])
    own = xp.where(which[..., None] > 0, away, own)
    if now.clutter is None:
        return own
    assert now.hand is not None
    there = inward(xp, now.hand.base, now.clutter[..., :3])
    return xp.concatenate([own, xp.concatenate([there, now.clutter[..., 3:]], -1)], -2)


def clear(
    xp: Any, layout: Layout, now: Now, which: Any, places: Any, others: Any, radius: Any
) -> Any:
    """(..., k) m of room about places (..., k, 2) for something of a radius (...), to the other
    things (..., m, 4), to the edge of the surface that `which` (..., A) stands on, and to that of
    the workspace."""
    robot, hand = manipulator(layout), now.hand
    assert hand is not None
    gap = length(xp, places[..., :, None, :] - others[..., None, :, :2]) - others[..., None, :, 3]
    room = gap.min(-1) - radius[..., None]
    low, high = xp.asarray(robot.low)[:2], xp.asarray(robot.high)[:2]
    room = xp.minimum(room, xp.minimum(places - low, high - places).min(-1))
    flat = xp.concatenate([places, xp.zeros((*places.shape[:-1], 1))], -1)
    there = outward(xp, hand.base, flat)[..., :2]
    for k, surface in enumerate(layout.surfaces):
        on = of(xp, which, xp.asarray(np.equal(layout.surface, k), dtype=float))
        edge = inside(xp, surface.polygon, there) - radius[..., None]
        room = xp.where(on[..., None] > 0, xp.minimum(room, edge), room)
    return room


def first(xp: Any, room: Any, need: float) -> Any:
    """(..., k) 1 for the first of k places with that much room, else for that with most."""
    k = room.shape[-1]
    score = xp.where(room >= need, 2.0 * k - xp.arange(k), xp.clip(room, -1.0, need))
    return (xp.arange(k) == xp.argmax(score, -1)[..., None]).astype(float)


def around(xp: Any, uniform: Any, radius: Any) -> Any:
    """(..., TRIES, 2) places at distances (...) from the origin, from a drawn one on round it."""
    # In steps of the golden angle, so that the second try is nowhere near the first.
    angle = 2 * xp.pi * uniform[..., None] + 2.399963 * xp.arange(TRIES)
    return radius[..., None, None] * xp.stack([xp.cos(angle), xp.sin(angle)], -1)


__all__ = ["ANY", "JOINTS", "Manipulation", "apart", "around", "clear", "fallen", "first", "manipulator",
           "obstacles"]  # fmt: skip
