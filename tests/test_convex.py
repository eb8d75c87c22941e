"""Convex parts keep openings open, and stay near the mesh that they stand for."""

from functools import cache

import mujoco
import numpy as np
import open3d as o3d
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage.measure import marching_cubes
from surfaces import bowl, off, turned, within

from cousins.mesh import solid_moments
from cousins.shape.carve import decimate
from cousins.shape.convex import Convex, convex_hull
from cousins.shape.hollow import opening, within_hull
from cousins.types import Mesh
from examples import ell

VOXEL = 0.0025


def as_mesh(mesh):
    return Mesh(np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int32))


def as_trimesh(mesh):
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def less(a, b):
    return trimesh.boolean.difference([a, b], engine="manifold")


def block(size, height=0.0):
    return trimesh.creation.box(size).apply_translation([0, 0, height])


def can(radius, height, bottom=0.0):
    mesh = trimesh.creation.cylinder(radius, height, sections=48)
    return mesh.apply_translation([0, 0, bottom + height / 2])


def hoop(radius, thick):
    return turned(trimesh.creation.torus(radius, thick, 32, 10), [1, 0, 0], 90)


def mug():
    handle = hoop(0.024, 0.0055).apply_translation([0.043, 0, 0.045])
    return trimesh.boolean.union(
        [less(can(0.04, 0.09), can(0.036, 0.09, 0.006)), less(handle, can(0.038, 0.1))],
        engine="manifold",
    )


def basket():
    """With a handle over it."""
    handle = less(hoop(0.07, 0.006), block((0.3, 0.3, 0.2), -0.1))
    pail = less(can(0.073, 0.1), can(0.068, 0.1, 0.005))
    return trimesh.boolean.union([pail, handle.apply_translation([0, 0, 0.095])], engine="manifold")


def tray():
    return less(block((0.24, 0.16, 0.04)), block((0.232, 0.152, 0.04), 0.004))


# What makes the thing, the radius of a ball that fills its opening, and its rim's height, m.
HOLLOW = {
    "bowl": (bowl, 0.036, 0.055),
    "mug": (mug, 0.036, 0.09),
    "tray": (tray, 0.03, 0.04),
    "basket": (basket, 0.04, 0.1),
}


@cache
def carved(name):
    """The thing as carving yields it: from voxels, noisy, its walls 2 mm too thick."""
    thing = HOLLOW[name][0]()
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(np.asarray(thing.vertices, np.float32), np.asarray(thing.faces, np.uint32))
    low = thing.bounds[0] - 4 * VOXEL
    shape = np.ceil(np.ptp(thing.bounds, axis=0) / VOXEL).astype(int) + 9
    points = (np.indices(shape).reshape(3, -1).T * VOXEL + low).astype(np.float32)
    signed = scene.compute_signed_distance(points).numpy().reshape(shape) - 0.001
    noise = gaussian_filter(np.random.default_rng(0).normal(size=shape), 1.5)
    vertices, faces, _, _ = marching_cubes(gaussian_filter(signed + 0.005 * noise, 0.8), 0.0)
    whole = trimesh.Trimesh(vertices * VOXEL + low, faces[:, ::-1])
    whole = max(whole.split(only_watertight=False), key=lambda m: len(m.faces))
    trimesh.smoothing.filter_taubin(whole, iterations=8)
    if whole.volume < 0:
        whole.invert()
    return decimate(as_mesh(whole), 2500)


@cache
def split(name):
    return Convex()(carved(name))


def filled(parts, points):
    inside = np.zeros(len(points), bool)
    for part in parts:
        inside |= within_hull(part.vertices, points)
    return inside.mean()


@pytest.mark.parametrize("name", HOLLOW)
def test_parts_keep_an_opening_open(name):
    parts, warning = split(name)
    assert warning is None
    holes = opening(carved(name))
    assert len(holes) > 100
    assert filled(parts, holes) < 0.01


@pytest.mark.parametrize("name", HOLLOW)
def test_parts_are_convex_few_and_near_the_mesh(name):
    parts, _ = split(name)
    assert 4 <= len(parts) <= Convex().parts
    mesh = carved(name)
    for part in map(as_trimesh, parts):
        assert part.is_watertight
        assert part.is_convex
        assert len(part.vertices) <= Convex().hull_vertices + 6
        surface = trimesh.sample.sample_surface(part, 400, seed=0)[0]
        outside = ~within(mesh, surface)
        assert np.quantile(off(mesh, surface) * outside, 0.98) < 0.006
    # And they leave nothing of it out.
    surface = trimesh.sample.sample_surface(as_trimesh(mesh), 4000, seed=0)[0]
    union = trimesh.boolean.union(list(map(as_trimesh, parts)), engine="manifold")
    missing = off(union, surface) * ~within(union, surface)
    assert np.quantile(missing, 0.99) < 0.003


def test_a_handle_keeps_its_hole():
    parts, _ = split("mug")
    mesh = carved("mug")
    hole = np.array([0.051, 0.0, 0.045])
    assert off(as_trimesh(mesh), [hole]) > 0.007
    around = np.random.default_rng(0).normal(size=(200, 3))
    around = hole + 0.005 * around / np.linalg.norm(around, axis=1, keepdims=True)
    assert filled(parts, around) == 0
    assert filled(parts, np.array([[0.067, 0.0, 0.045]])) == 1, "the handle itself is there"


@pytest.mark.parametrize("name", HOLLOW)
def test_a_ball_dropped_in_rests_inside(name):
    parts, _ = split(name)
    _, radius, rim = HOLLOW[name]
    radius *= 0.8
    low = carved(name).vertices.min(0)[2]
    spec = mujoco.MjSpec()
    spec.option.gravity = [0.3, 0.2, -9.8]
    for k, part in enumerate(parts):
        spec.add_mesh(name=f"{k}", uservert=part.vertices.ravel(), userface=part.faces.ravel())
        spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=f"{k}")
    body = spec.worldbody.add_body(pos=[0.0, 0.0, low + rim + 0.5 * radius])
    body.add_freejoint()
    body.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[radius, 0, 0])
    model = spec.compile()
    data = mujoco.MjData(model)
    for _ in range(1500):
        mujoco.mj_step(model, data)
    bottom = data.qpos[2] - radius - low
    assert 0.003 < bottom < 0.018, "on its floor, or low between its walls"
    assert np.linalg.norm(data.qvel[:3]) < 0.02


def test_the_same_mesh_comes_apart_the_same_way():
    again, _ = Convex()(carved("mug"))
    parts, _ = split("mug")
    assert len(again) == len(parts)
    for a, b in zip(again, parts, strict=True):
        assert np.array_equal(a.vertices, b.vertices)


def test_an_l_comes_apart_at_its_notch():
    thing = ell("ell", (0, 0)).visual
    parts, warning = Convex()(thing)
    assert warning is None
    assert len(parts) == 2
    union = trimesh.boolean.union([as_trimesh(p) for p in parts], engine="manifold")
    assert union.volume == pytest.approx(solid_moments(thing)[0], rel=0.05)
    notch = thing.vertices.max(0) - 0.03
    notch[2] = 0.0
    assert filled(parts, notch[None]) == 0


def test_a_convex_thing_is_one_part():
    parts, warning = Convex()(as_mesh(trimesh.creation.cylinder(0.04, 0.1)))
    assert (len(parts), warning) == (1, None)


def test_too_few_parts_are_told_of():
    parts, warning = Convex(parts=2)(as_mesh(mug()))
    assert len(parts) == 2
    assert warning is not None
    assert "of its opening" in warning


def test_an_open_mesh_collides_as_its_hull_and_says_so():
    thing = ell("ell", (0, 0)).visual
    parts, warning = Convex()(Mesh(thing.vertices, thing.faces[1:]))
    assert len(parts) == 1
    assert warning is not None
    assert "its mesh is not closed" in warning


@pytest.mark.parametrize(
    "solid",
    [ell("ell", (0, 0)).visual, as_mesh(block((0.1, 0.1, 0.1))), as_mesh(can(0.05, 0.1))],
    ids=["L", "box", "can"],
)
def test_a_solid_has_no_opening(solid):
    assert not len(opening(solid))


@given(st.integers(0, 1000), st.sampled_from([8, 24, 48]))
@settings(max_examples=25)
def test_a_capped_hull_keeps_its_bounding_box(seed, most):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(400, 3)) * rng.uniform(0.02, 0.1, 3)
    hull = convex_hull(points, most)
    assert len(hull.vertices) <= most + 6
    assert np.allclose(hull.vertices.min(0), points.min(0))
    assert np.allclose(hull.vertices.max(0), points.max(0))
    assert as_trimesh(hull).is_watertight
    assert solid_moments(hull)[0] > 0
