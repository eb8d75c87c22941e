"""Episodes by a plan: the same whatever runs beside them, and each told as it came."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policies import Erratic, Steady, Still, write_pack

from cousins.engines.cpu import Cpu
from cousins.env.episodes import Draw
from cousins.env.request import request
from cousins.env.worlds import pool
from cousins.errors import UsageError
from cousins.evaluation.rollout import cousins_of, joined, plan, rollout, stage
from cousins.pack import load_family
from cousins.tasks.hold import Hold

SHORT = Hold(pushes=2, limit=0.4)  # 20 steps


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return write_pack(tmp_path_factory.mktemp("rollout") / "p")


def asked(pack, task=SHORT, engine=None, cousins=None):
    return request(pack, task, engine or Cpu(threads=1), cousins, ("state",), ("overview",),
                   (64, 48), False, {})  # fmt: skip


def rolled(pack, episodes=24, worlds=8, policy=None, seed=0, **how):
    of = asked(pack, **how)
    on = stage(of, worlds, cousins_of(of.pool, episodes, seed))
    return rollout(on, plan(of.pool, on.episodes.numbers, episodes, seed), policy or Erratic())


def same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one.rows(), other.rows(), strict=True):
        assert a == b


@pytest.mark.parametrize("sleep", [False, True])
def test_three_worlds_do_to_the_bit_what_sixteen_on_two_threads_do(pack, sleep):
    few = rolled(pack, 40, 3, engine=Cpu(threads=1, sleep=sleep))
    same(few, rolled(pack, 40, 16, engine=Cpu(threads=2, sleep=sleep)))
    assert set(few.end) == {"limit", "ended"}
    assert len(set(few.cousin)) > 5


def test_an_episode_is_the_same_alone_and_among_others(pack):
    of = asked(pack)
    on = stage(of, 5)
    drawn = plan(of.pool, on.episodes.numbers, 20, 3)
    every = rollout(on, drawn, Erratic())
    same(joined([rollout(on, drawn[k : k + 4], Erratic()) for k in range(0, 20, 4)]), every)
    backwards = rollout(on, drawn[::-1], Erratic()).rows()[::-1]
    assert [r | {"episode": 0} for r in backwards] == [r | {"episode": 0} for r in every.rows()]


def test_two_policies_get_the_same_episodes_and_more_begin_with_the_same(pack):
    few, many = (plan(pool(pack), 8, n, seed=5) for n in (6, 9))
    for one, other in zip(few, many[:6], strict=True):
        assert (one.choice, one.noise) == (other.choice, other.noise)
        np.testing.assert_array_equal(one.uniform, other.uniform)
    still, erratic = rolled(pack, policy=Still()), rolled(pack, policy=Erratic())
    np.testing.assert_array_equal(still.cousin, erratic.cousin)
    assert still.success.mean() > erratic.success.mean()


@settings(max_examples=20)
@given(seed=st.integers(0, 2**40), k=st.integers(0, 40))
def test_an_episodes_draw_hangs_on_the_seed_and_its_number_alone(pack, seed, k):
    among = pool(pack)
    assert plan(among, 3, k + 7, seed)[k].noise == plan(among, 3, k + 1, seed)[k].noise
    assert cousins_of(among, k + 1, seed)[k] == plan(among, 3, k + 3, seed)[k].choice


def test_what_is_told_of_an_episode_is_what_came_of_it(pack):
    done = rolled(pack, 30, 6, policy=Erratic(0.9))
    assert (done.failure[done.success] == "").all()
    assert set(done.failure[~done.success]) <= {"fell", "moved"}
    assert ((done.failure == "fell") == (done.end == "ended")).all()
    assert (done.steps[done.end == "limit"] == 20).all()
    assert (done.steps[done.end == "ended"] < 20).all()
    np.testing.assert_allclose(done.seconds, done.steps * 0.02)
    assert done.ever.all()  # things begin where they stood
    assert (done.watched["farthest"][done.failure == "moved"] >= 0.02).all()
    assert (done.watched["farthest"][done.success & (done.watched["farthest"] < 0.02)] > 0).all()
    assert (np.abs(done.reward) <= done.steps).all()
    numbers, distances = pool(pack).number, pool(pack).distance
    np.testing.assert_array_equal(done.distance, distances[np.searchsorted(numbers, done.cousin)])
    assert list(done.rows()[0]) == ["episode", "cousin", "distance", "success", "ever", "reward",
                                    "steps", "seconds", "end", "failure", "farthest"]  # fmt: skip


def test_a_task_that_does_not_say_why_is_told_in_general_words(pack):
    class Silent:
        """A task as plain as `cousins.tasks.Task` asks."""

        def __init__(self, of):
            for name in ("name", "instruction", "control", "limit", "numbers", "actions", "begin",
                         "observations", "command", "observe", "judge", "robotic"):  # fmt: skip
                setattr(self, name, getattr(of, name))

    plain = rolled(pack, 30, policy=Erratic(0.9), task=Silent(SHORT))
    told = rolled(pack, 30, policy=Erratic(0.9))
    assert not plain.watched
    assert ((plain.failure == "ended") == (told.failure == "fell")).all()
    assert ((plain.failure == "timed out") == (told.failure == "moved")).all()


def test_a_task_that_ends_with_success_is_done(pack):
    class Soon(Hold):
        def judge(self, xp, layout, memory, now, action):
            told = super().judge(xp, layout, memory, now, action)
            return replace(told, ended=told.ended | (now.time > 0.1), success=now.time > 0.1)

    done = rolled(pack, 6, policy=Still(), task=Soon(pushes=0, limit=1.0))
    assert done.success.all()
    assert set(done.end) == {"done"}
    assert set(done.steps) == {6}


def test_a_world_that_explodes_is_a_failure_of_its_own_and_no_other_is_changed(pack):
    class Spoilt(Still):
        """Gives cousin 8 a speed at which no time step holds."""

        def __call__(self, episodes):
            for world in np.flatnonzero((episodes.worlds.number == 8) & (episodes.elapsed == 4)):
                part = next(p for p in episodes.worlds.parts if p.holds(np.array([world]))[0])
                state = part.running.state([world - part.first])
                part.running.restore(replace(state, qvel=state.qvel + 1e30), [world - part.first])
            return super().__call__(episodes)

    calm, spoilt = (rolled(pack, 30, policy=policy) for policy in (Still(), Spoilt()))
    hit = spoilt.cousin == 8
    assert hit.any()
    assert (spoilt.unstable == hit).all()
    assert set(spoilt.failure[hit]) == set(spoilt.end[hit]) == {"unstable"}
    assert set(spoilt.steps[hit]) == {5}
    assert np.isfinite(spoilt.reward).all()
    assert np.isfinite(spoilt.watched["farthest"]).all()
    for one, other, exploded in zip(calm.rows(), spoilt.rows(), hit, strict=True):
        assert exploded or one == other


def test_a_better_policy_does_better_in_the_same_episodes(pack):
    harder = Hold(pushes=4, limit=1.2)
    still, steady = (rolled(pack, 30, policy=p, task=harder) for p in (Still(), Steady()))
    assert steady.success.sum() > still.success.sum()


def test_worlds_are_as_many_as_are_of_use(pack):
    of = asked(pack)
    assert len(stage(of, 256, np.zeros(10, np.int64)).episodes.begun) == 10
    assert len(stage(of, 8, np.zeros(10, np.int64)).episodes.begun) == 5
    assert len(stage(of, 1, np.array([0, 9])).episodes.begun) == 2  # a family each


@pytest.mark.parametrize(
    ("plan_of", "word"),
    [([], "without an episode"), ([9], "not loaded"), ([-1], "not loaded"), ([40], "not loaded")],
)
def test_a_plan_that_cannot_be_run_is_refused(pack, plan_of, word):
    on = stage(asked(pack), 3, np.array([0, 1]))
    with pytest.raises(UsageError, match=word):
        rollout(on, [Draw(k, np.zeros(8), 0) for k in plan_of], Still())


@pytest.mark.parametrize("bad", [np.zeros((3, 3)), np.full((5, 8), np.nan)])
def test_bad_actions_are_refused(pack, bad):
    class Bad(Still):
        def __call__(self, episodes):
            return bad

    on = stage(asked(pack), 5)
    with pytest.raises(UsageError, match="actions"):
        rollout(on, plan(on.pool, on.episodes.numbers, 4, 0), Bad())


def test_no_episode_and_no_world_are_refused(pack):
    with pytest.raises(UsageError, match="at least 1 episode"):
        plan(pool(pack), 4, 0, 0)
    with pytest.raises(UsageError, match="0 worlds"):
        stage(asked(pack), 0)


def test_worlds_that_are_idle_cost_the_cpu_nothing_and_change_no_other(pack):
    every, some = (Cpu(threads=1)(load_family(pack, 0)) for _ in range(2))
    idle = np.arange(6) % 2 == 1
    every.step(30)
    some.step(30, idle)
    np.testing.assert_array_equal(some.qpos[~idle], every.qpos[~idle])
    np.testing.assert_array_equal(some.state().time[idle], 0)
    some.step(5, np.ones(6, bool))
    np.testing.assert_array_equal(some.qpos[~idle], every.qpos[~idle])
