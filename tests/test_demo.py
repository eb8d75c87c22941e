"""The demo: what it shows of a capture, and, when asked for slow tests, all of it."""

import dataclasses
import json

import numpy as np
import pytest
from cousins.cli.main import app
from packs import manifest, write_pack
from typer.testing import CliRunner

from cousins import demo
from cousins.errors import PackError, UsageError
from cousins.pack import read
from cousins.phone import Phone, Walk, film
from cousins.scene import build, compile_model, look_at
from cousins.types import Capture, Frame, Intrinsics
from examples import table_scene


def test_the_frame_that_sees_most_is_shown(tmp_path):
    """Of a look at the floor, one at all objects, and one at a single object."""
    pack = read(write_pack(tmp_path / "p"))
    centre = np.mean([o.position for o in pack.objects], axis=0)
    ball = np.array(next(o.position for o in pack.objects if o.name == "ball_1"))
    world_from_capture = np.array(manifest().world_from_capture)
    looks = [
        look_at(np.array([0, -2, 1.0]), np.array([0, -5.0, 0])),
        look_at(np.array([0, -1.0, 1.6]), centre),
        look_at(ball + [0, -0.1, 0.15], ball),
    ]
    poses = np.array([np.linalg.inv(world_from_capture) @ look for look in looks])
    camera = Intrinsics(64, 48, 55.0, 55.0, 31.5, 23.5)

    def frames():
        for i, pose in enumerate(poses):
            depth, colour = np.ones((48, 64), np.float32), np.zeros((48, 64, 3), np.uint8)
            yield Frame(10 * i, 0.1 * i, pose, depth, camera, colour, camera)

    capture = Capture(tmp_path, "any", poses, None, "0" * 64, frames)
    assert demo.best_frame(pack, capture).index == 10


def test_it_refuses_before_any_work(tmp_path):
    with pytest.raises(UsageError, match="ask for at least 1"):
        demo.demo(tmp_path / "d", 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(PackError, match="exists and is a file"):
        demo.demo(tmp_path / "file", 4)
    (tmp_path / "d" / "pack").mkdir(parents=True)
    (tmp_path / "d" / "pack" / "notes.txt").write_text("mine")
    with pytest.raises(PackError, match="is no scene pack"):
        demo.demo(tmp_path / "d", 4)
    assert [p.name for p in (tmp_path / "d").iterdir()] == ["pack"]


@pytest.mark.slow
def test_all_of_it(tmp_path):
    done = CliRunner().invoke(app, ["demo", "-n", "20", "-o", str(tmp_path / "d"), "--json"])
    assert done.exit_code == 0, done.exception
    told = json.loads(done.stdout)
    assert set(told) == {f.name for f in dataclasses.fields(demo.DemoReport)}
    assert told["cousins"] == 20
    assert told["objects"] == 6, "as many as stand on the bundled desk"
    assert told["unstable"] == 0
    assert sorted(p.name for p in (tmp_path / "d").iterdir()) == ["grid.png", "pack", "report.html"]
    assert CliRunner().invoke(app, ["check", told["pack"]]).exit_code == 0


@pytest.mark.slow
def test_a_capture_without_pictures_has_a_report_too(tmp_path):
    model = compile_model(*build(table_scene()))
    phone = Phone(frames=24, walk=Walk(distance=(0.8, 1.1)), seed=2, coloured=False)
    done = demo.demo(tmp_path / "d", 4, capture=film(model, tmp_path / "film", phone))
    assert (done.objects, done.cousins) == (4, 4)
    page = (tmp_path / "d" / "report.html").read_text()
    assert "the capture has no pictures" in page
    assert "one of its frames" not in page
    assert "The twin" in page
