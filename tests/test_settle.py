"""Letting a scene come to rest with its objects where they were seen."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from cousins.mesh import matrix_from_quaternion
from cousins.scene import build, compile_model
from cousins.score import rest
from cousins.settle import angle, lift, lowest_point, settle, steady
from cousins.shape.convex import convex_hull
from cousins.types import Mesh, Primitive
from examples import TABLE, asset, ball, box, can, ell, table_scene


def scene_of(*assets):
    return replace(table_scene(), assets=assets)


def still(scene):
    return rest(compile_model(*build(scene)))


def test_a_scene_at_rest_stays_as_it_is():
    settled = settle(lift(table_scene()))
    assert settled.moved.max() < 0.001
    assert settled.turned.max() < np.radians(1)
    assert settled.drift.max() < 0.001
    assert settled.penetration < 0.0005
    assert [a.name for a in settled.scene.assets] == [a.name for a in table_scene().assets]


def test_what_it_says_is_what_the_model_then_does():
    settled = settle(lift(table_scene()))
    got = still(settled.scene)
    assert np.allclose(got.drift, settled.drift, atol=2e-5)
    assert got.penetration == pytest.approx(settled.penetration, abs=2e-5)


def test_boxes_that_overlap_part_and_hardly_move():
    """By 4 mm, as two scanned neighbours may: each gives way, and neither is flung."""
    a, b = box("a", (0.06, 0.1, 0.12), (0, 0)), box("b", (0.06, 0.1, 0.08), (0.056, 0.01))
    settled = settle(lift(scene_of(a, b)))
    assert settled.penetration < 0.0005
    assert settled.drift.max() < 0.002
    assert 0.001 < settled.moved.max() < 0.008
    apart = settled.scene.assets[1].position - settled.scene.assets[0].position
    assert apart[0] > 0.0595


def test_a_gap_beneath_a_thing_closes():
    floating = box("a", (0.06, 0.1, 0.12), (0, 0))
    floating = floating.moved(floating.position + [0, 0, 0.004], floating.quaternion)
    settled = settle(scene_of(floating))
    assert settled.scene.assets[0].position[2] == pytest.approx(TABLE + 0.06, abs=0.0005)
    assert settled.drift[0] < 0.0005


def test_a_ball_stays_where_it_was_seen():
    settled = settle(lift(scene_of(ball("b", 0.035, (0.1, 0.1)))))
    assert settled.moved[0] < 0.001
    assert settled.drift[0] < 0.002


@pytest.mark.parametrize("height", [-0.02, 0.0, 0.05])
def test_lift_puts_collision_geometry_just_clear_of_the_support(height):
    things = [box("box", (0.06, 0.1, 0.12), (0.2, 0)), ball("ball", 0.04, (-0.2, 0)),
              can("can", 0.03, 0.1, (0, 0.2)), ell("ell", (0, -0.2))]  # fmt: skip
    tilted = np.array([np.cos(0.15), np.sin(0.15), 0, 0])
    things[3] = things[3].moved(things[3].position, tilted)
    things = [a.moved(a.position + [0, 0, height], a.quaternion) for a in things]
    for before, after in zip(things, lift(scene_of(*things)).assets, strict=True):
        assert after.position[2] + lowest_point(after) == pytest.approx(TABLE + 1e-4)
        assert np.array_equal(after.position[:2], before.position[:2])
        assert np.array_equal(after.quaternion, before.quaternion)


@pytest.mark.parametrize("kind", ["box", "cylinder"])
def test_the_lowest_point_of_a_turned_primitive(kind):
    """A can that lies, as its primitive's own quaternion says, and a box that stands on an edge."""
    half = np.sqrt(0.5)
    if kind == "cylinder":
        primitive = Primitive("cylinder", (0.03, 0.08, 0), (0, 0, 0), (half, half, 0, 0))
        thing = replace(can("can", 0.03, 0.16, (0, 0)), primitive=primitive)
        assert lowest_point(thing) == pytest.approx(-0.03, abs=2e-4)
    else:
        turned = np.array([np.cos(np.pi / 8), 0, np.sin(np.pi / 8), 0])
        thing = box("box", (0.1, 0.1, 0.1), (0, 0)).moved(np.zeros(3), turned)
        assert lowest_point(thing) == pytest.approx(-0.05 * np.sqrt(2))


def test_what_stands_clear_on_another_object_only_goes_along_with_it():
    below = box("below", (0.1, 0.1, 0.05), (0, 0))
    above = box("above", (0.06, 0.06, 0.05), (0, 0))
    above = replace(above, support="below", position=np.array([0, 0, TABLE + 0.0755]))
    scene = lift(scene_of(below, above))
    went = scene.assets[0].position[2] - below.position[2]
    assert scene.assets[1].position[2] == pytest.approx(TABLE + 0.0755 + went, abs=1e-9)
    settled = settle(scene)
    assert settled.scene.assets[1].position[2] == pytest.approx(TABLE + 0.075, abs=0.0005)


def keel():
    """A bottle whose hardly seen foot came out as a keel: it falls at once."""
    body = trimesh.creation.box((0.05, 0.05, 0.18)).apply_translation([0, 0, 0.01])
    sliver = trimesh.creation.box((0.002, 0.05, 0.02)).apply_translation([0.015, 0, -0.09])
    mesh = trimesh.boolean.union([body, sliver], engine="manifold")
    shift = -mesh.bounds.mean(0)
    parts = [m.apply_translation(shift) for m in (body, sliver)]
    return asset("keel_1", mesh.apply_translation(shift), parts, (0, 0))


def test_a_thing_on_a_keel_falls_and_is_given_something_to_stand_on():
    """Its lowest part is no wider than the keel, nor is its hull's: it takes a base."""
    scene = lift(scene_of(keel(), box("box_1", (0.06, 0.1, 0.12), (0.3, 0))))
    assert still(scene).turn[0] > np.radians(80), "as scanned it falls"
    after, remedies = steady(scene)
    scene = after.scene
    assert remedies == {"keel_1": "on a base as wide as itself"}
    assert after.moved.max() < 0.001
    assert after.turned.max() < np.radians(1)
    assert after.drift.max() < 0.0005
    assert np.array_equal(scene.assets[0].visual.vertices, keel().visual.vertices)
    assert len(scene.assets[1].parts) == 1, "what stands is left as it is"


def rocker():
    """A jug whose foot was rounded by carving, with its weight to one side."""
    lower = trimesh.creation.icosphere(3, 0.04)
    lower = lower.apply_scale([1, 1, 0.75]).apply_translation([0, 0, -0.06])
    body = trimesh.creation.cylinder(0.04, 0.12, sections=48)
    handle = trimesh.creation.box((0.05, 0.015, 0.09)).apply_translation([0.06, 0, 0.01])
    solids = [body, lower, handle]
    mesh = trimesh.boolean.union(solids, engine="manifold")
    shift = -mesh.bounds.mean(0)
    return asset("jug_1", mesh.apply_translation(shift),
                 [m.convex_hull.apply_translation(shift) for m in solids], (0, 0))  # fmt: skip


def test_a_thing_with_a_rounded_foot_is_given_a_flat_one():
    scene = lift(scene_of(rocker()))
    assert still(scene).turn[0] > np.radians(30), "as scanned it falls"
    after, remedies = steady(scene)
    assert remedies == {"jug_1": "on a flat foot"}
    [jug] = after.scene.assets
    assert len(jug.parts) == 4
    assert after.drift[0] < 0.0005
    assert after.turned[0] < np.radians(1)


def test_what_stands_needs_no_remedy():
    scene = lift(table_scene())
    after, remedies = steady(scene)
    assert remedies == {}
    for a, b in zip(after.scene.assets, scene.assets, strict=True):
        assert a.moved(b.position, b.quaternion) == b


def test_a_foot_is_convex_and_within_the_things_own_bounds():
    scene = steady(lift(scene_of(rocker())))[0].scene
    foot = scene.assets[0].parts[-1]
    assert isinstance(foot, Mesh)
    low, high = (f(scene.assets[0].visual.vertices, axis=0) for f in (np.min, np.max))
    assert (foot.vertices >= low - 1e-9).all()
    assert (foot.vertices <= high + 1e-9).all()
    assert len(convex_hull(foot.vertices).vertices) == len(foot.vertices)


unit = st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1)


@given(unit, unit)
def test_angle_is_that_between_rotations(a, b):
    p, q = (np.array(x) / np.linalg.norm(x) for x in (a, b))
    relative = matrix_from_quaternion(p).T @ matrix_from_quaternion(q)
    want = np.arccos(np.clip((np.trace(relative) - 1) / 2, -1, 1))
    assert angle(p[None], q[None])[0] == pytest.approx(want, abs=1e-5)
    assert angle(p[None], -p[None])[0] == pytest.approx(0, abs=1e-6)


def test_the_settled_scene_is_what_the_physics_left():
    """Positions and quaternions go back into the scene as they came out of MuJoCo."""
    settled = settle(lift(table_scene()))
    model = compile_model(*build(settled.scene))
    data = mujoco.MjData(model)
    for thing, q in zip(settled.scene.assets, data.qpos.reshape(-1, 7), strict=True):
        assert np.allclose(q, [*thing.position, *thing.quaternion])
        assert np.linalg.norm(thing.quaternion) == pytest.approx(1)


def test_what_stands_on_an_object_goes_with_it_and_is_raised_out_of_it():
    """A box that the scan sank by 5 mm into the box under it, which floats by 2 mm."""
    low = box("low", (0.1, 0.1, 0.06), (0, 0))
    low = low.moved(low.position + [0, 0, 0.002], low.quaternion)
    high = box("high", (0.05, 0.05, 0.04), (0.01, 0))
    high = replace(high.moved(high.position + [0, 0, 0.055], high.quaternion), support="low")
    lifted = lift(scene_of(high, low))
    by_name = {a.name: a for a in lifted.assets}
    assert by_name["low"].position[2] == pytest.approx(TABLE + 0.03, abs=2e-4)
    assert by_name["high"].position[2] - 0.02 == pytest.approx(TABLE + 0.06, abs=0.0012)
    settled = settle(lifted)
    assert settled.penetration < 0.0003
    assert settled.drift.max() < 0.0005
    assert settled.moved.max() < 0.002


def test_a_support_that_does_not_carry_is_put_right():
    """Scanned as on a book, a can stands on the table beside it; a lid stays on its box."""
    book = box("book", (0.15, 0.1, 0.02), (0, 0))
    beside = replace(box("beside", (0.05, 0.05, 0.1), (0.15, 0)), support="book")
    lid = box("lid", (0.08, 0.08, 0.02), (0, 0))
    lid = replace(lid.moved(lid.position + [0, 0, 0.021], lid.quaternion), support="book")
    settled = settle(lift(scene_of(book, beside, lid)))
    table = book.support
    assert [a.support for a in settled.scene.assets] == [table, table, "book"]


@pytest.mark.parametrize("beyond", [0.004, 0.015])
def test_what_was_seen_to_stand_over_an_edge_has_its_weight_behind_that(beyond):
    low = box("low_1", (0.2, 0.12, 0.05), (0, 0))
    high = box("high_1", (0.16, 0.06, 0.04), (0.1 + beyond, 0.0))
    high = replace(high, position=high.position + [0, 0, 0.05], support="low_1")
    after, remedies = steady(lift(scene_of(low, high)))
    assert remedies == {"high_1": "with its weight moved over what carries it"}
    assert after.moved.max() < 0.003
    assert after.turned.max() < np.radians(2)
    stands = after.scene.assets[1]
    assert (stands.position + stands.center_of_mass)[0] < 0.1
    assert still(after.scene).drift.max() < 0.001
