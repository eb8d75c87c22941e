"""`cousins label`: another name, the mass that goes with it, and nothing else."""

import json
from dataclasses import fields, replace

import mujoco
import numpy as np
import pytest
from cousins.cli import main as cli
from packs import N, augmented, family, manifest, quality, write_pack
from typer.testing import CliRunner

from cousins import pack, pipeline
from cousins.errors import CousinsError, PackError, UsageError
from cousins.labels.label import Label
from cousins.physics.estimate import estimated, properties
from cousins.physics.form import form
from cousins.restate import restate
from cousins.variation.axes import Settings
from examples import table_scene


def with_priors():
    assets = []
    for a in table_scene().assets:
        found = properties(form(a.visual, a.primitive))
        known = {f.name: getattr(found, f.name) for f in fields(found)}
        inertia = a.inertia * (found.mass.mode / a.mass.mode)
        assets.append(replace(a, label="a shape", label_source="shape", inertia=inertia, **known))
    return replace(table_scene(), assets=tuple(assets))


def made(path, families=False, metric=True):
    scene = replace(with_priors(), metric=metric)
    told = augmented() if families else manifest()
    pack.write(path, scene, told, quality(), [family(scene)] if families else [])
    return path


def label(*arguments):
    return CliRunner().invoke(cli.app, ["label", *map(str, arguments)])


def contents(path):
    return {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", ["kitchen", "kitchen.zip"])
def test_the_label_and_the_mass_change_in_both_files(tmp_path, name):
    path = made(tmp_path / name)
    before = {o.name: o for o in pack.read(path).objects}
    done = label(path, "box_1=cracker box", "can_1=Soup can", "--json")
    assert done.exit_code == 0, done.output
    told = {o["name"]: o for o in json.loads(done.stdout)["objects"]}
    read = pack.read(path)
    after = {o.name: o for o in read.objects}
    assert (after["box_1"].label, after["box_1"].label_source) == ("cracker box", "user")
    assert after["box_1"].label_confidence == 1.0
    was = before["box_1"].mass
    assert after["box_1"].mass.q95 / after["box_1"].mass.q05 < was.q95 / was.q05 / 2
    assert after["box_1"].category == "food box"
    assert told["box_1"]["mass"]["mode"] == after["box_1"].mass.mode
    assert "soup_can, tuna_can" in after["can_1"].mass.evidence
    assert after["ball_1"] == before["ball_1"]
    assert pack.check(path) == []
    model = pack.load_model(read)
    for o in read.objects:
        body = model.body(o.name)
        assert body.mass[0] == pytest.approx(o.mass.mode, rel=1e-9)
        moments = np.linalg.eigvalsh(np.array(o.inertia))
        assert np.allclose(np.sort(body.inertia), moments, rtol=1e-6)
        assert body.mass[0] == pytest.approx(np.array(o.mass.mode))


def test_it_is_the_model_that_a_scan_would_have_written(tmp_path):
    from cousins.labels.apply import labelled

    path = made(tmp_path / "p")
    restate(path, {}, {"box_1": Label("cracker box", "user", 1.0)})
    scene = with_priors()
    assets = [labelled(a, Label("cracker box", "user", 1.0)) if a.name == "box_1" else a
              for a in scene.assets]  # fmt: skip
    fresh = tmp_path / "fresh"
    pack.write(fresh, replace(scene, assets=estimated(assets)), manifest(), quality())
    one, two = contents(path), contents(fresh)
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []


def test_there_and_back_is_nothing(tmp_path):
    path = made(tmp_path / "p")
    model = mujoco.MjModel.from_xml_path(str(path / "model.xml"))
    restate(path, {}, {"box_1": Label("power drill", "user", 1.0)})
    heavy = mujoco.MjModel.from_xml_path(str(path / "model.xml"))
    assert heavy.body("box_1").mass[0] > 2 * model.body("box_1").mass[0]
    restate(path, {}, {"box_1": Label("heirloom", "user", 1.0)})
    again = mujoco.MjModel.from_xml_path(str(path / "model.xml"))
    assert np.allclose(again.body_mass, model.body_mass, rtol=1e-12)
    assert np.allclose(again.body_inertia, model.body_inertia, rtol=1e-9)


def test_cousins_are_drawn_anew_from_what_is_known_now(tmp_path):
    path = made(tmp_path / "p", families=True)
    done = label(path, "box_1=wood block")
    assert done.exit_code == 0, done.exception
    assert f"{N} cousins drawn anew" in done.output
    read = pack.read(path)
    assert pack.check(path) == []
    assert sum(len(pack.load_index(read, k)) for k in read.families) == N
    drawn = read.manifest.augmented
    assert (drawn.cousins, drawn.seed, drawn.shapes, drawn.swaps, drawn.distractors) == (
        N, 7, 3, 0.0, 0
    ), "as they were drawn before"  # fmt: skip
    assert drawn.axes["look"] == 0.5
    assert max(c.axes["look"] for *_, c in pack.numbered(read)) < 0.6
    body = pack.load_model(read).body("box_1").id
    volume = 0.06 * 0.16 * 0.21
    masses = np.concatenate([pack.load_family(read, k).fields()["body_mass"][:, body]
                             for k in read.families])  # fmt: skip
    assert (masses > 300 * volume * 0.7**3).all()  # each side is scaled by 0.7 to 1.4
    assert (masses < 900 * volume * 1.4**3).all()
    assert [p.name for p in tmp_path.iterdir()] == ["p"]


def test_cousins_are_drawn_anew_with_the_settings_that_they_had(tmp_path, monkeypatch):
    path = made(tmp_path / "p", families=True)
    file = path / "manifest.json"
    told = json.loads(file.read_text())
    run = {"cousins": 9, "seed": 5, "axes": {"shape": 0.5, "look": 0.0}, "shapes": 7, "swaps": 0.2,
           "distractors": 1, "distances": [0.1, 0.3], "library": "household"}  # fmt: skip
    file.write_text(json.dumps({**told, "augmented": run}))
    asked = []
    monkeypatch.setattr(pipeline, "augment", lambda *a, **k: asked.append((a, k)))
    assert restate(path, {}, {"box_1": Label("wood block", "user", 1.0)}).cousins == 9
    ((_, n), options) = asked[0]
    assert (n, options["seed"]) == (9, 5)
    assert options["settings"] == Settings({"shape": 0.5, "look": 0.0}, 7, 0.2, 1, (0.1, 0.3))


def test_cousins_with_shapes_of_a_folder_are_not_drawn_anew_with_others(tmp_path):
    path = made(tmp_path / "p", families=True)
    file = path / "manifest.json"
    told = json.loads(file.read_text())
    run = {"cousins": 9, "seed": 5, "axes": {}, "shapes": 7, "swaps": 0.2, "distractors": 1,
           "library": "meshes"}  # fmt: skip
    file.write_text(json.dumps({**told, "augmented": run}))
    before = contents(path)
    with pytest.raises(UsageError, match=r"-n 9 --seed 5 --library FOLDER") as found:
        restate(path, {}, {"box_1": Label("wood block", "user", 1.0)})
    assert "the folder 'meshes', which a pack does not hold" in str(found.value)
    assert contents(path) == before
    restate(path, {}, {"box_1": Label("dice", "user", 1.0)})  # of which no cousin hears


def test_as_many_cousins_as_before_whatever_family_they_are_in(tmp_path):
    path, scene = tmp_path / "p", with_priors()
    told = augmented(cousins=5)
    pack.write(path, scene, told, quality(), [family(scene, 2), family(scene, 3, first=2)])
    done = label(path, "box_1=wood block")
    assert done.exit_code == 0, done.exception
    assert "5 cousins drawn anew" in done.output


def test_cousins_stay_where_nothing_that_they_are_drawn_from_changes(tmp_path):
    path = made(tmp_path / "p", families=True)
    before = contents(path)
    done = label(path, "box_1=dice")
    assert done.exit_code == 0, done.exception
    assert "mass as before" in done.output
    after = contents(path)
    assert [str(n) for n in before if before[n] != after[n]] == ["objects.json"]
    assert pack.check(path) == []


def test_a_measured_mass_stays(tmp_path):
    path = write_pack(tmp_path / "p", families=True)  # whose masses are of no prior of ours
    mass = {o.name: o.mass for o in pack.read(path).objects}
    assert label(path, "box_1=cracker box").exit_code == 0
    read = pack.read(path)
    assert {o.name: o.mass for o in read.objects} == mass
    assert {o.name: o.label for o in read.objects}["box_1"] == "cracker box"
    assert read.families


def test_a_pack_without_scale_has_labels_and_still_no_mass(tmp_path):
    path = made(tmp_path / "p", metric=False)
    done = label(path, "box_1=cracker box")
    assert done.exit_code == 0, done.exception
    assert done.output.strip() == "box_1: cracker box"
    read = pack.read(path)
    assert {o.name: o.label for o in read.objects}["box_1"] == "cracker box"
    assert all(o.mass is None for o in read.objects)
    assert pack.check(path) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("teapot_1=teapot", "no object teapot_1; there are box_1, can_1, ball_1, ell_1"),
        ("box_1=", "the label is empty"),
        ("box_1=  ", "the label is empty"),
        ("box_1", "give it as OBJECT=TEXT"),
        ("=x", "give it as OBJECT=TEXT"),
        ("can_1=tin", "'can_1': is there twice"),
        ("box_1=" + "x" * 81, "longer than 80 characters"),
        ("box_1=a\nb", "does not print"),
        ("box_1=\x1b[31mred", "does not print"),
        ("\x1b[2J=red", "no object"),
    ],
)
def test_what_is_no_label_is_refused_and_the_pack_stays(tmp_path, text, told):
    path = made(tmp_path / "p")
    before = contents(path)
    done = label(path, "can_1=soup can", text)
    assert isinstance(done.exception, UsageError)
    assert told in str(done.exception)
    assert str(done.exception).isprintable()
    assert contents(path) == before


def test_a_pack_that_is_none_is_told(tmp_path):
    done = label(tmp_path / "none", "box_1=x")
    assert isinstance(done.exception, CousinsError)
    path = made(tmp_path / "p")
    xml = (path / "model.xml").read_text().replace("<inertial", "<site", 1)
    (path / "model.xml").write_text(xml)
    done = label(path, "box_1=cracker box")
    assert isinstance(done.exception, PackError)
    assert "no inertial" in str(done.exception)


def test_what_another_version_wrote_is_kept(tmp_path):
    path = made(tmp_path / "p")
    entries = json.loads((path / "objects.json").read_text())
    entries[0]["novel"] = {"a": [1, 2]}
    (path / "objects.json").write_text(json.dumps(entries))
    assert label(path, "box_1=cracker box").exit_code == 0
    assert json.loads((path / "objects.json").read_text())[0]["novel"] == {"a": [1, 2]}
