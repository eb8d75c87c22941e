"""The materials of assets/materials.toml, and the ways a thing can be made of them."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any

from cousins.distributions import LogNormal, Normal
from cousins.physics.form import SEEN, Form
from cousins.resources import asset

SOLID, WALLS = (
    0.1,
    0.2,
)  # how far off, on the logarithm's scale, a scan's volume and a wall's area are
_STEPS = 24  # quantiles of each of two things that make up what is filled


@dataclass(frozen=True)
class Material:
    """density, kg/m³; wall, m; friction against a household surface, from kinetic to static;
    restitution."""

    name: str
    density: LogNormal
    wall: LogNormal
    friction: LogNormal
    restitution: Normal


@dataclass(frozen=True)
class Make:
    """A way to be made: kind is "solid", "hollow", "filled" or "assembled"."""

    kind: str
    material: str

    @property
    def name(self) -> str:
        return f"{self.kind} {self.material}"


@dataclass(frozen=True)
class Guess:
    """Of a thing of known form and make, mass: normal of the logarithm, kg. walls: the share of it
    that lies in its walls; shared: the share of the variance that comes from its material's
    density, and so is the same for all of that material."""

    mu: float
    sigma: float
    walls: float
    shared: float


@cache
def told() -> dict[str, Any]:
    """What assets/priors.toml holds."""
    return tomllib.loads(asset("priors.toml").read_text("utf-8"))


@cache
def materials() -> dict[str, Material]:
    """All of them, by name."""
    rows = tomllib.loads(asset("materials.toml").read_text("utf-8"))
    source = rows.pop("source")
    return {name: _material(name, row, source) for name, row in rows.items()}


def _material(name: str, row: dict[str, list[float]], source: dict[str, str]) -> Material:
    low, high = row["restitution"]
    return Material(
        name,
        LogNormal.between(row["density"][0], row["density"][1], source["density"]),
        LogNormal.between(1e-3 * row["wall"][0], 1e-3 * row["wall"][1], source["wall"]),
        LogNormal.between(row["kinetic"][0], row["static"][1], source["friction"]),
        Normal((low + high) / 2, (high - low) / 3.29, source["restitution"], 0.0, 1.0),
    )


@cache
def makes() -> tuple[Make, ...]:
    """Those that priors.toml holds for possible, and after them those that only a category has."""
    common = [Make(kind, material) for kind, of in told()["makes"].items() for material in of]
    named = {name for mix in told()["mix"].values() for name in mix}
    known = {make.name for make in common}
    return (*common, *(Make(*name.split(" ", 1)) for name in sorted(named - known)))


def common() -> int:
    """How many of the `makes` are possible for a thing of which nothing is known."""
    return sum(len(of) for of in told()["makes"].values())


@cache
def guess(make: Make, form: Form) -> Guess | None:
    """What a thing of that form weighs, made so; None where it cannot be: what is all walls is
    hollow, and no wall is thicker than it was seen."""
    material = materials()[make.material]
    density = material.density
    if form.wall is not None:
        if make.kind != "hollow":
            return None
        thick = _thinner(material.wall, max(form.wall, SEEN))
        sigma = math.hypot(density.sigma, thick.sigma, WALLS)
        mu = density.mu + math.log(form.area / 2) + thick.mu
        return Guess(mu, sigma, 1.0, (density.sigma / sigma) ** 2)
    if make.kind == "solid":
        sigma = math.hypot(density.sigma, SOLID)
        return Guess(density.mu + math.log(form.volume), sigma, 0.0, (density.sigma / sigma) ** 2)
    if make.kind == "assembled":
        whole = _density("assembled")
        sigma = math.hypot(whole.sigma, SOLID)
        return Guess(whole.mu + math.log(form.volume), sigma, 0.3, 0.0)
    return _closed(make.kind, material, form)


def _density(of: str) -> LogNormal:
    low, high = told()["density"][of]
    return LogNormal.between(low, high, told()["density"]["source"])


def _closed(kind: str, material: Material, form: Form) -> Guess:
    """Walls, and contents where it is filled, by quadrature over both; walls fill it at most."""
    import numpy as np

    q = (np.arange(_STEPS) + 0.5) / _STEPS
    wall = np.minimum(form.area * material.wall.quantiles(q), 0.9 * form.volume)
    walls = material.density.mode * wall
    mass = walls[:, None]
    if kind == "filled":
        contents = _density("contents").quantiles(q)
        mass = mass + contents * (form.volume - wall)[:, None]
    log = np.log(mass)
    sigma = math.hypot(float(log.std()), material.density.sigma, SOLID)
    share = float(np.mean(walls[:, None] / mass))
    shared = (share * material.density.sigma / sigma) ** 2
    return Guess(float(log.mean()), sigma, share, shared)


def _thinner(wall: LogNormal, seen: float) -> LogNormal:
    """The wall where none is thicker than `seen` m: what is usual of it that lies below, or just
    that where all that is usual is thicker."""
    low, high = wall.quantile(0.05), min(wall.quantile(0.95), 1.2 * seen)
    return LogNormal.between(low if low < 0.7 * high else 0.7 * high, high, wall.source)
