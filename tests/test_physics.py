"""The first prior of mass, friction and inertia."""

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from cousins import physics
from cousins.distributions import LogNormal, Uniform, from_json, to_json
from cousins.mesh import matrix_from_quaternion, principal, quaternion_from_matrix
from cousins.types import Primitive
from examples import mesh_of

UNIT = (1.0, 0.0, 0.0, 0.0)
SHAPES = [
    (
        Primitive("box", (0.03, 0.05, 0.11), (0, 0, 0), UNIT),
        trimesh.creation.box((0.06, 0.1, 0.22)),
    ),
    (
        Primitive("cylinder", (0.04, 0.07, 0), (0, 0, 0), UNIT),
        trimesh.creation.cylinder(0.04, 0.14, sections=512),
    ),
    (Primitive("sphere", (0.05, 0, 0), (0, 0, 0), UNIT), trimesh.creation.icosphere(5, 0.05)),
]


@pytest.mark.parametrize(("primitive", "mesh"), SHAPES)
def test_primitives_have_the_moments_of_their_meshes(primitive, mesh):
    exact, summed = physics.moments(mesh_of(mesh), primitive), physics.moments(mesh_of(mesh))
    for name in ("solid_inertia", "shell_inertia"):
        want = getattr(summed, name)
        assert np.allclose(getattr(exact, name), want, atol=2e-3 * np.trace(want))


def test_a_turned_primitive_turns_its_inertia():
    half = np.sqrt(0.5)
    lying = Primitive("cylinder", (0.04, 0.07, 0), (0, 0, 0.1), (half, 0, half, 0))
    moments = physics.moments(mesh_of(SHAPES[1][1]), lying)
    assert np.argmin(np.diag(moments.solid_inertia)) == 0
    assert np.allclose(moments.solid_centre, [0, 0, 0.1])


@given(st.floats(0, 1), st.floats(0.01, 10))
def test_any_mix_of_wall_and_fill_is_a_physical_inertia(shell, mass):
    mesh = trimesh.creation.annulus(0.03, 0.05, 0.1)
    centre, inertia = physics.mass_moments(physics.moments(mesh_of(mesh)), mass, shell)
    moments, _ = principal(inertia)
    assert (moments > 0).all()
    assert moments[1] + moments[2] >= moments[0] * (1 - 1e-9)
    assert np.allclose(centre, 0, atol=1e-3)


def test_the_mass_prior_holds_what_it_was_fitted_to():
    """A 90% interval holds the published mass of about nine things in ten."""
    held = total = 0
    for shape, things in physics._priors()["objects"].items():
        for mass, *sides in things.values():
            sides = sides * 3 if len(sides) == 1 else sides
            sides = [sides[0], *sides] if len(sides) == 2 else sides
            prior = physics.mass_prior(np.array(sides) / 1000, shape)
            held += prior.quantile(0.05) < mass / 1000 < prior.quantile(0.95)
            total += 1
    assert 0.85 <= held / total <= 1.0


def test_mass_grows_with_size_and_names_its_source():
    small = physics.mass_prior(np.array([0.05, 0.05, 0.1]), "cylinder")
    large = physics.mass_prior(np.array([0.1, 0.1, 0.2]), "cylinder")
    assert large.mode == pytest.approx(8 * small.mode)
    assert "YCB" in small.source


def test_friction_interval_is_the_published_range():
    friction = physics.friction_prior()
    assert friction.quantile(0.05) == pytest.approx(0.2)
    assert friction.quantile(0.95) == pytest.approx(0.75)


@given(st.floats(-5, 5), st.floats(0.01, 2))
def test_distributions_survive_json(mu, sigma):
    before = LogNormal(mu, sigma, "here")
    data = to_json(before)
    assert from_json(data) == before
    assert data["q05"] < data["q50"] < data["q95"]
    draws = before.sample(np.random.default_rng(0), 4000)
    assert 0.02 < np.mean(draws < data["q05"]) < 0.09


def test_an_unknown_distribution_is_refused():
    with pytest.raises(ValueError, match="unknown distribution 'cauchy'"):
        from_json({"distribution": "cauchy"})
    with pytest.raises(ValueError, match="wrong parameters"):
        from_json(to_json(Uniform(0, 1, "x")) | {"parameters": {"low": 0}})


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1))
def test_quaternions_and_matrices_are_two_ways_to_say_one_thing(values):
    q = np.array(values) / np.linalg.norm(values)
    matrix = matrix_from_quaternion(q)
    assert np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.isclose(abs(quaternion_from_matrix(matrix) @ q), 1, atol=1e-9)
