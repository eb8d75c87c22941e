"""Packs from strangers: each fault is one clear line, and nothing outside the pack is touched."""

import io
import json
import os
import shutil
import stat
import warnings
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packs import write_pack

from cousins import archive, pack_mjcf, pack_reader, picture
from cousins.archive import unsafe
from cousins.engines.cpu import Cpu
from cousins.errors import EngineError, PackError
from cousins.pack import check, load_family, load_model, load_scene, read
from cousins.variation.certificate import certify
from cousins.variation.export import cousin_scene


@pytest.fixture
def pack_path(tmp_path):
    return write_pack(tmp_path / "p")


def open_all(path):
    pack = read(path)
    load_scene(pack)
    load_model(pack)
    for k in pack.families:
        load_family(pack, k)


def refused(path, match):
    """Reading and checking both say why, in one line that names the pack."""
    with pytest.raises(PackError, match=match) as caught:
        open_all(path)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)
    problems = check(path)
    assert problems
    assert all("\n" not in p for p in problems)


def edit_json(path, change):
    data = json.loads(path.read_text())
    data = change(data) or data
    path.write_text(json.dumps(data))


def put(path, *keys, value):
    def change(data):
        for key in keys[:-1]:
            data = data[key]
        data[keys[-1]] = value

    edit_json(path, change)


def rewrite_zip(path, change):
    """The zip with the members that `change(name, bytes)` gives: name, bytes, external_attr."""
    with zipfile.ZipFile(path) as old:
        members = [(i.filename, old.read(i)) for i in old.infolist()]
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as new:
        warnings.simplefilter("ignore")  # a name that is there twice
        for name, data in members:
            for n, d, attr in change(name, data):
                info = zipfile.ZipInfo(n)
                info.external_attr = attr
                new.writestr(info, d)


def test_nothing_there(tmp_path):
    refused(tmp_path / "none", "no such folder or zip")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", r"model\.xml is missing: not a scene pack")
    (tmp_path / "text").write_text("hello")
    refused(tmp_path / "text", "neither a folder nor a zip")


@pytest.mark.parametrize("name", ["model.xml", "manifest.json", "objects.json", "supports.json",
                                  "quality.json", "assets/ell_1_c1.obj", "assets/can_1.png",
                                  "families/0/cousins.npz", "families/0/cousins.jsonl",
                                  "families/0/model.xml", "assets/ell_1_v1.obj"])  # fmt: skip
def test_a_missing_file(pack_path, name):
    (pack_path / name).unlink()
    refused(pack_path, name.replace(".", r"\.") + " is missing")


@pytest.mark.parametrize("version", [2, 0, "1", None, True, 1.5])
def test_an_unknown_schema_version(pack_path, version):
    put(pack_path / "manifest.json", "schema_version", value=version)
    refused(pack_path, "schema_version is .*, this cousins reads 1")


@pytest.mark.parametrize(
    ("file", "keys", "value", "match"),
    [
        ("objects.json", (0, "visual_mesh"), "../../secret.obj", "visual_mesh"),
        ("objects.json", (0, "visual_mesh"), "/etc/passwd", "visual_mesh"),
        ("objects.json", (0, "name"), "../box", "name"),
        ("objects.json", (0, "texture"), "a\\b.png", "texture"),
        ("objects.json", (1, "position"), [0, 0], "position"),
        ("objects.json", (1, "mass"), 3.0, "mass"),
        ("objects.json", (1, "mass", "parameters"), {"mu": 0.0}, "wrong parameters"),
        ("objects.json", (1, "observed_fraction"), 1.5, "observed_fraction"),
        ("objects.json", (1, "label"), "red\x1b[2J", "label"),
        ("supports.json", (0, "kind"), "ceiling", "kind"),
        ("manifest.json", ("capture", "name"), "/home/someone/kitchen", "capture.name"),
        ("manifest.json", ("world_from_capture",), [[1, 0], [0, 1]], "world_from_capture"),
        ("quality.json", ("warnings",), "one", "warnings"),
    ],
)
def test_json_of_the_wrong_form(pack_path, file, keys, value, match):
    put(pack_path / file, *keys, value=value)
    refused(pack_path, match)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", "[" * 100_000, '{"a": NaN}', "\xff"])
@pytest.mark.parametrize("file", ["manifest.json", "objects.json", "families/0/cousins.jsonl"])
def test_json_that_is_none(pack_path, file, text):
    if (file, text) in [("objects.json", "[1, 2]"), ("families/0/cousins.jsonl", "")]:
        text = '["x"]'
    (pack_path / file).write_bytes(text.encode("latin-1"))
    refused(pack_path, file.replace(".", r"\."))


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('file="can_1.obj"', 'file="../can_1.obj"', "leaves the pack"),
        ('file="can_1.obj"', 'file="/etc/passwd"', "leaves the pack"),
        ('file="can_1.obj"', 'file="C:\\x.obj"', "leaves the pack"),
        ('file="can_1.obj"', 'file="sub/can_1.obj"', "not under the pack's assets/"),
        ('file="can_1.obj"', 'file="other.obj"', r"assets/other\.obj is missing"),
        ('meshdir="assets"', 'meshdir="/usr/share"', "leaves the pack"),
        ('meshdir="assets"', 'meshdir="assets/../.."', "not under the pack's assets/"),
        ('meshdir="assets"', 'strippath="true" meshdir="assets"', "strippath"),
        ("<worldbody>", '<worldbody><include file="x.xml"/>', "<include>"),
        ("<worldbody>", '<extension><plugin plugin="a"/></extension><worldbody>', "<extension>"),
        ("<worldbody>", '<worldbody><replicate count="9999999"/>', "<replicate>"),
        ("<asset>", '<asset><model name="m" file="m.xml"/>', "<model>"),
        ("<mujoco ", '<!DOCTYPE a [<!ENTITY b "c">]><mujoco ', "entities"),
        ("<mujoco ", "<robot/><mujoco ", "not well-formed"),
        ("</mujoco>", "", "not well-formed"),
        ('memory="64M"', 'memory="900G"', "too much memory"),
        ('memory="64M"', 'nuserdata="2000000000"', "too much memory"),
        ('type="box"', 'type="dodecahedron"', "does not compile"),
    ],
)
@pytest.mark.parametrize("model", ["model.xml", "families/0/model.xml"])
def test_mjcf_that_a_pack_must_not_hold(pack_path, model, old, new, match):
    text = (pack_path / model).read_text()
    if "families" in model:
        old = old.replace('"assets"', '"../../assets"')
        if match == "does not compile":  # compiled by check and by engines
            (pack_path / model).write_text(text.replace(old, new, 1))
            assert any(match in problem for problem in check(pack_path))
            return
    assert old in text
    (pack_path / model).write_text(text.replace(old, new, 1))
    refused(pack_path, match)


@pytest.mark.parametrize(
    "data", [b"", b"v 0 0 0\nf 1 2 3\n", b"\x00" * 99, b"v nan 0 0\n" * 3 + b"f 1 2 3\n"]
)
def test_a_damaged_mesh(pack_path, data):
    (pack_path / "assets/ell_1.obj").write_bytes(data)
    refused(pack_path, r"assets/ell_1\.obj")


def test_a_damaged_texture(pack_path):
    png = pack_path / "assets/can_1.png"
    good = png.read_bytes()
    png.write_bytes(b"GIF89a")
    refused(pack_path, r"can_1\.png: not a PNG")
    png.write_bytes(good[:40])
    refused(pack_path, r"can_1\.png|does not compile")
    png.write_bytes(good[:16] + b"\x00\x01\x00\x00\x00\x01\x00\x00" + good[24:])
    refused(pack_path, "65536x65536 pixels")


def npz(path, **arrays):
    held = dict(np.load(path))
    held.update(arrays)
    np.savez(path, **{k: v for k, v in held.items() if v is not None})


BAD_ARRAYS = [
    ("body_mass", np.ones((3, 5)), "the index has 6 cousins"),
    ("body_mass", np.full((6, 5), np.nan), "not finite"),
    ("opt_timestep", np.ones((6, 1)), "no field in which cousins differ"),
    ("__class__", np.ones((6, 1)), "no field in which cousins differ"),
    ("body_parentid", np.ones((6, 5), int), "no field in which cousins differ"),
    ("geom_dataid", np.full((6, 20), 10_000), "points at what the model does not hold"),
    ("geom_type", np.full((6, 20), 1), "points at what the model does not hold"),
    ("body_mass", np.ones((), float), "has shape"),
    ("body_mass", np.array(["a"] * 6), "not numbers"),
]


@pytest.mark.parametrize(("name", "array", "match"), BAD_ARRAYS)
@pytest.mark.parametrize("older", [False, True])
def test_arrays_that_could_harm(tmp_path, name, array, match, older):
    path = write_pack(tmp_path / "p", older=older)
    npz(path / "families/0/cousins.npz", **{name: array})
    refused(path, match)


A, G = 4, 9  # objects of the pack, and their geoms
K = 2  # shapes of the one with most
ROW = np.ones((6, A))
BAD_DRAWS = [
    ("shape", None, "has no shape"),
    ("mass", None, "has no mass"),
    ("restitution", None, "has no restitution"),
    ("qpos", None, "has no qpos"),
    ("qpos", np.zeros((6, 20)), "too few"),
    ("qpos", np.zeros(6), "too few"),
    ("shape", np.full((6, A), 2, np.uint16), "shape points at what the bank does not hold"),
    ("shape", np.full((6, A), -1), "shape points at what the bank does not hold"),
    ("shape", ROW, "shape points at what the bank does not hold"),
    ("shape", np.zeros((6, 3), np.uint16), r"not \(4,\)"),
    ("shape", np.zeros((5, A), np.uint16), "the index has 6 cousins"),
    ("mass", ROW * np.nan, "not finite"),
    ("mass", np.ones((6, A, 2)), r"not \(4,\)"),
    ("friction", np.ones(6), r"not \(4,\)"),
    ("tint", np.ones((6, A, 3)), r"not \(4, 4\)"),
    ("surface_tint", np.ones((6, 99, 4)), "surface_tint has shape"),
    ("texture", np.full((6, A), 9, np.uint8), "points at what the model does not hold"),
    ("texture", np.full((6, A), -1), "points at what the model does not hold"),
    ("texture", 0 * ROW, "not whole numbers"),
    ("robot_base", np.ones((6, 3)), r"not \(7,\)"),
    ("camera_noise", np.full((6, 3), np.inf), "not finite"),
]


@pytest.mark.parametrize(("name", "array", "match"), BAD_DRAWS)
def test_draws_that_do_not_fit_their_bank(pack_path, name, array, match):
    npz(pack_path / "families/0/cousins.npz", **{name: array})
    refused(pack_path, match)


def all_of(value):
    return lambda held: np.full_like(held, value)


BAD_BANKS = [
    ("dataid", None, "holds no 'dataid'"),
    ("opening", None, "holds no 'opening'"),
    ("default_geom_pos", None, "has no default_geom_pos"),
    ("body", lambda held: held[0], "body has shape"),
    ("material", lambda held: held[0, 0, 0], "material has shape"),
    ("position", lambda held: held[..., :2], "position has shape"),
    ("solid_inertia", lambda held: held[:1], "solid_inertia has shape"),
    ("size", all_of(np.nan), "size holds numbers that are not finite"),
    ("distance", lambda held: held.astype(int), "distance holds int64"),
    ("used", lambda held: held.astype(int), "used holds int64"),
    ("dataid", lambda held: held.astype(float), "dataid holds float64"),
    ("body", all_of(999), "body points at"),
    ("geom", all_of(-1), "geom points at"),
    ("owner", all_of(A), "owner points at"),
    ("surface", all_of(999), "surface points at"),
    ("dataid", all_of(999), "dataid points at"),
    ("dataid", all_of(-1), "dataid gives a mesh"),
    ("material", all_of(999), "material points at"),
    ("address", all_of(-1), "address points at"),
    ("address", all_of(400), "too few"),
    ("shapes", all_of(0), "shapes counts"),
    ("shapes", all_of(K + 1), "shapes counts"),
    ("visual", all_of(True), "visual is not one geom"),
    ("used", all_of(False), "used leaves a shape without a geom"),
    ("default_geom_pos", lambda held: held[:, :2], "default_geom_pos has shape"),
    ("default_geom_rbound", lambda held: held[:-1], "default_geom_rbound has shape"),
    ("default_body_mass", lambda held: held[0], "default_body_mass has shape"),
    ("default_geom_size", all_of(np.inf), "not finite"),
    ("opening", lambda held: np.array(["a"] * 8), "not numbers"),
]


@pytest.mark.parametrize(("name", "change", "match"), BAD_BANKS)
def test_banks_that_could_harm(pack_path, name, change, match):
    file = pack_path / "families/0/bank.npz"
    held = dict(np.load(file))
    assert held["geom"].shape == (G,)
    npz(file, **{name: change and change(held[name])})
    refused(pack_path, match)


@pytest.mark.parametrize("data", [b"", b"garbage" * 50])
def test_a_damaged_bank(pack_path, data):
    (pack_path / "families/0/bank.npz").write_bytes(data)
    refused(pack_path, r"bank\.npz: not arrays that can be read")


def test_a_bank_of_another_model(pack_path):
    """All of it fits together, but not the model."""
    file = pack_path / "families/0/bank.npz"
    defaults = {k: np.concatenate([v, v[-1:]]) for k, v in np.load(file).items()
                if k.startswith("default_geom_")}  # fmt: skip
    npz(file, **defaults)
    problems = check(pack_path)
    assert problems
    assert all("does not fit the model" in p for p in problems)
    with pytest.raises(PackError, match="another shape"):
        picture.cousin_model(read(pack_path), 0)
    with pytest.raises(EngineError, match="augment anew"):
        Cpu()(load_family(read(pack_path), 0))


@pytest.mark.parametrize("older", [False, True])
def test_a_geom_without_its_mesh_is_never_stepped(tmp_path, older):
    """MuJoCo would look for the mesh before the first."""
    path = write_pack(tmp_path / "p", older=older)
    folder = path / "families/0"
    if older:
        npz(folder / "cousins.npz", geom_dataid=-np.ones_like(
            np.load(folder / "cousins.npz")["geom_dataid"]))  # fmt: skip
    else:
        held = np.load(folder / "bank.npz")
        gone = {k: -np.ones_like(held[k]) for k in ("dataid", "default_geom_dataid")}
        npz(folder / "bank.npz", **gone)
    assert any("dataid" in p for p in check(path))
    pack = read(path)
    family = load_family(pack, 0)
    with pytest.raises(EngineError, match="none of the model's"):
        Cpu()(family)
    with pytest.raises(PackError, match="none of its model's"):
        picture.cousin_model(pack, 0)
    with pytest.raises(PackError, match="augment anew"):
        certify(load_scene(pack), family)
    with pytest.raises(PackError, match="augment anew"):
        cousin_scene(load_scene(pack), family, 0)


def test_a_family_of_other_objects(pack_path):
    """The bank's first object is not the pack's first."""
    file = pack_path / "families/0/bank.npz"
    npz(file, body=np.load(file)["body"][::-1])
    pack = read(pack_path)
    with pytest.raises(PackError, match="other objects"):
        certify(load_scene(pack), load_family(pack, 0))


def test_a_pickle_is_never_loaded(pack_path, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "owned"),))

    np.savez(pack_path / "families/0/cousins.npz", qpos=np.array([Bomb()] * 6, dtype=object))
    refused(pack_path, "not numbers")
    assert not (tmp_path / "owned").exists()


def test_an_array_that_states_more_than_it_holds(pack_path):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        out, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)}
    )
    with zipfile.ZipFile(pack_path / "families/0/cousins.npz", "w") as file:
        file.writestr("qpos.npy", out.getvalue() + b"\0" * 64)
    refused(pack_path, r"cousins\.npz: not arrays that can be read")


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06" + b"\0" * 10, b"garbage" * 50])
def test_a_damaged_npz(pack_path, data):
    (pack_path / "families/0/cousins.npz").write_bytes(data)
    refused(pack_path, r"cousins\.npz: not arrays that can be read")


def test_a_link_out_of_a_folder(pack_path, tmp_path):
    (tmp_path / "secret").write_text("v 0 0 0")
    (pack_path / "assets/can_1.obj").unlink()
    (pack_path / "assets/can_1.obj").symlink_to(tmp_path / "secret")
    refused(pack_path, r"assets/can_1\.obj is a link")


def test_a_pipe_in_a_folder_does_not_hang(pack_path):
    (pack_path / "quality.json").unlink()
    os.mkfifo(pack_path / "quality.json")
    refused(pack_path, r"quality\.json is a link or a device")


EVIL = ["/etc/x", "../x", "assets/../../x", "C:/x", "\\\\host\\x", "assets\\x", "~/x"]


@pytest.mark.parametrize("name", EVIL)
def test_a_zip_with_a_path_that_leaves_it(tmp_path, name):
    path = write_pack(tmp_path / "p.zip")
    rewrite_zip(path, lambda n, d: [(n, d, 0)] + [(name, b"", 0)] * (n == "model.xml"))
    refused(path, "do not trust this file")
    assert os.listdir(tmp_path) == ["p.zip"]


def test_a_zip_with_a_link(tmp_path):
    path = write_pack(tmp_path / "p.zip")
    link = (stat.S_IFLNK | 0o777) << 16
    rewrite_zip(path, lambda n, d: [(n, d, link if n == "assets/can_1.obj" else 0)])
    refused(path, "is a link")


def test_a_zip_with_a_name_twice(tmp_path):
    path = write_pack(tmp_path / "p.zip")
    rewrite_zip(path, lambda n, d: [(n, d, 0)] * (1 + (n == "model.xml")))
    refused(path, "is there twice")


def test_a_damaged_zip(tmp_path):
    path = write_pack(tmp_path / "p.zip")
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    refused(path, "neither a folder nor a zip")
    at = good.index(b"assets/box_1.obj") + 40
    path.write_bytes(good[:at] + bytes([good[at] ^ 255]) * 8 + good[at + 8 :])
    refused(path, "damaged or unreadable")


def test_a_zip_bomb(tmp_path, monkeypatch):
    path = write_pack(tmp_path / "p.zip")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("assets/zeros.obj", bytes(archive._RATIO_FROM + 1))
    refused(path, "unpacks to")
    monkeypatch.setattr(archive, "PACK", replace(archive.PACK, bytes=1000))
    refused(write_pack(tmp_path / "q.zip"), "unpacks to")


def test_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "PACK", replace(archive.PACK, members=5))
    refused(write_pack(tmp_path / "p.zip"), "more than 5 members")
    refused(write_pack(tmp_path / "p"), "more than 5 files")


def test_an_oversize_member(pack_path, monkeypatch):
    monkeypatch.setattr(pack_reader, "MAX_JSON", 1000)
    refused(pack_path, r"objects\.json is [0-9,]+ bytes, above the limit")


parts = st.sampled_from(["..", "a", "b.obj", "", ".", "~", "C:", "\\", "\0", "\n", "assets"])


@given(st.lists(parts, min_size=1, max_size=6).map("/".join))
def test_a_name_that_passes_stays_inside(name):
    if unsafe(name) is None:
        root = os.path.abspath("/pack")
        assert os.path.normpath(os.path.join(root, name)).startswith(root)
        assert name.isprintable()


@given(st.text(max_size=12))
def test_a_file_of_a_model_that_passes_is_under_assets(name):
    try:
        plain = pack_mjcf._under_assets("p", "families/0", "../../assets", name)
    except PackError:
        return
    assert "/" not in plain
    assert plain not in ("", ".", "..")


FAULTS = [
    ("objects.json", (0, "quaternion"), [1, 1, 0, 0], "quaternion is not of unit length"),
    ("objects.json", (0, "size"), [0.06, 0.16, 0.4], "size differs"),
    ("objects.json", (0, "volume"), 0.05, "volume differs"),
    ("objects.json", (0, "inertia"), [[1, 0, 0], [0, 1, 0], [0, 0, 9]], "triangle inequality"),
    ("objects.json", (0, "inertia"), [[1, 0, 0], [0, -1, 0], [0, 0, 1]], "positive definite"),
    ("objects.json", (0, "inertia"), [[1, 5, 0], [0, 1, 0], [0, 0, 1]], "not symmetric"),
    ("objects.json", (0, "support"), "sky", "stands on sky"),
    ("objects.json", (0, "support"), "box_1", "stands on itself"),
    ("objects.json", (0, "name"), "crate", "no free body for the object crate"),
    ("objects.json", (0, "mass", "mode"), 9.0, "mode does not follow"),
    ("objects.json", (0, "mass", "source"), " ", "names no source"),
    ("objects.json", (0, "collision_meshes"), [], None),
    ("supports.json", (1, "polygon"), [[0, 0], [0, 1], [1, 0]], "not counter-clockwise"),
    ("supports.json", (1, "name"), "Box_1", "used 2 times"),
]


@pytest.mark.parametrize(("file", "keys", "value", "match"), FAULTS)
def test_check_finds_what_is_wrong_in_the_json(pack_path, file, keys, value, match):
    put(pack_path / file, *keys, value=value)
    problems = check(pack_path)
    if match is None:
        assert problems == [], "a primitive stands for the parts"
    else:
        assert any(match in problem for problem in problems), problems


def test_check_finds_a_hole_in_a_mesh(pack_path):
    mesh = pack_path / "assets/can_1.obj"
    lines = mesh.read_text().splitlines()
    mesh.write_text("\n".join(lines[:-1]) + "\n")
    assert any("not watertight" in p for p in check(pack_path))
    put(pack_path / "objects.json", 1, "watertight", value=False)
    assert check(pack_path) == []


def test_check_finds_a_twin_that_is_not_the_mode(pack_path):
    text = (pack_path / "model.xml").read_text()
    mass = read(pack_path).objects[0].mass.mode
    assert f'mass="{mass!r}"' in text
    (pack_path / "model.xml").write_text(text.replace(f'mass="{mass!r}"', f'mass="{1.1 * mass}"'))
    assert any("the mass of box_1 is not the mode" in p for p in check(pack_path))


def test_check_finds_faults_in_a_family(pack_path):
    file = pack_path / "families/0/cousins.npz"
    held = dict(np.load(file))
    npz(
        file,
        mass=-held["mass"],
        qpos=2 * held["qpos"],
        light_pos=np.zeros((6, 3, 4)),
    )
    problems = "\n".join(check(pack_path))
    assert "body_mass is not positive" in problems
    assert "qpos holds quaternions that are not of unit length" in problems
    assert "light_pos has shape (3, 4)" in problems


def test_check_finds_faults_in_a_family_without_a_bank(tmp_path):
    path = write_pack(tmp_path / "p", older=True)
    file = path / "families/0/cousins.npz"
    held = dict(np.load(file))
    npz(file, body_mass=-held["body_mass"], geom_rgba=held["geom_rgba"][:, :3])
    problems = "\n".join(check(path))
    assert "body_mass is not positive" in problems
    assert "geom_rgba has shape (3, 4)" in problems
    npz(file, qpos=None, body_mass=held["body_mass"], geom_rgba=held["geom_rgba"])
    assert check(path) == ["families/0: cousins.npz has no qpos"]


def test_check_finds_a_number_that_two_cousins_have(pack_path):
    shutil.copytree(pack_path / "families/0", pack_path / "families/1")
    assert check(pack_path) == ["families: 6 cousins have the number of another, the first 0"]


def test_check_finds_a_cousin_that_did_not_pass(pack_path):
    index = pack_path / "families/0/cousins.jsonl"
    index.write_text(index.read_text().replace('"reasons":[]', '"reasons":["can_1 fell"]', 1))
    assert any("1 cousins whose certificate failed" in p for p in check(pack_path))
