"""Visibility carving: the closed shape that agrees with every ray.

A voxel that a ray passed through is outside; one near a seen surface has that surface's signed
distance (Curless and Levoy 1996); one that no ray reached is inside as far as the convex hull of
what was seen, for a thing is rather whole than hollow where nobody looked.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cousins.errors import ScanError
from cousins.segment.geometric import Segment
from cousins.types import Array, Intrinsics, Mesh


@dataclass(frozen=True)
class Carving:
    """How a segment is carved. Lengths in metres.

    cells: voxels along the longest side; the voxel stays within least..most.
    truncation: a signed distance is kept this far in front of a surface, and `behind` behind it.
    foot: the shape's section at this height is carried down to the support, where depth of the
    thing and of what it stands on cannot be told apart.
    min_views: a voxel counts as seen in so many frames; where the depth's noise is over `quiet`,
    in up to share_of_views of those in which the best-seen voxels were: there a stray ray neither
    carves nor builds.
    """

    cells: int = 64
    least: float = 0.002
    most: float = 0.005
    truncation: float = 0.012
    behind: float = 0.012
    foot: float = 0.006
    hull_margin: float = 0.004
    min_views: float = 2.0
    share_of_views: float = 0.1
    quiet: float = 0.0005


@dataclass
class Grid:
    """The running sums of one segment's voxels. Mutable: frames are added one by one."""

    segment: Segment
    settings: Carving
    voxel: float = field(init=False)
    origin: Array = field(init=False)
    shape: tuple[int, int, int] = field(init=False)
    centres: NDArray[np.float32] = field(init=False)
    distance: NDArray[np.float32] = field(init=False)
    weight: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        points, s = self.segment.points, self.settings
        low, high = points.min(0), points.max(0)
        low[2] = self.segment.base
        least = min(s.most, max(s.least, 2.5 * self.segment.noise))
        self.voxel = float(np.clip((high - low).max() / s.cells, least, s.most))
        margin = s.hull_margin + 3 * self.voxel
        low, high = low - margin, high + margin
        # The support's surface falls between two layers of voxels.
        low[2] = self.segment.base - 3.5 * self.voxel
        x, y, z = (int(n) for n in np.ceil((high - low) / self.voxel))
        self.origin, self.shape = low, (x + 1, y + 1, z + 1)
        index = np.indices(self.shape, np.float32).reshape(3, -1).T
        self.centres = index * np.float32(self.voxel) + low.astype(np.float32)
        self.distance = np.zeros(len(index), np.float32)
        self.weight = np.zeros(len(index), np.float32)

    def add(self, depth: NDArray[np.float32], intrinsics: Intrinsics, pose: Array) -> None:
        """Take in one frame: (h, w) cleaned depth, and world_from_camera (4, 4)."""
        camera = np.linalg.inv(pose).astype(np.float32)
        p = self.centres @ camera[:3, :3].T + camera[:3, 3]
        k = intrinsics
        z = p[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            u, v = p[:, 0] / z * k.fx + k.cx, p[:, 1] / z * k.fy + k.cy
        seen = np.flatnonzero((z > 0.05) & (u >= 0) & (v >= 0) & (u < k.width - 1)
                              & (v < k.height - 1))  # fmt: skip
        if not len(seen):
            return
        u, v, z = u[seen], v[seen], z[seen]
        d = depth[(v + 0.5).astype(np.int32), (u + 0.5).astype(np.int32)]
        signed = d - z
        s = self.settings
        use = (d > 0) & (signed > -s.behind)
        index = seen[use]
        self.distance[index] += np.minimum(signed[use], s.truncation)
        self.weight[index] += 1.0

    def evidence(self) -> tuple[Array, np.ndarray]:
        """What the frames say: signed distance (x, y, z) in metres, negative inside and 0 where
        unseen; and which voxels were seen (x, y, z)."""
        s = self.settings
        often = np.percentile(self.weight[self.weight > 0], 90) if self.weight.any() else 0.0
        share = s.share_of_views * np.clip(self.segment.noise / s.quiet - 1, 0, 1)
        seen = self.weight >= max(s.min_views, share * often)
        signed = np.where(seen, self.distance / np.maximum(self.weight, 1), 0.0)
        return signed.reshape(self.shape), seen.reshape(self.shape)

    def guess(self, signed: Array, seen: np.ndarray) -> Array:
        """Signed distance (x, y, z) everywhere: what is unseen is inside as far as the hull of
        what was seen, and down to what it stands on."""
        outside = self.settings.truncation
        hull = np.where(self._in_hull(), -outside, outside).reshape(self.shape)
        return self._on_foot(np.where(seen, signed, hull), seen)

    def solid(self) -> tuple[Array, np.ndarray]:
        """Signed distance (x, y, z), negative inside, metres; and which voxels saw a surface."""
        signed, seen = self.evidence()
        return self.guess(signed, seen), seen & (np.abs(signed) < 2 * self.voxel)

    def _on_foot(self, signed: Array, seen: np.ndarray) -> Array:
        """Carry the section at the foot's height down, but not through what is plainly free.

        A bowl or a mug whose section is a ring keeps its bottom.
        """
        height = self.origin[2] + np.arange(self.shape[2]) * self.voxel - self.segment.base
        top = float((self.segment.points[:, 2] - self.segment.base).max())
        noise = self.segment.noise
        k = int(np.searchsorted(height, min(max(self.settings.foot, 12 * noise), 0.45 * top)))
        below, section = signed[:, :, :k], signed[:, :, k : k + 1]
        low = height[None, None, :k]
        free = seen[:, :, :k] & (below > max(0.002, 4 * noise)) & (low > max(0.003, 5 * noise))
        carried = np.where(free, below, section)
        carried = self._with_floor(carried, section[:, :, 0], signed, seen, height)
        whole = np.concatenate([carried, signed[:, :, k:]], axis=2)
        return np.maximum(whole, -height[None, None])

    def _with_floor(
        self, carried: Array, section: Array, signed: Array, seen: np.ndarray, height: Array
    ) -> Array:
        """Close a bowl's or a mug's bottom: inside a ring, what stands clear of the support."""
        from scipy.ndimage import binary_opening, median_filter

        clear = int(np.argmin(np.abs(height - 0.004)))
        # Within the section's hull, for the wall of a thin bowl may have gaps.
        hull = _hull_mask(section <= 0)
        known = (section > 0) & seen[:, :, clear]
        top = height[clear] - median_filter(signed[:, :, clear], 5)
        if (known & ~hull).any():
            top = top - float(np.median(top[known & ~hull]))  # the support just outside
        free = known & hull
        # What is left of it is no wider than the smear at the foot of a wall: opened away.
        floor = binary_opening(
            free & (top > max(0.0018, 2 * self.segment.noise)),
            iterations=max(2, int(0.006 / self.voxel)),
        )
        thickness = np.maximum(top, 1.5 * self.voxel)[:, :, None]
        low = height[None, None, : carried.shape[2]] - thickness
        return np.where(floor[:, :, None], np.minimum(carried, low), carried)

    def _in_hull(self) -> np.ndarray:
        import open3d as o3d
        from scipy.spatial import ConvexHull

        points = self.segment.points
        base = self.segment.base
        height = points[:, 2] - base
        # A ball seen from above shows nothing near its foot: its lowest ring is let down instead.
        low = points[height < max(0.015, 0.15 * height.max(), height.min() + 0.005)]
        standing = np.vstack([points, np.column_stack([low[:, :2], np.full(len(low), base)])])
        hull = ConvexHull(standing)
        # By distance and not facet by facet: the hull of a ball has thousands of them.
        scene = o3d.t.geometry.RaycastingScene()
        scene.add_triangles(o3d.core.Tensor(standing.astype(np.float32)),
                            o3d.core.Tensor(hull.simplices.astype(np.uint32)))  # fmt: skip
        signed = scene.compute_signed_distance(o3d.core.Tensor(self.centres), nsamples=3)
        return signed.numpy() <= self.settings.hull_margin


def _hull_mask(mask: np.ndarray) -> np.ndarray:
    """The convex hull of a mask's true cells, as a mask."""
    from skimage.morphology import convex_hull_image

    return convex_hull_image(mask) if mask.any() else mask


def extract(grid: Grid) -> tuple[Mesh, float]:
    """The closed mesh in the world, and the share of its surface that was seen.

    Raises ScanError where the carved shape is empty or does not close.
    """
    import trimesh
    from scipy.ndimage import gaussian_filter
    from skimage.measure import marching_cubes

    signed, surface = grid.solid()
    outside = grid.settings.truncation
    # In voxels: hardly at all at a phone's noise, more at a structured-light camera's.
    width = min(1.5, 0.6 + 600 * grid.segment.noise)
    smooth = np.pad(gaussian_filter(signed, width), 1, constant_values=outside)
    if smooth.min() >= 0:
        raise ScanError("nothing is left of an object after carving: film it from more sides")
    vertices, faces, _, _ = marching_cubes(smooth, 0.0)
    vertices = (vertices - 1) * grid.voxel + grid.origin
    whole = trimesh.Trimesh(vertices, faces[:, ::-1])
    # Crumbs and inner hollows are dropped: the largest shell is the thing.
    mesh = max(whole.split(only_watertight=False), key=lambda m: (len(m.faces), m.area))
    trimesh.smoothing.filter_taubin(mesh, iterations=8)
    if mesh.volume < 0:
        mesh.invert()
    if not mesh.is_watertight or mesh.volume <= 0:
        raise ScanError("a carved shape does not close: film the object from more sides")
    cells = np.rint((mesh.triangles_center - grid.origin) / grid.voxel).astype(int)
    cells = np.clip(cells, 0, np.array(grid.shape) - 1)
    seen = surface[cells[:, 0], cells[:, 1], cells[:, 2]]
    share = float(mesh.area_faces[seen].sum() / mesh.area)
    return Mesh(np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int32)), share


def decimate(mesh: Mesh, faces: int) -> Mesh:
    """The mesh with about `faces` triangles, or as it is where that would open it."""
    import open3d as o3d
    import trimesh

    if len(mesh.faces) <= faces:
        return mesh
    legacy = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(mesh.vertices), o3d.utility.Vector3iVector(mesh.faces)
    )
    legacy = legacy.simplify_quadric_decimation(faces)
    small = trimesh.Trimesh(np.asarray(legacy.vertices), np.asarray(legacy.triangles))
    if not small.is_watertight or small.volume <= 0:
        return mesh
    return Mesh(np.asarray(small.vertices, float), np.asarray(small.faces, np.int32))
