"""One cousin as a scene of its own, to be written as plain MJCF."""

from __future__ import annotations

from dataclasses import replace

import mujoco
import numpy as np

from cousins.bank import Family
from cousins.contact import restitution
from cousins.errors import UsageError
from cousins.mesh import matrix_from_quaternion, parse_obj
from cousins.scene import compile_model
from cousins.types import Asset, Mesh, Physical, Primitive, Scene
from cousins.variation.physical import volume
from cousins.variation.shapes import Deformation, variant
from cousins.variation.union import FIELDS


def cousin_scene(scene: Scene, family: Family, k: int) -> tuple[Scene, list[Physical]]:
    """Row k of a family of `scene`, for `cousins.scene.build`: its objects and their properties.

    The scene holds each object in the shape and the pose that this cousin starts with. Raises
    UsageError for a k that the family does not hold.
    """
    if not 0 <= k < len(family):
        raise UsageError(f"no cousin {k}: the family holds 0 to {len(family) - 1}")
    model = compile_model(family.xml, dict(family.files))
    pairs = [_object(model, asset, family, k) for asset in scene.assets]
    return replace(scene, assets=tuple(a for a, _ in pairs)), [p for _, p in pairs]


def _object(model: mujoco.MjModel, asset: Asset, family: Family, k: int) -> tuple[Asset, Physical]:
    row = {name: getattr(model, name) for name in FIELDS}
    row |= {name: value[k] for name, value in family.arrays.items()}
    body = model.body(asset.name).id
    start = int(model.jnt_qposadr[model.body_jntadr[body]])
    visual, *collision = model.body_geomadr[body] + np.arange(model.body_geomnum[body])
    meshes = [model.mesh(int(i)).name for i in row["geom_dataid"][[visual, *collision]] if i >= 0]
    shape, *parts = (_mesh(family, name) for name in meshes)
    primitive = asset.primitive
    if primitive is not None:
        geom = collision[0]
        changed = Primitive(
            primitive.kind,
            _triple(row["geom_size"][geom]),
            _triple(row["geom_pos"][geom]),
            primitive.quaternion,
        )
        parts = variant(asset, asset.name, Deformation(_ratio(primitive, changed))).parts
        primitive = changed
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
    changed_asset = replace(
        asset,
        position=row["qpos"][start : start + 3],
        quaternion=row["qpos"][start + 3 : start + 7],
        visual=replace(shape, texture=asset.visual.texture),
        parts=tuple(parts),
        primitive=primitive,
        center_of_mass=physical.center_of_mass,
        inertia=physical.inertia,
    )
    return replace(changed_asset, volume=volume(changed_asset)), physical


def _mesh(family: Family, name: str) -> Mesh:
    return parse_obj(family.files[f"{name}.obj"].decode(), f"{name}.obj")


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    a, b, c = (float(v) for v in values)
    return a, b, c


def _ratio(before: Primitive, after: Primitive) -> tuple[float, float, float]:
    if before.kind == "sphere":
        radius = after.size[0] / before.size[0]
        return radius, radius, radius
    if before.kind == "cylinder":
        radius = after.size[0] / before.size[0]
        return radius, radius, after.size[1] / before.size[1]
    a, b, c = (x / y for x, y in zip(after.size, before.size, strict=True))
    return a, b, c
