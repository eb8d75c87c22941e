"""Centre of mass and inertia of shapes."""

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from cousins import physics
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


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1))
def test_quaternions_and_matrices_are_two_ways_to_say_one_thing(values):
    q = np.array(values) / np.linalg.norm(values)
    matrix = matrix_from_quaternion(q)
    assert np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.isclose(abs(quaternion_from_matrix(matrix) @ q), 1, atol=1e-9)
