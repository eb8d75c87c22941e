"""Masks of pictures: where they are asked for, what they say together, and what becomes of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cousins import scanning
from cousins.cache import Cache
from cousins.capture import open_rgbd
from cousins.errors import UsageError
from cousins.household import scene
from cousins.masks import Masks
from cousins.masks.ask import Ask
from cousins.masks.keyframes import View, chosen, seen, smaller
from cousins.masks.prompts import prompts
from cousins.masks.vote import lifted, vote
from cousins.phone import Phone, film
from cousins.phone.masks import Errors, true_masks
from cousins.progress import silent
from cousins.scene import look_at
from cousins.segment.informed import informed
from cousins.segment.parts import Limits, Parts
from cousins.segment.patches import Borders
from cousins.types import Frame, Intrinsics

SIDE = 12  # cells along each side of a thing


def things(k):
    """k square sheets of cells, 4 mm apart, in a row without gaps, and which each cell is of."""
    x, y = np.meshgrid(np.arange(k * SIDE), np.arange(SIDE))
    cells = 0.004 * np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)])
    return cells, (x // SIDE).ravel()


def views(rng, of, count, dropped=0.0, merged=0.0, wrong=0.0):
    """Which cells each of `count` views sees, and its masks."""
    k = of.max() + 1
    looks, masks = [], []
    for _ in range(count):
        sees = rng.random(k) < 0.8
        if not sees.any():
            sees[:] = True
        look = sees[of] & (rng.random(len(of)) < 0.95)
        rows = []
        for i in np.flatnonzero(sees):
            if rng.random() < dropped:
                continue
            mask = (of == i) | ((of == i + 1) if rng.random() < merged else False)
            rows.append(mask & look)
        if rows and rng.random() < wrong:  # what was asked for comes twice, or not at all
            rows = [rows[i] for i in rng.integers(0, len(rows), len(rows))]
        looks.append(look)
        masks.append(np.array(rows, bool).reshape(-1, len(of)))
    return np.array(looks), masks


def overlap(said, of):
    """The mean over the true things of their overlap with the best one said."""
    every = []
    for i in range(of.max() + 1):
        best = [((said == a) & (of == i)).sum() / ((said == a) | (of == i)).sum()
                for a in range(said.max() + 1)]  # fmt: skip
        every.append(max(best, default=0.0))
    return float(np.mean(every))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_true_masks_part_what_touches(seed, k):
    cells, of = things(k)
    said = vote(*views(np.random.default_rng(seed), of, 8), cells)
    assert len(said.agreement) == k
    assert overlap(said.label, of) > 0.99
    assert (said.agreement > 0.9).all()
    assert (said.views >= 2).all()


def test_masks_that_are_missing_merged_or_anothers_hardly_mislead():
    """Where one view alone shows two things, and shows them as one, they are one."""
    cells, of = things(4)
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        said = vote(*views(rng, of, 10, dropped=0.1, merged=0.1, wrong=0.2), cells)
        found.append(overlap(said.label, of))
    assert np.mean(found) > 0.98
    assert np.mean(np.array(found) > 0.95) > 0.95


def test_masks_that_are_shifted_part_in_the_middle():
    cells, of = things(3)
    rng = np.random.default_rng(0)
    looks, masks = views(rng, of, 9)
    grid = [mask.reshape(-1, SIDE, 3 * SIDE) for mask in masks]
    moved = [np.roll(m, rng.integers(-2, 3), 2).reshape(len(m), -1) for m in grid]
    assert overlap(vote(looks, moved, cells).label, of) > 0.9


def test_sides_of_which_pictures_share_little_are_of_one_thing():
    cells, of = things(2)
    column = np.arange(len(of)) % (2 * SIDE)
    width, looks, masks = 2 * SIDE // 3, [], []
    for first in range(0, 2 * SIDE - width + 1, 6):  # by turns, each a third of a long thing
        looks.append((column >= first) & (column < first + width))
        masks.append(looks[-1][None])
    said = vote(np.array(looks), masks, cells).label
    assert len(set(said[said >= 0])) == 1


def test_no_mask_says_nothing():
    cells, of = things(2)
    said = vote(np.ones((3, len(of)), bool), [np.zeros((0, len(of)), bool)] * 3, cells)
    assert (said.label == -1).all()
    assert len(said.agreement) == 0


def flat(n=40):
    """A view of a sheet of n x n cells, a pixel each, and of as much ground beside it."""
    y, x = np.mgrid[0:n, 0 : 2 * n]
    pixel, on = np.column_stack([x.ravel(), y.ravel()]), (x < n).ravel()
    return View(0, (y * n + x).ravel()[on], pixel[on], pixel, on, (2 * n, n))


def masks(*rows, n=40):
    """Masks of that view: each a slice of columns."""
    out = np.zeros((len(rows), n, 2 * n), bool)
    for mask, columns in zip(out, rows, strict=True):
        mask[:, columns] = True
    return Masks(out, np.linspace(1, 0.9, len(rows)), np.arange(len(rows)))


def columns(rows):
    """Which columns of the sheet each mask holds."""
    return [(int(np.flatnonzero(r.reshape(40, 40)[0])[0]), int(r.reshape(40, 40)[0].sum()))
            for r in rows]  # fmt: skip


def test_a_mask_of_the_ground_is_none_of_a_thing():
    rows, _ = lifted(flat(), masks(slice(0, 20), slice(30, 80)), 1600)
    assert columns(rows) == [(0, 20)]


def test_what_says_the_same_twice_says_it_once():
    rows, sure = lifted(flat(), masks(slice(0, 20), slice(0, 21)), 1600)
    assert columns(rows) == [(0, 20)]
    assert sure.tolist() == [1.0]


def test_parts_that_fill_a_whole_stay_and_a_mere_part_goes():
    """Two boxes under one mask are two; a label on a box is of the box."""
    rows, _ = lifted(flat(), masks(slice(0, 40), slice(0, 20), slice(20, 40)), 1600)
    assert columns(rows) == [(0, 20), (20, 20)]
    rows, _ = lifted(flat(), masks(slice(0, 40), slice(5, 15)), 1600)
    assert columns(rows) == [(0, 40)]


def test_key_frames_are_few_and_show_everything():
    shown = [np.arange(100) // 10 == i for i in range(10)] + [np.arange(100) < 50] * 40
    taken = chosen(shown, 5, 8)
    assert taken == sorted(taken)
    assert len(taken) == 8
    assert np.array(shown)[taken].any(0).sum() >= 80
    assert chosen(shown[:2], 5, 8) == [0, 1]
    assert chosen([], 5, 8) == []


CAMERA = Intrinsics(160, 120, 150.0, 150.0, 79.5, 59.5)


def table_frame():
    """A frame that looks down at a table a metre away, with a picture twice as large."""
    pose = look_at(np.array([0, -0.6, 0.8]), np.zeros(3))
    v, u = np.mgrid[0:120, 0:160]
    rays = np.stack([(u - 79.5) / 150, (v - 59.5) / 150, np.ones(u.shape)], -1) @ pose[:3, :3].T
    depth = (-pose[2, 3] / rays[..., 2]).astype(np.float32)
    colour = np.zeros((240, 320, 3), np.uint8)
    return Frame(7, 0.0, pose, depth, CAMERA, colour, CAMERA.scaled(320, 240))


def test_prompts_lie_on_what_they_ask_for():
    x, y = np.meshgrid(np.arange(-0.15, 0.15, 0.004), np.arange(-0.04, 0.04, 0.004))
    cells = np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)])
    of = (cells[:, 0] > 0.03).astype(int)
    frame = table_frame()
    up = np.tile([0, 0, 1.0], (len(cells), 1))
    assert len(seen(frame, cells, -up, 4.0).cell) == 0
    assert len(seen(frame, cells + [0, 0, 0.05], up, 4.0).cell) == 0
    view = seen(frame, cells, up, 4.0)
    assert len(view.cell) > 0.9 * len(cells)
    assert 0 < view.on.mean() < 0.5
    assert view.index == 7
    assert view.size == (320, 240)
    asked = prompts(view, cells, up, of)
    boxes = [p for p in asked if p.box is not None]
    assert len(boxes) == 2
    assert len(asked) > 5
    k = frame.colour_intrinsics
    for i, prompt in enumerate(boxes):
        p = cells[of == i] - frame.world_from_camera[:3, 3]
        p = p @ frame.world_from_camera[:3, :3]
        at = p[:, :2] / p[:, 2:] * k.fx + [k.cx, k.cy]
        assert np.abs(prompt.box - [*at.min(0), *at.max(0)]).max() < 6
    for prompt in asked:
        z = frame.depth[tuple((prompt.points[0, ::-1] / 2).astype(int))]
        ray = np.array([*((prompt.points[0] - [k.cx, k.cy]) / k.fx), 1.0])
        point = frame.world_from_camera[:3, :3] @ (z * ray) + frame.world_from_camera[:3, 3]
        assert np.linalg.norm(cells - point, axis=1).min() < 0.01


def test_large_pictures_are_shown_smaller():
    frame = smaller(table_frame(), 100)
    assert frame.colour.shape == (75, 100, 3)
    assert frame.colour_intrinsics == CAMERA.scaled(100, 75)
    assert smaller(frame, 100) is frame


def sheet(part):
    """A level sheet of 40 x 20 cells, in parts by column."""
    x, y = np.meshgrid(np.arange(40), np.arange(20))
    points = 0.004 * np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)])
    labels = part(x.ravel())
    nothing = Borders(np.zeros((0, 2), int), np.zeros(0), np.zeros(0), np.zeros((0, 3)))
    return x.ravel(), Parts(points, np.tile([0, 0, 1.0], (800, 1)), np.full(800, 5),
                            np.full(800, 0.01), np.zeros(800, bool), labels, nothing)  # fmt: skip


LIMITS = Limits(100, 0.0004)


def test_what_pictures_do_not_tell_stays():
    _, parts = sheet(lambda x: x // 20)
    assert informed(parts, np.full(800, -1), LIMITS) is parts
    x, parts = sheet(lambda x: x // 20)
    said = informed(parts, np.where(x < 4, 0, -1), LIMITS)  # a fifth of one part
    assert np.array_equal(said.labels, parts.labels)


def test_a_part_is_cut_where_pictures_see_two_things():
    x, parts = sheet(lambda x: 0 * x)
    told = np.where(x < 18, 0, np.where(x > 21, 1, -1))
    said = informed(parts, told, LIMITS)
    assert len(np.unique(said.labels)) == 2
    assert np.array_equal(said.labels, said.labels[0] ^ (x >= 20))


def test_two_parts_of_one_thing_are_one_and_ragged_masks_cut_nothing():
    x, parts = sheet(lambda x: x // 20)
    assert (informed(parts, np.zeros(800, int), LIMITS).labels == 0).all()
    ragged = informed(parts, (x >= 18).astype(int), LIMITS)
    assert np.array_equal(ragged.labels, parts.labels)


SPOILT = Errors(dropped=0.1, merged=0.1, shift=3.0, wrong=0.2)


@pytest.fixture(scope="module")
def flush(tmp_path_factory):
    """Two pairs of boxes that stand flush, filmed: the capture, and a masker that knows it."""
    staged = scene("flush", 0)
    phone = Phone(frames=24, colour_size=(320, 240), walk=staged.walk, noise=None)
    capture = open_rgbd(film(staged.model, tmp_path_factory.mktemp("film") / "flush", phone))
    shown = (smaller(frame, Ask().longest) for frame in capture.frames())
    return staged, capture, true_masks(staged.model, phone, shown, SPOILT)


def objects(capture, folder, masker):
    chosen = scanning.Settings(voxel=0.004, refine=None, register=None, transient=None,
                               masker=masker)  # fmt: skip
    run = scanning.Run(capture, chosen, Cache(folder), silent)
    world = scanning.find_world(run)
    return run, scanning.segment(run, world, scanning.fuse(run, world))


def test_flush_boxes_of_two_colours_are_two(flush, tmp_path):
    staged, capture, masker = flush
    _, alone = objects(capture, tmp_path, None)
    run, told = objects(capture, tmp_path, masker)
    assert all(s.agreement is None for s in alone)
    assert len(alone) < len(staged.things)
    assert len(told) == len(staged.things)
    assert all(0.2 < s.agreement <= 1 for s in told)
    assert "masks" in run.seconds

    # A second scan asks no picture again.
    class Silent:
        def __repr__(self):
            return repr(masker)

        def __call__(self, picture, prompts):
            raise AssertionError("asked again")

    _, again = objects(capture, tmp_path, Silent())
    assert [len(s.points) for s in again] == [len(s.points) for s in told]


def test_a_capture_without_pictures_has_nothing_to_look_at(flush, tmp_path):
    from dataclasses import replace

    _, capture, masker = flush
    bare = replace(capture, frames=lambda: (replace(f, colour=None) for f in capture.frames()))
    with pytest.raises(UsageError, match="no pictures"):
        objects(bare, tmp_path, masker)
