"""The axis of mass, friction, bounce, and where an object's mass lies: samples of what is believed.

At strength 1 a property is drawn from its distribution; at less it lies nearer to the mode, which
is what the twin has. Its distance is the mean over the twin's objects of |log(mass / twin's)| and
|log(friction / twin's)|, each over log(4) and cut off at 1; what a shape makes heavier counts as
shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cousins.distributions import Distribution
from cousins.types import Array
from cousins.variation.axes import Drawn, Source, mean

TAIL = 0.01  # share of a distribution that is cut off at either end
FACTOR = 4.0  # of mass and of friction, that is as far as it goes
OF_EACH = 4  # numbers that one object takes


@dataclass(frozen=True)
class Physics:
    """See the module."""

    name: str = "physics"

    def numbers(self, source: Source) -> int:
        """Four for each object."""
        return OF_EACH * len(source.scene.assets)

    def draw(self, source: Source, uniform: Array, strength: Array, drawn: Drawn) -> Drawn:
        """mass (kg), friction, restitution and shell_fraction, each (n, A)."""
        assets, bank = source.scene.assets, source.union.bank
        uniform = uniform.reshape(len(uniform), len(assets), OF_EACH)
        rows: dict[str, list[Array]] = {name: [] for name in PROPERTIES}
        for i, asset in enumerate(assets):
            for k, (name, positive) in enumerate(PROPERTIES.items()):
                rows[name].append(_between(getattr(asset, name), uniform[:, i, k], strength,
                                           positive))  # fmt: skip
        out = {name: np.stack(columns, 1) for name, columns in rows.items()}
        # What is larger is heavier.
        volume = bank.volume[drawn["shape"], np.arange(len(assets))]
        out["mass"] = out["mass"] * volume / bank.volume[0]
        return out

    def distance(self, source: Source, drawn: Drawn) -> Array:
        """See the module."""
        bank, own = source.union.bank, source.own
        volume = bank.volume[drawn["shape"], np.arange(len(bank.body))] / bank.volume[0]
        parts = []
        for value, name in ((drawn["mass"] / volume, "mass"), (drawn["friction"], "friction")):
            mode = np.array([getattr(asset, name).mode for asset in source.scene.assets])
            parts.append(np.abs(np.log(value / mode))[:, :own] / np.log(FACTOR))
        return mean(np.minimum(np.concatenate(parts, axis=1), 1))


# The properties, and whether between mode and draw their logarithm is what lies between.
PROPERTIES = {"mass": True, "friction": True, "restitution": False, "shell_fraction": False}


def _between(known: Distribution, uniform: Array, strength: Array, positive: bool) -> Array:
    drawn, mode = quantiles(known, uniform), known.mode
    if positive and mode > 0:
        return mode * (drawn / mode) ** strength
    return mode + strength * (drawn - mode)


def quantiles(distribution: Distribution, uniform: Array) -> Array:
    """(n,) values of the distribution, cut at `TAIL`, for (n,) numbers uniform in 0..1."""
    inner = TAIL + (1 - 2 * TAIL) * uniform
    return distribution.quantiles(inner)
