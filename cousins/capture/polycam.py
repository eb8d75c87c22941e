"""Polycam's raw data: keyframes/{cameras,images,depth,confidence}/MICROSECONDS.{json,jpg,png}, and
corrected_cameras/, corrected_images/ where the app has optimised the poses.

A camera's JSON holds fx, fy, cx, cy, width, height and t_00 to t_23, camera-to-world row by row,
OpenGL axes in ARKit's world (y up). A corrected picture is undistorted, and goes with its corrected
camera; either without the other counts for nothing, and the plain pair is taken, as Polycam's own
converter does. Depth is uint16 mm; confidence 0, 127 or 255. Captures without LiDAR have no depth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cousins.capture import camera, images, quality, tracked
from cousins.capture.camera import Lens
from cousins.capture.files import AGAIN, MAX_TEXT, Files, read_json
from cousins.capture.frames import (
    ARKIT_UP,
    OPENCV_FROM_OPENGL,
    Item,
    Picture,
    capture,
    depth_png,
    picture,
)
from cousins.errors import CaptureError
from cousins.types import Array, Capture, Intrinsics, Photos

FOLDER = "keyframes"
LEVELS = (0, 127, 255)  # of ARKit's confidence 0, 1, 2


class _Camera(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    t_00: float
    t_01: float
    t_02: float
    t_03: float
    t_10: float
    t_11: float
    t_12: float
    t_13: float
    t_20: float
    t_21: float
    t_22: float
    t_23: float

    @property
    def pose(self) -> Array:
        """(4, 4) world_from_camera, OpenCV axes."""
        rows = [[getattr(self, f"t_{i}{j}") for j in range(4)] for i in range(3)]
        return np.array([*rows, [0, 0, 0, 1]]) @ OPENCV_FROM_OPENGL


@dataclass(frozen=True)
class Polycam:
    """Reads the raw data that the app Polycam exports in developer mode."""

    @property
    def layout(self) -> str:
        return "polycam"

    def missing(self, files: Files) -> list[str]:
        """What of this layout the files lack; empty where it is recognised."""
        files = _inside(files)
        cameras = files.numbered("cameras", "json") or files.numbered("corrected_cameras", "json")
        lacks = [] if cameras else [f"{FOLDER}/cameras/*.json"]
        if cameras and b'"t_00"' not in files.read(next(iter(cameras.values())), MAX_TEXT):
            lacks = [f"t_00 in {FOLDER}/cameras/*.json"]
        kinds = (("depth", "png"), ("images", "jpg"), ("corrected_images", "jpg"))
        if not any(files.numbered(*kind) for kind in kinds):
            lacks.append(f"{FOLDER}/depth/*.png")
        return lacks

    def __call__(self, files: Files, lens: Lens | None = None) -> Capture | Photos:
        """The capture; without any depth, its pictures. Raises CaptureError, and UsageError for a
        lens, which it has."""
        files = _inside(files)
        camera.unneeded(lens, files.where("cameras"))
        cameras, pictures, notes = _best(files)
        depths = files.numbered("depth", "png")
        sure = files.numbered("confidence", "png")
        parts = {"camera": cameras, "picture": pictures, "depth": depths}
        kept, lost = tracked.whole(str(files.path), parts)
        told = {n: read_json(files, cameras[n], _Camera) for n in kept}
        lenses = {n: _intrinsics(files, cameras[n], told[n]) for n in kept}
        notes += lost
        used = [*cameras.values(), *pictures.values(), *depths.values(), *sure.values()]
        if not depths:
            views = [
                tracked.View(files.where(cameras[n]), told[n].pose, lenses[n], pictures[n])
                for n in kept
            ]
            return tracked.photos(files, self.layout, views, used, ARKIT_UP, notes)
        items = [
            Item(
                where=files.where(cameras[n]),
                time=n / 1e6,
                pose=told[n].pose,
                camera=lenses[n],
                depth=depth_png(files, depths[n]),
                colour=picture(files, pictures[n]) if pictures else None,
                confidence=partial(_confidence, files, sure[n]) if n in sure else None,
                depth_where=files.where(depths[n]),
            )
            for n in kept
        ]
        without = len(set(kept) - set(sure))
        if 0 < without < len(kept):
            notes += (f"confidence/ lacks the images of {without} of {len(kept)} frames",)
        return capture(files, self.layout, items, used, ARKIT_UP, notes)


def _inside(files: Files) -> Files:
    """The keyframes, beside which lie the app's mesh and a film."""
    return files.below(FOLDER) if FOLDER in files.folders() else files


def _best(files: Files) -> tuple[dict[int, str], dict[int, str], tuple[str, ...]]:
    """Each frame's camera and picture: the corrected ones where there are both, else the plain.

    Without any picture, a corrected camera stands alone.
    """
    cameras, pictures = files.numbered("cameras", "json"), files.numbered("images", "jpg")
    better = files.numbered("corrected_cameras", "json")
    clean = files.numbered("corrected_images", "jpg")
    if pictures or clean:
        better = {n: name for n, name in better.items() if n in clean}
        clean = {n: name for n, name in clean.items() if n in better}
    plain = sorted(set(cameras) - set(better))
    notes = ()
    if better and plain:
        notes = (
            f"{len(plain)} of {len(cameras)} frames have no optimised pose, such as"
            f" {files.where(cameras[plain[0]])}: taken as the phone tracked it",
        )
    return {**cameras, **better}, {**pictures, **clean}, notes


def _intrinsics(files: Files, name: str, told: _Camera) -> Intrinsics:
    images.check_pixels(files.where(name), told.width, told.height)
    own = Intrinsics(told.width, told.height, told.fx, told.fy, told.cx, told.cy)
    return quality.check_intrinsics(own, files.where(name))


def _confidence(files: Files, name: str) -> Picture:
    """(h, w) ARKit's 0 to 2."""
    image = images.grey(files.read(name), files.where(name))
    known: NDArray[np.uint8] = np.searchsorted(LEVELS, image).clip(0, 2).astype(np.uint8)
    if (np.take(LEVELS, known) != image).any():
        raise CaptureError(
            f"{files.where(name)}: confidence must be 0, 127 or 255 everywhere; {AGAIN}"
        )
    return known
