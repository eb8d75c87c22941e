"""The Point Cloud Library's PCD files, read within limits.

A header of text lines; then, as DATA says, the points as text (ascii), their bytes one point after
the other (binary), or field after field and compressed with LZF (binary_compressed), after two
uint32: the compressed size and the whole. Everything is little-endian.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from cousins.capture import images, lzf
from cousins.capture.files import AGAIN
from cousins.errors import CaptureError

HEADER = 4096  # bytes
KINDS = {"F": "f", "I": "i", "U": "u"}
LONGEST = 64  # letters of a number
MOST_BYTES = 1 << 28  # of the points


def fields(data: bytes, where: str, wanted: Collection[str]) -> dict[str, NDArray]:
    """The wanted fields that an organised cloud has, each (HEIGHT, WIDTH).

    Raises CaptureError for what is no PCD file, is damaged, or is in no rows.
    """
    head, body = _header(data, where)
    try:
        width, height = int(head["WIDTH"][0]), int(head["HEIGHT"][0])
        counts = head.get("COUNT", ["1"] * len(head["FIELDS"]))
        columns = zip(_unlike(head["FIELDS"]), head["TYPE"], head["SIZE"], counts, strict=True)
        point = np.dtype(
            [(name, f"<{KINDS[kind]}{int(size)}", (int(count),))
             for name, kind, size, count in columns if int(count) > 0]
        )  # fmt: skip
        packing = head["DATA"][0]
    except (KeyError, IndexError, ValueError, TypeError, OverflowError) as error:
        raise CaptureError(f"{where}: not a PCD file's header ({error}); {AGAIN}") from None
    if height < 2:
        raise CaptureError(
            f"{where}: its points are in no rows (HEIGHT {height}): save the organised cloud, as"
            " the sensor wrote it"
        )
    images.check_pixels(where, width, height)
    total = width * height * point.itemsize
    if total > MOST_BYTES:
        raise CaptureError(f"{where}: {total:,} bytes of points; an RGB-D image has fewer")
    try:
        if packing == "ascii":
            points = _text(body, width * height, point)
        elif packing == "binary":
            points = np.frombuffer(body, point, width * height)
        elif packing == "binary_compressed":
            points = _compressed(body, width * height, point)
        else:
            raise ValueError(f"DATA {packing} is unknown")
    except (ValueError, struct.error) as error:
        raise CaptureError(f"{where}: a damaged PCD file ({error}); {AGAIN}") from None
    return {
        name: points[name][:, 0].reshape(height, width)
        for name in point.names or ()
        if name in wanted
    }


def _header(data: bytes, where: str) -> tuple[dict[str, list[str]], bytes]:
    """The header's lines by their first word, and what follows them."""
    found: dict[str, list[str]] = {}
    at = 0
    while "DATA" not in found:
        end = data.find(b"\n", at, HEADER)
        if end < 0:
            raise CaptureError(f"{where}: not a PCD file (its header has no DATA); {AGAIN}")
        word, *rest = data[at:end].decode("ascii", "replace").split() or [""]
        found[word] = rest
        at = end + 1
    return found, data[at:]


def _unlike(names: list[str]) -> list[str]:
    """The names, padding's and any second one's numbered, as a record's must be."""
    return [f"{name}.{i}" if name == "_" or name in names[:i] else name
            for i, name in enumerate(names)]  # fmt: skip


def _text(body: bytes, count: int, point: np.dtype) -> NDArray:
    columns = sum(point[name].shape[0] for name in point.names or ())
    expected = f"expected {count} lines of {columns} numbers"
    if not count * columns <= len(body) <= LONGEST * count * columns:
        raise ValueError(expected)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of words: the number tells as well
        values = np.fromstring(body, float, sep=" ")
    if len(values) != count * columns:
        raise ValueError(expected)
    points, at = np.zeros(count, point), 0
    for name in point.names or ():
        width = point[name].shape[0]
        cells = values.reshape(count, columns)[:, at : at + width]
        with np.errstate(invalid="ignore", over="ignore"):  # NaN for an integer
            points[name] = cells
        at += width
    return points


def _compressed(body: bytes, count: int, point: np.dtype) -> NDArray:
    packed, whole = struct.unpack_from("<II", body)
    if whole != count * point.itemsize or packed > len(body) - 8:
        raise ValueError(f"{whole} bytes of points out of {packed}, of {len(body) - 8} there")
    plain = lzf.unpacked(body[8 : 8 + packed], whole)
    points, at = np.zeros(count, point), 0
    for name in point.names or ():
        size = point[name].itemsize * count
        points[name] = np.frombuffer(plain[at : at + size], point[name].base).reshape(count, -1)
        at += size
    return points
