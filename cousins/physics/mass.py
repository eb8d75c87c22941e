"""What things weigh before they are weighed: a mixture over the ways in which they can be made.

A thing of known shape weighs its walls and contents, or its solid, times a density (`materials`);
which of it, is learned. Things of one shape, and within that of one category, are made alike:
shares of a Dirichlet law, with priors.toml's judgement before it and the published objects as what
was seen, by expectation and maximisation (Dempster, Laird and Rubin 1977) for which of them is made
how. What things of one category or label have in common beyond that, such as how thick a brand's
walls are, is a normal effect of their own, as in a random effects model (Gelman et al., Bayesian
Data Analysis, chapter 5). So a thing that is weighed tells of those that share its label, and a
little of all that are of its material.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cousins.physics.form import Form
from cousins.physics.materials import common, guess, makes, told
from cousins.types import Array

Bools = NDArray[np.bool_]

BEFORE = 2.0  # things that the judgement of a shape counts as much as
KAPPA = 1.0  # likewise, of what its shape says of a category, and what priors.toml does
ALIKE = 0.8  # share of a make's variance that things of one label have in common
ROUNDS = 30
LEAST = 1e-3  # share below which a make is left out
_TINY = 1e-300


@dataclass(frozen=True)
class Weighed:
    """A thing whose mass is known: mass, kg, and error, the standard deviation of its logarithm.
    label: what it is called, for things that are called alike; category: of categories.toml."""

    form: Form
    mass: float
    error: float = 0.0
    category: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Weighing:
    """Shares (k,) of the ways `makes()` in which a thing may be made, and of each its mass: mu and
    sigma (k,) of the logarithm, walls (k,) the share of it in the walls."""

    share: Array
    mu: Array
    sigma: Array
    walls: Array


@cache
def published() -> Mapping[str, Weighed]:
    """The objects of assets/priors.toml, by name."""
    of = {name: c for c, names in told()["categories"].items() for name in names}
    return {
        name: Weighed(
            Form(1e-6 * row["volume"], 1e-4 * row["area"], 1e-6 * row["hull"], kind),
            1e-3 * row["mass"],
            category=of.get(name),
        )
        for kind, rows in told()["objects"].items()
        for name, row in rows.items()
    }


def weighing(
    form: Form,
    category: str | None = None,
    label: str | None = None,
    known: Sequence[Weighed] = (),
    table: Mapping[str, Weighed] | None = None,
) -> Weighing:
    """What is known of the mass of a thing of that form.

    known: what was weighed in its scene. table: what was weighed elsewhere, the published objects.
    """
    seen = [*(published() if table is None else table).values(), *known]
    shape, within = _shares(tuple(seen), len(seen) - len(known))
    mine = called(category, label)
    share = _possible(form) * _category(category, shape(form.group), within(mine))
    share = share / share.sum()
    mu, sigma, walls, shared = _guesses(form)
    # Of what was weighed elsewhere only what is called alike tells of this thing.
    like = np.array([mine is not None and called(w.category, w.label) == mine for w in seen], bool)
    use = np.flatnonzero(like | (np.arange(len(seen)) >= len(seen) - len(known)))
    if len(use):
        others = [seen[int(i)] for i in use]
        made = np.array([_made(w, shape, within) for w in others])
        mu, sigma = _drawn(mu, sigma, shared, others, made, like[use])
    return Weighing(share, mu, sigma, walls)


def called(category: str | None, label: str | None) -> tuple[str, str] | None:
    """What a thing is called: its category, or where it has none its words."""
    return ("category", category) if category else ("label", label) if label else None


@cache
def _guesses(form: Form) -> tuple[Array, Array, Array, Array]:
    """mu, sigma, walls, shared (k,) of each make; zero share falls to those that cannot be."""
    found = [guess(make, form) for make in makes()]
    return (
        np.array([g.mu if g else 0.0 for g in found]),
        np.array([g.sigma if g else 1.0 for g in found]),
        np.array([g.walls if g else 0.0 for g in found]),
        np.array([g.shared if g else 0.0 for g in found]),
    )


@cache
def _possible(form: Form) -> Array:
    return np.array([guess(make, form) is not None for make in makes()], float)


def _fits(weighed: Weighed) -> Array:
    """(k,) the density of its mass under each make."""
    mu, sigma, _, _ = _guesses(weighed.form)
    sigma = np.hypot(sigma, weighed.error)
    z = (np.log(weighed.mass) - mu) / sigma
    return _possible(weighed.form) * np.exp(-0.5 * z**2) / sigma + _TINY


def _judged(category: str | None, shape: Array) -> Array:
    """(k,) shares of a category before any of it was weighed."""
    mix = told()["mix"].get(category, {}) if category else {}
    named = np.array([mix.get(make.name, 0.0) for make in makes()])
    return named + max(0.0, 1 - named.sum()) * shape


def _category(category: str | None, shape: Array, counts: Array | None) -> Array:
    """(k,) shares of a category: judgement, and what was counted of it."""
    if counts is None:
        return _judged(category, shape)
    return (KAPPA * _judged(category, shape) + counts) / (KAPPA + counts.sum())


def _made(
    weighed: Weighed,
    shape: Callable[[str], Array],
    within: Callable[[tuple[str, str] | None], Array | None],
) -> Array:
    """(k,) how a thing whose mass is known is made."""
    counts = within(called(weighed.category, weighed.label))
    return _normal(_category(weighed.category, shape(weighed.form.group), counts) * _fits(weighed))


@cache
def _shares(
    seen: tuple[Weighed, ...], rows: int
) -> tuple[Callable[[str], Array], Callable[[tuple[str, str] | None], Array | None]]:
    """Functions that give the shares (k,) of a shape's group, and what was counted (k,) of what is
    `called` alike, None of that of which nothing was seen. What a scene holds tells of its labels
    alone."""
    first = np.zeros(len(makes()))
    first[: common()] = 1 / common()

    groups = [w.form.group for w in seen]
    possible = {w.form.group: _possible(w.form) for w in seen}
    keys = [called(w.category, w.label) for w in seen]
    shapes = {g: _normal(first * p) for g, p in possible.items()}
    counts: dict[tuple[str, str], Array] = {}
    fits = [_fits(w) for w in seen]
    for _ in range(ROUNDS):
        sums = {g: BEFORE * _normal(first * p) for g, p in possible.items()}
        found: dict[tuple[str, str], Array] = {}
        for i, w in enumerate(seen):
            k = keys[i]
            share = _category(w.category, shapes[groups[i]], counts.get(k) if k else None)
            made = _normal(share * fits[i])
            if i < rows:
                sums[groups[i]] = sums[groups[i]] + made
            if k:
                found[k] = found.get(k, 0.0) + made
        shapes, counts = {g: _normal(s) for g, s in sums.items()}, found

    def shape(group: str) -> Array:
        return shapes.get(group, first)

    def within(key: tuple[str, str] | None) -> Array | None:
        return counts.get(key) if key else None

    return shape, within


def _normal(share: Array) -> Array:
    return share / max(share.sum(), _TINY)


def _drawn(
    mu: Array, sigma: Array, shared: Array, others: Sequence[Weighed], made: Array, like: Bools
) -> tuple[Array, Array]:
    """mu and sigma (k,) drawn towards the `others` that were weighed: (n, k) how each is `made`,
    like (n,) which are called alike. A normal process over things, for each make by itself; one
    that is only perhaps made so counts as one that was weighed so much worse."""
    theirs = np.array([_guesses(w.form) for w in others])  # (n, 4, k)
    error = np.array([w.error for w in others])
    logs = np.log([w.mass for w in others])
    keys = [called(w.category, w.label) for w in others]
    alike = np.array([[a is not None and a == b for b in keys] for a in keys])
    drawn_mu, drawn_sigma = mu.copy(), sigma.copy()
    for k in range(len(mu)):
        on = made[:, k] > LEAST
        if not on.any():
            continue
        s, d, weight = theirs[on, 1, k], theirs[on, 3, k], made[on, k]
        rho = np.where(alike[on][:, on], ALIKE, np.sqrt(np.outer(d, d)))
        np.fill_diagonal(rho, 1.0)
        noise = error[on] ** 2 + s**2 * (1 / weight - 1)
        to = np.where(like[on], ALIKE, np.sqrt(shared[k] * d)) * s * sigma[k]
        gain = np.linalg.solve(rho * np.outer(s, s) + np.diag(noise), to)
        drawn_mu[k] = mu[k] + gain @ (logs[on] - theirs[on, 0, k])
        drawn_sigma[k] = np.sqrt(max(sigma[k] ** 2 - gain @ to, 1e-6))
    return drawn_mu, drawn_sigma


def without(name: str) -> Mapping[str, Weighed]:
    """The published objects but one, by which that one can be foretold."""
    return {n: w for n, w in published().items() if n != name}


def reweighed(found: Weighing, log_likelihood: Array) -> Weighing:
    """With the shares that are left once each make has made something so likely (k,)."""
    with np.errstate(divide="ignore"):
        log = np.log(found.share) + log_likelihood
    share = np.exp(log - np.logaddexp.reduce(log))
    return replace(found, share=share)
