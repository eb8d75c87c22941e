"""Reading a scene pack, from a folder or a zip, without trusting it.

Every file is bounded before it is read, and every name must stay inside the pack.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree as ET

import mujoco
import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from cousins.archive import Tree, open_tree
from cousins.bank import DRAWN, EXTRAS, NEEDED, Bank, Family
from cousins.errors import PackError, UsageError
from cousins.mesh import parse_obj
from cousins.pack_mjcf import MAX_ASSET, check_png, compile_safe, model_files
from cousins.schema import (
    SCHEMA_VERSION,
    CousinEntry,
    Feasibility,
    Manifest,
    ObjectEntry,
    Quality,
    SupportEntry,
    Surroundings,
    asset_of,
    camera_of,
    support_of,
    wall_of,
)
from cousins.types import Cousin, Mesh, Scene

REQUIRED = ("model.xml", "manifest.json", "objects.json", "supports.json", "quality.json")
FEASIBLE = "feasible.json"
FILES = (*REQUIRED, "surroundings.json", FEASIBLE)
FOLDERS = ("assets", "families")
FAMILY_FILES = ("model.xml", "cousins.npz", "cousins.jsonl")
MAX_JSON = 64 << 20
MAX_ARRAYS = 2 << 30
_FIELDS = re.compile(r"(geom|body|dof|jnt|mat|light|cam|site)_[a-z0-9]+")
_TYPES = [int(mujoco.mjtGeom.mjGEOM_PLANE), *range(2, int(mujoco.mjtGeom.mjGEOM_MESH) + 1)]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Pack:
    """A pack that was read: its JSON files as models; meshes and arrays stay on disk.

    families: the numbers k of the folders families/<k>/. feasible: what an expert could do, by task
    and robot.
    """

    path: Path
    manifest: Manifest
    objects: tuple[ObjectEntry, ...]
    supports: tuple[SupportEntry, ...]
    quality: Quality
    surroundings: Surroundings
    families: tuple[int, ...]
    tree: Tree = field(repr=False)
    feasible: tuple[Feasibility, ...] = ()


def open_pack(path: Path) -> Tree:
    """The pack's files, none read yet. Raises PackError where one that a pack needs is missing."""
    tree = open_tree(Path(path), FILES, FOLDERS)
    for name in REQUIRED:
        if name not in tree:
            raise PackError(f"{path}: {name} is missing: not a scene pack, or a damaged one")
    return tree


def read(path: Path) -> Pack:
    """A pack's manifest, objects, supports and quality; meshes and arrays are left on disk.

    Raises PackError, in one line, for what breaks the contract: an unknown schema_version, a
    missing file, a path that leaves the pack, an oversize member, JSON of the wrong form.
    """
    tree = open_pack(path)
    check_version(tree)
    manifest = parse(tree, "manifest.json", Manifest)
    objects = parse(tree, "objects.json", tuple[ObjectEntry, ...])
    supports = parse(tree, "supports.json", tuple[SupportEntry, ...])
    quality = parse(tree, "quality.json", Quality)
    surroundings = (
        parse(tree, "surroundings.json", Surroundings)
        if "surroundings.json" in tree
        else Surroundings()
    )
    for entry in objects:
        if (entry.mass is None) == manifest.metric:
            told = "no mass, though a scale" if manifest.metric else "a mass but no scale"
            raise PackError(f"{path}: objects.json: {entry.name} has {told}: scan it anew")
    for name in asset_names(objects, surroundings):
        if f"assets/{name}" not in tree:
            raise PackError(f"{path}: assets/{name} is missing: copy the pack anew")
    families = family_numbers(tree)
    for k in families:
        for name in FAMILY_FILES:
            if f"families/{k}/{name}" not in tree:
                raise PackError(f"{path}: families/{k}/{name} is missing: augment the pack anew")
    feasible = parse(tree, FEASIBLE, tuple[Feasibility, ...]) if FEASIBLE in tree else ()
    return Pack(
        tree.path, manifest, objects, supports, quality, surroundings, families, tree, feasible
    )


def check_version(tree: Tree) -> None:
    """Raises PackError for a manifest of a version that this reader does not know."""
    raw = parse(tree, "manifest.json", dict[str, Any])
    version = raw.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise PackError(
            f"{tree.path}: manifest.json: schema_version is {version!r}, this cousins reads"
            f" {SCHEMA_VERSION}: install the cousins that wrote it"
        )


def parse(tree: Tree, name: str, form: type[_T] | Any) -> _T:
    """One JSON file as a model. Raises PackError that names the file and the field."""
    try:
        return TypeAdapter(form).validate_json(tree.read(name, MAX_JSON))
    except ValidationError as error:
        raise PackError(f"{tree.path}: {name}: {one_line(error)}") from None


def one_line(error: ValidationError) -> str:
    """The first of the model's complaints: where, and what."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    more = error.error_count() - 1
    rest = f" (and {more} more)" if more else ""
    return f"{where + ': ' if where else ''}{first['msg']}{rest}".replace("\n", " ")


def asset_names(objects: tuple[ObjectEntry, ...], surroundings: Surroundings) -> list[str]:
    """The files under assets/ that the JSON files name."""
    entries = [*objects, *([surroundings.background] if surroundings.background else [])]
    names = [n for e in entries for n in (e.visual_mesh, e.texture) if n is not None]
    return names + [n for o in objects for n in o.collision_meshes]


def family_numbers(tree: Tree) -> tuple[int, ...]:
    """k of each families/<k>/. Raises PackError for a folder that is no number."""
    found = {name.split("/")[1] for name in tree.sizes if name.startswith("families/")}
    for name in found:
        if not re.fullmatch(r"0|[1-9][0-9]{0,5}", name):
            raise PackError(f"{tree.path}: families/{name}: a family's folder is a number")
    return tuple(sorted(int(name) for name in found))


def load_scene(pack: Pack) -> Scene:
    """The twin as the scan left it: meshes, textures, distributions, supports, walls, cameras.

    Raises PackError for a mesh, a texture or a distribution that cannot be used.
    """
    assets = []
    for entry in pack.objects:
        parts = tuple(_mesh(pack.tree, name, None) for name in entry.collision_meshes)
        try:
            assets.append(
                asset_of(entry, _mesh(pack.tree, entry.visual_mesh, entry.texture), parts)
            )
        except ValueError as error:
            raise PackError(f"{pack.path}: objects.json: {entry.name}: {error}") from None
    background = pack.surroundings.background
    return Scene(
        assets=tuple(assets),
        supports=tuple(support_of(entry) for entry in pack.supports),
        walls=tuple(wall_of(entry) for entry in pack.surroundings.walls),
        background=background and _mesh(pack.tree, background.visual_mesh, background.texture),
        cameras=tuple(camera_of(entry) for entry in pack.surroundings.cameras),
        metric=pack.manifest.metric,
    )


def _mesh(tree: Tree, name: str, texture: str | None) -> Mesh:
    text = tree.read(f"assets/{name}", MAX_ASSET).decode("utf-8", "replace")
    mesh = parse_obj(text, f"{tree.path}: assets/{name}")
    if not np.isfinite(mesh.vertices).all():
        raise PackError(f"{tree.path}: assets/{name}: vertices that are not finite: copy it anew")
    if texture is None or mesh.uv is None:
        return Mesh(mesh.vertices, mesh.faces)
    return Mesh(mesh.vertices, mesh.faces, mesh.uv, _image(tree, f"assets/{texture}"))


def _image(tree: Tree, name: str) -> NDArray[np.uint8]:
    import cv2

    data = tree.read(name, MAX_ASSET)
    check_png(tree, name, data)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise PackError(f"{tree.path}: {name}: a damaged PNG: copy the pack anew")
    return np.ascontiguousarray(image[..., ::-1], dtype=np.uint8)


def load_model(pack: Pack) -> mujoco.MjModel:
    """The twin, compiled. Raises PackError for MJCF that is refused or does not compile."""
    text, files = model_files(pack.tree, "model.xml")
    return compile_safe(f"{pack.path}: model.xml", text, files)


def numbered(pack: Pack) -> list[tuple[int, int, int, Cousin]]:
    """Every cousin of the pack: its number, its family, its row in that, and its entry.

    A number is the cousin's index. One that never passed its certificate keeps its number, so that
    numbers are stable.
    """
    found = [(c.index, k, row, c) for k in pack.families
             for row, c in enumerate(load_index(pack, k))]  # fmt: skip
    return sorted(found, key=lambda entry: entry[:3])


def locate(pack: Pack, number: int) -> tuple[int, int]:
    """The family, and the row in it, of the cousin of that number; see `numbered`.

    Raises UsageError for a number that the pack does not hold.
    """
    numbers: list[int] = []
    for k in pack.families:
        for row, entry in enumerate(entries(pack, k)):
            if entry.index == number:
                return k, row
            numbers.append(entry.index)
    if not numbers:
        raise UsageError(f"{pack.path}: holds no cousins yet: `cousins augment` adds them")
    span = f"{min(numbers)} to {max(numbers)}"
    raise UsageError(f"{pack.path}: no cousin {number}: they go from {span}")


def load_family(pack: Pack, k: int) -> Family:
    """Family k: its union model, files, arrays and index.

    Every array is one that `cousins.bank.rows` knows or is named as an MjModel field, has one row a
    cousin, holds finite numbers, and points at nothing that bank and model lack. Raises PackError.
    """
    cousins = load_index(pack, k)
    folder = f"families/{k}"
    text, files = model_files(pack.tree, f"{folder}/model.xml")
    arrays = _arrays(pack.tree, f"{folder}/cousins.npz")
    root = ET.fromstring(text)
    limits = {
        "geom_dataid": (-1, len(root.findall("asset/mesh")) - 1),
        "geom_matid": (-1, len(root.findall("asset/material")) - 1),
        "geom_contype": (0, 2**31 - 1),
        "geom_conaffinity": (0, 2**31 - 1),
        "geom_condim": (1, 6),
        "geom_priority": (-(2**31), 2**31 - 1),
        "geom_group": (0, 5),
    }
    bank = None
    if f"{folder}/bank.npz" in pack.tree:
        bank = _bank(pack.tree, f"{folder}/bank.npz", limits)
        limits |= {"texture": (0, len(bank.material) - 1)}
    where = f"{pack.path}: {folder}/cousins.npz"
    for name, array in arrays.items():
        _check_array(where, name, array, len(cousins), limits, bank)
    if bank is not None:
        _check_rows(where, arrays, bank)
    for compiler in root.iter("compiler"):
        compiler.set("meshdir", "assets")
        compiler.set("texturedir", "assets")
    return Family(ET.tostring(root, encoding="unicode") + "\n", files, arrays, cousins, bank)


def _bank(tree: Tree, name: str, limits: Mapping[str, tuple[int, int]]) -> Bank:
    """A family's bank, of which all parts fit together and point at what its model has."""
    where = f"{tree.path}: {name}"
    arrays = _arrays(tree, name)
    try:
        bank = Bank.of(arrays)
    except KeyError as error:
        raise PackError(f"{where}: holds no {error}: augment anew") from None
    wrong = bank.problems(limits["geom_dataid"][1], limits["geom_matid"][1])
    if wrong:
        raise PackError(f"{where}: {wrong}: augment anew")
    return bank


def _check_rows(where: str, arrays: Mapping[str, NDArray[Any]], bank: Bank) -> None:
    """Raises PackError where a bank cannot make a model's fields of these arrays."""
    missing = [name for name in NEEDED if name not in arrays]
    if missing:
        raise PackError(f"{where}: has no {missing[0]}: augment anew")
    qpos = arrays["qpos"]
    if qpos.ndim != 2 or (len(bank.address) and bank.address.max() + 7 > qpos.shape[1]):
        raise PackError(f"{where}: qpos has shape {qpos.shape[1:]}, too few for its bank's objects")


def load_index(pack: Pack, k: int) -> tuple[Cousin, ...]:
    """The cousins of family k as its index tells of them. Raises PackError."""
    return tuple(entry.value() for entry in entries(pack, k))


def entries(pack: Pack, k: int) -> Iterator[CousinEntry]:
    """The lines of family k's index, one at a time. Raises PackError."""
    if k not in pack.families:
        have = ", ".join(str(f) for f in pack.families) or "none"
        raise PackError(f"{pack.path}: no family {k}; families: {have}: `cousins augment` adds one")
    tree, name = pack.tree, f"families/{k}/cousins.jsonl"
    for number, line in enumerate(io.BytesIO(tree.read(name, MAX_JSON * 4)), start=1):
        try:
            yield CousinEntry.model_validate_json(line)
        except ValidationError as error:
            raise PackError(f"{tree.path}: {name} line {number}: {one_line(error)}") from None


def _arrays(tree: Tree, name: str) -> dict[str, NDArray[Any]]:
    where = f"{tree.path}: {name}"
    data = tree.read(name, MAX_ARRAYS)
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > 500 or sum(m.file_size for m in members) > MAX_ARRAYS:
                raise PackError(f"{where}: unpacks to too much: do not trust this file")
            for member in members:
                with archive.open(member) as file:
                    _check_header(where, member, file)
            with np.load(io.BytesIO(data), allow_pickle=False) as loaded:
                for key in loaded.files:
                    arrays[key] = loaded[key]
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, RuntimeError, KeyError) as error:
        raise PackError(f"{where}: not arrays that can be read ({error}): augment anew") from None
    return arrays


def _check_header(where: str, member: zipfile.ZipInfo, file: Any) -> None:
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"{member.filename} has npy version {version}")
    shape, _, dtype = readers[version](file)
    if dtype.kind not in "fiub":
        raise PackError(f"{where}: {member.filename} holds {dtype}, not numbers: do not trust it")
    size = dtype.itemsize
    for length in shape:
        size *= int(length)
    if size + file.tell() != member.file_size:
        raise ValueError(f"{member.filename} states a shape that its bytes do not fill")


def _check_array(
    where: str,
    name: str,
    array: NDArray[Any],
    rows: int,
    limits: Mapping[str, tuple[int, int]],
    bank: Bank | None,
) -> None:
    if array.ndim == 0 or len(array) != rows:
        raise PackError(f"{where}: {name} has shape {array.shape}, the index has {rows} cousins")
    if bank is not None and name in bank.widths:
        width = bank.widths[name]
        if array.shape[1:] != width:
            raise PackError(f"{where}: {name} has shape {array.shape[1:]} a cousin, not {width}")
        if name == "texture" and array.dtype.kind not in "iu":
            raise PackError(f"{where}: texture holds {array.dtype}, not whole numbers")
        if name == "shape":
            if array.dtype.kind not in "iu" or not ((array >= 0) & (array < bank.shapes)).all():
                raise PackError(f"{where}: shape points at what the bank does not hold")
            return
    if array.dtype.kind == "f":
        if name not in ("qpos", *DRAWN, *EXTRAS) and not _FIELDS.fullmatch(name):
            raise PackError(f"{where}: {name} is no field in which cousins differ")
        if not np.isfinite(array).all():
            raise PackError(f"{where}: {name} holds numbers that are not finite: augment anew")
        return
    if name == "geom_type":
        good = np.isin(array, _TYPES).all()
    elif name in limits:
        low, high = limits[name]
        good = bool(((array >= low) & (array <= high)).all())
    else:
        raise PackError(f"{where}: {name} is no field in which cousins differ")
    if not good:
        raise PackError(f"{where}: {name} points at what the model does not hold: augment anew")
