"""Things that touch, stand on one another or lie in one another, and single ones that look so."""

import numpy as np
import pytest
import trimesh
from surfaces import TABLE, bowl, plane, seen, standing

from cousins.reconstruct.tsdf import Surface
from cousins.segment.geometric import Geometric
from cousins.types import Support

SQUARE = np.array([[-0.45, -0.3], [0.45, -0.3], [0.45, 0.3], [-0.45, 0.3]])
TOP = Support("table", "table", TABLE, SQUARE)


def find(*things, noise=0.0005, colours=None):
    table = plane(SQUARE[0], SQUARE[2], TABLE, 0.006)
    shown = colours and [(0.5, 0.5, 0.5), *colours]
    return Geometric()(seen(table, *things, noise=noise, colours=shown), TOP)


def box(*size):
    return trimesh.creation.box(size)


def can(radius=0.033, height=0.1):
    return trimesh.creation.cylinder(radius, height, sections=64)


def turned_about(profile):
    return trimesh.creation.revolve(profile, sections=64)


def mug():
    """With a handle of 8 mm that stands off by 25 mm."""
    outer, inner, height = 0.04, 0.036, 0.095
    cup = turned_about([(0, 0), (outer, 0), (outer, height), (inner, height), (inner, 0.004),
                        (0, 0.004)])  # fmt: skip
    ring = trimesh.creation.torus(0.026, 0.004, major_sections=48, minor_sections=16)
    ring.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, [1, 0, 0]))
    ring.apply_translation([outer + 0.002, 0, height / 2])
    beyond = ring.triangles_center[:, 0] > outer - 0.001
    ring.update_faces(beyond)
    return trimesh.util.concatenate([cup, ring])


def middle(segment):
    return (segment.points.min(0) + segment.points.max(0)) / 2


def test_boxes_that_touch_are_parted():
    low, high = box(0.10, 0.08, 0.06), box(0.06, 0.10, 0.14)
    found = find(standing(low, -0.05), standing(high, 0.031, 0.02))
    assert len(found) == 2
    tops = sorted(np.ptp(s.points[:, 2]) for s in found)
    assert tops == pytest.approx([0.06, 0.14], abs=0.008)
    assert all(s.on is None for s in found)


def test_cans_that_touch_are_parted():
    sizes = [(0.0, 0.0, 0.10), (0.067, 0.0, 0.08), (0.03, 0.06, 0.06)]
    found = find(*(standing(can(height=h), x, y) for x, y, h in sizes))
    assert len(found) == 3


def test_an_l_is_one_thing():
    leg = box(0.05, 0.10, 0.05).apply_translation([0.05, 0.075, 0])
    lying = trimesh.util.concatenate([box(0.15, 0.05, 0.05), leg])
    assert len(find(standing(lying))) == 1


def test_a_can_on_a_box_stands_on_it():
    found = find(standing(box(0.16, 0.12, 0.05)), standing(can(), 0.02, 0.01, TABLE + 0.05))
    assert len(found) == 2
    lower, upper = sorted(found, key=lambda s: s.points[:, 2].max())
    assert lower.on is None
    assert found[upper.on] is lower
    assert upper.base == pytest.approx(TABLE + 0.05, abs=0.002)
    assert lower.points[:, 2].max() < TABLE + 0.058


def test_a_tower_stands_in_its_order():
    sizes = [(0.20, 0.16, 0.05), (0.14, 0.10, 0.05), (0.08, 0.06, 0.05)]
    found = find(*(standing(box(*s), 0.0, 0.0, TABLE + 0.05 * i) for i, s in enumerate(sizes)))
    assert len(found) == 3
    low, between, top = sorted(found, key=lambda s: middle(s)[2])
    assert low.on is None
    assert found[between.on] is low
    assert found[top.on] is between


@pytest.mark.parametrize("along", [0.0, 0.03])
def test_what_is_flush_with_what_it_stands_on_is_parted_at_the_ledge(along):
    """On one of their sides nothing shows where one box ends."""
    low, high = box(0.16, 0.12, 0.06), box(0.22, 0.06, 0.05)
    found = find(standing(low), standing(high, along, 0.03, TABLE + 0.06))
    assert len(found) == 2
    upper = max(found, key=lambda s: middle(s)[2])
    assert upper.on is not None
    assert np.ptp(upper.points[:, 0]) == pytest.approx(0.22, abs=0.012)
    assert upper.points[:, 2].min() == pytest.approx(TABLE + 0.06, abs=0.008)


def test_a_can_that_ends_below_a_baskets_rim_is_its_content():
    outer = trimesh.creation.box((0.2, 0.26, 0.12))
    inner = trimesh.creation.box((0.19, 0.25, 0.12)).apply_translation([0, 0, 0.005])
    basket = trimesh.boolean.difference([outer, inner], engine="manifold")
    found = find(standing(basket), standing(can(0.036, 0.1), 0.02, 0.03, TABLE + 0.005))
    assert len(found) == 2
    content = min(found, key=lambda s: np.ptp(s.points[:, 0]))
    assert np.ptp(content.points[:, :2], axis=0) == pytest.approx([0.072, 0.072], abs=0.01)
    assert found[content.on] is not content


def test_a_ball_in_a_bowl_lies_in_it():
    ball = standing(trimesh.creation.icosphere(4, 0.03), z=TABLE + 0.008)
    found = find(standing(bowl()), ball)
    assert len(found) == 2
    content = min(found, key=lambda s: np.ptp(s.points[:, 0]))
    vessel = found[content.on]
    assert vessel is not content
    assert vessel.on is None
    inside = np.linalg.norm(vessel.points[:, :2], axis=1) < 0.065
    assert (inside & (vessel.normals[:, 2] > 0.3)).sum() > 50, "its inside is the bowl's"


@pytest.mark.parametrize("noise", [0.0004, 0.001])
def test_a_mug_with_its_handle_is_one(noise):
    [only] = find(standing(mug()), noise=noise)
    assert np.ptp(only.points[:, 0]) == pytest.approx(0.112, abs=0.006)


def test_a_bottle_with_its_neck_is_one():
    bottle = turned_about([(0, 0), (0.04, 0), (0.04, 0.14), (0.014, 0.16), (0.014, 0.20),
                           (0, 0.20)])  # fmt: skip
    [only] = find(standing(bottle))
    assert only.points[:, 2].max() == pytest.approx(TABLE + 0.20, abs=0.003)


def test_a_hammer_is_one():
    hammer = trimesh.util.concatenate([box(0.03, 0.11, 0.03), box(0.22, 0.028, 0.026)
                                       .apply_translation([0.125, 0, -0.002])])  # fmt: skip
    assert len(find(standing(hammer))) == 1


def test_a_plate_of_6_mm_is_found():
    [only] = find(standing(can(0.11, 0.006)), noise=0.0003)
    assert np.ptp(only.points[:, :2], axis=0) == pytest.approx([0.22, 0.22], abs=0.012)


def test_what_stands_on_no_object_falls_with_it():
    """A can on a beam that is too long for an object is none either."""
    beam = box(0.85, 0.08, 0.05)
    found = find(standing(beam), standing(can(), 0.0, 0.0, TABLE + 0.05))
    assert found == ()


def test_neither_order_nor_a_tenth_of_the_noise_changes_what_is_found():
    things = [
        standing(box(0.16, 0.12, 0.05)),
        standing(can(), 0.02, 0.01, TABLE + 0.05),
        standing(mug(), -0.25, 0.1),
        standing(can(), 0.2),
        standing(box(0.07, 0.07, 0.08), 0.269),
    ]
    surface = seen(plane(SQUARE[0], SQUARE[2], TABLE, 0.006), *things, noise=0.0005)
    sizes = [len(s.points) for s in Geometric()(surface, TOP)]
    assert len(sizes) == 5
    rng = np.random.default_rng(3)
    order = rng.permutation(len(surface.faces))[:, None] * 3 + np.arange(3)
    order = order.ravel()  # every triangle has its own three vertices
    moved = surface.vertices[order] + 0.00005 * rng.standard_normal((len(order), 3))
    other = Surface(moved, surface.normals[order], surface.colours[order], surface.faces)
    again = [len(s.points) for s in Geometric()(other, TOP)]
    assert again == pytest.approx(sizes, rel=0.02)


def test_a_handle_of_which_only_a_piece_was_seen_is_its_mugs():
    """12 mm of it, some 7 mm off the cup."""
    piece = standing(box(0.012, 0.01, 0.03), 0.052, 0.0, TABLE + 0.025)
    assert len(find(standing(can(0.04, 0.095)), piece, noise=0.0003)) == 1


def test_a_pen_beside_a_box_is_a_thing():
    pen = standing(box(0.009, 0.14, 0.009), 0.06)
    assert len(find(standing(box(0.1, 0.16, 0.12)), pen, noise=0.0003)) == 2


def test_two_sides_of_a_mug_whose_rim_was_not_seen_are_one():
    cup = turned_about([(0, 0), (0.045, 0), (0.045, 0.09), (0.037, 0.09), (0.037, 0.006),
                        (0, 0.006)])  # fmt: skip
    sides = []
    for way in (1, -1):
        side = cup.copy()
        side.update_faces(way * side.triangles_center[:, 0] > 0.012)
        sides.append(side.apply_translation([0, 0, TABLE]))
    assert len(find(*sides)) == 1


def test_twice_is_the_same():
    things = [standing(box(0.16, 0.12, 0.05)), standing(can(), 0.02, 0.01, TABLE + 0.05)]
    one, other = find(*things), find(*things)
    assert [s.on for s in one] == [s.on for s in other]
    assert all(np.array_equal(a.points, b.points) for a, b in zip(one, other, strict=True))
