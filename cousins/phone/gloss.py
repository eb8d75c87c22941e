"""Shiny things lose depth: their light leaves for elsewhere instead of coming back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.raycast import Seen
from cousins.types import Array, Intrinsics

BLOBS = (0.03, 0.12)  # m: wavelengths of the pattern on the surface; our own estimate
TURNS = 4.0  # radians of the pattern's phase, rms, per radian by which the view turns
WAVES = 24


@dataclass(frozen=True)
class Pattern:
    """A random field over places (m) and viewing directions, of unit variance.

    waves (k, 6): radians per metre and per unit of direction; phases (k,).
    """

    waves: Array
    phases: Array

    def __call__(self, points: Array, directions: Array) -> Array:
        """(n,) at points (n, 3) seen along unit directions (n, 3)."""
        phase = np.hstack([points, directions]) @ self.waves.T + self.phases
        return np.cos(phase).sum(1) * np.sqrt(2 / len(self.phases))


def pattern(rng: np.random.Generator) -> Pattern:
    """Blobs that stay on the surface, and change as the view turns, so that a spot is missed by
    neighbouring frames alike."""
    axes = rng.standard_normal((WAVES, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    length = np.exp(rng.uniform(np.log(BLOBS[0]), np.log(BLOBS[1]), WAVES))
    turn = TURNS * rng.standard_normal((WAVES, 3))
    waves = np.hstack([2 * np.pi / length[:, None] * axes, turn])
    return Pattern(waves, rng.uniform(0, 2 * np.pi, WAVES))


def lost(
    seen: Seen,
    reflectance: Array,
    camera: Intrinsics,
    world_from_camera: Array,
    pattern: Pattern,
    shine: float,
) -> NDArray[np.bool_]:
    """(h, w): the pixels without depth because of the material's reflectance r, by geom (g,).

    The emitter sits beside the receiver. A mirror sends its share r back only when met head-on;
    what comes back otherwise is the diffuse rest, and of that, by Lambert's law, the cosine of the
    angle. So 1 - (1 - r) cos of the light is missing, and a share r of that, times `shine`, is
    taken as the share of pixels lost: none where r is 0, more towards grazing, all where r is 1.
    That shiny things make holes in time-of-flight depth is common experience; this law for the
    share is our own.
    """
    from scipy.stats import norm

    r = np.where(seen.geom >= 0, reflectance[seen.geom], 0.0)
    out = np.zeros(seen.depth.shape, bool)
    v, u = np.nonzero(r > 0)
    if not len(v) or shine <= 0:
        return out
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(len(u))], 1)
    rays = rays @ world_from_camera[:3, :3].T
    points = world_from_camera[:3, 3] + rays * seen.depth[v, u][:, None]
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    share = shine * r[v, u] * (1 - (1 - r[v, u]) * seen.cosine[v, u])
    out[v, u] = norm.cdf(pattern(points, rays)) < share
    return out
