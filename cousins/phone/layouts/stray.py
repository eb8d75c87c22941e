"""Writes Stray Scanner's layout; `cousins.capture.stray` reads it and describes it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cousins.errors import MissingDependencyError
from cousins.mesh import quaternion_from_matrix
from cousins.phone.shots import Layout, Rig, Shot, write_png
from cousins.types import Intrinsics

HEADER = "timestamp, frame, x, y, z, qx, qy, qz, qw"


def rig(camera: Intrinsics, depth_size: tuple[int, int]) -> Rig:
    """One camera at two sizes: ARKit registers depth to colour."""
    return Rig(camera.scaled(*depth_size), camera)


def write(folder: Path, rig: Rig, rate: float, shots: Iterable[Shot]) -> None:
    """A dropped shot is in the video alone, and its number is missing everywhere else."""
    import cv2

    for name in ("depth", "confidence"):
        (folder / name).mkdir()
    size = rig.colour.width, rig.colour.height
    video = cv2.VideoWriter(str(folder / "rgb.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
    if not video.isOpened():
        raise MissingDependencyError(
            "this OpenCV cannot write mp4 video: pip install opencv-python-headless"
        )
    lines = [HEADER]
    try:
        for shot in shots:
            video.write(cv2.cvtColor(shot.colour, cv2.COLOR_RGB2BGR))
            if shot.dropped:
                continue
            write_png(folder / "depth" / f"{shot.number:06d}.png", shot.depth)
            write_png(folder / "confidence" / f"{shot.number:06d}.png", shot.confidence)
            w, *xyz = quaternion_from_matrix(shot.pose[:3, :3])
            numbers = ", ".join(f"{v:.7f}" for v in (*shot.pose[:3, 3], *xyz, w))
            lines.append(f"{shot.number / rate:.6f}, {shot.number:06d}, {numbers}")
    finally:
        video.release()
    np.savetxt(folder / "camera_matrix.csv", rig.colour.matrix, delimiter=",")
    (folder / "odometry.csv").write_text("\n".join(lines) + "\n")


LAYOUT = Layout(field_of_view=63.8, rig=rig, write=write)  # an iPhone's wide camera, in video
