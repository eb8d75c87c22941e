"""The promise of a family: what its bank gives of a cousin is what that cousin alone would be."""

import itertools
from dataclasses import replace
from functools import cache

import mujoco
import numpy as np
import pytest
import trimesh

import examples
from cousins.batch import batch
from cousins.contact import restitution, settings
from cousins.distributions import Uniform
from cousins.library import Household, Item
from cousins.scene import build, compile_model
from cousins.types import Mesh, Primitive, Scene
from cousins.variation.axes import Settings
from cousins.variation.certificate import certify
from cousins.variation.export import cousin_scene
from cousins.variation.family import chunk, joined
from cousins.variation.sampling import draw, sources

N = 24
ALIKE = Settings(shapes=4, swaps=0.0, distractors=0)
SWAPPED = Settings(shapes=6, swaps=0.6, distractors=1)


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


class Blocks:
    """A library in which a thing may be a box, a cylinder, or a stack of slabs."""

    name = "blocks"

    def __call__(self, asset, count, rng):
        for k in range(count):
            x, y, z = asset.size * rng.uniform(0.9, 1.1, 3)
            whole, primitive, parts = trimesh.creation.box((x, y, z)), None, []
            if k % 3 == 1:
                primitive = Primitive("box", (x / 2, y / 2, z / 2), (0, 0, 0), (1, 0, 0, 0))
            elif k % 3 == 2:
                radius = min(x, y) / 2
                whole = trimesh.creation.cylinder(radius, z, sections=24)
                primitive = Primitive("cylinder", (radius, z / 2, 0), (0, 0, 0), (1, 0, 0, 0))
            for low in (-z / 2, -z / 6, z / 6) if primitive is None else ():
                parts.append(trimesh.creation.box((x, y, z / 3)))
                parts[-1].apply_translation([0, 0, low + z / 6])
            plain = [Mesh(np.asarray(m.vertices, float), np.asarray(m.faces, np.int32))
                     for m in (whole, *(parts or [whole]))]  # fmt: skip
            yield Item(f"block_{k}", "block", None, plain[0], tuple(plain[1:]), primitive, True,
                       "blocks", "CC0")  # fmt: skip


def springy(scene):
    """The scene with objects that bounce, the first one's bounce being left untold."""
    told = Uniform(0.1, 0.6, "test")
    first, *others = scene.assets
    return replace(scene, assets=(first, *(replace(a, restitution=told) for a in others)))


SCENES = {
    "table": lambda: springy(examples.table_scene()),
    "stacked": lambda: springy(stack_scene()),
    "mixed": lambda: springy(examples.table_scene()),
}


@cache
def source(name="table", seed=5):
    """Of the cousins with most distractors."""
    asked, library = (SWAPPED, Blocks()) if name == "mixed" else (ALIKE, Household())
    return sources(SCENES[name](), seed, asked, library).each[-1]


@cache
def made(name="table", n=N, seed=5):
    return source(name, seed), chunk(source(name, seed), range(n), 1)


@cache
def family(name="table", n=N):
    drawn_from, part = made(name, n)
    return drawn_from.twin, joined(drawn_from, [part])


def model_of(cousins):
    return compile_model(cousins.xml, dict(cousins.files))


def alone(scene, cousins, k):
    return compile_model(*build(*cousin_scene(scene, cousins, k)))


def pairs(cousins, k, own):
    """(geom of the union model, geom of cousin k's own model) for all that it uses."""
    model, bank = model_of(cousins), cousins.bank
    used = bank.used[cousins.arrays["shape"][k][bank.owner], np.arange(len(bank.geom))]
    out = [(g, own.geom(model.geom(g).name).id) for g in range(model.ngeom)
           if g not in bank.geom]  # fmt: skip
    for i, body in enumerate(bank.body):
        slots = bank.geom[used & (bank.owner == i)]
        first = own.body_geomadr[own.body(model.body(int(body)).name).id]
        out += [(g, first + j) for j, g in enumerate(slots.tolist())]
    assert sorted(b for _, b in out) == list(range(own.ngeom))
    return np.array(out).T


GEOM = ("pos", "quat", "size", "aabb", "rbound", "friction", "solref", "solimp", "type",
        "contype", "conaffinity", "condim", "priority")  # fmt: skip
BODY = ("pos", "quat", "mass", "inertia", "ipos", "iquat", "subtreemass", "invweight0")
DOF = ("invweight0", "M0", "length")


def assert_same_constants(scene, cousins, rows):
    together = batch(model_of(cousins), cousins.fields(rows))
    for i, k in enumerate(rows):
        own, row = alone(scene, cousins, k), together.get_model(i)
        a, b = pairs(cousins, k, own)
        for name in GEOM:
            np.testing.assert_allclose(
                getattr(row, f"geom_{name}")[a], getattr(own, f"geom_{name}")[b],
                atol=1e-9, rtol=1e-9, err_msg=f"geom_{name} of cousin {k}",
            )  # fmt: skip
        names = [f"body_{f}" for f in BODY] + [f"dof_{f}" for f in DOF] + ["qpos0"]
        for name in names:
            np.testing.assert_allclose(
                getattr(row, name), getattr(own, name), atol=1e-9, rtol=1e-9, err_msg=name
            )
        # Colours are of single precision. Those of the room stay the twin's in an export.
        visual = np.isin(a, cousins.bank.geom[cousins.bank.visual])
        np.testing.assert_array_equal(row.geom_rgba[a[visual]], own.geom_rgba[b[visual]])
        for g, h in zip(a, b, strict=True):
            assert same_mesh(row, int(row.geom_dataid[g]), own, int(own.geom_dataid[h]))


def same_mesh(a, i, b, j):
    if i < 0 or j < 0:
        return i == j
    start, other = a.mesh_vertadr[i], b.mesh_vertadr[j]
    count = a.mesh_vertnum[i]
    if count != b.mesh_vertnum[j]:
        return False
    return np.allclose(a.mesh_vert[start : start + count], b.mesh_vert[other : other + count],
                       atol=1e-6)  # fmt: skip


def assert_steps_as_alone(scene, cousins, rows):
    together = batch(model_of(cousins), cousins.fields(rows), threads=2)
    # A push, so that things slide, tip and collide.
    push = np.random.default_rng(0).normal(0, 0.3, together.qvel.shape)
    together.qvel[:] = push
    together.step(nstep=100)
    worst = 0.0
    for i, k in enumerate(rows):
        own = alone(scene, cousins, k)
        data = mujoco.MjData(own)
        np.testing.assert_array_equal(data.qpos, cousins.arrays["qpos"][k])
        data.qvel[:] = push[i]
        for _ in range(100):
            mujoco.mj_step(own, data)
        worst = max(worst, np.abs(data.qpos - together.qpos[i]).max())
    assert worst < 1e-9


@pytest.mark.parametrize("name", SCENES)
def test_a_cousin_in_the_batch_steps_as_it_does_compiled_alone(name):
    assert_steps_as_alone(*family(name), range(0, N, 3))


@pytest.mark.parametrize("name", SCENES)
def test_every_constant_of_a_cousin_is_that_of_its_own_model(name):
    scene, cousins = family(name)
    assert_same_constants(scene, cousins, range(1, N, 5))


def test_the_mixed_scene_has_padded_slots_swaps_and_a_distractor():
    drawn_from, part = made("mixed")
    bank, shape = drawn_from.union.bank, part.arrays["shape"]
    worn = bank.used[shape[:, bank.owner], np.arange(len(bank.geom))]
    assert 0.1 < 1 - worn.mean() < 0.7
    assert drawn_from.family == 1
    assert len(bank.body) == len(drawn_from.twin.assets) + 1
    kinds = [
        {s.primitive and s.primitive.kind for s in v.shapes} for v in drawn_from.union.variants
    ]
    assert max(len(k) for k in kinds) > 1, "other things of its kind, of another build"


@pytest.mark.slow
def test_two_hundred_cousins_are_what_they_are_alone():
    scene, cousins = family("mixed", 200)
    assert_same_constants(scene, cousins, range(200))
    assert_steps_as_alone(scene, cousins, range(0, 200, 4))


def test_cousins_differ_in_every_way_and_the_shapes_are_used():
    _, cousins = family()
    fields = cousins.fields()
    varied = ("geom_rgba", "geom_friction", "geom_solref", "geom_solimp", "body_mass",
              "body_inertia", "qpos", "light_pos", "light_diffuse", "cam_pos")  # fmt: skip
    for name in varied:
        assert len(np.unique(fields[name], axis=0)) == N, name
    for name in ("robot_base", "camera_noise"):
        assert len(np.unique(cousins.arrays[name], axis=0)) == N, name
    for name in ("geom_dataid", "geom_size", "geom_pos", "geom_matid"):
        assert len(np.unique(fields[name], axis=0)) > N / 3, name
    assert not np.allclose(fields["body_ipos"][0], fields["body_ipos"][1])


def test_rows_are_the_same_alone_and_in_any_order():
    _, cousins = family("mixed")
    whole = cousins.fields()
    for name, value in cousins.fields([7, 2]).items():
        np.testing.assert_array_equal(value, whole[name][[7, 2]], err_msg=name)
    assert cousins.fields([])["qpos"].shape == (0, cousins.arrays["qpos"].shape[1])


def test_bounce_is_drawn_from_its_distribution_and_is_as_it_was_where_it_is_not_told():
    _, cousins = family()
    bank, fields = cousins.bank, cousins.fields()
    contact = np.concatenate([fields["geom_solref"], fields["geom_solimp"][..., :1]], -1)
    solid = [bank.geom[(bank.owner == i) & ~bank.visual] for i in range(len(bank.body))]
    np.testing.assert_array_equal(contact[:, solid[0][0]], np.tile(settings(0.0), (N, 1)))
    drawn = np.array([restitution(contact[:, geoms[0], :2]) for geoms in solid[1:]])
    assert 0.1 < drawn.min() < 0.2
    assert 0.5 < drawn.max() < 0.6
    np.testing.assert_allclose(contact[:, solid[1][0]], settings(drawn[0]), atol=1e-12)


def test_telling_a_bounce_leaves_all_other_draws_alone():
    scene, few = examples.table_scene(), replace(ALIKE, shapes=2)
    plain, told = (draw(sources(s, 5, few, Household()).each[0], range(3), 0).arrays
                   for s in (scene, springy(scene)))  # fmt: skip
    assert not np.array_equal(plain["restitution"], told["restitution"])
    for name in plain:
        if name != "restitution":
            np.testing.assert_array_equal(plain[name], told[name], err_msg=name)


@pytest.mark.parametrize(("threads", "sizes"), [(1, (1, 3, 20)), (2, (11, 13)), (2, (24,))])
def test_the_same_seed_gives_the_same_cousins_however_the_work_is_cut(threads, sizes):
    drawn_from, whole = made()
    bounds = np.cumsum([0, *sizes])
    parts = [chunk(drawn_from, range(a, b), threads) for a, b in itertools.pairwise(bounds)]
    cut = joined(drawn_from, parts)
    assert cut.cousins == whole.cousins
    for name, value in whole.arrays.items():
        np.testing.assert_array_equal(cut.arrays[name], value, err_msg=name)


def test_a_draw_is_the_same_to_the_last_digit_whoever_is_drawn_with_it():
    """In a scene of many objects as well, of which sums are longer."""
    base = examples.table_scene()
    cans = tuple(examples.can(f"can_{k}", 0.02, 0.1, (0.1 * k - 0.5, 0.0)) for k in range(11))
    crowded = sources(replace(base, assets=cans), 3, replace(ALIKE, shapes=2), Household()).each[0]
    together = draw(crowded, range(40), 0)
    for k in (0, 7, 39):
        own = draw(crowded, [k], 0)
        assert own.distance[0] == together.distance[k]
        for axis, value in own.values.items():
            assert value[0] == together.values[axis][k], axis
        for name, value in own.arrays.items():
            np.testing.assert_array_equal(value[0], together.arrays[name][k], err_msg=name)


def test_another_seed_gives_other_cousins():
    _, mine = made()
    _, other = made(n=2, seed=6)
    assert not np.allclose(mine.arrays["qpos"][:2], other.arrays["qpos"])
    assert mine.cousins[0].seed == (5, 0, 0, mine.cousins[0].certificate.attempts - 1)


def test_what_stands_on_something_still_does_and_what_touches_stays_together():
    scene, cousins = family("stacked")
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
    assert not cousins.arrays["shape"][:, 2:4].any()
    assert np.ptp(low[:, :2], axis=0).min() > 0.2


@pytest.mark.parametrize("name", SCENES)
def test_stored_certificates_can_be_checked_again_and_say_the_same(name):
    scene, cousins = family(name)
    again = certify(scene, cousins, threads=1)
    assert again == [c.certificate for c in cousins.cousins]
    assert all(c.passed for c in again)


def test_inertia_follows_mass_and_is_a_bodys():
    _, cousins = family()
    bank, fields = cousins.bank, cousins.fields()
    moments = np.sort(fields["body_inertia"][:, 1:], axis=-1)
    assert (moments[..., 0] > 0).all()
    assert (moments[..., 0] + moments[..., 1] >= moments[..., 2] * (1 - 1e-9)).all()
    # A ball: between the solid's 2/5 and the shell's 2/3 of m r^2.
    ball = 2
    whole = cousins.arrays["shape"][:, ball] == 0
    radius = fields["geom_size"][whole][:, bank.geom[(bank.owner == ball) & ~bank.visual][0], 0]
    mass = fields["body_mass"][whole, bank.body[ball]]
    share = fields["body_inertia"][whole, bank.body[ball], 0] / (mass * radius**2)
    assert (share > 0.39).all()
    assert (share < 0.67).all()
    assert np.ptp(share) > 0.1
