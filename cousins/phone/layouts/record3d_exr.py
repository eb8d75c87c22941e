"""Writes Record3D's EXR + JPG export; `cousins.capture.record3d_exr` reads and describes it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cousins.capture.exr import LINES, MAGIC, ZIP
from cousins.capture.record3d_exr import DEPTH, FOLDER, METADATA, PICTURE
from cousins.phone.layouts import record3d, stray
from cousins.phone.shots import Layout, Rig, Shot, write_jpeg


def write(folder: Path, rig: Rig, rate: float, shots: Iterable[Shot]) -> None:
    """A dropped shot has a pose, and no files of its number."""
    folder = folder / FOLDER
    for name, _ in (DEPTH, PICTURE):
        (folder / name).mkdir(parents=True)
    told = record3d.Metadata(rig, rate)
    for shot in shots:
        number = told.add(shot)
        if shot.dropped:
            continue
        image = record3d.metres(shot.depth).astype("<f2")
        (folder / DEPTH[0] / f"{number}.exr").write_bytes(exr(image))
        if shot.colour is not None:
            write_jpeg(folder / PICTURE[0] / f"{number}.jpg", shot.colour)
    told.write(folder / METADATA)


def exr(image: NDArray[np.float16]) -> bytes:
    """An OpenEXR image of (h, w) half floats: one channel R, deflated, as the app writes it."""
    height, width = image.shape
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    attributes = [
        ("channels", "chlist", b"R\0" + struct.pack("<4i", 1, 0, 1, 1) + b"\0"),
        ("compression", "compression", bytes([ZIP])),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
    ]
    head = struct.pack("<II", MAGIC, 2)
    for name, kind, value in attributes:
        head += f"{name}\0{kind}\0".encode() + struct.pack("<i", len(value)) + value
    head += b"\0"
    chunks = []
    for y in range(0, height, LINES[ZIP]):
        packed = _packed(image[y : y + LINES[ZIP]].tobytes())
        chunks.append(struct.pack("<2i", y, len(packed)) + packed)
    sizes = [len(head) + 8 * len(chunks), *map(len, chunks)]
    table = np.cumsum(sizes)[:-1].astype("<u8").tobytes()
    return head + table + b"".join(chunks)


def _packed(rows: bytes) -> bytes:
    """Even bytes before odd ones, each less the one before it; as they were if that is larger."""
    flat = np.frombuffer(rows, np.uint8)
    steps = np.concatenate([flat[0::2], flat[1::2]])
    steps[1:] = np.diff(steps) + np.uint8(128)
    packed = zlib.compress(steps.tobytes())
    return packed if len(packed) < len(rows) else rows


LAYOUT = Layout(field_of_view=stray.LAYOUT.field_of_view, rig=stray.rig, write=write)
