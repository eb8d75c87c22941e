"""The contract of a scene pack, checked: every problem found is one line of plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

import mujoco
import numpy as np

from cousins.bank import Family, meshless
from cousins.contact import LIMIT, restitution
from cousins.distributions import STAND_IN
from cousins.errors import PackError
from cousins.mesh import solid_moments
from cousins.pack_mjcf import compile_safe
from cousins.pack_reader import (
    Pack,
    load_family,
    load_model,
    load_scene,
    numbered,
    read,
)
from cousins.polygons import signed_area
from cousins.schema import ObjectEntry
from cousins.types import Array, Asset, Mesh

UNIT = 1e-4  # how far from one a quaternion's length may be
LENGTH = 1e-3  # m by which a stated size may differ from its mesh's
_PIECE = 500  # cousins whose fields are looked at together, to bound memory
SHARE = 0.02  # share by which a stated volume or mass may differ from what it stands for


def check(path: Path) -> list[str]:
    """What breaks the contract, one line each; empty for a sound pack.

    Opens every file, compiles the twin and every family, and raises nothing for a bad pack.
    """
    try:
        pack = read(path)
    except PackError as error:
        return [str(error)]
    problems = [f"objects.json: {line}" for entry in pack.objects for line in _object(entry)]
    problems += list(_names(pack))
    problems += list(_world(pack))
    try:
        for entry, asset in zip(pack.objects, load_scene(pack).assets, strict=True):
            problems += [f"objects.json: {line}" for line in _asset(entry, asset)]
    except PackError as error:
        problems.append(str(error))
    try:
        problems += [f"model.xml: {line}" for line in _twin(pack, load_model(pack))]
    except PackError as error:
        problems.append(str(error))
    problems += list(_numbers(pack))
    for k in pack.families:
        try:
            family = load_family(pack, k)
            model = compile_safe(f"{pack.path}: families/{k}/model.xml", family.xml, family.files)
            problems += [f"families/{k}: {line}" for line in _family(pack, model, family)]
        except PackError as error:
            problems.append(str(error))
    return problems


def _object(entry: ObjectEntry) -> Iterator[str]:
    name = entry.name
    quaternions = {"quaternion": entry.quaternion}
    if entry.collision_primitive:
        quaternions["collision_primitive"] = entry.collision_primitive.quaternion
        if entry.collision_primitive.size[0] <= 0 or min(entry.collision_primitive.size) < 0:
            yield f"{name}: collision_primitive has no size"
    for field, quaternion in quaternions.items():
        if abs(float(np.linalg.norm(quaternion)) - 1) > UNIT:
            yield f"{name}: {field} is not of unit length"
    if min(entry.size) <= 0:
        yield f"{name}: size is not positive"
    if entry.watertight and entry.volume <= 0:
        yield f"{name}: volume is not positive"
    if not entry.collision_meshes and entry.collision_primitive is None:
        yield f"{name}: has nothing to collide with"
    for field in ("mass", "friction", "shell_fraction", "restitution"):
        yield from _property(name, field, entry)
    if entry.material is not None:
        try:
            if entry.material.value().mode != entry.material.mode:
                yield f"{name}: material: its mode does not follow from its parameters"
        except ValueError as error:
            yield f"{name}: material: {error}"
    yield from (f"{name}: {line}" for line in inertia_problems(np.array(entry.inertia)))


def _property(name: str, field: str, entry: ObjectEntry) -> Iterator[str]:
    stated = getattr(entry, field)
    if stated is None:  # a mass that is withheld, a restitution that is not told
        return
    try:
        known = stated.value()
    except ValueError as error:
        yield f"{name}: {field}: {error}"
        return
    if not stated.q05 <= stated.q50 <= stated.q95:
        yield f"{name}: {field}: its quantiles are out of order"
    numbers = {"mode": known.mode, "q05": known.quantile(0.05), "q95": known.quantile(0.95)}
    for key, value in numbers.items():
        if not np.isclose(getattr(stated, key), value, rtol=1e-6):
            yield f"{name}: {field}: {key} does not follow from its parameters"
    shares = ("shell_fraction", "restitution")
    if not np.isfinite(stated.mode) or stated.mode <= 0 < (field not in shares):
        yield f"{name}: {field} is not positive"
    if field == "restitution" and not 0 <= stated.q05 <= stated.q95 <= 1:
        yield f"{name}: restitution is not between 0 and 1"
    if not stated.source.strip():
        yield f"{name}: {field} names no source"


def inertia_problems(inertia: Array) -> list[str]:
    """Why a (3, 3) inertia belongs to no body; empty where it can."""
    if not np.allclose(inertia, inertia.T, rtol=1e-6, atol=1e-15):
        return ["inertia is not symmetric"]
    a, b, c = np.linalg.eigvalsh(inertia)
    if a <= 0:
        return ["inertia is not positive definite"]
    if a + b < c * (1 - 1e-6):
        return ["inertia breaks the triangle inequality"]
    return []


def _names(pack: Pack) -> Iterator[str]:
    objects = [o.name for o in pack.objects]
    surfaces = [s.name for s in pack.supports]
    # Compared without case, since some disks do so.
    counts = Counter(n.lower() for n in (*objects, *surfaces))
    yield from (f"the name {n} is used {c} times" for n, c in counts.items() if c > 1)
    supports = {o.name: o.support for o in pack.objects}
    for name in objects:
        below, seen = supports[name], {name}
        while below in supports and below not in seen:
            seen.add(below)
            below = supports[below]
        if below in seen:
            yield f"objects.json: {name}: stands on itself"
        elif below not in surfaces:
            yield f"objects.json: {name}: stands on {below}, which the pack does not hold"


def _world(pack: Pack) -> Iterator[str]:
    for support in pack.supports:
        p = np.array(support.polygon).reshape(-1, 2)
        if len(p) < 3 or signed_area(p) <= 0:
            yield f"supports.json: {support.name}: polygon is not counter-clockwise with an area"
    pose = np.array(pack.manifest.world_from_capture)
    if not np.array_equal(pose[3], [0, 0, 0, 1]) or np.linalg.det(pose[:3, :3]) <= 0:
        yield "manifest.json: world_from_capture is no right-handed 4x4 transform"


def watertight(mesh: Mesh) -> bool:
    """Whether every edge has exactly two triangles, which run along it in opposite directions."""
    f = mesh.faces.astype(np.int64)
    edges = np.concatenate([f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]]])
    n = len(mesh.vertices)
    ahead, back = edges[:, 0] * n + edges[:, 1], edges[:, 1] * n + edges[:, 0]
    return len(np.unique(ahead)) == len(ahead) and np.array_equal(np.sort(ahead), np.sort(back))


def _asset(entry: ObjectEntry, asset: Asset) -> Iterator[str]:
    if np.abs(asset.size - entry.size).max() > LENGTH:
        yield f"{entry.name}: size differs from that of assets/{entry.visual_mesh}"
    if not entry.watertight:
        return
    if not watertight(asset.visual):
        yield f"{entry.name}: assets/{entry.visual_mesh} is not watertight, as is said"
    elif abs(solid_moments(asset.visual)[0] - entry.volume) > SHARE * abs(entry.volume):
        yield f"{entry.name}: volume differs from that of assets/{entry.visual_mesh}"


def _twin(pack: Pack, model: mujoco.MjModel) -> Iterator[str]:
    yield from _bodies(pack, model)
    for entry in pack.objects:
        body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, entry.name)
        mass = (entry.mass or STAND_IN).mode
        if body >= 0 and abs(model.body_mass[body] - mass) > SHARE * mass:
            yield f"the mass of {entry.name} is not the mode in objects.json"
        if body >= 0 and entry.restitution:
            geoms = (model.geom_bodyid == body) & (model.geom_contype != 0)
            bounce = restitution(model.geom_solref[geoms])
            if (np.abs(bounce - min(entry.restitution.mode, LIMIT)) > SHARE).any():
                yield f"the bounce of {entry.name} is not the mode of restitution in objects.json"


def _bodies(
    pack: Pack, model: mujoco.MjModel, distractors: Set[str] = frozenset()
) -> Iterator[str]:
    objects = {o.name for o in pack.objects}
    free = {
        model.body(model.jnt_bodyid[j]).name
        for j in range(model.njnt)
        if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_FREE
    }
    yield from (f"no free body for the object {n}" for n in sorted(objects - free))
    yield from (f"the free body {n} is no object" for n in sorted(free - objects - distractors))


def _numbers(pack: Pack) -> Iterator[str]:
    """A cousin's number is its index, whatever family it is in."""
    try:
        counts = Counter(number for number, *_ in numbered(pack))
    except PackError:
        return  # told where the family is loaded
    twice = sorted(number for number, times in counts.items() if times > 1)
    if twice:
        yield f"families: {len(twice)} cousins have the number of another, the first {twice[0]}"


def _family(pack: Pack, model: mujoco.MjModel, family: Family) -> Iterator[str]:
    bank = family.bank
    extra = () if bank is None else bank.body[len(pack.objects) :]
    yield from _bodies(pack, model, {model.body(int(body)).name for body in extra})
    if not len(family):
        yield "cousins.jsonl is empty"
        return
    failed = [c.index for c in family.cousins if not c.certificate.passed]
    if failed:
        yield f"{len(failed)} cousins whose certificate failed, the first {failed[0]}"
    if "qpos" not in family.arrays:
        yield "cousins.npz has no qpos"
        return
    if family.bank is not None:
        wrong = family.bank.misfit(model)
        if wrong:
            yield f"bank.npz: {wrong}"
            return
    shapes = {"qpos": (model.nq,)}
    for start in range(0, len(family), _PIECE):
        rows = range(start, min(start + _PIECE, len(family)))
        yield from _fields(model, family.fields(rows), shapes)


def _fields(
    model: mujoco.MjModel, fields: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]
) -> Iterator[str]:
    for name, array in fields.items():
        shape = shapes.get(name) or getattr(getattr(model, name, None), "shape", None)
        if array.shape[1:] != shape:
            yield f"{name} has shape {array.shape[1:]} a cousin, the model {shape}"
            continue
        yield from _values(model, name, array)
        if name in ("geom_dataid", "geom_type") and meshless(model, fields):
            yield f"{name} gives a geom a mesh that the model does not hold"


def _values(model: mujoco.MjModel, name: str, array: Array) -> Iterator[str]:
    if name == "body_mass" and (array[:, 1:] <= 0).any():
        yield "body_mass is not positive"
    if name == "body_inertia":
        moments = np.sort(array[:, 1:], axis=-1)
        broken = moments[..., 0] + moments[..., 1] < moments[..., 2] * (1 - 1e-4)
        if (moments <= 0).any() or broken.any():
            yield "body_inertia holds moments that no body has"
    if name == "geom_friction" and (array < 0).any():
        yield "geom_friction is negative"
    if name == "geom_solref" and ((array[..., 0] > 0) != (array[..., 1] > 0)).any():
        yield "geom_solref holds pairs of which one is positive and one is not"
    quaternions = [array] if name in ("geom_quat", "body_quat", "body_iquat") else []
    if name == "qpos":
        starts = model.jnt_qposadr[model.jnt_type == mujoco.mjtJoint.mjJNT_FREE]
        quaternions = [array[:, start + 3 : start + 7] for start in starts]
    for each in quaternions:
        if (np.abs(np.linalg.norm(each, axis=-1) - 1) > UNIT).any():
            yield f"{name} holds quaternions that are not of unit length"
            return
