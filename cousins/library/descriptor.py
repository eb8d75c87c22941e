"""How alike two shapes are, whatever their size: proportions, roundness, openness, and distances
within.

The histogram of distances between pairs of surface points is D2 of Osada et al. 2002, "Shape
Distributions".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cousins.mesh import solid_moments
from cousins.raycast import caster
from cousins.shape.hollow import ROOM
from cousins.types import Array, Mesh

POINTS, PAIRS, BINS = 1024, 8192, 32
VESSEL = 0.15  # of its bounding box holds water: a thick or uneven rim takes much of a bowl's
RAIN = 64  # rays along each side
REACH = 3.0  # mean distances that the histogram spans: no two points of a shape lie farther apart
# How much two draws of one household category differ, as root mean squares over all categories;
# all vessels are as open, and what is none is five such units away.
UNITS = {"sides": 0.28, "full": 0.08, "closed": 0.05, "open": 0.2, "d2": 0.0088}
ALIKE = 0.45  # the middle distance between two draws of one category
NEAR = 1.2  # of such units: nine in ten of those pairs lie nearer together


@dataclass(frozen=True)
class Descriptor:
    """size: along x, y and z, m. full: the share of its bounding box that its convex hull takes,
    1 for a box and 0.79 for a can. open: how far it is a vessel, 0..1; closed: the share of its
    hull that it takes up, 1 for a vessel. d2: (BINS,) cumulated, 0..1."""

    size: tuple[float, float, float]
    full: float
    closed: float
    open: float
    d2: tuple[float, ...]

    @property
    def lies(self) -> bool:
        """Whether it is longer than it is high, and no bowl: what might as well stand."""
        return self.size[2] < max(self.size[:2]) and self.open < 1

    @property
    def extent(self) -> float:
        """The geometric mean of its sides, m."""
        return float(np.prod(self.size) ** (1 / 3))


def describe(mesh: Mesh) -> Descriptor:
    """The descriptor of a closed mesh in its object's frame; an open one is taken by its hull."""
    from scipy.spatial import ConvexHull

    size = np.ptp(mesh.vertices, axis=0)
    hull = float(ConvexHull(mesh.vertices).volume)
    volume = solid_moments(mesh)[0]
    if not 0 < volume <= 1.001 * hull:
        volume = hull
    box = float(size.prod())
    vessel = min(1.0, held(mesh) / (VESSEL * box))
    # A vessel's walls are as thick as a scan sees them: that says nothing of what it is.
    closed = 1.0 if vessel == 1 else min(1.0, volume / hull)
    rng = np.random.default_rng(0)
    points = on_surface(mesh, POINTS, rng)
    a, b = rng.integers(POINTS, size=(2, PAIRS))
    apart = np.linalg.norm(points[a] - points[b], axis=1)
    count = np.histogram(apart / apart.mean(), BINS, (0.0, REACH))[0]
    x, y, z = (float(s) for s in size)
    d2 = tuple(float(v) for v in np.round(np.cumsum(count) / PAIRS, 4))
    return Descriptor((x, y, z), hull / box, closed, vessel, d2)


def held(mesh: Mesh) -> float:
    """How much a mesh holds as it stands, m³: what rain fills before it runs over.

    Holes that no ball of radius ROOM falls through, as scans have, are taken for stopped.
    """
    import open3d as o3d
    from scipy.ndimage import distance_transform_edt
    from skimage.morphology import reconstruction

    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    cell = (high - low)[:2] / RAIN
    at = (np.indices((RAIN, RAIN)).reshape(2, -1).T + 0.5) * cell + low[:2]
    rays = np.zeros((len(at), 6), np.float32)
    rays[:, :2], rays[:, 2], rays[:, 5] = at, high[2] + 1.0, -1.0
    met = caster(mesh.vertices, mesh.faces).cast_rays(o3d.core.Tensor(rays))["t_hit"].numpy()
    height = np.where(np.isfinite(met), high[2] + 1.0 - met, low[2]).reshape(RAIN, RAIN)
    height = np.pad(np.clip(height, low[2], high[2]), 1, constant_values=low[2])
    full = np.full_like(height, high[2])
    # Round about it runs off, and through holes in the middle.
    wide = np.asarray(distance_transform_edt(height <= low[2], sampling=cell)) > ROOM
    full[wide] = low[2]
    full[[0, -1]], full[:, [0, -1]] = low[2], low[2]
    depth = reconstruction(full, height, method="erosion") - height
    return float(depth.sum() * cell.prod())


def on_surface(mesh: Mesh, count: int, rng: np.random.Generator) -> Array:
    """(count, 3) points spread evenly over a mesh's surface."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    k = rng.choice(len(area), count, p=area / area.sum())
    r, s = np.sqrt(rng.random((count, 1))), rng.random((count, 1))
    return (1 - r) * a[k] + r * (1 - s) * b[k] + r * s * c[k]


def distance(a: Descriptor, b: Descriptor, laid: bool = False) -> float:
    """How unlike two shapes are, 0 for the same, whatever their size: see NEAR.

    They are compared as they stand, turned about z as agrees best; `laid`: b may be laid over too.
    """
    rest = [
        (a.full - b.full) / UNITS["full"],
        (a.closed - b.closed) / UNITS["closed"],
        (a.open - b.open) / UNITS["open"],
        float(np.abs(np.subtract(a.d2, b.d2)).mean()) / UNITS["d2"],
    ]
    return float(np.sqrt((_sides(a.size, b.size, laid) ** 2 + np.square(rest).sum()) / 5))


def _sides(a: Sequence[float], b: Sequence[float], laid: bool) -> float:
    orders = [(0, 1, 2), (1, 0, 2)]
    if laid:
        orders += [(0, 2, 1), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    off = np.log(np.array(a)) - np.log(np.array(b)[orders])
    return float((off - off.mean(1, keepdims=True)).std(1).min() / UNITS["sides"])


def apart(descriptors: Sequence[Descriptor]) -> Array:
    """(n, n) distances between all of them."""
    out = np.zeros((len(descriptors),) * 2)
    for i, a in enumerate(descriptors):
        for j, b in enumerate(descriptors[:i]):
            out[i, j] = out[j, i] = distance(a, b)
    return out
