"""What household things are painted like: colour as a function of place, baked into a texture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cousins.shape.texture import TEXEL, paint, unwrap
from cousins.types import Array, Mesh

Colour = tuple[float, float, float]
Pattern = Literal["plain", "bands", "stripes", "checks", "dots", "wood"]
PATTERNS: tuple[Pattern, ...] = ("plain", "bands", "stripes", "checks", "dots", "wood")

# Names are what a person would call them; RGB 0..255.
PALETTE: dict[str, Colour] = {
    "coral": (226, 92, 70), "teal": (34, 122, 130), "sun": (246, 188, 62), "leaf": (104, 150, 82),
    "blue": (58, 98, 164), "plum": (122, 66, 122), "orange": (236, 134, 44), "sky": (120, 178, 214),
    "rose": (222, 130, 150), "brick": (150, 60, 48), "olive": (138, 134, 62), "navy": (44, 56, 92),
    "mint": (140, 200, 170), "grey": (120, 124, 130),
}  # fmt: skip
CREAM: Colour = (244, 236, 220)
STEEL: Colour = (182, 186, 190)
INK: Colour = (52, 54, 62)
OAK: Colour = (188, 142, 92)


@dataclass(frozen=True)
class Look:
    """Colours of a thing: `first` with a pattern in `second` on its zone 0, `other` on zone 1.

    scale: of the pattern, m. mottle: how uneven the paint is, as a share; grain: over what length,
    m. seed: of that.
    """

    pattern: Pattern
    first: Colour
    second: Colour
    other: Colour
    scale: float = 0.02
    mottle: float = 0.03
    grain: float = 0.012
    seed: int = 0

    def __call__(self, points: Array, zone: NDArray[np.intp]) -> Array:
        """(n, 3) RGB 0..255 at points (n, 3) of the thing's surface, in its own frame."""
        share = self._share(points)[:, None]
        colour = (1 - share) * np.array(self.first) + share * np.array(self.second)
        colour = np.where(zone[:, None] == 1, np.array(self.other), colour)
        return np.clip(
            colour * (1 + self.mottle * self._noise(points, self.grain))[:, None], 0, 255
        )

    def _share(self, points: Array) -> Array:
        """(n,) how much of the second colour is at each point."""
        x, y, z = points.T
        s = self.scale
        if self.pattern == "plain":
            return np.zeros(len(points))
        if self.pattern == "wood":
            rings = 2 * y + 0.6 * z + 0.15 * s * self._noise(points * [0.2, 1, 1], 2 * s)
            return 0.5 + 0.35 * np.sin(2 * np.pi * rings / s)
        if self.pattern == "bands":
            return (np.mod(z / s, 2) < 0.7).astype(float)
        if self.pattern == "stripes":
            return (np.mod((x + y + 0.5 * z) / s, 2) < 1).astype(float)
        cells = np.floor(points / s + 1e-4)
        if self.pattern == "checks":
            return np.mod(cells.sum(1), 2)
        middle = points / s - cells - 0.5
        return (np.sort(np.abs(middle), axis=1)[:, :2] ** 2).sum(1) < 0.09

    def _noise(self, points: Array, size: float) -> Array:
        """(n,) smooth noise of unit variance over about `size` metres."""
        rng = np.random.default_rng(self.seed)
        waves = rng.standard_normal((3, 8)) * (2 / size)
        return np.sin(points @ waves + rng.uniform(0, 2 * np.pi, 8)).sum(1) / 2


def painted(
    mesh: Mesh, look: Look, zone: Callable[[Array], NDArray[np.intp]], texel: float = TEXEL
) -> Mesh:
    """The mesh with its texture. zone: which tone, 0 or 1, points (n, 3) of it are painted in."""
    atlas = unwrap(mesh, texel)
    corners = mesh.vertices[mesh.faces]
    points = np.einsum("kc,kcd->kd", atlas.weights, corners[atlas.face])
    return paint(mesh, atlas, look(points, zone(points)))
