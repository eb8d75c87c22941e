"""TUM RGB-D: depth.txt, rgb.txt and groundtruth.txt, which list images and poses by their time.

A line of the first two is "time file", of groundtruth.txt "time tx ty tz qx qy qz qw": world from
camera, OpenCV axes; # begins a comment. Depth is uint16, 5000 to the metre, 0 unknown, and lies on
the picture. The three have clocks of their own: a depth image takes the picture nearest in time,
at most 20 ms off as in the benchmark's own associate.py, and the pose at its very time, between
those of the motion capture, which has gaps. The world's up is not defined. Pictures may be absent
altogether, and rgb.txt with them. The camera is not told: the benchmark's page lists one for each
of its three, and they differ by 7 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cousins.capture import camera, images, quality, trajectory
from cousins.capture.camera import Lens
from cousins.capture.files import AGAIN, Files, read_text, safe
from cousins.capture.frames import Item, capture, depth_png, picture
from cousins.errors import CaptureError
from cousins.types import Array, Capture

DEPTH, COLOUR, POSES = "depth.txt", "rgb.txt", "groundtruth.txt"
UNIT = 1 / 5000  # m, of one step of depth
REACH = 0.02  # s between a depth image and its picture, or the only pose near it


@dataclass(frozen=True)
class TumRgbd:
    """Reads sequences in the layout of TUM's RGB-D benchmark."""

    @property
    def layout(self) -> str:
        return "tum-rgbd"

    def missing(self, files: Files) -> list[str]:
        """What of this layout the files lack; empty where it is recognised."""
        return [name for name in (DEPTH, POSES) if name not in files]

    def __call__(self, files: Files, lens: Lens | None = None) -> Capture:
        """The capture. Raises CaptureError, also where no camera is told."""
        told = camera.needed(files, lens, "TUM RGB-D")
        times, depths = _listed(files, DEPTH)
        colour_times, colours = _listed(files, COLOUR) if COLOUR in files else (np.zeros(0), [])
        poses, tracked = trajectory.interpolated(*_path(files), times, REACH)
        seen = trajectory.nearest(colour_times, times, REACH)
        pictured = (seen >= 0) | (not colours)
        notes = trajectory.left_out(
            [files.where(depths[i]) for i in np.flatnonzero(~tracked)],
            len(depths),
            f"{POSES} has no pose near its time",
        ) + trajectory.left_out(
            [files.where(depths[i]) for i in np.flatnonzero(tracked & ~pictured)],
            len(depths),
            f"{COLOUR} has no picture within {1000 * REACH:.0f} ms of it",
        )
        kept = np.flatnonzero(tracked & pictured).tolist()
        if not kept:
            raise CaptureError(
                f"{files.path}: no depth image has a pose and a picture of its time: their times"
                " must be of one clock, in seconds"
            )
        first = depths[kept[0]]
        own = told.of(images.size(files.read(first), files.where(first)))
        items = [
            Item(
                where=files.where(depths[i]),
                time=float(times[i]),
                pose=poses[i],
                camera=own,
                depth=depth_png(files, depths[i], UNIT),
                colour=picture(files, colours[seen[i]]) if colours else None,
            )
            for i in kept
        ]
        used = {DEPTH, POSES, *(depths[i] for i in kept)}
        used |= {COLOUR, *(colours[seen[i]] for i in kept)} if colours else set()
        used |= {camera.CAMERA} & set(files.names)
        return capture(files, self.layout, items, used, None, notes)


def _listed(files: Files, name: str) -> tuple[Array, list[str]]:
    """Times (n,) and names of the images that a file lists, in the order of their times."""
    found: dict[float, str] = {}
    for number, line in enumerate(read_text(files, name).splitlines(), start=1):
        time, _, file = line.strip().partition(" ")
        if not time or time.startswith("#"):
            continue
        try:
            at = float(time)
        except ValueError:
            at = np.nan
        if not np.isfinite(at) or not file.strip():
            raise CaptureError(
                f"{files.where(name)} line {number}: expected a time and a file; {AGAIN}"
            )
        found[at] = safe(files, file.strip(), name)
    if not found:
        raise CaptureError(f"{files.where(name)}: lists no images; {AGAIN}")
    return np.array(sorted(found)), [found[at] for at in sorted(found)]


def _path(files: Files) -> tuple[Array, Array]:
    """Times (n,) and world_from_camera poses (n, 4, 4)."""
    rows, places = trajectory.table(files, POSES, 8)
    return rows[:, 0], quality.poses_from_quaternions(rows[:, 1:4], rows[:, 4:], places)
