"""Writes Stray Scanner's layout; `cousins.capture.stray` reads it and describes it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cousins.capture.stray import VIDEO_WIDTH
from cousins.mesh import quaternion_from_matrix
from cousins.phone.shots import Layout, Rig, Shot, open_video, write_png
from cousins.types import Intrinsics

HEADER = "timestamp, frame, x, y, z, qx, qy, qz, qw"


def rig(camera: Intrinsics, depth_size: tuple[int, int]) -> Rig:
    """One camera at two sizes: ARKit registers depth to colour."""
    return Rig(camera.scaled(*depth_size), camera)


def write(folder: Path, rig: Rig, rate: float, shots: Iterable[Shot]) -> None:
    """A dropped shot is in the video alone, and its number is missing everywhere else.

    Without pictures there is no video; the camera matrix is for its size as the app's would be.
    """
    import cv2

    for name in ("depth", "confidence"):
        (folder / name).mkdir()
    lines, video = [HEADER], None
    try:
        for shot in shots:
            if shot.colour is not None:
                video = video or open_video(folder / "rgb.mp4", rig.colour, rate)
                video.write(cv2.cvtColor(shot.colour, cv2.COLOR_RGB2BGR))
            if shot.dropped:
                continue
            write_png(folder / "depth" / f"{shot.number:06d}.png", shot.depth)
            write_png(folder / "confidence" / f"{shot.number:06d}.png", shot.confidence)
            w, *xyz = quaternion_from_matrix(shot.pose[:3, :3])
            numbers = ", ".join(f"{v:.7f}" for v in (*shot.pose[:3, 3], *xyz, w))
            lines.append(f"{shot.number / rate:.6f}, {shot.number:06d}, {numbers}")
    finally:
        if video:
            video.release()
    w, h = rig.depth.width, rig.depth.height
    camera = rig.colour if video else rig.depth.scaled(VIDEO_WIDTH, round(VIDEO_WIDTH * h / w))
    np.savetxt(folder / "camera_matrix.csv", camera.matrix, delimiter=",")
    (folder / "odometry.csv").write_text("\n".join(lines) + "\n")


LAYOUT = Layout(field_of_view=63.8, rig=rig, write=write)  # an iPhone's wide camera, in video
