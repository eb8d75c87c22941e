"""The union model: every shape of every object compiled once, and what each puts in its fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.contact import settings
from cousins.mesh import principal
from cousins.physics import Moments
from cousins.scene import ROLLING, TORSIONAL, build, collision_geoms, compile_model
from cousins.types import Array, Asset, Physical, Scene
from cousins.variation.physical import moments, volume

OFF_CENTRE = 2e-6  # m, along x; MuJoCo takes less than 1e-6 for nothing
_NUDGE = np.array([OFF_CENTRE, 0.0, 0.0])


@dataclass(frozen=True)
class Slot:
    """One object's place in the union model, and what each of its K shapes puts there.

    body and address (of its qpos) are ids; geoms (g,) too, the visual one first. dataid (K, g),
    position (K, g, 3), quaternion (K, g, 4), size (K, g, 3) and bounds (K, g, 6) are MjModel's
    geom fields for each shape; volume (K,) m^3.
    """

    body: int
    address: int
    geoms: NDArray[np.int64]
    dataid: NDArray[np.int32]
    position: Array
    quaternion: Array
    size: Array
    bounds: Array
    volume: Array
    moments: tuple[Moments, ...]


@dataclass(frozen=True)
class Union:
    """A scene's union model. shapes: for each object its K shapes, its own first."""

    scene: Scene
    shapes: tuple[tuple[Asset, ...], ...]
    xml: str
    files: Mapping[str, bytes] = field(repr=False)
    model: mujoco.MjModel = field(repr=False)
    slots: tuple[Slot, ...] = field(repr=False)


@dataclass(frozen=True)
class Draws:
    """n cousins of A objects as drawn. shape (n, A) indexes the bank; position (n, A, 3) and
    quaternion (n, A, 4) are world_from_object; mass (n, A), friction (n, A), restitution (n, A),
    centre (n, A, 3), inertia (n, A, 3, 3), rgba (n, A, 4) as in `Physical`."""

    shape: NDArray[np.int64]
    position: Array
    quaternion: Array
    mass: Array
    friction: Array
    restitution: Array
    centre: Array
    inertia: Array
    rgba: NDArray[np.float32]


def union(
    scene: Scene, shapes: Sequence[Sequence[Asset]], held: Mapping[str, bytes] | None = None
) -> Union:
    """Compile the union model. Raises ValueError with MuJoCo's reason if it does not compile.

    held: the twin's files as they lie in its pack, to be used as they are.
    """
    xml, files = build(
        scene, _off_centre(scene), bank=[variants[1:] for variants in shapes], model="cousins"
    )
    files |= {name: data for name, data in (held or {}).items() if name in files}
    model = compile_model(xml, files)
    slots = tuple(_slot(model, variants) for variants in shapes)
    return Union(scene, tuple(tuple(v) for v in shapes), xml, files, model, slots)


def _off_centre(scene: Scene) -> list[Physical]:
    """The modes, with no centre of mass exactly at an object's origin.

    MuJoCo compiles a body whose frame is its inertial frame as "simple", with fewer elements in
    its inertia matrix; a cousin's own inertia could not be written over that. Cousins are as far
    off, so that one compiled alone takes the same path through the arithmetic.
    """
    physical = [asset.physical for asset in scene.assets]
    return [replace(p, center_of_mass=p.center_of_mass + _NUDGE) for p in physical]


def _slot(model: mujoco.MjModel, shapes: Sequence[Asset]) -> Slot:
    own = shapes[0]
    body = model.body(own.name).id
    geoms = model.body_geomadr[body] + np.arange(1 + collision_geoms(own))
    columns = [_columns(model, shape, own) for shape in shapes]
    dataid, position, quaternion, size, bounds = (np.stack(c) for c in zip(*columns, strict=True))
    address = int(model.jnt_qposadr[model.body_jntadr[body]])
    return Slot(body, address, geoms, dataid.astype(np.int32), position, quaternion, size, bounds,
                np.array([volume(shape) for shape in shapes]),
                tuple(moments(shape) for shape in shapes))  # fmt: skip


def _columns(model: mujoco.MjModel, shape: Asset, own: Asset) -> tuple[Array, ...]:
    names = [shape.name]
    if own.primitive is None:
        names += [f"{shape.name}_c{i}" for i in range(len(own.parts))]
    ids = np.array([model.mesh(name).id for name in names])
    # A mesh geom without a pose of its own sits where the compiler moved its mesh.
    position, quaternion = model.mesh_pos[ids], model.mesh_quat[ids]
    bounds = model.bvh_aabb[model.mesh_bvhadr[ids]]
    size = np.abs(bounds[:, :3]) + bounds[:, 3:]
    if shape.primitive is None:
        return ids, position, quaternion, size, bounds
    p = shape.primitive
    # MuJoCo zeroes the sizes that a kind does not use; mj_setConst bounds a primitive anew.
    used = {"box": 3, "cylinder": 2, "sphere": 1}[p.kind]
    own_size = np.array([*p.size[:used], *[0.0] * (3 - used)])
    return (
        np.append(ids, -1),
        np.vstack([position, p.position]),
        np.vstack([quaternion, p.quaternion]),
        np.vstack([size, own_size]),
        np.vstack([bounds, np.zeros(6)]),
    )


def arrays(union: Union, draws: Draws) -> dict[str, NDArray[Any]]:
    """MjModel fields (n, ...) of the cousins, and "qpos" (n, nq), as drawn.

    A mesh's bounds are given; a primitive's are left to mj_setConst, which derives them. The pose
    in which the model is compiled is `qpos`.
    """
    model, n = union.model, len(draws.shape)

    def rows(name: str) -> NDArray[Any]:
        value = getattr(model, name)
        return np.broadcast_to(value, (n, *value.shape)).copy()

    out = {name: rows(name) for name in FIELDS}
    out["qpos"] = np.broadcast_to(model.qpos0, (n, model.nq)).copy()
    for i, slot in enumerate(union.slots):
        k, geoms, body = draws.shape[:, i], slot.geoms, slot.body
        out["geom_dataid"][:, geoms] = slot.dataid[k]
        out["geom_pos"][:, geoms] = slot.position[k]
        out["geom_quat"][:, geoms] = slot.quaternion[k]
        out["geom_size"][:, geoms] = slot.size[k]
        out["geom_aabb"][:, geoms] = slot.bounds[k]
        out["geom_rbound"][:, geoms] = np.linalg.norm(slot.size[k], axis=-1)
        out["geom_rgba"][:, geoms[0]] = draws.rgba[:, i]
        out["geom_friction"][:, geoms[1:], 0] = draws.friction[:, i, None]
        out["geom_friction"][:, geoms[1:], 1] = TORSIONAL
        contact = settings(draws.restitution[:, i, None])
        out["geom_solref"][:, geoms[1:]] = contact[..., :2]
        out["geom_solimp"][:, geoms[1:], 0] = contact[..., 2]
        primitive = union.scene.assets[i].primitive
        if primitive is not None and primitive.kind != "box":
            out["geom_friction"][:, geoms[1:], 2] = ROLLING * slot.size[k][:, 1:, 0]
        out["body_mass"][:, body] = draws.mass[:, i]
        out["body_ipos"][:, body] = draws.centre[:, i] + _NUDGE
        out["body_inertia"][:, body], out["body_iquat"][:, body] = principal(draws.inertia[:, i])
        out["qpos"][:, slot.address : slot.address + 3] = draws.position[:, i]
        out["qpos"][:, slot.address + 3 : slot.address + 7] = draws.quaternion[:, i]
    return out


FIELDS = (
    "geom_dataid",
    "geom_pos",
    "geom_quat",
    "geom_size",
    "geom_aabb",
    "geom_rbound",
    "geom_rgba",
    "geom_friction",
    "geom_solref",
    "geom_solimp",
    "body_mass",
    "body_inertia",
    "body_ipos",
    "body_iquat",
)
