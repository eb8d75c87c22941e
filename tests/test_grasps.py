"""Grasps: found where a thing fits between the pads, across what faces them, clear of the thing and
of its neighbours; pushes that leave it standing; and the table of a pack's shapes."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from packs import family, write_pack

from cousins.errors import UsageError
from cousins.grasps import (
    Grasps,
    Gripper,
    Obstacles,
    clearance,
    family_model,
    grasps,
    pushes,
    shape_grasps,
    shape_parts,
    table,
)
from cousins.grasps.solid import ball, box, solid
from cousins.pack import load_family, read
from examples import table_scene

GRIPPER = Gripper()
MOST = GRIPPER.opening - 2 * GRIPPER.clearance
half = st.floats(0.008, 0.06)


def about_z(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def moved(parts, turn=None, by=(0, 0, 0)):
    turn = np.eye(3) if turn is None else turn
    return [(vertices @ turn.T + np.array(by), faces) for vertices, faces in parts]


def cylinder(radius, height, sides=48):
    return [box(np.array([radius, radius, height / 2]), sides)]


def mug(radius=0.042, height=0.1, wall=0.004, sides=16):
    """A ring of boxes on a disc."""
    long = np.pi * radius / sides * 1.05
    plank = moved([box(np.array([wall / 2, long, height / 2]))], by=(radius - wall / 2, 0, 0))
    ring = [p for k in range(sides) for p in moved(plank, about_z(2 * np.pi * k / sides))]
    return [*ring, *moved(cylinder(radius, wall), by=(0, 0, (wall - height) / 2))]


def inside(parts, points):
    """(n,) which points (n, 3) lie more than 10 micrometres within a part."""
    body = solid(parts)
    deep = points @ body.normals.T - body.offsets < -1e-5
    return np.any([deep[:, body.part == k].all(1) for k in range(len(body))], axis=0)


def fingers(found, k, opening, up=0.3):
    """Points (n, 3) all over both fingers, of the k-th grasp, as far up as one likes."""
    a = np.linspace(-0.5, 0.5, 9) * GRIPPER.pad[0] * 0.98
    b = opening / 2 + np.linspace(1e-4, GRIPPER.thickness, 7)
    c = GRIPPER.pad[1] / 2 - np.linspace(0, up, 60)
    x, y, z = (v.ravel() for v in np.meshgrid(a, np.concatenate([-b, b]), c, indexing="ij"))
    return np.column_stack([x, y, z]) @ found.rotation[k].T + found.position[k]


def palm(found, k):
    a, b = (np.linspace(-0.5, 0.5, 15) * side for side in GRIPPER.palm)
    c = GRIPPER.pad[1] / 2 - GRIPPER.depth - np.linspace(0, 0.2, 40)
    x, y, z = (v.ravel() for v in np.meshgrid(a, b, c, indexing="ij"))
    return np.column_stack([x, y, z]) @ found.rotation[k].T + found.position[k]


@settings(max_examples=25)
@given(half, half, st.floats(0.008, 0.06), st.floats(0, np.pi))
def test_a_box_is_grasped_where_it_fits_between_the_pads_and_square_to_its_faces(a, b, c, angle):
    narrow = 2 * min(a, b)
    assume(abs(narrow - MOST) > 0.0005)
    found = grasps(moved([box(np.array([a, b, c]))], about_z(angle)))
    assert (len(found) > 0) == (narrow < MOST)
    if len(found):
        assert np.ptp(found.rotation @ [0, 0, 1.0], axis=0) == pytest.approx(0, abs=1e-12)
        assert found.rotation[0, :, 2] == pytest.approx([0, 0, -1])
        assert 2 * min(a, b) - 1e-9 <= found.width[0] < MOST
        # Square to one of its faces, and through its middle.
        off = (about_z(-angle) @ found.rotation[0, :, 1])[:2]
        assert np.abs(off).max() > np.cos(np.radians(1.5))
        across = found.position[0] @ found.rotation[0]
        assert np.abs(across[:2]).max() < 1e-6


@settings(max_examples=15)
@given(st.floats(0.008, 0.06), st.floats(0.02, 0.15))
def test_a_can_is_grasped_across_its_axis_if_it_fits(radius, height):
    assume(abs(2 * radius - MOST) > 0.001)
    found = grasps(cylinder(radius, height))
    good = found[found.score > 0.4]
    assert (len(good) > 0) == (2 * radius < MOST)
    for k in range(0, len(good), 8):
        # Pads on both sides of the axis, on what faces them.
        assert abs((good.position[k] @ good.rotation[k])[0]) < 0.6 * max(radius, 0.01)
        assert good.width[k] <= 2 * radius + 1e-9
    if len(good):
        assert found.width[0] > 2 * radius * np.cos(np.pi / 24)


@settings(max_examples=15)
@given(st.floats(0.008, 0.038), st.floats(0, np.pi))
def test_a_ball_is_grasped_about_its_middle(radius, angle):
    found = grasps(moved([ball(radius)], about_z(angle)))
    assert len(found)
    best = found.position[0]
    assert np.abs(best[:2]).max() < 1e-6
    # The pads reach the equator.
    assert abs(best[2]) < GRIPPER.pad[1] / 2 + 1e-3
    assert found.width[0] == pytest.approx(2 * radius, rel=0.04)
    assert found.slant[0] < 0.2


def test_a_ball_that_is_wider_than_the_pads_open_is_not_worth_a_try():
    assert (grasps([ball(0.05)]).score < 0.1).all()
    assert len(grasps([ball(0.07)])) == 0


SHAPES = {
    "box": [box(np.array([0.03, 0.05, 0.02]))],
    "can": cylinder(0.034, 0.1),
    "ball": [ball(0.036)],
    "mug": mug(),
    "hammer": [box(np.array([0.012, 0.1, 0.012])),
               *moved([box(np.array([0.05, 0.015, 0.015]))], by=(0, 0.1, 0.003))],
    "tower": [box(np.array([0.035, 0.035, 0.02])),
              *moved([box(np.array([0.01, 0.01, 0.06]))], by=(0.02, 0.02, 0.08))],
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_the_gripper_goes_down_clear_of_the_thing_and_of_the_table(name):
    parts = SHAPES[name]
    found = grasps(parts)
    assert len(found) > 8
    low = min(vertices[:, 2].min() for vertices, _ in parts)
    for k in range(0, len(found), 5):
        for opening in (found.width[k] + 2 * GRIPPER.clearance, found.opening[k]):
            assert not inside(parts, fingers(found, k, opening)).any()
        assert not inside(parts, palm(found, k)).any()
    tip = found.position[:, 2] - GRIPPER.pad[1] / 2 - low
    assert tip == pytest.approx(found.drop)
    assert tip.min() >= GRIPPER.clearance - 1e-6
    assert (found.opening >= found.width + 2 * GRIPPER.clearance - 1e-9).all()
    assert (found.opening <= GRIPPER.opening).all()


@pytest.mark.parametrize("name", SHAPES)
def test_something_is_between_the_pads_and_meets_both(name):
    parts = SHAPES[name]
    found = grasps(parts)
    for k in np.flatnonzero(found.slant < 0.2)[::4]:
        # A little narrower, and the fingers are in it: on either side.
        points = fingers(found, k, found.width[k] - 0.001, up=GRIPPER.pad[1])
        within = inside(parts, points)
        side = (points - found.position[k]) @ found.rotation[k][:, 1]
        assert within[side > 0].any()
        assert within[side < 0].any()


def test_grasps_are_ranked_and_their_frames_are_right_handed():
    found = grasps(SHAPES["hammer"], count=20)
    assert len(found) == 20
    assert (np.diff(found.score) <= 1e-9).all()
    assert found.score.max() <= 1
    assert found.score.min() > 0
    assert np.linalg.det(found.rotation) == pytest.approx(1)
    assert found.rotation.swapaxes(1, 2) @ found.rotation == pytest.approx(
        np.broadcast_to(np.eye(3), (20, 3, 3)), abs=1e-12
    )


def test_the_best_grasp_is_by_the_centre_of_mass():
    bar = [box(np.array([0.1, 0.012, 0.012]))]
    for x in (-0.06, 0.0, 0.05):
        assert grasps(bar, centre=np.array([x, 0, 0])).position[0, 0] == pytest.approx(x, abs=0.006)


def test_grasps_are_the_same_each_time():
    one, other = grasps(SHAPES["mug"]), grasps(SHAPES["mug"])
    for name in Grasps.__dataclass_fields__:
        assert np.array_equal(getattr(one, name), getattr(other, name))


@settings(max_examples=12)
@given(st.sampled_from(["box", "hammer", "tower"]), st.floats(0, 2 * np.pi),
       st.tuples(*[st.floats(-0.1, 0.1)] * 3))  # fmt: skip
def test_what_is_turned_and_moved_is_grasped_likewise(name, angle, by):
    turn = about_z(angle)
    one, other = grasps(SHAPES[name]), grasps(moved(SHAPES[name], turn, by))
    assert len(one) == len(other)
    assert other.score == pytest.approx(one.score, abs=0.02)
    # Those alike but for rounding may change places.
    where = one.position @ turn.T + np.array(by)
    far = np.linalg.norm(where[:10, None] - other.position[None], axis=2)
    assert far.min(1).max() < 0.004


def test_what_lies_is_grasped_as_it_lies():
    bar = [box(np.array([0.012, 0.012, 0.1]))]
    tall = grasps(bar)
    assert tall.rotation[0, :, 2] == pytest.approx([0, 0, -1])
    lying = np.array([[0, 0, 1.0], [0, 1, 0], [-1, 0, 0]])  # world_from_object
    found = grasps(bar, rotation=lying)
    assert lying @ found.rotation[0, :, 2] == pytest.approx([0, 0, -1])
    assert abs(found.rotation[0, :, 1] @ [0, 1, 0]) == pytest.approx(1)
    assert found.position[0] == pytest.approx([0, 0, 0], abs=0.012)


def test_a_mug_is_grasped_by_its_wall_with_a_finger_inside():
    found = grasps(mug())
    assert len(found)
    best = found.position[0]
    assert np.hypot(*best[:2]) == pytest.approx(0.04, abs=0.003)
    assert found.width[0] < 0.01
    radial = best[:2] / np.linalg.norm(best[:2])
    assert abs(found.rotation[0, :2, 1] @ radial) > 0.95
    # What is too narrow for a finger is grasped from without alone.
    narrow = grasps(mug(radius=0.012, wall=0.003))
    assert len(narrow)
    assert narrow.width.min() > 0.015


def test_a_wall_that_leans_is_grasped_and_a_steep_roof_is_not():
    lean = np.array([[1, 0, np.tan(0.3)], [0, 1, 0], [0, 0, 1.0]])
    wall = moved([box(np.array([0.002, 0.06, 0.05]))], lean)
    found = grasps(wall, centre=np.array([0.05, 0, -0.04]))
    assert len(found)
    assert found.slant[0] < 0.4
    roof = np.array([[-0.06, -0.05, 0], [0.06, -0.05, 0], [0, -0.05, 0.05],
                     [-0.06, 0.05, 0], [0.06, 0.05, 0], [0, 0.05, 0.05]])  # fmt: skip
    faces = np.array([[0, 1, 2], [5, 4, 3], [0, 3, 4], [0, 4, 1], [1, 4, 5], [1, 5, 2],
                      [2, 5, 3], [2, 3, 0]])  # fmt: skip
    closing = grasps([(roof, faces)])
    assert not len(closing) or closing.score.max() < 0.1


@pytest.mark.parametrize("parts", [
    [], [box(np.array([0.05, 0.05, 0.05]))], cylinder(0.06, 0.1), [box(np.array([0.2, 0.2, 0.01]))],
    [(np.zeros((3, 3)), np.array([[0, 1, 2]]))],
])  # fmt: skip
def test_there_is_none_of_what_is_too_wide_or_nothing(parts):
    found = grasps(parts)
    assert len(found) == 0
    assert found.position.shape == (0, 3)
    assert found.rotation.shape == (0, 3, 3)


def test_an_arm_may_lean():
    found = grasps(SHAPES["can"], count=400, tilt=0.5)
    lean = np.arccos(-found.rotation[:, 2, 2])
    assert lean.max() == pytest.approx(0.5)
    assert lean.min() == pytest.approx(0, abs=1e-6)
    # The pads still close level, and no fingertip is in the table.
    assert np.abs(found.rotation[:, 2, 1]).max() < 1e-9
    assert found.drop.min() >= GRIPPER.clearance - 1e-6


@pytest.mark.parametrize("wrong", [{"opening": 0.0}, {"pad": (0.02, -1.0)},
                                   {"friction": np.nan}, {"depth": 0.01}])  # fmt: skip
def test_a_gripper_of_no_size_is_refused(wrong):
    with pytest.raises(UsageError, match="gripper: "):
        Gripper(**wrong)


def world(found):
    """Of one object, as `GraspTable.at` gives several."""
    return Grasps(*(getattr(found, name)[None] for name in Grasps.__dataclass_fields__))


def neighbour(x, y, z=0.0, size=(0.02, 0.02, 0.05)):
    pose = np.array([[x, y, z, 1, 0, 0, 0.0]])
    return Obstacles.of([box(np.array(size))], pose)


def test_a_neighbour_takes_the_grasps_on_its_side():
    cube = [box(np.array([0.025, 0.025, 0.05]))]
    found = grasps(cube)
    alone = clearance(world(found), Obstacles.of([], np.array([[0, 0, 0, 1, 0, 0, 0.0]])))
    assert np.isposinf(alone).all()
    far = clearance(world(found), neighbour(0.3, 0))[0]
    assert far.min() > 0.1
    # Against one face: the pads close along the other.
    narrow = found.width[None] + 0.01
    near = clearance(world(found), neighbour(0.048, 0), opening=narrow)[0]
    along = np.abs(found.rotation[:, 0, 1])
    assert (near[along > 0.9] < 0).all()
    assert (near[along < 0.1] > 0).any()
    # Higher than the thing, it is in the palm's way as well.
    high = clearance(world(found), neighbour(0.048, 0, 0.06), opening=narrow)[0]
    assert (high[found.position[:, 0] > 0] < 0).all()


@settings(max_examples=25)
@given(st.floats(-0.12, 0.12), st.floats(-0.12, 0.12), st.floats(-0.05, 0.05),
       st.floats(0, np.pi))  # fmt: skip
def test_what_is_clear_by_its_word_is_clear(x, y, z, angle):
    found = grasps(SHAPES["can"], count=6)
    there = moved([box(np.array([0.03, 0.015, 0.05]))], about_z(angle), (x, y, z))
    pose = np.array([[0, 0, 0, 1, 0, 0, 0.0]])
    free = clearance(world(found), Obstacles.of(there, pose))[0]
    for k in range(len(found)):
        meets = inside(there, fingers(found, k, found.opening[k])).any()
        meets |= inside(there, palm(found, k)).any()
        assert not (meets and free[k] > 0)


def test_the_height_of_the_floor_and_a_cloud_count():
    found = grasps(SHAPES["box"], count=8)
    none = Obstacles.of([], np.array([[0, 0, 0, 1, 0, 0, 0.0]]))
    assert (clearance(world(found), none, floor=np.array([-0.02])) > 0).all()
    assert (clearance(world(found), none, floor=np.array([0.02])) < 0).all()
    points = np.array([[[0.0, 0.0, 0.2]]])
    assert (clearance(world(found), Obstacles.points(points)) < 0).all()
    assert (clearance(world(found), Obstacles.points(points - [0, 0, 0.3])) > 0).all()


@settings(max_examples=20)
@given(half, half, st.floats(0.008, 0.02), st.floats(0, 2 * np.pi))
def test_a_push_touches_the_thing_low_and_goes_through_its_centre_of_mass(a, b, c, angle):
    parts = [box(np.array([a, b, c]))]
    way = np.array([[np.cos(angle), np.sin(angle)]])
    made = pushes(parts, way, friction=0.5)
    assert made.direction[0, :2] == pytest.approx(way[0])
    # The line through the tool point along the push passes the middle.
    assert abs(np.cross(made.direction[0], made.position[0])[2]) < 1e-9
    assert made.limit[0] > 0
    assert made.height[0] <= made.limit[0]
    reach = GRIPPER.palm[0] / 2 if made.palm[0] else GRIPPER.pad[0] / 2
    along = made.position[0] @ made.direction[0] + reach
    edge = min(a / max(abs(np.cos(angle)), 1e-9), b / max(abs(np.sin(angle)), 1e-9))
    assert -np.hypot(a, b) - 1e-6 <= along <= -edge + 0.07
    assert made.rotation[0, :, 2] == pytest.approx([0, 0, -1])


def test_a_tall_thin_thing_is_pushed_lower_than_it_would_fall_over():
    made = pushes([box(np.array([0.02, 0.02, 0.1]))], np.array([[1.0, 0.0]]), friction=0.3)
    assert made.limit[0] == pytest.approx(0.02 / 0.3)
    assert made.height[0] < 0.9 * made.limit[0]
    assert made.slant[0] == pytest.approx(0, abs=1e-6)


def test_a_pack_gives_a_table_of_its_shapes_grasps(tmp_path):
    pack = read(write_pack(tmp_path / "p"))
    held = load_family(pack, 0)
    model, bank = family_model(held), held.bank
    made = table(model, bank, count=24)
    scene = table_scene()
    for item, asset in enumerate(scene.assets):
        for shape in range(bank.shapes[item]):
            vertices = np.vstack([v for v, _ in shape_parts(model, bank, item, shape)])
            want = asset.size * ([1.2, 1, 1] if shape else 1)
            assert np.ptp(vertices, axis=0) == pytest.approx(want, rel=0.06)
            own = shape_grasps(model, bank, item, shape, count=24)
            kept = made.of(item, shape)
            assert len(kept) == len(own) == made.count[item, shape]
            assert np.array_equal(kept.position, own.position)
    assert (made.score[:, :, 0] > 0).any()
    rows = held.arrays["shape"][:, 0]
    pose = held.arrays["qpos"][:, bank.address[0] + np.arange(7)]
    there, which = made.at(np.zeros(len(rows), int), rows, pose)
    assert there.position.shape == (len(rows), 24, 3)
    assert which.sum(1).tolist() == made.count[0, rows].tolist()
    middle = there.position.mean(1)[:, :2] - pose[:, :2]
    assert np.abs(middle).max() < 0.1


def test_what_has_fallen_over_has_no_grasp_in_the_table_but_a_ball_has():
    scene = table_scene()
    ids = {asset.name: k for k, asset in enumerate(scene.assets)}
    held = family(scene)
    model, bank = family_model(held), held.bank
    made = table(model, bank, count=8)
    side = np.sqrt(0.5)
    for name, item in ids.items():
        pose = np.array([[0.1, 0.2, 0.8, side, side, 0, 0]])
        there, which = made.at(np.array([item]), np.array([0]), pose)
        round_ = scene.assets[item].primitive is not None
        round_ = round_ and scene.assets[item].primitive.kind == "sphere"
        assert which.any() == (round_ and made.count[item, 0] > 0), name
        if round_:
            assert there.rotation[0, :, 2, 2] == pytest.approx(-1)


def test_a_mesh_that_is_not_closed_is_bounded_all_the_same():
    vertices, faces = box(np.array([0.03, 0.05, 0.02]))
    found = grasps([(vertices, faces[1:-4])])
    assert len(found)
    assert found.width.max() < MOST


def test_only_the_objects_asked_for_are_in_the_table():
    held = family()
    made = table(family_model(held), held.bank, count=4, items=[0])
    assert made.count[0].any()
    assert not made.count[1:].any()
    assert (made.score[1:] < 0).all()


def test_an_asset_that_is_a_ball_is_known_as_one():
    scene = table_scene()
    held = family(replace(scene))
    made = table(family_model(held), held.bank, count=4)
    kinds = [a.primitive.kind if a.primitive else "" for a in scene.assets]
    assert made.ball[:, 0].tolist() == [k == "sphere" for k in kinds]


def test_grasps_need_nothing_but_numpy():
    code = ("import sys; import cousins.grasps; "
            "print(sorted({'open3d', 'scipy', 'trimesh', 'cv2'} & set(sys.modules)))")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
