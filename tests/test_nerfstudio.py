"""nerfstudio as a program: what it is given, what comes back, and how it fails."""

import errno
import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import fake_nerfstudio as fake
import numpy as np
import pytest

from cousins import doctor, raycast
from cousins.errors import CousinsError, MissingDependencyError, ProgramError, UsageError
from cousins.photos import environment, installed, known, nerfstudio
from cousins.photos.nerfstudio import Nerfstudio
from cousins.scene import look_at
from cousins.types import Intrinsics, Mesh, Views

CAMERA = Intrinsics(96, 72, 80.0, 82.0, 47.0, 36.5)
TARGET = np.array([3.0, -2.0, 0.7])
UP = np.array([0.0, 0.6, 0.8])


def views(n=12, up=UP, poses=None):
    """Pictures round a target, and sparse points on a box about it."""
    turn = 2 * np.pi * np.arange(n) / n
    rng = np.random.default_rng(0)
    eyes = TARGET + np.column_stack([0.7 * np.cos(turn), 0.7 * np.sin(turn), np.full(n, 0.5)])
    if poses is None:
        poses = np.stack([look_at(eye, TARGET) for eye in eyes])

    def pictures():
        for i in range(n):
            yield np.full((CAMERA.height, CAMERA.width, 3), (10 * i, 90, 200), np.uint8)

    points = TARGET + rng.uniform(-0.2, 0.2, (400, 3))
    return Views(poses, CAMERA, pictures, np.arange(n), points, True, "known", 0.3, up)


VERTICES = TARGET + 0.1 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.3, 0.3, 1.0]])
FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
FAR = np.vstack([VERTICES, TARGET + np.array([[9, 9, 9], [9.1, 9, 9], [9, 9.1, 9]])])


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A stand-in that finds a tetrahedron, and a triangle far behind."""
    world = {"vertices": FAR.tolist(), "faces": [*FACES.tolist(), [4, 5, 6]]}
    (tmp_path / "world.json").write_text(json.dumps(world))
    monkeypatch.setenv(fake.WORLD, str(tmp_path / "world.json"))
    monkeypatch.setenv(fake.CALLS, str(tmp_path / "calls"))
    monkeypatch.delenv(installed.VARIABLE, raising=False)
    monkeypatch.delenv(fake.MODE, raising=False)
    (tmp_path / "work").mkdir()
    return fake.install(tmp_path / "env")


def calls(program):
    file = program.parent / "calls"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def surface(program, **settings):
    backend = Nerfstudio(program, **{"iterations": 20, "device": "cpu"} | settings)
    return backend(views(), program.parent / "work")


def test_the_surface_comes_back_in_the_views_world(program):
    mesh = surface(program)
    assert np.abs(mesh.vertices - VERTICES).max() < 1e-9
    assert np.array_equal(mesh.faces, FACES)
    assert [call[0] for call in calls(program)] == ["ns-train", "ns-export"]


def test_what_it_is_given_are_the_cameras(program, monkeypatch):
    """By its conventions a pixel of a picture looks along the ray that it has by ours."""
    monkeypatch.setenv(fake.MODE, "fail")
    with pytest.raises(ProgramError):
        surface(program)
    (written,) = (program.parent / "work").glob("nerfstudio-*/transforms.json")
    told = json.loads(written.read_text())
    k, seen = CAMERA, views()
    for pose, frame in zip(seen.poses, told["frames"], strict=True):
        theirs = np.array(frame["transform_matrix"])
        u, v = 20, 50  # a pixel; its middle is half a pixel on by their count
        ray = [(u + 0.5 - told["cx"]) / told["fl_x"], (told["cy"] - v - 0.5) / told["fl_y"], -1]
        at = theirs[:3, :3] @ (told["applied_scale"] * np.array(ray)) + theirs[:3, 3]
        point = pose[:3, :3] @ [(u - k.cx) / k.fx, (v - k.cy) / k.fy, 1] + pose[:3, 3]
        applied = np.array(told["applied_transform"])
        ours = told["applied_scale"] * (applied[:, :3] @ point + applied[:, 3])
        assert np.abs(at - ours).max() < 1e-9
    up = np.array(told["applied_transform"])[:, :3] @ UP
    assert np.abs(up - [0, 0, 1]).max() < 1e-9
    points = np.array(told["applied_transform"]) @ np.vstack([seen.points.T, np.ones(400)])
    assert np.abs(told["applied_scale"] * points).max() <= 1


def test_large_pictures_are_written_smaller(program, monkeypatch):
    small = nerfstudio.Effort(**vars(nerfstudio.EFFORTS["cpu"]) | {"width": 48})
    monkeypatch.setattr(nerfstudio, "EFFORTS", {"cpu": small})
    surface(program)  # the stand-in compares sizes
    assert nerfstudio._camera(views(), small) == CAMERA.scaled(48, 36)


def test_a_second_run_is_the_first(program, monkeypatch):
    first = surface(program)
    monkeypatch.setenv(fake.MODE, "fail")
    again = surface(program)
    assert np.array_equal(first.vertices, again.vertices)
    assert len(calls(program)) == 2
    with pytest.raises(ProgramError):  # other settings, so another training
        surface(program, iterations=21)
    left = sorted(path.name for path in (program.parent / "work").iterdir())
    assert left[0].startswith("nerfstudio-")
    nerfstudio.clear(program.parent / "work")
    assert [p.suffix for p in (program.parent / "work").iterdir()] == [".npz"]


def test_other_pictures_are_another_surface(program):
    surface(program)
    seen = views()
    other = replace(seen, pictures=lambda: (255 - p for p in seen.pictures()))
    Nerfstudio(program, 20, "cpu")(other, program.parent / "work")
    assert len(calls(program)) == 4


def test_a_finished_training_is_not_done_again(program, monkeypatch):
    monkeypatch.setenv(fake.MODE, "no export")
    with pytest.raises(ProgramError, match="no points"):
        surface(program)
    monkeypatch.delenv(fake.MODE)
    surface(program)
    assert [call[0] for call in calls(program)] == ["ns-train", "ns-export", "ns-export"]


def test_a_training_that_was_cut_short_goes_on(program, monkeypatch):
    monkeypatch.setenv(fake.MODE, "half")
    with pytest.raises(ProgramError, match="half way"):
        surface(program)
    (half,) = (program.parent / "work").rglob("step-*.ckpt")
    torn = half.with_name("step-000000015.ckpt")  # the disk was full when it was written
    torn.write_bytes(half.read_bytes()[:30])
    monkeypatch.delenv(fake.MODE)
    surface(program)
    assert not torn.exists()
    train = calls(program)[1]
    done = int(half.stem[5:]) + 1
    assert train[train.index("--max-num-iterations") + 1] == str(20 - done)
    assert "--load-dir" in train


def test_depth_that_is_known_is_held_to(program, monkeypatch):
    """In metres, of each view; a training that goes on does not begin to believe it anew."""
    depths = [program.parent / f"depth_{i}.npy" for i in range(len(views()))]
    away = float(np.linalg.norm(views().poses[0, :3, 3] - TARGET))
    for path in depths:  # all round the target
        np.save(path, np.full((18, 24), away, np.float32))
    effort = replace(nerfstudio.EFFORTS["cpu"], alone=0.5)
    backend = Nerfstudio(program, 20, "cpu", effort)
    monkeypatch.setenv(fake.MODE, "half")
    with pytest.raises(ProgramError, match="half way"):
        backend(views(), program.parent / "work", depths=depths)
    (written,) = (program.parent / "work").glob("nerfstudio-*/transforms.json")
    for frame in json.loads(written.read_text())["frames"]:
        assert np.load(written.parent / frame["depth_file_path"])[3, 4] == np.float32(away)
    monkeypatch.delenv(fake.MODE)
    mesh = backend(views(), program.parent / "work", depths=depths)
    assert np.abs(mesh.vertices - VERTICES).max() < 1e-9
    trains = [call for call in calls(program) if call[0] == "ns-train"]
    assert [call[1] for call in trains] == ["depth-nerfacto"] * 2
    name = "--pipeline.model.starting-depth-sigma"
    first, second = (float(call[call.index(name) + 1]) for call in trains)
    assert second < first
    surface(program)  # by the pictures alone it is another
    assert calls(program)[-2][1] == "nerfacto"
    for path in depths:
        np.save(path, np.full((18, 24), 0.2, np.float32))
    with pytest.raises(ProgramError, match="nowhere near"):
        Nerfstudio(program, 20, "cpu")(views(), program.parent / "work", depths=depths)


def test_what_lies_far_from_known_depth_is_left_out(tmp_path):
    """A sheet half of which a depth map shows."""
    seen = views(2)
    k = CAMERA.scaled(24, 18)
    depth = np.zeros((18, 24), np.float32)
    depth[:, :12] = 0.8
    for i in range(2):
        np.save(tmp_path / f"{i}.npy", depth)
    p = known.known(seen, [tmp_path / "0.npy", tmp_path / "1.npy"], 0.01)
    ray = np.array([(5 - k.cx) / k.fx, (7 - k.cy) / k.fy, 1.0])
    shown = seen.poses[0][:3, :3] @ (0.8 * ray) + seen.poses[0][:3, 3]
    assert np.linalg.norm(p - shown, axis=1).min() < 0.02
    corners = np.concatenate([at + 0.001 * np.eye(3) for at in (shown, shown + [0, 0, 3.0])])
    kept = known.near(Mesh(corners, np.arange(6).reshape(2, 3)), p, 0.03)
    assert np.array_equal(kept.vertices, corners[:3])
    assert np.array_equal(kept.faces, [[0, 1, 2]])


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("fail", "ns-train failed: RuntimeError: operator torchvision::nms does not exist"),
        ("memory", "ns-train failed: out of memory"),
        ("killed", "ns-train failed: out of memory"),
        ("disk", "ns-train failed: the disk is full"),
        ("no checkpoint", "without a checkpoint"),
        ("no end", "ns-export did not end in 2 s"),
        ("no export", "ns-export failed: RuntimeError: no points"),
        ("no mesh", "wrote no mesh"),
        ("empty", "mesh is empty"),
        ("nan", "NaN"),
        ("damaged", "not a mesh"),
    ],
)
def test_a_failure_is_one_line_that_names_the_log(program, monkeypatch, mode, told):
    monkeypatch.setenv(fake.MODE, mode)
    if mode == "no end":
        monkeypatch.setattr(nerfstudio, "LIMIT", 2.0)
    with pytest.raises(ProgramError, match=told) as raised:
        surface(program)
    assert "\n" not in str(raised.value)
    log = program.parent / "work" / nerfstudio.LOG
    assert str(log) in str(raised.value)
    assert log.read_text().startswith("$ ")


def test_a_mesh_that_lies_elsewhere_is_a_failure(program):
    world = {"vertices": (VERTICES + 50).tolist(), "faces": FACES.tolist()}
    (program.parent / "world.json").write_text(json.dumps(world))
    with pytest.raises(ProgramError, match="nothing where the pictures look"):
        surface(program)


def test_a_full_disk_of_ours_is_one_line(program, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out.png")

    monkeypatch.setattr(nerfstudio, "_write", full)
    with pytest.raises(ProgramError, match=r"out\.png: No space left"):
        surface(program)


def test_an_interrupt_ends_the_program_and_its_children(program, monkeypatch):
    monkeypatch.setenv(fake.MODE, "hang")
    pids = program.parent / "calls.pids"

    def interrupt(stage, done, total):
        if done:
            deadline = time.monotonic() + 20
            while not (pids.exists() and " " in pids.read_text()) and time.monotonic() < deadline:
                time.sleep(0.01)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Nerfstudio(program, 20, "cpu")(views(), program.parent / "work", interrupt)
    for pid in map(int, pids.read_text().split()):
        deadline = time.monotonic() + 20
        while running(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not running(pid)


def running(pid):
    try:  # a child whose parent is gone may wait for someone to notice that it ended
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_progress_is_told(program):
    told = []
    Nerfstudio(program, 20, "cpu")(
        views(), program.parent / "work", lambda *what: told.append(what)
    )
    training = [done for stage, done, total in told if stage == "training" and total == 20]
    assert training == sorted(training)
    assert training[-1] == 20
    assert len(training) > 10
    assert told[-1] == ("surface", 1, 1)


def test_it_is_found_where_it_is_named(program, monkeypatch, tmp_path):
    for place in (program, program / "bin"):
        assert installed.find(place).folder == program / "bin"
    monkeypatch.setenv(installed.VARIABLE, str(program))
    assert installed.find().folder == program / "bin"
    with pytest.raises(MissingDependencyError, match=r"nowhere.*make nerfstudio-env"):
        installed.find(tmp_path / "nowhere")
    monkeypatch.delenv(installed.VARIABLE)
    monkeypatch.setattr(installed, "PLACE", tmp_path / "none")
    with pytest.raises(MissingDependencyError, match=r"not set up.*make nerfstudio-env"):
        installed.find()
    assert installed.device(installed.find(program)) == "cpu"


def test_no_iteration_is_no_request(program):
    with pytest.raises(UsageError, match="at least 1"):
        surface(program, iterations=0)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"scale": 1}', '{"scale": "x", "transform": [[1]]}',
             '{"scale": 0, "transform": [[1,0,0,0],[0,1,0,0],[0,0,1,0]]}',
             '{"scale": 1, "transform": [[2,0,0,0],[0,1,0,0],[0,0,1,0]]}',
             '{"scale": 1, "transform": [[NaN,0,0,0],[0,1,0,0],[0,0,1,0]]}'],
)  # fmt: skip
def test_a_transform_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(ProgramError, match=r"t\.json"):
        nerfstudio.undo(tmp_path / "t.json", VERTICES)


def test_doctor_tells_of_it(program, monkeypatch, tmp_path):
    monkeypatch.setenv(installed.VARIABLE, str(program))
    check = doctor._nerfstudio()
    assert check.works
    assert check.detail.startswith("1.1.5 on CPU")
    monkeypatch.setenv(installed.VARIABLE, str(tmp_path / "nowhere"))
    check = doctor._nerfstudio()
    assert not check.works
    assert not check.required
    assert "make nerfstudio-env" in check.remedy


def test_the_environment_goes_into_no_folder_that_holds_something_else(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(CousinsError, match="holds something else"):
        environment.build(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_a_whole_environment_is_left_as_it_is(tmp_path):
    (tmp_path / environment.TOLD).write_text('{"nerfstudio": "1.1.5"}')
    assert environment.build(tmp_path) == {"nerfstudio": "1.1.5"}


def test_an_environment_wants_space(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ProgramError, match="12 GB"):
        environment.build(tmp_path / "new")


def patterned():
    """What the views show of a table with a pattern."""
    for pose in views().poses:
        origins, directions = raycast.rays(CAMERA, pose)
        far = (TARGET[2] - origins[:, 2]) / directions[:, 2]
        at = origins + far[:, None] * directions - TARGET
        colour = 128 + 80 * np.sin(30 * at @ np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0]]))
        yield colour.reshape(CAMERA.height, CAMERA.width, 3).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("held", [False, True])
def test_the_real_program_makes_a_surface(tmp_path, monkeypatch, held):
    """A few iterations make no good surface, but take every step on the way to one."""
    try:
        program = installed.find()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    # The region holds the cameras as well: wherever rays end so early in a training, it is inside.
    points = TARGET + np.random.default_rng(0).uniform(-0.6, 0.6, (400, 3))
    seen = replace(views(), pictures=patterned, points=points)
    small = nerfstudio.Effort(300, 512, (32, 16, 16), 8, 14, 96, 2_000, np.inf)
    monkeypatch.setattr(nerfstudio, "LIMIT", 300.0)
    depths = []
    for i, pose in enumerate(seen.poses if held else ()):
        origins, directions = raycast.rays(CAMERA, pose)
        z = (TARGET[2] - origins[:, 2]) / directions[:, 2]
        depths.append(tmp_path / f"depth_{i}.npy")
        np.save(depths[-1], z.reshape(CAMERA.height, CAMERA.width).astype(np.float32))
    mesh = Nerfstudio(program.folder, effort=small)(seen, tmp_path, depths=depths)
    assert len(mesh.faces) > 100
    assert np.linalg.norm(mesh.vertices - TARGET, axis=1).max() < 2
    if held:  # the table is where it is
        near = np.linalg.norm(mesh.vertices[:, :2] - TARGET[:2], axis=1) < 0.2
        assert np.median(np.abs(mesh.vertices[near, 2] - TARGET[2])) < 0.02
    assert list(tmp_path.glob("surface-*.npz"))
