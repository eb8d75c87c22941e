"""USD as a file of a library, read with the `usd` extra."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np

from cousins.errors import MissingDependencyError
from cousins.library.read import MAX_FACES, Z_FROM_Y, Piece, Raw, plain
from cousins.library.within import Refused, Within

MAX_LAYERS = 200


def require() -> Any:
    """pxr's modules. Raises MissingDependencyError with the command that installs them."""
    try:
        from pxr import Sdf, Usd, UsdGeom  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingDependencyError(
            'USD files need usd-core: pip install "cousins[usd]"'
        ) from error
    return Sdf, Usd, UsdGeom


def bodies(within: Within, name: str) -> list[Raw]:
    """The meshes of a stage as one body, in the colours that they display: the pictures of their
    materials are left out. Raises Refused."""
    sdf, usd, geom = require()
    try:
        _check(within, name, sdf)
        stage = usd.Stage.Open(str(within.root / name))
        unit = float(geom.GetStageMetersPerUnit(stage))
        turn = Z_FROM_Y if geom.GetStageUpAxis(stage) == geom.Tokens.y else np.eye(3)
        cache = geom.XformCache(usd.TimeCode.Default())
        pieces = []
        for prim in usd.PrimRange(stage.GetPseudoRoot(), usd.TraverseInstanceProxies()):
            if prim.IsA(geom.Mesh) and geom.Imageable(prim).ComputeVisibility() != "invisible":
                pieces.append(
                    _piece(geom.Mesh(prim), np.array(cache.GetLocalToWorldTransform(prim)))
                )
                if sum(len(p.triangles) for p in pieces) > MAX_FACES:
                    raise Refused(f"has more than {MAX_FACES:,} faces")
    except Refused:
        raise
    except Exception as error:  # pxr raises its own, of Boost and of Tf
        raise Refused(f"cannot be read ({' '.join(str(error).split())[:160]})") from None
    turned = [Piece(unit * p.triangles @ turn.T, p.colours, plain=p.plain) for p in pieces]
    return [Raw("", tuple(turned))]


def _check(within: Within, name: str, sdf: Any) -> None:
    """Every layer that the stage is composed of lies below the root."""
    layers = [name]
    for layer in layers:
        if len(layers) > MAX_LAYERS:
            raise Refused(f"is composed of more than {MAX_LAYERS} layers")
        within.resolved("", layer)
        opened = sdf.Layer.OpenAsAnonymous(str(within.root / layer))
        if opened is None:
            raise Refused("is no USD")
        base = str(PurePosixPath(layer).parent)
        for stated in opened.GetCompositionAssetDependencies():
            try:
                found = within.resolved("" if base == "." else base, str(stated))
            except KeyError:
                raise Refused(f"names the layer {stated!r}, which is not there") from None
            if found not in layers:
                layers.append(found)


def _piece(mesh: Any, matrix: np.ndarray) -> Piece:
    points = np.asarray(mesh.GetPointsAttr().Get(), float).reshape(-1, 3)
    counts = np.asarray(mesh.GetFaceVertexCountsAttr().Get(), int)
    index = np.asarray(mesh.GetFaceVertexIndicesAttr().Get(), int)
    if counts.sum() != len(index) or (
        len(index) and not 0 <= index.min() <= index.max() < len(points)
    ):
        raise Refused("has faces that name missing points")
    if counts.sum() > 3 * MAX_FACES:
        raise Refused(f"has more than {MAX_FACES:,} faces")
    start = np.cumsum(counts) - counts
    faces = [np.stack([start + 0, start + k, start + k + 1], 1)[counts > k + 1]
             for k in range(1, max(counts.max(initial=0) - 1, 1))]  # fmt: skip
    faces = index[np.concatenate(faces)]
    world = points @ matrix[:3, :3] + matrix[3, :3]  # pxr multiplies rows
    triangles = world[faces]
    left_handed = mesh.GetOrientationAttr().Get() == "leftHanded"
    if left_handed != (np.linalg.det(matrix[:3, :3]) < 0):
        triangles = triangles[:, ::-1]
    colour = mesh.GetDisplayColorAttr().Get()
    return plain(triangles, None if colour is None or not len(colour) else colour[0])
