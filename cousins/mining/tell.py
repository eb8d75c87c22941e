"""What tells mined cousins from ordinary ones, as effect sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cousins.bank import Family
from cousins.statistics import Interval
from cousins.types import Array
from cousins.variation.sampling import Sources

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


def by_axis(families: Sequence[Family]) -> dict[str, Array]:
    """(n,) how far cousins are from the twin on each axis and in all."""
    cousins = [cousin for family in families for cousin in family.cousins]
    out = {name: np.array([c.axes[name] for c in cousins]) for name in cousins[0].axes}
    return out | {"distance": np.array([c.distance for c in cousins])}


def by_object(sources: Sources, families: Sequence[Family]) -> dict[str, Array]:
    """(n,) what each of the twin's objects has in cousins: mass (kg), friction, how far its shape
    and its place (m) are from the twin's; and how many distractors there are."""
    parts: dict[str, list[Array]] = {}

    def add(name: str, values: Array) -> None:
        parts.setdefault(name, []).append(values)

    for family in families:
        source = sources.each[family.cousins[0].seed[1]]
        bank, rows = source.union.bank, family.arrays
        add("distractors", np.full(len(family), float(source.family)))
        for i, asset in enumerate(source.scene.assets[: source.own]):
            place = rows["qpos"][:, bank.address[i] + np.arange(2)]
            add(f"mass of {asset.name}", rows["mass"][:, i])
            add(f"friction of {asset.name}", rows["friction"][:, i])
            add(f"shape of {asset.name}", bank.distance[rows["shape"][:, i], i])
            add(f"way of {asset.name}", np.linalg.norm(place - asset.position[:2], axis=1))
    return {name: np.concatenate(values) for name, values in parts.items()}
