"""What was not seen of a symmetric thing is made after what was."""

import numpy as np
import pytest
import trimesh
from surfaces import CAMERA, TABLE, around, bowl, chamfer, filmed, off, plane, standing, turned

from cousins.mesh import solid_moments
from cousins.reconstruct.depth import clean
from cousins.segment.geometric import Segment
from cousins.shape.axis import reach
from cousins.shape.carve import Carving, Grid, extract
from cousins.shape.symmetry import complete
from cousins.types import Mesh, Support
from examples import ell

SQUARE = np.array([[-0.3, -0.3], [0.3, -0.3], [0.3, 0.3], [-0.3, 0.3]])
TOP = Support("table", "table", TABLE, SQUARE)


def as_mesh(mesh):
    return Mesh(np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int32))


def seen_from(thing, arc=120.0, symmetry=True):
    """The grid of a thing on a table that was filmed from an arc of `arc` degrees only."""
    table = plane(SQUARE[0], SQUARE[2], TABLE, 0.1)
    n = round(36 * arc / 360)
    poses = around((0, 0, TABLE + 0.05), 36, 0.6, (25.0, 50.0))[:n]
    shots = filmed([thing, table], poses)
    points, face = trimesh.sample.sample_surface(thing, 12000, seed=0)[:2]
    hit = np.zeros(len(points), int)
    for shot in shots:
        camera = np.linalg.inv(shot.world_from_camera)
        p = points @ camera[:3, :3].T + camera[:3, 3]
        u = np.rint(p[:, 0] / p[:, 2] * CAMERA.fx + CAMERA.cx).astype(int)
        v = np.rint(p[:, 1] / p[:, 2] * CAMERA.fy + CAMERA.cy).astype(int)
        hit += np.abs(shot.depth[v.clip(0, 191), u.clip(0, 255)] - p[:, 2]) < 0.004
    keep = (hit >= 2) & (points[:, 2] > TABLE + 0.004)
    normals = thing.face_normals[face][keep]
    segment = Segment(points[keep], normals, np.full(normals.shape, 0.5), TOP, TABLE, 0.0005)
    grid = Grid(segment, Carving(symmetry=symmetry))
    for shot in shots:
        grid.add(clean(shot), shot.depth_intrinsics, shot.world_from_camera)
    return grid


def can():
    return standing(trimesh.creation.cylinder(0.035, 0.1, sections=64))


def mug():
    cup = trimesh.boolean.difference(
        [
            trimesh.creation.cylinder(0.04, 0.09, sections=64),
            trimesh.creation.cylinder(0.034, 0.09, sections=64).apply_translation([0, 0, 0.008]),
        ],
        engine="manifold",
    )
    ring = turned(trimesh.creation.torus(0.024, 0.006, 32, 12), [1, 0, 0], 90)
    ring.apply_translation([0.043, 0, 0])
    hole = trimesh.creation.cylinder(0.037, 0.09, sections=64)
    ring = trimesh.boolean.difference([ring, hole], engine="manifold")
    return turned(trimesh.boolean.union([cup, ring], engine="manifold"), [0, 0, 1], 120)


@pytest.mark.parametrize(
    ("thing", "worst"),
    [
        (can(), 0.003),
        (standing(trimesh.creation.icosphere(4, 0.04)), 0.004),
        (standing(turned(trimesh.creation.cylinder(0.03, 0.14, sections=64), [1, 0.4, 0], 90)),
         0.004),
    ],
    ids=["can", "ball", "lying can"],
)  # fmt: skip
def test_a_half_seen_round_thing_is_completed(thing, worst):
    grid = seen_from(thing)
    mesh, observed = extract(grid)
    assert grid.completed is not None
    assert "by symmetry (revolution)" in grid.completed
    surface = trimesh.sample.sample_surface(thing, 4000, seed=0)[0]
    shape = trimesh.Trimesh(mesh.vertices, mesh.faces)
    assert np.quantile(off(shape, surface), 0.98) < worst
    assert solid_moments(mesh)[0] == pytest.approx(thing.volume, rel=0.08)
    assert observed < 0.8, "what was completed does not count as seen"
    plain, _ = extract(seen_from(thing, symmetry=False))
    assert chamfer(mesh, as_mesh(thing)) < 0.75 * chamfer(plain, as_mesh(thing))


def test_a_bowl_seen_from_one_side_is_hollow_all_round():
    thing = standing(bowl())
    mesh, _ = extract(seen_from(thing))
    assert chamfer(mesh, as_mesh(thing)) < 0.0025
    inside = np.array([[0.04 * np.cos(a), 0.04 * np.sin(a), TABLE + 0.045]
                       for a in np.arange(12) * np.pi / 6])  # fmt: skip
    assert not trimesh.Trimesh(mesh.vertices, mesh.faces).contains(inside).any()


def test_a_half_seen_box_is_completed_by_a_mirror():
    thing = standing(turned(trimesh.creation.box((0.06, 0.1, 0.12)), [0, 0, 1], 20))
    grid = seen_from(thing)
    whole = complete(grid, *grid.evidence())
    assert whole is not None
    assert whole.kind == "a mirror plane"
    mesh, _ = extract(grid)
    plain, _ = extract(seen_from(thing, symmetry=False))
    assert chamfer(mesh, as_mesh(thing)) < chamfer(plain, as_mesh(thing)) + 0.0001


def test_an_asymmetric_thing_is_left_alone():
    wedge = trimesh.convex.convex_hull(
        [[0, 0, 0], [0.1, 0, 0], [0, 0.06, 0], [0.02, 0.01, 0.09], [0.07, 0.03, 0.03]]
    )
    grid = seen_from(standing(wedge))
    assert complete(grid, *grid.evidence()) is None
    extract(grid)
    assert grid.completed is None


def test_a_handle_is_kept_and_not_multiplied():
    thing = standing(mug())
    mesh, _ = extract(seen_from(thing, 240.0))
    shape = trimesh.Trimesh(mesh.vertices, mesh.faces)
    assert chamfer(mesh, as_mesh(thing)) < 0.0025
    # Farther from the truth than the noise there is nothing: no second handle.
    surface = trimesh.sample.sample_surface(shape, 6000, seed=0)[0]
    assert np.quantile(off(thing, surface), 0.99) < 0.006
    assert np.allclose(shape.extents, thing.extents, atol=0.006)


@pytest.mark.parametrize(
    ("thing", "arc"),
    [(can(), 120.0), (standing(bowl()), 120.0), (standing(mug()), 300.0)],
    ids=["can", "bowl", "mug"],
)
def test_what_was_seen_is_never_overruled(thing, arc):
    grid = seen_from(thing, arc)
    signed, seen = grid.evidence()
    whole = complete(grid, signed, seen)
    assert whole is not None
    assert np.array_equal(whole.signed[seen], signed[seen])
    assert not (whole.filled & seen).any()
    assert (whole.known == (seen | whole.filled)).all()


def test_the_reach_of_a_seen_part_is_that_of_the_whole():
    thing = can()
    points, face = trimesh.sample.sample_surface(thing, 4000, seed=0)[:2]
    front = (points[:, 0] > 0.0) & (thing.face_normals[face][:, 2] < 0.5)
    low, high = reach(points[front], thing.face_normals[face][front])
    assert np.allclose([low, high], thing.bounds, atol=0.002)
    angled = ell("ell", (0, 0)).visual
    angled = trimesh.Trimesh(angled.vertices, angled.faces)
    points, face = trimesh.sample.sample_surface(angled, 4000, seed=0)[:2]
    bounds = reach(points, angled.face_normals[face])
    assert np.allclose(bounds, [points.min(0), points.max(0)])
