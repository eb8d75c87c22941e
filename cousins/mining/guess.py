"""A guess at where a policy breaks from what was tried so far, by which most of what could be tried
is not.

Kernel ridge regression on the cousins' traits, each weighed by how much of the shares it tells by
itself, since most tell nothing of any one policy (Fan and Lv 2008, "Sure independence screening").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cousins.types import Array

MOST = 2000  # cousins that it goes by, the last
SHARP = 0.5  # of the kernel: exp(-SHARP * squared distance), which is 2 in the mean
NOISE = 6.0  # of one episode, in units of the kernel's variance
BINS = 5
TINY = 1e-9


@dataclass(frozen=True)
class Guess:
    """Of what lies near what in n cousins that were tried. scale (2, T): middle and spread of each
    trait; weight (T,); known (n, T); of (n,): each one's part; mean: of all."""

    scale: Array
    weight: Array
    known: Array
    of: Array
    mean: float

    def __call__(self, traits: Array) -> Array:
        """(m,) shares of cousins with traits (m, T)."""
        return self.mean + _kernel(self._flat(traits), self.known) @ self.of

    def _flat(self, traits: Array) -> Array:
        return (traits - self.scale[0]) / self.scale[1] * np.sqrt(self.weight)


def fit(traits: Array, share: Array, trials: Array) -> Guess:
    """From n cousins: traits (n, T), shares (n,) of so many trials (n,)."""
    traits, share, trials = traits[-MOST:], share[-MOST:], trials[-MOST:]
    scale = np.stack([traits.mean(0), np.maximum(traits.std(0), TINY)])
    flat = (traits - scale[0]) / scale[1]
    weight = relevance(flat, share)
    start = Guess(scale, weight, flat * np.sqrt(weight), np.zeros(len(flat)), float(share.mean()))
    gram = _kernel(start.known, start.known) + np.diag(NOISE / trials)
    of = np.asarray(np.linalg.solve(gram, share - start.mean), float)
    return Guess(scale, weight, start.known, of, start.mean)


def relevance(traits: Array, share: Array) -> Array:
    """(T,) of sum 1: how much of the shares' variance each trait tells by itself, along a
    line and in bins of as many cousins, less what it would by chance."""
    n, count = traits.shape
    spread = float(((share - share.mean()) ** 2).sum())
    if spread < TINY:
        return np.full(count, 1 / count)
    off = share - share.mean()
    norm = np.maximum((traits**2).sum(0) * spread, TINY)
    line = np.maximum((traits * off[:, None]).sum(0) ** 2 / norm - 1 / n, 0.0)
    steps = np.zeros(count)
    for k in range(count):
        edges = np.quantile(traits[:, k], np.linspace(0, 1, BINS + 1)[1:-1])
        at = np.searchsorted(edges, traits[:, k])
        many = np.bincount(at, minlength=BINS)
        sums = np.bincount(at, off, minlength=BINS)
        told = float((sums**2 / np.maximum(many, 1)).sum()) / spread
        steps[k] = max(told - (BINS - 1) / n, 0.0)
    whole = line + steps
    return whole / whole.sum() if whole.sum() > TINY else np.full(count, 1 / count)


def _kernel(one: Array, other: Array) -> Array:
    square = (one**2).sum(1)[:, None] + (other**2).sum(1)[None] - 2 * one @ other.T
    return np.exp(-SHARP * np.maximum(square, 0.0))
