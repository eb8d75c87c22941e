"""What a layout's writer is given: the cameras, and one shot after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.errors import MissingDependencyError
from cousins.types import Array, Intrinsics


@dataclass(frozen=True)
class Rig:
    """Both cameras. colour_from_depth: (4, 4) where they are apart, else None."""

    depth: Intrinsics
    colour: Intrinsics
    colour_from_depth: Array | None = None


@dataclass(frozen=True)
class Shot:
    """One frame. pose: (4, 4) capture_from_camera as tracked, of the depth camera, y up.

    depth: (h, w) mm, 0 unknown; confidence: (h, w) 0..2; colour: (H, W, 3) RGB, or None in every
    shot of a film without pictures. A shot that is `dropped` has a picture, since a video goes on,
    and everything else must not be written.
    """

    number: int
    pose: Array
    depth: NDArray[np.uint16]
    confidence: NDArray[np.uint8]
    colour: NDArray[np.uint8] | None
    dropped: bool = False


@dataclass(frozen=True)
class Layout:
    """A layout that can be written.

    field_of_view: of its usual device, horizontal, degrees. rig: its cameras for a field of view
    given as a camera of the colour picture's size, and the depth image's (width, height).
    write: takes an empty folder, the rig, frames a second, and the shots in order.
    """

    field_of_view: float
    rig: Callable[[Intrinsics, tuple[int, int]], Rig]
    write: Callable[[Path, Rig, float, Iterable[Shot]], None]


def write_png(file: Path, image: NDArray[Any]) -> None:
    """An 8-bit or 16-bit image (h, w), or RGB (h, w, 3)."""
    import cv2

    data = image if image.ndim == 2 else image[:, :, ::-1]
    file.write_bytes(cv2.imencode(".png", data)[1].tobytes())


def open_video(file: Path, camera: Intrinsics, rate: float) -> Any:
    """OpenCV's writer of an MPEG-4 video of the camera's size.

    Raises MissingDependencyError where this OpenCV has none.
    """
    import cv2

    size = camera.width, camera.height
    video = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
    if not video.isOpened():
        raise MissingDependencyError(
            "this OpenCV cannot write mp4 video: pip install opencv-python-headless"
        )
    return video
