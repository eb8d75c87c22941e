"""From seen surface to closed mesh, collision shapes, texture and background."""

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from surfaces import (
    CAMERA,
    TABLE,
    around,
    bowl,
    chamfer,
    filmed,
    inner_points,
    lookup,
    plane,
    seen,
    standing,
    turned,
)

from cousins.errors import ScanError
from cousins.mesh import solid_moments
from cousins.reconstruct.depth import clean
from cousins.segment.geometric import Segment
from cousins.shape.background import _triangulate, background
from cousins.shape.carve import Carving, Grid, decimate, extract
from cousins.shape.texture import Baker, lay_out, matte, merge, paint, paint_vertices, unwrap
from cousins.types import Mesh, Support
from examples import ell

SQUARE = np.array([[-0.3, -0.3], [0.3, -0.3], [0.3, 0.3], [-0.3, 0.3]])
TOP = Support("table", "table", TABLE, SQUARE)


def as_mesh(mesh):
    return Mesh(np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int32))


def as_trimesh(mesh):
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def segment(thing, lowest=-0.85):
    """What a scan sees of a thing on the table: from 4 mm up, all that faces no farther down than
    `lowest`."""
    points, face = trimesh.sample.sample_surface(thing, 6000, seed=0)[:2]
    keep = (points[:, 2] > TABLE + 0.004) & (thing.face_normals[face][:, 2] > lowest)
    normals = thing.face_normals[face][keep]
    return Segment(points[keep], normals, np.full(normals.shape, 0.5), TOP, TABLE, 0.0005)


def carved(thing, elevations=(25.0, 55.0)):
    """The closed mesh, and its seen share."""
    table = plane(SQUARE[0], SQUARE[2], TABLE, 0.1)
    shots = filmed([thing, table], around((0, 0, TABLE + 0.05), 16, 0.7, elevations))
    grid = Grid(segment(thing, -np.cos(np.radians(min(elevations) + 5))), Carving(cells=48))
    for shot in shots:
        grid.add(clean(shot), shot.depth_intrinsics, shot.world_from_camera)
    return extract(grid)


@pytest.mark.parametrize(
    ("thing", "limit"),
    [
        (trimesh.creation.icosphere(4, 0.045), 0.002),
        (trimesh.creation.box((0.06, 0.09, 0.12)), 0.0015),
        (turned(trimesh.creation.box((0.05, 0.16, 0.05)), [0, 0, 1], 30), 0.0015),
        (trimesh.creation.cylinder(0.035, 0.1, sections=64), 0.0015),
        (bowl(), 0.003),
    ],
    ids=["ball", "box", "turned box", "can", "bowl"],
)
def test_a_carved_thing_is_closed_and_true(thing, limit):
    thing = standing(thing)
    mesh, observed = carved(thing)
    closed = as_trimesh(mesh)
    assert closed.is_watertight
    assert closed.is_winding_consistent
    assert closed.volume > 0
    assert chamfer(as_mesh(thing), mesh) < limit
    assert mesh.vertices[:, 2].min() == pytest.approx(TABLE, abs=0.003)
    assert 0.5 < observed <= 1


def test_a_ball_seen_from_above_alone_stands_on_the_table():
    """Nothing below its waist's lower side is seen, and yet it does not float."""
    ball = standing(trimesh.creation.icosphere(4, 0.07))
    mesh, observed = carved(ball, (55.0, 70.0))
    assert as_trimesh(mesh).is_watertight
    assert mesh.vertices[:, 2].min() == pytest.approx(TABLE, abs=0.003)
    assert observed < 0.95


def test_a_bowl_stays_hollow_and_keeps_its_floor():
    mesh, _ = carved(standing(bowl()))
    scene = as_trimesh(mesh)
    hits = scene.ray.intersects_location([[0.0, 0.0, TABLE + 0.2]], [[0.0, 0.0, -1.0]])[0]
    assert TABLE + 0.002 < hits[:, 2].max() < TABLE + 0.016


def test_a_solid_has_its_volume():
    thing = standing(trimesh.creation.box((0.06, 0.09, 0.12)))
    assert solid_moments(carved(thing)[0])[0] == pytest.approx(thing.volume, rel=0.08)


def test_what_rays_pass_through_leaves_nothing():
    """Points that were never there: every camera sees the table beyond."""
    ghost = standing(trimesh.creation.box((0.06, 0.06, 0.06)))
    shots = filmed([plane(SQUARE[0], SQUARE[2], TABLE, 0.1)], around((0, 0, TABLE), 16))
    grid = Grid(segment(ghost), Carving(cells=24))
    for shot in shots:
        grid.add(clean(shot), shot.depth_intrinsics, shot.world_from_camera)
    with pytest.raises(ScanError, match="nothing is left of an object after carving"):
        extract(grid)


def test_decimation_keeps_a_mesh_closed():
    ball = as_mesh(trimesh.creation.icosphere(5, 0.05))
    small = decimate(ball, 1000)
    assert len(small.faces) <= 1000
    assert as_trimesh(small).is_watertight
    assert solid_moments(small)[0] == pytest.approx(solid_moments(ball)[0], rel=0.03)
    assert decimate(small, 1000) is small


MESHES = {
    "ball": as_mesh(trimesh.creation.icosphere(3, 0.05)),
    "box": as_mesh(trimesh.creation.box((0.05, 0.1, 0.2))),
    "ell": ell("ell", (0, 0)).visual,
    "one triangle": Mesh(np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0.0]]),
                         np.array([[0, 1, 2]], np.int32)),
}  # fmt: skip
ATLASES = {"charts": unwrap, "cells": lambda mesh: lay_out(mesh, 6)}


@pytest.mark.parametrize("how", ATLASES)
@pytest.mark.parametrize("name", MESHES)
def test_every_texel_belongs_to_one_face(name, how):
    mesh = MESHES[name]
    atlas = ATLASES[how](mesh)
    assert atlas.uv.shape == (len(mesh.faces), 3, 2)
    assert atlas.uv.min() >= 0
    assert atlas.uv.max() <= 1
    assert len(np.unique(atlas.pixels, axis=0)) == len(atlas.pixels)
    assert (atlas.pixels >= 0).all()
    assert (atlas.pixels < atlas.size).all()
    assert set(atlas.face) == set(range(len(mesh.faces))), "no face is without colour"
    assert np.allclose(atlas.weights.sum(1), 1, atol=1e-4)


def by_position(mesh):
    low, span = mesh.vertices.min(0), np.maximum(np.ptp(mesh.vertices, axis=0), 1e-9)
    return lambda p: 255 * (p - low) / span


@pytest.mark.parametrize("how", ATLASES)
@pytest.mark.parametrize("name", ["ball", "box", "ell"])
def test_a_mesh_painted_by_position_reads_back(name, how):
    mesh = MESHES[name]
    atlas = ATLASES[how](mesh)
    colour = by_position(mesh)
    corners = mesh.vertices[mesh.faces[atlas.face]]
    painted = paint(mesh, atlas, colour(np.einsum("kc,kcd->kd", atlas.weights, corners)))
    assert painted.texture is not None
    points, uv = inner_points(mesh, atlas.uv)
    error = np.abs(lookup(painted, uv) - colour(points))
    assert np.quantile(error, 0.95) < (8 if how == "charts" else 60)
    assert np.median(error) < (2 if how == "charts" else 16)


def test_colours_of_vertices_are_spread_over_faces():
    mesh = MESHES["ball"]
    painted = paint_vertices(mesh, by_position(mesh)(mesh.vertices) / 255)
    points, uv = inner_points(mesh, painted.uv)
    assert np.quantile(np.abs(lookup(painted, uv) - by_position(mesh)(points)), 0.9) < 16


def test_matte_colours_are_plain_and_told_apart():
    colours = []
    for index in range(12):
        painted = matte(MESHES["ell"], index)
        _, uv = inner_points(painted, painted.uv)
        seen = lookup(painted, uv)
        assert (seen == seen[0]).all()
        colours.append(seen[0].astype(int))
    apart = np.abs(np.array(colours)[:, None] - colours).sum(-1) + 1000 * np.eye(12)
    assert apart.min() > 20


def test_merged_meshes_keep_their_colours():
    a, b = (paint_vertices(m, by_position(m)(m.vertices) / 255)
            for m in (MESHES["ball"], MESHES["ell"]))  # fmt: skip
    both = merge([a, b])
    assert len(both.vertices) == len(a.vertices) + len(b.vertices)
    assert both.uv is not None
    for mesh, faces in [(a, slice(0, len(a.faces))), (b, slice(len(a.faces), None))]:
        _, before = inner_points(mesh, mesh.uv)
        _, after = inner_points(mesh, both.uv[faces])
        assert np.abs(lookup(both, after).astype(int) - lookup(mesh, before)).max() <= 24
    with pytest.raises(ValueError, match="textured"):
        merge([a, MESHES["ball"]])


def test_baked_colours_are_those_that_were_filmed():
    """Two halves of a box in two colours."""
    left = standing(trimesh.creation.box((0.06, 0.08, 0.1)), -0.03)
    right = standing(trimesh.creation.box((0.06, 0.08, 0.1)), 0.03)
    whole = as_mesh(standing(trimesh.creation.box((0.12, 0.08, 0.1))))
    colours = [(200, 40, 40), (40, 40, 200), (90, 90, 90)]
    shots = filmed([left, right, plane(SQUARE[0], SQUARE[2], TABLE, 0.1)],
                   around((0, 0, TABLE + 0.05), 12), CAMERA, colours)  # fmt: skip
    baker = Baker(whole)
    for shot in shots:
        baker.add(shot, clean(shot), shot.world_from_camera)
    baked = baker.bake(np.zeros(3))
    points, uv = inner_points(baked, baked.uv)
    got = lookup(baked, uv).astype(int)
    # A pixel is 3 mm here: at the seam and at the foot it shows either.
    clear = (np.abs(points[:, 0]) > 0.006) & (points[:, 2] > TABLE + 0.008)
    want = np.where(points[:, :1] < 0, colours[0], colours[1])
    assert (np.abs(got - want)[clear].max(1) < 12).mean() > 0.97


def test_what_no_frame_saw_at_all_takes_the_fallback():
    baked = Baker(MESHES["box"]).bake(np.array([10.0, 200.0, 30.0]))
    assert baked.texture is not None
    assert (baked.texture == [10, 200, 30]).all()


@given(st.lists(st.floats(0.3, 1.0), min_size=3, max_size=14))
def test_ear_clipping_covers_a_polygon_once(radii):
    angle = 2 * np.pi * np.arange(len(radii)) / len(radii)
    polygon = np.array(radii)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    corners, faces = _triangulate(polygon)
    assert len(faces) == len(polygon) - 2
    a, b, c = (corners[faces[:, i]] for i in range(3))
    areas = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    x, y = polygon.T
    whole = (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2
    assert areas.sum() == pytest.approx(whole)
    assert areas.min() > -1e-6 * whole


def test_the_table_is_painted_over_where_objects_stood():
    box = standing(trimesh.creation.box((0.1, 0.1, 0.08)))
    wood, red, wall_colour = (0.6, 0.4, 0.2), (0.9, 0.05, 0.05), (0.2, 0.7, 0.7)
    wall = turned(plane((-0.3, 0), (0.3, 0.4), 0, 0.02), [1, 0, 0], 90)
    wall.apply_translation([0, 0.4, TABLE])
    top = plane(SQUARE[0], SQUARE[2], TABLE, 0.006)
    top.update_faces(np.abs(top.triangles_center[:, :2]).max(1) > 0.05)
    colours = [wood, red, wall_colour]
    fine = seen(top, box, wall, edge=0.006, colours=colours)
    coarse = seen(top, box, wall, edge=0.02, colours=colours)
    on = np.all(np.abs(fine.vertices[:, :2]) < 0.051, 1) & (fine.vertices[:, 2] > TABLE + 0.004)
    thing = Segment(fine.vertices[on], fine.normals[on], fine.colours[on], TOP, TABLE, 0.0005)
    behind = background(coarse, fine, (TOP,), [thing])
    assert behind is not None
    assert behind.uv is not None
    points, uv = inner_points(behind, behind.uv, 4000)
    colour = lookup(behind, uv).astype(float)
    flat = points[:, 2] < TABLE + 1e-6
    assert flat.any()
    assert np.abs(colour[flat] - 255 * np.array(wood)).max() < 14
    assert not (np.abs(points[~flat, :2]).max(1) < 0.06).any(), "the box is gone"
    assert np.median(np.abs(colour[~flat] - 255 * np.array(wall_colour))) < 6
