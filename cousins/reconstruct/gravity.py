"""Which way is up, from the planes of a room and the way a person holds a camera."""

from __future__ import annotations

import numpy as np

from cousins.errors import ScanError
from cousins.reconstruct.tsdf import Surface
from cousins.types import Array


def estimate_up(surface: Surface, poses: Array) -> Array:
    """(3,) the world's up: the normal of the room's horizontal surfaces.

    The mean of the cameras' own up starts it. Raises ScanError where too little of the surface is
    horizontal.
    """
    return level(surface, -poses[:, :3, 1].mean(0))


def level(surface: Surface, start: Array) -> Array:
    """(3,) the normal, near `start` (3,), of most of the surface.

    Normals within a cone about the last, which narrows, vote for the next. Raises ScanError where
    there are too few.
    """
    up = start / max(float(np.linalg.norm(start)), 1e-9)
    for degrees in (45, 30, 20, 12, 8, 5, 3, 3):
        near = surface.normals @ up > np.cos(np.radians(degrees))
        if near.sum() < 200:
            raise ScanError(
                "no horizontal surface was seen: film a table, a floor or a shelf from above"
            )
        # The mode of the votes and not their mean: a cone of 45 degrees holds much else.
        up = _mode(surface.normals[near], np.radians(max(3, degrees / 4)))
    return up


def _mode(normals: Array, width: float) -> Array:
    """The direction round which most normals lie, by mean shift from a coarse vote."""
    rng = np.random.default_rng(0)
    candidates = normals[rng.choice(len(normals), min(400, len(normals)), replace=False)]
    sample = normals[rng.choice(len(normals), min(8000, len(normals)), replace=False)]
    best = candidates[np.argmax((candidates @ sample.T > np.cos(width)).sum(1))]
    for _ in range(5):
        best = sample[sample @ best > np.cos(width)].mean(0)
        best = best / np.linalg.norm(best)
    return best


def rotation_to_z(up: Array) -> Array:
    """(3, 3) the smallest rotation that takes `up` to +z."""
    up = up / np.linalg.norm(up)
    axis = np.cross(up, [0.0, 0.0, 1.0])
    sine, cosine = np.linalg.norm(axis), up[2]
    if sine < 1e-12:
        return np.eye(3) if cosine > 0 else np.diag([1.0, -1.0, -1.0])
    x, y, z = axis / sine
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + sine * k + (1 - cosine) * k @ k
