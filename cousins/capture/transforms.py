"""transforms.json, which several programs write: its form, and the frames that it names.

Each frame has a picture (file_path), a camera-to-world pose with OpenGL axes and perhaps a depth
image and a mask, which is 0 where a picture is not to be used. The camera is the file's or the
frame's own; a frame's own number goes before the file's. Who wrote a file shows in what it holds:
the readers of each layout say so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from cousins.capture import camera, frames, images, quality
from cousins.capture.camera import Lens
from cousins.capture.files import AGAIN, Files, read_json, safe
from cousins.capture.frames import OPENCV_FROM_OPENGL, Item, Picture
from cousins.capture.optics import Optics, undone
from cousins.errors import CaptureError
from cousins.types import Array, Capture, Intrinsics, Photos

FILE = "transforms.json"
MAX_JSON = 64_000_000  # bytes; a frame takes less than a thousand
MAX_FRAMES = 100_000
WIDEST = 32_000  # px: OpenCV moves no larger pictures
COARSEST = 0.01  # m a step of depth: coarser ones show no object
SUFFIXES = ("", ".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG")
SMALLER = (2, 4, 8)  # nerfstudio keeps smaller copies in images_2, images_4, images_8
PERSPECTIVE = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV")
FISHEYE = ("OPENCV_FISHEYE",)
Depth = NDArray[np.float32]


class _Lens(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    camera_model: str | None = None
    is_fisheye: bool = False
    w: float | None = None
    h: float | None = None
    fl_x: float | None = None
    fl_y: float | None = None
    cx: float | None = None
    cy: float | None = None
    k1: float | None = None
    k2: float | None = None
    k3: float | None = None
    k4: float | None = None
    p1: float | None = None
    p2: float | None = None
    distortion_params: list[float] | None = None  # k1 k2 k3 k4 p1 p2


class View(_Lens):
    """One of the file's frames."""

    file_path: str
    transform_matrix: list[list[float]]
    depth_path: str | None = None
    depth_file_path: str | None = None
    mask_path: str | None = None
    timestamp: float | None = None
    colmap_im_id: Any = None
    sharpness: Any = None


class Transforms(_Lens):
    """The file."""

    frames: list[View] = Field(max_length=MAX_FRAMES)
    integer_depth_scale: float | None = None
    depth_integer_scale: float | None = None
    depth_unit_scale_factor: float | None = None
    orientation_override: Any = None
    applied_transform: list[list[float]] | None = None
    applied_scale: float | None = None


@dataclass(frozen=True)
class Named:
    """A frame's files, as they are named in the capture; None for one that is not there."""

    where: str
    view: View
    picture: str | None
    depth: str | None
    mask: str | None


@dataclass(frozen=True)
class Sight:
    """A frame that is wholly there. pose: (4, 4) world_from_camera, OpenCV axes, unchecked."""

    named: Named
    time: float
    pose: Array
    optics: Optics


def read(files: Files) -> Transforms:
    """The file. Raises CaptureError, in one line, where it is damaged or of another form."""
    form = read_json(files, FILE, Transforms, MAX_JSON)
    if not form.frames:
        raise CaptureError(f"{files.where(FILE)}: names no frame; {AGAIN}")
    return form


def glance(files: Files) -> Transforms | None:
    """The file where there is one that can be read, else None."""
    try:
        return read(files) if FILE in files else None
    except CaptureError:
        return None


def of_nerfcapture(form: Transforms) -> bool:
    """Whether NeRFCapture, or a script that it streamed to, wrote the file; else nerfstudio's kin.

    NeRFCapture gives depth's unit, or calls its images depth_path, and no kind of camera or world.
    """
    unit = form.integer_depth_scale is not None or form.depth_integer_scale is not None
    mark = unit or any(view.depth_path is not None for view in form.frames)
    other = form.camera_model, form.orientation_override, form.applied_transform
    return mark and all(value is None for value in other)


def named(files: Files, form: Transforms, depth: bool = True) -> tuple[Named, ...]:
    """The frames in the order of their times, else of their names. depth: whether it is wanted.

    Raises CaptureError for a name that leaves the capture.
    """
    found = [_named(files, i, view, depth) for i, view in enumerate(form.frames)]
    if all(view.timestamp is not None for view in form.frames):
        return tuple(sorted(found, key=lambda n: n.view.timestamp or 0.0))
    return tuple(sorted(found, key=lambda n: _natural(n.view.file_path)))


def whole(files: Files, every: Sequence[Named]) -> tuple[tuple[Named, ...], tuple[str, ...]]:
    """The frames whose files are there, and what to warn of.

    All pictures may be absent where there is depth, and all depth where there are pictures. Raises
    CaptureError where no frame is left.
    """
    deep = any(n.depth for n in every)
    pictured = not deep or any(n.picture for n in every)
    lacks = [_lack(n, deep, pictured) for n in every]
    kept = tuple(n for n, lack in zip(every, lacks, strict=True) if lack is None)
    first = next((lack for lack in lacks if lack is not None), "")
    if not kept:
        raise CaptureError(
            f"{files.where(FILE)}: the files of its {len(every)} frames are not there, such as"
            f" {first}: copy them beside it"
        )
    notes = []
    if len(kept) < len(every):
        notes.append(
            f"{FILE}: {len(every) - len(kept)} of {len(every)} frames lack a file, such as {first},"
            " and were left out"
        )
    return kept, tuple(notes)


def sights(
    files: Files, form: Transforms, kept: Sequence[Named], lens: Lens | None, corner: float
) -> list[Sight]:
    """The frames with pose and camera. corner: where the file has the middle of the first pixel.

    lens: for a file that gives no camera. Raises CaptureError, or UsageError for a lens too many.
    """
    scale = 1.0 if form.applied_scale is None else form.applied_scale
    if not scale > 0:
        raise CaptureError(f"{files.where(FILE)}: applied_scale must be above 0, not {scale:g}")
    out = []
    for i, one in enumerate(kept):
        pose = _pose(one)
        pose[:3, 3] /= scale
        time = float(i) if one.view.timestamp is None else one.view.timestamp
        out.append(Sight(one, time, pose, _optics(files, form, one, lens, corner)))
    return out


def capture(
    files: Files,
    layout: str,
    seen: Sequence[Sight],
    unit: float,
    up: Array | None,
    warnings: tuple[str, ...],
    fold: Callable[[Depth], Depth] | None = None,
) -> Capture:
    """The capture of frames with depth. unit: of one step of depth, m. fold: applied to each depth
    image as it is read. Distortion is undone, and what a mask leaves out has no depth."""
    if not 0 < unit <= COARSEST:
        raise CaptureError(
            f"{files.where(FILE)}: gives a step of depth as {unit:g} m, which no depth image has:"
            " correct it there (0.001 for millimetres)"
        )
    items = [
        Item(
            where=s.named.where,
            time=s.time,
            pose=s.pose,
            camera=s.optics.camera,
            depth=partial(_depth, files, s, unit, fold),
            colour=partial(_colour, files, s, s.optics.camera) if s.named.picture else None,
            depth_where=files.where(s.named.depth or ""),
        )
        for s in seen
    ]
    return frames.capture(files, layout, items, _used(seen), up, warnings)


def photos(
    files: Files,
    layout: str,
    seen: Sequence[Sight],
    up: Array | None,
    warnings: tuple[str, ...],
    ordered: bool = False,
    solved: bool = False,
    metric: bool = True,
) -> Photos:
    """The pictures of frames without depth, as one camera, the median of theirs, would see them.

    Raises CaptureError for poses, cameras and sizes that cannot be.
    """
    names = [s.named.where for s in seen]
    poses = quality.check_poses(np.stack([s.pose for s in seen]), names)
    one = seen[0].optics.camera
    own = []
    for s in seen:
        k = quality.check_intrinsics(s.optics.camera, s.named.where)
        quality.check_same_view((k.width, k.height), (one.width, one.height), s.named.where)
        k = k.scaled(one.width, one.height)
        own.append((k.fx, k.fy, k.cx, k.cy))
    common = Intrinsics(one.width, one.height, *map(float, np.median(own, axis=0)))
    first = seen[0].named.picture or ""
    size = images.size(files.read(first), files.where(first))
    quality.check_same_view(size, (one.width, one.height), files.where(first))
    if any(s.named.mask for s in seen):
        warnings += (f"{FILE} names masks, which are not used without depth",)
    return Photos(
        path=files.path,
        layout=layout,
        names=tuple(files.where(s.named.picture or "") for s in seen),
        size=size,
        sha256=files.digest(_used(seen)),
        pictures=partial(_pictures, files, seen, common, size),
        ordered=ordered,
        camera=common.scaled(*size),
        poses=poses,
        solved=solved,
        metric=metric,
        up=up,
        warnings=warnings + quality.pose_warnings(poses, names),
    )


def _named(files: Files, i: int, view: View, deep: bool) -> Named:
    picture = _held(files, view.file_path, "images")
    stated = view.depth_file_path or view.depth_path
    depth = mask = None
    if deep and stated:
        depth = _held(files, stated, "depths")
    elif deep and picture:  # NeRFCapture's name for it, where a copy of the file lost it
        beside = f"{picture.rpartition('.')[0]}.depth.png"
        depth = beside if beside in files else None
    if view.mask_path:
        mask = _held(files, view.mask_path, "masks")
    return Named(f"{files.where(FILE)} frame {i}", view, picture, depth, mask)


def _lack(one: Named, deep: bool, pictured: bool) -> str | None:
    """The first file that the frame lacks and needs."""
    view = one.view
    if pictured and one.picture is None:
        return view.file_path
    if deep and one.depth is None:
        return view.depth_file_path or view.depth_path or f"the depth image of {view.file_path}"
    return view.mask_path if view.mask_path and one.mask is None else None


def _held(files: Files, name: str, folder: str) -> str | None:
    """The file that a name means, perhaps without its suffix, or a smaller copy; None for none."""
    plain = safe(files, name, FILE)
    base = plain.rpartition("/")[2]
    others = [f"{folder}_{n}/{base}" for n in SMALLER]
    every = [plain + suffix for suffix in SUFFIXES] + others
    return next((name for name in every if name in files), None)


def _natural(name: str) -> list[Any]:
    """Sorts frame 10 after frame 9."""
    return [int(x) if i % 2 else x for i, x in enumerate(re.split(r"(\d{1,15})", name))]


def _pose(one: Named) -> Array:
    rows = one.view.transform_matrix
    if len(rows) not in (3, 4) or any(len(row) != 4 for row in rows):
        raise CaptureError(f"{one.where}: transform_matrix is not 4 rows of 4 numbers; {AGAIN}")
    pose = np.eye(4)
    pose[: len(rows)] = rows
    return pose @ OPENCV_FROM_OPENGL


def _optics(files: Files, form: Transforms, one: Named, lens: Lens | None, corner: float) -> Optics:
    def given(name: str) -> Any:
        own = getattr(one.view, name)
        return getattr(form, name) if own is None else own

    width, height = given("w"), given("h")
    if width is None or height is None:
        file = one.picture or one.depth or ""
        width, height = images.size(files.read(file), files.where(file))
    size = int(width), int(height)
    images.check_pixels(one.where, *size)
    if max(size) > WIDEST:
        raise CaptureError(f"{one.where}: its size of {size[0]}x{size[1]} is not a camera's")
    fx, fy = given("fl_x"), given("fl_y")
    if fx is None:
        own = camera.needed(files, lens, f"{FILE}, which gives no fl_x,").of(size)
    else:
        camera.unneeded(lens, files.where(FILE))
        cx, cy = given("cx"), given("cy")
        cx = size[0] / 2 - 0.5 if cx is None else cx - corner
        cy = size[1] / 2 - 0.5 if cy is None else cy - corner
        own = Intrinsics(*size, fx, fx if fy is None else fy, cx, cy)
        quality.check_intrinsics(own, one.where)
    model = (given("camera_model") or "OPENCV").upper()
    if model not in (*PERSPECTIVE, *FISHEYE):
        raise CaptureError(
            f"{one.where}: a camera of the kind {model!r} is not read:"
            f" {', '.join((*PERSPECTIVE, *FISHEYE))} are"
        )
    numbers = given("distortion_params")
    if numbers is None:
        numbers = [given(name) or 0.0 for name in ("k1", "k2", "k3", "k4", "p1", "p2")]
    if len(numbers) != 6:
        raise CaptureError(f"{one.where}: distortion_params are not 6 numbers; {AGAIN}")
    fisheye = model in FISHEYE or one.view.is_fisheye or form.is_fisheye
    # A fisheye has no tangential part; nerfstudio leaves it out as well.
    tangential = (0.0, 0.0) if fisheye else (numbers[4], numbers[5])
    return Optics(own, tuple(numbers[:4]), tangential, fisheye)


def _used(seen: Sequence[Sight]) -> list[str]:
    every = {n for s in seen for n in (s.named.picture, s.named.depth, s.named.mask) if n}
    return [FILE, *sorted(every)]


def _colour(files: Files, s: Sight, target: Intrinsics) -> Picture:
    name = s.named.picture or ""
    picture = images.colour(files.read(name), files.where(name))
    return undone(picture, s.optics, target, files.where(name))


def _depth(files: Files, s: Sight, unit: float, fold: Callable[[Depth], Depth] | None) -> Depth:
    name = s.named.depth or ""
    depth = images.depth(files.read(name), files.where(name), unit)
    depth = fold(depth) if fold else depth
    if s.named.mask:
        depth[~_mask(files, s.named.mask, depth.shape)] = 0
    return undone(depth, s.optics, s.optics.camera, files.where(name), nearest=True)


def _mask(files: Files, name: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """(h, w) of `shape`: what may be used."""
    import cv2

    picture = images.colour(files.read(name), files.where(name))
    height, width = shape
    quality.check_same_view(
        (picture.shape[1], picture.shape[0]), (width, height), files.where(name)
    )
    large = np.asarray(picture.max(2), np.uint8)
    return cv2.resize(large, (width, height), interpolation=cv2.INTER_NEAREST) > 0


def _pictures(
    files: Files, seen: Sequence[Sight], target: Intrinsics, size: tuple[int, int]
) -> Iterator[Picture]:
    for s in seen:
        picture = _colour(files, s, target)
        if picture.shape[1::-1] != size:
            raise CaptureError(
                f"{files.where(s.named.picture or '')}: a picture of {picture.shape[1]}x"
                f"{picture.shape[0]} among others of {size[0]}x{size[1]}; leave it out"
            )
        yield picture
