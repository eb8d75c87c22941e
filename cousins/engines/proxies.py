"""The same cousins with one primitive for each object, for engines without per-world meshes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.bank import EXTRAS, Family
from cousins.errors import EngineError
from cousins.mesh import matrix_from_quaternion
from cousins.scene import ROLLING, compile_model
from cousins.types import Array
from cousins.variation.union import unseen

# Off a ball's surface, of its radius: a box around a ball is off by 0.73 at its corners.
ROUND = 0.1
PIECE = 512  # cousins at a time: a union model has many more geoms than its proxies
_KIND = mujoco.mjtGeom
# Fields that a primitive has of its own or MuJoCo derives, and those of what is only seen.
_OWN = ("geom_pos", "geom_quat", "geom_size", "geom_dataid", "geom_aabb", "geom_rbound",
        "geom_matid", "geom_type", "geom_contype", "geom_conaffinity", "mat_")  # fmt: skip


def proxies(family: Family) -> Family:
    """The family with one box or ball for each object, whose size varies from cousin to cousin.

    Masses, centres of mass, inertias, friction, bounce, colours and poses stay the cousins'. A
    box bounds the cousin's collision shape along the object's own axes, these tilted so that one
    is upright where the cousin starts: it is as high, and stands on its whole lower face. A ball
    stands for what is one, give or take a tenth of its radius, in every cousin. The room's planes
    and boxes stay; a table that is a mesh becomes the box around it, which reaches further where
    the table is no rectangle. Nothing that is only seen is left.

    A box is larger than what it stands for: nothing goes into it, it does not roll, and it
    overlaps with what stood in its thing or leaned on it: `cousins.engines.overlap` tells.

    Raises EngineError for a model that does not compile, or whose bodies do not each move freely.
    """
    try:
        model = compile_model(family.xml, unseen(family.xml, dict(family.files)))
        solid = (model.geom_contype | model.geom_conaffinity) != 0
        objects = _objects(model, solid)
        owner = model.geom_bodyid.tolist()
        kept = [g for g in np.flatnonzero(solid).tolist()
                if owner[g] not in objects or g == objects[owner[g]][0]]  # fmt: skip
        slots = [kept.index(solids[0]) for solids in objects.values()]
        pieces = []
        for start in range(0, len(family), PIECE):
            fields = family.fields(range(start, min(start + PIECE, len(family))))
            bounds = [_bounds(model, fields, b, solids) for b, solids in objects.items()]
            columns = (np.stack(column, 1) for column in zip(*bounds, strict=True))
            pieces.append((_others(model, fields, kept), *columns))
        arrays = {name: np.concatenate([each[0][name] for each in pieces]) for name in pieces[0][0]}
        position, turn, half, high, off = (
            np.concatenate(column) for column in list(zip(*pieces, strict=True))[1:]
        )
        ball = np.asarray((off <= ROUND).all(0))
        half = np.where(ball[:, None], high[..., None] * [1, 0, 0], half)
        xml, room = _room(family.xml, model, objects, solid, ball)
        for name, own in (("pos", position), ("quat", turn), ("size", half)):
            held = np.repeat(getattr(room, f"geom_{name}")[None], len(family), 0)
            held[:, slots] = own
            arrays[f"geom_{name}"] = held
        friction = arrays["geom_friction"] = arrays["geom_friction"].copy()
        rolling = np.maximum(friction[:, slots, 2], ROLLING * high)
        friction[:, slots, 2] = np.where(ball, rolling, friction[:, slots, 2])
    except (ValueError, KeyError, ET.ParseError) as error:
        reason = " ".join(str(error).split())
        raise EngineError(f"MuJoCo refuses the family: {reason}: augment anew") from None
    return Family(xml, {}, arrays, family.cousins)


def _objects(model: mujoco.MjModel, solid: NDArray[np.bool_]) -> dict[int, list[int]]:
    """The solid geoms of each body that moves. Raises EngineError for one that a box cannot be."""
    out = {}
    for b in range(1, model.nbody):
        joints, name = int(model.body_jntnum[b]), model.body(b).name
        if joints == 0 and model.body_weldid[b] == 0:
            continue  # a part of the room
        geoms = model.body_geomadr[b] + np.arange(model.body_geomnum[b])
        out[b] = geoms[solid[geoms]].tolist()
        if (
            not name or not out[b] or joints != 1 or model.body_parentid[b] != 0
            or model.jnt_type[model.body_jntadr[b]] != mujoco.mjtJoint.mjJNT_FREE
        ):  # fmt: skip
            raise EngineError(
                f"body {name or b} is no thing that moves freely and collides, so no primitive "
                "can stand for it: use engine cpu"
            )
    return out


def _others(
    model: mujoco.MjModel, fields: Mapping[str, NDArray[Any]], kept: list[int]
) -> dict[str, NDArray[Any]]:
    """All fields but those that a primitive has of its own."""
    n, out = len(fields["qpos"]), {}
    bodies = model.geom_bodyid[kept]
    seen = [int(model.body_geomadr[b]) if model.body_jntnum[b] else g
            for g, b in zip(kept, bodies, strict=True)]  # fmt: skip
    for name in sorted({*fields, "geom_friction", "geom_rgba"}):
        if name.startswith(_OWN) or name in EXTRAS:
            continue
        value = fields.get(name)
        if value is None:
            value = np.repeat(getattr(model, name)[None], n, 0)
        if name.startswith("geom_"):
            # An object is as its first convex part is, and looks as what is seen of it.
            value = value[:, seen if name == "geom_rgba" else kept]
        out[name] = value
    return out


def _bounds(
    model: mujoco.MjModel, fields: Mapping[str, NDArray[Any]], body: int, geoms: list[int]
) -> tuple[Array, ...]:
    """Of one object in n cousins, in its own frame: its box's centre (n, 3), quaternion (n, 4) and
    half sizes (n, 3), half its height (n,), and how far its surface is off a ball as high, as a
    share of the ball's radius (n,)."""
    at, n = int(model.jnt_qposadr[model.body_jntadr[body]]), len(fields["qpos"])
    up = matrix_from_quaternion(fields["qpos"][:, at + 3 : at + 7])[:, 2]
    axis, turn = _upright(up)
    axes = matrix_from_quaternion(turn)

    def own(name: str, g: int) -> NDArray[Any]:
        value = fields.get(name)
        return value[:, g] if value is not None else np.repeat(getattr(model, name)[g][None], n, 0)

    low, top = np.full((n, 3), np.inf), np.full((n, 3), -np.inf)
    # Whose, points (k, m, 3) of it, and how far beyond them its surface lies, m.
    surfaces: list[tuple[NDArray[np.intp], Array, Array]] = []
    for g in geoms:
        on = (own("geom_contype", g) | own("geom_conaffinity", g)) != 0
        centre = np.einsum("ni,nij->nj", own("geom_pos", g), axes)
        turned = matrix_from_quaternion(own("geom_quat", g))
        along = np.einsum("nki,nkj->nij", turned, axes)  # the box's axes in the geom's frame
        mesh = np.where(model.geom_type[g] == _KIND.mjGEOM_MESH, own("geom_dataid", g), -1)
        for k in np.unique(mesh[on]):
            who = np.flatnonzero(on & (mesh == k))
            if k >= 0:
                first = model.mesh_vertadr[k]
                vertices = model.mesh_vert[first : first + model.mesh_vertnum[k]].astype(float)
                there, reach = vertices @ along[who] + centre[who, None], np.zeros((len(who), 3))
                beyond = reach[:, 0]
            else:
                there, size = centre[who, None], own("geom_size", g)[who]
                reach = _reach(int(model.geom_type[g]), size, along[who])
                ball = model.geom_type[g] == _KIND.mjGEOM_SPHERE
                beyond = size[:, 0] if ball else np.full(len(who), np.inf)
            low[who] = np.minimum(low[who], there.min(1) - reach)
            top[who] = np.maximum(top[who], there.max(1) + reach)
            surfaces.append((who, there, beyond))
    if not np.isfinite(low).all():
        raise ValueError(f"{model.body(body).name} has a shape without a geom")
    middle, half = (low + top) / 2, (top - low) / 2
    high, off = np.take_along_axis(half, axis[:, None], 1)[:, 0], np.zeros(n)
    for who, there, beyond in surfaces:
        far = np.linalg.norm(there - middle[who, None], axis=-1) + beyond[:, None]
        off[who] = np.maximum(off[who], np.abs(far / high[who, None] - 1).max(1))
    return np.einsum("nj,nij->ni", middle, axes), turn, half, high, off


def _upright(up: Array) -> tuple[NDArray[np.intp], Array]:
    """Which axis (n,) lies nearest to the directions `up` (n, 3), and the least turn (n, 4) that
    brings it there."""
    axis = np.abs(up).argmax(-1)
    nearest = np.take_along_axis(np.sign(up), axis[:, None], 1) * np.eye(3)[axis]
    turn = np.column_stack([1 + (nearest * up).sum(-1), np.cross(nearest, up)])
    return axis, turn / np.linalg.norm(turn, axis=-1, keepdims=True)


def _reach(kind: int, size: Array, along: Array) -> Array:
    """(n, 3) how far a primitive reaches from its centre along the columns of `along` (n, 3, 3)."""
    x, y, z = (np.abs(along[:, i]) for i in range(3))
    a, b, c = (size[:, i, None] for i in range(3))
    if kind == _KIND.mjGEOM_SPHERE:
        return np.broadcast_to(a, x.shape)
    if kind == _KIND.mjGEOM_CAPSULE:
        return z * b + a
    if kind == _KIND.mjGEOM_CYLINDER:
        return z * b + a * np.hypot(x, y)
    if kind == _KIND.mjGEOM_ELLIPSOID:
        return np.sqrt((a * x) ** 2 + (b * y) ** 2 + (c * z) ** 2)
    return a * x + b * y + c * z


def _room(
    xml: str,
    model: mujoco.MjModel,
    objects: Mapping[int, list[int]],
    solid: NDArray[np.bool_],
    ball: NDArray[np.bool_],
) -> tuple[str, mujoco.MjModel]:
    """The XML with a primitive for each object, of the room's solid geoms those that are no mesh
    and boxes around the others, and no mesh; and its model."""
    root = ET.fromstring(xml)
    for assets in root.findall("asset"):
        root.remove(assets)
    world = root.find("worldbody")
    assert world is not None
    round_ = dict(zip(objects, ball.tolist(), strict=True))
    for b, body in enumerate([world, *world.iter("body")]):
        for g, geom in enumerate(body.findall("geom"), start=int(model.body_geomadr[b])):
            own = objects.get(b)
            if not solid[g] or (own and g != own[0]):
                body.remove(geom)
                continue
            for name in ("mesh", "material"):
                geom.attrib.pop(name, None)
            # Seen like an object, or like the room: there is nothing else left to be seen.
            geom.set("group", "2" if own else "1")
            if own:
                geom.set("name", f"{body.get('name')}_c0")
                geom.set("type", "sphere" if round_[b] else "box")
                geom.set("condim", "6" if round_[b] else "4")
                geom.set("size", _text(np.full(3, 0.01)))  # each cousin has its own
            elif model.geom_type[g] == _KIND.mjGEOM_MESH:
                into = matrix_from_quaternion(model.geom_quat[g])
                geom.set("type", "box")
                geom.set("pos", _text(model.geom_pos[g] + into @ model.geom_aabb[g, :3]))
                geom.set("quat", _text(model.geom_quat[g]))
                geom.set("size", _text(model.geom_aabb[g, 3:]))
    text = ET.tostring(root, encoding="unicode") + "\n"
    return text, compile_model(text, {})


def _text(values: Array) -> str:
    return " ".join(repr(float(v)) for v in values)
