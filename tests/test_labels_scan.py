"""Labels in a scan: pictures of the right object, the user's words first, and no failure hidden."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from cousins.cli import main as cli
from packs import write_pack
from servers import Server, answer, said
from typer.testing import CliRunner

from cousins import pipeline
from cousins.cache import Cache
from cousins.capture import open_capture
from cousins.errors import LabelError, UsageError
from cousins.labels import crops as cutting
from cousins.labels.crops import SIDE, crops
from cousins.labels.endpoint import Endpoint
from cousins.labels.given import given
from cousins.labels.label import Label
from cousins.labels.stage import Labelling, label_all, placed
from cousins.pack import check, load_scene, read, summary
from cousins.phone import CAPTURE_FROM_WORLD, Phone, film
from cousins.progress import silent
from cousins.scanning import Settings
from cousins.scene import build, compile_model
from cousins.shape.carve import Carving
from cousins.types import Mesh
from examples import table_scene

QUICK = Settings(
    voxel=0.004, refine=None, register=None, faces=800, carving=Carving(cells=32, most=0.008)
)
COLOURS = {"box_1": (210, 40, 40), "can_1": (40, 190, 50), "ball_1": (40, 60, 210),
           "ell_1": (215, 205, 40)}  # fmt: skip
WORLD = np.linalg.inv(CAPTURE_FROM_WORLD)
SEEN = {"box_1": "box_1", "cylinder_1": "can_1", "ball_1": "ball_1", "object_1": "ell_1"}


def coloured():
    scene = table_scene()
    assets = []
    for a in scene.assets:
        texture = np.full((16, 16, 3), COLOURS[a.name], np.uint8)
        mesh = a.visual
        assets.append(replace(a, visual=Mesh(mesh.vertices, mesh.faces, mesh.uv, texture)))
    return replace(scene, assets=tuple(assets))


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    phone = Phone(frames=20, colour_size=(256, 192), seed=3)
    model = compile_model(*build(coloured()))
    return open_capture(film(model, tmp_path_factory.mktemp("film") / "film", phone))


def colour_of(crop):
    """The name of the object whose colour, but for its brightness, the crop's middle has."""
    h, w = crop.shape[:2]
    middle = crop[2 * h // 5 : 3 * h // 5, 2 * w // 5 : 3 * w // 5].reshape(-1, 3).mean(0)
    unit = {n: np.array(c) / np.linalg.norm(c) for n, c in COLOURS.items()}
    return max(unit, key=lambda n: float(unit[n] @ middle))


def test_crops_show_the_right_object_from_different_sides(capture):
    scene = coloured()
    found = crops(capture.frames(), WORLD, [placed(a) for a in scene.assets])
    for thing, views in zip(scene.assets, found, strict=True):
        assert 2 <= len(views) <= 3, thing.name
        for view in views:
            assert view.dtype == np.uint8
            assert max(view.shape[:2]) <= SIDE
            if thing.name != "ell_1":  # the middle of an L is the table
                assert colour_of(view) == thing.name
        assert not any(np.array_equal(a, b) for a in views for b in views if a is not b)


def test_what_something_hides_is_not_cut_out(capture):
    thing = coloured().assets[0]
    inside = replace(thing, visual=replace(thing.visual, vertices=thing.visual.vertices * 0.2))
    below = replace(thing, position=thing.position - [0, 0, 0.5])
    [none, hidden] = crops(capture.frames(), WORLD, [placed(inside), placed(below)])
    assert none == hidden == ()


def test_pictures_that_are_too_small_or_lacking_give_none(capture, monkeypatch):
    thing = placed(coloured().assets[0])
    bare = [replace(f, colour=None) for f in capture.frames()]
    assert crops(bare, WORLD, [thing]) == [()]
    monkeypatch.setattr(cutting, "LEAST", 1000)
    assert crops(capture.frames(), WORLD, [thing]) == [()]


def test_large_crops_are_made_smaller_and_keep_their_shape():
    picture = np.zeros((2000, 3000, 3), np.uint8)
    cut = cutting._cut(picture, np.array([1500.0, 1000.0]), 800.0)
    assert cut.shape == (512, 512, 3)
    corner = cutting._cut(picture, np.array([0.0, 0.0]), 800.0)
    assert corner.shape == (512, 512, 3)
    tip = cutting._cut(picture, np.array([2999.0, 500.0]), 100.0)
    assert tip.shape[0] > tip.shape[1]


@pytest.fixture(scope="module")
def carved(capture, tmp_path_factory):
    """What a scan has before it labels."""
    return pipeline._reconstructed(
        capture, QUICK, Cache(tmp_path_factory.mktemp("cache") / "scan"), silent
    )


@pytest.fixture
def run(carved, tmp_path):
    run, world, scene = carved
    cache = Cache(tmp_path / "scan")
    return replace(run, cache=cache, warnings=[], checks={}, used={}, seconds={}), world, scene


@dataclass(frozen=True)
class ByColour:
    """A labeler that knows what was filmed here, at 75%; it fails at what it is told to."""

    fails: tuple[str, ...] = ()
    text: str = "food box"
    sure: float = 0.75

    def __call__(self, thing):
        ByColour.asked.append(thing)
        if thing.name in self.fails:
            raise LabelError("the lamp went out")
        return Label(self.text, "colours", self.sure, usage={"tokens_in": 10.0})

    def ready(self):
        ByColour.asked.clear()

    asked = []  # noqa: RUF012


def test_the_users_word_goes_first_and_the_rest_is_asked(run):
    made, world, scene = run
    mine = {"cylinder_1": given("here", "Soup can")}
    labeler = ByColour()
    labeler.ready()
    after = label_all(made, world, scene, Labelling(mine, labeler))
    names = [a.name for a in scene.assets]
    assert sorted(t.name for t in labeler.asked) == sorted(set(names) - {"cylinder_1"})
    for thing in labeler.asked:
        assert 1 <= len(thing.crops) <= 3
        assert "-like, " in thing.shape
        if thing.name != "object_1":
            assert colour_of(thing.crops[0]) == SEEN[thing.name]
    by = {a.name: (a.label, a.label_source, a.label_confidence) for a in after.assets}
    assert by["cylinder_1"] == ("Soup can", "user", 1.0)
    assert by["box_1"] == ("food box", "colours", 0.75)
    assert made.checks["labels"] == {"by user": 1, "by labeler": 3, "failed": 0, "tokens_in": 30.0}
    assert made.used["labels"]["labeler"] == "ByColour"
    before = {a.name: a for a in scene.assets}
    for a in after.assets:
        assert a.mass.mode != before[a.name].mass.mode
        scaled = before[a.name].inertia * (a.mass.mode / before[a.name].mass.mode)
        assert np.allclose(a.inertia, scaled)


def test_an_answer_that_was_paid_for_is_not_asked_for_again(run):
    made, world, scene = run
    labeler = ByColour(fails=("ball_1",))
    labeler.ready()
    key = made.key
    first = label_all(made, world, scene, Labelling({}, labeler))
    assert len(labeler.asked) == 4
    labeler.ready()
    again = label_all(replace(made, key=key, warnings=[]), world, scene, Labelling({}, labeler))
    assert [t.name for t in labeler.asked] == ["ball_1"]
    assert [a.label for a in again.assets] == [a.label for a in first.assets]
    assert [a.mass for a in again.assets] == [a.mass for a in first.assets]
    assert made.checks["labels"]["tokens_in"] == 30.0
    other = replace(labeler, text="can")
    label_all(replace(made, key=key, warnings=[]), world, scene, Labelling({}, other))
    assert len(labeler.asked) == 5


def test_where_it_fails_at_one_a_warning_says_why(run):
    made, world, scene = run
    after = label_all(made, world, scene, Labelling({}, ByColour(fails=("ball_1",))))
    by = {a.name: a.label_source for a in after.assets}
    assert by["ball_1"] == "shape"
    assert made.warnings == ["ball_1: no label (the lamp went out)"]


def test_a_server_that_went_away_is_not_asked_forever(run):
    made, world, scene = run
    first, *rest = scene.assets
    many = replace(scene, assets=(first, *(replace(a, name=f"{a.name}{i}") for i in "xyz"
                                           for a in rest)))  # fmt: skip
    labeler = ByColour(fails=tuple(a.name for a in many.assets[1:]))
    labeler.ready()
    label_all(made, world, many, Labelling({}, labeler))
    assert len(labeler.asked) == 4
    assert len(made.warnings) == 9
    assert "not asked, since it failed at 3 objects in a row" in made.warnings[-1]


def test_where_it_fails_at_all_the_scan_stops(run):
    made, world, scene = run
    names = tuple(a.name for a in scene.assets)
    with pytest.raises(LabelError, match="no object got a label: the lamp went out"):
        label_all(made, world, scene, Labelling({}, ByColour(fails=names)))


@pytest.mark.parametrize("bad", [{"text": "a\nb"}, {"text": ""}, {"sure": 1.5}, {"sure": np.nan}])
def test_a_labeler_that_says_what_no_pack_holds_has_failed(run, bad):
    made, world, scene = run
    with pytest.raises(LabelError, match="no object got a label: colours: a label that"):
        label_all(made, world, scene, Labelling({}, ByColour(**bad)))


def test_a_label_of_no_object_is_told_with_those_there_are(run):
    made, world, scene = run
    mine = {"teapot_1": given("here", "teapot")}
    with pytest.raises(UsageError, match=r"mine.yaml: no object teapot_1; there are .*box_1"):
        label_all(made, world, scene, Labelling(mine, where="mine.yaml"))


def test_a_pack_holds_what_was_said_and_the_masses_that_follow(carved, monkeypatch, tmp_path):
    monkeypatch.setattr(pipeline, "_reconstructed", lambda *_: carved)
    mine = {"box_1": given("here", "cracker box"), "ball_1": Label("golf ball", "user", 0.3)}
    report = pipeline.scan(
        carved[0].capture.path, tmp_path / "p", settings=QUICK, labels=Labelling(mine)
    )
    found = read(tmp_path / "p")
    assert check(tmp_path / "p") == []
    by = {o.name: o for o in found.objects}
    assert by["box_1"].label == "cracker box"
    assert by["box_1"].category == "food box"
    assert "food box" in by["box_1"].mass.evidence
    assert by["ball_1"].label.startswith("ball-like")
    assert by["ball_1"].label_source == "shape; user: perhaps golf ball (30%)"
    assert {o.label_confidence for o in found.objects} == {1.0}
    assert {"labels"} <= set(report.stages) & set(found.manifest.stages)
    told = {o["name"]: o for o in summary(found)["objects"]}
    assert told["box_1"]["label_source"] == "user"
    model = compile_model(*build(load_scene(found)))
    assert model.body("box_1").mass[0] == pytest.approx(by["box_1"].mass.mode)


def test_a_server_names_them_and_its_key_is_nowhere(carved, monkeypatch, tmp_path):
    key = "sk-secret-of-the-user"
    monkeypatch.setenv("COUSINS_LABELER_KEY", key)
    monkeypatch.setattr(pipeline, "_reconstructed", lambda *_: carved)
    server = Server()
    models, broken = answer({"data": []}), answer({"error": "no"}, 400)
    good = answer(said(prompt_tokens=800, completion_tokens=30, cost=0.001))
    server.answers = [models, good, broken, good, good]
    try:
        pipeline.scan(
            carved[0].capture.path, tmp_path / "p", settings=QUICK,
            labels=Labelling({}, server.labeler()),
        )  # fmt: skip
    finally:
        server.close()
    found = read(tmp_path / "p")
    assert check(tmp_path / "p") == []
    labels = [o.label for o in found.objects]
    assert labels.count("coffee mug") == 3
    assert {o.label_confidence for o in found.objects} == {0.8, 1.0}
    told = found.quality.checks["labels"]
    assert (told["by labeler"], told["failed"]) == (3, 1)
    assert (told["tokens_in"], told["tokens_out"]) == (2400, 90)
    assert told["cost"] == pytest.approx(0.003)
    assert any("HTTP 400" in line for line in found.quality.warnings)
    assert found.manifest.stages["labels"].settings["model"] == "tiny"
    for file in (tmp_path / "p").rglob("*"):
        assert file.is_dir() or key.encode() not in file.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--label-model", "x"], "is for --labeler"),
        (["--labels", "/nowhere/labels.yaml"], "cannot be read"),
        (["--labeler", "oracle"], "no labeler 'oracle'"),
        (["--labeler", "http://localhost:1/v1"], "name the server's model"),
        (["--labeler", "file:///etc/passwd", "--label-model", "x"], "not a server's address"),
    ],
)
def test_a_request_that_makes_no_sense_is_one_line(tmp_path, arguments, told):
    done = CliRunner().invoke(
        cli.app, ["scan", str(tmp_path), "-o", str(tmp_path / "p"), *arguments]
    )
    assert isinstance(done.exception, UsageError)
    assert told in str(done.exception)


def test_info_says_how_sure_a_label_is(tmp_path):
    path = write_pack(tmp_path / "p", families=False)
    entries = json.loads((path / "objects.json").read_text())
    entries[0] |= {"label": "mug", "label_source": "clip: base", "label_confidence": 0.62}
    (path / "objects.json").write_text(json.dumps(entries))
    told = CliRunner().invoke(cli.app, ["info", str(path)]).output
    assert "box_1 (mug, 62% sure by clip: base)" in told
    assert "can_1 (test object)" in told


def test_an_older_pack_has_labels_of_shape(tmp_path):
    path = write_pack(tmp_path / "p", families=False)
    entries = json.loads((path / "objects.json").read_text())
    for entry in entries:
        del entry["label_confidence"]
    (path / "objects.json").write_text(json.dumps(entries))
    assert {o.label_confidence for o in read(path).objects} == {1.0}
    assert {a.label_confidence for a in load_scene(read(path)).assets} == {1.0}


def test_who_cannot_label_is_told_before_the_work(capture, monkeypatch, tmp_path):
    monkeypatch.setattr(pipeline, "_reconstructed", lambda *_: pytest.fail("worked"))
    gone = Labelling({}, Endpoint("http://127.0.0.1:9/v1", "tiny"))
    with pytest.raises(LabelError, match="start the server"):
        pipeline.scan(capture.path, tmp_path / "p", labels=gone)
    bare = replace(capture, frames=lambda: (replace(f, colour=None) for f in capture.frames()))
    monkeypatch.setattr(pipeline, "open_capture", lambda path, lens: bare)
    with pytest.raises(UsageError, match="has no pictures: name its objects with --labels"):
        pipeline.scan(capture.path, tmp_path / "p", labels=gone)
    assert not (tmp_path / "p").exists()
