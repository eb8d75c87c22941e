"""The MJX engine: what the CPU engine does, in JAX, for cousins of primitives."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("mujoco.mjx", reason='engine mjx needs the extra: pip install "cousins[mjx]"')

import packs
from engine_laws import bears, drives, moving, restores_to_the_bit
from mjx_family import boxes, meshes

from cousins.engines import engine, overlap
from cousins.engines.cpu import Cpu
from cousins.engines.mjx import Mjx, MjxRunning
from cousins.engines.proxies import proxies
from cousins.errors import EngineError, UsageError
from examples import table_scene

ROWS = [0, 1, 2]  # every test runs three worlds: a step is compiled for their number


@pytest.fixture(scope="module")
def compiled() -> MjxRunning:
    return Mjx()(boxes(), ROWS)


@pytest.fixture
def running(compiled) -> MjxRunning:
    """At the start, whatever a test before did."""
    compiled.reset(rows=ROWS, ids=range(3))
    return compiled


def places(running, qpos):
    return qpos.reshape(len(running), -1, 7)[..., :3]


def test_cousins_start_where_they_are_stored_and_stand_still():
    fresh = Mjx()(boxes(), ROWS)
    start = boxes().arrays["qpos"][ROWS]
    np.testing.assert_allclose(fresh.qpos, start, atol=1e-7)
    assert (fresh.qvel == 0).all()
    fresh.step(200)
    assert np.abs(places(fresh, fresh.qpos - start)).max() < 1e-3
    assert (fresh.ncon() >= 9).all()
    assert (overlap(fresh) > 0).all()
    assert (overlap(fresh) < 1e-3).all()
    assert list(fresh.unstable()) == []
    assert fresh.awake().max() < 0.5


def test_it_moves_as_mujoco_does(running):
    cpu = Cpu(threads=1)(boxes(), ROWS)
    push = np.random.default_rng(0).normal(0, 0.1, cpu.qvel.shape) * ([1, 1, 0, 0, 0, 1] * 3)
    for each in (running, cpu):
        moving(each, push)
        each.step(200)
    error = np.linalg.norm(places(running, running.qpos - cpu.qpos), axis=-1)
    assert np.abs(places(running, cpu.qpos - boxes().arrays["qpos"][ROWS])).max() > 5e-3
    assert np.median(error) < 1e-4
    assert error.max() < 1e-3


def test_reset_puts_back_only_what_is_asked(running):
    start = running.qpos
    moving(running, 0.5)
    running.drive(np.full((3, running.model.nbody, 6), 0.1))
    running.step(20)
    moved = running.qpos
    running.reset([0])
    np.testing.assert_array_equal(running.qpos[0], start[0])
    np.testing.assert_array_equal(running.qpos[1:], moved[1:])
    assert (running.qvel[0] == 0).all()
    assert running.ncon()[0] == 0
    running.step(100)
    assert np.abs(running.qpos[0] - start[0]).max() < 1e-3  # nothing drives it any more
    running.reset()
    np.testing.assert_array_equal(running.qpos, start)


def test_a_world_that_takes_another_cousin_is_as_if_it_had_run_that_one_from_the_start(running):
    fresh = Mjx()(boxes(), [3, 1, 0])
    moving(running, 0.3)
    running.step(30)
    kept = running.state([1])
    running.reset([2, 0], [0, 3])
    assert running.rows.tolist() == [3, 1, 0]
    np.testing.assert_array_equal(running.state([1]).qpos, kept.qpos)
    running.reset()
    for each in (running, fresh):
        moving(each, 0.2)
        each.step(60)
    np.testing.assert_array_equal(running.qpos, fresh.qpos)


def test_a_state_that_is_restored_goes_on_to_the_bit(running):
    push = np.random.default_rng(1).normal(0, 0.4, running.qvel.shape)
    restores_to_the_bit(running, push, rel=1e-4)


def test_contacts_bear_what_stands_on_them(running):
    names = ("can_1", "ball_1", "ell_1")
    bears(running, [0, 2], boxes().arrays["body_mass"], names, share=0.05)


def test_what_drives_a_world_does_so_until_it_is_changed(running):
    drives(running, [1], boxes().arrays["body_mass"])
    with pytest.raises(ValueError, match="shape"):
        running.drive(ctrl=np.zeros((3, 1)))


def test_sensors_are_read_of_every_world(running):
    address = running.model.joint("can_1").qposadr[0]
    there = running.qpos[:, address : address + 3]
    running.step()
    np.testing.assert_allclose(running.sensors(), there, atol=1e-6)


def test_unstable_cousins_are_named_until_they_are_reset(running):
    lost = running.state([0, 2])
    lost.qvel[0], lost.qpos[1, 0] = 1e30, np.nan
    running.restore(lost, [0, 2])
    running.step(5)
    assert list(running.unstable()) == [0, 2]
    assert set(running.contacts().world) == {1}
    running.reset([0, 2])
    running.step(5)
    assert list(running.unstable()) == []


def test_one_cousins_own_meshes_are_simulated_if_all_worlds_have_them():
    with pytest.raises(EngineError, match=r"differ in ell_1"):
        Mjx()(meshes())
    # No more of them than one shape has; then it is the can's turn, a cylinder.
    with pytest.raises(EngineError, match=r"can_1_c0 \(cylinder\).*use primitive proxies"):
        Mjx()(meshes(), [0, 2])


def fine():
    """A ball as a hull of many vertices."""
    whole = table_scene()
    return packs.family(replace(whole, assets=(replace(whole.assets[2], primitive=None),)), n=1)


def switched():
    arrays = dict(boxes().arrays)
    on = np.ones((4, arrays["geom_size"].shape[1]), np.int32)
    on[2, -1] = 0
    return replace(boxes(), arrays=arrays | {"geom_contype": on, "geom_conaffinity": on})


def capped():
    custom = '<custom><numeric name="max_contact_points" data="4"/></custom></mujoco>'
    return replace(boxes(), xml=boxes().xml.replace("</mujoco>", custom))


@pytest.mark.parametrize(
    ("family", "words"),
    [
        (fine, "ball_1_c0.*32 vertices.*use primitive proxies"),
        (switched, "switch ell_1_c0 in some worlds"),
        (capped, "max_contact_points"),
        (lambda: replace(boxes(), xml="<mujoco>"), "augment anew"),
        (lambda: replace(boxes(), arrays={}), "start"),
        (
            lambda: replace(boxes(), xml=boxes().xml.replace('cone="elliptic"', "")),
            "not elliptic",
        ),
        (
            lambda: replace(boxes(), arrays={**boxes().arrays, "no_field": np.ones(4)}),
            "no_field",
        ),
    ],
)
def test_what_mjx_cannot_simulate_is_refused_in_one_line(family, words):
    with pytest.raises(EngineError, match=words) as caught:
        Mjx()(family())
    assert "\n" not in str(caught.value)


def test_worlds_and_cousins_that_do_not_exist_are_refused(running):
    for call in (
        lambda: Mjx()(boxes(), []), lambda: Mjx()(boxes(), [4]), lambda: running.reset([3]),
        lambda: running.reset([1, 1]), lambda: running.reset([1], [7]),
        lambda: running.reset([1, 2], [3]),
    ):  # fmt: skip
        with pytest.raises(UsageError):
            call()


def test_an_engine_is_found_by_its_name():
    assert engine("mjx", solver="newton") == Mjx(solver="newton")
    assert proxies(meshes()).xml == boxes().xml
