"""Drawn household shapes are closed, made of their convex parts, and open where they should be."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from surfaces import off

from cousins.errors import UsageError
from cousins.household import CATEGORIES, draw
from cousins.household.looks import PALETTE

DRAWS = st.tuples(st.sampled_from(sorted(CATEGORIES)), st.integers(0, 10_000))
OPEN = {"bowl": 1, "mug": 2, "tray": 1, "basket": 1}


def drawn(category, seed):
    return draw(category, np.random.default_rng(seed))


def solid(mesh):
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


@settings(max_examples=50, deadline=None)
@given(DRAWS)
def test_a_thing_is_closed_and_its_convex_parts_are_all_of_it(case):
    thing = drawn(*case)
    mesh = solid(thing.solid.mesh)
    assert mesh.is_volume  # watertight, consistent, outward
    assert mesh.bounds[0, 2] == pytest.approx(0, abs=1e-9)
    parts = [solid(p) for p in thing.parts]
    assert all(p.is_volume and p.is_convex for p in parts)
    hull = mesh.convex_hull
    corners = np.vstack([p.vertices for p in parts])
    outside = (corners @ hull.face_normals.T
               - np.einsum("ij,ij->i", hull.face_normals, hull.triangles[:, 0]))  # fmt: skip
    assert outside.max() < 0.0015
    union = trimesh.boolean.union(parts)
    both = trimesh.boolean.intersection([union, mesh]).volume
    assert both / (union.volume + mesh.volume - both) > 0.9


@settings(max_examples=30, deadline=None)
@given(st.tuples(st.sampled_from(sorted(OPEN)), st.integers(0, 10_000)))
def test_a_ball_goes_into_every_opening(case):
    thing = drawn(*case)
    assert len(thing.openings) == OPEN[case[0]]
    parts = trimesh.boolean.union([solid(p) for p in thing.parts])
    for opening in thing.openings:
        assert opening.radius > 0.009
        way = opening.centre + np.linspace(0, 0.3, 61)[:, None] * opening.axis
        for surface in (solid(thing.solid.mesh), parts):
            distance = off(surface, way)
            assert distance.min() >= opening.radius - 1e-6
            # Nor could a much larger one come in.
            assert distance.min() < 1.15 * opening.radius + 0.002


def test_an_opening_is_lost_to_a_hull():
    """The test above would see it."""
    bowl = drawn("bowl", 0)
    hull = solid(bowl.solid.mesh).convex_hull
    assert hull.contains([np.array(bowl.openings[0].centre) - [0, 0, 1e-3]]).all()


@settings(max_examples=60, deadline=None)
@given(DRAWS)
def test_masses_and_sizes_are_those_of_household_things(case):
    thing = drawn(*case)
    assert 0.01 < thing.mass < 2.5
    assert thing.size.max() < 0.36
    assert thing.size.min() > 0.0035
    assert 0.2 < thing.make.friction < 0.95
    assert 0 <= thing.shell <= 1
    # Mass over bounding box: from a plastic ball to a stack of books.
    assert 30 < thing.mass / thing.size.prod() < 1500


@settings(max_examples=15, deadline=None)
@given(DRAWS)
def test_an_asset_is_the_thing_about_its_middle(case):
    thing = drawn(*case)
    asset = thing.asset("it", "table")
    assert asset.visual.vertices.min(0) == pytest.approx(-thing.size / 2)
    assert asset.visual.vertices.max(0) == pytest.approx(thing.size / 2)
    assert asset.mass.mode == pytest.approx(thing.mass)
    assert np.abs(asset.center_of_mass).max() < thing.size.max() / 2
    moments = np.linalg.eigvalsh(asset.inertia)
    assert moments.min() > 0
    assert moments[2] < moments[0] + moments[1] + 1e-12  # the triangle inequality of real bodies
    assert asset.volume == pytest.approx(solid(thing.solid.mesh).volume)


@pytest.mark.parametrize("category", sorted(CATEGORIES))
def test_the_same_seed_draws_the_same_thing(category):
    one, other = drawn(category, 5), drawn(category, 5)
    assert one == other
    assert np.array_equal(one.visual.vertices, other.visual.vertices)
    assert np.array_equal(one.visual.texture, other.visual.texture)
    assert drawn(category, 6) != one


def test_things_wear_the_colour_that_they_are_told_to():
    red = draw("ball", np.random.default_rng(1), colour="coral")
    assert red.look.first == PALETTE["coral"]
    texture = red.visual.texture.reshape(-1, 3).astype(float)
    assert (np.abs(texture - PALETTE["coral"]).max(1) < 40).mean() > 0.2


def test_two_tones_where_a_can_has_ends():
    can = drawn("can", 2)
    mesh = can.visual
    row, column = (1 - mesh.uv[:, :, 1]).mean(1), mesh.uv[:, :, 0].mean(1)
    h, w = mesh.texture.shape[:2]
    colour = mesh.texture[(row * h).astype(int), (column * w).astype(int)].astype(float)
    height = mesh.vertices[mesh.faces][:, :, 2].mean(1)
    lid = colour[height > 0.999 * can.size[2]].mean(0)
    assert lid == pytest.approx(np.array(can.look.other), abs=15)  # steel, and grained a little


def test_an_unknown_category_is_named():
    with pytest.raises(UsageError, match="teapot: no household category; there are box"):
        drawn("teapot", 0)
