"""Carving what is thin, what touches, what stands on or lies in another; and edges of depth."""

import cv2
import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from surfaces import TABLE, around, bowl, filmed, off, plane, standing

from cousins.reconstruct.depth import clean
from cousins.segment.geometric import Segment
from cousins.shape.carve import Carving, Grid, _in_one_piece, extract
from cousins.shape.edges import sharp
from cousins.shape.evidence import BINS, _median
from cousins.types import Frame, Intrinsics, Support

LOW, HIGH = np.array([-0.3, -0.3]), np.array([0.3, 0.3])
TOP = Support("table", "table", TABLE, np.array([LOW, (HIGH[0], LOW[1]), HIGH, (LOW[0], HIGH[1])]))
POSES = around((0, 0, TABLE + 0.04), 16, 0.6, (28.0, 55.0))
SMEAR = 0.7  # pixels


def smeared(frame):
    """The frame as a phone has it: soft over edges, and unsure of that."""
    soft = cv2.GaussianBlur(frame.depth, (0, 0), SMEAR)
    off_by = np.abs(soft - frame.depth)
    sure = np.where(off_by > 0.01, 0, np.where(off_by > 0.003, 1, 2)).astype(np.uint8)
    return Frame(frame.index, frame.time, frame.world_from_camera, soft, frame.depth_intrinsics,
                 frame.colour, frame.colour_intrinsics, confidence=sure)  # fmt: skip


def segments(things, bases=None):
    """What a scan sees of each: what faces a camera, and no other thing hides from straight above
    or from the sides."""
    found = []
    for i, thing in enumerate(things):
        base = TABLE if bases is None else bases[i]
        points, face = trimesh.sample.sample_surface(thing, 5000, seed=0)[:2]
        normals = thing.face_normals[face]
        keep = (points[:, 2] > base + 0.004) & (normals[:, 2] > -0.5)
        for other in things:
            if other is not thing:
                keep &= off(other, points) > 0.003
        colours = np.full((keep.sum(), 3), 0.5)
        found.append(Segment(points[keep], normals[keep], colours, TOP, base, 0.0004))
    return found


def carved(things, bases=None, shots=None):
    """The closed meshes of things that were filmed together."""
    table = plane(LOW, HIGH, TABLE, 0.1)
    shots = shots or [smeared(s) for s in filmed([*things, table], POSES)]
    seen = segments(things, bases)
    grids = []
    for one in seen:
        others = [s.points for s in seen if s is not one] or [np.zeros((0, 3))]
        grids.append(Grid(one, Carving(symmetry=False), np.concatenate(others)))
    for shot in shots:
        depth, camera, trust = sharp(shot)
        for grid in grids:
            grid.add(depth, camera, shot.world_from_camera, trust)
    meshes = [extract(grid)[0] for grid in grids]
    return [trimesh.Trimesh(m.vertices, m.faces, process=False) for m in meshes]


def test_a_thin_bowl_keeps_its_rim_and_its_thin_wall():
    thing = standing(bowl(wall=0.0035))
    [mesh] = carved([thing])
    assert mesh.is_watertight
    rims = [m.vertices[:, 2].max() for m in (mesh, thing)]
    assert rims[0] == pytest.approx(rims[1], abs=0.002)
    assert mesh.volume < 1.6 * thing.volume
    assert off(thing, mesh.triangles_center).mean() < 0.0015


def test_a_thin_blade_stays_on_its_higher_handle():
    """What stands upright from the table is told by height alone: the blade does not reach it."""
    blade = trimesh.creation.box(bounds=[(-0.05, -0.035, 0), (0.05, 0.035, 0.006)])
    handle = trimesh.creation.box(bounds=[(0.03, -0.01, 0), (0.2, 0.01, 0.014)])
    thing = standing(trimesh.util.concatenate([blade, handle]))
    [mesh] = carved([thing])
    assert np.abs(mesh.bounds - thing.bounds).max() < 0.004
    assert off(thing, mesh.triangles_center).mean() < 0.0015
    tip = mesh.vertices[mesh.vertices[:, 0] < thing.bounds[0, 0] + 0.05]
    assert np.ptp(tip[:, 1]) == pytest.approx(0.07, abs=0.006)


def test_few_rays_do_not_free_what_all_others_hide():
    """As where a mirror-like spot gives depth from beyond it now and then."""
    thing = standing(trimesh.creation.cylinder(0.04, 0.1, sections=64))
    poses = around((0, 0, TABLE + 0.04), 48, 0.6, (28.0, 55.0))
    shots = [smeared(s) for s in filmed([thing, plane(LOW, HIGH, TABLE, 0.1)], poses)]
    for shot in shots[:2]:
        h, w = shot.depth.shape
        shot.depth[h // 2 - 6 : h // 2 + 6, w // 2 - 6 : w // 2 + 6] += 0.03
    grid = Grid(segments([thing])[0], Carving())
    for shot in shots:
        depth, camera, trust = sharp(shot)
        grid.add(depth, camera, shot.world_from_camera, trust)
    signed, _ = grid.evidence()
    x, y, z = (grid.centres - [0, 0, TABLE + 0.05]).T
    deep = np.minimum(0.04 - np.hypot(x, y), 0.05 - np.abs(z)) > 0.006
    assert deep.sum() > 1000
    assert (signed.ravel()[deep] > 0).sum() < 20  # of a hole with over a thousand


def test_a_plate_of_5_mm_is_5_mm_thick():
    thing = standing(trimesh.creation.cylinder(0.08, 0.005, sections=64))
    [mesh] = carved([thing])
    assert np.ptp(mesh.vertices[:, 2]) == pytest.approx(0.005, abs=0.001)
    # Its edge is a step of less than a pixel.
    assert np.abs(mesh.bounds - thing.bounds)[:, :2].max() < 0.003


def test_touching_boxes_keep_their_own():
    sizes = [(0.06, 0.08, 0.09), (0.07, 0.08, 0.06)]
    things = [
        standing(trimesh.creation.box(size), x)
        for size, x in zip(sizes, (-0.03, 0.035), strict=True)
    ]
    for mesh, thing in zip(carved(things), things, strict=True):
        assert mesh.volume == pytest.approx(thing.volume, rel=0.1)
        assert np.abs(mesh.bounds - thing.bounds).max() < 0.004


def test_a_box_on_a_box_ends_where_the_other_begins():
    below = standing(trimesh.creation.box((0.12, 0.1, 0.05)))
    above = standing(trimesh.creation.box((0.06, 0.05, 0.04)), 0.02, 0, TABLE + 0.05)
    for mesh, thing in zip(
        carved([below, above], [TABLE, TABLE + 0.05]), (below, above), strict=True
    ):
        assert mesh.volume == pytest.approx(thing.volume, rel=0.1)
        assert np.abs(mesh.bounds - thing.bounds).max() < 0.004


def test_a_ball_in_a_bowl_and_the_bowl_apart():
    holder = standing(bowl(wall=0.004))
    ball = standing(trimesh.creation.icosphere(4, 0.03), 0, 0, TABLE + 0.008)
    hollow, round_ = carved([holder, ball], [TABLE, TABLE + 0.008])
    assert round_.volume == pytest.approx(ball.volume, rel=0.15)
    assert hollow.volume < 1.7 * holder.volume
    assert not hollow.contains([ball.center_mass])[0]
    # Where the ball hides the floor, it still is one.
    assert hollow.contains([[x, 0, TABLE + 0.003] for x in (-0.03, -0.01, 0.01, 0.03)]).all()


def test_what_is_thin_where_it_was_seen_is_thin_where_it_was_not():
    """Filmed over half the way round, the far wall of a bowl is a wall, not a wedge."""
    thing = standing(bowl())
    azimuth = np.arctan2(POSES[:, 1, 3], POSES[:, 0, 3])
    near = POSES[np.abs(azimuth) < np.radians(125)]
    shots = [smeared(s) for s in filmed([thing, plane(LOW, HIGH, TABLE, 0.1)], near)]
    [mesh] = carved([thing], shots=shots)
    far = mesh.triangles_center[:, 0] < -0.03
    assert np.quantile(off(thing, mesh.triangles_center[far]), 0.9) < 0.006


@pytest.mark.parametrize("where", [20.125, 20.375, 20.625, 20.875])
def test_an_edge_runs_where_it_ran_before_it_was_smeared(where):
    """Between pixels, and with both sides' depth as far as to there."""
    camera = Intrinsics(48, 36, 200.0, 200.0, 23.5, 17.5)
    part = np.clip(np.arange(48) + 0.5 - where, 0, 1)  # of each pixel, behind the edge
    depth = np.tile(0.6 + 0.002 * np.arange(48) + 0.25 * part, (36, 1)).astype(np.float32)
    frame = Frame(0, 0.0, np.eye(4), depth, camera, np.zeros((36, 48, 3), np.uint8), camera)
    got, fine, trust = sharp(smeared(frame))
    columns = (np.arange(fine.width) + 0.5) * 48 / fine.width - 0.5
    truth = 0.6 + 0.002 * columns + 0.25 * (columns > where)
    row = got[got.shape[0] // 2]
    clear = np.abs(columns - where) > 0.25
    assert (row[(columns > 12) & (columns < 30)] > 0).all()
    assert np.abs(row - truth)[clear & (columns > 12) & (columns < 30)].max() < 0.006
    # What is made up of both sides counts for little.
    counts = trust[trust.shape[0] // 2]
    assert counts[np.abs(columns - where) < 0.5].max() < 0.1
    assert (counts[(np.abs(columns - where) > 5) & (columns > 2) & (columns < 45)] == 1).all()


@given(
    arrays(np.float32, st.tuples(st.just(BINS), st.integers(1, 5)), elements=st.integers(0, 9)),
    st.integers(0, 9),
)
def test_fewer_than_half_of_the_views_cannot_carve(counts, stray):
    """However far they are off, the median stays among what the others saw."""
    every = counts.sum(0)
    ends = np.array([np.flatnonzero(c)[[0, -1]] if c.any() else (0, 0) for c in counts.T])
    wrong = counts.copy()
    wrong[-1] += np.minimum(stray, np.maximum(every - 1, 0))
    middle = (_median(wrong) + 1) * (BINS // 2)
    some = every > 0
    assert (middle[some] >= ends[some, 0] - 0.51).all()
    assert (middle[some] <= ends[some, 1] + 0.51).all()
    assert (_median(counts)[~some] == 0).all()


@pytest.mark.parametrize("size", [(0.3, 0.25, 0.03), (0.15, 0.15, 0.15), (0.3, 0.03, 0.03)])
def test_a_flat_thing_gets_as_many_voxels_as_a_round_one(size):
    grid = Grid(segments([standing(trimesh.creation.box(size))])[0], Carving(symmetry=False))
    count = np.prod(grid.shape)
    assert count < 1.2 * 64**3
    assert count > 0.7 * 64**3 or grid.voxel == pytest.approx(0.002)


def test_a_cup_keeps_its_floor_where_nobody_looked_in():
    """From one side its foot is seen half the way round, and its floor not at all."""
    outer = [(0.0, 0.0), (0.038, 0.0), (0.04, 0.09)]
    thing = standing(trimesh.creation.revolve([*outer, (0.036, 0.09), (0.034, 0.004), (0, 0.004)]))
    every = around((0, 0, TABLE + 0.05), 24, 0.6, (30.0, 50.0))
    near = every[np.abs(np.arctan2(every[:, 1, 3], every[:, 0, 3])) < np.radians(70)]
    shots = [smeared(s) for s in filmed([thing, plane(LOW, HIGH, TABLE, 0.1)], near)]
    [mesh] = carved([thing], shots=shots)
    assert mesh.contains([[x, 0, TABLE + 0.002] for x in (-0.02, 0.0, 0.02)]).all()
    assert not mesh.contains([[x, 0, TABLE + 0.06] for x in (-0.01, 0.0, 0.01)]).any()


def balls(apart, size=(60, 30, 30)):
    """Distances, in voxels, from two balls, and `apart` voxels over 0 between them."""
    p = np.indices(size).reshape(3, -1).T
    ends = [np.linalg.norm(p - (x, 15, 15), axis=1) - 9 for x in (15, 45)]
    neck = np.where((p[:, 0] > 15) & (p[:, 0] < 45), np.hypot(p[:, 1] - 15, p[:, 2] - 15), 9.0)
    return np.clip(np.minimum(np.minimum(*ends), neck + apart), -1, 1).reshape(size)


@pytest.mark.parametrize(("apart", "whole"), [(-2.0, True), (0.2, True), (0.9, False)])
def test_a_neck_that_was_nearly_lost_holds_its_ends_together(apart, whole):
    mesh, kept = _in_one_piece(balls(apart), 1.0, np.zeros(3))
    assert mesh.is_watertight
    assert (np.ptp(mesh.vertices[:, 0]) > 40) == whole
    assert kept == pytest.approx(1.0 if whole else 0.5, abs=0.02)


def test_without_confidence_depth_is_only_cleaned():
    [frame] = filmed([standing(trimesh.creation.box((0.1, 0.1, 0.1)))], POSES[:1])
    got, camera, trust = sharp(frame)
    assert camera == frame.depth_intrinsics
    assert np.array_equal(got, clean(frame))
    assert (trust == 1).all()
