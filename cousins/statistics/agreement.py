"""How far two measurements of the same k things agree, such as policies' success rates in
simulation and on a robot. Columns are (..., k); a statistic of each leading axis comes out."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cousins.statistics.intervals import LEVEL, Interval, in_pieces, normal
from cousins.types import Array

# Below this share of the numbers themselves, what they differ by is rounding.
_EQUAL = 1e-12


def pearson(a: Array, b: Array) -> Array:
    """(...) Pearson's correlation; NaN where either column is constant, or k < 2."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    least = [_EQUAL * np.abs(c).sum(-1) for c in (a, b)]
    a = a - a.mean(-1, keepdims=True)
    b = b - b.mean(-1, keepdims=True)
    along, across = np.sqrt((a * a).sum(-1)), np.sqrt((b * b).sum(-1))
    told = (along > least[0]) & (across > least[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        r = (a * b).sum(-1) / (along * across)
    return np.where(told, np.clip(r, -1, 1), np.nan)


def pearson_interval(r: float, k: int, level: float = LEVEL) -> Interval | None:
    """Of the correlation of what k pairs were drawn from. None for k < 4, or where r is not told.

    Fisher 1921, "On the probable error of a coefficient of correlation": atanh(r) is normal, with
    a deviation of 1 / sqrt(k - 3). What noise there is in the pairs is in r and in the interval.
    """
    z = normal(level)
    if k < 4 or not math.isfinite(r):
        return None
    if abs(r) >= 1:
        return Interval(r, r)
    middle, half = math.atanh(r), z / math.sqrt(k - 3)
    return Interval(math.tanh(middle - half), math.tanh(middle + half))


def ranks(a: Array) -> Array:
    """(..., k) from 0; equal numbers share the mean of theirs."""
    a = np.asarray(a, float)
    below = (a[..., :, None] > a[..., None, :]).sum(-1)
    level = (a[..., :, None] >= a[..., None, :]).sum(-1)
    return (below + level - 1) / 2


def spearman(a: Array, b: Array) -> Array:
    """(...) the correlation of the ranks (Spearman 1904); NaN as `pearson`."""
    return pearson(ranks(a), ranks(b))


def kendall(a: Array, b: Array) -> Array:
    """(...) tau-b: pairs in the same order less pairs in the other one, over the pairs that are not
    tied (Kendall 1945, "The treatment of ties in ranking problems"). NaN as `pearson`."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    one = np.sign(a[..., :, None] - a[..., None, :])
    two = np.sign(b[..., :, None] - b[..., None, :])
    untied = np.sqrt((one != 0).sum((-1, -2)) * (two != 0).sum((-1, -2)))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(untied > 0, (one * two).sum((-1, -2)) / untied, np.nan)


def mmrv(sim: Array, real: Array) -> Array:
    """(...) mean maximum rank violation: of each thing the largest |real_i - real_j| over those j
    that `sim` puts in another order, and the mean of these. 0 where all are in order.

    Li et al. 2024, "Evaluating real-world robot manipulation policies in simulation" (SIMPLER).
    """
    sim, real = np.asarray(sim, float), np.asarray(real, float)
    other = (sim[..., :, None] > sim[..., None, :]) != (real[..., :, None] > real[..., None, :])
    far = np.abs(real[..., :, None] - real[..., None, :])
    return (far * other).max(-1).mean(-1)


def drop_one(statistic: Callable[..., Array], *columns: Array) -> Interval | None:
    """The least and the largest that a statistic of columns (k,) becomes without one of the k rows:
    whether it hangs on a single one. None for k < 3, or where it cannot be told."""
    k = len(columns[0])
    if k < 3:
        return None
    keep = np.array([[j for j in range(k) if j != i] for i in range(k)])
    found = in_pieces(statistic, *(np.asarray(c)[keep] for c in columns))
    found = found[np.isfinite(found)]
    return Interval(float(found.min()), float(found.max())) if len(found) else None
