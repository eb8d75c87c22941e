"""ARKitScenes' layout, with its quirks."""

import cv2
import numpy as np
import pytest
from captures import refusal
from scipy.spatial.transform import Rotation

from cousins.capture import open_capture
from cousins.capture.camera import parse
from cousins.errors import UsageError

VIDEO = "47333462"


def write(path, times=(7.0, 7.1, 7.2), poses=None, size=(32, 24), pictured=True):
    """A folder as Apple's script downloads it. poses: (time, camera-to-world) pairs."""
    for name in ("lowres_depth", "lowres_wide", "lowres_wide_intrinsics", "confidence"):
        (path / name).mkdir(parents=True)
    for i, time in enumerate(times):
        name = f"{VIDEO}_{time:.3f}"
        shape = size[::-1]
        cv2.imwrite(str(path / f"lowres_depth/{name}.png"), np.full(shape, 1500 + i, np.uint16))
        cv2.imwrite(str(path / f"confidence/{name}.png"), np.full(shape, i % 3, np.uint8))
        if pictured:
            red = np.full((*shape, 3), (10, 20, 50 * i), np.uint8)
            cv2.imwrite(str(path / f"lowres_wide/{name}.png"), red)
        (path / f"lowres_wide_intrinsics/{name}.pincam").write_text(
            f"{size[0]} {size[1]} {26 + i} 27.5 15.5 11.5"
        )
    poses = [(t, pose(t)) for t in times] if poses is None else poses
    lines = []
    for time, world_from_camera in poses:
        inverse = np.linalg.inv(world_from_camera)
        turn = Rotation.from_matrix(inverse[:3, :3]).as_rotvec()
        numbers = " ".join(f"{v:.8f}" for v in (*turn, *inverse[:3, 3]))
        lines.append(f"{time:.5f} {numbers}")
    (path / "lowres_wide.traj").write_text("\n".join(lines) + "\n")
    return path


def pose(time):
    """A camera 1.4 m up, walking along x at 0.5 m/s, looking down by 30 degrees and turning."""
    out = np.eye(4)
    down = Rotation.from_euler("x", -120, degrees=True)  # from looking up to looking along y
    out[:3, :3] = (Rotation.from_euler("z", 20 * (time - 7), degrees=True) * down).as_matrix()
    out[:3, 3] = 0.5 * (time - 7), 0.2, 1.4
    return out


def test_frames_carry_the_pose_camera_and_images_of_their_time(tmp_path):
    capture = open_capture(write(tmp_path / VIDEO))
    assert capture.layout == "arkitscenes"
    assert not capture.warnings
    assert capture.up is not None
    assert capture.up.tolist() == [0, 0, 1]
    frames = list(capture.frames())
    assert [f.time for f in frames] == [7.0, 7.1, 7.2]
    for i, frame in enumerate(frames):
        assert np.allclose(frame.world_from_camera, pose(7 + i / 10), atol=1e-6)
        assert frame.world_from_camera[2, 2] == pytest.approx(-0.5, abs=1e-6)  # it looks down
        assert frame.depth[3, 3] == pytest.approx(1.5 + i / 1000)
        assert frame.depth_intrinsics.fx == frame.colour_intrinsics.fx == 26 + i
        assert frame.depth_intrinsics.fy == 27.5
        assert frame.colour[0, 0].tolist() == [50 * i, 20, 10]
        assert (frame.confidence == i).all()


def test_poses_are_interpolated_between_ten_a_second(tmp_path):
    times = [7.0, 7.017, 7.033, 7.05, 7.067, 7.083, 7.1]
    path = write(tmp_path / VIDEO, times, [(t, pose(t)) for t in (7.0, 7.1)])
    for frame in open_capture(path).frames():
        assert np.allclose(frame.world_from_camera, pose(frame.time), atol=1e-6)


def test_frames_where_tracking_was_lost_are_left_out(tmp_path):
    times = [7.0, 7.1, 7.2, 7.3, 7.4, 7.5]
    known = [(t, pose(t)) for t in (7.0, 7.1, 7.4, 7.4999)]  # the last of a rounded time
    capture = open_capture(write(tmp_path / VIDEO, times, known))
    assert [f.time for f in capture.frames()] == [7.0, 7.1, 7.4, 7.5]
    assert capture.warnings == (
        f"{tmp_path}/{VIDEO}/lowres_depth/{VIDEO}_7.200.png: tracking was lost there: frame left"
        " out (2 such of 6)",
    )


def test_names_of_one_frame_may_be_a_millisecond_apart(tmp_path):
    path = write(tmp_path / VIDEO)
    for folder, end in (("lowres_wide", "png"), ("lowres_wide_intrinsics", "pincam")):
        (path / folder / f"{VIDEO}_7.100.{end}").rename(path / folder / f"{VIDEO}_7.101.{end}")
    capture = open_capture(path)
    assert not capture.warnings
    assert [f.colour[0, 0, 0] for f in capture.frames()] == [0, 50, 100]


def test_a_frame_without_its_companions_is_left_out(tmp_path):
    path = write(tmp_path / VIDEO)
    (path / f"lowres_wide/{VIDEO}_7.000.png").unlink()
    (path / f"lowres_wide_intrinsics/{VIDEO}_7.200.pincam").unlink()
    (path / f"confidence/{VIDEO}_7.100.png").unlink()
    capture = open_capture(path)
    (frame,) = capture.frames()
    assert frame.time == 7.1
    assert frame.confidence is None
    assert len(capture.warnings) == 2  # of one view it is told, too
    assert "lacks its picture or its camera: frame left out (2 such of 3)" in capture.warnings[0]


def test_it_may_come_without_pictures(tmp_path):
    capture = open_capture(write(tmp_path / VIDEO, pictured=False))
    assert [f.colour for f in capture.frames()] == [None] * 3


def test_a_camera_that_is_told_is_refused(tmp_path):
    with pytest.raises(UsageError, match="lowres_wide_intrinsics gives the camera already"):
        open_capture(write(tmp_path / VIDEO), parse("26,26,15.5,11.5"))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("7.1 nan 0 0 0 0 0", "line 2: expected 7 numbers, none NaN"),
        ("7.1 0 0 0 0 0", "line 2: expected 7 numbers"),
        ("7.1 0 0 0 0 0 abc", "line 2: expected 7 numbers"),
        ("7.1 0 0 0 0 0 5000", "line 2: not a camera pose"),
    ],
)
def test_a_trajectory_that_is_none(tmp_path, line, says):
    path = write(tmp_path / VIDEO)
    file = path / "lowres_wide.traj"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], line, lines[2]]))
    assert f"lowres_wide.traj {says}" in refusal(path)


def test_an_empty_trajectory_and_one_of_another_time(tmp_path):
    path = write(tmp_path / VIDEO)
    file = path / "lowres_wide.traj"
    text = file.read_text()
    file.write_text("")
    assert "holds no poses" in refusal(path)
    file.write_text(text.replace("\n7.", "\n97.").replace("7.00000", "97.00000", 1))
    assert "no frame is whole" in refusal(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("24 32 26 26 11.5 15.5", "do not show the same view"),  # swapped
        ("0 0 26 26 15.5 11.5", "begins with no size"),
        ("32 24 nan 26 15.5 11.5", "focal lengths"),
        ("32 24 26 26 15.5", "expected 1 rows of 6 numbers"),
        ("1920 1440 26 26 15.5 11.5", "principal point"),
    ],
)
def test_a_camera_that_is_none(tmp_path, text, says):
    path = write(tmp_path / VIDEO)
    (path / f"lowres_wide_intrinsics/{VIDEO}_7.100.pincam").write_text(text)
    assert says in refusal(path)


def test_a_truncated_depth_image(tmp_path):
    path = write(tmp_path / VIDEO)
    file = path / f"lowres_depth/{VIDEO}_7.100.png"
    file.write_bytes(file.read_bytes()[:-9])
    assert "7.100.png: a truncated PNG" in refusal(path)
