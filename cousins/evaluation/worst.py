"""The cousins that a policy finds hardest, each tried several times more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from cousins.env.episodes import Draw, draw
from cousins.evaluation.effects import distances
from cousins.evaluation.rollout import Rolled, Stage, rollout
from cousins.index import Index
from cousins.policies import Policy
from cousins.progress import Progress, silent

PRIOR = 2.0  # episodes that the rate over all counts for


@dataclass(frozen=True)
class Hard:
    """One cousin. successes of trials: in episodes of its own, none of those by which it was
    noticed. mean, low, high: the posterior of its rate, as if `PRIOR` episodes more had gone as
    episodes go over all; 95 %. failures: counts by kind. axes: how far it is on each."""

    cousin: int
    distance: float
    successes: int
    trials: int
    mean: float
    low: float
    high: float
    failures: Mapping[str, int]
    axes: Mapping[str, float]


def worst(
    on: Stage, done: Rolled, policy: Policy, held: Index, count: int = 8, again: int = 8,
    seed: int = 0, progress: Progress = silent,
) -> tuple[Hard, ...]:  # fmt: skip
    """The `count` cousins of `done` with the lowest posterior mean, the lowest first.

    Twice as many, those that did worst there, are run `again` times each, and these episodes alone
    count: the worst of many after an episode or two are mostly the unlucky ones.
    """
    if not count or not again:
        return ()
    numbers = _noticed(done, 2 * count)
    plan = [_drawn(on, int(n), j, seed) for n in numbers for j in range(again)]
    more = rollout(on, plan, policy, progress, "worst cousins")
    overall = (np.count_nonzero(done.success) + 0.5) / (len(done) + 1)
    far = distances(held, numbers)
    found = []
    for k, number in enumerate(numbers.tolist()):
        mine = slice(k * again, (k + 1) * again)
        good = int(np.count_nonzero(more.success[mine]))
        a, b = good + PRIOR * overall, again - good + PRIOR * (1 - overall)
        low, high = (float(betaincinv(a, b, q)) for q in (0.025, 0.975))
        found.append(
            Hard(
                number, float(more.distance[k * again]), good, again, float(a / (a + b)), low, high,
                dict(Counter(more.failure[mine][~more.success[mine]].tolist()).most_common()),
                {name: float(values[k]) for name, values in far.items()},
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda h: (h.mean, h.cousin))[:count])


def _noticed(done: Rolled, count: int) -> np.ndarray:
    """(k,) pack numbers, those first whose posterior mean is lowest, then whose reward is."""
    numbers, of = np.unique(done.cousin, return_inverse=True)
    trials = np.bincount(of)
    good = np.bincount(of, done.success)
    mean = (good + PRIOR * done.success.mean()) / (trials + PRIOR)
    reward = np.bincount(of, done.reward) / trials
    return numbers[np.lexsort([reward, mean])[:count]]


def _drawn(on: Stage, number: int, j: int, seed: int) -> Draw:
    """Episode j of a cousin; the last number keeps it apart from `rollout.plan`."""
    rng = np.random.default_rng([seed, number, j, 1])
    drawn = draw(rng, len(on.pool), on.episodes.numbers)
    return Draw(int(np.searchsorted(on.pool.number, number)), drawn.uniform, drawn.noise)
