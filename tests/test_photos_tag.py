"""The printed page: a tag in true scale that a detector finds."""

import re

import cv2
import numpy as np
import pytest
from cousins.cli.main import app
from photographs import tag_picture
from typer.testing import CliRunner

from cousins.errors import UsageError
from cousins.photos.marks import detector, sights
from cousins.photos.tag import page, save

SCALE = 4  # pixels a millimetre


def drawn(pdf):
    """The page's rectangles as a picture (h, w)."""
    picture, grey = np.full((297 * SCALE, 210 * SCALE), 255, np.uint8), 0
    for *box, level in re.findall(rb"([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) re f|(\d) g", pdf):
        if level:
            grey = 255 * int(level)
            continue
        x, y, w, h = (float(v) * 25.4 / 72 * SCALE for v in box)
        top = picture.shape[0] - y
        picture[round(top - h) : round(top), round(x) : round(x + w)] = grey
    return picture


@pytest.mark.parametrize(("number", "size"), [(0, 0.1), (300, 0.05), (586, 0.16), (41, 0.0737)])
def test_the_printed_tag_is_found_in_its_size(number, size):
    corners, numbers, _ = detector().detectMarkers(drawn(page(number, size)))
    assert numbers.ravel().tolist() == [number]
    sides = np.linalg.norm(np.diff(corners[0][0], axis=0), axis=1) / SCALE
    assert sides == pytest.approx(1000 * size, abs=0.3)


def test_the_page_says_what_to_do_and_is_a_document():
    pdf = page(7, 0.08)
    assert pdf.startswith(b"%PDF-1.4\n")
    assert pdf.endswith(b"%%EOF\n")
    assert b"--tag-size 0.08" in pdf
    start = int(re.search(rb"startxref\n(\d+)", pdf)[1])
    assert pdf[start:].startswith(b"xref\n0 5\n")
    for number, place in enumerate(re.findall(rb"(\d{10}) 00000 n", pdf), start=1):
        assert pdf[int(place) :].startswith(b"%d 0 obj\n" % number)
    (length,) = re.findall(rb"/Length (\d+)", pdf)
    stream = pdf[pdf.index(b"stream\n") + 7 : pdf.index(b"\nendstream")]
    assert len(stream) == int(length)
    ruler = drawn(pdf)[-180 * SCALE :]
    bar = np.flatnonzero((ruler < 128).sum(1) > 80 * SCALE)
    assert (ruler[bar[0]] < 128).sum() == pytest.approx(100 * SCALE, abs=1)


@pytest.mark.parametrize("wrong", [{"number": -1}, {"number": 587}, {"size": 0.2}, {"size": 0.0},
                                   {"size": float("nan")}])  # fmt: skip
def test_a_tag_that_cannot_be_printed_is_refused(wrong):
    with pytest.raises(UsageError):
        page(**wrong)


def test_the_verb_writes_a_pdf_and_nothing_else(tmp_path):
    done = CliRunner().invoke(app, ["tag", "-o", str(tmp_path / "a" / "tag.pdf"), "--size", "0.08"])
    assert done.exit_code == 0
    assert "--tag-size 0.08" in done.stdout
    assert (tmp_path / "a" / "tag.pdf").read_bytes() == page(0, 0.08)
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["tag.pdf"]
    with pytest.raises(UsageError, match=r"tag\.pdf"):
        save(tmp_path / "tag.png")


def test_a_tag_that_a_picture_has_twice_is_not_believed():
    one = tag_picture(3, 12)
    assert [s.number for s in sights([one])] == [3]
    assert sights([np.hstack([one, one])]) == []
    large = cv2.resize(one, (2400, 2400), interpolation=cv2.INTER_NEAREST)
    (sight,) = sights([large])
    assert np.sort(sight.corners[:, 0])[[0, -1]] == pytest.approx([399.5, 1999.5], abs=1.5)
