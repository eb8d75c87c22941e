"""Residuals of simulated pushes against a real one, in units of the log's own noise.

`score` is a first, rough measure of how well single guesses agree; `cousins.calibration.emulate`
makes the likelihood proper of them.
"""

from __future__ import annotations

import numpy as np

from cousins.calibration import turns
from cousins.calibration.simulate import Traces
from cousins.calibration.trial import WINDOW, Trial
from cousins.types import Array

SEARCH = 0.5  # s either way in which the clocks' offset is sought at first
STEP = 0.004  # s to which it is found at first
SOFT = 0.3  # of a window's force: below it, its parts are compared as they are
PIECE = 256  # guesses that are compared at a time, to bound memory


def residuals(trial: Trial, period: float, pose: Array, offset: float) -> tuple[Array, Array]:
    """Seen less simulated (n, m, 3): places, m, and turns, rad. pose (n, T, 7); offset: the
    tracker's clock less the pusher's, s."""
    times = np.arange(pose.shape[1]) * period
    at = turns.at(times, pose, trial.time - offset)
    return trial.pose[:, :3] - at[..., :3], turns.between(at[..., 3:], trial.pose[:, 3:])


def felt(trial: Trial, force: Array) -> Array | None:
    """(n, w, 3) measured less simulated force (n, T, 3), in units of its noise, in the windows in
    which the pusher pressed. None where no force was measured."""
    if trial.force is None or trial.force_noise is None:
        return None
    windows = len(trial.force)
    mean = force[:, 1 : 1 + windows * WINDOW].reshape(-1, windows, WINDOW, 3).mean(2)
    pressed = np.linalg.norm(trial.force, axis=1) > 3 * trial.force_noise
    if not pressed.any():
        return None
    seen, noise = trial.force[pressed], trial.force_noise[pressed, None]
    # Forces grow with the mass, and so does their chatter: compared as logarithms are where they
    # are large, as they are where small, and by the noise's own measure where they agree.
    soft = SOFT * np.linalg.norm(seen, axis=1, keepdims=True)
    gap = np.arcsinh(seen / soft) - np.arcsinh(mean[:, pressed] / soft)
    return gap * np.hypot(seen, soft) / noise


def every(trial: Trial, period: float, traces: Traces, offset: float) -> dict[str, Array]:
    """Residuals (n, k, 3) by kind, in units of noise: place, turn, and force where there is one."""
    pieces: list[dict[str, Array]] = []
    for k in range(0, len(traces.pose), PIECE):
        pose = traces.pose[k : k + PIECE]
        place, turn = residuals(trial, period, pose, offset)
        piece = {"place": place / trial.noise[0], "turn": turn / trial.noise[1]}
        force = felt(trial, traces.force[k : k + PIECE])
        if force is not None:
            piece["force"] = force
        pieces.append(piece)
    return {kind: np.concatenate([p[kind] for p in pieces]) for kind in pieces[0]}


def errors(trial: Trial, period: float, traces: Traces, offset: float) -> tuple[Array, Array]:
    """Root mean square errors (n,) of place, m, and turn, rad."""
    place, turn = residuals(trial, period, traces.pose, offset)
    return tuple(np.sqrt((r**2).sum(-1).mean(-1)) for r in (place, turn))  # pyright: ignore


def score(trial: Trial, period: float, traces: Traces, offset: float) -> Array:
    """(n,) log likelihood of each guess if residuals of a kind were all normal with one unknown
    variance, about that of the noise (Gelman et al., Bayesian Data Analysis, 3.2): a Student-t of
    all together, which forgives what no guess explains."""
    total = np.zeros(len(traces.pose))
    for r in every(trial, period, traces, offset).values():
        half = r[0].size / 2
        with np.errstate(over="ignore", invalid="ignore"):
            total -= (2 + half) * np.log1p(half / 2 * (r**2).mean((1, 2)))
    return np.where(traces.alive & np.isfinite(total), total, -np.inf)


def correlation_time(series: Array) -> float:
    """Rows of residuals (m, 3) that count as one: their autocorrelation time (Sokal 1997, "Monte
    Carlo methods in statistical mechanics"), about zero, as what is off for good is off as well."""
    power, total = float((series**2).mean()), 1.0
    for lag in range(1, len(series) // 2):
        rho = float((series[lag:] * series[:-lag]).mean()) / max(power, 1e-300)
        if rho < 0.1:
            break
        total += 2 * rho
    return float(np.clip(total, 1.0, max(len(series) / 4, 1.0)))


def seek(trial: Trial, period: float, traces: Traces) -> float:
    """The clocks' offset, s, to within STEP: where the best of a few guesses fits best."""
    few = np.flatnonzero(traces.alive)[:48]
    if not len(few):
        return 0.0
    pose = traces.pose[few]
    width, centre = SEARCH, 0.0
    for step in (0.02, STEP):
        offsets = centre + np.arange(-width, width + step / 2, step)
        cost = np.empty((len(offsets), len(few)))
        for k, offset in enumerate(offsets):
            place, turn = residuals(trial, period, pose, offset)
            # Absolute, as most guesses fit at no offset.
            cost[k] = np.abs(place).mean((1, 2)) / trial.noise[0]
            cost[k] += np.abs(turn).mean((1, 2)) / trial.noise[1]
        centre = float(offsets[int(cost.min(1).argmin())])
        width = 0.024
    return centre
