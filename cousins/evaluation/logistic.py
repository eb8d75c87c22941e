"""Logistic regression of few outcomes that knows what it does not know.

The likelihood carries Jeffreys' prior (Firth 1993, "Bias reduction of maximum likelihood
estimates"), so that it has a maximum even where something tells all successes from all failures
(Heinze and Schemper 2002, "A solution to the problem of separation in logistic regression").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cousins.statistics import Interval
from cousins.statistics.intervals import LEVEL, normal
from cousins.types import Array

_ROUNDS, _STEP, _CLOSE = 100, 2.0, 1e-8


@dataclass(frozen=True)
class Fit:
    """log odds = coefficient[0] + coefficient[1:] @ x. covariance (p + 1, p + 1)."""

    coefficient: Array
    covariance: Array

    def rate(self, x: Array) -> Array:
        """(n,) predicted at x (n, p)."""
        return expit(_with_one(x) @ self.coefficient)

    def band(self, x: Array, level: float = LEVEL) -> tuple[Array, Array]:
        """(n,) low and (n,) high of the rate at x (n, p), at each point for itself."""
        rows = _with_one(x)
        middle = rows @ self.coefficient
        half = normal(level) * np.sqrt(np.einsum("ni,ij,nj->n", rows, self.covariance, rows))
        return expit(middle - half), expit(middle + half)

    def change(self, low: Array, high: Array, level: float = LEVEL) -> tuple[float, Interval]:
        """By how much the mean rate changes from rows (n, p) to others, with the interval that the
        delta method gives."""
        means, slopes = [], []
        for rows in (_with_one(low), _with_one(high)):
            rate = expit(rows @ self.coefficient)
            means.append(float(rate.mean()))
            slopes.append(((rate * (1 - rate))[:, None] * rows).mean(0))
        slope = slopes[1] - slopes[0]
        half = normal(level) * float(np.sqrt(slope @ self.covariance @ slope))
        middle = means[1] - means[0]
        return middle, Interval(max(middle - half, -1.0), min(middle + half, 1.0))


def logistic(x: Array, success: NDArray[np.bool_], groups: NDArray[np.int64]) -> Fit:
    """Fit success (n,) on x (n, p). groups (n,): episodes of the same cousin, which may go alike.

    A variance is the larger of two: the likelihood's own, and the one that holds if episodes of a
    cousin are not independent (Liang and Zeger 1986, "Longitudinal data analysis using generalized
    linear models"). A column that does not vary has a coefficient of 0 and no variance.
    """
    x = np.asarray(x, float)
    middle, spread = x.mean(0), x.std(0)
    vary = spread > 1e-12 * np.maximum(np.abs(middle), 1e-300)
    scaled = _with_one((x[:, vary] - middle[vary]) / spread[vary])
    found, covariance = _firth(scaled, np.asarray(success, float), groups)
    # Back from what has a mean of 0 and a deviation of 1.
    p = x.shape[1] + 1
    back = np.zeros((p, scaled.shape[1]))
    back[0, 0] = 1.0
    rows = 1 + np.flatnonzero(vary)
    back[rows, np.arange(1, len(rows) + 1)] = 1 / spread[vary]
    back[0, 1:] = -middle[vary] / spread[vary]
    return Fit(back @ found, back @ covariance @ back.T)


def _firth(x: Array, y: Array, groups: NDArray[np.int64]) -> tuple[Array, Array]:
    b = np.zeros(x.shape[1])
    for _ in range(_ROUNDS):
        rate, inverse, leverage = _state(x, b)
        score = x.T @ (y - rate + leverage * (0.5 - rate))
        step = inverse @ score
        b = b + step * min(1.0, _STEP / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < _CLOSE:
            break
    rate, inverse, leverage = _state(x, b)
    each = x * (y - rate + leverage * (0.5 - rate))[:, None]
    _, of = np.unique(groups, return_inverse=True)
    count = int(of.max()) + 1
    summed = np.zeros((count, x.shape[1]))
    np.add.at(summed, of, each)
    robust = inverse @ (summed.T @ summed) @ inverse * (count / max(count - 1, 1))
    # Scaled up, the correlations of the one with the deviations of whichever is larger.
    more = np.sqrt(np.maximum(np.diag(robust) / np.diag(inverse), 1.0))
    return b, inverse * more[:, None] * more


def _state(x: Array, b: Array) -> tuple[Array, Array, Array]:
    """(n,) rates, (p, p) the inverse of the information, (n,) each row's leverage."""
    rate = expit(x @ b)
    weight = np.maximum(rate * (1 - rate), 1e-12)
    inverse = np.linalg.pinv((x * weight[:, None]).T @ x, hermitian=True)
    return rate, inverse, weight * np.einsum("ni,ij,nj->n", x, inverse, x)


def _with_one(x: Array) -> Array:
    return np.column_stack([np.ones(len(x)), x])
