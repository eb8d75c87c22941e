"""7-Scenes: frame-NNNNNN.color.jpg or .png, .depth.png, .pose.txt, and camera-intrinsics.txt.

Pictures may be absent altogether; where there is one, every frame has one.
Depth is uint16 mm with 0 and 65535 unknown. Poses are 4x4 camera-to-world with OpenCV axes. Frame
numbers may have gaps. The world's up is not defined. The one camera matrix is the depth camera's.
The colour camera's is not published; the Kinect's nominal one brings colour edges onto depth edges.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from cousins.capture import files, quality
from cousins.errors import CaptureError
from cousins.types import Array, Capture, Frame, Intrinsics

INTRINSICS = "camera-intrinsics.txt"
# The first Kinect's nominal cameras: the published scenes give its depth camera's focal length
# (585 px at 640 px wide) and leave colour unregistered, 525 px and 25 mm to the side.
DEPTH_FOCAL, COLOUR_FOCAL = 585.0, 525.0
COLOUR_FROM_DEPTH = np.array([[1, 0, 0, -0.025], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
RATE = 30.0  # frames a second, the Kinect's
_NAME = re.compile(r"frame-(\d{6})\.(color\.jpg|color\.png|depth\.png|pose\.txt)")


@dataclass(frozen=True)
class SevenScenes:
    """Reads sequences in the layout of Microsoft's 7-Scenes."""

    @property
    def layout(self) -> str:
        return "7-scenes"

    def missing(self, path: Path) -> list[str]:
        """What of this layout the folder lacks; empty where it is recognised."""
        found = _found(path)
        lacks = [f"frame-*.{kind}" for kind in ("depth.png", "pose.txt") if not found[kind]]
        return lacks + ([] if (path / INTRINSICS).is_file() else [INTRINSICS])

    def __call__(self, path: Path) -> Capture:
        """The capture, with every pose and depth image checked. Raises CaptureError."""
        found = _found(path)
        _check_counts(path, found)
        numbers = sorted(found["depth.png"])
        pose_files = [found["pose.txt"][n] for n in numbers]
        names = [str(file) for file in pose_files]
        raw = np.stack([files.read_matrix(file, (4, 4)) for file in pose_files])
        poses = quality.check_poses(raw, names)
        depths = [found["depth.png"][n] for n in numbers]
        keep, (width, height), notes = quality.survey_depth(
            map(files.read_depth, depths), [str(d) for d in depths]
        )
        k = files.read_matrix(path / INTRINSICS, (3, 3))
        camera = quality.check_intrinsics(
            Intrinsics(width, height, *files.lens(k)), str(path / INTRINSICS)
        )
        colours = [found["color.jpg"][n] for n in numbers] if found["color.jpg"] else []
        kept = [i for i in range(len(numbers)) if keep[i]]
        parts = [(numbers[i], colours[i] if colours else None, depths[i]) for i in kept]
        return Capture(
            path=path,
            layout=self.layout,
            poses=poses[keep],
            up=None,
            sha256=files.digest(path, [path / INTRINSICS, *colours, *depths, *pose_files]),
            frames=partial(_frames, parts, poses[keep], camera),
            warnings=notes + quality.pose_warnings(poses, names),
        )


def _found(path: Path) -> dict[str, dict[int, Path]]:
    """The folder's frame files by kind and number; a colour PNG counts as color.jpg."""
    found: dict[str, dict[int, Path]] = {"color.jpg": {}, "depth.png": {}, "pose.txt": {}}
    for file in path.glob("frame-*"):
        if match := _NAME.fullmatch(file.name):
            found[match[2].replace("color.png", "color.jpg")][int(match[1])] = file
    return found


def _check_counts(path: Path, found: dict[str, dict[int, Path]]) -> None:
    every = set().union(*found.values())
    for kind, some in found.items():
        if kind == "color.jpg" and not some:
            continue  # a capture without pictures
        if absent := sorted(every - set(some)):
            counts = ", ".join(f"{len(v)} {k}" for k, v in found.items())
            raise CaptureError(
                f"{path}: counts differ ({counts}); frame-{absent[0]:06d}.{kind} is missing:"
                " copy it again, or delete that frame's other files"
            )


def _frames(
    parts: Sequence[tuple[int, Path | None, Path]], poses: Array, camera: Intrinsics
) -> Iterator[Frame]:
    apart = colour_camera(camera)
    for i, (number, colour_file, depth_file) in enumerate(parts):
        frame = Frame(
            index=i,
            time=number / RATE,
            world_from_camera=poses[i],
            depth=files.read_depth(depth_file),
            depth_intrinsics=camera,
            colour=None,
            colour_intrinsics=camera,
        )
        if colour_file is None:
            yield frame
            continue
        colour = files.read_colour(colour_file)
        height, width = colour.shape[:2]
        quality.check_same_view((width, height), (camera.width, camera.height), str(colour_file))
        yield replace(
            frame,
            colour=np.ascontiguousarray(colour),
            colour_intrinsics=(apart or camera).scaled(width, height),
            colour_from_depth=None if apart is None else COLOUR_FROM_DEPTH,
        )


def colour_camera(depth: Intrinsics) -> Intrinsics | None:
    """The Kinect's colour camera, where the depth camera is a Kinect's; else None: registered."""
    if abs(depth.fx * 640 / depth.width - DEPTH_FOCAL) > 3:
        return None
    ratio = COLOUR_FOCAL / DEPTH_FOCAL
    return replace(depth, fx=depth.fx * ratio, fy=depth.fy * ratio)
