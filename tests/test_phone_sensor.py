"""What the simulated sensor gets wrong, and that it is as much as was asked for."""

import mujoco
import numpy as np
import pytest

from cousins import raycast
from cousins.phone import gloss, tracking
from cousins.phone.noise import Noise
from cousins.phone.sensor import guided, sensed
from cousins.scene import look_at
from cousins.types import Intrinsics

VIEW = Intrinsics(256, 192, 205.0, 205.0, 127.5, 95.5)
SHAPE = 192, 256
HEAD_ON = np.ones(SHAPE)


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("distance", [0.4, 1.0, 2.0])
def test_range_noise_follows_its_law(distance):
    noise = Noise(smear=0, floor=0.002, growth=0.003)
    depth, confidence = sensed(np.full(SHAPE, distance), HEAD_ON, noise, rng())
    error = depth / 1000 - distance
    assert error.std() == pytest.approx(0.002 + 0.003 * distance**2, rel=0.1)
    assert abs(error.mean()) < 0.0005
    assert (confidence == 2).all()


def test_blotches_hang_together():
    def likeness(blotch):
        noise = Noise(smear=0, floor=0.01, blotch=blotch)
        error = sensed(np.ones(SHAPE), HEAD_ON, noise, rng())[0].astype(float) - 1000
        return np.corrcoef(error[:, 1:].ravel(), error[:, :-1].ravel())[0, 1]

    assert abs(likeness(0.0)) < 0.05
    assert likeness(0.5) == pytest.approx(0.48, abs=0.05)


def test_a_scaled_noise_is_a_scaled_error():
    clean = Noise().scaled(0, 0)
    step = np.where(np.arange(256) < 128, 0.6, 0.9) * np.ones(SHAPE)
    depth, confidence = sensed(step, HEAD_ON, clean, rng(), guide=HEAD_ON)
    assert (depth == np.rint(1000 * step)).all()
    assert (confidence == 2).all()
    twice = Noise().scaled(2, 3)
    assert twice.floor == 2 * Noise().floor
    assert twice.sway == 3 * Noise().sway


def test_no_noise_is_the_truth():
    depth, confidence = sensed(np.full(SHAPE, 0.7654), HEAD_ON, None, rng())
    assert (depth == 765).all()
    assert (confidence == 2).all()


def test_edges_bleed_and_are_unsure():
    step = np.where(np.arange(256) < 128, 0.6, 0.9) * np.ones(SHAPE)
    depth, confidence = sensed(step, HEAD_ON, Noise(floor=0, growth=0), rng())
    between = (depth > 610) & (depth < 890)
    assert between[:, 127:129].all()
    assert (confidence[between] == 0).all()
    assert not between[:, :120].any()
    assert (confidence[:, :120] == 2).all()


def test_grazing_far_and_nothing_are_unsure():
    depth, cosine = np.full(SHAPE, 1.0), np.ones(SHAPE)
    cosine[:, :50], cosine[:, :20] = 0.2, 0.05
    depth[100:150], depth[150:180], depth[180:] = 4.0, 6.0, 0.0
    _, confidence = sensed(depth, cosine, None, rng())
    assert confidence[50, [10, 30, 100]].tolist() == [0, 1, 2]
    assert confidence[[120, 160, 190], 100].tolist() == [1, 0, 0]


def test_smoothing_eats_detail_where_the_picture_shows_no_edge():
    """A groove in one colour fills up; the same groove in another colour stays."""
    depth = np.ones(SHAPE)
    depth[:, 100:103] += 0.02
    seen = np.ones(SHAPE, bool)
    grey = np.full(SHAPE, 0.5)
    painted = grey.copy()
    painted[:, 100:103] = 0.9
    plain, kept = (guided(depth, seen, g, 3)[96, 101] - 1 for g in (grey, painted))
    assert plain < 0.01
    assert kept > 0.018
    assert np.abs(guided(depth, seen, grey, 3)[:, :90] - 1).max() < 1e-9


def test_smoothing_leaves_planes_alone_and_takes_nothing_from_what_is_unseen():
    u = np.arange(256) * np.ones(SHAPE)
    tilted = 0.5 + 0.002 * u
    seen = np.ones(SHAPE, bool)
    seen[:, 200:] = False
    out = guided(np.where(seen, tilted, 0), seen, np.full(SHAPE, 0.3), 2)
    assert np.abs(out - tilted)[10:-10, 10:190].max() < 1e-9
    assert out[:, 190:200].min() > 0.85


SHINY = """<mujoco><asset>
  <material name="dull" reflectance="0"/><material name="shiny" reflectance="{}"/></asset>
<worldbody><geom name="dull" type="plane" size="2 2 .1" material="dull"/>
  <geom name="shiny" type="box" size=".2 .2 .05" pos="0 0 .05" material="shiny"/>
</worldbody></mujoco>"""


def look(reflectance, eye=(0.0, -0.6, 0.8), shine=1.0, seed=3):
    """Which pixels are lost, and which show the shiny box."""
    model = mujoco.MjModel.from_xml_string(SHINY.format(reflectance))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    stage = raycast.stage(model, data)
    pose = look_at(np.array(eye), np.array([0, 0, 0.05]))
    seen = raycast.depth(stage, VIEW, pose)
    blobs = gloss.pattern(np.random.default_rng(seed))
    lost = gloss.lost(seen, stage.reflectance, VIEW, pose, blobs, shine)
    return lost, seen.geom == model.geom("shiny").id


def test_only_shiny_things_lose_depth_and_the_more_the_shinier():
    shares = []
    for reflectance in (0.0, 0.2, 0.5, 0.9):
        lost, shiny = look(reflectance)
        assert not lost[~shiny].any()
        shares.append(lost[shiny].mean())
    assert shares[0] == 0
    assert np.all(np.diff(shares) > 0.05)
    assert shares[-1] > 0.7
    assert not look(0.9, shine=0)[0].any()


def test_grazing_views_lose_more():
    def share(eye):
        looks = [look(0.4, eye, seed=seed) for seed in range(12)]
        return np.mean([lost[shiny].mean() for lost, shiny in looks])

    # r (1 - (1 - r) cos), and the box is seen from its top alone, then mostly from the side
    assert share((0.0, -0.05, 0.9)) == pytest.approx(0.4 * (1 - 0.6 * 0.97), abs=0.04)
    assert share((0.9, -0.9, 0.15)) > 0.22


def test_what_is_lost_hangs_together_and_stays_for_the_next_frame():
    lost, shiny = look(0.4)
    inside = shiny[:, 1:] & shiny[:, :-1]
    share = lost[shiny].mean()
    borders = (lost[:, 1:] != lost[:, :-1])[inside].mean()
    assert borders < 0.5 * 2 * share * (1 - share)  # salt and pepper would have all of that
    after, also = look(0.4, eye=(0.01, -0.6, 0.8))
    both = shiny & also
    assert (lost == after)[both].mean() > 0.85


def test_what_is_lost_has_neither_depth_nor_confidence_and_bleeds_into_nothing():
    lost = np.zeros(SHAPE, bool)
    lost[50:60, 50:60] = True
    depth, confidence = sensed(np.ones(SHAPE), HEAD_ON, Noise(floor=0, growth=0), rng(), lost=lost)
    assert (depth[lost] == 0).all()
    assert (confidence[lost] == 0).all()
    assert (depth[~lost] == 1000).all()


def test_tracking_starts_right_and_drifts_as_much_as_asked():
    true = np.tile(np.eye(4), (200, 1, 1))
    noise = Noise(sway=0.002, turn=0.001)
    believed = tracking.believed(true, noise, 10, rng())
    assert np.allclose(believed[0], np.eye(4))
    shift = believed[:, :3, 3]
    assert 0.0005 < np.sqrt((shift**2).mean()) < 0.005
    assert np.abs(np.diff(shift, axis=0)).mean() < 0.3 * np.abs(shift).mean()
    more = tracking.believed(true, noise.scaled(drift=4), 10, rng())
    assert np.allclose(more[:, :3, 3], 4 * shift)
