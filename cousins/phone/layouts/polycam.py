"""Writes Polycam's raw data; `cousins.capture.polycam` reads and describes them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from cousins.capture.frames import OPENCV_FROM_OPENGL
from cousins.capture.polycam import FOLDER, LEVELS
from cousins.phone.layouts import stray
from cousins.phone.shots import Layout, Rig, Shot, write_jpeg, write_png

START = 100_000_000  # µs since the phone was started


def write(folder: Path, rig: Rig, rate: float, shots: Iterable[Shot]) -> None:
    """A dropped shot leaves no file. The poses are as tracked, so there are no corrected ones."""
    identity = np.eye(4).T.ravel().tolist()
    (folder / "mesh_info.json").write_text(json.dumps({"alignmentTransform": identity}))
    folder = folder / FOLDER
    for name in ("cameras", "confidence", "depth", "images"):
        (folder / name).mkdir(parents=True)
    for shot in shots:
        if shot.dropped:
            continue
        stamp = START + round(1e6 * shot.number / rate)
        (folder / "cameras" / f"{stamp}.json").write_text(json.dumps(_camera(rig, shot, stamp)))
        write_png(folder / "depth" / f"{stamp}.png", shot.depth)
        levels = np.take(np.array(LEVELS, np.uint8), shot.confidence)
        write_png(folder / "confidence" / f"{stamp}.png", levels)
        if shot.colour is not None:
            write_jpeg(folder / "images" / f"{stamp}.jpg", shot.colour)


def _camera(rig: Rig, shot: Shot, stamp: int) -> dict[str, Any]:
    camera, pose = rig.colour, shot.pose @ OPENCV_FROM_OPENGL
    rows = {f"t_{i}{j}": float(pose[i, j]) for i in range(3) for j in range(4)}
    lens = {"fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy}
    size = {"width": camera.width, "height": camera.height}
    return {**lens, **size, **rows, "blur_score": 100.0, "timestamp": stamp}


LAYOUT = Layout(field_of_view=stray.LAYOUT.field_of_view, rig=stray.rig, write=write)
