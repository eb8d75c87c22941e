"""What a score says of scans whose faults are known."""

import json
from dataclasses import replace

import mujoco
import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from cousins import phone, score
from cousins.errors import CousinsError
from cousins.mesh import matrix_from_quaternion, quaternion_from_matrix
from cousins.scene import build, compile_model
from cousins.score.truth import through
from cousins.types import Mesh
from examples import TABLE, mesh_of, table_scene


def ball(radius, at=(0.0, 0.0, 0.0)):
    mesh = trimesh.creation.icosphere(4, radius)
    return Mesh(np.asarray(mesh.vertices) + at, np.asarray(mesh.faces, np.int32))


def box(size, at=(0.0, 0.0, 0.0)):
    mesh = trimesh.creation.box(size)
    return Mesh(np.asarray(mesh.vertices) + at, np.asarray(mesh.faces, np.int32))


def bowl(height=0.06, thick=0.004):
    """Round, 140 mm wide at the rim, open at the top, standing at z = 0."""
    profile = [
        (0, 0),
        (0.04, 0),
        (0.07, height),
        (0.07 - thick, height),
        (0.038, thick),
        (0, thick),
    ]
    mesh = trimesh.creation.revolve(np.array(profile), sections=48)
    return Mesh(np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int32))


def test_a_larger_ball_is_off_by_the_difference_of_the_radii():
    """Up to what random samples of both surfaces lie apart along them."""
    got = score.compare(ball(0.05), ball(0.053), samples=20_000)
    assert got.chamfer == pytest.approx(0.003, abs=2e-4)
    assert got.hausdorff95 == pytest.approx(0.003, abs=5e-4)
    assert got.hull_ratio == pytest.approx((53 / 50) ** 3, rel=1e-3)
    assert got.f_score == pytest.approx(1.0, abs=0.01)
    assert got.centre == pytest.approx(0, abs=1e-9)
    assert score.compare(ball(0.05), ball(0.058)).f_score < 0.01


def test_a_missing_half_is_seen_in_one_direction():
    """A shape that lacks a half scores worse than its own surface would tell."""
    whole, half = box((0.1, 0.1, 0.2)), box((0.1, 0.1, 0.1), (0, 0, -0.05))
    got = score.compare(whole, half)
    assert got.hausdorff95 > 0.05
    assert got.f_score < 0.85
    assert got.hull_ratio == pytest.approx(0.5)
    assert got.centre == pytest.approx(0.05)


def test_the_same_meshes_give_the_same_score():
    a, b = ball(0.05), box((0.08, 0.09, 0.1))
    assert score.compare(a, b) == score.compare(a, b)


@given(st.permutations(range(4)))
@settings(max_examples=10)
def test_objects_are_matched_whatever_their_order(order):
    true = [box((0.05, 0.05, 0.05), (0.1 * i, 0, 0)) for i in range(4)]
    found = [box((0.05, 0.05, 0.06), (0.1 * i + 0.004, 0.003, 0)) for i in order]
    got = score.match(true, found)
    assert sorted(got.pairs) == sorted((i, k) for k, i in enumerate(order))
    assert (got.over, got.under, got.missed, got.invented) == ((), (), (), ())


CUBES = [box((0.05, 0.05, 0.05), (0.06 * i, 0, 0)) for i in range(3)]


def test_what_is_missed_or_invented_has_no_pair():
    ghost = box((0.05, 0.05, 0.05), (0.0, 1.0, 0))
    got = score.match(CUBES, [CUBES[2], ghost])
    assert got == score.Matching(((2, 0),), (), (), missed=(0, 1), invented=(1,))
    assert score.match(CUBES, []) == score.Matching((), (), (), (0, 1, 2), ())
    assert score.match([], CUBES) == score.Matching((), (), (), (), (0, 1, 2))


def test_three_things_in_one_are_one_merger_and_no_find():
    got = score.match(CUBES, [box((0.17, 0.05, 0.05), (0.06, 0, 0))])
    assert got == score.Matching((), (), ((0, (0, 1, 2)),), (), ())


def test_a_thing_in_two_halves_is_split_and_a_chip_off_it_keeps_it_found():
    whole = box((0.05, 0.05, 0.2))
    halves = [box((0.05, 0.05, 0.1), (0, 0, z)) for z in (-0.05, 0.05)]
    assert score.match([whole], halves) == score.Matching((), ((0, (0, 1)),), (), (), ())
    pieces = [box((0.05, 0.05, 0.16), (0, 0, -0.02)), box((0.05, 0.05, 0.04), (0, 0, 0.08))]
    assert score.match([whole], pieces) == score.Matching(((0, 0),), ((0, (0, 1)),), (), (), ())


def test_a_small_thing_taken_into_a_large_one_is_a_merger_and_a_miss_of_its_own():
    large, small = box((0.2, 0.2, 0.2)), box((0.03, 0.03, 0.03), (0, 0, 0.115))
    both = trimesh.util.concatenate([trimesh.Trimesh(m.vertices, m.faces) for m in (large, small)])
    got = score.match([large, small], [Mesh(np.array(both.vertices), np.array(both.faces))])
    assert (got.pairs, got.under) == (((0, 0),), ((0, (0, 1)),))


@given(st.floats(-np.pi, np.pi), st.floats(-2, 2))
@settings(max_examples=10, deadline=None)
def test_crossed_sticks_and_a_ball_in_a_bowl_are_told_apart_from_any_side(turn, shift):
    """Their bounding boxes overlap almost wholly."""
    stick = trimesh.creation.box((0.3, 0.01, 0.01))
    meshes = [bowl(), ball(0.03, (0, 0, 0.035))]
    for angle, z in ((0.7, 0.2), (-0.7, 0.22)):
        pose = trimesh.transformations.rotation_matrix(angle, (0, 0, 1))
        pose[2, 3] = z
        meshes.append(mesh_of(stick.copy().apply_transform(pose)))
    pose = trimesh.transformations.rotation_matrix(turn, (0.3, 0.5, 1.0))
    there = [through(m, pose[:3, :3], np.full(3, shift)) for m in meshes]
    assert score.match(there, there[::-1]).pairs == ((0, 3), (1, 2), (2, 1), (3, 0))
    got = score.match(there, [there[0], *there[2:]])
    assert (got.pairs, got.missed) == (((0, 0), (2, 1), (3, 2)), (1,))


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    path = tmp_path_factory.mktemp("truth") / "table.truth.json"
    model = compile_model(*build(table_scene()))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    path.write_text(json.dumps(phone.truth(model, data)))
    return score.load_truth(path)


def pose():
    """Some world_from_capture: turned about the vertical (the capture's y) and shifted."""
    out = np.linalg.inv(phone.CAPTURE_FROM_WORLD)
    c, s = np.cos(0.7), np.sin(0.7)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    out[:3, :3] = turn @ out[:3, :3]
    out[:3, 3] = 0.3, -0.2, 0.1
    return out


def moved(scene, pose):
    """The scene as a scan in another world would give it."""
    pose = pose @ phone.CAPTURE_FROM_WORLD
    return replace(scene, assets=tuple(
        a.moved(pose[:3, :3] @ a.position + pose[:3, 3],
                quaternion_from_matrix(pose[:3, :3] @ matrix_from_quaternion(a.quaternion)))
        for a in scene.assets))  # fmt: skip


def test_a_perfect_scan_scores_perfectly_in_any_world(truth):
    assert truth.support_height == pytest.approx(TABLE, abs=1e-6)
    got = score.score(moved(table_scene(), pose()), pose(), truth)
    assert (got.true, got.found, got.recall, got.precision) == (4, 4, 1, 1)
    assert [truth.objects[i].name for i, _ in got.pairs] == [
        table_scene().assets[j].name for _, j in got.pairs
    ]
    for shape in got.shapes:
        assert shape.chamfer < 0.002, "the distance between samples, and no more"
        assert shape.f_score > 0.99
        assert shape.hull_ratio == pytest.approx(1, abs=0.01)
        assert shape.centre < 1e-4
    assert [o.mass for o in got.objects] == [True] * 4


def test_recall_and_precision_count_what_is_missed_and_invented(truth):
    scene = table_scene()
    ghost = replace(scene.assets[0], name="ghost", position=np.array([2.0, 2.0, 1.0]))
    got = score.score(replace(scene, assets=(*scene.assets[:2], ghost)), turned_back(), truth)
    assert (got.recall, got.precision) == (0.5, pytest.approx(2 / 3))
    got = score.score(replace(scene, assets=()), turned_back(), truth)
    assert (got.recall, got.precision, got.pairs) == (0, 0, ())


def turned_back():
    return np.linalg.inv(phone.CAPTURE_FROM_WORLD)


def test_a_mass_far_off_is_not_held(truth):
    scene = table_scene()
    sure = [replace(a, mass=replace(a.mass, mu=a.mass.mu + 2, sigma=0.1)) for a in scene.assets]
    mixed = (*scene.assets[:3], sure[3])
    got = score.score(replace(scene, assets=mixed), turned_back(), truth)
    assert [o.mass for o in got.objects] == [True, True, True, False]
    assert (got.numbers()["masses"], got.numbers()["masses_held"]) == (4, 3)


def test_rest_tells_a_drop_from_a_thing_that_stands():
    xml = """<mujoco><worldbody><geom type="plane" size="1 1 .1"/>
      <body pos="0 0 .05"><freejoint/><geom type="box" size=".05 .05 .05"/></body>
      <body pos="1 0 {z}"><freejoint/><geom type="box" size=".05 .05 .05"/></body>
    </worldbody></mujoco>"""
    still = score.rest(mujoco.MjModel.from_xml_string(xml.format(z=0.07)))
    assert still.drift[0] < 0.001
    assert still.drift[1] == pytest.approx(0.02, abs=0.001)
    assert still.turn.max() < 0.01
    sunk = score.rest(mujoco.MjModel.from_xml_string(xml.format(z=0.04)))
    assert sunk.penetration == pytest.approx(0.01, abs=1e-6)


def test_a_model_without_free_bodies_is_at_rest():
    empty = score.rest(mujoco.MjModel.from_xml_string("<mujoco/>"))
    assert (len(empty.drift), empty.penetration) == (0, 0)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"objects": [{}], "support_height": 1}'])
def test_a_file_that_is_no_truth_is_refused_in_one_line(tmp_path, text):
    file = tmp_path / "x.truth.json"
    file.write_text(text)
    with pytest.raises(CousinsError, match=r"x\.truth\.json: not the truth of a capture") as caught:
        score.load_truth(file)
    assert "\n" not in str(caught.value)
    with pytest.raises(CousinsError, match="cannot be read"):
        score.load_truth(tmp_path / "none.json")
