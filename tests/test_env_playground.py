"""A task on MJX as Playground's wrappers take it."""

import numpy as np
import pytest

pytest.importorskip("mujoco.mjx", reason='it needs the extra: pip install "cousins[mjx]"')

import jax
import jax.numpy as jnp
from mjx_family import boxes, meshes

from cousins.env import playground
from cousins.env.playground import CousinsMjxEnv, State, randomize
from cousins.errors import EngineError, UsageError
from cousins.tasks import Layout, Now
from cousins.tasks.hold import Hold

N = 3
TASK = Hold(control=0.01, limit=0.7)  # pushed within half a second
LAYOUT = Layout(
    ("can_1", "ell_1"), np.zeros((2, 3)), np.tile([1.0, 0, 0, 0], (2, 1)), np.full((2, 3), 0.1),
    np.array([0.13, 0.18]), 0.002,
)  # fmt: skip


class Worlds:
    """As Playground's wrapper for domain randomization goes about it."""

    def __init__(self, env, keys):
        self.env = env
        self.models, self.axes = randomize(env)(env.mjx_model, rng=keys)
        self.reset = jax.jit(jax.vmap(self._reset, in_axes=[self.axes, 0]))
        self.step = jax.jit(jax.vmap(self._step, in_axes=[self.axes, 0, 0]))

    def _reset(self, model, key):
        self.env.unwrapped._mjx_model = model
        return self.env.reset(key)

    def _step(self, model, state, action):
        self.env.unwrapped._mjx_model = model
        return self.env.step(state, action)


@pytest.fixture(scope="module")
def env():
    return CousinsMjxEnv(boxes(), TASK, LAYOUT)


@pytest.fixture(scope="module")
def worlds(env):
    model = env.mjx_model
    made = Worlds(CousinsMjxEnv(boxes(), TASK, LAYOUT), jax.random.split(jax.random.key(0), N))
    assert env.mjx_model is model
    return made


def test_it_tells_its_sizes_and_times(env):
    assert env.observation_size == 26
    assert env.action_size == 4
    assert env.n_substeps == 5
    assert env.dt == pytest.approx(0.01)
    assert env.sim_dt == pytest.approx(0.002)
    assert env.episode_length == 70
    assert env.unwrapped is env
    assert env.mj_model.nmesh == 0
    assert env.xml_path == ""
    state = jax.eval_shape(env.reset, jax.random.key(0))
    assert state.obs.shape == (26,)
    assert state.tree_replace({"data.qpos": 1, "done": 2}).done == 2


def test_every_key_gets_a_cousin_of_its_own_and_its_start(env):
    keys = jax.random.split(jax.random.key(5), 4)
    models, axes = randomize(env)(env.mjx_model, rng=keys)
    assert axes.qpos0 == 0
    assert axes.body_mass == 0
    assert axes.geom_type is not None  # the program's, as in the model
    assert axes.opt.timestep is None
    start = np.asarray(models.qpos0)
    stored = boxes().arrays["qpos"]
    which = [int(np.abs(stored - s).max(1).argmin()) for s in start]
    assert sorted(which) == [0, 1, 2, 3]
    np.testing.assert_allclose(start, stored[which], atol=1e-6)
    np.testing.assert_allclose(models.body_mass, boxes().arrays["body_mass"][which], rtol=1e-6)
    many, _ = randomize(boxes(), [1, 3])(env.mjx_model, rng=jax.random.split(keys[0], 5))
    found = np.asarray(many.qpos0)
    assert len(np.unique(found, axis=0)) == 2


def test_an_episode_is_worth_what_numpy_makes_of_its_states(worlds):
    state = worlds.reset(worlds.models, jax.random.split(jax.random.key(1), N))
    start = np.asarray(worlds.models.qpos0, float).reshape(N, -1, 7)[:, [0, 2]]
    structure = jax.tree_util.tree_structure(state)
    rng = np.random.default_rng(0)
    for _ in range(20):
        action = rng.uniform(-1, 1, (N, 4)).astype(np.float32)
        state = worlds.step(worlds.models, state, jnp.asarray(action))
        assert jax.tree_util.tree_structure(state) == structure
        memory = {name: np.asarray(v, float) for name, v in state.info["memory"].items()}
        now = Now(np.asarray(state.data.time, float), start,
                  np.asarray(state.data.qpos, float).reshape(N, -1, 7)[:, [0, 2]],
                  np.asarray(state.data.qvel, float).reshape(N, -1, 6)[:, [0, 2]])  # fmt: skip
        told = TASK.judge(np, LAYOUT, memory, now, action)
        np.testing.assert_allclose(state.reward, told.reward, atol=2e-4)
        np.testing.assert_array_equal(np.asarray(state.done) > 0, told.ended)
        np.testing.assert_allclose(
            state.obs, TASK.observe(np, LAYOUT, memory, now), rtol=1e-4, atol=1e-5
        )
    assert np.asarray(state.data.time) == pytest.approx(0.2, rel=1e-4)
    moved = np.abs(now.pose - start)[..., :2].max((1, 2))
    assert (moved > 3e-4).all()
    assert len(np.unique(moved.round(5))) == N


def test_a_world_that_a_wrapper_puts_back_begins_another_episode(worlds):
    first = worlds.reset(worlds.models, jax.random.split(jax.random.key(2), N))
    still = jnp.zeros((N, 4))
    state = worlds.step(worlds.models, first, still)
    np.testing.assert_array_equal(state.info["memory"]["when"], first.info["memory"]["when"])
    state = worlds.step(worlds.models, state.replace(data=first.data, obs=first.obs), still)
    assert (state.info["memory"]["when"] != first.info["memory"]["when"]).any(1).all()
    after = worlds.step(worlds.models, state, still)
    np.testing.assert_array_equal(state.info["memory"]["when"], after.info["memory"]["when"])


def test_a_world_that_goes_unstable_is_done_and_spoils_nothing(worlds):
    state = worlds.reset(worlds.models, jax.random.split(jax.random.key(3), N))
    lost = state.data.replace(qvel=state.data.qvel.at[1].set(jnp.nan))
    state = worlds.step(worlds.models, state.replace(data=lost), jnp.zeros((N, 4)))
    assert np.asarray(state.done).tolist() == [0, 1, 0]
    assert np.asarray(state.metrics["unstable"]).tolist() == [0, 1, 0]
    assert np.asarray(state.reward)[1] == 0
    assert np.isfinite(state.obs).all()
    assert (np.asarray(state.reward)[[0, 2]] > 0.9).all()


def test_what_cannot_be_stepped_is_refused(env):
    with pytest.raises(EngineError, match="use primitive proxies"):
        CousinsMjxEnv(meshes(), TASK, LAYOUT)
    with pytest.raises(UsageError, match="0 to 3"):
        CousinsMjxEnv(boxes(), TASK, LAYOUT, row=4)
    with pytest.raises(UsageError, match="0 to 3"):
        randomize(env, [5])
    with pytest.raises(UsageError, match="by its name"):
        playground.make(None, TASK, pushes=2)
    assert issubclass(type(jax.eval_shape(env.reset, jax.random.key(0))), State)
