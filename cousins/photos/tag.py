"""A printed tag (AprilTag 36h11) as a PDF page in true scale: vectors alone, no image, no font."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cousins.errors import UsageError
from cousins.photos.marks import family

CELLS = 8  # along a side of the black square: 6 of data and the border
LARGEST, SMALLEST = 0.16, 0.01  # m: with a quiet zone of one cell on A4; and what a camera resolves
NUMBERS = 587  # tags in the family
_PAGE = (210.0, 297.0)  # mm, A4
_POINT = 72 / 25.4  # PDF's points in a millimetre
_RULER = 100.0  # mm


def cells(number: int) -> NDArray[np.bool_]:
    """(8, 8), the tag as it is seen, first row on top: True is black.

    Raises UsageError for a number that the family does not have.
    """
    import cv2

    if not 0 <= number < NUMBERS:
        raise UsageError(f"tag {number}: the numbers of this family are 0 to {NUMBERS - 1}")
    return cv2.aruco.generateImageMarker(family(), number, CELLS, None, 1) < 128


def page(number: int = 0, size: float = 0.1) -> bytes:
    """One A4 page as PDF. size: side of the black square, m, 0.01 to 0.16.

    Below the tag stand its number, its size and a ruler of 100 mm that shows whether the printer
    kept the scale. Raises UsageError for another size or number.
    """
    if not SMALLEST <= size <= LARGEST:
        raise UsageError(
            f"a tag of {1000 * size:g} mm: give {SMALLEST:g} to {LARGEST:g} m, what A4 holds"
        )
    black, side = cells(number), 1000 * size
    left, bottom = (_PAGE[0] - side) / 2, _PAGE[1] - 20 - side * (1 + 1 / CELLS)
    cell = side / CELLS
    # Black first, and white on it by rows and again by columns: no hairline is left at a joint.
    white = [_box(left + a * cell, bottom + (CELLS - 1 - i) * cell, (b - a) * cell, cell)
             for i in range(CELLS) for a, b in _runs(~black[i])]  # fmt: skip
    white += [_box(left + i * cell, bottom + (CELLS - b) * cell, cell, (b - a) * cell)
              for i in range(CELLS) for a, b in _runs(~black[:, i])]  # fmt: skip
    drawn = ["0 g", _box(left, bottom, side, side), "1 g", *white, "0 g"]
    foot = bottom - max(15.0, cell + 10)
    drawn += _ruler((_PAGE[0] - _RULER) / 2, foot - 30)
    said = [
        (foot, f"AprilTag 36h11, number {number}: the black square is {side:g} mm wide"),
        (
            foot - 7,
            f"Print at 100%, not fitted to the page; lay it flat; then: --tag-size {size:g}",
        ),
        (foot - 38, "Measure this bar: it must be 100 mm long. If it is not, measure the black"),
        (foot - 43, "square and give what you measured, in metres, as --tag-size."),
    ]
    return _pdf("\n".join([*drawn, *(_text(y, line) for y, line in said)]))


def save(output: Path, number: int = 0, size: float = 0.1) -> None:
    """Writes `page` to a file, whole or not at all. Raises UsageError for a name without .pdf."""
    if output.suffix.lower() != ".pdf":
        raise UsageError(f"{output}: a tag is written as PDF: name it {output.stem}.pdf")
    data = page(number, size)
    output.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(beside, 0o644)
        os.replace(beside, output)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def _runs(row: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(start, end) of the stretches of a row that are True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _ruler(x: float, y: float) -> list[str]:
    """A bar with a tick each 10 mm; its ends are the outer edges of the end ticks."""
    thin = 0.4
    ticks = [_box(min(x + 10 * i, x + _RULER - thin), y, thin, 5 if i % 5 == 0 else 3)
             for i in range(11)]  # fmt: skip
    return [_box(x, y, _RULER, thin), *ticks]


def _box(x: float, y: float, width: float, height: float) -> str:
    """A filled rectangle, mm from the page's lower left."""
    return " ".join(f"{v * _POINT:.4f}" for v in (x, y, width, height)) + " re f"


def _text(y: float, line: str) -> str:
    safe = line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return f"BT /F 11 Tf {25 * _POINT:.2f} {y * _POINT:.2f} Td ({safe}) Tj ET"


def _pdf(content: str) -> bytes:
    """A document of one page; Helvetica is in every PDF reader."""
    stream = content.encode("ascii")
    width, height = (f"{v * _POINT:.4f}" for v in _PAGE)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /PrintScaling /None >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Contents 4 0 R"
        " /Resources << /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
        " >>".encode(),
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream),
    ]
    out, places = b"%PDF-1.4\n", []
    for i, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (i, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    return out + (
        b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<< /Size %d /Root 1 0 R >>\n"
        b"startxref\n%d\n%%%%EOF\n" % (count, table, count, len(out))
    )
