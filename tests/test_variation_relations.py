"""What stands on, in, beside or against what, and whether it still does."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_variation_layout import crowd, drawn

import examples
from cousins.types import Scene
from cousins.variation import layout, relations
from cousins.variation.units import footprints


def told(scene):
    return {(r.kind, r.a, r.b) for r in relations.relations(scene)}


def poses(scene):
    """The twin's, as one cousin's."""
    return (
        np.array([[a.position for a in scene.assets]]),
        np.array([[a.quaternion for a in scene.assets]]),
    )


def lost(scene, position, quaternion):
    """The relations that these poses break, by kind and object."""
    prints = footprints(scene, [[a] for a in scene.assets])
    found = relations.found(prints)
    shape = np.zeros(position.shape[:2], np.int64)
    seen = poses(scene)[1][0]
    off = relations.broken(found, prints, shape, position, quaternion, seen)
    assert off.shape == (len(position), len(found))
    return {(r.kind, r.a) for r, one in zip(found, off[0], strict=True) if one}


def row(*middles, size=(0.1, 0.1, 0.1)):
    boxes = tuple(examples.box(f"box_{k}", size, (x, 0.0)) for k, x in enumerate(middles))
    return replace(examples.table_scene(), assets=boxes)


def test_a_crowd_is_told_by_who_stands_how_to_whom():
    assert told(crowd()) == {
        ("on", "top", "box"),
        ("in", "ball", "bowl"),
        ("beside", "book_0", "book_1"),
        ("beside", "book_1", "book_2"),
        ("beside", "box", "can"),
        ("against", "book_0", "wall_1"),
        ("against", "book_1", "wall_1"),
        ("against", "book_2", "wall_1"),
        ("against", "corner", "wall_1"),
        ("against", "corner", "wall_2"),
    }


def test_distractors_have_no_relations_wherever_they_are_said_to_be():
    scene = crowd(2)
    at = scene.assets[0].position + [-0.05, 0.0, 0.0]
    scene = replace(scene, assets=(*scene.assets[:-1], replace(scene.assets[-1], position=at)))
    prints = footprints(scene, [[a] for a in scene.assets], 2)
    assert len(relations.found(prints)) == len(told(crowd()))
    assert prints.inset[-2:] == pytest.approx([0.01, 0.01])


@pytest.mark.parametrize(("gap", "kinds"), [(0.0, 0), (0.003, 1), (0.014, 1), (0.016, 0)])
def test_beside_is_near_without_touching(gap, kinds):
    found = relations.relations(row(0.0, 0.1 + gap))
    assert len(found) == kinds
    assert all(r.gap == pytest.approx(gap) for r in found)


def test_each_stands_beside_its_nearest_only():
    assert told(row(-0.114, 0.0, 0.106)) == {
        ("beside", "box_0", "box_1"),
        ("beside", "box_1", "box_2"),
    }
    # Four in two pairs that are near to one another.
    assert told(row(-0.218, -0.112, 0.0, 0.106)) == {
        ("beside", "box_0", "box_1"),
        ("beside", "box_2", "box_3"),
    }


def test_what_stands_at_another_surface_is_not_beside():
    scene = row(0.0, 0.11)
    floored = replace(scene.assets[1], support="floor")
    assert not told(replace(scene, assets=(scene.assets[0], floored)))


def test_the_twin_breaks_none_and_a_shift_breaks_what_it_should():
    scene = crowd()
    position, quaternion = poses(scene)
    names = [a.name for a in scene.assets]
    assert not lost(scene, position, quaternion)

    def without(name, shift):
        moved = position.copy()
        moved[0, names.index(name)] += shift
        return lost(scene, moved, quaternion)

    assert without("can", [0.02, 0.0, 0.0]) == {("beside", "box")}
    assert without("book_0", [0.0, -0.02, 0.0]) == {("against", "book_0")}
    assert without("book_0", [-0.03, 0.0, 0.0]) == {("beside", "book_0")}
    assert without("ball", [0.15, 0.0, 0.0]) == {("in", "ball")}
    assert without("ball", [0.0, 0.0, 0.06]) == {("in", "ball")}
    assert without("top", [0.0, 0.0, -0.1]) == {("on", "top")}
    assert without("box", [0.003, 0.003, 0.0]) == set()
    turned = quaternion.copy()
    turned[0, names.index("corner")] = [np.cos(0.2), 0.0, 0.0, np.sin(0.2)]
    assert ("against", "corner") in lost(scene, position, turned)


@given(st.floats(-3, 3), st.floats(-0.1, 0.1))
def test_a_yaw_is_told_apart_from_a_slight_tilt(yaw, tilt):
    seen = np.array([[0.5, 0.5, -0.5, 0.5]])
    c, s = np.cos(yaw / 2), np.sin(yaw / 2)
    a, b = np.cos(tilt / 2), np.sin(tilt / 2)
    turn = np.array([c * a, c * b, s * b, s * a])  # about z after a tilt about x
    w, x, y, z = seen[0]
    p, q, r, t = turn
    pose = np.array([p * w - q * x - r * y - t * z, p * x + q * w + r * z - t * y,
                     p * y - q * z + r * w + t * x, p * z + q * y - r * x + t * w])  # fmt: skip
    for sign in (1, -1):
        assert relations.yaws(sign * pose[None], seen)[0] == pytest.approx(yaw, abs=1e-9)


# Of multiples of 5 mm many stand beside one another, touch or hang over the edge.
places = st.lists(
    st.tuples(st.integers(-24, 24), st.integers(-16, 16)), min_size=2, max_size=5
).map(lambda p: [(0.025 * x + 0.003 * (x % 3), 0.025 * y) for x, y in p])


@settings(max_examples=40)
@given(places, st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_any_scene_fits_where_it_was_seen_and_keeps_its_relations(at, seed, strength):
    base = examples.table_scene()
    boxes = [examples.box(f"box_{k}", (0.06, 0.08, 0.1), xy) for k, xy in enumerate(at)]
    scene = Scene(tuple(boxes), base.supports, crowd().walls)
    prints, shape, uniform = drawn(scene, 4, seed, 3)
    found = layout.place(prints, 0 * shape, uniform, np.zeros(4))
    np.testing.assert_array_equal(found.stuck, -1)
    np.testing.assert_array_equal(found.position - prints.position, 0)
    np.testing.assert_array_equal(found.yaw, 0)
    for shapes in (0 * shape, shape):
        found = layout.place(prints, shapes, uniform, np.full(4, strength))
        half = found.yaw / 2
        pose = np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], -1)
        seen = poses(scene)[1][0]
        kept = relations.found(prints)
        off = relations.broken(kept, prints, shapes, found.position, pose, seen)
        assert not off[found.stuck < 0].any()
