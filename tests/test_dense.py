"""From pictures and a mesh to an RGB-D capture; and which part of the world pictures show."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cousins.errors import ScanError
from cousins.mesh import matrix_from_quaternion
from cousins.photos.dense import rendered
from cousins.photos.region import region
from cousins.scene import look_at
from cousins.types import Intrinsics, Mesh, Views

CAMERA = Intrinsics(64, 48, 60.0, 60.0, 31.5, 23.5)
SQUARE = Mesh(
    np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]),
    np.array([[0, 1, 2], [0, 2, 3]], np.int32),
)


def seen(poses, camera=CAMERA, points=None, up=(0, 0, 1), pictures=None):
    def blank():
        for i in range(len(poses)):
            yield np.full((camera.height, camera.width, 3), i, np.uint8)

    points = np.zeros((0, 3)) if points is None else points
    up = None if up is None else np.array(up, float)
    return Views(np.stack(poses), camera, pictures or blank, np.arange(len(poses)), points, True,
                 "known", 0.3, up, warnings=("few photos",))  # fmt: skip


def frames(views, mesh, **settings):
    return list(rendered(Path("photos"), "photos", "0" * 64, views, mesh, **settings).frames())


def test_depth_is_the_meshs():
    pose = look_at(np.array([0.2, -0.3, 0.8]), np.zeros(3))
    (frame,) = frames(seen([pose]), SQUARE)
    k = frame.depth_intrinsics
    v, u = np.nonzero(frame.depth)
    assert len(v) == k.width * k.height
    z = frame.depth[v, u]
    local = np.column_stack([(u - k.cx) / k.fx * z, (v - k.cy) / k.fy * z, z])
    assert np.abs((local @ pose[:3, :3].T + pose[:3, 3])[:, 2]).max() < 1e-6
    assert (frame.colour == 0).all()
    assert frame.colour_intrinsics == CAMERA


def test_what_is_met_from_behind_or_grazing_or_far_away_is_unknown():
    below = look_at(np.array([0.2, -0.3, -0.8]), np.zeros(3))
    grazing = look_at(np.array([0, -3.0, 0.3]), np.zeros(3))
    away = look_at(np.array([0, 0.1, 3.0]), np.array([0, 0.2, 9.0]))
    above = look_at(np.array([0.2, -0.3, 0.8]), np.zeros(3))
    assert not any(f.depth.any() for f in frames(seen([below, grazing, away]), SQUARE))
    (frame,) = frames(seen([above]), SQUARE, max_range=0.9)
    assert 0 < (frame.depth > 0).mean() < 1
    assert frame.depth.max() <= 0.9


def test_depth_images_are_no_wider_than_asked_for():
    (frame,) = frames(seen([look_at(np.array([0, -0.3, 0.8]), np.zeros(3))]), SQUARE, width=32)
    assert frame.depth.shape == (24, 32)
    assert frame.depth_intrinsics == CAMERA.scaled(32, 24)
    assert frame.colour.shape == (48, 64, 3)


def test_the_capture_tells_what_the_views_tell_and_streams():
    made = []

    def pictures():
        for i in range(3):
            made.append(i)
            yield np.full((48, 64, 3), i, np.uint8)

    views = seen([look_at(np.array([0, -0.3, 0.8]), np.zeros(3))] * 3, pictures=pictures)
    capture = rendered(Path("photos"), "video", "a" * 64, views, SQUARE)
    assert (len(capture), capture.layout, capture.sha256) == (3, "video", "a" * 64)
    assert capture.warnings == ("few photos",)
    assert np.array_equal(capture.up, [0, 0, 1])
    assert not made
    stream = capture.frames()
    assert next(stream).index == 0
    assert made == [0]
    assert [f.index for f in capture.frames()] == [0, 1, 2]  # anew


def test_no_surface_is_no_scene():
    empty = Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int32))
    with pytest.raises(ScanError, match="no surface"):
        rendered(Path("photos"), "photos", "", seen([np.eye(4)]), empty)


def orbit(n=20, radius=0.8, height=0.6):
    turn = 2 * np.pi * np.arange(n) / n
    return [look_at(np.array([radius * np.cos(a), radius * np.sin(a), height]), np.zeros(3))
            for a in turn]  # fmt: skip


def on_table(n=800):
    rng = np.random.default_rng(0)
    return np.column_stack([rng.uniform(-0.3, 0.3, (n, 2)), rng.uniform(0, 0.15, n)])


def moved(views, pose):
    """The same views in another world."""
    points = views.points @ pose[:3, :3].T + pose[:3, 3]
    return Views(**{**vars(views), "poses": pose @ views.poses, "points": points,
                    "up": pose[:3, :3] @ views.up})  # fmt: skip


def test_the_region_holds_what_is_on_the_table():
    points = on_table()
    walls = np.random.default_rng(1).uniform(2, 5, (500, 3))  # sparse points on the background
    found = region(seen(orbit(), points=np.vstack([points, walls])))
    local = (points - found.frame[:3, 3]) @ found.frame[:3, :3]
    assert (np.abs(local) <= found.half).all()
    assert found.half.max() < 0.5
    assert np.abs(found.frame[:3, 2] - [0, 0, 1]).max() < 1e-9
    assert 0 < found.near < 0.5
    assert 1 < found.far < 3


@given(
    st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: sum(v * v for v in q) > 0.1),
    st.tuples(*[st.floats(-20, 20)] * 3),
    st.floats(0.1, 10),
)
def test_the_region_moves_and_grows_with_the_world(quaternion, shift, scale):
    pose = np.eye(4)
    pose[:3, :3] = matrix_from_quaternion(np.array(quaternion) / np.linalg.norm(quaternion))
    pose[:3, 3] = shift
    views = seen(orbit(), points=on_table())
    here, there = region(views), region(moved(views, pose))
    middle = pose[:3, :3] @ here.frame[:3, 3] + pose[:3, 3]
    # Turned about the vertical it may be, which changes the box of a square table by the diagonal.
    assert np.abs(there.frame[:3, 3] - middle).max() < 0.05
    assert np.abs(there.frame[:3, 2] - pose[:3, 2]).max() < 1e-6
    assert np.isclose(there.half[2], here.half[2], rtol=0.5)
    large = [p.copy() for p in views.poses]
    for p in large:
        p[:3, 3] *= scale
    grown = region(seen(large, points=scale * views.points))
    assert np.allclose(grown.half, scale * here.half)
    assert np.isclose(grown.near, scale * here.near)


def test_without_points_the_cameras_tell():
    found = region(seen(orbit(), up=None))
    assert np.linalg.norm(found.frame[:3, 3]) < 0.01
    assert np.array_equal(found.frame[:3, :3], np.eye(3))


def test_cameras_that_look_side_by_side_into_nothing_are_refused():
    poses = []
    for i in range(5):
        pose = np.eye(4)
        pose[0, 3] = i
        poses.append(pose)
    with pytest.raises(ScanError, match="share no place"):
        region(seen(poses))
