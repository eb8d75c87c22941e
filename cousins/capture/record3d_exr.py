"""Record3D's export "EXR + JPG": EXR_RGBD/metadata.json, rgb/NUMBER.jpg, depth/NUMBER.exr.

The metadata are a recording's own (see `cousins.capture.record3d`), and a file's number is its
pose's; but some frames are missing, since the export leaves out what it does not finish in time.
Depth is one channel R of half floats in metres. There is no confidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cousins.capture import camera, exr, images, record3d
from cousins.capture.camera import Lens
from cousins.capture.files import Files
from cousins.types import Capture, Photos

FOLDER, METADATA = "EXR_RGBD", "metadata.json"
DEPTH, PICTURE = ("depth", "exr"), ("rgb", "jpg")


@dataclass(frozen=True)
class Record3DExr:
    """Reads what the iOS app Record3D exports as EXR and JPG."""

    @property
    def layout(self) -> str:
        return "record3d-exr"

    def missing(self, files: Files) -> list[str]:
        """What of this layout the files lack; empty where it is recognised."""
        return record3d.lacking(_inside(files), METADATA, DEPTH, PICTURE)

    def __call__(self, files: Files, lens: Lens | None = None) -> Capture | Photos:
        """The capture; without any depth, its pictures. Raises CaptureError, and UsageError for a
        lens, which it has."""
        files = _inside(files)
        camera.unneeded(lens, files.where(METADATA))
        told = record3d.recording(files, METADATA)
        return record3d.read(
            files,
            self.layout,
            told,
            pictures=files.numbered(*PICTURE),
            depths=files.numbered(*DEPTH),
            depth=partial(_depth, files),
        )


def _inside(files: Files) -> Files:
    """The folder that the app makes, which may lie beside the film's sound or other exports."""
    return files.below(FOLDER) if f"{FOLDER}/{METADATA}" in files else files


def _depth(files: Files, name: str) -> NDArray[np.float32]:
    where = files.where(name)
    return images.metres(exr.channel(files.read(name), where), where)
