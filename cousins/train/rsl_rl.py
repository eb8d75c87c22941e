"""PPO by rsl_rl, with a learning rate that keeps to a divergence (Rudin et al. 2022): for a GPU."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np

from cousins.env.rsl_rl import RslRlEnv
from cousins.errors import UsageError
from cousins.policies.extra import need
from cousins.policies.mlp import Activation, Mlp
from cousins.train.course import Course
from cousins.train.trainer import Plan, horizon

ACTIVATIONS: Mapping[str, Activation] = {"tanh": "Tanh", "relu": "Relu", "elu": "Elu"}
UNCLIPPED = float(np.finfo(np.float32).max)  # it does not clip an observation


@dataclass(frozen=True)
class RslRl:
    """Settings of PPO, rsl_rl 5 and later. horizon: steps of each world in an iteration;
    minibatches and epochs: of an update; divergence: of old and new policy, to which the learning
    rate is adapted; noise: standard deviation of actions at first."""

    hidden: tuple[int, ...] = (256, 256, 128)
    activation: str = "elu"
    learning_rate: float = 1e-3
    horizon: int = 24
    minibatches: int = 4
    epochs: int = 5
    clip: float = 0.2
    gae: float = 0.95
    entropy: float = 0.0
    divergence: float = 0.01
    noise: float = 0.6
    name: str = "rsl-rl"

    def __call__(self, course: Course, plan: Plan) -> RslRlLearner:
        """Raises MissingDependencyError without rsl_rl, UsageError for settings of which it can
        make nothing."""
        if self.activation not in ACTIVATIONS:
            raise UsageError(
                f"no activation {self.activation!r}; there are: {', '.join(ACTIVATIONS)}"
            )
        if min(self.horizon, self.minibatches, self.epochs, *self.hidden, 1) < 1:
            raise UsageError("a trainer's sizes are 1 or more")
        return RslRlLearner(self, course, plan)


class RslRlLearner:
    """algorithm: the `rsl_rl.algorithms.PPO`."""

    def __init__(self, how: RslRl, course: Course, plan: Plan) -> None:
        torch, runners = need("torch", "rsl-rl"), need("rsl_rl.runners", "rsl-rl")
        self.how, self.course, self._torch = how, course, torch
        seed = int(np.random.SeedSequence((plan.seed, plan.done, 1)).generate_state(1)[0])
        torch.manual_seed(seed)
        torch.set_num_threads(1)  # of what is left to the CPU
        device = "cuda:0" if torch.cuda.is_available() else "cpu"
        steps = horizon(how.horizon * course.num_envs, course.num_envs, plan.most)
        self.batch, self._steps = steps * course.num_envs, steps
        self.env = RslRlEnv(course, device)
        network = {"class_name": "MLPModel", "hidden_dims": list(how.hidden),
                   "activation": how.activation, "obs_normalization": True}  # fmt: skip
        spread = {"class_name": "GaussianDistribution", "init_std": how.noise}
        settings = {
            "num_steps_per_env": steps, "save_interval": 1 << 30,
            "obs_groups": {"actor": ["policy"], "critic": ["policy"]},
            "actor": {**network, "distribution_cfg": spread}, "critic": network,
            "algorithm": {
                "class_name": "PPO", "num_learning_epochs": how.epochs,
                "num_mini_batches": min(how.minibatches, self.batch), "clip_param": how.clip,
                "gamma": plan.gamma, "lam": how.gae, "entropy_coef": how.entropy,
                "learning_rate": how.learning_rate, "desired_kl": how.divergence,
                "schedule": "adaptive", "rnd_cfg": None,
            },
        }  # fmt: skip
        with redirect_stdout(io.StringIO()):  # it prints its networks
            self.algorithm = runners.OnPolicyRunner(self.env, settings, None, device).alg
        self.algorithm.train_mode()

    def iterate(self, left: float, stop: Callable[[], bool]) -> Mapping[str, float] | None:
        """See `Learner`."""
        algorithm, since = self.algorithm, time.perf_counter()
        seen = self.env.get_observations()
        with self._torch.inference_mode():
            for _ in range(self._steps):
                if stop():
                    algorithm.storage.clear()
                    return None
                seen, reward, done, extras = self.env.step(algorithm.act(seen))
                algorithm.process_env_step(seen, reward, done, extras)
            algorithm.compute_returns(seen)
        acted = time.perf_counter()
        figures = {f"train/{name}": float(value) for name, value in algorithm.update().items()}
        return figures | {
            "train/learning_rate": float(algorithm.learning_rate),
            "train/std": float(algorithm.get_policy().output_std.detach().mean()),
            "seconds/acting": acted - since,
            "seconds/learning": time.perf_counter() - acted,
        }

    def network(self) -> Mlp:
        """See `Learner`."""
        told = {n: v.detach().cpu().float().numpy()
                for n, v in self.algorithm.get_policy().state_dict().items()}  # fmt: skip
        layers = tuple((told[f"mlp.{2 * k}.weight"].copy(), told[f"mlp.{2 * k}.bias"].copy())
                       for k in range(len(self.how.hidden) + 1))  # fmt: skip
        normal = self.algorithm.get_policy().obs_normalizer
        mean, std = (part.detach().cpu().float().numpy() for part in (normal.mean, normal.std))
        return Mlp(mean, std + np.float32(normal.eps), UNCLIPPED, layers,
                   ACTIVATIONS[self.how.activation])  # fmt: skip

    def state(self) -> Mapping[str, Any]:
        """See `Learner`."""
        return self.algorithm.save()

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Learner`."""
        self.algorithm.load(dict(state), None, True)
