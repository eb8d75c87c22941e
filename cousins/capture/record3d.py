"""Record3D's own recordings, .r3d: a zip of `metadata` (JSON) and rgbd/NUMBER.jpg, .depth, .conf.

Depth is dh x dw little-endian float32 in metres, NaN where unknown, and confidence as many bytes,
0 low to 2 high, both packed with LZFSE. Only LiDAR recordings have confidence. poses[NUMBER] is
[qx, qy, qz, qw, x, y, z], camera-to-world with OpenGL axes. K stands column by column; it and
perFrameIntrinsicCoeffs, [fx, fy, cx, cy], are for pictures of w x h. Pictures are taller than wide,
and depth, cameras and poses are turned with them. The world is ARKit's, y up; but older versions of
the app begin every recording at the pose zero, from which up cannot be told. Recordings by the
camera above the screen have no poses: all are zero. Frames may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from cousins.capture import camera, images, lzfse, quality, tracked
from cousins.capture.camera import Lens
from cousins.capture.files import AGAIN, MAX_TEXT, Files, read_json
from cousins.capture.frames import (
    ARKIT_UP,
    OPENCV_FROM_OPENGL,
    Item,
    Picture,
    capture,
    picture,
)
from cousins.errors import CaptureError
from cousins.types import Array, Capture, Intrinsics, Photos

METADATA, FOLDER = "metadata", "rgbd"
LIDAR = (192, 256)  # px of depth held upright, where the app does not say
RATE = 60.0  # frames a second, where the app does not say
ZERO = 1e-6  # of a pose that was set to zero, and not tracked


class _Metadata(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    width: int = Field(alias="w")
    height: int = Field(alias="h")
    depth_width: int | None = Field(None, alias="dw")
    depth_height: int | None = Field(None, alias="dh")
    matrix: Annotated[list[float], Field(min_length=9, max_length=9)] = Field(alias="K")
    poses: list[tuple[float, float, float, float, float, float, float]]
    rate: Annotated[float, Field(gt=0)] = Field(RATE, alias="fps")
    times: list[float] | None = Field(None, alias="frameTimestamps")
    lenses: list[tuple[float, float, float, float]] | None = Field(
        None, alias="perFrameIntrinsicCoeffs"
    )


@dataclass(frozen=True)
class Recording:
    """What the metadata say. poses: (n, 4, 4) world_from_camera, OpenCV axes.

    cameras: of each pose, for pictures of (w, h). depth_size: (width, height).
    up: (3,), None where the world is the first camera's own.
    """

    name: str
    poses: Array
    cameras: tuple[Intrinsics, ...]
    times: tuple[float, ...]
    depth_size: tuple[int, int]
    up: Array | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Record3D:
    """Reads recordings of the iOS app Record3D, as .r3d file or unpacked."""

    @property
    def layout(self) -> str:
        return "record3d"

    def missing(self, files: Files) -> list[str]:
        """What of this layout the files lack; empty where it is recognised."""
        return lacking(files, METADATA, (FOLDER, "depth"), (FOLDER, "jpg"))

    def __call__(self, files: Files, lens: Lens | None = None) -> Capture | Photos:
        """The capture; without any depth, its pictures. Raises CaptureError, UsageError for a
        lens, which it has, and MissingDependencyError without imagecodecs."""
        camera.unneeded(lens, files.where(METADATA))
        told = recording(files, METADATA)
        return read(
            files,
            self.layout,
            told,
            pictures=files.numbered(FOLDER, "jpg"),
            depths=files.numbered(FOLDER, "depth"),
            depth=partial(_depth, files, told.depth_size),
            confidences=files.numbered(FOLDER, "conf"),
            confidence=partial(_confidence, files, told.depth_size),
        )


def lacking(
    files: Files, metadata: str, depth: tuple[str, str], picture: tuple[str, str]
) -> list[str]:
    """What of a recording the files lack: its metadata, and depth or at least pictures.

    depth, picture: folder and suffix. Other apps write a metadata.json, so poses must be in it.
    """
    if metadata not in files:
        lacks = [metadata]
    else:
        lacks = [] if b'"poses"' in files.read(metadata, MAX_TEXT) else [f"poses in {metadata}"]
    if not files.numbered(*depth) and not files.numbered(*picture):
        lacks.append("/*.".join(depth))
    return lacks


def recording(files: Files, name: str) -> Recording:
    """The metadata. Raises CaptureError where they are damaged or cannot be."""
    where = files.where(name)
    told = read_json(files, name, _Metadata)
    images.check_pixels(where, told.width, told.height)
    size = _depth_size(told, where)
    quality.check_same_view((told.width, told.height), size, where)
    if not told.poses:
        raise CaptureError(f"{where}: holds no poses; {AGAIN}")
    numbers = np.array(told.poses)
    names = [f"{where}: pose {i}" for i in range(len(numbers))]
    poses = quality.poses_from_quaternions(numbers[:, 4:], numbers[:, :4], names)
    times = told.times or [i / told.rate for i in range(len(numbers))]
    if len(times) != len(numbers):
        raise CaptureError(f"{where}: {len(numbers)} poses and {len(times)} times; {AGAIN}")
    still = len(poses) > 1 and np.ptp(numbers, axis=0).max() < ZERO
    zero = np.abs(poses[0] - np.eye(4)).max() < ZERO
    return Recording(
        name=name,
        poses=poses @ OPENCV_FROM_OPENGL,
        cameras=_cameras(told, where),
        times=tuple(times),
        depth_size=size,
        up=None if zero else ARKIT_UP,
        warnings=_NO_POSES if still else (),
    )


def _depth_size(told: _Metadata, where: str) -> tuple[int, int]:
    """(width, height)"""
    width, height = LIDAR if told.width < told.height else LIDAR[::-1]
    if told.depth_width is not None and told.depth_height is not None:
        width, height = told.depth_width, told.depth_height
    images.check_pixels(f"{where}: depth", width, height)
    return width, height


_NO_POSES = (
    "all poses are the same: recordings of the camera above the screen have none;"
    " record with the LiDAR camera on the back",
)


def _cameras(told: _Metadata, where: str) -> tuple[Intrinsics, ...]:
    """The camera of each pose; K is the first frame's, and serves where a frame has no own."""
    size = told.width, told.height
    common = told.matrix[0], told.matrix[4], told.matrix[6], told.matrix[7]
    own = told.lenses or []
    lenses = [own[i] if i < len(own) else common for i in range(len(told.poses))]
    return tuple(
        quality.check_intrinsics(Intrinsics(*size, *lens), f"{where}: frame {i}")
        for i, lens in enumerate(lenses)
    )


def read(
    files: Files,
    layout: str,
    told: Recording,
    pictures: Mapping[int, str],
    depths: Mapping[int, str],
    depth: Callable[[str], NDArray[np.float32]],
    confidences: Mapping[int, str] | None = None,
    confidence: Callable[[str], Picture] | None = None,
) -> Capture | Photos:
    """The capture of a recording whose files are given by number, with what reads one of them."""
    where, sure = files.where(told.name), confidences or {}
    parts = {"depth": depths, "picture": pictures, "pose": range(len(told.poses))}
    kept, lost = tracked.whole(where, parts)
    notes = told.warnings + lost
    used = [told.name, *pictures.values(), *depths.values(), *sure.values()]
    names = {i: f"{where}: pose {i}" for i in kept}
    if not depths:
        views = [tracked.View(names[i], told.poses[i], told.cameras[i], pictures[i]) for i in kept]
        return tracked.photos(files, layout, views, used, told.up, notes)
    items = [
        Item(
            where=names[i],
            time=told.times[i],
            pose=told.poses[i],
            camera=told.cameras[i],
            depth=partial(depth, depths[i]),
            colour=picture(files, pictures[i]) if pictures else None,
            confidence=partial(confidence, sure[i]) if confidence and i in sure else None,
            depth_where=files.where(depths[i]),
        )
        for i in kept
    ]
    without = sum(item.confidence is None for item in items)
    if 0 < without < len(items):
        notes += (f"{where}: {without} of {len(items)} frames lack their confidence",)
    return capture(files, layout, items, used, told.up, notes)


def _depth(files: Files, size: tuple[int, int], name: str) -> NDArray[np.float32]:
    where, (width, height) = files.where(name), size
    data = lzfse.unpack(files.read(name), 4 * width * height, where)
    return images.metres(np.frombuffer(data, "<f4").reshape(height, width), where)


def _confidence(files: Files, size: tuple[int, int], name: str) -> Picture:
    where, (width, height) = files.where(name), size
    data = lzfse.unpack(files.read(name), width * height, where)
    return images.check_confidence(np.frombuffer(data, np.uint8).reshape(height, width), where)
