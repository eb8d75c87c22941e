"""Distributions of physical properties: what is known, how well, from where, and what a measurement
makes of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_NODES = 257  # quantiles of a component that a mixture's own are found between
_WIDE = 8.0  # standard deviations beyond which nothing counts
MOST = 200  # components of a mixture, or classes of a categorical, that are read
_TINY = 1e-9  # share of the probability that is left out at either end of a quadrature


class Distribution(Protocol):
    """A real number that is not known for sure. source: who says so; evidence: by what, in words.

    `mode` is the likeliest value; for what is positive on the logarithm's scale, the same whatever
    the units: on a linear one the density of a wide log-normal peaks far below all likely values
    (at an eighth of the median for sigma 1.45), which would make a twin of feathers.
    """

    @property
    def source(self) -> str: ...
    @property
    def evidence(self) -> str: ...
    @property
    def mode(self) -> float: ...
    @property
    def mean(self) -> float: ...
    def quantile(self, q: float) -> float:
        """The value below which a share `q` (0 < q < 1) lies."""
        ...

    def quantiles(self, q: Array) -> Array:
        """(n,) the same for (n,) shares."""
        ...

    def cdf(self, x: Array) -> Array:
        """(n,) the share that lies below each of (n,) values."""
        ...

    def log_density(self, x: Array) -> Array:
        """(n,) logarithm of the density at (n,) values, -inf where none can be."""
        ...

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """(n,) draws."""
        ...

    def condition(self, value: float, error: float, source: str = "") -> Distribution:
        """What is left after a measurement of `value` with a normal error of standard deviation
        `error` > 0, by Bayes' rule; `source` names it. Raises ValueError for an error that is not
        positive, and for a value that cannot be."""
        ...

    def log_likelihood(self, value: float, error: float) -> float:
        """Logarithm of the density of such a measurement, before it is made."""
        ...


@dataclass(frozen=True)
class _Base:
    """What a distribution of one number does alike, whatever it is."""

    def quantile(self, q: float) -> float:
        """The value below which a share `q` (0 < q < 1) lies."""
        return float(self.quantiles(np.array([q]))[0])

    @property
    def _support(self) -> tuple[float, float]:
        """Between which values the density is finite and not nothing."""
        return -np.inf, np.inf

    def quantiles(self, q: Array) -> Array:
        raise NotImplementedError

    def log_density(self, x: Array) -> Array:
        raise NotImplementedError

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """(n,) draws."""
        return self.quantiles(rng.random(n))

    def log_likelihood(self, value: float, error: float) -> float:
        """Logarithm of the density of a measurement of `value` with that standard deviation."""
        _measurement(value, error)
        x, log_weight = self._nodes(value, error)
        return float(_logsum(log_weight + _log_normal(value, x, error)))

    def _nodes(self, value: float, error: float) -> tuple[Array, Array]:
        """Values (n,) and the logarithm of their probability (n,): fine where the prior has its
        mass, and where the measurement has its own."""
        own = self.quantiles(np.linspace(_TINY, 1 - _TINY, 2001))
        near = value + error * np.linspace(-_WIDE, _WIDE, 801)
        low, high = self._support
        x = np.concatenate([own, near])
        x = np.unique(x[(x >= low) & (x <= high)])
        if len(x) < 2:
            return own[:1], np.zeros(1)
        width = np.zeros(len(x))
        width[:-1] += np.diff(x) / 2
        width[1:] += np.diff(x) / 2
        with np.errstate(divide="ignore"):
            return x, self.log_density(x) + np.log(width)

    def _moments(self, value: float, error: float, log: bool) -> tuple[float, float]:
        """Mean and standard deviation of the posterior, of its logarithm if `log`."""
        x, log_weight = self._nodes(value, error)
        log_weight = log_weight + _log_normal(value, x, error)
        top = log_weight.max()
        if not np.isfinite(top):
            raise ValueError(f"a measurement of {value:g} ± {error:g}, where that cannot be")
        weight = np.exp(log_weight - top)
        at = np.log(x) if log else x
        mean = float(weight @ at / weight.sum())
        return mean, math.sqrt(max(float(weight @ (at - mean) ** 2 / weight.sum()), 1e-30))


@dataclass(frozen=True)
class LogNormal(_Base):
    """exp of a normal: `mu` and `sigma` are of the logarithm."""

    mu: float
    sigma: float
    source: str
    evidence: str = ""

    @classmethod
    def between(cls, low: float, high: float, source: str, evidence: str = "") -> LogNormal:
        """The one whose 90% interval is low..high."""
        mid, half = math.log(low * high) / 2, math.log(high / low) / 2
        return cls(mid, half / Z95, source, evidence)

    @property
    def mode(self) -> float:
        """The likeliest value on the logarithm's scale, exp(mu); see `Distribution`."""
        return math.exp(self.mu)

    @property
    def mean(self) -> float:
        return math.exp(self.mu + self.sigma**2 / 2)

    @property
    def _support(self) -> tuple[float, float]:
        return 1e-300, np.inf

    def quantiles(self, q: Array) -> Array:
        from scipy.special import ndtri

        return np.exp(self.mu + self.sigma * ndtri(q))

    def cdf(self, x: Array) -> Array:
        from scipy.special import ndtr

        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(x > 0, ndtr((np.log(x) - self.mu) / self.sigma), 0.0)

    def log_density(self, x: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(x > 0, _log_normal(self.mu, np.log(x), self.sigma) - np.log(x), -np.inf)

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """(n,) draws."""
        return np.exp(self.mu + self.sigma * rng.standard_normal(n))

    def condition(self, value: float, error: float, source: str = "") -> LogNormal:
        """The log-normal with the posterior's mean and variance of the logarithm, by quadrature."""
        _measurement(value, error)
        mu, sigma = self._moments(value, error, log=True)
        return LogNormal(mu, sigma, source or self.source, self.evidence)


@dataclass(frozen=True)
class Normal(_Base):
    """A normal, cut off below `low` and above `high`; mu and sigma are those before the cut."""

    mu: float
    sigma: float
    source: str
    low: float | None = None
    high: float | None = None
    evidence: str = ""

    @property
    def mode(self) -> float:
        return float(np.clip(self.mu, *self._support))

    @property
    def mean(self) -> float:
        low, high = self._ends
        density = np.exp(_log_normal(np.array([low, high]), 0.0, 1.0))
        return self.mu + self.sigma * float(density[0] - density[1]) / self._held

    @property
    def _support(self) -> tuple[float, float]:
        return (
            -np.inf if self.low is None else self.low,
            np.inf if self.high is None else self.high,
        )

    @property
    def _ends(self) -> tuple[float, float]:
        """Where the cuts are, in standard deviations from mu."""
        low, high = self._support
        return (low - self.mu) / self.sigma, (high - self.mu) / self.sigma

    @property
    def _held(self) -> float:
        """The share of the uncut normal that lies between the cuts."""
        from scipy.special import ndtr

        low, high = self._ends
        held = ndtr(-low) - ndtr(-high) if low > 0 else ndtr(high) - ndtr(low)
        return max(float(held), 1e-300)

    def quantiles(self, q: Array) -> Array:
        from scipy.special import ndtr, ndtri

        low, _ = self._ends
        share = np.asarray(q) * self._held
        # Counted from the nearer tail, where small shares are not lost.
        z = -ndtri(ndtr(-low) - share) if low > 0 else ndtri(ndtr(low) + share)
        return np.clip(self.mu + self.sigma * z, *self._support)

    def cdf(self, x: Array) -> Array:
        from scipy.special import ndtr

        low, high = self._ends
        z = np.clip((np.asarray(x) - self.mu) / self.sigma, low, high)
        below = ndtr(-low) - ndtr(-z) if low > 0 else ndtr(z) - ndtr(low)
        return below / self._held

    def log_density(self, x: Array) -> Array:
        low, high = self._support
        inside = (x >= low) & (x <= high)
        log = _log_normal(x, self.mu, self.sigma) - math.log(self._held)
        return np.where(inside, log, -np.inf)

    def condition(self, value: float, error: float, source: str = "") -> Normal:
        """Exact: a normal times a normal, under the same cut."""
        _measurement(value, error)
        precision = self.sigma**-2 + error**-2
        mu = (self.mu * self.sigma**-2 + value * error**-2) / precision
        return replace(self, mu=mu, sigma=precision**-0.5, source=source or self.source)


@dataclass(frozen=True)
class Beta(_Base):
    """A share, 0..1. mode: the mean, since the density has no peak where a or b is below 1."""

    a: float
    b: float
    source: str
    evidence: str = ""

    @classmethod
    def around(cls, mean: float, deviation: float, source: str, evidence: str = "") -> Beta:
        """The one with this mean and standard deviation, which no share's can exceed."""
        mean = float(np.clip(mean, 1e-3, 1 - 1e-3))
        most = 0.99 * math.sqrt(mean * (1 - mean))
        count = mean * (1 - mean) / min(deviation, most) ** 2 - 1
        return cls(mean * count, (1 - mean) * count, source, evidence)

    @property
    def mode(self) -> float:
        return self.mean

    @property
    def mean(self) -> float:
        return self.a / (self.a + self.b)

    @property
    def _support(self) -> tuple[float, float]:
        return 1e-9, 1 - 1e-9

    def quantiles(self, q: Array) -> Array:
        from scipy.special import betaincinv

        return np.asarray(betaincinv(self.a, self.b, q))

    def cdf(self, x: Array) -> Array:
        from scipy.special import betainc

        return np.asarray(betainc(self.a, self.b, np.clip(x, 0, 1)))

    def log_density(self, x: Array) -> Array:
        from scipy.stats import beta

        return np.asarray(beta.logpdf(x, self.a, self.b))

    def condition(self, value: float, error: float, source: str = "") -> Beta:
        """The beta with the posterior's mean and variance, by quadrature."""
        _measurement(value, error)
        mean, deviation = self._moments(value, error, log=False)
        return Beta.around(mean, deviation, source or self.source, self.evidence)


@dataclass(frozen=True)
class Uniform(_Base):
    """Any value between `low` and `high` alike; its mode is taken at the middle."""

    low: float
    high: float
    source: str
    evidence: str = ""

    @property
    def mode(self) -> float:
        return (self.low + self.high) / 2

    @property
    def mean(self) -> float:
        return (self.low + self.high) / 2

    @property
    def _support(self) -> tuple[float, float]:
        return self.low, self.high

    def quantiles(self, q: Array) -> Array:
        return self.low + np.asarray(q) * (self.high - self.low)

    def cdf(self, x: Array) -> Array:
        width = self.high - self.low
        return np.clip((x - self.low) / width, 0, 1) if width else (x >= self.low).astype(float)

    def log_density(self, x: Array) -> Array:
        inside = (x >= self.low) & (x <= self.high)
        return np.where(inside, -math.log(max(self.high - self.low, 1e-300)), -np.inf)

    def condition(self, value: float, error: float, source: str = "") -> Distribution:
        """Exact: the measurement's normal, cut to low..high; what is known exactly stays."""
        _measurement(value, error)
        if self.low == self.high:
            return self
        told = source or self.source
        return Normal(value, error, told, self.low, self.high, self.evidence)


@dataclass(frozen=True)
class Mixture(_Base):
    """One of several distributions, it is not known which. weights: (k,), of sum 1."""

    weights: tuple[float, ...]
    components: tuple[LogNormal | Normal | Beta | Uniform, ...]
    source: str
    evidence: str = ""

    @property
    def _log(self) -> bool:
        return all(isinstance(c, LogNormal) for c in self.components)

    @property
    def mode(self) -> float:
        """Where the density is highest; of log-normals on the logarithm's scale. Of betas it is the
        mean, as of one."""
        return self._mode

    @cached_property
    def _mode(self) -> float:
        if all(isinstance(c, Beta) for c in self.components):
            return self.mean
        x, _ = self._points
        x = x[(x >= self.quantile(0.001)) & (x <= self.quantile(0.999))]
        density = self.log_density(x) + (np.log(x) if self._log else 0.0)
        return float(x[int(np.argmax(density))])

    @property
    def mean(self) -> float:
        return float(sum(w * c.mean for w, c in zip(self.weights, self.components, strict=True)))

    @cached_property
    def _points(self) -> tuple[Array, Array]:
        """Values, many where any component has many, and the share below each."""
        steps = np.concatenate([[_TINY], np.linspace(0, 1, _NODES)[1:-1], [1 - _TINY]])
        x = np.unique(np.concatenate([c.quantiles(steps) for c in self.components]))
        return x, self.cdf(x)

    def quantiles(self, q: Array) -> Array:
        x, share = self._points
        if len(x) == 1:
            return np.full(np.shape(q), x[0])
        at = np.interp(q, share, np.log(x) if self._log else x)
        return np.exp(at) if self._log else at

    def cdf(self, x: Array) -> Array:
        parts = zip(self.weights, self.components, strict=True)
        return np.sum([w * c.cdf(x) for w, c in parts], axis=0)

    def log_density(self, x: Array) -> Array:
        with np.errstate(divide="ignore"):
            parts = [c.log_density(x) + np.log(w)
                     for w, c in zip(self.weights, self.components, strict=True)]  # fmt: skip
        return np.logaddexp.reduce(parts, axis=0)

    def log_likelihood(self, value: float, error: float) -> float:
        return float(_logsum(self._told(value, error)))

    def _told(self, value: float, error: float) -> Array:
        with np.errstate(divide="ignore"):
            weight = np.log(np.array(self.weights))
        return weight + np.array([c.log_likelihood(value, error) for c in self.components])

    def condition(self, value: float, error: float, source: str = "") -> Mixture:
        """Each component by itself, and their weights by how well each foretold the value."""
        _measurement(value, error)
        told = self._told(value, error)
        if not np.isfinite(told.max()):
            raise ValueError(f"a measurement of {value:g} ± {error:g}, where that cannot be")
        weight = np.exp(told - _logsum(told))
        keep = np.flatnonzero(weight > 1e-6)
        parts = [self.components[i].condition(value, error) for i in keep]
        return mixture(weight[keep], parts, source or self.source, self.evidence)


@dataclass(frozen=True)
class Categorical:
    """One of several names, such as a material. shares: of each, of sum 1."""

    shares: Mapping[str, float] = field(hash=False)
    source: str
    evidence: str = ""

    @property
    def mode(self) -> str:
        """The likeliest name."""
        return max(self.shares, key=lambda name: self.shares[name])

    def sample(self, rng: np.random.Generator, n: int) -> list[str]:
        """n draws."""
        return [str(s) for s in rng.choice(list(self.shares), n, p=list(self.shares.values()))]

    def condition(self, likelihood: Mapping[str, float], source: str = "") -> Categorical:
        """What is left after something that each name makes so likely; 0 where none is told.
        Raises ValueError where no name makes it likely at all."""
        weight = {name: p * likelihood.get(name, 0.0) for name, p in self.shares.items()}
        total = sum(weight.values())
        if not total > 0:
            raise ValueError("nothing of it could be so")
        shares = {name: w / total for name, w in weight.items() if w > 0}
        return Categorical(shares, source or self.source, self.evidence)


Z95 = 1.6448536269514722  # standard normal, 95% quantile
# An object's mass where the unit of length is not known, so that it can be simulated at all.
STAND_IN = Uniform(1.0, 1.0, "not known, since the scale is not: 1 kg stands in for it")
# Of which material a thing is that somebody made by hand, or an earlier version scanned.
UNTOLD_MATERIAL = Categorical({"unknown": 1.0}, "not told")
_KINDS: dict[str, Any] = {
    "lognormal": LogNormal,
    "normal": Normal,
    "beta": Beta,
    "uniform": Uniform,
}


def mixture(
    weights: Sequence[float] | Array, parts: Sequence[Distribution], source: str, evidence: str = ""
) -> Mixture:
    """The mixture of these, mixtures among them taken apart, with weights brought to sum 1."""
    flat: list[tuple[float, Any]] = []
    for weight, part in zip(weights, parts, strict=True):
        if isinstance(part, Mixture):
            pairs = zip(part.weights, part.components, strict=True)
            flat += [(float(weight) * w, c) for w, c in pairs]
        elif weight > 0:
            flat.append((float(weight), part))
    total = sum(w for w, _ in flat)
    plain = [replace(c, source=source, evidence="") for _, c in flat]
    return Mixture(tuple(w / total for w, _ in flat), tuple(plain), source, evidence)


def to_json(distribution: Distribution | Categorical) -> dict[str, Any]:
    """The pack's form: distribution, parameters, mode, q05, q50, q95, source, evidence; of a
    categorical without the quantiles."""
    if isinstance(distribution, Categorical):
        return {
            "distribution": "categorical",
            "parameters": dict(distribution.shares),
            "mode": distribution.mode,
            "source": distribution.source,
            "evidence": distribution.evidence,
        }
    kind, parameters = _plain(distribution)
    q05, q50, q95 = (float(v) for v in distribution.quantiles(np.array([0.05, 0.5, 0.95])))
    return {
        "distribution": kind,
        "parameters": parameters,
        "mode": distribution.mode,
        "q05": q05,
        "q50": q50,
        "q95": q95,
        "source": distribution.source,
        "evidence": distribution.evidence,
    }


def _plain(distribution: Distribution) -> tuple[str, dict[str, Any]]:
    if isinstance(distribution, Mixture):
        parts = [dict(zip(("distribution", "parameters"), _plain(c), strict=True))
                 for c in distribution.components]  # fmt: skip
        return "mixture", {"weights": list(distribution.weights), "components": parts}
    kind = next(k for k, v in _KINDS.items() if isinstance(distribution, v))
    skip = {"source", "evidence"}
    values = {k: v for k, v in vars(distribution).items() if k not in skip and v is not None}
    return kind, values


def from_json(data: Mapping[str, Any]) -> Distribution:
    """The reverse of `to_json` for a number. Raises ValueError for an unknown kind, and for
    parameters that are missing, not finite or make no distribution."""
    kind = data.get("distribution", "")
    try:
        if kind == "mixture":
            parts = data["parameters"]["components"]
            weights = [_number(w) for w in data["parameters"]["weights"]]
            if not 0 < len(parts) <= MOST or min(weights) < 0 or abs(sum(weights) - 1) > 1e-6:
                raise TypeError
            source = data["source"]
            components = tuple(_simple(p, source) for p in parts)
            if len(weights) != len(components):
                raise TypeError
            return Mixture(tuple(weights), components, source, data.get("evidence", ""))
        if kind in _KINDS:
            return _simple(data, data["source"], data.get("evidence", ""))
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"a {kind} distribution with wrong parameters") from error
    raise ValueError(f"unknown distribution {kind!r}; known: {', '.join([*_KINDS, 'mixture'])}")


def categorical_from_json(data: Mapping[str, Any]) -> Categorical:
    """The reverse of `to_json` for a name. Raises ValueError for shares that make no sense."""
    try:
        shares = {str(k): _number(v) for k, v in data["parameters"].items()}
        right = 0 < len(shares) <= MOST and min(shares.values()) >= 0
        if data.get("distribution") != "categorical" or not right:
            raise TypeError
        if abs(sum(shares.values()) - 1) > 1e-6:
            raise TypeError
        return Categorical(shares, data["source"], data.get("evidence", ""))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("a categorical distribution with wrong parameters") from error


def _simple(data: Mapping[str, Any], source: str, evidence: str = "") -> Any:
    kind = _KINDS[data["distribution"]]
    known = {f.name for f in fields(kind)} - {"source", "evidence"}
    parameters = {name: _number(value) for name, value in data["parameters"].items()}
    made = kind(**parameters, source=source, evidence=evidence)
    low, high = parameters.get("low", -math.inf), parameters.get("high", math.inf)
    positive = [parameters[name] for name in ("sigma", "a", "b") if name in known]
    if min(positive, default=1.0) <= 0 or low > high or (kind is Normal and low >= high):
        raise TypeError
    return made


def _number(value: Any) -> float:
    if isinstance(value, str):
        raise TypeError
    number = float(value)
    if not math.isfinite(number):
        raise TypeError
    return number


def _measurement(value: float, error: float) -> None:
    if not (math.isfinite(value) and math.isfinite(error) and error > 0):
        raise ValueError(f"a measurement of {value:g} ± {error:g}: give a positive error")


def _log_normal(x: Any, mean: Any, deviation: float) -> Array:
    z = (np.asarray(x) - mean) / deviation
    return -0.5 * z**2 - math.log(deviation) - 0.5 * math.log(2 * math.pi)


def _logsum(values: Array) -> np.floating:
    return np.logaddexp.reduce(values)
