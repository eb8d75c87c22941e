"""A hand reaches into a film from below, and all else in it is as without."""

import numpy as np
import pytest

from cousins.capture import open_capture
from cousins.phone import Phone, Walk, film, poses
from cousins.phone.hands import REACH, SHOULDER, arm, reaches
from cousins.scene import build, compile_model
from examples import table_scene

TARGET = (0.0, 0.0, 0.77)
PHONE = Phone(frames=20, colour_size=(160, 120), walk=Walk(target=TARGET), hands=0.5, seed=4)


def reach(share, seed=0):
    true = poses(PHONE, TARGET)
    return true, reaches(true, np.array(TARGET), share, 10.0, np.random.default_rng(seed))


def test_an_arm_is_as_large_as_a_grown_persons():
    size = np.ptp(arm().reshape(-1, 3), axis=0)
    assert 0.6 < size[0] < 0.9
    assert 0.08 < size[1] < 0.14


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_hand_is_there_for_its_share_of_the_time(share):
    _, hands = reach(share)
    assert np.isfinite(hands).all((1, 2)).mean() == pytest.approx(share, abs=0.1)


def test_the_hand_moves_smoothly_and_no_farther_than_an_arm_reaches():
    true, hands = reach(1.0)
    eyes = true[:, :3, 3]
    there = np.isfinite(hands).all((1, 2))
    away = np.linalg.norm(hands[there, :3, 3] - eyes[there], axis=1)
    assert away.max() < REACH + np.linalg.norm(SHOULDER) + 0.3
    turns = hands[there, :3, :3]
    assert np.allclose(turns @ turns.transpose(0, 2, 1), np.eye(3), atol=1e-9)
    assert np.nanmax(np.linalg.norm(np.diff(hands[:, :3, 3], axis=0), axis=1)) < 0.35


def test_only_the_hand_is_new_in_a_film_with_hands(tmp_path):
    model = compile_model(*build(table_scene()))
    films = []
    for name, share in (("plain", 0.0), ("hands", 0.5), ("again", 0.5)):
        phone = Phone(**{**vars(PHONE), "hands": share})
        films.append(list(open_capture(film(model, tmp_path / name, phone)).frames()))
    nearer = []
    for plain, hands, again in zip(*films, strict=True):
        assert (hands.depth == again.depth).all()
        assert (plain.world_from_camera == hands.world_from_camera).all()
        far = np.abs(plain.depth - hands.depth) > 0.03
        nearer.append(far.mean())
        assert (hands.depth < plain.depth)[far & (plain.depth > 0)].all()
        if far.any():
            assert far[-48:].sum() > far[:48].sum()  # it comes from below
    assert 0.25 < np.mean(np.array(nearer) > 0.01) < 0.6
    assert min(nearer) == 0
