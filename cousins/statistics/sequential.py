"""When an evaluation may stop: statements that hold at every moment at once, however often one
looks, and whatever one stops for.

Outcomes count in the order in which episodes were drawn, not in that in which they ended: a
success may end sooner than a failure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, xlog1py, xlogy

from cousins.errors import UsageError
from cousins.statistics.intervals import LEVEL, Interval, counted, normal
from cousins.types import Array

_HALVINGS = 60


@dataclass(frozen=True)
class Stop:
    """When it is enough. level: of all statements together. width: once the interval of the success
    rate is as narrow as this; threshold: once the rate is known to be above or below it; None asks
    for neither. least, most: episodes before which it never ends, and after which it does.

    Raises UsageError for numbers that make no sense.
    """

    level: float = LEVEL
    width: float | None = None
    threshold: float | None = None
    least: int = 1
    most: int | None = None

    def __post_init__(self) -> None:
        normal(self.level)
        for name in ("width", "threshold"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise UsageError(f"a {name} of {value:g}: give one between 0 and 1")
        if self.least < 1 or (self.most is not None and self.most < self.least):
            raise UsageError(f"{self.least} to {self.most} episodes: there are none to end after")


def anytime(successes: int, trials: int, level: float = LEVEL) -> Interval:
    """An interval of a success rate that may be looked at after each trial: the probability that
    it ever misses the true rate is at most 1 - level.

    What a gambler with the mixed strategy Beta(1/2, 1/2) has made by betting against a rate is, if
    that rate is true, seldom ever large (Ville 1939, "Etude critique de la notion de collectif");
    rates against which 1 / (1 - level) was made are left out (Robbins 1970, "Statistical methods
    related to the law of the iterated logarithm"; Waudby-Smith and Ramdas 2024, "Estimating means
    of bounded random variables by betting"). Raises UsageError for counts that cannot be.
    """
    normal(level)
    counted(successes, trials)
    low, high = _anytime(np.array([successes], float), np.array([trials], float), level)
    return Interval(float(low[0]), float(high[0]))


def running(outcomes: NDArray[np.bool_], level: float = LEVEL) -> tuple[Array, Array]:
    """The interval after each of n trials, (n,) low and (n,) high: as `anytime`, and within all
    those before, which all hold at once."""
    normal(level)
    successes = np.cumsum(np.asarray(outcomes, bool)).astype(float)
    low, high = _anytime(successes, np.arange(1.0, len(successes) + 1), level)
    return np.maximum.accumulate(low), np.minimum.accumulate(high)


def evidence(wins: int, losses: int) -> float:
    """The natural logarithm of an e-value against two policies being equally good, from the paired
    episodes in which only one of them succeeded.

    If they are equal these are tosses of a fair coin, and this is what the gambler of `anytime` has
    made of 1: it is ever 1 / alpha or more with a probability of at most alpha, so that min(1,
    exp(-it)) is a p-value at every moment (Grünwald, de Heide and Koolen 2024, "Safe testing").
    Raises UsageError for counts below 0.
    """
    if min(wins, losses) < 0:
        raise UsageError(f"{wins} won and {losses} lost: there cannot be as many")
    return float(_log_wealth(np.array(wins, float), np.array(wins + losses, float), np.array(0.5)))


def stop(rule: Stop, successes: int, trials: int) -> str | None:
    """Why an evaluation of one policy may stop now, in words, or None."""
    if trials < rule.least:
        return None
    low, high = anytime(successes, trials, rule.level)
    if rule.threshold is not None and not low <= rule.threshold <= high:
        return f"the rate is {'above' if low > rule.threshold else 'below'} {rule.threshold:g}"
    if rule.width is not None and high - low <= rule.width:
        return f"the rate is known to within {high - low:.3f}"
    return "as many as were allowed" if rule.most is not None and trials >= rule.most else None


def stop_pairs(rule: Stop, wins: int, losses: int, trials: int) -> str | None:
    """As `stop`, of two policies on the same episodes: once one of them is the better one. wins,
    losses: of trials, those in which the first alone succeeded, and the second alone."""
    counted(wins + losses, trials)
    if trials < rule.least:
        return None
    if evidence(wins, losses) >= -math.log1p(-rule.level):
        return f"the {'first' if wins > losses else 'second'} is better"
    return "as many as were allowed" if rule.most is not None and trials >= rule.most else None


def _log_wealth(successes: Array, trials: Array, rate: Array) -> Array:
    """(...) of betting on trials against a rate."""
    failures = trials - successes
    made = betaln(successes + 0.5, failures + 0.5) - betaln(0.5, 0.5)
    return made - xlogy(successes, rate) - xlog1py(failures, -rate)


def _anytime(successes: Array, trials: Array, level: float) -> tuple[Array, Array]:
    """(n,) low and high. The wealth falls up to the observed rate and rises after it, so that each
    bound is found by halving, and is rounded outwards."""
    enough = -math.log1p(-level)
    rate = successes / np.maximum(trials, 1)
    bounds = []
    for end in (0.0, 1.0):
        out, inside = np.full(len(rate), end), rate.copy()
        for _ in range(_HALVINGS):
            middle = (out + inside) / 2
            rich = _log_wealth(successes, trials, middle) >= enough
            out, inside = np.where(rich, middle, out), np.where(rich, inside, middle)
        # Against a rate of 0, or 1, nothing was made as long as none, or each, succeeded.
        never = successes == 0 if end == 0 else successes == trials
        bounds.append(np.where(never | (trials == 0), end, out))
    return bounds[0], bounds[1]
