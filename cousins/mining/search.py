"""The search: the cross-entropy method over the numbers that cousins are made of.

Each generation is drawn from a proposal: a normal distribution of each number's probit, and shares
of the families. The points on which the policy does worst, the elites, move it (Rubinstein 1999,
"The cross-entropy method for combinatorial and continuous optimization"; de Boer et al. 2005, "A
tutorial on the cross-entropy method"), and a part of each generation is drawn as ordinary cousins
are, so that nothing is lost for good (Hesterberg 1995, "Weighted average importance sampling and
defensive mixture distributions"). O'Kelly et al. 2018, "Scalable end-to-end autonomous vehicle
testing via rare-event simulation", look for failures of policies in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from cousins.mining.space import Points
from cousins.types import Array

FAR = 2.5  # standard deviations of the prior that a mean goes at most
TINY = 1e-9  # from 0 and 1, where the probit is finite


@dataclass(frozen=True)
class Search:
    """How it is searched. generations: about so many; episodes: of each point; drawn: so many times
    as many points as are tried are drawn, and those tried that seem hardest, see
    `cousins.mining.guess`; elites: the share of them that moves the proposal; ordinary: the share
    of each generation that is drawn, and tried, as ordinary cousins are; step: how far towards the
    elites it moves; noise: standard errors of the elites that count for nothing; narrow: the least
    spread; hard: a cousin is given where success seems to be at most this share of that on ordinary
    ones. With `drawn` 1 and `step` 0 it is a search at random."""

    generations: int = 10
    episodes: int = 1
    drawn: int = 16
    elites: float = 0.25
    ordinary: float = 0.15
    step: float = 1.0
    noise: float = 0.5
    narrow: float = 0.4
    hard: float = 0.5


@dataclass(frozen=True)
class Proposal:
    """mean and spread (D,) of each number's probit; share (F,) of families."""

    mean: Array
    spread: Array
    share: Array

    @classmethod
    def prior(cls, width: int, families: int) -> Proposal:
        """What ordinary cousins are drawn from."""
        return cls(np.zeros(width), np.ones(width), np.full(families, 1 / families))

    def points(self, rng: np.random.Generator, n: int, usual: int) -> Points:
        """n of them, of which the first `usual` are as ordinary cousins."""
        width, families = len(self.mean), len(self.share)
        plain = np.arange(n)[:, None] < usual
        z = rng.standard_normal((n, width))
        z = np.where(plain, z, self.mean + self.spread * z)
        share = np.where(plain, 1 / families, self.share)
        family = (rng.random(n)[:, None] >= np.cumsum(share, 1)).sum(1)
        return Points(ndtr(z), np.minimum(family, families - 1))

    def moved(self, points: Points, elite: NDArray[np.bool_], how: Search) -> Proposal:
        """After a generation, of which some (n,) are elites. It goes by how these differ from all
        that were drawn, less what chance alone would make of it: most numbers do not matter, and
        the proposal stays wide in these."""
        n, count = len(points), int(elite.sum())
        if count < 2 or count == n or not how.step:
            return self
        z = ndtri(np.clip(points.uniform, TINY, 1 - TINY))
        whole, own = z.std(0), z[elite].std(0)
        error = whole * np.sqrt(1 / count - 1 / n)
        mean = self.mean + how.step * _less(z[elite].mean(0) - z.mean(0), how.noise * error)
        ratio = np.log(np.maximum(own, TINY) / np.maximum(whole, TINY))
        ratio = _less(ratio, how.noise / np.sqrt(2 * count))
        spread = np.clip(self.spread * np.exp(how.step * ratio), how.narrow, 1.0)
        families = len(self.share)
        # As if one more of each family had been among both.
        all_, of = (np.bincount(f, minlength=families) + 1.0
                    for f in (points.family, points.family[elite]))  # fmt: skip
        share = self.share * ((of / of.sum()) / (all_ / all_.sum())) ** how.step
        return Proposal(np.clip(mean, -FAR, FAR), spread, share / share.sum())


def _less(values: Array, by: Array | float) -> Array:
    """Values that much nearer to 0, and none beyond it."""
    return np.sign(values) * np.maximum(np.abs(values) - by, 0.0)
