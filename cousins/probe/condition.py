"""What an observation tells of an object's properties: the draws that did as was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cousins.distributions import Beta, Distribution, LogNormal
from cousins.errors import UsageError
from cousins.probe.observe import Observation, words
from cousins.probe.rig import PROPERTIES, TELLS, Outcomes, Samples, Spread
from cousins.types import Array, Asset

FEW = 15.0  # draws that agree, below which what they tell is rough
RARE = 0.005  # share of what was known that comes near what was seen, below which that is strange
ENOUGH = 0.25  # share of the draws that agree, above which none need be drawn nearer
_SOME = 0.1  # share that may agree with as much of what was seen as is taken in at a time
_ROOM = 1.5  # by how much draws are spread wider than those that agree
_NEAR = 3.0  # standard deviations within which some draw must come
_CHANCE = 3.0  # standard errors that a property must have changed by to be told of
_POSITIVE = ("mass", "friction")


@dataclass(frozen=True)
class Conditioned:
    """after: by name, the properties of which the observations tell, as they are then; the others
    they leave as they were. weights (n,) of the draws, 1 in all; effective: how many draws' worth
    agree with what was seen."""

    after: Mapping[str, Distribution]
    weights: Array
    effective: float


def condition(
    asset: Asset, samples: Samples, outcomes: Outcomes, seen: Sequence[Observation]
) -> Conditioned:
    """The object's properties after what was seen of it, by the weights of its draws.

    A draw weighs as much as what was seen is likely if it is right. Of the draws so weighed, mass
    and friction are fitted by the mean and deviation of the logarithm, shares by their mean and
    deviation. A property of which they tell no more than chance does stays as it is.

    Raises UsageError for what no draw comes near.
    """
    check(asset, outcomes, seen)
    weights = samples.weights * _likely(_off(outcomes, seen))
    weights = weights / weights.sum()
    source = "seen by hand: it " + ", ".join(one.words for one in seen)
    after: dict[str, Distribution] = {}
    for name, scores in zip(PROPERTIES, samples.scores.T, strict=True):
        values = _scale(name, getattr(samples, name))
        if np.ptp(values) > 0 and _tells(scores, weights):
            after[name] = _fitted(name, values, weights, source)
    return Conditioned(after, weights, effective(weights))


def check(asset: Asset, outcomes: Outcomes, seen: Sequence[Observation]) -> None:
    """Raises UsageError for an observation that no draw comes near, and for such as exclude each
    other."""
    off = _off(outcomes, seen)
    for one, each in zip(seen, off.T, strict=True):
        if each.min() > _NEAR:
            raise UsageError(f"{asset.name}: it {one.words}? {_instead(outcomes, one.probe)}")
    if not np.isfinite(off).all(1).any():
        told = " and ".join(one.words for one in seen)
        raise UsageError(f"{asset.name}: it {told}? no draw does all of that; measure again")


def near(samples: Samples, outcomes: Outcomes, seen: Sequence[Observation]) -> float:
    """The share of what was known that comes near all that was seen."""
    return float(samples.weights[(_off(outcomes, seen) <= _NEAR).all(1)].sum())


def nearer(samples: Samples, outcomes: Outcomes, seen: Sequence[Observation]) -> Spread | None:
    """Where to draw anew, so that more draws do as was seen; None where enough do.

    Of what was seen as much is taken in as leaves some draws; those that then agree say where. Only
    what the probes depend on is drawn otherwise than it is known.
    """
    off = _off(outcomes, seen)
    if effective(samples.weights * _likely(off)) >= ENOUGH * len(samples):
        return None
    part = 1.0
    while part > 1e-6 and effective(samples.weights * _likely(off, part)) < _SOME * len(samples):
        part /= 1.5
    weights = samples.weights * _likely(off, part)
    depends = {name for one in seen for name in TELLS[one.probe]}
    found = [
        _moments(column, weights) if name in depends else (0.0, 1.0 / _ROOM)
        for name, column in zip(PROPERTIES, samples.scores.T, strict=True)
    ]
    middle, width = np.array(found).T
    return Spread(middle, _ROOM * np.maximum(width, 0.01))


def effective(weights: Array) -> float:
    """How many draws that count alike tell as much as draws of these weights (Kish)."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def _off(outcomes: Outcomes, seen: Sequence[Observation]) -> Array:
    """(n, k) how far each draw is from each observation, in its standard deviations."""
    off = [np.abs(getattr(outcomes, one.probe) - one.value) / one.sigma for one in seen]
    return np.nan_to_num(np.stack(off, 1), nan=np.inf)


def _likely(off: Array, part: float = 1.0) -> Array:
    """(n,) how likely what was seen is, 1 at most, for a `part` of it, in logarithms."""
    log = -part * (off**2).sum(1) / 2
    return np.exp(log - log.max())


def _instead(outcomes: Outcomes, probe: str) -> str:
    values = getattr(outcomes, probe)
    values = values[~np.isnan(values)]
    if not len(values):
        why = "tips or rolls before it slides" if probe.endswith("slide") else "does not do that"
        return f"as it is known it {why}, whatever its properties"
    least, most = words(probe, values.min()), words(probe, values.max())
    return f"no draw comes near: one {least}, one {most}, the others between; measure again"


def _scale(name: str, values: Array) -> Array:
    """The scale on which a property is fitted: the logarithm of what is positive."""
    return np.log(np.maximum(values, 1e-9)) if name in _POSITIVE else values


def _moments(values: Array, weights: Array) -> tuple[float, float]:
    weights = weights / weights.sum()
    mean = float(weights @ values)
    return mean, float(np.sqrt(weights @ (values - mean) ** 2))


def _tells(scores: Array, weights: Array) -> bool:
    """Whether scores (n,), which are 0 ± 1 where nothing is told, have moved or narrowed by more
    than as few draws as agree do by chance."""
    chance = _CHANCE / np.sqrt(effective(weights))
    moved, width = _moments(scores, weights)
    return abs(moved) > chance or width < 1 - chance / np.sqrt(2)


def _fitted(name: str, values: Array, weights: Array, source: str) -> Distribution:
    mean, deviation = _moments(values, weights)
    if name in _POSITIVE:
        return LogNormal(mean, deviation, source)
    return Beta.around(mean, deviation, source)
