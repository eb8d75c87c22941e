"""Generated scenes stand still, hold the relations that their layout promises, and load alone."""

import mujoco
import numpy as np
import pytest

from cousins.errors import UsageError
from cousins.household import LAYOUTS, scene
from cousins.household.placing import CLOSE, GAP
from cousins.phone import poses
from cousins.phone.truth import truth


@pytest.fixture(scope="module")
def scenes():
    """One scene of each layout."""
    return {layout: scene(layout, 0) for layout in LAYOUTS}


def start(staged):
    data = mujoco.MjData(staged.model)
    mujoco.mj_forward(staged.model, data)
    return data


def told(staged):
    return {o["name"]: o for o in truth(staged.model, start(staged))["objects"]}


def distance(staged, data, one, other):
    """Between two bodies, or a body and a static geom, m; at most 10 cm."""
    model = staged.model

    def geoms(name):
        if name not in staged.things:
            return [model.geom(name).id]
        body = model.body(name).id
        return np.flatnonzero((model.geom_bodyid == body) & (model.geom_group == 3)).tolist()

    return min(mujoco.mj_geomDistance(model, data, a, b, 0.1, None)
               for a in geoms(one) for b in geoms(other))  # fmt: skip


def gaps(staged):
    data, names = start(staged), list(staged.things)
    return {(a, b): distance(staged, data, a, b)
            for i, a in enumerate(names) for b in names[:i]}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_scene_stands_still_on_what_it_should(scenes, layout):
    staged = scenes[layout]
    assert 3 <= len(staged.things) <= 8
    model, data = staged.model, start(staged)
    assert min([c.dist for c in data.contact]) > -0.0005
    before = data.xpos.copy()
    for _ in range(round(1 / model.opt.timestep)):
        mujoco.mj_step(model, data)
    assert np.linalg.norm(data.xpos - before, axis=1).max() < 0.001
    assert {n: o["support"] for n, o in told(staged).items()} == staged.carriers
    # Nothing hangs over the edge of what it stands on, nor has fallen to the floor.
    assert "floor" not in staged.carriers.values()


def test_the_same_seed_is_the_same_scene_and_another_is_another(scenes):
    again = scene("touching", 0)
    assert again.spec.to_xml() == scenes["touching"].spec.to_xml()
    assert np.array_equal(again.model.qpos0, scenes["touching"].model.qpos0)
    assert scene("touching", 1).spec.to_xml() != again.spec.to_xml()


@pytest.mark.parametrize("layout", ["spread", "thin", "shiny", "heights"])
def test_things_that_stand_alone_keep_their_distance(scenes, layout):
    assert min(gaps(scenes[layout]).values()) >= GAP


def test_partners_touch_or_nearly_and_are_of_different_colours(scenes):
    staged = scenes["touching"]
    names, all_gaps = list(staged.things), gaps(staged)
    for first, second in zip(names[::2], names[1::2], strict=True):
        assert all_gaps.pop((second, first)) < CLOSE
    assert min(all_gaps.values()) >= GAP
    colours = [thing.look.first for thing in staged.things.values()]
    assert len(set(colours)) == len(colours)


def test_stacked_things_stand_on_things(scenes):
    staged = scenes["stacked"]
    on = {n: c for n, c in staged.carriers.items() if c in staged.things}
    assert len(on) >= 2
    objects = told(staged)
    for name, carrier in on.items():
        assert objects[name]["bounds"][0][2] == pytest.approx(
            objects[carrier]["bounds"][1][2], abs=0.002
        )


@pytest.mark.parametrize("seed", [0, 1])
def test_contents_lie_within_their_container(scenes, seed):
    staged = scenes["inside"] if seed == 0 else scene("inside", seed)
    held = {n: c for n, c in staged.carriers.items() if c in staged.things}
    assert held
    objects = told(staged)
    for name, container in held.items():
        inner, outer = (np.array(objects[n]["bounds"]) for n in (name, container))
        assert (inner[0, :2] > outer[0, :2]).all()
        assert (inner[1, :2] < outer[1, :2]).all()
        assert inner[0, 2] < outer[1, 2] - 0.005  # below the rim
        assert inner[0, 2] > outer[0, 2] + 0.002  # above the floor


def test_some_stand_close_to_the_wall_and_the_phone_stays_before_it(scenes):
    staged = scenes["wall"]
    data = start(staged)
    near = [distance(staged, data, name, "wall") for name in staged.things]
    assert min(near) >= 0.01
    assert sum(d <= 0.05 for d in near) >= 2
    from cousins.phone import Phone, middle

    phone = Phone(frames=90, walk=staged.walk)
    eyes = poses(phone, middle(staged.model, data))[:, :3, 3]
    face = data.geom("wall").xpos[1] - staged.model.geom("wall").size[1]
    assert (eyes[:, 1] < face - 0.1).all()


def test_two_heights(scenes):
    staged = scenes["heights"]
    model, data = staged.model, start(staged)
    tops = {c: data.geom(c).xpos[2] + model.geom(c).size[2] for c in staged.carriers.values()}
    assert len(tops) == 2
    low, high = sorted(tops.values())
    assert 0.05 < high - low < 0.3


def test_thin_things_are_thin(scenes):
    thick = [float(t.size.min()) for t in scenes["thin"].things.values()]
    assert min(thick) <= 0.008
    assert np.median(thick) < 0.03


def test_some_things_are_polished(scenes):
    def shine(staged):
        return staged.model.mat_reflectance[staged.model.geom_matid[staged.model.geom_matid >= 0]]

    assert ((shine(scenes["shiny"]) >= 0.3) & (shine(scenes["shiny"]) <= 0.8)).sum() >= 2
    assert shine(scenes["spread"]).max() == 0


def test_a_scene_is_saved_as_files_that_load_alone(scenes, tmp_path):
    staged = scenes["mixed"]
    file = staged.save(tmp_path / "scene")
    model = mujoco.MjModel.from_xml_path(str(file.rename(file.with_name("moved.xml"))))
    assert model.qpos0 == pytest.approx(staged.model.qpos0, abs=1e-5)
    assert model.ngeom == staged.model.ngeom
    assert {model.body(i + 1).name for i in range(len(staged.things))} == set(staged.things)
    with pytest.raises(UsageError, match="already exists"):
        staged.save(tmp_path / "scene")


def test_an_unknown_layout_is_named():
    with pytest.raises(UsageError, match="heap: no such layout; there are spread"):
        scene("heap", 0)


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_eight_more_seeds_of_each_layout(layout):
    for seed in range(2, 10):
        staged = scene(layout, seed)
        assert {n: o["support"] for n, o in told(staged).items()} == staged.carriers
