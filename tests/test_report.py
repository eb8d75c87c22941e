"""The report is one file that opens anywhere: read as HTML, and looked at in a real browser."""

import base64
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from packs import write_pack

from cousins import report
from cousins.errors import PackError
from cousins.pack import Augmented, read

VOID = {"meta", "img"}


MADE = Augmented(
    cousins=6, seed=3, axes={"shape": 0.5, "layout": 1.0}, shapes=32, swaps=0.4, distractors=3,
    distances=(0.2, 0.4), library="household", rejected=4,
    rejected_by_reason={"fell": 3, "overlaps another": 2},
    shapes_rejected={"no longer takes a hand": 7}, places_rejected={"edge": 1234},
)  # fmt: skip


def augmented(pack, **changes):
    made = MADE.model_copy(update=changes)
    return replace(pack, manifest=pack.manifest.model_copy(update={"augmented": made}))


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return augmented(read(write_pack(tmp_path_factory.mktemp("report") / "p")))


def colour(r, g, b, height=60, width=80):
    return np.full((height, width, 3), (r, g, b), np.uint8)


def figures(**changes):
    tiles = [("twin", colour(200, 60, 40))]
    tiles += [(f"cousin {i}   distance 0.{i}0", colour(40, 40 * i, 200)) for i in range(5)]
    speed = report.Speed("cpu", 6, 500, 2.0, 1500.0, 17.2, 0.5, 0)
    return report.Figures(
        **{
            "frame": colour(230, 30, 30),
            "twin": colour(30, 200, 30),
            "tiles": tiles,
            "seconds": {"tsdf": 12.5, "cousins": 140.0},
            "speed": speed,
            **changes,
        }
    )


class Balanced(HTMLParser):
    """Fails where an element is not closed in its turn, and gathers what a reader sees."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "title"):
            self.text.append(data)


def parsed(html):
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    return parser, " ".join(" ".join(parser.text).split())


def test_it_says_what_was_found(pack):
    _, text = parsed(report.page(pack, figures()))
    assert "4 objects" in text
    assert "6 simulated cousins" in text
    assert "box_1 test object" in text
    assert "6.0 \N{MULTIPLICATION SIGN} 16.0 \N{MULTIPLICATION SIGN} 21.0" in text
    mass = pack.objects[0].mass
    assert f"{mass.mode:.2g}" in text
    assert f"{mass.q05:.2g}\N{EN DASH}{mass.q95:.2g}" in text
    assert "overlaps another 2" in text
    assert "4 draws failed (40% of all)" in text
    assert "2 min 20 s" in text
    assert "the back of can_1 was not seen" in text
    assert "1,500 steps a second" in text


def test_it_stands_alone(pack):
    """Nothing to fetch and nothing to run, with its pictures inside."""
    html = report.page(pack, figures())
    parser, _ = parsed(html)
    tags = [tag for tag, _ in parser.tags]
    assert not {"script", "link", "iframe", "object"} & set(tags)
    assert "http" not in re.sub(r"data:image/jpeg;base64,[^\"]*", "", html)
    assert "url(" not in html
    sources = [attrs["src"] for tag, attrs in parser.tags if tag == "img"]
    assert len(sources) == 8
    first = base64.b64decode(sources[0].removeprefix("data:image/jpeg;base64,"))
    image = cv2.imdecode(np.frombuffer(first, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_allclose(image[30, 40], (230, 30, 30), atol=6)
    assert all(attrs["alt"] for tag, attrs in parser.tags if tag == "img")


def test_an_interval_is_drawn_where_its_numbers_are(pack):
    """On the shared logarithmic scale, from the 5 % to the 95 % quantile, the mode between."""
    parser, _ = parsed(report.page(pack, figures()))
    bars = [a["d"] for t, a in parser.tags if t == "path" and a["class"] == "bar"]
    dots = [float(a["cx"]) for t, a in parser.tags if t == "circle"]
    ends = [tuple(map(float, re.findall(r"[MH]([\d.]+)", d))) for d in bars]
    assert len(ends) == len(dots) == 2 * len(pack.objects)
    assert all(4 <= a < dot < b <= 136 for (a, b), dot in zip(ends, dots, strict=True))
    masses = [o.mass for o in pack.objects]
    assert (
        np.argsort([a for a, _ in ends[::2]]).tolist()
        == np.argsort([m.q05 for m in masses]).tolist()
    )
    widths = [b - a for a, b in ends[::2]]
    assert np.ptp(widths) < 0.3, "equal sigma, equal width"


def test_names_from_a_stranger_are_text(pack):
    quality = pack.quality.model_copy(update={"warnings": ("<script>alert(1)</script>",)})
    entry = pack.objects[0].model_copy(update={"label": "<img src=x onerror=alert(1)>"})
    hostile = type(pack)(
        **{**vars(pack), "quality": quality, "objects": (entry, *pack.objects[1:])}
    )
    hostile = augmented(hostile, rejected_by_reason={"<b>fell": 1}, library="<script>x</script>")
    html = report.page(hostile, figures())
    parser, text = parsed(html)
    assert "<script>alert(1)</script>" in text
    assert "onerror" not in {k for _, attrs in parser.tags for k in attrs}
    assert "script" not in [tag for tag, _ in parser.tags]


def test_it_says_how_cousins_were_drawn_and_what_was_rejected(pack):
    _, text = parsed(report.page(pack, figures()))
    assert "shape 0.5, layout 1." in text
    assert "up to 32 shapes: its own, bent and scaled ones, and up to 40% that are other" in text
    assert "Up to 3 things that the twin does not have" in text
    assert "6 were asked for, with seed 3, at a distance of 0.2 to 0.4." in text
    assert "no longer takes a hand 7" in text
    assert "edge 1,234" in text
    assert "They differ in layout." in text
    assert "The mean of each axis layout 0.25" in text
    before = replace(pack, manifest=pack.manifest.model_copy(update={"augmented": None}))
    _, text = parsed(report.page(before, figures()))
    assert "What failed is not told." in text
    assert "How they were drawn" not in text


def test_a_pack_without_cousins_has_a_report(tmp_path):
    bare = read(write_pack(tmp_path / "p", families=False))
    html = report.page(bare, figures(frame=None, tiles=[], seconds={}, speed=None))
    _, text = parsed(html)
    assert "no cousins yet" in text
    assert "Certificates" not in text


def test_it_is_written_whole_or_not_at_all(pack, tmp_path):
    report.write(tmp_path / "new" / "report.html", pack, figures())
    assert (tmp_path / "new" / "report.html").read_text().endswith("</html>\n")
    (tmp_path / "file").write_text("")
    with pytest.raises(PackError, match="cannot be written"):
        report.write(tmp_path / "file" / "report.html", pack, figures())


CHROMIUM = next(
    (p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None
)


def browse(path, out, *options):
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
               "--disable-dev-shm-usage", f"--user-data-dir={out.parent / 'profile'}",
               *options, path.as_uri()]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to open the page in")
@pytest.mark.parametrize("width", [1200, 500])
def test_a_browser_shows_it(pack, tmp_path, width):
    """Pictures side by side on a desk, one above the other on a phone; nothing runs over."""
    page, shot = tmp_path / "report.html", tmp_path / "shot.png"
    report.write(page, pack, figures())
    browse(page, shot, f"--window-size={width},1400", f"--screenshot={shot}")
    seen = cv2.imread(str(shot))[..., ::-1].astype(int)
    assert seen.shape[1] == width
    red = np.argwhere(np.abs(seen - (230, 30, 30)).max(-1) < 8)
    green = np.argwhere(np.abs(seen - (30, 200, 30)).max(-1) < 8)
    assert len(red) > 10_000
    assert len(green) > 10_000
    below = green[:, 0].min() > red[:, 0].max()
    beside = green[:, 1].min() > red[:, 1].max()
    assert below if width == 500 else beside
    assert (seen[:, -8:] == seen[0, -1]).all(), "the margin at the right is empty"
