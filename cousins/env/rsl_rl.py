"""A pack's worlds as rsl_rl's runners want them: torch in, torch out."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from cousins.env.vector import CousinsVectorEnv, Observation
from cousins.errors import MissingDependencyError, UsageError


class RslRlEnv:
    """What rsl_rl (3 and later) calls a VecEnv, over a `CousinsVectorEnv` that resets in the same
    step, as `OnPolicyRunner(RslRlEnv(env), train_cfg)` takes it.

    Observations are a TensorDict: "policy" is the state, pictures keep their names. extras tell of
    "time_outs", and under "log", of each episode that ended, whether in success and whether its
    world went unstable, of which rsl_rl writes the mean.
    """

    def __init__(self, env: CousinsVectorEnv, device: str = "cpu", seed: int | None = None) -> None:
        """Resets `env`, which no runner does. Raises UsageError for another autoreset mode, and
        MissingDependencyError without torch or tensordict."""
        if env.autoreset_mode is not AutoresetMode.SAME_STEP:
            raise UsageError('rsl_rl wants worlds made with autoreset_mode="SameStep"')
        try:
            import tensordict  # pyright: ignore[reportMissingImports]
            import torch  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise MissingDependencyError(
                f'rsl_rl does not import ({error}): pip install "cousins[rsl-rl]"'
            ) from None
        self._torch, self._tensors = torch, tensordict
        self.env, self.device = env, device
        self.num_envs = env.num_envs
        self.num_actions = int(np.prod(env.single_action_space.shape or ()))
        self.max_episode_length = env.episodes.limit
        self.cfg = {"pack": str(env.request.pack.path), "task": env.task.name}
        self._seen, _ = env.reset(seed=seed)

    @property
    def unwrapped(self) -> CousinsVectorEnv:
        """The worlds themselves."""
        return self.env

    @property
    def episode_length_buf(self) -> Any:
        """(n,) steps since each episode began. A runner may set it, to have them end apart."""
        return self._tensor(self.env.episodes.elapsed)

    @episode_length_buf.setter
    def episode_length_buf(self, steps: Any) -> None:
        self.env.episodes.elapsed[:] = steps.cpu().numpy()

    def get_observations(self) -> Any:
        """A TensorDict of (n, ...) as last seen."""
        return self._told(self._seen)

    def reset(self) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in every world."""
        self._seen, _ = self.env.reset()
        return self._told(self._seen), {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, dict[str, Any]]:
        """Observations, rewards (n,), dones (n,) and extras, after actions (n, K), of which what
        lies beyond -1..1 counts as that."""
        acted = actions.detach().cpu().numpy()
        self._seen, reward, terminated, truncated, info = self.env.step(acted)
        done = terminated | truncated
        ended = info.get("final_info", info)
        log = {f"/{name}": self._tensor(ended[name][done].astype(np.float32))
               for name in ("success", "unstable")}  # fmt: skip
        return (
            self._told(self._seen),
            self._tensor(reward.astype(np.float32)),
            self._tensor(done).long(),
            {"time_outs": self._tensor(truncated), "log": log},
        )

    def close(self) -> None:
        """Let go of what the worlds hold."""
        self.env.close()

    def _tensor(self, values: Any) -> Any:
        return self._torch.tensor(values, device=self.device)

    def _told(self, seen: Observation) -> Any:
        parts = seen if isinstance(seen, dict) else {"state": seen}
        named = {"policy" if name == "state" else name: self._tensor(value)
                 for name, value in parts.items()}  # fmt: skip
        return self._tensors.TensorDict(named, batch_size=[self.num_envs], device=self.device)
