"""The simulated phone tells the truth when asked to, and errs as a phone does otherwise."""

import json

import mujoco
import numpy as np
import pytest
import trimesh
from surfaces import off

from cousins import raycast
from cousins.capture import open_capture
from cousins.errors import CaptureError, UsageError
from cousins.phone import CAPTURE_FROM_WORLD, Noise, Phone, Walk, film, middle, poses
from cousins.scene import build, compile_model, look_at
from cousins.types import Intrinsics
from examples import TABLE, table_scene

FAST = {"colour_size": (160, 120), "frames": 8}
VIEW = Intrinsics(256, 192, 205.0, 205.0, 127.5, 95.5)


def one(geom, asset=""):
    model = mujoco.MjModel.from_xml_string(
        f"<mujoco><asset>{asset}</asset><worldbody>{geom}</worldbody></mujoco>"
    )
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


@pytest.fixture(scope="module")
def table():
    return compile_model(*build(table_scene()))


@pytest.fixture(scope="module")
def still(table, tmp_path_factory):
    """A film without noise."""
    folder = tmp_path_factory.mktemp("still") / "film"
    return film(table, folder, Phone(noise=None, **FAST))


def test_depth_of_a_known_box_from_a_known_camera():
    model, data = one('<geom type="box" size=".05 .1 .2" pos=".3 0 .2"/>')
    pose = look_at(np.array([1.3, 0, 0.2]), np.array([0.3, 0, 0.2]))
    depth, cosine, _ = raycast.depth(raycast.stage(model, data), VIEW, pose)
    assert depth[96, 128] == pytest.approx(0.95, abs=1e-4)  # the front face, 1 m - 5 cm away
    assert cosine[96, 128] == pytest.approx(1, abs=1e-4)
    seen = depth > 0
    assert np.abs(depth[seen] - 0.95).max() < 1e-4  # a plane across the axis has one depth
    # 20 cm wide and 40 cm high at 0.95 m under a focal length of 205 pixels:
    assert np.ptp(np.flatnonzero(seen.any(0))) + 1 == pytest.approx(205 * 0.2 / 0.95, abs=1)
    assert np.ptp(np.flatnonzero(seen.any(1))) + 1 == pytest.approx(205 * 0.4 / 0.95, abs=1)


CUBE = '<mesh name="m" vertex="0 0 0 .2 0 0 0 .2 0 .2 .2 0 0 0 .2 .2 0 .2 0 .2 .2 .2 .2 .2"/>'


@pytest.mark.parametrize(
    ("geom", "asset", "top"),
    [
        ('<geom type="plane" size="1 1 .1" pos="0 0 .1"/>', "", 0.1),
        ('<geom type="plane" size="0 0 .1" pos="0 0 .1"/>', "", 0.1),
        ('<geom type="sphere" size=".1"/>', "", 0.1),
        ('<geom type="ellipsoid" size=".2 .1 .05"/>', "", 0.05),
        ('<geom type="cylinder" size=".1 .15"/>', "", 0.15),
        ('<geom type="capsule" size=".1 .15"/>', "", 0.25),
        ('<geom type="box" size=".1 .1 .1" euler="0 90 0"/>', "", 0.1),
        ('<geom type="mesh" mesh="m" pos="-.1 -.1 0"/>', CUBE, 0.2),
    ],
)
def test_every_kind_of_geom_stands_where_mujoco_has_it(geom, asset, top):
    """MuJoCo recentres meshes; they are still seen where they were put."""
    model, data = one(geom, asset)
    stage = raycast.stage(model, data)
    hits = raycast.cast(stage, np.array([[0.003, 0.002, 2.0]]), np.array([[0, 0, -1.0]]))
    assert 2 - hits.distance[0] == pytest.approx(top, abs=5e-4)
    assert hits.geom[0] == 0
    assert hits.normal[0] == pytest.approx([0, 0, 1], abs=0.06)
    normal = np.zeros(3)
    distance = mujoco.mj_ray(
        model, data, np.array([0.003, 0.002, 2.0]), np.array([0, 0, -1.0]), None, 1, -1,
        np.zeros(1, np.int32), normal,
    )  # fmt: skip
    assert hits.distance[0] == pytest.approx(distance, abs=5e-4)


def test_hidden_groups_are_not_filmed():
    model, data = one('<geom type="sphere" size=".1" group="3"/>')
    with pytest.raises(UsageError, match="no visible geom"):
        raycast.stage(model, data)


def test_a_height_field_is_refused_by_name():
    model, data = one(
        '<geom name="hill" type="hfield" hfield="h"/>',
        '<hfield name="h" nrow="2" ncol="2" size="1 1 1 1" elevation="0 0 0 1"/>',
    )
    with pytest.raises(UsageError, match="geom hill"):
        raycast.stage(model, data)


def test_a_mesh_shows_its_texture_the_right_way_up():
    quad = (
        '<texture name="t" type="2d" builtin="flat" width="64" height="64" rgb1="1 1 1"/>'
        '<material name="t" texture="t"/>'
        '<mesh name="m" vertex="-1 -1 0 1 -1 0 1 1 0 -1 1 0 0 0 -1" '
        'texcoord="0 1 1 1 1 0 0 0 0 0" face="0 1 2 0 2 3 1 0 4 2 1 4 3 2 4 0 3 4"/>'
    )
    model, data = one('<geom type="mesh" mesh="m" material="t"/>', quad)
    pixels = model.tex_data.reshape(64, 64, -1)
    pixels[:32, :, 1:] = 0  # the picture's upper half is red, as stored: row 0 at v = 0
    stage = raycast.stage(model, data)
    start = np.array([[0, 0.5, 1.0], [0, -0.5, 1.0]])
    hits = raycast.cast(stage, start, np.tile([0, 0, -1.0], (2, 1)))
    colours = raycast.albedo(stage, hits)
    v = np.einsum("ni,nij->nj", hits.weights, stage.uv[hits.face])[:, 1]
    assert v == pytest.approx([0.25, 0.75])
    assert colours == pytest.approx(np.array([[1, 0, 0], [1, 1, 1]]))


def test_what_stands_in_the_light_casts_a_shadow():
    model, data = one(
        '<geom type="plane" size="1 1 .1" rgba="1 1 1 1"/>'
        '<geom type="box" size=".1 .1 .01" pos="0 0 .3"/>'
    )
    stage = raycast.stage(model, data)
    pose = look_at(np.array([0.0, -1.0, 0.6]), np.zeros(3))
    lamp = np.array([[0, 0, 2.0]])
    image = raycast.picture(stage, VIEW, pose, lamp).astype(int)
    inverse = np.linalg.inv(pose)
    dark, bright = (
        (VIEW.matrix @ (inverse[:3, :3] @ p + inverse[:3, 3])) for p in np.array(
            [[0, 0, 0], [0.4, 0, 0]])
    )  # fmt: skip
    at = [image[int(p[1] / p[2]), int(p[0] / p[2])].mean() for p in (dark, bright)]
    assert at[0] < 0.7 * at[1]


def test_a_film_is_read_back_with_its_poses(still, table):
    capture = open_capture(still)
    assert capture.layout == "stray-scanner"
    assert not capture.warnings
    data = mujoco.MjData(table)
    mujoco.mj_forward(table, data)
    true = CAPTURE_FROM_WORLD @ poses(Phone(noise=None, **FAST), middle(table, data))
    assert np.abs(capture.poses - true).max() < 1e-6
    assert np.all(capture.poses[:, 1, 3] > TABLE)  # y is up


def test_a_film_without_noise_lies_on_the_true_surfaces(still):
    """Every sensed point, moved into the model's world, is within a millimetre of a surface."""
    truth = json.loads((still.parent / "film.truth.json").read_text())
    box = next(o for o in truth["objects"] if o["name"] == "box_1")
    mesh = trimesh.Trimesh(box["vertices"], box["faces"])
    low, high = np.array(box["bounds"]) + np.array([[-0.01], [0.01]])
    low[2] = TABLE + 0.004
    seen = 0
    for frame in open_capture(still).frames():
        k, z = frame.depth_intrinsics, frame.depth.astype(float)
        v, u = np.nonzero(z > 0)
        local = np.stack([(u - k.cx) / k.fx, (v - k.cy) / k.fy, np.ones(len(u))], 1)
        points = local * z[v, u, None]
        pose = np.linalg.inv(CAPTURE_FROM_WORLD) @ frame.world_from_camera
        points = points @ pose[:3, :3].T + pose[:3, 3]
        near = points[((points > low) & (points < high)).all(1)]
        seen += len(near)
        if len(near):
            assert off(mesh, near).max() < 1e-3
    assert seen > 5000


def test_the_truth_names_objects_and_their_support(still):
    truth = json.loads((still.parent / "film.truth.json").read_text())
    assert truth["support_height"] == pytest.approx(TABLE, abs=1e-6)
    by_name = {o["name"]: o for o in truth["objects"]}
    assert sorted(by_name) == ["ball_1", "box_1", "can_1", "ell_1"]
    box = by_name["box_1"]
    assert box["size"] == pytest.approx([0.06, 0.16, 0.21], abs=1e-6)
    assert box["centre"] == pytest.approx([0.3, 0.1, TABLE + 0.105], abs=1e-6)
    assert box["volume"] == pytest.approx(0.06 * 0.16 * 0.21, rel=1e-6)
    assert box["mass"] > 0
    ell = trimesh.Trimesh(by_name["ell_1"]["vertices"], by_name["ell_1"]["faces"])
    assert ell.is_watertight
    assert ell.volume == pytest.approx(by_name["ell_1"]["volume"], rel=1e-4)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(table, tmp_path):
    films = [
        film(table, tmp_path / name, Phone(seed=seed, **{**FAST, "frames": 2}))
        for name, seed in [("a", 1), ("b", 1), ("c", 2)]
    ]
    for name in ("depth/000001.png", "confidence/000001.png", "odometry.csv", "rgb.mp4"):
        a, b, c = ((f / name).read_bytes() for f in films)
        assert a == b
        assert a != c


def test_noise_is_of_the_size_that_was_asked_for(table, tmp_path):
    phone = Phone(**{**FAST, "frames": 3})
    noisy = list(open_capture(film(table, tmp_path / "noisy", phone)).frames())
    clean = Phone(noise=None, **{**FAST, "frames": 3})
    clear = list(open_capture(film(table, tmp_path / "clear", clean)).frames())
    errors, sure = [], []
    for a, b in zip(noisy, clear, strict=True):
        assert a.confidence is not None
        both = (a.confidence == 2) & (b.depth > 0) & (b.depth < 1)
        errors.append((a.depth - b.depth)[both])
        sure.append((a.confidence == 2).mean())
    error = np.concatenate(errors)
    noise = Noise()
    expected = noise.floor + noise.growth * 0.75**2
    assert abs(np.median(error)) < 0.0005
    assert 0.5 * expected < error.std() < 2 * expected
    assert 0.6 < np.mean(sure) < 1
    drift = np.linalg.norm(noisy[-1].world_from_camera - clear[-1].world_from_camera)
    assert 0 < drift < 0.01


def test_edges_are_smeared_and_marked_as_unsure(table, tmp_path):
    phone = Phone(noise=Noise(floor=0, growth=0, sway=0, turn=0), **{**FAST, "frames": 1})
    frame = next(open_capture(film(table, tmp_path / "film", phone)).frames())
    assert frame.confidence is not None
    step = np.abs(np.diff(frame.depth, axis=1))
    jumps = (step > 0.05) & (frame.depth[:, 1:] > 0) & (frame.depth[:, :-1] > 0)
    assert jumps.any()
    assert (frame.confidence[:, 1:][jumps] < 2).mean() > 0.9


def test_the_walk_keeps_its_distance_and_looks_at_the_target():
    walk = Walk(arc=360, distance=(0.6, 0.8), elevation=(30, 50), unsteadiness=0)
    path = poses(Phone(frames=60, walk=walk), (0.0, 0.0, 0.0))
    eyes = path[:, :3, 3]
    distance = np.linalg.norm(eyes, axis=1)
    assert distance.min() > 0.599
    assert distance.max() < 0.801
    elevation = np.degrees(np.arcsin(eyes[:, 2] / distance))
    assert elevation.min() > 29.9
    assert elevation.max() < 50.1
    assert np.abs(np.einsum("ij,ij->i", path[:, :3, 2], -eyes / distance[:, None]) - 1).max() < 1e-9
    azimuth = np.unwrap(np.arctan2(eyes[:, 1], eyes[:, 0]))
    assert np.ptp(azimuth) == pytest.approx(2 * np.pi, abs=1e-6)


def test_films_are_whole_or_not_there(table, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="at least one"):
        film(table, tmp_path / "film", Phone(frames=0))
    (tmp_path / "taken").mkdir()
    with pytest.raises(CaptureError, match="taken: already exists"):
        film(table, tmp_path / "taken", Phone(**FAST))

    def stop(stage, done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        film(table, tmp_path / "film", Phone(**FAST), progress=stop)
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_a_model_with_nothing_to_move_needs_a_target(tmp_path):
    model, _ = one('<geom type="box" size=".1 .1 .1"/>')
    with pytest.raises(UsageError, match="target"):
        film(model, tmp_path / "film", Phone(**FAST))
    walk = Walk(target=(0, 0, 0))
    film(model, tmp_path / "film", Phone(walk=walk, **{**FAST, "frames": 1}))
    truth = json.loads((tmp_path / "film.truth.json").read_text())
    assert truth["objects"] == []
    assert truth["support_height"] is None
