"""A bad capture is refused with one line that names the file and what to do."""

import struct
import zipfile
import zlib

import cv2
import numpy as np
import pytest
from captures import DEPTH, SIZE, refusal, without_pictures, write_seven, write_stray

from cousins.capture import files, open_capture
from cousins.capture.camera import parse
from cousins.errors import UsageError


def test_no_folder_at_all(tmp_path):
    assert "does not exist" in refusal(tmp_path / "nowhere")


def test_an_empty_folder(tmp_path):
    assert "is empty" in refusal(tmp_path)


def test_a_file(tmp_path):
    (tmp_path / "scan.zip").write_bytes(b"PK")
    assert "an unknown layout" in refusal(tmp_path / "scan.zip")


def test_an_unknown_layout_lists_the_known_ones_and_what_each_lacks(tmp_path):
    path = write_stray(tmp_path / "c")
    (path / "camera_matrix.csv").unlink()
    message = refusal(path)
    assert "stray-scanner (lacks camera_matrix.csv)" in message
    assert "7-scenes (lacks frame-*.depth.png, frame-*.pose.txt" in message


def test_depth_and_poses_that_differ_in_number(tmp_path):
    path = write_stray(tmp_path / "c")
    (path / "depth/000003.png").unlink()
    message = refusal(path)
    assert "4 images" in message
    assert "5 poses" in message


def test_depth_and_poses_that_differ_in_numbering(tmp_path):
    path = write_stray(tmp_path / "c")
    (path / "depth/000003.png").rename(path / "depth/000009.png")
    assert "depth/000003.png is missing" in refusal(path)


@pytest.mark.parametrize("pictures", [2, 9])
def test_a_video_of_another_length(tmp_path, pictures):
    message = refusal(write_stray(tmp_path / "c", 5, pictures=pictures))
    assert f"rgb.mp4 {pictures} pictures" in message
    assert "5 poses" in message


def test_seven_scenes_counts_that_differ(tmp_path):
    path = write_seven(tmp_path / "c")
    (path / "frame-000005.pose.txt").unlink()
    message = refusal(path)
    assert "frame-000005.pose.txt is missing" in message
    assert "3 depth.png, 2 pose.txt" in message


def test_some_pictures_that_are_missing(tmp_path):
    path = write_seven(tmp_path / "c")
    (path / "frame-000005.color.jpg").unlink()
    message = refusal(path)
    assert "frame-000005.color.jpg is missing" in message
    assert "2 color.jpg, 3 depth.png" in message


def test_depth_and_poses_that_differ_where_there_are_no_pictures(tmp_path):
    path = without_pictures(write_stray(tmp_path / "stray"))
    (path / "depth/000003.png").unlink()
    message = refusal(path)
    assert "4 images, odometry.csv 5 poses; depth and poses must agree" in message
    path = write_seven(tmp_path / "seven")
    for file in [*path.glob("*.color.jpg"), path / "frame-000005.pose.txt"]:
        file.unlink()
    assert "frame-000005.pose.txt is missing" in refusal(path)


def test_a_camera_matrix_for_pictures_that_are_not_there(tmp_path):
    """Guessed, every size in the scene would be wrong."""
    path = write_stray(tmp_path / "c")
    (path / "rgb.mp4").unlink()
    message = refusal(path)
    assert "camera_matrix.csv: there is no rgb.mp4" in message
    assert "principal point 48, 36 is not in the middle of 1920x1440 or 32x24 pixels" in message


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_video(tmp_path, share):
    path = write_stray(tmp_path / "c")
    data = (path / "rgb.mp4").read_bytes()
    (path / "rgb.mp4").write_bytes(data[: int(share * len(data))])
    assert "rgb.mp4: not a video" in refusal(path)


def test_a_video_with_its_index_first_that_is_cut(tmp_path):
    """Such a file opens and promises all its pictures."""
    path = write_stray(tmp_path / "c", 6)
    index_first(path / "rgb.mp4")
    assert len(list(open_capture(path).frames())) == 6
    data = (path / "rgb.mp4").read_bytes()
    at = data.rfind(b"mdat")
    (path / "rgb.mp4").write_bytes(data[: at + 4 + (len(data) - at) // 2])
    assert "rgb.mp4: cannot be read beyond picture" in refusal(path)


@pytest.mark.parametrize("name", ["depth/000002.png", "confidence/000002.png"])
@pytest.mark.parametrize("keep", [0, 20, -4, -30])
def test_a_truncated_png(tmp_path, name, keep):
    path = write_stray(tmp_path / "c")
    (path / name).write_bytes((path / name).read_bytes()[:keep])
    assert name in refusal(path)


def test_a_png_with_a_flipped_bit(tmp_path):
    path = write_stray(tmp_path / "c")
    data = bytearray((path / "depth/000002.png").read_bytes())
    data[len(data) // 2] ^= 4
    (path / "depth/000002.png").write_bytes(data)
    assert "depth/000002.png: a damaged PNG" in refusal(path)


def test_a_truncated_jpeg(tmp_path):
    path = write_seven(tmp_path / "c")
    file = path / "frame-000005.color.jpg"
    file.write_bytes(file.read_bytes()[:-200])
    assert "frame-000005.color.jpg: a truncated JPEG" in refusal(path)


def test_a_png_that_claims_a_gigantic_size(tmp_path):
    """Refused by its header: it is never decoded."""
    path = write_stray(tmp_path / "c")
    header = struct.pack(">IIBBBBB", 60000, 60000, 16, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 99)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    )
    (path / "depth/000000.png").write_bytes(data)
    assert "60000x60000" in refusal(path)


def test_depth_of_eight_bits(tmp_path):
    path = write_stray(tmp_path / "c")
    cv2.imwrite(str(path / "depth/000001.png"), np.full((DEPTH[1], DEPTH[0]), 90, np.uint8))
    assert "8 bits" in refusal(path)


def test_depth_of_another_size(tmp_path):
    path = write_stray(tmp_path / "c")
    cv2.imwrite(str(path / "depth/000001.png"), np.full((12, 16), 900, np.uint16))
    assert "depth/000001.png: a depth image of 16x12 among others of 32x24" in refusal(path)


def test_depth_that_is_zero_throughout(tmp_path):
    path = write_seven(tmp_path / "c")
    for file in path.glob("*.depth.png"):
        cv2.imwrite(str(file), np.zeros((SIZE[1], SIZE[0]), np.uint16))
    message = refusal(path)
    assert "all 3 depth images are empty" in message
    assert "depth sensor" in message


def odometry(path, line, old, new):
    file = path / "odometry.csv"
    lines = file.read_text().splitlines()
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    file.write_text("\n".join(lines))
    return refusal(path)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("1.4000000", "nan", "NaN"),
        ("1.4000000", "inf", "NaN or infinity"),
        ("1.4000000", "abc", "something else than numbers"),
        ("1.4000000", "5000", "metres"),
        (", 1.4000000", "", "something else than numbers"),
        ("000003", "000002", "comes after"),
        ("0.9659258", "0.5", "its quaternion has the length"),
        ("0.9659258", "nan", "its quaternion has the length"),
    ],
)
def test_bad_odometry_names_its_line(tmp_path, old, new, says):
    message = odometry(write_stray(tmp_path / "c"), 5, old, new)
    assert "odometry.csv line 5" in message
    assert says in message


def test_odometry_without_a_column_or_without_rows(tmp_path):
    path = write_stray(tmp_path / "c", header="timestamp, frame, x, y, z, qx, qy, qz, w")
    assert "lacks the columns qw" in refusal(path)
    (path / "odometry.csv").write_text("timestamp, frame, x, y, z, qx, qy, qz, qw\n")
    assert "holds no poses" in refusal(path)
    (path / "odometry.csv").write_bytes(b"\xff\xfe\x00\x01")
    assert "not a text file" in refusal(path)


def bad_pose(kind):
    pose = np.eye(4)
    if kind == "nan":
        pose[1, 3] = np.nan
    elif kind == "scaled":
        pose[:3, :3] *= 1.01
    elif kind == "sheared":
        pose[0, 1] = 0.1
    elif kind == "mirrored":
        pose[0, 0] = -1
    elif kind == "last row":
        pose[3] = 0, 0, 0, 2
    return pose


@pytest.mark.parametrize("kind", ["nan", "scaled", "sheared", "mirrored", "last row"])
def test_a_pose_that_is_none(tmp_path, kind):
    path = write_seven(tmp_path / "c")
    np.savetxt(path / "frame-000005.pose.txt", bad_pose(kind))
    assert "frame-000005.pose.txt: not a camera pose" in refusal(path)


def test_a_pose_file_of_another_shape(tmp_path):
    path = write_seven(tmp_path / "c")
    np.savetxt(path / "frame-000005.pose.txt", np.eye(3))
    assert "frame-000005.pose.txt: expected 4 rows of 4 numbers" in refusal(path)
    (path / "frame-000005.pose.txt").write_text("1 2 3\n4 5\n")
    assert "expected 4 rows of 4 numbers" in refusal(path)


def test_a_camera_matrix_that_cannot_be(tmp_path):
    path = write_stray(tmp_path / "c")
    file = path / "camera_matrix.csv"
    np.savetxt(file, np.diag([0.0, 80, 1]), delimiter=",")
    assert "camera_matrix.csv: focal lengths" in refusal(path)
    np.savetxt(file, [[1600, 0, 960], [0, 1600, 720], [0, 0, 1]], delimiter=",")
    assert "camera_matrix.csv: the principal point" in refusal(path)


def test_pictures_of_another_shape_than_depth(tmp_path):
    path = write_stray(tmp_path / "c")
    for file in (path / "depth").iterdir():
        cv2.imwrite(str(file), np.full((32, 24), 900, np.uint16))
    assert "do not show the same view" in refusal(path)


def index_first(file):
    """Moves the mp4's index in front of its data and corrects the offsets in it."""
    data, at, boxes = file.read_bytes(), 0, []
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        boxes.append((data[at + 4 : at + 8], bytearray(data[at : at + size])))
        at += size
    kinds = [kind for kind, _ in boxes]
    moov = boxes.pop(kinds.index(b"moov"))[1]
    table = moov.find(b"stco") + 4
    for k in range(int.from_bytes(moov[table + 4 : table + 8], "big")):
        spot = slice(table + 8 + 4 * k, table + 12 + 4 * k)
        moov[spot] = (int.from_bytes(moov[spot], "big") + len(moov)).to_bytes(4, "big")
    before = [b for kind, b in boxes if kind == b"ftyp"]
    after = [b for kind, b in boxes if kind != b"ftyp"]
    file.write_bytes(b"".join([*before, moov, *after]))


def zipped(path, **members):
    """The folder as an archive beside it, in a folder of its own as phones pack it."""
    target = path.with_suffix(".zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path.rglob("*")):
            if file.is_file():
                archive.write(file, f"scan/{file.relative_to(path)}")
        for name, data in members.items():
            archive.writestr(name, data)
    return target


def test_an_archive_is_read_as_its_folder_is(tmp_path):
    path = write_stray(tmp_path / "c")
    packed = open_capture(zipped(path, **{"__MACOSX/._scan": b"clutter"}))
    for got, want in zip(packed.frames(), open_capture(path).frames(), strict=True):
        assert np.array_equal(got.depth, want.depth)
        assert np.array_equal(got.colour, want.colour)
        assert np.array_equal(got.world_from_camera, want.world_from_camera)


def test_a_truncated_archive(tmp_path):
    packed = zipped(write_stray(tmp_path / "c"))
    packed.write_bytes(packed.read_bytes()[:-300])
    assert "cut short" in refusal(packed)


def test_an_archive_with_a_flipped_bit(tmp_path):
    packed = zipped(write_seven(tmp_path / "c"))
    data = bytearray(packed.read_bytes())
    data[data.index(b"depth.png") + 60] ^= 4
    packed.write_bytes(data)
    assert "depth.png: cannot be read" in refusal(packed)


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil", "C:\\evil", "a/../../evil"])
def test_a_member_that_leaves_the_archive(tmp_path, name):
    packed = zipped(write_stray(tmp_path / "c"), **{name: b"x"})
    assert "do not trust this file" in refusal(packed)


def test_a_decompression_bomb_is_never_unpacked(tmp_path):
    path = write_stray(tmp_path / "c")
    packed = zipped(path, **{"scan/depth/000009.png": bytes(80 << 20)})
    assert "unpacks to" in refusal(packed)


def test_a_folder_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_FILES", 10)
    assert "more than 10 files" in refusal(write_stray(tmp_path / "c", 6))


@pytest.mark.parametrize("text", ["{", "[]", '{"fx": 1}', '{"fx": NaN}', "\xff"])
def test_a_camera_file_that_is_none(tmp_path, text):
    path = write_seven(tmp_path / "c")
    (path / "camera-intrinsics.txt").unlink()
    assert "tells nothing of its camera" in refusal(path)
    (path / "camera.json").write_bytes(text.encode("latin-1"))
    assert "camera.json" in refusal(path)


def test_an_option_for_a_camera_that_is_known(tmp_path):
    with pytest.raises(UsageError, match="leave the option out"):
        open_capture(write_seven(tmp_path / "c"), parse("80,80,48,36"))
    with pytest.raises(UsageError, match="give it as fx,fy,cx,cy"):
        parse("80,80,48")
