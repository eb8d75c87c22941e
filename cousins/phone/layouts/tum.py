"""Writes TUM RGB-D's layout; `cousins.capture.tum` reads it and describes it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from cousins.capture.camera import CAMERA
from cousins.capture.tum import COLOUR, DEPTH, POSES, UNIT
from cousins.mesh import quaternion_from_matrix
from cousins.phone.layouts import stray
from cousins.phone.shots import Layout, Rig, Shot, write_png

START = 1305031100.0  # s, when a film begins: the benchmark's times are of the Unix clock
FARTHEST = 65534  # steps: a depth that does not fit is unknown
MM = 0.001 / UNIT  # steps


def write(folder: Path, rig: Rig, rate: float, shots: Iterable[Shot]) -> None:
    """A dropped shot leaves no file and no pose. The layout knows no confidence; what it does not
    tell either, its camera, lies beside it in camera.json."""
    lines: dict[str, list[str]] = {DEPTH: [], COLOUR: [], POSES: []}
    for name in ("depth", "rgb"):
        (folder / name).mkdir()
    for shot in shots:
        if shot.dropped:
            continue
        time = f"{START + shot.number / rate:.6f}"
        steps = np.rint(MM * shot.depth)
        steps[steps > FARTHEST] = 0
        write_png(folder / "depth" / f"{time}.png", steps.astype(np.uint16))
        lines[DEPTH].append(f"{time} depth/{time}.png")
        if shot.colour is not None:
            write_png(folder / "rgb" / f"{time}.png", shot.colour)
            lines[COLOUR].append(f"{time} rgb/{time}.png")
        w, *xyz = quaternion_from_matrix(shot.pose[:3, :3])
        numbers = " ".join(f"{v:.8f}" for v in (*shot.pose[:3, 3], *xyz, w))
        lines[POSES].append(f"{time} {numbers}")
    for name, rows in lines.items():
        if rows:
            (folder / name).write_text("\n".join([f"# {name}", *rows]) + "\n")
    (folder / CAMERA).write_text(json.dumps(asdict(rig.colour)))


LAYOUT = Layout(field_of_view=62.7, rig=stray.rig, write=write)  # a Kinect's colour camera
