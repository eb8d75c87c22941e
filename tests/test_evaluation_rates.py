"""What an evaluation says of its episodes is so: bins, curves, effects of axes that go together."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cousins.evaluation.effects import effects
from cousins.evaluation.logistic import logistic
from cousins.evaluation.rates import BINS, bins, curve
from cousins.statistics import wilson

shares = st.floats(0, 1, width=32)


@given(
    values=st.lists(st.one_of(shares, st.just(0.5), st.just(float("nan"))), max_size=200),
    seed=st.integers(0, 99),
)
def test_each_episode_is_in_one_bin(values, seed):
    values = np.array(values, float)
    success = np.random.default_rng(seed).random(len(values)) < 0.5
    told = np.isfinite(values)
    found = bins(values, success)
    assert len(found) <= BINS
    assert sum(b.rate.trials for b in found) == told.sum()
    assert sum(b.rate.successes for b in found) == (success & told).sum()
    for one, other in pairwise(found):
        assert one.high <= other.low
        assert one.middle < other.middle
    for b in found:
        slack = 1e-9
        assert b.low - slack <= b.middle <= b.high + slack
        assert (b.rate.low, b.rate.high) == wilson(b.rate.successes, b.rate.trials)


def test_a_curve_follows_what_success_does():
    rng = np.random.default_rng(0)
    far = rng.uniform(0.1, 0.8, 4000)
    truth = 1 / (1 + np.exp(8 * (far - 0.4)))
    found = curve(far, rng.random(4000) < truth, np.arange(4000))
    at = np.array(found.at)
    want = 1 / (1 + np.exp(8 * (at - 0.4)))
    assert np.abs(np.array(found.rate) - want).max() < 0.05
    assert (np.array(found.low) <= want).mean() > 0.8
    assert (np.array(found.high) >= want).mean() > 0.8
    assert found.slope[0] == pytest.approx(-8, abs=0.8)
    assert -8 in found.slope[1]


def test_a_curve_is_left_out_where_there_is_nothing_to_follow():
    same = curve(np.full(30, 0.4), np.ones(30, bool), np.arange(30))
    assert (same.at, same.slope) == ((), None)
    assert same.bins[0].rate.successes == 30
    assert curve(np.full(3, np.nan), np.ones(3, bool), np.arange(3)).bins == ()


@pytest.mark.parametrize("success", [np.ones(40, bool), np.arange(40) >= 20])
def test_what_tells_all_successes_apart_gives_wide_intervals_and_no_error(success):
    found = curve(np.linspace(0, 1, 40), success, np.arange(40))
    assert all(np.isfinite(found.rate))
    assert found.high[0] - found.low[0] > 0.05 or success.all()
    assert np.isfinite(found.slope[0])


def test_an_axis_that_only_goes_along_with_another_has_no_effect_of_its_own():
    rng = np.random.default_rng(1)
    shape = rng.uniform(0, 1, 3000)
    along = np.clip(shape + rng.normal(0, 0.3, 3000), -0.5, 1.5)
    success = rng.random(3000) < 1 / (1 + np.exp(6 * (shape - 0.5)))
    found = {e.axis: e for e in effects({"look": along, "shape": shape}, success, np.arange(3000))}
    assert next(iter(found)) == "shape"  # what costs most comes first
    # By itself it looks bad.
    assert found["look"].bins[0].rate.low > found["look"].bins[-1].rate.high
    low, high = found["look"].change[1]
    assert low < 0 < high
    assert high - low < 0.2
    truth = 1 / (1 + np.exp(6 * (np.quantile(shape, [0.1, 0.9]) - 0.5)))
    assert truth[1] - truth[0] in found["shape"].change[1]


def test_an_axis_that_does_not_vary_or_is_not_told_has_no_effect():
    rng = np.random.default_rng(2)
    axes = {"look": np.zeros(200), "shape": rng.random(200), "old": np.full(200, np.nan)}
    success = rng.random(200) < 0.5
    found = {e.axis: e for e in effects({k: axes[k] for k in ("look", "shape")}, success,
                                        np.arange(200))}  # fmt: skip
    assert found["look"].change is None
    assert found["shape"].change is not None
    assert all(e.change is None for e in effects(axes, success, np.arange(200)))
    assert effects({}, success, np.arange(200)) == ()


def test_intervals_hold_when_episodes_of_a_cousin_go_alike():
    """Forty cousins, twenty episodes of each: the coefficient is missed as seldom as it says."""
    rng = np.random.default_rng(3)
    hit, width = 0, []
    for _ in range(200):
        far, own = rng.uniform(0, 1, 40), rng.normal(0, 1.0, 40)
        of = rng.integers(40, size=800)
        p = 1 / (1 + np.exp(-(1 - 2 * far[of] + own[of])))
        found = logistic(far[of, None], rng.random(800) < p, of)
        deviation = np.sqrt(found.covariance[1, 1])
        # The mean over cousins' own is flatter by this much (Zeger, Liang and Albert 1988).
        truth = -2 / np.sqrt(1 + 0.346)
        hit += abs(found.coefficient[1] - truth) < 1.96 * deviation
        width.append(deviation)
    assert hit >= 180
    alone = logistic(far[of, None], rng.random(800) < p, np.arange(800)).covariance[1, 1] ** 0.5
    assert np.mean(width) > 1.5 * alone


@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10))
def test_units_do_not_matter(scale, shift):
    rng = np.random.default_rng(4)
    x, success = rng.random((60, 2)), rng.random(60) < 0.4
    one, other = (logistic(z, success, np.arange(60)) for z in (x, x * scale + shift))
    np.testing.assert_allclose(one.rate(x), other.rate(x * scale + shift), atol=1e-6)
    np.testing.assert_allclose(one.band(x), other.band(x * scale + shift), atol=1e-5)
