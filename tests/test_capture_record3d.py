"""Record3D: its recordings (.r3d), and its export of EXR and JPG."""

import contextlib
import json
import struct
import zipfile

import cv2
import numpy as np
import pytest
from captures import DEPTH, SIZE, colour, laid, refusal, turn
from hypothesis import given
from hypothesis import strategies as st

from cousins import native
from cousins.capture import exr, open_capture
from cousins.capture.camera import parse
from cousins.errors import CaptureError, MissingDependencyError, UsageError
from cousins.phone.layouts import record3d_exr as writer
from cousins.types import Photos

W, H = DEPTH


def metadata(n, **changes):
    """What the app writes for n frames; the camera of frame i is 80 + i pixels."""
    told = {
        "w": SIZE[0],
        "h": SIZE[1],
        "dw": W,
        "dh": H,
        "fps": 60,
        "cameraType": 1,
        "K": [80, 0, 0, 0, 81, 0, 48, 36, 1],  # column by column
        "perFrameIntrinsicCoeffs": [[80 + i, 81 + i, 48, 36] for i in range(n)],
        "initPose": [0, 0, 0, 1, 0, 0, 0],
        "poses": [[*turn(10 * i + 10), 0.1 * i, 1.4, -0.2] for i in range(n)],
        "frameTimestamps": [i / 60 for i in range(n)],
        **changes,
    }
    return {key: value for key, value in told.items() if value is not None}


def depth(i):
    """Metres: 1 + i / 8, exact in any float, with two unknown corners."""
    image = np.full((H, W), 1 + i / 8, np.float32)
    image[0, :2] = np.nan, 0
    return image


def jpeg(i):
    return cv2.imencode(".jpg", colour(i)[:, :, ::-1])[1].tobytes()


def stored(data):
    """LZFSE that stores its data as they are: one block, and the mark of the end."""
    return b"bvx-" + struct.pack("<I", len(data)) + data + b"bvx$"


def packed(data):
    return pytest.importorskip("imagecodecs").lzfse_encode(data)


def plain_exr(image, name=b"R", compression=0, size=None, at=(0, 0)):
    """An EXR of one channel, uncompressed, a row in each chunk."""
    height, width = size or image.shape
    kind = {np.dtype("<f2"): 1, np.dtype("<f4"): 2}[image.dtype]
    x, y = at
    attributes = [
        (b"channels\0chlist\0", name + b"\0" + struct.pack("<4i", kind, 0, 1, 1) + b"\0"),
        (b"compression\0compression\0", bytes([compression])),
        (b"dataWindow\0box2i\0", struct.pack("<4i", x, y, x + width - 1, y + height - 1)),
        (b"lineOrder\0lineOrder\0", b"\0"),
    ]
    head = struct.pack("<II", 20000630, 2)
    head += b"".join(k + struct.pack("<i", len(v)) + v for k, v in attributes) + b"\0"
    rows = [struct.pack("<2i", y + i, row.nbytes) + row.tobytes() for i, row in enumerate(image)]
    starts = np.cumsum([len(head) + 8 * len(rows), *map(len, rows)])[:-1]
    return head + starts.astype("<u8").tobytes() + b"".join(rows)


def r3d_files(n=4, told=None, pack=packed):
    """The members of an .r3d file."""
    files = {"metadata": json.dumps(metadata(n) if told is None else told), "icon": jpeg(0)}
    for i in range(n):
        files[f"rgbd/{i}.jpg"] = jpeg(i)
        files[f"rgbd/{i}.depth"] = pack(depth(i).tobytes())
        files[f"rgbd/{i}.conf"] = pack(np.full(H * W, i % 3, np.uint8).tobytes())
    return files


def exr_files(n=4, told=None, lost=()):
    """The files of an export, of which some frames are missing."""
    files = {"EXR_RGBD/metadata.json": json.dumps(metadata(n) if told is None else told)}
    for i in set(range(n)) - set(lost):
        files[f"EXR_RGBD/rgb/{i}.jpg"] = jpeg(i)
        files[f"EXR_RGBD/depth/{i}.exr"] = plain_exr(depth(i).astype("<f2"))
    return files


def zipped(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def check(capture, numbers):
    """Every value of the sample, by hand."""
    frames = list(capture.frames())
    assert len(capture) == len(frames) == len(numbers)
    for i, frame in zip(numbers, frames, strict=True):
        angle = np.radians(10 * i + 10)
        pose = frame.world_from_camera
        assert pose[:3, 3] == pytest.approx([0.1 * i, 1.4, -0.2])
        # OpenGL's camera looks along its -z, with y up; ours along z, with y down.
        assert pose[:3, 2] == pytest.approx([-np.sin(angle), 0, -np.cos(angle)], abs=1e-6)
        assert pose[:3, 1] == pytest.approx([0, -1, 0], abs=1e-6)
        assert frame.depth.dtype == np.float32
        assert frame.depth.shape == (H, W)
        assert frame.depth[5, 5] == 1 + i / 8
        assert frame.depth[0, :2].tolist() == [0, 0]
        assert frame.colour_intrinsics.fx == 80 + i
        assert frame.colour_intrinsics.fy == 81 + i
        assert frame.colour_intrinsics.cx == 48
        assert frame.depth_intrinsics.fx == pytest.approx((80 + i) / 3)
        assert frame.depth_intrinsics.cx == pytest.approx(48.5 / 3 - 0.5)
        assert np.abs(frame.colour.astype(int) - colour(i)).mean() < 3
        assert frame.time == pytest.approx(i / 60)


@pytest.mark.parametrize("pack", [packed, stored])
def test_a_recording_is_read_from_its_archive_and_unpacked(tmp_path, pack):
    pytest.importorskip("imagecodecs")
    files = r3d_files(pack=pack)
    for path in (zipped(tmp_path / "a.r3d", files), laid(tmp_path / "b", files)):
        capture = open_capture(path)
        assert capture.layout == "record3d"
        assert capture.up.tolist() == [0, 1, 0]
        assert not [w for w in capture.warnings if "left out" in w or "confidence" in w]
        check(capture, [0, 1, 2, 3])
        assert [f.confidence.max() for f in capture.frames()] == [0, 1, 2, 0]


def test_an_export_is_read_and_its_missing_frames_are_counted(tmp_path):
    """A file's number is its pose's, so later frames do not move up."""
    for path in (
        laid(tmp_path / "b", exr_files(6, lost=(1, 4))),
        zipped(tmp_path / "c.zip", exr_files(6, lost=(1, 4))),
    ):
        capture = open_capture(path)
        assert capture.layout == "record3d-exr"
        assert capture.up.tolist() == [0, 1, 0]
        check(capture, [0, 2, 3, 5])
        assert all(f.confidence is None for f in capture.frames())
        left = [w for w in capture.warnings if "left out" in w]
        assert len(left) == 1
        assert "2 of 6 frames left out: 1 lacks its depth and picture" in left[0]
    (tmp_path / "b/sound.m4a").write_bytes(b"")
    (tmp_path / "b/other").mkdir()
    (tmp_path / "b/other/x.txt").write_bytes(b"")
    assert len(open_capture(tmp_path / "b")) == 4
    assert len(open_capture(tmp_path / "b/EXR_RGBD")) == 4


def test_frames_that_lack_a_part_are_left_out(tmp_path):
    pytest.importorskip("imagecodecs")
    files = r3d_files(6, metadata(5))  # the last has no pose
    for name in ("rgbd/1.jpg", "rgbd/2.depth", "rgbd/3.conf"):
        del files[name]
    capture = open_capture(zipped(tmp_path / "a.r3d", files))
    check(capture, [0, 3, 4])
    assert any("3 of 6 frames left out: 1 lacks its picture" in w for w in capture.warnings)
    assert any("1 of 3 frames lack their confidence" in w for w in capture.warnings)


def test_older_recordings_tell_less(tmp_path):
    """One camera for all, no times, no size of depth; and a world that begins at the pose zero."""
    told = metadata(3, perFrameIntrinsicCoeffs=None, frameTimestamps=None, initPose=None, fps=30)
    told["poses"][0] = [0, 0, 0, 1, 0, 0, 0]
    capture = open_capture(laid(tmp_path / "a", exr_files(3, told)))
    assert capture.up is None
    frames = list(capture.frames())
    assert [f.colour_intrinsics.fx for f in frames] == [80, 80, 80]
    assert [f.colour_intrinsics.fy for f in frames] == [81, 81, 81]
    assert [f.time for f in frames] == pytest.approx([0, 1 / 30, 2 / 30])
    pytest.importorskip("imagecodecs")
    told = metadata(1, dw=None, dh=None, w=720, h=960, perFrameIntrinsicCoeffs=None)
    told["K"] = [700, 0, 0, 0, 700, 0, 360, 480, 1]
    upright = np.full((256, 192), 2, np.float32)
    files = {"metadata": json.dumps(told), "rgbd/0.depth": packed(upright.tobytes())}
    frame = next(open_capture(zipped(tmp_path / "b.r3d", files)).frames())
    assert frame.depth.shape == (256, 192)
    assert frame.colour is None


def test_a_selfie_recording_is_told_apart(tmp_path):
    told = metadata(3, poses=[[0, 0, 0, 1, 0, 0, 0]] * 3)
    capture = open_capture(laid(tmp_path / "a", exr_files(3, told)))
    assert any("camera above the screen" in w for w in capture.warnings)


@pytest.mark.parametrize("layout", ["record3d", "record3d-exr"])
def test_without_depth_the_pictures_and_their_poses_are_left(tmp_path, layout):
    files = r3d_files(3, pack=stored) if layout == "record3d" else exr_files(3)
    files = {n: d for n, d in files.items() if not n.endswith((".depth", ".exr", ".conf"))}
    photos = open_capture(laid(tmp_path / "a", files))
    assert isinstance(photos, Photos)
    assert (photos.layout, photos.size, photos.ordered) == (layout, SIZE, True)
    assert photos.metric
    assert photos.up.tolist() == [0, 1, 0]
    assert (photos.camera.fx, photos.camera.fy) == (81, 82)
    assert photos.poses[1, :3, 3] == pytest.approx([0.1, 1.4, -0.2])
    assert photos.poses[1, :3, 1] == pytest.approx([0, -1, 0], abs=1e-6)
    assert [p[..., 0].mean() for p in photos.pictures()] == pytest.approx([40, 70, 100], abs=3)


def test_another_layouts_metadata_are_not_taken_for_these(tmp_path):
    laid(tmp_path, {"metadata.json": '{"frames": 3}', "rgb/0.jpg": jpeg(0)})
    assert "an unknown layout" in refusal(tmp_path)


def test_the_camera_is_in_the_files(tmp_path):
    path = laid(tmp_path / "a", exr_files(1))
    with pytest.raises(UsageError, match="leave the option out"):
        open_capture(path, parse("80,80,48,36"))


def test_without_the_package_there_is_one_line(tmp_path, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(native, "import_module", absent)
    path = zipped(tmp_path / "a.r3d", r3d_files(pack=stored))
    with pytest.raises(MissingDependencyError, match="pip install imagecodecs"):
        open_capture(path)


BAD = {
    "NaN pose": ({"poses": [[0, 0, 0, 1, 0, float("nan"), 0]]}, "poses"),
    "long quaternion": ({"poses": [[0, 0, 1, 1, 0, 0, 0]]}, "pose 0: not a camera pose"),
    "short pose": ({"poses": [[0, 0, 0, 1, 0, 0]]}, "poses.0"),
    "no poses": ({"poses": []}, "holds no poses"),
    "poses of text": ({"poses": "none"}, "poses"),
    "a number of text": ({"w": "wide"}, "w: "),
    "no camera": ({"K": None}, "K: Field required"),
    "half a camera": ({"K": [80, 0, 0]}, "K: "),
    "a camera by rows": (
        {"K": [80, 0, 48, 0, 81, 36, 0, 0, 1], "perFrameIntrinsicCoeffs": None},
        "the principal point 0, 0",
    ),
    "a bad lens": ({"perFrameIntrinsicCoeffs": [[-80, 80, 48, 36]]}, "frame 0: focal lengths"),
    "depth on its side": ({"dw": H, "dh": W}, "do not show the same view"),
    "pictures on their side": ({"w": SIZE[1], "h": SIZE[0]}, "do not show the same view"),
    "a huge picture": ({"w": 9600000, "h": 7200000}, "is not between 1 and"),
    "huge depth": ({"dw": 3200000, "dh": 2400000}, "is not between 1 and"),
    "no depth at all": ({"dw": 0, "dh": 0}, "is not between 1 and"),
    "too few times": ({"frameTimestamps": [0.0] * 3}, "1 poses and 3 times"),
    "infinite times": ({"frameTimestamps": [float("inf")]}, "frameTimestamps"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_metadata(tmp_path, kind):
    changes, says = BAD[kind]
    path = laid(tmp_path / "a", exr_files(1, metadata(1, **changes)))
    message = refusal(path)
    assert "metadata.json" in message
    assert says in message


@pytest.mark.parametrize("text", ["", "{", '["poses"]', '{"poses": 1e999}', '"poses"\xff'])
def test_metadata_that_are_no_json(tmp_path, text):
    files = exr_files(1)
    files["EXR_RGBD/metadata.json"] = text.encode("latin-1")
    refusal(laid(tmp_path / "a", files))


def bad_depths():
    good = depth(0).tobytes()
    swapped = np.random.default_rng(0).uniform(0.5, 3, (H, W)).astype(">f4").tobytes()
    return {
        "truncated": (packed(good)[:-30], "damaged, or not 3,072 bytes"),
        "empty": (b"", "damaged, or not 3,072 bytes"),
        "no LZFSE": (good, "damaged, or not 3,072 bytes"),
        "too short": (packed(good[:-4]), "damaged, or not 3,072 bytes"),
        "a bomb": (packed(bytes(2_000_000)), "damaged, or not 3,072 bytes"),
        "wrong endianness": (packed(swapped), "is not metres"),
        "millimetres": (packed((depth(0) * 1000).tobytes()), "typical depth is 1e+03"),
    }


@pytest.mark.parametrize(
    "kind",
    ["truncated", "empty", "no LZFSE", "too short", "a bomb", "wrong endianness", "millimetres"],
)
def test_bad_depth_in_a_recording(tmp_path, kind):
    pytest.importorskip("imagecodecs")
    files = r3d_files()
    files["rgbd/2.depth"], says = bad_depths()[kind]
    message = refusal(zipped(tmp_path / "a.r3d", files))
    assert "rgbd/2.depth: " in message
    assert says in message


def test_bad_confidence_in_a_recording(tmp_path):
    files = r3d_files()
    files["rgbd/2.conf"] = packed(np.full(H * W, 3, np.uint8).tobytes())
    message = refusal(zipped(tmp_path / "a.r3d", files))
    assert "rgbd/2.conf: confidence must be 0, 1 or 2" in message


def test_a_bad_archive(tmp_path):
    path = zipped(tmp_path / "a.r3d", r3d_files(pack=stored))
    path.write_bytes(path.read_bytes()[:-100])
    assert "cut short" in refusal(path)
    path = zipped(tmp_path / "b.r3d", {**r3d_files(pack=stored), "../evil": b""})
    assert "do not trust this file" in refusal(path)


BAD_EXR = {
    "truncated": (plain_exr(depth(0))[:-7], "damaged or truncated"),
    "its head alone": (plain_exr(depth(0))[:60], "damaged or truncated"),
    "empty": (b"", "damaged or truncated"),
    "a PNG": (cv2.imencode(".png", np.zeros((H, W), np.uint16))[1].tobytes(), "not an EXR image"),
    "a gigantic size": (plain_exr(depth(0), size=(60000, 60000)), "60000x60000"),
    "a size turned inside out": (plain_exr(depth(0), size=(-4, 4)), "is not between 1 and"),
    "another size": (plain_exr(np.ones((12, 16), "<f2")), "among others of 32x24"),
    "millimetres": (plain_exr(depth(0) * 1000), "is not metres"),
    "a compression that is none": (plain_exr(depth(0), compression=99), "damaged or truncated"),
    "tiles": (b"v/1\1" + struct.pack("<I", 0x202) + plain_exr(depth(0))[8:], "of tiles"),
}


@pytest.mark.parametrize("kind", BAD_EXR)
def test_bad_depth_in_an_export(tmp_path, kind):
    files = exr_files()
    files["EXR_RGBD/depth/2.exr"], says = BAD_EXR[kind]
    message = refusal(laid(tmp_path / "a", files))
    assert "depth/2.exr: " in message
    assert says in message


def test_a_bomb_in_an_exr_is_never_unpacked(tmp_path):
    """Its chunk holds more than a chunk of its size can."""
    data = writer.exr(np.ones((4000, 4000), "<f2"))
    wide, small = (struct.pack("<4i", 0, 0, w - 1, h - 1) for w, h in ((4000, 4000), (W, H)))
    files = exr_files()
    files["EXR_RGBD/depth/2.exr"] = data.replace(wide, small)
    assert "damaged or truncated" in refusal(laid(tmp_path / "a", files))


@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 255))
def test_no_damage_to_an_exr_goes_beyond_its_refusal(tail, at, byte):
    data = bytearray(writer.exr(np.ones((20, 6), "<f2")))
    data[at % len(data)] = byte
    data[len(data) - len(tail) :] = tail
    with contextlib.suppress(CaptureError, MissingDependencyError):
        assert exr.channel(bytes(data), "here").ndim == 2


@pytest.mark.parametrize("kind", ["<f2", "<f4"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (16, 7), (37, 20)])
def test_an_exr_may_be_of_any_size_and_kind(shape, kind):
    image = np.random.default_rng(0).uniform(0, 9, shape).astype(kind)
    for data in (plain_exr(image), plain_exr(image, b"Z"), plain_exr(image, at=(-3, 7))):
        assert np.array_equal(exr.channel(data, "here"), image)
    if kind == "<f2":
        assert np.array_equal(exr.channel(writer.exr(image), "here"), image)


@pytest.mark.parametrize("name", ["NO", "RLE", "ZIPS", "ZIP", "PIZ"])
def test_the_reference_librarys_images_are_read(tmp_path, name):
    library = pytest.importorskip("OpenEXR")
    image = np.random.default_rng(0).normal(1, 0.1, (37, 21)).cumsum(1).astype(np.float16)
    head = {"compression": getattr(library, f"{name}_COMPRESSION")}
    library.File(head, {"R": image, "A": image.astype(np.float32)}).write(str(tmp_path / "a.exr"))
    assert np.array_equal(exr.channel((tmp_path / "a.exr").read_bytes(), "here"), image)
    (tmp_path / "b.exr").write_bytes(writer.exr(image))
    own = library.File(str(tmp_path / "b.exr"), separate_channels=True).channels()["R"].pixels
    assert own.dtype == np.float16
    assert np.array_equal(own, image)
