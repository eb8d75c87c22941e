"""Photos and videos: pictures alone, without depth or poses.

Photos count as unordered: people walk round a place more than once. EXIF's orientation is applied;
a photo that was held upright among others that were not is turned as they are, for its camera is
the same one. What another lens or zoom took has another camera, and is left out. A video is turned
as it says itself.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.capture import files
from cousins.capture.picture_head import Head, head
from cousins.errors import CaptureError
from cousins.types import Photos

PICTURES = (".jpg", ".jpeg", ".png")
FOREIGN = (".heic", ".heif", ".avif", ".webp", ".tif", ".tiff", ".bmp", ".dng", ".gif")
VIDEOS = (".mp4", ".mov", ".m4v", ".mkv", ".avi", ".webm")
MOST_PHOTOS = 2000
MOST_FRAMES = 36_000  # ten minutes at 60 a second
_HEAD = 1 << 20  # bytes: EXIF and what phones put beside it come before the size, and are shorter
CONVERT = (
    "save it as JPEG (macOS: sips -s format jpeg *.HEIC --out jpg; on an iPhone: Settings,"
    " Camera, Formats, Most Compatible)"
)
_Picture = NDArray[np.uint8]


def photos_of(paths: Sequence[Path], root: Path) -> Photos:
    """Single pictures, JPEG or PNG, in the order of `paths`, which lie under `root`.

    The size, and the lens, that most have is taken; photos with another are left out with a
    warning. Only the files' heads are read here. Raises CaptureError for fewer than three photos,
    for other formats, and if no size is shared by half of them.
    """
    _check_formats(paths)
    if len(paths) < 3:
        raise CaptureError(
            f"{root}: holds {len(paths)} photos; a place takes 20 or more, from all around it"
        )
    if len(paths) > MOST_PHOTOS:
        raise CaptureError(
            f"{root}: holds {len(paths)} photos, more than {MOST_PHOTOS}: choose some of them"
        )
    heads = [_head(path) for path in paths]
    sizes = [frozenset((h.width, h.height)) for h in heads]
    keep, warnings = _majority(paths, sizes, "another size")
    keep, more = _majority(keep, [h.focal_35 for h in _at(heads, paths, keep)], "another lens")
    heads = _at(heads, paths, keep)
    size = Counter(h.shown for h in heads).most_common(1)[0][0]
    turns = tuple(h.turn if h.shown == size else _like(h, heads, size) for h in heads)
    focals = [h.focal for h in heads if h.focal]
    return Photos(
        path=root,
        layout="photos",
        names=tuple(path.name for path in keep),
        size=size,
        sha256=files.digest(root, keep),
        pictures=partial(_photos, tuple(keep), turns, size),
        focal=focals[0] if focals else None,
        warnings=warnings + more,
    )


def video_of(path: Path) -> Photos:
    """The pictures of a video. It is run through once, to count those that can be read.

    Raises CaptureError for a file that is no video, is damaged or holds no picture.
    """
    stream = _open(path)
    try:
        told = int(stream.get(_cv2().CAP_PROP_FRAME_COUNT))
        read, first = stream.read()
        if not read or first is None:
            raise CaptureError(f"{path}: holds no picture that can be read; {_COPY}")
        height, width = first.shape[:2]
        count = 1
        while count <= MOST_FRAMES and stream.grab():
            count += 1
    finally:
        stream.release()
    if count < 3 or count > MOST_FRAMES:
        raise CaptureError(
            f"{path}: holds {'more than ' if count > 3 else ''}{min(count, MOST_FRAMES)} pictures;"
            " film a place for half a minute to two minutes"
        )
    # Containers round what they tell; a cut file lacks more than that.
    lost = told - count > max(2, 0.01 * told)
    early = f"{path.name} ends early: {count} of {told} pictures can be read"
    return Photos(
        path=path,
        layout="video",
        names=tuple(f"{path.name} picture {i}" for i in range(count)),
        size=(width, height),
        sha256=files.digest(path.parent, [path]),
        pictures=partial(_frames, path, count, (width, height)),
        ordered=True,
        warnings=(early,) if lost else (),
    )


_COPY = "copy it from the phone again"


def _check_formats(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.suffix.lower() in FOREIGN:
            raise CaptureError(f"{path}: {path.suffix[1:].upper()} is not read: {CONVERT}")


def _head(path: Path) -> Head:
    try:
        with path.open("rb") as stream:
            found = head(stream.read(_HEAD))
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}; {files.AGAIN}") from error
    if found is None:
        raise CaptureError(f"{path}: neither a JPEG nor a PNG picture, or cut short; {files.AGAIN}")
    files.check_pixels(path, found.width, found.height)
    return found


def _at(heads: Sequence[Head], paths: Sequence[Path], keep: Sequence[Path]) -> list[Head]:
    by_path = dict(zip(paths, heads, strict=True))
    return [by_path[path] for path in keep]


def _majority(
    paths: Sequence[Path], kinds: Sequence[Any], what: str
) -> tuple[list[Path], tuple[str, ...]]:
    """The paths of the commonest kind, and a warning that names the others."""
    common, count = Counter(kinds).most_common(1)[0]
    others = [path for path, kind in zip(paths, kinds, strict=True) if kind != common]
    if not others:
        return list(paths), ()
    said = f"{others[0]}{f' and {len(others) - 1} more' if len(others) > 1 else ''}"
    if 2 * count < len(paths):
        raise CaptureError(
            f"{said}: of {what} than the rest, and no half of the {len(paths)} photos is alike:"
            " take all with one camera, without zoom"
        )
    keep = [path for path, kind in zip(paths, kinds, strict=True) if kind == common]
    return keep, (f"{said}: of {what} than the other photos, left out",)


def _like(own: Head, heads: Sequence[Head], size: tuple[int, int]) -> int:
    """The turn that most photos of the shown `size` have which are stored as this one is; else one
    that swaps its sides."""
    same = [h.turn for h in heads if h.shown == size and h.width == own.width]
    return Counter(same).most_common(1)[0][0] if same else (1 if own.turn >= 5 else 6)


def _photos(paths: Sequence[Path], turns: Sequence[int], size: tuple[int, int]) -> Iterator:
    for path, turn in zip(paths, turns, strict=True):
        picture = turned(files.read_colour(path), turn)
        if picture.shape[1::-1] != size:
            raise CaptureError(f"{path}: is not of the size that its head says; {files.AGAIN}")
        yield np.ascontiguousarray(picture)


def turned(picture: _Picture, turn: int) -> _Picture:
    """The picture (h, w, 3) as EXIF's orientation 1 to 8 says that it is to be seen."""
    if turn >= 5:  # stored by columns
        picture = picture.transpose(1, 0, 2)
    if turn in (3, 4, 7, 8):
        picture = picture[::-1]
    return picture[:, ::-1] if turn in (2, 3, 6, 7) else picture


def _cv2() -> Any:
    # FFmpeg, inside OpenCV, prints its own complaints; ours follow. Read at first use, so a user's
    # own setting wins.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    return cv2


def _open(path: Path) -> Any:
    cv2 = _cv2()
    stream = cv2.VideoCapture(str(path))
    if not stream.isOpened():
        raise CaptureError(f"{path}: not a video that can be read: cut short or damaged; {_COPY}")
    width, height = (
        int(stream.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )
    files.check_pixels(path, width, height)
    return stream


def _frames(path: Path, count: int, size: tuple[int, int]) -> Iterator[_Picture]:
    stream = _open(path)
    try:
        for i in range(count):
            read, bgr = stream.read()
            if not read or bgr is None or bgr.shape[1::-1] != size:
                raise CaptureError(f"{path}: cannot be read beyond picture {i} of {count}; {_COPY}")
            yield np.asarray(_cv2().cvtColor(bgr, _cv2().COLOR_BGR2RGB), np.uint8)
    finally:
        stream.release()
