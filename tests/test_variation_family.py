"""The promise of a family: its arrays on one model are what each cousin alone would be."""

import itertools
from dataclasses import replace
from functools import cache

import mujoco
import numpy as np
import pytest

import examples
from cousins.batch import batch
from cousins.contact import restitution, settings
from cousins.distributions import Uniform
from cousins.scene import build, compile_model
from cousins.types import Scene
from cousins.variation.certificate import certify
from cousins.variation.export import cousin_scene
from cousins.variation.family import chunk, joined
from cousins.variation.sampling import Settings, draw, source

N = 24


def stack_scene():
    """A can on a box, two books side by side, and an L."""
    scene = examples.table_scene()
    top = examples.TABLE + 0.06
    low = examples.box("low_1", (0.2, 0.16, 0.06), (0.3, 0.1))
    can = replace(
        examples.can("can_1", 0.033, 0.1, (0.32, 0.08)),
        support="low_1",
        position=np.array([0.32, 0.08, top + 0.05]),
    )
    books = (
        examples.box("book_1", (0.04, 0.15, 0.2), (-0.3, 0.1)),
        examples.box("book_2", (0.04, 0.15, 0.22), (-0.26, 0.1)),
    )
    return Scene((low, can, *books, examples.ell("ell_1", (0.0, -0.2))), scene.supports)


def springy(scene):
    """The scene with objects that bounce, the first one's bounce being left untold."""
    told = Uniform(0.1, 0.6, "test")
    first, *others = scene.assets
    return replace(scene, assets=(first, *(replace(a, restitution=told) for a in others)))


@cache
def made(stacked=False, n=N, seed=5):
    scene = springy(stack_scene() if stacked else examples.table_scene())
    drawn_from = source(scene, seed, Settings(shapes=4))
    return drawn_from, chunk(drawn_from, range(n))


@cache
def family(stacked=False):
    drawn_from, part = made(stacked)
    return drawn_from.union.scene, joined(drawn_from, [part])


@pytest.mark.parametrize("stacked", [False, True])
def test_a_cousin_in_the_batch_steps_as_it_does_compiled_alone(stacked):
    scene, cousins = family(stacked)
    model = compile_model(cousins.xml, dict(cousins.files))
    together = batch(model, cousins.arrays, threads=2)
    # A push, so that things slide, tip and collide.
    push = np.random.default_rng(0).normal(0, 0.3, together.qvel.shape)
    together.qvel[:] = push
    together.step(nstep=100)
    worst = 0.0
    for k in range(0, N, 3):
        alone = compile_model(*build(*cousin_scene(scene, cousins, k)))
        data = mujoco.MjData(alone)
        np.testing.assert_array_equal(data.qpos, cousins.arrays["qpos"][k])
        data.qvel[:] = push[k]
        for _ in range(100):
            mujoco.mj_step(alone, data)
        worst = max(worst, np.abs(data.qpos - together.qpos[k]).max())
    assert worst < 1e-9


def test_every_constant_of_a_cousin_is_that_of_its_own_model():
    scene, cousins = family()
    model = compile_model(cousins.xml, dict(cousins.files))
    together = batch(model, cousins.arrays)
    geom = ("pos", "quat", "size", "aabb", "rbound", "friction", "solref", "solimp", "rgba",
            "sameframe")  # fmt: skip
    body = ("pos", "quat", "mass", "ipos", "subtreemass", "invweight0")
    names = [f"geom_{f}" for f in geom] + [f"body_{f}" for f in body]
    names += ["dof_invweight0", "dof_M0", "dof_length", "qpos0"]
    for k in (1, 8):
        alone = compile_model(*build(*cousin_scene(scene, cousins, k)))
        row = together.get_model(k)
        for name in names:
            np.testing.assert_allclose(
                getattr(row, name), getattr(alone, name), atol=1e-8, rtol=1e-8, err_msg=name
            )


def test_cousins_differ_in_every_way_and_the_shapes_are_used():
    _, part = made()
    varied = ("geom_rgba", "geom_friction", "geom_solref", "geom_solimp", "body_mass",
              "body_inertia", "qpos")  # fmt: skip
    for name in varied:
        assert len(np.unique(part.arrays[name], axis=0)) == N, name
    for name in ("geom_dataid", "geom_size", "geom_pos"):
        assert len(np.unique(part.arrays[name], axis=0)) > N / 2, name
    assert not np.allclose(part.arrays["body_ipos"][0], part.arrays["body_ipos"][1])


def test_bounce_is_drawn_from_its_distribution_and_is_as_it_was_where_it_is_not_told():
    drawn_from, part = made()
    untold, *others = drawn_from.union.slots
    contact = np.concatenate([part.arrays["geom_solref"], part.arrays["geom_solimp"][..., :1]], -1)
    np.testing.assert_array_equal(contact[:, untold.geoms[1]], np.tile(settings(0.0), (N, 1)))
    drawn = np.array([restitution(contact[:, slot.geoms[1], :2]) for slot in others])
    assert 0.1 < drawn.min() < 0.2
    assert 0.5 < drawn.max() < 0.6
    np.testing.assert_allclose(contact[:, others[0].geoms[1]], settings(drawn[0]), atol=1e-12)


def test_telling_a_bounce_leaves_all_other_draws_alone():
    scene = examples.table_scene()
    plain, told = (
        draw(source(s, 5, Settings(shapes=2)), range(3), 0)[0] for s in (scene, springy(scene))
    )
    assert not np.array_equal(plain.restitution, told.restitution)
    for name in ("shape", "position", "quaternion", "mass", "friction", "centre", "inertia"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(told, name), err_msg=name)


@pytest.mark.parametrize(("threads", "sizes"), [(1, (1, 3, 20)), (2, (11, 13)), (2, (24,))])
def test_the_same_seed_gives_the_same_cousins_however_the_work_is_cut(threads, sizes):
    drawn_from, whole = made()
    bounds = np.cumsum([0, *sizes])
    parts = [chunk(drawn_from, range(a, b), threads) for a, b in itertools.pairwise(bounds)]
    cut = joined(drawn_from, parts)
    assert cut.cousins == whole.cousins
    for name, value in whole.arrays.items():
        np.testing.assert_array_equal(cut.arrays[name], value, err_msg=name)


def test_another_seed_gives_other_cousins():
    _, mine = made()
    _, other = made(n=2, seed=6)
    assert not np.allclose(mine.arrays["qpos"][:2], other.arrays["qpos"])
    assert mine.cousins[0].seed == (5, 0, 0, mine.cousins[0].certificate.attempts - 1)


def test_what_stands_on_something_still_does_and_what_touches_stays_together():
    scene, cousins = family(stacked=True)
    qpos = cousins.arrays["qpos"].reshape(N, -1, 7)
    low, can, book, other = qpos[:, 0], qpos[:, 1], qpos[:, 2], qpos[:, 3]
    yaw = 2 * np.arctan2(low[:, 6], low[:, 3])
    seen = scene.assets[1].position[:2] - scene.assets[0].position[:2]
    turned = np.column_stack(
        [
            np.cos(yaw) * seen[0] - np.sin(yaw) * seen[1],
            np.sin(yaw) * seen[0] + np.cos(yaw) * seen[1],
        ]
    )
    np.testing.assert_allclose(can[:, :2] - low[:, :2], turned, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(book[:, :2] - other[:, :2], axis=1), 0.04, atol=2e-3)
    # Books keep their shapes, since a larger one would push into its neighbour.
    drawn_from, part = made(stacked=True)
    geoms = drawn_from.union.slots[2].geoms
    assert len(np.unique(part.arrays["geom_size"][:, geoms], axis=0)) == 1
    assert np.ptp(low[:, :2], axis=0).min() > 0.2


def test_stored_certificates_can_be_checked_again_and_say_the_same():
    for stacked in (False, True):
        scene, cousins = family(stacked)
        again = certify(scene, cousins, threads=1)
        assert again == [c.certificate for c in cousins.cousins]
        assert all(c.passed for c in again)


def test_inertia_follows_mass_and_is_a_bodys():
    drawn_from, part = made()
    moments = np.sort(part.arrays["body_inertia"][:, 1:], axis=-1)
    assert (moments[..., 0] > 0).all()
    assert (moments[..., 0] + moments[..., 1] >= moments[..., 2] * (1 - 1e-9)).all()
    # A ball: between the solid's 2/5 and the shell's 2/3 of m r^2.
    ball = drawn_from.union.slots[2]
    radius = part.arrays["geom_size"][:, ball.geoms[1], 0]
    mass = part.arrays["body_mass"][:, ball.body]
    share = part.arrays["body_inertia"][:, ball.body, 0] / (mass * radius**2)
    assert (share > 0.39).all()
    assert (share < 0.67).all()
    assert np.ptp(share) > 0.1
