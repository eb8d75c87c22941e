"""The correlation of two success rates as endless trials would show it."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from cousins.statistics.agreement import pearson, pearson_interval
from cousins.statistics.intervals import LEVEL, Interval, normal
from cousins.types import Array

# Deviations of the true rates on the scale of `angle`, on which 0 to 1 is 0 to pi / 2: from what
# thousands of trials just show to half of the rates 0 and half 1. The correlation's grid is close
# towards -1 and 1, where it matters.
_SPREAD = np.geomspace(0.005, np.pi / 4, 24)
_RHO = np.tanh(np.linspace(-5, 5, 141))


def angle(rate: Array, trials: Array) -> Array:
    """asin of the root of a rate, whose noise is 1 / (4 trials + 2) in variance whatever the rate
    (Anscombe 1948, "The transformation of Poisson, binomial and negative-binomial data")."""
    more = np.where(np.isfinite(trials), trials, 1e18)
    return np.arcsin(np.sqrt(np.clip((rate * more + 0.375) / (more + 0.75), 0, 1)))


def true_pearson_interval(
    a: Array, a_trials: Array, b: Array, b_trials: Array, level: float = LEVEL
) -> Interval | None:
    """Of the correlation of two success rates without the noise of counting, which lowers it.

    a, b: (k,) rates; a_trials, b_trials: (k,) of how many each; inf where it is exact. The true
    rates are taken as drawn from a normal distribution on the scale of `angle`, with flat priors of
    its mean, its two deviations and its correlation, of which the posterior is added up on a grid.
    What is corrected is what Spearman corrected in 1904 ("The proof and measurement of association
    between two things"), but in this way k policies are known to leave much open. The flat prior
    tells at k = 5 to 8, where it covers correlations above 0.98 too seldom. None for k < 4.
    """
    z = normal(level)
    k = len(a)
    if k < 4:
        return None
    density = _posterior(
        np.column_stack([angle(a, a_trials), angle(b, b_trials)]),
        np.column_stack([1 / (4 * a_trials + 2), 1 / (4 * b_trials + 2)]),
    )
    # What lies between the grid's points is shared between them.
    below = np.cumsum(density) - density / 2
    low, high = np.interp([ndtr(-z), ndtr(z)], below / density.sum(), _RHO)
    # The noise takes no r away from 0, so that what Fisher's interval leaves out on that side of it
    # is out; it knows better than a flat prior.
    measured = pearson_interval(float(pearson(a, b)), k, level)
    if measured is not None and measured.low > 0:
        low, high = max(low, measured.low), max(high, measured.low)
    if measured is not None and measured.high < 0:
        low, high = min(low, measured.high), min(high, measured.high)
    return Interval(float(low), float(high))


def _posterior(seen: Array, noise: Array) -> Array:
    """(len(_RHO),) how likely each correlation is, from (k, 2) angles and variances of noise."""
    one, two, rho = np.meshgrid(_SPREAD, _SPREAD, _RHO, indexing="ij")
    both = rho * one * two
    log = np.zeros_like(one)
    # Of the precisions' sum, of what they pull the mean to, and of the squares.
    p11, p12, p22, h1, h2, q = (np.zeros_like(one) for _ in range(6))
    for (y1, y2), (v1, v2) in zip(seen, noise, strict=True):
        first, second = one**2 + v1, two**2 + v2
        size = first * second - both**2
        a11, a12, a22 = second / size, -both / size, first / size
        p11, p12, p22 = p11 + a11, p12 + a12, p22 + a22
        h1, h2 = h1 + a11 * y1 + a12 * y2, h2 + a12 * y1 + a22 * y2
        q = q + a11 * y1**2 + 2 * a12 * y1 * y2 + a22 * y2**2
        log -= np.log(size)
    size = p11 * p22 - p12**2
    fit = q - (p22 * h1**2 - 2 * p12 * h1 * h2 + p11 * h2**2) / size
    log = (log - np.log(size) - fit) / 2
    # Flat in the deviations and in the correlation, on grids that are not.
    log += np.log(one) + np.log(two) + np.log1p(-(rho**2))
    return np.exp(log - log.max()).sum((0, 1))
