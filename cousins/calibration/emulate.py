"""What a push would look like for any properties, told from those that were simulated.

Contacts chatter: pushed with a friction that is one part in ten thousand larger, a box may stop a
millimetre elsewhere. Single simulations are therefore no likelihood. Here the residuals are laid
out as a quadratic of the properties, and what scatters about that, with starts drawn as uncertain
as they are, counts as noise beside the tracker's: a synthetic likelihood (Wood 2010, "Statistical
inference for noisy nonlinear ecological dynamic systems") with a regression for its mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cousins.calibration.likelihood import correlation_time, every
from cousins.calibration.simulate import Traces
from cousins.calibration.trial import Trial
from cousins.types import Array

CLOCK = 0.01  # s to which the clocks' offset is known once it was sought
DIRECTIONS = 24  # of residuals in which simulations differ, at most; the rest is noise alone
STRENGTH = 4.0  # residuals that the log's own jitter counts as, against those that are seen


@dataclass(frozen=True)
class Emulator:
    """One push's log likelihood as a function of properties u (n, d) about `centre`, in `scale`.

    coefficients (terms, k): of the quadratic, in k directions of residuals; precision (k, k) and
    constant of their normal. offset: the clocks', as it comes out, s. noise: by kind, the residuals
    that no properties explain over the log's own jitter; times: by kind, rows that count as one.
    """

    centre: Array
    scale: Array
    coefficients: Array
    precision: Array
    constant: float
    offset: float
    noise: dict[str, float]
    times: dict[str, float]

    def __call__(self, u: Array) -> Array:
        """(n,) log likelihoods of u (n, d)."""
        z = _terms((u - self.centre) / self.scale) @ self.coefficients
        return self.constant - 0.5 * np.einsum("ni,ij,nj->n", z, self.precision, z)


def emulator(
    trial: Trial, period: float, traces: Traces, u: Array, weight: Array, offset: float,
    clocks: bool = True,
) -> Emulator:  # fmt: skip
    """Fitted to guesses u (n, d) with weights (n,), which should lie about where the properties do.

    offset: the clocks', s, to within CLOCK; without `clocks` it is known.
    """
    use = traces.alive & (weight > 1e-6 * weight.max())
    traces = Traces(traces.pose[use], traces.force[use], traces.alive[use])
    u, weight = u[use], weight[use] / weight[use].sum()
    centre = weight @ u
    scale = np.sqrt(weight @ (u - centre) ** 2) + 1e-9
    terms = _terms((u - centre) / scale)
    kinds = every(trial, period, traces, offset)
    noise, times, columns, fitted = {}, {}, [], []
    root = np.sqrt(weight)[:, None]
    # A little ridge, for terms that the guesses cannot tell apart.
    normal = (terms * weight[:, None]).T @ terms + 1e-6 * np.eye(terms.shape[1])
    for kind, r in kinds.items():
        flat = r.reshape(len(r), -1)
        b = np.linalg.solve(normal, (terms * weight[:, None]).T @ flat)
        middle = _best(terms, b)
        shaped = middle.reshape(-1, 3)
        count = shaped.size
        # Less what the properties take up of it themselves.
        ratio = (STRENGTH + (middle**2).sum()) / (STRENGTH + max(count - terms.shape[1], 1))
        noise[kind], times[kind] = float(np.sqrt(ratio)), correlation_time(shaped)
        unit = np.sqrt(ratio * times[kind])
        columns.append(flat / unit)
        fitted.append(b / unit)
    r, b = np.hstack(columns), np.hstack(fitted)
    scatter = (r - terms @ b) * root
    lag = _lag(trial, period, traces, weight, offset, noise, times) if clocks else 0 * r[:1]
    # Only directions in which simulations differ tell anything.
    spanned = np.vstack([scatter, (terms[:, 1:] @ b[1:]) * root, lag * CLOCK])
    _, size, axes = np.linalg.svd(spanned, full_matrices=False)
    axes = axes[: max(1, min(DIRECTIONS, int((size > 0.05).sum())))]
    spread = scatter @ axes.T
    worth = 1 / float((weight**2).sum())
    inner = spread.T @ spread * worth / max(worth - terms.shape[1], 0.2 * worth)
    covariance = np.eye(len(axes)) + inner
    line = (lag @ axes.T)[0]
    wide = covariance + CLOCK**2 * np.outer(line, line) if clocks else covariance
    precision = np.linalg.inv(wide)
    gone = 0.0
    if clocks:
        at = _best(terms, b @ axes.T)
        solved = np.linalg.solve(covariance, line)
        gone = -float(at @ solved) / (float(line @ solved) + 1 / CLOCK**2)
    constant = -0.5 * float(np.linalg.slogdet(wide)[1])
    return Emulator(centre, scale, b @ axes.T, precision, constant, offset + gone, noise, times)


def _best(terms: Array, b: Array) -> Array:
    """The emulated residuals of the guess that has the least."""
    emulated = terms @ b
    return emulated[int((emulated**2).sum(1).argmin())]


def _lag(
    trial: Trial, period: float, traces: Traces, weight: Array, offset: float,
    noise: dict[str, float], times: dict[str, float],
) -> Array:  # fmt: skip
    """(1, D) how the residuals change with the clocks' offset, a second."""
    few = np.argsort(-weight, kind="stable")[:16]
    some = Traces(traces.pose[few], traces.force[few], traces.alive[few])
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
    x = np.clip(x, -4, 4)
    i, j = np.triu_indices(d)
    return np.hstack([np.ones((n, 1)), x, x[:, i] * x[:, j]])
