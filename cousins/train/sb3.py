"""PPO by Stable-Baselines3, on the CPU (Schulman et al. 2017; Raffin et al. 2021)."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from cousins.errors import UsageError
from cousins.policies.extra import need
from cousins.policies.mlp import Activation, Mlp
from cousins.train.course import Course
from cousins.train.trainer import Plan, horizon

LEAST = 1e-6  # of a variance: what hardly changes, as a height that is held, is not blown up
CLIP = 10.0  # standard deviations of an observation and of a reward
# Variance that is added to each, as if all were seen to within a centimetre: what hardly changes in
# training would else be blown up where it does.
LEAST = 1e-4
ACTIVATIONS: Mapping[str, Activation] = {"tanh": "Tanh", "relu": "Relu", "elu": "Elu"}
# While worlds run, one thread: a network this small waits longer for a second than it takes.
ACTING = 1


@dataclass(frozen=True)
class Sb3:
    """Settings of PPO. hidden: widths of the layers, of policy and value alike; batch: steps of an
    iteration; minibatch and epochs: of an update; noise: standard deviation of actions at first;
    learning: threads of an update, which change the last digits of what comes out."""

    hidden: tuple[int, ...] = (128, 128)
    activation: str = "tanh"
    learning_rate: float = 1e-3
    batch: int = 4096
    minibatch: int = 256
    epochs: int = 10
    clip: float = 0.2
    gae: float = 0.95
    entropy: float = 0.0
    noise: float = 0.6
    learning: int = 1
    name: str = "sb3"

    def __call__(self, course: Course, plan: Plan) -> Sb3Learner:
        """Raises MissingDependencyError without Stable-Baselines3, UsageError for settings of
        which it can make nothing."""
        if self.activation not in ACTIVATIONS:
            raise UsageError(
                f"no activation {self.activation!r}; there are: {', '.join(ACTIVATIONS)}"
            )
        low = min(self.batch, self.minibatch, self.epochs, self.learning, *self.hidden, 1)
        if low < 1 or self.minibatch < 2 or min(self.learning_rate, self.noise) <= 0:
            raise UsageError("a trainer's sizes are 1 or more, its rates above 0")
        need("stable_baselines3")
        return Sb3Learner(self, course, plan)


class Sb3Learner:
    """model: the `stable_baselines3.PPO`."""

    def __init__(self, how: Sb3, course: Course, plan: Plan) -> None:
        from cousins.env.sb3 import Sb3Env

        torch = need("torch")
        logger = need("stable_baselines3.common.logger")
        normalize = need("stable_baselines3.common.vec_env").VecNormalize
        self.how, self.course, self._torch = how, course, torch
        self._left, self._acted = 1.0, 0.0
        steps = horizon(how.batch, course.num_envs, plan.most)
        self.batch = steps * course.num_envs
        self.normal = normalize(Sb3Env(course), clip_obs=CLIP, clip_reward=CLIP, gamma=plan.gamma,
                                epsilon=LEAST)  # fmt: skip
        seed = int(np.random.SeedSequence((plan.seed, plan.done, 1)).generate_state(1)[0])
        torch.set_num_threads(ACTING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a last minibatch that is smaller does no harm
            self.model = need("stable_baselines3").PPO(
                "MlpPolicy",
                self.normal,
                learning_rate=lambda _: how.learning_rate * self._left,
                n_steps=steps,
                batch_size=min(how.minibatch, self.batch),
                n_epochs=how.epochs,
                gamma=plan.gamma,
                gae_lambda=how.gae,
                clip_range=how.clip,
                ent_coef=how.entropy,
                policy_kwargs={
                    "net_arch": list(how.hidden),
                    "activation_fn": getattr(
                        torch.nn, {"tanh": "Tanh", "relu": "ReLU", "elu": "ELU"}[how.activation]
                    ),
                    "log_std_init": float(np.log(how.noise)),
                },
                seed=seed % 2**31,
                device="cpu",
            )
        self.model.set_logger(logger.Logger(None, []))

    def iterate(self, left: float, stop: Callable[[], bool]) -> Mapping[str, float] | None:
        """See `Learner`."""
        base = need("stable_baselines3.common.callbacks").BaseCallback
        outer, since = self, time.perf_counter()

        class Watch(base):
            whole = False

            def _on_step(self) -> bool:
                return not stop()

            def _on_rollout_end(self) -> None:
                self.whole = True
                outer._acted = time.perf_counter()
                outer._torch.set_num_threads(outer.how.learning)

        self._left, watch = left, Watch()
        try:
            self.model.learn(
                self.batch, watch, log_interval=cast(Any, None), reset_num_timesteps=False
            )
        finally:
            self._torch.set_num_threads(ACTING)
        if not watch.whole:
            return None
        told = self.model.logger.name_to_value
        figures: dict[str, float] = {
            name: float(cast(Any, value)) for name, value in told.items()
            if name.startswith("train/") and np.isscalar(value)
        }  # fmt: skip
        told.clear()
        done = time.perf_counter()
        return figures | {
            "seconds/acting": self._acted - since,
            "seconds/learning": done - self._acted,
        }

    def network(self) -> Mlp:
        """See `Learner`."""
        weights = {n: v.detach().cpu().numpy() for n, v in self.model.policy.state_dict().items()}
        names = [f"mlp_extractor.policy_net.{2 * k}" for k in range(len(self.how.hidden))]
        layers = tuple((weights[f"{n}.weight"].copy(), weights[f"{n}.bias"].copy())
                       for n in [*names, "action_net"])  # fmt: skip
        rms = self.normal.obs_rms
        std = np.sqrt(rms.var + self.normal.epsilon)
        return Mlp(rms.mean.astype(np.float32), std.astype(np.float32), CLIP, layers,
                   ACTIVATIONS[self.how.activation])  # fmt: skip

    def state(self) -> Mapping[str, Any]:
        """See `Learner`."""
        model = self.model
        return {
            "policy": model.policy.state_dict(),
            "optimizer": model.policy.optimizer.state_dict(),
            "updates": int(model._n_updates),
            "normal": {n: _numbers(getattr(self.normal, n)) for n in ("obs_rms", "ret_rms")},
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Learner`."""
        self.model.policy.load_state_dict(state["policy"])
        self.model.policy.optimizer.load_state_dict(state["optimizer"])
        self.model._n_updates = state["updates"]
        for name, told in state["normal"].items():
            rms = getattr(self.normal, name)
            rms.mean, rms.var = (np.array(told[part]).reshape(rms.mean.shape)
                                 for part in ("mean", "var"))  # fmt: skip
            rms.count = told["count"]


def _numbers(rms: Any) -> dict[str, Any]:
    """A running mean as plain numbers: a checkpoint holds no arrays of numpy's."""
    return {"mean": np.ravel(rms.mean).tolist(), "var": np.ravel(rms.var).tolist(),
            "count": float(rms.count)}  # fmt: skip
