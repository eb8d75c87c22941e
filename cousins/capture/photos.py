"""Photos and videos: pictures alone, without depth or poses.

Photos count as unordered: people walk round a place more than once. EXIF's orientation is applied;
a photo that was held upright among others that were not is turned as they are, for its camera is
the same one. What another lens or zoom took has another camera, and is left out. A video is turned
as it says itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.capture import camera, images, video
from cousins.capture.camera import Lens
from cousins.capture.files import AGAIN, Files
from cousins.capture.picture_head import Head, head
from cousins.errors import CaptureError
from cousins.types import Intrinsics, Photos

PICTURES = (".jpg", ".jpeg", ".png")
FOREIGN = (".heic", ".heif", ".avif", ".webp", ".tif", ".tiff", ".bmp", ".dng", ".gif")
VIDEOS = (".mp4", ".mov", ".m4v", ".mkv", ".avi", ".webm")
# Folders of these names are parts of other layouts.
PARTS = ("depth", "confidence", "rgb", "color", "colour", "lowres_wide", "lowres_depth", "masks")
FEWEST = 3
MOST_PHOTOS = 2000
MOST_FRAMES = 36_000  # ten minutes at 60 a second
_HEAD = 1 << 20  # bytes: EXIF and what phones put beside it come before the size, and are shorter
CONVERT = (
    "save it as JPEG (macOS: sips -s format jpeg *.HEIC --out jpg; on an iPhone: Settings,"
    " Camera, Formats, Most Compatible)"
)
_Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class PhotoFolder:
    """Reads a folder of photos."""

    @property
    def layout(self) -> str:
        return "photos"

    def missing(self, files: Files) -> list[str]:
        """What of this layout the files lack; empty where it is recognised."""
        found = _of_kind(files, (*PICTURES, *FOREIGN))
        part = PurePosixPath(files.root).name in PARTS or any("depth" in n.lower() for n in found)
        alone = not part and _alone(files, found) and len(found) >= FEWEST
        return [] if alone else ["three photos (*.jpg, *.png) and nothing else"]

    def __call__(self, files: Files, lens: Lens | None = None) -> Photos:
        """Single pictures, JPEG or PNG, in the order of their names.

        The size, and the camera's lens, that most have is taken; photos with another are left out
        with a warning. Only the files' heads are read here. Raises CaptureError for fewer than
        three photos, for other formats, and if no size is shared by half of them.
        """
        if foreign := _of_kind(files, FOREIGN):
            kind = PurePosixPath(foreign[0]).suffix[1:].upper()
            raise CaptureError(f"{files.where(foreign[0])}: {kind} is not read: {CONVERT}")
        names = _of_kind(files, PICTURES)
        if len(names) > MOST_PHOTOS:
            raise CaptureError(
                f"{files.path}: holds {len(names)} photos, more than {MOST_PHOTOS}: choose some"
            )
        heads = {name: _head(files, name) for name in names}
        sizes = [frozenset((h.width, h.height)) for h in heads.values()]
        keep, warnings = _majority(files, names, sizes, "another size")
        focals = [heads[name].focal_35 for name in keep]
        keep, more = _majority(files, keep, focals, "another lens")
        alike = [heads[name] for name in keep]
        size = Counter(h.shown for h in alike).most_common(1)[0][0]
        turns = tuple(h.turn if h.shown == size else _like(h, alike, size) for h in alike)
        return Photos(
            path=files.path,
            layout=self.layout,
            names=tuple(PurePosixPath(name).name for name in keep),
            size=size,
            sha256=files.digest(keep),
            pictures=partial(_photos, files, tuple(keep), turns, size),
            focal=next((h.focal for h in alike if h.focal), None),
            camera=_told(files, lens, size),
            warnings=warnings + more,
        )


@dataclass(frozen=True)
class VideoFile:
    """Reads a video, alone or in a folder of its own."""

    @property
    def layout(self) -> str:
        return "video"

    def missing(self, files: Files) -> list[str]:
        """What of this layout the files lack; empty where it is recognised."""
        found = _of_kind(files, VIDEOS)
        alone = len(found) == 1 and _alone(files, found)
        return [] if alone else ["one video (*.mp4, *.mov) and nothing else"]

    def __call__(self, files: Files, lens: Lens | None = None) -> Photos:
        """The pictures of a video. It is run through once, to count those that can be read.

        Raises CaptureError for a file that is no video, is damaged or holds no picture.
        """
        name = _of_kind(files, VIDEOS)[0]
        file, where = files.local(name), files.where(name)
        told = video.probe(file, where, turn=True)
        count = video.readable(file, where, MOST_FRAMES + 1)
        if count < FEWEST or count > MOST_FRAMES:
            more = "more than " if count > MOST_FRAMES else ""
            raise CaptureError(
                f"{where}: holds {more}{min(count, MOST_FRAMES)} pictures that can be read; film a"
                " place for half a minute to two minutes"
            )
        size = told.width, told.height
        # Containers round what they tell; a cut file lacks more than that.
        lost = told.count - count > max(2, 0.01 * told.count)
        early = f"{where} ends early: {count} of {told.count} pictures can be read"
        return Photos(
            path=files.path,
            layout=self.layout,
            names=tuple(f"{PurePosixPath(name).name} picture {i}" for i in range(count)),
            size=size,
            sha256=files.digest([name]),
            pictures=partial(_clip, files, name, count, size),
            ordered=True,
            camera=_told(files, lens, size),
            warnings=(early,) if lost else (),
        )


def _clip(files: Files, name: str, count: int, size: tuple[int, int]) -> Iterator[_Picture]:
    # `files` keeps alive what an archive was unpacked to.
    yield from video.pictures(
        files.local(name), range(count), size, files.where(name), turn=True
    )  # fmt: skip


def _of_kind(files: Files, suffixes: Sequence[str]) -> list[str]:
    """The files at the root that end so."""
    return [n for n in files.names if "/" not in n and n.lower().endswith(tuple(suffixes))]


def _alone(files: Files, found: Sequence[str]) -> bool:
    """Whether there is nothing else but a camera: else it is another layout, and broken."""
    return set(files.names) <= {*found, camera.CAMERA}


def _told(files: Files, lens: Lens | None, size: tuple[int, int]) -> Intrinsics | None:
    found = camera.told(files, lens)
    return found.of(size) if found else None


def _head(files: Files, name: str) -> Head:
    found = head(files.start(name, _HEAD))
    if found is None:
        raise CaptureError(
            f"{files.where(name)}: neither a JPEG nor a PNG picture, or cut short; {AGAIN}"
        )
    images.check_pixels(files.where(name), found.width, found.height)
    return found


def _majority(
    files: Files, names: Sequence[str], kinds: Sequence[Any], what: str
) -> tuple[list[str], tuple[str, ...]]:
    """The names of the commonest kind, and a warning that names the others."""
    common, count = Counter(kinds).most_common(1)[0]
    keep = [name for name, kind in zip(names, kinds, strict=True) if kind == common]
    others = [name for name, kind in zip(names, kinds, strict=True) if kind != common]
    if not others:
        return keep, ()
    more = f" and {len(others) - 1} more" if len(others) > 1 else ""
    said = f"{files.where(others[0])}{more}"
    if 2 * count < len(names):
        raise CaptureError(
            f"{said}: of {what} than the rest, and no half of the {len(names)} photos is alike:"
            " take all with one camera, without zoom"
        )
    return keep, (f"{said}: of {what} than the other photos, left out",)


def _like(own: Head, heads: Sequence[Head], size: tuple[int, int]) -> int:
    """The turn that most photos of the shown `size` have which are stored as this one is; else one
    that swaps its sides."""
    same = [h.turn for h in heads if h.shown == size and h.width == own.width]
    return Counter(same).most_common(1)[0][0] if same else (1 if own.turn >= 5 else 6)


def _photos(
    files: Files, names: Sequence[str], turns: Sequence[int], size: tuple[int, int]
) -> Iterator[_Picture]:
    for name, turn in zip(names, turns, strict=True):
        picture = turned(images.colour(files.read(name), files.where(name)), turn)
        if picture.shape[1::-1] != size:
            raise CaptureError(f"{files.where(name)}: is not of the size that its head says")
        yield np.ascontiguousarray(picture)


def turned(picture: _Picture, turn: int) -> _Picture:
    """The picture (h, w, 3) as EXIF's orientation 1 to 8 says that it is to be seen."""
    if turn >= 5:  # stored by columns
        picture = picture.transpose(1, 0, 2)
    if turn in (3, 4, 7, 8):
        picture = picture[::-1]
    return picture[:, ::-1] if turn in (2, 3, 6, 7) else picture
