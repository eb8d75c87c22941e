"""Pictures of the twin and its cousins show what is there; the verbs write and tell them."""

import json
from dataclasses import replace

import cv2
import mujoco
import numpy as np
import pytest
from cousins.cli.main import app
from packs import write_pack
from typer.testing import CliRunner

from cousins import picture
from cousins.errors import MissingDependencyError, PackError, UsageError
from cousins.gl import backend
from cousins.mesh import parse_obj
from cousins.pack import load_family, load_scene, read
from cousins.scene import look_at
from cousins.types import Intrinsics

SIZE = (160, 120)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return read(write_pack(tmp_path_factory.mktemp("render") / "p"))


@pytest.fixture(scope="module")
def gl():
    try:
        return backend()
    except MissingDependencyError as error:
        pytest.skip(str(error))


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_a_cousin_in_the_shared_model_is_what_it_is_alone(pack):
    """Whatever cousin the model was before."""
    family = load_family(pack, 0)
    shared = mujoco.MjModel.from_xml_string(family.xml, dict(family.files))
    data = mujoco.MjData(shared)
    for row in (4, 1, 5):
        picture.set_cousin(shared, data, family.fields([row]), 0)
    alone = mujoco.MjModel.from_xml_string(family.xml, dict(family.files))
    own = mujoco.MjData(alone)
    picture.set_cousin(alone, own, family.fields([5]), 0)
    np.testing.assert_array_equal(data.qpos, family.arrays["qpos"][5])
    np.testing.assert_array_equal(shared.body_invweight0, alone.body_invweight0)
    mujoco.mj_step(shared, data, 50)
    mujoco.mj_step(alone, own, 50)
    np.testing.assert_array_equal(data.qpos, own.qpos)


def test_a_cousin_s_light_camera_and_noise_are_seen(pack, gl, monkeypatch):
    """Fields of lights and cameras are written; what is no field is left to who asks for it."""
    plain = picture.picture(pack, 3, "overview", SIZE).astype(int)
    family = load_family(pack, 0)
    model = mujoco.MjModel.from_xml_string(family.xml, dict(family.files))
    fields = {n: np.stack([getattr(model, n)] * len(family))
              for n in ("light_diffuse", "light_ambient", "cam_pos")}  # fmt: skip
    beside = {"camera_noise": np.tile(np.float32([0.05, 0, 0]), (len(family), 1)),
              "robot_base": np.zeros((len(family), 7))}  # fmt: skip

    def shown(noise=False, **changed):
        arrays = {**family.arrays, **fields, **beside, **changed}
        monkeypatch.setattr(picture, "load_family", lambda *_: replace(family, arrays=arrays))
        return picture.picture(pack, 3, "overview", SIZE, noise).astype(int)

    np.testing.assert_array_equal(shown(), plain)
    dim = {n: fields[n] / 2 for n in ("light_diffuse", "light_ambient")}
    assert shown(**dim).mean() < 0.8 * plain.mean()
    assert np.abs(shown(cam_pos=fields["cam_pos"] + [0.1, 0, 0]) - plain).mean() > 2
    noisy = shown(noise=True)
    assert np.std(noisy - plain) > 5
    np.testing.assert_array_equal(shown(noise=True), noisy, "the same at each call")
    with pytest.raises(PackError, match=r"cam_pos of cousins\.npz has another shape"):
        shown(cam_pos=np.zeros((len(family), 3)))


def test_a_cousin_looks_other_than_the_twin(pack, gl):
    twin = picture.picture(pack, None, "overview", SIZE)
    cousin = picture.picture(pack, 3, "overview", SIZE)
    assert twin.shape == cousin.shape == (120, 160, 3)
    assert np.ptp(twin) > 50
    assert np.abs(twin.astype(int) - cousin).mean() > 2


def test_a_tile_is_the_same_as_the_cousin_alone(pack, gl):
    """One model for all tiles leaves nothing of the cousin before."""
    tiles = dict(picture.tiles(pack, 7, "overview", SIZE))
    assert next(iter(tiles)) == "twin"
    alone = picture.picture(pack, 2, "overview", SIZE).astype(int)
    again = tiles["cousin 2   distance 0.20"].astype(int)
    # Shadow maps differ in size; that is a rim of some pixels.
    assert np.median(np.abs(alone - again)) == 0
    assert np.abs(alone - again).mean() < 2


def test_tiles_go_from_near_to_far(pack, gl):
    captions = [caption for caption, _ in picture.tiles(pack, 4, "overview", (64, 48))]
    assert captions[0] == "twin"
    distances = [float(c.split()[-1]) for c in captions[1:]]
    assert distances == sorted(distances)
    assert len(distances) == 3
    assert len(picture.tiles(pack, 100, "overview", (64, 48))) == 7, "it holds six cousins"


def test_the_twin_from_a_frame_s_place(pack, gl):
    """What a camera sees lies where its pinhole model puts it."""
    model, data = picture.twin_model(pack)
    ball = next(o for o in pack.objects if o.name == "ball_1")
    camera = Intrinsics(320, 240, 300.0, 300.0, 159.5, 119.5)
    pose = look_at(np.array([0.1, -0.9, 1.2]), np.array(ball.position))
    image = picture.view_from(model, data, pose, camera, (320, 240)).astype(int)
    assert image[119, 159, 0] > image[119, 159, 2] + 40, "the ball, in the middle, is orange"
    before = picture.picture(pack, None, "overview", SIZE)
    np.testing.assert_array_equal(
        picture.render(model, data, "overview", SIZE), before, "the camera is put back"
    )


def test_mosaic_keeps_every_tile():
    tiles = [np.full((20, 60, 3), 40 * i, np.uint8) for i in range(5)]
    sheet = picture.mosaic(tiles, "abcde")
    for i in range(5):
        assert (sheet == 40 * i).all(-1).sum() >= 20 * 60


def test_what_cannot_be_drawn_is_refused(pack, tmp_path):
    with pytest.raises(UsageError, match="each side may have 8 to 4096"):
        picture.picture(pack, None, "overview", (5, 5000))
    with pytest.raises(UsageError, match="ask for 1 or more"):
        picture.tiles(pack, 0)
    with pytest.raises(UsageError, match="no cousins yet"):
        picture.tiles(read(write_pack(tmp_path / "p", families=False)), 4)
    with pytest.raises(UsageError, match=r"end it in \.png or \.jpg"):
        picture.save(tmp_path / "a.gif", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "file").write_text("")
    with pytest.raises(PackError, match="cannot be written"):
        picture.save(tmp_path / "file" / "a.png", np.zeros((8, 8, 3), np.uint8))


def test_an_unknown_camera_names_those_there_are(pack, gl):
    with pytest.raises(UsageError, match="no camera 'side'; there are: overview"):
        picture.picture(pack, None, "side", SIZE)


def test_a_saved_picture_keeps_its_colours(tmp_path):
    image = np.zeros((20, 30, 3), np.uint8)
    image[..., 0] = 200
    picture.save(tmp_path / "new" / "red.png", image)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "new" / "red.png"))[..., ::-1], image)


def test_render_verb(pack, gl, tmp_path):
    done = run("render", pack.path, "--grid", 4, "--size", "80x60", "-o", tmp_path / "g.png",
               "--json")  # fmt: skip
    told = json.loads(done.stdout)
    image = cv2.imread(str(tmp_path / "g.png"))
    assert (told["height"], told["width"]) == image.shape[:2]
    assert run("render", pack.path, "--cousin", 2, "-o", tmp_path / "c.jpg").exit_code == 0
    assert cv2.imread(str(tmp_path / "c.jpg")).shape == (480, 640, 3)
    assert run("render", pack.path, "--cousin", 2, "--noise", "--size", "80x60",
               "-o", tmp_path / "n.png").exit_code == 0  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--cousin", 1, "--grid", 4], "exclude each other"),
        (["--noise"], "the twin and a grid have none: give --cousin too"),
        (["--noise", "--grid", 4], "the twin and a grid have none: give --cousin too"),
        (["--size", "big"], "give it as 640x480"),
        (["--size", "-4x9"], "give it as 640x480"),
        (["--cousin", 99], "no cousin 99: they go from 0 to 5"),
    ],
)
def test_render_verb_refuses(pack, tmp_path, arguments, match):
    done = run("render", pack.path, "-o", tmp_path / "a.png", *arguments)
    assert isinstance(done.exception, UsageError)
    assert match in str(done.exception)
    assert not (tmp_path / "a.png").exists()


def test_info_verb(pack):
    told = json.loads(run("info", pack.path, "--json").stdout)
    assert told["cousins"] == 6
    assert told["families"] == [{"family": 0, "cousins": 6, "distance": [0.0, 0.5]}]
    assert told["warnings"] == ["the back of can_1 was not seen"]
    assert told["objects"][0]["mass"]["q05"] < told["objects"][0]["mass"]["mode"]
    text = run("info", pack.path).stdout
    assert "box_1 (test object)" in text
    assert "warning: the back of can_1 was not seen" in text


def test_info_tells_how_cousins_were_drawn(tmp_path):
    path = write_pack(tmp_path / "p")
    file = path / "manifest.json"
    told = json.loads(file.read_text())
    assert json.loads(run("info", path, "--json").stdout)["augmented"] is None
    told["augmented"] = {
        "cousins": 6, "seed": 3, "axes": {"shape": 0.5, "look": 0}, "shapes": 32, "swaps": 0.4,
        "distractors": 2, "distances": [0.2, 0.4], "library": "meshes", "rejected": 2,
        "rejected_by_reason": {"fell": 2},
    }  # fmt: skip
    file.write_text(json.dumps(told))
    index = path / "families/0/cousins.jsonl"
    index.write_text(index.read_text().replace("[7,0,", "[7,2,0,", 4).replace("[7,0,", "[7,0,0,"))
    text = run("info", path).stdout
    assert "drawn with seed 3; strengths: shape 0.5, look 0" in text
    assert "shapes of each object: 32, up to 40% of them of another thing (meshes)" in text
    assert "distances asked for: 0.2 to 0.4" in text
    assert "things that the twin does not have: 2 with 0, 4 with 2" in text
    assert "rejected: 25% of draws (2 fell)" in text
    made = json.loads(run("info", path, "--json").stdout)["augmented"]
    assert made["with_distractors"] == {"0": 2, "2": 4}
    assert made["rejected_share"] == 0.25
    assert made["distance_by_axis"] == {"layout": pytest.approx(0.25)}


def test_check_verb(pack, tmp_path):
    assert json.loads(run("check", pack.path, "--cousins", 0, "--json").stdout) == {
        "ok": True, "problems": [], "cousins": 0
    }  # fmt: skip
    bad = write_pack(tmp_path / "bad")
    (bad / "assets/can_1.obj").unlink()
    done = run("check", bad, "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["problems"] == [
        f"{bad}: assets/can_1.obj is missing: copy the pack anew"
    ]


def test_check_verb_steps_cousins_anew(tmp_path):
    """A cousin in mid-air keeps the contract, and its certificate is still false."""
    path = write_pack(tmp_path / "p")
    assert json.loads(run("check", path, "--json").stdout)["cousins"] == 6
    file = path / "families/0/cousins.npz"
    held = dict(np.load(file))
    held["qpos"][2, 2] += 0.5
    np.savez(file, **held)
    done = run("check", path, "--json")
    assert done.exit_code == 1
    (problem,) = json.loads(done.stdout)["problems"]
    assert problem.startswith("families/0: cousin 2: box_1: fell")


def test_export_verb(pack, tmp_path):
    """A cousin opens by itself, looks like the cousin, and holds nothing of the others."""
    done = run("export", pack.path, "--cousin", 3, "-o", tmp_path / "alone", "--json")
    assert done.exit_code == 0
    assert sorted(p.name for p in (tmp_path / "alone").iterdir()) == ["assets", "model.xml"]
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "alone" / "model.xml"))
    family = load_family(pack, 0)
    np.testing.assert_allclose(model.qpos0, family.arrays["qpos"][3], atol=1e-12)
    np.testing.assert_allclose(model.body_mass[1:], family.arrays["mass"][3], rtol=1e-12)
    ell = parse_obj((tmp_path / "alone/assets/ell_1.obj").read_text(), "ell_1")
    assert np.ptp(ell.vertices[:, 0]) == pytest.approx(1.2 * 0.16), "this cousin's is longer"
    assert not list((tmp_path / "alone").rglob("*_v1*"))
    assert json.loads(done.stdout)["files"] == 1 + len(list((tmp_path / "alone/assets").iterdir()))


def test_export_keeps_what_is_not_its_own(pack, tmp_path):
    done = run("export", pack.path, "--cousin", 0, "-o", pack.path)
    assert isinstance(done.exception, PackError)
    assert len(load_scene(read(pack.path)).assets) == 4


def test_view_verb_without_a_display_suggests_the_browser(pack, monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    done = run("view", pack.path)
    assert isinstance(done.exception, MissingDependencyError)
    assert "--web" in str(done.exception)
