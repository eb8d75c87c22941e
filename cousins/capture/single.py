"""One depth image and, mostly, its picture: two image files and no others, beside each other.

The depth image has the word "depth" in its name: depth.png, uint16 mm, or depth.npy, floats in
metres (uint16 there is mm too). The other is the picture, whatever it is called, and lies on the
depth image. The camera has to be told. The world is the camera's own; its up is not defined.
"""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.capture import camera, images
from cousins.capture.camera import Lens
from cousins.capture.files import AGAIN, Files
from cousins.capture.frames import Item, capture, depth_png, picture
from cousins.errors import CaptureError
from cousins.types import Capture

NPY_HEADER = 4096  # bytes; that of an image takes 118
FARTHEST = 100.0  # m: where half of an image's depth lies beyond, it is not in metres


@dataclass(frozen=True)
class SingleImage:
    """Reads one RGB-D image, or one of depth alone."""

    @property
    def layout(self) -> str:
        return "single-image"

    def missing(self, files: Files) -> list[str]:
        """What of this layout the files lack; empty where it is recognised."""
        depths, others = _found(files)
        if len(depths) != 1:
            return ["one image of depth, as depth.png or depth.npy"]
        return [] if len(others) < 2 else ["one picture, and no further image"]

    def __call__(self, files: Files, lens: Lens | None = None) -> Capture:
        """The capture, of one frame. Raises CaptureError, also where no camera is told."""
        (depth,), colours = _found(files)
        told = camera.needed(files, lens, "a single image")
        if depth.endswith(".npy"):
            image = metres(files.read(depth), files.where(depth))
            size, read = (image.shape[1], image.shape[0]), lambda: image.copy()
        else:
            size, read = images.size(files.read(depth), files.where(depth)), depth_png(files, depth)
        item = Item(
            where=files.where(depth),
            time=0.0,
            pose=np.eye(4),
            camera=told.of(size),
            depth=read,
            colour=picture(files, colours[0]) if colours else None,
        )
        used = [depth, *colours, *({camera.CAMERA} & set(files.names))]
        return capture(files, self.layout, [item], used, up=None)


def _found(files: Files) -> tuple[list[str], list[str]]:
    """The names of the images of depth, and of the others."""
    names = files.matching(r"(?i)[^/]+\.(png|jpe?g|npy)")
    depths = [n for n in names if re.search(r"(?i)(^|[^a-z])depth([^a-z].*)?\.(png|npy)$", n)]
    return depths, [name for name in names if name not in depths]


def metres(data: bytes, where: str) -> NDArray[np.float32]:
    """(h, w) metres, 0 where unknown, of a NumPy file: floats in metres, or uint16 in mm.

    Nothing in it is executed. Raises CaptureError for any other array.
    """
    stream = io.BytesIO(data)
    form = np.lib.format
    try:
        version = form.read_magic(stream)
        read = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
        shape, by_column, kind = read(stream, max_header_size=NPY_HEADER)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise CaptureError(f"{where}: not a NumPy file ({reason}); {AGAIN}") from None
    if len(shape) == 3 and shape[2] == 1:
        shape = shape[:2]
    if len(shape) != 2 or not (kind.kind == "f" or (kind.kind, kind.itemsize) == ("u", 2)):
        raise CaptureError(
            f"{where}: holds {kind} of shape {shape}; depth is a (height, width) array of floats"
            " in metres, or of uint16 in millimetres"
        )
    images.check_pixels(where, shape[1], shape[0])
    rest = data[stream.tell() :]
    if len(rest) != math.prod(shape) * kind.itemsize:
        raise CaptureError(f"{where}: a truncated NumPy file; {AGAIN}")
    values = np.frombuffer(rest, kind).reshape(shape, order="F" if by_column else "C")
    depth = values.astype(np.float32)
    if kind.kind == "u":
        depth /= 1000
        depth[values == images.UNKNOWN_MM] = 0
    return known(depth, where)


def known(depth: NDArray[np.float32], where: str) -> NDArray[np.float32]:
    """The depth with 0 for what is NaN, infinite or negative. Raises CaptureError for a unit that
    cannot be the metre."""
    depth = np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0))
    seen = depth[depth > 0]
    if len(seen) and not float(np.median(seen)) < FARTHEST:
        raise CaptureError(
            f"{where}: its depth is {np.median(seen):.3g} at the median, which cannot be metres:"
            " divide it by 1000 if it is in millimetres"
        )
    return depth
