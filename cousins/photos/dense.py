"""RGB-D frames of pictures whose surface is known: depth cast from a mesh at their poses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins import native
from cousins.errors import ScanError
from cousins.raycast import caster, rays
from cousins.types import Array, Capture, Frame, Intrinsics, Mesh, Views

WIDTH = 320  # pixels of the depth images: no phone's depth sensor has more
RATE = 10.0  # frames a second that are told; nothing that photos are scanned with asks for time
# Less than this a surface is not met: a pixel is then more than six times as long on it as wide,
# and an error of the mesh sideways becomes one of depth that is six times as large.
GRAZING = np.sin(np.radians(10.0))


def rendered(
    path: Path,
    layout: str,
    sha256: str,
    views: Views,
    mesh: Mesh,
    max_range: float = np.inf,
    width: int = WIDTH,
) -> Capture:
    """The views as an RGB-D capture: each picture with the mesh's depth at its pose.

    path, layout and sha256: of the pictures. mesh: in the views' world. Depth is 0 where a ray
    meets nothing, meets a face from behind or at a grazing angle, or goes on for more than
    `max_range` metres. Depth images are at most `width` pixels wide. Frames are made as they are
    asked for. Raises ScanError where the mesh has no face.
    """
    if not len(mesh.faces):
        raise ScanError(f"{path}: no surface came of the pictures; take more, from all sides")
    k = views.camera
    small = k if k.width <= width else k.scaled(width, max(round(k.height * width / k.width), 1))
    scene = caster(mesh.vertices, mesh.faces)

    def frames() -> Iterator[Frame]:
        pictures = views.pictures()
        for i, (pose, picture) in enumerate(zip(views.poses, pictures, strict=True)):
            yield Frame(
                index=i,
                time=i / RATE,
                world_from_camera=pose,
                depth=_depth(scene, small, pose, max_range),
                depth_intrinsics=small,
                colour=picture,
                colour_intrinsics=k,
            )

    return Capture(
        path=path,
        layout=layout,
        poses=views.poses,
        up=views.up,
        sha256=sha256,
        frames=frames,
        warnings=views.warnings,
        metric=views.metric,
        scale_source=views.scale_source,
    )


def _depth(scene: Any, camera: Intrinsics, pose: Array, max_range: float) -> NDArray[np.float32]:
    """(h, w) metres, 0 where unknown."""
    o3d = native.require("open3d")
    origins, directions = rays(camera, pose)
    packed = np.hstack([origins, directions]).astype(np.float32)
    met = scene.cast_rays(o3d.core.Tensor(packed))
    depth = met["t_hit"].numpy()
    towards = -np.einsum("ij,ij->i", met["primitive_normals"].numpy(), packed[:, 3:])
    towards /= np.linalg.norm(packed[:, 3:], axis=1)
    good = np.isfinite(depth) & (depth <= max_range) & (towards > GRAZING)
    return np.where(good, depth, 0).astype(np.float32).reshape(camera.height, camera.width)
