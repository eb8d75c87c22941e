"""Layouts: inside, apart, and by laws that hold for any outline."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import examples
from cousins.errors import PackError
from cousins.polygons import clear, common, gap, inset, nearest, outline, signed_area, turned
from cousins.types import Scene, Support, Wall
from cousins.variation import layout
from cousins.variation.shapes import bank
from cousins.variation.units import GAP, MARGIN, footprints

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
CORNER = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.4], [0.4, 0.4], [0.4, 1.0], [0.0, 1.0]])
clouds = st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=3, max_size=12).map(
    lambda p: np.array(p)
)
numbers = st.floats(-2, 2)


def placed(scene, n=200, seed=0, stays=0.3, shapes=4):
    rng = np.random.default_rng(seed)
    spawned = np.random.SeedSequence(seed).spawn(len(scene.assets))
    prints = footprints(
        scene, [bank(a, shapes, s) for a, s in zip(scene.assets, spawned, strict=True)]
    )
    units = len(prints.units)
    shape = rng.integers(0, shapes, (n, len(scene.assets)))
    for unit in prints.units:
        if unit.hooked:
            shape[:, list(unit.members)] = 0
    found = layout.place(
        prints, shape, rng.random((n, units, layout.TRIES, 3)), rng.random((n, units)) < stays
    )
    good = found.stuck < 0
    outlines = np.stack(
        [
            turned(prints.outline[i, shape[:, i]], found.yaw[:, i]) + found.position[:, i, None, :2]
            for i in range(len(scene.assets))
        ],
        1,
    )
    return prints, found, outlines[good], good


@given(clouds)
def test_an_outline_holds_its_points_and_little_more(points):
    around = outline(points)
    assert (inset(points, around) > -1e-9).all()
    assert np.ptp(around, axis=0).max() <= 1.02 * np.linalg.norm(np.ptp(points, axis=0)) + 1e-9


@given(clouds, numbers, numbers)
def test_the_sign_of_an_area_tells_which_way_round_it_goes(points, x, y):
    around = outline(points)
    size = signed_area(around)
    assert size >= -1e-12  # points on one another: rounding
    assert signed_area(around[::-1] + [x, y]) == pytest.approx(-size, abs=1e-9)
    assert signed_area(2 * around) == pytest.approx(4 * size, abs=1e-9)


@given(clouds, numbers, numbers)
def test_the_nearest_point_of_a_border_is_as_far_as_the_inset_says(points, x, y):
    around, at = outline(points), np.array([x, y])
    away = np.linalg.norm(nearest(at, around) - at)
    assert away == pytest.approx(abs(inset(at, around)), abs=1e-9)


def test_what_two_squares_share():
    square = np.array([(0, 0), (0.1, 0), (0.1, 0.1), (0, 0.1)])
    assert signed_area(common(square, square + [0.04, 0.02])) == pytest.approx(
        0.06 * 0.08, rel=1e-3
    )
    assert len(common(square, square + [0.2, 0])) == 0
    assert len(common(square, np.zeros((0, 2)))) == 0


@given(clouds, clouds, numbers, numbers)
def test_a_gap_never_exceeds_the_distance_and_finds_every_overlap(a, b, x, y):
    a, b = outline(a), outline(b) + [x, y]
    found = gap(a[None], b[None])[0]
    # Points of both outlines, edges included.
    share = np.linspace(0, 1, 8, endpoint=False)[:, None, None]
    dense_a, dense_b = ((p + share * (np.roll(p, -1, 0) - p)).reshape(-1, 2) for p in (a, b))
    distance = np.linalg.norm(dense_a[:, None] - dense_b[None], axis=-1).min()
    assert found <= distance + 1e-9
    if (inset(dense_a, b) > 1e-6).any() or (inset(dense_b, a) > 1e-6).any():
        assert found < 0
    np.testing.assert_allclose(found, gap(b[None], a[None])[0], atol=1e-12)


def test_insets_of_a_square_and_of_a_corner_are_known():
    np.testing.assert_allclose(inset(np.array([[0.5, 0.5], [0.1, 0.5], [1.2, 0.5]]), SQUARE),
                               [0.5, 0.1, -0.2])  # fmt: skip
    assert inset(np.array([0.7, 0.7]), CORNER) < 0
    across = np.array([[0.3, 0.3], [0.45, 0.3], [0.45, 0.45], [0.3, 0.45]])[None]
    assert clear(across, CORNER)[0] < 0
    # All four corners inside, and yet the notch cuts in.
    diamond = np.array([[0.3, 0.1], [0.9, 0.35], [0.3, 0.9], [0.1, 0.3]])[None]
    assert (inset(diamond[0], CORNER) > 0).all()
    assert clear(diamond, CORNER)[0] < 0


@given(st.integers(0, 2**32 - 1))
def test_footprints_lie_inside_and_apart_whatever_the_seed(seed):
    scene = examples.table_scene()
    _, _, outlines, good = placed(scene, n=6, seed=seed)
    assert good.any()
    table = scene.supports[1].polygon
    assert clear(outlines.reshape(-1, *outlines.shape[2:]), table).min() >= MARGIN - 1e-9
    for i in range(4):
        for j in range(i):
            assert gap(outlines[:, i], outlines[:, j]).min() >= GAP


def test_most_find_room_they_spread_over_the_table_and_turn_all_round():
    _, found, _, good = placed(examples.table_scene(), n=400)
    assert good.mean() > 0.95
    spread = np.ptp(found.position[good], axis=0)
    assert (spread[:, 0] > 0.9).all()
    assert (spread[:, 1] > 0.5).all()
    assert np.ptp(found.yaw[good]) > 6


def test_what_stays_stays_near():
    scene = examples.table_scene()
    _, found, _, good = placed(scene, stays=1.1)
    seen = np.array([a.position for a in scene.assets])
    went = np.linalg.norm(found.position[good, :, :2] - seen[:, :2], axis=-1)
    assert np.quantile(went, 0.95) <= layout.NEAR * np.sqrt(2)


def test_a_table_in_the_shape_of_an_l_keeps_its_corner_free():
    base = examples.table_scene()
    table = Support("table", "table", examples.TABLE, 1.2 * CORNER - 0.3)
    scene = Scene((replace(base.assets[1], position=np.array([0.0, 0.0, 0.77])),),
                  (base.supports[0], table))  # fmt: skip
    _, _, outlines, good = placed(scene)
    assert good.all()
    assert clear(outlines[:, 0], table.polygon).min() >= MARGIN - 1e-9


def test_nothing_is_put_into_a_wall_or_under_a_low_shelf():
    base = examples.table_scene()
    wall = Wall("wall_1", np.array([0.0, 0.1, 1.0]), np.array([0.0, -1.0, 0.0]), 2.0, 1.0)
    shelf = Support(
        "shelf", "shelf", 0.85, np.array([[-0.6, -0.4], [0.0, -0.4], [0.0, 0.4], [-0.6, 0.4]])
    )
    box = replace(base.assets[0], position=np.array([0.3, -0.2, examples.TABLE + 0.105]))
    scene = Scene((box,), (*base.supports, shelf), (wall,))
    _, _found, outlines, good = placed(scene)
    assert good.all()
    assert outlines[..., 1].max() <= 0.1 - GAP + 1e-9
    assert outlines[..., 0].min() >= GAP - 1e-9


def test_a_crowded_scene_falls_back_to_what_was_seen():
    base = examples.table_scene()
    table = Support(
        "table",
        "table",
        examples.TABLE,
        np.array([[-0.2, -0.2], [0.2, -0.2], [0.2, 0.2], [-0.2, 0.2]]),
    )
    boxes = tuple(
        examples.box(f"box_{i}", (0.12, 0.12, 0.1), (x, y))
        for i, (x, y) in enumerate([(-0.1, -0.1), (0.1, -0.1), (-0.1, 0.1), (0.1, 0.1)])
    )
    _, _, _, good = placed(Scene(boxes, (base.supports[0], table)), shapes=1)
    assert good.mean() > 0.3


def test_an_object_that_hung_over_the_edge_may_do_so_again_but_no_further():
    base = examples.table_scene()
    over = replace(base.assets[0], position=np.array([0.59, 0.0, examples.TABLE + 0.105]))
    prints, _, outlines, _good = placed(Scene((over,), base.supports), shapes=1)
    assert prints.inset[0] == pytest.approx(-0.02, abs=1e-3)
    assert clear(outlines[:, 0], base.supports[1].polygon).min() >= prints.inset[0] - 1e-9


@pytest.mark.parametrize(("support", "word"), [("shelf", "shelf"), ("box_1", "itself")])
def test_an_object_that_stands_on_nothing_is_named(support, word):
    base = examples.table_scene()
    lost = replace(base.assets[0], support=support)
    with pytest.raises(PackError, match=f"box_1 .*{word}"):
        footprints(replace(base, assets=(lost,)), [[lost]])
