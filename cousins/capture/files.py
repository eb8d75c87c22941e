"""Reading a capture's files without trusting them: sizes and sums are looked at before decoding."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cousins.errors import CaptureError
from cousins.types import Array

MAX_PIXELS = 64_000_000  # no phone's picture is larger; a header that says so is not believed
MAX_BYTES = 512_000_000  # nor is a picture's file
MAX_TEXT = 256_000_000
UNKNOWN_MM = 65535  # Kinect's "no depth"; a phone never sees 65 m
AGAIN = "copy the capture from its device again, or delete this frame's files"
_PNG = b"\x89PNG\r\n\x1a\n"


def digest(root: Path, files: Sequence[Path]) -> str:
    """SHA-256 in hex over the names (relative to `root`) and the contents of `files`."""
    total = hashlib.sha256()
    for file in sorted(files):
        name = file.relative_to(root).as_posix().encode()
        total.update(struct.pack("<QQ", len(name), file.stat().st_size) + name)
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    return total.hexdigest()


def read_depth(file: Path) -> NDArray[np.float32]:
    """(h, w) metres, 0 where unknown, of a 16-bit PNG in millimetres.

    Raises CaptureError for a file that is damaged, too large or not 16-bit grey.
    """
    image = _decode(file, np.uint16)
    if image.ndim != 2:
        raise CaptureError(f"{file}: depth must be a grey image, this one has colours; {AGAIN}")
    metres: NDArray[np.float32] = image.astype(np.float32)
    metres /= 1000
    metres[image == UNKNOWN_MM] = 0
    return metres


def read_confidence(file: Path) -> NDArray[np.uint8]:
    """(h, w) ARKit confidence, 0 low to 2 high. Raises CaptureError as `read_depth` does."""
    image = _decode(file, np.uint8)
    if image.ndim != 2 or image.max(initial=0) > 2:
        raise CaptureError(f"{file}: confidence must be grey with values 0, 1 and 2; {AGAIN}")
    return image


def read_colour(file: Path) -> NDArray[np.uint8]:
    """(h, w, 3) RGB of a PNG or JPEG. Raises CaptureError as `read_depth` does."""
    image = _decode(file, np.uint8)
    return np.stack([image] * 3, 2) if image.ndim == 2 else image[:, :, 2::-1]


def read_matrix(file: Path, shape: tuple[int, int], delimiter: str | None = None) -> Array:
    """A text file of `shape` numbers. Raises CaptureError where it holds anything else."""
    try:
        rows = [line.split(delimiter) for line in read_text(file).splitlines() if line.strip()]
        values = np.array(rows, float)
    except ValueError:
        values = np.empty(0)
    if values.shape != shape:
        raise CaptureError(f"{file}: expected {shape[0]} rows of {shape[1]} numbers; {AGAIN}")
    return values


def lens(matrix: Array) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy of a (3, 3) camera matrix."""
    return float(matrix[0, 0]), float(matrix[1, 1]), float(matrix[0, 2]), float(matrix[1, 2])


def read_text(file: Path) -> str:
    """A UTF-8 text file. Raises CaptureError where it cannot be read as one."""
    try:
        if file.stat().st_size > MAX_TEXT:
            raise CaptureError(f"{file}: larger than {MAX_TEXT} bytes, which no capture needs")
        return file.read_text("utf-8-sig")
    except OSError as error:
        raise CaptureError(f"{file}: {error.strerror}; {AGAIN}") from error
    except UnicodeDecodeError as error:
        raise CaptureError(f"{file}: not a text file; {AGAIN}") from error


def check_pixels(file: Path, width: int, height: int) -> None:
    """Raises CaptureError for a size that no camera has."""
    if width <= 0 or height <= 0 or width * height > MAX_PIXELS:
        raise CaptureError(
            f"{file}: its size of {width}x{height} is not between 1 and {MAX_PIXELS} pixels"
        )


def _decode(file: Path, dtype: type) -> NDArray:
    import cv2

    try:
        if file.stat().st_size > MAX_BYTES:
            raise CaptureError(f"{file}: larger than {MAX_BYTES} bytes, which no picture is")
        data = file.read_bytes()
    except OSError as error:
        raise CaptureError(f"{file}: {error.strerror}; {AGAIN}") from error
    if data.startswith(_PNG):
        _check_png(file, data)
    elif data.startswith(b"\xff\xd8"):
        _check_jpeg(file, data)
    else:
        raise CaptureError(f"{file}: neither a PNG nor a JPEG image; {AGAIN}")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    if image is None:
        raise CaptureError(f"{file}: a damaged image; {AGAIN}")
    if image.dtype != dtype:
        raise CaptureError(
            f"{file}: has {8 * image.dtype.itemsize} bits a value where "
            f"{8 * np.dtype(dtype).itemsize} are expected; {AGAIN}"
        )
    return image


def _check_png(file: Path, data: bytes) -> None:
    """Walks the chunks: decoders hand back half a picture for half a file."""
    at = len(_PNG)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            break
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise CaptureError(f"{file}: a damaged PNG (wrong checksum); {AGAIN}")
        if at == len(_PNG):
            if kind != b"IHDR" or length != 13:
                break
            check_pixels(file, *struct.unpack(">II", data[at + 8 : at + 16]))
        if kind == b"IEND":
            return
        at = end
    raise CaptureError(f"{file}: a truncated PNG; {AGAIN}")


def _check_jpeg(file: Path, data: bytes) -> None:
    # Some writers pad after the end marker; a cut file has none near its end.
    if b"\xff\xd9" not in data[-1024:]:
        raise CaptureError(f"{file}: a truncated JPEG; {AGAIN}")
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return check_pixels(file, width, height)
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise CaptureError(f"{file}: a damaged JPEG (no size in it); {AGAIN}")
