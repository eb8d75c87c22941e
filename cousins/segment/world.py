"""From a capture's own world to the pack's: z up, level with the main support, the
lowest support at zero, the origin where the cameras look."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cousins.errors import ScanError
from cousins.reconstruct.depth import transform
from cousins.reconstruct.gravity import rotation_to_z
from cousins.reconstruct.tsdf import Surface
from cousins.segment.geometric import fit_ground
from cousins.segment.supports import Supports, find_walls, inside
from cousins.segment.upright import Upright, upright
from cousins.types import Array, Capture, Support, Wall

MAX_TILT = np.radians(2.5)  # of a table against gravity; more is a fault of the fit


@dataclass(frozen=True)
class World:
    """The room in the pack's world. surface: the coarse one. tilt: of the main support, rad.
    up: as it was found."""

    world_from_capture: Array
    surface: Surface
    supports: tuple[Support, ...]
    walls: tuple[Wall, ...]
    tilt: float
    up: Upright


def orient(capture: Capture, coarse: Surface) -> World:
    """Find up, level, and set the origin. `coarse` is in the capture's world.

    Raises ScanError where there is no support surface.
    """
    if not len(coarse.vertices):
        raise ScanError(
            f"{capture.path}: depth and poses do not add up to a surface; film more slowly, "
            "0.5 to 2 m away, with overlap"
        )
    up = upright(capture, coarse)
    pose = np.eye(4)
    pose[:3, :3] = rotation_to_z(up.direction)
    surface, tilt = moved(coarse, pose), 0.0
    supports = _supports(capture, surface, pose)
    # Level twice: the first plane was found with a tilt that smears its layer.
    for _ in range(2):
        ground = fit_ground(surface, main_support(supports))
        normal = np.array([-ground.coefficients[1], -ground.coefficients[2], 1.0])
        angle = float(np.arccos(1 / np.linalg.norm(normal)))
        if angle > MAX_TILT:
            break
        tilt = max(tilt, angle)
        turn = np.eye(4)
        turn[:3, :3] = rotation_to_z(normal)
        pose, surface = turn @ pose, moved(surface, turn)
        supports = _supports(capture, surface, pose)
    shift = np.eye(4)
    shift[:2, 3] = -_looked_at(pose @ capture.poses, main_support(supports))
    shift[2, 3] = -supports[0].height
    pose, surface = shift @ pose, moved(surface, shift)
    supports = tuple(
        replace(s, height=s.height + shift[2, 3], polygon=s.polygon + shift[:2, 3])
        for s in supports
    )
    return World(pose, surface, supports, find_walls(surface), tilt, up)


def _looked_at(poses: Array, support: Support) -> Array:
    """(2,) where on a support the cameras look: the origin.

    Not the middle of its polygon, whose corners jump with the last bit of the fusion.
    """
    eye, forward = poses[:, :3, 3], poses[:, :3, 2]
    down = (forward[:, 2] < -0.1) & (eye[:, 2] > support.height)
    reach = (support.height - eye[down, 2]) / forward[down, 2]
    spots = eye[down, :2] + reach[:, None] * forward[down, :2]
    spots = spots[inside(support.polygon, spots)]
    return np.asarray(np.median(spots if len(spots) else support.polygon, axis=0))


def _supports(capture: Capture, surface: Surface, pose: Array) -> tuple[Support, ...]:
    supports = Supports()(surface, transform(pose, capture.poses[:, :3, 3]))
    if not supports:
        raise ScanError(
            f"{capture.path}: no support surface (a level plane of 0.1 m² or more) was seen; "
            "film the table, shelf or floor that the objects stand on"
        )
    return supports


def main_support(supports: tuple[Support, ...]) -> Support:
    """The largest surface that is not the floor; the floor where there is no other."""
    raised = [s for s in supports if s.kind != "floor"]
    return max(raised or supports, key=lambda s: np.ptp(s.polygon, axis=0).prod())


def moved(surface: Surface, pose: Array) -> Surface:
    """The surface through a rigid pose."""
    return replace(
        surface,
        vertices=transform(pose, surface.vertices),
        normals=surface.normals @ pose[:3, :3].T,
    )
