"""Small captures written by hand, one function for each layout, for tests that need one on disk."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from cousins.capture import open_capture
from cousins.capture.camera import numbers
from cousins.errors import CaptureError
from cousins.types import Capture, Intrinsics

SIZE = (96, 72)  # of the video
DEPTH = (32, 24)
K = np.array([[80.0, 0, 48], [0, 80, 36], [0, 0, 1]])


def turn(degrees):
    """A rotation about y as a quaternion, x y z w."""
    half = np.radians(degrees) / 2
    return 0.0, float(np.sin(half)), 0.0, float(np.cos(half))


def colour(i):
    """A flat picture whose red tells the frame (RGB); flat, so that a codec keeps it."""
    return np.full((SIZE[1], SIZE[0], 3), (40 + 30 * i, 90, 200), np.uint8)


def depth(i):
    """Millimetres: 1000 + i, with one unknown corner."""
    image = np.full((DEPTH[1], DEPTH[0]), 1000 + i, np.uint16)
    image[0, 0] = 0
    return image


def write_video(file, pictures):
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), 30, SIZE)
    for picture in pictures:
        writer.write(picture[:, :, ::-1])
    writer.release()


def write_stray(
    path, n=5, pictures=None, numbers=None, lens=None, confidence=True, header=None, rows=None
):
    """A Stray Scanner folder. lens: per-row strings "fx, fy, cx, cy" of the newer app."""
    numbers = list(range(n)) if numbers is None else numbers
    for name in ("depth", "confidence"):
        (path / name).mkdir(parents=True)
    for i in numbers:
        cv2.imwrite(str(path / f"depth/{i:06d}.png"), depth(i))
        if confidence:
            image = np.full((DEPTH[1], DEPTH[0]), i % 3, np.uint8)
            cv2.imwrite(str(path / f"confidence/{i:06d}.png"), image)
    if rows is None:
        rows = []
        for k, i in enumerate(numbers):
            pose = ", ".join(f"{v:.7f}" for v in (0.1 * i, 1.4, -0.2, *turn(10 * i)))
            rows.append(f"{i / 30:.6f}, {i:06d}, {pose}" + (f", {lens[k]}" if lens else ""))
    header = header or "timestamp, frame, x, y, z, qx, qy, qz, qw" + (
        ", fx, fy, cx, cy" if lens else ""
    )
    (path / "odometry.csv").write_text("\n".join([header, *rows]) + "\n")
    np.savetxt(path / "camera_matrix.csv", K, delimiter=",")
    write_video(path / "rgb.mp4", [colour(i) for i in range(pictures or max(numbers) + 1)])
    return path


def write_seven(path, numbers=(0, 5, 10), suffix="jpg"):
    """A 7-Scenes folder, pictures and depth of one size."""
    path.mkdir(parents=True, exist_ok=True)
    for i in numbers:
        stem = str(path / f"frame-{i:06d}")
        cv2.imwrite(f"{stem}.color.{suffix}", colour(i % 6)[:, :, ::-1])
        image = np.full((SIZE[1], SIZE[0]), 900 + i, np.uint16)
        image[0, :2] = 0, 65535
        cv2.imwrite(f"{stem}.depth.png", image)
        pose = np.eye(4)
        pose[:3, 3] = 0.01 * i, 0.2, 0.3
        np.savetxt(f"{stem}.pose.txt", pose)
    np.savetxt(path / "camera-intrinsics.txt", K)
    return path


def without_pictures(path):
    """The Stray Scanner folder without its video, its camera matrix as the app's would be."""
    (path / "rgb.mp4").unlink()
    camera = Intrinsics(*SIZE, *numbers(K)).scaled(1920, 1440)
    np.savetxt(path / "camera_matrix.csv", camera.matrix, delimiter=",")
    return path


def laid(path, files):
    """A folder with these files: names to bytes or text."""
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def refusal(path, lens=None):
    """The line with which a capture is refused, at opening or while it is streamed."""

    def everything():
        found = open_capture(path, lens)
        for _ in found.frames() if isinstance(found, Capture) else found.pictures():
            pass

    with pytest.raises(CaptureError) as caught:
        everything()
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def sample(name):
    """A real sample capture, where this checkout has them beside it; else the test is skipped."""
    root = Path(os.environ.get("COUSINS_CAPTURES", Path(__file__).parents[2] / "shared/captures"))
    if not (root / name).exists():
        pytest.skip(f"no capture {name} (set COUSINS_CAPTURES to the folder that holds it)")
    return root / name
