"""Hands and things that move are left out of a scan; what stands still is left alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import KDTree
from surfaces import TABLE, around, chamfer, filmed, inner_points, lookup, plane, standing

from cousins import scanning
from cousins.assembly import bake_all
from cousins.cache import Cache
from cousins.capture import open_capture
from cousins.phone import Phone, Walk, film
from cousins.progress import silent
from cousins.reconstruct.depth import clean, transform
from cousins.reconstruct.transient import Transient, without
from cousins.scene import build, compile_model
from cousins.types import Capture, Intrinsics
from examples import table_scene

CAMERA = Intrinsics(128, 96, 102.5, 102.5, 63.5, 47.5)
POSES = around((0.0, 0.0, TABLE + 0.03), 24)
DESK = (
    plane((-0.6, -0.5), (0.6, 0.5), TABLE),
    standing(trimesh.creation.cylinder(0.04, 0.12), -0.18, 0.05),
)
BOX = trimesh.creation.box((0.07, 0.09, 0.14))
HERE, THERE = standing(BOX, 0.15, 0.08), standing(BOX, 0.12, -0.16)


def noisy(frames, sigma=0.003, seed=0):
    """The frames with a phone's noise in their depth."""
    rng = np.random.default_rng(seed)
    return [
        replace(f, depth=(f.depth + sigma * rng.standard_normal(f.depth.shape) * (f.depth > 0))
                .astype(np.float32))
        for f in frames
    ]  # fmt: skip


def found(frames, poses=POSES, **settings):
    """The masks, at the frames' own size, which is small enough."""
    return Transient(**settings)(lambda: iter(frames), poses)


def spliced(*parts):
    """Frames of the first list, but those that a later part (frames, indices) names."""
    out = list(parts[0])
    for frames, which in parts[1:]:
        for i in which:
            out[i] = frames[i]
    return out


STILL = noisy(filmed([*DESK, HERE], POSES, CAMERA))


def test_what_stands_still_is_left_alone():
    assert not found(STILL).any()


@settings(max_examples=4, deadline=None)
@given(
    x=st.floats(-0.08, 0.03), y=st.floats(-0.2, 0.2), z=st.floats(0.1, 0.2),
    first=st.integers(0, 23), count=st.integers(1, 7),
)  # fmt: skip
def test_what_is_there_for_a_while_is_masked_and_nothing_else(x, y, z, first, count):
    fist = trimesh.creation.icosphere(3, 0.045).apply_translation([x, y, TABLE + z])
    which = [(first + i) % 24 for i in range(count)]
    visited = noisy(filmed([*DESK, HERE, fist], POSES, CAMERA))
    masks = found(spliced(STILL, (visited, which)))
    theirs = np.array([np.abs(visited[i].depth - STILL[i].depth) > 0.015 for i in range(24)])
    theirs[[i for i in range(24) if i not in which]] = False
    assert not (masks & ~theirs).any()
    for i in which:
        if theirs[i].sum() > 100:  # else it is all but out of the picture
            after = clean(without(visited[i], masks[i])) > 0
            assert (theirs[i] & after).sum() < 0.05 * theirs[i].sum()


def test_a_frame_that_is_wrong_as_a_whole_is_left_alone():
    wrong = replace(STILL[5], depth=STILL[5].depth * np.float32(0.8))
    assert not found(spliced(STILL, ({5: wrong}, [5]))).any()


def test_few_references_find_the_same():
    fist = trimesh.creation.icosphere(3, 0.045).apply_translation([0, -0.1, TABLE + 0.1])
    frames = spliced(STILL, (noisy(filmed([*DESK, HERE, fist], POSES, CAMERA)), [3, 4, 5]))
    all_of_them, some = found(frames), found(frames, references=12)
    assert all_of_them[3:6].any((1, 2)).all()
    assert (all_of_them ^ some).sum() < 0.1 * all_of_them.sum()


def test_two_frames_tell_nothing():
    assert not found(STILL[:2], POSES[:2]).any()


def test_a_moved_thing_stands_where_most_frames_have_it():
    """Where it stood for less it is masked, and where it stands no frame sees through it."""
    late = [2, 3, 8, 9, 14, 15, 20, 21]
    moved = noisy(filmed([*DESK, THERE], POSES, CAMERA))
    masks = found(spliced(STILL, (moved, late)))
    gap = np.array([moved[i].depth - STILL[i].depth for i in range(24)])
    assert not masks[[i for i in range(24) if i not in late]].any()
    for i in late:
        after = clean(without(moved[i], masks[i])) > 0
        for part in (gap[i] < -0.03, gap[i] > 0.03):
            assert (part & after).sum() < 0.15 * part.sum()


def test_a_frame_is_touched_only_where_its_mask_is():
    frame = STILL[0]
    assert without(frame, np.zeros((96, 128), bool)) is frame
    mask = np.zeros((48, 64), bool)  # half the size, as of a larger frame
    mask[20:30, 30:40] = True
    out = np.isnan(without(frame, mask).depth)
    assert out[40:60, 60:80].all()
    assert not out[:34].any()
    assert not out[:, 86:].any()


def scanned(capture, folder, **settings):
    """The textured meshes of a capture's objects, in its own world, and the run."""
    chosen = scanning.Settings(voxel=0.005, **settings)
    run = scanning.Run(capture, chosen, Cache(folder), silent)
    scanning.refine_poses(run)
    scanning.leave_out_transient(run)
    world = scanning.find_world(run)
    fine = scanning.fuse(run, world)
    shapes = scanning.carve_all(run, world, scanning.segment(run, world, fine))
    back = np.linalg.inv(world.world_from_capture)
    meshes = bake_all(run, world, shapes)[0]
    return [replace(m, vertices=transform(back, m.vertices)) for m in meshes], run


def captured(frames, poses=POSES):
    up = np.array([0.0, 0.0, 1.0])
    return Capture(Path("test"), "test", poses, up, "0", lambda: iter(frames))


def test_a_scan_has_a_moved_thing_once(tmp_path):
    late = [2, 3, 8, 9, 14, 15, 20, 21]
    camera = CAMERA.scaled(256, 192)
    still, moved = (noisy(filmed([*DESK, box], POSES, camera)) for box in (HERE, THERE))
    capture = captured(spliced(still, (moved, late)))
    meshes, run = scanned(capture, tmp_path, refine=None)
    assert len(meshes) == 2
    assert min(chamfer(mesh, HERE) for mesh in meshes) < 0.003
    assert run.warnings[0] == "hands or things that moved were left out of 8 of 24 frames"
    assert 0 < run.checks["transient_share"] < 0.05


@pytest.fixture(scope="module")
def handled(tmp_path_factory):
    """A desk's scan, and that of the same film with hands at work most of the time."""
    folder = tmp_path_factory.mktemp("hands")
    scene = table_scene()
    model = compile_model(*build(replace(scene, assets=scene.assets[:3], walls=())))
    walk = Walk(distance=(0.7, 0.8), target=(0.0, 0.0, 0.77))
    phone = Phone(frames=24, colour_size=(160, 120), walk=walk, seed=2)
    return [
        scanned(open_capture(film(model, folder / str(share), replace(phone, hands=share))),
                folder / f"{share}.scan")
        for share in (0.0, 0.6)
    ]  # fmt: skip


def test_a_film_with_hands_scans_to_the_same_shapes(handled):
    (plain, calm), (meshes, busy) = handled
    assert len(plain) == len(meshes) == 3
    for a, b in zip(plain, meshes, strict=True):
        assert chamfer(a, b) < 0.001
    assert calm.checks["transient_share"] == 0
    assert not any("hands" in line for line in calm.warnings)
    assert busy.checks["transient_share"] > 0.01
    assert any("hands" in line for line in busy.warnings)


def test_hands_leave_no_colour_on_the_objects(handled):
    """By place on the surface: how a texture is laid out may differ."""
    for a, b in zip(handled[0][0], handled[1][0], strict=True):
        (points, uv), (others, theirs) = (inner_points(m, m.uv) for m in (a, b))
        above = points[:, 2] > points[:, 2].min() + 0.01
        nearest = KDTree(others).query(points[above])[1]
        one = lookup(a, uv).astype(float)[above]
        two = lookup(b, theirs).astype(float)[nearest]
        assert np.abs(one.mean(0) - two.mean(0)).max() < 3
        assert (np.abs(one - two).max(1) > 40).mean() < 0.05
