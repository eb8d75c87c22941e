"""The CPU engine: loads any rows, steps, resets, and tells which cousins went wrong."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import examples
from cousins.bank import Family
from cousins.engines import engine
from cousins.engines.cpu import Cpu
from cousins.engines.measure import measure
from cousins.errors import EngineError, UsageError
from cousins.library import Household
from cousins.variation.axes import Settings
from cousins.variation.family import chunk, joined
from cousins.variation.sampling import sources


@cache
def family() -> Family:
    few = Settings(shapes=3, swaps=0.0, distractors=0)
    drawn_from = sources(examples.table_scene(), 2, few, Household()).each[0]
    return joined(drawn_from, [chunk(drawn_from, range(6))])


def test_cousins_start_where_they_are_stored_and_stand_still():
    running = Cpu(threads=2)(family())
    np.testing.assert_array_equal(running.qpos, family().arrays["qpos"])
    assert (running.qvel == 0).all()
    assert len(running) == 6
    running.step(200)
    assert np.abs(running.qpos - family().arrays["qpos"]).max() < 2e-3
    assert (running.contacts() >= 12).all()
    assert (running.overlap() > 0).all()
    assert (running.overlap() < 1e-3).all()
    assert list(running.unstable()) == []


def test_rows_are_the_same_alone_or_among_others_on_any_number_of_threads():
    whole, some = Cpu(threads=2)(family()), Cpu(threads=1)(family(), [4, 1])
    push = np.random.default_rng(0).normal(0, 0.5, whole.qvel.shape)
    whole.qvel[:], some.qvel[:] = push, push[[4, 1]]
    whole.step(150)
    for _ in range(3):
        some.step(50)
    np.testing.assert_array_equal(some.qpos, whole.qpos[[4, 1]])


def test_reset_puts_back_only_what_is_asked():
    running = Cpu()(family())
    start = running.qpos.copy()
    running.qvel[:] = 1.0
    running.step(20)
    moved = running.qpos.copy()
    running.reset([0, 3])
    np.testing.assert_array_equal(running.qpos[[0, 3]], start[[0, 3]])
    np.testing.assert_array_equal(running.qpos[[1, 2]], moved[[1, 2]])
    assert (running.qvel[[0, 3]] == 0).all()
    running.reset()
    np.testing.assert_array_equal(running.qpos, start)


def test_unstable_cousins_are_named_until_they_are_reset(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    running = Cpu()(family())
    running.qvel[2] = 1e30
    running.qpos[4, 0] = np.nan
    running.step(5)
    assert list(running.unstable()) == [2, 4]
    running.reset([2, 4])
    running.step(5)
    assert list(running.unstable()) == []
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_sleep_moves_nothing_far_and_wakes_what_is_pushed():
    awake, asleep = Cpu()(family()), Cpu(sleep=True)(family())
    for running in (awake, asleep):
        running.step(200)
    went = (asleep.qpos - awake.qpos).reshape(6, -1, 7)[..., :3]
    assert np.abs(went).max() < 0.4 * 1e-3
    assert asleep.awake().max() == 0
    assert asleep.overlap().min() > 0
    asleep.qvel[1, 0] = 0.5
    asleep.step(5)
    assert asleep.awake()[1] >= 0.25
    assert asleep.awake()[0] == 0
    awake.qvel[1, 0] = 0.5
    awake.step(5)
    assert awake.awake()[1] >= 0.25
    assert awake.awake()[0] == 0


def test_measure_counts_what_happened():
    told = []
    twice = [family(), replace(family(), cousins=tuple(replace(c, index=c.index + 6)
                                                      for c in family().cousins))]  # fmt: skip
    done = measure(Cpu(threads=1), twice, 75, lambda *a: told.append(a))
    assert done.cousins == 12
    assert done.steps == 75
    assert done.unstable == ()
    assert done.contacts >= 12
    assert done.awake < 0.1
    assert 0 < done.overlap < 1e-3
    assert done.steps_per_second == pytest.approx(12 * 75 / done.seconds)
    assert told[-1] == ("steps", 75, 75)


def test_an_unstable_cousin_is_told_by_its_index():
    arrays = {**family().arrays, "qpos": family().arrays["qpos"].copy()}
    arrays["qpos"][2, 1] = np.inf
    numbered = tuple(replace(c, index=c.index + 100) for c in family().cousins)
    spoilt = replace(family(), arrays=arrays, cousins=numbered)
    assert measure(Cpu(), [spoilt], 10).unstable == (102,)
    assert measure(Cpu(), [family(), spoilt], 10).unstable == (6 + 102,)


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda: engine("gpu"), UsageError, "engines: cpu"),
        (lambda: engine("cpu", warp=1), UsageError, "threads, sleep"),
        (lambda: Cpu(threads=-1)(family()), UsageError, "-1 threads"),
        (lambda: Cpu()(family(), []), UsageError, "at least one"),
        (lambda: Cpu()(family(), [6]), UsageError, "0 to 5"),
        (lambda: Cpu()(replace(family(), xml="<mujoco>")), EngineError, "augment anew"),
        (lambda: Cpu()(replace(family(), arrays={})), EngineError, "start"),
        (lambda: Cpu()(replace(family(), bank=None)), EngineError, "augment anew"),
        (
            lambda: Cpu()(
                replace(family(), arrays={**family().arrays, "body_mass": np.ones((6, 2))})
            ),
            EngineError,
            "augment anew",
        ),
        (
            lambda: Cpu()(replace(family(), arrays={**family().arrays, "no_field": np.ones(6)})),
            EngineError,
            "no_field",
        ),
    ],
)
def test_what_cannot_be_loaded_is_refused_in_one_line(call, error, word):
    with pytest.raises(error, match=word) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_an_engine_is_found_by_its_name():
    assert engine("cpu", threads=3) == Cpu(threads=3)
