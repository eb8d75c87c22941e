"""A pack as a gymnasium VectorEnv: n worlds, each with a cousin that changes from one episode to
the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import Space, spaces
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from cousins.engines import Engine
from cousins.env.episodes import Draw, Episodes, Seen, draw
from cousins.env.images import FRAMES, Pictures
from cousins.env.request import request
from cousins.env.worlds import Chosen, Ids
from cousins.errors import UsageError
from cousins.pack import Pack
from cousins.picture import CAMERA
from cousins.robots import Robot
from cousins.tasks import Task
from cousins.types import Array

Observation = NDArray[Any] | Seen
Seeds = int | Sequence[int | None] | None


class CousinsVectorEnv(VectorEnv[Observation, Array, NDArray[Any]]):
    """n worlds of a pack. World i is of one family for its life, and each of its episodes takes
    another of the family's cousins: which, and what happens, depends on the seed of world i alone,
    not on the engine's threads nor on other worlds.

    `info` tells of each world the pack's number of its "cousin", that one's "distance" from the
    twin, whether the task is a "success" now, and whether it went "unstable": then it is
    terminated with a reward of 0, and what is observed is what was observed before.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012

    def __init__(
        self,
        pack: Pack | Path | str,
        task: Task | str = "hold",
        num_envs: int = 64,
        *,
        engine: Engine | str = "cpu",
        robot: Robot | str | None = None,
        control: str = "delta",
        feasible: bool = False,
        cousins: Chosen = None,
        seed: Seeds = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        observe: Sequence[str] = ("state",),
        cameras: Sequence[str] = (CAMERA,),
        size: tuple[int, int] = (128, 96),
        noise: bool = False,
        render_mode: str | None = None,
        **settings: Any,
    ) -> None:
        """`num_envs` worlds of a pack, shared out among its families by how many cousins each has;
        each episode takes another cousin.

        pack: where it lies, or what `cousins.pack.read` gives. task, engine: by name or as they
        are, as "push:cylinder_1"; settings: of those that are given by name, as `pushes=2` or
        `threads=4`. robot: of a task that takes one, by its name ("gantry" by default), or as
        `cousins.robots.robot` gives it; control: what actions move, "delta" (the tool by steps),
        "pose" (the tool to a place) or "joint", see `cousins.robots.control`. cousins: the
        pack numbers of those that may be drawn, a span of distances from the twin as two floats, or
        "twin", which is number -1. feasible: without those in which the expert never did the task,
        as `cousins tasks --check` found.
        seed: of the first world, the others count on; or one each. autoreset_mode: when a world
        whose episode is over begins the next, as gymnasium has it.

        observe: "state", and of "rgb", "depth" (m) and "segmentation" (k for the twin's k-th
        object, from 1) as `cameras` of the pack see each cousin, at size (width, height); with any
        of these an observation is a dict. noise: they see as badly as each cousin's own camera.
        render_mode: "rgb_array" makes `render` give a picture of each world.

        Raises UsageError for what there is not, PackError for a bad pack, EngineError for worlds
        that an engine cannot step.
        """
        self.closed = True  # until there is what could be closed
        check_render(render_mode)
        try:
            self.autoreset_mode = AutoresetMode(autoreset_mode)
        except ValueError:
            modes = ", ".join(mode.value for mode in AutoresetMode)
            raise UsageError(f"no autoreset_mode {autoreset_mode!r}; there are: {modes}") from None
        asked = request(pack, task, engine, cousins, observe, cameras, size, noise, settings,
                        robot, control, feasible)  # fmt: skip
        self.request, self.num_envs, self.render_mode = asked, num_envs, render_mode
        self.episodes: Episodes = asked.load(asked.pool, num_envs)
        self.task = asked.task
        self.metadata = {"render_modes": ["rgb_array"], "autoreset_mode": self.autoreset_mode,
                         "render_fps": max(round(1 / self.task.control), 1)}  # fmt: skip
        self.single_action_space = asked.action(self.episodes)
        self.single_observation_space: Space[Any] = asked.observation(self.episodes.seen)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._over = np.zeros(num_envs, bool)
        self._frames: Pictures | None = None
        self._streams: list[np.random.Generator] = []
        self._seeds: list[int] = []
        self._seed(_seeds(seed, num_envs))
        self.closed = False

    def reset(
        self, *, seed: Seeds = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode in all worlds, or in those that are true in options["reset_mask"] (n,).

        seed: of world 0, the others count on; or one each, None where a stream is to go on.
        """
        mask = self._mask(options)
        seeds = _seeds(seed, self.num_envs)
        self._seed([s if mine else None for s, mine in zip(seeds, mask.tolist(), strict=True)])
        self._over[mask] = False
        self._begin(np.flatnonzero(mask))
        self.episodes.observe(np.flatnonzero(mask))
        return self._observation(), _info(self.episodes.told(), mask)

    def step(
        self, actions: Array
    ) -> tuple[Observation, Array, NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Let actions (n, K) act for `task.control` seconds. Worlds whose episode is over begin
        another as `autoreset_mode` says. Raises UsageError for bad actions, and before a reset."""
        episodes, over = self.episodes, self._over
        if self.autoreset_mode is AutoresetMode.DISABLED and over.any():
            raise UsageError(
                f"the episode of world {np.argmax(over)} is over: reset it, by "
                'options={"reset_mask": …}'
            )
        came = episodes.step(actions, idle=over)
        reward = np.where(over, 0.0, came.reward)
        terminated, truncated = came.terminated & ~over, came.truncated & ~over
        told = episodes.told(came)
        done, every = terminated | truncated, np.ones(self.num_envs, bool)
        if over.any():
            self._begin(np.flatnonzero(over))
            told = _instead(told, episodes.told(), over)
        episodes.observe()
        final: dict[str, Any] = {}
        if self.autoreset_mode is AutoresetMode.SAME_STEP and done.any():
            final = {"final_obs": self._each(done), "_final_obs": done.copy(),
                     "final_info": _info(told, done), "_final_info": done.copy()}  # fmt: skip
            self._begin(np.flatnonzero(done))
            episodes.observe(np.flatnonzero(done))
            told = _instead(told, episodes.told(), done)
            self._over = np.zeros_like(over)
        else:
            self._over = done.copy()
        return self._observation(), reward, terminated, truncated, {**_info(told, every), **final}

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """(h, w, 3) RGB of every world; None without a `render_mode`. Raises
        MissingDependencyError without OpenGL."""
        if self.render_mode is None:
            return None
        worlds, every = self.episodes.worlds, np.arange(self.num_envs)
        if self._frames is None:
            self._frames = Pictures(self.request.pack, worlds, FRAMES)
        self._frames.begin(every, worlds.cousin, [0] * self.num_envs)
        return tuple(self._frames(every)["rgb"])

    def close_extras(self, **kwargs: Any) -> None:
        """Let go of OpenGL."""
        for held in (self._frames, self.episodes.look):
            if held is not None:
                held.close()

    @property
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """Each world's stream."""
        return tuple(self._streams)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of each world's stream."""
        return tuple(self._seeds)

    def _seed(self, seeds: list[int | None]) -> None:
        if not self._streams:
            made = [seeding.np_random(seed) for seed in seeds]
            self._streams, self._seeds = [m[0] for m in made], [m[1] for m in made]
            return
        for i, seed in enumerate(seeds):
            if seed is not None:
                self._streams[i], self._seeds[i] = seeding.np_random(seed)

    def _begin(self, ids: Ids) -> None:
        episodes, draws, cousins = self.episodes, list[Draw](), list[int]()
        for world in ids.tolist():
            choices = episodes.worlds.choices(world)
            draws.append(draw(self._streams[world], len(choices), episodes.numbers))
            cousins.append(int(choices[draws[-1].choice]))
        episodes.begin(ids, np.array(cousins, np.int64), draws)

    def _mask(self, options: dict[str, Any] | None) -> NDArray[np.bool_]:
        if options is None or "reset_mask" not in options:
            return np.ones(self.num_envs, bool)
        mask = options["reset_mask"]
        wanted = isinstance(mask, np.ndarray) and mask.dtype == bool
        if not wanted or mask.shape != (self.num_envs,) or not mask.any():
            raise UsageError(
                f"reset_mask: give a boolean array ({self.num_envs},) with something true"
            )
        return mask

    def _observation(self) -> Observation:
        told = {name: value.copy() for name, value in self.request.told(self.episodes.seen).items()}
        return told if isinstance(self.single_observation_space, spaces.Dict) else told["state"]

    def _each(self, mask: NDArray[np.bool_]) -> NDArray[Any]:
        """(n,) an observation of each world of a mask, None of the others."""
        out = np.full(self.num_envs, None, dtype=object)
        told = self._observation()
        for i in np.flatnonzero(mask).tolist():
            out[i] = ({name: value[i] for name, value in told.items()}
                      if isinstance(told, dict) else told[i])  # fmt: skip
        return out


def check_render(mode: str | None) -> None:
    """Raises UsageError for a mode that there is not."""
    if mode not in (None, "rgb_array"):
        raise UsageError(f"no render_mode {mode!r}; there is: rgb_array")


def _seeds(seed: Seeds, n: int) -> list[int | None]:
    if seed is None:
        return [None] * n
    if isinstance(seed, (int, np.integer)):
        out: list[int | None] = [int(seed) + i for i in range(n)]
    else:
        out = [None if s is None else int(s) for s in seed]
    if len(out) != n:
        raise UsageError(f"{len(out)} seeds for {n} worlds: give one, or one each")
    if min((s for s in out if s is not None), default=0) < 0:
        raise UsageError("a seed is 0 or more")
    return out


def _info(told: Mapping[str, NDArray[Any]], mask: NDArray[np.bool_]) -> dict[str, Any]:
    """As gymnasium has it: beside each array whose it is; 0 for the others."""
    out: dict[str, Any] = {}
    for name, value in told.items():
        out[name], out[f"_{name}"] = np.where(mask, value, np.zeros_like(value)), mask.copy()
    return out


def _instead(
    told: Mapping[str, NDArray[Any]], fresh: Mapping[str, NDArray[Any]], mask: NDArray[np.bool_]
) -> Mapping[str, NDArray[Any]]:
    return {name: np.where(mask, fresh[name], value) for name, value in told.items()}
