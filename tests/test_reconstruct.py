"""Depth made fit, fusion, and which way is up."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from surfaces import CAMERA, around, filmed, off, plane, seen, standing, turned

from cousins.errors import ScanError
from cousins.mesh import matrix_from_quaternion
from cousins.reconstruct.depth import clean, points, registered_colour, transform
from cousins.reconstruct.gravity import estimate_up, rotation_to_z
from cousins.reconstruct.tsdf import Region, Tsdf
from cousins.types import Frame


def frame(depth, **more):
    h, w = depth.shape
    camera = CAMERA.scaled(w, h)
    colour = np.zeros((h, w, 3), np.uint8)
    return Frame(0, 0.0, np.eye(4), depth.astype(np.float32), camera, colour, camera, **more)


def test_what_is_not_known_is_dropped():
    depth = np.full((192, 256), 1.0)
    depth[10, 10], depth[10, 20], depth[10, 30] = np.nan, np.inf, 0.02
    depth[100:, 200:] = 4.5
    confidence = np.full(depth.shape, 2, np.uint8)
    confidence[50:60, 50:60], confidence[70:80, 70:80] = 0, 1
    cleaned = clean(frame(depth, confidence=confidence))
    assert cleaned.dtype == np.float32
    assert np.isfinite(cleaned).all()
    assert not cleaned[10, [10, 20, 30]].any()
    assert not cleaned[110:, 210:].any()
    assert not cleaned[50:60, 50:60].any()
    assert (cleaned[70:80, 70:80] == 1).all()
    assert not clean(frame(depth), max_range=0.5).any()


def test_flying_pixels_between_front_and_back_are_dropped():
    """Also those that are neither: a blend across a depth edge, as a LiDAR's filter leaves it."""
    depth = np.full((192, 256), 1.5)
    depth[60:120, 80:160] = 1.0
    depth[60:120, 79] = depth[60:120, 160] = 1.25
    cleaned = clean(frame(depth))
    assert set(np.unique(cleaned)) == {0.0, 1.0, 1.5}
    assert (cleaned[62:118, 82:158] == 1).all()
    assert (cleaned[:58] == 1.5).all()


def test_a_steep_surface_is_no_edge():
    """A table seen from low down is kept as far as rays meet it at 78 degrees off its normal."""
    table = plane((-3, -3), (3, 3), 0.0, 1.0)
    [shot] = filmed([table], around((0, 0, 0), 1, 1.0, (15.0,)))
    v = np.arange(192)
    below = np.arctan((v - CAMERA.cy) / CAMERA.fy) + np.radians(15)
    rows = below > np.radians(12)
    assert rows.sum() > 100
    assert (clean(shot)[rows][:-1] > 0).all()


def test_points_lie_where_the_depth_was_cast():
    ball = trimesh.creation.icosphere(4, 0.2)
    for shot in filmed([ball], around((0, 0, 0), 3, 1.0)):
        p = transform(shot.world_from_camera, points(shot.depth, shot.depth_intrinsics, 2))
        assert len(p) > 500
        assert off(ball, p).max() < 1e-4


def test_colour_of_a_camera_that_sits_apart():
    """Each depth pixel takes the colour that its point has in the other camera."""
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None], 192, 0)
    shot = frame(np.full((192, 256), 0.8))
    apart = np.eye(4)
    apart[0, 3] = 0.05
    shot = replace(shot, colour=np.stack([ramp] * 3, -1), colour_from_depth=apart)
    got = registered_colour(shot)[90, 20:200, 0].astype(float)
    shift = 0.05 / 0.8 * CAMERA.fx
    assert np.abs(got - (np.arange(20, 200) + shift)).max() <= 1


def test_colour_is_brought_to_the_size_of_the_depth():
    shot = frame(np.ones((24, 32)))
    big = np.zeros((96, 128, 3), np.uint8)
    big[:48] = 200
    got = registered_colour(replace(shot, colour=big))
    assert got.shape == (24, 32, 3)
    assert (got[:11] == 200).all()
    assert not got[13:].any()


def test_fusion_gives_back_the_surface():
    ball, table = trimesh.creation.icosphere(4, 0.06), plane((-0.3, -0.3), (0.3, 0.3), 0, 0.1)
    ball = standing(ball, z=0.0)
    shots = filmed([ball, table], around((0, 0, 0.05), 10, 0.6), colours=[(220, 30, 30), (9, 9, 9)])
    world = np.eye(4)
    world[:3, 3] = 1.0, 2.0, 3.0
    surface = Tsdf(0.005, 0.02)(shots, world)
    p = surface.vertices - world[:3, 3]
    both = trimesh.util.concatenate([ball, table])
    assert np.quantile(off(both, p), 0.95) < 0.003
    top = p[:, 2] > 0.08
    assert top.sum() > 50
    outward = (p[top] - [0, 0, 0.06]) / 0.06
    assert np.quantile(np.einsum("ij,ij->i", outward, surface.normals[top]), 0.05) > 0.95
    assert surface.colours[top, 0].min() > 0.7
    # Within a box of the world: whole blocks of voxels, and no more.
    one = Tsdf(0.005, 0.02)(shots, world, (Region(p[top].min(0) + world[:3, 3],
                                                  p[top].max(0) + world[:3, 3]),))  # fmt: skip
    assert 0 < len(one.vertices) < len(p)
    assert (np.abs(one.vertices - world[:3, 3] - [0, 0, 0.1]) < 0.06 + 16 * 0.005).all()


def test_nothing_seen_is_an_empty_surface():
    empty = Tsdf()([frame(np.zeros((24, 32)))], np.eye(4))
    assert empty.vertices.shape == empty.normals.shape == (0, 3)
    assert len(empty.faces) == 0


units = arrays.arrays(float, 3, elements=st.floats(-1, 1))


@given(units)
def test_rotation_to_z_is_the_smallest_rotation_that_takes_up_to_z(up):
    assume(np.linalg.norm(up) > 1e-3)
    rotation = rotation_to_z(up)
    unit = up / np.linalg.norm(up)
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert np.allclose(rotation @ unit, [0, 0, 1], atol=1e-9)
    angle = np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))
    assert angle == pytest.approx(np.arccos(np.clip(unit[2], -1, 1)), abs=1e-6)


def room():
    """A floor and a table with two things on it, two walls, and a lid that leans at 35 degrees."""
    wall = plane((-1.5, 0), (1.5, 2), 0, 0.05)
    return [
        plane((-1.5, -1.5), (1.5, 1.5), 0.0, 0.05),
        plane((-0.5, -0.3), (0.5, 0.3), TABLE, 0.03),
        standing(trimesh.creation.box((0.2, 0.1, 0.15)), 0.2),
        standing(trimesh.creation.cylinder(0.05, 0.12), -0.2),
        turned(plane((-0.4, -0.4), (0.4, 0.4), 0.9, 0.05), [1, 0, 0], 35),
        turned(turned(wall, [1, 0, 0], 90), [0, 0, 1], 0, (0, 1.5, 0)),
        turned(turned(wall, [1, 0, 0], 90), [0, 0, 1], 90, (0, 0, 0)),
    ]


TABLE = 0.7


@settings(max_examples=15)
@given(st.floats(0, 360), st.floats(0, 25), st.integers(0, 100))
def test_up_is_found_from_planes_to_a_degree(azimuth, tilt, seed):
    """In a world that was set up askew, by up to what a person holds a camera askew."""
    rng = np.random.default_rng(seed)
    q = np.array([np.cos(np.radians(tilt) / 2), 0, 0, 0])
    q[1:3] = np.sin(np.radians(tilt) / 2) * np.array(
        [np.cos(np.radians(azimuth)), np.sin(np.radians(azimuth))]
    )
    askew = matrix_from_quaternion(q)
    surface = ROOM
    noisy = surface.normals + 0.05 * rng.standard_normal(surface.normals.shape)
    noisy /= np.linalg.norm(noisy, axis=1, keepdims=True)
    surface = replace(surface, vertices=surface.vertices @ askew.T, normals=noisy @ askew.T)
    poses = around((0, 0, TABLE), 12, 1.0, (20.0, 40.0))
    poses[:, :3] = askew @ poses[:, :3]
    up = estimate_up(surface, poses)
    assert np.degrees(np.arccos(np.clip(up @ askew[:, 2], -1, 1))) < 1.0


ROOM = seen(*room(), edge=0.04)


def test_up_needs_something_level():
    wall = turned(plane((-1, -1), (1, 1), 0, 0.05), [1, 0, 0], 90)
    with pytest.raises(ScanError, match="no horizontal surface was seen"):
        estimate_up(seen(wall, edge=0.05), around((0, 0, 0), 8, 1.0, (5.0,)))
