"""One cousin as a scene of its own, to be written as plain MJCF."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.bank import Family
from cousins.contact import restitution
from cousins.errors import PackError, UsageError
from cousins.mesh import matrix_from_quaternion, parse_obj
from cousins.scene import compile_model
from cousins.types import Asset, Mesh, Physical, Primitive, Scene
from cousins.variation.distractors import KINDS, with_distractors
from cousins.variation.substance import volume
from cousins.variation.union import unseen


def cousin_scene(scene: Scene, family: Family, k: int) -> tuple[Scene, list[Physical]]:
    """Row k of a family of `scene`, for `cousins.scene.build`: its objects and their properties.

    The scene holds each object in the shape and the pose that this cousin starts with, and its
    distractors; it is seen by the twin's cameras, in the twin's light. Raises UsageError for a k
    that the family does not hold, and PackError for a family without a bank.
    """
    if not 0 <= k < len(family):
        raise UsageError(f"no cousin {k}: the family holds 0 to {len(family) - 1}")
    if family.bank is None:
        raise PackError("a family without a bank of shapes, of an older version: augment anew")
    model = compile_model(family.xml, unseen(family.xml, family.files))
    whole = with_distractors(scene, family, model)
    row = {name: value[0] for name, value in family.fields([k]).items()}
    shape = family.arrays["shape"][k]
    pairs = [
        _object(model, asset, family, row, np.flatnonzero(family.bank.owner == i)[used])
        for i, asset in enumerate(whole.assets)
        for used in [family.bank.used[shape[i], family.bank.owner == i]]
    ]
    return replace(scene, assets=tuple(a for a, _ in pairs)), [p for _, p in pairs]


def _object(
    model: mujoco.MjModel, asset: Asset, family: Family, row: Mapping[str, NDArray[Any]],
    slots: NDArray[np.int64],
) -> tuple[Asset, Physical]:  # fmt: skip
    bank = family.bank
    assert bank is not None
    body = model.body(asset.name).id
    start = int(model.jnt_qposadr[model.body_jntadr[body]])
    visual, *collision = bank.geom[slots].tolist()
    kind = KINDS.get(model.geom_type[collision[0]])
    primitive = None
    if kind is not None:
        fields = ("geom_size", "geom_pos", "geom_quat")
        size, position, quaternion = (tuple(row[f][collision[0]].tolist()) for f in fields)
        primitive = Primitive(kind, size, position, quaternion)
    parts = () if primitive else tuple(_mesh(model, family, row, g) for g in collision)
    shape = _mesh(model, family, row, visual)
    axes = matrix_from_quaternion(row["body_iquat"][body])
    solref, solimp = row["geom_solref"][collision[0]], row["geom_solimp"][collision[0]]
    r, g, b, alpha = (float(v) for v in row["geom_rgba"][visual])
    physical = Physical(
        mass=float(row["body_mass"][body]),
        friction=float(row["geom_friction"][collision[0], 0]),
        center_of_mass=row["body_ipos"][body],
        inertia=axes @ np.diag(row["body_inertia"][body]) @ axes.T,
        rgba=(r, g, b, alpha),
        principal=(row["body_inertia"][body], row["body_iquat"][body]),
        restitution=float(restitution(solref)),
        contact=np.append(solref, solimp[0]),
    )
    changed = replace(
        asset,
        position=row["qpos"][start : start + 3],
        quaternion=row["qpos"][start + 3 : start + 7],
        visual=replace(shape, texture=_texture(model, family, row, visual)),
        parts=parts,
        primitive=primitive,
        center_of_mass=physical.center_of_mass,
        inertia=physical.inertia,
    )
    return replace(changed, volume=volume(changed)), physical


def _mesh(
    model: mujoco.MjModel, family: Family, row: Mapping[str, NDArray[Any]], geom: int
) -> Mesh:
    name = f"{model.mesh(int(row['geom_dataid'][geom])).name}.obj"
    return parse_obj(family.files[name].decode(), name)


def _texture(
    model: mujoco.MjModel, family: Family, row: Mapping[str, NDArray[Any]], geom: int
) -> NDArray[np.uint8] | None:
    """The texture that it wears, as its file has it; None where it has one colour."""
    import cv2

    material = int(row.get("geom_matid", model.geom_matid)[geom])
    name = f"{model.material(material).name}.png" if material >= 0 else ""
    if name not in family.files:
        return None
    image = cv2.imdecode(np.frombuffer(family.files[name], np.uint8), cv2.IMREAD_COLOR)
    return None if image is None else np.ascontiguousarray(image[..., ::-1], np.uint8)
