"""OpenEXR images of one channel, such as depth: no more is unpacked than the header allows.

Plain images of scanlines are read, uncompressed or deflated, as Apple's libraries write them;
other compressions by the package OpenEXR, once the header is known to be sound.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.capture.files import AGAIN, MAX_BYTES
from cousins.capture.images import check_pixels
from cousins.errors import CaptureError
from cousins.native import require

MAGIC = 20000630
NONE, ZIPS, ZIP = 0, 2, 3  # values of the attribute `compression`
LINES = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256)  # rows in a chunk, by that value
TYPES = {1: np.dtype("<f2"), 2: np.dtype("<f4")}  # HALF and FLOAT
_PLAIN = ~0x400 & 0xFFFFFF00  # flags but that of long names: tiles, deep data, several parts
_NAME = 256


@dataclass(frozen=True)
class _Header:
    """channels: names and types, in the order of a row. body: where the table of chunks begins."""

    width: int
    height: int
    top: int
    compression: int
    channels: tuple[tuple[str, np.dtype], ...]
    body: int


def channel(data: bytes, where: str) -> NDArray[np.float32]:
    """(h, w) of the channel R, or of the only one. Raises CaptureError for a bad image."""
    try:
        header = _header(data, where)
        names = [name for name, _ in header.channels]
        if "R" not in names and len(names) != 1:
            told = ", ".join(names)
            raise CaptureError(f"{where}: depth must be one channel, this has {told}; {AGAIN}")
        wanted = "R" if "R" in names else names[0]
        chunks = _chunks(data, header)
        if header.compression in (NONE, ZIPS, ZIP):
            return _rows(chunks, header)[wanted].astype(np.float32)
    except (struct.error, IndexError, ValueError, OverflowError, zlib.error):
        raise CaptureError(f"{where}: a damaged or truncated EXR image; {AGAIN}") from None
    return _foreign(data, header, wanted, where)


def _header(data: bytes, where: str) -> _Header:
    magic, version = struct.unpack_from("<II", data)
    if magic != MAGIC:
        raise CaptureError(f"{where}: not an EXR image; {AGAIN}")
    if version & _PLAIN:
        raise CaptureError(f"{where}: an EXR image of tiles, layers or parts, not of rows; {AGAIN}")
    at, found = 8, {}
    while data[at]:
        name, at = _text(data, at)
        _, at = _text(data, at)
        (size,) = struct.unpack_from("<i", data, at)
        if size < 0 or at + 4 + size > len(data):
            raise ValueError
        found[name] = data[at + 4 : at + 4 + size]
        at += 4 + size
    if not {"channels", "compression", "dataWindow"} <= found.keys():
        raise ValueError
    left, top, right, bottom = struct.unpack("<4i", found["dataWindow"])
    width, height = right - left + 1, bottom - top + 1
    check_pixels(where, width, height)
    channels = _channels(found["channels"])
    size = width * height * sum(kind.itemsize for _, kind in channels)
    if size > MAX_BYTES:
        raise CaptureError(f"{where}: unpacks to {size:,} bytes, which no depth image does")
    return _Header(width, height, top, found["compression"][0], channels, at + 1)


def _text(data: bytes, at: int) -> tuple[str, int]:
    """The text that ends with a zero byte, and where the next thing begins."""
    end = data.index(0, at, at + _NAME)
    return data[at:end].decode("ascii"), end + 1


def _channels(data: bytes) -> tuple[tuple[str, np.dtype], ...]:
    at, found = 0, []
    while data[at]:
        name, at = _text(data, at)
        kind, _, across, down = struct.unpack_from("<4i", data, at)
        if kind not in TYPES or (across, down) != (1, 1):
            raise ValueError
        found.append((name, TYPES[kind]))
        at += 16
    return tuple(found)


def _chunks(data: bytes, header: _Header) -> list[bytes]:
    """The packed rows, from the top: every chunk that the table names must be there."""
    lines = LINES[header.compression]
    count = -(-header.height // lines)
    found = []
    for i, start in enumerate(struct.unpack_from(f"<{count}Q", data, header.body)):
        first, size = struct.unpack_from("<ii", data, start)
        packed = data[start + 8 : start + 8 + size]
        if first != header.top + i * lines or len(packed) != size:
            raise ValueError
        found.append(packed)
    return found


def _rows(chunks: list[bytes], header: _Header) -> NDArray:
    """(h, w) records of the channels."""
    kinds = [np.dtype((kind, header.width)) for _, kind in header.channels]
    row = np.dtype({"names": [name for name, _ in header.channels], "formats": kinds})
    lines = LINES[header.compression]
    whole = []
    for i, packed in enumerate(chunks):
        height = min(lines, header.height - i * lines)
        whole.append(_unpacked(packed, height * row.itemsize))
    return np.frombuffer(b"".join(whole), row)


def _unpacked(packed: bytes, size: int) -> bytes:
    """A chunk's bytes, which were split into even and odd ones, and then into differences."""
    if len(packed) == size:  # what would have grown is stored as it was
        return packed
    flat = zlib.decompressobj().decompress(packed, size + 1)
    if len(flat) != size:
        raise ValueError
    steps = np.frombuffer(flat, np.uint8).copy()
    steps[1:] -= 128  # modulo 256, as the sum
    halves = np.cumsum(steps, dtype=np.uint8)
    whole = np.empty(size, np.uint8)
    whole[0::2], whole[1::2] = halves[: (size + 1) // 2], halves[(size + 1) // 2 :]
    return whole.tobytes()


def _foreign(data: bytes, header: _Header, wanted: str, where: str) -> NDArray[np.float32]:
    library = require("OpenEXR")
    try:
        image = library.File(io.BytesIO(data), separate_channels=True, num_threads=0)
        pixels = np.asarray(image.channels()[wanted].pixels, np.float32)
    except (RuntimeError, ValueError, KeyError, TypeError):
        pixels = np.empty(0, np.float32)
    if pixels.shape != (header.height, header.width):
        raise CaptureError(f"{where}: a damaged or truncated EXR image; {AGAIN}")
    return pixels
