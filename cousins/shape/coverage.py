"""From where, and how well, each object's surface was seen: what a user should film again."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cousins.types import Array, Intrinsics, Mesh

NEAR = 0.010  # depth this close to a face is of that face, m
GRAZING = 0.05  # cosine below which a face cannot be seen
STEEP = 0.3  # cosine above which a face should return depth
ENOUGH = 2  # frames that make a face seen


@dataclass
class Coverage:
    """Counts in how many frames each face of one mesh (in the world) was seen. Mutable: frames are
    added one by one.

    enough: frames that make a face seen: fewer in a capture that has no more.
    seen (m,): frames with depth on the face. blank (m,): frames that looked at it and got none.
    """

    mesh: Mesh
    enough: float = ENOUGH
    seen: NDArray[np.int32] = field(init=False)
    blank: NDArray[np.int32] = field(init=False)
    _centres: Array = field(init=False)
    _normals: Array = field(init=False)
    areas: Array = field(init=False)

    def __post_init__(self) -> None:
        a, b, c = (self.mesh.vertices[self.mesh.faces[:, i]] for i in range(3))
        normal = np.cross(b - a, c - a)
        length = np.linalg.norm(normal, axis=1)
        self._centres, self.areas = (a + b + c) / 3, length / 2
        self._normals = normal / np.maximum(length, 1e-12)[:, None]
        self.seen = np.zeros(len(normal), np.int32)
        self.blank = np.zeros(len(normal), np.int32)

    def add(
        self,
        raw: NDArray[np.float32],
        depth: NDArray[np.float32],
        intrinsics: Intrinsics,
        pose: Array,
    ) -> None:
        """Take in one frame: its depth (h, w) as it came and as it was cleaned, and
        world_from_camera (4, 4)."""
        ray = pose[:3, 3] - self._centres
        cosine = np.einsum("ij,ij->i", ray, self._normals) / np.linalg.norm(ray, axis=1)
        facing = np.flatnonzero(cosine > GRAZING)
        camera = np.linalg.inv(pose)
        p = self._centres[facing] @ camera[:3, :3].T + camera[:3, 3]
        k = intrinsics
        front = p[:, 2] > 0.05
        facing, p = facing[front], p[front]
        u = np.rint(p[:, 0] / p[:, 2] * k.fx + k.cx).astype(int)
        v = np.rint(p[:, 1] / p[:, 2] * k.fy + k.cy).astype(int)
        inside = (u >= 0) & (v >= 0) & (u < k.width) & (v < k.height)
        facing, u, v, z = facing[inside], u[inside], v[inside], p[inside, 2]
        square = cosine[facing] > STEEP
        d = depth[v, u]
        self.seen[facing] += (d > 0) & (np.abs(d - z) < NEAR)
        # Only what the sensor itself left out: cleaning also drops every edge.
        self.blank[facing] += square & (raw[v, u] == 0)

    @property
    def unseen(self) -> float:
        """Share of the surface, but for the face that it stands on, that too few frames saw."""
        outer = ~self._underside()
        return self._share(outer & (self.seen < self.enough), outer)

    @property
    def missing(self) -> float:
        """Share of the looks at the surface that came back without depth."""
        looks = self.seen + self.blank
        total = float((looks * self.areas).sum())
        return float((self.blank * self.areas).sum()) / total if total > 0 else 0.0

    def side(self, eye: Array) -> str:
        """The side that most of the unseen surface faces, as seen from a point (3,)."""
        hidden = (self.seen < self.enough) & ~self._underside()
        way = (self._normals * (self.areas * hidden)[:, None]).sum(0)
        out = self._centres.mean(0) - eye
        ahead = np.array([out[0], out[1], 0.0]) / max(float(np.hypot(*out[:2])), 1e-9)
        right = np.array([ahead[1], -ahead[0], 0.0])
        words = {"back": ahead, "front": -ahead, "right side": right, "left side": -right,
                 "top": np.array([0.0, 0.0, 1.0]),
                 "lower sides": np.array([0.0, 0.0, -1.0])}  # fmt: skip
        return max(words, key=lambda word: float(way @ words[word]))

    def _underside(self) -> NDArray[np.bool_]:
        z = self._centres[:, 2]
        low = z < z.min() + max(0.01, 0.1 * float(np.ptp(z)))
        return low | (self._normals[:, 2] < -0.7)

    def _share(self, part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
        return float(self.areas[part].sum() / max(float(self.areas[whole].sum()), 1e-12))
