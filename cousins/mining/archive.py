"""What was tried so far, and which of it is hardest."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from cousins.evaluation.worst import PRIOR
from cousins.mining.space import Points, Space
from cousins.types import Array

ALIKE = 0.5  # of how far ordinary points lie apart: what is nearer to a harder one is left out


@dataclass(frozen=True)
class Archive:
    """n points that passed their certificate. generation (n,); breaks (n,): episodes of `trials`
    (n,) in which the policy failed and the expert did not; reward (n,): the policy's mean; level
    (n,): the share of breaks that was expected of each."""

    points: Points
    generation: NDArray[np.int64]
    breaks: NDArray[np.int64]
    trials: NDArray[np.int64]
    reward: Array
    level: Array

    @classmethod
    def empty(cls, width: int) -> Archive:
        """Nothing."""
        none, no = np.zeros(0, np.int64), np.zeros(0)
        return cls(Points(np.zeros((0, width)), none), none, none, none, no, no)

    def __len__(self) -> int:
        return len(self.generation)

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Archive:
        return Archive(*(getattr(self, f.name)[rows] for f in fields(self)))

    def plus(self, other: Archive) -> Archive:
        """Both."""
        points = Points(np.concatenate([self.points.uniform, other.points.uniform]),
                        np.concatenate([self.points.family, other.points.family]))  # fmt: skip
        rest = [np.concatenate([getattr(self, f.name), getattr(other, f.name)])
                for f in fields(self)[1:]]  # fmt: skip
        return Archive(points, *rest)

    @property
    def rate(self) -> Array:
        """(n,) of breaks, as if `PRIOR` episodes more had gone as was expected."""
        return (self.breaks + PRIOR * self.level) / (self.trials + PRIOR)

    def order(self) -> NDArray[np.int64]:
        """The hardest of those that the expert does first, and none that never broke the policy; of
        those alike, the one with less reward."""
        order = np.lexsort([np.arange(len(self)), self.reward, -self.rate])
        return order[self.breaks[order] > 0]

    def hardest(self, count: int) -> Archive:
        """At most so many, the hardest first."""
        return self[self.order()[:count]]

    def apart(self, space: Space, count: int) -> Archive:
        """At most so many, the hardest first, none of which is much like a harder one."""
        least, kept = ALIKE * np.sqrt(1 / 6), list[int]()
        for row in self.order().tolist():
            if len(kept) == count:
                break
            near = space.apart(self.points[np.array([row])], self.points[np.array(kept, np.int64)])
            if not kept or near.min() >= least:
                kept.append(row)
        return self[np.array(kept, np.int64)]
