"""A box, cylinder or sphere stands for a mesh in collision where one fits."""

import numpy as np
import pytest
import trimesh
from surfaces import bowl, chamfer, turned

from cousins.shape.primitive import fit_primitive, primitive_mesh, round_off
from cousins.types import Mesh, Primitive
from examples import ell


def as_mesh(mesh):
    return Mesh(np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int32))


HALF = np.sqrt(0.5)


@pytest.mark.parametrize(
    ("mesh", "kind", "size"),
    [
        (trimesh.creation.box((0.06, 0.1, 0.2)), "box", (0.03, 0.05, 0.1)),
        (trimesh.creation.cylinder(0.04, 0.12, sections=64), "cylinder", (0.04, 0.06, 0)),
        (
            turned(trimesh.creation.cylinder(0.03, 0.15, sections=64), [0, 1, 0], 90),
            "cylinder",
            (0.03, 0.075, 0),
        ),
        (trimesh.creation.icosphere(4, 0.05), "sphere", (0.05, 0, 0)),
    ],
    ids=["box", "can", "lying can", "ball"],
)
def test_the_right_primitive_is_fitted(mesh, kind, size):
    fit = fit_primitive(as_mesh(mesh))
    assert fit is not None
    primitive, overlap = fit
    assert primitive.kind == kind
    assert primitive.size == pytest.approx(size, abs=0.002)
    assert overlap > 0.95
    stands_for = primitive_mesh(primitive)
    assert chamfer(stands_for, as_mesh(mesh)) < 0.002
    assert stands_for.vertices[:, 2].min() == pytest.approx(mesh.bounds[0, 2], abs=0.002)


@pytest.mark.parametrize("thing", [ell("ell", (0, 0)).visual, as_mesh(bowl())], ids=["L", "bowl"])
def test_no_primitive_stands_for_what_is_none(thing):
    assert fit_primitive(thing) is None


def test_a_balls_pedestal_is_rounded_off():
    ball = trimesh.creation.icosphere(4, 0.05)
    pedestal = trimesh.creation.cylinder(0.022, 0.05, sections=48).apply_translation([0, 0, -0.025])
    both = trimesh.boolean.union([ball, pedestal], engine="manifold")
    vertices, faces = trimesh.remesh.subdivide_to_size(both.vertices, both.faces, 0.01)[:2]
    both = trimesh.Trimesh(vertices, faces)
    round_ = round_off(as_mesh(both))
    assert np.linalg.norm(round_.vertices, axis=1).max() < 0.0525
    box = as_mesh(trimesh.creation.box((0.06, 0.1, 0.2)))
    assert round_off(box) is box


def test_no_primitive_fills_what_is_hollow():
    """A jar of thick walls with a small mouth overlaps a cylinder well, and is none."""
    jar = trimesh.boolean.difference(
        [
            trimesh.creation.cylinder(0.05, 0.1, sections=48),
            trimesh.creation.cylinder(0.02, 0.09, sections=48).apply_translation([0, 0, 0.02]),
        ],
        engine="manifold",
    )
    assert jar.volume > 0.87 * jar.convex_hull.volume
    assert fit_primitive(as_mesh(jar)) is None
    assert fit_primitive(as_mesh(jar.convex_hull)) is not None


def test_a_lying_cylinder_is_fitted_as_a_mesh_in_its_own_axes():
    primitive = Primitive("cylinder", (0.03, 0.075, 0), (0, 0, 0.01), (HALF, 0, HALF, 0))
    mesh = primitive_mesh(primitive)
    assert np.ptp(mesh.vertices, axis=0) == pytest.approx([0.15, 0.06, 0.06], rel=0.01)
    assert mesh.vertices[:, 2].mean() == pytest.approx(0.01)
