"""Certificates are honest: what is planted is found, and nothing else is."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from cousins.variation.distance import AXES, axes
from hypothesis import given
from hypothesis import strategies as st

import examples
from cousins.bank import Family
from cousins.errors import UsageError
from cousins.variation import distance, physical
from cousins.variation.certificate import certify
from cousins.variation.family import chunk, joined
from cousins.variation.sampling import Settings, Source, draw, source
from cousins.variation.union import Draws

BOX, CAN, BALL, ELL = range(4)
X, Y, Z = range(3)


@cache
def made() -> tuple[Source, Family]:
    drawn_from = source(examples.table_scene(), 1, Settings(shapes=3))
    return drawn_from, joined(drawn_from, [chunk(drawn_from, range(8))])


def planted(change):
    """The certificate of cousin 3 after `change` was made to its qpos (4, 7)."""
    drawn_from, family = made()
    qpos = family.arrays["qpos"].copy()
    change(qpos[3].reshape(4, 7))
    spoilt = replace(family, arrays={**family.arrays, "qpos": qpos})
    granted = certify(drawn_from.union.scene, spoilt, [2, 3, 4])
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


def test_numbers_that_are_no_numbers_are_unstable_and_harm_no_neighbour(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = planted(lambda pose: pose[BOX].__setitem__(X, np.nan))
    assert "box_1: went unstable" in found.reasons
    assert found.drift == np.inf
    assert not list(tmp_path.iterdir())


def test_a_row_that_is_not_there_is_refused():
    drawn_from, family = made()
    with pytest.raises(UsageError, match="0 to 7"):
        certify(drawn_from.union.scene, family, [8])
    assert certify(drawn_from.union.scene, family, []) == []


def test_what_cannot_stand_is_rejected_and_counted():
    base = examples.table_scene()
    half = np.radians(30) / 2
    # A box on its edge: no place on the table will hold it.
    edge = np.array([np.cos(half), np.sin(half), 0.0, 0.0])
    tilted = base.assets[BOX].moved(base.assets[BOX].position + [0, 0, 0.05], edge)
    drawn_from = source(replace(base, assets=(tilted, base.assets[CAN])), 0, Settings(shapes=2))
    part = chunk(drawn_from, range(2))
    assert part.cousins == ()
    assert part.missing == (0, 1)
    assert part.rejected == 100
    assert max(part.faults, key=lambda f: part.faults[f]).startswith("box_1: ")


def twin(drawn_from: Source, n=1) -> Draws:
    """The twin as a draw, n times."""
    drawn, _ = draw(drawn_from, range(n), 0)
    assets = drawn_from.union.scene.assets
    return replace(
        drawn,
        shape=np.zeros_like(drawn.shape),
        position=np.repeat([[a.position for a in assets]], n, 0),
        quaternion=np.repeat([[a.quaternion for a in assets]], n, 0),
        mass=np.repeat([[a.mass.mode for a in assets]], n, 0),
        friction=np.repeat([[a.friction.mode for a in assets]], n, 0),
        rgba=np.ones_like(drawn.rgba),
    )


def measured(draws):
    drawn_from, _ = made()
    return axes(drawn_from.union, drawn_from.footprints, draws)


def test_the_twin_is_at_distance_zero_and_its_cousins_are_not():
    drawn_from, family = made()
    found = measured(twin(drawn_from))
    assert tuple(found) == AXES
    np.testing.assert_allclose(list(found.values()), 0, atol=1e-7)
    for cousin in family.cousins:
        assert 0.05 < cousin.distance < 1
        assert cousin.distance == pytest.approx(np.mean(list(cousin.axes.values())))


@given(st.floats(0, 2), st.floats(0, 2), st.sampled_from(["mass", "friction", "layout", "colour"]))
def test_farther_on_an_axis_is_farther_and_leaves_the_other_axes_alone(near, far, axis):
    near, far = sorted([near, far])
    drawn_from, _ = made()
    draws = twin(drawn_from, 2)
    step = np.array([near, far])[:, None]
    if axis == "layout":
        position = draws.position.copy()
        position[..., 0] += step * 0.5
        draws = replace(draws, position=position)
    elif axis == "colour":
        rgba = draws.rgba.copy()
        rgba[..., :3] -= step[..., None] * 0.2
        draws = replace(draws, rgba=rgba)
    else:
        draws = replace(draws, **{axis: getattr(draws, axis) * np.exp(step)})
    found = measured(draws)
    whole = distance.distance(found)
    assert whole[0] <= whole[1] + 1e-12
    assert 0 <= whole[0]
    assert whole[1] <= 1 / len(AXES) + 1e-7
    for other, value in found.items():
        assert (value <= 1).all()
        if other != axis:
            np.testing.assert_allclose(value, 0, atol=1e-7)


@given(st.floats(0, 1), st.floats(0.1, 10))
def test_inertia_of_a_mixture_is_the_sum_of_its_parts(share, mass):
    drawn_from, _ = made()
    m = drawn_from.union.slots[ELL].moments[1]
    solid, shell = (m.solid_centre, m.solid_inertia), (m.shell_centre, m.shell_inertia)
    centre, found = physical.inertia(
        np.array([mass]),
        np.array([share]),
        (solid[0][None], solid[1][None]),
        (shell[0][None], shell[1][None]),
    )

    # About the origin, parts add up.
    def at_origin(inertia, c, weight):
        return weight * inertia + weight * (c @ c * np.eye(3) - np.outer(c, c))

    whole = at_origin(found[0] / mass, centre[0], 1.0)
    parts = at_origin(solid[1], solid[0], 1 - share) + at_origin(shell[1], shell[0], share)
    np.testing.assert_allclose(whole, parts, atol=1e-12)


@given(st.integers(0, 2**63))
def test_draws_stay_within_their_distributions(seed):
    scene = examples.table_scene()
    uniform = np.random.default_rng(seed).random(20)
    for asset in scene.assets:
        values = physical.quantiles(asset.mass, uniform)
        assert (values >= asset.mass.quantile(physical.TAIL) - 1e-12).all()
        assert (values <= asset.mass.quantile(1 - physical.TAIL) + 1e-12).all()
    tints = physical.tints(np.random.default_rng(seed).random((5, 4)))
    assert (tints[:, :3] >= 0.6 - 1e-6).all()
    assert (tints <= 1).all()
    assert (tints[:, 3] == 1).all()
