"""Success as a share with its interval: over all, by bins of a distance, and as a curve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.evaluation.logistic import Fit, logistic
from cousins.evaluation.rollout import Rolled
from cousins.statistics import Interval, wilson
from cousins.types import Array

BINS, EACH = 8, 25  # bins at most, and episodes that one should have
POINTS = 41  # of a curve


@dataclass(frozen=True)
class Rate:
    """A share of trials. low, high: its 95 % interval."""

    successes: int
    trials: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """0 without a trial."""
        return self.successes / self.trials if self.trials else 0.0


@dataclass(frozen=True)
class Bin:
    """Episodes whose cousin lies from low to high; middle: their mean."""

    low: float
    high: float
    middle: float
    rate: Rate


@dataclass(frozen=True)
class Curve:
    """Success against a distance.

    bins: of about as many episodes each. at, rate, low and high (P,): a logistic curve with its
    95 % band, point by point; empty where the distance does not vary. slope: of the log odds by the
    distance, with its interval; None where it does not vary.
    """

    bins: tuple[Bin, ...]
    at: tuple[float, ...]
    rate: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    slope: tuple[float, Interval] | None


def rate(success: NDArray[np.bool_], interval: Callable[[int, int], Interval] = wilson) -> Rate:
    """Of successes (n,)."""
    good, many = int(np.count_nonzero(success)), len(success)
    return Rate(good, many, *interval(good, many))


def bins(values: Array, success: NDArray[np.bool_], most: int = BINS) -> tuple[Bin, ...]:
    """At most so many bins of values (n,), cut at their quantiles; NaN, where a value is not told,
    is in none."""
    told = np.isfinite(values)
    values, success = values[told], success[told]
    count = int(np.clip(len(values) // EACH, 1, most))
    if not len(values):
        return ()
    edges = np.unique(np.quantile(values, np.linspace(0, 1, count + 1)))
    at = np.clip(np.searchsorted(edges, values, "right") - 1, 0, max(len(edges) - 2, 0))
    found = []
    for k in range(max(len(edges) - 1, 1)):
        mine = at == k
        if mine.any():
            low, high = float(edges[k]), float(edges[min(k + 1, len(edges) - 1)])
            found.append(Bin(low, high, float(values[mine].mean()), rate(success[mine])))
    return tuple(found)


def curve(values: Array, success: NDArray[np.bool_], cousins: NDArray[np.int64]) -> Curve:
    """Success (n,) against values (n,). cousins (n,): whose episodes are not independent."""
    told = np.isfinite(values)
    cut = bins(values, success)
    values, success, cousins = values[told], success[told], cousins[told]
    if len(np.unique(values)) < 3:
        return Curve(cut, (), (), (), (), None)
    found = logistic(values[:, None], success, cousins)
    at = np.linspace(float(values.min()), float(values.max()), POINTS)
    low, high = found.band(at[:, None])
    return Curve(cut, _plain(at), _plain(found.rate(at[:, None])), _plain(low), _plain(high),
                 slope(found, 1))  # fmt: skip


def slope(found: Fit, k: int) -> tuple[float, Interval] | None:
    """Coefficient k with its 95 % interval; None where what it belongs to does not vary."""
    half = 1.959964 * float(np.sqrt(found.covariance[k, k]))
    middle = float(found.coefficient[k])
    return (middle, Interval(middle - half, middle + half)) if half > 0 else None


def failures(done: Rolled) -> dict[str, Rate]:
    """By kind, the most frequent first, of all episodes."""
    counted = Counter(done.failure[~done.success].tolist())
    ordered = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
    return {kind: Rate(times, len(done), *wilson(times, len(done))) for kind, times in ordered}


def _plain(values: Array) -> tuple[float, ...]:
    return tuple(float(v) for v in values)
