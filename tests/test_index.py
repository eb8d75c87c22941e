"""The index of a pack's cousins: sorted, filtered, and small however many there are."""

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from cousins.cli import main as cli
from hypothesis import given
from hypothesis import strategies as st
from packs import N, family, manifest, quality, write_pack
from typer.testing import CliRunner

from cousins import pack
from cousins.errors import PackError, UsageError
from cousins.index import Index, chosen, index, spread
from cousins.types import Certificate, Cousin
from examples import table_scene


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(a) for a in arguments])


def cousin(number, distance, **axes):
    return Cousin(number, (7, 2, number, 0), axes, distance, Certificate(1e-5, 2e-4, 1e-3))


def table(distances, shapes):
    n = len(distances)
    zero, whole = np.zeros(n), np.zeros(n, np.int64)
    return Index(np.arange(n), whole, np.arange(n), whole, whole + 1, np.array(distances),
                 {"shape": np.array(shapes)}, zero, zero, zero, zero)  # fmt: skip


def two_families(path):
    """Numbers go on from one family to the next, in no order; one axis came later."""
    made = family(n=3)
    first = (cousin(4, 0.5, shape=0.9, layout=0.1), cousin(0, 0.2, shape=0.1, layout=0.3),
             cousin(2, 0.3, shape=0.4, layout=0.2))  # fmt: skip
    other = (cousin(1, 0.4, shape=0.4, layout=0.4, sound=0.5), cousin(5, 0.3, shape=0.2, layout=0),
             cousin(3, 0.1, shape=0.2, layout=0))  # fmt: skip
    families = [replace(made, cousins=first), replace(made, cousins=other)]
    pack.write(path, table_scene(), manifest(), quality(), families)
    return path


spans = st.tuples(*[st.floats(0, 1)] * 2).map(sorted).map(tuple)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=30),
    st.sampled_from(["index", "distance", "shape"]),
    spans,
    spans,
)
def test_what_is_chosen_is_sorted_and_all_that_lies_within(rows, sort, distance, shape):
    held = table([r[0] for r in rows], [r[1] for r in rows])
    found = chosen(held, sort, {"distance": distance, "shape": shape})
    inside = [i for i, (a, b) in enumerate(rows)
              if distance[0] <= a <= distance[1] and shape[0] <= b <= shape[1]]  # fmt: skip
    assert sorted(found.tolist()) == inside
    values = [(held.columns[sort][i], i) for i in found.tolist()]
    assert values == sorted(values)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(1, 40))
def test_a_spread_goes_from_the_nearest_to_the_farthest(distances, count):
    held = table(distances, distances)
    found = held.distance[spread(held, count)]
    assert len(found) == min(count, len(held))
    assert found[0] == min(distances)
    assert (np.diff(found) >= 0).all()
    if len(found) > 1:
        assert found[-1] == max(distances)


def test_families_are_one_index(tmp_path):
    read = pack.read(two_families(tmp_path / "p"))
    held = index(read)
    assert held.number.tolist() == list(range(6))
    assert held.family.tolist() == [0, 1, 0, 1, 0, 1]
    assert held.row.tolist() == [1, 0, 2, 2, 0, 1]
    assert set(held.distractors.tolist()) == {2}
    assert list(held.axes) == ["shape", "layout", "sound"]
    assert np.isnan(held.axes["sound"]).sum() == 5
    assert held.number[chosen(held, "distance")].tolist() == [3, 0, 2, 5, 1, 4], "ties by number"
    assert held.number[chosen(held, "sound")].tolist()[0] == 1, "the untold come last"
    assert held.number[chosen(held, spans={"sound": (0, 1)})].tolist() == [1]
    for i in range(6):
        assert pack.locate(read, i) == (held.family[i], held.row[i])


def test_the_verb_lists_what_was_asked_for(tmp_path):
    path = two_families(tmp_path / "p")
    told = json.loads(run("list", path, "--sort", "shape", "--axis", "shape=0.2:0.4", "--distance",
                          "0.2:0.4", "-n", 2, "--json").stdout)  # fmt: skip
    assert (told["cousins"], told["found"]) == (6, 3)
    assert [c["index"] for c in told["listed"]] == [5, 1]
    assert told["listed"][1]["axes"] == {"shape": 0.4, "layout": 0.4, "sound": 0.5}
    assert told["listed"][1]["attempts"] == 1
    text = run("list", path, "--sort", "distance", "-n", 3).stdout.splitlines()
    assert text[0].split()[:6] == ["cousin", "family", "distance", "shape", "layout", "sound"]
    assert [line.split()[0] for line in text[1:4]] == ["3", "0", "2"]
    assert text[-1] == "6 of 6 cousins, the first 3 of them above"


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--sort", "mood"], "no axis 'mood'; axes: layout; beside them: index, distance, "),
        (["--axis", "mood=0:1"], "no axis 'mood'; axes: layout"),
        (["--axis", "layout"], "give each axis once, as shape=0:0.3"),
        (["--axis", "layout=0:1", "--axis", "layout=0:1"], "give each axis once"),
        (["--axis", "layout=a:b"], r"give it as 0\.2:0\.4"),
        (["--distance", "0.4"], r"give it as 0\.2:0\.4"),
        (["--distance", "0.4:0.2"], "ends before it begins"),
        (["--distance", "nan:1"], "ends before it begins"),
    ],
)
def test_the_verb_refuses_in_one_line(tmp_path, arguments, match):
    done = run("list", write_pack(tmp_path / "p"), *arguments)
    assert isinstance(done.exception, UsageError)
    assert done.exception.exit_code == 2
    with pytest.raises(UsageError, match=match):
        raise done.exception
    assert "\n" not in str(done.exception)


def test_a_pack_without_cousins_says_so(tmp_path):
    done = run("list", write_pack(tmp_path / "p", families=False))
    assert "no cousins yet: `cousins augment` adds them" in done.stdout
    assert run("list", write_pack(tmp_path / "q")).stdout.splitlines()[-1] == f"{N} of {N} cousins"


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('"layout"', '"lay\\u001b[31mout"', "should match pattern"),
        ('"index":3', '"index":9999999999999999999', "beyond all counting"),
    ],
)
def test_a_stranger_s_index_drives_no_terminal_and_overflows_nothing(tmp_path, old, new, match):
    path = write_pack(tmp_path / "p")
    file = path / "families/0/cousins.jsonl"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(PackError, match=match):
        index(pack.read(path))


def test_a_hundred_bytes_a_cousin_are_enough(tmp_path):
    """A line is some 400 bytes, and as objects a kilobyte and more."""
    path, n = write_pack(tmp_path / "p"), 5000
    file = path / "families/0/cousins.jsonl"
    line = file.read_text().splitlines()[0]
    file.write_text("".join(line.replace('"index":0', f'"index":{i}') + "\n" for i in range(n)))
    read = pack.read(path)
    tracemalloc.start()
    held = index(read)
    kept, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(held) == n
    assert kept < 150 * n
    assert most < file.stat().st_size + 400 * n
