"""Openings and handles: found where they are, and missed where a scan has shut them."""

import numpy as np
import pytest
import trimesh
from containers import bowl_mesh, glass_mesh, mug_mesh
from hypothesis import given, settings
from hypothesis import strategies as st

from cousins.household import draw
from cousins.score import handles, openings
from cousins.score.field import axes, look, solid
from cousins.types import Mesh


def seen(mesh):
    return solid(Mesh(np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int32)))


def physical(parts):
    return seen(trimesh.util.concatenate([p.convex_hull for p in parts]))


BOWL, GLASS, MUG = bowl_mesh(), glass_mesh(), mug_mesh()


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3).filter(lambda v: np.hypot(*v[:2]) > 0.01))
def test_axes_are_a_right_handed_frame(up):
    up = np.array(up) / np.linalg.norm(up)
    frame = axes(up)
    assert np.allclose(frame @ frame.T, np.eye(3))
    assert np.linalg.det(frame) == pytest.approx(1)
    assert np.allclose(frame[2], up)
    assert np.allclose(axes(np.array([0, 0, 1.0])), np.eye(3))


def test_a_field_is_as_high_as_the_shape_and_has_walls_without_gaps():
    """A foil of a tenth of a cell is not fallen through."""
    foil = trimesh.creation.annulus(0.05, 0.0502, 0.1, sections=64)
    field = look(seen(foil), 0.001)
    assert np.isfinite(field.heights).any()
    assert field.heights.max() == pytest.approx(0.05, abs=1e-6)
    assert openings.openings(seen(foil))[0].depth > 0.09


def test_a_glass_takes_a_ball_as_wide_as_itself():
    [opening] = openings.openings(seen(GLASS[0]))
    assert opening.radius == pytest.approx(0.03, abs=0.002)
    assert opening.depth == pytest.approx(0.1, abs=0.001)
    assert opening.place == pytest.approx([0, 0], abs=0.003)


def test_a_bowl_takes_a_ball_up_to_its_middle():
    """The largest whose middle is at the rim while it touches the slanted wall."""
    [opening] = openings.openings(seen(BOWL[0]))
    assert opening.depth == pytest.approx(0.056, abs=0.001)
    # The wall inside runs from (38, 4) to (66, 60) mm; so far is the middle of the rim from it.
    along = np.array([0.028, 0.056]) / np.hypot(0.028, 0.056)
    assert opening.radius == pytest.approx(min(0.056, 0.066 * along[1]), abs=0.003)


@pytest.mark.parametrize(
    "mesh",
    [
        trimesh.creation.box((0.1, 0.1, 0.1)),
        trimesh.creation.icosphere(3, 0.05),
        bowl_mesh()[0].apply_transform(trimesh.transformations.rotation_matrix(np.pi, (1, 0, 0))),
        bowl_mesh(height=0.012)[0],
        glass_mesh(radius=0.006)[0],
    ],
    ids=["box", "ball", "bowl upside down", "too flat", "too narrow"],
)
def test_what_takes_no_ball_has_no_opening(mesh):
    assert openings.openings(seen(mesh)) == ()


def test_two_wells_are_two_openings():
    pair = trimesh.util.concatenate([GLASS[0], GLASS[0].copy().apply_translation([0.1, 0, 0])])
    assert len(openings.openings(seen(pair))) == 2


@pytest.mark.parametrize("made", [BOWL, GLASS, MUG], ids=["bowl", "glass", "mug"])
def test_an_opening_is_kept_by_parts_and_shut_by_a_hull(made):
    mesh, parts = made
    true = seen(mesh)
    [opening] = openings.openings(true)
    assert openings.kept(opening, true, true)
    assert openings.kept(opening, true, physical(parts))
    assert not openings.kept(opening, true, seen(mesh.convex_hull))


def test_an_opening_half_filled_or_made_too_narrow_or_elsewhere_is_not_kept():
    true = seen(GLASS[0])
    [opening] = openings.openings(true)
    fill = trimesh.creation.cylinder(0.031, 0.05).apply_translation([0, 0, 0.028])
    assert not openings.kept(opening, true, physical([*GLASS[1], fill]))
    assert not openings.kept(opening, true, seen(glass_mesh(radius=0.02)[0]))
    assert openings.kept(opening, true, seen(glass_mesh(radius=0.027)[0]))
    away = GLASS[0].copy().apply_translation([0.02, 0, 0])
    assert not openings.kept(opening, true, seen(away))
    near = GLASS[0].copy().apply_translation([0.006, 0, 0.003])
    assert openings.kept(opening, true, seen(near))


@pytest.mark.parametrize("category", ["bowl", "plate", "mug", "tray", "basket"])
def test_household_openings_are_found_and_their_exact_parts_keep_them(category):
    made = draw(category, np.random.default_rng(3))
    upright = [o.radius for o in made.shape.openings() if o.axis == (0, 0, 1)]
    true, parts = solid(made.visual), physical([trimesh.Trimesh(p.vertices, p.faces)
                                                for p in made.parts])  # fmt: skip
    [opening] = openings.openings(true)
    assert [opening.radius] == pytest.approx(upright, abs=0.002)
    assert openings.kept(opening, true, parts)
    hull = trimesh.convex.convex_hull(made.visual.vertices)
    assert not openings.kept(opening, true, seen(hull))


@given(st.floats(-np.pi, np.pi), st.floats(-2, 2))
@settings(max_examples=4)
def test_openings_do_not_depend_on_where_a_thing_stands(turn, shift):
    pose = trimesh.transformations.rotation_matrix(turn, (0, 0, 1))
    pose[:3, 3] = shift
    [here], [there] = (openings.openings(seen(m)) for m in (
        MUG[0], MUG[0].copy().apply_transform(pose)))  # fmt: skip
    assert there.radius == pytest.approx(here.radius, abs=0.002)
    assert there.depth == pytest.approx(here.depth, abs=1e-4)
    assert there.place == pytest.approx(pose[:2, :2] @ here.place + shift, abs=0.004)


def test_a_ring_has_a_handle_as_wide_as_its_hole():
    ring = trimesh.creation.torus(0.04, 0.008)
    [handle] = handles.handles(seen(ring))
    assert handle.radius == pytest.approx(0.032, abs=0.002)
    assert abs(handle.direction[2]) > 0.98
    assert handle.point == pytest.approx([0, 0, 0], abs=0.004)


def test_a_mug_has_one_handle_and_a_pot_two():
    [handle] = handles.handles(seen(MUG[0]))
    assert abs(handle.direction[1]) > 0.9
    # Of a circle of 21 mm, 4 mm out from the wall, the part that is outside: 25 mm wide.
    assert handle.radius == pytest.approx(0.0125, abs=0.0015)
    assert handle.point[[0, 2]] == pytest.approx([0.0505, 0.048], abs=0.004)
    assert abs(handle.point[1]) < 0.012, "between the sides of the cup"
    pot = handles.handles(seen(mug_mesh(handles=2)[0]))
    assert len(pot) == 2
    assert sorted(np.sign([h.point[0] for h in pot])) == [-1, 1]


@pytest.mark.parametrize(
    "mesh",
    [BOWL[0], GLASS[0], trimesh.creation.box((0.1, 0.2, 0.05))],
    ids=["bowl", "glass", "box"],
)
def test_what_no_rod_passes_has_no_handle_even_if_its_mesh_is_torn(mesh):
    assert handles.handles(seen(mesh)) == ()
    torn = mesh.copy()
    torn.update_faces(np.arange(len(torn.faces)) % 37 != 0)
    assert not torn.is_watertight
    assert [h for h in handles.handles(seen(torn)) if h.radius > 0.008] == []


def test_a_handle_is_kept_by_parts_shut_by_a_hull_and_gone_without_one():
    mesh, parts = MUG
    [handle] = handles.handles(seen(mesh))
    assert handles.kept(handle, seen(mesh))
    assert handles.kept(handle, physical(parts))
    assert handles.kept(handle, seen(mesh.copy().apply_translation([0.005, 0, -0.004])))
    assert not handles.kept(handle, seen(mesh.convex_hull))
    assert not handles.kept(handle, physical(glass_mesh(0.035, 0.09)[1])), "no handle, no hole"
    hull = trimesh.convex.convex_hull(np.concatenate([p.vertices for p in parts[25:]]))
    assert not handles.kept(handle, physical([*parts[:25], hull])), "open cup, shut handle"
