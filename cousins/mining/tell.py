"""What tells mined cousins from ordinary ones, as effect sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cousins.statistics import Interval
from cousins.types import Array

SMALL = 1e-9  # of a spread that is none


@dataclass(frozen=True)
class Difference:
    """One quantity of mined and of ordinary cousins: their means, and how many standard deviations
    these lie apart (Hedges' g), above 0 where the mined ones have more, with its 95 % interval."""

    name: str
    mined: float
    ordinary: float
    effect: float
    interval: Interval


def difference(name: str, mined: Array, ordinary: Array) -> Difference | None:
    """Of two samples; None where they are too few or do not vary. Hedges 1981, "Distribution theory
    for Glass's estimator of effect size and related estimators", with its large-sample variance."""
    m, n = len(mined), len(ordinary)
    if min(m, n) < 2:
        return None
    free = m + n - 2
    pooled = math.sqrt(((m - 1) * mined.var(ddof=1) + (n - 1) * ordinary.var(ddof=1)) / free)
    one, other = float(mined.mean()), float(ordinary.mean())
    if pooled <= SMALL * max(abs(one), abs(other), SMALL):
        return None
    g = (1 - 3 / (4 * free - 1)) * (one - other) / pooled
    half = 1.959964 * math.sqrt((m + n) / (m * n) + g * g / (2 * (m + n)))
    return Difference(name, one, other, g, Interval(g - half, g + half))


def differences(
    mined: Mapping[str, Array], ordinary: Mapping[str, Array]
) -> tuple[Difference, ...]:
    """Of all quantities by name, the largest first."""
    each = (difference(name, mined[name], ordinary[name]) for name in mined)
    found = [one for one in each if one is not None]
    return tuple(sorted(found, key=lambda one: -abs(one.effect)))
