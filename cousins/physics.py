"""Mass, friction and inertia as distributions: a first prior from published objects."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from cousins.distributions import Distribution, LogNormal, Uniform
from cousins.mesh import matrix_from_quaternion, shell_moments, solid_moments
from cousins.resources import asset
from cousins.types import Array, Mesh, Primitive

_Z95 = 1.6448536269514722  # standard normal, 95% quantile


@cache
def _priors() -> dict[str, Any]:
    return tomllib.loads(asset("priors.toml").read_text())


@cache
def _log_densities() -> dict[str, dict[str, float]]:
    """By shape and name, the logarithm of mass over bounding box, kg/m³."""
    return {
        shape: {name: _log_density(*row) for name, row in rows.items()}
        for shape, rows in _priors()["objects"].items()
    }


def _log_density(mass: float, *sides: float) -> float:
    if len(sides) == 1:
        sides = sides * 3
    elif len(sides) == 2:
        sides = (sides[0], *sides)
    return float(np.log(1e-3 * mass / np.prod(np.array(sides) * 1e-3)))


@cache
def effective_density(shape: str) -> LogNormal:
    """Mass over bounding box, kg/m³, of household objects of a shape.

    shape: "box", "cylinder", "sphere" or "other". The log-normal is fitted to the table in
    assets/priors.toml; its spread is that of a prediction from so few (1 + 1/n).
    """
    logs = list(_log_densities()[shape].values())
    sigma = float(np.std(logs, ddof=1) * np.sqrt(1 + 1 / len(logs)))
    source = f"{_priors()['source']}; the {len(logs)} shaped like {shape}"
    return LogNormal(float(np.mean(logs)), sigma, source)


@cache
def _by_category() -> dict[str, dict[str, float]]:
    every = {name: log for rows in _log_densities().values() for name, log in rows.items()}
    return {
        category: {name: every[name] for name in names}
        for category, names in _priors()["categories"].items()
    }


def _scatter(groups: dict[str, dict[str, float]]) -> float:
    """Variance about the groups' own means, pooled over all of them."""
    logs = [np.array(list(group.values())) for group in groups.values()]
    squares = sum(float(((log - log.mean()) ** 2).sum()) for log in logs)
    return squares / sum(len(log) - 1 for log in logs)


@cache
def category_density(category: str, shape: str) -> LogNormal:
    """Mass over bounding box, kg/m³, of things of a category that are of a shape.

    A normal hierarchical model of log density (Gelman et al., Bayesian Data Analysis, chapter 5)
    with its variances taken as known. Things scatter about their category's mean with the variance
    that is pooled over the categories of two rows and more; the means of categories scatter about
    their shape's with the variance that is pooled over shapes, less that. So one row tells as much
    as one thing can, no category is narrower than what categories hold, and a category without a
    row is its shape. Its rows count in the shape's mean too, where they draw little.
    """
    wide = effective_density(shape)
    rows = _by_category().get(category, {})
    if not rows:
        return wide
    within = _scatter(_by_category())
    between = _scatter(_log_densities()) - within
    precision = 1 / between + len(rows) / within
    mu = (wide.mu / between + sum(rows.values()) / within) / precision
    told = f"; drawn towards what it holds of the category {category}: {', '.join(rows)}"
    return LogNormal(float(mu), float(np.sqrt(within + 1 / precision)), wide.source + told)


def mass_prior(
    size: Array, shape: str, category: str | None = None, confidence: float = 1.0
) -> LogNormal:
    """Mass, kg, of a thing whose bounding box is `size` (3,) metres.

    category: what it is, of assets/categories.toml; one of which the table holds nothing changes
    nothing. confidence (0..1): how sure that is. The prior is then the log-normal with the mean
    and variance, of the logarithm, of the mixture of the category's with that weight and the
    shape's with the rest.
    """
    if not 0 <= confidence <= 1:
        raise ValueError(f"a confidence of {confidence}: it goes from 0 to 1")
    density = wide = effective_density(shape)
    if category is not None and confidence > 0:
        density = category_density(category, shape)
    mu = confidence * density.mu + (1 - confidence) * wide.mu
    variance = confidence * density.sigma**2 + (1 - confidence) * wide.sigma**2
    variance += confidence * (1 - confidence) * (density.mu - wide.mu) ** 2
    source = density.source
    if density is not wide and confidence < 1:
        source += f"; by its label, which is {confidence:.0%} sure"
    volume = float(np.log(np.prod(size)))
    return LogNormal(float(mu) + volume, float(np.sqrt(variance)), source)


def shape_behind(mass: Distribution) -> str | None:
    """The shape whose prior a mass is, "box" say; None for one that `mass_prior` did not give,
    such as a measured one, which no label may change."""
    source = _priors()["source"]
    told = re.match(rf"{re.escape(source)}; the \d+ shaped like (\w+)", mass.source)
    return told[1] if told and told[1] in _priors()["objects"] else None


def friction_prior() -> LogNormal:
    """Coefficient of sliding friction on a household surface."""
    prior = _priors()["friction"]
    low, high = np.log(prior["low"]), np.log(prior["high"])
    return LogNormal(float(low + high) / 2, float(high - low) / (2 * _Z95), prior["source"])


def shell_prior() -> Distribution:
    """Share of the mass in the wall; the rest is spread through the volume."""
    prior = _priors()["shell_fraction"]
    return Uniform(prior["low"], prior["high"], prior["source"])


@dataclass(frozen=True)
class Moments:
    """A shape's centre of mass (3,) and inertia (3, 3) about it at unit mass, in the object's
    frame: as an even solid, and as an even shell."""

    solid_centre: Array
    solid_inertia: Array
    shell_centre: Array
    shell_inertia: Array


def moments(mesh: Mesh, primitive: Primitive | None = None) -> Moments:
    """The moments of a closed mesh; of the primitive where one stands for it.

    A ball that collides as a sphere must have its mass where the sphere has it, or the bumps of
    its mesh set it rolling.
    """
    if primitive is not None:
        centre = np.array(primitive.position)
        solid, shell = _primitive_inertias(primitive)
        return Moments(centre, solid, centre, shell)
    _, solid_centre, solid = solid_moments(mesh)
    _, shell_centre, shell = shell_moments(mesh)
    return Moments(solid_centre, solid, shell_centre, shell)


def _primitive_inertias(primitive: Primitive) -> tuple[Array, Array]:
    """Inertias (3, 3) at unit mass in the object's frame, of the solid and of its surface."""
    a, b, c = primitive.size
    if primitive.kind == "sphere":
        solid, shell = np.full(3, 0.4 * a * a), np.full(3, 2 / 3 * a * a)
    elif primitive.kind == "cylinder":
        solid = _cylinder(a * a / 4, a * a / 2, b * b / 3)
        ends, side = a / (a + 2 * b), 2 * b / (a + 2 * b)
        shell = ends * _cylinder(a * a / 4, a * a / 2, b * b)
        shell = shell + side * _cylinder(a * a / 2, a * a, b * b / 3)
    else:
        half = np.array([a, b, c])
        square = half**2
        solid = (square.sum() - square) / 3
        faces = half.prod() / half  # of the pair of faces across each axis
        faces = faces / faces.sum()
        # Mean of x² over the surface: a² on the faces across x, a²/3 on the others.
        mean = square * (faces + (1 - faces) / 3)
        shell = mean.sum() - mean
    turn = matrix_from_quaternion(np.array(primitive.quaternion))
    return turn @ np.diag(solid) @ turn.T, turn @ np.diag(shell) @ turn.T


def _cylinder(across: float, along: float, height: float) -> Array:
    """Moments (3,) about x, y and z: a disc's or ring's own, and its mean z²."""
    return np.array([across + height, across + height, along])


def mass_moments(shape: Moments, mass: float, shell: float) -> tuple[Array, Array]:
    """Centre of mass (3,) and inertia (3, 3) about it: `shell` of the mass lies on the surface and
    the rest fills the volume, both evenly."""
    centre = (1 - shell) * shape.solid_centre + shell * shape.shell_centre
    inertia = (1 - shell) * (shape.solid_inertia + _offset(shape.solid_centre - centre))
    inertia = inertia + shell * (shape.shell_inertia + _offset(shape.shell_centre - centre))
    return centre, mass * inertia


def _offset(d: Array) -> Array:
    """Parallel axis term of unit mass."""
    return float(d @ d) * np.eye(3) - np.outer(d, d)
