"""What tasks with a robot have in common: what is seen, what an action does, where things can go.

Lengths and directions are in the frame of the robot's base, in which it would see them in the real
place too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cousins.errors import UsageError
from cousins.tasks import OBJECTS, Command, Layout, Memory, Now, Verdict, Watched
from cousins.tasks.account import collided, fell, watch
from cousins.tasks.frames import (
    Sight,
    inside,
    inward,
    length,
    matrix,
    of,
    outward,
    sight,
    times,
    turned,
)

FINGER = 0.025  # m, radius about the closed fingertips
SPAN, HAND = 0.035, 0.067  # m, radii about the fingertips, half open, and about the hand over them
PALM = 0.034  # m above the tool that the hand begins
ROOM = 0.02  # m that is kept between things
JITTER = 0.02  # m
TURN = 0.3  # rad, that a thing begins turned by at most
GAP = 0.01  # m that it then keeps from others
SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)  # of a way that are tried in turn
DRAWN = 8  # numbers before those of where the thing begins
TRIES = 12  # places that are tried for what an episode draws
MARGIN = 0.008  # m that a gripper opens wider than what it takes
WON, LOST = 10.0, -10.0  # rewards at the end; a loss costs the rest of its time as well
EDGE = 0.02  # m within its workspace that a robot is to reach a thing
ANY = "any"  # in place of an object's name: another one in each episode
SEEN = (
    "tool.x", "tool.y", "tool.z", "tool.closing_cos", "tool.closing_sin", "tool.opening",
    "tool.lag_x", "tool.lag_y", "tool.lag_z",
    "object.x", "object.y", "object.z", "object.across_cos", "object.across_sin", "object.up_x",
    "object.up_y", "object.up_z", "object.vx", "object.vy", "object.vz", "object.width",
    "object.length", "object.height", "object.top", "goal.x", "goal.y", "goal.z",
    "nearest.x", "nearest.y", "nearest.z",
)  # fmt: skip


@dataclass(frozen=True)
class Manipulation:
    """One thing, and a place for it. object: its name, "" for the first that the task suits, "any"
    for another in each episode. jitter: how far, m, it begins at most from where the cousin has it,
    and it is turned then, as far as there is room; 0: neither."""

    object: str = ""
    control: float = 0.05
    limit: float = 5.0
    jitter: float = JITTER

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
    def open(self) -> float:
        """How far open the gripper is held, 0..1, where no action moves it."""
        return 0.0

    @property
    def instruction(self) -> str:
        """In words."""
        return self.says(self.object if self.object not in ("", ANY) else "the object", "")

    def said(self, layout: Layout) -> str:
        """In words, of this scene's things."""
        return self.says(self.called(layout), "")

    def says(self, thing: str, target: str) -> str:
        """What is to be done with a thing, in words; target: the other one, "" if not known."""
        raise NotImplementedError

    def suits(self, layout: Layout) -> list[int]:
        """Which objects it can be done with."""
        raise NotImplementedError

    def lacks(self, layout: Layout) -> str:
        """Why there is nothing to do it with, where there is not, in words."""
        return "nothing here is within reach"

    def choices(self, layout: Layout) -> list[tuple[str, ...]]:
        """What follows the task's name, as `cousins.tasks.task` takes it: each object that it suits
        and, of those that have one, each target."""
        return [(layout.names[k],) for k in self.suits(layout)]

    def settled(self, layout: Layout) -> Self:
        """The same with the object named that it takes by itself. Raises UsageError as `chosen`."""
        if self.object == ANY:
            return self
        return replace(self, object=layout.names[self.chosen(layout)[0]])

    def numbers(self, layout: Layout) -> int:
        """The object, the goal's way and distance, the tool's beginning, and the object's."""
        return DRAWN + 3

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
        grip = (action[..., -1] + 1) / 2 if self.grips else self.open + xp.zeros(arm.shape[:-1])
        joints = robot.towards(
            xp, self.axes, hand.target, hand.joints, arm, self.control, memory.get("level")
        )
        return Command(joints=joints, grip=grip)

    def observe(self, xp: Any, layout: Layout, memory: Memory, now: Now) -> Any:
        """(..., 30): the tool; the object, from the tool: its middle, how far fingers are turned
        from closing along what is narrow of it, its up, its velocity, its extents; the goal and
        what is nearest, from the tool. Angles between lines are told twice as large: a gripper
        turned half round is the same one."""
        s = sight(xp, layout, now)
        which, goal = self.about(xp, layout, memory, s), self.goal(xp, layout, memory, s)
        tool, closing = s.tool, s.closing
        flat = xp.maximum(length(xp, closing[..., :2]), 1e-6)
        cos, sin = closing[..., 0] / flat, closing[..., 1] / flat
        line = xp.stack([cos * cos - sin * sin, 2 * sin * cos, s.opening], -1)
        way, size = s.across(xp, which)
        dot = cos * way[..., 0] + sin * way[..., 1]
        cross = cos * way[..., 1] - sin * way[..., 0]
        turned = xp.stack([dot * dot - cross * cross, 2 * dot * cross], -1)
        up = of(xp, which, s.turn)[..., 2]
        position = of(xp, which, s.middle)
        top = of(xp, which, s.high)[..., 2:] - tool[..., 2:]
        others = obstacles(xp, layout, which, now, s)[..., :3] - tool[..., None, :]
        near = length(xp, others[..., :2])
        one = near == near.min(-1, keepdims=True)
        nearest = of(xp, one / xp.maximum(one.sum(-1, keepdims=True), 1), others)
        nearest = xp.clip(nearest, -0.3, 0.3)
        parts = [tool, line, s.lag, position - tool, turned, up,
                 of(xp, which, s.velocity), size, top, goal - tool, nearest]  # fmt: skip
        return xp.concatenate(parts, -1)

    def opened(
        self, xp: Any, layout: Layout, uniform: Any, now: Now
    ) -> tuple[Any, Now, Sight, Memory]:
        """What every episode begins with: which object (..., A), the moment with that one where it
        begins, as the robot has it, and what of it is to be remembered."""
        which = self.which(xp, layout, uniform[..., 0])
        now = jittered(xp, layout, now, which, uniform[..., DRAWN:], self.jitter)
        return which, now, sight(xp, layout, now), {"which": which, OBJECTS: now.pose}

    def about(self, xp: Any, layout: Layout, memory: Memory, s: Sight) -> Any:
        """(..., A) 1 for the object that is to be moved now."""
        return memory["which"]

    def goal(self, xp: Any, layout: Layout, memory: Memory, s: Sight) -> Any:
        """(..., 3) where the middle of that object's box is to come, or the gripper."""
        return memory["goal"]

    def mark(self, xp: Any, layout: Layout, memory: Memory, now: Now) -> Any:
        """(..., 4) a region that pictures show as an episode begins: where it is in the world, and
        its radius, m; NaN for none."""
        return xp.full((*now.time.shape, 4), xp.nan)

    def chosen(self, layout: Layout) -> list[int]:
        """The objects that an episode may be about. Raises UsageError for one that it does not
        suit, with those that it does."""
        good = self.suits(layout)
        names = [layout.names[k] for k in good]
        if not good:
            raise UsageError(f"task {self.name}: {self.lacks(layout)}")
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

    def called(self, layout: Layout) -> str:
        """The object, in words."""
        if self.object == ANY:
            return "a thing"
        return named(layout, self.chosen(layout)[0])

    def verdict(self, xp: Any, now: Now, worth: Any, done: Any, lost: Any) -> Verdict:
        """From what a moment is worth, 0..1: each costs what it lacks, so that the sooner it is
        done the better. What is lost costs as much as to do nothing until the end, and more: else
        a policy that does not yet succeed learns to give up."""
        left = xp.maximum(self.limit - now.time, 0.0) / self.control
        reward = worth - 1 + WON * done + (LOST - left) * (lost & ~done)
        return Verdict(reward, lost | done, done)

    def watch(
        self, xp: Any, layout: Layout, memory: Memory, now: Now, watched: Watched | None
    ) -> Watched:
        """See `cousins.tasks.account`."""
        s = sight(xp, layout, now)
        about = self.about(xp, layout, memory, s)
        return watch(xp, now, s, about, self.control, watched)

    def failures(
        self, xp: Any, layout: Layout, memory: Memory, now: Now, watched: Watched
    ) -> Mapping[str, Any]:
        """Kinds of failure; see `cousins.tasks.account`."""
        s = sight(xp, layout, now)
        about = self.about(xp, layout, memory, s)
        return {"fell": fell(xp, layout, s, about),
                "collided": collided(xp, layout, s, about, watched)}  # fmt: skip


def manipulator(layout: Layout) -> Any:
    """The robot. Raises UsageError without one."""
    if layout.robot is None:
        raise UsageError('this task needs a robot: give one, as robot="gantry"')
    return layout.robot


def across(xp: Any, which: Any, now: Now) -> Any:
    """(...) m, radius about the upright axis through its middle of the thing that `which` (..., A)
    is 1 for, however it is turned about that."""
    assert now.shape is not None
    return length(xp, of(xp, which, now.shape.high - now.shape.low)[..., :2]) / 2


def obstacles(xp: Any, layout: Layout, which: Any, now: Now, s: Sight, level: Any = None) -> Any:
    """(..., A + D, 4) middle and radius about the vertical of all things but those that `which`
    (..., A) is 1 for, which are put far off. level (...): of the tool, m: what is so tall that it
    meets the hand is as much wider as that is wider than the fingertips."""
    half = (s.high - s.low)[..., :2] / 2
    radius = length(xp, half)
    own = xp.concatenate([s.middle, radius[..., None]], -1)
    away = xp.asarray([1e3, 1e3, 1e3, 0.0])
    own = xp.where(which[..., None] > 0, away, own)
    top = s.high[..., 2]
    if now.clutter is not None:
        assert now.hand is not None
        there = inward(xp, now.hand.base, now.clutter[..., :3])
        around = now.clutter[..., 3:]
        own = xp.concatenate([own, xp.concatenate([there, around], -1)], -2)
        top = xp.concatenate([top, there[..., 2] + around[..., 0]], -1)
    if level is None:
        return own
    wider = (HAND - SPAN) * (top > level[..., None] + PALM)
    return xp.concatenate([own[..., :3], own[..., 3:] + wider[..., None]], -1)


def clear(
    xp: Any, layout: Layout, now: Now, which: Any, places: Any, others: Any, radius: Any
) -> Any:
    """(..., k) m of room about places (..., k, 2) for something of a radius (...), to the other
    things (..., m, 4), to the edge of the surface that `which` (..., A) stands on, and to that of
    the workspace."""
    robot, hand = manipulator(layout), now.hand
    assert hand is not None
    gap = length(xp, places[..., :, None, :] - others[..., None, :, :2]) - others[..., None, :, 3]
    room = xp.minimum(gap.min(-1) - radius[..., None], robot.room(xp, places))
    flat = xp.concatenate([places, xp.zeros((*places.shape[:-1], 1))], -1)
    there = outward(xp, hand.base, flat)[..., :2]
    for k, surface in enumerate(layout.surfaces):
        on = of(xp, which, xp.asarray(np.asarray(layout.surface) == k, dtype=float))
        edge = inside(xp, surface.polygon, there) - radius[..., None]
        room = xp.where(on[..., None] > 0, xp.minimum(room, edge), room)
    return room


def first(xp: Any, room: Any, need: float) -> Any:
    """(..., k) 1 for the first of k places with that much room, else for that with most."""
    k = room.shape[-1]
    score = xp.where(room >= need, 2.0 * k - xp.arange(k), xp.clip(room, -1.0, need))
    return (xp.arange(k) == xp.argmax(score, -1)[..., None]).astype(float)


def jittered(xp: Any, layout: Layout, now: Now, which: Any, uniform: Any, most: float) -> Now:
    """The moment at which an episode begins: the thing that `which` (..., A) is 1 for moved by up
    to `most`, m, and turned, from uniform (..., 3), as far as it keeps clear of all others. What
    carries something, or is carried, stays."""
    if most <= 0:
        return now
    s, hand = sight(xp, layout, now), now.hand
    assert hand is not None
    middle, radius = of(xp, which, s.middle), across(xp, which, now)
    angle, away = 2 * xp.pi * uniform[..., 0], most * xp.sqrt(uniform[..., 1])
    step = away[..., None] * xp.stack([xp.cos(angle), xp.sin(angle)], -1)
    share = xp.asarray(SHARES)
    places = middle[..., None, :2] + share[:, None] * step[..., None, :]
    room = clear(xp, layout, now, which, places, obstacles(xp, layout, which, now, s), radius)
    stays = xp.asarray(~(flag(layout, "stands") & flag(layout, "bare")), dtype=float)
    free = (which * stays).sum(-1) == 0
    good = ((room >= GAP) & free[..., None]) | (share == 0)
    share = share[xp.argmax(good, -1)]
    turn = TURN * (2 * uniform[..., 2] - 1) * (share > 0)
    middle = outward(xp, hand.base, middle[..., None, :])
    flat = xp.concatenate([step, 0 * step[..., :1]], -1) * share[..., None]
    step = turned(matrix(xp, hand.base[..., 3:]), flat)[..., None, :]
    none = 0 * turn
    spin = xp.stack([xp.cos(turn / 2), none, none, xp.sin(turn / 2)], -1)[..., None, :]
    place = middle + step + turned(matrix(xp, spin), now.pose[..., :3] - middle)
    pose = xp.concatenate([place, times(xp, spin, now.pose[..., 3:])], -1)
    mine = (which * (share > 0)[..., None])[..., None] > 0
    pose = xp.where(mine, pose, now.pose)
    return replace(now, start=pose, pose=pose)


def region(xp: Any, layout: Layout, memory: Memory, now: Now, radius: float) -> Any:
    """(..., 4) what `mark` tells of a region about the goal, on what the thing stands on."""
    s, hand = sight(xp, layout, now), now.hand
    assert hand is not None
    floor = of(xp, memory["which"], s.low)[..., 2:]
    place = xp.concatenate([memory["goal"][..., :2], floor], -1)[..., None, :]
    place = outward(xp, hand.base, place)[..., 0, :]
    return xp.concatenate([place, 0 * floor + radius], -1)


def within(layout: Layout) -> list[int]:
    """Which objects the robot's gripper comes to in the twin: over which its tool works, and not
    lower than what its base stands on."""
    robot = manipulator(layout)
    if layout.base is None:
        return list(range(len(layout.names)))
    there = inward(np, layout.base, layout.position)
    top = there[:, 2] + layout.size[:, 2] / 2
    good = (robot.room(np, there[:, :2]) > EDGE) & (top > robot.low[2] + EDGE) & (
        top < robot.high[2])  # fmt: skip
    return np.flatnonzero(good).tolist()


def flag(layout: Layout, name: str) -> NDArray[np.bool_]:
    """(A,) one that the layout tells of each object: `stands` or `bare`, true where it does not
    tell, or `rolls`, false then."""
    told = getattr(layout, name)
    return np.full(len(layout.names), name != "rolls") if told is None else told


def named(layout: Layout, k: int) -> str:
    """An object in words."""
    return layout.words[k] if layout.words else layout.names[k]


def around(xp: Any, uniform: Any, radius: Any) -> Any:
    """(..., TRIES, 2) places at distances (...) from the origin, from a drawn one on round it."""
    # In steps of the golden angle, so that the second try is nowhere near the first.
    angle = 2 * xp.pi * uniform[..., None] + 2.399963 * xp.arange(TRIES)
    return radius[..., None, None] * xp.stack([xp.cos(angle), xp.sin(angle)], -1)
