"""One RGB-D image in image files."""

import json
import os
import struct

import captures
import cv2
import numpy as np
import pytest

from cousins.capture import open_capture
from cousins.capture.camera import parse

LENS = parse("28,28,15.5,11.5")
SIZE = (32, 24)


def write(path, depth="depth.png", colour="rgb.jpg"):
    path.mkdir()
    if depth.endswith("png"):
        cv2.imwrite(str(path / depth), np.full(SIZE[::-1], 1234, np.uint16))
    else:
        np.save(path / depth, np.full(SIZE[::-1], 1.234, np.float32))
    if colour:
        cv2.imwrite(str(path / colour), np.full((48, 64, 3), (10, 90, 200), np.uint8))
    return path


def refusal(path, lens=LENS):
    return captures.refusal(path, lens)


@pytest.mark.parametrize("depth", ["depth.png", "depth.npy", "0007_depth.png", "Depth-0007.png"])
@pytest.mark.parametrize("colour", ["rgb.jpg", "colour.png", "0007.jpeg"])
def test_two_images_make_a_frame(tmp_path, depth, colour):
    capture = open_capture(write(tmp_path / "c", depth, colour), LENS)
    assert capture.layout == "single-image"
    assert capture.up is None
    assert np.array_equal(capture.poses, np.eye(4)[None])
    assert any("one view" in w for w in capture.warnings)
    (frame,) = capture.frames()
    assert frame.depth[5, 5] == pytest.approx(1.234)
    assert frame.depth_intrinsics.fx == 28
    assert frame.colour_intrinsics.fx == 56  # its picture is twice as wide
    assert np.abs(frame.colour[9, 9].astype(int) - [200, 90, 10]).max() < 8


def test_the_picture_may_be_absent_and_the_camera_beside(tmp_path):
    path = write(tmp_path / "c", colour=None)
    told = {"fx": 56, "fy": 56, "cx": 31.5, "cy": 23.5, "width": 64, "height": 48}
    (path / "camera.json").write_text(json.dumps(told))
    (frame,) = open_capture(path).frames()
    assert frame.colour is None
    assert frame.depth_intrinsics.fx == 28


def test_the_camera_must_be_told(tmp_path):
    assert "a single image tells nothing of its camera" in refusal(write(tmp_path / "c"), None)


@pytest.mark.parametrize("more", ["mask.png", "depth_2.png"])
def test_of_more_images_none_is_guessed(tmp_path, more):
    path = write(tmp_path / "c")
    cv2.imwrite(str(path / more), np.zeros(SIZE[::-1], np.uint16))
    assert "single-image (lacks one" in refusal(path)


@pytest.mark.parametrize("kind", ["<f2", ">f4", "<f8", "<u2"])
def test_arrays_of_depth_come_in_kinds(tmp_path, kind):
    path = write(tmp_path / "c", "depth.npy")
    image = np.full((*SIZE[::-1], 1), 2.0 if "f" in kind else 2000, kind)
    if "f" in kind:
        image[0, :3, 0] = np.nan, np.inf, -1
    else:
        image[0, :3, 0] = 0, 65535, 0
    np.save(path / "depth.npy", np.asfortranarray(image))
    (frame,) = open_capture(path, LENS).frames()
    assert frame.depth.dtype == np.float32
    assert frame.depth[0, :3].tolist() == [0, 0, 0]
    assert frame.depth[5, 5] == 2


def test_depth_that_cannot_be_metres(tmp_path):
    path = write(tmp_path / "c", "depth.npy")
    np.save(path / "depth.npy", np.full(SIZE[::-1], 900, np.float32))
    assert "divide it by 1000" in refusal(path)


class Trap:
    def __reduce__(self):
        return os.system, ("touch /tmp/cousins-was-here",)


def test_nothing_in_an_array_is_executed(tmp_path):
    path = write(tmp_path / "c", "depth.npy")
    np.save(path / "depth.npy", np.array([[Trap()]], object), allow_pickle=True)
    assert "holds object" in refusal(path)


def npy(header, rest=b""):
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + rest


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not a NumPy file"),
        (b"\x93NUMPY\x01\x00\xff\xff", "not a NumPy file"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (24, 32)}"), "truncated"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (90000, 90000)}"), "90000x90000"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 32)}"), "its size"),
        (npy("{'descr': '<i4', 'fortran_order': False, 'shape': (24, 32)}"), "holds int32"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 24, 32)}"), "of shape"),
        (npy("__import__('os').getcwd()"), "not a NumPy file"),
        (npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (24, 32)}"), "holds"),
    ],
)
def test_a_file_that_is_no_array_of_depth(tmp_path, data, says):
    path = write(tmp_path / "c", "depth.npy")
    (path / "depth.npy").write_bytes(data)
    assert says in refusal(path)


def test_images_of_two_shapes(tmp_path):
    path = write(tmp_path / "c")
    cv2.imwrite(str(path / "rgb.jpg"), np.zeros((64, 48, 3), np.uint8))
    assert "do not show the same view" in refusal(path)
