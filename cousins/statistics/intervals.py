"""Intervals of a success rate, and of anything else by resampling."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

from cousins.errors import UsageError
from cousins.types import Array

LEVEL = 0.95
DRAWS = 2000  # of a bootstrap; a 95% bound is then off by about a twentieth of the interval
_AT_ONCE = 1 << 22  # numbers that a statistic is given at a time, at k * k for each draw


class Interval(NamedTuple):
    """From low to high, both included."""

    low: float
    high: float

    def __contains__(self, value: object) -> bool:
        """Whether a number lies in it."""
        return isinstance(value, (int, float)) and self.low <= value <= self.high


def normal(level: float) -> float:
    """How many standard deviations a two-sided interval of this level reaches. Raises UsageError
    for a level that is none."""
    if not 0 < level < 1:
        raise UsageError(f"a level of {level:g}: give one between 0 and 1, as 0.95")
    return float(ndtri(0.5 + level / 2))


def student(n: int, level: float) -> float:
    """As `normal`, where the deviation itself is from n numbers, 2 or more: Student's t (Student
    1908, "The probable error of a mean")."""
    normal(level)
    return float(stdtrit(n - 1, 0.5 + level / 2))


def counted(successes: int, trials: int) -> None:
    """Raises UsageError where that many cannot have succeeded."""
    if not 0 <= successes <= trials:
        raise UsageError(f"{successes} successes in {trials} trials: there cannot be as many")


def wilson(successes: int, trials: int, level: float = LEVEL) -> Interval:
    """Wilson's score interval of a success rate; 0 to 1 without a trial.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference"; its mean
    coverage is the level's (Brown, Cai and DasGupta 2001, "Interval estimation for a binomial
    proportion"). Raises UsageError for counts that cannot be.
    """
    z = normal(level)
    counted(successes, trials)
    if not trials:
        return Interval(0.0, 1.0)
    rate = successes / trials
    centre = (rate + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials)
    half *= math.sqrt(rate * (1 - rate) / trials + (z / (2 * trials)) ** 2)
    # To the bit, which rounding leaves a little off.
    low = 0.0 if successes == 0 else max(centre - half, 0.0)
    return Interval(low, 1.0 if successes == trials else min(centre + half, 1.0))


def mean_interval(values: Array, level: float = LEVEL) -> Interval | None:
    """Student's interval of the mean that numbers (n,) were drawn about; None for n < 2."""
    n = len(values)
    if n < 2:
        return None
    middle = float(np.mean(values))
    half = student(n, level) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return Interval(middle - half, middle + half)


def posterior(rng: np.random.Generator, successes: Array, trials: Array) -> Array:
    """Success rates as likely as the trials leave them: a draw for each, from the posterior under
    Jeffreys' prior. successes, trials: (...), equal shapes."""
    return rng.beta(successes + 0.5, trials - successes + 0.5)


def resamples(k: int, draws: int = DRAWS, seed: int = 0) -> NDArray[np.int64]:
    """(draws, k) which of k each draw takes, with replacement."""
    return np.random.default_rng(seed).integers(k, size=(draws, k))


def quantiles(values: Array, level: float = LEVEL) -> Interval | None:
    """Between which the middle of the values (draws,) lies. NaN, where a statistic could not be
    told of a draw, is left out; None where that is more than half of them."""
    z = normal(level)
    told = values[np.isfinite(values)]
    if 2 * len(told) < max(len(values), 1):
        return None
    low, high = np.quantile(told, [ndtr(-z), ndtr(z)])
    return Interval(float(low), float(high))


def in_pieces(statistic: Callable[..., Array], *columns: Array) -> Array:
    """(draws,) a statistic of columns (draws, k), which may take k * k numbers for each draw."""
    draws, k = columns[0].shape
    step = max(_AT_ONCE // max(k * k, 1), 1)
    parts = [statistic(*(c[i : i + step] for c in columns)) for i in range(0, draws, step)]
    return np.concatenate(parts) if parts else np.zeros(0)


def bootstrap(
    statistic: Callable[..., Array],
    *columns: Array,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = 0,
    corrected: bool = True,
) -> Interval | None:
    """An interval of a statistic of k rows, which were drawn from more of their kind.

    statistic: takes columns (..., k) and gives (...). columns: (k,) each, resampled together.
    corrected: for bias and skew (BCa), else plain quantiles. None where it cannot be told: for one
    row, or where most draws have no such statistic. Efron 1987, "Better bootstrap confidence
    intervals".
    """
    z = normal(level)
    k = len(columns[0])
    if k < 2:
        return None
    chosen = resamples(k, draws, seed)
    drawn = in_pieces(statistic, *(np.asarray(c)[chosen] for c in columns))
    drawn = drawn[np.isfinite(drawn)]
    own = float(statistic(*(np.asarray(c) for c in columns)))
    if 2 * len(drawn) < draws or not math.isfinite(own):
        return None
    if not corrected:
        return quantiles(drawn, level)
    rest = np.array([[j for j in range(k) if j != i] for i in range(k)])
    without = in_pieces(statistic, *(np.asarray(c)[rest] for c in columns))
    without = without[np.isfinite(without)]
    # Ties count half: a statistic of few rows takes few values.
    share = ((drawn < own).mean() + (drawn <= own).mean()) / 2
    bias = float(ndtri(np.clip(share, 1 / draws, 1 - 1 / draws)))
    off = without.mean() - without if len(without) else np.zeros(1)
    spread = float((off**2).sum()) ** 1.5
    skew = float((off**3).sum()) / (6 * spread) if spread > 1e-30 else 0.0
    low, high = (
        np.quantile(drawn, float(ndtr(bias + (bias + q) / max(1 - skew * (bias + q), 1e-3))))
        for q in (-z, z)
    )
    return Interval(float(low), float(high))
