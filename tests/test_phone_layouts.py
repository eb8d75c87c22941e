"""Films in every layout are read back, with the same points in the world."""

import json

import mujoco
import numpy as np
import pytest

from cousins.capture import open_capture
from cousins.errors import UsageError
from cousins.phone import CAPTURE_FROM_WORLD, Exposure, Noise, Phone, Walk, film, kept
from cousins.scene import build, compile_model
from examples import TABLE, table_scene

FAST = {"colour_size": (160, 120), "frames": 6, "walk": Walk(arc=100)}
PERFECT = {**FAST, "noise": None}
NAMES = {"stray": "stray-scanner", "7scenes": "7-scenes"}


@pytest.fixture(scope="module")
def table():
    return compile_model(*build(table_scene()))


def points(frame):
    """What a frame sees, in the model's world."""
    k, z = frame.depth_intrinsics, frame.depth.astype(float)
    v, u = np.nonzero((z > 0) & (z < 1.2))
    local = np.stack([(u - k.cx) / k.fx, (v - k.cy) / k.fy, np.ones(len(u))], 1) * z[v, u, None]
    pose = np.linalg.inv(CAPTURE_FROM_WORLD) @ frame.world_from_camera
    return local @ pose[:3, :3].T + pose[:3, 3]


@pytest.mark.parametrize("name", NAMES)
def test_a_layout_is_read_back_with_the_points_where_they_were(table, tmp_path, name):
    capture = open_capture(film(table, tmp_path / "film", Phone(layout=name, **PERFECT)))
    assert capture.layout == NAMES[name]
    assert len(capture) == 6
    assert not capture.warnings
    model_data = mujoco.MjData(table)
    mujoco.mj_forward(table, model_data)
    box = next(o for o in json.loads((tmp_path / "film.truth.json").read_text())["objects"]
               if o["name"] == "box_1")  # fmt: skip
    low, high = np.array(box["bounds"])
    on_table = on_top = 0
    for frame in capture.frames():
        found = points(frame)
        inside = ((found[:, :2] > low[:2] + 0.01) & (found[:, :2] < high[:2] - 0.01)).all(1)
        assert np.abs(found[inside, 2] - high[2]).max(initial=0) < 1.5e-3
        on_top += inside.sum()
        near = np.abs(found[:, 2] - TABLE) < 0.01
        beside = near & (np.abs(found[:, :2]) < 0.25).all(1)
        on_table += beside.sum()
        assert np.abs(np.median(found[beside, 2]) - TABLE) < 5e-4
    assert on_top > 300
    assert on_table > 3000


def test_the_kinects_colours_are_seen_from_its_colour_camera(tmp_path):
    """A red ball's pixels in the picture are where its points lie in the colour camera."""
    model = mujoco.MjModel.from_xml_string(
        '<mujoco><worldbody><geom type="plane" size="2 2 .1" rgba="0 0 1 1"/>'
        '<body pos="0 0 .1"><freejoint/><geom type="sphere" size=".1" rgba="1 0 0 1"/></body>'
        "</worldbody></mujoco>"
    )
    shared = {"noise": None, "frames": 3, "colour_size": (320, 240), "walk": Walk(arc=100)}
    kinect = film(model, tmp_path / "kinect", Phone(layout="7scenes", **shared))
    registered = film(
        model, tmp_path / "one", Phone(layout="7scenes", field_of_view=63.8, **shared)
    )
    for folder, apart in ((kinect, True), (registered, False)):
        for frame in open_capture(folder).frames():
            assert (frame.colour_from_depth is not None) == apart
            k, c = frame.depth_intrinsics, frame.colour_intrinsics
            v, u = np.nonzero(frame.depth)
            z = frame.depth[v, u].astype(float)
            local = np.stack([(u - k.cx) / k.fx * z, (v - k.cy) / k.fy * z, z, np.ones(len(z))])
            seen = (
                np.eye(4) if frame.colour_from_depth is None else frame.colour_from_depth
            ) @ local
            x = np.rint(seen[0] / seen[2] * c.fx + c.cx).astype(int)
            y = np.rint(seen[1] / seen[2] * c.fy + c.cy).astype(int)
            inside = (x >= 0) & (x < c.width) & (y >= 0) & (y < c.height)
            pose = np.linalg.inv(CAPTURE_FROM_WORLD) @ frame.world_from_camera
            height = (pose @ local)[2]
            red = frame.colour[y[inside], x[inside], 0] > frame.colour[y[inside], x[inside], 2]
            assert (red == (height[inside] > 0.003)).mean() > 0.985


@pytest.mark.parametrize("name", NAMES)
def test_missing_frames_are_missing_everywhere_and_read_back(table, tmp_path, name):
    settings = {**PERFECT, "frames": 12, "layout": name}
    phone = Phone(missing=0.3, **settings)
    keep = kept(phone)
    assert keep.sum() == 8
    assert keep[0]
    assert keep[-1]
    capture = open_capture(film(table, tmp_path / "gaps", phone))
    whole = open_capture(film(table, tmp_path / "whole", Phone(**settings)))
    assert not capture.warnings
    assert len(capture) == 8
    every = [f for f, k in zip(whole.frames(), keep, strict=True) if k]
    for got, want in zip(capture.frames(), every, strict=True):
        assert np.array_equal(got.depth, want.depth)
        assert np.allclose(got.world_from_camera, want.world_from_camera)
        assert np.abs(got.colour.astype(int) - want.colour).mean() < 3
        if name == "stray":
            assert got.time == pytest.approx(want.time)


@pytest.mark.parametrize("name", NAMES)
def test_pictures_may_be_left_out_and_nothing_else_changes(table, tmp_path, name):
    settings = {**FAST, "frames": 4, "layout": name, "missing": 0.3}
    whole = open_capture(film(table, tmp_path / "whole", Phone(**settings)))
    folder = film(table, tmp_path / "bare", Phone(coloured=False, **settings))
    assert not [f for f in folder.rglob("*") if f.name == "rgb.mp4" or "color" in f.name]
    bare = open_capture(folder)
    assert (bare.layout, len(bare), bare.warnings) == (NAMES[name], len(whole), ())
    for got, want in zip(bare.frames(), whole.frames(), strict=True):
        assert got.colour is None
        assert want.colour is not None
        assert np.allclose(got.depth_intrinsics.matrix, want.depth_intrinsics.matrix, rtol=1e-9)
        assert np.array_equal(got.depth, want.depth)
        assert np.array_equal(got.world_from_camera, want.world_from_camera)


def test_what_is_switched_on_changes_nothing_else(table, tmp_path):
    """Blur, exposure and grain leave depth and poses alone; the drift leaves depth alone."""
    noise = Noise(smoothing=0)
    plain = Phone(**FAST, noise=noise)
    pictured = Phone(**FAST, noise=noise, exposure=Exposure(0.05, 0.2, 5.0))
    drifting = Phone(**FAST, noise=noise.scaled(drift=5))
    a, b, c = (
        list(open_capture(film(table, tmp_path / n, p)).frames())
        for n, p in [("a", plain), ("b", pictured), ("c", drifting)]
    )
    for x, y, z in zip(a, b, c, strict=True):
        assert np.array_equal(x.depth, y.depth)
        assert np.array_equal(x.world_from_camera, y.world_from_camera)
        assert np.array_equal(x.depth, z.depth)
    assert np.abs(a[2].colour.astype(int) - b[2].colour).mean() > 3
    assert not np.allclose(a[3].world_from_camera, c[3].world_from_camera, atol=1e-3)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"layout": "polaroid"}, "stray, 7scenes"),
        ({"colour_size": (300, 300)}, "same shape"),
        ({"missing": 1.0}, "missing"),
        ({"rate": 0.0}, "rate"),
        ({"field_of_view": 0.0}, "5 to 150"),
        ({"depth_size": (8, 6)}, "16 x 16"),
        ({"finer": 0}, "at least 1"),
    ],
)
def test_settings_that_film_nothing_are_refused(table, tmp_path, settings, told):
    with pytest.raises(UsageError, match=told):
        film(table, tmp_path / "film", Phone(**settings))
    assert not list(tmp_path.iterdir())
