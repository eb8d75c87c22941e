"""Bounce: what is dropped comes back as high as its restitution says, and what rests, rests."""

import json
from dataclasses import replace

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packs import manifest, quality

import examples
from cousins import pack
from cousins.batch import batch
from cousins.contact import LIMIT, PLAIN, UNTOLD, restitution, settings
from cousins.distributions import Uniform
from cousins.scene import CONTACT, build, compile_model
from cousins.types import Scene

WANTED = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85)
THINGS = {
    "ball": lambda: examples.ball("it", 0.035, (0, 0)),
    "box": lambda: examples.box("it", (0.06, 0.16, 0.05), (0, 0)),
    "can": lambda: examples.can("it", 0.033, 0.10, (0, 0)),
}


def bouncing(asset, wanted):
    return replace(asset, restitution=Uniform(wanted, wanted, "test"))


def scene(*assets):
    return Scene(assets, examples.table_scene().supports)


def dropped(kind, wanted, heights):
    """sqrt(rebound / drop) from each height, m, each of which meets the table within a step."""
    asset = bouncing(THINGS[kind](), wanted)
    model = compile_model(*build(scene(asset)))
    rest = np.tile(model.qpos0, (len(heights), 1))
    rest[:, 2] += heights
    sims = batch(model, {"qpos": rest}, threads=1)
    top, low = np.zeros(len(heights)), np.full(len(heights), np.inf)
    for _ in range(round(0.6 / model.opt.timestep)):
        sims.step(nstep=1)
        height = sims.qpos[:, 2] - model.qpos0[2]
        low = np.minimum(low, height)
        hit = (low < 1e-4) & (sims.qvel[:, 2] > 0)
        top = np.maximum(top, np.where(hit, height, 0.0))
    return np.sqrt(top / heights)


@pytest.mark.parametrize("kind", THINGS)
def test_what_is_dropped_comes_back_as_high_as_it_should(kind):
    heights = np.linspace(0.185, 0.215, 16)
    for wanted in WANTED:
        got = dropped(kind, wanted, heights)
        assert got.mean() == pytest.approx(wanted, abs=0.035), (kind, wanted)
        # One drop, wherever within a step the contact begins: 0.05 and the slack of a maximum.
        assert np.abs(got - wanted).max() < 0.08, (kind, wanted)
        assert np.sqrt(np.mean((got - wanted) ** 2)) < 0.045, (kind, wanted)


@pytest.mark.parametrize("speed", [0.7, 1.4, 3.0])
def test_it_bounces_alike_whatever_its_speed(speed):
    heights = np.linspace(0.93, 1.07, 16) * speed**2 / (2 * 9.81)
    for wanted in (0.4, 0.6, 0.85):
        assert dropped("ball", wanted, heights).mean() == pytest.approx(wanted, abs=0.05)


@pytest.mark.parametrize("wanted", [0.0, 0.3, 0.6, 0.85])
def test_what_rests_stands_still_and_sinks_no_deeper_than_before(wanted):
    table = examples.table_scene()
    assets = tuple(bouncing(a, wanted) for a in table.assets)
    model = compile_model(*build(replace(table, assets=assets)))
    heavy = [model.body(a.name).id for a in assets]
    model.body_inertia[heavy] *= (1.0 / model.body_mass[heavy])[:, None]
    model.body_mass[heavy] = 1.0
    data = mujoco.MjData(model)
    mujoco.mj_setConst(model, data)
    mujoco.mj_resetData(model, data)
    mujoco.mj_step(model, data, 1000)
    before = data.qpos.copy()
    mujoco.mj_step(model, data, 1000)
    assert max(-c.dist for c in data.contact) < 3e-4
    before, after = before.reshape(-1, 7), data.qpos.reshape(-1, 7)
    assert np.linalg.norm((after - before)[:, :3], axis=1).max() < 5e-5
    assert np.abs((after * before)[:, 3:].sum(1)).min() > 1 - 1e-6
    assert np.abs(data.qvel.reshape(-1, 6)[:, :3]).max() < 0.006


def test_two_of_unlike_bounce_stand_on_each_other():
    low = bouncing(examples.box("low", (0.1, 0.1, 0.05), (0, 0)), 0.85)
    top = examples.box("top", (0.1, 0.1, 0.05), (0, 0))
    top = replace(top, position=top.position + [0, 0, 0.05], support="low")
    model = compile_model(*build(scene(low, top)))
    data = mujoco.MjData(model)
    mujoco.mj_step(model, data, 2000)
    assert max(-c.dist for c in data.contact) < 1e-3
    before = data.qpos.copy()
    mujoco.mj_step(model, data, 1000)
    assert np.abs(data.qpos - before).max() < 1e-4


def test_the_table_decides_nothing_and_the_untold_is_as_it_was():
    plain, told = (build(scene(a)) for a in (THINGS["ball"](), bouncing(THINGS["ball"](), 0.0)))
    assert plain[0].count("solref") == 2  # the two defaults
    assert told[0] == plain[0].replace('impratio="10"', 'impratio="100"')
    assert tuple(settings(UNTOLD.mode)) == PLAIN
    assert CONTACT == {"solref": "0.006 1", "solimp": "0.95 0.99 0.001"}
    model = compile_model(*build(scene(bouncing(THINGS["can"](), 0.5))))
    data = mujoco.MjData(model)
    data.qpos[2] -= 1e-3
    mujoco.mj_forward(model, data)
    assert data.ncon
    np.testing.assert_allclose(data.contact.solref, np.tile(settings(0.5)[:2], (data.ncon, 1)))


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_bounce_is_less_damping_at_the_same_stiffness(a, b):
    a, b = sorted([a, b])
    low, high = settings([a, b])
    assert low[1] >= high[1]
    assert low[2] >= high[2] > 0.59
    assert low[:2].prod() == pytest.approx(PLAIN[0])
    assert restitution(low[:2]) == pytest.approx(min(a, LIMIT), abs=1e-9)


def test_a_pack_keeps_it_and_one_of_before_reads_as_it_did(tmp_path):
    told = bouncing(THINGS["can"](), 0.5)
    untold = replace(examples.box("box", (0.1, 0.1, 0.1), (0.3, 0)), restitution=UNTOLD)
    pack.write(tmp_path / "new", scene(told, untold), manifest(), quality())
    assert pack.check(tmp_path / "new") == []
    read = pack.load_scene(pack.read(tmp_path / "new"))
    assert [a.restitution for a in read.assets] == [told.restitution, UNTOLD]
    pack.write(tmp_path / "old", scene(untold), manifest(), quality())
    file = tmp_path / "old" / "objects.json"
    (entry,) = json.loads(file.read_text())
    assert entry.pop("restitution") is None
    file.write_text(json.dumps([entry]))
    assert pack.check(tmp_path / "old") == []
    old = pack.load_scene(pack.read(tmp_path / "old"))
    assert old.assets[0].restitution == UNTOLD
    assert build(old)[0] == (tmp_path / "old" / "model.xml").read_text()


def test_a_bounce_that_is_none_or_is_not_the_twins_is_found(tmp_path):
    pack.write(tmp_path / "it", scene(bouncing(THINGS["can"](), 0.5)), manifest(), quality())
    file = tmp_path / "it" / "model.xml"
    text = file.read_text()
    wrong, right = ("{!r} {!r}".format(*settings(e)[:2].tolist()) for e in (0.2, 0.5))
    assert right in text
    file.write_text(text.replace(right, wrong))
    assert "the bounce of it is not the mode" in " ".join(pack.check(tmp_path / "it"))
    pack.write(tmp_path / "big", scene(bouncing(THINGS["can"](), 1.5)), manifest(), quality())
    assert "restitution is not between 0 and 1" in " ".join(pack.check(tmp_path / "big"))
