"""Which pictures are taken: sharp, apart, not more than asked for."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from photographs import as_photos, pattern

from cousins.errors import ScanError
from cousins.photos.pick import Pick, sharpness, stretches

WIDE = pattern(3, 1024, finest=4)


def window(x, y=100):
    return np.ascontiguousarray(WIDE[y : y + 180, x : x + 240])


def blurred(picture):
    return cv2.GaussianBlur(picture, (0, 0), 3)


@given(st.lists(st.tuples(st.floats(0.1, 10), st.floats(0, 0.1)), min_size=1, max_size=60),
       st.integers(1, 20))  # fmt: skip
def test_stretches_are_few_rising_and_hold_the_sharpest(frames, most):
    sharp, steps = map(np.array, zip(*frames, strict=True))
    chosen = stretches(sharp, np.cumsum(steps), 0.04, most)
    assert 1 <= len(chosen) <= most
    assert (np.diff(chosen) > 0).all()
    assert sharp[chosen].max() == sharp.max()


def test_a_moving_camera_gives_pictures_at_equal_distances(tmp_path):
    pictures = [window(4 * i) for i in range(100)]
    chosen = Pick()(as_photos(pictures, tmp_path, ordered=True)).chosen
    way = 396 / 240
    assert len(chosen) == pytest.approx(way / 0.04, rel=0.15)
    assert np.diff(chosen).max() <= 7


def test_a_tremor_adds_nothing(tmp_path):
    shaken = [window(200 + 3 * (i % 2)) for i in range(60)]
    with pytest.raises(ScanError, match="walk round"):
        Pick()(as_photos(shaken, tmp_path, ordered=True))


def test_blurred_frames_of_a_video_are_passed_over(tmp_path):
    pictures = [window(4 * i) if i % 2 else blurred(window(4 * i)) for i in range(80)]
    chosen = Pick()(as_photos(pictures, tmp_path, ordered=True)).chosen
    assert len(chosen) > 10
    assert (chosen % 2 == 1).mean() > 0.9


def test_no_more_than_asked_for_and_a_jump_is_survived(tmp_path):
    pictures = [window(5 * i) for i in range(40)] + [window(5 * i, 700) for i in range(40)]
    chosen = Pick(most=9)(as_photos(pictures, tmp_path, ordered=True)).chosen
    assert 5 <= len(chosen) <= 9
    assert chosen.min() < 40 <= chosen.max()


def test_single_photos_lose_the_blurred_and_the_doubled_which_are_named(tmp_path):
    pictures = [window(30 * i) for i in range(10)]
    pictures += [pictures[4], blurred(window(320))]
    got = Pick()(as_photos(pictures, tmp_path))
    assert got.chosen.tolist() == list(range(10))
    assert got.warnings == (
        "10.jpg: the same as 4.jpg, left out",
        "11.jpg: blurred, left out",
    )


def test_blur_is_less_sharp():
    grey = window(0)[:, :, 0]
    assert sharpness(blurred(grey)) < 0.1 * sharpness(grey)
