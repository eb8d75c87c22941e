"""One RGB-D image becomes a scene: what was seen stands where it stood, and the rest is a guess."""

import numpy as np
import pytest

from cousins import pack, score
from cousins.phone import Phone, Walk, film
from cousins.pipeline import scan
from cousins.scanning import Settings
from cousins.scene import build, compile_model
from examples import TABLE, table_scene

VIEW = Walk(distance=(0.9, 0.9), elevation=(45.0, 45.0), start=110.0)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    """A phone's noise, on one frame."""
    folder = tmp_path_factory.mktemp("single")
    phone = Phone(frames=1, walk=VIEW, layout="single", colour_size=(320, 240))
    image = film(compile_model(*build(table_scene())), folder / "image", phone)
    scan(image, folder / "pack", settings=Settings(voxel=0.005))
    return pack.read(folder / "pack"), score.load_truth(image)


def test_what_is_in_view_is_found_where_it_stands(scanned):
    read, truth = scanned
    pose = np.array(read.manifest.world_from_capture)
    got = score.score(pack.load_scene(read), pose, truth)
    assert (got.true, got.recall, got.precision) == (4, 1, 1)
    assert max(s.centre for s in got.shapes) < 0.03
    off = (pose @ truth.capture_from_world)[:3, 2] @ [0, 0, 1]
    assert np.degrees(np.arccos(min(1, off))) < 1
    height = next(s.height for s in read.supports if s.kind == "table")
    floor = min(s.height for s in read.supports)
    assert height - floor == pytest.approx(TABLE, abs=0.02) or height == floor


def test_that_one_view_is_all_there_is_is_told(scanned):
    quality = scanned[0].quality
    assert any("one view" in line for line in quality.warnings)
    unseen = quality.checks["observed_fraction"].values()
    assert all(0.1 < share < 0.8 for share in unseen)
    assert not any("100% of its surface was not seen" in line for line in quality.film_again)
