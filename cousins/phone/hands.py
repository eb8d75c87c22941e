"""A hand and its arm, which reach into the picture from below it and towards the objects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cousins import raycast
from cousins.phone.curves import drift
from cousins.types import Array

SKIN = np.array([0.78, 0.57, 0.45])
TURN = 1.8  # s from the hand's coming to its going
HASTE = 0.2  # share of that in which it comes, and again in which it goes
AROUND = np.array([[-0.12, -0.12, 0.02], [0.12, 0.12, 0.10]])  # m: where it goes, off the target
OVER = 0.15  # m: the arm comes from so far above the target at least, as over a table's edge
SWAY = 0.015  # m, rms: it is never quite still
# In the camera's axes, m; the side is drawn. At rest the hand is below the picture.
SHOULDER, REST = np.array([0.15, 0.35, -0.10]), np.array([0.20, 0.45, 0.25])
REACH = 0.65  # m from the shoulder to the palm: an adult's arm, all but stretched


def arm() -> Array:
    """(m, 3, 3) triangles of an adult's arm and hand, m: the palm's middle at the origin, fingers
    along x, the back of the hand up z. Palm 85 x 100 mm, fingers of 75 mm, an arm 60 mm thick at
    the wrist and 90 mm at the elbow."""
    from trimesh import creation

    palm = creation.icosphere(3).apply_scale([0.055, 0.046, 0.016])
    parts = [palm, _limb([-0.03, 0, 0], [-0.10, 0, 0], 0.026)]
    for y, length in zip((-0.033, -0.011, 0.011, 0.033), (0.060, 0.075, 0.080, 0.070), strict=True):
        # A little bent and spread, as at rest.
        tip = [0.040 + length, 1.3 * y, -0.018]
        parts.append(_limb([0.035, y, 0], tip, 0.009))
    parts.append(_limb([-0.02, 0.035, 0], [0.045, 0.075, -0.012], 0.011))
    for start in np.arange(0.08, 0.56, 0.06):
        thick = min(0.045, 0.024 + 0.075 * start)
        parts.append(_limb([-start, 0, 0], [-start - 0.06, 0, 0], thick))
    return np.concatenate([np.asarray(part.triangles, float) for part in parts])


def _limb(start: list[float], end: list[float], radius: float):
    from trimesh import creation

    ends = np.array([start, end], float)
    way = ends[1] - ends[0]
    x = way / np.linalg.norm(way)
    y = np.cross([0.0, 0.0, 1.0], x)
    y /= np.linalg.norm(y)
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([y, np.cross(x, y), x])
    pose[:3, 3] = ends[0]
    limb = creation.capsule(float(np.linalg.norm(way)), radius, count=(16, 16))
    return limb.apply_transform(pose)


def reaches(
    true: Array, target: Array, share: float, rate: float, rng: np.random.Generator
) -> Array:
    """(n, 4, 4) world_from_hand for the poses (n, 4, 4) of the camera: NaN where no hand is there.

    In a `share` of the time the hand comes, hovers near the target (3,) or as far towards it as the
    arm is long, and goes again.
    """
    n = len(true)
    turns = max(1, round(share * n / rate / TURN))
    place = np.arange(n) / n * turns
    turn, phase = place.astype(int), (place % 1 - rng.uniform(0, 1 - share)) / max(share, 1e-9)
    goals = target + rng.uniform(AROUND[0], AROUND[1], (turns, 3))
    side = rng.choice([-1.0, 1.0], turns)
    sway = SWAY * drift(rng, n, rate, 3)
    out = np.full((n, 4, 4), np.nan)
    for i in np.flatnonzero((phase > 0) & (phase < 1)):
        near = np.clip(min(phase[i], 1 - phase[i]) / HASTE, 0, 1)
        near = near * near * (3 - 2 * near)  # starts and stops gently
        turned, eye = true[i, :3, :3], true[i, :3, 3]
        hand = [side[turn[i]], 1, 1]
        shoulder, rest = (eye + turned @ (p * hand) for p in (SHOULDER, REST))
        shoulder[2], rest[2] = (max(p[2], target[2] + OVER) for p in (shoulder, rest))
        way = rest + near * (goals[turn[i]] + sway[i] - rest) - shoulder
        length = float(np.linalg.norm(way))
        x = way / length
        y = np.cross([0.0, 0.0, 1.0], x)
        y /= max(float(np.linalg.norm(y)), 1e-9)
        out[i] = np.eye(4)
        out[i, :3, :3] = np.column_stack([x, y, np.cross(x, y)])
        out[i, :3, 3] = shoulder + min(length, REACH) * x
    return out


def joined(stage: raycast.Stage, triangles: Array, normals: Array, pose: Array) -> raycast.Stage:
    """The stage with skin-coloured triangles (m, 3, 3) and their corners' normals, put at `pose`:
    one stage, so that the hand also casts its shadow."""
    moved = triangles @ pose[:3, :3].T + pose[:3, 3]
    every = np.concatenate([stage.triangles, moved])
    geom = len(stage.colours)
    turned = (normals @ pose[:3, :3].T).astype(np.float32)
    return replace(
        stage,
        caster=raycast.caster(every.reshape(-1, 3), np.arange(3 * len(every)).reshape(-1, 3)),
        triangles=every,
        geom=np.concatenate([stage.geom, np.full(len(moved), geom, np.int32)]),
        normals=np.concatenate([stage.normals, turned]),
        uv=np.concatenate([stage.uv, np.zeros_like(turned[..., :2])]),
        colours=np.vstack([stage.colours, SKIN]).astype(np.float32),
        reflectance=np.append(stage.reflectance, 0.0),
    )
