"""NeRFCapture: transforms.json with images/N.png, images/N.depth.png, from the app or a stream.

Poses are ARKit's camera-to-world with OpenGL axes, y up. Each frame has its own camera, in pixels
of its picture; the file's own is the first frame's. Names may come without their suffix.

Streamed, by the scripts of instant-ngp (images/N, images/N.depth.png) and of SplaTAM (rgb/N.png,
depth/N.png): depth is uint16 in steps of `integer_depth_scale` metres (10/65535 by default), its
256x192 pixels repeated to the pictures' size; one of each is taken back out.

The app's own export, a zip with a folder named by the date, has times, and `depth_integer_scale` 1
whatever its depth. Depth is 8 bits a colour there and ends at 1 m, or is named and not there at
all: such depth is not used. Frames are written as they finish, so that they may be out of order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from cousins.capture import images, transforms
from cousins.capture.camera import Lens
from cousins.capture.files import Files
from cousins.capture.frames import ARKIT_UP
from cousins.capture.transforms import FILE, Depth, Named, Transforms
from cousins.types import Capture, Photos

SENSOR = (256, 192)  # px of ARKit's depth
STREAM = (
    "for depth, stream from the app to nerfcapture2nerf.py (instant-ngp) or nerfcapture2dataset.py"
    " (SplaTAM)"
)


@dataclass(frozen=True)
class NeRFCapture:
    """Reads what the iOS app NeRFCapture exports, and what the scripts write that it streams to."""

    @property
    def layout(self) -> str:
        return "nerfcapture"

    def missing(self, files: Files) -> list[str]:
        """What of this layout the files lack; empty where it is recognised."""
        form = transforms.glance(files)
        if form is None:
            return [FILE]
        return [] if transforms.of_nerfcapture(form) else [f"integer_depth_scale in {FILE}"]

    def __call__(self, files: Files, lens: Lens | None = None) -> Capture | Photos:
        """The capture; Photos, tracked by the phone, where it has no depth. Raises CaptureError."""
        form = transforms.read(files)
        every, notes = _named(files, form)
        kept, lost = transforms.whole(files, every)
        seen = transforms.sights(files, form, kept, lens, corner=0.0)
        if kept[0].depth is None:
            return transforms.photos(files, self.layout, seen, ARKIT_UP, notes + lost, ordered=True)
        unit, note = _unit(form)
        fold = _fold(files, kept, unit)
        notes += lost + note
        return transforms.capture(files, self.layout, seen, unit, ARKIT_UP, notes, fold)


def _named(files: Files, form: Transforms) -> tuple[tuple[Named, ...], tuple[str, ...]]:
    """The frames, without depth where it is of no use, and what to warn of."""
    every = transforms.named(files, form)
    first = next((n.depth for n in every if n.depth), None)
    if first is None:
        stated = any(view.depth_path or view.depth_file_path for view in form.frames)
        return every, (f"{FILE} names depth images, but none is there: {STREAM}",) if stated else ()
    if images.bits(files.read(first), files.where(first)) > 8:
        return every, ()
    why = f"{files.where(first)}: depth of 8 bits, as the app exports it, is not used: {STREAM}"
    return transforms.named(files, form, depth=False), (why,)


def _unit(form: Transforms) -> tuple[float, tuple[str, ...]]:
    """Metres of a step of depth, and what to warn of."""
    told = form.integer_depth_scale
    unit = form.depth_integer_scale if told is None else told
    if unit is None:
        return 0.001, (f"{FILE} gives no unit of depth: taken as millimetres",)
    if unit == 1.0:  # the app's constant
        return 0.001, (f"{FILE} gives a step of depth as 1 m: taken as millimetres",)
    return unit, ()


def _fold(files: Files, kept: tuple[Named, ...], unit: float) -> Callable[[Depth], Depth] | None:
    """What takes the sensor's pixels back out of depth images that repeat them."""
    names = [n.depth for n in kept if n.depth]
    every = (images.depth(files.read(name), files.where(name), unit) for name in names)
    first = next((depth for depth in every if np.ptp(depth) > 0), None)  # a flat one tells nothing
    return partial(_sensed, shape=first.shape) if first is not None and _repeats(first) else None


def _sensed(depth: Depth, shape: tuple[int, ...]) -> Depth:
    """The pixel in the middle of each block that a pixel of the sensor became, of an image of
    `shape`; another is left as it is."""
    if depth.shape != shape:
        return depth
    (width, height), (h, w) = SENSOR, shape
    rows = ((np.arange(height) + 0.5) * h / height).astype(int)
    columns = ((np.arange(width) + 0.5) * w / width).astype(int)
    return depth[rows[:, None], columns]


def _repeats(depth: Depth) -> bool:
    """Whether the image is one of the sensor's, enlarged by repeating its pixels."""
    import cv2

    height, width = depth.shape
    if width <= SENSOR[0] or height <= SENSOR[1]:
        return False
    small = _sensed(depth, depth.shape)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.array_equal(large, depth)
