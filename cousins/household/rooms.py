"""Where household things stand: a floor, a table, and what else a layout asks for. None of it
moves. World z up, metres, the table's middle above the origin, its front towards -y."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.household.looks import OAK, STEEL, Colour, Look, painted
from cousins.household.solids import block
from cousins.mesh import obj_text, png_bytes
from cousins.scene import CONTACT
from cousins.types import Array, Mesh

BOARD = 0.03  # thickness of a board, m
LEG = 0.045
_CLOUD = 0.15  # m: how far a board's or a wall's colour stays the same
_WHITE: Colour = (226, 226, 222)
_SLATE: Colour = (96, 100, 106)
_BIRCH: Colour = (222, 194, 152)
_WALNUT: Colour = (132, 92, 62)


@dataclass(frozen=True)
class Slab:
    """A static box that is seen and touched. low, high: corners, m. texel: of its texture, m."""

    name: str
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    look: Look
    texel: float = 0.004

    @property
    def top(self) -> float:
        return self.high[2]

    @property
    def middle(self) -> Array:
        """(2,) of its top."""
        return (np.array(self.low[:2]) + self.high[:2]) / 2


@dataclass(frozen=True)
class Room:
    """Static slabs by role. second: the other support of a room with two, else None."""

    floor: Slab
    table: Slab
    legs: tuple[Slab, ...]
    second: Slab | None = None
    wall: Slab | None = None

    @property
    def slabs(self) -> tuple[Slab, ...]:
        return tuple(s for s in (self.floor, self.table, self.second, self.wall) if s) + self.legs


def draw_room(rng: np.random.Generator, wall: bool = False, second: bool = False) -> Room:
    """A room of random size, height and finish; with a wall behind the table, or with a second
    support: a broad step on the table, or another table beside it of another height."""
    wide, deep, height = rng.uniform([1.0, 0.7, 0.68], [1.4, 0.9, 0.78])
    look = _finish(rng)
    floor = _slab("floor", (0, 0, -0.01), (5, 5, 0.02), _finish(rng), 0.02)
    table = _slab("table", (0, 0, height - BOARD / 2), (wide, deep, BOARD), look)
    legs = _legs(table, "leg")
    if wall:
        y = deep / 2 + 0.05
        back = _slab("wall", (0, y, 1.2), (4.0, 0.1, 2.4), _paint(rng), 0.02)
        return Room(floor, table, legs, wall=back)
    if not second:
        return Room(floor, table, legs)
    if rng.random() < 0.5:
        x, y, z = rng.uniform([0.45, 0.36, 0.08], [0.55, 0.42, 0.18])
        at = (rng.uniform(-0.1, 0.1), deep / 2 - y / 2, height + z / 2)
        return Room(floor, table, legs, _slab("step", at, (x, y, z), _finish(rng)))
    x, y, z = rng.uniform([0.5, 0.5, 0.12], [0.7, 0.65, 0.25])
    # The two meet where the camera looks, so both are moved towards the middle.
    half, top = wide / 2, height - z
    table = _slab("table", (-half, 0, height - BOARD / 2), (wide, deep, BOARD), look)
    other = _slab("side_table", (x / 2 + 0.005, 0, top - BOARD / 2), (x, y, BOARD), _finish(rng))
    return Room(floor, table, _legs(table, "leg") + _legs(other, "side_leg"), other)


def add(spec: mujoco.MjSpec, room: Room) -> None:
    """The room's slabs as static geoms: a box that collides by the slab's name (group 3), and a
    textured mesh that is seen, NAME_seen."""
    files = dict(spec.assets)
    for slab in room.slabs:
        low, high = np.array(slab.low), np.array(slab.high)
        mesh = _board(slab)
        assert mesh.texture is not None
        files[f"{slab.name}.obj"] = obj_text(mesh).encode()
        files[f"{slab.name}.png"] = png_bytes(mesh.texture)
        texture = spec.add_texture(name=slab.name, type=mujoco.mjtTexture.mjTEXTURE_2D)
        texture.file = f"{slab.name}.png"
        material = spec.add_material(name=slab.name, specular=0.1, shininess=0.1)
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = slab.name
        spec.add_mesh(name=slab.name, file=f"{slab.name}.obj")
        middle = (low + high) / 2
        spec.worldbody.add_geom(
            name=slab.name, type=mujoco.mjtGeom.mjGEOM_BOX, size=(high - low) / 2, pos=middle,
            group=3, condim=4, friction=[0.6, 0.005, 1e-4],
            solref=_floats(CONTACT["solref"]), solimp=[*_floats(CONTACT["solimp"]), 0.5, 2],
        )  # fmt: skip
        spec.worldbody.add_geom(
            name=f"{slab.name}_seen", type=mujoco.mjtGeom.mjGEOM_MESH, meshname=slab.name,
            material=slab.name, pos=middle, group=2, contype=0, conaffinity=0,
        )  # fmt: skip
    spec.assets = files


@lru_cache(maxsize=32)
def _board(slab: Slab) -> Mesh:
    """What is seen of a slab, about its middle. Kept, since a scene is built more than once."""
    half = (np.array(slab.high) - slab.low) / 2
    return painted(block(-half, half).mesh, slab.look, _one_tone, slab.texel)


def _floats(text: str) -> list[float]:
    return [float(v) for v in text.split()]


def _one_tone(points: Array) -> NDArray[np.intp]:
    return np.zeros(len(points), int)


def _slab(
    name: str, middle: Sequence[float], size: Sequence[float], look: Look, texel: float = 0.004
) -> Slab:
    low, high = (np.array(middle) + s * np.array(size) / 2 for s in (-1, 1))
    return Slab(name, tuple(low.tolist()), tuple(high.tolist()), look, texel)


def _legs(table: Slab, name: str) -> tuple[Slab, ...]:
    """Four legs under a table top."""
    inset = LEG / 2 + 0.03
    steel = Look("plain", STEEL, STEEL, STEEL)
    bottom = table.low[2]
    places = [(x, y) for x in (table.low[0] + inset, table.high[0] - inset)
              for y in (table.low[1] + inset, table.high[1] - inset)]  # fmt: skip
    return tuple(_slab(f"{name}_{i}", (x, y, bottom / 2), (LEG, LEG, bottom), steel, 0.02)
                 for i, (x, y) in enumerate(places))  # fmt: skip


def _finish(rng: np.random.Generator) -> Look:
    """Wood of some kind, or one colour."""
    woods = OAK, _BIRCH, _WALNUT
    seed = int(rng.integers(2**31))
    if rng.random() < 0.65:
        light = woods[int(rng.integers(len(woods)))]
        r, g, b = (0.82 * c for c in light)
        scale = rng.uniform(0.03, 0.08)
        return Look("wood", light, (r, g, b), light, scale, 0.05, _CLOUD, seed)
    plain = _WHITE if rng.random() < 0.6 else _SLATE
    return Look("plain", plain, plain, plain, 0.02, 0.03, _CLOUD, seed)


def _paint(rng: np.random.Generator) -> Look:
    shade = rng.uniform(195, 235, 3)
    r, g, b = (0.3 * float(c) + 0.7 * float(shade.mean()) for c in shade)
    return Look(
        "plain", (r, g, b), (r, g, b), (r, g, b), mottle=0.02, seed=int(rng.integers(2**31))
    )
