"""Pose refinement: drift that was put in comes out, and good poses are left alone."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cousins.capture import open_capture
from cousins.phone import Phone, Walk, film
from cousins.reconstruct.poses import Refine
from cousins.scene import build, compile_model
from examples import table_scene


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    model = compile_model(*build(table_scene()))
    phone = Phone(frames=24, colour_size=(64, 48), walk=Walk(distance=(0.8, 1.1)), noise=None,
                  seed=3)  # fmt: skip
    return open_capture(film(model, tmp_path_factory.mktemp("film") / "true", phone))


def drifted(poses, seed, step=0.001, turn=0.001):
    """The poses with a random walk added, metres and radians a frame."""
    rng = np.random.default_rng(seed)
    out = poses.copy()
    shift = np.cumsum(step * rng.standard_normal((len(poses), 3)), axis=0)
    turns = np.cumsum(turn * rng.standard_normal((len(poses), 3)), axis=0)
    middle = poses[:, :3, 3].mean(0)
    for i, pose in enumerate(poses):
        turned = Rotation.from_rotvec(turns[i]).as_matrix()
        out[i, :3, :3] = turned @ pose[:3, :3]
        out[i, :3, 3] = turned @ (pose[:3, 3] - middle) + middle + shift[i]
    return out


def error(poses, true):
    """Median distance, mm, between where two poses put what lies 80 cm before the camera."""
    spot = np.array([0.0, 0.0, 0.8, 1.0])
    off = (poses @ spot - true @ spot)[:, :3]
    return 1000 * float(np.median(np.linalg.norm(off - off[0], axis=1)))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_drift_comes_out(capture, seed):
    wrong = drifted(capture.poses, seed)
    found = Refine()(capture.frames(), wrong)
    assert found.after < 0.6 * found.before
    assert error(found.poses, capture.poses) < 0.5 * error(wrong, capture.poses)


def test_true_poses_stay(capture):
    found = Refine()(capture.frames(), capture.poses)
    assert np.abs(found.poses[:, :3, 3] - capture.poses[:, :3, 3]).max() < 0.0015


def test_refined_poses_are_rigid(capture):
    poses = Refine()(capture.frames(), drifted(capture.poses, 5)).poses
    product = poses[:, :3, :3] @ poses[:, :3, :3].transpose(0, 2, 1)
    assert np.allclose(product, np.eye(3), atol=1e-9)
    assert np.allclose(poses[:, 3], [0, 0, 0, 1])


def test_frames_between_keyframes_go_along(capture):
    wrong = drifted(capture.poses, 1)
    found = Refine(keyframes=12)(capture.frames(), wrong)
    assert error(found.poses, capture.poses) < 0.7 * error(wrong, capture.poses)


def test_a_capture_of_two_frames_is_left_as_it_is(capture):
    frames = list(capture.frames())[:2]
    found = Refine()(iter(frames), capture.poses[:2])
    assert (found.poses == capture.poses[:2]).all()
