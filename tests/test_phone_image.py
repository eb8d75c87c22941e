"""The simulated colour camera: motion blur, exposure and the picture's noise."""

import mujoco
import numpy as np
import pytest

from cousins import raycast
from cousins.phone import image
from cousins.phone.image import Exposure
from cousins.scene import look_at
from cousins.types import Intrinsics

VIEW = Intrinsics(160, 120, 150.0, 150.0, 79.5, 59.5)
RATE = 10.0
BALL = '<mujoco><worldbody><geom type="sphere" size=".05" rgba="0 0 0 1"/></worldbody></mujoco>'


@pytest.fixture(scope="module")
def stage():
    model = mujoco.MjModel.from_xml_string(BALL)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return raycast.stage(model, data)


def passing(direction, step=0.05):
    """Three poses that pass the ball, looking along y."""
    poses = np.tile(look_at(np.array([0, -0.6, 0.0]), np.zeros(3)), (3, 1, 1))
    poses[:, :3, 3] += step * np.arange(-1, 2)[:, None] * np.array(direction)
    return poses


def extent(picture):
    """How far the dark ball reaches, in columns and in rows, however faintly."""
    dark = picture.mean(2) < picture[0, 0].mean() - 3
    return np.ptp(np.flatnonzero(dark.any(0))) + 1, np.ptp(np.flatnonzero(dark.any(1))) + 1


@pytest.mark.parametrize(("direction", "along"), [((1, 0, 0), 0), ((0, 0, 1), 1)])
def test_motion_blurs_along_the_motion(stage, direction, along):
    lamp = np.array([[0, -2.0, 1.0]])
    poses = passing(direction)
    sharp, blurred = (
        image.picture(stage, VIEW, image.instants(poses, 1, RATE, s, VIEW.fx), lamp, 1)
        for s in (0.0, 0.08)
    )
    before, after = extent(sharp), extent(blurred)
    # 0.5 m/s for 80 ms at 0.6 m, under a focal length of 150 pixels
    assert after[along] - before[along] == pytest.approx(150 * 0.04 / 0.6, abs=2.5)
    assert after[1 - along] == pytest.approx(before[1 - along], abs=2)


def test_what_turns_is_blurred_too():
    poses = np.tile(np.eye(4), (3, 1, 1))
    angle = 0.1 * np.arange(-1, 2)
    poses[:, 0, 0] = poses[:, 2, 2] = np.cos(angle)
    poses[:, 0, 2], poses[:, 2, 0] = np.sin(angle), -np.sin(angle)
    during = image.instants(poses, 1, RATE, 0.05, 200.0)
    seen = np.arctan2(during[:, 0, 2], during[:, 2, 2])
    assert np.ptp(seen) == pytest.approx(0.05 * (1 - 1 / len(during)))  # 1 rad/s
    assert len(during) > 5


def test_what_stands_still_is_drawn_once():
    still = np.tile(np.eye(4), (3, 1, 1))
    assert len(image.instants(still, 1, RATE, 0.1, 500.0)) == 1
    assert len(image.instants(passing((1, 0, 0)), 1, RATE, 0.0, 500.0)) == 1
    assert len(image.instants(still[:1], 0, RATE, 0.1, 500.0)) == 1


def test_auto_exposure_drifts_slowly_by_as_much_as_asked():
    rng = np.random.default_rng(1)
    gains = np.log(image.gains(Exposure(gain=0.2), 400, 30, rng))
    assert gains.std() == pytest.approx(0.2, rel=0.3)
    assert np.abs(np.diff(gains)).mean() < 0.04
    assert (image.gains(Exposure(), 5, 30, rng) == 1).all()


def test_a_pictures_noise_grows_with_the_root_of_brightness():
    rng = np.random.default_rng(2)
    for level, sigma in [(32, 3), (128, 6)]:
        flat = np.full((200, 200, 3), level, np.uint8)
        error = image.exposed(flat, 1.0, 6.0, rng).astype(float) - level
        assert error.std() == pytest.approx(sigma, rel=0.05)
        assert abs(error.mean()) < 0.1
    bright = image.exposed(flat, 1.5, 0.0, rng)
    assert (bright == 192).all()
    assert image.exposed(flat, 1.0, 0.0, rng) is flat
