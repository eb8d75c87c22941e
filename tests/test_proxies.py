"""Primitive proxies: they stand where their cousins stood, and weigh what these weighed."""

import sys
from dataclasses import replace

import mujoco
import numpy as np
import packs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mjx_family import boxes, meshes

from cousins.engines import overlap
from cousins.engines.cpu import Cpu
from cousins.engines.mjx import Mjx
from cousins.engines.proxies import _reach, _upright, proxies
from cousins.errors import EngineError, MissingDependencyError, UsageError
from cousins.mesh import matrix_from_quaternion
from cousins.types import Support
from examples import table_scene

KIND = mujoco.mjtGeom
unit = st.lists(st.floats(-1, 1), min_size=4, max_size=4).map(np.array).filter(
    lambda q: np.linalg.norm(q) > 0.1
)  # fmt: skip


def test_every_object_is_one_primitive_and_nothing_is_a_mesh():
    running = Cpu()(boxes())
    model = running.model
    assert model.nmesh == 0
    kinds = {model.geom(g).name: int(model.geom_type[g]) for g in range(model.ngeom)}
    assert kinds == {
        "floor": KIND.mjGEOM_PLANE, "table": KIND.mjGEOM_BOX, "can_1_c0": KIND.mjGEOM_BOX,
        "ball_1_c0": KIND.mjGEOM_SPHERE, "ell_1_c0": KIND.mjGEOM_BOX,
    }  # fmt: skip
    size = boxes().arrays["geom_size"][:, model.geom("ell_1_c0").id]
    np.testing.assert_allclose(size[0], [0.08, 0.08, 0.02], atol=1e-6)
    np.testing.assert_allclose(size[1], [0.096, 0.08, 0.02], atol=1e-6)


@pytest.mark.parametrize("drawn", [meshes, packs.family, packs.older_family])
def test_what_stands_goes_on_standing_where_it_stood(drawn):
    family = drawn()
    stood, running = Cpu()(family), Cpu()(proxies(family))
    assert overlap(running).max() < 1e-4
    running.step(250)
    moved = (running.qpos - stood.qpos).reshape(len(family), -1, 7)[..., :3]
    assert np.linalg.norm(moved, axis=-1).max() < 1e-4


def test_boxes_of_what_leans_on_each_other_overlap_and_are_told():
    qpos = meshes().arrays["qpos"].copy()
    can, ell = (Cpu()(meshes()).model.joint(name).qposadr[0] for name in ("can_1", "ell_1"))
    # Into the L's inner corner, which its box fills.
    qpos[1, can : can + 2] = qpos[1, ell : ell + 2] + [0.03, 0.05]
    made = proxies(replace(meshes(), arrays={**meshes().arrays, "qpos": qpos}))
    assert (overlap(Cpu()(made)) > 1e-3).tolist() == [False, True, False, False]


def test_masses_friction_and_bounce_are_the_cousins():
    whole, made = meshes().fields(), boxes().fields()
    for name in ("body_mass", "body_inertia", "body_ipos", "body_iquat", "qpos"):
        np.testing.assert_array_equal(made[name], whole[name])
    before, after = Cpu()(meshes()).model, Cpu()(boxes()).model
    for name in ("can_1", "ball_1", "ell_1"):
        old = before.body(name).geomadr[0] + 1
        new = after.geom(f"{name}_c0").id
        for field in ("geom_friction", "geom_solref", "geom_solimp"):
            np.testing.assert_array_equal(made[field][:, new], whole[field][:, old])
        np.testing.assert_array_equal(made["geom_rgba"][:, new], whole["geom_rgba"][:, old - 1])


def test_a_box_is_upright_where_its_cousin_starts_and_as_high():
    family = meshes()
    qpos = family.arrays["qpos"].copy()
    address = Cpu()(family).model.joint("ell_1").qposadr[0]
    # On its long side, leaning by 20 degrees.
    lean = np.radians(90 + 20) / 2
    qpos[:, address + 3 : address + 7] = [np.cos(lean), 0, np.sin(lean), 0]
    made = proxies(replace(family, arrays={**family.arrays, "qpos": qpos}))
    model = Cpu()(made).model
    g = model.geom("ell_1_c0").id
    turn = matrix_from_quaternion(qpos[0, address + 3 : address + 7]) @ matrix_from_quaternion(
        made.arrays["geom_quat"][0, g]
    )
    assert np.abs(turn[2]).max() == pytest.approx(1)
    up, half = np.abs(turn[2]).argmax(), made.arrays["geom_size"][0, g]
    rise = 0.08 * np.cos(np.radians(20)) + 0.02 * np.sin(np.radians(20))
    assert half[up] == pytest.approx(rise, abs=1e-5)


def test_a_round_mesh_becomes_a_ball_only_if_it_is_one_in_every_cousin():
    whole = table_scene()
    ball = replace(whole.assets[2], primitive=None)
    alone = replace(whole, assets=(ball,))
    # `packs.family` draws it out to 1.2 times its length in every second cousin.
    for n, kind in ((1, KIND.mjGEOM_SPHERE), (2, KIND.mjGEOM_BOX)):
        made = proxies(packs.family(alone, n=n))
        model = Cpu()(made).model
        g = model.geom("ball_1_c0").id
        assert model.geom_type[g] == kind
        assert made.arrays["geom_size"][0, g, 0] == pytest.approx(0.035, rel=0.02)
    assert made.arrays["geom_size"][1, g, 0] == pytest.approx(1.2 * 0.035, rel=0.02)


def test_a_table_that_is_a_mesh_becomes_the_box_around_it():
    whole = table_scene()
    corner = np.array([[-0.6, -0.4], [0.6, -0.4], [0.6, 0.4]])
    scene = replace(whole, supports=(whole.supports[0], Support("table", "table", 0.72, corner)))
    made = proxies(packs.family(scene, n=2))
    model = Cpu()(made).model
    g = model.geom("table").id
    assert model.geom_type[g] == KIND.mjGEOM_BOX
    half = np.abs(matrix_from_quaternion(model.geom_quat[g]) * model.geom_size[g]).sum(1)
    assert model.geom_pos[g][2] + half[2] == pytest.approx(0.72, abs=1e-6)


@given(unit, st.integers(2, 6), st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
def test_a_primitive_reaches_as_far_as_its_points(q, kind, size):
    turn = matrix_from_quaternion(q / np.linalg.norm(q))
    reach = _reach(kind, np.array([size]), turn[None])[0]
    a, b, c = size
    rng = np.random.default_rng(0)
    on = rng.normal(size=(4000, 3))
    on /= np.linalg.norm(on, axis=1, keepdims=True)
    flat = on * [1, 1, 0] / np.linalg.norm(on[:, :2], axis=1, keepdims=True)
    points = {
        KIND.mjGEOM_SPHERE: a * on,
        KIND.mjGEOM_CAPSULE: a * on + b * np.sign(on[:, 2:]) * [0, 0, 1],
        KIND.mjGEOM_ELLIPSOID: on * size,
        KIND.mjGEOM_CYLINDER: a * flat + b * np.sign(on[:, 2:]) * [0, 0, 1],
        KIND.mjGEOM_BOX: np.sign(on) * [a, b, c],
    }[KIND(kind)]
    far = (points @ turn).max(0)
    assert (far <= reach + 1e-9).all()
    assert (far >= reach - 0.1 * max(size)).all()


@given(unit)
def test_the_least_turn_puts_an_axis_upright(q):
    up = matrix_from_quaternion(q / np.linalg.norm(q))[2]
    axis, turn = _upright(up[None])
    along = matrix_from_quaternion(turn[0])[:, axis[0]] @ up
    assert abs(along) == pytest.approx(1)
    assert 2 * np.arccos(min(1.0, turn[0, 0])) <= np.arccos(1 / np.sqrt(3)) + 1e-6


def test_what_no_primitive_can_stand_for_is_refused_in_one_line():
    hinged = meshes().xml.replace('<freejoint name="can_1" />', '<joint name="can_1" />')
    for xml, word in ((hinged, "can_1"), ("<mujoco>", "augment anew")):
        with pytest.raises(EngineError, match=word) as caught:
            proxies(replace(meshes(), xml=xml))
        assert "\n" not in str(caught.value)


def test_without_mjx_the_engine_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco.mjx", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "cousins\[mjx\]"'):
        Mjx()(boxes())


@pytest.mark.parametrize(
    ("engine", "word"),
    [
        (Mjx(impl="cpp"), "jax or warp"),
        (Mjx(solver="pgs"), "cg or newton"),
        (Mjx(room=-1), "1 or more"),
    ],
)
def test_settings_that_make_no_sense_are_refused(engine, word):
    with pytest.raises(UsageError, match=word):
        engine(boxes())
