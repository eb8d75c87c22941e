"""Writes Record3D's recordings, unpacked; `cousins.capture.record3d` reads and describes them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.capture.frames import OPENCV_FROM_OPENGL
from cousins.capture.record3d import FOLDER, METADATA
from cousins.mesh import quaternion_from_matrix
from cousins.native import require
from cousins.phone.layouts import stray
from cousins.phone.shots import Layout, Rig, Shot, write_jpeg
from cousins.types import Array

ICON = "icon"  # a picture to know the recording by


@dataclass
class Metadata:
    """What the app notes of a recording, filled frame by frame."""

    rig: Rig
    rate: float
    poses: list[list[float]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def add(self, shot: Shot) -> int:
        """Notes a frame, and tells its number."""
        self.poses.append(numbers(shot.pose))
        self.times.append(shot.number / self.rate)
        return len(self.poses) - 1

    def write(self, file: Path) -> None:
        """Writes the JSON; the camera is for the picture's size, column by column."""
        colour, depth = self.rig.colour, self.rig.depth
        told: dict[str, Any] = {
            "w": colour.width,
            "h": colour.height,
            "dw": depth.width,
            "dh": depth.height,
            "fps": self.rate,
            "cameraType": 1,
            "K": colour.matrix.T.ravel().tolist(),
            "perFrameIntrinsicCoeffs": [[colour.fx, colour.fy, colour.cx, colour.cy]]
            * len(self.poses),
            "initPose": [0, 0, 0, 1, 0, 0, 0],
            "poses": self.poses,
            "frameTimestamps": self.times,
        }
        file.write_text(json.dumps(told))


def numbers(pose: Array) -> list[float]:
    """qx, qy, qz, qw, x, y, z of a (4, 4) pose, with OpenGL axes."""
    w, *xyz = quaternion_from_matrix((pose @ OPENCV_FROM_OPENGL)[:3, :3])
    return [float(v) for v in (*xyz, w, *pose[:3, 3])]


def metres(depth: NDArray[np.uint16]) -> NDArray[np.float32]:
    """(h, w) m, NaN where unknown, of millimetres with 0."""
    known: NDArray[np.float32] = depth.astype(np.float32)
    known /= 1000
    known[depth == 0] = np.nan
    return known


def write(folder: Path, rig: Rig, rate: float, shots: Iterable[Shot]) -> None:
    """A dropped shot leaves nothing, and the others are numbered on without it."""
    pack = require("imagecodecs").lzfse_encode
    told = Metadata(rig, rate)
    (folder / FOLDER).mkdir()
    for shot in shots:
        if shot.dropped:
            continue
        file = folder / FOLDER / str(told.add(shot))
        file.with_suffix(".depth").write_bytes(pack(metres(shot.depth).astype("<f4").tobytes()))
        file.with_suffix(".conf").write_bytes(pack(shot.confidence.tobytes()))
        if shot.colour is not None:
            write_jpeg(file.with_suffix(".jpg"), shot.colour)
            if not (folder / ICON).exists():
                write_jpeg(folder / ICON, shot.colour)
    told.write(folder / METADATA)


LAYOUT = Layout(field_of_view=stray.LAYOUT.field_of_view, rig=stray.rig, write=write)
