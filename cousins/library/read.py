"""What a file of a library holds: coloured triangles, in metres and with z up, body by body.

glTF is in metres with y up and USD says so itself; OBJ, STL and PLY say neither, and are taken for
metres with z up, as robots' libraries have them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.library.within import Refused, Resolver, Within
from cousins.types import Array, Mesh, Primitive

MAX_FACES = 2_000_000
GREY = 0.7  # what says nothing of its colour
Z_FROM_Y = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


@dataclass(frozen=True)
class Piece:
    """Triangles (m, 3, 3) m. colours (m, 3, 3): of their corners, RGB in 0..1, times the texture
    (h, w, 3) at uv (m, 3, 2; v up) where there is one."""

    triangles: Array
    colours: NDArray[np.float32]
    uv: Array | None = None
    texture: NDArray[np.uint8] | None = None
    plain: bool = False  # nobody gave it a colour


@dataclass(frozen=True)
class Raw:
    """One body of a file. name: "" where the file gives none. parts: convex, None where the file
    says nothing of how it collides."""

    name: str
    pieces: tuple[Piece, ...]
    parts: tuple[Mesh, ...] | None = None
    primitive: Primitive | None = None


def read(within: Within, name: str) -> list[Raw]:
    """The bodies in a file below the root. Raises Refused for a file that cannot be taken."""
    suffix = PurePosixPath(name).suffix.lower()
    return _READERS[suffix](within, name)


def plain(triangles: Array, colour: Sequence[float] | None = None) -> Piece:
    """Triangles (m, 3, 3) of one colour, or of none."""
    rgb = np.full(3, GREY) if colour is None else np.asarray(colour, float)[:3]
    colours = np.broadcast_to(rgb.astype(np.float32), triangles.shape)
    return Piece(np.asarray(triangles, float), colours, plain=colour is None)


def _trimesh(within: Within, name: str) -> list[Raw]:
    import trimesh

    path = PurePosixPath(name)
    suffix = path.suffix.lower().removeprefix(".")
    resolver = Resolver(within, "" if path.parent == PurePosixPath(".") else str(path.parent))
    data = within.read("", name)
    try:
        lent: Any = resolver
        scene = trimesh.load_scene(io.BytesIO(data), suffix, lent, process=False)
    except Refused:
        raise
    except Exception as error:  # whatever a broken file brings its reader to
        raise resolver.refused or Refused(f"cannot be read ({_line(error)})") from None
    if resolver.refused is not None:
        raise resolver.refused
    nodes = [(*scene.graph.get(node), node) for node in scene.graph.nodes_geometry]
    count = sum(len(getattr(scene.geometry[g], "faces", ())) for _, g, _ in nodes)
    if count > MAX_FACES:
        raise Refused(f"has {count:,} faces, above {MAX_FACES:,}")
    pieces = []
    for matrix, geometry, _ in nodes:
        mesh: Any = scene.geometry[geometry]
        if not isinstance(mesh, trimesh.Trimesh) or not len(mesh.faces):
            continue
        try:
            pieces.append(_piece(mesh, np.asarray(matrix, float)))
        except Exception as error:
            raise Refused(f"cannot be read ({_line(error)})") from None
    if suffix in ("glb", "gltf"):
        pieces = [_moved(p, Z_FROM_Y) for p in pieces]
    names = [str(g) for _, g, _ in nodes]
    return [Raw(names[0] if len(names) == 1 else "", tuple(pieces))]


def _piece(mesh: Any, matrix: Array) -> Piece:
    faces = np.asarray(mesh.faces)
    triangles = (np.asarray(mesh.vertices, float) @ matrix[:3, :3].T + matrix[:3, 3])[faces]
    if np.linalg.det(matrix[:3, :3]) < 0:  # a mirror turns the triangles' winding round
        triangles, faces = triangles[:, ::-1], faces[:, ::-1]
    visual = mesh.visual
    if visual.kind == "texture" and visual.material is not None:
        material: Any = visual.material
        image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
        factor = getattr(material, "baseColorFactor", None)
        if factor is None and hasattr(material, "diffuse") and image is None:
            factor = material.diffuse
        rgb = np.ones(3) if factor is None else np.asarray(factor, float)[:3]
        rgb = rgb / 255 if rgb.max() > 1 else rgb
        colours = np.broadcast_to(rgb.astype(np.float32), triangles.shape)
        if image is not None and visual.uv is not None:
            texture = np.asarray(image.convert("RGB"))
            return Piece(triangles, colours, np.asarray(visual.uv, float)[faces][..., :2], texture)
        return Piece(triangles, colours, plain=factor is None)
    if visual.kind == "vertex":
        colours = np.asarray(visual.vertex_colors)[faces][..., :3] / np.float32(255)
        return Piece(triangles, colours.astype(np.float32))
    if visual.kind == "face":
        colours = np.asarray(visual.face_colors)[:, None, :3] / np.float32(255)
        return Piece(triangles, np.repeat(colours, 3, axis=1).astype(np.float32))
    return plain(triangles)


def _moved(piece: Piece, rotation: Array) -> Piece:
    return Piece(piece.triangles @ rotation.T, piece.colours, piece.uv, piece.texture, piece.plain)


def _line(error: BaseException) -> str:
    return " ".join(f"{error or type(error).__name__}".split())[:160]


def _mjcf(within: Within, name: str) -> list[Raw]:
    from cousins.library.mjcf import bodies

    return bodies(within, name)


def _usd(within: Within, name: str) -> list[Raw]:
    from cousins.library.usd import bodies

    return bodies(within, name)


_READERS: dict[str, Callable[[Within, str], list[Raw]]] = {
    **dict.fromkeys((".glb", ".gltf", ".obj", ".stl", ".ply"), _trimesh),
    ".xml": _mjcf,
    **dict.fromkeys((".usd", ".usda", ".usdc"), _usd),
}
SUFFIXES = tuple(_READERS)
ALONE = (".glb", ".stl", ".ply")  # these name no other file
