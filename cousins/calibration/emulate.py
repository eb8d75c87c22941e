"""What a push would look like for any properties, told from those that were simulated.

Contacts chatter: pushed with a friction that is one part in ten thousand larger, a box may stop a
millimetre elsewhere. Single simulations are therefore no likelihood. Here the residuals are laid
out as a quadratic of the properties, and what scatters about that, with starts drawn as uncertain
as they are, counts as noise beside the tracker's: a synthetic likelihood (Wood 2010, "Statistical
inference for noisy nonlinear ecological dynamic systems") with a regression for its mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.calibration.likelihood import correlation_time, every
from cousins.calibration.simulate import Traces
from cousins.calibration.trial import Trial
from cousins.types import Array

CLOCK = 0.01  # s to which the clocks' offset is known once it was sought
UNLIKE = 30.0  # times the mean square of the better quarter: what came out another way
TAILS = 8.0  # degrees of freedom of what scatters about an emulator
DIRECTIONS = 12  # of residuals in which simulations differ, at most; the rest is noise alone
MOST = 700  # guesses that one is fitted to: the heaviest
TRUSTED = 4.0  # standard deviations of its guesses within which an emulator holds
STRENGTH = 4.0  # residuals that the log's own jitter counts as, against those that are seen


@dataclass(frozen=True)
class _Group:
    """A normal of weight `share` over guesses."""

    share: float
    centre: Array
    spread: Array

    def log(self, u: Array) -> Array:
        off = u - self.centre
        square = np.einsum("ni,ij,nj->n", off, np.linalg.inv(self.spread), off)
        return np.log(self.share) - 0.5 * (np.linalg.slogdet(self.spread)[1] + square)


@dataclass(frozen=True)
class Emulator:
    """One push's log likelihood as a function of properties u (n, d) about `centre`, in `scale`.

    coefficients (terms, k): of the quadratic, in k directions of residuals; precision (k, k) of
    their normal. agree: where guesses came out somewhat like what was seen, and where they did not.
    offset: the clocks', as it comes out, s. noise: by kind, the residuals that no properties
    explain over the log's own jitter; times: by kind, rows that count as one. odd: mean square of
    what even the best properties leave, in units of what was to be expected: 1 is usual.
    """

    centre: Array
    scale: Array
    coefficients: Array
    precision: Array
    agree: tuple[_Group, _Group] | None
    offset: float
    noise: dict[str, float]
    times: dict[str, float]
    odd: float

    def __call__(self, u: Array) -> Array:
        """(n,) log likelihoods of u (n, d), but for a constant."""
        x = (u - self.centre) / self.scale
        z = _terms(x) @ self.coefficients
        square = np.einsum("ni,ij,nj->n", z, self.precision, z)
        # A t: chatter has outliers, and what no properties explain must not be sharp.
        told = -0.5 * (TAILS + z.shape[1]) * np.log1p(square / TAILS)
        # Where there was nothing to fit it knows nothing; held there, it would call all of the
        # prior's width as likely as its own rim.
        told -= 0.5 * (np.maximum(np.abs(x) - TRUSTED, 0) ** 2).sum(1)
        if self.agree is None:
            return told
        like, unlike = (group.log(u) for group in self.agree)
        return told + like - np.logaddexp(like, unlike)


def emulator(
    trial: Trial, period: float, traces: Traces, u: Array, weight: Array, offset: float,
    clocks: bool = True,
) -> Emulator:  # fmt: skip
    """Fitted to guesses u (n, d) with weights (n,), which should lie about where the properties do.

    offset: the clocks', s, to within CLOCK; without `clocks` it is known.
    """
    use = np.flatnonzero(traces.alive & (weight > 1e-3 * weight.max()))
    use = use[np.argsort(-weight[use], kind="stable")[:MOST]]
    traces = traces[use]
    u, weight = u[use], weight[use] / weight[use].sum()
    kinds = every(trial, period, traces, offset)
    kept, agree = _alike(u, weight, kinds)
    kinds = {kind: r[kept] for kind, r in kinds.items()}
    traces = traces[kept]
    u, weight = u[kept], weight[kept] / weight[kept].sum()
    centre = weight @ u
    scale = np.sqrt(weight @ (u - centre) ** 2) + 1e-9
    terms = _terms((u - centre) / scale)
    root = np.sqrt(weight)[:, None]
    worth = 1 / float((weight**2).sum())
    # What the fit takes up of the scatter, it gives back here.
    spare = np.sqrt(worth / max(worth - terms.shape[1], 0.2 * worth))
    # A little ridge, for terms that the guesses cannot tell apart.
    normal = (terms * weight[:, None]).T @ terms + 1e-6 * np.eye(terms.shape[1])
    noise, times, fitted, scattered = {}, {}, [], []
    sizes = [r[0].size for r in kinds.values()]
    for kind, r in kinds.items():
        flat = r.reshape(len(r), -1)
        b = np.asarray(np.linalg.solve(normal, (terms * weight[:, None]).T @ flat), float)
        scatter = (flat - terms @ b) * root * spare
        taken = _axes(np.vstack([scatter, (terms[:, 1:] @ b[1:]) * root]), 0.3)
        rest = _best(terms, b)
        rest = rest - taken.T @ (taken @ rest)
        spared = max(rest.size - len(taken), 0)
        ratio = max(1.0, float((STRENGTH + (rest**2).sum()) / (STRENGTH + spared)))
        noise[kind], times[kind] = float(np.sqrt(ratio)), correlation_time(rest.reshape(-1, 3))
        unit = noise[kind] * np.sqrt(times[kind])
        fitted.append(b / unit)
        scattered.append(scatter / unit)
    b, scatter = np.hstack(fitted), np.hstack(scattered)
    lag = _lag(trial, period, traces, weight, offset, noise, times) if clocks else 0 * b[:1]
    # Only directions in which simulations differ tell anything. Each kind has its own, or places
    # that chatter would crowd out the forces.
    rows = np.vstack([scatter, (terms[:, 1:] @ b[1:]) * root, lag * CLOCK])
    axes = _block_diagonal([_axes(part, 0.05) for part in np.split(rows, np.cumsum(sizes)[:-1], 1)])
    b, line = b @ axes.T, (lag @ axes.T)[0]
    covariance = np.eye(len(axes)) + axes @ (scatter.T @ scatter) @ axes.T
    wide = covariance + (CLOCK**2 if clocks else 0.0) * np.outer(line, line)
    precision, gone = np.asarray(np.linalg.inv(wide), float), 0.0
    at = _best(terms, b, precision)
    if clocks:
        solved = np.linalg.solve(covariance, line)
        gone = -float(at @ solved) / (float(line @ solved) + 1 / CLOCK**2)
    odd = float(at @ precision @ at) / len(axes)
    # What even the best guess does not explain makes the push tell that much less (Birge 1932,
    # "The calculation of errors by the method of least squares").
    precision = precision / max(1.0, odd)
    return Emulator(centre, scale, b, precision, agree, offset + gone, noise, times, odd)


def _alike(
    u: Array, weight: Array, kinds: dict[str, Array]
) -> tuple[NDArray[np.int64], tuple[_Group, _Group] | None]:
    """Which guesses came out somewhat like what was seen, and where those and the others lie.

    A can that falls over is no small change of one that slides: a quadratic through both is none.
    """
    off = np.mean([np.minimum(r**2, 1e6).mean((1, 2)) for r in kinds.values()], axis=0)
    kept = np.flatnonzero(off <= UNLIKE * max(1.0, float(np.quantile(off, 0.25))))
    other = np.setdiff1d(np.arange(len(u)), kept)
    if len(other) < 3 * u.shape[1]:
        return kept, None
    return kept, (_group(u[kept], weight[kept]), _group(u[other], weight[other]))


def _group(u: Array, weight: Array) -> _Group:
    share = weight / weight.sum()
    off = u - share @ u
    spread = np.einsum("n,ni,nj->ij", share, off, off) + 1e-6 * np.eye(u.shape[1])
    return _Group(float(weight.sum()), share @ u, spread)


def _axes(rows: Array, least: float) -> Array:
    """The directions (k, D) in which rows (n, D) spread by more than `least`, widest first."""
    size, axes = np.linalg.eigh(rows.T @ rows)
    keep = max(1, min(DIRECTIONS, int((size > least**2).sum())))
    return axes.T[::-1][:keep]


def _block_diagonal(blocks: Sequence[Array]) -> Array:
    from scipy.linalg import block_diag

    return np.asarray(block_diag(*blocks), float)


def _best(terms: Array, b: Array, precision: Array | None = None) -> Array:
    """The emulated residuals of the guess that has the least."""
    emulated = terms @ b
    square = emulated * (emulated if precision is None else emulated @ precision)
    return emulated[int(square.sum(1).argmin())]


def _lag(
    trial: Trial, period: float, traces: Traces, weight: Array, offset: float,
    noise: dict[str, float], times: dict[str, float],
) -> Array:  # fmt: skip
    """(1, D) how the residuals change with the clocks' offset, a second."""
    few = np.argsort(-weight, kind="stable")[:16]
    some = traces[few]
    ends = [every(trial, period, some, offset + s) for s in (-0.002, 0.002)]
    out = []
    for kind in ends[0]:
        slope = (ends[1][kind] - ends[0][kind]).mean(0).ravel() / 0.004
        out.append(slope / (noise[kind] * np.sqrt(times[kind])))
    return np.concatenate(out)[None]


def _terms(x: Array) -> Array:
    """(n, 1 + d + d (d + 1) / 2) of a quadratic, each of about unit size."""
    n, d = x.shape
    # Held beyond where there was anything to fit: a quadratic would turn back there.
    x = np.clip(x, -TRUSTED, TRUSTED)
    i, j = np.triu_indices(d)
    return np.hstack([np.ones((n, 1)), x, x[:, i] * x[:, j]])
