"""A capture without a scale is scanned as it is; one known length gives it metres."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cousins import pipeline
from cousins.capture import open_capture
from cousins.errors import UsageError
from cousins.pack import check, load_scene, read
from cousins.phone import Phone, film
from cousins.photos.capture import rescaled
from cousins.scanning import Settings
from cousins.scene import build, compile_model
from cousins.shape.carve import Carving
from examples import table_scene

QUICK = Settings(
    voxel=0.004, refine=None, register=None, faces=800, carving=Carving(cells=32, most=0.008)
)
SMALLER = 0.8


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    phone = Phone(frames=20, colour_size=(256, 192), seed=3)
    model = compile_model(*build(table_scene()))
    return open_capture(film(model, tmp_path_factory.mktemp("film") / "film", phone))


@pytest.fixture
def unscaled(capture, monkeypatch):
    """What pictures alone would give: everything a fifth too small."""
    small = replace(rescaled(capture, SMALLER, ""), metric=False, scale_source="none")
    monkeypatch.setattr(pipeline, "open_capture", lambda path, lens: small)
    return capture.path


@pytest.mark.slow
def test_one_length_gives_metres(unscaled, tmp_path):
    report = pipeline.scan(unscaled, tmp_path / "small", settings=QUICK)
    assert any("masses are withheld" in line for line in report.warnings)
    small = read(tmp_path / "small")
    assert not small.manifest.metric
    assert all(o["mass"] is None for o in json.loads((tmp_path / "small/objects.json").read_text()))
    assert check(tmp_path / "small") == []
    tall = max(load_scene(small).assets, key=lambda a: a.size[2])
    assert tall.size[2] == pytest.approx(SMALLER * 0.21, abs=0.006)
    pipeline.scan(unscaled, tmp_path / "whole", settings=QUICK, length=(tall.name, 0.21))
    whole = read(tmp_path / "whole")
    assert whole.manifest.metric
    assert "as it was given" in whole.quality.checks["scale"]
    assert all(entry.mass is not None for entry in whole.objects)
    again = max(load_scene(whole).assets, key=lambda a: a.size[2])
    assert again.size[2] == pytest.approx(0.21, abs=0.008)
    assert np.isclose(max(s.height for s in whole.supports), 0.72, rtol=0.05)
    with pytest.raises(UsageError, match=f"no such object; there are .*{tall.name}"):
        pipeline._measured(pipeline.open_capture(unscaled, None), load_scene(small), "teapot_9", 1)


def test_a_length_is_not_asked_for_where_there_are_metres(capture, tmp_path):
    with pytest.raises(UsageError, match="the scale is known already"):
        pipeline.scan(capture.path, tmp_path / "p", settings=QUICK, length=("box_1", 0.2))
    assert not (tmp_path / "p").exists()
