"""Each layout is read with its quirks."""

import json

import cv2
import numpy as np
import pytest
from captures import (
    DEPTH,
    SIZE,
    K,
    colour,
    sample,
    without_pictures,
    write_seven,
    write_stray,
    write_video,
)

from cousins import plugins
from cousins.capture import open_capture, readers
from cousins.capture.camera import parse
from cousins.errors import PluginError
from cousins.types import Capture


def test_stray_frames_carry_pose_depth_colour_and_confidence(tmp_path):
    capture = open_capture(write_stray(tmp_path / "c"))
    assert capture.layout == "stray-scanner"
    assert len(capture) == 5
    assert capture.up is not None
    assert capture.up.tolist() == [0, 1, 0]
    assert not [w for w in capture.warnings if "confidence" in w]
    frames = list(capture.frames())
    assert [f.index for f in frames] == [0, 1, 2, 3, 4]
    for i, frame in enumerate(frames):
        angle = np.radians(10 * i)
        assert frame.world_from_camera[:3, 3] == pytest.approx([0.1 * i, 1.4, -0.2])
        assert frame.world_from_camera[:3, 2] == pytest.approx(
            [np.sin(angle), 0, np.cos(angle)], abs=1e-6
        )
        assert frame.depth.dtype == np.float32
        assert frame.depth.shape == (DEPTH[1], DEPTH[0])
        assert frame.depth[5, 5] == pytest.approx(1 + i / 1000)
        assert frame.depth[0, 0] == 0
        assert frame.confidence is not None
        assert (frame.confidence == i % 3).all()
        assert np.abs(frame.colour.astype(int) - colour(i)).mean() < 6
        assert frame.time == pytest.approx(i / 30, abs=1e-6)


def test_the_camera_matrix_is_for_the_video_and_scaled_to_depth(tmp_path):
    frame = next(open_capture(write_stray(tmp_path / "c")).frames())
    assert (frame.colour_intrinsics.width, frame.colour_intrinsics.height) == SIZE
    assert np.array_equal(frame.colour_intrinsics.matrix, K)
    assert frame.depth_intrinsics.fx == pytest.approx(80 / 3)
    # A third of the size: pixel centres lie at integers, so the centre moves by (c + 1/2)/3 - 1/2.
    assert frame.depth_intrinsics.cx == pytest.approx(48.5 / 3 - 0.5)


def test_newer_stray_rows_give_the_lens_and_may_leave_it_empty(tmp_path):
    lens = ["81.0, 82.0, 47.0, 35.0", ", , , ", "83.0, 83.0, 48.0, 36.0"]
    frames = list(open_capture(write_stray(tmp_path / "c", 3, lens=lens)).frames())
    assert [f.colour_intrinsics.fx for f in frames] == [81, 80, 83]
    assert frames[0].colour_intrinsics.fy == 82


def test_the_first_version_of_stray_wrote_arrays_and_poses_alone(tmp_path):
    path = write_stray(tmp_path / "c", confidence=False)
    want = list(open_capture(path).frames())
    for file in (path / "depth").iterdir():
        np.save(file.with_suffix(".npy"), cv2.imread(str(file), cv2.IMREAD_UNCHANGED))
        file.unlink()
    lines = (path / "odometry.csv").read_text().splitlines()
    rows = [", ".join(line.split(", ")[2:]) for line in lines]
    (path / "odometry.csv").write_text("\n".join(rows))
    for got, same in zip(open_capture(path).frames(), want, strict=True):
        assert np.array_equal(got.depth, same.depth)
        assert np.array_equal(got.colour, same.colour)
        assert np.array_equal(got.world_from_camera, same.world_from_camera)


def test_numbers_with_gaps_take_the_picture_of_their_number(tmp_path):
    capture = open_capture(write_stray(tmp_path / "c", numbers=[0, 2, 4], pictures=6))
    frames = list(capture.frames())
    assert [f.index for f in frames] == [0, 1, 2]
    reds = [f.colour[..., 0].mean() for f in frames]
    assert reds == pytest.approx([40, 100, 160], abs=8)


def test_a_video_may_end_one_picture_early_or_late(tmp_path):
    late = open_capture(write_stray(tmp_path / "late", 5, pictures=6))
    assert len(list(late.frames())) == 5
    early = open_capture(write_stray(tmp_path / "early", 5, pictures=4))
    assert len(early) == len(list(early.frames())) == 4
    assert any("one picture early" in w for w in early.warnings)


def test_confidence_may_be_absent(tmp_path):
    capture = open_capture(write_stray(tmp_path / "none", confidence=False))
    assert all(f.confidence is None for f in capture.frames())
    path = write_stray(tmp_path / "some")
    (path / "confidence/000002.png").unlink()
    capture = open_capture(path)
    assert [f.confidence is None for f in capture.frames()] == [False, False, True, False, False]
    assert any("confidence/ lacks the images of 1 of 5" in w for w in capture.warnings)


def test_stray_may_come_without_its_video(tmp_path):
    pictured = open_capture(write_stray(tmp_path / "with"))
    path = without_pictures(write_stray(tmp_path / "without"))
    capture = open_capture(path)
    assert capture.layout == "stray-scanner"
    assert not capture.warnings
    for got, want in zip(capture.frames(), pictured.frames(), strict=True):
        assert got.colour is None
        assert got.colour_intrinsics == got.depth_intrinsics
        assert np.allclose(got.depth_intrinsics.matrix, want.depth_intrinsics.matrix, rtol=1e-12)
        assert np.array_equal(got.depth, want.depth)
        assert np.array_equal(got.confidence, want.confidence)
        assert np.array_equal(got.world_from_camera, want.world_from_camera)
    small = next(pictured.frames()).depth_intrinsics  # a matrix for depth itself is taken as well
    np.savetxt(path / "camera_matrix.csv", small.matrix, delimiter=",")
    assert next(open_capture(path).frames()).depth_intrinsics == small


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_seven_scenes_frames_may_have_gaps_and_know_no_up(tmp_path, suffix):
    capture = open_capture(write_seven(tmp_path / "c", suffix=suffix))
    assert capture.layout == "7-scenes"
    assert capture.up is None
    frames = list(capture.frames())
    assert [f.index for f in frames] == [0, 1, 2]
    assert [f.world_from_camera[0, 3] for f in frames] == pytest.approx([0, 0.05, 0.1])
    assert frames[1].depth[9, 9] == pytest.approx(0.905)
    assert frames[1].depth[0, :2].tolist() == [0, 0]  # 0 and 65535 both mean unknown
    assert frames[1].depth_intrinsics.fx == 80
    assert frames[1].confidence is None
    assert np.abs(frames[1].colour.astype(int) - colour(5)).mean() < 3


def test_a_layout_without_a_camera_takes_one_that_is_told(tmp_path):
    path = write_seven(tmp_path / "c")
    want = next(open_capture(path).frames()).depth_intrinsics
    (path / "camera-intrinsics.txt").unlink()
    assert next(open_capture(path, parse("80,80,48,36")).frames()).depth_intrinsics == want
    # For pictures of twice the size, whose centres lie elsewhere.
    told = {
        "fx": 160,
        "fy": 160,
        "cx": 96.5,
        "cy": 72.5,
        "width": 2 * SIZE[0],
        "height": 2 * SIZE[1],
    }
    (path / "camera.json").write_text(json.dumps(told))
    assert next(open_capture(path).frames()).depth_intrinsics == want


def test_seven_scenes_may_come_without_pictures(tmp_path):
    path = write_seven(tmp_path / "c")
    pictured = list(open_capture(path).frames())
    for file in path.glob("*.color.jpg"):
        file.unlink()
    capture = open_capture(path)
    assert capture.layout == "7-scenes"
    for got, want in zip(capture.frames(), pictured, strict=True):
        assert got.colour is None
        assert got.colour_from_depth is None
        assert got.depth_intrinsics == got.colour_intrinsics == want.depth_intrinsics
        assert np.array_equal(got.depth, want.depth)
        assert got.time == want.time


def test_one_empty_depth_image_is_skipped_with_a_warning(tmp_path):
    path = write_stray(tmp_path / "c")
    cv2.imwrite(str(path / "depth/000001.png"), np.zeros((DEPTH[1], DEPTH[0]), np.uint16))
    capture = open_capture(path)
    frames = list(capture.frames())
    assert len(capture) == len(frames) == 4
    assert [f.index for f in frames] == [0, 1, 2, 3]
    assert np.array_equal([f.world_from_camera for f in frames], capture.poses)
    assert frames[1].colour[..., 0].mean() == pytest.approx(100, abs=8)  # picture 2, not 1
    assert any("000001.png" in w and "skipped" in w for w in capture.warnings)


def test_frames_start_anew_at_each_call_and_are_streamed(tmp_path):
    capture = open_capture(write_stray(tmp_path / "c"))
    first, second = capture.frames(), capture.frames()
    assert iter(first) is first  # an iterator, not a list
    assert next(first).index == 0
    assert next(first).index == 1
    assert next(second).index == 0
    first.close()  # type: ignore[attr-defined]


def test_the_sum_follows_contents_and_names_and_nothing_else(tmp_path):
    a = open_capture(write_seven(tmp_path / "a")).sha256
    assert open_capture(write_seven(tmp_path / "b")).sha256 == a
    (tmp_path / "b/notes.txt").write_text("not part of the capture")
    assert open_capture(tmp_path / "b").sha256 == a
    pose = tmp_path / "b/frame-000005.pose.txt"
    pose.write_text(pose.read_text() + "\n")
    assert open_capture(tmp_path / "b").sha256 != a
    assert open_capture(write_seven(tmp_path / "c", (0, 5, 11))).sha256 != a


def test_poses_are_made_exactly_orthonormal(tmp_path):
    path = write_seven(tmp_path / "c")
    pose = np.eye(4)
    pose[:3, :3] += 2e-4
    np.savetxt(path / "frame-000005.pose.txt", pose)
    rotation = open_capture(path).poses[1, :3, :3]
    assert np.abs(rotation.T @ rotation - np.eye(3)).max() < 1e-12


def test_a_jump_of_the_camera_is_a_warning(tmp_path):
    path = write_seven(tmp_path / "c", range(6))
    pose = np.eye(4)
    pose[0, 3] = 3.0
    np.savetxt(path / "frame-000004.pose.txt", pose)
    capture = open_capture(path)
    assert any("jumps" in w and "frame-000004" in w for w in capture.warnings)


def test_depth_in_another_unit_is_a_warning(tmp_path):
    path = write_seven(tmp_path / "c")
    for file in path.glob("*.depth.png"):
        cv2.imwrite(str(file), np.full((SIZE[1], SIZE[0]), 50000, np.uint16))
    assert any("millimetres" in w for w in open_capture(path).warnings)


def test_a_third_partys_reader_is_asked_too(tmp_path):
    class Mine:
        layout = "mine"

        def missing(self, files):
            return [] if "mine.txt" in files else ["mine.txt"]

        def __call__(self, files, lens=None):
            return Capture(files.path, self.layout, np.eye(4)[None], None, "0", lambda: iter(()))

    (tmp_path / "mine.txt").touch()
    assert open_capture(tmp_path, among=[*readers(), Mine()]).layout == "mine"


def test_installed_packages_bring_readers(monkeypatch):
    """How they are found is tested with the plug-ins; here, that they are asked and checked."""

    class Mine:
        layout = "mine"

        def missing(self, path):
            return ["mine.txt"]

        def __call__(self, path):
            raise AssertionError

    ours = [r.layout for r in readers()]
    found = {"mine": Mine()}
    monkeypatch.setattr(plugins, "load", lambda group: found)
    # After ours, but for photos and videos, of which other layouts hold some as well.
    assert [r.layout for r in readers()] == [*ours[:-2], "mine", *ours[-2:]]
    for wrong in (Mine, "a string"):  # the class: somebody forgot the brackets
        found["mine"] = wrong
        with pytest.raises(PluginError, match="'mine'"):
            readers()


def test_a_turned_video_is_read_as_its_pixels_lie(tmp_path):
    """Depth is stored unturned, so a rotation flag in the video must not turn the pictures."""
    path = write_stray(tmp_path / "c", 2)
    half = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    half[: SIZE[1] // 2] = 255
    write_video(path / "rgb.mp4", [half, half])
    data = bytearray((path / "rgb.mp4").read_bytes())
    # The track header's display matrix: identity to a quarter turn.
    unit = bytes.fromhex("00010000" + "00000000" * 3 + "00010000")
    turned = bytes.fromhex("0000000000010000" + "00000000" + "ffff0000" + "00000000")
    at = data.find(unit, data.find(b"tkhd"))
    assert at > 0
    data[at : at + 20] = turned
    (path / "rgb.mp4").write_bytes(data)
    picture = next(open_capture(path).frames()).colour
    assert picture.shape == (SIZE[1], SIZE[0], 3)
    assert picture[5].mean() > 200
    assert picture[-5].mean() < 50


def test_the_simulated_sample_is_read():
    capture = open_capture(sample("ycb_spread"))
    assert len(capture) == 90
    assert not capture.warnings
    frame = next(capture.frames())
    assert frame.colour.shape == (720, 960, 3)
    assert 0.3 < np.median(frame.depth[frame.depth > 0]) < 2


def test_the_real_kinect_sample_is_read():
    capture = open_capture(sample("redkitchen_7scenes"))
    assert len(capture) == 200
    assert capture.up is None
    frame = next(capture.frames())
    assert frame.depth.shape == (480, 640)
    assert 0.5 < np.median(frame.depth[frame.depth > 0]) < 4
