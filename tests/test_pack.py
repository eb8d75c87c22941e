"""Packs: what is written is read back, by us and by MuJoCo; a killed write changes nothing."""

import dataclasses
import json
import os
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest
from cousins.cli.info import info
from packs import N, family, manifest, older_family, quality, write_pack

from cousins import archive
from cousins.distributions import STAND_IN
from cousins.engines.cpu import Cpu
from cousins.errors import PackError, UsageError
from cousins.pack import (
    check,
    ensure_writable,
    load_family,
    load_index,
    load_model,
    load_scene,
    locate,
    read,
    write,
    write_families,
)
from cousins.pipeline import augment
from cousins.scene import build
from cousins.types import Camera, Intrinsics, Mesh
from cousins.variation.certificate import certify
from examples import table_scene


@pytest.fixture(params=["kitchen", "kitchen.zip"])
def pack_path(request, tmp_path) -> Path:
    return write_pack(tmp_path / request.param)


def full_scene():
    """With a textured background and a camera as well."""
    scene = table_scene()
    vertices = np.array([[-3, -3, -0.01], [3, -3, -0.01], [3, 3, -0.01], [-3, 3, -0.01]], float)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 255, (8, 6, 3)).astype(np.uint8)
    background = Mesh(vertices, faces, rng.uniform(0, 1, (2, 3, 2)).round(6), texture)
    pose = np.eye(4)
    pose[:3, 3] = [0.1, -0.2, 1.5]
    camera = Camera("phone", pose, Intrinsics(640, 480, 500.5, 501.25, 319.5, 239.5))
    return dataclasses.replace(scene, background=background, cameras=(camera,))


def assert_same(a, b, where=""):
    """Equal field by field, arrays to the seven digits of an OBJ file."""
    if dataclasses.is_dataclass(a) and not isinstance(a, type):
        assert type(a) is type(b), where
        for f in dataclasses.fields(a):
            assert_same(getattr(a, f.name), getattr(b, f.name), f"{where}.{f.name}")
    elif isinstance(a, np.ndarray):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7, err_msg=where)
    elif isinstance(a, tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    else:
        assert a == b, where


@pytest.mark.parametrize("name", ["p", "p.zip"])
def test_a_scene_comes_back_as_it_was(tmp_path, name):
    scene = full_scene()
    # Collision parts are shapes only: a pack keeps no texture for them.
    plain = tuple(
        dataclasses.replace(a, parts=tuple(Mesh(p.vertices, p.faces) for p in a.parts))
        for a in scene.assets
    )
    scene = dataclasses.replace(scene, assets=plain)
    write(tmp_path / name, scene, manifest(), quality())
    assert_same(scene, load_scene(read(tmp_path / name)))


def test_the_manifest_and_the_quality_come_back(pack_path):
    pack = read(pack_path)
    assert pack.manifest == manifest()
    assert pack.quality == quality()
    assert pack.families == (0,)


def test_a_folder_and_a_zip_hold_the_same(tmp_path):
    folder = read(write_pack(tmp_path / "p")).tree
    zipped = read(write_pack(tmp_path / "p.zip")).tree
    assert dict(folder.sizes) == dict(zipped.sizes)
    names = sorted(folder.sizes)
    assert folder.read_all(names, 1 << 30) == zipped.read_all(names, 1 << 30)


def test_the_contract_s_fields_are_in_the_json(tmp_path):
    path = write_pack(tmp_path / "p")
    objects = json.loads((path / "objects.json").read_text())
    assert {"name", "label", "label_source", "position", "quaternion", "size", "support",
            "observed_fraction", "visual_mesh", "collision_meshes", "volume", "watertight", "mass",
            "friction", "center_of_mass", "inertia"} <= set(objects[0])  # fmt: skip
    assert set(objects[0]["mass"]) == {
        "distribution", "parameters", "mode", "q05", "q50", "q95", "source", "evidence"
    }  # fmt: skip
    assert all((path / "assets" / o["visual_mesh"]).is_file() for o in objects)
    told = json.loads((path / "manifest.json").read_text())
    assert told["schema_version"] == 1
    assert np.array(told["world_from_capture"]).shape == (4, 4)
    line = json.loads((path / "families/0/cousins.jsonl").read_text().splitlines()[0])
    assert set(line) == {"index", "seed", "axes", "distance", "certificate"}


def test_nothing_in_a_pack_names_a_place_on_this_machine(tmp_path):
    path = write_pack(tmp_path / "p")
    for file in path.rglob("*"):
        if file.suffix in (".json", ".xml", ".jsonl"):
            assert str(tmp_path) not in file.read_text()


def test_mujoco_opens_a_folder_by_itself(tmp_path):
    path = write_pack(tmp_path / "p")
    twin = mujoco.MjModel.from_xml_path(str(path / "model.xml"))
    assert {twin.body(i).name for i in range(1, twin.nbody)} == {
        "box_1", "can_1", "ball_1", "ell_1"
    }  # fmt: skip
    union = mujoco.MjModel.from_xml_path(str(path / "families/0/model.xml"))
    assert union.nmesh > twin.nmesh


def test_mujoco_opens_a_zip_by_itself(tmp_path):
    path = write_pack(tmp_path / "p.zip")
    spec = mujoco.MjSpec.from_zip(str(path))
    assert spec.modelname == "twin"
    assert spec.compile().nbody == 5


def test_the_twin_that_is_loaded_steps_as_the_scene_does(pack_path):
    model = load_model(read(pack_path))
    xml, files = build(table_scene())
    fresh = mujoco.MjModel.from_xml_string(xml, files)
    a, b = mujoco.MjData(model), mujoco.MjData(fresh)
    mujoco.mj_step(model, a, 50)
    mujoco.mj_step(fresh, b, 50)
    np.testing.assert_array_equal(a.qpos, b.qpos)


def test_a_family_comes_back_as_it_was(pack_path):
    made, loaded = family(), load_family(read(pack_path), 0)
    assert loaded.cousins == made.cousins
    assert loaded.files.items() <= made.files.items(), "those that its model names"
    assert set(loaded.arrays) == set(made.arrays)
    for name, array in made.arrays.items():
        np.testing.assert_array_equal(loaded.arrays[name], array)
        assert loaded.arrays[name].dtype == array.dtype
    for name, array in made.bank.arrays().items():
        np.testing.assert_array_equal(loaded.bank.arrays()[name], array, err_msg=name)
    for name, array in made.fields([4, 1]).items():
        np.testing.assert_array_equal(loaded.fields([4, 1])[name], array, err_msg=name)
    a = mujoco.MjModel.from_xml_string(made.xml, dict(made.files))
    b = mujoco.MjModel.from_xml_string(loaded.xml, dict(loaded.files))
    np.testing.assert_array_equal(a.geom_dataid, b.geom_dataid)


def test_a_family_of_model_fields_without_a_bank_is_read_and_stepped(tmp_path):
    path = write_pack(tmp_path / "p", older=True)
    assert check(path) == []
    made, loaded = older_family(), load_family(read(path), 0)
    assert loaded.bank is None
    for name, array in made.arrays.items():
        np.testing.assert_array_equal(loaded.fields()[name], array)
    running = Cpu(threads=1)(loaded)
    running.step(5)
    assert list(running.unstable()) == []
    with pytest.raises(PackError, match=r"without a bank.*augment anew"):
        certify(load_scene(read(path)), loaded)


def test_families_replace_those_that_were_there(pack_path):
    write_families(pack_path, [family(n=2), family(n=3, first=2)])
    pack = read(pack_path)
    assert [len(load_index(pack, k)) for k in pack.families] == [2, 3]
    assert locate(pack, 1) == (0, 1)
    assert locate(pack, 4) == (1, 2)
    assert check(pack_path) == []
    write_families(pack_path, [])
    pack = read(pack_path)
    assert pack.families == ()
    assert not [n for n in pack.tree.sizes if "_v1" in n], "the bank's meshes are gone too"
    with pytest.raises(UsageError, match="no cousins yet"):
        locate(pack, 0)


def test_families_can_go_into_a_new_pack(pack_path, tmp_path):
    before = read(pack_path).tree.sizes
    write_families(pack_path, [family(n=2)], out=tmp_path / "new")
    assert len(load_index(read(tmp_path / "new"), 0)) == 2
    assert check(tmp_path / "new") == []
    assert read(pack_path).tree.sizes == before


def test_an_unknown_cousin_is_refused(pack_path):
    with pytest.raises(UsageError, match=f"no cousin {N}: they go from 0 to {N - 1}"):
        locate(read(pack_path), N)
    with pytest.raises(PackError, match="no family 3"):
        load_family(read(pack_path), 3)


def test_a_sound_pack_has_no_problems(pack_path):
    assert check(pack_path) == []


@pytest.mark.parametrize("name", ["p", "p.zip"])
@pytest.mark.parametrize("stop", ["half way", "before the rename"])
def test_a_killed_write_leaves_the_old_pack(tmp_path, monkeypatch, name, stop):
    path = write_pack(tmp_path / name, families=False)
    held = {n: read(path).tree.read(n, 1 << 30) for n in read(path).tree.sizes}

    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    if stop == "half way":
        monkeypatch.setattr(Path, "write_bytes", killed)
        monkeypatch.setattr(archive.zipfile.ZipFile, "writestr", killed)
    else:
        monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(Killed):
        write_families(path, [family(n=2)])
    monkeypatch.undo()
    tree = read(path).tree
    assert {n: tree.read(n, 1 << 30) for n in tree.sizes} == held
    assert os.listdir(tmp_path) == [name], "nothing half-written stays"


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PackError, match="No space left on device"):
        write(tmp_path / "p", table_scene(), manifest(), quality())
    assert os.listdir(tmp_path) == []


def test_only_a_pack_is_replaced(tmp_path):
    mine = tmp_path / "thesis"
    mine.mkdir()
    (mine / "chapter.txt").write_text("years of work")
    with pytest.raises(PackError, match="is no scene pack: choose another output or pass --force"):
        ensure_writable(mine)
    (tmp_path / "notes").write_text("a file")
    with pytest.raises(PackError, match="exists and is a file"):
        ensure_writable(tmp_path / "notes")
    (tmp_path / "notes.zip").write_text("no zip")
    with pytest.raises(PackError, match="is no scene pack"):
        ensure_writable(tmp_path / "notes.zip")
    path = write_pack(tmp_path / "p", families=False)
    ensure_writable(path)
    (path / "notes.txt").write_text("mine")
    with pytest.raises(PackError, match=r"holds notes\.txt, which is not the pack's"):
        ensure_writable(path)
    write(path, table_scene(), manifest(), quality(), force=True)
    assert not (path / "notes.txt").exists()


def test_the_folder_one_works_in_is_never_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PackError, match="the folder you are in"):
        ensure_writable(Path("."), force=True)
    with pytest.raises(PackError, match="the folder you are in"):
        ensure_writable(Path(".."), force=True)


def test_an_output_that_cannot_be_written_is_told_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PackError, match="cannot be written"):
        ensure_writable(tmp_path / "file" / "pack")
    ensure_writable(tmp_path / "new" / "folders" / "pack")
    assert os.listdir(tmp_path) == ["file"]


def test_names_that_cannot_be_files_are_refused_when_writing(tmp_path):
    scene = table_scene()
    for name in ("../box", "a/b", "", "box\n", "böx" * 60):
        bad = dataclasses.replace(scene.assets[0], name=name)
        with pytest.raises(PackError):
            write(tmp_path / "p", dataclasses.replace(scene, assets=(bad,)), manifest(), quality())
    twice = dataclasses.replace(scene, assets=(scene.assets[0], scene.assets[0]))
    with pytest.raises(PackError):
        write(tmp_path / "p", twice, manifest(), quality())
    assert os.listdir(tmp_path) == []


def test_without_a_scale_masses_are_withheld_and_no_cousins_are_made(tmp_path, capsys):
    scene = table_scene()
    assets = tuple(replace(a, mass=STAND_IN, inertia=a.inertia / a.mass.mode) for a in scene.assets)
    scene = replace(scene, assets=assets, metric=False)
    path = tmp_path / "pack"
    write(path, scene, manifest(), quality())
    told = json.loads((path / "objects.json").read_text())
    assert all(entry["mass"] is None for entry in told)
    assert json.loads((path / "manifest.json").read_text())["metric"] is False
    back = read(path)
    assert not load_scene(back).metric
    assert {a.mass for a in load_scene(back).assets} == {STAND_IN}
    assert check(path) == []
    assert load_model(back).body_mass[1:].tolist() == [1.0] * len(assets)
    with pytest.raises(PackError, match=r"no mass is known.*--tag-size"):
        augment(path, 3)
    info(path)
    assert "not known" in capsys.readouterr().out


def test_a_mass_that_is_missing_or_should_not_be_there_is_refused(tmp_path):
    path = write_pack(tmp_path / "pack", families=False)
    text = (path / "manifest.json").read_text()
    assert '"metric": true' in text
    (path / "manifest.json").write_text(text.replace('"metric": true', '"metric": false'))
    with pytest.raises(PackError, match="a mass but no scale"):
        read(path)
