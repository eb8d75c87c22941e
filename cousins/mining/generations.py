"""One generation after the other, until the rollouts are used up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.errors import ScanError
from cousins.evaluation.rates import Rate, rate
from cousins.mining.archive import Archive
from cousins.mining.bench import Arrays, Bench, fresh
from cousins.mining.guess import MOST as MOST_KNOWN
from cousins.mining.guess import fit
from cousins.mining.search import Proposal, Search
from cousins.mining.space import Points, Space
from cousins.types import Array

LEAST, MOST = 8, 200  # points of a generation
BARREN = 20  # generations in a row of which nothing passes its certificate, and it is given up
KEPT = 8  # times as many cousins as are wanted are remembered


@dataclass(frozen=True)
class Searched:
    """found: what was tried, as far as it may be wanted. rates: of each generation. drawn: points;
    rejected: those without a certificate, and why; infeasible: on which the policy failed, and the
    expert wherever it did. rollouts, expert_rollouts: episodes."""

    found: Archive
    rates: tuple[Rate, ...]
    drawn: int
    rejected: int
    reasons: Counter[str]
    infeasible: int
    rollouts: int
    expert_rollouts: int


@dataclass(frozen=True)
class Tried:
    """n cousins that were tried, all that a guess goes by. traits (n, T), share of breaks (n,) and
    trials (n,)."""

    traits: Array
    share: Array
    trials: Array

    def plus(self, traits: Array, share: Array, trials: int) -> Tried:
        """And these, each tried so often; of all of them the last that a guess goes by."""
        many = np.full(len(share), float(trials))
        return Tried(*(np.concatenate(pair)[-MOST_KNOWN:] for pair in (
            (self.traits, traits), (self.share, share), (self.trials, many))))  # fmt: skip


def search(
    bench: Bench, space: Space, how: Search, seed: int, rollouts: int, wanted: int, known: Tried,
    threads: int = 0,
) -> Searched:  # fmt: skip
    """Search with so many rollouts of the policy for `wanted` cousins. known: of ordinary cousins,
    to begin with. Raises ScanError if none passes its certificate."""
    proposal = Proposal.prior(space.width, len(space.sources.each))
    found, rates, reasons = Archive.empty(space.width), list[Rate](), Counter[str]()
    drawn = rejected = infeasible = done = shown = generation = barren = 0
    size = int(np.clip(round(rollouts / (how.generations * how.episodes)), LEAST, MOST))
    while rollouts - done >= how.episodes:
        rng, usual = np.random.default_rng([seed, generation]), round(how.ordinary * size)
        pool = proposal.points(rng, usual + how.drawn * (size - usual), usual)
        traits, tried, level = _promising(space, pool, known, size, usual, how)
        points = pool[tried]
        most = (rollouts - done) // how.episodes
        came = bench.kept(
            f"generation{generation}",
            lambda g=generation, p=points, m=most, d=done: _tried(
                bench, space, how, seed, g, p, m, (d, rollouts), threads
            ),
        )
        place, success, broke = came["place"], came["success"], came["broke"]
        drawn, rejected = drawn + len(points), rejected + int(came["rejected"])
        reasons.update(dict(zip(came["reasons"].tolist(), came["times"].tolist(), strict=True)))
        generation += 1
        barren = 0 if len(place) else barren + 1
        if barren == BARREN and not len(found):
            raise ScanError(
                f"{bench.read.path}: no cousin passed its certificate in {drawn} draws: "
                f"{in_words(reasons)}"
            )
        if barren == BARREN:
            break
        if barren:
            continue
        done, shown = done + success.size, shown + int(came["shown"])
        infeasible += int((~success.all(1) & ~broke.any(1)).sum())
        rates.append(rate(success.ravel()))
        many = np.full(len(place), 1)
        lot = Archive(
            points[place], (generation - 1) * many, broke.sum(1), how.episodes * many,
            came["reward"], np.clip(level[place], 0, 1),
        )  # fmt: skip
        known = known.plus(traits[tried[place]], broke.mean(1), how.episodes)
        elite = np.zeros(len(pool), bool)
        elite[tried[place[lot.order()[: _elites(len(place), how)]]]] = True
        proposal = proposal.moved(pool, elite, how)
        found = found.plus(lot).hardest(KEPT * wanted)
    return Searched(found, tuple(rates), drawn, rejected, reasons, infeasible, done, shown)


def _promising(
    space: Space, pool: Points, known: Tried, size: int, usual: int, how: Search
) -> tuple[Array, NDArray[np.int64], Array]:
    """The traits (n, T) of points, which of these are tried (size,), and the guess at each of them
    (size,): the first `usual`, and of the others those that seem hardest."""
    every = np.arange(len(pool))
    if how.drawn == 1:
        usually = np.full(len(pool), np.average(known.share, weights=known.trials))
        return np.zeros((len(pool), known.traits.shape[1])), every, usually
    traits = space.traits(pool)
    guess = fit(known.traits, known.share, known.trials)(traits)
    order = usual + np.argsort(-guess[usual:], kind="stable")[: size - usual]
    tried = np.concatenate([every[:usual], np.sort(order)])
    return traits, tried, guess[tried]


def in_words(reasons: Counter[str]) -> str:
    """The reasons that reject most, with their counts."""
    return "; ".join(f"{why} ({times} times)" for why, times in reasons.most_common(3))


def _elites(count: int, how: Search) -> int:
    return max(int(np.ceil(how.elites * count)), 2)


def _tried(
    bench: Bench, space: Space, how: Search, seed: int, generation: int, points: Points,
    most: int, part: tuple[int, int], threads: int,
) -> Arrays:  # fmt: skip
    """One generation: the places (c,) of the points that passed and were tried, at most so many;
    success (c, episodes) of the policy, where it `broke` (c, episodes), and mean rewards (c,)."""
    made = space.certified(points, (seed, generation), threads)
    place = np.flatnonzero(made.good)[:most]
    success = broke = np.zeros((len(place), how.episodes), bool)
    reward, shown = np.zeros(len(place)), 0
    if len(place):
        with bench.staged(space.families(made, place.tolist()), how.episodes) as on:
            plan = fresh(on, np.arange(len(place)), how.episodes, seed, generation)
            rolled = bench.tried(on, plan, "search", *part)
            success = rolled.success.reshape(success.shape)
            reward = rolled.reward.reshape(success.shape).mean(1)
            flat, shown = bench.broken(on, plan, rolled.success)
            broke = flat.reshape(success.shape)
    return {
        "place": place, "success": success, "broke": broke, "reward": reward,
        "shown": np.array(shown), "rejected": np.array(int((~made.good).sum())),
        "reasons": np.array(list(made.reasons), "U200"),
        "times": np.array(list(made.reasons.values()), np.int64),
    }  # fmt: skip
