"""TUM RGB-D's layout, with its quirks."""

import captures
import cv2
import numpy as np
import pytest

from cousins.capture import open_capture
from cousins.capture.camera import parse

START = 1305031102.0
LENS = parse("26,27,15.5,11.5")
SIZE = (32, 24)


def quaternion(degrees):
    """About z, x y z w."""
    half = np.radians(degrees) / 2
    return 0.0, 0.0, np.sin(half), np.cos(half)


def write(path, depths=(0.0, 0.033), colours=(0.01, 0.04), poses=None):
    """A sequence as the benchmark's archives hold it. All times in seconds after START."""
    (path / "depth").mkdir(parents=True)
    (path / "rgb").mkdir()
    lines = {"depth.txt": ["# depth maps"], "rgb.txt": ["# color images"], "groundtruth.txt": ["#"]}
    for i, time in enumerate(depths):
        image = np.full(SIZE[::-1], 5000 + 500 * i, np.uint16)
        image[0, 0] = 0
        name = f"depth/{START + time:.6f}.png"
        cv2.imwrite(str(path / name), image)
        lines["depth.txt"].append(f"{START + time:.6f} {name}")
    for i, time in enumerate(colours):
        name = f"rgb/{START + time:.6f}.png"
        cv2.imwrite(str(path / name), np.full((*SIZE[::-1], 3), (3, 2, 50 + i), np.uint8))
        lines["rgb.txt"].append(f"{START + time:.6f} {name}")
    if poses is None:
        poses = [(t, (t, 0.5, 1.5, *quaternion(100 * t))) for t in np.arange(-0.1, 0.3, 0.01)]
    for time, numbers in poses:
        told = " ".join(f"{v:.6f}" for v in numbers)
        lines["groundtruth.txt"].append(f"{START + time:.4f} {told}")
    for name, rows in lines.items():
        (path / name).write_text("\n".join(rows) + "\n")
    return path


def refusal(path, lens=LENS):
    return captures.refusal(path, lens)


def test_a_frame_has_the_nearest_picture_and_the_pose_of_its_depth(tmp_path):
    path = write(tmp_path / "c", colours=(-0.012, 0.008, 0.024, 0.042))
    capture = open_capture(path, LENS)
    assert capture.layout == "tum-rgbd"
    assert capture.up is None
    frames = list(capture.frames())
    assert [f.colour[0, 0, 0] for f in frames] == [51, 52]
    assert frames[0].depth[5, 5] == pytest.approx(1.0)
    assert frames[1].depth[5, 5] == pytest.approx(1.1)
    assert frames[1].depth[0, 0] == 0
    angle = np.radians(3.3)  # between the poses at 30 and 40 ms
    assert frames[1].world_from_camera[:3, 3] == pytest.approx([0.033, 0.5, 1.5], abs=2e-6)
    assert frames[1].world_from_camera[:2, 0] == pytest.approx(
        [np.cos(angle), np.sin(angle)], abs=1e-5
    )
    assert frames[0].depth_intrinsics.fy == frames[0].colour_intrinsics.fy == 27


def test_a_frame_without_a_pose_or_a_picture_is_left_out_and_counted(tmp_path):
    turned = quaternion(0)
    poses = [(t, (0, 0, 0, *turned)) for t in (0.0, 0.05, 0.3, 1.3, 1.4)]
    depths = (0.0, 0.04, 0.2, 0.8, 1.31, 1.35, 1.415)
    capture = open_capture(
        write(tmp_path / "c", depths, colours=(0.0, 0.03, 0.2, 0.8, 1.34, 1.43), poses=poses), LENS
    )
    # 0.2 and 0.8: no pose for 0.25 s and longer. 1.31: no picture for 20 ms. 1.415: just past.
    assert [f.time - START for f in capture.frames()] == pytest.approx([0, 0.04, 1.35, 1.415])
    assert "has no pose near its time: frame left out (2 such of 7)" in capture.warnings[0]
    assert "no picture within 20 ms of it: frame left out (1 such of 7)" in capture.warnings[1]


def test_the_camera_must_be_told_whatever_the_folder_is_called(tmp_path):
    path = write(tmp_path / "rgbd_dataset_freiburg1_desk")
    message = refusal(path, None)
    assert "TUM RGB-D tells nothing of its camera" in message
    assert "--intrinsics" in message
    (path / "camera.json").write_text('{"fx": 26, "fy": 27, "cx": 15.5, "cy": 11.5}')
    assert next(open_capture(path).frames()).depth_intrinsics.fx == 26


def test_it_may_come_without_pictures(tmp_path):
    path = write(tmp_path / "c")
    (path / "rgb.txt").unlink()
    assert [f.colour for f in open_capture(path, LENS).frames()] == [None, None]


@pytest.mark.parametrize(
    ("name", "line", "says"),
    [
        ("groundtruth.txt", "1305031102.0 0 0 0 0 0 0", "line 4: expected 8 numbers"),
        ("groundtruth.txt", "1305031102.0 0 nan 0 0 0 0 1", "line 4: expected 8 numbers, none NaN"),
        ("groundtruth.txt", "1305031102.0 0 0 0 0 0 0 2", "line 4: not a camera pose"),
        ("depth.txt", "nan depth/1.png", "line 4: expected a time and a file"),
        ("depth.txt", "1305031102.0", "line 4: expected a time and a file"),
        ("depth.txt", "1305031102.1 ../../secret.png", "leaves"),
        ("rgb.txt", "1305031102.001 /etc/passwd", "'/etc/passwd'"),
        ("depth.txt", "1305031102.05 depth/none.png", "is missing"),
    ],
)
def test_a_bad_line_names_its_file(tmp_path, name, line, says):
    path = write(tmp_path / "c")
    lines = (path / name).read_text().splitlines()[:3]
    (path / name).write_text("\n".join([*lines, line]))
    message = refusal(path)
    assert name in message or "depth/none.png" in message
    assert says in message


def test_times_of_two_clocks(tmp_path):
    path = write(tmp_path / "c")
    file = path / "groundtruth.txt"
    file.write_text(file.read_text().replace("13050311", "15"))
    assert "their times must be of one clock" in refusal(path)


def test_lists_that_list_nothing(tmp_path):
    path = write(tmp_path / "c")
    (path / "rgb.txt").write_text("# nothing\n")
    assert "rgb.txt: lists no images" in refusal(path)
