"""How cousins look: as far from the twin as the strength says, and never a shape touched."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import examples
from cousins.errors import MissingDependencyError
from cousins.gl import backend
from cousins.mesh import quaternion_from_matrix
from cousins.picture import render
from cousins.scene import build, compile_model, dressed, look_at
from cousins.types import Camera, Intrinsics, Wall
from cousins.variation import camera, look, robot
from cousins.variation.textures import MOST, textures

AXES = (look, camera, robot)
TABLE = examples.TABLE  # m
SEEN = Camera(
    "capture",
    look_at(np.array([0.1, -0.9, 1.4]), np.array([0.0, 0.0, 0.75])),
    Intrinsics(640, 360, 500.0, 500.0, 319.5, 179.5),
)
SCENE = replace(examples.table_scene(), cameras=(SEEN,))
PAINTED = [textures(a, np.random.default_rng(i), 4) for i, a in enumerate(SCENE.assets)]


def compiled(scene=SCENE, painted=PAINTED):
    xml, files = build(scene, textures=painted)
    return compile_model(xml, files)


MODEL = compiled()


def given_to(axis, model=MODEL, scene=SCENE):
    """What an axis is drawn for: a robot is in no model."""
    return (scene,) if axis is robot else (model, scene)


def drawn(axis, strength, n=64, scene=SCENE, model=MODEL, seed=0):
    uniform = np.random.default_rng(seed).random((n, axis.numbers(scene)))
    return axis.draw(*given_to(axis, model, scene), uniform, np.full(n, float(strength)))


def own(arrays, model=MODEL, scene=SCENE):
    """What these arrays are of the twin."""
    fields = [name for name in arrays if name.startswith(("light_", "cam_"))]
    out = {name: getattr(model, name) for name in fields}
    geoms = {"tint": look.object_geoms(model, scene), "surface_tint": look.surface_geoms(model)}
    return out | {name: model.geom_rgba[ids] for name, ids in geoms.items() if name in arrays}


@pytest.mark.parametrize("axis", AXES)
def test_no_strength_is_the_twin_to_the_bit(axis):
    arrays = drawn(axis, 0)
    for name, value in own(arrays).items():
        np.testing.assert_array_equal(arrays[name], np.broadcast_to(value, arrays[name].shape))
        assert arrays[name].dtype == value.dtype
    for name in ("texture", "camera_noise"):
        assert not np.any(arrays.get(name, 0))
    if axis is robot:
        assert len(np.unique(arrays["robot_base"], axis=0)) == 1
    assert (axis.distance(*given_to(axis), arrays) == 0).all()


@pytest.mark.parametrize("axis", AXES)
def test_the_distance_grows_with_the_strength(axis):
    mean = [
        axis.distance(*given_to(axis), drawn(axis, s, 200)).mean() for s in np.linspace(0, 1, 6)
    ]
    assert (np.diff(mean) > 0.02).all()
    whole = axis.distance(*given_to(axis), drawn(axis, 1, 200))
    assert whole.min() >= 0
    assert 0.4 < whole.mean() < whole.max() <= 1


@pytest.mark.parametrize("axis", AXES)
def test_a_cousin_is_the_same_whoever_is_drawn_with_it(axis):
    rng = np.random.default_rng(3)
    uniform, strength = rng.random((33, axis.numbers(SCENE))), rng.random(33)
    strength[::5] = 0
    together = axis.draw(*given_to(axis), uniform, strength)
    far = axis.distance(*given_to(axis), together)
    for i in range(33):
        alone = axis.draw(*given_to(axis), uniform[i : i + 1], strength[i : i + 1])
        for name, value in alone.items():
            np.testing.assert_array_equal(value[0], together[name][i], name)
        assert axis.distance(*given_to(axis), alone)[0] == far[i]


@pytest.mark.parametrize("axis", AXES)
def test_an_empty_scene_and_no_cousin_at_all_are_drawn_too(axis):
    empty = replace(SCENE, assets=())
    model = compiled(empty, ())
    arrays = drawn(axis, 1, 5, empty, model)
    assert np.isfinite(axis.distance(*given_to(axis, model, empty), arrays)).all()
    none = drawn(axis, 1, 0)
    assert all(len(value) == 0 for value in none.values())
    assert axis.distance(*given_to(axis), none).shape == (0,)


@given(st.floats(0, 1), st.integers(0, 2**32))
def test_looks_stay_in_range(strength, seed):
    arrays = drawn(look, strength, 4, seed=seed)
    for name in ("tint", "surface_tint"):
        assert ((arrays[name] >= 0) & (arrays[name] <= 1)).all()
        assert (arrays[name][..., 3] == 1).all()
    assert (arrays["tint"][..., :3] >= (1 - look.DIM) * (1 - look.CAST) - 1e-6).all()
    assert (arrays["texture"] <= 4).all()
    lamp = MODEL.light("lamp").id
    offset = arrays["light_pos"][:, lamp] - MODEL.stat.center
    np.testing.assert_allclose(np.linalg.norm(arrays["light_dir"], axis=-1), 1, atol=1e-9)
    facing = -(offset * arrays["light_dir"][:, lamp]).sum(1)
    np.testing.assert_allclose(facing, np.linalg.norm(offset, axis=1), rtol=1e-6)
    assert (offset[:, 2] / facing >= np.sin(look.ELEVATION[0]) - 1e-6).all()
    assert (arrays["light_diffuse"][:, lamp] > 0).all()
    assert (arrays["light_diffuse"] <= 1).all()
    assert (arrays["light_ambient"] <= 1).all()


def test_the_lamp_stays_in_the_room():
    arrays = drawn(look, 1, 500)
    lamp, wall = MODEL.light("lamp").id, SCENE.walls[0]
    before = (arrays["light_pos"][:, lamp] - wall.centre) @ wall.normal
    assert before.min() >= look.MARGIN - 1e-9
    assert before.max() > 1


def test_at_full_strength_every_texture_is_as_likely():
    worn = drawn(look, 1, 2000)["texture"]
    share = np.bincount(worn.ravel(), minlength=5) / worn.size
    np.testing.assert_allclose(share, 0.2, atol=0.03)
    assert [len(ids) for ids in look.materials(MODEL, SCENE)] == [5, 5, 5, 5]
    bare = compiled(painted=())
    assert not drawn(look, 1, model=bare)["texture"].any()


def test_a_stronger_look_wears_what_a_weaker_one_already_wore():
    weak, strong = (drawn(look, s)["texture"] for s in (0.3, 0.8))
    assert weak.any()
    np.testing.assert_array_equal(strong[weak > 0], weak[weak > 0])


def test_only_what_was_scanned_around_is_tinted_where_it_hides_the_supports():
    scene = replace(SCENE, background=SCENE.assets[0].visual)
    model = compiled(scene)
    assert look.surface_geoms(model).tolist() == [model.geom("background").id]
    tint = drawn(look, 1, 200, scene, model)["surface_tint"]
    assert tint.shape == (200, 1, 4)
    assert tint[..., :3].max() <= 1, "a texture is dimmed, not painted over"
    assert tint[..., :3].min() >= (1 - look.DIM) * (1 - look.CAST) - 1e-6


def test_textures_are_the_same_again_and_fit_the_object():
    asset = examples.can("can_1", 0.033, 0.10, (0, 0))
    found, again = (textures(asset, np.random.default_rng(1), 8) for _ in range(2))
    for a, b in zip(found, again, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == np.uint8
        assert a.shape[2] == 3
        assert max(a.shape) <= MOST
    assert len({a.tobytes() for a in found}) == 8
    more = textures(asset, np.random.default_rng(1), 2)
    np.testing.assert_array_equal(more[1], found[1], "whoever else is made")
    assert len(np.unique(found[2].reshape(-1, 3), axis=0)) == 2, "speckle is of two colours"


def test_a_mesh_that_no_texture_fits_gets_none():
    asset = SCENE.assets[0]
    bare = replace(asset, visual=replace(asset.visual, uv=None, texture=None))
    assert textures(bare, np.random.default_rng(0), 4) == ()


def test_what_has_one_colour_all_over_gets_other_colours():
    """As a scan without pictures has it: its uv lies in one place."""
    asset = SCENE.assets[0]
    mesh = replace(asset.visual, uv=np.full_like(asset.visual.uv, 0.5))
    found = textures(replace(asset, visual=mesh), np.random.default_rng(0), 4)
    assert len(found) == 4
    assert all(len(np.unique(image.reshape(-1, 3), axis=0)) == 1 for image in found)
    assert len({image[0, 0].tobytes() for image in found}) == 4


def test_a_solid_texture_is_one_across_the_charts_of_an_atlas():
    """Two charts that show the same place have the same colour there."""
    asset = SCENE.assets[0]
    mesh = asset.visual
    mirrored = np.concatenate([mesh.faces, mesh.faces])
    left = np.tile([[0.02, 0.02], [0.48, 0.02], [0.02, 0.98]], (len(mesh.faces), 1, 1))
    spread = np.linspace(0, 1, len(mesh.faces), endpoint=False)[:, None]
    size = 1 / len(mesh.faces)
    left[..., 1] = spread + size * np.array([0.05, 0.05, 0.95])
    uv = np.concatenate([left, left + [0.5, 0]])
    two = replace(mesh, faces=mirrored, uv=uv, texture=np.zeros((512, 512, 3), np.uint8))
    wood = textures(replace(asset, visual=two), np.random.default_rng(0), 2)[1].astype(int)
    apart = np.abs(wood[:, :128] - wood[:, 128:])
    assert np.ptp(wood) > 30
    assert np.median(apart) == 0


def test_the_twin_is_lit_as_it_was_by_the_light_at_the_camera():
    """The dim light from all around, now the light `fill`, in place of the headlight's."""
    try:
        backend()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    xml, files = build(SCENE)
    before = xml.replace('ambient="0.52 0.52 0.52"', 'ambient="0 0 0"')
    before = before.replace('headlight ambient="0 0 0"', 'headlight ambient="0.52 0.52 0.52"')
    assert before != xml
    pictures = []
    for text in (before, xml):
        model = compile_model(text, files)
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        pictures.append(render(model, data, "overview", (160, 120)))
    np.testing.assert_array_equal(*pictures)


@given(st.floats(0, 1), st.integers(0, 2**32))
def test_cameras_keep_what_they_saw_in_view(strength, seed):
    arrays = drawn(camera, strength, 4, seed=seed)
    points = np.array([a.position for a in SCENE.assets])
    for c, aspect in enumerate((4 / 3, 16 / 9)):
        before = MODEL.cam_pos[c : c + 1], MODEL.cam_quat[c : c + 1], MODEL.cam_fovy[c : c + 1]
        assert camera.in_view(points, *before, aspect).all(), "else the test says nothing"
        after = (arrays[f"cam_{name}"][:, c] for name in ("pos", "quat", "fovy"))
        assert camera.in_view(points, *after, aspect).all()
    moved = np.linalg.norm(arrays["cam_pos"] - MODEL.cam_pos, axis=-1)
    assert moved.max() <= strength * camera.MOVE + 1e-9
    np.testing.assert_allclose(np.linalg.norm(arrays["cam_quat"], axis=-1), 1, atol=1e-9)
    focal = np.tan(np.radians(MODEL.cam_fovy) / 2) / np.tan(np.radians(arrays["cam_fovy"]) / 2)
    assert (np.abs(np.log(focal)) <= strength * np.log(camera.ZOOM) + 1e-9).all()
    assert ((arrays["camera_noise"] >= 0) & (arrays["camera_noise"] <= camera.NOISE)).all()


def test_in_view_is_what_the_pinhole_says():
    pose = look_at(np.array([0.0, -1.0, 0.0]), np.zeros(3))
    axes = quaternion_from_matrix(pose[:3, :3] @ np.diag([1.0, -1.0, -1.0]))
    # 90 degrees high, twice as wide: at 1 m it sees 1 m up and 2 m aside.
    points = np.array([[1.99, 0, 0.99], [2.01, 0, 0], [0, 0, 1.01], [0, -2, 0]])
    seen = camera.in_view(points, pose[None, :3, 3], axes[None], np.array([90.0]), 2.0)
    np.testing.assert_array_equal(seen, [[True, False, False, False]])


def test_a_camera_does_not_go_through_a_wall():
    wall = Wall("wall_2", np.array([0.0, -0.96, 1.0]), np.array([0.0, 1.0, 0.0]), 2.0, 1.0)
    scene = replace(SCENE, walls=(wall,))
    arrays = drawn(camera, 1, 200, scene, compiled(scene))
    assert arrays["cam_pos"][:, 1, 1].min() >= -0.96 + camera.MARGIN - 1e-9
    assert np.ptp(arrays["cam_pos"][:, 1, 1]) > 0.05


def test_noise_is_what_it_says_and_none_changes_nothing():
    image = np.full((240, 320, 3), 128, np.uint8)
    image[:, 160:] = 60
    depth = np.full((240, 320), 2.0, np.float32)
    depth[:10] = 0
    same = camera.noisy(image, depth, np.zeros(3), np.random.default_rng(0))
    np.testing.assert_array_equal(same[0], image)
    np.testing.assert_array_equal(same[1], depth)
    noise = np.array([0.04, 0.0, 0.02])
    seen, far = camera.noisy(image, depth, noise, np.random.default_rng(0))
    assert np.std(seen[:, :150].astype(float)) == pytest.approx(0.04 * 255, rel=0.05)
    assert far.dtype == np.float32
    assert (far[:10] == 0).all(), "unknown stays unknown"
    assert np.std(far[10:]) == pytest.approx(0.02 * 2, rel=0.05)
    soft, none = camera.noisy(image, None, np.array([0, 2.0, 0]), np.random.default_rng(0))
    assert none is None
    edge = soft[120, :, 0].astype(float)
    assert np.abs(np.diff(edge)).max() < 34, "2 px at 640 wide is 1 px here"
    np.testing.assert_array_equal(edge[[100, 220]], [128, 60])


def test_a_robot_stands_at_the_edge_that_was_filmed_from_and_looks_across():
    base = drawn(robot, 0, 1)["robot_base"][0]
    np.testing.assert_allclose(base[:3], [0, -0.4 - robot.OUTSIDE, TABLE], atol=1e-6)
    np.testing.assert_allclose(base[3:], [np.sqrt(0.5), 0, 0, np.sqrt(0.5)], atol=1e-6)
    unseen = replace(SCENE, cameras=())
    np.testing.assert_array_equal(drawn(robot, 0, 1, unseen)["robot_base"][0], base)
    behind = replace(SEEN, world_from_camera=look_at(np.array([0, 0.9, 1.4]), np.zeros(3)))
    other = replace(SCENE, cameras=(behind,), walls=())
    there = drawn(robot, 0, 1, other)["robot_base"][0]
    np.testing.assert_allclose(there[:2], [0, 0.4 + robot.OUTSIDE], atol=1e-6)


@given(st.floats(0, 1), st.integers(0, 2**32), st.floats(0.3, 1.2))
def test_a_robot_reaches_what_the_twin_s_reaches(strength, seed, reach):
    points = np.array([a.position for a in SCENE.assets])
    uniform = np.random.default_rng(seed).random((6, 3))
    base, twin = (
        robot.draw(SCENE, uniform, np.full(6, s), reach)["robot_base"] for s in (strength, 0.0)
    )
    after, before = (robot.reachable(b, np.tile(points, (6, 1, 1)), reach) for b in (base, twin))
    assert (after >= before).all()
    if reach >= robot.REACH:
        assert before.all()
    np.testing.assert_allclose(np.linalg.norm(base[:, 3:], axis=1), 1)
    assert (base[:, 2] == TABLE).all()
    gaps = np.linalg.norm(base[:, None, :2] - points[:, :2], axis=-1)
    assert gaps.min() > robot.FOOT, "it stands on nothing"


def test_it_keeps_clear_of_what_a_cousin_put_at_the_edge():
    """Of the twin's own things where they went, and of things that the twin does not have."""
    extra = replace(SCENE.assets[0], name="distractor_1")
    place = np.tile([a.position for a in (*SCENE.assets, extra)], (40, 1, 1))
    place[:, 0, :2], place[:, -1, :2] = (0.2, -0.34), (-0.2, -0.34)
    uniform = np.random.default_rng(4).random((40, 3))
    base = robot.draw(SCENE, uniform, np.ones(40), position=place, more=(extra,))["robot_base"]
    size = np.ptp(extra.visual.vertices[:, :2], axis=0)
    for moved in (place[:, 0], place[:, -1]):
        away = np.linalg.norm(base[:, :2] - moved[:, :2], axis=1)
        assert away.min() >= np.linalg.norm(size) / 2 + robot.FOOT
    own = place[:, : len(SCENE.assets)]
    assert robot.reachable(base, own).all()


def test_on_a_floor_it_comes_as_near_as_it_must():
    floor = np.array([[-3.0, -3.0], [3.0, -3.0], [3.0, 3.0], [-3.0, 3.0]])
    standing = tuple(
        replace(a, support="floor", position=a.position - [0, 0, TABLE]) for a in SCENE.assets
    )
    scene = replace(SCENE, assets=standing, supports=SCENE.supports[:1], walls=())
    assert np.ptp(scene.supports[0].polygon - floor) == 0
    base = drawn(robot, 1, 50, scene)["robot_base"]
    points = np.tile([a.position for a in standing], (50, 1, 1))
    assert robot.reachable(base, points).all()
    assert (base[:, 1] < -0.15).all(), "still on the side that was filmed from"


def test_it_keeps_clear_of_a_wall_at_the_table():
    wall = Wall("wall_2", np.array([0.0, -0.42, 1.0]), np.array([0.0, 1.0, 0.0]), 2.0, 1.0)
    base = drawn(robot, 1, 50, replace(SCENE, walls=(wall,)))["robot_base"]
    assert base[:, 1].min() >= -0.42 + robot.FOOT


def test_a_cousin_of_its_own_has_the_same_lights_cameras_and_colours():
    xml, files = build(SCENE)
    assert dressed(xml, {}) == xml
    row = {name: v[0] for axis in (look, camera) for name, v in drawn(axis, 1, 1).items()}
    rgba = MODEL.geom_rgba.copy()
    rgba[look.surface_geoms(MODEL)] = row["surface_tint"]
    alone = compile_model(dressed(xml, row | {"geom_rgba": rgba}), files)
    for name in row:
        if name.startswith(("light_", "cam_")):
            np.testing.assert_allclose(getattr(alone, name), row[name], atol=1e-12, err_msg=name)
    np.testing.assert_array_equal(alone.geom_rgba[look.surface_geoms(alone)], row["surface_tint"])
    np.testing.assert_array_equal(alone.geom_rgba, rgba, "objects keep what the XML says")
