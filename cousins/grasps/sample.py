"""Grasps found by sweeping a parallel gripper over an object's convex parts.

For each way to hold the gripper, lines along the way that it closes are cut with every part. Where
a finger of the gripper's length goes down beside them, on either side, without meeting the object,
its pads close on what lies between. Such a grasp holds where the surfaces that the pads meet first
face each other within the cone of friction (antipodal grasps: Nguyen 1988, "Constructing
force-closure grasps").
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cousins.grasps.gripper import Grasps, Gripper, joined
from cousins.grasps.hold import held
from cousins.grasps.solid import Part, Solid, solid
from cousins.grasps.sweep import candidates, sweep
from cousins.types import Array

TURNS = 12  # ways to turn the gripper about its approach, through half a turn
FACES = 4  # further turns, square to the largest upright faces
UPRIGHT = 0.3  # sine of the slope, at most, of a face that pads may lie flat on
SAME = 1e-9  # of the score: no difference


def grasps(
    parts: Sequence[Part] | Solid,
    gripper: Gripper | None = None,
    count: int = 64,
    rotation: Array | None = None,
    centre: Array | None = None,
    tilt: float = 0.0,
) -> Grasps:
    """Up to `count` grasps of an object of convex parts, each vertices (v, 3) and triangles (f, 3)
    in the object's frame, the best first; the same at every call.

    rotation: world_from_object (3, 3), as it lies; by default upright. centre (3,): of mass, in the
    object's frame; by default of volume. tilt: by how much the approach may lean from straight
    down, about the way the pads close, rad. The object is taken to lie on a plane that is level.
    """
    body = parts if isinstance(parts, Solid) else solid(parts)
    gripper = gripper or Gripper()
    if not len(body):
        return joined([])
    turn = np.eye(3) if rotation is None else np.asarray(rotation, float)
    middle = body.centre if centre is None else np.asarray(centre, float)
    every = []
    for frame in _frames(body, turn, tilt):
        swept = sweep(body, gripper, frame, middle)
        every.append(held(swept, candidates(swept, gripper), gripper, turn[2]))
    found = joined(every)
    # Rounded, so that what is alike but for the last digits keeps its order.
    order = np.argsort(-np.round(found.score / SAME), kind="stable")
    return found[order[:count]]


def _frames(body: Solid, turn: Array, tilt: float) -> list[Array]:
    """Ways to hold the tool, object_from_tool (3, 3)."""
    east, north, up = turn
    normal = body.normals @ turn.T
    upright = np.abs(normal[:, 2]) < UPRIGHT
    angle = np.arctan2(normal[upright, 1], normal[upright, 0]) % np.pi
    peaks = _peaks(angle, body.areas[upright])
    turns = ((peaks[0] if peaks else 0.0) + np.pi * np.arange(TURNS) / TURNS).tolist()
    for peak in peaks[1:]:
        if min(abs((peak - t + np.pi / 2) % np.pi - np.pi / 2) for t in turns) > np.radians(3):
            turns.append(peak)
    out = []
    for t in turns:
        y = np.cos(t) * east + np.sin(t) * north
        x = np.cross(y, -up)
        for lean in (0.0,) if tilt <= 0 else (0.0, -tilt, -tilt / 2, tilt / 2, tilt):
            z = -np.cos(lean) * up + np.sin(lean) * x
            out.append(np.column_stack([np.cross(y, z), y, z]))
    return out


def _peaks(angle: Array, weight: Array) -> list[float]:
    """The angles, modulo half a turn, about which the most weight lies."""
    out: list[float] = []
    weight = weight.copy()
    enough = 0.1 * weight.sum()
    while len(out) <= FACES and weight.sum() > enough > 0:
        bins = np.bincount((angle / np.radians(2)).astype(int) % 90, weight, 90)
        around = bins + np.roll(bins, 1) + np.roll(bins, -1)
        middle = np.radians(2 * int(around.argmax()) + 1)
        off = (angle - middle + np.pi / 2) % np.pi - np.pi / 2
        near = np.abs(off) < np.radians(4)
        out.append(float(middle + (off * weight)[near].sum() / max(weight[near].sum(), 1e-30)))
        weight[near] = 0.0
    return out
