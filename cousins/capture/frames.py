"""From a layout's items to a `Capture`: what every reader does once it knows where things lie."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cousins.capture import images, quality
from cousins.capture.files import AGAIN, Files
from cousins.errors import CaptureError
from cousins.types import Array, Capture, Frame, Intrinsics

Picture = NDArray[np.uint8]
ARKIT_UP = np.array([0.0, 1.0, 0.0])  # of ARKit's world
OPENCV_FROM_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])  # camera axes: y down, z forward


@dataclass(frozen=True)
class Item:
    """One frame, not read yet. where: what its pose came from, for messages.

    pose: (4, 4) world_from_camera, OpenCV axes, as it was written. camera: of the depth image,
    at any size of the same view, and of the picture unless that has a camera of its own.
    depth, colour and confidence read their image: (h, w) float32 m, (H, W, 3) RGB, (h, w) 0..2.
    colour_from_depth: (4, 4), where the two cameras are apart.
    """

    where: str
    time: float
    pose: Array
    camera: Intrinsics
    depth: Callable[[], NDArray[np.float32]]
    colour: Callable[[], Picture] | None = None
    confidence: Callable[[], Picture] | None = None
    colour_camera: Intrinsics | None = None
    colour_from_depth: Array | None = None
    depth_where: str = ""


def depth_png(files: Files, name: str, unit: float = 0.001) -> Callable[[], NDArray[np.float32]]:
    """Reads a 16-bit PNG of depth; unit: of one step, metres."""
    return lambda: images.depth(files.read(name), files.where(name), unit)


def confidence_png(files: Files, name: str) -> Callable[[], Picture]:
    """Reads a PNG of ARKit's confidence."""
    return lambda: images.confidence(files.read(name), files.where(name))


def picture(files: Files, name: str) -> Callable[[], Picture]:
    """Reads a PNG or JPEG."""
    return lambda: images.colour(files.read(name), files.where(name))


def capture(
    files: Files,
    layout: str,
    items: Sequence[Item],
    used: Iterable[str],
    up: Array | None,
    warnings: tuple[str, ...] = (),
    video: Callable[[Sequence[int]], Iterator[Picture]] | None = None,
) -> Capture:
    """The capture of these items, with every pose and depth image checked.

    used: the files that make it up, for its sum. video: the pictures of the items of the given
    indices, in order, where they come out of one file. Items whose depth is empty are left out,
    with a warning. Raises CaptureError for what no scan can use.
    """
    if not items:
        raise CaptureError(f"{files.path}: holds no frame; {AGAIN}")
    names = [item.where for item in items]
    poses = quality.check_poses(np.stack([item.pose for item in items]), names)
    keep, size, notes = quality.survey_depth(
        (item.depth() for item in items), [item.depth_where or item.where for item in items]
    )
    for item in items:
        own = item.camera
        quality.check_same_view((own.width, own.height), size, item.where)
        quality.check_intrinsics(own, item.where)
    kept = np.flatnonzero(keep).tolist()
    if items[0].colour is None and video is None:
        pictures = None
    else:
        pictures = partial(video, kept) if video else partial(_pictures, [items[i] for i in kept])
    return Capture(
        path=files.path,
        layout=layout,
        poses=poses[keep],
        up=up,
        sha256=files.digest(used),
        frames=partial(_frames, [items[i] for i in kept], poses[keep], size, pictures),
        warnings=warnings + notes + quality.pose_warnings(poses, names),
    )


def _pictures(items: Sequence[Item]) -> Iterator[Picture]:
    for item in items:
        if item.colour is None:
            raise CaptureError(f"{item.where}: has no picture, though others have; {AGAIN}")
        yield item.colour()


def _frames(
    items: Sequence[Item],
    poses: Array,
    size: tuple[int, int],
    pictures: Callable[[], Iterator[Picture]] | None,
) -> Iterator[Frame]:
    stream = iter(pictures()) if pictures else None
    for i, item in enumerate(items):
        depth = item.depth()
        sure = item.confidence() if item.confidence else None
        if sure is not None and sure.shape != depth.shape:
            raise CaptureError(
                f"{item.where}: confidence is not of the depth image's size; {AGAIN}"
            )
        colour = next(stream) if stream else None
        small = item.camera.scaled(*size)
        wide = small
        if colour is not None:
            height, width = colour.shape[:2]
            quality.check_same_view((width, height), size, item.where)
            wide = (item.colour_camera or item.camera).scaled(width, height)
        yield Frame(
            index=i,
            time=item.time,
            world_from_camera=poses[i],
            depth=depth,
            depth_intrinsics=small,
            colour=colour,
            colour_intrinsics=wide,
            confidence=sure,
            colour_from_depth=None if colour is None else item.colour_from_depth,
        )
