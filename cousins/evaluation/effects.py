"""What each axis of variation does to success, told apart from the axes that go along with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.evaluation.logistic import logistic
from cousins.evaluation.rates import Bin, bins, slope
from cousins.index import Index
from cousins.statistics import Interval
from cousins.types import Array

LOW, HIGH = 0.1, 0.9  # quantiles of an axis between which its effect is told
BINS = 5


@dataclass(frozen=True)
class Effect:
    """One axis, by how far cousins are from the twin on it.

    bins: of about as many episodes each, whatever the other axes do there. from_, to: the distances
    that a tenth and nine tenths of the episodes have. change: by how much the mean success differs
    between these two, with all other axes as they are, by a logistic regression on all axes, and
    its 95 % interval; slope: its coefficient, log odds by distance. Both None where the axis does
    not vary.
    """

    axis: str
    bins: tuple[Bin, ...]
    from_: float
    to: float
    change: tuple[float, Interval] | None
    slope: tuple[float, Interval] | None


def distances(held: Index, cousins: NDArray[np.int64]) -> dict[str, Array]:
    """By axis, (n,) how far the cousins of these pack numbers (n,) are from the twin."""
    at = {number: row for row, number in enumerate(held.number.tolist())}
    rows = np.array([at.get(number, -1) for number in cousins.tolist()], np.int64)
    # What is no cousin is the twin itself, which is nowhere apart from itself.
    return {name: np.where(rows < 0, 0.0, values[rows]) for name, values in held.axes.items()}


def effects(
    values: Mapping[str, Array], success: NDArray[np.bool_], cousins: NDArray[np.int64]
) -> tuple[Effect, ...]:
    """Of each axis, the one that costs most success first. values: (n,) each; cousins (n,): whose
    episodes are not independent. Episodes with an axis that is not told are left out of all but the
    bins."""
    names = list(values)
    if not names:
        return ()
    columns = np.stack([values[name] for name in names], 1)
    told = np.isfinite(columns).all(1)
    x, y = columns[told], success[told]
    found = logistic(x, y, cousins[told]) if len(x) else None
    out = []
    for k, name in enumerate(names):
        cut = bins(values[name], success, BINS)
        known = values[name][np.isfinite(values[name])]
        low, high = np.quantile(known, [LOW, HIGH]) if len(known) else (np.nan, np.nan)
        change = found and slope(found, k + 1) and found.change(_at(x, k, low), _at(x, k, high))
        out.append(Effect(name, cut, float(low), float(high), change or None,
                          slope(found, k + 1) if found else None))  # fmt: skip
    return tuple(sorted(out, key=lambda e: e.change[0] if e.change else np.inf))


def _at(x: Array, k: int, value: float) -> Array:
    out = x.copy()
    out[:, k] = value
    return out
