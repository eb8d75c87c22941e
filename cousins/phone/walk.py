"""Where the phone is held: hand-held viewpoints around a target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cousins.errors import UsageError
from cousins.phone.curves import drift, rotations
from cousins.scene import look_at
from cousins.types import Array

STEEPEST = 89.0  # degrees: straight down, a picture has no upper side


@dataclass(frozen=True)
class Walk:
    """Hand-held viewpoints around a target; angles in degrees, lengths in metres.

    path: "arc": along `arc` degrees, distance and elevation swept up and down `waves` times and
    0.6 times that on the way. "circle": a whole turn at one height, in the middle of both ranges.
    "sweep": from side to side, `waves` times there and back over `arc` degrees, as a scene against
    a wall is filmed; elevation rises once from least to most on the way.
    arc: None for 330, and 100 in a sweep. start: azimuth from x to y at which arc and circle begin,
    and of a sweep's middle; -90 is in front (-y). distance and elevation: least and most.
    target: None for the middle of the movable bodies.
    unsteadiness: how far the hand's jitter moves the aim, rms along each axis (our own estimate).
    """

    arc: float | None = None
    start: float = -90.0
    distance: tuple[float, float] = (0.60, 0.90)
    elevation: tuple[float, float] = (30.0, 60.0)
    waves: float = 2.5
    target: tuple[float, float, float] | None = None
    unsteadiness: float = 0.015
    path: str = "arc"


_Way = tuple[Array, Array, Array]  # azimuth, distance and elevation, each (n,)


def _arc(walk: Walk, t: Array, shift: Array) -> _Way:
    phase = 2 * np.pi * walk.waves * t
    return (
        walk.start + (330.0 if walk.arc is None else walk.arc) * t,
        _between(walk.distance, np.sin(phase + shift[0])),
        _between(walk.elevation, np.sin(0.6 * phase + shift[1])),
    )


def _circle(walk: Walk, t: Array, shift: Array) -> _Way:
    still = np.zeros(len(t))
    turn = walk.start + 360.0 * t
    return turn, _between(walk.distance, still), _between(walk.elevation, still)


def _sweep(walk: Walk, t: Array, shift: Array) -> _Way:
    side = np.sin(2 * np.pi * walk.waves * t)
    return (
        walk.start + (100.0 if walk.arc is None else walk.arc) / 2 * side,
        _between(walk.distance, np.sin(0.7 * 2 * np.pi * walk.waves * t + shift[0])),
        _between(walk.elevation, 2 * t - 1),
    )


PATHS: dict[str, Callable[[Walk, Array, Array], _Way]] = {
    "arc": _arc,
    "circle": _circle,
    "sweep": _sweep,
}


def check(walk: Walk) -> None:
    """Raises UsageError for a walk that nobody can go."""
    if walk.path not in PATHS:
        raise UsageError(f"no path {walk.path!r}: choose one of {', '.join(PATHS)}")
    for name, (least, most), low, high in (
        ("distance", walk.distance, 0.05, 50.0),
        ("elevation", walk.elevation, -STEEPEST, STEEPEST),
    ):
        if not low <= least <= most <= high:
            raise UsageError(f"{name} {least:g}:{most:g}: give least:most, in {low:g}..{high:g}")


def viewpoints(
    walk: Walk, target: tuple[float, float, float], frames: int, rate: float,
    rng: np.random.Generator,
) -> Array:  # fmt: skip
    """(frames, 4, 4) true world_from_camera along the walk around `target`, `rate` a second."""
    t = np.arange(frames) / max(frames - 1, 1)
    azimuth, distance, elevation = PATHS[walk.path](walk, t, rng.uniform(0, 2 * np.pi, 2))
    azimuth, elevation = np.radians(azimuth), np.radians(elevation)
    out = np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth),
                    np.sin(elevation)], axis=1)  # fmt: skip
    shake = drift(rng, frames, rate, 7)
    eyes = np.array(target) + distance[:, None] * out + walk.unsteadiness / 3 * shake[:, :3]
    aims = np.array(target) + walk.unsteadiness * shake[:, 3:6]
    result = np.stack([look_at(eye, aim) for eye, aim in zip(eyes, aims, strict=True)])
    roll = np.zeros((frames, 3))
    roll[:, 2] = np.radians(2.0) * shake[:, 6]
    result[:, :3, :3] = result[:, :3, :3] @ rotations(roll)
    return result


def _between(ends: tuple[float, float], where: Array) -> Array:
    """-1..1 to the range's ends."""
    return (ends[0] + ends[1]) / 2 + (ends[1] - ends[0]) / 2 * where
