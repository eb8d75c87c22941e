"""Probes do what a board, a scale and a ruler show, and what is seen tells of properties."""

import json
import shutil
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from cousins.cli import main as cli
from hypothesis import given, settings
from hypothesis import strategies as st
from packs import manifest, quality
from typer.testing import CliRunner

import examples
from cousins import pack
from cousins.contact import LIMIT
from cousins.distributions import LogNormal, Uniform
from cousins.errors import UsageError
from cousins.probe import (
    PROBES,
    RARE,
    Outcomes,
    condition,
    draw,
    observation,
    observations,
    samples_of,
    simulate,
)
from cousins.probe.condition import near, nearer
from cousins.probe.rig import TELLS, spread
from cousins.types import Scene

G = 9.81


def low_box():
    return replace(examples.box("low", (0.10, 0.14, 0.05), (0, 0)), restitution=BOUNCE)


def tall_box():
    return examples.box("tall", (0.06, 0.16, 0.21), (0, 0))


BOUNCE = Uniform(0.2, 0.7, "test")


def of(asset, **values):
    """Draws of these values, with what is not told at its mode."""
    n = len(next(iter(values.values())))
    known = {k: np.full(n, getattr(asset, k).mode)
             for k in ("mass", "friction", "shell_fraction", "restitution")}  # fmt: skip
    return samples_of(asset, **{k: np.asarray(v, float) for k, v in (known | values).items()})


def done(asset, probe, **values):
    samples = of(asset, **values)
    return getattr(simulate(asset, samples, [probe], threads=1), probe)


def test_a_low_box_slides_where_its_friction_says():
    friction = np.array([0.15, 0.3, 0.5, 0.7, 0.9])
    angle = done(low_box(), "tilt_slide", friction=friction)
    np.testing.assert_allclose(np.degrees(angle), np.degrees(np.arctan(friction)), atol=1.0)


def test_a_tall_box_tips_over_its_near_edge_and_not_where_it_would_slide_first():
    friction = [0.2, 0.5, 0.8]
    slides = done(tall_box(), "tilt_slide", friction=friction)
    assert np.degrees(slides[0]) == pytest.approx(11.3, abs=0.5)
    assert np.isnan(slides[1:]).all()
    tips = done(tall_box(), "tilt_tip", friction=friction)
    np.testing.assert_allclose(np.degrees(tips), np.degrees(np.arctan(0.03 / 0.105)), atol=0.5)


def test_where_its_weight_lies_decides_when_it_tips():
    asset = tall_box()
    low = replace(asset, center_of_mass=asset.center_of_mass - [0, 0, 0.06])
    angle = np.degrees(done(low, "tilt_tip", friction=[0.5]))
    assert angle == pytest.approx(np.degrees(np.arctan(0.03 / 0.045)), abs=1.0)
    aside = replace(asset, center_of_mass=asset.center_of_mass + [0.02, 0, 0])
    angle = np.degrees(done(aside, "tilt_tip", friction=[0.5]))
    assert angle == pytest.approx(np.degrees(np.arctan(0.01 / 0.105)), abs=1.0)


@pytest.mark.parametrize("asset", [low_box(), tall_box(), examples.ell("ell", (0, 0))])
def test_a_low_push_moves_what_its_friction_holds(asset):
    mass, friction = np.array([0.1, 0.5, 2.0]), np.array([0.6, 0.4, 0.25])
    force = done(asset, "push_slide", mass=mass, friction=friction)
    np.testing.assert_allclose(force, mass * friction * G, rtol=0.05)


def test_what_is_dropped_comes_back_by_its_restitution():
    wanted = np.repeat([0.0, 0.3, 0.5, 0.7], 16)
    height = done(low_box(), "drop", restitution=wanted).reshape(4, 16)
    got = np.sqrt(height / 0.1).mean(1)
    np.testing.assert_allclose(got, [0.0, 0.3, 0.5, 0.7], atol=0.05)


def test_a_ball_rolls_and_slides_nowhere():
    ball = examples.ball("ball", 0.035, (0, 0))
    outcomes = simulate(ball, of(ball, friction=[0.3, 0.8]), threads=1)
    assert np.isnan(outcomes.tilt_slide).all()
    assert np.isnan(outcomes.push_slide).all()
    assert np.degrees(outcomes.tilt_tip).max() < 1
    assert outcomes.stands.all()


def test_what_leans_on_another_does_not_stand_and_does_nothing():
    half = np.radians(30) / 2
    edge = np.array([np.cos(half), np.sin(half), 0.0, 0.0])
    leaning = tall_box().moved(tall_box().position, edge)
    outcomes = simulate(leaning, of(leaning, friction=[0.5]), threads=1)
    assert not outcomes.stands.any()
    assert all(np.isnan(getattr(outcomes, probe)).all() for probe in PROBES)


def test_draws_are_those_of_the_distributions_and_of_the_seed():
    asset = low_box()
    samples = draw(asset, 256, 1)
    for name in ("mass", "friction", "shell_fraction", "restitution"):
        known = getattr(asset, name)
        for q in (0.05, 0.5, 0.95):
            below = np.mean(getattr(samples, name) < known.quantile(q))
            assert below == pytest.approx(q, abs=0.03), name
    np.testing.assert_array_equal(samples.mass, draw(asset, 256, 1).mass)
    assert not np.allclose(samples.mass, draw(asset, 256, 2).mass)


def textbook(asset, samples):
    """What a low box does, by closed forms."""
    n = len(samples)
    return Outcomes(
        tilt_slide=np.arctan(samples.friction),
        tilt_tip=np.full(n, np.arctan(0.05 / 0.025)),
        push_slide=samples.friction * samples.mass * G,
        drop=0.1 * samples.restitution**2,
        stands=np.ones(n, bool),
    )


@cache
def conditioned(*texts, n=1000):
    asset = low_box()
    seen = observations(texts)
    samples = draw(asset, n, 0, spread([name for o in seen for name in TELLS[o.probe]]))
    return condition(asset, samples, textbook(asset, samples), seen)


def expected(text):
    asset, seen = low_box(), observations([text])
    samples = draw(asset, 1000, 0, spread(["friction"]))
    return near(samples, textbook(asset, samples), seen)


def test_where_it_slid_tells_of_friction_and_of_nothing_else():
    found = conditioned("tilt_slide=27deg")
    assert set(found.after) == {"friction"}
    after = found.after["friction"]
    assert isinstance(after, LogNormal)
    assert after.mode == pytest.approx(np.tan(np.radians(27)), rel=0.03)
    low, high = np.degrees(np.arctan([after.quantile(0.05), after.quantile(0.95)]))
    assert low == pytest.approx(25, abs=0.5)
    assert high == pytest.approx(29, abs=0.5)
    assert after.source == "seen by hand: it slides at 27 ± 2 degrees of tilt"
    assert 100 < found.effective < 500


def test_a_push_and_a_tilt_together_tell_of_mass():
    both = conditioned("tilt_slide=27deg", "push_slide=2N")
    mass = both.after["mass"]
    assert mass.mode == pytest.approx(2 / (G * np.tan(np.radians(27))), rel=0.05)
    assert mass.quantile(0.95) / mass.quantile(0.05) < 1.6
    alone = conditioned("push_slide=2N").after["mass"]
    assert alone.quantile(0.95) / alone.quantile(0.05) > 2


def test_a_rebound_tells_of_restitution():
    found = conditioned("drop=2.5cm")
    assert set(found.after) == {"restitution"}
    after = found.after["restitution"]
    assert after.mode == pytest.approx(0.5, abs=0.02)
    assert 0.4 < after.quantile(0.001) < after.quantile(0.999) < 0.6


@settings(max_examples=25)
@given(st.floats(0.2, 0.9), st.sampled_from([100, 400]))
def test_the_truth_lies_within_what_an_observation_of_it_leaves(truth, n):
    asset = low_box()
    samples = draw(asset, n, 0, spread(["friction"]))
    seen = observation("tilt_slide", f"{np.degrees(np.arctan(truth)):.6f}deg")
    after = condition(asset, samples, textbook(asset, samples), [seen]).after["friction"]
    assert after.quantile(0.01) < truth < after.quantile(0.99)
    assert after.sigma < asset.friction.sigma


def test_what_is_rare_is_learnt_from_and_called_strange():
    rare = conditioned("tilt_slide=8deg")
    assert expected("tilt_slide=8deg") < RARE < 0.2 < expected("tilt_slide=27deg")
    # Between the 0.14 that was seen and the 0.5 that was known, by how sure each is.
    assert rare.after["friction"].mode == pytest.approx(0.18, rel=0.1)


def test_draws_that_are_spread_wider_tell_the_same():
    asset = low_box()
    plain, wide = draw(asset, 4000), draw(asset, 4000, 0, spread(["mass", "friction"]))
    for name in ("mass", "friction", "restitution"):
        a, b = (np.log(getattr(s, name)) for s in (plain, wide))
        assert wide.weights @ b == pytest.approx(a.mean(), abs=0.02)
        assert np.sqrt(wide.weights @ (b - a.mean()) ** 2) == pytest.approx(a.std(), rel=0.03)
    assert np.log(wide.friction).std() == pytest.approx(2 * np.log(plain.friction).std(), rel=0.02)


@pytest.mark.parametrize("degrees", [20, 26.6, 35])  # the middle one is what was known
def test_drawing_nearer_makes_more_draws_agree_and_tells_the_same(degrees):
    asset = replace(low_box(), mass=LogNormal(np.log(0.3), 1.4, "test"))
    seen = observations([f"tilt_slide={degrees}deg", "push_slide=1N"])
    many = draw(asset, 30000, 1, spread(["mass", "friction"]))
    right = condition(asset, many, textbook(asset, many), seen)
    assert set(right.after) == {"mass", "friction"}
    over = spread(["mass", "friction"])
    for _ in range(4):
        samples = draw(asset, 200, 0, over)
        outcomes = textbook(asset, samples)
        over = nearer(samples, outcomes, seen)
        if over is None:
            break
    found = condition(asset, samples, outcomes, seen)
    assert over is None
    assert found.effective > 50
    assert set(found.after) == {"mass", "friction"}
    for name in ("mass", "friction"):
        assert found.after[name].mu == pytest.approx(right.after[name].mu, abs=0.03)
        assert found.after[name].sigma == pytest.approx(right.after[name].sigma, rel=0.15)


def test_what_cannot_be_is_said():
    with pytest.raises(UsageError, match="no draw comes near"):
        conditioned("tilt_slide=74deg", n=20)
    with pytest.raises(UsageError, match="no draw comes near"):
        conditioned("drop=9.9cm")
    asset = tall_box()
    samples = of(asset, friction=[0.5, 0.6])
    never = replace(textbook(asset, samples), tilt_slide=np.full(2, np.nan))
    with pytest.raises(UsageError, match="tips or rolls before it slides"):
        condition(asset, samples, never, observations(["tilt_slide=20deg"]))


def test_two_that_exclude_each_other_are_refused():
    asset = low_box()
    samples = of(asset, friction=[0.3, 0.5])
    apart = replace(
        textbook(asset, samples),
        tilt_slide=np.array([0.3, np.nan]),
        push_slide=np.array([np.nan, 2.0]),
    )
    seen = observations(["tilt_slide=0.3rad", "push_slide=2N"])
    with pytest.raises(UsageError, match="no draw does all of that"):
        condition(asset, samples, apart, seen)


def test_the_twins_own_bounce_is_within_reach():
    assert np.sqrt(observation("drop", "7cm").value / 0.1) < LIMIT


@pytest.mark.parametrize(
    ("probe", "text", "value", "error"),
    [
        ("tilt_slide", "27deg", np.radians(27), np.radians(2)),
        ("tilt_tip", "0.5rad", 0.5, np.radians(2)),
        ("tilt_slide", "27°", np.radians(27), np.radians(2)),
        ("push_slide", "2.1N", 2.1, 0.21),
        ("push_slide", "200 gf", 1.962, 0.1962),
        ("drop", "3cm", 0.03, 0.005),
        ("drop", "0mm", 0.0, 0.005),
    ],
)
def test_an_observation_is_a_number_with_a_unit(probe, text, value, error):
    seen = observation(probe, text)
    assert (seen.value, seen.error) == (pytest.approx(value), pytest.approx(error))


def test_errors_are_told_in_the_same_units_or_as_a_share():
    a, b = observations(["tilt_slide=27deg, push_slide=2N"], ["tilt_slide=1deg", "push_slide=5%"])
    assert (a.error, b.error) == (pytest.approx(np.radians(1)), pytest.approx(0.1))


BAD = [
    (["spin=3deg"], [], "no probe; there are tilt_slide, tilt_tip, push_slide, drop"),
    (["tilt_slide"], [], "tilt_slide=27deg"),
    (["tilt_slide=27"], [], "with its unit"),
    (["tilt_slide=2N"], [], "with its unit"),
    (["tilt_slide=-3deg"], [], "with its unit"),
    (["tilt_slide=nandeg"], [], "with its unit"),
    (["tilt_slide=120deg"], [], "from 0 to 75deg"),
    (["tilt_slide=0deg"], [], "from 0 to 75deg"),
    (["drop=30cm"], [], "the height of the drop"),
    (["push_slide=1e9N"], [], "from 0 to 1000N"),
    (["drop=3cm", "drop=4cm"], [], "twice"),
    (["drop=3cm"], ["tilt_tip=1deg"], "nothing observed"),
    (["drop=3cm"], ["drop=0cm"], "more than 0"),
]


@pytest.mark.parametrize(("seen", "errors", "says"), BAD)
def test_nonsense_is_one_line(seen, errors, says):
    with pytest.raises(UsageError, match=says) as caught:
        observations(seen, errors)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory):
    path = tmp_path_factory.mktemp("packs") / "kitchen"
    table = examples.table_scene()
    ball = examples.ball("ball", 0.03, (0.3, 0.2))
    pack.write(path, Scene((low_box(), ball), table.supports), manifest(), quality())
    return path


def run(*arguments):
    return CliRunner().invoke(cli.app, ["probe", *map(str, arguments)])


def test_the_verb_foretells_each_object(kitchen):
    shown = run(kitchen, "--samples", 16)
    assert shown.exit_code == 0, shown.output
    low, ball = (line for line in shown.stdout.splitlines() if line.startswith(("low", "ball")))
    assert "slides" in low
    assert "°" in low
    assert " gf (" in low
    assert "tips or rolls" in ball
    assert "By hand: " in shown.stdout
    told = json.loads(run(kitchen, "--object", "low", "--samples", 16, "--json").stdout)
    (entry,) = told["objects"]
    assert entry["slides_first"] == 1
    assert 20 < entry["tilt_slide"]["q50"] < 32
    assert entry["tilt_tip"]["q50"] == pytest.approx(np.degrees(np.arctan(2)), abs=2)
    assert entry["drop"]["q05"] < entry["drop"]["q50"] < entry["drop"]["q95"]


def test_the_verb_learns_from_what_was_seen_and_leaves_the_pack_alone(kitchen):
    before = (kitchen / "objects.json").read_bytes()
    seen = ("--object", "low", "--observed", "tilt_slide=27deg", "--samples", 64)
    shown = run(kitchen, *seen)
    assert shown.exit_code == 0, shown.output
    assert "it slides at 27 ± 2 degrees of tilt" in shown.stdout
    assert "mass: " in shown.stdout
    assert "tells nothing" in shown.stdout
    told = json.loads(run(kitchen, *seen, "--json").stdout)
    assert set(told["after"]) == {"friction"}
    assert told["after"]["friction"]["mode"] == pytest.approx(0.51, abs=0.04)
    assert not told["written"]
    assert (kitchen / "objects.json").read_bytes() == before


def test_what_was_seen_is_written_into_the_pack(kitchen, tmp_path):
    path = tmp_path / "kitchen"
    shutil.copytree(kitchen, path)
    shown = run(path, "--object", "low", "--observed", "tilt_slide=27deg", "--samples", 64,
                "--write")  # fmt: skip
    assert shown.exit_code == 0, shown.output
    assert "written into the pack" in shown.stdout
    before, after = ({o.name: o for o in pack.read(p).objects} for p in (kitchen, path))
    assert after["low"].friction.source.startswith("seen by hand: it slides at 27 ± 2")
    assert after["low"].friction.mode == pytest.approx(0.51, abs=0.04)
    assert after["low"].mass == before["low"].mass
    assert after["ball"].friction == before["ball"].friction
    assert pack.check(path) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--object", "cup"], "there are low, ball"),
        (["--observed", "drop=3cm"], "name it with --object"),
        (["--write"], "goes with --observed"),
        (["--object", "low", "--observed", "drop=3parsec"], "with its unit"),
        (["--object", "ball", "--observed", "tilt_slide=20deg", "--samples", "4"], "tips or rolls"),
    ],
)
def test_the_verb_refuses_nonsense(kitchen, arguments, says):
    refused = run(kitchen, *arguments)
    assert isinstance(refused.exception, UsageError)
    assert refused.exception.exit_code == 2
    assert says in str(refused.exception)


def test_without_scale_only_tilts_are_done(kitchen, tmp_path):
    scene = replace(pack.load_scene(pack.read(kitchen)), metric=False)
    pack.write(tmp_path / "pack", scene, manifest(), quality())
    told = json.loads(run(tmp_path / "pack", "--object", "low", "--samples", 4, "--json").stdout)
    assert set(told["objects"][0]) >= {"tilt_slide", "tilt_tip"}
    assert "drop" not in told["objects"][0]
    refused = run(tmp_path / "pack", "--object", "low", "--observed", "drop=3cm")
    assert "no scale" in str(refused.exception)
