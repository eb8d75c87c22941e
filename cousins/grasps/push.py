"""Where a closed gripper pushes an object so that it slides and neither turns nor falls over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cousins.grasps.gripper import Gripper
from cousins.grasps.solid import Part, Solid, lines, solid
from cousins.types import Array

HEIGHTS = 16  # tried between the lowest and the highest


@dataclass(frozen=True, eq=False)
class Pushes:
    """k pushes, in the object's frame. position (k, 3), m: where the middle of the pad touches;
    direction (k, 3), unit: the way it goes. height (k,): of that place above the object's foot;
    limit (k,): the height at which it would rather fall over than slide, m. slant (k,): between the
    surface's normal and the push, rad; NaN where the object is not met at all."""

    position: Array
    direction: Array
    height: Array
    limit: Array
    slant: Array


def pushes(
    parts: Sequence[Part] | Solid,
    direction: Array,
    rotation: Array | None = None,
    friction: float = 0.6,
    gripper: Gripper | None = None,
    centre: Array | None = None,
) -> Pushes:
    """A push for each of the world's level directions (k, 2), through the centre of mass.

    rotation: world_from_object (3, 3); friction: between the object and what it stands on, at
    worst. Pushed at a height h, a thing slides before it falls over where h is below b / friction,
    with b from its centre of mass to the edge of its foot ahead. Of the heights below that, and
    where the pad is clear of the ground, the one with the steepest surface is taken, and of those
    alike the lowest.
    """
    body = parts if isinstance(parts, Solid) else solid(parts)
    gripper = gripper or Gripper()
    turn = np.eye(3) if rotation is None else np.asarray(rotation, float)
    middle = body.centre if centre is None else np.asarray(centre, float)
    flat = np.atleast_2d(np.asarray(direction, float))
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    rows = [_push(body, np.append(way, 0.0) @ turn, turn[2], middle, friction, gripper)
            for way in flat]  # fmt: skip
    position, along, height, limit, slant = (np.array(column) for column in zip(*rows, strict=True))
    return Pushes(position, along, height, limit, slant)


def _push(
    body: Solid, way: Array, up: Array, centre: Array, friction: float, gripper: Gripper
) -> tuple[Array, Array, float, float, float]:
    frame = np.column_stack([np.cross(way, up), way, up])
    x, y, z = centre @ frame
    corners = body.vertices @ frame
    foot = corners[:, 2].min()
    stands = corners[corners[:, 2] < foot + 0.002]
    limit = max(stands[:, 1].max() - y, 0.0) / friction
    # A closed gripper's fingertips, clear of the ground; low things are met by their upper part.
    lowest = gripper.clearance + gripper.pad[1] / 2
    tall = corners[:, 2].max() - foot
    most = max(min(0.9 * limit, z - foot, tall), min(lowest, tall - 1e-3))
    heights = np.linspace(min(lowest, most), most, HEIGHTS)
    across = lines(body, frame)
    sides = x + gripper.pad[0] * np.array([-0.4, -0.2, 0.0, 0.2, 0.4])
    at, level = (v.ravel() for v in np.meshgrid(sides, foot + heights, indexing="ij"))
    low, high = across.through(at, level)
    low = np.where(low < high, low, np.inf)
    first, part = low.min(0), low.argmin(0)
    facing = -across.surface(part, at, level, False)[:, 1]
    slant = np.arccos(np.clip(facing, -1.0, 1.0)).reshape(len(sides), -1)
    first = first.reshape(len(sides), -1)
    met = np.isfinite(first).any(0)
    if not met.any():
        place = np.array([x, corners[:, 1].min(), foot + heights[0]])
        return frame @ place, way, float(heights[0]), float(limit), np.nan
    # The pad touches what is foremost across it.
    k = first.argmin(0)
    each = np.arange(HEIGHTS)
    steep = np.where(met, np.round(slant[k, each], 2), np.inf)
    best = int(steep.argmin())
    place = np.array([x, first[k[best], best], foot + heights[best]])
    return frame @ place, way, float(heights[best]), float(limit), float(slant[k[best], best])
