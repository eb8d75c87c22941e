"""How a cousin looks: the colour and texture of its objects, the light, the room's colours.

Nothing here touches a shape or a mass. At strength 1 every object may wear any of its textures,
dimmed and tinted, the lamp may stand on any side, and the room may be painted anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.scene import other_look
from cousins.types import Array, Scene
from cousins.variation.axes import Drawn, Source, mean
from cousins.variation.surfaces import surface_geoms

DIM = 0.4  # most that a tint dims a texture
CAST = 0.3  # and most that it dims one channel more than the others
# A scanned room is tinted as a whole, light and all: half as much, or it is night.
ROOM_DIM, ROOM_CAST, ROOM = 0.2, 0.15, 0.3
PAINT = ((0.0, 0.35), (0.3, 0.75))  # saturation and value of surfaces: few are gaudy or glare
# The lamp: not so low that the room's walls or the objects' shadows hide the objects.
ELEVATION = (np.radians(40.0), np.radians(85.0))
FAR = 1.5  # most that its distance grows or shrinks by, a factor
DIFFUSE = (0.65, 1.5)  # factors of the lamp's light: evening, a bright window
AMBIENT = (0.85, 1.25)  # and of the light from all around
# Log gain of red, green and blue at the warmest: about 4500 K against 6500 K, of which a camera's
# white balance took a half. The coolest is as far the other way.
WARM = np.array([0.10, 0.0, -0.20])
MARGIN = 0.2  # m, least from the lamp to a wall
_OBJECT, _LIGHT, _SURFACE = 5, 6, 3  # uniform numbers that each takes


def numbers(scene: Scene) -> int:
    """How many uniform numbers one cousin takes."""
    return _OBJECT * len(scene.assets) + _LIGHT + _SURFACE * _surfaces(scene)


def _surfaces(scene: Scene) -> int:
    return len(scene.supports) + len(scene.walls) if scene.background is None else 1


def object_geoms(model: mujoco.MjModel, scene: Scene) -> NDArray[np.int64]:
    """(A,) ids of the objects' visual geoms."""
    return np.array([model.geom(f"{a.name}_visual").id for a in scene.assets], np.int64)


def materials(model: mujoco.MjModel, scene: Scene) -> tuple[NDArray[np.int32], ...]:
    """For each object the ids of the materials that its `texture` counts, its own first."""
    found = []
    for asset in scene.assets:
        ids = [model.material(asset.name).id]
        while (k := _material(model, other_look(asset.name, len(ids)))) >= 0:
            ids.append(k)
        found.append(np.array(ids, np.int32))
    return tuple(found)


def _material(model: mujoco.MjModel, name: str) -> int:
    return mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_MATERIAL, name)


def draw(
    model: mujoco.MjModel, scene: Scene, uniform: Array, strength: Array
) -> dict[str, NDArray[Any]]:
    """Looks of n cousins, from (n, numbers) uniform numbers and (n,) strengths in 0..1.

    tint (n, A, 4): geom_rgba of the objects' visual geoms. texture (n, A) uint8: which of their
    `materials` they wear. surface_tint (n, S, 4): geom_rgba of `surface_geoms`. light_pos and
    light_dir (n, L, 3), light_diffuse and light_ambient (n, L, 3): MjModel's fields.
    """
    n, count, around = len(uniform), len(scene.assets), len(surface_geoms(model))
    parts = np.split(uniform, [_OBJECT * count, _OBJECT * count + _LIGHT], axis=1)
    objects, surfaces = parts[0].reshape(n, count, _OBJECT), parts[2].reshape(n, around, _SURFACE)
    own = model.geom_rgba[object_geoms(model, scene)]
    return {
        "tint": _tinted(own, _tint(objects[..., :3]), strength),
        "texture": _textures(model, scene, objects[..., 3:], strength),
        "surface_tint": _surface_tint(model, surfaces, strength),
        **_light(model, scene, parts[1], strength),
    }


def _tinted(own: NDArray[np.float32], factor: Array, strength: Array) -> NDArray[np.float32]:
    """(n, k, 4): own (k, 4) times factors (n, k, 3), as far as the strength (n,) goes."""
    out = np.broadcast_to(own, (len(factor), *own.shape)).copy()
    out[..., :3] *= (1 + strength[:, None, None] * (factor - 1)).astype(np.float32)
    return out


def _tint(uniform: Array, dim: float = DIM, most: float = CAST) -> Array:
    """(..., 3) factors of red, green and blue from (..., 3) uniform numbers."""
    value, hue, cast = np.moveaxis(uniform, -1, 0)
    return (1 - dim * value)[..., None] * _rgb(hue, most * cast)


def _rgb(hue: Array, saturation: Array) -> Array:
    """(..., 3) red, green and blue of a hue (..., in turns) and saturation, at full value."""
    wheel = np.abs((hue[..., None] * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1
    return 1 - saturation[..., None] * (1 - np.clip(wheel, 0, 1))


def _textures(
    model: mujoco.MjModel, scene: Scene, uniform: Array, strength: Array
) -> NDArray[np.uint8]:
    """One of the others with a chance that grows with the strength, at 1 each as likely."""
    held = np.array([len(ids) for ids in materials(model, scene)])
    other = uniform[..., 0] < strength[:, None] * (1 - 1 / held)
    return np.where(other, 1 + np.floor(uniform[..., 1] * (held - 1)), 0).astype(np.uint8)


def _surface_tint(model: mujoco.MjModel, uniform: Array, strength: Array) -> NDArray[np.float32]:
    """What has a texture is tinted; what has one colour only takes another."""
    ids = surface_geoms(model)
    own = model.geom_rgba[ids]
    (pale, rich), (dark, bright) = PAINT
    value, hue, saturation = np.moveaxis(uniform, -1, 0)
    paint = _rgb(hue, pale + (rich - pale) * saturation)
    paint = (dark + (bright - dark) * value)[..., None] * paint
    painted = np.broadcast_to(own, (len(uniform), *own.shape)).copy()
    share = strength[:, None, None]
    painted[..., :3] += (share * (paint - own[:, :3])).astype(np.float32)
    tinted = _tinted(own, _tint(uniform, ROOM_DIM, ROOM_CAST), strength)
    return np.where(_textured(model, ids)[:, None], tinted, painted)


def _textured(model: mujoco.MjModel, geoms: NDArray[np.int64]) -> NDArray[np.bool_]:
    material = model.geom_matid[geoms]
    if not model.nmat:
        return np.zeros(len(geoms), bool)
    return (material >= 0) & (model.mat_texid[material] >= 0).any(-1)


def _light(
    model: mujoco.MjModel, scene: Scene, uniform: Array, strength: Array
) -> dict[str, NDArray[Any]]:
    turn, rise, far, diffuse, ambient, warm = uniform.T
    focus = model.stat.center
    own = model.light_pos - focus
    radius = np.maximum(np.linalg.norm(own, axis=-1), 1e-9)
    low, high = ELEVATION
    s = strength[:, None]
    azimuth = np.arctan2(own[:, 1], own[:, 0]) + s * np.pi * (2 * turn[:, None] - 1)
    seen = np.arcsin(own[:, 2] / radius)
    elevation = seen + s * (low + (high - low) * rise[:, None] - seen)
    radius = radius * FAR ** (s * (2 * far[:, None] - 1))
    toward = np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth),
                       np.sin(elevation)], -1)  # fmt: skip
    away = radius * _before_walls(scene, focus, own, radius[..., None] * toward)
    # Light that comes from everywhere, or from nowhere in particular, has no place to move from.
    moved = ((strength > 0)[:, None] & (model.light_diffuse > 0).any(-1))[..., None]
    gain = np.exp(s * (2 * warm[:, None] - 1) * WARM)
    return {
        "light_pos": np.where(moved, focus + away[..., None] * toward, model.light_pos),
        "light_dir": np.where(moved, -toward, model.light_dir),
        "light_diffuse": _brightness(model.light_diffuse, DIFFUSE, diffuse, gain, strength),
        "light_ambient": _brightness(model.light_ambient, AMBIENT, ambient, gain, strength),
    }


def _brightness(
    own: NDArray[np.float32], limits: tuple[float, float], uniform: Array, gain: Array, s: Array
) -> NDArray[np.float32]:
    low, high = limits
    factor = (1 + s * (low + (high - low) * uniform - 1))[:, None] * gain
    return own * factor.astype(np.float32)[:, None]


def _before_walls(scene: Scene, focus: Array, own: Array, moved: Array) -> Array:
    """(n, L) shares of the way from the focus to lamps `moved` (n, L, 3; from the focus) at which
    they are still in the room, or as far behind a wall as the twin's `own` (L, 3)."""
    share = np.ones(moved.shape[:2])
    for wall in scene.walls:
        normal = wall.normal / np.linalg.norm(wall.normal)
        room = float((focus - wall.centre) @ normal)  # from the wall to the focus
        least = np.minimum(MARGIN, room + own @ normal)
        sinks = -(moved * normal).sum(-1)  # how far towards the wall
        most = np.maximum(room - least, 0)
        share = np.minimum(share, np.where(sinks > most, most / np.maximum(sinks, 1e-9), 1.0))
    return share


def distance(model: mujoco.MjModel, scene: Scene, arrays: Mapping[str, NDArray[Any]]) -> Array:
    """(n,) in 0..1: the mean of how far colours, textures, light and room went from the twin's.

    Each is cut off at 1: colours at `DIM`, textures at all changed, the lamp at a right angle and
    a factor of `DIFFUSE`, the room at `ROOM`, as a share of white.
    """
    own = model.geom_rgba[object_geoms(model, scene)]
    room = model.geom_rgba[surface_geoms(model)]
    parts = [
        _apart(arrays["tint"], own, DIM),
        (arrays["texture"] > 0).astype(float),
        _light_apart(model, arrays),
        _apart(arrays["surface_tint"], room, ROOM),
    ]
    return mean(np.stack([mean(np.minimum(part, 1)) for part in parts], axis=1))


def _apart(colour: NDArray[np.float32], own: NDArray[np.float32], most: float) -> Array:
    return np.abs(colour[..., :3].astype(float) - own[:, :3]).mean(-1) / most


def _light_apart(model: mujoco.MjModel, arrays: Mapping[str, NDArray[Any]]) -> Array:
    lamps = np.flatnonzero((model.light_diffuse > 0).any(-1))
    before = model.light_diffuse[lamps].mean(-1)
    ratio = arrays["light_diffuse"][:, lamps].mean(-1) / before
    cosine = (arrays["light_dir"][:, lamps] * model.light_dir[lamps]).sum(-1)
    angle = np.arccos(np.clip(cosine, -1, 1)) / (np.pi / 2)
    # The arc cosine of a unit vector with itself need not be 0 to the last digit.
    angle = np.where((arrays["light_dir"][:, lamps] == model.light_dir[lamps]).all(-1), 0, angle)
    return (np.minimum(angle, 1) + np.minimum(np.abs(np.log(ratio)) / -np.log(DIFFUSE[0]), 1)) / 2


@dataclass(frozen=True)
class Look:
    """The axis; see the module."""

    name: str = "look"

    def numbers(self, source: Source) -> int:
        """See `numbers`."""
        return numbers(source.scene)

    def draw(self, source: Source, uniform: Array, strength: Array, drawn: Drawn) -> Drawn:
        """See `draw`."""
        return draw(source.union.model, source.scene, uniform, strength)

    def distance(self, source: Source, drawn: Drawn) -> Array:
        """See `distance`."""
        return distance(source.union.model, source.scene, drawn)
