"""Deformations: whole, upright, as strong as asked for, and told apart by a distance."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from cousins import household
from cousins.mesh import shell_moments, solid_moments
from cousins.scene import MAX_HULL_VERTICES
from cousins.types import Asset, Mesh
from cousins.variation.deform import (
    LATTICE,
    PROFILE,
    SCALE,
    Deformation,
    deformed,
    draw,
    refined,
    round_about,
    shape_distance,
)

PARTED = ["mug", "bowl", "bottle", "basket", "ell", "spatula"]
PRIMITIVE = ["box", "can", "ball"]


@cache
def thing(category: str, seed: int = 0) -> Asset:
    return household.draw(category, np.random.default_rng(seed)).asset(category, "table")


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def whole(mesh: Mesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


@pytest.mark.parametrize("category", PARTED + PRIMITIVE)
def test_no_strength_is_no_change(category):
    asset = thing(category)
    same = deformed(asset, "same", draw(asset, rng(0), 0.0))
    assert same.size == pytest.approx(asset.size)
    assert same.volume == pytest.approx(asset.volume)
    assert shape_distance(asset, same) < 1e-4


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(PARTED), st.integers(0, 3), st.integers(0, 10_000))
def test_a_deformed_mesh_is_as_whole_as_before(category, seed, k):
    asset = thing(category, seed)
    found = deformed(asset, "v", draw(asset, rng(k), 1.0))
    mesh = whole(found.visual)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume > 0
    assert found.volume == pytest.approx(mesh.volume)
    low, high = found.visual.vertices.min(0), found.visual.vertices.max(0)
    assert low + high == pytest.approx(0, abs=1e-9)
    ratio = found.size[2] / asset.size[2]
    assert SCALE[0] * (1 - 2 * LATTICE) < ratio < SCALE[1] * (1 + 2 * LATTICE)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(PARTED), st.integers(0, 10_000))
def test_no_face_turns_inside_out(category, k):
    """A map of positive determinant takes every corner of space to one of the same hand."""
    asset = thing(category)
    change = replace(draw(asset, rng(k), 1.0), scale=(1.0, 1.0, 1.0))
    base = asset.visual
    points = np.random.default_rng(k).uniform(base.vertices.min(0), base.vertices.max(0), (200, 3))
    step = 1e-5 * np.vstack([np.zeros(3), np.eye(3)])
    tetrahedra = (points[:, None] + step).reshape(-1, 3)
    faces = np.arange(len(tetrahedra)).reshape(-1, 4)
    solid = replace(asset, visual=Mesh(np.vstack([base.vertices, tetrahedra]), base.faces))
    moved = deformed(solid, "v", change).visual.vertices
    corners = moved[len(base.vertices) : len(base.vertices) + len(tetrahedra)][faces]
    assert (np.linalg.det(corners[:, 1:] - corners[:, :1]) > 0).all()


@pytest.mark.parametrize("category", PARTED)
def test_it_stands_on_as_flat_a_bottom(category):
    asset = thing(category)
    foot = asset.visual.vertices[:, 2] < asset.visual.vertices[:, 2].min() + 1e-6
    for k in range(4):
        found = deformed(asset, "v", draw(asset, rng(k), 1.0))
        moved = found.visual.vertices[: len(foot)][foot]
        assert moved[:, 2] == pytest.approx(found.visual.vertices[:, 2].min(), abs=1e-9)


@pytest.mark.parametrize("category", PARTED)
def test_its_parts_cover_what_is_seen_and_stay_small(category):
    asset = thing(category)
    for k in range(3):
        found = deformed(asset, "v", draw(asset, rng(k), 1.0))
        assert len(found.parts) == len(asset.parts)
        size = float(np.linalg.norm(found.size))
        outside = np.full(len(found.visual.vertices), np.inf)
        for part in found.parts:
            assert len(part.vertices) <= MAX_HULL_VERTICES
            hull = whole(part)
            assert hull.is_watertight
            normals = hull.face_normals
            offset = (normals * hull.triangles[:, 0]).sum(1)
            outside = np.minimum(outside, (found.visual.vertices @ normals.T - offset).max(1))
        assert outside.max() < 0.012 * size


@pytest.mark.parametrize("category", PRIMITIVE)
def test_a_primitive_stays_one_of_its_kind(category):
    asset = thing(category)
    found = deformed(asset, "v", draw(asset, rng(3), 1.0))
    assert asset.primitive is not None
    assert found.primitive is not None
    assert found.primitive.kind == asset.primitive.kind
    half = np.array(found.primitive.size)
    across = {"box": half, "cylinder": half[[0, 0, 1]], "sphere": half[[0, 0, 0]]}
    assert found.size / 2 == pytest.approx(across[found.primitive.kind], rel=0.01)


def test_a_round_thing_is_turned_about_its_own_axis_and_stays_round():
    drawn = household.draw("mug", rng(0))
    asset = drawn.asset("mug", "table")
    axis = round_about(asset.visual)
    assert axis is not None
    assert np.array(axis) == pytest.approx(-drawn.origin[:2], abs=0.001)  # not the bounds' middle
    for k in range(10):
        change = draw(asset, rng(k), 1.0)
        assert change.scale[0] == change.scale[1]
        assert len(change.profile) > 2
        assert np.abs(change.profile).max() <= PROFILE
    assert draw(thing("basket"), rng(0), 1.0).profile == ()


def test_a_belly_shows_on_a_wall_that_had_no_vertices_between_its_ends():
    asset = thing("mug")
    belly = Deformation(profile=(0.0, 0.4, 0.0), axis=round_about(asset.visual) or (0.0, 0.0))
    found = deformed(asset, "v", belly).visual.vertices
    middle = np.abs(found[:, 2]) < 0.1 * asset.size[2]
    assert np.ptp(found[middle, 1]) > 1.1 * np.ptp(asset.visual.vertices[:, 1])


def test_mass_is_where_the_new_shape_has_it():
    asset = thing("bottle")
    found = deformed(asset, "v", Deformation(taper=0.2, scale=(1.0, 1.0, 1.3)))
    volume, solid, _ = solid_moments(found.visual)
    shell = shell_moments(found.visual)[1]
    low, high = sorted((solid[2], shell[2]))
    assert low - 1e-9 <= found.center_of_mass[2] <= high + 1e-9
    assert found.volume == pytest.approx(volume)
    assert found.mass is asset.mass


def test_a_finer_mesh_is_the_same_surface_with_the_same_picture():
    visual = thing("bottle").visual
    fine = refined(visual, np.full(3, 0.02))
    edges = fine.vertices[fine.faces] - fine.vertices[np.roll(fine.faces, -1, axis=1)]
    assert np.abs(edges).max() <= 0.02
    assert whole(fine).is_watertight
    assert whole(fine).volume == pytest.approx(whole(visual).volume)
    assert visual.uv is not None
    assert fine.uv is not None

    def painted(mesh: Mesh) -> float:
        assert mesh.uv is not None
        a, b, c = (mesh.uv[:, i] for i in range(3))
        return float(np.abs(np.linalg.det(np.stack([b - a, c - a], -1))).sum())

    assert painted(fine) == pytest.approx(painted(visual))


def test_a_seed_gives_one_deformation():
    asset = thing("bowl")
    assert draw(asset, rng(5), 0.7) == draw(asset, rng(5), 0.7)
    assert draw(asset, rng(5), 0.7) != draw(asset, rng(6), 0.7)


def test_distance_grows_with_strength():
    mean = []
    for strength in (0.25, 0.5, 1.0):
        far = []
        for k in range(200):
            asset = thing(("box", "can", "ell", "ball")[k % 4], k % 3)
            far.append(shape_distance(asset, deformed(asset, "v", draw(asset, rng(k), strength))))
        mean.append(np.mean(far))
    assert 0.02 < mean[0] < 0.7 * mean[1] < 0.6 * mean[2]
    assert 0.3 < mean[2] < 0.8


def test_distance_is_none_from_itself_and_cut_at_one():
    bowl, ell = thing("bowl"), thing("ell")
    assert shape_distance(bowl, bowl) < 1e-6
    assert shape_distance(bowl, thing("bowl", 1)) == shape_distance(bowl, thing("bowl", 1))
    assert 0.3 < shape_distance(bowl, ell) <= 1.0
    assert shape_distance(thing("case"), thing("bottle")) == 1.0
