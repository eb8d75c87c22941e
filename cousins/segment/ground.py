"""A support's own surface, as depth shows it: not quite flat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cousins.polygons import signed_area
from cousins.reconstruct.tsdf import Surface
from cousins.types import Array, Support


@dataclass(frozen=True)
class Ground:
    """A support's surface as seen: z = polynomial of x, y. It takes up slow bends of the depth.

    noise: robust standard deviation of the support's points about it, m.
    """

    centre: Array
    coefficients: Array
    noise: float

    def __call__(self, xy: Array) -> Array:
        """(n,) heights at (n, 2) positions."""
        return _terms(xy - self.centre) @ self.coefficients


def _terms(p: Array) -> Array:
    x, y = p[:, 0], p[:, 1]
    return np.column_stack([np.ones(len(p)), x, y, x * x, x * y, y * y])


def fit_ground(surface: Surface, support: Support) -> Ground:
    """Least squares over the support's level points, trimmed to those that are not things on it."""
    polygon = support.polygon
    low, high = polygon.min(0), polygon.max(0)
    z = surface.vertices[:, 2]
    level = (surface.normals[:, 2] > 0.94) & (np.abs(z - support.height) < 0.03)
    level &= np.all((surface.vertices[:, :2] > low) & (surface.vertices[:, :2] < high), axis=1)
    points = surface.vertices[level]
    centre = polygon.mean(0)
    cells = np.unique(np.floor(points[:, :2] / 0.05), axis=0)
    # A bend fitted to a corner of a surface would run off over the rest of it.
    if len(points) < 500 or len(cells) * 0.05**2 < 0.25 * abs(signed_area(polygon)):
        return Ground(centre, np.array([support.height, 0, 0, 0, 0, 0.0]), 0.003)
    terms = _terms(points[:, :2] - centre)
    keep = np.ones(len(points), bool)
    coefficients = np.zeros(6)
    noise = 0.01
    for _ in range(12):
        coefficients = np.linalg.lstsq(terms[keep], points[keep, 2], rcond=None)[0]
        residual = points[:, 2] - terms @ coefficients
        # Things lie above and never below, so the upper side is trimmed harder.
        noise = max(0.0004, 1.4826 * float(np.median(np.abs(residual[keep]))))
        keep = (residual < 2.0 * noise) & (residual > -4.0 * noise)
    return Ground(centre, np.asarray(coefficients, float), noise)


def floor_near(surface: Surface, points: Array, height: float) -> float:
    """Height of the floor round a thing, which a room's floor as a whole is too rough for, m."""
    low, high = points[:, :2].min(0) - 0.1, points[:, :2].max(0) + 0.1
    v = surface.vertices
    near = np.all((v[:, :2] > low) & (v[:, :2] < high), axis=1) & (np.abs(v[:, 2] - height) < 0.04)
    near &= surface.normals[:, 2] > 0.95
    return float(np.median(v[near, 2])) if near.sum() > 200 else height
