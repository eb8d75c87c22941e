"""What trains: a trainer makes a learner, which is asked for one iteration after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from cousins.errors import UsageError
from cousins.policies.mlp import Mlp
from cousins.train.course import Course

BUILT_IN = {"sb3": "cousins.train.sb3:Sb3", "rsl-rl": "cousins.train.rsl_rl:RslRl"}


@dataclass(frozen=True)
class Plan:
    """What a learner is to know besides its worlds. gamma: the discount of one step; seed, and
    done, the steps that were made before: what it draws from; most: the steps that it may make in
    all, None where only time is set."""

    gamma: float
    seed: int
    done: int
    most: int | None


class Learner(Protocol):
    """What is learnt in a course. batch: steps of one world each that an iteration makes."""

    @property
    def batch(self) -> int: ...

    def iterate(self, left: float, stop: Callable[[], bool]) -> Mapping[str, float] | None:
        """Act for `batch` steps and learn from them; figures of it, by name. left: the share of the
        training that is still to come, 1 to 0. None, and nothing learnt, once `stop()`."""
        ...

    def network(self) -> Mlp:
        """The policy as it is now, without noise."""
        ...

    def state(self) -> Mapping[str, Any]:
        """All that it takes to go on: numbers, texts, lists, dicts and tensors."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        ...


class Trainer(Protocol):
    """A way to train: a frozen dataclass of its settings."""

    @property
    def name(self) -> str: ...

    def __call__(self, course: Course, plan: Plan) -> Learner:
        """Raises MissingDependencyError without the libraries that it takes."""
        ...


def kind(name: str) -> Any:
    """The trainer's class of this name. Raises UsageError for one that there is not."""
    if name not in BUILT_IN:
        raise UsageError(f"no trainer {name!r:.60}; trainers: {', '.join(BUILT_IN)}")
    module, _, attribute = BUILT_IN[name].partition(":")
    return getattr(import_module(module), attribute)


def discount(control: float, limit: float) -> float:
    """Of one step of `control` seconds, so that what comes in half an episode's `limit` weighs a
    third (1/e) of what comes now, whatever the period is."""
    return math.exp(-control / max(limit / 2, control))


def horizon(batch: int, worlds: int, most: int | None) -> int:
    """Steps of each world in an iteration of about `batch` steps, and no more than are asked for
    in all."""
    steps = min(max(batch // worlds, 16), 512)
    return steps if most is None else max(min(steps, -(-most // worlds)), 1)
