"""The phone's ways around a scene."""

import mujoco
import numpy as np
import pytest

from cousins.errors import UsageError
from cousins.phone import PATHS, Phone, Walk, film, poses

CENTRE = (0.1, -0.2, 0.7)


def eyes(**settings):
    """Azimuth, elevation (degrees) and distance of each viewpoint, seen from the target."""
    walk = Walk(**{"unsteadiness": 0.0, **settings})
    path = poses(Phone(frames=80, walk=walk), CENTRE)
    away = path[:, :3, 3] - np.array(CENTRE)
    distance = np.linalg.norm(away, axis=1)
    azimuth = np.degrees(np.unwrap(np.arctan2(away[:, 1], away[:, 0])))
    return azimuth, np.degrees(np.arcsin(away[:, 2] / distance)), distance


@pytest.mark.parametrize("path", PATHS)
def test_every_path_keeps_its_ranges_and_its_aim(path):
    walk = Walk(path=path, distance=(0.5, 0.8), elevation=(20, 50), unsteadiness=0)
    found = poses(Phone(frames=60, walk=walk), CENTRE)
    away = found[:, :3, 3] - np.array(CENTRE)
    distance = np.linalg.norm(away, axis=1)
    elevation = np.degrees(np.arcsin(away[:, 2] / distance))
    assert distance.min() > 0.499
    assert distance.max() < 0.801
    assert elevation.min() > 19.99
    assert elevation.max() < 50.01
    aim = np.einsum("ij,ij->i", found[:, :3, 2], -away / distance[:, None])
    assert aim.min() > 1 - 1e-9


def test_a_circle_is_a_whole_turn_at_one_height():
    azimuth, elevation, distance = eyes(path="circle", start=40)
    assert np.ptp(azimuth) == pytest.approx(360)
    assert np.ptp(elevation) < 1e-9
    assert np.ptp(distance) < 1e-9
    assert azimuth[0] == pytest.approx(40)


def test_a_sweep_stays_in_front_and_rises():
    azimuth, elevation, _ = eyes(path="sweep", arc=80, start=-90, waves=2)
    assert azimuth.min() == pytest.approx(-130, abs=1)
    assert azimuth.max() == pytest.approx(-50, abs=1)
    assert np.sum(np.diff(np.sign(np.diff(azimuth))) != 0) == 4  # there and back, twice
    assert (np.diff(elevation) > 0).all()


def test_jitter_is_of_the_size_that_was_asked_for():
    aims = []
    for size in (0.0, 0.01, 0.04):
        path = poses(Phone(frames=200, walk=Walk(path="circle", unsteadiness=size)), CENTRE)
        away = np.array(CENTRE) - path[:, :3, 3]
        axis = path[:, :3, 2]
        aims.append(np.linalg.norm(away - (away * axis).sum(1, keepdims=True) * axis, axis=1))
    assert aims[0].max() < 1e-9
    assert 0.005 < np.sqrt((aims[1] ** 2).mean()) < 0.03
    assert np.sqrt((aims[2] ** 2).mean()) > 3 * np.sqrt((aims[1] ** 2).mean())


@pytest.mark.parametrize(
    ("walk", "told"),
    [
        (Walk(path="spiral"), "arc, circle, sweep"),
        (Walk(distance=(0.9, 0.6)), "least:most"),
        (Walk(elevation=(30, 90)), "elevation 30:90"),
        (Walk(distance=(0, 1)), "distance 0:1"),
    ],
)
def test_a_walk_that_nobody_can_go_is_refused(walk, told, tmp_path):
    model = mujoco.MjModel.from_xml_string("<mujoco/>")
    with pytest.raises(UsageError, match=told):
        film(model, tmp_path / "film", Phone(walk=walk))
    assert not list(tmp_path.iterdir())
