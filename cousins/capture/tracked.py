"""What apps that track themselves write frame by frame: which frames are whole, and pictures with
poses where there is no depth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import partial

import numpy as np

from cousins.capture import images, quality
from cousins.capture.files import AGAIN, Files
from cousins.capture.frames import Picture, picture
from cousins.errors import CaptureError
from cousins.types import Array, Intrinsics, Photos


@dataclass(frozen=True)
class View:
    """One picture. where: what its pose came from, for messages. name: of its file.

    pose: (4, 4) world_from_camera, OpenCV axes. camera: of the picture, at any size.
    """

    where: str
    pose: Array
    camera: Intrinsics
    name: str


def whole(where: str, parts: Mapping[str, Iterable[int]]) -> tuple[list[int], tuple[str, ...]]:
    """The numbers of the frames that have every part, and a warning that counts the others.

    parts: what it is, such as "picture", to the numbers that have it; a part that no frame has is
    not asked for. where: for messages. Raises CaptureError where no frame is whole.
    """
    have = {what: set(numbers) for what, numbers in parts.items() if numbers}
    every = sorted(set().union(*have.values()))
    kept = [n for n in every if all(n in numbers for numbers in have.values())]
    if not kept:
        counts = ", ".join(f"{len(numbers)} of {what}" for what, numbers in have.items())
        raise CaptureError(f"{where}: no frame is whole ({counts}); {AGAIN}")
    if len(kept) == len(every):
        return kept, ()
    lost = next(n for n in every if any(n not in numbers for numbers in have.values()))
    lacks = " and ".join(what for what, numbers in have.items() if lost not in numbers)
    count = len(every) - len(kept)
    return kept, (f"{where}: {count} of {len(every)} frames left out: {lost} lacks its {lacks}",)


def photos(
    files: Files,
    layout: str,
    views: Sequence[View],
    used: Iterable[str],
    up: Array | None,
    warnings: tuple[str, ...] = (),
) -> Photos:
    """Pictures in the order in which they were taken, with the poses that the phone believed.

    used: the files that make it up, for its sum. The camera is the middle one of all of them.
    Raises CaptureError for poses and cameras that cannot be.
    """
    where = [view.where for view in views]
    poses = quality.check_poses(np.stack([view.pose for view in views]), where)
    first = views[0].name
    size = images.size(files.read(first), files.where(first))
    cameras = []
    for view in views:
        quality.check_same_view((view.camera.width, view.camera.height), size, view.where)
        cameras.append(quality.check_intrinsics(view.camera, view.where).scaled(*size))
    lens = np.median([astuple(camera)[2:] for camera in cameras], axis=0).tolist()
    names = tuple(view.name for view in views)
    return Photos(
        path=files.path,
        layout=layout,
        names=names,
        size=size,
        sha256=files.digest(used),
        pictures=partial(_pictures, [(n, picture(files, n)) for n in names], size, files),
        ordered=True,
        camera=Intrinsics(*size, *lens),
        poses=poses,
        up=up,
        warnings=warnings + quality.pose_warnings(poses, where),
    )


def _pictures(
    readers: Sequence[tuple[str, Callable[[], Picture]]], size: tuple[int, int], files: Files
) -> Iterator[Picture]:
    for name, read in readers:
        found = read()
        if found.shape[1::-1] != size:
            raise CaptureError(f"{files.where(name)}: is not of the first picture's size; {AGAIN}")
        yield found
