"""Small scenes with known answers, for tests that need a scene and not a scan."""

import numpy as np
import trimesh

from cousins.distributions import LogNormal, Uniform
from cousins.mesh import solid_moments
from cousins.types import Asset, Mesh, Primitive, Scene, Support, Wall

TABLE = 0.72


def table_scene() -> Scene:
    """A box, a can, a ball and an L of two convex parts on a table 1.2 m x 0.8 m at 0.72 m."""
    polygon = np.array([[-0.6, -0.4], [0.6, -0.4], [0.6, 0.4], [-0.6, 0.4]])
    floor = np.array([[-3.0, -3.0], [3.0, -3.0], [3.0, 3.0], [-3.0, 3.0]])
    return Scene(
        assets=(
            box("box_1", (0.06, 0.16, 0.21), (0.3, 0.1)),
            can("can_1", 0.033, 0.10, (-0.2, 0.15)),
            ball("ball_1", 0.035, (0.0, -0.15)),
            ell("ell_1", (-0.3, -0.15)),
        ),
        supports=(
            Support("floor", "floor", 0.0, floor),
            Support("table", "table", TABLE, polygon),
        ),
        walls=(Wall("wall_1", np.array([0.0, 0.6, 1.0]), np.array([0.0, -1.0, 0.0]), 2.0, 1.0),),
    )


def asset(name, mesh, parts, xy, primitive=None, support="table", height=TABLE):
    mesh = mesh_of(mesh)
    volume, centre, inertia = solid_moments(mesh)
    mass = LogNormal(np.log(400 * volume), 0.6, "test")
    bottom = -mesh.vertices[:, 2].min()
    return Asset(
        name=name, label="test object", label_source="test", label_confidence=1.0,
        position=np.array([*xy, height + bottom]), quaternion=np.array([1.0, 0, 0, 0]),
        visual=mesh, parts=tuple(mesh_of(p) for p in parts), primitive=primitive,
        watertight=True, volume=volume, observed_fraction=0.7, support=support,
        mass=mass, friction=LogNormal(np.log(0.5), 0.3, "test"),
        shell_fraction=Uniform(0.0, 1.0, "test"),
        center_of_mass=centre, inertia=inertia * mass.mode,
    )  # fmt: skip


def mesh_of(mesh: trimesh.Trimesh) -> Mesh:
    faces = np.asarray(mesh.faces, np.int32)
    uv = np.tile([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]], (len(faces), 1, 1))
    texture = np.full((16, 16, 3), (200, 120, 80), np.uint8)
    return Mesh(np.asarray(mesh.vertices, float), faces, uv, texture)


def box(name, size, xy):
    mesh = trimesh.creation.box(size)
    half = tuple(float(s) / 2 for s in size)
    return asset(name, mesh, [mesh], xy, Primitive("box", half, (0, 0, 0), (1, 0, 0, 0)))


def can(name, radius, height, xy):
    mesh = trimesh.creation.cylinder(radius, height, sections=32)
    primitive = Primitive("cylinder", (radius, height / 2, 0.0), (0, 0, 0), (1, 0, 0, 0))
    return asset(name, mesh, [mesh], xy, primitive)


def ball(name, radius, xy):
    mesh = trimesh.creation.icosphere(3, radius)
    primitive = Primitive("sphere", (radius, 0.0, 0.0), (0, 0, 0), (1, 0, 0, 0))
    return asset(name, mesh, [mesh.convex_hull], xy, primitive)


def ell(name, xy):
    a = trimesh.creation.box((0.16, 0.04, 0.04))
    b = trimesh.creation.box((0.04, 0.12, 0.04))
    a.apply_translation([0, -0.04, 0])
    b.apply_translation([-0.06, 0.04, 0])
    mesh = trimesh.boolean.union([a, b], engine="manifold")
    shift = -mesh.bounds.mean(0)
    for m in (mesh, a, b):
        m.apply_translation(shift)
    return asset(name, mesh, [a, b], xy)
