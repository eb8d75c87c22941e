"""Videos: how many pictures of what size, and a stream of the wanted ones."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.capture.images import check_pixels
from cousins.errors import CaptureError


@dataclass(frozen=True)
class Clip:
    """What a video holds. rate: pictures a second, 0 where the file does not say."""

    width: int
    height: int
    count: int
    rate: float


def probe(file: Path, where: str, turn: bool = False) -> Clip:
    """Size and number of the pictures. turn: as `pictures`. Raises CaptureError for no video."""
    import cv2

    stream = _open(file, where, turn)
    try:
        width = int(stream.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(stream.get(cv2.CAP_PROP_FRAME_HEIGHT))
        check_pixels(where, width, height)
        rate = float(stream.get(cv2.CAP_PROP_FPS))
        count = int(stream.get(cv2.CAP_PROP_FRAME_COUNT))
        if count <= 0:  # the container does not say
            count = 0
            while stream.grab():
                count += 1
    finally:
        stream.release()
    return Clip(width, height, count, rate if np.isfinite(rate) and rate > 0 else 0.0)


def readable(file: Path, where: str, most: int) -> int:
    """How many pictures can be read, counted up to `most`. Raises CaptureError for no video."""
    stream = _open(file, where, turn=False)
    count = 0
    try:
        while count < most and stream.grab():
            count += 1
    finally:
        stream.release()
    return count


def pictures(
    file: Path, wanted: Sequence[int], size: tuple[int, int], where: str, turn: bool = False
) -> Iterator[NDArray[np.uint8]]:
    """(h, w, 3) RGB of the pictures with these rising numbers, one after the other.

    turn: whether a portrait video is turned upright, as its file says. Raises CaptureError where
    the video ends before the last or its pictures are not of `size` (width, height).
    """
    stream = _open(file, where, turn)
    at = 0
    try:
        for number in wanted:
            while at < number and stream.grab():
                at += 1
            read, bgr = stream.read() if at == number else (False, None)
            if not read or bgr is None or bgr.shape[1::-1] != size:
                raise CaptureError(
                    f"{where}: cannot be read beyond picture {at} of {wanted[-1] + 1}:"
                    " cut short or damaged; copy the capture from the phone again"
                )
            at += 1
            yield np.ascontiguousarray(bgr[:, :, ::-1])
    finally:
        stream.release()


def _open(file: Path, where: str, turn: bool) -> Any:
    # FFmpeg, inside OpenCV, prints its own complaints; ours follow. Read at first use, so a user's
    # own setting wins.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    stream = cv2.VideoCapture(str(file))
    if not stream.isOpened():
        raise CaptureError(
            f"{where}: not a video that can be read: cut short or damaged;"
            " copy the capture from the phone again"
        )
    stream.set(cv2.CAP_PROP_ORIENTATION_AUTO, int(turn))
    return stream
