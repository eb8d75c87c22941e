"""What of an object's shape holds its mass."""

from __future__ import annotations

from cousins import physics
from cousins.mesh import solid_moments
from cousins.physics import Moments
from cousins.types import Asset, Mesh
from cousins.variation.deform import hull


def volume(asset: Asset) -> float:
    """The volume (m^3) of the asset's visual mesh; of its convex hull where the mesh is open."""
    return solid_moments(_closed(asset))[0]


def moments(asset: Asset) -> Moments:
    """The moments of the asset's primitive, else of the mesh whose volume counts."""
    return physics.moments(_closed(asset), asset.primitive)


def _closed(asset: Asset) -> Mesh:
    return asset.visual if asset.watertight else hull(asset.visual.vertices)
