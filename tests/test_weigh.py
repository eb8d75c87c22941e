"""`cousins weigh`: a scale's reading, and what follows from it in a pack."""

import numpy as np
import pytest
from cousins.cli import main as cli
from packs import N, augmented, family, manifest, quality
from test_label_cli import contents, with_priors
from typer.testing import CliRunner

from cousins import pack
from cousins.errors import CousinsError, UsageError
from cousins.weigh import reading


def weigh(*arguments):
    return CliRunner().invoke(cli.app, ["weigh", *map(str, arguments)])


def made(path, families=False, metric=True):
    from dataclasses import replace

    scene = replace(with_priors(), metric=metric)
    told = augmented() if families else manifest()
    pack.write(path, scene, told, quality(), [family(scene)] if families else [])
    return path


@pytest.mark.parametrize(
    ("text", "mass", "error"),
    [
        ("312g", 0.312, 0.00156),
        ("80 g", 0.08, 0.001),
        ("0.41±0.01", 0.41, 0.01),
        ("0.41 +- 0.01kg", 0.41, 0.01),
        ("312g±2", 0.312, 0.002),
        ("1kg +/- 5 g", 1.0, 0.005),
        ("1lb", 0.45359237, 0.45359237 * 0.005),
        ("2.5e-1", 0.25, 0.00125),
    ],
)
def test_readings_are_read_as_they_are_written(text, mass, error):
    found = reading(text)
    assert found.mass == pytest.approx(mass)
    assert found.error == pytest.approx(error)


@pytest.mark.parametrize("name", ["kitchen", "kitchen.zip"])
def test_the_interval_lies_within_the_scale_s_error_and_cousins_weigh_it(tmp_path, name):
    path = made(tmp_path / name, families=True)
    before = {o.name: o for o in pack.read(path).objects}
    done = weigh(path, "box_1=1.10±0.02")
    assert done.exit_code == 0, done.exception
    assert f"{N} cousins drawn anew" in done.output
    read = pack.read(path)
    assert pack.check(path) == []
    after = {o.name: o for o in read.objects}
    mass = after["box_1"].mass
    assert 1.08 <= mass.q05 < 1.09 < mass.mode < 1.11 < mass.q95 <= 1.1205
    assert mass.source == "weighed: 1100 ± 20 g"
    ratio = np.array(after["box_1"].inertia) / mass.mode
    assert np.allclose(ratio, np.array(before["box_1"].inertia) / before["box_1"].mass.mode)
    assert pack.load_model(read).body("box_1").mass[0] == pytest.approx(mass.mode)
    body = pack.load_model(read).body("box_1").id
    drawn = np.concatenate([pack.load_family(read, k).fields()["body_mass"][:, body]
                            for k in read.families])  # fmt: skip
    # A cousin's own shape scales its mass; its density is the twin's.
    assert len(drawn) == N
    assert 0.6 < (drawn / 1.1).min() < (drawn / 1.1).max() < 1.6


def test_a_second_reading_takes_the_place_of_the_first(tmp_path):
    path = made(tmp_path / "p")
    assert weigh(path, "box_1=1.9kg").exit_code == 0
    assert weigh(path, "box_1=1.1kg").exit_code == 0
    mass = pack.read(path).objects[0].mass
    assert mass.mode == pytest.approx(1.1, rel=1e-3)


def test_what_is_far_from_all_that_was_thought_is_told(tmp_path):
    path = made(tmp_path / "p")
    done = weigh(path, "can_1=2g±0.5")
    assert done.exit_code == 0, done.exception
    assert "far from what was thought" in done.output


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("teapot_1=1kg", "no object teapot_1; there are box_1, can_1, ball_1, ell_1"),
        ("box_1", "give it as OBJECT=MASS"),
        ("=3g", "give it as OBJECT=MASS"),
        ("box_1=-3g", "more than nothing"),
        ("box_1=0", "more than nothing"),
        ("box_1=nan", "no mass"),
        ("box_1=1.2.3kg", "a number is not one"),
        ("box_1=3 stone", "no mass: write 312g"),
        ("box_1=1±2", "its error must be"),
        ("box_1=1±0", "its error must be"),
        ("box_1=1e400", "more than nothing"),
        ("box_1=900kg", "as nothing is"),
        ("box_1=1g", "as nothing is"),
        ("can_1=3g", "is there twice"),
    ],
)
def test_what_is_no_mass_is_refused_and_the_pack_stays(tmp_path, text, told):
    path = made(tmp_path / "p")
    before = contents(path)
    done = weigh(path, "can_1=350g", text)
    assert isinstance(done.exception, UsageError)
    assert told in str(done.exception)
    assert contents(path) == before


def test_without_a_scale_of_length_there_are_no_masses(tmp_path):
    done = weigh(made(tmp_path / "p", metric=False), "can_1=350g")
    assert isinstance(done.exception, CousinsError)
    assert "no scale" in str(done.exception)
