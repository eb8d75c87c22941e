"""Where the colour camera stands, told by the bundled capture with its camera moved on purpose."""

from dataclasses import replace

import numpy as np
import pytest

from cousins.capture import open_capture
from cousins.reconstruct.registration import Register, moved
from cousins.resources import sample


@pytest.fixture(scope="module")
def frames():
    return list(open_capture(sample("desk")).frames())[::4]


def test_cameras_that_are_one_are_left_so(frames):
    got = Register()(frames)
    assert not got.offset.any()
    assert (got.error < 0.001).all()


@pytest.mark.parametrize("offset", [(0.02, 0.0), (-0.008, 0.012), (0.0, -0.025)])
def test_an_offset_is_found_and_undone(frames, offset):
    wrong = [moved(frame, np.array(offset)) for frame in frames]
    got = Register()(wrong)
    assert got.offset == pytest.approx(-np.array(offset), abs=0.0015)
    right = Register()([moved(frame, got.offset) for frame in wrong])
    assert not right.offset.any()


def test_pictures_without_edges_tell_nothing(frames):
    blank = [replace(frame, colour=np.full_like(frame.colour, 128)) for frame in frames]
    assert not Register()(blank).offset.any()


def test_without_pictures_nothing_is_told(frames):
    got = Register()([replace(frame, colour=None) for frame in frames])
    assert not got.offset.any()
    assert not np.isfinite(got.error).any()


def test_an_offset_beyond_the_search_is_not_guessed(frames):
    wrong = [moved(frame, np.array([0.08, 0.0])) for frame in frames]
    assert not Register()(wrong).offset.any()


def test_too_few_frames_tell_nothing(frames):
    assert not np.isfinite(Register()(frames[:3]).error).any()
