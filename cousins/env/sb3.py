"""A pack's worlds as Stable-Baselines3 wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from cousins.env.vector import CousinsVectorEnv, Observation
from cousins.errors import MissingDependencyError, UsageError

try:
    from stable_baselines3.common.vec_env import (  # pyright: ignore[reportMissingImports]
        VecEnv,
    )
except ImportError as error:
    raise MissingDependencyError(
        f'stable-baselines3 does not import ({error}): pip install "cousins[rl]"'
    ) from None


class Sb3Env(VecEnv):
    """What Stable-Baselines3 (2.4 and later) calls a VecEnv, over a `CousinsVectorEnv` that resets
    in the same step, as `PPO("MlpPolicy", Sb3Env(env))` takes it.

    An info tells of its world the "cousin", its "distance", "is_success" and "unstable". At the end
    of an episode also "episode", with its return "r" and its length "l"; "terminal_observation",
    and "TimeLimit.truncated": whether only time was up.
    """

    def __init__(self, env: CousinsVectorEnv) -> None:
        """Raises UsageError for another autoreset mode."""
        if env.autoreset_mode is not AutoresetMode.SAME_STEP:
            raise UsageError('Stable-Baselines3 wants worlds made with autoreset_mode="SameStep"')
        self.env = env
        self.actions: NDArray[Any] | None = None
        self._return = np.zeros(env.num_envs)
        self._length = np.zeros(env.num_envs, np.int64)
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> Observation:
        """Begin an episode in every world; with the seeds that `seed` gave, if it did."""
        seeds = None if all(seed is None for seed in self._seeds) else self._seeds
        seen, info = self.env.reset(seed=seeds)
        self._reset_seeds()
        self._reset_options()
        self._return[:], self._length[:] = 0, 0
        self.reset_infos = _each(info, self.num_envs)
        return seen

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep actions (n, K) for `step_wait`."""
        self.actions = actions

    def step_wait(
        self,
    ) -> tuple[Observation, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Observations, rewards (n,), dones (n,) and infos after these actions."""
        if self.actions is None:
            raise UsageError("no actions to wait for: call step_async first")
        seen, reward, terminated, truncated, info = self.env.step(self.actions)
        self._return += reward
        self._length += 1
        done = terminated | truncated
        infos = _each(info, self.num_envs)
        if done.any():
            ended = _each(info["final_info"], self.num_envs)
            for i in np.flatnonzero(done).tolist():
                infos[i] = {
                    **ended[i],
                    "terminal_observation": info["final_obs"][i],
                    "TimeLimit.truncated": bool(truncated[i]),
                    "episode": {"r": float(self._return[i]), "l": int(self._length[i]), "t": 0.0},
                }
            self._return[done], self._length[done] = 0, 0
        return seen, reward.astype(np.float32), done, infos

    def close(self) -> None:
        """Let go of what the worlds hold."""
        self.env.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """A picture of each world; of none without a `render_mode`."""
        return self.env.render() or [None] * self.num_envs

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of the worlds, which they have in common, once for each."""
        value = getattr(self.env, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the worlds, which they have in common."""
        setattr(self.env, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Raises UsageError: no world has a method of its own."""
        raise UsageError(f"no world has a method of its own: call that of .env, {method_name!r}")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """No world is."""
        return [False for _ in self._get_indices(indices)]


def _each(info: dict[str, Any], n: int) -> list[dict[str, Any]]:
    """gymnasium's info of all worlds as one of each."""
    told = {"is_success" if name == "success" else name: info[name].tolist()
            for name in ("cousin", "distance", "success", "unstable")}  # fmt: skip
    return [{name: values[i] for name, values in told.items()} for i in range(n)]
