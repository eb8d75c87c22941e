"""What a picture's file says of it before it is decoded: its size, how it was held, its lens."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_DIAGONAL = 43.27  # mm, of the 36 x 24 mm film that focal lengths are compared with
_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG's markers with a picture's size
_TURN, _MORE, _FOCAL_35 = 0x0112, 0x8769, 0xA405  # EXIF's tags
_SHORT = 3


@dataclass(frozen=True)
class Head:
    """width, height: as stored. turn: EXIF's orientation, 1 to 8. focal_35: the focal length of a
    film camera with the same view, mm, or None where the file does not say."""

    width: int
    height: int
    turn: int = 1
    focal_35: int | None = None

    @property
    def shown(self) -> tuple[int, int]:
        """(width, height) as it is meant to be seen."""
        return (self.height, self.width) if self.turn >= 5 else (self.width, self.height)

    @property
    def focal(self) -> float | None:
        """Pixels; right to some per cent, since the film's other shape allows two readings."""
        if self.focal_35 is None:
            return None
        return self.focal_35 / _DIAGONAL * (self.width**2 + self.height**2) ** 0.5


def head(data: bytes) -> Head | None:
    """Of a JPEG or PNG's first bytes; None for anything else, or where they hold no size."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR" and len(data) >= 24:
        return Head(*struct.unpack(">II", data[16:24]))
    return _jpeg(data) if data.startswith(b"\xff\xd8") else None


def _jpeg(data: bytes) -> Head | None:
    at, turn, focal = 2, 1, None
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _SIZES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return Head(width, height, turn, focal)
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            turn, focal = _exif(data[at + 10 : at + 2 + length])
        at += 1 if marker == 0xFF else 2 + length
    return None


def _exif(tiff: bytes) -> tuple[int, int | None]:
    """Orientation and 35 mm focal length; 1 and None where they are not there or make no sense."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return 1, None
    first = _entries(tiff, order, struct.unpack(order + "I", tiff[4:8])[0])
    more = _entries(tiff, order, first.get(_MORE, len(tiff)))
    turn, focal = first.get(_TURN, 1), more.get(_FOCAL_35, 0)
    return turn if 1 <= turn <= 8 else 1, focal if focal > 0 else None


def _entries(tiff: bytes, order: str, at: int) -> dict[int, int]:
    """The single whole numbers of one of EXIF's directories."""
    found: dict[int, int] = {}
    if at + 2 > len(tiff):
        return found
    (count,) = struct.unpack(order + "H", tiff[at : at + 2])
    for i in range(min(count, (len(tiff) - at - 2) // 12)):
        start = at + 2 + 12 * i
        tag, kind, n = struct.unpack(order + "HHI", tiff[start : start + 8])
        if n == 1 and kind in (_SHORT, 4):
            form = order + ("H" if kind == _SHORT else "I")
            found[tag] = struct.unpack_from(form, tiff, start + 8)[0]
    return found
