"""Depth of pictures alone: what is told of a known scene, and what is left unknown."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation, map_coordinates

from cousins.errors import ScanError
from cousins.photos.neighbours import ground, in_view, neighbours, sweep
from cousins.photos.paths import FULL, aggregated, between
from cousins.photos.stereo import Stereo, capture
from cousins.scene import look_at
from cousins.types import Intrinsics, Photos, Views

CAMERA = Intrinsics(160, 120, 150.0, 150.0, 79.5, 59.5)
LOW, HIGH = np.array([-0.08, -0.06, 0.0]), np.array([0.08, 0.06, 0.1])  # a box on the plane z = 0
REACH = 0.45  # m: half a side of the plane; beyond it lies a blank wall all around
STILL = Stereo(width=160, threads=1)


def _poses(n=8):
    turn = np.radians(np.linspace(-20, 20, n))
    eyes = np.stack([0.55 * np.sin(turn), -0.55 * np.cos(turn), 0.5 + 0.05 * np.cos(5 * turn)], 1)
    return np.stack([look_at(eye, np.array([0.0, 0.0, 0.03])) for eye in eyes])


def _hit(pose):
    """Depth (h, w), 0 on the wall, and the points (h, w, 3) that are seen."""
    u, v = np.meshgrid(np.arange(CAMERA.width), np.arange(CAMERA.height))
    ray = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(CAMERA.matrix).T @ pose[:3, :3].T
    eye = pose[:3, 3]
    plane = -eye[2] / ray[..., 2]
    on = np.abs(eye + plane[..., None] * ray)[..., :2].max(-1) < REACH
    depth = np.where((plane > 0) & on, plane, np.inf)
    sides = np.sort([(LOW - eye) / ray, (HIGH - eye) / ray], axis=0)
    enter, leave = sides[0].max(-1), sides[1].min(-1)
    depth = np.where(enter < leave, np.minimum(depth, enter), depth)
    known = np.isfinite(depth)
    depth = np.where(known, depth, 0)
    return depth, eye + depth[..., None] * ray


@cache
def _seen(blank=False):
    """Pictures of the scene, patterned all through, or blank, and their depth."""
    noise = np.random.default_rng(0).uniform(30, 225, (48, 48, 48))
    pictures, depths = [], []
    for pose in _poses():
        depth, points = _hit(pose)
        grey = map_coordinates(noise, points.reshape(-1, 3).T / 0.014, order=1, mode="grid-wrap")
        grey = np.where(depth > 0, grey.reshape(depth.shape), 128)
        grey = np.full_like(grey, 128) if blank else grey
        pictures.append(np.repeat(np.rint(grey)[..., None], 3, 2).astype(np.uint8))
        depths.append(depth)
    return pictures, np.stack(depths)


def _views(blank=False, up=None):
    pictures, depths = _seen(blank)
    poses = _poses()
    points = _hit(poses[3])[1][depths[3] > 0][::17]
    rng = np.random.default_rng(1)
    points = points + rng.normal(0, 0.001, points.shape)
    return Views(poses, CAMERA, lambda: iter(pictures), np.arange(len(poses)), points, True, "test",
                 0.5, up)  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Depth maps (n, h, w) of the patterned scene."""
    return np.stack([np.load(p) for p in STILL(_views(), tmp_path_factory.mktemp("found"))])


def test_depth_is_right_where_it_is_told(found):
    truth = _seen()[1]
    both = (found > 0) & (truth > 0)
    error = np.abs(found[both] / truth[both] - 1)
    assert both.sum() > 0.8 * (truth > 0).sum()
    assert np.median(error) < 0.003
    assert (error > 0.02).mean() < 0.03


def test_edges_are_not_smeared(found):
    """What is off by more than two percent lies within four pixels of the box's outline."""
    truth = _seen()[1]
    for depth, true in zip(found, truth, strict=True):
        off = (depth > 0) & (true > 0) & (np.abs(depth - true) > 0.02 * true)
        jump = np.zeros_like(off)
        jump[:, 1:] |= np.abs(np.diff(true, axis=1)) > 0.02
        jump[1:] |= np.abs(np.diff(true, axis=0)) > 0.02
        far = off & ~np.asarray(binary_dilation(jump, iterations=4), bool)
        assert far.sum() < 0.005 * off.size


def test_a_blank_wall_stays_unknown(found):
    wall = np.asarray(_seen()[1] == 0, bool)
    inner = ~np.asarray(binary_dilation(~wall, iterations=4), bool)
    assert inner.sum() > 100
    assert (found[inner] > 0).mean() < 0.02


def test_blank_pictures_are_no_picture_of_anything(tmp_path):
    with pytest.raises(ScanError, match="no depth can be told"):
        STILL(_views(blank=True), tmp_path)


def test_threads_change_nothing(found, tmp_path):
    paths = Stereo(width=160, threads=3)(_views(), tmp_path)
    assert all(np.array_equal(np.load(p), d) for p, d in zip(paths, found, strict=True))
    assert sorted(p.name for p in (tmp_path / "stereo").iterdir()) == [p.name for p in paths]


def test_a_capture_of_views_is_an_ordinary_one(tmp_path):
    views = _views(up=np.array([0.0, 0.0, 1.0]))
    paths = [tmp_path / f"{i}.npy" for i in range(len(views))]
    for i, path in enumerate(paths):
        np.save(path, np.full((60, 80), 0.0 if i == 2 else 1.0, np.float32))
    photos = Photos(Path("p"), "photos", ("a",) * 8, (160, 120), "0" * 64, views.pictures)
    made = capture(views, paths, photos)
    frames = list(made.frames())
    assert len(made) == len(frames) == 7
    assert [f.index for f in frames] == list(range(7))
    assert all(np.array_equal(f.world_from_camera, p) for f, p in zip(frames, made.poses,
               strict=True))  # fmt: skip
    assert np.array_equal(np.asarray(frames[2].colour), _seen()[0][3])
    assert frames[0].depth_intrinsics == CAMERA.scaled(80, 60)
    assert (made.layout, made.metric, made.scale_source) == ("photos", True, "test")
    assert "1 of 8 pictures gave no depth" in made.warnings[-1]


def test_views_that_share_nothing_give_no_depth(tmp_path):
    views = _views()
    alone = Views(views.poses[:1], CAMERA, lambda: iter(_seen()[0][:1]), np.arange(1),
                  views.points, True, "test", 0.5)  # fmt: skip
    with pytest.raises(ScanError, match="no depth can be told"):
        STILL(alone, tmp_path)


def test_neighbours_are_others_from_aside():
    poses = _poses()
    chosen = neighbours(poses, CAMERA, _views().points, 4)
    for i, others in enumerate(chosen):
        assert len(set(others.tolist()) - {i}) == len(others) == 4
    # In the middle of the way, views from both sides.
    assert chosen[4].min() < 4 < chosen[4].max()


def test_the_ground_is_found_among_the_points():
    flat = ground(_views().points, _poses(), None)
    assert flat is not None
    assert flat[2] > 0.999
    assert abs(flat[3]) < 0.003


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), step=st.floats(0.5, 2.0), level=st.booleans())
def test_planes_cover_what_is_seen(seed, step, level):
    """Law: of the points that a view sees, nearly all lie between its first and its last plane."""
    rng = np.random.default_rng(seed)
    points = rng.uniform([-0.4, -0.4, 0], [0.4, 0.4, 0.15], (400, 3))
    poses = _poses()
    flat = np.array([0.0, 0, 1, 0]) if level else None
    planes = sweep(points, flat, poses[0], poses[1:5], CAMERA, step, 500)
    assert planes is not None
    assert np.allclose(np.diff(planes.labels), planes.labels[1] - planes.labels[0])
    seen, z = in_view(points, poses[0], CAMERA)
    pixel = (points - poses[0][:3, 3]) @ poses[0][:3, :3] @ CAMERA.matrix.T / z[:, None]
    beyond = (1 / z - pixel @ planes.slope)[seen]
    covered = (beyond >= planes.labels[0]) & (beyond <= planes.labels[-1])
    assert covered.mean() > 0.97


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_paths_agree_with_the_definition_on_a_row(seed):
    """Law: with one row, what is chosen is what adds least along it, to and fro."""
    rng = np.random.default_rng(seed)
    cost = rng.integers(0, FULL, (1, 6, 9)).astype(np.int16)
    jump = rng.integers(20, 200, (1, 9)).astype(np.int16)
    total = aggregated(cost, jump, 20)
    expected = 6 * cost[0].astype(int)  # the six paths that enter at this row
    for way in (1, -1):
        last = None
        for x in range(9)[::way]:
            now = cost[0, :, x].astype(int)
            if last is not None:
                gap = np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
                price = np.where(gap == 0, 0, np.where(gap == 1, 20, jump[0, x]))
                now = now + (last[None] + price).min(1) - last.min()
            expected[:, x] += now
            last = now
    assert np.array_equal(total[0], expected)


def test_a_label_between_labels():
    place = 3.3
    cost = np.rint(50 * (np.arange(8) - place) ** 2).astype(np.int16)[None, :, None]
    label = between(cost)
    assert label[0, 0] == pytest.approx(place, abs=0.02)
