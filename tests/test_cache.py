"""Finished stages: kept whole or not at all, under the hash of what made them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cousins.cache import Cache, digest
from cousins.errors import PackError

KEY, OTHER = digest("a"), digest("b")


def test_what_was_kept_is_given_back(tmp_path):
    cache = Cache(tmp_path / "x.scan")
    assert cache.load("fusion", KEY) is None
    vertices = np.random.default_rng(0).normal(size=(20, 3))
    cache.save("fusion", KEY, vertices=vertices, note=np.array("nought seen"))
    kept = cache.load("fusion", KEY)
    assert kept is not None
    assert np.array_equal(kept["vertices"], vertices)
    assert str(kept["note"]) == "nought seen"


def test_other_settings_are_another_stage_and_take_its_place(tmp_path):
    cache = Cache(tmp_path)
    cache.save("fusion", KEY, a=np.ones(3))
    assert cache.load("fusion", OTHER) is None
    cache.save("fusion", OTHER, a=np.zeros(3))
    assert cache.load("fusion", KEY) is None
    assert [f.name for f in tmp_path.iterdir()] == [f"fusion-{OTHER}.npz"]
    cache.save("parts1", KEY, a=np.ones(1))
    cache.save("parts10", KEY, a=np.ones(1))
    assert cache.load("parts1", KEY) is not None


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_broken_file_is_as_good_as_none(tmp_path, share):
    cache = Cache(tmp_path)
    cache.save("fusion", KEY, a=np.arange(1000))
    file = tmp_path / f"fusion-{KEY}.npz"
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    assert cache.load("fusion", KEY) is None
    file.write_bytes(b"no archive at all")
    assert cache.load("fusion", KEY) is None
    middle = len(data) // 2
    file.write_bytes(data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :])
    assert cache.load("fusion", KEY) is None
    cache.save("fusion", KEY, a=np.arange(1000))
    kept = cache.load("fusion", KEY)
    assert kept is not None


def test_a_run_that_dies_while_it_writes_leaves_nothing_to_load(tmp_path, monkeypatch):
    cache = Cache(tmp_path)
    cache.save("fusion", KEY, a=np.ones(3))

    def die(file, **arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", die)
    with pytest.raises(KeyboardInterrupt):
        cache.save("fusion", OTHER, a=np.zeros(3))
    assert cache.load("fusion", OTHER) is None
    assert cache.load("fusion", KEY) is not None, "and the one before it is still there"
    cache.clear()
    assert not tmp_path.exists()


def test_pickles_are_never_opened(tmp_path):
    """What lies in the folder may be a stranger's."""
    cache = Cache(tmp_path)
    np.savez(tmp_path / f"fusion-{KEY}.npz", a=np.array([{"x": 1}], dtype=object))
    assert cache.load("fusion", KEY) is None


def test_only_its_own_files_are_removed(tmp_path):
    """A user may have a folder of that name: `cousins scan kitchen.scan -o kitchen`."""
    cache = Cache(tmp_path)
    mine = ["rgb.mp4", "frame-000001.depth.png", "notes-2026.npz"]
    for name in mine:
        (tmp_path / name).write_text("mine")
    cache.save("fusion", KEY, a=np.ones(3))
    cache.clear()
    assert sorted(f.name for f in tmp_path.iterdir()) == sorted(mine)
    Cache(tmp_path / "none").clear()


def test_a_file_in_its_place_is_refused_and_kept(tmp_path):
    (tmp_path / "x.scan").write_text("mine")
    with pytest.raises(PackError, match="choose another output"):
        Cache(tmp_path / "x.scan").save("fusion", KEY, a=np.ones(3))
    Cache(tmp_path / "x.scan").clear()
    assert (tmp_path / "x.scan").read_text() == "mine"


def test_a_digest_is_the_same_in_every_run():
    assert digest("sha", "fusion", {"voxel": 0.003, "b": [1, 2]}) == "d6173f5c70f20f0b"
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


@given(st.floats(0.001, 0.02), st.floats(0.001, 0.02))
def test_digests_differ_where_settings_do(a, b):
    assert (digest({"voxel": a}) == digest({"voxel": b})) == (a == b)
    assert digest("a", "b") != digest("ab")
