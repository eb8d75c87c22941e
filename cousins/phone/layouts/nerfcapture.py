"""Writes what NeRFCapture streams; `cousins.capture.nerfcapture` reads it and describes it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from cousins.capture.frames import OPENCV_FROM_OPENGL
from cousins.capture.transforms import FILE
from cousins.phone.layouts import stray
from cousins.phone.shots import Layout, Rig, Shot, write_png
from cousins.types import Intrinsics

RANGE = 10.0  # m that the 16 bits of depth cover, as instant-ngp's and SplaTAM's scripts have it


def write(folder: Path, rig: Rig, rate: float, shots: Iterable[Shot]) -> None:
    """As instant-ngp's script does: frames are numbered as they arrive, so that a dropped shot
    leaves no gap, and depth is enlarged to the pictures' size. It knows no times and no confidence.
    """
    import cv2

    (folder / "images").mkdir()
    size = rig.colour.width, rig.colour.height
    lens, frames = _lens(rig.colour), []
    for shot in shots:
        if shot.dropped:
            continue
        name = f"images/{len(frames)}"
        if shot.colour is not None:
            write_png(folder / f"{name}.png", shot.colour)
        steps = (shot.depth / 1000 * 65535 / RANGE).astype(np.uint16)
        if size > steps.shape[::-1]:  # the app's pictures always are
            steps = cv2.resize(steps, size, interpolation=cv2.INTER_NEAREST)
        write_png(folder / f"{name}.depth.png", steps)
        pose = (shot.pose @ OPENCV_FROM_OPENGL).tolist()
        frames.append({"transform_matrix": pose, "file_path": name, **lens,
                       "depth_path": f"{name}.depth.png"})  # fmt: skip
    whole = {**lens, "integer_depth_scale": RANGE / 65535, "frames": frames}
    (folder / FILE).write_text(json.dumps(whole, indent=4))


def _lens(k: Intrinsics) -> dict[str, Any]:
    return {"fl_x": k.fx, "fl_y": k.fy, "cx": k.cx, "cy": k.cy, "w": k.width, "h": k.height}


LAYOUT = Layout(field_of_view=63.8, rig=stray.rig, write=write)  # an iPhone's wide camera, in video
