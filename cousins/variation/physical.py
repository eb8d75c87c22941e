"""Draws of mass, friction, inertia and colour, for all cousins at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cousins import physics
from cousins.distributions import Distribution
from cousins.mesh import solid_moments
from cousins.physics import Moments
from cousins.types import Array, Asset, Mesh
from cousins.variation.shapes import hull

TAIL = 0.01  # share of a distribution that is cut off at either end
TINT = (0.6, 1.0)  # range of the brightness that multiplies a texture
HUE = 0.12  # most that one channel is dimmed against the others


def volume(asset: Asset) -> float:
    """The volume (m^3) of the asset's visual mesh; of its convex hull where the mesh is open."""
    return solid_moments(_closed(asset))[0]


def moments(asset: Asset) -> Moments:
    """The moments of the asset's primitive, else of the mesh whose volume counts."""
    return physics.moments(_closed(asset), asset.primitive)


def _closed(asset: Asset) -> Mesh:
    return asset.visual if asset.watertight else hull(asset.visual.vertices)


def blend(solid: Array, shell: Array, share: Array) -> Array:
    """Solid and shell values (n, ...) mixed by the shell's share (n,) of the mass."""
    share = share.reshape(-1, *[1] * (solid.ndim - 1))
    return (1 - share) * solid + share * shell


def inertia(
    mass: Array,
    share: Array,
    solid: tuple[Array, Array],
    shell: tuple[Array, Array],
) -> tuple[Array, Array]:
    """Centres of mass (n, 3), and inertias (n, 3, 3) about them, of `mass` (n,).

    `share` (n,) of the mass lies in the shell, the rest in the solid, each given as its centres
    (n, 3) and unit inertias (n, 3, 3).
    """
    centre = blend(solid[0], shell[0], share)
    about = [unit + _parallel(own - centre) for own, unit in (solid, shell)]
    return centre, mass[:, None, None] * blend(about[0], about[1], share)


def _parallel(offset: Array) -> Array:
    x, y, z = np.moveaxis(offset, -1, 0)
    rows = [
        [y * y + z * z, -x * y, -x * z],
        [-x * y, x * x + z * z, -y * z],
        [-x * z, -y * z, x * x + y * y],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def quantiles(distribution: Distribution, uniform: Array) -> Array:
    """(n,) values of the distribution, cut at `TAIL`, for (n,) numbers uniform in 0..1."""
    inner = TAIL + (1 - 2 * TAIL) * uniform
    return distribution.quantiles(inner)


def tints(uniform: Array) -> NDArray[np.float32]:
    """(..., 4) float32 multipliers of a texture from (..., 4) uniform numbers: value, hue."""
    low, high = TINT
    value = low + (high - low) * uniform[..., :1]
    colour = np.clip(value * (1 - HUE * uniform[..., 1:]), low, high)
    return np.concatenate([colour, np.ones_like(value)], -1).astype(np.float32)
