"""The best of a search, tried again and again, half of them each time (Karnin et al. 2013, "Almost
optimal exploration in multi-armed bandits"): what did badly once was mostly unlucky."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cousins.bank import Family
from cousins.evaluation.rates import Rate, rate
from cousins.mining.archive import Archive
from cousins.mining.bench import Arrays, Bench, alike, fresh
from cousins.mining.space import Certified, Space

ROUNDS = 4  # each of as many rollouts; in the last there are as many cousins as are wanted
AGAIN, END = 1_000_001, 1_100_001  # in place of a generation's number


@dataclass(frozen=True)
class Chosen:
    """The cousins that are given, the hardest first, as families numbered so. generation (k,);
    rates: of the policy in fresh episodes of each; experts: likewise, None without one."""

    families: tuple[Family, ...]
    generation: NDArray[np.int64]
    rates: tuple[Rate, ...]
    experts: tuple[Rate, ...] | None
    rollouts: int
    expert_rollouts: int


def choose(
    bench: Bench, space: Space, found: Archive, seed: int, wanted: int, again: int, last: int,
    least: float, threads: int = 0,
) -> Chosen | None:  # fmt: skip
    """Try what was found again, with `again` rollouts, and give at most `wanted` of those that seem
    to break it in a share of `least` or more; then try these in `last` fresh ones. None if there
    are none.
    """
    best = found.apart(space, max(min(wanted << (ROUNDS - 1), again // ROUNDS), wanted))
    if not len(best):
        return None
    made = space.certified(best.points, (seed, AGAIN), threads)
    came = bench.kept("finalists", lambda: _tried(bench, space, made, best, seed, wanted, again,
                                                  last, least))  # fmt: skip
    order = came["order"]
    if not len(order):
        return None
    expert = came["expert"]
    told = tuple(rate(row) for row in expert) if expert.size else None
    return Chosen(
        tuple(space.families(made, order.tolist())), best.generation[order],
        tuple(rate(row) for row in came["success"]), told,
        int(came["rollouts"]), int(came["shown"]),
    )  # fmt: skip


def _tried(
    bench: Bench, space: Space, made: Certified, best: Archive, seed: int, wanted: int,
    again: int, last: int, least: float,
) -> Arrays:  # fmt: skip
    """order (k,): those chosen, of the finalists; success and expert (k, episodes)."""
    breaks, trials = best.breaks.copy(), best.trials.copy()
    left, now, rolled, shown = np.arange(len(best)), best, 0, 0
    with bench.staged(space.families(made, range(len(best))), 1) as on:
        for lot in range(ROUNDS):
            order = now.order()
            left = np.sort(order[np.isin(order, left)][: wanted << (ROUNDS - 1 - lot)])
            episodes = (again - rolled) // ((ROUNDS - lot) * max(len(left), 1))
            if not len(left) or not episodes:
                continue
            plan = alike(on, left, episodes, seed, AGAIN + lot)
            success = bench.tried(on, plan, "the hardest again", rolled, again).success
            broke, new = bench.broken(on, plan, success)
            breaks[left] += broke.reshape(-1, episodes).sum(1)
            trials[left] += episodes
            rolled, shown = rolled + len(plan), shown + new
            now = replace(best, breaks=breaks, trials=trials)
        order = now.order()
        order = order[np.isin(order, left) & (now.rate[order] >= least)][:wanted]
        success, expert = np.zeros((0, 0), bool), np.zeros((0, 0), bool)
        if len(order):
            each = max(last // len(order), 1)
            plan = fresh(on, order, each, seed, END)
            success = bench.tried(on, plan, "fresh episodes").success.reshape(-1, each)
            expert = bench.expert(on, plan).reshape(-1, each)
            rolled, shown = rolled + len(plan), shown + expert.size
    return {
        "order": order, "success": success, "expert": expert, "rollouts": np.array(rolled),
        "shown": np.array(shown),
    }  # fmt: skip
