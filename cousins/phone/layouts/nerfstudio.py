"""Writes nerfstudio's layout; `cousins.capture.nerfstudio` reads it and describes it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cousins.capture.frames import OPENCV_FROM_OPENGL
from cousins.capture.nerfstudio import CORNER
from cousins.capture.transforms import FILE
from cousins.phone.layouts import stray
from cousins.phone.shots import Z_UP, Layout, Rig, Shot, write_png


def write(folder: Path, rig: Rig, rate: float, shots: Iterable[Shot]) -> None:
    """As ns-process-data writes a phone's capture with depth. A dropped shot leaves nothing."""
    for name in ("images", "depth"):
        (folder / name).mkdir()
    frames = []
    for shot in shots:
        if shot.dropped:
            continue
        name = f"frame_{shot.number + 1:05d}.png"
        if shot.colour is not None:
            write_png(folder / "images" / name, shot.colour)
        write_png(folder / "depth" / name, shot.depth.astype(np.uint16))
        frames.append(
            {
                "file_path": f"images/{name}",
                "depth_file_path": f"depth/{name}",
                "transform_matrix": (shot.pose @ OPENCV_FROM_OPENGL).tolist(),
            }
        )
    k = rig.colour
    whole = {
        "camera_model": "OPENCV",
        "orientation_override": "none",
        "fl_x": k.fx,
        "fl_y": k.fy,
        "cx": k.cx + CORNER,
        "cy": k.cy + CORNER,
        "w": k.width,
        "h": k.height,
        **dict.fromkeys(("k1", "k2", "p1", "p2"), 0.0),
        "frames": frames,
    }
    (folder / FILE).write_text(json.dumps(whole, indent=4))


LAYOUT = Layout(
    field_of_view=63.8,  # an iPhone's wide camera, in video
    rig=stray.rig,
    write=write,
    capture_from_world=Z_UP,
)
