"""A parallel gripper, and grasps for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.errors import UsageError
from cousins.types import Array


@dataclass(frozen=True)
class Gripper:
    """Two flat pads that close on each other, m.

    opening: between the pads, at most. pad: how wide and how high they are; they end where the
    fingers do. thickness: of a finger behind its pad. depth: of the palm above the fingertips.
    palm: how wide the hand is along the pads' width, and along the way that they close. friction:
    between a pad and what it holds, at worst. clearance: kept on every side while it goes down.
    """

    opening: float = 0.085
    pad: tuple[float, float] = (0.022, 0.022)
    thickness: float = 0.012
    depth: float = 0.045
    palm: tuple[float, float] = (0.06, 0.12)
    friction: float = 0.8
    clearance: float = 0.003

    def __post_init__(self) -> None:
        """Raises UsageError for lengths that are none."""
        lengths = (self.opening, *self.pad, self.thickness, self.depth, *self.palm, self.friction)
        if not (np.isfinite(lengths).all() and min(lengths) > 0 and self.clearance >= 0):
            raise UsageError("gripper: every length and the friction must be a number above 0")
        if self.pad[1] > self.depth:
            raise UsageError("gripper: the pads are higher than the fingers are long")


@dataclass(frozen=True, eq=False)
class Grasps:
    """g grasps in an object's frame, the best first.

    position (g, 3), m: of the tool point, midway between the pads' middles. rotation (g, 3, 3):
    object_from_tool; the tool's z is the way it approaches, y the way the pads close, x completes
    them. width (g,): between the pads as they hold, m. opening (g,): how far apart the pads may be
    on the way in, m, at most: more, and a finger hits the object. score (g,): 0..1; what has less
    than 0.1 is a last resort. drop (g,): how far the fingertips are above the object's lowest
    point, along the world's z, m. slant (g,), rad: by how much the surfaces that the pads meet are
    from facing each other along the way they close.
    """

    position: Array
    rotation: Array
    width: Array
    opening: Array
    score: Array
    drop: Array
    slant: Array

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, which: slice | NDArray) -> Grasps:
        """Some of them."""
        return Grasps(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


def joined(every: list[Grasps]) -> Grasps:
    """All of these, in their order."""
    if not every:
        none = np.zeros(0)
        return Grasps(np.zeros((0, 3)), np.zeros((0, 3, 3)), none, none, none, none, none)
    return Grasps(*(np.concatenate([getattr(g, name) for g in every])
                    for name in Grasps.__dataclass_fields__))  # fmt: skip
