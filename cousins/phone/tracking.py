"""The poses that the phone believes it had, and the frames that it dropped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cousins.phone.curves import drift, rotations
from cousins.phone.noise import Noise
from cousins.types import Array


def believed(true: Array, noise: Noise | None, rate: float, rng: np.random.Generator) -> Array:
    """The (n, 4, 4) poses that tracking gives for the true ones: right at the start, then not."""
    if noise is None:
        return true
    error = drift(rng, len(true), rate, 6)
    error = (error - error[:1]) / np.sqrt(2)  # the phone's world is where it started
    poses = true.copy()
    poses[:, :3, 3] += noise.sway * error[:, :3]
    poses[:, :3, :3] = rotations(noise.turn * error[:, 3:]) @ true[:, :3, :3]
    return poses


def dropped(frames: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(frames,): a share of the frames that was not kept; never the first or the last."""
    out = np.zeros(frames, bool)
    inner = max(frames - 2, 0)
    out[1 + rng.permutation(inner)[: round(share * frames)]] = True
    return out
