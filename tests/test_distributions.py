"""Distributions: what they say of a number, what a measurement makes of that, and JSON."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cousins.distributions import (
    Beta,
    Categorical,
    LogNormal,
    Normal,
    Uniform,
    categorical_from_json,
    from_json,
    mixture,
    to_json,
)

S = "here"
lognormals = st.builds(LogNormal, st.floats(-4, 4), st.floats(0.01, 2), st.just(S))
normals = st.builds(Normal, st.floats(-5, 5), st.floats(0.05, 3), st.just(S))
cut = st.builds(lambda mu, s: Normal(mu, s, S, 0.0, 1.0), st.floats(0, 1), st.floats(0.05, 2))
betas = st.builds(Beta, st.floats(0.5, 30), st.floats(0.5, 30), st.just(S))
uniforms = st.builds(lambda a, w: Uniform(a, a + w, S), st.floats(-5, 5), st.floats(0.01, 5))
simple = st.one_of(lognormals, normals, cut, betas, uniforms)
mixtures = st.lists(lognormals, min_size=1, max_size=4).map(
    lambda parts: mixture(np.arange(1.0, len(parts) + 1), parts, S)
)
every = st.one_of(simple, mixtures)


@given(every)
@settings(deadline=None, max_examples=60)
def test_quantiles_rise_and_are_the_inverse_of_the_share_below(d):
    q = np.array([0.01, 0.05, 0.3, 0.5, 0.7, 0.95, 0.99])
    x = d.quantiles(q)
    assert (np.diff(x) > 0).all()
    assert np.allclose(d.cdf(x), q, atol=2e-3)
    assert d.quantile(0.3) == x[2]
    assert d.quantile(1e-6) - 1e-5 <= d.mode <= d.quantile(1 - 1e-6) + 1e-5


@given(every)
@settings(deadline=None, max_examples=40)
def test_draws_fall_as_the_quantiles_say(d):
    draws = d.sample(np.random.default_rng(0), 4000)
    for q in (0.1, 0.5, 0.9):
        assert abs((draws < d.quantile(q)).mean() - q) < 0.05


@given(every)
@settings(deadline=None, max_examples=40)
def test_json_and_back(d):
    data = to_json(d)
    assert from_json(data) == d
    assert data["q05"] < data["q50"] < data["q95"]
    assert data["mode"] == d.mode


@given(every, st.floats(0.1, 0.9), st.floats(0.02, 3))
@settings(deadline=None, max_examples=60)
def test_a_measurement_draws_to_itself_and_never_says_less_of_where(d, q, wide):
    """The posterior's middle lies between the prior's and the reading."""
    spread = d.quantile(0.84) - d.quantile(0.16)
    value, error = d.quantile(q), wide * spread
    after = d.condition(value, error, "a scale")
    assert after.source == "a scale"
    low, high = sorted((d.quantile(0.5), value))
    assert low - spread <= after.quantile(0.5) <= high + spread
    sharp = d.condition(value, 1e-3 * spread)
    assert abs(sharp.quantile(0.5) - value) < 0.02 * spread
    assert sharp.quantile(0.95) - sharp.quantile(0.05) < 0.02 * spread


def test_a_normal_s_posterior_is_the_one_of_the_textbook():
    after = Normal(1.0, 2.0, S).condition(4.0, 1.0)
    assert after.mu == pytest.approx((1 / 4 + 4) / (1 / 4 + 1))
    assert after.sigma == pytest.approx((1 / 4 + 1) ** -0.5)


def test_a_log_normal_s_posterior_is_that_of_draws_weighted_by_the_reading():
    prior = LogNormal(np.log(0.3), 0.7, S)
    draws = prior.sample(np.random.default_rng(1), 400_000)
    weight = np.exp(-0.5 * ((draws - 0.25) / 0.05) ** 2)
    mean = weight @ np.log(draws) / weight.sum()
    after = prior.condition(0.25, 0.05)
    assert after.mu == pytest.approx(mean, abs=0.005)
    spread = np.sqrt(weight @ (np.log(draws) - mean) ** 2 / weight.sum())
    assert after.sigma == pytest.approx(spread, rel=0.02)


def test_of_two_makes_the_reading_chooses():
    light, heavy = LogNormal(np.log(0.1), 0.1, S), LogNormal(np.log(1.0), 0.1, S)
    prior = mixture([0.9, 0.1], [light, heavy], S)
    after = prior.condition(0.95, 0.05)
    assert after.quantile(0.05) > 0.8
    assert prior.log_likelihood(0.1, 0.01) > prior.log_likelihood(1.0, 0.01)
    assert prior.mode == pytest.approx(0.1, rel=0.02)


def test_what_is_known_exactly_stays_so():
    assert Uniform(2.0, 2.0, S).condition(3.0, 0.1) == Uniform(2.0, 2.0, S)


@pytest.mark.parametrize(("value", "error"), [(1, 0), (1, -1), (np.nan, 1), (1, np.inf)])
def test_a_reading_without_an_error_is_none(value, error):
    with pytest.raises(ValueError, match="give a positive error"):
        LogNormal(0, 1, S).condition(value, error)


def test_materials_are_told_apart_by_what_they_make_likely():
    prior = Categorical({"steel": 0.5, "plastic": 0.5}, S)
    after = prior.condition({"steel": 3.0, "plastic": 1.0}, "a magnet")
    assert after.shares == {"steel": 0.75, "plastic": 0.25}
    assert after.mode == "steel"
    assert categorical_from_json(to_json(after)) == after
    assert set(after.sample(np.random.default_rng(0), 50)) == {"steel", "plastic"}
    with pytest.raises(ValueError, match="nothing of it"):
        prior.condition({"wood": 1.0})


@pytest.mark.parametrize(
    "broken",
    [
        {"distribution": "cauchy", "parameters": {}},
        {"distribution": "lognormal", "parameters": {"mu": 0.0}},
        {"distribution": "lognormal", "parameters": {"mu": 0.0, "sigma": -1.0}},
        {"distribution": "lognormal", "parameters": {"mu": float("nan"), "sigma": 1.0}},
        {"distribution": "normal", "parameters": {"mu": 0, "sigma": 1, "low": 2, "high": 1}},
        {"distribution": "beta", "parameters": {"a": 0, "b": 1}},
        {"distribution": "uniform", "parameters": {"low": 2, "high": 1}},
        {"distribution": "uniform", "parameters": {"low": 0, "high": "x"}},
        {"distribution": "mixture", "parameters": {"weights": [], "components": []}},
        {"distribution": "mixture", "parameters": {"weights": [1.0], "components": [
            {"distribution": "mixture", "parameters": {"weights": [1], "components": []}}]}},
        {"distribution": "mixture", "parameters": {"weights": [0.5], "components": [
            {"distribution": "uniform", "parameters": {"low": 0, "high": 1}}]}},
        {"distribution": "mixture", "parameters": {"weights": [0.5, 0.5], "components": [
            {"distribution": "uniform", "parameters": {"low": 0, "high": 1}}]}},
        {"distribution": "mixture", "parameters": 3},
    ],
)  # fmt: skip
def test_what_makes_no_distribution_is_refused(broken):
    with pytest.raises(ValueError, match=r"unknown distribution|wrong parameters"):
        from_json({**broken, "source": S})
