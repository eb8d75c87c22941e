"""Further textures for an object: its own in another hue, wood, speckle, and plain paint.

Wood and speckle are solid textures (Peachey, "Solid texturing of complex surfaces", SIGGRAPH 1985):
functions of the place in the object, looked up at each texel, so that nothing shows where the
charts of a scan's atlas meet.
"""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

from cousins.types import Array, Asset, Mesh

MOST = 256  # px, longest side of a texture
RING = (0.006, 0.012)  # m between a wood's year rings; finer ones would be less than a texel or two
SPOT = (0.006, 0.016)  # m, side of the cell that holds one spot
KINDS = ("hue", "wood", "speckle", "plain")
FLAT = ("hue", "plain")  # of what has one colour all over, as a scan without pictures

Texture = NDArray[np.uint8]


def textures(asset: Asset, rng: np.random.Generator, count: int) -> tuple[Texture, ...]:
    """`count` textures (h, w, 3) RGB for the asset's uv, at most `MOST` px wide and high.

    The kinds of `KINDS` take turns; of `FLAT` where all of the uv lies in one place. None for a
    mesh without uv, which could not wear them.
    """
    mesh = asset.visual
    if mesh.uv is None or mesh.texture is None:
        return ()
    # Each has a generator of its own, so that those before it change nothing.
    generators = rng.spawn(count)
    places = _places(mesh, mesh.uv, mesh.texture.shape)
    kinds = KINDS if np.ptp(places, axis=(0, 1)).any() else FLAT
    return tuple(
        _made(mesh.texture, places, kinds[k % len(kinds)], own) for k, own in enumerate(generators)
    )


def _made(own: Texture, places: Array, kind: str, rng: np.random.Generator) -> Texture:
    if kind == "hue":
        return _other_hue(own, rng)
    if kind == "wood":
        return _bytes(_wood(places, rng))
    if kind == "speckle":
        return _bytes(_speckle(places, rng))
    return _bytes(np.broadcast_to(_colour(rng, (0.2, 0.8), (0.4, 0.95)), (4, 4, 3)))


def _other_hue(own: Texture, rng: np.random.Generator) -> Texture:
    import cv2

    share = min(1.0, MOST / max(own.shape[:2]))
    size = max(1, round(own.shape[1] * share)), max(1, round(own.shape[0] * share))
    small = cv2.resize(np.ascontiguousarray(own), size, interpolation=cv2.INTER_AREA)
    hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV).astype(int)
    # OpenCV's hue goes to 180. Not nearer than a sixth of the way round: red stays no red.
    hsv[..., 0] = (hsv[..., 0] + rng.integers(30, 151)) % 180
    return np.asarray(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB), np.uint8)


def _wood(places: Array, rng: np.random.Generator) -> Array:
    """Year rings about a line, which waver along the grain."""
    light = _colour(rng, (0.3, 0.6), (0.55, 0.9), hue=(0.06, 0.11))
    dark = light * rng.uniform(0.55, 0.8)
    axis = rng.standard_normal(3)
    axis /= np.linalg.norm(axis)
    extent = float(np.ptp(places.reshape(-1, 3), axis=0).max())
    # The tree was thicker than the object: its pith lies outside of it.
    side = np.cross(axis, rng.standard_normal(3))
    offset = places - extent * rng.uniform(0.7, 1.5) * side / np.linalg.norm(side)
    along = offset @ axis
    radius = np.linalg.norm(offset - along[..., None] * axis, axis=-1)
    ring = float(rng.uniform(*RING))
    for _ in range(3):
        wave = rng.standard_normal(3)
        wave *= 2 * np.pi / (extent * rng.uniform(0.5, 2.0)) / np.linalg.norm(wave)
        radius = radius + 0.4 * ring * np.sin(places @ wave + rng.uniform(0, 2 * np.pi))
    share = (radius / ring) % 1.0  # early wood is light and darkens towards the winter
    return light + (share**2)[..., None] * (dark - light)


def _speckle(places: Array, rng: np.random.Generator) -> Array:
    """Spots of another colour: one at most in each cell of a grid, wholly within it."""
    ground = _colour(rng, (0.0, 0.5), (0.5, 0.95))
    spot = _colour(rng, (0.0, 0.8), (0.1, 0.9))
    side = float(rng.uniform(*SPOT))
    cell = np.floor(places / side).astype(int)
    table = rng.random((256, 4))
    turns = rng.permutation(256)
    key = turns[(turns[(turns[cell[..., 0] % 256] + cell[..., 1]) % 256] + cell[..., 2]) % 256]
    radius = 0.2 + 0.3 * table[key, 3]
    centre = radius[..., None] + (1 - 2 * radius[..., None]) * table[key, :3]
    inside = np.linalg.norm(places / side - cell - centre, axis=-1) < radius
    return np.where(inside[..., None], spot, ground)


def _places(mesh: Mesh, uv: Array, own: tuple[int, ...]) -> Array:
    """(h, w, 3) for each texel of an atlas the point of the mesh that it is painted on, m.

    Texels between the charts take their nearest neighbour's, since filtering reads them too.
    """
    import cv2
    from scipy.ndimage import distance_transform_edt

    share = min(1.0, MOST / max(own[:2]))
    # Never fewer than half the most: a small picture of its own says nothing of a solid texture.
    h, w = (max(MOST // 2, round(side * share)) for side in own[:2])
    corners = uv * [w, -h] + [-0.5, h - 0.5]  # to texels, whose centres are whole numbers
    owner = np.zeros((h, w), np.int32)
    for i, corner in enumerate(np.round(corners).astype(np.int32)):
        cv2.fillConvexPoly(owner, corner, i + 1)
    nearest = distance_transform_edt(owner == 0, return_distances=False, return_indices=True)
    row, column = np.asarray(nearest)
    face = owner[row, column] - 1
    point = np.stack([column, row], -1).astype(float)
    a, b, c = (corners[face, k] for k in range(3))
    area = _cross(b - a, c - a)
    safe = np.where(np.abs(area) > 1e-12, area, 1.0)
    second, third = _cross(point - a, c - a) / safe, _cross(b - a, point - a) / safe
    weights = np.clip(np.stack([1 - second - third, second, third], -1), 0, 1)
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("...k,...kd->...d", weights, mesh.vertices[mesh.faces[face]])


def _cross(a: Array, b: Array) -> Array:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _colour(
    rng: np.random.Generator,
    saturation: tuple[float, float],
    value: tuple[float, float],
    hue: tuple[float, float] = (0.0, 1.0),
) -> Array:
    """(3,) RGB in 0..1."""
    drawn = rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value)
    return np.array(colorsys.hsv_to_rgb(*drawn))


def _bytes(colour: Array) -> Texture:
    return np.round(255 * np.clip(colour, 0, 1)).astype(np.uint8)
