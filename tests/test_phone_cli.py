"""`cousins film` as a shell sees it."""

import json

import pytest
from cousins.cli import main as cli
from typer.testing import CliRunner

from cousins.capture import open_capture
from cousins.errors import CousinsError
from cousins.scene import build
from examples import table_scene

SMALL = ["--frames", "4", "--colour", "160x120", "--depth", "64x48"]
SCENE = """<mujoco><worldbody>
<geom name="table" type="box" size=".5 .5 .01" pos="0 0 .5"/>
<body name="box" pos="0 0 .6"><freejoint/><geom type="box" size=".03 .04 .05"/></body>
</worldbody></mujoco>"""


@pytest.fixture
def scene(tmp_path):
    file = tmp_path / "scene.xml"
    file.write_text(SCENE)
    return file


def film(*arguments):
    return CliRunner().invoke(cli.app, ["film", *map(str, arguments)])


def refused(*arguments):
    """The error that `cousins` prints in one line."""
    done = film(*arguments)
    assert isinstance(done.exception, CousinsError), done.output
    assert "\n" not in str(done.exception)
    return str(done.exception)


def test_a_scene_is_filmed_and_opens(scene, tmp_path):
    out = tmp_path / "new" / "capture"
    done = film(scene, "-o", out, *SMALL, "--json", "--missing", "0.25", "--settle", "0.5")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["frames"], told["objects"], told["layout"]) == (3, 1, "stray")
    assert len(open_capture(told["capture"])) == 3
    with open(told["truth"]) as file:
        truth = json.load(file)
    [box] = truth["objects"]
    assert box["support"] == "table"  # it fell on it before it was filmed
    assert box["centre"][2] == pytest.approx(0.56, abs=1e-3)


def test_a_pack_is_filmed_in_another_layout(tmp_path):
    pack = tmp_path / "pack"
    xml, files = build(table_scene())
    (pack / "assets").mkdir(parents=True)
    (pack / "model.xml").write_text(xml)
    for name, data in files.items():
        (pack / "assets" / name).write_bytes(data)
    done = film(pack, "-o", tmp_path / "film", *SMALL, "--layout", "7scenes", "--path", "sweep",
                "--perfect", "--target", "0,-0.1,0.75", "--elevation", "-5:20",
                "--no-colour")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "4 frames of 4 objects" in done.stdout
    capture = open_capture(tmp_path / "film")
    assert capture.layout == "7-scenes"
    assert [frame.colour for frame in capture.frames()] == [None] * 4


def test_what_cannot_be_filmed_is_one_line(scene, tmp_path):
    out = tmp_path / "out"
    assert "no such file" in refused(tmp_path / "none.xml", "-o", out)
    bad = tmp_path / "bad.xml"
    bad.write_text('<mujoco><worldbody><geom type="cube"/></worldbody></mujoco>')
    assert "invalid keyword: 'cube'" in refused(bad, "-o", out)
    bad.write_text("<mujoco><worldbody>")
    assert "bad.xml: MuJoCo does not take it: " in refused(bad, "-o", out)
    bad.write_text('<mujoco><worldbody><geom type="box" size="1 1 1"/></worldbody></mujoco>')
    assert "no visible free body" in refused(bad, "-o", out)
    assert not out.exists()
    out.mkdir()
    assert "already exists" in refused(scene, "-o", out, *SMALL)


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--distance", "0.7", "least:most"),
        ("--elevation", "low:high", "least:most"),
        ("--target", "1,2", "x,y,z"),
        ("--colour", "640", "640x480"),
        ("--layout", "kodak", "stray, 7scenes"),
        ("--path", "spiral", "arc, circle, sweep"),
        ("--missing", "1", "share of the frames"),
        ("--hands", "2", "share of the time"),
        ("--perfect", "--drift=2", "--perfect excludes"),
    ],
)
def test_a_wrong_option_is_told(scene, tmp_path, option, value, told):
    assert told in refused(scene, "-o", tmp_path / "out", option, value)


def test_a_scene_that_explodes_is_told(tmp_path):
    file = tmp_path / "explodes.xml"
    file.write_text(
        '<mujoco><option gravity="0 0 -1e12"/><worldbody><body><freejoint/><geom size=".1"/>'
        "</body></worldbody></mujoco>"
    )
    assert "blow up" in refused(file, "-o", tmp_path / "out", "--settle", "1", *SMALL)
