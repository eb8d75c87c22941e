"""Axes: nothing at no strength, farther with more, each by itself; asked for by text or a file."""

import json
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from cousins.cli import main as cli
from hypothesis import given
from hypothesis import strategies as st
from packs import write_pack
from typer.testing import CliRunner

import examples
from cousins import household, pack, plugins
from cousins.affordance import lost
from cousins.errors import UsageError
from cousins.library import Household
from cousins.types import Scene
from cousins.variation.axes import Settings, combined
from cousins.variation.family import chunk
from cousins.variation.sampling import axes, draw, sources
from cousins.variation.shapes import variants
from cousins.variation.strengths import settings_of, span, strengths

LIBRARY = Household()
SMALL = Settings(shapes=4, swaps=0.0, distractors=0)
NAMES = ["shape", "physics", "layout", "look", "camera", "robot"]
N = 60


def made(settings):
    return sources(examples.table_scene(), 1, settings, LIBRARY).each[-1]


@cache
def source():
    return made(SMALL)


def at(**strengths_):
    """The source as if these were the strengths: the bank is the same."""
    return replace(source(), settings=replace(SMALL, strengths=strengths_))


def drawn(source_, n=N, share=None):
    return draw(source_, range(n), 0, share)


def test_there_are_six_axes():
    assert [axis.name for axis in axes()] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_axis_at_no_strength_leaves_its_distance_none(name):
    """But that what is larger may need other room, and what moved a robot that is nearer."""
    off = {name, *{"layout": ["shape"], "robot": ["layout"]}.get(name, [])}
    found = drawn(at(**dict.fromkeys(off, 0.0)))
    np.testing.assert_allclose(found.values[name], 0, atol=1e-12)
    for other in NAMES:
        assert other in off or found.values[other].mean() > 0.1
    still = drawn(at(**dict.fromkeys(NAMES, 0.0)))
    np.testing.assert_allclose(still.distance, 0, atol=1e-12)
    qpos = still.arrays["qpos"] - source().union.model.qpos0
    np.testing.assert_array_equal(qpos, 0, "all stand where they were seen")


@pytest.mark.parametrize("name", NAMES)
def test_the_mean_distance_grows_with_an_axis_strength(name):
    others = dict.fromkeys(NAMES, 0.0)
    means, wholes = [], []
    for strength in (0.0, 0.25, 0.5, 0.75, 1.0):
        found = drawn(at(**{**others, name: strength}))
        means.append(found.values[name].mean())
        wholes.append(found.distance.mean())
        assert 0 <= found.values[name].min()
        assert found.values[name].max() <= 1
    assert (np.diff(means) > 0).all(), means
    assert (np.diff(wholes) > 0).all(), wholes
    assert means[-1] > 0.15


def test_the_whole_distance_grows_with_all_strengths():
    means = [drawn(source(), share=s).distance.mean() for s in np.linspace(0, 1, 6)]
    assert means[0] == 0
    assert (np.diff(means) > 0.01).all(), means


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_the_whole_distance_is_the_mean_of_the_axes_and_grows_with_each(count, seed):
    rng = np.random.default_rng(seed)
    values = {f"axis_{k}": rng.random(5) for k in range(count)}
    whole = combined(values)
    np.testing.assert_allclose(whole, np.mean(list(values.values()), axis=0))
    farther = combined({**values, "axis_0": values["axis_0"] + 0.1})
    assert (farther > whole).all()


@pytest.mark.parametrize("off", NAMES)
def test_switching_an_axis_off_changes_no_draw_of_the_others(off):
    """But where one follows from another: masses from volumes, the base from what it reaches, and
    cameras from where things stand."""
    seen = {"cam_pos", "cam_quat", "cam_fovy"}
    own = {
        "shape": {"shape", "mass", "qpos", "robot_base", *seen},
        "physics": {"mass", "friction", "restitution", "shell_fraction"},
        "layout": {"qpos", "robot_base", *seen},
        "look": {"tint", "texture", "surface_tint", "light_pos", "light_dir", "light_diffuse",
                 "light_ambient"},
        "camera": {*seen, "camera_noise"},
        "robot": {"robot_base"},
    }[off]  # fmt: skip
    whole, without = drawn(source(), 12).arrays, drawn(at(**{off: 0.0}), 12).arrays
    assert set(whole) == set(without)
    changed = {name for name in whole if not np.array_equal(whole[name], without[name])}
    assert changed
    assert changed <= own


def test_without_shapes_the_bank_holds_the_twin_s_own_and_all_else_is_drawn_as_before():
    bare = made(replace(SMALL, strengths={"shape": 0.0}))
    assert bare.union.bank.shapes.tolist() == [1, 1, 1, 1]
    a, b = drawn(bare, 8).arrays, drawn(at(shape=0.0), 8).arrays
    for name in ("mass", "friction", "qpos", "tint", "cam_pos", "robot_base"):
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_without_layout_there_are_no_distractors():
    asked = replace(SMALL, shapes=1, distractors=2)
    assert [s.family for s in sources(examples.table_scene(), 1, asked, LIBRARY).each] == [0, 1, 2]
    off = replace(asked, strengths={"layout": 0.0})
    assert [s.family for s in sources(examples.table_scene(), 1, off, LIBRARY).each] == [0]


@pytest.mark.parametrize("span_", [(0.15, 0.25), (0.3, 0.42)])
def test_only_cousins_at_the_distance_that_was_asked_for(span_):
    found = chunk(made(replace(SMALL, distances=span_)), range(16), 1)
    assert len(found.cousins) == 16
    low, high = span_
    far = np.array([c.distance for c in found.cousins])
    assert ((low <= far) & (far <= high)).all()
    assert np.ptp(far) > 0.4 * (high - low), "all over the range"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (replace(SMALL, distances=(0.8, 0.9)), r"distances 0\.8:0\.9: these axes reach 0\.\d+ to"),
        (
            replace(SMALL, strengths=dict.fromkeys(NAMES, 0.0), distances=(0.1, 0.2)),
            "these axes reach 0.00 to 0.00",
        ),
        (replace(SMALL, distances=(0.4, 0.2)), "ask for a range within 0:1"),
        (replace(SMALL, distances=(-0.1, 0.2)), "ask for a range within 0:1"),
        (replace(SMALL, strengths={"colour": 1.0}), "no axis 'colour'; axes: shape, physics, lay"),
        (replace(SMALL, strengths={"look": 1.5}), "axis look: a strength of 1.5; it goes from 0"),
        (replace(SMALL, strengths={"look": float("nan")}), "axis look: a strength of nan"),
        (replace(SMALL, shapes=0), "1 to 500 shapes"),
        (replace(SMALL, swaps=1.5), "swaps of 0 to 1"),
        (replace(SMALL, distractors=11), "0 to 10 distractors"),
    ],
)
def test_what_cannot_be_had_is_one_line(settings, told):
    with pytest.raises(UsageError, match=told) as caught:
        sources(examples.table_scene(), 1, settings, LIBRARY)
    assert "\n" not in str(caught.value)


@dataclass(frozen=True)
class Air:
    """An axis that a package brings: how thick the air is."""

    name: str = "air"

    def numbers(self, source):
        return 1

    def draw(self, source, uniform, strength, drawn):
        return {"dof_damping": np.repeat(0.1 * strength[:, None] * uniform,
                                           source.union.model.nv, 1)}  # fmt: skip

    def distance(self, source, drawn):
        return drawn["dof_damping"][:, 0] / 0.1


def test_an_axis_of_a_package_takes_part_and_changes_no_other(monkeypatch, tmp_path):
    before = drawn(source(), 6)
    monkeypatch.setattr(plugins, "load", lambda group: {"air": Air()})
    found = drawn(made(SMALL), 6)
    assert list(found.values) == [*NAMES, "air"]
    for name, value in before.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], value, err_msg=name)
    assert (found.values["air"] > 0).all()
    np.testing.assert_allclose(found.distance, np.mean(list(found.values.values()), axis=0))
    path = write_pack(tmp_path / "p", families=False)
    done = augment(path, "-n", 3, "--axes", quick(tmp_path, air=0.5), "--json")
    assert done.exit_code == 0, done.exception
    assert pack.check(path) == []
    read = pack.read(path)
    assert read.manifest.augmented.axes["air"] == 0.5
    family = pack.load_family(read, 0)
    assert all(0 < c.axes["air"] <= 0.5 for c in family.cousins)
    assert family.fields()["dof_damping"].shape == (3, 24)


THINGS = ("mug", "bowl", "box", "bottle")


@cache
def banked(category):
    thing = household.draw(category, np.random.default_rng(3)).asset("thing", "table")
    return variants(thing, 8, 0.4, LIBRARY, np.random.SeedSequence(0))


@pytest.mark.parametrize("category", THINGS)
def test_every_shape_of_a_bank_affords_what_the_twin_s_does_and_all_differ(category):
    found = banked(category)
    assert len(found.shapes) == len(found.distances) == len(found.affords) == 8
    assert found.distances[0] == 0
    assert all(0 < far <= 1 for far in found.distances[1:])
    assert [lost(found.affords[0], a) for a in found.affords] == [()] * 8
    assert len({s.name for s in found.shapes}) == 8
    sizes = np.array([[*s.size, s.volume ** (1 / 3)] for s in found.shapes])
    apart = np.abs(sizes[:, None] / sizes[None] - 1).max(-1) + np.eye(8)
    assert apart.min() > 0.002, "no two are one shape"


def test_of_a_bank_some_are_other_things_of_its_kind():
    found = banked("mug")
    faces = {s.visual.faces.shape for s in found.shapes[1:4]}
    assert len(faces) > 1
    assert found.licences
    assert all(name.startswith("thing_v") for name in found.licences)


def test_distractors_stand_on_the_surface_that_carries_most():
    base = examples.table_scene()
    low = replace(base.assets[0], name="low", support="table")
    top = replace(base.assets[3], support="low", position=low.position + [0, 0, 0.125])
    scene = Scene((low, top), base.supports)
    found = sources(scene, 0, replace(SMALL, shapes=1, distractors=1), LIBRARY)
    assert [len(s.scene.assets) for s in found.each] == [2, 3]
    assert found.each[1].scene.assets[2].support == "table"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("layout=1,shape=0.5", {"layout": 1.0, "shape": 0.5}),
        (" look = 0 ", {"look": 0.0}),
        ("shape=1e-1", {"shape": 0.1}),
    ],
)
def test_strengths_are_read_as_they_are_written(text, found):
    assert strengths(text) == found
    assert settings_of(text) == Settings(strengths=found)
    assert settings_of(None) == Settings()


def test_a_yaml_file_says_all_of_it(tmp_path):
    file = tmp_path / "axes.yaml"
    file.write_text("axes: {layout: 1, shape: 0.5}\nshapes: 8\nswaps: 0.25\ndistractors: 1\n"
                    "distances: [0.2, 0.4]\n")  # fmt: skip
    assert settings_of(str(file)) == Settings(
        {"layout": 1.0, "shape": 0.5}, shapes=8, swaps=0.25, distractors=1, distances=(0.2, 0.4)
    )
    file.write_text("shapes: 8\n")
    assert settings_of(str(file)) == Settings(shapes=8)
    assert span("0.2:0.4") == (0.2, 0.4)


def augment(*arguments):
    return CliRunner().invoke(cli.app, ["augment", *map(str, arguments)])


def quick(folder, **given_):
    """A file of axes with few shapes."""
    file = folder / "quick.yaml"
    told = {"axes": given_, "shapes": 2, "swaps": 0, "distractors": 0}
    file.write_text(json.dumps(told))  # which is YAML
    return file


BAD = [
    "layout",
    "layout=",
    "=1",
    "layout=far",
    "layout=1,layout=0",
    "layout=1,,shape=1",
    "layout=nan",
    "layout=inf",
    "layout=2",
    "layout=-0.1",
    "colour=1",
    "",
    "none.yaml",
]


@pytest.mark.parametrize("text", BAD)
def test_axes_that_are_none_are_one_line_and_leave_the_pack(tmp_path, text, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(tmp_path, "--axes", text)


BAD_FILES = [
    "",
    "[1, 2]",
    "axes: [1]",
    "axes: {layout: far}",
    "axes: {layout: .nan}",
    "axes: {colour: 1}",
    "colour: 1",
    "shapes: 2.5",
    "shapes: true",
    "shapes: 0",
    "swaps: many",
    "swaps: 2",
    "distractors: -1",
    "distances: 0.2",
    "distances: [0.2]",
    "distances: [0.4, 0.2]",
    "axes: {layout: 1",
    "a: !!python/object/apply:os.getcwd []",
    "\x00",
]


@pytest.mark.parametrize("text", BAD_FILES)
def test_files_of_axes_that_are_none_are_one_line_and_leave_the_pack(tmp_path, text):
    (tmp_path / "axes.yml").write_text(text)
    refused(tmp_path, "--axes", tmp_path / "axes.yml")


@pytest.mark.parametrize("text", ["0.2", "0.4:0.2", "a:b", "0.2:nan", "0.9:1", ":"])
def test_distances_that_are_none_are_one_line_and_leave_the_pack(tmp_path, text):
    refused(tmp_path, "--axes", quick(tmp_path), "--distance", text)


def refused(folder, *arguments):
    path = write_pack(folder / "p", families=False)
    before = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
    done = augment(path, "-n", 1, *arguments)
    assert isinstance(done.exception, UsageError), done.exception
    assert done.exception.exit_code == 2
    assert "\n" not in str(done.exception)
    assert str(done.exception).isprintable()
    assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} == before
    assert not (folder / "p.partial").exists()
