"""The CPU engine: loads any rows, steps, resets, and tells which cousins went wrong."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from engine_laws import bears, drives, moving, restores_to_the_bit

import examples
from cousins.bank import Family
from cousins.engines import engine, overlap
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
    assert (running.ncon() >= 12).all()
    assert (overlap(running) > 0).all()
    assert (overlap(running) < 1e-3).all()
    assert list(running.unstable()) == []


def test_rows_are_the_same_alone_or_among_others_on_any_number_of_threads():
    whole, some = Cpu(threads=2)(family()), Cpu(threads=1)(family(), [4, 1])
    push = np.random.default_rng(0).normal(0, 0.5, whole.qvel.shape)
    moving(whole, push)
    moving(some, push[[4, 1]])
    whole.step(150)
    for _ in range(3):
        some.step(50)
    np.testing.assert_array_equal(some.qpos, whole.qpos[[4, 1]])


def test_reset_puts_back_only_what_is_asked():
    running = Cpu()(family())
    start = running.qpos.copy()
    moving(running, 1.0)
    running.step(20)
    moved = running.qpos.copy()
    running.reset([0, 3])
    np.testing.assert_array_equal(running.qpos[[0, 3]], start[[0, 3]])
    np.testing.assert_array_equal(running.qpos[[1, 2]], moved[[1, 2]])
    assert (running.qvel[[0, 3]] == 0).all()
    running.reset()
    np.testing.assert_array_equal(running.qpos, start)


def test_a_world_that_takes_another_cousin_is_as_if_it_had_run_that_one_from_the_start():
    running, fresh = Cpu()(family(), [0, 1, 2, 0]), Cpu()(family(), [5, 1, 3, 0])
    moving(running, 0.3)
    running.step(30)
    kept = running.state([1, 3])
    running.reset([2, 0], [3, 5])
    assert running.rows.tolist() == [5, 1, 3, 0]
    np.testing.assert_array_equal(running.state([1, 3]).qpos, kept.qpos)
    running.reset()
    for each in (running, fresh):
        moving(each, 0.2)
        each.step(100)
    np.testing.assert_array_equal(running.qpos, fresh.qpos)


def test_a_state_that_is_restored_goes_on_to_the_bit():
    running = Cpu()(family())
    restores_to_the_bit(running, np.random.default_rng(1).normal(0, 0.4, running.qvel.shape))


def test_contacts_bear_what_stands_on_them():
    names = ("box_1", "can_1", "ball_1", "ell_1")
    bears(Cpu()(family()), [1, 4], family().fields()["body_mass"], names)


def test_what_drives_a_world_does_so_until_it_is_changed():
    drives(Cpu()(family()), [0, 3], family().fields()["body_mass"])


def test_sensors_are_read_of_every_world():
    sensed = family().xml.replace(
        "</mujoco>", '<sensor><framepos objtype="xbody" objname="can_1"/></sensor></mujoco>'
    )
    running = Cpu()(replace(family(), xml=sensed))
    address = running.model.jnt_qposadr[running.model.body("can_1").jntadr[0]]
    np.testing.assert_array_equal(running.sensors(), running.qpos[:, address : address + 3])
    assert Cpu()(family()).sensors().shape == (6, 0)


def test_unstable_cousins_are_named_until_they_are_reset(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    running = Cpu()(family())
    lost = running.state([2, 4])
    lost.qvel[0], lost.qpos[1, 0] = 1e30, np.nan
    running.restore(lost, [2, 4])
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
    assert overlap(asleep).min() > 0
    for running in (awake, asleep):
        pushed = running.state([1])
        pushed.qvel[0, 0] = 0.5
        running.restore(pushed, [1])
    asleep.step(5)
    assert asleep.awake()[1] >= 0.25
    assert asleep.awake()[0] == 0
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
        (lambda: Cpu()(family()).reset([6]), UsageError, "0 to 5"),
        (lambda: Cpu()(family()).reset([1, 1]), UsageError, "one cousin"),
        (lambda: Cpu()(family()).reset([1], [7]), UsageError, "0 to 5"),
        (lambda: Cpu()(family()).reset([1, 2], [3]), UsageError, "one each"),
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
