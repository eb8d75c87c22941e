"""Which way is up, from the planes of a room and the way a person holds a camera."""

from __future__ import annotations

import numpy as np

from cousins.errors import ScanError
from cousins.reconstruct.tsdf import Surface
from cousins.types import Array

NONE = "no horizontal surface was seen: film a table, a floor or a shelf from above"
BAND = 0.015  # m, half the thickness of a plane's layer in one frame
BENT = np.cos(np.radians(35))  # of a plane's normal and those of one frame that lie in it


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
            raise ScanError(NONE)
        # The mode of the votes and not their mean: a cone of 45 degrees holds much else.
        up = _mode(surface.normals[near], np.radians(max(3, degrees / 4)))
    return up


def largest_plane(surface: Surface, area: Array, start: Array) -> Array:
    """(3,) the normal, within 45 degrees of `start` (3,), of the plane that most of the surface
    lies in; by its points, for one frame's normals err by ten degrees.

    area (n,): of the vertices. RANSAC (Fischler and Bolles 1981). Raises ScanError where there is
    none.
    """
    start = start / max(float(np.linalg.norm(start)), 1e-9)
    facing = surface.normals @ start > np.cos(np.radians(60))
    points, normals, area = surface.vertices[facing], surface.normals[facing], area[facing]
    if len(points) < 200:
        raise ScanError(NONE)
    rng = np.random.default_rng(0)
    corner = points[rng.choice(len(points), (600, 3), p=area / area.sum())]
    tried = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    tried /= np.maximum(np.linalg.norm(tried, axis=1, keepdims=True), 1e-12)
    tried *= np.where(tried @ start > 0, 1.0, -1.0)[:, None]

    def on(normal: Array, point: Array) -> np.ndarray:
        return (np.abs((points - point) @ normal) < BAND) & (normals @ normal > BENT)

    best, normal = np.zeros(len(points), bool), start
    for one, point in zip(tried, corner[:, 0], strict=True):
        if one @ start > np.cos(np.radians(45)):
            found = on(one, point)
            if area[found].sum() > area[best].sum():
                best, normal = found, one
    if best.sum() < 200:
        raise ScanError(NONE)
    for _ in range(3):
        weight = area[best]
        centre = np.average(points[best], axis=0, weights=weight)
        off = points[best] - centre
        axis = np.linalg.eigh((off * weight[:, None]).T @ off)[1][:, 0]
        normal = axis if axis @ normal > 0 else -axis
        best = on(normal, centre)
    return normal


def layer(surface: Surface, area: Array, normal: Array) -> float:
    """The area, m², of the largest plane level with `normal` (3,), by its points."""
    facing = surface.normals @ normal > BENT
    height = surface.vertices[facing] @ normal
    if not len(height):
        return 0.0
    votes = np.bincount(((height - height.min()) / BAND).astype(int), area[facing])
    return float((votes + np.append(votes[1:], 0.0)).max())


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
