"""What the frames say of a segment's voxels: free, at a surface, just behind one, or nothing.

Near a surface a voxel has its signed distance (Curless and Levoy 1996): the median over the views
and not the mean, for which one ray that slips past a rim outweighs two that met it (histograms, as
in Zach 2008, "Fast and high quality fusion of depth maps"). Views from before the surface and from
behind it are counted apart: together they would lose a thin wall, of which each side is seen from
its own half of the room.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.segment.geometric import FINE, Segment
from cousins.shape.axis import reach
from cousins.types import Array, Intrinsics, Wall

BINS = 9  # of signed distances within the truncation
IN_FRONT = 0.005  # of a wall: so near to it, it cannot be told from what stands against it, m


@dataclass(frozen=True)
class Carving:
    """How a segment is carved. Lengths in metres.

    cells: along the side of a cube of as many voxels as a thing gets, long and thin or not; the
    voxel stays within least..most.
    truncation: signed distances are kept to within this of a surface; a ray says nothing of what
    lies more than `behind` behind its end. Where depth is too rough for thin walls, both are
    `coarse`.
    wall: nothing is thinner, for the two sides of a sheet are not known better. It is widened to
    `wall_voxels`.
    foot: the shape's section at this height is carried down to the support, where depth of the
    thing and of what it stands on cannot be told apart.
    min_views: a voxel counts as seen in so many frames; where the depth's noise is over `quiet`,
    in up to share_of_views of those in which the best-seen voxels were, and always in more than the
    share `stray` of those that looked its way: a stray ray neither carves nor builds. A side of a
    wall counts as seen in `few` of all views, and a view is of the far side where it looks along
    its normal by more than the cosine `beyond`.
    symmetry: whether the unseen side is completed by the thing's own symmetry.
    """

    cells: int = 64
    least: float = 0.002
    most: float = 0.005
    truncation: float = 0.004
    coarse: float = 0.012
    behind: float = 0.008
    wall: float = 0.004
    wall_voxels: float = 2.0
    foot: float = 0.006
    hull_margin: float = 0.004
    min_views: float = 2.0
    share_of_views: float = 0.1
    stray: float = 0.05
    few: float = 0.03
    beyond: float = 0.25
    quiet: float = 0.0005
    symmetry: bool = True


@dataclass
class Grid:
    """The running sums of one segment's voxels. Mutable: frames are added one by one.

    completed, lost: what `extract` completed by the thing's own symmetry, and what it left out, in
    words.
    rivals: (m, 3) points of other objects nearby. What lies nearer to them is not this one's.
    walls: what lies in or behind them is not, either.
    """

    segment: Segment
    settings: Carving
    rivals: Array = field(default_factory=lambda: np.zeros((0, 3)))
    walls: tuple[Wall, ...] = ()
    voxel: float = field(init=False)
    origin: Array = field(init=False)
    shape: tuple[int, int, int] = field(init=False)
    centres: NDArray[np.float32] = field(init=False)
    normals: NDArray[np.float32] = field(init=False)
    apart: NDArray[np.float32] | None = field(init=False, default=None)
    counts: NDArray[np.float32] = field(init=False)
    cosines: NDArray[np.float32] = field(init=False)
    views: NDArray[np.float32] = field(init=False)
    hidden: NDArray[np.float32] = field(init=False)
    completed: str | None = field(init=False, default=None)
    lost: str | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        points, s = self.segment.points, self.settings
        low, high = reach(points, self.segment.normals) if s.symmetry else (
            points.min(0), points.max(0))  # fmt: skip
        low[2] = self.segment.base
        least = min(s.most, max(s.least, 2.5 * self.segment.noise))
        volume = float(np.prod(high - low + 2 * s.hull_margin + 6 * least))
        self.voxel = float(np.clip(volume ** (1 / 3) / s.cells, least, s.most))
        margin = s.hull_margin + 3 * self.voxel
        low, high = low - margin, high + margin
        # The support's surface falls between two layers of voxels.
        low[2] = self.segment.base - 3.5 * self.voxel
        x, y, z = (int(n) for n in np.ceil((high - low) / self.voxel))
        self.origin, self.shape = low, (x + 1, y + 1, z + 1)
        index = np.indices(self.shape, np.float32).reshape(3, -1).T
        self.centres = index * np.float32(self.voxel) + low.astype(np.float32)
        # By side: from where the nearest seen surface's normal points to, and from beyond.
        self.counts = np.zeros((2, BINS, len(index)), np.float32)
        self.cosines = np.zeros((2, len(index)), np.float32)
        self.views = np.zeros((2, len(index)), np.float32)
        self.hidden = np.zeros(len(index), np.float32)
        mine, nearest = self._nearest(points)
        self.normals = self.segment.normals[nearest].astype(np.float32)
        # Below the lowest of the points it is the support that is seen.
        self.normals[self.centres[:, 2] < self.segment.base + 0.005] = (0, 0, 1)
        inside = np.all((self.rivals > low) & (self.rivals < high), axis=1)
        if inside.any():
            self.apart = np.float32(0.5) * (mine - self._nearest(self.rivals[inside])[0])

    def _nearest(self, points: Array) -> tuple[NDArray[np.float32], np.ndarray]:
        """How far each voxel is from the points' voxels, m, and the index of a nearest point."""
        from scipy.ndimage import distance_transform_edt

        flat = self.at(points)
        empty, which = np.ones(self.shape, bool), np.zeros(len(self.centres), np.int64)
        empty.flat[flat] = False
        which[flat] = np.arange(len(flat))
        found: Any = distance_transform_edt(empty, self.voxel, return_indices=True)
        away, at = found[0].ravel().astype(np.float32), found[1].reshape(3, -1)
        return away, which[np.ravel_multi_index(tuple(at), self.shape)]

    def behind_walls(self) -> NDArray[np.float32]:
        """(x, y, z) how far a voxel is behind the front of the room's walls, m: over 0 in them."""
        out = np.full(len(self.centres), -np.inf, np.float32)
        for wall in self.walls:
            before = (self.centres - wall.centre) @ wall.normal
            across = np.abs((self.centres - wall.centre) @ np.cross(wall.normal, [0, 0, 1]))
            out = np.maximum(out, np.where(across < wall.half_width, IN_FRONT - before, -np.inf))
        return out.reshape(self.shape)

    def at(self, points: Array) -> np.ndarray:
        """(n,) flat indices of the voxels nearest to points (n, 3)."""
        cells = np.rint((points - self.origin) / self.voxel).astype(np.int64)
        return np.asarray(np.ravel_multi_index(tuple(cells.T), self.shape, mode="clip"))

    @property
    def fine(self) -> bool:
        """Whether depth is good enough to tell the two sides of a wall apart."""
        return self.segment.noise < FINE

    @property
    def truncation(self) -> float:
        """How far from a surface signed distances are kept, m: over a voxel, or nothing would be
        left to interpolate."""
        least = 1.25 * self.voxel
        return max(self.settings.truncation if self.fine else self.settings.coarse, least)

    @property
    def wall(self) -> float:
        """How thick the thinnest wall is made, m."""
        return max(self.settings.wall, self.settings.wall_voxels * self.voxel)

    def add(
        self,
        depth: NDArray[np.float32],
        intrinsics: Intrinsics,
        pose: Array,
        trust: NDArray[np.float32] | None = None,
    ) -> None:
        """Take in one frame: (h, w) cleaned depth, world_from_camera (4, 4), and (h, w) how much
        each pixel counts, all the same by default."""
        camera = np.linalg.inv(pose).astype(np.float32)
        k, truncation = intrinsics, self.truncation
        behind = self.settings.behind if self.fine else truncation
        p = self.centres @ camera[:3, :3].T + camera[:3, 3]
        z = p[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            u, v = p[:, 0] / z * k.fx + k.cx, p[:, 1] / z * k.fy + k.cy
        index = np.flatnonzero((z > 0.05) & (u >= 0) & (v >= 0) & (u < k.width - 1)
                               & (v < k.height - 1))  # fmt: skip
        u, v, z = u[index], v[index], z[index]
        row, column = (v + 0.5).astype(np.int32), (u + 0.5).astype(np.int32)
        d = depth[row, column]
        worth = np.ones_like(d) if trust is None else trust[row, column]
        signed = d - z
        use = (d > 0) & (signed > -behind)
        self.hidden[index[(d > 0) & ~use]] += 1
        index, signed, z, worth = index[use], signed[use], z[use], worth[use]
        # From the voxel to the camera, by depth: of length 1 along the optical axis.
        way = (pose[:3, 3].astype(np.float32) - self.centres[index]) / z[:, None]
        if self.apart is not None:
            hidden = np.flatnonzero(signed < 0)
            end = self.centres[index[hidden]] - way[hidden] * signed[hidden, None]
            own = np.ones(len(index), bool)
            own[hidden] = self.apart[self.at(end)] <= 0  # what another hides may be anything
            index, signed, way, worth = index[own], signed[own], way[own], worth[own]
        cosine = np.einsum("ij,ij->i", way, self.normals[index])
        cosine /= np.linalg.norm(way, axis=1)
        side = (cosine < -self.settings.beyond).astype(np.int8)
        cosine = np.maximum(np.abs(cosine), 0.1)
        worth = worth * cosine if self.fine else worth
        # Shared by the two bins beside it, so that few views tell of less than a bin.
        place = (np.clip(signed * cosine / truncation, -1, 1) + 1) * (BINS // 2)
        below = np.minimum(place.astype(np.int8), BINS - 2)
        part = place - below
        self.counts[side, below, index] += worth * (1 - part)
        self.counts[side, below + 1, index] += worth * part
        self.cosines[side, index] += cosine
        self.views[side, index] += 1

    def evidence(self) -> tuple[Array, np.ndarray]:
        """What the frames say: signed distance (x, y, z) in metres, negative inside and 0 where
        unseen; and which voxels were seen (x, y, z)."""
        s = self.settings
        views = self.views.sum(0)
        often = np.percentile(views[views > 0], 90) if views.any() else 0.0
        share = s.share_of_views * np.clip(self.segment.noise / s.quiet - 1, 0, 1)
        least = np.maximum(max(s.min_views, share * often), s.stray * (views + self.hidden))
        seen = views >= least
        # Over the quiet noise a thin thing is met by a minority: its rays would be outvoted.
        middle_of = _median if self.segment.noise <= s.quiet else _mean
        middle = self.truncation * np.stack([middle_of(c) for c in self.counts])
        one = self.truncation * middle_of(self.counts.sum(0))
        both = (self.views > np.maximum(s.min_views, s.few * views)).all(0)
        both &= self.fine
        # Two sides less than a wall apart, or crossed, are set a wall apart.
        wall = self.wall
        # As far as the views do look from both sides, and not along the surface.
        facing = (self.cosines / np.maximum(self.views, 1)).min(0)
        shift = np.clip((wall + middle.sum(0)) / 2, 0, wall / 2)
        # Unless both see the voxel plainly free: then there is no wall.
        free = middle.min(0) / self.truncation
        shift = shift * np.clip((0.75 - free) / 0.25, 0, 1)
        sure = np.clip((facing - s.beyond) / 0.15, 0, 1)
        signed = np.where(both, sure * (middle.max(0) - shift) + (1 - sure) * one, one)
        signed = np.where(seen, signed, 0.0)
        return signed.reshape(self.shape), seen.reshape(self.shape)


def _mean(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) means, from -1 to 1, of histograms (BINS, n); 0 where one is empty."""
    total = np.linspace(-1, 1, BINS, dtype=np.float32) @ counts
    return total / np.maximum(counts.sum(0), 1e-6)


def _median(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) medians, from -1 to 1, of histograms (BINS, n); 0 where one is empty."""
    total = np.cumsum(counts, axis=0)
    half = total[-1] / 2
    k = np.argmax(total >= half, axis=0)[None]
    before = np.where(k > 0, np.take_along_axis(total, np.maximum(k - 1, 0), 0), 0.0)
    own = np.take_along_axis(counts, k, 0)
    place = k[0] - 0.5 + ((half - before) / np.maximum(own, 1e-6))[0]
    return np.where(half > 0, np.clip(place / (BINS // 2) - 1, -1, 1), 0.0).astype(np.float32)
