"""A pack's MJCF, refused where it could do more than describe a scene.

What runs code, reads anything but plain files under assets/, or grows without bound while it
compiles, is told in one line instead of being handed to MuJoCo.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Mapping
from xml.etree import ElementTree as ET

import mujoco
import numpy as np

from cousins.archive import Tree
from cousins.errors import CousinsError, PackError

MAX_XML = 64 << 20
MAX_ASSET = 512 << 20
MAX_PIXELS = 64 << 20
MAX_ARENA = 4 << 30
# What would run code, read other files, or grow without bound while it compiles.
REFUSED = {"include", "extension", "plugin", "model", "attach", "replicate", "composite",
            "flexcomp"}  # fmt: skip


def compile_safe(where: str, text: str, files: Mapping[str, bytes]) -> mujoco.MjModel:
    """MJCF that `model_files` let pass, compiled. Raises PackError with MuJoCo's reason."""
    try:
        return mujoco.MjModel.from_xml_string(text, dict(files))
    except (ValueError, mujoco.FatalError) as error:
        reason = " ".join(str(error).split())
        raise PackError(f"{where} does not compile: {reason}") from None


def model_files(tree: Tree, name: str) -> tuple[str, dict[str, bytes]]:
    """A model's XML and the files under assets/ that it names, by plain name.

    Raises PackError for MJCF that could run code, that reads anything but plain files under the
    pack's assets/, or that could grow without bound.
    """
    text, root = parse_mjcf(tree, name)
    where = f"{tree.path}: {name}"
    folders = {"meshdir": "", "texturedir": ""}
    for compiler in root.iter("compiler"):
        if compiler.get("strippath", "false") != "false":
            raise PackError(f"{where}: strippath is refused: name files under assets/")
        for key in folders:
            folders[key] = compiler.get(key, compiler.get("assetdir", folders[key]))
    found: dict[str, bytes] = {}
    for element in root.iter():
        for key, value in element.attrib.items():
            if not key.startswith("file"):
                continue
            folder = folders["texturedir" if element.tag == "texture" else "meshdir"]
            plain = _under_assets(where, posixpath.dirname(name), folder, value)
            if plain not in found:
                found[plain] = tree.read(f"assets/{plain}", MAX_ASSET)
                if plain.lower().endswith(".png"):
                    check_png(tree, f"assets/{plain}", found[plain])
    return text, found


def _under_assets(where: str, base: str, folder: str, file: str) -> str:
    if posixpath.isabs(folder) or posixpath.isabs(file) or ".." in file.split("/"):
        raise PackError(f"{where}: names {file!r}, which leaves the pack: do not trust this file")
    if "\\" in folder + file or ":" in folder + file:
        raise PackError(f"{where}: names {file!r}, which leaves the pack: do not trust this file")
    full = posixpath.normpath(posixpath.join(base, folder, file))
    plain = posixpath.basename(full)
    if full != f"assets/{plain}":
        raise PackError(f"{where}: names {file!r}, which is not under the pack's assets/")
    return plain


def parse_mjcf(tree: Tree, name: str) -> tuple[str, ET.Element]:
    """The XML's text and root. Raises PackError for what is no MJCF, or MJCF that is refused."""
    where = f"{tree.path}: {name}"
    text, root = plain_mjcf(where, tree.read(name, MAX_XML), PackError, "copy the pack anew")
    for size in root.iter("size"):
        for key, value in size.attrib.items():
            if _bytes(value) > (MAX_ARENA if key in ("memory", "nstack") else 1_000_000):
                raise PackError(
                    f"{where}: {key}={value!r} asks for too much memory: do not trust it"
                )
    return text, root


def plain_mjcf(
    where: str, data: bytes, error: type[CousinsError], again: str
) -> tuple[str, ET.Element]:
    """The text and root of MJCF that is in one file and expands nothing. Raises `error`, naming
    `where`, for anything else. again: what to do then."""
    try:
        text = data.decode("utf-8")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise error(f"{where}: declares XML entities: do not trust this file")
        root = ET.fromstring(text)
    except (ET.ParseError, RecursionError, ValueError) as reason:
        raise error(f"{where}: not well-formed XML ({reason}): {again}") from None
    if root.tag != "mujoco":
        raise error(f"{where}: its root is <{root.tag}>, not <mujoco>: {again}")
    for element in root.iter():
        if element.tag in REFUSED:
            raise error(f"{where}: holds <{element.tag}>, which is refused: {again}")
    return text, root


def _bytes(text: str) -> float:
    found = re.fullmatch(r"\s*(-?[0-9]{1,20})\s*([KMGTPE]?)\s*", text)
    if not found:
        return math.inf
    return int(found[1]) * 1024 ** " KMGTPE".index(found[2] or " ")


def check_png(tree: Tree, name: str, data: bytes) -> None:
    size = np.frombuffer(data[16:24], ">u4").astype(int)
    if data[:8] != b"\x89PNG\r\n\x1a\n" or len(size) != 2:
        raise PackError(f"{tree.path}: {name}: not a PNG image: copy the pack anew")
    if np.prod(size) > MAX_PIXELS or not np.all(size > 0):
        raise PackError(f"{tree.path}: {name}: {size[0]}x{size[1]} pixels: do not trust this file")
