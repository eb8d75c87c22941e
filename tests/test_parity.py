"""Engines are held to MuJoCo itself: what is equal is told so, and what is not is seen."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from cousins.cli.main import app
from packs import family, write_pack
from typer.testing import CliRunner

from cousins import engines
from cousins.engines.cpu import Cpu
from cousins.parity import EACH, MEDIAN, compare, parity, told
from examples import table_scene


@dataclass(frozen=True)
class Slippery:
    """MuJoCo, with one object of each cousin more slippery than it should be."""

    factor: float = 0.5

    def __call__(self, given, indices=None):
        friction = given.arrays["friction"].copy()
        friction[:, 0] *= self.factor
        return Cpu()(replace(given, arrays={**given.arrays, "friction": friction}), indices)


def test_the_batch_is_mujoco_to_the_bit(tmp_path):
    write_pack(tmp_path / "pack")
    found = parity(tmp_path / "pack", Cpu(), 4)
    assert found.cousins == 4
    assert found.identical == 1
    assert found.moved == found.turned == found.rest == (0, 0)
    assert found.contacts[0] == found.contacts[1] > 4
    assert found.good


def test_an_engine_that_steps_something_else_is_seen():
    found = told([compare(Slippery(), family(), [0, 1, 5], table_scene())])
    assert found.identical == 0
    assert found.moved[0] < MEDIAN < EACH < found.by_object  # one object among four
    assert not found.good
    fields = replace(family(), arrays=family().fields(), bank=None)
    same = told([compare(Cpu(), fields, [0, 5], None)])
    assert same.moved[0] < 1e-6  # one compiled, the other written


def test_a_cousin_is_set_going_alike_whoever_else_is_compared():
    two, one = (compare(Slippery(), family(), rows, table_scene()) for rows in ([2, 5], [5]))
    np.testing.assert_array_equal(two[0][1], one[0][0])


def test_check_tells_of_an_engine(tmp_path, monkeypatch):
    write_pack(tmp_path / "pack")
    run = CliRunner().invoke
    asked = ["check", str(tmp_path / "pack"), "--cousins", "3"]
    good = run(app, [*asked, "--engine", "cpu", "--json"])
    assert good.exit_code == 0
    assert json.loads(good.stdout)["parity"]["identical"] == 1
    assert "100% to the bit" in run(app, [*asked, "--engine", "cpu"]).stdout
    monkeypatch.setattr(engines, "engine", lambda name: Slippery(0.1))
    bad = run(app, [*asked, "--engine", "slippery"])
    assert bad.exit_code == 1
    assert "slippery is farther" in bad.stdout


def test_proxies_are_held_to_their_own(tmp_path):
    write_pack(tmp_path / "pack")
    found = parity(tmp_path / "pack", Cpu(), 3, primitive=True)
    assert found.moved[0] < 1e-6
    assert found.contacts[0] > 4


@pytest.mark.parametrize("rows", [[0], [0, 1, 2, 3, 4, 5]])
def test_every_object_is_compared(rows):
    moved, turned, rest, mine, theirs, same = compare(Cpu(), family(), rows, table_scene())
    assert moved.shape == turned.shape == rest.shape == (len(rows), 4)
    assert mine.shape == theirs.shape == same.shape == (len(rows),)
