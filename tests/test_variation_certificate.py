"""Certificates are honest: what is planted is found, and nothing else is."""

from dataclasses import replace
from functools import cache

import containers
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import examples
from cousins.bank import Family
from cousins.errors import UsageError
from cousins.library import Household
from cousins.physics import mixed
from cousins.variation import physical
from cousins.variation.axes import Settings, Source, combined
from cousins.variation.certificate import COVERED, TOO_FAR, certify, hold
from cousins.variation.family import chunk, joined
from cousins.variation.robot import nominal
from cousins.variation.sampling import distances, draw, sources

BOX, CAN, BALL, ELL = range(4)
BOWL = 4
X, Y, Z = range(3)
AXES = ["shape", "physics", "layout", "look", "camera", "robot"]


@cache
def made(distractors=0, bowl=False) -> tuple[Source, Family]:
    scene = examples.table_scene()
    if bowl:
        hollow = containers.thing("bowl_1", containers.bowl_mesh(), (0.0, 0.15))
        scene = replace(scene, assets=(*scene.assets, hollow))
    asked = Settings(shapes=1 if bowl else 3, swaps=0.0, distractors=distractors)
    drawn_from = sources(scene, 1, asked, Household()).each[-1]
    return drawn_from, joined(drawn_from, [chunk(drawn_from, range(8))])


def planted(change, distractors=0, bowl=False):
    """The certificate of cousin 3 after `change` was made to its qpos (A, 7)."""
    drawn_from, family = made(distractors, bowl)
    qpos = family.arrays["qpos"].copy()
    change(qpos[3].reshape(-1, 7))
    spoilt = replace(family, arrays={**family.arrays, "qpos": qpos})
    granted = certify(drawn_from.twin, spoilt, [2, 3, 4])
    assert granted[0].passed
    assert granted[2].passed
    return granted[1]


def test_one_that_sinks_into_the_table_fails():
    found = planted(lambda pose: pose[BOX].__setitem__(Z, pose[BOX, Z] - 0.004))
    assert "box_1: overlaps another" in found.reasons
    assert 0.003 < found.overlap < 0.005


def test_two_in_one_place_fail_both():
    def change(pose):
        pose[CAN, :2] = pose[ELL, :2] + [0.0, -0.03]

    found = planted(change)
    assert found.overlap > 0.001
    assert not found.passed
    assert any(reason.startswith("can_1") for reason in found.reasons)


def test_one_in_the_air_falls():
    found = planted(lambda pose: pose[ELL].__setitem__(Z, pose[ELL, Z] + 0.05))
    assert "ell_1: fell" in found.reasons
    assert "ell_1: does not stand still" in found.reasons
    assert found.drift == pytest.approx(0.05, abs=0.01)


def test_one_beside_the_table_falls_and_is_off_its_support():
    found = planted(lambda pose: pose[CAN].__setitem__(X, 0.8))
    assert {"can_1: fell", "can_1: off its support"} <= set(found.reasons)


def test_one_that_leans_tips():
    def change(pose):
        half = np.radians(25) / 2
        pose[BOX, 3:] = [np.cos(half), np.sin(half), 0, 0]
        pose[BOX, Z] += 0.03

    found = planted(change)
    assert "box_1: does not stand still" in found.reasons
    assert found.tilt > 0.1


def test_one_out_of_the_robot_s_reach_is_told_and_stands_as_well_as_before():
    """At the far corner of the table, where the twin's robot reaches all from the near side."""
    found = planted(lambda pose: pose[CAN].__setitem__([X, Y], [0.56, 0.36]))
    assert found.reasons == (f"can_1: {TOO_FAR}",)


def test_where_the_twin_s_robot_stands_is_told_without_distractors():
    drawn_from, family = made(distractors=1)
    whole = drawn_from.judge.scene
    assert len(whole.assets) == 5
    # One that is where the robot would stand, and where nobody has put it.
    blocked = replace(whole.assets[4], position=nominal(drawn_from.twin)[:3] + [0.0, 0.0, 0.1])
    judge = replace(drawn_from.judge, scene=replace(whole, assets=(*whole.assets[:4], blocked)))
    own, other = (hold(j, family.arrays).faults for j in (drawn_from.judge, judge))
    np.testing.assert_array_equal(own, other)


def test_numbers_that_are_no_numbers_are_unstable_and_harm_no_neighbour(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = planted(lambda pose: pose[BOX].__setitem__(X, np.nan))
    assert "box_1: went unstable" in found.reasons
    assert found.drift == np.inf
    assert not list(tmp_path.iterdir())


def test_distractors_are_checked_as_well():
    drawn_from, family = made(distractors=1)
    assert [c.certificate for c in family.cousins] == certify(drawn_from.twin, family)
    assert drawn_from.judge.names[4] == "distractor_1"
    found = planted(lambda pose: pose[4].__setitem__(Z, pose[4, Z] + 0.05), distractors=1)
    assert "distractor_1: fell" in found.reasons
    assert {r.partition(":")[0] for r in found.reasons} == {"distractor_1"}


def over(pose, i, z, thing=BALL):
    """Put a thing at height z above the foot of the bowl's middle."""
    pose[thing, :2] = pose[i, :2]
    pose[thing, Z] = examples.TABLE + z


def test_a_lid_over_a_bowl_s_opening_is_found():
    # The box, upright across the rim.
    found = planted(lambda pose: over(pose, BOWL, 0.06 + 0.105, BOX), bowl=True)
    assert f"bowl_1: {COVERED}" in found.reasons


def test_what_was_dropped_into_a_bowl_fails():
    """Though it stays there: it covers the bottom, and stands no more on what it stood on."""
    found = planted(lambda pose: over(pose, BOWL, 0.004 + 0.035), bowl=True)
    assert f"bowl_1: {COVERED}" in found.reasons
    assert "ball_1: off its support" in found.reasons


def test_no_cousin_of_a_bowl_has_anything_in_it():
    _, family = made(bowl=True)
    bank = family.bank
    assert bank.depth[0, BOWL] == pytest.approx(0.056, abs=0.003)
    assert not bank.depth[0, [BOX, CAN, BALL, ELL]].any()
    assert all(c.certificate.passed for c in family.cousins)


def test_a_row_that_is_not_there_is_refused():
    drawn_from, family = made()
    with pytest.raises(UsageError, match="0 to 7"):
        certify(drawn_from.twin, family, [8])
    assert certify(drawn_from.twin, family, []) == []


def test_what_cannot_stand_is_rejected_and_counted():
    base = examples.table_scene()
    half = np.radians(30) / 2
    # A box on its edge: no place on the table will hold it.
    edge = np.array([np.cos(half), np.sin(half), 0.0, 0.0])
    tilted = base.assets[BOX].moved(base.assets[BOX].position + [0, 0, 0.05], edge)
    scene = replace(base, assets=(tilted, base.assets[CAN]))
    asked = Settings(shapes=2, swaps=0.0, distractors=0)
    drawn_from = sources(scene, 0, asked, Household()).each[0]
    part = chunk(drawn_from, range(2))
    assert part.cousins == ()
    assert part.missing == (0, 1)
    assert part.rejected == 100
    assert max(part.faults, key=lambda f: part.faults[f]).startswith("box_1: ")


def test_the_twin_is_at_distance_zero_and_its_cousins_are_not():
    drawn_from, family = made()
    found = draw(drawn_from, range(3), 0, share=0.0)
    assert list(found.values) == AXES
    np.testing.assert_allclose(list(found.values.values()), 0, atol=1e-7)
    for cousin in family.cousins:
        assert 0.05 < cousin.distance < 1
        assert cousin.distance == pytest.approx(np.mean(list(cousin.axes.values())))


@given(st.floats(0, 2), st.floats(0, 2), st.sampled_from(["mass", "friction", "layout", "colour"]))
def test_farther_on_an_axis_is_farther_and_leaves_the_other_axes_alone(near, far, what):
    near, far = sorted([near, far])
    drawn_from, _ = made()
    arrays = dict(draw(drawn_from, range(2), 0, share=0.0).arrays)
    step = np.array([near, far])[:, None]
    if what == "layout":
        arrays["qpos"] = arrays["qpos"].copy()
        arrays["qpos"][:, 0::7] += step * 0.5
    elif what == "colour":
        arrays["tint"] = arrays["tint"].copy()
        arrays["tint"][..., :3] -= (step[..., None] * 0.2).astype(np.float32)
    else:
        arrays[what] = arrays[what] * np.exp(step)
    found = distances(drawn_from, arrays)
    whole = combined(found)
    assert whole[0] <= whole[1] + 1e-12
    assert 0 <= whole[0]
    assert whole[1] <= 1 / len(AXES) + 1e-7
    own = {"mass": "physics", "friction": "physics", "layout": "layout", "colour": "look"}[what]
    for other, value in found.items():
        assert (value <= 1).all()
        if other != own:
            np.testing.assert_allclose(value, 0, atol=1e-7)


@given(st.floats(0, 1))
def test_inertia_of_a_mixture_is_the_sum_of_its_parts(share):
    bank = made()[1].bank
    solid, shell = ((getattr(bank, name)[1, ELL], getattr(bank, f"{name}_inertia")[1, ELL])
                    for name in ("solid", "shell"))  # fmt: skip
    centre, found = mixed(np.array(share), solid, shell)

    # About the origin, parts add up.
    def at_origin(c, inertia):
        return inertia + c @ c * np.eye(3) - np.outer(c, c)

    parts = (1 - share) * at_origin(*solid) + share * at_origin(*shell)
    np.testing.assert_allclose(at_origin(centre, found), parts, atol=1e-12)


@given(st.integers(0, 2**63))
def test_draws_stay_within_their_distributions(seed):
    scene = examples.table_scene()
    uniform = np.random.default_rng(seed).random(20)
    for asset in scene.assets:
        values = physical.quantiles(asset.mass, uniform)
        assert (values >= asset.mass.quantile(physical.TAIL) - 1e-12).all()
        assert (values <= asset.mass.quantile(1 - physical.TAIL) + 1e-12).all()
