"""Which of two policies is better: exact tests, and the difference with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from cousins.errors import UsageError
from cousins.statistics.intervals import LEVEL, Interval, counted, wilson

# Boschloo's test takes minutes beyond it; Fisher's then says nearly the same.
_TABLES = 250**2


@dataclass(frozen=True)
class Comparison:
    """difference: of the success rates, the first's less the second's, with its interval. p: of
    the test that they are equal, two-sided. test: which one, in words. n: trials of the first, or
    pairs. wins, losses: of pairs, those in which the first alone succeeded, and the second."""

    difference: float
    interval: Interval
    p: float
    test: str
    n: int
    wins: int | None = None
    losses: int | None = None


def paired(first: NDArray[np.bool_], second: NDArray[np.bool_], level: float = LEVEL) -> Comparison:
    """Two policies on the same n cousins and seeds. first, second: (n,) whether each succeeded.

    The test is McNemar's, exactly: where only one of them succeeded, that is as often the one as
    the other if they are equally good (McNemar 1947, "Note on the sampling error of the difference
    between correlated proportions"). The interval is method 10 of Newcombe 1998, "Improved
    confidence intervals for the difference between binomial proportions based on paired data".
    Raises UsageError for columns that do not match, or are empty.
    """
    a, b = np.asarray(first, bool), np.asarray(second, bool)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise UsageError(f"pairs of {a.shape} and {b.shape}: give the same episodes of both")
    n, both = len(a), int((a & b).sum())
    wins, losses = int((a & ~b).sum()), int((b & ~a).sum())
    neither = n - both - wins - losses
    p = min(2 * float(bdtr(min(wins, losses), wins + losses, 0.5)), 1.0)
    # How far the two go together.
    rows = (both + wins) * (losses + neither) * (both + losses) * (wins + neither)
    less = both * neither - wins * losses
    if less > n / 2:
        less -= n / 2
    elif less >= 0:
        less = 0
    phi = less / math.sqrt(rows) if rows else 0.0
    interval = _difference(both + wins, n, both + losses, n, phi, level)
    return Comparison((wins - losses) / n, interval, p, "McNemar, exact", n, wins, losses)


def unpaired(
    successes: int, trials: int, other_successes: int, other_trials: int, level: float = LEVEL
) -> Comparison:
    """Two policies that were tried separately.

    The test is Boschloo's, exact and nowhere weaker than Fisher's (Boschloo 1970, "Raised
    conditional level of significance for the 2x2-table"), or Fisher's where there are many trials.
    The interval is method 10 of Newcombe 1998, "Interval estimation for the difference between
    independent proportions". Raises UsageError for counts that cannot be, or no trial.
    """
    from scipy.stats import boschloo_exact, fisher_exact

    counted(successes, trials)
    counted(other_successes, other_trials)
    if not trials or not other_trials:
        raise UsageError("no trial of one policy, so there is nothing to compare")
    table = [[successes, other_successes], [trials - successes, other_trials - other_successes]]
    if not any(table[0]) or not any(table[1]):
        p, test = 1.0, "Boschloo, exact"  # nothing differs, on which scipy gives NaN
    elif trials * other_trials <= _TABLES:
        p, test = float(boschloo_exact(table).pvalue), "Boschloo, exact"
    else:
        p, test = float(np.asarray(fisher_exact(table))[1]), "Fisher, exact"
    interval = _difference(successes, trials, other_successes, other_trials, 0.0, level)
    difference = successes / trials - other_successes / other_trials
    return Comparison(difference, interval, min(p, 1.0), test, trials)


def _difference(x: int, m: int, y: int, n: int, phi: float, level: float) -> Interval:
    """Of x / m less y / n, from the intervals of both; phi: their correlation."""
    p, q = x / m, y / n
    (l1, u1), (l2, u2) = wilson(x, m, level), wilson(y, n, level)
    below = (p - l1) ** 2 - 2 * phi * (p - l1) * (u2 - q) + (u2 - q) ** 2
    above = (u1 - p) ** 2 - 2 * phi * (u1 - p) * (q - l2) + (q - l2) ** 2
    return Interval(
        max(p - q - math.sqrt(max(below, 0.0)), -1.0), min(p - q + math.sqrt(max(above, 0.0)), 1.0)
    )
