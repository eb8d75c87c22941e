"""LZFSE, Apple's compression, of data whose unpacked size is known beforehand."""

from __future__ import annotations

from cousins.capture.files import AGAIN
from cousins.errors import CaptureError
from cousins.native import require


def unpack(data: bytes, size: int, where: str) -> bytes:
    """The `size` bytes that were packed; no more than one above it is ever unpacked.

    Raises CaptureError for data that is damaged or holds another number of bytes, and
    MissingDependencyError without the package imagecodecs.
    """
    codecs = require("imagecodecs")
    try:
        unpacked = bytes(codecs.lzfse_decode(data, out=size + 1))
    except (RuntimeError, ValueError):
        unpacked = b""
    if len(unpacked) != size:
        raise CaptureError(f"{where}: damaged, or not {size:,} bytes packed with LZFSE; {AGAIN}")
    return unpacked
