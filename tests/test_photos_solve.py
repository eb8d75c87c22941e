"""Pictures of a known scene are solved: the cameras come out where they were."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from photographs import TAG, as_photos, pattern, photographed, rigid_error, scale_error

from cousins.errors import MissingDependencyError, ScanError
from cousins.photos.capture import Settings, solved
from cousins.photos.pairs import pairs
from cousins.photos.pick import Pick
from cousins.photos.scale import scaled
from cousins.photos.solve import Solve
from cousins.types import Photos

needs_pycolmap = pytest.mark.skipif(
    importlib.util.find_spec("pycolmap") is None, reason='needs pycolmap: "cousins[photos]"'
)
FEW = Solve(features=800)


@pytest.fixture(scope="module")
def film():
    return photographed(12)


@pytest.fixture(scope="module")
def views(film, tmp_path_factory):
    camera, _, pictures = film
    work = tmp_path_factory.mktemp("solve")
    photos = as_photos(pictures, work, camera=camera)
    return photos, FEW(photos, Pick()(photos), work)


@needs_pycolmap
def test_photos_with_a_tag_are_solved_in_metres(film, views):
    camera, true, pictures = film
    photos, unscaled = views
    assert not unscaled.metric
    assert unscaled.residual < 0.5
    got = scaled(unscaled, photos, TAG)
    assert len(got) == 12
    assert got.metric
    assert "tag 0 of 100 mm" in got.scale_source
    assert abs(scale_error(got.poses, true)) < 0.01
    assert np.median(rigid_error(got.poses, true)) < 0.002
    assert np.array_equal(got.chosen, np.arange(12))
    assert got.camera.fx == pytest.approx(camera.fx)
    assert all(np.array_equal(a, b) for a, b in zip(got.pictures(), pictures, strict=True))
    assert len(got.points) > 300


@needs_pycolmap
def test_tracked_positions_give_metres_the_world_and_its_up(film, views):
    _, true, _ = film
    photos, unscaled = views
    tracked = true.copy()
    tracked[:, :3, 3] += np.random.default_rng(0).normal(0, 0.005, (12, 3))
    photos = replace(photos, poses=tracked, up=np.array([0.0, 0, 1]))
    got = scaled(unscaled, photos)
    assert got.metric
    assert "tracking" in got.scale_source
    assert got.up is not None
    assert abs(scale_error(got.poses, true)) < 0.02
    assert np.median(np.linalg.norm((got.poses - true)[:, :3, 3], axis=1)) < 0.005
    below = got.points[:, 2] < -0.01
    assert below.mean() < 0.01  # the table's top is at z = 0
    both = scaled(unscaled, photos, TAG)
    assert "tag" in both.scale_source
    assert np.median(np.linalg.norm((both.poses - true)[:, :3, 3], axis=1)) < 0.005


@needs_pycolmap
def test_without_a_scale_it_is_said_and_a_tag_is_pointed_at(views):
    got = scaled(views[1], views[0])
    assert not got.metric
    assert "relative" in got.scale_source
    assert any("tag 0" in warning for warning in got.warnings)


@needs_pycolmap
def test_an_unknown_camera_is_estimated_and_the_same_comes_out_again(film, tmp_path, capfd):
    camera, true, pictures = film
    photos = as_photos(pictures, tmp_path)
    first, second = (
        solved(photos, Settings(TAG, solve=replace(FEW, threads=threads)), tmp_path / name)
        for name, threads in (("a", 1), ("b", 2))
    )
    assert capfd.readouterr() == ("", "")
    assert np.array_equal(first.poses, second.poses)
    assert np.array_equal(first.points, second.points)
    assert first.camera.fx == pytest.approx(camera.fx, rel=0.02)
    assert np.median(rigid_error(first.poses, true)) < 0.005
    assert all(p.shape == pictures[0].shape for p in first.pictures())


@needs_pycolmap
def test_solved_poses_are_kept_and_points_found_with_them(film, tmp_path):
    camera, true, pictures = film
    photos = as_photos(
        pictures, tmp_path, camera=camera, poses=true, solved=True, up=np.array([0.0, 0, 1])
    )
    got = solved(photos, Settings(solve=FEW), tmp_path)
    assert np.array_equal(got.poses, true)
    assert got.metric
    on_table = (np.abs(got.points[:, 2]) < 0.003).mean()
    assert on_table > 0.5


@needs_pycolmap
def test_pictures_that_do_not_fit_together_are_one_line(tmp_path):
    photos = as_photos([pattern(seed, 256) for seed in range(4)], tmp_path)
    with pytest.raises(ScanError, match="of 4 pictures fit together; film again") as caught:
        solved(photos, Settings(solve=FEW), tmp_path / "work")
    assert "\n" not in str(caught.value)


@needs_pycolmap
def test_a_picture_of_something_else_is_named(film, tmp_path):
    camera, _, pictures = film
    photos = as_photos([*pictures[:7], pattern(99, 512)[:360, :480]], tmp_path)
    photos = replace(photos, camera=camera)
    got = FEW(photos, Pick()(photos), tmp_path)
    assert got.chosen.tolist() == list(range(7))
    assert any("7.jpg" in warning for warning in got.warnings)


def test_without_pycolmap_the_way_to_it_is_told(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "pycolmap", None)
    photos = as_photos([pattern(seed, 64) for seed in range(3)], tmp_path)
    with pytest.raises(MissingDependencyError, match=r"cousins\[photos\]"):
        FEW(photos, Pick()(photos), tmp_path)


def test_pairs_of_few_photos_are_all_of_them():
    nothing = [np.zeros((0, 128), np.uint8)] * 5
    assert len(pairs(nothing, False, 80, 20)) == 10


def test_pairs_of_many_follow_likeness_and_time():
    rng = np.random.default_rng(0)
    places = rng.integers(0, 255, (10, 40, 128))  # ten places, each seen in four pictures
    seen = [np.clip(places[i % 10] + rng.integers(-8, 8, (40, 128)), 0, 255).astype(np.uint8)
            for i in range(40)]  # fmt: skip
    found = set(map(tuple, pairs(seen, False, 30, 3).tolist()))
    assert all((i, j) in found for i in range(40) for j in range(i + 10, 40, 10))
    assert len(found) <= 40 * 3
    ordered = set(map(tuple, pairs(seen, True, 30, 3).tolist()))
    assert {(i, i + 1) for i in range(39)} | found <= ordered


@pytest.mark.slow
@needs_pycolmap
def test_sixty_photos_of_an_unknown_camera_all_find_their_place(tmp_path):
    _, true, pictures = photographed(60, (960, 720), arc=330.0, finer=2)
    photos: Photos = as_photos(pictures, tmp_path)
    got = solved(photos, Settings(TAG), tmp_path)
    assert len(got) == 60
    assert abs(scale_error(got.poses, true)) < 0.01
    assert np.median(rigid_error(got.poses, true)) < 0.002
