"""The published objects of assets/priors.toml as parametric shapes: what their outer sizes leave
open, volume and area, comes from these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cousins.household import solids
from cousins.household.shapes import Ball, Box, Spatula
from cousins.household.solids import Solid, block, joined
from cousins.household.vessels import Bottle, Bowl, Can, Mug

WALL = 0.004  # of what is open, m: no scan sees a thinner one


def published(shape: str, name: str, sides: Sequence[float]) -> Solid:
    """The solid of an object of `sides` (m; a diameter, a diameter and a height, or three), under
    the shape that it has in the table."""
    x, y, z = (*sides, *sides, *sides) if len(sides) == 1 else \
        (sides[0], *sides) if len(sides) == 2 else sides  # fmt: skip
    if name in _OWN:
        return _OWN[name]
    if shape == "box":
        return Box((x, y, z)).solid()
    if shape == "cylinder":
        return Can(x / 2, z).solid()
    if shape == "sphere" or name == "pear":
        return _sized(Ball(0.05).solid(), x, y, z)
    if name.endswith("bottle"):
        x, y, z = sorted((x, y, z))
        return _sized(Bottle(0.045, 0.2, 0.6, 0.015, 0.016, 0.025).solid(), x, y, z)
    raise KeyError(name)


def _sized(solid: Solid, x: float, y: float, z: float) -> Solid:
    """The solid with its bounding box scaled to these sides; its parts are left out."""
    scale = np.array([x, y, z]) / np.ptp(solid.bounds, axis=0)
    return Solid(type(solid.mesh)(solid.mesh.vertices * scale, solid.mesh.faces), ())


def _arc(radius: float, half: float, steps: int = 24) -> np.ndarray:
    """(steps, 3) points of an arc in the plane y = 0, `half` radians to either side."""
    t = np.linspace(-half, half, steps)
    return radius * np.column_stack([np.sin(t), 0 * t, 1 - np.cos(t)])


_OWN: Mapping[str, Solid] = {
    "banana": solids.tube(_arc(0.11, 0.9), 0.016, 0.017),
    "pitcher": Bowl(0.054, 0.050, 0.235, WALL, 1.0).solid(),
    "bowl": Bowl(0.0795, 0.035, 0.053, WALL).solid(),
    "mug": Mug(0.040, 0.082, WALL, 0.0, (0.03, 0.025), 0.005).solid(),
    "plate": Bowl(0.129, 0.085, 0.024, WALL).solid(),
    "spatula": Spatula((0.09, 0.083, WALL), (0.26, 0.02, 0.012), 0.02).solid(),
    "drill": Box((0.035, 0.046, 0.184)).solid(),
    # Blades, and the bows that fingers go through.
    "scissors": joined([block((0.06, -0.012, 0), (0.2, 0.012, 0.004)),
                        block((0, 0.008, 0), (0.07, 0.02, 0.014)),
                        block((0, -0.02, 0), (0.07, -0.008, 0.014))]),
    "padlock": joined([block((-0.0235, -0.012, 0), (0.0235, 0.012, 0.038)),
                       block((-0.018, -0.004, 0.037), (-0.010, 0.004, 0.065)),
                       block((0.010, -0.004, 0.037), (0.018, 0.004, 0.065)),
                       block((-0.018, -0.004, 0.057), (0.018, 0.004, 0.065))]),
    "wrench": joined([block((0.03, -0.0125, 0), (0.175, 0.0125, 0.005)),
                      block((0, -0.0275, 0), (0.035, 0.0275, 0.005)),
                      block((0.17, -0.0275, 0), (0.205, 0.0275, 0.005))]),
}  # fmt: skip
