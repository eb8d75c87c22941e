"""Random curves over time, and rotations: what hands and tracking do."""

from __future__ import annotations

import numpy as np

from cousins.types import Array

SLOW = (0.1, 0.5)  # Hz: of a hand's sway and of tracking's drift


def drift(rng: np.random.Generator, frames: int, rate: float, k: int) -> Array:
    """(frames, k) slow curves of unit variance, and a tenth of that from frame to frame."""
    seconds = np.arange(frames)[:, None] / rate
    waves = rng.uniform(*SLOW, (4, 1, k)) * seconds + rng.uniform(0, 1, (4, 1, k))
    rough = 0.1 * rng.standard_normal((frames, k))
    return np.sin(2 * np.pi * waves).sum(0) / np.sqrt(2) + rough


def rotations(vectors: Array) -> Array:
    """(n, 3, 3) of rotation vectors (n, 3)."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(vectors).as_matrix()


def rotation_vectors(matrices: Array) -> Array:
    """(n, 3) of rotation matrices (n, 3, 3)."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_matrix(matrices).as_rotvec()
