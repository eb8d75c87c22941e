"""The experiment of docs/experiment.md: its numbers are right, and it runs from end to end."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from packs import manifest, quality

from cousins.errors import UsageError
from cousins.pack import write
from examples import table_scene

SCRIPTS = Path(__file__).parent.parent / "examples"
SPAN = 0.05, 0.55
SETS = {"dissimilar": {"swapped": ["can_1"], "distance": 0.5}}


@pytest.fixture(scope="module")
def told():
    sys.path.insert(0, str(SCRIPTS))
    try:
        import cousins_vs_twin_told
    finally:
        sys.path.remove(str(SCRIPTS))
    return cousins_vs_twin_told


def made(told, success, seeds=3, episodes=40):
    """Episodes of all sets. success: of a condition, a seed and distances (n,)."""
    tests = {}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        for test in ("twin", "spread", "dissimilar"):
            far = np.zeros(episodes) if test == "twin" else rng.uniform(*SPAN, 3 * episodes)
            for c in told.CONDITIONS:
                tests[f"{c}-{seed}-{test}"] = {
                    "instruction": "push the can", "distance": far.tolist(),
                    "success": np.broadcast_to(success(c, seed, far), far.shape).tolist(),
                }  # fmt: skip
    asked = {"seeds": seeds, "episodes": episodes, "steps": 1000, "task": "push"}
    return told.results(asked, SETS, tests, SPAN)


def test_near_and_far_are_told_by_distance(told):
    """The twin's policies fail from a distance of 0.3 on, the others nowhere."""
    found = made(told, lambda c, seed, far: (far < 0.3) | (c != "twin"))
    table, apart = found["table"], found["apart"]["cousins less twin"]
    assert [table["twin"][k]["mean"] for k in ("twin", "near", "far")] == [1, 1, 0]
    assert [table["cousins"][k]["mean"] for k in ("twin", "near", "far")] == [1, 1, 1]
    assert (apart["near"]["mean"], apart["far"]["mean"]) == (0, 1)
    curve = [row["successes"] / row["trials"] for row in found["curves"]["twin"]]
    assert curve[:3] == [1, 1, 1]
    assert 0 < curve[3] < 1
    assert curve[4:] == [0, 0]


def test_seeds_that_agree_do_not_make_it_certain_and_those_that_differ_less_so(told):
    alike = made(told, lambda c, seed, far: True)["table"]["twin"]["twin"]
    assert alike["interval"][0] == pytest.approx(120 / (120 + 1.96**2), abs=1e-3)  # Wilson's

    def half(c, seed, far):
        """Half of the episodes fail that the twin's first policy is tried in."""
        return (np.arange(len(far)) % 2 == 0) | (seed > 0) | (c != "twin")

    found = made(told, half)
    # Shares of 1/2, 1, 1: a mean of 5/6 with a standard error of 1/6, and t = 4.303.
    cell = found["table"]["twin"]["twin"]
    assert cell["mean"] == pytest.approx(5 / 6)
    assert cell["interval"] == pytest.approx([5 / 6 - 4.303 / 6, 1], abs=1e-3)
    low, high = found["apart"]["cousins less twin"]["twin"]["interval"]
    assert (low, high) == pytest.approx((1 / 6 - 4.303 / 6, 1 / 6 + 4.303 / 6), abs=1e-3)


def test_page_and_figure_tell_all_and_one_seed_gives_no_interval(told, tmp_path):
    found = made(told, lambda c, seed, far: c == "cousins", seeds=1)
    page, root = told.page(found), ET.fromstring(told.figure(found))
    assert "| the twin | 0 | 0 | 0 | 0 |" in page
    assert "| cousins | 100 | 100 | 100 | 100 |" in page
    assert "| *published, cousins* | *94* | *94* | *98* | *38* |" in page
    names = {e.text for e in root.iter() if e.tag.endswith("}text")}
    assert {*told.CONDITIONS.values(), "distance from the twin"} <= names
    docs = tmp_path / "page.md"
    docs.write_text(f"head\n{told.BEGIN}\nold\n{told.END}\ntail\n")
    told.write_docs(docs, found)
    told.write_docs(docs, found)
    text = docs.read_text()
    assert text.startswith("head\n")
    assert text.endswith("\ntail\n")
    assert "old" not in text
    assert text.count(page) == 1
    assert (tmp_path / "images" / told.FIGURE).read_text() == told.figure(found)
    docs.write_text("nothing")
    with pytest.raises(UsageError, match=r"page\.md: has no lines <!-- results -->"):
        told.write_docs(docs, found)


def asked(*args):
    return subprocess.run([sys.executable, str(SCRIPTS / "cousins_vs_twin.py"), *map(str, args)],
                          capture_output=True, text=True)  # fmt: skip


@pytest.mark.slow
def test_it_runs_from_end_to_end_and_goes_on(tmp_path):
    pytest.importorskip("stable_baselines3", reason='pip install "cousins[rl]"')
    pytest.importorskip("onnxruntime", reason='pip install "cousins[rl]"')
    write(tmp_path / "p", table_scene(), manifest(), quality())
    how = [tmp_path / "p", "-o", tmp_path / "out", "--seeds", 2, "--workers", 2, "--cousins", 16,
           "--episodes", 4, "--shapes", 4, "--worlds", 8]  # fmt: skip
    first = asked(*how, "--steps", 512)
    assert first.returncode == 0, first.stderr
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert set(found["table"]) == {"twin", "naive", "cousins"}
    assert all(len(cell["seeds"]) == 2 for row in found["table"].values() for cell in row.values())
    assert found["sets"]["naive"]["axes"]["shape"] == 0
    assert found["sets"]["spread"]["axes"]["shape"] > 0
    assert first.stdout == (tmp_path / "out" / "table.md").read_text()
    assert (tmp_path / "out" / "figure.svg").is_file()
    policies = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("policies/*/policy.onnx")}
    assert len(policies) == 6
    # What is missing is made again, as it was; all else stays.
    (tmp_path / "out" / "tested" / "naive-1-spread.json").unlink()
    again = asked(*how, "--steps", 512)
    assert again.stdout == first.stdout
    assert {p: p.stat().st_mtime_ns for p in policies} == policies
    other = asked(*how, "--steps", 1024)
    assert other.returncode == 2
    assert other.stderr.count("\n") == 1
    assert "other settings" in other.stderr
