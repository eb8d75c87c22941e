"""nerfstudio: one camera or many, lenses that distort, masks, and what COLMAP leaves behind."""

import json

import cv2
import numpy as np
import pytest
from captures import SIZE, colour, refusal
from hypothesis import given, settings
from hypothesis import strategies as st

from cousins.capture import open_capture, open_rgbd
from cousins.capture.camera import parse
from cousins.capture.optics import Optics, undone
from cousins.errors import CaptureError, UsageError
from cousins.types import Intrinsics, Photos

W, H = SIZE
LENS = {"fl_x": 80.0, "fl_y": 81.0, "cx": 48.0, "cy": 36.0, "w": W, "h": H}
COLMAP = [[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0]]


def pose(i):
    """At (i/10, -0.2, 1.4), looking along y, upright, in a world with z up; OpenGL axes."""
    return [[1, 0, 0, 0.1 * i], [0, 0, -1, -0.2], [0, 1, 0, 1.4], [0, 0, 0, 1]]


def millimetres(i):
    image = np.full((H, W), 1000 + i, np.uint16)
    image[0, 0] = 0
    return image


def write(path, n=3, depth=True, pictures=None, lens=LENS, **more):
    """A folder; more: into the file. Its frames are named out of order."""
    for folder in ("images", "depth"):
        (path / folder).mkdir(parents=True)
    frames = []
    for i in [*range(1, n), 0]:
        name = f"frame_{i + 1}"
        picture = colour(i % 6) if pictures is None else pictures
        cv2.imwrite(str(path / f"images/{name}.png"), picture[:, :, ::-1])
        frames.append({"file_path": f"./images/{name}.png", "transform_matrix": pose(i)})
        if depth:
            cv2.imwrite(str(path / f"depth/{name}.png"), millimetres(i))
            frames[-1]["depth_file_path"] = f"depth/{name}.png"
    save(path, {**lens, "camera_model": "OPENCV", "frames": frames, **more})
    return path


def save(path, told):
    (path / "transforms.json").write_text(json.dumps(told))


def load(path):
    return json.loads((path / "transforms.json").read_text())


def each(path, change):
    """Every frame changed by a function of itself."""
    told = load(path)
    for view in told["frames"]:
        change(view)
    save(path, told)
    return path


def test_frames_come_in_order_with_pose_depth_and_camera(tmp_path):
    capture = open_rgbd(write(tmp_path / "c", 11, ply_file_path="nowhere.ply"))
    assert (capture.layout, len(capture), capture.warnings) == ("nerfstudio", 11, ())
    assert capture.up.tolist() == [0, 0, 1]
    for i, frame in enumerate(capture.frames()):
        world = frame.world_from_camera
        assert world[:3, 3] == pytest.approx([0.1 * i, -0.2, 1.4])
        assert world[:3, 2] == pytest.approx([0, 1, 0])  # it looks along y
        assert world[:3, 1] == pytest.approx([0, 0, -1])  # and down is down
        assert frame.depth[9, 9] == pytest.approx(1 + i / 1000)
        assert frame.depth[0, 0] == 0
        assert np.array_equal(frame.colour, colour(i % 6))
        k = frame.colour_intrinsics
        # The middle of its first pixel is at 0.5, of ours at 0.
        assert (k.width, k.height, k.fx, k.fy, k.cx, k.cy) == (96, 72, 80, 81, 47.5, 35.5)


def test_each_frame_may_have_its_own_camera(tmp_path):
    path = write(tmp_path / "c", lens={})
    focal = iter((81.0, 82.0, 80.0))  # of the frames 1, 2, 0
    each(path, lambda view: view.update(LENS, fl_x=next(focal)))
    assert [f.colour_intrinsics.fx for f in open_rgbd(path).frames()] == [80, 81, 82]


def test_a_camera_that_is_not_told_can_be(tmp_path):
    path = write(tmp_path / "c", lens={})
    with pytest.raises(CaptureError, match="--intrinsics"):
        open_capture(path)
    assert next(open_rgbd(path, parse("80,80,48,36")).frames()).colour_intrinsics.cx == 48
    with pytest.raises(UsageError, match="leave the option out"):
        open_capture(write(tmp_path / "d"), parse("80,80,48,36"))


def test_depth_may_have_another_unit_and_size(tmp_path):
    path = write(tmp_path / "c", depth_unit_scale_factor=0.0002)
    frame = next(open_rgbd(path).frames())
    assert frame.depth[9, 9] == pytest.approx(0.2)
    for file in (path / "depth").iterdir():
        cv2.imwrite(str(file), np.full((24, 32), 5000, np.uint16))
    frame = next(open_rgbd(path).frames())
    assert frame.depth.shape == (24, 32)
    assert frame.depth_intrinsics.fx == pytest.approx(80 / 3)
    assert frame.depth_intrinsics.cx == pytest.approx(48 / 3 - 0.5)


def test_positions_are_brought_back_to_the_unit_of_depth(tmp_path):
    path = write(tmp_path / "c", applied_scale=0.25, applied_transform=np.eye(4)[:3].tolist())
    capture = open_rgbd(path)
    assert capture.poses[2, :3, 3] == pytest.approx([0.8, -0.8, 5.6])
    assert next(capture.frames()).depth[9, 9] == 1
    assert capture.up.tolist() == [0, 0, 1]


def test_what_a_mask_leaves_out_has_no_depth(tmp_path):
    path = write(tmp_path / "c")
    mask = np.full((H, W), 255, np.uint8)
    mask[:, : W // 2] = 0
    cv2.imwrite(str(path / "mask.png"), mask)
    each(path, lambda view: view.update(mask_path="mask.png"))
    frame = next(open_rgbd(path).frames())
    assert frame.depth[:, : W // 2].max() == 0
    assert frame.depth[:, W // 2 :].min() == 1
    cv2.imwrite(str(path / "mask.png"), np.stack([mask[::2, ::2]] * 3, 2))  # half as large, grey
    assert np.array_equal(next(open_rgbd(path).frames()).depth, frame.depth)


def test_the_smaller_pictures_will_do(tmp_path):
    path = write(tmp_path / "c")
    (path / "images_2").mkdir()
    for file in (path / "images").iterdir():
        cv2.imwrite(str(path / "images_2" / file.name), cv2.imread(str(file))[::2, ::2])
        file.unlink()
    frame = next(open_rgbd(path).frames())
    assert frame.colour.shape == (H // 2, W // 2, 3)
    assert frame.colour_intrinsics.fx == 40
    assert frame.depth.shape == (H, W)
    named = each(path, lambda view: view.update(
        file_path=view["file_path"].replace("images/", "images_2/")))  # fmt: skip
    assert next(open_rgbd(named).frames()).colour_intrinsics.fx == 40


def grid(optics, size=4):
    """A picture with white squares about points whose directions are known, drawn by OpenCV's own
    projection, and those directions (n, 3)."""
    k = optics.camera
    x, y = np.meshgrid(np.linspace(-0.4, 0.4, 5), np.linspace(-0.3, 0.3, 4))
    rays = np.stack([x.ravel(), y.ravel(), np.ones(20)], 1)
    zero = np.zeros(3)
    if optics.fisheye:
        told = cv2.fisheye.projectPoints(rays[:, None], zero, zero, k.matrix,
                                         np.array(optics.radial))[0]  # fmt: skip
    else:
        k1, k2, k3, _ = optics.radial
        told = cv2.projectPoints(rays, zero, zero, k.matrix,
                                 np.array([k1, k2, *optics.tangential, k3]))[0]  # fmt: skip
    picture = np.zeros((k.height, k.width, 3), np.uint8)
    for u, v in told.reshape(-1, 2):
        row, column = round(v), round(u)
        picture[row - size : row + size + 1, column - size : column + size + 1] = 255
    return picture, rays


LENSES = {
    "barrel": {"camera_model": "OPENCV", "k1": -0.2, "k2": 0.05, "p1": 0.004, "p2": -0.006},
    "pillow": {"camera_model": "SIMPLE_RADIAL", "k1": 0.15},
    "fisheye": {"camera_model": "OPENCV_FISHEYE", "k1": 0.05, "k2": -0.02, "k3": 0.01, "k4": 0.0},
}


@pytest.mark.parametrize("name", LENSES)
@pytest.mark.parametrize("listed", [False, True])
def test_distortion_is_undone_in_pictures_and_depth(tmp_path, name, listed):
    lens = {"fl_x": 400.0, "fl_y": 410.0, "cx": 322.5, "cy": 238.5, "w": 640, "h": 480}
    k = Intrinsics(640, 480, 400, 410, 322, 238)
    numbers = [LENSES[name].get(x, 0.0) for x in ("k1", "k2", "k3", "k4", "p1", "p2")]
    fisheye = name == "fisheye"
    picture, rays = grid(Optics(k, tuple(numbers[:4]), (numbers[4], numbers[5]), fisheye))
    model = LENSES[name]["camera_model"]
    told = (
        {"camera_model": model, "distortion_params": numbers} if listed and not fisheye
        else LENSES[name]
    )  # fmt: skip
    path = write(tmp_path / "c", 2, pictures=picture, lens=lens, **told)
    small = cv2.resize(picture[:, :, 0], (320, 240), interpolation=cv2.INTER_NEAREST)
    for file in (path / "depth").iterdir():
        cv2.imwrite(str(file), np.where(small > 0, 1234, 777).astype(np.uint16))
    frame = next(open_rgbd(path).frames())
    assert frame.colour_intrinsics == k
    assert set(np.unique(frame.depth)) <= {np.float32(x) for x in (0, 0.777, 1.234)}  # none mixed
    for image, camera in (
        (frame.colour[:, :, 0] > 128, frame.colour_intrinsics),
        (frame.depth > 1, frame.depth_intrinsics),
    ):
        _, _, _, centres = cv2.connectedComponentsWithStats(image.astype(np.uint8))
        seen = rays @ camera.matrix.T
        near = np.linalg.norm(seen[:, None, :2] - centres[None, 1:], axis=2).min(1)
        assert near.max() < 1.3  # drawn at whole pixels; undistorted they lie 5 to 20 away


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.floats(-1.5, 1.5)] * 4),
    st.tuples(*[st.floats(-0.05, 0.05)] * 2),
    st.booleans(),
)
def test_no_lens_shows_a_place_twice_along_a_radius(radial, tangential, fisheye):
    """Where the polynomial turns back nothing is seen, instead of the middle once more."""
    k = Intrinsics(80, 60, 30, 30, 39.5, 29.5)
    optics = Optics(k, radial, (0.0, 0.0), fisheye)
    across = np.tile(np.arange(80, dtype=np.float32) + 1, (60, 1))
    row = undone(across, optics, k, "x", nearest=True)[29, 40:]
    seen = row[row > 0]
    assert (np.diff(seen) >= 0).all()
    whole = undone(across, Optics(k, radial, tangential, fisheye), k, "x")
    assert np.isfinite(whole).all()


def test_a_lens_that_distorts_nothing_leaves_every_bit(tmp_path):
    k = Intrinsics(80, 60, 30, 30, 39.5, 29.5)
    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    assert undone(image, Optics(k), k, "x") is image


def test_without_depth_its_poses_are_solved_and_their_unit_doubted(tmp_path):
    photos = open_capture(write(tmp_path / "c", depth=False))
    assert isinstance(photos, Photos)
    assert (photos.layout, photos.solved, photos.metric) == ("nerfstudio", True, True)
    assert photos.up.tolist() == [0, 0, 1]
    assert photos.warnings == ("transforms.json tells no unit: its poses are taken as metres",)
    assert photos.camera == Intrinsics(96, 72, 80, 81, 47.5, 35.5)
    assert photos.poses[:, 0, 3] == pytest.approx([0, 0.1, 0.2])
    for i, picture in enumerate(photos.pictures()):
        assert np.array_equal(picture, colour(i))


@pytest.mark.parametrize("trace", ["number", "turn", "folder", "sharpness"])
def test_colmaps_world_has_no_unit_and_no_up(tmp_path, trace):
    path = write(tmp_path / "c", depth=False)
    if trace == "turn":
        save(path, {**load(path), "applied_transform": COLMAP})
    elif trace == "folder":
        (path / "colmap").mkdir()
        (path / "colmap/database.db").touch()
    else:
        name = {"number": "colmap_im_id", "sharpness": "sharpness"}[trace]
        each(path, lambda view: view.update({name: 3}))
    photos = open_capture(path)
    assert (photos.solved, photos.metric, photos.up, photos.warnings) == (True, False, None, ())


def test_depth_of_colmaps_points_alone_is_not_used(tmp_path):
    path = write(tmp_path / "c", applied_transform=COLMAP)
    dense = open_rgbd(path)
    assert dense.up is None
    assert not dense.metric
    assert "COLMAP" in dense.scale_source
    for file in (path / "depth").iterdir():
        image = np.zeros((H, W), np.uint16)
        image[::9, ::9] = 1000
        cv2.imwrite(str(file), image)
    photos = open_capture(path)
    assert isinstance(photos, Photos)
    assert any("sparse points" in w for w in photos.warnings)


def test_frames_without_their_files_are_left_out_and_counted(tmp_path):
    path = write(tmp_path / "c", 5)
    (path / "images/frame_2.png").unlink()
    (path / "depth/frame_4.png").unlink()
    capture = open_rgbd(path)
    assert len(capture) == 3
    assert "2 of 5 frames lack a file" in capture.warnings[0]
    for file in (path / "depth").iterdir():
        file.unlink()
    photos = open_capture(path)
    assert isinstance(photos, Photos)
    assert len(photos) == 4
    assert any("depth images, but none is there" in w for w in photos.warnings)


def test_integer_depth_scale_alone_makes_no_nerfcapture(tmp_path):
    path = write(tmp_path / "c", integer_depth_scale=0.0005)
    capture = open_rgbd(path)
    assert capture.layout == "nerfstudio"
    assert next(capture.frames()).depth[9, 9] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"camera_model": "EQUIRECTANGULAR"}, "'EQUIRECTANGULAR' is not read"),
        ({"camera_model": 5}, "camera_model"),
        ({"distortion_params": [0.1]}, "not 6 numbers"),
        ({"k1": "much"}, "k1"),
        ({"applied_scale": 0}, "applied_scale"),
        ({"applied_scale": 1e-9}, "metres"),
        ({"applied_transform": "eye"}, "applied_transform"),
        ({"frames": {}}, "frames"),
        ({"frames": [{}]}, "frames.0.file_path"),
        ({"w": H, "h": W, "cx": 36, "cy": 48}, "do not show the same view"),
        ({"w": 1e300}, "between 1 and"),
    ],
)
@pytest.mark.parametrize("depth", [True, False])
def test_a_bad_file_is_told_in_one_line(tmp_path, change, says, depth):
    assert says in refusal(write(tmp_path / "c", depth=depth, **change))


def test_a_step_of_depth_that_no_image_has_is_told(tmp_path):
    path = write(tmp_path / "c", depth=True, depth_unit_scale_factor=1.0)
    assert "a step of depth" in refusal(path)


def test_a_damaged_file_is_told_in_one_line(tmp_path):
    path = write(tmp_path / "c", depth=False)
    for bad in (b"", b"{", b"null", b"\xff", b"[" * 100_000):
        (path / "transforms.json").write_bytes(bad)
        assert "transforms.json" in refusal(path)


def test_pictures_of_other_sizes_are_refused(tmp_path):
    path = write(tmp_path / "c", depth=False)
    cv2.imwrite(str(path / "images/frame_2.png"), colour(1)[::2, ::2])
    assert "frame_2.png: a picture of 48x36 among others of 96x72" in refusal(path)
    cv2.imwrite(str(path / "images/frame_2.png"), colour(1).transpose(1, 0, 2))
    assert "do not show the same view" in refusal(path)
