"""Writes ARKitScenes' layout; `cousins.capture.arkitscenes` reads it and describes it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cousins.capture.arkitscenes import CAMERAS, COLOUR, CONFIDENCE, DEPTH, POSES
from cousins.phone.layouts import stray
from cousins.phone.shots import Z_UP, Layout, Rig, Shot, write_png

VIDEO = "00000000"  # the number of the video, with which the names of its images begin


def write(folder: Path, rig: Rig, rate: float, shots: Iterable[Shot]) -> None:
    """A dropped shot leaves no file and no pose. The data set's pictures are of depth's size; these
    are of the film's."""
    from scipy.spatial.transform import Rotation

    for name in (DEPTH, COLOUR, CONFIDENCE, CAMERAS):
        (folder / name).mkdir()
    k, lines = rig.colour, []
    lens = f"{k.width} {k.height} {k.fx:.6f} {k.fy:.6f} {k.cx:.6f} {k.cy:.6f}\n"
    for shot in shots:
        if shot.dropped:
            continue
        time = f"{shot.number / rate:.3f}"
        write_png(folder / DEPTH / f"{VIDEO}_{time}.png", shot.depth)
        write_png(folder / CONFIDENCE / f"{VIDEO}_{time}.png", shot.confidence)
        (folder / CAMERAS / f"{VIDEO}_{time}.pincam").write_text(lens)
        if shot.colour is not None:
            write_png(folder / COLOUR / f"{VIDEO}_{time}.png", shot.colour)
        camera_from_world = np.linalg.inv(shot.pose)
        turn = Rotation.from_matrix(camera_from_world[:3, :3]).as_rotvec()
        numbers = " ".join(f"{v:.9f}" for v in (*turn, *camera_from_world[:3, 3]))
        lines.append(f"{shot.number / rate:.6f} {numbers}")
    (folder / POSES).write_text("\n".join(lines) + "\n")


LAYOUT = Layout(
    field_of_view=stray.LAYOUT.field_of_view,
    rig=stray.rig,
    write=write,
    capture_from_world=Z_UP,
)
