"""Writes pictures alone, as photos or as a video; `cousins.capture.photos` reads them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from numpy.typing import NDArray

from cousins.errors import UsageError
from cousins.phone.shots import Layout, Rig, Shot, open_video
from cousins.types import Intrinsics

QUALITY = 95  # of JPEG, as phones write it
VIDEO = "video.mp4"


def rig(camera: Intrinsics, depth_size: tuple[int, int]) -> Rig:
    """One camera; its depth image is filmed and not kept."""
    return Rig(camera.scaled(*depth_size), camera)


def write_photos(folder: Path, rig: Rig, rate: float, shots: Iterable[Shot]) -> None:
    """IMG_0001.jpg and so on; a dropped shot leaves no file. Raises UsageError without colour."""
    import cv2

    for shot in shots:
        picture = _bgr(shot)
        if not shot.dropped:
            data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
            (folder / f"IMG_{shot.number + 1:04d}.jpg").write_bytes(data.tobytes())


def write_video(folder: Path, rig: Rig, rate: float, shots: Iterable[Shot]) -> None:
    """video.mp4, every shot in it. Raises UsageError without colour."""
    video = None
    try:
        for shot in shots:
            picture = _bgr(shot)
            video = video or open_video(folder / VIDEO, rig.colour, rate)
            video.write(picture)
    finally:
        if video:
            video.release()


def _bgr(shot: Shot) -> NDArray:
    if shot.colour is None:
        raise UsageError("photos and video are nothing but colour: leave --no-colour out")
    return shot.colour[:, :, ::-1].copy()


# An iPhone's wide camera: 26 mm on film of the pictures' shape, and in video.
PHOTOS = Layout(field_of_view=67.3, rig=rig, write=write_photos)
MOVIE = Layout(field_of_view=63.8, rig=rig, write=write_video)
