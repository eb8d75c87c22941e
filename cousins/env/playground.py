"""A family of cousins as an environment of MuJoCo Playground: a task on MJX, pure and jittable.

What Playground's and Brax's wrappers do with an environment they do with this one: `vmap` it, give
each world a model of its own in place of `_mjx_model`, and put worlds that are done back. It needs
neither of them installed; where Playground is, the classes here are its own.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import mujoco
import numpy as np

from cousins.bank import Family
from cousins.engines import Ids, chosen
from cousins.engines.mjx_model import hold, load, more, stack, unbound
from cousins.engines.proxies import proxies
from cousins.errors import UsageError
from cousins.pack import Pack, load_family
from cousins.tasks import Layout, Now, Task, layout, places
from cousins.tasks import task as named

jax, mjx = load()
jnp = jax.numpy

try:
    _theirs: Any = import_module("mujoco_playground")
    MjxEnv, State = _theirs.MjxEnv, _theirs.State
except ImportError:
    MjxEnv = object

    @jax.tree_util.register_dataclass
    @dataclass(frozen=True)
    class State:
        """Playground's State: `mjx.Data`, obs (D,), reward and done, 0 or 1, and two dicts."""

        data: Any
        obs: Any
        reward: Any
        done: Any
        metrics: dict[str, Any]
        info: dict[str, Any]

        def replace(self, **changes: Any) -> State:
            """A copy with other values."""
            return dataclasses.replace(self, **changes)

        def tree_replace(self, params: Mapping[str, Any]) -> State:
            """A copy with other values, of which "data.qpos" names one deeper down."""
            new = self
            for name, value in params.items():
                first, _, rest = name.partition(".")
                new = new.replace(
                    **{first: getattr(new, first).tree_replace({rest: value}) if rest else value}
                )
            return new


LIMIT = 1e10  # of a state; beyond it MuJoCo calls a simulation unstable


def make(pack: Pack, task: Task | str = "hold", family: int = 0, **settings: Any) -> CousinsMjxEnv:
    """The environment of a task, by name with its settings or as it is, in one of a pack's
    families, the objects of which become primitives. Raises UsageError, PackError, EngineError."""
    if not isinstance(task, str) and settings:
        raise UsageError("settings are for a task that is given by its name")
    doing = named(task, **settings) if isinstance(task, str) else task
    drawn = proxies(load_family(pack, family))
    model = mujoco.MjModel.from_xml_string(drawn.xml)
    return CousinsMjxEnv(drawn, doing, layout(pack, model))


class CousinsMjxEnv(MjxEnv):  # pyright: ignore[reportGeneralTypeIssues, reportUntypedBaseClass]
    """One world: a task in a family's cousin `row`, in double or single precision as JAX is.

    family: of which MJX can hold all cousins in one model, as `proxies` gives it. solver: see
    `cousins.engines.mjx.Mjx`. An action is held for the task's control period. An episode has no
    end of its own in time: give the wrappers `episode_length`. Where a wrapper puts a world back
    to its start, the task draws the next episode anew; an observation that tells of what was drawn
    does so one step late.
    """

    def __init__(
        self, family: Family, task: Task, layout: Layout, row: int = 0, solver: str = "cg"
    ) -> None:
        """Raises UsageError for a row that the family does not hold and for a task that takes a
        robot, EngineError for what MJX cannot simulate, PackError for a task's object that the
        model lacks."""
        if task.robotic:
            raise UsageError(
                f"task {task.name} takes a robot, which worlds in JAX do not have: use make_vec"
            )
        self.family, self.task, self.layout = family, task, layout
        self.held = hold(family, chosen(family, [row]), solver=solver)
        own = {name: value[0] for name, value in self.held.fields.items()}
        self._mj_model = copy.deepcopy(self.held.model)
        for name, value in own.items():
            held = getattr(self._mj_model, name)
            held[:] = value.reshape(held.shape)
        self._mjx_model = self.held.base.tree_replace(
            {name: jnp.asarray(value) for name, value in own.items()}
        )
        self._data = unbound(mjx.make_data(self._mj_model))
        self._places = places(layout.names, self._mj_model)

    def reset(self, rng: Any) -> State:
        """The objects where the model's cousin starts, at rest, and an episode drawn by `rng`."""
        ours, later = jax.random.split(rng)
        model = self._mjx_model
        data = self._data.replace(qpos=model.qpos0)
        data = mjx.kinematics(model, data)
        info = {
            "memory": self._draw(ours, self._now(data)),
            "key": later,
            "begun": jnp.array(False),
        }
        metrics = {"success": jnp.zeros(()), "unstable": jnp.zeros(())}
        obs = self.task.observe(jnp, self.layout, info["memory"], self._now(data))
        return State(data, obs, jnp.zeros(()), jnp.zeros(()), metrics, info)

    def step(self, state: State, action: Any) -> State:
        """One control period on. A world of which physics makes nothing is done, with reward 0,
        and looks as it did before."""
        told, model = (jnp, self.layout), self._mjx_model
        memory, key = self._memory(state)
        command = self.task.command(*told, memory, self._now(state.data), action)
        forces = jnp.zeros_like(state.data.xfrc_applied).at[self._places.body].set(command.wrench)
        data = jax.lax.fori_loop(
            0, self.n_substeps, lambda _, d: mjx.step(model, d),
            state.data.replace(xfrc_applied=forces),
        )  # fmt: skip
        now = self._now(data)
        verdict = self.task.judge(*told, memory, now, action)
        values = jnp.concatenate([data.qpos, data.qvel])
        sound = (jnp.abs(values) < LIMIT).all()
        obs = jnp.where(sound, self.task.observe(*told, memory, now), state.obs)
        reward = jnp.where(sound, verdict.reward, 0.0).astype(state.reward.dtype)
        done = (verdict.ended | ~sound).astype(state.done.dtype)
        metrics = {
            **state.metrics,
            "success": (verdict.success & sound).astype(reward.dtype),
            "unstable": (~sound).astype(reward.dtype),
        }
        info = {**state.info, "memory": memory, "key": key, "begun": jnp.array(True)}
        return state.replace(
            data=data, obs=obs, reward=reward, done=done, metrics=metrics, info=info
        )

    def _draw(self, key: Any, now: Now) -> Mapping[str, Any]:
        """What an episode remembers."""
        uniform = jax.random.uniform(key, (self.task.numbers(self.layout),))
        return self.task.begin(jnp, self.layout, uniform, now)

    def _memory(self, state: State) -> tuple[Mapping[str, Any], Any]:
        """What this episode remembers, and the key of later ones: a wrapper that puts a world back
        to its start keeps `info`, in which every episode would be the first again."""
        ours, later = jax.random.split(state.info["key"])
        anew = state.info["begun"] & (state.data.time == 0)
        memory = jax.tree_util.tree_map(
            lambda new, old: jnp.where(anew, new, old),
            self._draw(ours, self._now(state.data)),
            state.info["memory"],
        )
        return memory, jnp.where(anew, later, state.info["key"])

    def _now(self, data: Any) -> Now:
        """This moment. Where things began is the model's to tell: it may have been swapped."""
        at = self._places
        return Now(data.time, self._mjx_model.qpos0[at.qpos], data.qpos[at.qpos],
                   data.qvel[at.qvel])  # fmt: skip

    @property
    def observation_size(self) -> int:
        """How many numbers an observation has."""
        return len(self.task.observations(self.layout))

    @property
    def action_size(self) -> int:
        """How many numbers an action has, each in -1..1."""
        return self.task.actions(self.layout)

    @property
    def episode_length(self) -> int:
        """Steps after which an episode is to be cut off."""
        return max(1, round(self.task.limit / self.dt))

    @property
    def n_substeps(self) -> int:
        """Physics steps in one step."""
        return max(1, round(self.task.control / self.sim_dt))

    @property
    def sim_dt(self) -> float:
        """Of a physics step, s."""
        return self.layout.timestep

    @property
    def dt(self) -> float:
        """Of a step, s."""
        return self.n_substeps * self.sim_dt

    @property
    def xml_path(self) -> str:
        """ "": the model lies in no file; `family.xml` is its text."""
        return ""

    @property
    def model_assets(self) -> dict[str, bytes]:
        """The files that the model names."""
        return dict(self.family.files)

    @property
    def mj_model(self) -> mujoco.MjModel:
        """The cousin `row`."""
        return self._mj_model

    @property
    def mjx_model(self) -> Any:
        """The cousin that is stepped."""
        return self._mjx_model

    @property
    def unwrapped(self) -> CousinsMjxEnv:
        """Itself."""
        return self

    def render(
        self,
        trajectory: list[State] | State,
        height: int = 240,
        width: int = 320,
        camera: str | None = None,
        scene_option: mujoco.MjvOption | None = None,
        modify_scene_fns: Sequence[Callable[[mujoco.MjvScene], None]] | None = None,
    ) -> Any:
        """(height, width, 3) uint8 of a state, or a list of them, as the cousin `row` looks."""
        every: list[Any] = [trajectory] if isinstance(trajectory, State) else list(trajectory)
        data, pictures = mujoco.MjData(self._mj_model), []
        with mujoco.Renderer(self._mj_model, height, width) as renderer:
            for k, state in enumerate(every):
                data.qpos[:] = np.asarray(state.data.qpos)
                mujoco.mj_forward(self._mj_model, data)
                renderer.update_scene(data, -1 if camera is None else camera, scene_option)
                if modify_scene_fns is not None:
                    modify_scene_fns[k](renderer.scene)
                pictures.append(renderer.render())
        return pictures[0] if isinstance(trajectory, State) else pictures


def randomize(source: CousinsMjxEnv | Family, rows: Ids = None) -> Callable[..., tuple[Any, Any]]:
    """What wrappers take as `randomization_fn`: of a model and k keys it makes (the model with k
    cousins' fields stacked, in_axes for `jax.vmap`), no cousin twice while there are others.

    source: the environment, or the family that it was made of. rows: the cousins to draw from, all
    by default. A cousin's masses, sizes, friction and start pose are in its model, so they follow
    it wherever it goes. Raises UsageError and EngineError.
    """
    family = source if isinstance(source, Family) else source.family
    which = chosen(family, rows)
    held = hold(family, which) if isinstance(source, Family) else more(source.held, family, which)
    fields = {name: jnp.asarray(value) for name, value in held.fields.items()}

    def fn(model: Any, rng: Any) -> tuple[Any, Any]:
        order = jax.random.permutation(rng[0], len(which))[jnp.arange(len(rng)) % len(which)]
        return stack(model, {name: value[order] for name, value in fields.items()})

    return fn
