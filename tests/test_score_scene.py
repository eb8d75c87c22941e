"""Faults planted in a perfect twin of a scene are seen by its score, each where it is."""

import json
from dataclasses import replace

import numpy as np
import pytest
from containers import bowl_mesh, mug_mesh, thing
from cousins.cli.main import app
from hypothesis import given, settings
from hypothesis import strategies as st
from packs import manifest, quality
from typer.testing import CliRunner

from cousins import pack
from cousins.errors import CousinsError
from cousins.mesh import matrix_from_quaternion, quaternion_from_matrix
from cousins.phone import CAPTURE_FROM_WORLD
from cousins.scene import build, compile_model
from cousins.score import TrueObject, Truth, in_world, load_truth, score, truth_of
from cousins.types import Mesh, Primitive, Scene
from examples import TABLE, ball, box, can, table_scene

WORLD = np.linalg.inv(CAPTURE_FROM_WORLD)  # from the capture's, where both worlds are the same


def kitchen():
    """A mug and a bowl with an orange in it, and a tin on a box."""
    orange = ball("orange", 0.03, (0.2, 0.0))
    tin = can("tin", 0.03, 0.08, (-0.2, 0.0))
    return Scene(
        assets=(
            thing("mug", mug_mesh(), (0.0, 0.15)),
            thing("bowl", bowl_mesh(), (0.2, 0.0)),
            replace(orange, position=orange.position + [0, 0, 0.0041], support="bowl"),
            box("box", (0.2, 0.15, 0.05), (-0.2, 0.0)),
            replace(tin, position=tin.position + [0, 0, 0.05], support="box"),
        ),
        supports=table_scene().supports,
    )


def truth_from(scene):
    """What `cousins film` would write beside a film of the scene."""
    return Truth(
        tuple(
            TrueObject(a.name, mesh, a.mass.mode, a.friction.mode, a.volume, a.support)
            for a, mesh in zip(scene.assets, in_world(scene), strict=True)
        ),
        TABLE,
    )


KITCHEN = kitchen()
TRUTH = truth_from(KITCHEN)
SHELF = replace(KITCHEN, assets=KITCHEN.assets[1:])  # without the mug, whose handle takes a second


def with_asset(scene, name, **changes):
    return replace(scene, assets=tuple(
        replace(a, **changes) if a.name == name else a for a in scene.assets))  # fmt: skip


def told(scene, truth=None):
    truth = truth or replace(TRUTH, objects=TRUTH.objects[1:])
    return {o.true: o for o in score(scene, WORLD, truth).objects}


def as_one(name, *assets):
    """One asset that holds the meshes and the parts of several, in the first one's frame."""
    first, meshes, parts = assets[0], [], []
    for a in assets:
        shift = a.position - first.position
        meshes.append(Mesh(a.visual.vertices + shift, a.visual.faces))
        parts += [Mesh(p.vertices + shift, p.faces) for p in a.parts]
    faces, count = [], 0
    for m in meshes:
        faces.append(m.faces + count)
        count += len(m.vertices)
    whole = Mesh(np.vstack([m.vertices for m in meshes]), np.vstack(faces).astype(np.int32))
    return replace(first, name=name, visual=whole, parts=tuple(parts), primitive=None)


@pytest.fixture(scope="module")
def perfect():
    return score(KITCHEN, WORLD, TRUTH, compile_model(*build(KITCHEN)))


def test_a_perfect_twin_scores_perfectly(perfect):
    numbers = perfect.numbers()
    assert (perfect.recall, perfect.precision) == (1, 1)
    assert [(o.true, o.true) for o in perfect.objects] == [
        (o.true, o.found) for o in perfect.objects
    ]
    assert (perfect.over, perfect.under, perfect.missed, perfect.invented) == ((), (), (), ())
    assert (numbers["supports"], numbers["supports_right"]) == (5, 5)
    assert (numbers["openings"], numbers["openings_kept"]) == (2, 2)
    assert (numbers["handles"], numbers["handles_kept"]) == (1, 1)
    assert (numbers["masses"], numbers["masses_held"]) == (5, 5)
    assert (numbers["frictions"], numbers["frictions_held"]) == (5, 5)
    assert numbers["volume_ratio"] == pytest.approx(1)
    assert numbers["hull_off"] < 1e-6
    assert numbers["off_degrees"] < 0.1
    assert numbers["centre_mm"] < 1e-6
    assert numbers["f_score"] > 0.999
    assert numbers["drift_mm"] < 1
    assert numbers["penetration_mm"] < 0.2
    for o in perfect.objects:
        assert o.openings == (o.true in {"mug", "bowl"})
        assert o.handles == (o.true == "mug")


def test_numbers_are_plain_json(perfect):
    numbers = perfect.numbers()
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers
    nothing = score(replace(KITCHEN, assets=()), WORLD, TRUTH).numbers()
    assert json.loads(json.dumps(nothing, allow_nan=False)) == nothing
    assert (nothing["recall"], nothing["chamfer_mm"], nothing["drift_mm"]) == (0, None, None)
    assert nothing["missed"] == ["mug", "bowl", "orange", "box", "tin"]


@given(st.permutations(range(4)), st.floats(-np.pi, np.pi), st.floats(-1, 1))
@settings(max_examples=4)
def test_neither_order_nor_place_of_the_world_changes_a_score(order, turn, shift):
    scene = table_scene()
    here = told(scene, truth_from(scene))
    world = np.eye(4)
    world[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    world[:3, 3] = shift
    assets = [a.moved(world[:3, :3] @ a.position + world[:3, 3],
                      quaternion_from_matrix(world[:3, :3] @ matrix_from_quaternion(a.quaternion)))
              for a in scene.assets]  # fmt: skip
    supports = tuple(replace(s, height=s.height + shift) for s in scene.supports)
    moved = replace(scene, assets=tuple(assets[i] for i in order), supports=supports)
    got = score(moved, world @ WORLD, truth_from(scene))
    assert (got.recall, got.precision) == (1, 1)
    for o in got.objects:
        assert o.found == o.true
        assert (o.support, o.mass, o.friction) == (True, True, True)
        assert o.shape.chamfer == pytest.approx(here[o.true].shape.chamfer, rel=0.05)
        assert o.shape.turn == pytest.approx(0, abs=1e-4)


def test_two_in_one_are_merged_and_fill_an_opening():
    bowl, orange, *others = SHELF.assets
    both = as_one("both", bowl, orange)
    got = score(replace(SHELF, assets=(both, *others)), WORLD, truth_from(SHELF))
    assert got.under == (("both", ("bowl", "orange")),)
    assert got.recall == 3 / 4
    assert (got.missed, got.invented, got.over) == ((), (), ())
    [bowl_score] = [o for o in got.objects if o.true == "bowl"]
    assert (bowl_score.openings, bowl_score.openings_kept) == (1, 0), "the orange fills it"


def test_one_in_two_is_split():
    *others, _, tin = SHELF.assets
    halves = [box(name, (0.1, 0.15, 0.05), (x, 0.0)) for name, x in (("l", -0.25), ("r", -0.15))]
    got = score(replace(SHELF, assets=(*others, *halves, tin)), WORLD, truth_from(SHELF))
    assert got.over == (("box", ("l", "r")),)
    assert (got.recall, got.precision) == (3 / 4, 3 / 5)
    assert (got.missed, got.invented, got.under) == ((), (), ())
    [tin_score] = [o for o in got.objects if o.true == "tin"]
    assert tin_score.support is False, "what it stands on was not found"


def test_a_hull_shuts_what_was_open():
    mug, bowl, *others = KITCHEN.assets
    # Its hull is what MuJoCo takes of a part.
    shut = [replace(a, parts=(Mesh(a.visual.vertices, a.visual.faces),)) for a in (mug, bowl)]
    got = told(replace(KITCHEN, assets=(*shut, *others)), TRUTH)
    for name in ("mug", "bowl"):
        assert (got[name].openings, got[name].openings_kept) == (1, 0)
        assert got[name].shape.f_score > 0.999, "it is the collision that is wrong"
    assert (got["mug"].handles, got["mug"].handles_kept) == (1, 0)


def test_a_primitive_shuts_what_was_open():
    solid = Primitive("cylinder", (0.07, 0.03, 0.0), (0, 0, 0), (1, 0, 0, 0))
    assert told(with_asset(SHELF, "bowl", primitive=solid))["bowl"].openings_kept == 0


def test_what_nothing_can_collide_with_is_refused():
    with pytest.raises(CousinsError, match=r"objects\.json: bowl has no collision geometry"):
        told(with_asset(SHELF, "bowl", parts=()))


def test_a_wrong_support_is_seen_and_no_other():
    got = told(with_asset(SHELF, "tin", support="table"))
    assert {name for name, o in got.items() if not o.support} == {"tin"}
    got = told(with_asset(SHELF, "box", support="floor"))
    assert {name for name, o in got.items() if not o.support} == {"box"}
    low = [replace(s, height=s.height - 0.02) if s.name == "table" else s
           for s in SHELF.supports]  # fmt: skip
    got = told(replace(SHELF, supports=tuple(low)))
    assert {name for name, o in got.items() if not o.support} == {"bowl", "box"}


def test_supports_that_an_older_truth_does_not_tell_are_read_off_where_they_are_plain():
    true = truth_from(SHELF)
    objects = tuple(replace(o, support=None, friction=None) for o in true.objects)
    got = score(SHELF, WORLD, replace(true, objects=objects))
    known = {o.true: o.support for o in got.objects}
    assert known == {"bowl": True, "orange": None, "box": True, "tin": None}
    assert {o.friction for o in got.objects} == {None}
    assert (got.numbers()["supports"], got.numbers()["frictions"]) == (2, 0)


def test_masses_and_frictions_outside_their_intervals_are_counted():
    tin = SHELF.assets[-1]
    heavy = replace(tin.mass, mu=tin.mass.mu + 3 * tin.mass.sigma)
    rough = replace(tin.friction, mu=tin.friction.mu + 2 * tin.friction.sigma)
    got = score(with_asset(SHELF, "tin", mass=heavy, friction=rough), WORLD, truth_from(SHELF))
    assert {o.true for o in got.objects if not o.mass} == {"tin"}
    assert {o.true for o in got.objects if not o.friction} == {"tin"}
    numbers = got.numbers()
    assert (numbers["masses"], numbers["masses_held"]) == (4, 3)
    assert (numbers["frictions"], numbers["frictions_held"]) == (4, 3)


def test_a_turned_box_is_turned_and_a_turned_can_is_not():
    spin = np.array([np.cos(0.05), 0, 0, np.sin(0.05)])
    got = told(with_asset(with_asset(SHELF, "box", quaternion=spin), "tin", quaternion=spin))
    assert got["box"].shape.turn == pytest.approx(0.1, abs=0.01)
    assert got["tin"].shape.turn == pytest.approx(0, abs=0.005)
    tilt = np.array([np.cos(0.04), np.sin(0.04), 0, 0])
    got = told(with_asset(SHELF, "tin", quaternion=tilt))
    assert got["tin"].shape.turn == pytest.approx(0.08, abs=0.01)


def test_volume_is_told_where_both_are_closed():
    box_ = SHELF.assets[2]
    changed = replace(SHELF, assets=(replace(box_, volume=1.5 * box_.volume),))
    assert told(changed)["box"].volume_ratio == pytest.approx(1.5)
    changed = replace(SHELF, assets=(replace(box_, watertight=False),))
    assert told(changed)["box"].volume_ratio is None
    open_ = replace(TRUTH, objects=(replace(TRUTH.objects[3], volume=None),))
    assert told(SHELF, open_)["box"].volume_ratio is None


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A pack of the kitchen, its truth beside where a capture would be, and the truth's file."""
    folder = tmp_path_factory.mktemp("score")
    rows = tuple(tuple(float(v) for v in row) for row in WORLD)
    same = manifest().model_copy(update={"world_from_capture": rows})
    pack.write(folder / "pack", KITCHEN, same, quality())
    objects = [
        {"name": o.name, "mass": o.mass, "friction": o.friction, "support": o.support,
         "volume": o.volume, "vertices": o.mesh.vertices.tolist(), "faces": o.mesh.faces.tolist()}
        for o in TRUTH.objects
    ]  # fmt: skip
    (folder / "film").mkdir()
    file = folder / "film.truth.json"
    file.write_text(json.dumps({"support_height": TABLE, "objects": objects}))
    return folder / "pack", folder / "film", file


def run(*arguments):
    return CliRunner().invoke(app, ["score", *map(str, arguments)])


def test_the_command_line_scores_a_pack(written, perfect):
    where, capture, file = written
    assert truth_of(capture) == file
    done = run(where, capture, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    told, same = json.loads(done.stdout), perfect.numbers()
    assert told.keys() == same.keys()
    for key in ("recall", "supports_right", "openings_kept", "handles_kept", "frictions_held"):
        assert told[key] == same[key]


def test_the_table_has_a_line_for_each_object_and_what_went_wrong(perfect):
    from cousins.cli.score import _text

    text = _text(perfect.numbers())
    assert [line.split()[0] for line in text.splitlines()[1:6]] == [
        "mug", "bowl", "orange", "box", "tin"]  # fmt: skip
    assert "recall 1.00" in text
    assert "openings kept 2 of 2" in text
    bowl, orange, box_, _ = SHELF.assets
    floored, ghost = replace(box_, support="floor"), ball("ghost", 0.05, (0.5, 0.3))
    wrong = replace(SHELF, assets=(as_one("both", bowl, orange), floored, ghost))
    empty = compile_model("<mujoco/>", {})
    text = _text(score(wrong, WORLD, truth_from(SHELF), empty).numbers())
    assert "merged: bowl, orange in both" in text
    assert "WRONG" in text
    assert ["tin", "missed"] in [line.split() for line in text.splitlines()]
    assert ["invented", "ghost"] in [line.split() for line in text.splitlines()]


def test_what_cannot_be_read_is_told_in_one_line(written, tmp_path):
    where, capture, file = written
    for arguments, said in (
        ((where, tmp_path), f"no {tmp_path.name}.truth.json beside it"),
        ((where, tmp_path / "none.json"), "cannot be read"),
        ((where, where / "manifest.json"), "not the truth of a capture"),
        ((capture, file), "not a scene pack"),
    ):
        done = run(*arguments)
        assert isinstance(done.exception, CousinsError)
        assert said in str(done.exception)
        assert "\n" not in str(done.exception)
        assert done.stdout == ""


@pytest.mark.parametrize(
    "change",
    [
        {"faces": []},
        {"faces": [[0, 1, 99]]},
        {"vertices": [[0, 0, float("nan")], [1, 0, 0], [0, 1, 0]]},
        {"mass": None},
    ],
)
def test_a_truth_with_an_object_that_is_none_is_refused(tmp_path, change):
    good = {"name": "x", "mass": 1, "faces": [[0, 1, 2]],
            "vertices": [[0, 0, 0], [1, 0, 0], [0, 1, 0]]}  # fmt: skip
    file = tmp_path / "a.truth.json"
    file.write_text(json.dumps({"support_height": None, "objects": [good]}))
    assert load_truth(file).objects[0].support is None
    file.write_text(json.dumps({"support_height": None, "objects": [good | change]}))
    with pytest.raises(CousinsError, match="not the truth of a capture"):
        load_truth(file)
