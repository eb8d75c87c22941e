"""An organised point cloud: one .pcd file of the Point Cloud Library, as one RGB-D image.

Its points are a depth image's: HEIGHT rows of WIDTH, x y z in metres in the camera's axes (as
OpenCV's), NaN where unknown. rgb is a float's or an integer's bits, 0xRRGGBB; other fields and
VIEWPOINT are not used. The camera is in the points themselves: u = fx x/z + cx, and v likewise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.capture import camera, images, quality
from cousins.capture.camera import Lens
from cousins.capture.files import AGAIN, Files
from cousins.capture.frames import Item, Picture, capture
from cousins.capture.pcd import fields
from cousins.errors import CaptureError
from cousins.types import Array, Capture, Intrinsics

LEAST = 100  # points that tell a camera
OFF = 0.5  # px, at the median, that points may lie beside their pixels


@dataclass(frozen=True)
class PointCloud:
    """Reads one organised point cloud."""

    @property
    def layout(self) -> str:
        return "point-cloud"

    def missing(self, files: Files) -> list[str]:
        """What of this layout the files lack; empty where it is recognised."""
        return [] if len(_clouds(files)) == 1 else ["one .pcd file"]

    def __call__(self, files: Files, lens: Lens | None = None) -> Capture:
        """The capture, of one frame. Raises CaptureError, and UsageError for a lens."""
        (name,) = _clouds(files)
        where = files.where(name)
        camera.unneeded(lens, where)
        points = fields(files.read(name), where, ("x", "y", "z", "rgb", "rgba"))
        if lacks := [axis for axis in "xyz" if axis not in points]:
            raise CaptureError(f"{where}: lacks the fields {', '.join(lacks)}; {AGAIN}")
        depth = images.metres(points["z"], where)
        xyz = np.stack([np.asarray(points[axis], float) for axis in "xyz"], -1)
        coloured = next((field for field in ("rgb", "rgba") if field in points), None)
        item = Item(
            where=where,
            time=0.0,
            pose=np.eye(4),
            camera=pinhole(xyz, where),
            depth=lambda: depth.copy(),
            colour=_colour(points[coloured], where) if coloured else None,
        )
        return capture(files, self.layout, [item], [name], up=None)


def _clouds(files: Files) -> list[str]:
    return files.matching(r"(?i)[^/]+\.pcd")


def pinhole(points: Array, where: str) -> Intrinsics:
    """The camera, by least squares, whose pixels' rays the points (h, w, 3) lie on.

    Raises CaptureError where they lie on none's.
    """
    height, width = points.shape[:2]
    v, u = np.nonzero(np.isfinite(points).all(2) & (points[..., 2] > 0))
    x, y, z = points[v, u].T
    if len(z) < LEAST or np.ptp(u) < 2 or np.ptp(v) < 2:
        raise CaptureError(f"{where}: holds {len(z)} points, too few to tell its camera")
    fx, cx = np.polyfit(x / z, u, 1)
    fy, cy = np.polyfit(y / z, v, 1)
    off = np.median(np.hypot(fx * x / z + cx - u, fy * y / z + cy - v))
    if not off < OFF:
        raise CaptureError(
            f"{where}: its points lie {off:.1f} px beside the pixels of any camera: give the cloud"
            " as the sensor wrote it, in the camera's axes, neither turned nor thinned"
        )
    own = Intrinsics(width, height, float(fx), float(fy), float(cx), float(cy))
    return quality.check_intrinsics(own, where)


def _colour(packed: NDArray, where: str) -> Callable[[], Picture]:
    if packed.dtype.itemsize != 4:
        raise CaptureError(f"{where}: rgb of {packed.dtype.itemsize} bytes; it has 4; {AGAIN}")
    bits = np.ascontiguousarray(packed).view(np.uint32)
    return lambda: np.stack([(bits >> s & 255).astype(np.uint8) for s in (16, 8, 0)], -1)
