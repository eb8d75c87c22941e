"""`cousins capture`: what is told of a film agrees with how it was filmed, and what to film again
is what was left out."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from captures import write_stray
from cousins.cli import main as cli
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cousins import phone, survey
from cousins.capture import open_capture
from cousins.errors import CousinsError
from cousins.phone import Exposure, Phone, Walk, film
from cousins.scene import build, compile_model
from cousins.survey import around, looks
from cousins.survey.drawing import coverage
from cousins.survey.photos import motion, survey_photos
from cousins.types import Photos, Wall
from examples import table_scene

TARGET = (0.0, 0.0, 0.76)
PHONE = Phone(
    frames=30,
    depth_size=(128, 96),
    colour_size=(320, 240),
    walk=Walk(path="circle", elevation=(40.0, 40.0), distance=(0.8, 0.8), target=TARGET),
)
SHORT = replace(PHONE, walk=replace(PHONE.walk, path="arc", arc=60.0))
FAULTY = replace(SHORT, missing=0.4, exposure=Exposure(gain=0.6))


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """The same table filmed all the way round, from one side, and badly."""
    folder = tmp_path_factory.mktemp("films")
    model = compile_model(*build(table_scene()))
    return {
        name: film(model, folder / name, p)
        for name, p in (("round", PHONE), ("short", SHORT), ("faulty", FAULTY))
    }


@pytest.fixture(scope="module")
def found(films):
    captures = {name: open_capture(path) for name, path in films.items()}
    captures["faulty"] = seen_as(captures["faulty"], smeared)
    return {name: survey.examine(capture) for name, capture in captures.items()}


def seen_as(capture, change):
    return replace(capture, frames=lambda: map(change, capture.frames()))


def smeared(frame):
    """As by a quick turn to the side, in three of four frames."""
    if frame.index % 4 == 0:
        return frame
    return replace(frame, colour=cv2.blur(frame.colour, (9, 1)))


def colourless(frame):
    return replace(frame, colour=None, colour_intrinsics=frame.depth_intrinsics)


@pytest.fixture(scope="module")
def told(found):
    return {name: survey.summary(f) for name, f in found.items()}


def test_a_whole_turn_is_told_as_one(told):
    s = told["round"]
    assert (s.frames, s.looked_at, s.dropped) == (30, 30, 0)
    assert (s.rate, s.seconds) == (10, pytest.approx(2.9))
    assert s.round == 360
    assert s.gaps == ()
    low, high = s.elevation
    # To what lies on the table where the cameras look, 4 cm below the target.
    assert 38 < low < high < 46
    assert s.distance == pytest.approx(0.8, abs=0.08)
    assert s.extent[0] == pytest.approx(2 * 0.8 * np.cos(np.radians(40)), abs=0.05)
    assert s.turn[0] == pytest.approx(360 / 2.9 * np.cos(np.radians(40)), rel=0.35)
    assert s.well_seen > 0.8
    assert min(s.well_seen_facing.values()) > 0.7
    assert s.support_tilt_degrees < 0.5
    [table] = [p for p in s.supports if p["kind"] == "table"]
    assert sorted(table["size"]) == pytest.approx([0.8, 1.2], abs=0.15)
    assert not any("way round" in line or "filmed from" in line for line in s.film_again)


def test_a_short_arc_is_told_to_go_on(told):
    s = told["short"]
    assert s.round == pytest.approx(60, abs=6)
    [(first, last)] = s.gaps
    # The film starts in the front and goes to the right.
    assert first == pytest.approx(60, abs=6)
    assert last == pytest.approx(360, abs=6)
    assert "nothing was filmed from the right, back and left" in s.film_again[0]
    assert s.well_seen < told["round"].well_seen
    assert s.well_seen_by_side["back"] < told["round"].well_seen_by_side["back"]


def test_a_side_of_the_things_that_few_frames_saw_is_told(told):
    facing = told["short"].well_seen_facing
    assert facing.get("back", 0.0) < 0.3 < facing["front"]


def test_a_faulty_film_is_told_its_faults(told):
    s = told["faulty"]
    lines = "\n".join(s.film_again)
    assert s.dropped == pytest.approx(0.4, abs=0.15)
    assert "left out" in lines
    assert s.edge_px > 1.4 * told["short"].edge_px
    assert s.blurred > 0.5
    assert "blurred" in lines
    assert s.exposure > 1.5
    assert "lock the exposure" in lines
    assert told["short"].blurred == 0
    assert told["short"].exposure < 1.2


def test_the_same_film_is_told_the_same_twice(films, told):
    again = survey.summary(survey.examine(open_capture(films["short"])))
    assert again == told["short"]


def test_the_picture_shows_the_table_and_the_cameras(found):
    image = coverage(found["round"])
    assert image.dtype == np.uint8
    assert image.ndim == 3
    green = (image[..., 1] > image[..., 0] + 30) & (image[..., 1] > image[..., 2])
    blue = image[..., 2].astype(int) - image[..., 0] > 80
    assert green[60:1000, :1000].mean() > 0.1  # seen from all round
    assert blue[60:1000, :1000].sum() > 30 * 9  # a dot for each camera
    short = coverage(found["short"])
    red = (short[..., 0].astype(int) - short[..., 1] > 120) & (short[..., 2] < 90)
    assert (
        red[60:1000, :1000].mean()
        > 2
        * ((image[..., 0].astype(int) - image[..., 1] > 120) & (image[..., 2] < 90))[
            60:1000, :1000
        ].mean()
    )


def test_a_film_without_pictures_is_told(films):
    f = survey.examine(seen_as(open_capture(films["short"]), colourless))
    s = survey.summary(f)
    assert s.picture_size is None
    assert s.blurred is None
    assert s.exposure is None
    assert any("no pictures" in line for line in s.film_again)
    assert coverage(f).shape[2] == 3


def test_what_holds_no_surface_is_no_error(tmp_path):
    """A flat depth image in front of a camera: no table, and few frames."""
    write_stray(tmp_path / "capture")
    f = survey.examine(open_capture(tmp_path / "capture"))
    s = survey.summary(f)
    assert s.supports == ()
    assert s.support_tilt_degrees is None
    assert "film" in s.film_again[0]
    assert coverage(f).shape[2] == 3


# The command line


def run(*arguments):
    return CliRunner().invoke(cli.app, ["capture", *map(str, arguments)])


def refused(*arguments):
    done = run(*arguments)
    assert isinstance(done.exception, CousinsError), done.output
    assert "\n" not in str(done.exception)
    return str(done.exception), done.exception.exit_code


def test_the_text_tells_it_and_writes_nothing(films):
    before = sorted(p.name for p in films["short"].parent.iterdir())
    done = run(films["short"])
    assert done.exit_code == 0, done.output
    assert "30 in 2.9 s, 10 a second" in done.stdout
    assert "of 360 degrees" in done.stdout
    assert "film again: nothing was filmed from the right" in done.stdout
    assert sorted(p.name for p in films["short"].parent.iterdir()) == before


def test_json_and_the_folder_hold_the_same(films, told, tmp_path):
    out = tmp_path / "new" / "seen"
    done = run(films["short"], "-o", out, "--json")
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert printed == json.loads((out / "capture.json").read_text())
    assert printed["round"] == told["short"].round
    assert printed["film_again"] == list(told["short"].film_again)
    assert sorted(p.name for p in out.iterdir()) == ["capture.json", "coverage.png"]
    assert cv2.imread(str(out / "coverage.png")) is not None
    # Its own folder is written anew.
    assert run(films["short"], "-o", out, "--json").exit_code == 0


def test_a_bad_capture_is_one_line(tmp_path):
    message, code = refused(tmp_path / "none")
    assert "does not exist" in message
    assert code == 1
    write_stray(tmp_path / "capture")
    (tmp_path / "capture" / "depth" / "000002.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    message, code = refused(tmp_path / "capture", "-o", tmp_path / "out")
    assert "000002.png" in message
    assert code == 1
    assert not (tmp_path / "out").exists()


def test_an_output_that_cannot_be_written_is_told_before_any_work(tmp_path):
    write_stray(tmp_path / "capture")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    for out, told in (
        (tmp_path / "file", "is a file"),
        (tmp_path / "full", "thesis.txt"),
        (tmp_path / "file" / "below", "choose another output"),
        (tmp_path / "x.zip", "not a .zip"),
    ):
        assert told in refused(tmp_path / "capture", "-o", out)[0]
    assert (tmp_path / "full" / "thesis.txt").read_text() == "mine"
    assert (tmp_path / "file").read_text() == "mine"


# What it is made of


@given(st.integers(0, 359), st.integers(50, 340), st.integers(0, 359))
def test_an_arc_of_any_length_is_told(start, length, turn):
    cameras = start + np.arange(0, length + 1, 2.0)
    gaps = around.open_gaps((cameras + turn) % 360)
    open_ = sum(b - a for a, b in gaps)
    missing = 360 - (cameras[-1] - cameras[0])
    assert open_ == pytest.approx(missing if missing > around.OPEN else 0)


def test_a_way_about_a_middle():
    p = replace(PHONE, walk=replace(PHONE.walk, unsteadiness=0.0, path="arc", arc=200.0))
    way = around.way(phone.poses(p, TARGET), np.array(TARGET), ())
    assert way.round == pytest.approx(200, abs=0.1)
    assert way.radius == pytest.approx(0.8 * np.cos(np.radians(40)), abs=1e-3)
    assert way.elevation == pytest.approx((40, 40), abs=0.1)
    assert around.sides_in(way.gaps[0]) == ["left"]
    # A wall close behind what was not filmed leaves no room for a camera there.
    hidden = Wall("wall_1", np.array([-0.3, 0.0, 1.0]), np.array([1.0, 0.0, 0.0]), 3.0, 1.0)
    walled = around.way(phone.poses(p, TARGET), np.array(TARGET), (hidden,))
    assert way.walled == (0.0,)
    assert walled.walled[0] > 0.6


def picture(smear=0):
    """Dark discs on light, smeared sideways by some pixels."""
    image = np.full((240, 320), 200, np.uint8)
    for x in range(30, 320, 45):
        for y in range(30, 240, 45):
            cv2.circle(image, (x, y), 14, 60, cv2.FILLED)
    if smear:
        image = np.asarray(cv2.blur(image, (smear, 1)), np.uint8)
    return np.repeat(image[:, :, None], 3, axis=2)


def test_a_smear_widens_edges_by_its_length():
    sharp = looks.edge_width(picture())
    assert sharp == pytest.approx(looks.IDEAL, abs=0.6)
    for smear in (5, 9, 13):
        assert looks.edge_width(picture(smear)) == pytest.approx(smear, rel=0.3)
    assert np.isnan(looks.edge_width(np.full((240, 320, 3), 128, np.uint8)))


def test_a_film_that_is_blurred_throughout_is_told_too():
    assert not looks.blurred(np.array([2.8, 2.9, 3.1, np.nan])).any()
    assert looks.blurred(np.array([2.8, 2.9, 6.0, np.nan])).tolist() == [False, False, True, False]
    assert looks.blurred(np.full(5, 7.0)).all()


# Pictures without depth


def photos(pictures, **more):
    names = tuple(f"IMG_{i}.jpg" for i in range(len(pictures)))
    return Photos(more.pop("path", None), "photos", names, (320, 240), "0" * 64,
                  lambda: iter(pictures), **more)  # fmt: skip


def test_photos_are_told_sharp_or_blurred():
    pictures = [picture(9 if i in (3, 4, 5, 6, 7) else 0) for i in range(20)]
    s = survey_photos(photos(pictures))
    assert (s.pictures, s.size, s.ordered, s.posed) == (20, (320, 240), False, False)
    assert s.names == ("IMG_0.jpg", "IMG_19.jpg")
    assert s.blurred == 0.25
    assert set(s.blurriest) <= {f"IMG_{i}.jpg" for i in range(3, 8)}
    assert s.step is None
    assert s.parallax_px is None
    assert any("25% of the pictures are blurred" in line for line in s.film_again)


def test_a_camera_that_only_turns_has_no_parallax():
    rng = np.random.default_rng(0)
    wide = cv2.resize(rng.integers(0, 255, (60, 100), np.uint8), (800, 480))
    wide = np.repeat(wide[:, :, None], 3, axis=2)
    pictures = [np.ascontiguousarray(wide[60:300, 8 * i : 8 * i + 320]) for i in range(25)]
    s = survey_photos(photos(pictures, ordered=True))
    assert s.step == pytest.approx(8 / 320, abs=0.003)
    assert s.parallax_px < 0.5
    assert any("walk round" in line for line in s.film_again)
    # Half of it moves three times as far: that is near, and the camera moved.
    near = pictures[1].copy()
    near[:, 160:] = wide[60:300, 24 + 160 : 24 + 320]
    assert motion(pictures[0], near)[1] > 5


def test_photos_with_poses_tell_their_extent():
    poses = np.tile(np.eye(4), (20, 1, 1))
    poses[:, 0, 3] = np.linspace(0, 2, 20)
    s = survey_photos(photos([picture()] * 20, poses=poses))
    assert s.posed
    assert s.extent == (2.0, 0.0, 0.0)
    assert s.film_again == ()
