"""A surface in parts, and when a part is large and plain enough to be an object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cousins.segment.patches import Borders
from cousins.types import Array

NEAR = 0.012  # what is nearer than this touches, m


@dataclass(frozen=True)
class Limits:
    """When a part is an object; what it takes grows with the depth's noise.

    least: points. noise: m. lift: height of its lowest points if it stands on the support, m.
    """

    least: int
    noise: float
    lift: float = 0.02

    @property
    def rise(self) -> float:
        """How far content rises over where it lies in its container, m."""
        return max(0.005, 4 * self.noise)

    @property
    def least_upper(self) -> float:
        """The longest side of the least thing that is told from what it lies on, m."""
        return max(0.02, 30 * self.noise)

    @property
    def tie(self) -> float:
        """Two that touch are one if the mean affinity over their border is more."""
        return max(-0.2, -0.1 - 500 * max(0.0, self.noise - 0.0004))

    @property
    def seam(self) -> float:
        """As tie, of what grew together: the worst of many levels is bad by chance."""
        return 2 * self.tie

    @property
    def alike(self) -> float:
        """The overlap of two parts' outlines beyond which one is the other's upper half."""
        return 1 - 200 * self.noise


@dataclass(frozen=True)
class Parts:
    """A surface in parts. points, normals (n, 3); count (n,): how many points each stands for;
    height (n,) over the support; bare (n,): whether the support is seen right below; labels (n,)
    and the parts' borders."""

    points: Array
    normals: Array
    count: np.ndarray
    height: Array
    bare: np.ndarray
    labels: np.ndarray
    borders: Borders

    def joined(self, a: int, b: int) -> Parts:
        """With part a as b's."""
        into = np.arange(self.labels.max(initial=0) + 1)
        into[a] = b
        return replace(self, labels=into[self.labels], borders=self.borders.between(into))

    def merged(self, owner: Callable[[Parts, int], int | None]) -> Parts:
        """Joined, the smallest first and each time anew, until `owner` names none for any part."""
        parts = self
        while True:
            for a in parts.by_size():
                b = owner(parts, a)
                if b is not None:
                    parts = parts.joined(a, b)
                    break
            else:
                return parts

    def beside(self, a: int) -> list[tuple[int, float]]:
        """The parts that meet part a, longest border first, and the affinity over each border."""
        rows = np.flatnonzero((self.borders.pairs == a).any(1))
        rows = rows[np.argsort(-self.borders.weight[rows], kind="stable")]
        return [
            (int(self.borders.pairs[r].sum()) - a, float(self.borders.affinity[r])) for r in rows
        ]

    def by_size(self) -> list[int]:
        """The labels in use, smallest part first."""
        size = np.bincount(self.labels, self.count)
        return [int(a) for a in np.argsort(size, kind="stable") if size[a] > 0]

    def touching(self, b: int, a: int) -> np.ndarray:
        """The rows of part b's points that lie near part a."""
        from scipy.spatial import KDTree

        theirs = np.flatnonzero(self.labels == b)
        tree = KDTree(self.points[self.labels == a])
        near = tree.query(self.points[theirs], distance_upper_bound=NEAR)[0]
        return theirs[np.isfinite(near)]

    def top_under(self, a: int, b: int, otherwise: float) -> float:
        """The height of what is level of part b round part a, m; `otherwise` where nothing is."""
        near = self.touching(b, a)
        near = near[self.normals[near, 2] > 0.8]
        return float(np.median(self.points[near, 2])) if len(near) else otherwise
