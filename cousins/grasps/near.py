"""Which grasps can be reached from straight above while other things stand around."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cousins.grasps.gripper import Grasps, Gripper
from cousins.grasps.solid import Part
from cousins.mesh import matrix_from_quaternion
from cousins.types import Array

WAYS = 16  # level directions, through half a turn, in which things are told apart


def _ways() -> Array:
    angle = np.pi * np.arange(WAYS) / WAYS
    return np.column_stack([np.cos(angle), np.sin(angle)])


@dataclass(frozen=True, eq=False)
class Obstacles:
    """m convex things in the world, any leading axes, as far as they reach: low, high (..., m, 16)
    along 16 level directions through half a turn, and top (..., m), m. Without bounds, and with
    top -inf, there is nothing."""

    low: Array
    high: Array
    top: Array

    @staticmethod
    def of(parts: Sequence[Part], pose: Array) -> Obstacles:
        """Convex parts, vertices (v, 3) each, of an object that is at pose (..., 7)."""
        pose = np.asarray(pose, float)
        turn = matrix_from_quaternion(pose[..., 3:])
        low, high, top = [], [], []
        for vertices, _ in parts:
            at = np.einsum("...ij,vj->...vi", turn, vertices) + pose[..., None, :3]
            along = at[..., :2] @ _ways().T
            low.append(along.min(-2))
            high.append(along.max(-2))
            top.append(at[..., 2].max(-1))
        if not parts:
            shape = pose.shape[:-1]
            none = np.zeros((*shape, 0, WAYS))
            return Obstacles(none, none, np.zeros((*shape, 0)))
        return Obstacles(np.stack(low, -2), np.stack(high, -2), np.stack(top, -1))

    @staticmethod
    def points(points: Array) -> Obstacles:
        """Single points (..., m, 3): of a cloud, or of a height field's cells."""
        along = points[..., :2] @ _ways().T
        return Obstacles(along, along, points[..., 2])

    @staticmethod
    def joined(every: Sequence[Obstacles]) -> Obstacles:
        """All of these, of the same leading axes."""
        return Obstacles(
            np.concatenate([o.low for o in every], -2),
            np.concatenate([o.high for o in every], -2),
            np.concatenate([o.top for o in every], -1),
        )


def clearance(
    held: Grasps,
    obstacles: Obstacles,
    gripper: Gripper | None = None,
    floor: Array | float | None = None,
    opening: Array | None = None,
) -> Array:
    """(..., g) how far from any obstacle the gripper stays on its way straight down to grasps in
    the world, m, at least; below 0 where it may meet one.

    held: fields (..., g, ...), as `GraspTable.at` gives them. What is higher than the fingertips
    counts where a finger goes down, what is higher than the palm where the hand does; both reach up
    without end. A thing counts as high as its highest point everywhere, and as wide as 16 level
    directions tell. floor (...): the height of what the object stands on; fingertips that would be
    nearer than the gripper's clearance are at 0 or below. opening (..., g): of the gripper on the
    way down, by default as wide as `held.opening` allows. Approaches that are not straight down are
    -inf.
    """
    gripper = gripper or Gripper()
    wide = held.opening if opening is None else opening
    x, y = held.rotation[..., :2, 0], held.rotation[..., :2, 1]
    tip = held.position[..., 2] - gripper.pad[1] / 2
    out = np.full(tip.shape, np.inf)
    across = (wide + gripper.thickness) / 2
    fingers = [(sign * across, gripper.pad[0] / 2, gripper.thickness / 2, tip) for sign in (-1, 1)]
    hand = (0 * across, gripper.palm[0] / 2, gripper.palm[1] / 2, tip + gripper.depth)
    for off, a, b, low in (*fingers, hand):
        middle = held.position[..., :2] + off[..., None] * y
        apart = _apart(middle, a * x, b * y, obstacles)
        meets = obstacles.top[..., None, :] > low[..., None]
        out = np.minimum(out, np.where(meets, apart, np.inf).min(-1, initial=np.inf))
    if floor is not None:
        out = np.minimum(out, tip - np.asarray(floor)[..., None] - gripper.clearance + 1e-4)
    down = held.rotation[..., 2, 2] < -np.cos(0.1)
    return np.where(down, out, -np.inf)


def _apart(middle: Array, a: Array, b: Array, others: Obstacles) -> Array:
    """(..., g, m) m between rectangles of half sides a, b (..., g, 2) and what is around them."""
    ways = _ways()
    at = middle @ ways.T
    half = np.abs(a @ ways.T) + np.abs(b @ ways.T)
    before = others.low[..., None, :, :] - (at + half)[..., None, :]
    after = (at - half)[..., None, :] - others.high[..., None, :, :]
    return np.maximum(before, after).max(-1)
