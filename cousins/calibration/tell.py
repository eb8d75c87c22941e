"""What a posterior tells, and in plain words what it cannot tell apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cousins.calibration.infer import NAMES, Posterior
from cousins.distributions import LogNormal

TOLD = 0.7  # of the prior's spread: what is left of it where half of the variance is gone
TOGETHER = (
    0.6  # of the narrower one: the spread of a product that is told where its factors are not
)
KNOWN = 1e-3  # relative spread from which on a property is given, not inferred


@dataclass(frozen=True)
class Told:
    """One property. q05, q50, q95: of the posterior; prior: of the prior, the same; contraction:
    the posterior's spread (of the logarithm) over the prior's; told: it is worth writing;
    distribution: the log-normal fitted to the posterior."""

    name: str
    prior: tuple[float, float, float]
    q05: float
    q50: float
    q95: float
    contraction: float
    told: bool
    distribution: LogNormal


@dataclass(frozen=True)
class Tells:
    """correlation: of log mass and log friction. product and ratio: relative spreads (of the
    logarithm) of mass × friction and mass / friction. words: one sentence each."""

    properties: Mapping[str, Told]
    correlation: float
    product: float
    ratio: float
    words: tuple[str, ...]


def tell(posterior: Posterior, damping: str, source: str) -> Tells:
    """Read a posterior. damping: what stands behind that word here; source: of distributions."""
    belief, mean, covariance = posterior.belief, posterior.mean, posterior.covariance
    properties = {}
    for k, name in enumerate(NAMES):
        sigma = float(np.sqrt(covariance[k, k]))
        low, middle, high = (posterior.quantile(k, q) for q in (0.05, 0.5, 0.95))
        spread = float(belief.sigma[k])
        fitted = LogNormal(float(belief.mean[k] + spread * mean[k]), spread * sigma, source)
        prior = tuple(float(np.exp(belief.mean[k] + spread * z)) for z in (-1.645, 0, 1.645))
        told = posterior.settled and sigma < TOLD and spread > KNOWN
        properties[name] = Told(name, prior, low, middle, high, sigma, told, fitted)  # pyright: ignore
    scale = belief.sigma[:2]
    joint = covariance[:2, :2] * np.outer(scale, scale)
    deviation = np.sqrt(np.diag(joint))
    correlation = float(joint[0, 1] / max(deviation.prod(), 1e-300))
    product = float(np.sqrt(joint.sum()))
    ratio = float(np.sqrt(max(joint[0, 0] + joint[1, 1] - 2 * joint[0, 1], 0)))
    if not posterior.settled:
        words = ["the rounds did not settle, so nothing of this is told: give more --particles"]
        return Tells(properties, correlation, product, ratio, tuple(words))
    words = _words(properties, belief.sigma, deviation, correlation, product, ratio, damping)
    return Tells(properties, correlation, product, ratio, tuple(words))


def _words(
    properties: Mapping[str, Told],
    sigma: np.ndarray,
    deviation: np.ndarray,
    correlation: float,
    product: float,
    ratio: float,
    damping: str,
) -> list[str]:
    mass, friction = properties["mass"], properties["friction"]
    words = []
    for what, spread, sign in (("mass × friction", product, -1), ("mass / friction", ratio, 1)):
        apart = deviation.min()
        # Told together only if that is much more than either alone, against what was known before.
        before = float(np.hypot(*sigma[:2]))
        if spread < TOGETHER * apart and correlation * sign > 0.6 and spread < TOLD * before:
            words.append(
                f"mass and friction could not be told apart: {what} is known to "
                f"{_percent(spread)}, each alone to {_percent(deviation[0])} and "
                f"{_percent(deviation[1])} (correlation {correlation:+.2f})"
            )
    if not mass.told and not friction.told:
        if not words:
            words.append(
                "neither mass nor friction is told: the way does not depend on them, as in a slow "
                "push without force"
            )
        return [*words, *_damping(properties["damping"], damping)]
    for one, how in (
        (mass, "a measured force would tell it"),
        (friction, "let go of it in a quick push, so that it slides on"),
    ):
        if sigma[NAMES.index(one.name)] <= KNOWN:
            words.append(f"{one.name} is given in the pack as exactly known and was not inferred")
        elif not one.told:
            words.append(f"{one.name} is not told and keeps its prior: {how}")
    return [*words, *_damping(properties["damping"], damping)]


def _damping(told: Told, damping: str) -> list[str]:
    return [] if told.told else [f"damping ({damping}) is not told and keeps its prior"]


def _percent(spread: float) -> str:
    return f"{100 * np.expm1(1.645 * spread):.0f}%"
