"""`cousins evaluate`: what it finds, what it writes, and what it refuses in one line."""

import csv
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from cousins.cli.main import app
from packs import augmented, family, manifest, quality
from policies import Erratic, Steady, Still, write_pack
from typer.testing import CliRunner

from cousins import pack as packs
from cousins.errors import CousinsError, PackError, UsageError
from cousins.evaluation import page
from cousins.evaluation.evaluate import Until, evaluate
from cousins.evaluation.isolate import STRENGTHS
from cousins.evaluation.tell import result, rows
from cousins.gl import backend
from cousins.tasks.hold import Hold
from examples import table_scene

SHORT = Hold(pushes=2, limit=0.4)
QUICK = ["--task", "hold", "--set", "limit=0.4", "--set", "pushes=2", "--threads", "1"]


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return write_pack(tmp_path_factory.mktemp("evaluate") / "p")


@pytest.fixture(scope="module")
def done(pack):
    return evaluate(pack, Steady(), against=Erratic(0.9), task=SHORT, episodes=60, worlds=12,
                    hardest=3, again=4, settings={"threads": 1})  # fmt: skip


def cli(*arguments):
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def test_it_counts_what_happened(done):
    first, second = done.first, done.second
    assert (done.task, done.cousins, done.engine, done.seed) == ("hold", 10, "cpu", 0)
    assert (first.policy, second.policy) == ("Steady", "Erratic")
    for told in (first, second):
        episodes = told.episodes
        assert told.rate.successes == episodes.success.sum()
        assert told.rate.trials == len(episodes) == 60
        assert told.reward == pytest.approx(episodes.reward.mean())
        assert sum(r.successes for r in told.failures.values()) == 60 - told.rate.successes
        assert sum(b.rate.trials for b in told.curve.bins) == 60
    a, b = first.episodes.success, second.episodes.success
    assert (done.comparison.wins, done.comparison.losses) == ((a & ~b).sum(), (b & ~a).sum())
    assert done.comparison.difference > 0
    np.testing.assert_array_equal(first.episodes.cousin, second.episodes.cousin)
    assert [e.axis for e in done.effects] == ["layout"]
    assert not done.sequential
    assert done.stopped is None


def test_worlds_and_threads_change_nothing(pack, done):
    other = evaluate(pack, Steady(), against=Erratic(0.9), task=SHORT, episodes=60, worlds=5,
                     hardest=3, again=4, settings={"threads": 2})  # fmt: skip
    same = [{**result(d), "seconds": 0, "per_second": 0} for d in (done, other)]
    assert same[0] == same[1]


def test_the_worst_cousins_are_tried_anew(pack):
    class Partial(Steady):
        """Lets go of cousins 3 and 7."""

        def __call__(self, episodes):
            hard = np.isin(episodes.worlds.number, [3, 7])
            return np.where(hard[:, None], 1.0, super().__call__(episodes))

    found = evaluate(pack, Partial(), task=SHORT, episodes=60, worlds=16, hardest=2, again=5,
                     settings={"threads": 1})  # fmt: skip
    assert sorted(h.cousin for h in found.worst) == [3, 7]
    for hard in found.worst:
        assert hard.trials == 5
        assert sum(hard.failures.values()) == 5 - hard.successes
        assert 0 <= hard.low <= hard.mean <= hard.high <= 1
        assert hard.distance == pytest.approx(0.1 * hard.cousin)
        assert hard.axes == pytest.approx({"layout": 0.1 * hard.cousin})


def test_it_stops_once_enough_is_known(pack):
    narrow = evaluate(pack, Still(), task=SHORT, episodes=2000, worlds=50, hardest=0,
                      settings={"threads": 1}, until=Until(width=0.25))  # fmt: skip
    assert narrow.sequential
    assert "known to within" in narrow.stopped
    assert narrow.first.rate.high - narrow.first.rate.low <= 0.25
    many = len(narrow.first.episodes)
    assert many % 100 == 0
    assert many < 2000
    better = evaluate(pack, Still(), against=Erratic(1.0), task=SHORT, episodes=500, worlds=50,
                      hardest=0, until=Until(better=True), settings={"threads": 1})  # fmt: skip
    assert better.stopped == "the first is better"
    assert len(better.first.episodes) == len(better.second.episodes) == 100
    assert better.comparison.p < 0.05
    alike = evaluate(pack, Still(), against=Still(), task=SHORT, episodes=120, worlds=50,
                     hardest=0, until=Until(better=True), settings={"threads": 1})  # fmt: skip
    assert alike.stopped is None
    assert alike.comparison.p == 1
    # The same first episodes, however many there are to be.
    fixed = evaluate(
        pack, Still(), task=SHORT, episodes=100, worlds=7, hardest=0, settings={"threads": 1}
    )
    assert fixed.first.episodes.rows() == better.first.episodes.rows()


def test_only_cousins_that_are_asked_for_are_taken(pack):
    near = evaluate(pack, Still(), task=SHORT, episodes=20, cousins=(0.0, 0.35), hardest=0,
                    settings={"threads": 1})  # fmt: skip
    assert near.cousins == 4
    assert set(near.first.episodes.cousin) <= {0, 1, 2, 3}
    one = evaluate(
        pack, Still(), task=SHORT, episodes=6, cousins=8, hardest=0, settings={"threads": 1}
    )
    assert set(one.first.episodes.cousin) == {8}
    assert one.effects[0].change is None
    assert rows(one)  # and so it can be told


def test_one_axis_at_a_time_is_tried_and_kept(tmp_path):
    scene = table_scene()
    told = augmented(axes={"shape": 0, "physics": 1, "layout": 0, "look": 1, "camera": 0,
                           "robot": 0})  # fmt: skip
    packs.write(tmp_path / "p", scene, told, quality(), [family(scene)])
    how = {"task": SHORT, "episodes": 6, "hardest": 0, "isolate": 3, "settings": {"threads": 1}}
    found = evaluate(tmp_path / "p", Still(), **how)
    assert found.unseen == ("look", "camera", "robot")  # neither pictures nor a robot
    cells = found.isolated.cells
    assert {c.axis for c in cells} == {"physics"}
    assert [c.strength for c in cells] == list(STRENGTHS)
    assert [c.rate.trials for c in cells] == [3] * 4
    assert cells[0].distance < cells[3].distance
    assert found.isolated.twin.trials == 3
    assert found.isolated.loss["physics"].n == 3
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "p.isolated").rglob("manifest.json")}
    assert len(kept) == 1 + len(cells)
    again = evaluate(tmp_path / "p", Still(), **how)
    assert result(again)["isolated"] == result(found)["isolated"]
    assert kept == {
        p: p.stat().st_mtime_ns for p in (tmp_path / "p.isolated").rglob("manifest.json")
    }


class Watches(Still):
    observe = ("rgb",)


def test_parts_of_what_a_picture_shows_are_tried_by_themselves(tmp_path):
    """The lamp alone, the room alone: the rest is the twin's."""
    told = augmented(axes={"shape": 0, "physics": 0, "layout": 0, "look": 1, "camera": 1,
                           "robot": 0})  # fmt: skip
    scene = table_scene()
    packs.write(tmp_path / "p", scene, told, quality(), [family(scene)])
    found = evaluate(tmp_path / "p", Watches(), task=SHORT, episodes=2, hardest=0, isolate=2,
                     size=(32, 24), noise=True, settings={"threads": 1})  # fmt: skip
    parts = ["look: objects", "look: background", "look: light", "camera: view", "camera: noise"]
    assert set(found.isolated.loss) == {"look", "camera", *parts}
    assert len(found.isolated.cells) == 7 * len(STRENGTHS)
    assert "camera: noise" in {row[0] for row in rows(found)["One axis at a time"][1]}

    def drawn(name):
        path = next((tmp_path / "p.isolated").glob(f"{name}-1-*"))
        cell = packs.read(path)
        assert packs.check(path) == []
        return packs.load_family(cell, cell.families[0]).arrays

    whole, light, view, twin = map(drawn, ("look", "look.light", "camera.view", "look.background"))
    assert (light["light_pos"] == whole["light_pos"]).all()
    assert (light["tint"] != whole["tint"]).any()
    assert (light["tint"] == twin["tint"]).all()
    assert (light["tint"] == view["tint"]).all()
    assert (twin["light_pos"] == view["light_pos"]).all()
    assert (light["light_pos"] != twin["light_pos"]).any()
    assert (twin["surface_tint"] == whole["surface_tint"]).all()
    assert (view["camera_noise"] == 0).all()
    assert (drawn("camera.noise")["camera_noise"] > 0).any()


def test_the_verb_prints_writes_and_gives_json(pack, tmp_path):
    table, lines, html = tmp_path / "e.csv", tmp_path / "e.jsonl", tmp_path / "r.html"
    told = cli(pack.path, "--policy", "zero", "--against", "random", "-n", 30, "--worst", 2,
               *QUICK, "--episodes", table, "-o", html)  # fmt: skip
    assert told.exit_code == 0, told.output
    for words in ("hold: keep everything", "against random", "Success by axis", "Failures",
                  "The worst cousins", f"wrote {html}"):  # fmt: skip
        assert words in told.stdout
    read = list(csv.DictReader(table.open()))
    assert len(read) == 60
    assert {r["policy"] for r in read} == {"zero", "random"}
    plain = cli(pack.path, "--policy", "zero", "-n", 30, "--worst", 2, *QUICK, "--episodes", lines,
                "--json")  # fmt: skip
    answer = json.loads(plain.stdout)
    first = answer["first"]
    each = [json.loads(line) for line in lines.read_text().splitlines()]
    assert first["rate"]["successes"] == sum(e["success"] for e in each)
    assert first["episodes"] == len(each) == 30
    assert first["rate"]["share"] == first["rate"]["successes"] / 30
    assert answer["second"] is None
    assert answer["table"] == str(lines)
    assert [e["reward"] for e in each] == [float(r["reward"]) for r in read[:30]]


class _Page(HTMLParser):
    """Every tag is closed in its order; no script, and nothing is fetched."""

    VOID = ("meta", "img", "br", "path", "circle", "rect")

    def __init__(self):
        super().__init__()
        self.open, self.labels, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        assert tag not in ("script", "link", "iframe")
        assert not any(name.startswith("on") for name in told)
        for name in ("src", "href"):
            assert told.get(name, "data:").startswith("data:")
        if tag == "svg":
            assert told.get("aria-hidden") or told["role"] == "img"
            self.labels.append(told.get("aria-label", ""))
        if tag == "img":
            assert told["alt"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_whole_tells_all_and_fetches_nothing(done):
    evil = replace(done.first, policy="<script>alert(1)</script>")
    text = page.page(replace(done, first=evil, notes=("a <b>note</b>",)))
    read = _Page()
    read.feed(text)
    assert not read.open
    words = " ".join(read.text)
    for title in ("Success against the distance", "Against Erratic", "What each axis does",
                  "Failures", "The worst cousins", "Notes"):  # fmt: skip
        assert title in words
    assert "a <b>note</b>" in words  # as text
    assert any("Success against distance" in label for label in read.labels)
    assert not re.search(r"\bnan\b|None", words)


def test_the_page_shows_the_worst_cousins(done, tmp_path):
    try:
        backend()
    except CousinsError as error:
        pytest.skip(str(error))
    page.write(tmp_path / "r.html", done)
    assert (tmp_path / "r.html").read_text().count("data:image/jpeg") == 3
    moved = replace(done, pack=str(tmp_path / "gone"))
    page.write(tmp_path / "r.html", moved)
    assert "data:image/jpeg" not in (tmp_path / "r.html").read_text()


def test_what_is_told_is_plain_json(done):
    text = json.dumps(result(done), allow_nan=False)
    assert json.loads(text)["effects"][0]["from"] <= json.loads(text)["effects"][0]["to"]
    assert math.isfinite(json.loads(text)["per_second"])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--policy", "nosuch"], 2, "no policy"),
        (["--policy", "zero", "--task", "juggle"], 2, "no task 'juggle'"),
        (["--policy", "zero", "-n", "0"], 2, "at least 1 episode"),
        (["--policy", "zero", "--seed", "-1"], 2, "below 0"),
        (["--policy", "zero", "--isolate", "-3"], 2, "below 0"),
        (["--policy", "zero", "--worlds", "0", *QUICK], 2, "0 worlds"),
        (["--policy", "zero", "--cousins", "0.4:0.1"], 2, "give distances as 0.2:0.4"),
        (["--policy", "zero", "--cousins", "near"], 2, "give distances as 0.2:0.4"),
        (["--policy", "zero", "--cousins", "3,99"], 2, "no cousin 99"),
        (["--policy", "zero", "--cousins", "5:6"], 2, "they lie at"),
        (["--policy", "zero", "--until-better"], 2, "name the policy"),
        (["--policy", "zero", "--until-width", "2"], 2, "between 0 and 1"),
        (["--policy", "zero", "-o", "page.pdf"], 2, "end it in .html"),
        (["--policy", "zero", "--episodes", "table.xls"], 2, "end it in .csv or .jsonl"),
        (["--policy", "zero", "--set", "wheels=4"], 2, "no setting 'wheels'"),
        (["--policy", "zero", "--size", "big"], 2, "give it as 640x480"),
        (["--policy", "zero", "--engine", "steam"], 2, "no engine 'steam'"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_work(pack, arguments, code, words):
    told = cli(pack.path, *arguments)
    assert isinstance(told.exception, CousinsError)
    assert told.exception.exit_code == code
    assert words in str(told.exception)
    assert "\n" not in str(told.exception)


def test_a_pack_without_cousins_and_no_pack_are_refused(tmp_path):
    packs.write(tmp_path / "p", table_scene(), manifest(), quality())
    with pytest.raises(UsageError, match="holds no cousins yet"):
        evaluate(tmp_path / "p", "zero")
    with pytest.raises(PackError, match="no such folder"):
        evaluate(tmp_path / "none", "zero")
    with pytest.raises(UsageError, match="a policy is what"):
        evaluate(tmp_path / "p", 7)


def test_a_table_or_a_page_that_cannot_be_written_is_one_line(pack, tmp_path):
    (tmp_path / "file").write_text("")
    told = cli(pack.path, "--policy", "zero", "-n", 2, "--worst", 0, *QUICK, "--episodes",
               tmp_path / "file" / "e.csv")  # fmt: skip
    assert isinstance(told.exception, PackError)
    assert "cannot be written" in str(told.exception)
