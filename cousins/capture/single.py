"""One depth image and, mostly, its picture: two image files and no others, beside each other.

The depth image has the word "depth" in its name: depth.png, uint16 mm, or depth.npy, floats in
metres (uint16 there is mm too). The other is the picture, whatever it is called, and lies on the
depth image. The camera has to be told. The world is the camera's own; its up is not defined.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from cousins.capture import camera, images
from cousins.capture.camera import Lens
from cousins.capture.files import Files
from cousins.capture.frames import Item, capture, depth_png, picture
from cousins.types import Capture


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
            image = images.npy_depth(files.read(depth), files.where(depth))
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
