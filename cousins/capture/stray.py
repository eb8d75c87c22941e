"""Stray Scanner: rgb.mp4, depth/, confidence/, odometry.csv, camera_matrix.csv.

Depth is 256x192 uint16 mm. Poses are camera-to-world with OpenCV axes in ARKit's world (y up).
The camera matrix is for the video's size. Row k of odometry.csv with `frame` f goes with
depth/f.png and with picture f of the video; numbers may have gaps. Newer versions of the app add
fx, fy, cx, cy to a row, which may be empty. The app closes video and poses one after the other, so
the video may end one picture early or late; the last pose is then dropped, or the last picture.
Depth and poses must agree. Without a video the camera matrix is taken to be for the size of the
app's videos, or for the depth images' own.
"""

from __future__ import annotations

import csv
import io
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.capture import files, quality
from cousins.errors import CaptureError
from cousins.types import Array, Capture, Frame, Intrinsics

COLUMNS = ("timestamp", "frame", "x", "y", "z", "qx", "qy", "qz", "qw")
LENS = ("fx", "fy", "cx", "cy")
VIDEO_WIDTH = 1920  # px of the app's videos; they are 1440 high, of the shape of depth
CENTRED = 0.02  # of a picture's size; phones' principal points are off by half of that at most


@dataclass(frozen=True)
class _Row:
    """One line of odometry.csv."""

    where: str
    time: float
    number: int
    position: tuple[float, ...]
    xyzw: tuple[float, ...]
    lens: tuple[float, ...] | None


@dataclass(frozen=True)
class StrayScanner:
    """Reads captures of the iOS app Stray Scanner."""

    @property
    def layout(self) -> str:
        return "stray-scanner"

    def missing(self, path: Path) -> list[str]:
        """What of this layout the folder lacks; empty where it is recognised."""
        lacks = [n for n in ("odometry.csv", "camera_matrix.csv") if not (path / n).is_file()]
        if not any((path / "depth").glob("[0-9]*.png")):
            lacks.append("depth/*.png")
        return lacks

    def __call__(self, path: Path) -> Capture:
        """The capture, with every pose and depth image checked. Raises CaptureError."""
        rows = _rows(path / "odometry.csv")
        video = path / "rgb.mp4" if (path / "rgb.mp4").exists() else None
        width, height, pictures = _video_size(video) if video else (0, 0, None)
        rows, notes = _matched(path, rows, pictures)
        names = [row.where for row in rows]
        poses = quality.poses_from_quaternions(
            np.array([row.position for row in rows]), np.array([row.xyzw for row in rows]), names
        )
        depths = [path / "depth" / f"{row.number:06d}.png" for row in rows]
        keep, depth_size, depth_notes = quality.survey_depth(
            map(files.read_depth, depths), [str(d) for d in depths]
        )
        matrix = path / "camera_matrix.csv"
        lens = files.lens(files.read_matrix(matrix, (3, 3), ","))
        if video:
            quality.check_same_view((width, height), depth_size, str(video))
        else:
            width, height = _size_meant(matrix, lens, depth_size)
        camera = quality.check_intrinsics(Intrinsics(width, height, *lens), str(matrix))
        rows = [row for row, some in zip(rows, keep, strict=True) if some]
        confidence, confidence_notes = _confidence(path, rows)
        used = [path / "odometry.csv", matrix, *([video] if video else [])]
        return Capture(
            path=path,
            layout=self.layout,
            poses=poses[keep],
            up=np.array([0.0, 1.0, 0.0]),
            sha256=files.digest(path, used + depths + [c for c in confidence if c]),
            frames=partial(_frames, path, video, rows, poses[keep], camera, depth_size, confidence),
            warnings=notes + depth_notes + confidence_notes + quality.pose_warnings(poses, names),
        )


def _rows(file: Path) -> list[_Row]:
    reader = csv.DictReader(io.StringIO(files.read_text(file)), skipinitialspace=True)
    header = [(name or "").strip() for name in reader.fieldnames or ()]
    lacks = [name for name in COLUMNS if name not in header]
    if lacks:
        raise CaptureError(f"{file}: lacks the columns {', '.join(lacks)}; {files.AGAIN}")
    reader.fieldnames = header
    rows = [_row(f"{file} line {line}", values) for line, values in enumerate(reader, start=2)]
    if not rows:
        raise CaptureError(f"{file}: holds no poses; {files.AGAIN}")
    for a, b in itertools.pairwise(rows):
        if b.number <= a.number:
            raise CaptureError(f"{b.where}: frame {b.number} comes after {a.number}; {files.AGAIN}")
    return rows


def _row(where: str, values: dict[str, str]) -> _Row:
    try:
        number = int(values["frame"])
        time, *rest = (float(values[name]) for name in COLUMNS if name != "frame")
        lens = [(values.get(name) or "").strip() for name in LENS]
        given = tuple(map(float, lens)) if all(lens) else None
    except (ValueError, TypeError) as error:
        raise CaptureError(f"{where}: holds something else than numbers; {files.AGAIN}") from error
    if number < 0 or not np.isfinite(time):
        raise CaptureError(f"{where}: frame and timestamp must be numbers from 0; {files.AGAIN}")
    return _Row(where, time, number, tuple(rest[:3]), tuple(rest[3:]), given)


def _size_meant(
    file: Path, lens: tuple[float, ...], depth_size: tuple[int, int]
) -> tuple[int, int]:
    """(width, height) of the pictures that the camera matrix is for, where there are none: the one
    known size that has the principal point near its middle. Raises CaptureError if none has."""
    width, height = depth_size
    sizes = [(VIDEO_WIDTH, round(VIDEO_WIDTH * height / width)), depth_size]
    for w, h in sizes:
        if max(abs((lens[2] + 0.5) / w - 0.5), abs((lens[3] + 0.5) / h - 0.5)) < CENTRED:
            return w, h
    told = " or ".join(f"{w}x{h}" for w, h in sizes)
    raise CaptureError(
        f"{file}: there is no rgb.mp4 to tell which size of picture it is for, and its principal"
        f" point {lens[2]:.0f}, {lens[3]:.0f} is not in the middle of {told} pixels: copy rgb.mp4"
        " as well, or scale the matrix to one of these sizes"
    )


def _matched(
    path: Path, rows: list[_Row], pictures: int | None
) -> tuple[list[_Row], tuple[str, ...]]:
    """The rows that have a picture; all of them where there is no video (None).

    Raises CaptureError if depth, poses and pictures disagree.
    """
    stems = sorted(f.stem for f in (path / "depth").glob("[0-9]*.png"))
    counts = f"{path}: depth/ holds {len(stems)} images, odometry.csv {len(rows)} poses"
    if pictures is not None:
        counts += f", rgb.mp4 {pictures} pictures"
    remedy = "copy the whole capture from the phone again"
    if len(stems) != len(rows):
        raise CaptureError(f"{counts}; depth and poses must agree: {remedy}")
    for row, stem in zip(rows, stems, strict=True):
        if stem != f"{row.number:06d}":
            raise CaptureError(f"{row.where}: depth/{row.number:06d}.png is missing: {remedy}")
    if pictures is None:
        return rows, ()
    last = rows[-1].number
    gap = int(np.diff([row.number for row in rows]).max(initial=1))
    surplus = pictures - (last + 1)
    if not -1 <= surplus <= gap:
        raise CaptureError(
            f"{counts}, of which {last + 1} are expected; the video is cut short or belongs to"
            f" another capture: {remedy}"
        )
    if surplus == -1:
        if len(rows) == 1:
            raise CaptureError(f"{counts}; no pose has a picture: {remedy}")
        return rows[:-1], ("rgb.mp4 ends one picture early: the last pose was dropped",)
    return rows, ()


def _confidence(path: Path, rows: Sequence[_Row]) -> tuple[list[Path | None], tuple[str, ...]]:
    found = [path / "confidence" / f"{row.number:06d}.png" for row in rows]
    present = [file if file.is_file() else None for file in found]
    lacking = present.count(None)
    if 0 < lacking < len(rows):
        return present, (f"confidence/ lacks the images of {lacking} of {len(rows)} frames",)
    return present, ()


def _open(video: Path) -> Any:
    # FFmpeg, inside OpenCV, prints its own complaints; ours follow. Read at first use, so a user's
    # own setting wins.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    stream = cv2.VideoCapture(str(video))
    if not stream.isOpened():
        raise CaptureError(
            f"{video}: not a video that can be read: cut short or damaged;"
            " copy the capture from the phone again"
        )
    # Depth is not turned, so the pictures must not be either.
    stream.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
    return stream


def _video_size(video: Path) -> tuple[int, int, int]:
    """Width, height and number of pictures."""
    import cv2

    stream = _open(video)
    try:
        width = int(stream.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(stream.get(cv2.CAP_PROP_FRAME_HEIGHT))
        files.check_pixels(video, width, height)
        count = int(stream.get(cv2.CAP_PROP_FRAME_COUNT))
        if count <= 0:  # the container does not say
            count = 0
            while stream.grab():
                count += 1
    finally:
        stream.release()
    return width, height, count


def _frames(
    path: Path,
    video: Path | None,
    rows: Sequence[_Row],
    poses: Array,
    camera: Intrinsics,
    depth_size: tuple[int, int],
    confidence: Sequence[Path | None],
) -> Iterator[Frame]:
    pictures = _pictures(video, rows, camera) if video else itertools.repeat(None, len(rows))
    for i, (row, picture) in enumerate(zip(rows, pictures, strict=True)):
        lens = camera if row.lens is None else quality.check_intrinsics(
            Intrinsics(camera.width, camera.height, *row.lens), row.where
        )  # fmt: skip
        depth = files.read_depth(path / "depth" / f"{row.number:06d}.png")
        file = confidence[i]
        sure = files.read_confidence(file) if file else None
        if sure is not None and sure.shape != depth.shape:
            raise CaptureError(f"{file}: not of the depth image's size; {files.AGAIN}")
        small = lens.scaled(*depth_size)
        yield Frame(
            index=i,
            time=row.time,
            world_from_camera=poses[i],
            depth=depth,
            depth_intrinsics=small,
            colour=picture,
            colour_intrinsics=small if picture is None else lens,
            confidence=sure,
        )


def _pictures(video: Path, rows: Sequence[_Row], camera: Intrinsics) -> Iterator[NDArray[np.uint8]]:
    """(h, w, 3) RGB of each row."""
    stream = _open(video)
    at = 0
    try:
        for row in rows:
            while at < row.number and stream.grab():
                at += 1
            read, bgr = stream.read() if at == row.number else (False, None)
            if not read or bgr is None or bgr.shape[:2] != (camera.height, camera.width):
                raise CaptureError(
                    f"{video}: cannot be read beyond picture {at} of {rows[-1].number + 1}:"
                    " cut short or damaged; copy the capture from the phone again"
                )
            at += 1
            yield np.ascontiguousarray(bgr[:, :, ::-1])
    finally:
        stream.release()
