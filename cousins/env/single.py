"""A pack as a gymnasium Env: one world, of one cousin or of another in each episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import Env, Space, spaces
from numpy.typing import NDArray

from cousins.engines import Engine
from cousins.env.episodes import Episodes, draw
from cousins.env.images import FRAMES, Pictures
from cousins.env.request import request
from cousins.env.vector import Observation, check_render
from cousins.env.worlds import Chosen
from cousins.errors import UsageError
from cousins.pack import Pack
from cousins.picture import CAMERA
from cousins.robots import Robot
from cousins.tasks import Task
from cousins.types import Array


class CousinEnv(Env[Observation, Array]):
    """One world of a pack. Each episode takes one of the cousins asked for; a family is loaded when
    first one of it is drawn. With the cousins of one family it does, to the bit, what a world of a
    `CousinsVectorEnv` with the same seed does. `info` is as there."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012

    def __init__(
        self,
        pack: Pack | Path | str,
        task: Task | str = "hold",
        cousin: Chosen = None,
        *,
        engine: Engine | str = "cpu",
        robot: Robot | str | None = None,
        control: str = "delta",
        feasible: bool = False,
        observe: Sequence[str] = ("state",),
        cameras: Sequence[str] = (CAMERA,),
        size: tuple[int, int] = (128, 96),
        noise: bool = False,
        render_mode: str | None = None,
        **settings: Any,
    ) -> None:
        """One world of a pack. cousin: its pack number; or several, or a span of distances, of
        which each episode takes one; all of the pack by default. The rest as `CousinsVectorEnv` has
        it."""
        check_render(render_mode)
        asked = request(pack, task, engine, cousin, observe, cameras, size, noise, settings,
                        robot, control, feasible)  # fmt: skip
        self.request, self.task, self.render_mode = asked, asked.task, render_mode
        self._loaded: dict[int, Episodes] = {}
        self._frames: dict[int, Pictures] = {}
        self._family = int(asked.pool.family[0])
        rate = max(round(1 / self.task.control), 1)
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": rate}
        self.action_space: spaces.Box = asked.action(self.episodes)
        self.observation_space: Space[Any] = asked.observation(self.episodes.seen)

    @property
    def episodes(self) -> Episodes:
        """Of the family that runs now."""
        k, asked = self._family, self.request
        if k not in self._loaded:
            self._loaded[k] = asked.load(asked.pool.where(asked.pool.family == k), 1)
        return self._loaded[k]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode, with the next cousin of the stream."""
        super().reset(seed=seed)
        drawn = self.request.pool
        new = draw(self.np_random, len(drawn), self.episodes.numbers)
        self._family = int(drawn.family[new.choice])
        place = np.flatnonzero(self.episodes.worlds.pool.number == drawn.number[new.choice])[:1]
        self.episodes.begin(np.zeros(1, np.int64), place, [new])
        self.episodes.observe()
        return self._observation(), _info(self.episodes.told())

    def step(self, action: Array) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Let an action (K,) act for `task.control` seconds. Raises UsageError for a bad one, and
        before a reset."""
        came = self.episodes.step(np.asarray(action)[None], np.zeros(1, bool))
        self.episodes.observe()
        return (
            self._observation(), float(came.reward[0]), bool(came.terminated[0]),
            bool(came.truncated[0]), _info(self.episodes.told(came)),
        )  # fmt: skip

    def render(self) -> NDArray[np.uint8] | None:  # type: ignore[override]
        """(h, w, 3) RGB as it is now; None without a `render_mode`. Raises UsageError before a
        reset, MissingDependencyError without OpenGL."""
        if self.render_mode is None:
            return None
        worlds, zero = self.episodes.worlds, np.zeros(1, np.int64)
        if not self.episodes.begun.all():
            raise UsageError("nothing to render yet: call reset first")
        if self._family not in self._frames:
            self._frames[self._family] = Pictures(self.request.pack, worlds, FRAMES)
        frames = self._frames[self._family]
        frames.begin(zero, worlds.cousin, [0])
        return frames(zero)["rgb"][0]

    def close(self) -> None:
        """Let go of OpenGL."""
        for held in (*self._frames.values(), *(each.look for each in self._loaded.values())):
            if held is not None:
                held.close()

    def _observation(self) -> Observation:
        told = {name: value[0].copy()
                for name, value in self.request.told(self.episodes.seen).items()}  # fmt: skip
        return told if isinstance(self.observation_space, spaces.Dict) else told["state"]


def _info(told: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    return {name: value[0].item() for name, value in told.items()}
