"""A robot as tasks use it: where its tool is, what moves it, what it reaches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cousins.robots import Robot
from cousins.robots.chain import Chain, chain, fk, rotation_of
from cousins.robots.control import TURN, Controller, controller, targets
from cousins.robots.ik import ik
from cousins.types import Array

RINGS = 41  # distances from the base that are tried
OFF = (0.002, 0.02)  # m and rad: a place is reached


@dataclass(frozen=True, eq=False)
class Manipulator:
    """An arm with a gripper, in the frame of its base, m.

    mode: how actions move it, of `cousins.robots.control.MODES`. home (J,): of its joints; opening:
    between its open fingertips; reach; low and high (3,): the box in which its tool works; near and
    far: how far from the base's upright axis it comes there, pointing as at home.
    """

    robot: Robot
    mode: str
    chain: Chain
    home: Array
    opening: float
    reach: float
    low: Array
    high: Array
    near: float
    far: float
    _made: dict[tuple[str, ...], Controller] = field(default_factory=dict, repr=False)

    def controller(self, axes: tuple[str, ...]) -> Controller:
        """What moves the tool along and about these axes. In the mode `joint` every joint moves,
        whatever the axes."""
        if axes not in self._made:
            chosen = self.robot.config.joints if self.mode == "joint" else axes
            self._made[axes] = controller(self.robot, self.mode, chosen)
        return self._made[axes]

    def moves(self, axes: tuple[str, ...]) -> tuple[str, ...]:
        """A name for each number that an action has for the arm."""
        return tuple(action.name for action in self.controller(axes).actions)

    def towards(
        self, xp: Any, axes: tuple[str, ...], target: Any, joints: Any, action: Any,
        period: float, height: Any = None,
    ) -> Any:  # fmt: skip
        """(..., J) where the joints are to go for an action (..., k), from where they were told to
        go (..., J), and are (..., J). height (...): of the tool, m, where no action moves it up or
        down."""
        held = None
        if height is not None:
            home = xp.zeros((*height.shape, 2)) + xp.asarray(self._home()[:2])
            held = xp.concatenate([home, height[..., None]], -1)
        return targets(xp, self.controller(axes), target, joints, action, period, held)

    def steps(self, axes: tuple[str, ...], period: float) -> tuple[float, ...]:
        """What the number 1 moves the tool in a period, along and about each axis, m and rad."""
        told = self.robot.config
        return tuple(period * (told.tool_turn if a in TURN else told.tool_speed) for a in axes)

    def reaching(self, xp: Any, place: Any, yaw: Any) -> Any:
        """(..., J) joints that bring the tool, pointing as at home, to places (..., 3), with the
        fingers closing along yaws (...), rad, or against them: as near as it comes."""
        held = fk(np, self.chain, self.home)[1]
        # Half a turn leaves a gripper the same: the lesser turn from home.
        own = np.arctan2(held[1, 1], held[0, 1])
        about = (yaw - own + np.pi / 2) % np.pi - np.pi / 2
        none = 0 * about
        aim = rotation_of(xp, xp.stack([none, none, about], -1)) @ xp.asarray(held)
        home = xp.zeros((*place.shape[:-1], len(self.home))) + xp.asarray(self.home)
        return ik(xp, self.chain, home, place, aim)[0]

    def room(self, xp: Any, places: Any) -> Any:
        """(...) m from places (..., 2) over the base's plane to where the tool does not come; below
        0 beyond."""
        low, high = xp.asarray(self.low)[:2], xp.asarray(self.high)[:2]
        box = xp.minimum(places - low, high - places).min(-1)
        away = xp.sqrt((places**2).sum(-1))
        return xp.minimum(box, xp.minimum(away - self.near, self.far - away))

    def _home(self) -> Array:
        return fk(np, self.chain, self.home)[0]


def manipulator(robot: Robot, mode: str = "delta") -> Manipulator:
    """What tasks know of a robot. Raises UsageError for a mode that there is not."""
    told, links = robot.config, chain(robot)
    controller(robot, mode)
    home, low, high = (np.array(v) for v in (told.home, told.workspace.low, told.workspace.high))
    near, far = _span(links, home, low, high)
    return Manipulator(
        robot=robot, mode=mode, chain=links, home=home, opening=told.gripper.opening,
        reach=told.reach, low=low, high=high, near=near, far=far,
    )  # fmt: skip


def _span(links: Chain, home: Array, low: Array, high: Array) -> tuple[float, float]:
    """Between which distances from the base's upright axis every place of the workspace's lower
    part that was tried is reached, m. Inverse kinematics tell: an arm's reach is no box."""
    away = np.linspace(0.0, np.hypot(*np.maximum(np.abs(low), np.abs(high))[:2]), RINGS)
    angle = np.linspace(-np.pi / 3, np.pi / 3, 5)
    tall = low[2] + np.array([0.015, 0.12])
    r, a, z = (v.ravel() for v in np.meshgrid(away, angle, tall, indexing="ij"))
    places = np.column_stack([r * np.cos(a), r * np.sin(a), z])
    mine = ((places >= low) & (places <= high)).all(1)
    aim = np.broadcast_to(fk(np, links, home)[1], (mine.sum(), 3, 3))
    start = np.broadcast_to(home, (mine.sum(), len(home)))
    left = ik(np, links, start, places[mine], aim)[1]
    lost = np.zeros(len(places), bool)
    lost[mine] = (left > OFF).any(1)
    bad = lost.reshape(RINGS, -1).any(1)
    if not bad.any():
        return 0.0, np.inf
    # The widest run of rings without one that is lost.
    edges = np.concatenate([[-1], np.flatnonzero(bad), [RINGS]])
    k = int(np.diff(edges).argmax())
    first, last = edges[k], edges[k + 1]
    return (float(away[first + 1]) if first >= 0 else 0.0,
            float(away[last - 1]) if last < RINGS else np.inf)  # fmt: skip
