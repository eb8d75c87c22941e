"""How an expert moves: by a task's own actions, from where the tool is told to be."""

from __future__ import annotations

from typing import Any

import numpy as np

from cousins.env.episodes import Episodes
from cousins.tasks.frames import Sight, sight
from cousins.types import Array

HALF = np.pi


def look(episodes: Episodes) -> Sight:
    """The worlds as the robots have them."""
    return sight(np, episodes.worlds.layout, episodes.now())


def yaw_of(closing: Array) -> Array:
    """(n,) rad, of the way (n, 3) along which the fingers close."""
    return np.arctan2(closing[:, 1], closing[:, 0])


def turning(now: Array, wanted: Array) -> Array:
    """(n,) rad from one yaw to the other, for a gripper that half a turn leaves the same."""
    return (wanted - now + HALF / 2) % HALF - HALF / 2


def towards(
    episodes: Episodes, s: Sight, place: Array, yaw: Array | None, slow: Any = 1.0
) -> Array:
    """(n, k) the arm's part of actions that take the tool to places (n, 3) and yaws (n,), where the
    task moves it so; slow: share of the full speed, (n,) or one."""
    task, robot = episodes.task, episodes.worlds.layout.robot
    assert robot is not None
    step = robot.steps(task.axes, task.control)  # type: ignore[attr-defined]
    told = s.tool + s.lag
    off = {axis: place[:, k] - told[:, k] for k, axis in enumerate("xyz")}
    turn = np.zeros(len(place)) if yaw is None else turning(yaw_of(s.closing), yaw)
    off["yaw"] = turn
    # All axes arrive together: the way is straight.
    share = np.stack([off[axis] / step[k] for k, axis in enumerate(task.axes)], 1)  # type: ignore
    straight = np.abs(share[:, : 3 if "z" in task.axes else 2]).max(1)  # type: ignore
    most = np.maximum(straight, np.abs(share).max(1))
    return share / np.maximum(most, 1.0)[:, None] * np.broadcast_to(slow, len(place))[:, None]
