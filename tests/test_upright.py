"""Up as a layout states it is held against the planes that were seen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation
from surfaces import around, plane, seen, standing, turned

from cousins.reconstruct.gravity import rotation_to_z
from cousins.segment.upright import upright
from cousins.segment.world import orient
from cousins.types import Capture

TABLE = 0.7
Z = np.array([0.0, 0, 1])


def room(walls=True):
    """A floor and a table with a box on it, and two walls of twice the floor's area."""
    wall = plane((-1.5, 0), (1.5, 2), 0, 0.06)
    parts = [
        plane((-1.0, -1.0), (1.0, 1.0), 0.0, 0.06),
        plane((-0.5, -0.3), (0.5, 0.3), TABLE, 0.04),
        standing(trimesh.creation.box((0.2, 0.1, 0.15)), 0.2),
    ]
    if walls:
        parts.append(turned(turned(wall, [1, 0, 0], 90), [0, 0, 1], 0, (0, 1.5, 0)))
        parts.append(turned(turned(wall, [1, 0, 0], 90), [0, 0, 1], 90, (0, 0, 0)))
    surface = seen(*parts, edge=0.05)
    rng = np.random.default_rng(0)
    noisy = surface.normals + 0.03 * rng.standard_normal(surface.normals.shape)
    return replace(surface, normals=noisy / np.linalg.norm(noisy, axis=1, keepdims=True))


ROOM, TABLE_ALONE = room(), room(walls=False)


def capture(up, views=24, roll=0.0):
    """Cameras all round the table, turned by `roll` degrees about their axes."""
    poses = around((0, 0, TABLE), views, 1.0, (20.0, 40.0))[:views]
    held = Rotation.from_euler("z", roll, degrees=True).as_matrix()
    poses[:, :3, :3] = poses[:, :3, :3] @ held
    return Capture(Path("c"), "made", poses, up, "0", lambda: iter(()))


def off(direction):
    return np.degrees(np.arccos(np.clip(direction @ Z, -1, 1)))


def leaning(degrees, azimuth=0.0):
    return Rotation.from_euler("yz", [degrees, azimuth], degrees=True).apply(Z)


@pytest.mark.parametrize("surface", [ROOM, TABLE_ALONE])
@pytest.mark.parametrize("roll", [0, 90, 180, 270])  # a phone's four ways
@pytest.mark.parametrize("degrees", [0.0, 1.5])
def test_an_up_that_is_right_stays_as_it_is(surface, roll, degrees):
    """The table's own tilt is for the levelling to tell, not for this."""
    told = leaning(degrees, 30)
    found = upright(capture(told, roll=roll), surface)
    assert np.array_equal(found.direction, told / np.linalg.norm(told))
    assert not found.warnings
    assert found.source.startswith("the layout's world, ")
    assert float(found.source.split()[3]) == pytest.approx(degrees, abs=0.5)


@pytest.mark.parametrize("surface", [ROOM, TABLE_ALONE])
@pytest.mark.parametrize("roll", [0, 90])
@pytest.mark.parametrize("degrees", [8, 10, 30, 90, 180])
@pytest.mark.parametrize("azimuth", [0, 37])
def test_an_up_that_is_wrong_gives_way_to_the_planes(surface, roll, degrees, azimuth):
    """By 90 degrees, along one of the walls too, which are larger than all that is level."""
    found = upright(capture(leaning(degrees, azimuth), roll=roll), surface)
    assert off(found.direction) < 0.5
    (warning,) = found.warnings
    told = float(found.source.split()[1])
    assert told == pytest.approx(degrees, abs=0.5)
    assert f"is {told:.0f} degrees off the planes" in warning


def test_a_wall_in_one_view_is_no_floor():
    """One camera tells nothing by turning, and what is level could carry something."""
    found = upright(capture(Z, views=1), ROOM)
    assert np.array_equal(found.direction, Z)
    assert not found.warnings


def test_one_view_of_a_plane_across_may_be_of_a_wall():
    found = upright(capture(np.array([1.0, 0, 0]), views=1), TABLE_ALONE)
    assert np.array_equal(found.direction, [1.0, 0, 0])
    assert off(upright(capture(-Z, views=1), TABLE_ALONE).direction) < 0.5  # but not of a ceiling


def test_without_a_plane_the_layout_is_believed():
    rng = np.random.default_rng(1)
    some = rng.permutation(len(ROOM.vertices))[:60]
    few = replace(ROOM, vertices=ROOM.vertices[some], normals=ROOM.normals[some],
                  faces=np.zeros((0, 3), np.int32))  # fmt: skip
    found = upright(capture(Z), few)
    assert np.array_equal(found.direction, Z)
    assert "no plane was seen to check it by" in found.source


@pytest.mark.parametrize("degrees", [10, 90])
def test_the_world_comes_out_the_same_from_a_wrong_up(degrees):
    right = orient(capture(Z), ROOM)
    wrong = orient(capture(leaning(degrees, 20)), ROOM)
    assert [s.kind for s in wrong.supports] == [s.kind for s in right.supports]
    for a, b in zip(wrong.supports, right.supports, strict=True):
        assert a.height == pytest.approx(b.height, abs=0.005)
    assert rotation_to_z(wrong.world_from_capture[:3, :3].T @ Z).trace() > 2.9999
    assert wrong.up.warnings
    assert not right.up.warnings


@pytest.mark.parametrize("pitch", [15.0, 40.0, 70.0])
@pytest.mark.parametrize("stated", [None, Z, leaning(10, 50)])
def test_one_view_tells_up_by_its_points_and_not_by_its_normals(pitch, stated):
    """These err by ten degrees in one frame, and more than 45 may lie between a table's up and
    that of a camera which looks down on it."""
    rng = np.random.default_rng(3)
    bent = TABLE_ALONE.normals + 0.17 * rng.standard_normal(TABLE_ALONE.normals.shape)
    bent /= np.linalg.norm(bent, axis=1, keepdims=True)
    rough = TABLE_ALONE.vertices + 0.002 * rng.standard_normal(bent.shape)
    surface = replace(TABLE_ALONE, normals=bent, vertices=rough)
    poses = around((0, 0, TABLE), 1, 1.0, (pitch,))[:1]
    told = replace(capture(stated, views=1), poses=poses)
    found = upright(told, surface)
    assert off(found.direction) < 0.3
    assert bool(found.warnings) == (stated is not None and stated is not Z)
