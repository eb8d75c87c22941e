"""The colour camera: light, motion blur, exposure and the picture's noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins import raycast
from cousins.phone.curves import drift, rotation_vectors, rotations
from cousins.types import Array, Intrinsics

LAMP = np.array([0.9, -1.1, 2.2])  # from the target to the light, m
LAMP_RADIUS = 0.18  # m: soft shadows
NEAR = 0.6  # m: motion blur is drawn finely enough for what is this near
STREAK = 1.5  # pixels between two of a blurred picture's instants
INSTANTS = 16  # at most, for one picture


@dataclass(frozen=True)
class Exposure:
    """How pictures are exposed; the default is a perfect camera.

    seconds: how long, for motion blur; indoors a phone takes 1/60 to 1/30. gain: rms of the
    auto-exposure's slow drift, as a share of brightness. grain: rms of the noise in grey levels
    (of 255) at half brightness; photons make it grow with the root of brightness. Depth has its own
    light and is not blurred: LiDAR pulses last nanoseconds.
    """

    seconds: float = 0.0
    gain: float = 0.0
    grain: float = 0.0


def lamps(true: Array, k: int) -> Array:
    """(k, 3) points of a round lamp above what the poses (n, 4, 4) look at: soft shadows."""
    # Where the optical axes of all frames come closest to meeting.
    axes = true[:, :3, 2]
    across = np.eye(3) - axes[:, :, None] * axes[:, None]
    aim = np.linalg.lstsq(across.sum(0), np.einsum("nij,nj->i", across, true[:, :3, 3]), rcond=None)
    turn, radius = 2.4 * np.arange(k), LAMP_RADIUS * np.sqrt(np.arange(k) / k)
    disc = np.stack([radius * np.cos(turn), radius * np.sin(turn), np.zeros(k)], axis=1)
    return aim[0] + LAMP + disc


def gains(exposure: Exposure, frames: int, rate: float, rng: np.random.Generator) -> Array:
    """(frames,) factors of brightness."""
    return np.exp(exposure.gain * drift(rng, frames, rate, 1)[:, 0])


def instants(true: Array, i: int, rate: float, seconds: float, focal: float) -> Array:
    """(k, 4, 4) poses during the exposure of frame i, moving as from the one before to the next.

    As many as a picture of `focal` pixels needs for its streaks; one if nothing moves.
    """
    first, last = max(i - 1, 0), min(i + 1, len(true) - 1)
    if seconds <= 0 or first == last:
        return true[i : i + 1]
    between = (last - first) / rate
    speed = (true[last, :3, 3] - true[first, :3, 3]) / between
    spin = rotation_vectors((true[last, :3, :3] @ true[first, :3, :3].T)[None])[0] / between
    pixels = focal * seconds * (np.linalg.norm(speed) / NEAR + np.linalg.norm(spin))
    k = int(np.clip(np.ceil(pixels / STREAK) + 1, 1, INSTANTS))
    if k == 1:
        return true[i : i + 1]
    time = seconds * ((np.arange(k) + 0.5) / k - 0.5)[:, None]
    out = np.repeat(true[i : i + 1], k, axis=0)
    out[:, :3, 3] += time * speed
    out[:, :3, :3] = rotations(time * spin) @ true[i, :3, :3]
    return out


def picture(
    stage: raycast.Stage, camera: Intrinsics, poses: Array, lamps: Array, finer: int
) -> NDArray[np.uint8]:
    """(h, w, 3) RGB: the mean of what is seen from each of the poses (k, 4, 4)."""
    images = [raycast.picture(stage, camera, pose, lamps, finer) for pose in poses]
    return images[0] if len(images) == 1 else np.rint(np.mean(images, axis=0)).astype(np.uint8)


def exposed(
    image: NDArray[np.uint8], gain: float, grain: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The picture (h, w, 3) as the sensor gives it."""
    if gain == 1 and grain == 0:
        return image
    level = image * gain
    if grain > 0:
        level = level + grain * np.sqrt(level / 128) * rng.standard_normal(image.shape)
    return np.clip(np.rint(level), 0, 255).astype(np.uint8)
