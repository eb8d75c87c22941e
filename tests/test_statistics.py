"""Intervals hold what they promise, tests err as seldom as they say, and agreement is what its
papers define."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cousins import statistics as s
from cousins.errors import UsageError

COUNTS = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
RATES = st.integers(3, 9).flatmap(
    lambda k: st.tuples(*(st.lists(st.integers(0, 20), min_size=k, max_size=k) for _ in "ab"))
)


def rates(drawn):
    return [np.array(column) / 20 for column in drawn]


def latent(rng, rho, k):
    """True rates of k policies in two worlds, as logits that correlate."""
    z = rng.standard_normal((2, k))
    z[1] = rho * z[0] + np.sqrt(1 - rho**2) * z[1]
    return 1 / (1 + np.exp(-1.3 * z))


def test_wilson_is_the_textbooks():
    low, high = s.wilson(16, 20)
    assert (round(low, 3), round(high, 3)) == (0.584, 0.919)
    assert s.wilson(0, 0) == (0, 1)
    assert s.wilson(0, 10).low == 0
    assert s.wilson(10, 10).high == 1


@given(COUNTS)
def test_intervals_of_a_rate_hold_it_mirror_and_nest(counts):
    x, n = counts
    for interval in (s.wilson, s.anytime):
        own, mirror, wide = interval(x, n), interval(n - x, n), interval(x, n, 0.99)
        assert 0 <= own.low <= x / n <= own.high <= 1
        assert own == pytest.approx((1 - mirror.high, 1 - mirror.low), abs=1e-9)
        assert wide.low <= own.low + 1e-12
        assert own.high <= wide.high + 1e-12
        more = interval(10 * x, 10 * n)
        assert more.high - more.low < own.high - own.low


@given(COUNTS)
def test_looking_at_every_moment_costs_width(counts):
    x, n = counts
    once, ever = s.wilson(x, n), s.anytime(x, n)
    assert ever.high - ever.low > once.high - once.low


def test_wilson_covers_in_the_mean():
    n = 20
    true = np.linspace(0.02, 0.98, 97)
    bounds = np.array([s.wilson(x, n) for x in range(n + 1)])
    chance = stats.binom.pmf(np.arange(n + 1), n, true[:, None])
    covered = (chance * ((bounds[:, 0] <= true[:, None]) & (true[:, None] <= bounds[:, 1]))).sum(1)
    assert covered.mean() == pytest.approx(0.95, abs=0.01)


def test_a_bootstrap_covers_a_skewed_mean():
    """Of 30 numbers of an exponential distribution, whose mean is 1."""
    rng = np.random.default_rng(0)
    held = [1.0 in s.bootstrap(lambda x: x.mean(-1), rng.exponential(size=30), draws=500, seed=i)
            for i in range(300)]  # fmt: skip
    assert 0.89 <= np.mean(held) <= 0.98


def test_a_mean_s_interval_is_students():
    values = np.array([1.0, 2.0, 4.0])
    expected = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
    assert s.mean_interval(values) == pytest.approx(expected)
    assert s.mean_interval(values[:1]) is None


def test_a_bootstrap_is_its_seeds_and_nobody_elses():
    x, y = np.random.default_rng(1).random((2, 12))
    one = s.bootstrap(s.kendall, x, y, seed=3)
    assert one == s.bootstrap(s.kendall, x, y, seed=3) != s.bootstrap(s.kendall, x, y, seed=4)
    assert s.bootstrap(s.pearson, x[:1], y[:1]) is None
    assert s.bootstrap(s.pearson, x, np.ones(12)) is None, "nothing correlates with a constant"


def test_pearson_s_interval_is_fisher_s():
    low, high = s.pearson_interval(0.8, 10)
    z = np.arctanh(0.8)
    assert (low, high) == pytest.approx(np.tanh([z - 1.96 / 7**0.5, z + 1.96 / 7**0.5]), abs=1e-4)
    assert s.pearson_interval(0.8, 3) is None
    assert s.pearson_interval(float("nan"), 30) is None


@given(RATES)
def test_agreement_is_as_scipy_has_it(drawn):
    a, b = rates(drawn)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        assert all(np.isnan(f(a, b)) for f in (s.pearson, s.spearman, s.kendall))
        return
    assert s.pearson(a, b) == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-9)
    assert s.spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-9)
    assert s.kendall(a, b) == pytest.approx(stats.kendalltau(a, b).statistic, abs=1e-9)


def test_mmrv_by_hand():
    """The first is in order with both others; these two are not, and lie 0.4 apart."""
    sim, real = np.array([0.9, 0.5, 0.6]), np.array([0.8, 0.7, 0.3])
    assert s.mmrv(sim, real) == pytest.approx(0.8 / 3)


@given(RATES, st.randoms(use_true_random=False))
def test_mmrv_asks_for_order_alone(drawn, shuffle):
    sim, real = rates(drawn)
    found = s.mmrv(sim, real)
    assert s.mmrv(np.exp(3 * sim), real) == found, "any scale of the simulation's"
    assert s.mmrv(real, real) == 0
    order = list(range(len(sim)))
    shuffle.shuffle(order)
    assert s.mmrv(sim[order], real[order]) == pytest.approx(found, abs=1e-12)
    assert 0 <= found <= np.ptp(real)
    assert s.mmrv(sim, 2 * real) == pytest.approx(2 * found, abs=1e-12)


@given(RATES)
def test_statistics_take_many_draws_at_once(drawn):
    a, b = rates(drawn)
    for f in (s.pearson, s.spearman, s.kendall, s.mmrv):
        both = f(np.stack([a, b]), np.stack([b, b]))
        np.testing.assert_array_equal(both, [f(a, b), f(b, b)])


def test_one_policy_that_carries_the_correlation_is_seen():
    a, b = np.array([0.5, 0.52, 0.48, 0.5, 0.05]), np.array([0.6, 0.5, 0.58, 0.52, 0.02])
    low, high = s.drop_one(s.pearson, a, b)
    assert s.pearson(a, b) > 0.95
    assert low < 0 < high
    assert s.drop_one(s.pearson, a[:2], b[:2]) is None


def test_without_noise_the_correlation_is_held_where_fisher_misses_it():
    """16 policies, 20 trials each on the robot: counting alone pulls 0.94 down to 0.87."""
    rng = np.random.default_rng(2)
    true = float(s.pearson(*latent(rng, 0.95, 200_000)))
    held, fisher = [], []
    for _ in range(100):
        sim, real = latent(rng, 0.95, 16)
        sim, real = rng.binomial(200, sim) / 200, rng.binomial(20, real) / 20
        held.append(true in s.true_pearson_interval(sim, np.full(16, 200), real, np.full(16, 20)))
        fisher.append(true in s.pearson_interval(float(s.pearson(sim, real)), 16))
    assert np.mean(held) >= 0.92
    assert np.mean(fisher) < 0.85


def test_without_noise_endless_trials_say_what_fisher_says():
    rng = np.random.default_rng(3)
    sim, real = latent(rng, 0.8, 20)
    endless = np.full(20, np.inf)
    found = s.true_pearson_interval(sim, endless, real, endless)
    expected = s.pearson_interval(float(s.pearson(sim, real)), 20)
    assert found == pytest.approx(expected, abs=0.06)
    assert s.true_pearson_interval(sim[:3], endless[:3], real[:3], endless[:3]) is None


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 40), st.integers(0, 40))
def test_pairs_are_compared_where_they_differ(wins, losses, both, neither):
    if wins + losses + both + neither == 0:
        return
    first = np.repeat([True, False, True, False], [wins, losses, both, neither])
    second = np.repeat([False, True, True, False], [wins, losses, both, neither])
    told, back = s.paired(first, second), s.paired(second, first)
    assert (told.wins, told.losses, told.n) == (wins, losses, len(first))
    expected = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1
    assert told.p == pytest.approx(expected)
    assert told.interval.low <= told.difference <= told.interval.high
    assert told.p == back.p
    assert back.interval == pytest.approx((-told.interval.high, -told.interval.low))


def test_pairs_tell_more_than_separate_trials():
    first = np.arange(40) % 5 != 0
    second = first & (np.arange(40) % 5 != 1)
    pairs = s.paired(first, second)
    apart = s.unpaired(int(first.sum()), 40, int(second.sum()), 40)
    assert pairs.p < 0.01 < apart.p
    assert np.ptp(pairs.interval) < np.ptp(apart.interval)
    assert (pairs.difference, apart.difference) == pytest.approx((0.2, 0.2))


def test_separate_trials_are_compared_exactly():
    told = s.unpaired(16, 20, 10, 20)
    assert told.p == pytest.approx(0.0533, abs=1e-4)
    assert told.test == "Boschloo, exact"
    assert told.interval.low <= 0.3 <= told.interval.high
    large = s.unpaired(800, 1000, 760, 1000)
    assert large.test == "Fisher, exact"
    assert large.p == pytest.approx(stats.fisher_exact([[800, 760], [200, 240]]).pvalue)
    assert s.unpaired(5, 5, 9, 9).p == 1


def test_a_difference_is_covered():
    rng = np.random.default_rng(4)
    held = []
    for _ in range(400):
        luck = rng.random(40)
        pair = s.paired(luck < 0.8, np.where(rng.random(40) < 0.5, luck, rng.random(40)) < 0.6)
        held.append(0.2 in pair.interval)
    assert np.mean(held) >= 0.93


@pytest.mark.parametrize("rate", [0.03, 0.5, 0.9])
def test_a_rate_that_is_watched_is_hardly_ever_missed(rate):
    """Missed at any of 500 looks, in at most 1 of 20 evaluations. Wilson's, so watched, is missed
    several times as often."""
    rng = np.random.default_rng(5)
    missed, naive = [], []
    for _ in range(200):
        outcomes = rng.random(500) < rate
        low, high = s.running(outcomes)
        missed.append(((low > rate) | (high < rate)).any())
        looks = [s.wilson(int(outcomes[:n].sum()), n) for n in range(10, 500, 30)]
        naive.append(any(rate not in look for look in looks))
    assert np.mean(missed) <= 0.05
    assert np.mean(naive) > 2 * np.mean(missed)


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_a_running_interval_only_narrows(outcomes):
    low, high = s.running(np.array(outcomes))
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) <= 0).all()
    own = s.anytime(sum(outcomes), len(outcomes))
    assert own.low <= low[-1]
    assert high[-1] <= own.high


def test_equal_policies_are_hardly_ever_told_apart_and_unequal_ones_soon():
    rng = np.random.default_rng(6)
    rule = s.Stop(most=300)

    def ends(first, second):
        told = []
        for _ in range(100):
            a, b = rng.random((2, 300)) < [[first], [second]]
            wins, losses = np.cumsum(a & ~b), np.cumsum(b & ~a)
            for n, (w, l) in enumerate(zip(wins.tolist(), losses.tolist(), strict=True), 1):  # noqa: E741
                why = s.stop_pairs(rule, w, l, n)
                if why:
                    told.append((n, why))
                    break
        return told

    equal = ends(0.6, 0.6)
    assert sum("better" in why for _, why in equal) <= 5
    unequal = ends(0.9, 0.5)
    assert all(why == "the first is better" for _, why in unequal)
    assert np.median([n for n, _ in unequal]) < 60


@given(st.integers(0, 60), st.integers(0, 60))
def test_evidence_is_what_the_interval_leaves_out(wins, losses):
    """That one is better is said exactly where a fair coin lies outside the interval."""
    better = s.stop_pairs(s.Stop(), wins, losses, max(wins + losses, 1)) is not None
    assert better == (0.5 not in s.anytime(wins, wins + losses))
    assert s.evidence(wins, losses) == pytest.approx(s.evidence(losses, wins))


def test_an_evaluation_stops_for_what_it_was_asked():
    assert s.stop(s.Stop(threshold=0.5), 40, 50) == "the rate is above 0.5"
    assert s.stop(s.Stop(threshold=0.9), 25, 50) == "the rate is below 0.9"
    assert s.stop(s.Stop(threshold=0.8), 40, 50) is None
    assert s.stop(s.Stop(threshold=0.5, least=60), 40, 50) is None
    assert s.stop(s.Stop(width=0.2), 30, 40) is None
    assert s.stop(s.Stop(width=0.2), 240, 320).startswith("the rate is known to within 0.1")
    assert s.stop(s.Stop(most=50), 25, 50) == "as many as were allowed"


@pytest.mark.parametrize(
    "ask",
    [
        lambda: s.wilson(3, 2),
        lambda: s.wilson(-1, 2),
        lambda: s.wilson(1, 2, 1.0),
        lambda: s.anytime(3, 2),
        lambda: s.evidence(-1, 2),
        lambda: s.unpaired(0, 0, 1, 2),
        lambda: s.paired(np.ones(3, bool), np.ones(2, bool)),
        lambda: s.Stop(width=0.0),
        lambda: s.Stop(threshold=1.5),
        lambda: s.Stop(least=5, most=4),
        lambda: s.stop_pairs(s.Stop(), 3, 3, 5),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(ask):
    with pytest.raises(UsageError) as told:
        ask()
    assert "\n" not in str(told.value)
