"""What objects are called: categories word for word, a user's file, and what a label tells of a
mass."""

import tomllib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cousins.errors import UsageError
from cousins.labels import given as by_user
from cousins.labels import labeler
from cousins.labels.apply import SURE, labelled
from cousins.labels.categories import categories, category, words
from cousins.labels.label import LONGEST, Label, wrong
from cousins.resources import asset
from examples import table_scene


def test_there_are_a_hundred_categories_and_no_word_means_two():
    every = [text for c in categories() for text in (c.name, *c.also)]
    assert 100 <= len(categories()) <= 200
    assert len({words(text) for text in every}) == len(every)
    assert all(wrong(text) is None for text in every)
    assert all(c.said for c in categories())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mug", "mug"),
        ("Coffee Mug", "mug"),
        ("a coffee-mug", "mug"),
        ("  the  MUG ", "mug"),
        ("cracker_box", "food box"),
        ("Rubik's cube", "rubiks cube"),
        ("mugs and cups", None),
        ("smug", None),
        ("coffee", None),
        ("", None),
        ("a", None),
    ],
)
def test_a_label_is_of_a_category_word_for_word(text, name):
    assert category(text) == name


@given(st.text(max_size=40))
def test_any_text_is_of_one_category_or_none(text):
    assert category(text) in {None, *(c.name for c in categories())}


def test_every_row_of_the_table_is_of_one_category():
    priors = tomllib.loads(asset("priors.toml").read_text())
    rows = [name for group in priors["objects"].values() for name in group]
    told = [name for group in priors["categories"].values() for name in group]
    assert sorted(rows) == sorted(told)
    assert set(priors["categories"]) <= {c.name for c in categories()}


@pytest.fixture(scope="module")
def thing():
    return replace(table_scene().assets[0], label="box-like, 60×160×210 mm", label_source="shape")


def test_a_label_brings_its_source_its_confidence_and_its_category(thing):
    after = labelled(thing, Label("Cracker box", "user", 1.0))
    assert (after.label, after.label_source, after.label_confidence) == ("Cracker box", "user", 1.0)
    assert after.category == "food box"
    assert labelled(after, Label("heirloom", "user", 1.0)).category is None


def test_a_guess_that_is_likelier_wrong_is_told_as_a_guess(thing):
    after = labelled(thing, Label("mug", "clip: base", 0.34))
    assert (after.label, after.label_confidence) == (thing.label, 1.0)
    assert after.label_source == "shape; clip: base: perhaps mug (34%)"
    assert after.category is None
    assert labelled(thing, Label("mug", "clip: base", SURE)).label == "mug"


def test_the_sources_own_category_goes_before_the_text(thing):
    after = labelled(thing, Label("blue Delft thing", "here", 0.8, "mug"))
    assert (after.label, after.category) == ("blue Delft thing", "mug")


def written(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "labels.yaml"
    path.write_text(text, encoding)
    return path


def test_a_users_file_is_read_as_it_is_meant(tmp_path):
    path = written(tmp_path, "# mine\nbox_1: cracker box\nmug_1: {label: Krug, confidence: 0.9}\n"
                             "sheet_1: no\nball_1: 8\n")  # fmt: skip
    found = by_user.read(path)
    assert found["box_1"] == Label("cracker box", "user", 1.0)
    assert found["mug_1"] == Label("Krug", "user", 0.9)
    assert (found["sheet_1"].text, found["ball_1"].text) == ("no", "8")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no names"),
        ("- a\n- b\n", "holds no names"),
        ("just words", "holds no names"),
        ("box_1: [a, b", "line 1: no YAML"),
        ("box_1: [a, b]", "box_1: give a text"),
        ("box_1: {name: x}", "box_1: give a text"),
        ("box_1: {label: x, confidence: 0.9, mass: 3}", "box_1: give a text"),
        ("box_1: {label: x, confidence: high}", "box_1: give a confidence from 0 to 1"),
        ("box_1: {label: x, confidence: 1.5}", "box_1: give a confidence from 0 to 1"),
        ("box_1: {label: x, confidence: .nan}", "box_1: give a confidence from 0 to 1"),
        ("box_1:", "box_1: the label is empty"),
        ("box_1: '  '", "box_1: the label is empty"),
        (f"box_1: {'x' * (LONGEST + 1)}", "is longer than"),
        ('box_1: "\\e[31mred"', "does not print"),
        ('box_1: "a\\nb"', "does not print"),
        ('box_1: "a\\u202Eb"', "does not print"),
        ("box_1: a\nbox_1: b\n", "box_1 is there twice"),
        ("? [a, b]\n: c\n", "no YAML"),
        ("[" * 5000, "no YAML"),
        ("a: !!python/object/apply:os.system [ls]", "a: give a text"),
        ("a: *nothing", "no YAML"),
        ("x" * (by_user.MAX_BYTES + 1), "above 1,048,576 bytes"),
    ],
)
def test_a_file_that_is_no_list_of_labels_is_one_line(tmp_path, text, told):
    with pytest.raises(UsageError, match=told) as caught:
        by_user.read(written(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="no text in UTF-8"):
        by_user.read(written(tmp_path, "box_1: Süßes", "latin-1"))
    with pytest.raises(UsageError, match="cannot be read"):
        by_user.read(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="cannot be read"):
        by_user.read(tmp_path)


def test_many_aliases_are_no_flood(tmp_path):
    lines = ["a0: &a0 {label: x}"]
    lines += [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    with pytest.raises(UsageError, match="a1: give a text"):
        by_user.read(written(tmp_path, "\n".join(lines)))


@settings(max_examples=60)
@given(st.text(max_size=30))
def test_a_label_that_is_let_through_is_one_line_of_print(text):
    if wrong(text) is None:
        assert text.strip()
        assert len(text.splitlines()) == 1
        assert "\x1b" not in text


def test_an_unknown_name_lists_those_there_are():
    by_user.check_names("labels.yaml", ["box_1"], ["box_1", "box_2"])
    with pytest.raises(UsageError, match=r"^labels.yaml: no object mug_9; there are box_1, box_2$"):
        by_user.check_names("labels.yaml", ["box_1", "mug_9"], ["box_1", "box_2"])
    with pytest.raises(UsageError, match="and 60 more"):
        by_user.check_names("x", ["\x1b[2J"], [f"box_{i}" for i in range(100)])


def test_a_labeler_that_is_not_known_lists_those_there_are(monkeypatch):
    monkeypatch.delenv("COUSINS_CLIP", raising=False)
    with pytest.raises(UsageError, match="no labeler 'oracle'; there are: clip, and a server"):
        labeler("oracle")
    with pytest.raises(UsageError, match="--label-model, or in COUSINS_CLIP"):
        labeler("clip")
    with pytest.raises(UsageError, match="name the server's model"):
        labeler("http://localhost:1/v1")
    assert labeler("http://localhost:1/v1", "tiny").model == "tiny"
