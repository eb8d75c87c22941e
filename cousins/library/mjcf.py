"""MJCF as a file of a library: every free-standing body in it is one object."""

from __future__ import annotations

from pathlib import PurePosixPath
from xml.etree import ElementTree

import mujoco
import numpy as np

from cousins import raycast
from cousins.errors import UsageError
from cousins.library.read import MAX_FACES, Piece, Raw, plain
from cousins.library.within import Refused, Within
from cousins.mesh import quaternion_from_matrix
from cousins.shape.convex import convex_hull
from cousins.types import Array, Mesh, Primitive

MAX_FILES = 2_000  # that one model names
_DIRECTORIES = ("assetdir", "meshdir", "texturedir")
_KINDS = {
    int(mujoco.mjtGeom.mjGEOM_BOX): "box",
    int(mujoco.mjtGeom.mjGEOM_CYLINDER): "cylinder",
    int(mujoco.mjtGeom.mjGEOM_SPHERE): "sphere",
}


def bodies(within: Within, name: str) -> list[Raw]:
    """The bodies of the world with all that is welded to each. Raises Refused for a model that
    names files outside the root, that has moving parts, or that does not compile."""
    _check(within, name)
    try:
        model = mujoco.MjModel.from_xml_path(str(within.root / name))
    except ValueError as error:
        raise Refused(
            f"is no model that MuJoCo reads ({' '.join(str(error).split())[:160]})"
        ) from None
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    out = []
    for root in range(1, model.nbody):
        if model.body_parentid[root] != 0:
            continue
        geoms = np.flatnonzero(model.body_rootid[model.geom_bodyid] == root)
        if not len(geoms):
            continue
        joints = model.jnt_type[model.body_rootid[model.jnt_bodyid] == root]
        if (joints != int(mujoco.mjtJoint.mjJNT_FREE)).any():
            raise Refused(f"its body {model.body(root).name!r} has moving parts")
        out.append(_body(model, data, root, geoms.tolist()))
    if not out:
        raise Refused("has no body with a shape")
    return out


def _check(within: Within, name: str) -> None:
    """Every file that the model names lies below the root. Raises Refused."""
    texts, bases, folders, names = [name], {_folder(name)}, {""}, []
    for text in texts:
        if len(texts) > MAX_FILES:
            raise Refused(f"includes more than {MAX_FILES:,} files")
        data = within.read("", text)
        if b"<!" in data.replace(b"<!--", b""):
            raise Refused("declares XML entities")
        try:
            root = ElementTree.fromstring(data)
        except (ElementTree.ParseError, ValueError) as error:
            raise Refused(f"is no XML ({error})") from None
        if text == name and root.tag != "mujoco":
            raise Refused("is no MJCF")
        for element in root.iter():
            if element.tag in ("plugin", "extension"):
                raise Refused("asks for plugins")
            if element.tag == "compiler":
                folders |= {element.get(key, "") for key in _DIRECTORIES}
            stated = [value for key, value in element.attrib.items() if key.startswith("file")]
            if element.tag == "include" and stated:
                found = _find(within, bases, {""}, stated[0])
                if found not in texts:
                    texts.append(found)
                    bases.add(_folder(found))
            else:
                names += stated
    if len(names) > MAX_FILES:
        raise Refused(f"names more than {MAX_FILES:,} files")
    for stated in names:
        _find(within, bases, folders, stated)


def _find(within: Within, bases: set[str], folders: set[str], name: str) -> str:
    """The first of the places where MuJoCo looks for a file; all that are there must be sound."""
    found = []
    for base in sorted(bases):
        for folder in sorted(folders):
            try:
                found.append(within.resolved(base, f"{folder}/{name}" if folder else name))
            except KeyError:
                continue
    if not found:
        raise Refused(f"names the file {name!r}, which is not there")
    return found[0]


def _folder(name: str) -> str:
    parent = str(PurePosixPath(name).parent)
    return "" if parent == "." else parent


def _body(model: mujoco.MjModel, data: mujoco.MjData, root: int, geoms: list[int]) -> Raw:
    """A body in its own frame, as MJCF states it, with z up."""
    collides = [g for g in geoms if model.geom_contype[g] or model.geom_conaffinity[g]]
    looks = [g for g in geoms if model.geom_group[g] in raycast.VISIBLE]
    # Where some geoms do nothing but look, the others are what collides in their place.
    looks = [g for g in looks if g not in collides] or looks or geoms
    world = np.array(data.xpos[root]), data.xmat[root].reshape(3, 3)
    try:
        stage = raycast.stage(model, data, geoms=looks)
        parts = [_part(model, data, g, world) for g in collides]
    except UsageError as error:
        raise Refused(str(error)) from None
    if len(stage.triangles) > MAX_FACES:
        raise Refused(f"has {len(stage.triangles):,} faces, above {MAX_FACES:,}")
    triangles = (stage.triangles - world[0]) @ world[1]
    pieces = []
    for g in looks:
        mine = stage.geom == g
        bare = plain(triangles[mine], stage.colours[g])
        if g in stage.textures:
            uv = stage.uv[mine] * [1, -1] + [0, 1]
            texture = np.ascontiguousarray(stage.textures[g][..., :3])
            pieces.append(Piece(bare.triangles, bare.colours, uv.astype(float), texture))
        else:
            pieces.append(bare)
    primitive = _primitive(model, data, collides[0], world) if len(collides) == 1 else None
    return Raw(model.body(root).name, tuple(pieces), tuple(parts) or None, primitive)


def _part(
    model: mujoco.MjModel, data: mujoco.MjData, geom: int, world: tuple[Array, Array]
) -> Mesh:
    corners = raycast.triangles(model, data, geom)[0].reshape(-1, 3)
    return convex_hull((corners - world[0]) @ world[1])


def _primitive(
    model: mujoco.MjModel, data: mujoco.MjData, geom: int, world: tuple[Array, Array]
) -> Primitive | None:
    kind = _KINDS.get(int(model.geom_type[geom]))
    if kind is None:
        return None
    position = (data.geom_xpos[geom] - world[0]) @ world[1]
    rotation = world[1].T @ data.geom_xmat[geom].reshape(3, 3)
    a, b, c = (float(v) for v in model.geom_size[geom])
    x, y, z = (float(v) for v in position)
    w, i, j, k = (float(v) for v in quaternion_from_matrix(rotation))
    return Primitive(kind, (a, b, c), (x, y, z), (w, i, j, k))  # pyright: ignore[reportArgumentType]
