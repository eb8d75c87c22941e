"""Stray Scanner: rgb.mp4, depth/, confidence/, odometry.csv, camera_matrix.csv.

Depth is 256x192 uint16 mm. Poses are camera-to-world with OpenCV axes in ARKit's world (y up).
The camera matrix is for the video's size. Row k of odometry.csv with `frame` f goes with
depth/f.png and with picture f of the video; numbers may have gaps. Newer versions of the app add
fx, fy, cx, cy to a row, which may be empty. The first version wrote depth/f.npy, uint16 mm, and
rows without time and number, one a picture. The app closes video and poses one after the other, so
the video may end one picture early or late; the last pose is then dropped, or the last picture.
Depth and poses must agree. Without a video the camera matrix is taken to be for the size of the
app's videos, or for the depth images' own.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cousins.capture import camera, images, quality, video
from cousins.capture.camera import Lens
from cousins.capture.files import AGAIN, Files, read_matrix, read_text
from cousins.capture.frames import ARKIT_UP, Item, Picture, capture, confidence_png, depth_png
from cousins.errors import CaptureError
from cousins.types import Capture, Intrinsics

POSES, MATRIX, VIDEO = "odometry.csv", "camera_matrix.csv", "rgb.mp4"
POSE = ("x", "y", "z", "qx", "qy", "qz", "qw")
CLOCK = ("timestamp", "frame")  # which the first version of the app did not write
RATE = 60.0  # frames a second, the app's
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

    def missing(self, files: Files) -> list[str]:
        """What of this layout the files lack; empty where it is recognised."""
        lacks = [name for name in (POSES, MATRIX) if name not in files]
        return lacks if _depths(files) else [*lacks, "depth/*.png"]

    def __call__(self, files: Files, lens: Lens | None = None) -> Capture:
        """The capture. Raises CaptureError, and UsageError for a lens, which it has."""
        camera.unneeded(lens, files.where(MATRIX))
        rows = _rows(files)
        size, count = _video_size(files) if VIDEO in files else (None, None)
        rows, notes = _matched(files, rows, count)
        poses = quality.poses_from_quaternions(
            np.array([row.position for row in rows]),
            np.array([row.xyzw for row in rows]),
            [row.where for row in rows],
        )
        depths = _depths(files)
        confidence, confidence_notes = _confidence(files, rows)
        common = _camera(files, size, depths[rows[0].number])
        items = [
            _item(files, row, pose, common, depths[row.number], confidence.get(row.number))
            for row, pose in zip(rows, poses, strict=True)
        ]
        used = [POSES, MATRIX, *depths.values(), *confidence.values()]
        clip = None
        if size:
            used.append(VIDEO)
            clip = partial(_pictures, files, [row.number for row in rows], size)
        notes += confidence_notes
        return capture(files, self.layout, items, used, ARKIT_UP, notes, clip)


def _item(
    files: Files, row: _Row, pose: np.ndarray, common: Intrinsics, depth: str, sure: str | None
) -> Item:
    own = common
    if row.lens is not None:
        own = quality.check_intrinsics(
            Intrinsics(common.width, common.height, *row.lens), row.where
        )
    return Item(
        where=row.where,
        time=row.time,
        pose=pose,
        camera=own,
        depth=_read(files, depth),
        confidence=confidence_png(files, sure) if sure else None,
        depth_where=files.where(depth),
    )


def _depths(files: Files) -> dict[int, str]:
    return files.numbered("depth", "png") or files.numbered("depth", "npy")


def _read(files: Files, depth: str) -> Callable[[], NDArray[np.float32]]:
    if depth.endswith(".png"):
        return depth_png(files, depth)
    return lambda: images.npy_depth(files.read(depth), files.where(depth))


def _camera(files: Files, video: tuple[int, int] | None, depth: str) -> Intrinsics:
    """The camera that the matrix gives, at the size that it is meant for."""
    lens = camera.numbers(read_matrix(files, MATRIX, (3, 3), ","))
    height, width = _read(files, depth)().shape
    size = video or _size_meant(files.where(MATRIX), lens, (width, height))
    return quality.check_intrinsics(Intrinsics(*size, *lens), files.where(MATRIX))


def _rows(files: Files) -> list[_Row]:
    file = files.where(POSES)
    reader = csv.DictReader(io.StringIO(read_text(files, POSES)), skipinitialspace=True)
    header = [(name or "").strip() for name in reader.fieldnames or ()]
    clock = CLOCK if any(name in header for name in CLOCK) else ()
    lacks = [name for name in (*clock, *POSE) if name not in header]
    if lacks:
        raise CaptureError(f"{file}: lacks the columns {', '.join(lacks)}; {AGAIN}")
    reader.fieldnames = header
    rows = [
        _row(f"{file} line {i + 2}", {"frame": str(i), "timestamp": str(i / RATE)} | values)
        for i, values in enumerate(reader)
    ]
    if not rows:
        raise CaptureError(f"{file}: holds no poses; {AGAIN}")
    for a, b in itertools.pairwise(rows):
        if b.number <= a.number:
            raise CaptureError(f"{b.where}: frame {b.number} comes after {a.number}; {AGAIN}")
    return rows


def _row(where: str, values: dict[str, str]) -> _Row:
    try:
        number = int(values["frame"])
        time, *rest = (float(values[name]) for name in ("timestamp", *POSE))
        lens = [(values.get(name) or "").strip() for name in LENS]
        given = tuple(map(float, lens)) if all(lens) else None
    except (ValueError, TypeError) as error:
        raise CaptureError(f"{where}: holds something else than numbers; {AGAIN}") from error
    if number < 0 or not np.isfinite(time):
        raise CaptureError(f"{where}: frame and timestamp must be numbers from 0; {AGAIN}")
    return _Row(where, time, number, tuple(rest[:3]), tuple(rest[3:]), given)


def _size_meant(
    where: str, lens: tuple[float, ...], depth_size: tuple[int, int]
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
        f"{where}: there is no rgb.mp4 to tell which size of picture it is for, and its principal"
        f" point {lens[2]:.0f}, {lens[3]:.0f} is not in the middle of {told} pixels: copy rgb.mp4"
        " as well, or scale the matrix to one of these sizes"
    )


def _matched(
    files: Files, rows: list[_Row], pictures: int | None
) -> tuple[list[_Row], tuple[str, ...]]:
    """The rows that have a picture; all of them where there is no video (None).

    Raises CaptureError if depth, poses and pictures disagree.
    """
    depths = _depths(files)
    counts = f"{files.path}: depth/ holds {len(depths)} images, odometry.csv {len(rows)} poses"
    if pictures is not None:
        counts += f", rgb.mp4 {pictures} pictures"
    remedy = "copy the whole capture from the phone again"
    if len(depths) != len(rows):
        raise CaptureError(f"{counts}; depth and poses must agree: {remedy}")
    for row in rows:
        if row.number not in depths:
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


def _confidence(files: Files, rows: Sequence[_Row]) -> tuple[dict[int, str], tuple[str, ...]]:
    found = files.numbered("confidence", "png")
    present = {row.number: found[row.number] for row in rows if row.number in found}
    lacking = len(rows) - len(present)
    if 0 < lacking < len(rows):
        return present, (f"confidence/ lacks the images of {lacking} of {len(rows)} frames",)
    return present, ()


def _video_size(files: Files) -> tuple[tuple[int, int], int]:
    """(width, height) and number of pictures."""
    clip = video.probe(files.local(VIDEO), files.where(VIDEO))
    return (clip.width, clip.height), clip.count


def _pictures(
    files: Files, numbers: Sequence[int], size: tuple[int, int], kept: Sequence[int]
) -> Iterator[Picture]:
    """(h, w, 3) RGB of the rows whose indices are `kept`."""
    wanted = [numbers[i] for i in kept]
    # Depth is not turned, so the pictures must not be either.
    return video.pictures(files.local(VIDEO), wanted, size, files.where(VIDEO), turn=False)
