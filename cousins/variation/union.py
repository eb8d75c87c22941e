"""The union model: every shape of every object compiled once, and the bank of what each puts in
its fields.

An object's geoms are slots: what is seen of it, one primitive of each kind that any of its shapes
is, and as many convex parts as the shape with most has. A shape leaves the others unused: out of
the way, within a geom that it uses, and switched off where an engine can switch geoms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from xml.etree import ElementTree as ET

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.affordance import Affordances
from cousins.bank import DERIVED, NUDGE, SWITCHED, Bank
from cousins.mesh import matrix_from_quaternion, obj_text, png_bytes
from cousins.physics import mixed
from cousins.scene import (
    ROLLING,
    SPECK,
    UNUSED,
    Slots,
    build,
    compile_model,
    other_look,
    slots_of,
)
from cousins.types import Array, Asset, Physical, Scene
from cousins.variation.substance import moments, volume
from cousins.variation.surfaces import surface_geoms

EMPTY = 1e-4  # m, half the size of an unused slot
PLAIN = 1e-4  # m: rolling friction of what is not round, MuJoCo's default


@dataclass(frozen=True)
class Variants:
    """An object's shapes, its own first; how far each lies from that, 0..1, and what it affords,
    where that is asked for. rejected: shapes that afforded less, by reason. licences: of shapes
    that somebody made, by name."""

    shapes: tuple[Asset, ...]
    distances: tuple[float, ...] = (0.0,)
    affords: tuple[Affordances, ...] = ()
    rejected: Mapping[str, int] = field(default_factory=dict)
    licences: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Union:
    """A scene's union model. xml and files: all of it; model: compiled as `unseen`."""

    scene: Scene
    variants: tuple[Variants, ...]
    xml: str
    files: Mapping[str, bytes] = field(repr=False)
    model: mujoco.MjModel = field(repr=False)
    bank: Bank = field(repr=False)


def union(
    scene: Scene,
    variants: Sequence[Variants],
    held: Mapping[str, bytes] | None = None,
    textures: Sequence[Sequence[NDArray[np.uint8]]] = (),
) -> Union:
    """Compile the union model. Raises ValueError with MuJoCo's reason if it does not compile.

    held: the twin's files as they lie in its pack, to be used as they are. textures: what each
    object may wear beside its own.
    """
    slots = tuple(slots_of(v.shapes) for v in variants)
    xml, files = build(
        scene, _off_centre(scene), bank=[v.shapes[1:] for v in variants], model="cousins",
        slots=slots, textures=textures, held=held,
    )  # fmt: skip
    model = compile_model(xml, files)
    made = _bank(model, scene, variants, slots)
    blind = compile_model(xml, unseen(xml, files))
    return Union(scene, tuple(variants), xml, files, blind, made)


def unseen(xml: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files with a speck for each mesh that is only seen, and one pixel for each texture: they
    take nine tenths of a model, of which every batch holds copies, and physics asks for none."""
    out, root = dict(files), ET.fromstring(xml)
    speck, pixel = obj_text(SPECK).encode(), png_bytes(np.full((1, 1, 3), 128, np.uint8))
    for mesh in root.iter("mesh"):
        if mesh.get("class") == "visual":
            out[mesh.get("file", "")] = speck
    for texture in root.iter("texture"):
        out[texture.get("file", "")] = pixel
    return out


def _off_centre(scene: Scene) -> list[Physical]:
    """The modes, as far off centre as cousins are; see `cousins.bank`."""
    physical = [asset.physical for asset in scene.assets]
    return [replace(p, center_of_mass=p.center_of_mass + NUDGE) for p in physical]


def _bank(
    model: mujoco.MjModel,
    scene: Scene,
    every: Sequence[Variants],
    slots: Sequence[Slots],
) -> Bank:
    shapes = [v.shapes for v in every]
    bodies = [model.body(variants[0].name).id for variants in shapes]
    counts = np.array([len(variants) for variants in shapes], np.int32)
    most = int(counts.max())
    geoms = [model.body_geomadr[b] + np.arange(model.body_geomnum[b]) for b in bodies]
    columns = [
        _padded(most, [_columns(model, shape, s, i) for i, shape in enumerate(variants)])
        for variants, s in zip(shapes, slots, strict=True)
    ]
    dataid, position, quaternion, size, bounds, used, rolling = (
        np.concatenate(column, axis=1) for column in zip(*columns, strict=True)
    )
    inertias = [_padded(most, [_moments(s, v[0]) for s in v]) for v in shapes]
    vol, solid, solid_unit, shell, shell_unit = (
        np.stack(column, axis=1) for column in zip(*inertias, strict=True)
    )
    hollows = [
        _padded(most, [_opening(a, v.shapes[0]) for a in v.affords or [None]]) for v in every
    ]
    opening, radius, depth = (np.stack(column, axis=1) for column in zip(*hollows, strict=True))
    far = [_padded(most, [(np.array(d),) for d in v.distances])[0] for v in every]
    owner = np.repeat(np.arange(len(bodies)), [len(g) for g in geoms])
    materials = [[_materials(model, s, v[0]) for s in v] for v in shapes]
    worn = max(len(m) for row in materials for m in row)
    worn_by = [_padded(most, [(np.pad(m, (0, worn - len(m)), mode="edge"),) for m in row])[0]
               for row in materials]  # fmt: skip
    return Bank(
        body=np.array(bodies, np.int32),
        address=model.jnt_qposadr[model.body_jntadr[bodies]].astype(np.int32),
        geom=np.concatenate(geoms).astype(np.int32),
        owner=owner.astype(np.int32),
        visual=np.concatenate([np.arange(len(g)) == 0 for g in geoms]),
        surface=surface_geoms(model).astype(np.int32),
        shapes=counts,
        dataid=dataid.astype(np.int32),
        position=position, quaternion=quaternion, size=size, bounds=bounds,
        used=used.astype(bool), rolling=rolling,
        material=np.stack(worn_by, axis=-1).transpose(1, 0, 2).astype(np.int32),
        volume=vol, solid=solid, solid_inertia=solid_unit, shell=shell, shell_inertia=shell_unit,
        opening=opening, radius=radius, depth=depth,
        distance=np.stack(far, axis=1),
        defaults={name: getattr(model, name).copy()
                  for name in (*DERIVED, *SWITCHED, "geom_matid")},
    )  # fmt: skip


def _padded(count: int, rows: Sequence[tuple[Array, ...]]) -> list[Array]:
    """Columns of `count` rows: what is missing repeats the first row, and nobody picks it."""
    rows = [*rows, *[rows[0]] * (count - len(rows))]
    return [np.stack(column) for column in zip(*rows, strict=True)]


def _materials(model: mujoco.MjModel, shape: Asset, own: Asset) -> Array:
    """(T,) what it wears in each of the object's textures. What was swapped in has its own."""
    alone = shape.visual.texture is not None or shape.visual.uv is None
    if alone and shape is not own:
        return np.array([_named(model, shape.name)])
    others, k = [_named(model, own.name)], 1
    while (found := _named(model, other_look(own.name, k))) >= 0:
        others.append(found)
        k += 1
    return np.array(others)


def _named(model: mujoco.MjModel, material: str) -> int:
    return mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_MATERIAL, material)


def _opening(affords: Affordances | None, own: Asset) -> tuple[Array, ...]:
    found = affords.opening if affords else None
    if found is None:
        return np.zeros(3), np.array(0.0), np.array(0.0)
    # Told as the twin stands; kept in the object's frame.
    turn = matrix_from_quaternion(own.quaternion)
    return found.centre @ turn, np.array(found.radius), np.array(found.depth)


def _moments(shape: Asset, own: Asset) -> tuple[Array, ...]:
    m = moments(shape)
    # A scan may have found that its weight lies elsewhere than its shape says.
    known, share = moments(own), np.array(own.shell_fraction.mode)
    middle, _ = mixed(share, (known.solid_centre, known.solid_inertia),
                      (known.shell_centre, known.shell_inertia))  # fmt: skip
    off = own.center_of_mass - middle
    return (np.array(volume(shape)), m.solid_centre + off, m.solid_inertia,
            m.shell_centre + off, m.shell_inertia)  # fmt: skip


def _columns(model: mujoco.MjModel, shape: Asset, slots: Slots, k: int) -> tuple[Array, ...]:
    """One shape's dataid (g,), position, quaternion, size, bounds, used and rolling friction."""
    rows: list[tuple[Array, ...] | None] = [_mesh(model, shape.name)]
    primitive = shape.primitive
    for kind in slots.kinds:
        rows.append(_primitive(shape) if primitive and primitive.kind == kind else None)
    for i in range(slots.parts):
        name = f"{shape.name}_c{i}"
        rows.append(_mesh(model, name) if primitive is None and i < len(shape.parts) else None)
    solid = next(row for row in rows[1:] if row is not None)
    at, filled = solid[1], []
    for j, row in enumerate(rows):
        empty = _empty(model, slots, j, at) if row is None else row
        filled.append((*empty, np.array(row is not None), _rolling(shape, j)))
    return tuple(np.stack(column) for column in zip(*filled, strict=True))


def _mesh(model: mujoco.MjModel, name: str) -> tuple[Array, ...]:
    k = model.mesh(name).id
    # A mesh geom without a pose of its own sits where the compiler moved its mesh.
    bounds = model.bvh_aabb[model.mesh_bvhadr[k]]
    return (np.array(k), model.mesh_pos[k], model.mesh_quat[k],
            np.abs(bounds[:3]) + bounds[3:], bounds)  # fmt: skip


def _primitive(shape: Asset) -> tuple[Array, ...]:
    p = shape.primitive
    assert p is not None
    return _sized(p.kind, np.array(p.size), np.array(p.position), np.array(p.quaternion))


def _sized(kind: str, size: Array, position: Array, quaternion: Array) -> tuple[Array, ...]:
    # MuJoCo zeroes the sizes that a kind does not use; mj_setConst bounds a primitive anew.
    used = {"box": 3, "cylinder": 2, "sphere": 1}[kind]
    own = np.array([*size[:used], *[0.0] * (3 - used)])
    return np.array(-1), position, quaternion, own, np.zeros(6)


def _empty(model: mujoco.MjModel, slots: Slots, j: int, at: Array) -> tuple[Array, ...]:
    """An unused slot, within the geom that stands at `at`."""
    upright = np.array([1.0, 0.0, 0.0, 0.0])
    if j <= len(slots.kinds):
        return _sized(slots.kinds[j - 1], np.full(3, EMPTY), at, upright)
    mesh, _, turn, size, bounds = _mesh(model, UNUSED)
    return mesh, at, turn, size, bounds


def _rolling(shape: Asset, j: int) -> Array:
    primitive = shape.primitive
    round_ = primitive is not None and primitive.kind != "box" and j > 0
    return np.array(ROLLING * primitive.size[0] if round_ and primitive else PLAIN)
