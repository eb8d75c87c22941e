"""Draws of whole cousins: each from its own seed, so that neither order nor number matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.types import Array, Scene
from cousins.variation import layout, physical, shapes
from cousins.variation.union import Draws, Union, union
from cousins.variation.units import Footprints, footprints


@dataclass(frozen=True)
class Settings:
    """What may vary. shapes: K of each object, its own among them; stays: the chance that a unit
    stays near its seen place."""

    shapes: int = 8
    stays: float = 0.3


@dataclass(frozen=True)
class Source:
    """All that cousins of one family are drawn from. Families of a run share their shapes."""

    union: Union
    footprints: Footprints
    settings: Settings
    seed: int
    family: int


def source(
    scene: Scene,
    seed: int,
    settings: Settings | None = None,
    held: Mapping[str, bytes] | None = None,
) -> Source:
    """Make the bank of shapes and compile it: what family 0 is drawn from.

    held: the twin's files as they lie in its pack, by name.

    Raises PackError for an object that stands on nothing, ValueError if MuJoCo refuses a mesh.
    """
    settings = settings or Settings()
    spawned = np.random.SeedSequence(seed).spawn(len(scene.assets))
    bank = [shapes.bank(a, settings.shapes, s) for a, s in zip(scene.assets, spawned, strict=True)]
    return Source(union(scene, bank, held), footprints(scene, bank), settings, seed, 0)


def seeds(source: Source, index: int, attempt: int) -> tuple[int, ...]:
    """What a cousin is drawn from: the run's seed, the family, its index, the attempt."""
    return source.seed, source.family, index, attempt


def draw(source: Source, indices: Sequence[int], attempt: int) -> tuple[Draws, NDArray[np.int64]]:
    """The cousins of these indices at this attempt, and for each the unit that found no room, -1
    where all did."""
    prints, assets = source.footprints, source.union.scene.assets
    n, count, units = len(indices), len(assets), len(prints.units)
    value, bounce = np.empty((n, count, 8)), np.empty((n, count))
    places = np.empty((n, units, layout.NUMBERS))
    for row, index in enumerate(indices):
        entropy, *key = seeds(source, index, attempt)
        rng = np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=key))
        value[row], places[row] = rng.random((count, 8)), rng.random((units, layout.NUMBERS))
        bounce[row] = rng.random(count)
    shape = (value[..., 0] * source.settings.shapes).astype(np.int64)
    for unit in prints.units:
        if unit.hooked:
            shape[:, list(unit.members)] = 0
    placed = layout.place(prints, shape, places, np.ones(n))
    drawn = _physical(source, shape, value, bounce)
    seen = np.array([a.quaternion for a in assets])
    return (
        Draws(
            shape=shape,
            position=placed.position,
            quaternion=_yawed(seen, placed.yaw),
            rgba=physical.tints(value[..., 4:8]),
            **drawn,
        ),
        placed.stuck,
    )


def _physical(
    source: Source, shape: NDArray[np.int64], value: Array, bounce: Array
) -> dict[str, Array]:
    columns = []
    for i, asset in enumerate(source.union.scene.assets):
        k, (_, mass, friction, share, *_) = shape[:, i], np.moveaxis(value[:, i], -1, 0)
        slot = source.union.slots[i]
        volume = slot.volume
        solid, solid_unit, shell, shell_unit = (
            np.array(field) for field in zip(*map(astuple, slot.moments), strict=True)
        )
        mass = physical.quantiles(asset.mass, mass) * (volume / volume[0])[k]
        share = physical.quantiles(asset.shell_fraction, share)
        centre, inertia = physical.inertia(
            mass, share, (solid[k], solid_unit[k]), (shell[k], shell_unit[k])
        )
        friction = physical.quantiles(asset.friction, friction)
        restitution = physical.quantiles(asset.restitution, bounce[:, i])
        columns.append((mass, friction, restitution, centre, inertia))
    names = ("mass", "friction", "restitution", "centre", "inertia")
    return {n: np.stack(c, 1) for n, c in zip(names, zip(*columns, strict=True), strict=True)}


def _yawed(quaternion: Array, yaw: Array) -> Array:
    """(n, A, 4): quaternions (A, 4) turned about world z by yaw (n, A)."""
    c, s = np.cos(yaw / 2), np.sin(yaw / 2)
    w, x, y, z = np.moveaxis(quaternion, -1, 0)
    return np.stack([c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w], -1)
