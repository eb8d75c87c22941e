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


@dataclass(frozen=True, eq=False)
class Manipulator:
    """An arm with a gripper, in the frame of its base, m.

    mode: how actions move it, of `cousins.robots.control.MODES`. home (J,): of its joints; opening:
    between its open fingertips; reach; low and high (3,): the box in which its tool works.
    """

    robot: Robot
    mode: str
    chain: Chain
    home: Array
    opening: float
    reach: float
    low: Array
    high: Array
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

    def _home(self) -> Array:
        return fk(np, self.chain, self.home)[0]


def manipulator(robot: Robot, mode: str = "delta") -> Manipulator:
    """What tasks know of a robot. Raises UsageError for a mode that there is not."""
    told = robot.config
    controller(robot, mode)
    return Manipulator(
        robot=robot, mode=mode, chain=chain(robot), home=np.array(told.home),
        opening=told.gripper.opening, reach=told.reach,
        low=np.array(told.workspace.low), high=np.array(told.workspace.high),
    )  # fmt: skip
