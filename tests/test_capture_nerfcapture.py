"""NeRFCapture: streamed by either script, or exported by the app, each with its own names."""

import json
import zipfile

import cv2
import numpy as np
import pytest
from captures import SIZE, colour, refusal

from cousins.capture import open_capture, open_rgbd
from cousins.capture.camera import parse
from cousins.errors import CaptureError, UsageError
from cousins.types import Photos

STEP = 10 / 65535  # m, as the scripts write it
LENS = {"fl_x": 80.0, "fl_y": 81.0, "cx": 48.0, "cy": 36.0, "w": SIZE[0], "h": SIZE[1]}


def pose(i):
    """ARKit's: at (i/10, 1.4, -0.2), looking along the world's -x, upright; OpenGL axes."""
    # Columns: the camera's right, up and backwards, in a world with y up.
    return [[0, 0, 1, 0.1 * i], [0, 1, 0, 1.4], [-1, 0, 0, -0.2], [0, 0, 0, 1]]


def millimetres(i, size=SIZE):
    image = np.full((size[1], size[0]), 1000 + i)
    image[0, 0] = 0
    return image


def steps(i, size=SIZE):
    return (millimetres(i, size) / 1000 / STEP).astype(np.uint16)


def write(path, n=3, script="instant-ngp", depth=True, key="integer_depth_scale", **more):
    """A folder as a script streams it; more: into the file."""
    frames = []
    for i in range(n):
        ours = script == "instant-ngp"
        picture = f"images/{i}.png" if ours else f"rgb/{i}.png"
        deep = f"images/{i}.depth.png" if ours else f"depth/{i}.png"
        for name in (picture, deep):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
        alpha = np.full((SIZE[1], SIZE[0], 1), 255, np.uint8)
        cv2.imwrite(str(path / picture), np.concatenate([colour(i)[:, :, ::-1], alpha], 2))
        name = picture[:-4] if ours else picture
        frames.append({"transform_matrix": pose(i), "file_path": name, **LENS, "fl_x": 80.0 + i})
        if depth:
            cv2.imwrite(str(path / deep), steps(i))
            frames[-1]["depth_path"] = deep
    told = {"fl_x": 1.0, "fl_y": 1.0, "cx": 320, "cy": 240, "w": 9, "h": 9}
    save(path, {**told, key: STEP, "frames": frames, **more})
    return path


def save(path, told):
    (path / "transforms.json").write_text(json.dumps(told))


def load(path):
    return json.loads((path / "transforms.json").read_text())


def export(path, n=11, bits=8):
    """A zip as the app makes it: a dated folder, frames out of order, depth of no use or absent."""
    frames = []
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(n):
            picture = cv2.imencode(".png", colour(i % 6)[:, :, ::-1])[1].tobytes()
            archive.writestr(f"261121093000/images/{i}.png", picture)
            if bits == 8:
                large = np.full((3 * SIZE[1], 3 * SIZE[0], 4), 255, np.uint8)
                archive.writestr(f"261121093000/images/{i}.depth.png",
                                 cv2.imencode(".png", large)[1].tobytes())  # fmt: skip
            frames.append({"filePath": 1, "file_path": f"images/{i}", "timestamp": 100.0 + i,
                           "depth_path": f"images/{i}.depth.png", "transform_matrix": pose(i),
                           **LENS})  # fmt: skip
        frames = [*frames[5:], *frames[:5]]
        told = {**LENS, "depth_integer_scale": 1, "frames": frames}
        archive.writestr("261121093000/transforms.json", json.dumps(told))
    return path


@pytest.mark.parametrize("script", ["instant-ngp", "splatam"])
@pytest.mark.parametrize("key", ["integer_depth_scale", "depth_integer_scale"])
def test_a_stream_is_read_with_its_poses_depth_and_cameras(tmp_path, script, key):
    capture = open_rgbd(write(tmp_path / "c", script=script, key=key))
    assert (capture.layout, len(capture), capture.warnings) == ("nerfcapture", 3, ())
    assert capture.up.tolist() == [0, 1, 0]
    for i, frame in enumerate(capture.frames()):
        world = frame.world_from_camera
        assert world[:3, 3] == pytest.approx([0.1 * i, 1.4, -0.2])
        assert world[:3, 2] == pytest.approx([-1, 0, 0])  # it looks along -x
        assert world[:3, 1] == pytest.approx([0, -1, 0])  # and down is down
        assert frame.depth[9, 9] == pytest.approx(1 + i / 1000, abs=STEP)
        assert frame.depth[0, 0] == 0
        assert np.array_equal(frame.colour, colour(i))
        assert frame.confidence is None
        k = frame.colour_intrinsics  # the frame's own, not the file's
        assert (k.width, k.height, k.fx, k.fy, k.cx, k.cy) == (96, 72, 80 + i, 81, 48, 36)


def test_depth_may_be_named_as_nerfstudio_names_it(tmp_path):
    path = write(tmp_path / "c")
    told = load(path)
    for view in told["frames"]:
        view["depth_file_path"] = view.pop("depth_path")
    save(path, told)
    capture = open_rgbd(path)
    assert (capture.layout, len(capture)) == ("nerfcapture", 3)
    for view in told["frames"]:  # not named at all, but there
        del view["depth_file_path"]
    save(path, told)
    assert np.array_equal(next(open_rgbd(path).frames()).depth, next(capture.frames()).depth)


def test_the_sensors_pixels_are_taken_out_of_enlarged_depth(tmp_path):
    path = write(tmp_path / "c", 2)
    small = np.arange(256 * 192, dtype=np.uint16).reshape(192, 256) % 999 + 6000
    large = cv2.resize(small, (960, 720), interpolation=cv2.INTER_NEAREST)
    for i in range(2):
        cv2.imwrite(str(path / f"images/{i}.depth.png"), large)
    frame = next(open_rgbd(path).frames())
    assert np.allclose(frame.depth, small * STEP)
    k = frame.depth_intrinsics
    assert (k.width, k.height, k.fx) == (256, 192, pytest.approx(80 * 256 / 96))
    assert k.cx == pytest.approx(48.5 * 256 / 96 - 0.5)
    large[400, 400] += 1  # such a picture was not enlarged
    for i in range(2):
        cv2.imwrite(str(path / f"images/{i}.depth.png"), large)
    assert next(open_rgbd(path).frames()).depth.shape == (720, 960)


@pytest.mark.parametrize("scale", [{"integer_depth_scale": 1.0}, {"integer_depth_scale": None}])
def test_depth_without_a_unit_is_taken_as_millimetres_and_says_so(tmp_path, scale):
    path = write(tmp_path / "c", **scale)
    for i in range(3):
        cv2.imwrite(str(path / f"images/{i}.depth.png"), millimetres(i).astype(np.uint16))
    capture = open_rgbd(path)
    assert any("taken as millimetres" in w for w in capture.warnings)
    assert next(capture.frames()).depth[9, 9] == pytest.approx(1)


@pytest.mark.parametrize("bits", [8, 0])
def test_the_apps_own_export_has_tracked_pictures_and_no_depth(tmp_path, bits):
    photos = open_capture(export(tmp_path / "261121093000.zip", bits=bits))
    assert isinstance(photos, Photos)
    assert (photos.layout, len(photos), photos.size) == ("nerfcapture", 11, SIZE)
    assert (photos.solved, photos.metric, photos.ordered) == (False, True, True)
    assert photos.up.tolist() == [0, 1, 0]
    assert photos.poses[:, 0, 3] == pytest.approx(0.1 * np.arange(11))  # in order of their times
    for i, picture in enumerate(photos.pictures()):
        assert np.array_equal(picture, colour(i % 6))
    assert len(photos.warnings) == 1
    assert ("8 bits" if bits else "none is there") in photos.warnings[0]
    assert "stream" in photos.warnings[0]
    with pytest.raises(CaptureError, match="holds no depth"):
        open_rgbd(tmp_path / "261121093000.zip")


def test_photos_of_cameras_that_refocus_are_seen_by_one(tmp_path):
    path = write(tmp_path / "c", depth=False)
    edge = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    edge[:, 68:] = 255  # 20 px from the principal point
    for i in range(3):
        cv2.imwrite(str(path / f"images/{i}.png"), edge)
    told = load(path)
    told["frames"][2]["fl_x"] = 96.2
    save(path, told)
    photos = open_capture(path)
    assert (photos.camera.fx, photos.camera.fy) == (81, 81)  # the median of 80, 81 and 96.2
    first, second, third = photos.pictures()
    assert np.array_equal(second, edge)
    assert third[36, :64].max() == 0  # 20 px at 96.2 are 16.8 px at 81
    assert third[36, 67:86].min() == 255  # and beyond, it saw nothing
    assert third[36, 90:].max() == 0
    assert first.shape == third.shape


def test_frames_without_their_files_are_left_out_and_counted(tmp_path):
    path = write(tmp_path / "c", 5)
    (path / "images/1.png").unlink()
    (path / "images/3.depth.png").unlink()
    capture = open_rgbd(path)
    assert [round(x, 3) for x in capture.poses[:, 0, 3]] == [0, 0.2, 0.4]
    assert len(capture.warnings) == 1
    assert "2 of 5 frames lack a file, such as images/1" in capture.warnings[0]
    for i in range(5):
        (path / f"images/{i}.png").unlink(missing_ok=True)
    assert [f.colour for f in open_rgbd(path).frames()] == [None] * 4


def view(path, i=1, **change):
    told = load(path)
    told["frames"][i].update(change)
    save(path, told)
    return refusal(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"file_path": "../../etc/passwd"}, "leaves the archive"),
        ({"file_path": "/etc/passwd"}, "is an absolute path"),
        ({"depth_path": "images/../../1.png"}, "leaves the archive"),
        ({"file_path": "a\nb"}, "unprintable"),
        ({"file_path": 7}, "frames.1.file_path"),
        ({"transform_matrix": [[1, 0, 0, 0]]}, "4 rows of 4"),
        ({"transform_matrix": [[1, 0], [1], [], [2]]}, "4 rows of 4"),
        ({"transform_matrix": "eye"}, "frames.1.transform_matrix"),
        ({"transform_matrix": [[float("nan")] * 4] * 4}, "frames.1.transform_matrix"),
        ({"transform_matrix": (2 * np.eye(4)).tolist()}, "not a camera pose"),
        ({"w": SIZE[1], "h": SIZE[0], "cx": 36, "cy": 48}, "do not show the same view"),
        ({"w": 10**9}, "between 1 and"),
        ({"w": 0}, "between 1 and"),
        ({"fl_x": -80}, "focal lengths"),
        ({"fl_x": "wide"}, "frames.1.fl_x"),
        ({"cx": 4000}, "principal point"),
    ],
)
def test_a_bad_frame_is_told_in_one_line(tmp_path, change, says):
    assert says in view(write(tmp_path / "c"), **change)


@pytest.mark.parametrize("unit", [5.0, -0.001, 0.02, 0.0])
def test_a_unit_that_no_depth_has(tmp_path, unit):
    assert "a step of depth" in refusal(write(tmp_path / "c", integer_depth_scale=unit))


def test_depth_in_a_wrong_unit_is_told(tmp_path):
    capture = open_rgbd(write(tmp_path / "c", integer_depth_scale=1 / 65535**2))
    assert any("typical depth" in w for w in capture.warnings)


def test_damaged_files_are_told_in_one_line(tmp_path):
    path = write(tmp_path / "c")
    whole = (path / "images/1.depth.png").read_bytes()
    (path / "images/1.depth.png").write_bytes(whole[:-20])
    assert "1.depth.png: a truncated PNG" in refusal(path)
    (path / "images/1.depth.png").write_bytes(whole)
    cv2.imwrite(str(path / "images/2.depth.png"), np.zeros((72, 96, 3), np.uint16))
    assert "must be a grey image" in refusal(path)
    text = (path / "transforms.json").read_bytes()
    for bad in (text[:-40], b"", b"[]", b"\xff\xfe", b"[" * 100_000):
        (path / "transforms.json").write_bytes(bad)
        assert "transforms.json" in refusal(path)
    packed = export(tmp_path / "c.zip")
    packed.write_bytes(packed.read_bytes()[:-99])
    refusal(packed)


def test_nothing_is_left(tmp_path):
    path = write(tmp_path / "c")
    for file in (path / "images").iterdir():
        file.unlink()
    assert "the files of its 3 frames are not there, such as images/0" in refusal(path)
    save(path, {"integer_depth_scale": STEP, "frames": []})
    assert "names no frame" in refusal(path)


def test_its_camera_needs_no_option(tmp_path):
    with pytest.raises(UsageError, match="leave the option out"):
        open_capture(write(tmp_path / "c"), parse("80,80,48,36"))
