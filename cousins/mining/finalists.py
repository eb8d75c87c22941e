"""The best of a search, tried again: what did badly in two episodes was mostly unlucky."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.bank import Family
from cousins.evaluation.rates import Rate, rate
from cousins.mining.archive import UNABLE, UNKNOWN, Archive
from cousins.mining.bench import Arrays, Bench, alike, fresh
from cousins.mining.generations import shown_to
from cousins.mining.space import Certified, Space

MORE, LAST = 3.0, 1.5  # times as many as are wanted are tried again at first, and then
AGAIN, LATER, END = 1_000_001, 1_000_002, 1_000_003  # in place of a generation's number


@dataclass(frozen=True)
class Chosen:
    """The cousins that are given, the hardest first, as families numbered so. generation (k,);
    rates: of the policy in fresh episodes of each; experts: likewise, None without one. infeasible:
    those that were left out here since the expert did not do them either."""

    families: tuple[Family, ...]
    generation: NDArray[np.int64]
    rates: tuple[Rate, ...]
    experts: tuple[Rate, ...] | None
    infeasible: int
    rollouts: int
    expert_rollouts: int


def choose(
    bench: Bench, space: Space, found: Archive, seed: int, wanted: int, again: int, last: int,
    below: float, threads: int = 0,
) -> Chosen | None:  # fmt: skip
    """Try what was found again, with `again` rollouts, and give at most `wanted` of those that seem
    to succeed less often than `below`; then try these in `last` fresh ones. None if there are none.
    """
    many = max(min(round(MORE * wanted), again // 2), wanted)
    best = found.apart(space, many)
    if not len(best):
        return None
    made = space.certified(best.points, (seed, AGAIN), threads)
    came = bench.kept("finalists", lambda: _tried(bench, space, made, best, seed, wanted, again,
                                                  last, below))  # fmt: skip
    order = came["order"]
    if not len(order):
        return None
    expert = came["expert"]
    told = tuple(rate(row) for row in expert) if expert.size else None
    return Chosen(
        tuple(space.families(made, order.tolist())), best.generation[order],
        tuple(rate(row) for row in came["success"]), told, int(came["infeasible"]),
        int(came["rollouts"]), int(came["shown"]),
    )  # fmt: skip


def _tried(
    bench: Bench, space: Space, made: Certified, best: Archive, seed: int, wanted: int,
    again: int, last: int, below: float,
) -> Arrays:  # fmt: skip
    """order (k,): those chosen, of the finalists; success and expert (k, episodes)."""
    count = len(best)
    first = max(again // 2 // count, 1)
    successes, trials, able = best.successes.copy(), best.trials.copy(), best.able.copy()
    rolled = shown = 0
    with bench.staged(space.families(made, range(count)), first) as on:

        def more(cousins: NDArray[np.int64], episodes: int, lot: int) -> None:
            nonlocal rolled
            plan = alike(on, cousins, episodes, seed, lot)
            part = bench.tried(on, plan, "the hardest again", rolled, again)
            successes[cousins] += part.success.reshape(-1, episodes).sum(1)
            trials[cousins] += episodes
            rolled += len(plan)

        def now() -> Archive:
            return Archive(best.points, best.generation, successes, trials, best.reward, best.level,
                           able)  # fmt: skip

        more(np.arange(count), first, AGAIN)
        asked = np.flatnonzero(able == UNKNOWN)
        able[asked], new = shown_to(bench, on, asked, first, seed, AGAIN)
        shown += new
        order = now().order()
        left = order[able[order] != UNABLE][: max(round(LAST * wanted), 1)]
        episodes = (again - rolled) // max(len(left), 1)
        if len(left) and episodes:
            more(np.sort(left), episodes, LATER)
        order = now().order()
        order = order[np.isin(order, left) & (successes < trials)[order]]
        order = order[now().rate[order] < below][:wanted]
        success, expert = np.zeros((0, 0), bool), np.zeros((0, 0), bool)
        if len(order):
            each = max(last // len(order), 1)
            plan = fresh(on, order, each, seed, END)
            success = bench.tried(on, plan, "fresh episodes").success.reshape(-1, each)
            expert = bench.expert(on, plan).reshape(-1, each)
            rolled, shown = rolled + len(plan), shown + expert.size
    return {
        "order": order, "success": success, "expert": expert, "rollouts": np.array(rolled),
        "shown": np.array(shown), "infeasible": np.array(int((able[asked] == UNABLE).sum())),
    }  # fmt: skip
