"""From pushes to a posterior, by rounds of simulation.

Rounds of tempered importance sampling find where the properties lie: each lets in as much of the
likelihood as leaves enough guesses with weight (Del Moral et al. 2006, "Sequential Monte Carlo
samplers"), lays a heavy-tailed normal over those, draws the next guesses from it, and weighs all
guesses of all rounds against the mixture of what they were drawn from (Cornuet et al. 2012,
"Adaptive multiple importance sampling"). No simulation is thrown away, as walks of particles would.
Then guesses about there are laid out as an emulator, and the posterior is drawn from that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import lgamma, log, pi

import numpy as np

from cousins.calibration.emulate import Emulator, emulator
from cousins.calibration.likelihood import score, seek
from cousins.calibration.simulate import Guess, Stage, Traces, simulate
from cousins.calibration.trial import Trial
from cousins.progress import Progress, silent
from cousins.types import Array

NAMES = ("mass", "friction", "damping", "grip")
FREEDOM = 5.0  # of the t that guesses are drawn from: tails fatter than any posterior's
ROUGH, LEAST, FINE = 2, 3, 6  # rough rounds; emulated ones, at least and at most
ENOUGH = 30.0  # even guesses that a rough round's must be worth, or an eighth of the round
SETTLED = 0.5  # of a nat: emulators are made anew while their posterior shrinks by more
WIDER = 1.5  # than the posterior: guesses for the next emulator
DRAWS = 8000  # from the emulated posterior
# To which properties are right at best: a contact model is not the world, and a log of 100 rows a
# second does not hold how a quick push let go. Measured against finer simulations.
MODEL = 0.02


@dataclass(frozen=True)
class Belief:
    """Normals over the logarithms of mass, friction, damping and grip, each on its own."""

    mean: Array
    sigma: Array

    def guess(self, u: Array) -> Guess:
        """Guesses for standard normal numbers (n, 4)."""
        return Guess(*np.exp(self.mean + self.sigma * u).T)


@dataclass(frozen=True)
class Posterior:
    """What the pushes leave of a belief. u (n, 4): draws in units of the belief's own spread;
    weight (n,) sums to 1. offsets: the clocks', for each push, s. noise and times: for each push by
    kind of residual, as an `Emulator` has them. simulated, diverged: guesses; the latter MuJoCo
    gave up. effective: even draws that the weighted ones are worth. settled: the rounds ended since
    another would not have told more, and not since there were no more."""

    belief: Belief
    u: Array
    weight: Array
    offsets: tuple[float, ...]
    noise: tuple[dict[str, float], ...]
    times: tuple[dict[str, float], ...]
    odd: tuple[float, ...]
    simulated: int
    diverged: int
    effective: float
    settled: bool = True

    @property
    def mean(self) -> Array:
        """(4,) in units of the belief's spread."""
        return self.weight @ self.u

    @property
    def covariance(self) -> Array:
        """(4, 4) in the same units: the identity is the belief's own."""
        return _covariance(self.u, self.weight)

    def quantile(self, column: int, q: float) -> float:
        """The value, in its own unit, below which a share `q` lies."""
        order = np.argsort(self.u[:, column], kind="stable")
        share = np.cumsum(self.weight[order]) - self.weight[order] / 2
        u = float(np.interp(q, share, self.u[order, column]))
        return float(np.exp(self.belief.mean[column] + self.belief.sigma[column] * u))

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """(n, 4) draws in units of the belief's spread."""
        return self.u[rng.choice(len(self.u), n, p=self.weight)]


@dataclass(frozen=True)
class _Normal:
    """A normal, or a t where `fat`, that `count` guesses were drawn from."""

    count: int
    centre: Array
    spread: Array
    fat: bool = True

    def draw(self, rng: np.random.Generator, n: int) -> Array:
        plain = rng.standard_normal((n, len(self.centre))) @ np.linalg.cholesky(self.spread).T
        fat = np.sqrt(FREEDOM / rng.chisquare(FREEDOM, (n, 1))) if self.fat else 1.0
        return self.centre + plain * fat

    def log(self, u: Array) -> Array:
        off, d = u - self.centre, len(self.centre)
        square = np.einsum("ni,ij,nj->n", off, np.linalg.inv(self.spread), off)
        half = -0.5 * float(np.linalg.slogdet(self.spread)[1])
        if not self.fat:
            return half - d / 2 * log(2 * pi) - 0.5 * square
        top = lgamma((FREEDOM + d) / 2) - lgamma(FREEDOM / 2) - d / 2 * log(FREEDOM * pi)
        return half + top - (FREEDOM + d) / 2 * np.log1p(square / FREEDOM)


@dataclass
class _Pool:
    """All guesses so far, what they were drawn from, and their traces for each push."""

    u: Array
    normals: list[_Normal]
    traces: list[Traces] = field(default_factory=list)

    def drawn_from(self) -> Array:
        """(n,) log density of the mixture."""
        total = sum(n.count for n in self.normals)
        return np.logaddexp.reduce([n.log(self.u) + log(n.count / total) for n in self.normals])


def infer(
    stage: Stage,
    trials: Sequence[Trial],
    belief: Belief,
    particles: int,
    rng: np.random.Generator,
    threads: int = 0,
    clocks: bool = True,
    progress: Progress = silent,
) -> Posterior:
    """What the trials leave of the belief. particles: guesses in a round."""
    d, total = len(belief.mean), ROUGH + FINE
    pool = _Pool(np.empty((0, d)), [])
    prior = _Normal(particles, np.zeros(d), np.eye(d), fat=False)
    source, offsets = prior, [0.0] * len(trials)
    for k in range(ROUGH):
        _add(pool, source, stage, trials, belief, rng, threads)
        progress("calibrate", k + 1, total)
        if not k and clocks:
            offsets = [seek(t, stage.period, own)
                       for t, own in zip(trials, pool.traces, strict=True)]  # fmt: skip
        scores = sum(score(t, stage.period, own, o)
                     for t, own, o in zip(trials, pool.traces, offsets, strict=True))  # fmt: skip
        weight = _tempered(np.asarray(scores), prior.log(pool.u) - pool.drawn_from(),
                           max(ENOUGH, particles / 8))  # fmt: skip
        source = _Normal(particles, weight @ pool.u, _covariance(pool.u, weight, WIDER))
        best = [int(np.argmax(scores))]
        if clocks:
            offsets = [o + _shift(t, stage.period, own, best, o)
                       for t, own, o in zip(trials, pool.traces, offsets, strict=True)]  # fmt: skip
    made: list[Emulator] = []
    before, settled = np.inf, False
    for k in range(FINE):
        _add(pool, source, stage, trials, belief, rng, threads)
        progress("calibrate", ROUGH + k + 1, total)
        for _ in range(2):  # an emulator is best about the posterior that it gives
            near = source.log(pool.u) - pool.drawn_from()
            near = np.exp(near - near.max())
            made = [emulator(t, stage.period, own, pool.u, near / near.sum(), o, clocks)
                    for t, own, o in zip(trials, pool.traces, offsets, strict=True)]  # fmt: skip
            offsets = [e.offset for e in made]
            u, weight = _posterior(made, prior, source, rng)
            source = _Normal(particles, weight @ u, _covariance(u, weight, WIDER))
        size = 0.5 * float(np.linalg.slogdet(source.spread)[1])
        if k >= LEAST - 1 and size > before - SETTLED:
            settled = True
            break
        before = size
    progress("calibrate", total, total)
    alive = np.all([t.alive for t in pool.traces], axis=0)
    u += rng.normal(0, MODEL, u.shape) / np.maximum(belief.sigma, MODEL)
    return Posterior(
        belief, u, weight, tuple(offsets), tuple(e.noise for e in made),
        tuple(e.times for e in made), tuple(e.odd for e in made), len(alive), int((~alive).sum()),
        float(1 / (weight**2).sum()), settled,
    )  # fmt: skip


def _add(
    pool: _Pool, source: _Normal, stage: Stage, trials: Sequence[Trial], belief: Belief,
    rng: np.random.Generator, threads: int,
) -> None:  # fmt: skip
    """Draw and simulate a round."""
    # As far as a property may be from the belief without being another thing's.
    u = source.draw(rng, source.count).clip(-4, 4)
    more = [simulated(stage, trial, belief.guess(u), rng, threads) for trial in trials]
    pool.normals.append(source)
    pool.u = np.vstack([pool.u, u])
    held = pool.traces
    pool.traces = [_joined(*p) for p in zip(held, more, strict=True)] if held else more


def simulated(
    stage: Stage, trial: Trial, guess: Guess, rng: np.random.Generator, threads: int = 0
) -> Traces:
    """The trial's push of each guess, from starts as uncertain as the trial's is."""
    n, path = len(guess.mass), trial.path
    start = np.tile(path.start, (n, 1))
    start[:, :2] += rng.normal(0, trial.start_error[0], (n, 2))
    half = rng.normal(0, trial.start_error[1], n) / 2
    c, s, (w, x, y, z) = np.cos(half), np.sin(half), path.start[3:]
    start[:, 3:] = np.stack([c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w], 1)
    traces = simulate(stage, replace(path, start=start), guess, threads)
    # In half the memory: thousands of these are kept.
    return Traces(traces.pose.astype(np.float32), traces.force.astype(np.float32), traces.alive)


def _joined(a: Traces, b: Traces) -> Traces:
    return Traces(
        np.concatenate([a.pose, b.pose]),
        np.concatenate([a.force, b.force]),
        np.concatenate([a.alive, b.alive]),
    )


def _shift(
    trial: Trial, period: float, traces: Traces, best: Sequence[int], offset: float
) -> float:
    """How much later the tracker's clock is, s, by the best guess."""
    one = traces[best]
    shifts = np.linspace(-0.01, 0.01, 21)
    scores = [float(score(trial, period, one, offset + s)[0]) for s in shifts]
    return float(shifts[int(np.argmax(scores))])


def _posterior(
    made: Sequence[Emulator], prior: _Normal, source: _Normal, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draws (DRAWS, d) and weights by the emulators, in two steps: a cloud that fits, then more."""
    for _ in range(3):
        u = source.draw(rng, DRAWS)
        told = np.sum([e(u) for e in made], axis=0)
        # All of it tempered: of the prior over a narrow source alone, its far tails would be left.
        weight = _tempered(told + prior.log(u) - source.log(u), 0.0, 100.0)
        source = _Normal(0, weight @ u, _covariance(u, weight, 1.2))
    return u, weight


def _tempered(score: Array, known: Array | float, enough: float) -> Array:
    """Weights (n,) with the largest share (0..1) of `score` with which the draws are worth `enough`
    even ones."""
    sound = np.isfinite(score)
    safe = np.where(sound, score, 0.0)

    def weights(beta: float) -> Array:
        logs = np.where(sound, beta * safe + known, -np.inf)
        value = np.exp(logs - logs.max())
        return value / value.sum()

    def worth(beta: float) -> float:
        return float(1 / (weights(beta) ** 2).sum())

    if worth(1.0) >= enough:
        return weights(1.0)
    low, high = 1e-9, 1.0
    for _ in range(50):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if worth(middle) >= enough else (low, middle)
    return weights(low)


def _covariance(u: Array, weight: Array, wider: float = 1.0) -> Array:
    off = u - weight @ u
    return wider**2 * np.einsum("n,ni,nj->ij", weight, off, off) + 1e-9 * np.eye(u.shape[1])
