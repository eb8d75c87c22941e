"""The engine warp: it takes any rows, agrees with MuJoCo, and says what it could not hold."""

import sys
from dataclasses import replace
from functools import cache
from types import ModuleType

import mujoco
import numpy as np
import packs
import pytest
from engine_laws import bears, drives, moving, restores_to_the_bit

import examples
from cousins.bank import Family
from cousins.engines import engine, overlap
from cousins.engines.cpu import Cpu
from cousins.engines.measure import measure
from cousins.engines.warp import Warp
from cousins.engines.warp_room import room, sample
from cousins.errors import EngineError, MissingDependencyError, UsageError
from cousins.scene import compile_model
from cousins.variation.union import Variants, union, unseen

N = 6


@cache
def family() -> Family:
    """Every other cousin has other shapes: a box that is a can, a can that is an L of two parts,
    and an L that is a block, so that every kind of slot is unused somewhere."""
    scene = examples.table_scene()
    box, can, _, ell = scene.assets
    tall, height = box.size[2], can.size[2]
    other = {
        "box_1": examples.can("box_1_v1", 0.04, tall, (0, 0)),
        "can_1": stretched(examples.ell("can_1_v1", (0, 0)), 0.4, height),
        "ell_1": replace(examples.box("ell_1_v1", (0.08, 0.1, ell.size[2]), (0, 0)),
                         primitive=None),
    }  # fmt: skip
    every = [Variants((a, other[a.name]) if a.name in other else (a,)) for a in scene.assets]
    every = [replace(v, distances=(0.0, 0.3)[: len(v.shapes)]) for v in every]
    made, rng = union(scene, every), np.random.default_rng(3)
    qpos = np.repeat(made.model.qpos0[None], N, 0)
    qpos[:, 0::7] += rng.uniform(-0.03, 0.03, (N, 4))
    shape = np.zeros((N, 4), np.uint16)
    shape[1::2] = [len(v.shapes) - 1 for v in every]
    modes = {name: np.tile([getattr(a, name).mode for a in scene.assets], (N, 1))
             for name in ("mass", "friction", "restitution", "shell_fraction")}  # fmt: skip
    modes["mass"] *= rng.uniform(0.5, 2, modes["mass"].shape)
    modes["friction"] *= rng.uniform(0.7, 1.5, modes["mass"].shape)
    arrays = {"shape": shape, **modes, "qpos": qpos}
    return Family(made.xml, made.files, arrays, packs.cousins(N, 100), made.bank)


def stretched(asset, across, height):
    scale = np.array([across, across, height / asset.size[2]])
    mesh = replace(asset.visual, vertices=asset.visual.vertices * scale)
    parts = tuple(replace(p, vertices=p.vertices * scale) for p in asset.parts)
    return replace(asset, visual=mesh, parts=parts)


def stir(seed=0):
    """Velocities that make things slide and topple a little."""
    rng = np.random.default_rng(seed)
    return (rng.normal(0, 1, (N, 4, 6)) * ([0.2] * 3 + [2.0] * 3)).reshape(N, 24)


def apart(a, b):
    """(n, A) how far objects are from where they are in another, m."""
    return np.linalg.norm((a.qpos - b.qpos).reshape(len(a), -1, 7)[..., :3], axis=-1)


@pytest.fixture(scope="module")
def loaded():
    """One for all tests: to compile Warp's kernels takes most of a minute."""
    pytest.importorskip("mujoco_warp", reason="the extra `warp` is not installed")
    return Warp(device="cpu")(family())


@pytest.fixture
def running(loaded):
    """As it was loaded."""
    loaded.drive(np.zeros((N, loaded.model.nbody, 6)))
    loaded.reset(rows=range(N), ids=range(N))
    return loaded


def test_cousins_start_where_they_are_stored_and_stand_as_on_the_cpu(running):
    np.testing.assert_allclose(running.qpos, family().arrays["qpos"], atol=1e-6)
    assert (running.qvel == 0).all()
    assert len(running) == N
    cpu = Cpu()(family())
    for each in (running, cpu):
        each.step(200)
    assert apart(running, cpu).max() < 1e-4
    np.testing.assert_array_equal(running.ncon(), cpu.ncon())
    np.testing.assert_allclose(overlap(running), overlap(cpu), atol=1e-5)
    assert list(running.unstable()) == []
    assert running.awake().max() == 0
    assert running.sensors().shape == (N, 0)


def test_what_moves_goes_where_it_goes_on_the_cpu(running):
    cpu = Cpu()(family())
    for each in (running, cpu):
        moving(each, stir())
        each.step(200)
    off = apart(running, cpu)
    assert np.median(off) < 1e-4
    assert off.max() < 0.02
    assert np.abs(running.qpos - family().arrays["qpos"]).max() > 0.02
    assert running.awake().min() > 0


def test_what_a_cousin_does_not_use_is_not_there(running):
    data, model = running.table.geom_dataid.numpy(), running.model
    used = family().fields()["geom_contype"] != 0
    mesh = (model.geom_type == mujoco.mjtGeom.mjGEOM_MESH) & (model.geom_contype != 0)
    assert ((data < 0) == ~used)[:, mesh].all()
    assert (~used)[:, mesh].any()
    solid = ~mesh & (model.geom_contype != 0)
    speck = running.table.geom_rbound.numpy() < 1e-3
    off = ~used & solid
    assert off.any()
    assert speck[off].all()
    # Nothing reaches it, not even what falls.
    moving(running, stir(1) * 3)
    for _ in range(10):
        running.step(20)
        found = running.contacts()
        assert used[found.world[:, None], found.geom].all()


def test_a_world_that_takes_another_cousin_is_as_if_it_had_run_that_one_from_the_start(running):
    moving(running, 0.3)
    running.step(30)
    kept = running.state([1, 3])
    running.reset([2, 0], [3, 5])
    assert running.rows.tolist() == [5, 1, 3, 3, 4, 5]
    np.testing.assert_array_equal(running.state([1, 3]).qpos, kept.qpos)
    assert (running.qvel[[0, 2]] == 0).all()
    running.reset()
    moving(running, stir()[0])
    running.step(100)
    there = running.qpos
    fresh = Warp(device="cpu")(family(), [5, 1, 3, 3, 4, 5])
    moving(fresh, stir()[0])
    fresh.step(100)
    np.testing.assert_array_equal(fresh.qpos, there)
    np.testing.assert_array_equal(there[2], there[3])


def test_rows_that_are_all_the_same_cousin_run_too(running):
    running.reset(range(N), [1] * N)
    moving(running, stir()[0])
    running.step(100)
    there = running.qpos[4]
    alone = Warp(device="cpu")(family(), [1])
    moving(alone, stir()[0])
    alone.step(100)
    np.testing.assert_array_equal(alone.qpos[0], there)
    alone.reset([0], [2])
    np.testing.assert_allclose(alone.qpos[0], family().arrays["qpos"][2], atol=1e-6)


def test_a_state_that_is_restored_goes_on_to_the_bit(running):
    restores_to_the_bit(running, stir(), rel=1e-5)


def test_a_look_at_the_contacts_changes_nothing(running):
    moving(running, stir())
    running.step(40)
    kept, counted = running.state(), running.ncon()
    found = running.contacts()
    running.step(20)
    there = running.qpos
    running.restore(kept)
    np.testing.assert_array_equal(running.ncon(), running.ncon())
    running.step(20)
    np.testing.assert_array_equal(running.qpos, there)
    assert abs(len(found.world) - counted.sum()) < 0.5 * counted.sum()


def test_contacts_bear_what_stands_on_them(running):
    names = ("box_1", "can_1", "ball_1", "ell_1")
    bears(running, [1, 4], family().fields()["body_mass"], names)


def test_what_drives_a_world_does_so_until_it_is_changed(running):
    drives(running, [0, 3], family().fields()["body_mass"])


def test_a_world_that_explodes_is_named_and_the_others_go_on_to_the_bit(running, capfd):
    moving(running, stir())
    running.step(10)
    before = running.state()
    running.step(40)
    there = running.qpos
    running.restore(before)
    lost = running.state([2, 4])
    lost.qvel[0], lost.qpos[1, 0] = 1e30, np.nan
    running.restore(lost, [2, 4])
    running.step(40)
    assert list(running.unstable()) == [2, 4]
    others = [0, 1, 3, 5]
    np.testing.assert_array_equal(running.qpos[others], there[others])
    # As MuJoCo has it, it starts anew.
    assert np.abs(running.qpos - family().arrays["qpos"])[[2, 4]].max() < 1e-3
    running.reset([2, 4])
    running.step(5)
    assert list(running.unstable()) == []
    assert capfd.readouterr().out == ""


def test_too_little_room_is_an_error_that_names_the_cousins(running):
    tight = Warp(device="cpu", nconmax=running.data.naconmax // N, njmax=30)(family())
    with pytest.raises(
        EngineError, match=r"cousins 100, 101.*others.*NEFC.*larger njmax"
    ) as caught:
        tight.step(20)
    assert "\n" not in str(caught.value)
    tight = Warp(device="cpu", nconmax=2, njmax=running.data.njmax)(family())
    with pytest.raises(EngineError, match=r"cousins 100, 101.*larger nconmax"):
        tight.step(20)


def test_measure_takes_it(running):
    done = measure(lambda family, rows=None: running, [family()], 20)
    assert done.cousins == N
    assert done.unstable == ()
    assert done.contacts >= 12


def test_room_is_what_stirred_cousins_had():
    made = family()
    model = compile_model(made.xml, unseen(made.xml, made.files))
    rows = sample(np.arange(N))
    assert rows.tolist() == list(range(N))
    found = room(model, made, rows)
    assert 17 <= found.contacts < 100
    assert found.rows >= 3 * found.contacts
    assert found.moments.shape == (3, N, model.nq)
    assert np.abs(found.moments[2] - found.moments[1]).max() > 0.05
    many = sample(np.arange(1000))
    assert len(many) == len(set(many)) == 64
    np.testing.assert_array_equal(many, sample(np.arange(1000)))


def test_a_field_that_warp_holds_once_may_not_differ(running):
    made = family()
    priority = np.zeros((N, running.model.ngeom), np.int32)
    priority[1] = 1
    for field, value in (("geom_priority", priority), ("opt.timestep", np.full(N, 0.001))):
        other = replace(made, arrays={**made.arrays, field: value})
        with pytest.raises(EngineError, match=f"{field}.*engine cpu"):
            Warp(device="cpu")(other)
    priority[:] = running.model.geom_priority
    same = replace(made, arrays={**made.arrays, "geom_priority": priority})
    assert len(Warp(device="cpu")(same)) == N


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda r: Warp(nconmax=-1)(family()), UsageError, "counts"),
        (lambda r: Warp(device="abacus")(family()), UsageError, "devices: cpu"),
        (lambda r: Warp()(family(), []), UsageError, "at least one"),
        (lambda r: Warp()(family(), [6]), UsageError, "0 to 5"),
        (lambda r: r.reset([6]), UsageError, "0 to 5"),
        (lambda r: r.reset([1, 1]), UsageError, "one cousin"),
        (lambda r: r.reset([1], [7]), UsageError, "0 to 5"),
        (lambda r: r.reset([1, 2], [3]), UsageError, "one each"),
        (lambda r: Warp()(replace(family(), xml="<mujoco>")), EngineError, "augment anew"),
        (lambda r: Warp()(replace(family(), arrays={})), EngineError, "start"),
        (
            lambda r: Warp()(
                replace(family(), xml=family().xml.replace("<option", '<option solver="PGS"', 1))
            ),
            EngineError,
            "cannot step",
        ),
    ],
)
def test_what_cannot_be_loaded_is_refused_in_one_line(loaded, call, error, word):
    with pytest.raises(error, match=word) as caught:
        call(loaded)
    assert "\n" not in str(caught.value)


def test_without_the_extra_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "warp", ModuleType("warp"))
    monkeypatch.setitem(sys.modules, "mujoco_warp", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "cousins\[warp\]"') as caught:
        engine("warp", njmax=5)(family())
    assert "\n" not in str(caught.value)


@pytest.mark.gpu
def test_a_gpu_agrees_with_the_cpu():
    pytest.importorskip("mujoco_warp", reason="the extra `warp` is not installed")
    wp = pytest.importorskip("warp")
    if not wp.get_cuda_device_count():
        pytest.skip("Warp finds no CUDA device")
    gpu, cpu = Warp()(family()), Cpu()(family())
    assert gpu.device.is_cuda
    for each in (gpu, cpu):
        each.step(200)
    assert apart(gpu, cpu).max() < 1e-4
    for each in (gpu, cpu):
        each.reset([2, 0], [3, 5])
        moving(each, stir())
        each.step(200)
    assert np.median(apart(gpu, cpu)) < 1e-4
