"""Polycam's raw data: the corrected frames, the plain ones, and what may be missing."""

import json
import zipfile

import cv2
import numpy as np
import pytest
from captures import DEPTH, SIZE, colour, depth, laid, refusal, turn

from cousins.capture import open_capture
from cousins.capture.camera import parse
from cousins.errors import UsageError
from cousins.mesh import matrix_from_quaternion
from cousins.types import Photos

W, H = DEPTH
STAMPS = (638443502, 638943502, 1639443502)  # half a second apart, then a thousand


def camera(i, focal=80.0, **changes):
    """Frame i's camera: turned by 10 i + 10 degrees about y, OpenGL axes."""
    x, y, z, w = turn(10 * i + 10)
    pose = np.eye(4)
    pose[:3, :3] = matrix_from_quaternion(np.array([w, x, y, z]))
    pose[:3, 3] = 0.1 * i, 1.4, -0.2
    rows = {f"t_{r}{c}": float(pose[r, c]) for r in range(3) for c in range(4)}
    told = {
        "fx": focal + i,
        "fy": focal + 1,
        "cx": 48.0,
        "cy": 36.0,
        "width": SIZE[0],
        "height": SIZE[1],
        "blur_score": 115.28,
        "timestamp": STAMPS[i],
        **rows,
        **changes,
    }
    return json.dumps(told)


def png(image):
    return cv2.imencode(".png", image)[1].tobytes()


def jpeg(i):
    return cv2.imencode(".jpg", colour(i)[:, :, ::-1])[1].tobytes()


def raw(corrected=(), plain=(0, 1, 2)):
    """The files of an export. Corrected cameras have a focal length of 90 and more; corrected
    pictures are those of frame + 3."""
    files = {"mesh_info.json": "{}", "raw.glb": b"", "thumbnail.jpg": jpeg(0)}
    sure = np.zeros((H, W), np.uint8)
    sure[:, 1:], sure[:, 2:] = 127, 255
    for i in plain:
        files[f"keyframes/cameras/{STAMPS[i]}.json"] = camera(i)
        files[f"keyframes/images/{STAMPS[i]}.jpg"] = jpeg(i)
        files[f"keyframes/depth/{STAMPS[i]}.png"] = png(depth(i))
        files[f"keyframes/confidence/{STAMPS[i]}.png"] = png(sure)
    for i in corrected:
        files[f"keyframes/corrected_cameras/{STAMPS[i]}.json"] = camera(i, 90.0)
        files[f"keyframes/corrected_images/{STAMPS[i]}.jpg"] = jpeg(i + 3)
    return files


def test_plain_frames_are_read_with_every_value_as_it_was_written(tmp_path):
    capture = open_capture(laid(tmp_path / "a", raw()))
    assert capture.layout == "polycam"
    assert capture.up.tolist() == [0, 1, 0]
    assert not [w for w in capture.warnings if "left out" in w or "optimised" in w]
    frames = list(capture.frames())
    assert len(capture) == len(frames) == 3
    for i, frame in enumerate(frames):
        angle = np.radians(10 * i + 10)
        pose = frame.world_from_camera
        assert pose[:3, 3] == pytest.approx([0.1 * i, 1.4, -0.2])
        # OpenGL's camera looks along its -z, with y up; ours along z, with y down.
        assert pose[:3, 2] == pytest.approx([-np.sin(angle), 0, -np.cos(angle)], abs=1e-6)
        assert pose[:3, 1] == pytest.approx([0, -1, 0], abs=1e-6)
        assert frame.depth.shape == (H, W)
        assert frame.depth[5, 5] == pytest.approx(1 + i / 1000)
        assert frame.depth[0, 0] == 0
        assert frame.confidence[4, :3].tolist() == [0, 1, 2]
        assert frame.colour_intrinsics.fx == 80 + i
        assert frame.colour_intrinsics.fy == 81
        assert frame.depth_intrinsics.fx == pytest.approx((80 + i) / 3)
        assert frame.depth_intrinsics.cx == pytest.approx(48.5 / 3 - 0.5)
        assert np.abs(frame.colour.astype(int) - colour(i)).mean() < 3
    assert [f.time - frames[0].time for f in frames] == pytest.approx([0, 0.5, 1001])


def test_corrected_frames_are_preferred_each_with_its_own_camera(tmp_path):
    capture = open_capture(laid(tmp_path / "all", raw(corrected=(0, 1, 2))))
    assert not [w for w in capture.warnings if "optimised" in w]
    frames = list(capture.frames())
    assert [f.colour_intrinsics.fx for f in frames] == [90, 91, 92]
    reds = [f.colour[..., 0].mean() for f in frames]
    assert reds == pytest.approx([130, 160, 190], abs=3)
    capture = open_capture(laid(tmp_path / "some", raw(corrected=(0, 2))))
    assert [f.colour_intrinsics.fx for f in capture.frames()] == [90, 81, 92]
    assert any("1 of 3 frames have no optimised pose" in w for w in capture.warnings)


def test_a_corrected_camera_without_its_picture_counts_for_nothing(tmp_path):
    """Its intrinsics are those of a picture that is not there."""
    files = raw(corrected=(0, 1, 2))
    del files[f"keyframes/corrected_images/{STAMPS[1]}.jpg"]
    capture = open_capture(laid(tmp_path, files))
    frames = list(capture.frames())
    assert [f.colour_intrinsics.fx for f in frames] == [90, 81, 92]
    assert frames[1].colour[..., 0].mean() == pytest.approx(70, abs=3)


def test_corrected_frames_need_no_plain_ones(tmp_path):
    files = {
        n: d for n, d in raw((0, 1, 2)).items() if "/cameras/" not in n and "/images/" not in n
    }
    frames = list(open_capture(laid(tmp_path, files)).frames())
    assert [f.colour_intrinsics.fx for f in frames] == [90, 91, 92]


def test_frames_that_lack_a_part_are_left_out_and_counted(tmp_path):
    files = raw(plain=(0, 1, 2))
    del files[f"keyframes/depth/{STAMPS[1]}.png"]
    del files[f"keyframes/confidence/{STAMPS[2]}.png"]
    capture = open_capture(laid(tmp_path, files))
    frames = list(capture.frames())
    assert [f.colour_intrinsics.fx for f in frames] == [80, 82]
    assert any(
        f"1 of 3 frames left out: {STAMPS[1]} lacks its depth" in w for w in capture.warnings
    )
    assert [f.confidence is None for f in frames] == [False, True]
    assert any("lacks the images of 1 of 2" in w for w in capture.warnings)


def test_pictures_may_be_absent_and_then_corrected_cameras_stand_alone(tmp_path):
    files = {n: d for n, d in raw((0, 1, 2)).items() if "images/" not in n}
    frames = list(open_capture(laid(tmp_path, files)).frames())
    assert all(f.colour is None for f in frames)
    assert [f.depth_intrinsics.fx for f in frames] == pytest.approx([30, 91 / 3, 92 / 3])


def test_without_depth_the_pictures_and_their_poses_are_left(tmp_path):
    files = {n: d for n, d in raw((0, 1, 2)).items() if "depth" not in n and "conf" not in n}
    photos = open_capture(laid(tmp_path, files))
    assert isinstance(photos, Photos)
    assert (photos.layout, photos.size, photos.ordered, photos.metric) == (
        "polycam",
        SIZE,
        True,
        True,
    )
    assert photos.camera.fx == 91  # the middle one
    assert photos.poses[2, :3, 3] == pytest.approx([0.2, 1.4, -0.2])
    assert [p[..., 0].mean() for p in photos.pictures()] == pytest.approx([130, 160, 190], abs=3)


def test_the_export_is_read_as_it_comes_or_from_its_keyframes(tmp_path):
    files = raw()
    whole = open_capture(laid(tmp_path / "a", files))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(f"my scan/{name}", data)
    for path in (tmp_path / "b.zip", tmp_path / "a/keyframes"):
        for got, want in zip(open_capture(path).frames(), whole.frames(), strict=True):
            assert np.array_equal(got.depth, want.depth)
            assert np.array_equal(got.colour, want.colour)
            assert np.array_equal(got.world_from_camera, want.world_from_camera)


def test_other_cameras_in_json_are_not_taken_for_polycams(tmp_path):
    laid(tmp_path, {"cameras/1.json": '{"fx": 1}', "depth/1.png": png(depth(0))})
    assert "an unknown layout" in refusal(tmp_path)


def test_the_camera_is_in_the_files(tmp_path):
    with pytest.raises(UsageError, match="leave the option out"):
        open_capture(laid(tmp_path, raw()), parse("80,80,48,36"))


BAD = {
    "a NaN pose": ({"t_13": float("nan")}, "t_13"),
    "a far pose": ({"t_13": 5000.0}, "metres"),
    "a scaled pose": ({"t_00": 2.0}, "not a camera pose"),
    "a pose of text": ({"t_13": "up"}, "t_13"),
    "no focal length": ({"fx": None}, "fx"),
    "a bad focal length": ({"fy": -1.0}, "focal lengths"),
    "a camera for another size": ({"cx": 480.0}, "the principal point"),
    "a picture on its side": (
        {"width": SIZE[1], "height": SIZE[0], "cx": 36.0, "cy": 48.0},
        "do not show the same view",
    ),
    "a huge picture": ({"width": 9600000, "height": 7200000}, "is not between 1 and"),
    "no picture": ({"width": 0, "height": 0}, "is not between 1 and"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_camera(tmp_path, kind):
    changes, says = BAD[kind]
    name = f"keyframes/cameras/{STAMPS[1]}.json"
    message = refusal(laid(tmp_path, {**raw(), name: camera(1, **changes)}))
    assert name in message
    assert says in message


@pytest.mark.parametrize("text", ["", "{", "[]", '"t_00"\xff', "{} {}"])
def test_a_camera_that_is_no_json(tmp_path, text):
    name = f"keyframes/cameras/{STAMPS[1]}.json"
    assert name in refusal(laid(tmp_path, {**raw(), name: text.encode("latin-1")}))


@pytest.mark.parametrize(
    ("folder", "data", "says"),
    [
        ("depth", png(depth(1))[:-20], "truncated"),
        ("depth", png(np.full((H, W), 9, np.uint8)), "8 bits"),
        ("depth", png(np.full((W, H), 900, np.uint16)), "among others of 32x24"),
        ("confidence", png(np.full((H, W), 2, np.uint8)), "must be 0, 127 or 255"),
        ("confidence", png(np.full((W, H), 127, np.uint8)), "depth image's size"),
        ("confidence", png(np.full((H, W), 127, np.uint16)), "16 bits"),
    ],
)
def test_a_bad_image(tmp_path, folder, data, says):
    name = f"keyframes/{folder}/{STAMPS[1]}.png"
    message = refusal(laid(tmp_path, {**raw(), name: data}))
    assert str(STAMPS[1]) in message
    assert says in message


def test_depth_in_another_unit_is_told(tmp_path):
    files = raw()
    for stamp in STAMPS:
        image = np.full((H, W), 50000, np.uint16)
        files[f"keyframes/depth/{stamp}.png"] = png(image)
    assert any("millimetres" in w for w in open_capture(laid(tmp_path, files)).warnings)


def test_a_bad_archive(tmp_path):
    for name, data in (("a.zip", None), ("b.zip", b"x")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member, content in raw().items():
                archive.writestr(member, content)
            if data:
                archive.writestr("keyframes/../../evil", data)
    assert "do not trust this file" in refusal(tmp_path / "b.zip")
    whole = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(whole[:-200])
    assert "cut short" in refusal(tmp_path / "a.zip")
