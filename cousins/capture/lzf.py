"""LZF (Marc Lehmann's liblzf), in which PCD files are compressed."""

from __future__ import annotations


def unpacked(data: bytes, size: int) -> bytes:
    """`size` bytes out of LZF's. Raises ValueError where it holds more, fewer, or nonsense."""
    out, at, end = bytearray(), 0, len(data)
    try:
        while at < end:
            token = data[at]
            at += 1
            if token < 32:  # that many bytes and one, as they are
                run = data[at : at + token + 1]
                if len(run) <= token:
                    raise ValueError("cut short")
                out += run
                at += token + 1
            else:  # a piece of what there is already, which may run into itself
                length = token >> 5
                if length == 7:
                    length += data[at]
                    at += 1
                length += 2
                start = len(out) - ((token & 31) << 8) - data[at] - 1
                at += 1
                if start < 0:
                    raise ValueError("refers to what is before its beginning")
                piece = out[start : start + length]
                out += (piece * (length // len(piece) + 1))[:length]
            if len(out) > size:
                raise ValueError(f"more than the {size} bytes that it should be")
    except IndexError:
        raise ValueError("cut short") from None
    if len(out) != size:
        raise ValueError(f"{len(out)} bytes where {size} should be")
    return bytes(out)
