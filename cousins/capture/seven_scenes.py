"""7-Scenes: frame-NNNNNN.color.jpg or .png, .depth.png, .pose.txt, and camera-intrinsics.txt.

Pictures may be absent altogether; where there is one, every frame has one.
Depth is uint16 mm with 0 and 65535 unknown. Poses are 4x4 camera-to-world with OpenCV axes. Frame
numbers may have gaps. The world's up is not defined. The one camera matrix is the depth camera's;
the scenes as first published have none, and it has to be told (585, 585, 320, 240).
The colour camera's is not published; the Kinect's nominal one brings colour edges onto depth edges.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cousins.capture import camera, images, quality
from cousins.capture.camera import Lens
from cousins.capture.files import Files, read_matrix
from cousins.capture.frames import Item, capture, depth_png, picture
from cousins.errors import CaptureError
from cousins.types import Capture, Intrinsics

INTRINSICS = "camera-intrinsics.txt"
# The first Kinect's nominal cameras: the published scenes give its depth camera's focal length
# (585 px at 640 px wide) and leave colour unregistered, 525 px and 25 mm to the side.
DEPTH_FOCAL, COLOUR_FOCAL = 585.0, 525.0
COLOUR_FROM_DEPTH = np.array([[1, 0, 0, -0.025], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
RATE = 30.0  # frames a second, the Kinect's
_NAME = r"frame-\d{6}\."


@dataclass(frozen=True)
class SevenScenes:
    """Reads sequences in the layout of Microsoft's 7-Scenes."""

    @property
    def layout(self) -> str:
        return "7-scenes"

    def missing(self, files: Files) -> list[str]:
        """What of this layout the files lack; empty where it is recognised."""
        found = _found(files)
        return [f"frame-*.{kind}" for kind in ("depth.png", "pose.txt") if not found[kind]]

    def __call__(self, files: Files, lens: Lens | None = None) -> Capture:
        """The capture. Raises CaptureError; `lens` is needed where there is no matrix."""
        found = _found(files)
        _check_counts(files, found)
        depths, colours, poses = found["depth.png"], found["color.jpg"], found["pose.txt"]
        first = next(iter(depths.values()))
        size = images.size(files.read(first), files.where(first))
        own = _camera(files, lens, size)
        items = [
            Item(
                where=files.where(poses[n]),
                time=n / RATE,
                pose=read_matrix(files, poses[n], (4, 4)),
                camera=own,
                depth=depth_png(files, depths[n]),
                colour=picture(files, colours[n]) if colours else None,
                colour_camera=colour_camera(own),
                colour_from_depth=COLOUR_FROM_DEPTH if colour_camera(own) else None,
                depth_where=files.where(depths[n]),
            )
            for n in depths
        ]
        used = [*depths.values(), *colours.values(), *poses.values()]
        used += [INTRINSICS] if INTRINSICS in files else []
        return capture(files, self.layout, items, used, up=None)


def _camera(files: Files, lens: Lens | None, size: tuple[int, int]) -> Intrinsics:
    if INTRINSICS not in files:
        return camera.needed(files, lens, "7-scenes").of(size)
    camera.unneeded(lens, files.where(INTRINSICS))
    matrix = read_matrix(files, INTRINSICS, (3, 3))
    return quality.check_intrinsics(
        Intrinsics(*size, *camera.numbers(matrix)), files.where(INTRINSICS)
    )


def _found(files: Files) -> dict[str, dict[int, str]]:
    """The frame files by kind and number; a colour PNG counts as color.jpg."""
    found = {}
    for kind in ("color.jpg", "depth.png", "pose.txt"):
        pattern = "color.(jpg|png)" if kind == "color.jpg" else kind
        found[kind] = {int(name[6:12]): name for name in files.matching(_NAME + pattern)}
    return found


def _check_counts(files: Files, found: dict[str, dict[int, str]]) -> None:
    every = set().union(*found.values())
    for kind, some in found.items():
        if kind == "color.jpg" and not some:
            continue  # a capture without pictures
        if absent := sorted(every - set(some)):
            counts = ", ".join(f"{len(v)} {k}" for k, v in found.items())
            raise CaptureError(
                f"{files.path}: counts differ ({counts}); frame-{absent[0]:06d}.{kind} is missing:"
                " copy it again, or delete that frame's other files"
            )


def colour_camera(depth: Intrinsics) -> Intrinsics | None:
    """The Kinect's colour camera, where the depth camera is a Kinect's; else None: registered."""
    if abs(depth.fx * 640 / depth.width - DEPTH_FOCAL) > 3:
        return None
    ratio = COLOUR_FOCAL / DEPTH_FOCAL
    return replace(depth, fx=depth.fx * ratio, fy=depth.fy * ratio)
