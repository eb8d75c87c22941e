"""The worlds that a policy is trained in: how its episodes went, and which cousins come next."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from cousins.env.vector import CousinsVectorEnv, Observation
from cousins.errors import UsageError
from cousins.types import Array

WINDOW = 200  # episodes that the success so far is of, or twice the worlds where these are more
STEPS = 6  # from the first share of the cousins to all


@dataclass(frozen=True)
class Curriculum:
    """From the nearest cousins to all: `first` of them, then more each time that `threshold` of a
    window of episodes ended in success."""

    first: float = 1 / 3
    threshold: float = 0.7


@dataclass(frozen=True)
class Tally:
    """Of the last episodes that ended: how many, and of these the shares in success and unstable,
    and the means of return and length, s. NaN where none has ended yet. distance: the largest of
    the cousins that are drawn."""

    episodes: int
    success: float
    unstable: float
    mean_return: float
    length: float
    distance: float


class Course(CousinsVectorEnv):
    """A `CousinsVectorEnv` that counts, and whose cousins a curriculum may choose.

    The first episodes begin at times of their own, so that not all end at once; they are not
    counted. stepping: s that its steps took.
    """

    def __init__(
        self, *args: Any, seed: int, curriculum: Curriculum | None = None, **how: Any
    ) -> None:
        """As `CousinsVectorEnv`, but for `seed`; see `draw_from`. Raises UsageError for a
        curriculum over cousins that tell no distance."""
        super().__init__(*args, autoreset_mode=AutoresetMode.SAME_STEP, **how)
        self.draw_from(seed, 0)
        self.curriculum, self.stepping, self.begun = curriculum, 0.0, 0
        self._share = 1.0
        window = max(WINDOW, 2 * self.num_envs)
        self._ended: deque[tuple[float, ...]] = deque(maxlen=window)
        self._level = 0  # episodes that ended since the curriculum's last step
        self._return = np.zeros(self.num_envs)
        self._counted = np.zeros(self.num_envs, bool)
        self._drawn_at = np.zeros(self.num_envs)  # the share when each episode began
        pool = self.episodes.worlds.pool
        order = np.argsort(pool.distance, kind="stable")
        self._rank = np.empty(len(pool), np.int64)
        self._rank[order] = np.arange(len(pool))
        if curriculum is not None:
            if not np.isfinite(pool.distance).all():
                raise UsageError("--curriculum: the pack's cousins tell no distance: augment anew")
            self.widen(curriculum.first)

    def draw_from(self, seed: int, done: int) -> None:
        """Let what its worlds draw follow from a seed and the steps that were made before; each
        world's stream from that seed alone, so that no two seeds share any."""
        root = np.random.SeedSequence((seed, done))
        self._begins = np.random.default_rng(root.spawn(1)[0])
        self._seed([int(s) for s in root.generate_state(self.num_envs, np.uint64)])

    def reset(self, **how: Any) -> tuple[Observation, dict[str, Any]]:
        """Begin everywhere, each world at a time of its own."""
        out = super().reset(**how)
        limit = self.episodes.limit
        self.episodes.elapsed[:] = self._begins.integers(0, limit, self.num_envs)
        self._return[:], self._counted[:], self._drawn_at[:] = 0, False, self._share
        return out

    def step(
        self, actions: Array
    ) -> tuple[Observation, Array, NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """As `CousinsVectorEnv` has it; counted."""
        lengths, since = self.episodes.elapsed + 1, time.perf_counter()
        out = super().step(actions)
        self.stepping += time.perf_counter() - since
        _, reward, terminated, truncated, info = out
        self._return += reward
        done = terminated | truncated
        if done.any():
            ended = info["final_info"]
            for i in np.flatnonzero(done & self._counted).tolist():
                self._ended.append(
                    (float(ended["success"][i]), float(ended["unstable"][i]),
                     float(self._return[i]), float(lengths[i]))
                )  # fmt: skip
                self._level += bool(self._drawn_at[i] == self._share)
                self.begun += 1
            self._return[done], self._counted[done] = 0, True
            self._drawn_at[done] = self._share
        return out

    def widen(self, share: float) -> None:
        """Draw of that share of the cousins, the nearest, from now on."""
        self._share, self._level = min(share, 1.0), 0
        many = max(int(np.ceil(self._share * len(self._rank))), 1)
        self.episodes.worlds.only(self._rank < many)

    def advance(self) -> None:
        """Go on in the curriculum where the last episodes allow it; to be asked now and then."""
        told = self.curriculum
        if told is None or self._share >= 1:
            return
        window = self._ended.maxlen or 1
        if self._level >= window and self.tally().success >= told.threshold:
            self.widen(self._share + (1 - told.first) / STEPS)

    def tally(self) -> Tally:
        """Of the last window of episodes."""
        drawn = self._rank < max(int(np.ceil(self._share * len(self._rank))), 1)
        far = float(np.nanmax(self.episodes.worlds.pool.distance[drawn], initial=0.0))
        means = np.mean(self._ended, 0).tolist() if self._ended else 4 * [float("nan")]
        success, unstable, value, length = means
        return Tally(self.begun, success, unstable, value, length * self.task.control, far)

    def state(self) -> Mapping[str, Any]:
        """What a checkpoint keeps of it."""
        ended = [list(each) for each in self._ended]
        return {"share": self._share, "episodes": self.begun, "level": self._level, "ended": ended}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint kept."""
        if self.curriculum is not None:
            self.widen(float(state["share"]))
        self.begun, self._level = int(state["episodes"]), int(state["level"])
        self._ended.extend(tuple(map(float, ended)) for ended in state["ended"])
