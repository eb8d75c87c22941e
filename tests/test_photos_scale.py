"""Metres from a tag or from tracked positions, on views made up without any picture."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cousins.phone.walk import Walk, viewpoints
from cousins.photos import align
from cousins.photos.marks import Sight, marks
from cousins.photos.scale import AWAY, distance, rescaled, scaled
from cousins.reconstruct.gravity import rotation_to_z
from cousins.types import Intrinsics, Photos, Views

CAMERA = Intrinsics(960, 720, 770.0, 770.0, 479.5, 359.5)
CORNERS = np.array([[-0.05, 0.05, 0], [0.05, 0.05, 0], [0.05, -0.05, 0], [-0.05, -0.05, 0]])


def poses(n=30, arc=200.0, path="arc"):
    walk = Walk(arc=arc, target=(0.0, 0.0, 0.0), path=path)
    return viewpoints(walk, walk.target, n, 10.0, np.random.default_rng(0))


def seen(true, corners=CORNERS, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    for i, pose in enumerate(np.linalg.inv(true)):
        x, y, z = (corners @ pose[:3, :3].T + pose[:3, 3]).T
        pixels = np.stack([CAMERA.fx * x / z + CAMERA.cx, CAMERA.fy * y / z + CAMERA.cy], 1)
        yield Sight(i, 0, pixels + noise * rng.standard_normal((4, 2)))


def elsewhere(true, scale=7.0):
    """The poses as structure from motion gives them: turned, moved and of no known unit."""
    return align.moved(true, align.Similarity(
        scale, rotation_to_z(np.array([0.3, -0.5, 0.2])), np.array([1.0, 2, 3]), 0, 1, 0
    ))  # fmt: skip


def views(at, points=CORNERS):
    return Views(at, CAMERA, lambda: iter(()), np.arange(len(at)), points, False, "none", 0.5)


def photos(tracked, **more):
    names = tuple(map(str, range(len(tracked))))
    return Photos(None, "x", names, (960, 720), "0", lambda: iter(()), poses=tracked, **more)


@given(st.floats(0.01, 100), st.integers(0, 100))
def test_a_tags_side_is_found_in_any_unit(scale, seed):
    true = poses()
    (mark,) = marks(list(seen(true, noise=0.3, seed=seed)), elsewhere(true, scale), CAMERA)
    assert mark.views == 30
    assert mark.side == pytest.approx(0.1 * scale, rel=0.004)
    assert mark.spread < 0.02
    assert abs(mark.side / (0.1 * scale) - 1) < 5 * mark.error


def test_wrong_sights_of_a_tag_are_left_out():
    true = poses()
    sights = list(seen(true))
    for i in range(0, 30, 3):
        sights[i] = replace(sights[i], corners=sights[i].corners + 40.0 * (1 + i % 4))
    (mark,) = marks(sights, true, CAMERA)
    assert mark.views == 20
    assert mark.corners == pytest.approx(CORNERS, abs=1e-6)


def test_two_sights_of_a_tag_are_not_enough():
    assert marks(list(seen(poses()))[:2], poses(), CAMERA) == []


@given(st.integers(0, 200))
def test_tracking_with_noise_gives_scale_and_world(seed):
    true = poses(40)
    tracked = true.copy()
    tracked[:, :3, 3] += np.random.default_rng(seed).normal(0, 0.005, (40, 3))
    fit = align.similarity(elsewhere(true), tracked)
    assert fit.scale == pytest.approx(1 / 7, rel=0.01)
    got = align.moved(elsewhere(true), fit)
    assert np.median(np.linalg.norm((got - true)[:, :3, 3], axis=1)) < 0.004


@given(st.floats(0.0, 0.4), st.integers(0, 200))
def test_a_jump_of_tracking_pulls_nothing(share, seed):
    true, rng = poses(40), np.random.default_rng(seed)
    tracked = true.copy()
    lost = int(share * 40)
    tracked[40 - lost :, :3, 3] += rng.uniform(0.2, 0.5, 3)
    tracked[:, :3, 3] += rng.normal(0, 0.003, (40, 3))
    assert align.similarity(elsewhere(true), tracked).scale == pytest.approx(1 / 7, rel=0.015)


def test_a_straight_path_still_tells_which_way_is_up():
    true = np.tile(poses(1)[0], (20, 1, 1))
    true[:, 0, 3] += np.linspace(-0.5, 0.5, 20)
    tracked = true.copy()
    tracked[:, :3, 3] += np.random.default_rng(0).normal(0, 0.005, (20, 3))
    fit = align.similarity(elsewhere(true), tracked)
    assert align.moved(elsewhere(true), fit)[:, :3, :3] == pytest.approx(true[:, :3, :3], abs=0.02)


def test_tracking_that_stands_still_or_contradicts_is_not_believed():
    true = poses()
    still = np.tile(true[0], (30, 1, 1))
    wild = true.copy()
    wild[:, :3, 3] = np.random.default_rng(0).normal(0, 0.5, (30, 3))
    for tracked in (still, wild):
        got = scaled(views(elsewhere(true)), photos(tracked))
        assert not got.metric
        assert any("tracking" in warning for warning in got.warnings)


def test_without_metres_the_world_is_of_an_arms_length():
    at = elsewhere(poses())
    points = align.moved(np.tile(np.eye(4), (4, 1, 1)) + 0.0, align.Similarity(
        7.0, rotation_to_z(np.array([0.3, -0.5, 0.2])), np.array([1.0, 2, 3]), 0, 1, 0
    ))[:, :3, 3]  # fmt: skip
    got = scaled(views(at, points), photos(at, metric=False))
    assert distance(got) == pytest.approx(AWAY)
    assert got.scale_source.startswith("none")
    known = rescaled(got, 2.0, "the mug is 80 mm wide")
    assert known.metric
    assert known.scale_source == "the mug is 80 mm wide"
    assert distance(known) == pytest.approx(2 * AWAY)
    assert known.poses[:, :3, :3] == pytest.approx(got.poses[:, :3, :3])


def test_solved_poses_stay_where_they_are():
    true = poses()
    given_ = replace(views(true), metric=True, scale_source="the capture's own poses")
    assert scaled(given_, photos(true, solved=True, camera=CAMERA)) is given_
