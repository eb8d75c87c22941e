"""What shape, label and neighbours tell of a mass, and of what goes with it."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cousins.contact import LIMIT
from cousins.distributions import LogNormal
from cousins.household.published import published as parametric
from cousins.labels.categories import categories
from cousins.physics import mass as law
from cousins.physics.estimate import PRIOR, estimated, is_prior, properties
from cousins.physics.form import Form, form
from cousins.physics.mass import ALIKE, Weighed, published, weighing, without
from cousins.physics.materials import common, guess, makes, materials, told
from examples import table_scene

BOX = Form(2e-3, 0.11, 2e-3, "box")
MUG = Form(1e-4, 0.05, 5e-4, "other")
kinds = st.sampled_from(["box", "cylinder", "sphere", "other"])


@st.composite
def forms(draw):
    """A closed thing, or one of walls, 1 to 50 cm large."""
    side = draw(st.floats(0.01, 0.5))
    hull = side**3
    if draw(st.booleans()):
        return Form(0.9 * hull, 6 * side**2, hull, draw(kinds))
    thick = draw(st.floats(0.003, 0.009))
    return Form(min(5 * side**2 * thick, 0.4 * hull), 10 * side**2, hull, "other")


def coverage(labelled):
    """Each published object foretold without itself: whether its mass lies in the 90% interval,
    how near the mode came (0..1), and how wide the interval is."""
    rows = []
    for name, thing in published().items():
        known = weighing(thing.form, thing.category if labelled else None, table=without(name))
        keep = known.share > law.LEAST
        parts = [LogNormal(float(m), float(s), "") for m, s in
                 zip(known.mu[keep], known.sigma[keep], strict=True)]  # fmt: skip
        from cousins.distributions import mixture

        mass = mixture(known.share[keep], parts, "")
        low, high, mode = mass.quantile(0.05), mass.quantile(0.95), mass.mode
        ratio = min(mode / thing.mass, thing.mass / mode)
        rows.append((low <= thing.mass <= high, ratio, high / low))
    return np.array(rows, float)


@pytest.mark.parametrize(("labelled", "near"), [(False, 0.55), (True, 0.65)])
def test_intervals_hold_nine_in_ten_of_what_the_prior_never_saw(labelled, near):
    held, ratio, _ = coverage(labelled).T
    assert len(held) == 33
    assert 0.85 <= held.mean() <= 0.95
    assert np.median(ratio) >= near


def test_labels_make_intervals_narrower():
    assert np.median(coverage(True)[:, 2]) < 0.6 * np.median(coverage(False)[:, 2])


def test_the_table_is_that_of_the_parametric_shapes():
    for kind, rows in told()["objects"].items():
        for name, row in rows.items():
            found = form(parametric(kind, name, [s / 1000 for s in row["size"]]).mesh)
            assert 1e6 * found.volume == pytest.approx(row["volume"], rel=0.01), name
            assert 1e4 * found.area == pytest.approx(row["area"], rel=0.01), name
            assert 1e6 * found.hull == pytest.approx(row["hull"], rel=0.01), name


def test_every_mix_is_of_a_category_and_of_ways_that_there_are():
    names = {c.name for c in categories()}
    for category, mix in told()["mix"].items():
        assert category in names
        assert 0 < sum(mix.values()) <= 1 + 1e-9
        for name in mix:
            kind, material = name.split(" ", 1)
            assert kind in ("solid", "hollow", "filled", "assembled")
            assert material in materials()
    assert len(set(makes())) == len(makes()) > common() > 15


@given(forms(), st.sampled_from([None, "mug", "book", "power drill", "stapler"]))
@settings(deadline=None, max_examples=40)
def test_any_thing_has_every_property_and_all_of_them_are_possible(of, category):
    known = properties(of, category)
    assert 0 < known.mass.quantile(0.01) < known.mass.mode < known.mass.quantile(0.99) < math.inf
    solid = known.mass.quantile(0.99) / of.volume
    assert solid < 10_000 or of.wall is not None
    assert 0.05 < known.friction.mode < 1.5
    assert 0 <= known.restitution.quantile(0.001) <= known.restitution.quantile(0.999) <= LIMIT
    assert 0 <= known.shell_fraction.mode <= 1
    assert sum(known.material.shares.values()) == pytest.approx(1)
    for d in (known.mass, known.material, known.friction, known.restitution, known.shell_fraction):
        assert is_prior(d)
        assert d.evidence


def test_what_is_all_walls_weighs_its_walls_and_what_is_closed_more_than_nothing():
    assert MUG.wall == pytest.approx(0.004)
    assert all(guess(make, MUG) is None for make in makes() if make.kind != "hollow")
    ceramic = next(make for make in makes() if make.name == "hollow ceramic")
    known = guess(ceramic, MUG)
    assert 2250 * 0.025 * 0.002 < math.exp(known.mu) < 2250 * 0.025 * 0.005
    thick = guess(ceramic, Form(2e-4, 0.05, 9e-4, "other"))
    assert thick.mu > known.mu  # walls that are seen thicker may be


@given(st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None, max_examples=20)
def test_the_surer_a_label_the_nearer_what_it_says(one, other):
    low, high = sorted((one, other))
    a, b, none, whole = (properties(MUG, "mug", c).material.shares.get("ceramic", 0.0)
                         for c in (low, high, 0.0, 1.0))  # fmt: skip
    assert none - 1e-9 <= a <= b + 1e-9 <= whole + 2e-9


def test_a_category_of_which_nothing_is_known_changes_nothing():
    plain, named = properties(BOX), properties(BOX, "dice")
    assert np.allclose(named.mass.weights, plain.mass.weights)
    with pytest.raises(ValueError, match="from 0 to 1"):
        properties(BOX, "mug", 1.2)


def only(monkeypatch, name):
    """A world in which all things are made in one way."""
    make = next(m for m in makes() if m.name == name)
    for module in (law,):
        monkeypatch.setattr(module, "makes", lambda: (make,))
        monkeypatch.setattr(module, "common", lambda: 1)
    for cached in (law._guesses, law._possible, law._shares):
        cached.cache_clear()
    return make


@pytest.fixture
def one_make(monkeypatch):
    yield only(monkeypatch, "solid wood")
    monkeypatch.undo()
    for cached in (law._guesses, law._possible, law._shares):
        cached.cache_clear()


def test_a_sibling_narrows_by_what_things_of_one_label_share(one_make):
    """By hand: log mass = what they share + their own, of variances ALIKE s² and the rest; after
    one is weighed exactly the other keeps (1 - ALIKE²) s², about its mean and ALIKE of the
    residual."""
    before = guess(one_make, BOX)
    found = 1.3 * math.exp(before.mu)
    after = weighing(BOX, label="brick", known=[Weighed(BOX, found, label="brick")], table={})
    assert after.sigma[0] == pytest.approx(before.sigma * math.sqrt(1 - ALIKE**2))
    assert after.mu[0] == pytest.approx(before.mu + ALIKE * math.log(1.3))


def test_a_poor_scale_tells_siblings_less(one_make):
    before = guess(one_make, BOX)
    error = 0.5 * before.sigma
    known = [Weighed(BOX, math.exp(before.mu), error, label="brick")]
    after = weighing(BOX, label="brick", known=known, table={})
    s2 = before.sigma**2
    assert after.sigma[0] ** 2 == pytest.approx(s2 - (ALIKE * s2) ** 2 / (s2 + error**2))


def test_what_shares_its_material_only_learns_of_its_density_only(one_make):
    before = guess(one_make, BOX)
    known = [Weighed(BOX, math.exp(before.mu + 0.3))]
    after = weighing(BOX, known=known, table={})
    assert before.shared < ALIKE
    assert after.mu[0] == pytest.approx(before.mu + before.shared * 0.3)
    assert after.sigma[0] == pytest.approx(before.sigma * math.sqrt(1 - before.shared**2))


def test_a_weighed_thing_tells_how_its_siblings_are_made():
    """Shares by hand: the category's one thing that was weighed counts as much as all before it."""
    heavy = Weighed(BOX, 7700 * BOX.volume, label="ingot")
    before, after = weighing(BOX, label="ingot"), weighing(BOX, label="ingot", known=[heavy])
    steel = next(i for i, m in enumerate(makes()) if m.name == "solid steel")
    assert after.share[steel] == pytest.approx((before.share[steel] + 1) / 2, rel=0.02)


def with_priors():
    assets = []
    for a in table_scene().assets:
        known = properties(form(a.visual, a.primitive))
        assets.append(replace(a, label="x", label_source="shape", mass=known.mass,
                              friction=known.friction, shell_fraction=known.shell_fraction,
                              restitution=known.restitution, material=known.material))  # fmt: skip
    return assets


def test_estimates_of_a_scene_keep_what_was_measured_and_follow_it():
    assets = with_priors()
    assert [a.mass for a in estimated(assets)] == [a.mass for a in assets]
    volume = assets[0].volume
    steel = LogNormal(math.log(7700 * volume), 0.003, "weighed")
    rough = LogNormal(math.log(0.9), 0.1, "pushed")
    assets[0] = replace(assets[0], mass=steel, friction=rough)
    after = estimated(assets)
    assert (after[0].mass, after[0].friction) == (steel, rough)
    assert after[0].material.mode == "steel"
    assert after[0].material.shares["steel"] > 0.9
    assert after[0].restitution != assets[0].restitution
    assert all(is_prior(a.mass) and a.mass.source.startswith(PRIOR) for a in after[1:])


def test_things_called_alike_follow_what_one_of_them_weighs():
    first, *rest = with_priors()
    second = replace(first, name="box_2")
    first, second = (replace(a, label="Brick", label_source="user") for a in (first, second))
    weighed = replace(first, mass=LogNormal(math.log(600 * first.volume), 0.003, "weighed"))
    before = estimated([first, second, *rest])[1]
    after = estimated([weighed, second, *rest])[1]
    width = [a.mass.quantile(0.95) / a.mass.quantile(0.05) for a in (before, after)]
    assert width[1] < 0.6 * width[0]
    assert after.mass.quantile(0.05) < 600 * first.volume < after.mass.quantile(0.95)
    assert "1 called alike were weighed" in after.mass.evidence
    ratio = after.inertia / second.inertia
    assert np.allclose(ratio[ratio > 0], after.mass.mode / second.mass.mode)
