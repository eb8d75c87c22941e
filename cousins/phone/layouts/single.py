"""Writes one RGB-D image; `cousins.capture.single` reads it and describes it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from cousins.capture.camera import CAMERA
from cousins.phone.layouts import stray
from cousins.phone.shots import Layout, Rig, Shot, write_png


def write(folder: Path, rig: Rig, rate: float, shots: Iterable[Shot]) -> None:
    """colour.png, depth.png and camera.json of the one shot."""
    for shot in shots:
        write_png(folder / "depth.png", shot.depth)
        if shot.colour is not None:
            write_png(folder / "colour.png", shot.colour)
    (folder / CAMERA).write_text(json.dumps(asdict(rig.colour)))


LAYOUT = Layout(stray.LAYOUT.field_of_view, stray.rig, write, alone=True)
