"""Writes 7-Scenes' layout; `cousins.capture.seven_scenes` reads it and describes it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cousins.capture.images import UNKNOWN_MM
from cousins.capture.seven_scenes import COLOUR_FROM_DEPTH, DEPTH_FOCAL, INTRINSICS, colour_camera
from cousins.phone.shots import Layout, Rig, Shot, write_png
from cousins.types import Intrinsics


def rig(camera: Intrinsics, depth_size: tuple[int, int]) -> Rig:
    """A Kinect's two cameras, where the field of view is that of its depth camera; else one.

    A reader of this layout has nothing but the depth camera's matrix to tell by.
    """
    depth = camera.scaled(*depth_size)
    colour = colour_camera(depth)
    size = camera.width, camera.height
    return Rig(depth, camera) if colour is None else Rig(
        depth, colour.scaled(*size), COLOUR_FROM_DEPTH
    )  # fmt: skip


def write(folder: Path, rig: Rig, rate: float, shots: Iterable[Shot]) -> None:
    """A dropped shot leaves no file; the layout knows neither confidence nor a rate."""
    for shot in shots:
        if shot.dropped:
            continue
        frame = folder / f"frame-{shot.number:06d}"
        if shot.colour is not None:
            write_png(frame.with_suffix(".color.png"), shot.colour)
        depth = np.where(shot.depth == 0, UNKNOWN_MM, shot.depth).astype(np.uint16)
        write_png(frame.with_suffix(".depth.png"), depth)
        np.savetxt(frame.with_suffix(".pose.txt"), shot.pose, fmt="%.9f", delimiter="\t")
    np.savetxt(folder / INTRINSICS, rig.depth.matrix, fmt="%.6f")


_WIDE = float(2 * np.degrees(np.arctan(640 / 2 / DEPTH_FOCAL)))
LAYOUT = Layout(field_of_view=_WIDE, rig=rig, write=write)
