"""Supports, walls and objects, from surfaces whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import KDTree
from surfaces import TABLE, bowl, plane, seen, standing, turned

from cousins.segment.geometric import Geometric, connected, fit_ground
from cousins.segment.supports import Supports, find_walls, inside
from cousins.types import Support

HIGH = np.array([[0.0, -1.5, 1.5], [1.0, 1.0, 1.6]])  # cameras of a standing person
LOW = HIGH - [0, 0, 0.7]
SQUARE = np.array([[-0.45, -0.3], [0.45, -0.3], [0.45, 0.3], [-0.45, 0.3]])
TOP = Support("table", "table", TABLE, SQUARE)


def table(step=0.006):
    return plane(SQUARE[0], SQUARE[2], TABLE, step)


def area(polygon):
    a, b = polygon, np.roll(polygon, -1, axis=0)
    return np.sum(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2


def test_floor_table_and_shelf_are_found_at_their_heights():
    room = seen(
        plane((-1.2, -1.0), (1.2, 1.0), 0.0, 0.02),
        plane((-0.5, -0.4), (0.5, 0.4), TABLE, 0.02),
        plane((-0.6, 0.7), (0.6, 0.9), 1.4, 0.02),
        edge=0.02,
        noise=0.002,
    )
    found = Supports()(room, HIGH)
    assert [(s.name, s.kind) for s in found] == [
        ("floor", "floor"), ("table", "table"), ("shelf", "shelf")]  # fmt: skip
    assert [s.height for s in found] == pytest.approx([0.0, TABLE, 1.4], abs=0.002)
    assert [area(s.polygon) for s in found] == pytest.approx([4.8, 0.8, 0.24], rel=0.12)


def test_two_tables_are_two():
    room = seen(
        plane((-1.0, -0.3), (-0.1, 0.3), TABLE, 0.02),
        plane((0.2, -0.3), (1.0, 0.3), TABLE, 0.02),
        plane((-1.5, -1.5), (1.5, 1.5), 0.0, 0.02),
        edge=0.02,
    )
    found = Supports()(room, HIGH)
    assert [s.name for s in found] == ["floor", "table", "table_2"]


def test_a_table_that_a_crate_stands_across_is_one():
    crate = trimesh.creation.box((0.3, 0.62, 0.15)).apply_translation([0.1, 0, TABLE + 0.075])
    room = seen(
        plane((-0.6, -0.3), (-0.05, 0.3), TABLE, 0.02),
        plane((0.25, -0.3), (0.7, 0.3), TABLE, 0.02),
        plane((-1.5, -1.5), (1.5, -0.5), 0.0, 0.02),
        crate,
        edge=0.02,
    )
    found = Supports()(room, HIGH)
    assert [s.name for s in found if abs(s.height - TABLE) < 0.02] == ["table"]
    assert len(found) == 3


def test_a_board_that_leans_is_no_support():
    """The tops of a row of books may lie on such a plane."""
    board = turned(plane((-0.5, -0.4), (0.5, 0.4), 0.0, 0.02), [1, 0, 0], 11)
    assert Supports()(seen(standing(board), edge=0.02), LOW) == ()


def test_what_is_smaller_than_a_support_is_none():
    assert Supports()(seen(plane((-0.1, -0.1), (0.1, 0.1), 0.3), edge=0.02), LOW) == ()


@pytest.mark.parametrize(("cameras", "kind"), [(HIGH, "floor"), (LOW * [1, 1, 0.5], "table")])
def test_a_lone_surface_is_a_floor_where_it_lies_a_standing_persons_height_below(cameras, kind):
    [only] = Supports()(seen(plane((-1, -1), (1, 1), 0.0, 0.02), edge=0.02), cameras)
    assert only.kind == kind


def test_a_hole_where_something_stands_belongs_to_the_table():
    top = table(0.01)
    centres = top.triangles_center
    top.update_faces(np.linalg.norm(centres[:, :2], axis=1) > 0.1)
    [only] = Supports()(seen(top, edge=0.02), LOW)
    assert area(only.polygon) == pytest.approx(0.9 * 0.6, rel=0.08)
    assert inside(only.polygon, np.zeros((1, 2))).all()


@given(st.lists(st.floats(0.2, 1.0), min_size=3, max_size=12), st.floats(-0.1, 0.1))
def test_inside_agrees_with_a_star_shaped_polygon(radii, margin):
    angle = 2 * np.pi * np.arange(len(radii)) / len(radii)
    polygon = np.array(radii)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    rng = np.random.default_rng(0)
    points = rng.uniform(-1.2, 1.2, (60, 2))
    clear = edge_distance(polygon, points) > abs(margin) + 1e-3
    got = inside(polygon, points)
    assert np.array_equal(inside(polygon, points, margin)[clear], got[clear])
    near = ~clear & (edge_distance(polygon, points) < abs(margin) - 1e-3)
    assert (inside(polygon, points, margin)[near] == (margin > 0)).all()
    assert np.array_equal(got, crossings(polygon, points) % 2 == 1)


def edge_distance(polygon, points):
    a, b = polygon, np.roll(polygon, -1, axis=0)
    way, from_a = (b - a)[None], points[:, None] - a[None]
    t = np.clip((from_a * way).sum(-1) / np.maximum((way * way).sum(-1), 1e-12), 0, 1)
    return np.linalg.norm(from_a - t[..., None] * way, axis=-1).min(1)


def crossings(polygon, points):
    a, b = polygon[None], np.roll(polygon, -1, axis=0)[None]
    x, y = points[:, :1], points[:, 1:]
    spans = (a[..., 1] > y) != (b[..., 1] > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = a[..., 0] + (y - a[..., 1]) / (b[..., 1] - a[..., 1]) * (b[..., 0] - a[..., 0])
    return (spans & (x < at)).sum(1)


def test_walls_are_found_and_face_the_room():
    upright = turned(plane((-1.5, 0), (1.5, 2.0), 0, 0.05), [1, 0, 0], 90)  # faces -y
    far = upright.copy().apply_translation([0, 1.2, 0])
    right = turned(upright, [0, 0, 1], -90).apply_translation([1.5, 0, 0])
    room = seen(plane((-1.5, -1.5), (1.5, 1.2), 0, 0.05), far, right, edge=0.05, noise=0.002)
    walls = find_walls(room)
    assert len(walls) == 2
    by_normal = {tuple(np.rint(w.normal).astype(int)): w for w in walls}
    back, side = by_normal[0, -1, 0], by_normal[-1, 0, 0]
    assert back.centre[1] == pytest.approx(1.2, abs=0.01)
    assert side.centre[0] == pytest.approx(1.5, abs=0.01)
    for wall in walls:
        assert abs(wall.normal[2]) < 1e-9
        assert wall.half_height == pytest.approx(1.0, rel=0.05)
        assert wall.half_width == pytest.approx(1.5, rel=0.05)


def test_a_cupboards_side_is_too_small_for_a_wall():
    small = turned(plane((-0.2, 0), (0.2, 0.4), 0, 0.05), [1, 0, 0], 90)
    assert find_walls(seen(small, edge=0.05)) == ()


@given(st.integers(2, 60), st.integers(0, 1000))
def test_connected_parts_lie_apart_and_hang_together(n, seed):
    """Nearer than half the gap is one; one is a chain of steps below 1.75 gaps."""
    gap = 0.1
    points = np.random.default_rng(seed).uniform(0, 0.5, (n, 3))
    labels = connected(points, gap)
    close = KDTree(points).query_pairs(gap / 2, output_type="ndarray")
    assert (labels[close[:, 0]] == labels[close[:, 1]]).all()
    chain = brute(points, 1.75 * gap)
    assert all(len(set(chain[labels == k])) == 1 for k in set(labels))


def brute(points, reach):
    """Components by flooding, one point at a time."""
    label = np.full(len(points), -1)
    for start in range(len(points)):
        if label[start] >= 0:
            continue
        todo = [start]
        while todo:
            i = todo.pop()
            label[i] = start
            near = np.linalg.norm(points - points[i], axis=1) < reach
            todo += [int(j) for j in np.flatnonzero(near & (label < 0))]
    return label


def test_connected_takes_no_points():
    assert len(connected(np.zeros((0, 3)), 0.01)) == 0


def warped(surface, bend):
    """As depth bends a flat table into a bowl: `bend` m at 0.3 m from its middle."""
    vertices = surface.vertices.copy()
    vertices[:, 2] += bend * (vertices[:, 0] ** 2 + vertices[:, 1] ** 2) / 0.09
    return replace(surface, vertices=vertices)


def test_a_warped_table_is_followed_beneath_what_stands_on_it():
    things = [standing(trimesh.creation.box((0.2, 0.15, 0.012)), x, y)
              for x, y in [(-0.2, 0.1), (0.2, -0.1), (0.0, 0.0)]]  # fmt: skip
    surface = warped(seen(table(), *things, noise=0.0007), 0.006)
    ground = fit_ground(surface, TOP)
    xy = np.random.default_rng(1).uniform(SQUARE[0], SQUARE[2], (200, 2))
    truth = TABLE + 0.006 * (xy**2).sum(1) / 0.09
    assert np.abs(ground(xy) - truth).max() < 0.001
    assert ground.noise < 0.0015


def find(*things, noise=0.0006, bend=0.0):
    surface = seen(table(), *things, noise=noise)
    return Geometric()(warped(surface, bend) if bend else surface, TOP)


def centres(segments):
    return np.array([(s.points.min(0) + s.points.max(0))[:2] / 2 for s in segments])


def test_boxes_15_mm_apart_are_two():
    a = standing(trimesh.creation.box((0.06, 0.10, 0.12)), -0.0375)
    b = standing(trimesh.creation.box((0.06, 0.10, 0.08)), 0.0375)
    found = find(a, b)
    assert len(found) == 2
    assert np.allclose(centres(found), [[-0.0375, 0], [0.0375, 0]], atol=0.003)


def test_a_bare_table_holds_nothing():
    assert find(noise=0.001) == ()
    assert find(noise=0.001, bend=0.004) == ()


def test_a_bowl_is_one_thing_with_its_inside():
    [only] = find(standing(bowl()))
    r = np.linalg.norm(only.points[:, :2], axis=1)
    assert r.max() == pytest.approx(0.08, abs=0.003)
    assert ((r < 0.05) & (only.normals[:, 2] > 0.9)).sum() > 20, "its floor is there"


def test_a_sheet_of_8_mm_is_found_whole_and_alone():
    """With a can that stands beside it, nearer than a sheet's rim is wide."""
    sheet = standing(trimesh.creation.box((0.21, 0.28, 0.008)), -0.1)
    can = standing(trimesh.creation.cylinder(0.033, 0.1, sections=48), 0.06)
    found = find(sheet, can)
    assert len(found) == 2
    flat = min(found, key=lambda s: np.ptp(s.points[:, 2]))
    assert np.ptp(flat.points[:, :2], axis=0) == pytest.approx([0.21, 0.28], abs=0.012)
    assert flat.points[:, 2].max() < TABLE + 0.012


def test_a_pile_of_sheets_says_what_noise_hides():
    sheet = standing(trimesh.creation.box((0.21, 0.28, 0.012)))
    [fine] = find(sheet, noise=0.0003)
    assert fine.notes == ()
    [rough] = find(sheet, noise=0.0014)
    assert "flat things that lie on one another are one here" in rough.notes[0]


def test_what_hangs_above_or_beyond_the_table_is_no_object():
    lamp = standing(trimesh.creation.icosphere(3, 0.05), 0.0, 0.0, TABLE + 0.3)
    beside = standing(trimesh.creation.box((0.1, 0.1, 0.2)), 0.56)
    assert find(lamp, beside) == ()


def test_a_shelf_above_is_no_object_of_the_table():
    board = plane((-0.3, -0.1), (0.3, 0.1), TABLE + 0.3, 0.006)
    box = standing(trimesh.creation.box((0.06, 0.10, 0.12)))
    shelf = Support("shelf", "shelf", TABLE + 0.3,
                    np.array([[-0.3, -0.1], [0.3, -0.1], [0.3, 0.1], [-0.3, 0.1]]))  # fmt: skip
    [only] = Geometric()(seen(table(), board, box), TOP, (shelf,))
    assert only.points[:, 2].max() == pytest.approx(TABLE + 0.12, abs=0.002)


def test_a_segment_knows_what_it_stands_on_and_its_colours():
    box = standing(trimesh.creation.box((0.06, 0.10, 0.12)), 0.1, 0.05)
    surface = seen(table(), box, noise=0.0005, colours=[(0.1, 0.1, 0.1), (0.9, 0.2, 0.2)])
    [only] = Geometric()(surface, TOP)
    assert only.support is TOP
    assert only.base == pytest.approx(TABLE, abs=0.0005)
    assert np.allclose(only.colours, (0.9, 0.2, 0.2))
