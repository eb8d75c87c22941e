"""Engines: each takes a family and gives it back running. A new one is one small file.

An engine is a frozen dataclass that holds its own settings, so `Cpu(threads=4)(family)` says all.
Other packages bring further ones by the entry point group `cousins.engines`, which names a class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins import plugins
from cousins.bank import Family
from cousins.errors import EngineError, UsageError
from cousins.types import Array

BUILT_IN = {
    "cpu": "cousins.engines.cpu:Cpu",
    "warp": "cousins.engines.warp:Warp",
    "mjx": "cousins.engines.mjx:Mjx",
}

Ids = Sequence[int] | NDArray[np.integer] | None


@dataclass(frozen=True)
class State:
    """All that decides how n worlds go on: what one engine gives, any other of the same family
    takes. time (n,), s; qpos (n, nq); qvel (n, nv); act (n, na); warmstart (n, nv): the
    acceleration from which the solver sets out, without which the last digits differ."""

    time: Array
    qpos: Array
    qvel: Array
    act: Array
    warmstart: Array


@dataclass(frozen=True)
class Contacts:
    """m contacts, ordered by world.

    world (m,); geom (m, 2) ids; position (m, 3), m, and normal (m, 3), from the first geom to the
    second, in the world's frame; distance (m,), m, negative where they overlap; force (m, 3), N:
    what the first geom's body does to the second's, in the world's frame.
    """

    world: NDArray[np.int64]
    geom: NDArray[np.int64]
    position: Array
    normal: Array
    distance: Array
    force: Array


class Running(Protocol):
    """n worlds of one family, each with a cousin and a state of its own.

    model: the union model, for its names, addresses and options; its fields are no cousin's. rows
    (n,): the family's row that each world runs.
    """

    family: Family
    model: mujoco.MjModel

    @property
    def rows(self) -> NDArray[np.int64]: ...

    def __len__(self) -> int: ...

    @property
    def qpos(self) -> Array:
        """(n, nq) now, to be read; `restore` writes."""
        ...

    @property
    def qvel(self) -> Array:
        """(n, nv) now, to be read."""
        ...

    def reset(self, ids: Ids = None, rows: Ids = None) -> None:
        """Put worlds (all by default) to where their cousins start, at rest, with no force on
        them. rows: the cousins that they run from now on, one for each of `ids`.

        Raises UsageError for worlds or rows that do not exist.
        """
        ...

    def state(self, ids: Ids = None) -> State:
        """Copies of worlds' states (all by default)."""
        ...

    def restore(self, state: State, ids: Ids = None) -> None:
        """Put worlds (all by default) into given states; what drives them stays as it is."""
        ...

    def drive(self, wrench: Array | None = None, ctrl: Array | None = None) -> None:
        """What acts on all worlds at each step until it is changed. wrench (n, nbody, 6): forces,
        N, at bodies' centres of mass, and torques, N m, in the world's frame; ctrl (n, nu).

        Raises ValueError for another shape.
        """
        ...

    def step(self, steps: int = 1, idle: NDArray[np.bool_] | None = None) -> None:
        """Advance every world by that many of the model's time steps. idle (n,): those that nobody
        looks at before they are reset, which an engine may leave out."""
        ...

    def ncon(self) -> NDArray[np.int64]:
        """(n,) how many contacts each world had at its last step."""
        ...

    def contacts(self, ids: Ids = None) -> Contacts:
        """All contacts that worlds (all by default) have now. Meant for a look now and then: a
        policy reads `sensors`."""
        ...

    def sensors(self) -> Array:
        """(n, nsensordata) as of the last step, which is one substep behind the state."""
        ...

    def awake(self) -> Array:
        """(n,) share of each world's objects that are awake."""
        ...

    def unstable(self) -> NDArray[np.int64]:
        """Which worlds have gone unstable since they were last reset."""
        ...


class Engine(Protocol):
    """Loads a family: all its cousins, or those of `indices` (rows, in any order and as often as
    there shall be worlds of them)."""

    def __call__(self, family: Family, indices: Ids = None) -> Running: ...


def overlap(running: Running) -> Array:
    """(n,) each world's deepest penetration now, m; 0 where nothing touches."""
    found, deepest = running.contacts(), np.zeros(len(running))
    np.maximum.at(deepest, found.world, -found.distance)
    return deepest


def chosen(family: Family, indices: Ids = None) -> NDArray[np.int64]:
    """(n,) the rows that an engine is asked to load. Raises UsageError for none, or for one that
    the family does not hold, and EngineError for a family that does not say where it starts."""
    rows = np.arange(len(family)) if indices is None else np.asarray(indices, np.int64)
    if not len(rows):
        raise UsageError("no cousin to step: ask for at least one")
    if rows.min() < 0 or rows.max() >= len(family):
        raise UsageError(f"the family holds cousins 0 to {len(family) - 1} only")
    if "qpos" not in family.arrays:
        raise EngineError("the family does not say where its cousins start: augment anew")
    return rows


def worlds(running: Running, ids: Ids) -> NDArray[np.int64]:
    """(k,) the worlds that are meant. Raises UsageError for one that does not run."""
    every = np.arange(len(running))
    if ids is None:
        return every
    asked = np.asarray(ids)
    if asked.dtype == bool and asked.shape == every.shape:
        return every[asked]
    asked = asked.astype(np.int64)
    if len(asked) and (asked.min() < 0 or asked.max() >= len(every)):
        raise UsageError(f"worlds 0 to {len(every) - 1} run, no others")
    return asked


def resets(
    running: Running, ids: Ids, rows: Ids
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """The worlds (k,) that a reset means, in ascending order, and the rows (k,) that they run from
    now on, None for those that they have. Raises UsageError as `Running.reset` says."""
    which = worlds(running, ids)
    order = np.argsort(which, kind="stable")
    which = which[order]
    if (np.diff(which) == 0).any():
        raise UsageError("a world can be reset to one cousin at a time")
    if rows is None or not len(which):
        return which, None
    new = chosen(running.family, rows)
    if len(new) != len(which):
        raise UsageError(f"{len(new)} cousins for {len(which)} worlds: give one each")
    return which, new[order]


def moving(model: mujoco.MjModel, qvel: Array, length: NDArray[np.floating]) -> Array:
    """(n,) share of objects that are faster than MuJoCo's sleep tolerance. qvel (n, nv); length
    (n or 1, nv): dof_length, which makes turning a speed, m."""
    speed = np.abs(qvel) * length
    fast = [speed[:, model.dof_treeid == tree].max(1) for tree in range(model.ntree)]
    return (np.array(fast) > model.opt.sleep_tolerance).mean(0)


def engine(name: str, **settings: Any) -> Engine:
    """The engine of this name, with its settings.

    Raises UsageError for a name or a setting that is not known, and lists those that are.
    """
    found = {**plugins.load("cousins.engines"), **dict.fromkeys(BUILT_IN)}
    if name not in found:
        raise UsageError(f"no engine {name!r}; engines: {', '.join(sorted(found))}")
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        kind = getattr(import_module(module), attribute)
    else:
        kind = found[name]
    known = getattr(kind, "__dataclass_fields__", {})
    for setting in settings:
        if setting not in known:
            raise UsageError(
                f"engine {name} has no setting {setting!r}; settings: {', '.join(known) or 'none'}"
            )
    return kind(**settings)
