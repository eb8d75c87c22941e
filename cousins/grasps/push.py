"""Where a closed gripper pushes an object so that it slides and neither turns nor falls over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.grasps.gripper import Gripper
from cousins.grasps.solid import Lines, Part, Solid, lines, solid
from cousins.types import Array

TIPS, LEVELS = (
    16,
    32,
)  # heights of the fingertips that are tried, and lines over the object's height
TOUCH = 0.001  # m: all that is so near to the first contact is touched
SURE = 0.9  # of the height at which it would fall over, to be kept below
FOOT = 0.002  # m above its lowest point, what it stands on


@dataclass(frozen=True, eq=False)
class Pushes:
    """k pushes, in the object's frame. position (k, 3), m: of the tool point as the gripper, closed
    and upright, just touches. rotation (k, 3, 3): object_from_tool, its x along the push and its y,
    along which the pads close, across. direction (k, 3), unit. height (k,): of the lowest place
    that is touched above the object's foot; limit (k,): the height at which it would rather fall
    over than slide, m. slant (k,): between the surface's normal and the push, rad. palm (k,):
    whether the palm touches first, as it does what is high, and not a finger. Where the object is
    not met at all, height and slant are NaN.
    """

    position: Array
    rotation: Array
    direction: Array
    height: Array
    limit: Array
    slant: Array
    palm: NDArray[np.bool_]


def pushes(
    parts: Sequence[Part] | Solid,
    direction: Array,
    rotation: Array | None = None,
    friction: float = 0.6,
    gripper: Gripper | None = None,
    centre: Array | None = None,
) -> Pushes:
    """A push for each of the world's level directions (k, 2), through the centre of mass.

    rotation: world_from_object (3, 3). friction: between the object and what it stands on, at
    worst. centre (3,): of mass, in the object's frame; by default of volume.

    Pushed at a height h, a thing slides before it falls over where h is below b / friction, with b
    from its centre of mass to the edge of its foot ahead. Of the heights of the gripper's that
    touch it below that, the one that touches the steepest surface is taken, and of those alike the
    lowest; if there is none, the lowest of all.
    """
    body = parts if isinstance(parts, Solid) else solid(parts)
    gripper = gripper or Gripper()
    turn = np.eye(3) if rotation is None else np.asarray(rotation, float)
    middle = body.centre if centre is None else np.asarray(centre, float)
    flat = np.asarray(direction, float).reshape(-1, 2)
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    ways = np.column_stack([flat, np.zeros(len(flat))]) @ turn
    rows = [_push(body, way, turn[2], middle, friction, gripper) for way in ways]
    position = np.array([row[0] for row in rows]).reshape(-1, 3)
    height, limit, slant = (np.array([row[i] for row in rows], float) for i in (1, 2, 3))
    palm = np.array([row[4] for row in rows], bool)
    down = np.broadcast_to(-turn[2], ways.shape)
    frames = np.stack([ways, np.cross(down, ways), down], -1)
    return Pushes(position, frames, ways, height, limit, slant, palm)


def _push(
    body: Solid, way: Array, up: Array, centre: Array, friction: float, gripper: Gripper
) -> tuple[Array, float, float, float, bool]:
    """The tool point, and what is told of one push; the frame's y is the way it goes, its z up."""
    frame = np.column_stack([np.cross(way, up), way, up])
    x, y, _ = centre @ frame
    corners = body.vertices @ frame
    foot, top = corners[:, 2].min(), corners[:, 2].max()
    stands = corners[corners[:, 2] < foot + FOOT]
    limit = max(float(stands[:, 1].max() - y), 0.0) / friction
    levels = foot + (top - foot) * (np.arange(LEVELS) + 0.5) / LEVELS
    across = lines(body, frame)
    finger, face = _front(across, x + gripper.thickness * np.linspace(-0.9, 0.9, 7), levels)
    hand, back = _front(across, x + gripper.palm[1] / 2 * np.linspace(-1, 1, 13), levels)
    found = []
    for tip in np.linspace(foot + gripper.clearance, max(top, foot + gripper.clearance), TIPS):
        low, high = levels > tip, levels > tip + gripper.depth
        # How far the tool point comes along the push until each of them touches.
        near = np.where(low, finger - gripper.pad[0] / 2, np.inf)
        far = np.where(high, hand - gripper.palm[0] / 2, np.inf)
        both = np.minimum(near, far)
        at = both.min()
        if not np.isfinite(at):
            break
        k = int(np.argmax(both <= at + TOUCH))
        by_palm = bool(far[k] < near[k])
        slant, height = float((back if by_palm else face)[k]), float(levels[k] - foot)
        place = frame @ np.array([x, at, tip + gripper.pad[1] / 2])
        key = (height > max(SURE * limit, levels[0] - foot), round(slant, 1), height)
        found.append((key, (place, height, limit, slant, by_palm)))
    if not found:
        place = frame @ np.array([x, corners[:, 1].min(), foot + gripper.pad[1] / 2])
        return place, np.nan, limit, np.nan, False
    falls = [row for row in found if row[0][0]]
    if len(falls) == len(found):
        return min(found, key=lambda row: row[0][2])[1]
    return min(found, key=lambda row: row[0])[1]


def _front(across: Lines, x: Array, levels: Array) -> tuple[Array, Array]:
    """(l,) where along y the object begins at each level, over all of x, and the slant there."""
    at, level = (v.ravel() for v in np.meshgrid(x, levels, indexing="ij"))
    low, high = across.through(at, level)
    low = np.where(low < high, low, np.inf)
    part, first = low.argmin(0), low.min(0).reshape(len(x), -1)
    facing = -across.surface(part, at, level, False)[:, 1]
    slant = np.arccos(np.clip(facing, -1.0, 1.0)).reshape(len(x), -1)
    k = first.argmin(0)
    every = np.arange(len(levels))
    return first[k, every], slant[k, every]
