"""Layouts: inside, apart, and by laws that hold for any outline."""

from dataclasses import replace
from itertools import combinations

import containers
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import examples
from cousins.errors import PackError
from cousins.polygons import clear, common, gap, inset, nearest, outline, signed_area, slide, turned
from cousins.types import Scene, Support, Wall
from cousins.variation import deform, layout, relations
from cousins.variation.layout import yawed
from cousins.variation.poses import NEAR
from cousins.variation.units import GAP, MARGIN, footprints

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
CORNER = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.4], [0.4, 0.4], [0.4, 1.0], [0.0, 1.0]])
clouds = st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=3, max_size=12).map(
    lambda p: np.array(p)
)
numbers = st.floats(-2, 2)


def placed(scene, n=200, seed=0, strength=1.0, shapes=4, extra=0):
    prints, shape, uniform = drawn(scene, n, seed, shapes, extra)
    found = layout.place(prints, shape, uniform, np.full(n, strength))
    good = found.stuck < 0
    return prints, found, outlines(prints, shape, found)[good], good


def drawn(scene, n, seed=0, shapes=4, extra=0):
    rng = np.random.default_rng(seed)
    spawned = np.random.SeedSequence(seed).spawn(len(scene.assets))
    made = [bank(a, shapes, s) for a, s in zip(scene.assets, spawned, strict=True)]
    prints = footprints(scene, made, extra)
    shape = rng.integers(0, shapes, (n, len(scene.assets)))
    for unit in prints.units:
        if unit.hooked:
            shape[:, list(unit.members)] = 0
    return prints, shape, rng.random((n, len(prints.units), layout.NUMBERS))


def bank(asset, count, seed):
    """Its own shape and deformations of it, as a bank holds them."""
    rng = np.random.default_rng(seed)
    more = (deform.draw(asset, rng, k / (count - 1)) for k in range(1, count))
    return (asset, *(deform.deformed(asset, f"{asset.name}_v{k}", how)
                     for k, how in enumerate(more, start=1)))  # fmt: skip


def outlines(prints, shape, found):
    return np.stack(
        [
            turned(prints.outline[i, shape[:, i]], found.yaw[:, i]) + found.position[:, i, None, :2]
            for i in range(len(prints.names))
        ],
        1,
    )


def crowd(extra=0):
    """Books in a row against a wall, a box in the corner, a can beside a box that carries another,
    a ball in a bowl; and distractors."""
    base = examples.table_scene()
    walls = (
        Wall("wall_1", np.array([0.0, 0.4, 1.0]), np.array([0.0, -1.0, 0.0]), 2.0, 1.0),
        Wall("wall_2", np.array([0.6, 0.0, 1.0]), np.array([-1.0, 0.0, 0.0]), 2.0, 1.0),
    )
    books = [
        examples.box(f"book_{k}", (0.04, 0.15, 0.2), (0.048 * k - 0.3, 0.32)) for k in range(3)
    ]
    corner = examples.box("corner", (0.08, 0.08, 0.1), (0.555, 0.355))
    box, can = (
        examples.box("box", (0.1, 0.1, 0.1), (0.2, -0.1)),
        examples.can("can", 0.03, 0.1, (0.29, -0.12)),
    )
    top = examples.box("top", (0.05, 0.07, 0.03), (0.2, -0.1))
    top = replace(top, support="box", position=top.position + [0, 0, 0.1])
    bowl = containers.thing("bowl", containers.bowl_mesh(), (-0.1, -0.2))
    ball = examples.ball("ball", 0.02, (-0.08, -0.19))
    ball = replace(ball, support="bowl", position=ball.position + [0, 0, 0.004])
    more = [examples.box(f"distractor_{k + 1}", (0.05, 0.06, 0.1), (0, 0)) for k in range(extra)]
    more = [replace(a, position=np.zeros(3)) for a in more]
    return Scene((*books, corner, box, can, top, bowl, ball, *more), base.supports, walls)


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


@given(clouds, clouds, numbers, st.floats(0.001, 0.1))
def test_what_is_slid_to_a_gap_has_it(a, b, angle, wanted):
    a, b = outline(a), outline(b)
    way = np.array([[np.cos(angle), np.sin(angle)]])
    if min(np.ptp(a, axis=0).min(), np.ptp(b, axis=0).min()) < 0.01:
        return
    far = slide(a[None], b[None], way, np.array([wanted]))
    # It may have passed where its gap is as wide on the near side.
    moved = gap(a[None], (b + far * way)[None])[0]
    assert moved >= wanted - 1e-9
    beyond = gap(a[None], (b + (far + 0.01) * way)[None])[0]
    assert beyond > moved


def apart(prints, shape, found, i, j):
    """Lower bounds of how far two objects are apart: by their outlines, or by circles."""
    both = outlines(prints, shape, found)
    away = np.linalg.norm(found.position[:, i, :2] - found.position[:, j, :2], axis=1)
    radii = [np.linalg.norm(prints.outline[k, shape[:, k]], axis=-1).max(-1) for k in (i, j)]
    return np.maximum(gap(both[:, i], both[:, j]), away - sum(radii))


strengths = st.floats(0, 1)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), strengths)
def test_footprints_lie_inside_and_apart_whatever_the_seed(seed, strength):
    scene = examples.table_scene()
    prints, shape, uniform = drawn(scene, 6, seed)
    found = layout.place(prints, shape, uniform, np.full(6, strength))
    good = found.stuck < 0
    assert good.any()
    table = scene.supports[1].polygon
    for i in range(4):
        assert clear(outlines(prints, shape, found)[good, i], table).min() >= MARGIN - 1e-9
        for j in range(i):
            assert apart(prints, shape, found, i, j)[good].min() >= GAP - 1e-9


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), strengths, st.integers(0, 3))
def test_relations_are_kept_and_nothing_overlaps_in_a_crowd(seed, strength, extra):
    scene = crowd(extra)
    prints, shape, uniform = drawn(scene, 8, seed, 4, extra)
    found = layout.place(prints, shape, uniform, np.full(8, strength))
    good = found.stuck < 0
    seen = np.array([a.quaternion for a in scene.assets])
    kept = relations.found(prints)
    off = relations.broken(kept, prints, shape, found.position, yawed(seen, found.yaw), seen)
    assert not off[good].any()
    unit = {i: u for u, one in enumerate(prints.units) for i in one.members}
    for i, j in combinations(range(len(scene.assets)), 2):
        if unit[i] != unit[j] and "top" not in (prints.names[i], prints.names[j]):
            assert apart(prints, shape, found, i, j)[good].min(initial=1) >= GAP - 1e-9
    for i, j in np.ndindex(*prints.room.shape):
        if prints.obstacles[j].name.startswith("wall"):
            wall = np.broadcast_to(prints.obstacles[j].outline, (good.sum(), 4, 2))
            clearance = gap(outlines(prints, shape, found)[good, i], wall)
            assert clearance.min(initial=1) >= prints.room[i, j] - 1e-9


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.permutations(range(6)))
def test_a_cousin_is_the_same_whatever_else_is_drawn_with_it(seed, order):
    prints, shape, uniform = drawn(crowd(), 6, seed)
    strength = np.linspace(0, 1, 6)
    whole = layout.place(prints, shape, uniform, strength)
    some = np.array(order[:4])
    part = layout.place(prints, shape[some], uniform[some], strength[some])
    for name in ("position", "yaw", "stuck", "tried"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[some])


def test_at_no_strength_all_is_where_it_was_seen_and_its_distance_is_none():
    scene = crowd()
    seen = np.array([a.quaternion for a in scene.assets])
    prints, shape, uniform = drawn(scene, 20)
    found = layout.place(prints, 0 * shape, uniform, np.zeros(20))
    np.testing.assert_array_equal(found.stuck, -1)
    np.testing.assert_array_equal(found.yaw, 0)
    np.testing.assert_array_equal(found.position - prints.position, 0)
    pose = yawed(seen, found.yaw)
    assert layout.layout_distance(prints, found.position, pose, seen, 0).max() < 1e-12


def test_at_no_strength_other_shapes_are_moved_no_more_than_they_need():
    prints, found, _, good = placed(crowd(), strength=0.0)
    assert good.mean() > 0.95
    went = np.linalg.norm(found.position[good, :, :2] - prints.position[:, :2], axis=-1)
    assert went.max() < 0.08
    assert np.median(went) < 0.01


def test_the_mean_distance_grows_with_the_strength_and_with_the_distractors():
    scene = crowd()
    seen = np.array([a.quaternion for a in scene.assets])
    prints, shape, uniform = drawn(scene, 300)
    means = []
    for strength in (0, 0.2, 0.4, 0.6, 0.8, 1.0):
        found = layout.place(prints, shape, uniform, np.full(300, strength))
        good = found.stuck < 0
        far = layout.layout_distance(prints, found.position, yawed(seen, found.yaw), seen, 0)
        means.append(far[good].mean())
        assert far.min() >= 0
        assert far.max() <= 0.75
    assert (np.diff(means) > 0.01).all()
    seen = np.array([a.quaternion for a in crowd(2).assets])
    prints, shape, uniform = drawn(crowd(2), 4, extra=2)
    found = layout.place(prints, 0 * shape, uniform, np.zeros(4))
    far = layout.layout_distance(prints, found.position, yawed(seen, found.yaw), seen, 2)
    np.testing.assert_allclose(far, 0.25 * 2 / 3)


def test_distractors_are_strewn_over_what_room_is_left_even_at_no_strength():
    _, found, _, good = placed(crowd(3), strength=0.0, shapes=1, extra=3)
    assert good.mean() > 0.95
    assert (np.ptp(found.position[good, -3:, :2], axis=0) > 0.5).all()
    assert (np.ptp(found.yaw[good, -3:], axis=0) > 5).all()
    np.testing.assert_allclose(found.position[good, -3:, 2], examples.TABLE + 0.05)


def test_neighbours_swap_places_now_and_then():
    boxes = tuple(
        examples.box(f"box_{k}", (0.1, 0.1, 0.1), (x, 0.0)) for k, x in enumerate((-0.3, 0.3))
    )
    scene = replace(examples.table_scene(), assets=boxes)
    _, found, _, good = placed(scene, n=400)
    swapped = np.abs(found.position[good, :, 0] - [0.3, -0.3]).max(1) < NEAR
    assert 0.05 < swapped.mean() < 0.3


def test_contents_turn_in_a_round_bowl_but_not_in_a_square_tray():
    scene = crowd()
    names = [a.name for a in scene.assets]
    bowl, ball, box, top = (names.index(n) for n in ("bowl", "ball", "box", "top"))
    prints, found, _, good = placed(scene, shapes=1)
    inner = (found.yaw[:, ball] - found.yaw[:, bowl])[good]
    assert np.ptp(inner) > 5
    away = np.linalg.norm(found.position[good, ball] - found.position[good, bowl], axis=-1)
    np.testing.assert_allclose(away, np.linalg.norm(prints.position[ball] - prints.position[bowl]))
    np.testing.assert_array_equal(found.yaw[good, top], found.yaw[good, box])


def test_what_stands_against_a_wall_slides_along_it():
    scene = crowd()
    _, found, _, good = placed(scene)
    x, y = found.position[good, 0, 0], found.position[good, 0, 1]
    assert np.ptp(x) > 0.5
    assert np.ptp(y) < 0.03  # by as much as shapes differ
    assert np.ptp(found.yaw[good, 0]) == 0


def test_rejections_are_counted_by_their_reason():
    base = examples.table_scene()
    _, found, _, good = placed(crowd())
    assert found.tried.shape == (200, len(layout.REASONS))
    edge, _obstacle, other, _relation = found.tried.mean(0)
    assert edge > 0
    assert other > 0
    small = np.array([[-0.1, -0.1], [0.1, -0.1], [0.1, 0.1], [-0.1, 0.1]])
    table = Support("table", "table", examples.TABLE, small)
    large = examples.box("distractor_1", (0.3, 0.3, 0.1), (0, 0))
    _, found, _, good = placed(Scene((large,), (base.supports[0], table)), n=5, shapes=1, extra=1)
    assert not good.any()
    np.testing.assert_array_equal(found.tried, [[layout.TRIES, 0, 0, 0]] * 5)


def test_most_find_room_they_spread_over_the_table_and_turn_all_round():
    _, found, _, good = placed(examples.table_scene(), n=400)
    assert good.mean() > 0.95
    spread = np.ptp(found.position[good], axis=0)
    assert (spread[:, 0] > 0.9).all()
    assert (spread[:, 1] > 0.5).all()
    assert np.ptp(found.yaw[good]) > 6


def test_a_table_in_the_shape_of_an_l_keeps_its_corner_free():
    base = examples.table_scene()
    table = Support("table", "table", examples.TABLE, 1.2 * CORNER - 0.3)
    scene = Scene((replace(base.assets[1], position=np.array([0.0, 0.0, 0.77])),),
                  (base.supports[0], table))  # fmt: skip
    _, _, around, good = placed(scene)
    assert good.all()
    assert clear(around[:, 0], table.polygon).min() >= MARGIN - 1e-9


def test_nothing_is_put_into_a_wall_or_under_a_low_shelf():
    base = examples.table_scene()
    wall = Wall("wall_1", np.array([0.0, 0.1, 1.0]), np.array([0.0, -1.0, 0.0]), 2.0, 1.0)
    shelf = Support(
        "shelf", "shelf", 0.85, np.array([[-0.6, -0.4], [0.0, -0.4], [0.0, 0.4], [-0.6, 0.4]])
    )
    box = replace(base.assets[0], position=np.array([0.3, -0.2, examples.TABLE + 0.105]))
    scene = Scene((box,), (*base.supports, shelf), (wall,))
    _, _found, around, good = placed(scene)
    assert good.all()
    assert around[..., 1].max() <= 0.1 - GAP + 1e-9
    assert around[..., 0].min() >= GAP - 1e-9


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
    prints, _, around, _good = placed(Scene((over,), base.supports), shapes=1)
    assert prints.inset[0] == pytest.approx(-0.02, abs=1e-3)
    assert clear(around[:, 0], base.supports[1].polygon).min() >= prints.inset[0] - 1e-9


@pytest.mark.parametrize(("support", "word"), [("shelf", "shelf"), ("box_1", "itself")])
def test_an_object_that_stands_on_nothing_is_named(support, word):
    base = examples.table_scene()
    lost = replace(base.assets[0], support=support)
    with pytest.raises(PackError, match=f"box_1 .*{word}"):
        footprints(replace(base, assets=(lost,)), [[lost]])
