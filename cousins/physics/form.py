"""What of an object's shape tells of its mass: how much it takes up, and how much skin it has."""

from __future__ import annotations

from dataclasses import dataclass

from cousins.mesh import shell_moments, solid_moments
from cousins.types import Mesh, Primitive

WALLED = 0.5  # share of its convex hull that a thing of walls fills, at most
THICK = 0.010  # m: and its walls are no thicker
SEEN = 0.004  # m: a scan sees no wall thinner than that


@dataclass(frozen=True)
class Form:
    """volume (m³) and area (m²) of the closed surface; hull: volume of its convex hull, m³.
    kind: "box", "cylinder", "sphere" or "other", what stands for it in collision."""

    volume: float
    area: float
    hull: float
    kind: str

    @property
    def wall(self) -> float | None:
        """How thick its walls are as seen, m, where it is nothing but walls, as a mug or a spatula
        is: then both their sides are its surface. None for what is closed."""
        thick = 2 * self.volume / self.area
        return thick if self.volume < WALLED * self.hull and thick < THICK else None

    @property
    def group(self) -> str:
        """What it is compared with: "walls", or its kind."""
        return self.kind if self.wall is None else "walls"


def form(mesh: Mesh, primitive: Primitive | None = None) -> Form:
    """The form of a closed mesh; an open one is taken by its convex hull."""
    from scipy.spatial import ConvexHull

    hull = ConvexHull(mesh.vertices)
    volume, area = solid_moments(mesh)[0], shell_moments(mesh)[0]
    kind = primitive.kind if primitive is not None else "other"
    if not 0 < volume <= 1.001 * hull.volume:
        volume, area = float(hull.volume), float(hull.area)
    return Form(_round(volume), _round(area), _round(float(hull.volume)), kind)


def _round(value: float) -> float:
    """To three digits: a scan knows no more, and a mesh that was written and read is the same."""
    return float(f"{value:.3g}")
