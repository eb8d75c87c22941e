"""Photos and videos are read as they are meant to be seen; what cannot be is one line."""

import struct

import cv2
import numpy as np
import pytest
from captures import SIZE, colour, write_video
from test_capture_bad import index_first

from cousins.capture import open_capture
from cousins.capture.photos import turned
from cousins.capture.picture_head import head
from cousins.errors import CaptureError, UsageError
from cousins.phone import Phone, Walk, film
from cousins.scene import build, compile_model
from examples import table_scene


def exif(turn, focal_35=None):
    """An EXIF segment with an orientation and a 35 mm focal length."""
    entries = [struct.pack("<HHIHH", 0x0112, 3, 1, turn, 0)]
    if focal_35:
        entries.append(struct.pack("<HHII", 0x8769, 4, 1, 8 + 2 + 12 * 2 + 4))
    first = struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", 0)
    more = struct.pack("<HHHIHHI", 1, 0xA405, 3, 1, focal_35 or 0, 0, 0)
    body = b"Exif\0\0II*\0" + struct.pack("<I", 8) + first + (more if focal_35 else b"")
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def jpeg(picture, turn=1, focal_35=None):
    data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    return data[:2] + exif(turn, focal_35) + data[2:]


def gradient(width=64, height=48, seed=0):
    """Smooth, so that JPEG keeps it, and different in each corner."""
    corners = np.random.default_rng(seed).uniform(20, 230, (2, 2, 3)).astype(np.float32)
    return np.clip(cv2.resize(corners, (width, height)), 0, 255).astype(np.uint8)


def write(folder, files):
    paths = []
    for name, data in files.items():
        (folder / name).write_bytes(data)
        paths.append(folder / name)
    return paths


def shot(folder, n=4, **kind):
    return write(folder, {f"IMG_{i}.jpg": jpeg(gradient(seed=i), **kind) for i in range(n)})


@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation_is_applied_as_opencv_does(tmp_path, turn):
    (path,) = write(tmp_path, {"a.jpg": jpeg(gradient(), turn)})
    assert head(path.read_bytes()).turn == turn
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(turned(raw, turn), cv2.imread(str(path), cv2.IMREAD_COLOR))


def test_photos_are_read_in_order_with_a_first_focal_length(tmp_path):
    shot(tmp_path, turn=6, focal_35=26)
    got = open_capture(tmp_path)
    assert got.size == (48, 64)
    assert got.names == ("IMG_0.jpg", "IMG_1.jpg", "IMG_2.jpg", "IMG_3.jpg")
    assert got.focal == pytest.approx(26 / 43.27 * 80)
    assert not got.ordered
    assert got.warnings == ()
    for i, picture in enumerate(got.pictures()):
        assert picture.shape == (64, 48, 3)
        assert np.abs(picture.astype(int) - turned(gradient(seed=i), 6)).mean() < 4
    assert len(list(got.pictures())) == 4  # opened anew


def test_one_held_upright_is_turned_as_the_others_are(tmp_path):
    shot(tmp_path) + write(tmp_path, {"up.jpg": jpeg(gradient(seed=9), turn=6)})
    got = open_capture(tmp_path)
    assert got.size == (64, 48)
    assert got.warnings == ()
    *_, last = got.pictures()
    assert np.abs(last.astype(int) - gradient(seed=9)).mean() < 4


@pytest.mark.parametrize("odd", [{"picture": gradient(80, 48)}, {"focal_35": 13}])
def test_another_size_or_lens_is_left_out_and_named(tmp_path, odd):
    picture = odd.pop("picture", gradient())
    paths = shot(tmp_path, focal_35=26)
    paths += write(tmp_path, {"odd.jpg": jpeg(picture, **({"focal_35": 26} | odd))})
    got = open_capture(tmp_path)
    assert len(got) == 4
    assert "odd.jpg" in got.warnings[0]
    assert "left out" in got.warnings[0]


def refused(call):
    with pytest.raises(CaptureError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_mixture_of_cameras_is_refused(tmp_path):
    write(tmp_path, {f"{i}.jpg": jpeg(gradient(64 + 2 * i)) for i in range(5)})
    assert "take all with one camera" in refused(lambda: open_capture(tmp_path))


def test_heic_says_how_to_convert(tmp_path):
    shot(tmp_path) + write(tmp_path, {"IMG_9.HEIC": b"\0\0\0\x18ftypheic"})
    text = refused(lambda: open_capture(tmp_path))
    assert "IMG_9.HEIC" in text
    assert "save it as JPEG" in text


@pytest.mark.parametrize("keep", [0, 1, 30, 200])
def test_a_truncated_photo_names_itself(tmp_path, keep):
    paths = shot(tmp_path)
    paths[2].write_bytes(paths[2].read_bytes()[:keep])
    assert "IMG_2.jpg" in refused(lambda: list(open_capture(tmp_path).pictures()))


def test_a_photo_that_claims_a_gigantic_size_is_not_decoded(tmp_path):
    data = bytearray(jpeg(gradient()))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 65000, 65000)
    shot(tmp_path) + write(tmp_path, {"bomb.jpg": bytes(data)})
    assert "65000x65000" in refused(lambda: open_capture(tmp_path))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_photos(tmp_path, n):
    shot(tmp_path, n)
    text = refused(lambda: open_capture(tmp_path))
    assert "photos (lacks three photos" in text if n else "is empty" in text


def test_damaged_exif_is_passed_over():
    data = jpeg(gradient(), 6, 26)
    start = data.index(b"Exif")
    rng = np.random.default_rng(0)
    for _ in range(300):
        bad = bytearray(data)
        for at in start + 6 + rng.integers(0, 50, 4):
            bad[at] = rng.integers(256)
        found = head(bytes(bad))
        assert (found.width, found.height) == (64, 48)
        assert 1 <= found.turn <= 8
    assert head(data[: start + 20]) is None


def test_a_video_is_read_in_order(tmp_path):
    write_video(tmp_path / "v.mp4", [colour(i) for i in range(6)])
    got = open_capture(tmp_path / "v.mp4")
    assert (len(got), got.size, got.ordered) == (6, SIZE, True)
    assert got.warnings == ()
    for i, picture in enumerate(got.pictures()):
        assert np.abs(picture.mean((0, 1)) - (40 + 30 * i, 90, 200)).max() < 8


@pytest.mark.parametrize("data", [b"", b"no video at all", b"\0\0\0\x18ftypmp42" + bytes(100)])
def test_a_file_that_is_no_video(tmp_path, data):
    (path,) = write(tmp_path, {"v.mp4": data})
    assert "v.mp4" in refused(lambda: open_capture(path))


def test_a_video_without_its_end(tmp_path):
    write_video(tmp_path / "v.mp4", [colour(i % 6) for i in range(40)])
    whole = (tmp_path / "v.mp4").read_bytes()
    (tmp_path / "v.mp4").write_bytes(whole[: len(whole) // 2])
    assert "v.mp4" in refused(lambda: open_capture(tmp_path / "v.mp4"))


def test_a_video_that_was_cut_while_copied_says_how_much_is_left(tmp_path):
    write_video(tmp_path / "v.mp4", [colour(i % 6) for i in range(40)])
    index_first(tmp_path / "v.mp4")
    whole = (tmp_path / "v.mp4").read_bytes()
    at = whole.rfind(b"mdat")
    (tmp_path / "v.mp4").write_bytes(whole[: at + (len(whole) - at) // 2])
    got = open_capture(tmp_path / "v.mp4")
    assert 3 <= len(got) < 40
    assert f"v.mp4 ends early: {len(got)} of 40 pictures can be read" in got.warnings[0]
    assert len(list(got.pictures())) == len(got)


def test_a_video_of_no_or_few_pictures(tmp_path):
    for n in (0, 1, 2):
        write_video(tmp_path / "v.mp4", [colour(i) for i in range(n)])
        assert "v.mp4" in refused(lambda: open_capture(tmp_path / "v.mp4"))


@pytest.mark.parametrize("layout", ["photos", "video"])
def test_a_film_without_depth_is_read_back(tmp_path, layout):
    model = compile_model(*build(table_scene()))
    phone = Phone(frames=5, colour_size=(160, 120), walk=Walk(arc=60), layout=layout, missing=0.2)
    folder = film(model, tmp_path / "film", phone)
    assert (tmp_path / "film.truth.json").is_file()
    if layout == "photos":
        paths = sorted(folder.iterdir())
        assert paths[0].name == "IMG_0001.jpg"
        got = open_capture(folder)
        assert len(got) == 4  # a dropped one leaves no photo
    else:
        got = open_capture(folder)
        assert len(got) == 5
        assert len(open_capture(folder / "video.mp4")) == 5
    assert got.size == (160, 120)
    assert all(p.std() > 10 for p in got.pictures())


@pytest.mark.parametrize("layout", ["photos", "video"])
def test_a_film_of_nothing_but_colour_needs_colour(tmp_path, layout):
    model = compile_model(*build(table_scene()))
    phone = Phone(frames=3, colour_size=(64, 48), coloured=False, layout=layout)
    with pytest.raises(UsageError, match="colour"):
        film(model, tmp_path / "film", phone)
    assert list(tmp_path.iterdir()) == []
