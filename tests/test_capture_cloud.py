"""An organised point cloud is an RGB-D image whose camera is in its points."""

import contextlib
import struct

import numpy as np
import pytest
from captures import refusal
from hypothesis import given
from hypothesis import strategies as st

from cousins.capture import lzf, open_capture
from cousins.capture.camera import parse
from cousins.errors import UsageError

SIZE = (32, 24)
NAMES, KINDS = ("label", "x", "y", "z", "rgb"), ("<u4", "<f4", "<f4", "<f4", "<f4")


def made(fx=30.0, fy=31.0, cx=15.2, cy=11.4):
    """Points of a tilted plane, one of them unknown, in red that grows to the right."""
    v, u = np.mgrid[: SIZE[1], : SIZE[0]]
    z = 1 + 0.01 * v
    red = (4 * u + 50).astype(np.uint32) << 16 | 7 << 8 | 9
    fields = {"x": (u - cx) / fx * z, "y": (v - cy) / fy * z, "z": z}
    fields = {name: value.astype("<f4") for name, value in fields.items()}
    fields["z"][3, 4] = fields["x"][3, 4] = fields["y"][3, 4] = np.nan
    return fields | {"label": np.ones(SIZE[::-1], "<u4"), "rgb": red.view("<f4")}


def literal(data):
    """LZF of what does not repeat: runs as they are."""
    runs = (data[i : i + 32] for i in range(0, len(data), 32))
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


def write(file, data="binary_compressed", fields=None, names=NAMES, kinds=KINDS, size=SIZE, **head):
    fields = fields or made()
    count = size[0] * size[1]
    points = np.zeros(count, list(zip(names, kinds, strict=True)))
    for name in names:
        points[name] = fields[name].ravel()[:count]
    lines = {
        "VERSION": "0.7",
        "FIELDS": " ".join(names),
        "SIZE": " ".join(kind[2] for kind in kinds),
        "TYPE": " ".join(kind[1].upper() for kind in kinds),
        "COUNT": " ".join("1" for _ in names),
        "WIDTH": size[0],
        "HEIGHT": size[1],
        "VIEWPOINT": "0 0 0 1 0 0 0",
        "POINTS": count,
    } | head
    text = "# .PCD v0.7\n" + "".join(f"{k} {v}\n" for k, v in lines.items()) + f"DATA {data}\n"
    if data == "ascii":
        rows = ("\n".join(" ".join(repr(v.item()) for v in point) for point in points)) + "\n"
        body = rows.encode()
    elif data == "binary":
        body = points.tobytes()
    else:
        plain = b"".join(np.ascontiguousarray(points[name]).tobytes() for name in names)
        packed = literal(plain)
        body = struct.pack("<II", len(packed), len(plain)) + packed
    file.write_bytes(text.encode() + body)
    return file


@pytest.mark.parametrize("data", ["ascii", "binary", "binary_compressed"])
def test_points_are_an_image_again(tmp_path, data):
    capture = open_capture(write(tmp_path / "view.pcd", data))
    assert capture.layout == "point-cloud"
    assert capture.up is None
    (frame,) = capture.frames()
    k = frame.depth_intrinsics
    assert (k.width, k.height) == SIZE
    assert (k.fx, k.fy, k.cx, k.cy) == pytest.approx((30, 31, 15.2, 11.4), abs=1e-3)
    assert frame.depth[10, 5] == pytest.approx(1.1)
    assert frame.depth[3, 4] == 0
    assert frame.colour[7, 20].tolist() == [130, 7, 9]


def test_colour_as_an_integer_or_not_at_all(tmp_path):
    fields = made()
    fields["rgba"] = fields.pop("rgb").view("<u4") | np.uint32(255 << 24)
    names, kinds = ("x", "y", "z", "rgba"), ("<f4", "<f4", "<f8", "<u4")
    for data in ("ascii", "binary"):
        path = write(tmp_path / f"{data}.pcd", data, fields, names, kinds)
        (frame,) = open_capture(path).frames()
        assert frame.colour[7, 20].tolist() == [130, 7, 9]
    (frame,) = open_capture(
        write(tmp_path / "bare.pcd", "binary", fields, names[:3], kinds[:3])
    ).frames()
    assert frame.colour is None


def test_a_folder_with_one_cloud(tmp_path):
    write(tmp_path / "view.pcd")
    assert open_capture(tmp_path).layout == "point-cloud"
    write(tmp_path / "other.pcd")
    assert "point-cloud (lacks one .pcd file)" in refusal(tmp_path)


def test_points_of_no_camera(tmp_path):
    fields = made()
    fields["x"], fields["y"], fields["z"] = fields["z"], -fields["x"], 2 - fields["y"]
    assert "beside the pixels of any camera" in refusal(write(tmp_path / "c.pcd", fields=fields))
    fields = made()
    fields["x"] = -fields["x"]
    assert "focal lengths must be positive" in refusal(write(tmp_path / "m.pcd", fields=fields))
    fields = made()
    fields["z"][:] = np.nan
    assert "too few to tell its camera" in refusal(write(tmp_path / "n.pcd", fields=fields))
    fields = {n: 1000 * v if n in "xyz" else v for n, v in made().items()}
    assert "divide it by 1000" in refusal(write(tmp_path / "mm.pcd", fields=fields))


def test_a_camera_that_is_told_is_refused(tmp_path):
    with pytest.raises(UsageError, match="gives the camera already"):
        open_capture(write(tmp_path / "c.pcd"), parse("30,31,15,11"))


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ({"WIDTH": 768, "HEIGHT": 1}, "are in no rows"),
        ({"WIDTH": 90000, "HEIGHT": 90000}, "90000x90000"),
        ({"WIDTH": 33}, "damaged"),
        ({"WIDTH": -4}, "its size"),
        ({"WIDTH": "abc"}, "not a PCD file's header"),
        ({"SIZE": "4 4 4 4"}, "not a PCD file's header"),
        ({"SIZE": "4 3 4 4 4"}, "not a PCD file's header"),
        ({"TYPE": "U F F F Q"}, "not a PCD file's header"),
        ({"COUNT": "1 1 1 1 99999999999"}, "PCD"),
        ({"COUNT": "99999999 1 1 1 1"}, "bytes of points"),
        ({"COUNT": "1 0 1 1 1"}, "PCD|lacks"),
        ({"FIELDS": "label a b c rgb"}, "lacks the fields x, y, z"),
        ({"FIELDS": "x x x x x"}, "lacks the fields y, z"),
    ],
)
@pytest.mark.parametrize("data", ["ascii", "binary", "binary_compressed"])
def test_a_header_that_is_wrong(tmp_path, head, says, data):
    message = refusal(write(tmp_path / "c.pcd", data, **head))
    assert any(part in message for part in says.split("|"))


@pytest.mark.parametrize("data", ["ascii", "binary", "binary_compressed"])
def test_a_cloud_that_is_cut_short(tmp_path, data):
    path = write(tmp_path / "c.pcd", data)
    whole = path.read_bytes()
    for share in (0.0, 0.01, 0.5, 0.95):
        path.write_bytes(whole[: int(share * len(whole))])
        assert "PCD" in refusal(path) or "unknown layout" in refusal(path)


def test_an_unknown_packing(tmp_path):
    assert "DATA zip is unknown" in refusal(write(tmp_path / "c.pcd", "zip"))


def test_a_bomb_is_not_unpacked(tmp_path):
    path = write(tmp_path / "c.pcd")
    data = path.read_bytes()
    start = data.index(b"DATA binary_compressed\n") + 23
    whole = struct.unpack_from("<II", data, start)[1]
    bomb = b"\x00a" + b"\xe0\xff\x00" * 200_000  # each three bytes repeat 264
    path.write_bytes(data[:start] + struct.pack("<II", len(bomb), whole) + bomb)
    assert "more than the" in refusal(path)


def packed(data):
    """A plain LZF: the last place where the next three bytes stood, else as they are."""
    out, plain, seen, i = bytearray(), bytearray(), {}, 0

    def flush():
        for k in range(0, len(plain), 32):
            run = plain[k : k + 32]
            out.extend([len(run) - 1, *run])
        plain.clear()

    while i < len(data):
        key = data[i : i + 3]
        at = seen.get(key, -1)
        seen[key] = i
        if len(key) == 3 and at >= 0 and i - at <= 8192:
            n = 3
            while i + n < len(data) and n < 264 and data[at + n] == data[i + n]:
                n += 1
            flush()
            back, length = i - at - 1, n - 2
            out.append((min(length, 7) << 5) | back >> 8)
            if length >= 7:
                out.append(length - 7)
            out.append(back & 255)
            i += n
        else:
            plain.append(data[i])
            i += 1
    flush()
    return bytes(out)


@given(st.lists(st.sampled_from([b"abc", b"a", b"\0" * 40, bytes(range(50)), b"xyz" * 99])))
def test_lzf_gives_back_what_went_in(pieces):
    data = b"".join(pieces)
    assert lzf.unpacked(packed(data), len(data)) == data


@given(st.binary(max_size=200), st.integers(0, 300))
def test_lzf_ends_well_or_with_a_word(data, size):
    with contextlib.suppress(ValueError):
        assert len(lzf.unpacked(data, size)) == size
