"""ARKitScenes, raw and 3dod: lowres_depth/, lowres_wide/, confidence/, lowres_wide_intrinsics/ and
lowres_wide.traj.

An image is VIDEO_TIME.png, a camera VIDEO_TIME.pincam ("w h fx fy cx cy", for lowres_wide), with
the time in seconds to the millisecond; those of one frame may differ by one. Depth is 256x192
uint16 mm. A line of lowres_wide.traj is "time ax ay az tx ty tz": a rotation vector and a
translation, from the world to the camera, OpenCV axes, in a world whose z is up. There are ten
poses a second and up to sixty images; not every image has every companion.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from cousins.capture import camera, quality, trajectory
from cousins.capture.camera import Lens
from cousins.capture.files import AGAIN, Files, read_matrix
from cousins.capture.frames import Item, capture, confidence_png, depth_png, picture
from cousins.errors import CaptureError
from cousins.types import Array, Capture, Intrinsics

POSES, CAMERAS = "lowres_wide.traj", "lowres_wide_intrinsics"
DEPTH, COLOUR, CONFIDENCE = "lowres_depth", "lowres_wide", "confidence"
UP = np.array([0.0, 0.0, 1.0])
REACH = 0.005  # s by which an image's time and its pose's may differ, in the data set's own loader


@dataclass(frozen=True)
class ArkitScenes:
    """Reads one video of Apple's ARKitScenes."""

    @property
    def layout(self) -> str:
        return "arkitscenes"

    def missing(self, files: Files) -> list[str]:
        """What of this layout the files lack; empty where it is recognised."""
        lacks = [] if POSES in files else [POSES]
        lacks += [] if _timed(files, DEPTH, "png") else [f"{DEPTH}/*_TIME.png"]
        return lacks + ([] if _timed(files, CAMERAS, "pincam") else [f"{CAMERAS}/*_TIME.pincam"])

    def __call__(self, files: Files, lens: Lens | None = None) -> Capture:
        """The capture. Raises CaptureError, and UsageError for a lens, which it has."""
        camera.unneeded(lens, files.where(CAMERAS))
        depths, colours = _timed(files, DEPTH, "png"), _timed(files, COLOUR, "png")
        cameras, trusts = _timed(files, CAMERAS, "pincam"), _timed(files, CONFIDENCE, "png")
        wanted = np.array(list(depths)) / 1000
        poses, tracked = trajectory.interpolated(*_path(files), wanted, REACH)
        items, used, lacks = [], [POSES], []
        for (time, depth), pose in zip(_where(tracked, depths), poses[tracked], strict=True):
            own, colour, trust = (_of(found, time) for found in (cameras, colours, trusts))
            if own is None or (colours and colour is None):
                lacks.append(files.where(depth))
                continue
            items.append(
                Item(
                    where=files.where(depth),
                    time=time / 1000,
                    pose=pose,
                    camera=_camera(files, own),
                    depth=depth_png(files, depth),
                    colour=picture(files, colour) if colour else None,
                    confidence=confidence_png(files, trust) if trust else None,
                )
            )
            used += [name for name in (depth, own, colour, trust) if name]
        lost = [files.where(depth) for _, depth in _where(~tracked, depths)]
        notes = trajectory.left_out(lost, len(depths), "tracking was lost there")
        notes += trajectory.left_out(lacks, len(depths), "it lacks its picture or its camera")
        if not items:
            raise CaptureError(f"{files.path}: no frame is whole ({'; '.join(notes)}); {AGAIN}")
        if (bare := sum(item.confidence is None for item in items)) < len(items) and bare:
            notes += (f"{CONFIDENCE}/ lacks the images of {bare} of {len(items)} frames",)
        return capture(files, self.layout, items, used, UP, notes)


def _timed(files: Files, folder: str, suffix: str) -> dict[int, str]:
    """The names in a folder by their time, in milliseconds, in its order."""
    found = {}
    for name in files.matching(rf"{folder}/([^/]*_)?\d{{1,9}}(\.\d{{1,9}})?\.{suffix}"):
        time = PurePosixPath(name).name.removesuffix(f".{suffix}").rpartition("_")[2]
        found[round(1000 * float(time))] = name
    return dict(sorted(found.items()))


def _of(found: dict[int, str], time: int) -> str | None:
    """The name of that time, or of a millisecond beside it: their times are rounded apart."""
    return next((found[t] for t in (time, time - 1, time + 1) if t in found), None)


def _where(which: NDArray[np.bool_], found: dict[int, str]) -> list[tuple[int, str]]:
    return [pair for pair, chosen in zip(found.items(), which, strict=True) if chosen]


def _path(files: Files) -> tuple[Array, Array]:
    """Times (n,) and world_from_camera poses (n, 4, 4)."""
    from scipy.spatial.transform import Rotation

    rows, places = trajectory.table(files, POSES, 7)
    camera_from_world = np.tile(np.eye(4), (len(rows), 1, 1))
    camera_from_world[:, :3, :3] = Rotation.from_rotvec(rows[:, 1:4]).as_matrix()
    camera_from_world[:, :3, 3] = rows[:, 4:]
    poses = np.asarray(np.linalg.inv(camera_from_world), float)
    return rows[:, 0], quality.check_poses(poses, places)


def _camera(files: Files, name: str) -> Intrinsics:
    width, height, *lens = read_matrix(files, name, (1, 6))[0].tolist()
    if not (width >= 1 and height >= 1 and np.isfinite(width + height)):
        raise CaptureError(f"{files.where(name)}: begins with no size in pixels; {AGAIN}")
    return quality.check_intrinsics(Intrinsics(int(width), int(height), *lens), files.where(name))
