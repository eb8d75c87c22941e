"""Pictures and depth images: sizes and sums are looked at before anything is decoded.

Every function takes the bytes, and `where` for messages; every one raises CaptureError, in one
line, for a file that is damaged, too large or of another kind.
"""

from __future__ import annotations

import io
import math
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from cousins.capture.files import AGAIN
from cousins.errors import CaptureError

MAX_PIXELS = 64_000_000  # no phone's picture is larger; a header that says so is not believed
NPY_HEADER = 4096  # bytes of a NumPy file's; that of an image takes 118
NEAREST, FARTHEST = 1e-3, 100.0  # m: what no phone measures
UNKNOWN_MM = 65535  # Kinect's "no depth"; a phone never sees 65 m
_PNG = b"\x89PNG\r\n\x1a\n"


def depth(data: bytes, where: str, unit: float = 0.001) -> NDArray[np.float32]:
    """(h, w) metres, 0 where unknown, of a 16-bit PNG. unit: of one step, metres."""
    image = _decode(data, where, np.uint16)
    if image.ndim != 2:
        raise CaptureError(f"{where}: depth must be a grey image, this one has colours; {AGAIN}")
    metres: NDArray[np.float32] = image.astype(np.float32)
    if unit == 0.001:
        metres /= 1000  # the nearest number to a whole millimetre, which times 0.001 is not
    else:
        metres *= np.float32(unit)
    metres[image == UNKNOWN_MM] = 0
    return metres


def npy_depth(data: bytes, where: str) -> NDArray[np.float32]:
    """(h, w) metres, 0 where unknown, of a NumPy file: floats in metres, or uint16 in mm.

    Nothing in it is executed.
    """
    stream = io.BytesIO(data)
    form = np.lib.format
    try:
        version = form.read_magic(stream)
        read = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
        shape, by_column, kind = read(stream, max_header_size=NPY_HEADER)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise CaptureError(f"{where}: not a NumPy file ({reason}); {AGAIN}") from None
    if len(shape) == 3 and shape[2] == 1:
        shape = shape[:2]
    if len(shape) != 2 or not (kind.kind == "f" or (kind.kind, kind.itemsize) == ("u", 2)):
        raise CaptureError(
            f"{where}: holds {kind} of shape {shape}; depth is a (height, width) array of floats"
            " in metres, or of uint16 in millimetres"
        )
    check_pixels(where, shape[1], shape[0])
    rest = data[stream.tell() :]
    if len(rest) != math.prod(shape) * kind.itemsize:
        raise CaptureError(f"{where}: a truncated NumPy file; {AGAIN}")
    values = np.frombuffer(rest, kind).reshape(shape, order="F" if by_column else "C")
    if kind.kind == "u":
        return metres(np.where(values == UNKNOWN_MM, 0, values) / 1000, where)
    return metres(values, where)


def metres(values: NDArray, where: str) -> NDArray[np.float32]:
    """(h, w) float32 metres, 0 where unknown: NaN, nothing, or what no phone measures.

    Raises CaptureError where that is most of it: the values are then no metres.
    """
    known = np.nan_to_num(values.astype(np.float32), nan=0, posinf=0, neginf=0)
    seen = (known > NEAREST) & (known < FARTHEST)
    told = np.count_nonzero(known)
    if 2 * np.count_nonzero(seen) < told:
        typical = float(np.median(known[known != 0]))
        raise CaptureError(
            f"{where}: typical depth is {typical:.3g}, which is not metres: divide it by 1000 if it"
            " is in millimetres, or copy it from its device again"
        )
    known[~seen] = 0
    return known


def confidence(data: bytes, where: str) -> NDArray[np.uint8]:
    """(h, w) ARKit confidence, 0 low to 2 high."""
    return check_confidence(grey(data, where), where)


def check_confidence(image: NDArray[np.uint8], where: str) -> NDArray[np.uint8]:
    """The image itself. Raises CaptureError where it holds anything but 0, 1 and 2."""
    if image.max(initial=0) > 2:
        raise CaptureError(f"{where}: confidence must be 0, 1 or 2 everywhere; {AGAIN}")
    return image


def grey(data: bytes, where: str) -> NDArray[np.uint8]:
    """(h, w) of an 8-bit grey PNG or JPEG."""
    image = _decode(data, where, np.uint8)
    if image.ndim != 2:
        raise CaptureError(f"{where}: must be a grey image, this one has colours; {AGAIN}")
    return image


def colour(data: bytes, where: str) -> NDArray[np.uint8]:
    """(h, w, 3) RGB of a PNG or JPEG, as it is stored: an orientation beside it is not applied."""
    image = _decode(data, where, np.uint8)
    if image.ndim == 2:
        return np.stack([image] * 3, 2)
    return np.ascontiguousarray(image[:, :, 2::-1])


def check_pixels(where: str, width: int, height: int) -> None:
    """Raises CaptureError for a size that no camera has."""
    if width <= 0 or height <= 0 or width * height > MAX_PIXELS:
        raise CaptureError(
            f"{where}: its size of {width}x{height} is not between 1 and {MAX_PIXELS} pixels"
        )


def size(data: bytes, where: str) -> tuple[int, int]:
    """(width, height) of a PNG or JPEG by its header, once it is known to be whole."""
    if data.startswith(_PNG):
        return _png_size(where, data)
    if data.startswith(b"\xff\xd8"):
        return _jpeg_size(where, data)
    raise CaptureError(f"{where}: neither a PNG nor a JPEG image; {AGAIN}")


def bits(data: bytes, where: str) -> int:
    """How many bits a value has in a PNG or JPEG."""
    size(data, where)
    return data[len(_PNG) + 16] if data.startswith(_PNG) else 8


def _decode(data: bytes, where: str, dtype: type) -> NDArray:
    import cv2

    size(data, where)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    if image is None:
        raise CaptureError(f"{where}: a damaged image; {AGAIN}")
    if image.dtype != dtype:
        raise CaptureError(
            f"{where}: has {8 * image.dtype.itemsize} bits a value where "
            f"{8 * np.dtype(dtype).itemsize} are expected; {AGAIN}"
        )
    return image


def _png_size(where: str, data: bytes) -> tuple[int, int]:
    """Walks the chunks: decoders hand back half a picture for half a file."""
    at, found = len(_PNG), (0, 0)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            break
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise CaptureError(f"{where}: a damaged PNG (wrong checksum); {AGAIN}")
        if at == len(_PNG):
            if kind != b"IHDR" or length != 13:
                break
            found = struct.unpack(">II", data[at + 8 : at + 16])
            check_pixels(where, *found)
        if kind == b"IEND":
            return found
        at = end
    raise CaptureError(f"{where}: a truncated PNG; {AGAIN}")


def _jpeg_size(where: str, data: bytes) -> tuple[int, int]:
    # Some writers pad after the end marker; a cut file has none near its end.
    if b"\xff\xd9" not in data[-1024:]:
        raise CaptureError(f"{where}: a truncated JPEG; {AGAIN}")
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            check_pixels(where, width, height)
            return width, height
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise CaptureError(f"{where}: a damaged JPEG (no size in it); {AGAIN}")
