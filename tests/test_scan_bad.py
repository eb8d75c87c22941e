"""`cousins scan` of what cannot be scanned: one line, an exit code, and nothing left behind."""

import os
import shutil
import subprocess
import sys

import cv2
import mujoco
import numpy as np
import pytest
from captures import DEPTH, SIZE, write_seven, write_stray
from cousins.cli import main as cli

from cousins.phone import Phone, Walk, film

PHONE = Phone(
    frames=8,
    depth_size=(128, 96),
    colour_size=(64, 48),
    walk=Walk(distance=(0.9, 1.1), target=(0.0, 0.0, 0.75)),
)


def refusal(monkeypatch, capsys, capture, out, *options):
    """The one line with which the command line refuses, and that nothing but `capture` is left."""
    before = tree(out.parent)
    monkeypatch.setattr(sys, "argv", ["cousins", "scan", str(capture), "-o", str(out), *options])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    captured = capsys.readouterr()
    assert stop.value.code in (1, 2)
    assert captured.out == ""
    assert captured.err.count("\n") == 1, captured.err
    assert captured.err.startswith("error: ")
    assert tree(out.parent) == before
    return captured.err


def tree(folder):
    """Every file and folder under the nearest folder that exists."""
    while not folder.is_dir():
        folder = folder.parent
    return sorted((p.relative_to(folder), p.stat().st_size if p.is_file() else None)
                  for p in folder.rglob("*"))  # fmt: skip


@pytest.fixture
def refused(monkeypatch, capsys, tmp_path):
    """Refusals of a capture at tmp_path/capture, each naming what is at fault."""

    def call(capture, *options):
        message = refusal(monkeypatch, capsys, capture, tmp_path / "pack", *options)
        assert str(tmp_path) in message
        return message

    return call


def test_no_folder_and_an_empty_one(refused, tmp_path):
    assert "does not exist" in refused(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "is empty" in refused(tmp_path / "empty")


def test_an_unknown_layout_says_what_each_known_one_lacks(refused, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "IMG_0001.JPG").write_bytes(b"\xff\xd8")
    message = refused(tmp_path / "photos")
    assert "stray-scanner (lacks" in message
    assert "7-scenes (lacks" in message


def test_a_truncated_depth_image(refused, tmp_path):
    path = write_stray(tmp_path / "capture")
    file = path / "depth/000003.png"
    file.write_bytes(file.read_bytes()[:40])
    assert "depth/000003.png" in refused(path)


def test_a_truncated_video(refused, tmp_path):
    path = write_stray(tmp_path / "capture")
    data = (path / "rgb.mp4").read_bytes()
    (path / "rgb.mp4").write_bytes(data[: len(data) // 2])
    assert "rgb.mp4: not a video" in refused(path)


def test_counts_that_differ(refused, tmp_path):
    path = write_stray(tmp_path / "capture")
    (path / "depth/000004.png").unlink()
    assert "4 images" in refused(path)


@pytest.mark.parametrize("fault", [np.nan, 2.0])
def test_poses_that_are_none(refused, tmp_path, fault):
    path = write_seven(tmp_path / "capture")
    pose = np.eye(4)
    pose[0, 0] = fault
    np.savetxt(path / "frame-000005.pose.txt", pose)
    assert "frame-000005.pose.txt: not a camera pose" in refused(path)


def test_depth_that_is_zero_throughout(refused, tmp_path):
    path = write_seven(tmp_path / "capture")
    for file in path.glob("*.depth.png"):
        cv2.imwrite(str(file), np.zeros((SIZE[1], SIZE[0]), np.uint16))
    assert "all 3 depth images are empty" in refused(path)


def test_depth_that_nothing_can_be_made_of(refused, tmp_path):
    """All of it beyond the sensor's range, or without confidence."""
    far = write_seven(tmp_path / "far")
    for file in far.glob("*.depth.png"):
        cv2.imwrite(str(file), np.full((SIZE[1], SIZE[0]), 9000, np.uint16))
    assert "do not add up to a surface" in refused(far)
    unsure = write_stray(tmp_path / "unsure")
    for file in (unsure / "confidence").iterdir():
        cv2.imwrite(str(file), np.zeros((DEPTH[1], DEPTH[0]), np.uint8))
    assert "do not add up to a surface" in refused(unsure)


def filmed(folder, *geoms):
    """A film of a place with nothing but these static boxes and balls in it."""
    xml = "".join(geoms)
    model = mujoco.MjModel.from_xml_string(f"<mujoco><worldbody>{xml}</worldbody></mujoco>")
    return film(model, folder, PHONE)


TABLE = '<geom type="box" size=".4 .3 .02" pos="0 0 .7"/>'
FLOOR = '<geom type="box" size="2 2 .02" pos="0 0 -.02"/>'


def test_no_support_surface(refused, tmp_path):
    ball = '<geom type="sphere" size=".1" pos="0 0 .75"/>'
    assert "no support surface" in refused(filmed(tmp_path / "ball", ball))
    wall = '<geom type="box" size=".02 1.5 .7" pos="0 0 .7"/>'
    assert "film the table" in refused(filmed(tmp_path / "wall", wall))


def test_no_object(refused, tmp_path):
    assert "no object was found on" in refused(filmed(tmp_path / "bare", TABLE, FLOOR))


def test_an_empty_floor(refused, tmp_path):
    floor = '<geom type="box" size="3 3 .02" pos="0 0 -1"/>'
    assert "empty floor" in refused(filmed(tmp_path / "floor", floor, FLOOR))


def test_an_output_that_cannot_be_written(monkeypatch, capsys, tmp_path):
    capture = write_stray(tmp_path / "capture")
    (tmp_path / "file").write_text("mine")
    message = refusal(monkeypatch, capsys, capture, tmp_path / "file" / "pack")
    assert "choose another output" in message


@pytest.mark.parametrize("name", ["notes", "notes/thesis.txt"])
def test_what_is_no_pack_is_not_replaced(monkeypatch, capsys, tmp_path, name):
    capture = write_stray(tmp_path / "capture")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("mine")
    message = refusal(monkeypatch, capsys, capture, tmp_path / name)
    assert "pass --force to replace it" in message
    assert (tmp_path / "notes" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("options", [["--voxel", "0"], ["--voxel", "fine"], ["--nonsense"]])
def test_a_request_that_makes_no_sense(monkeypatch, capsys, tmp_path, options):
    """Typer's own words: a usage line and a reason, exit 2."""
    capture = write_stray(tmp_path / "capture")
    arguments = ["cousins", "scan", str(capture), "-o", str(tmp_path / "pack"), *options]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert options[0] in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["capture"]


def test_a_shell_sees_one_line_and_no_traceback(tmp_path):
    """In a process of its own, where native libraries could print what they like."""
    path = filmed(tmp_path / "bare", TABLE, FLOOR)
    code = "from cousins.cli.main import main; main()"
    command = [sys.executable, "-c", code, "scan", str(path), "-o", str(tmp_path / "pack")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {path}: no object was found on")
    assert sorted(os.listdir(tmp_path)) == ["bare", "bare.truth.json"]


def test_a_capture_that_has_the_name_of_the_cache_is_kept(monkeypatch, capsys, tmp_path):
    """`cousins scan kitchen.scan -o kitchen`: finished stages wait in kitchen.scan."""
    path = filmed(tmp_path / "film", TABLE, FLOOR)
    shutil.move(path, tmp_path / "pack.scan")
    message = refusal(monkeypatch, capsys, tmp_path / "pack.scan", tmp_path / "pack")
    assert "no object was found on" in message
