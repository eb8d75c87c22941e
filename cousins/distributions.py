"""Distributions of physical properties: what is known, how well, and from where."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NORMAL = NormalDist()


@dataclass(frozen=True)
class LogNormal:
    """exp of a normal: `mu` and `sigma` are of the logarithm."""

    mu: float
    sigma: float
    source: str

    @property
    def mode(self) -> float:
        """The likeliest value on the logarithm's scale, exp(mu): the same whatever the units.

        On a linear scale the density of a wide log-normal peaks far below all likely values
        (at an eighth of the median for sigma 1.45), which would make a twin of feathers.
        """
        return math.exp(self.mu)

    @property
    def mean(self) -> float:
        return math.exp(self.mu + self.sigma**2 / 2)

    def quantile(self, q: float) -> float:
        """The value below which a share `q` (0 < q < 1) lies."""
        return math.exp(self.mu + self.sigma * _NORMAL.inv_cdf(q))

    def sample(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        """(n,) draws."""
        return np.exp(self.mu + self.sigma * rng.standard_normal(n))


@dataclass(frozen=True)
class Uniform:
    """Any value between `low` and `high` alike; its mode is taken at the middle."""

    low: float
    high: float
    source: str

    @property
    def mode(self) -> float:
        return (self.low + self.high) / 2

    @property
    def mean(self) -> float:
        return (self.low + self.high) / 2

    def quantile(self, q: float) -> float:
        """The value below which a share `q` (0 < q < 1) lies."""
        return self.low + q * (self.high - self.low)

    def sample(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        """(n,) draws."""
        return rng.uniform(self.low, self.high, n)


Distribution = LogNormal | Uniform
# An object's mass where the unit of length is not known, so that it can be simulated at all.
STAND_IN = Uniform(1.0, 1.0, "not known, since the scale is not: 1 kg stands in for it")
_KINDS: dict[str, type[LogNormal] | type[Uniform]] = {"lognormal": LogNormal, "uniform": Uniform}


def to_json(distribution: Distribution) -> dict[str, Any]:
    """The pack's form: distribution, parameters, mode, q05, q50, q95, source."""
    kind = next(k for k, v in _KINDS.items() if isinstance(distribution, v))
    parameters = {k: v for k, v in vars(distribution).items() if k != "source"}
    return {
        "distribution": kind,
        "parameters": parameters,
        "mode": distribution.mode,
        "q05": distribution.quantile(0.05),
        "q50": distribution.quantile(0.50),
        "q95": distribution.quantile(0.95),
        "source": distribution.source,
    }


def from_json(data: dict[str, Any]) -> Distribution:
    """The reverse of `to_json`. Raises ValueError for an unknown kind or wrong parameters."""
    kind = _KINDS.get(data.get("distribution", ""))
    if kind is None:
        raise ValueError(
            f"unknown distribution {data.get('distribution')!r}; known: {', '.join(_KINDS)}"
        )
    try:
        return kind(**data["parameters"], source=data["source"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"a {data['distribution']} distribution with wrong parameters") from error
