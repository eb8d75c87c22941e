"""How far a cousin is from the twin: 0 for the twin itself, 1 for the farthest relative.

A first definition, meant to be plotted against. Each axis is a mean over the objects, scaled by
what it takes to be as far as the axis is meant to go, and cut off at 1:

    layout    half from how far an object went, over half the diagonal of what it stands on, and
              half from how far it was turned, over half a turn
    size      mean of |log(size / twin's size)| over x, y, z, over log(1.18), a scale of 0.85
    mass      |log(mass / mode)|, over log(4); the part that comes with the size counts as well
    friction  |log(friction / mode)|, over log(4)
    colour    mean dimming of red, green and blue, over 0.4

The distance is the mean of the axes, so it grows with each of them.
"""

from __future__ import annotations

import numpy as np

from cousins.types import Array, Scene
from cousins.variation.union import Draws, Union
from cousins.variation.units import Footprints

FACTOR = 4.0  # of mass and of friction
SCALE = 0.85
DIMMED = 0.4
AXES = ("layout", "size", "mass", "friction", "colour")


def axes(union: Union, prints: Footprints, draws: Draws) -> dict[str, Array]:
    """(n,) values in 0..1 of each axis of `AXES`, of n cousins in the poses of `draws`."""
    assets = union.scene.assets
    sizes = np.array([[shape.size for shape in variants] for variants in union.shapes])
    own = np.take_along_axis(sizes[None], draws.shape[:, :, None, None], 2)[:, :, 0]
    mass, friction = (np.array([getattr(a, f).mode for a in assets]) for f in ("mass", "friction"))
    dimmed = np.abs(1 - draws.rgba[..., :3].astype(float)).mean(-1)
    return {
        "layout": _layout(union.scene, prints, draws),
        "size": _mean(np.abs(np.log(own / sizes[:, 0])).mean(-1) / -np.log(SCALE)),
        "mass": _mean(np.abs(np.log(draws.mass / mass)) / np.log(FACTOR)),
        "friction": _mean(np.abs(np.log(draws.friction / friction)) / np.log(FACTOR)),
        "colour": _mean(dimmed / DIMMED),
    }


def distance(values: dict[str, Array]) -> Array:
    """(n,) distances in 0..1: the means of the axes."""
    return np.mean(list(values.values()), axis=0)


def _layout(scene: Scene, prints: Footprints, draws: Draws) -> Array:
    seen = np.array([a.quaternion for a in scene.assets])
    reach = np.array([np.linalg.norm(np.ptp(s.polygon, axis=0)) / 2 for s in prints.supports])
    went = np.linalg.norm(draws.position[..., :2] - prints.position[:, :2], axis=-1) / reach
    cosine = np.abs((draws.quaternion * seen).sum(-1))
    turned = 2 * np.arccos(np.clip(cosine, 0, 1)) / np.pi
    return _mean(np.minimum(went, 1) / 2 + np.minimum(turned, 1) / 2)


def _mean(values: Array) -> Array:
    return np.minimum(values, 1).mean(1)
