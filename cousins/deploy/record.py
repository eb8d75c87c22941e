"""A policy at work in a pack's cousins: what it saw and did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cousins.progress import Progress, silent
from cousins.robots import Robot
from cousins.tasks import Task
from cousins.types import Array


@dataclass(frozen=True)
class Recorded:
    """M moments of some episodes. observation (M, D); action (M, K). change (K,): the most that an
    action changed by in a period, from 0 at the beginning. episodes, and successes of them."""

    observation: NDArray[np.float32]
    action: Array
    change: Array
    episodes: int
    successes: int


def record(
    model: Path,
    pack: Path,
    task: Task,
    robot: Robot | str | None,
    mode: str,
    episodes: int,
    seed: int,
    progress: Progress = silent,
) -> Recorded:
    """One episode of an ONNX policy in each of so many worlds. mode: how actions move a robot, ""
    where it is not known. Raises what environments and policies raise: among others UsageError for
    a pack that the policy does not fit."""
    from cousins.env.vector import CousinsVectorEnv
    from cousins.policies.onnx import Onnx

    envs = CousinsVectorEnv(pack, task, episodes, seed=seed, robot=robot, control=mode or "delta")
    try:
        policy = Onnx(model)
        envs.reset()
        policy.begin(envs.episodes, np.arange(episodes))
        running, won = np.ones(episodes, bool), np.zeros(episodes, bool)
        seen, acted = [], []
        last = np.zeros(envs.action_space.shape or ())
        change = np.zeros(last.shape[-1])
        for step in range(envs.episodes.limit):
            progress("recording", step, envs.episodes.limit)
            action = np.asarray(policy(envs.episodes), float)
            seen.append(envs.episodes.seen["state"][running].copy())
            acted.append(action[running])
            change = np.maximum(change, np.abs(action - last)[running].max(0))
            _, _, terminated, truncated, info = envs.step(action)
            won |= running & info["success"]
            running &= ~(terminated | truncated)
            last = action
            if not running.any():
                break
        progress("recording", envs.episodes.limit, envs.episodes.limit)
    finally:
        envs.close()
    return Recorded(np.concatenate(seen), np.concatenate(acted), change, episodes, int(won.sum()))
