"""MuJoCo in JAX (MJX): every world a row of one vmapped step, on the device that JAX takes.

Numbers are single precision, unless JAX was told otherwise. `cousins.engines.mjx_model` says what
MJX cannot simulate.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.bank import Family
from cousins.batch import batch
from cousins.engines import Contacts, Ids, State, chosen, moving, resets, worlds
from cousins.engines.cpu import physical
from cousins.engines.mjx_model import SOLVERS, hold, load, more, unbound
from cousins.errors import EngineError, UsageError
from cousins.types import Array

STEPS = 50  # between two looks for an interrupt
LIMIT = 1e10  # of a state; beyond it MuJoCo calls a simulation unstable
ROOM = 2  # times the contacts and the constraints that MuJoCo finds at the start
# Of a state, as MuJoCo names them; and what a reset clears.
_STATE = {"time": "time", "qpos": "qpos", "qvel": "qvel", "act": "act",
          "warmstart": "qacc_warmstart"}  # fmt: skip
_CLEARED = ("time", "qvel", "act", "qacc_warmstart", "ctrl", "qfrc_applied", "xfrc_applied",
            "sensordata")  # fmt: skip


@dataclass(frozen=True)
class Mjx:
    """MJX. impl: "jax", or "warp", which is MuJoCo Warp called from JAX and knows all pairs of
    geoms.

    solver: "cg", or "newton" as MuJoCo on the CPU, whose second derivatives of a contact that
    begins to slide are no longer positive in single precision: a thing that just touches may then
    be thrown off. room: for how many contacts of a world there is room under "warp"; 0 takes twice
    as many as MuJoCo finds at the start, and at least 8 for each body.
    """

    impl: Literal["jax", "warp"] = "jax"
    solver: Literal["cg", "newton"] = "cg"
    room: int = 0

    def __call__(self, family: Family, indices: Ids = None) -> MjxRunning:
        """Load a family, and compile its step. Raises UsageError for a row that it does not hold,
        EngineError for what MJX cannot simulate, and MissingDependencyError without MJX."""
        if self.impl not in ("jax", "warp"):
            raise UsageError(f"MJX has no implementation {self.impl!r}: ask for jax or warp")
        if self.solver not in SOLVERS:
            raise UsageError(f"MJX has no solver {self.solver!r}: ask for cg or newton")
        if self.room < 0:
            raise UsageError(f"room for {self.room} contacts: ask for 1 or more, or 0")
        rows = chosen(family, indices)
        load(self.impl)
        try:
            return MjxRunning(family, rows, self)
        except MemoryError:
            pass
        except RuntimeError as error:  # JAX's errors are
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
        raise EngineError(f"{len(rows)} cousins do not fit into memory: step fewer")


class MjxRunning:
    """n running worlds. `data` is their `mjx.Data`; contact forces, contacts and sensors in it are
    as of the last step."""

    def __init__(self, family: Family, rows: NDArray[np.int64], settings: Mjx) -> None:
        self.family, self._rows, self._impl = family, rows.copy(), settings.impl
        self._held = hold(family, rows, settings.impl, settings.solver)
        self.model = self._held.model
        self._fields = {name: np.array(value) for name, value in self._held.fields.items()}
        self._length = np.array(self._held.length)
        self._placed = _placed(self._fields)
        self._reset = np.zeros(len(rows), bool)  # since the last step
        template = _data(self.model, family, rows, settings.impl, settings.room)
        self.data = _programs().spread(unbound(template), self._placed["qpos0"])
        # MuJoCo too looks at contacts before it steps; and the step is compiled here.
        self.data = self._ahead(1).replace(**{name: getattr(self.data, name)
                                              for name in _STATE.values()})  # fmt: skip

    @property
    def rows(self) -> NDArray[np.int64]:
        """(n,) the family's row that each world runs."""
        return self._rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def qpos(self) -> Array:
        """(n, nq) now: a copy."""
        return np.array(self.data.qpos, float)

    @property
    def qvel(self) -> Array:
        """(n, nv) now: a copy."""
        return np.array(self.data.qvel, float)

    def reset(self, ids: Ids = None, rows: Ids = None) -> None:
        """Put worlds (all by default) to where their cousins start; see `Running.reset`. Raises
        EngineError for a cousin that differs from the first ones in what MJX holds once."""
        which, new = resets(self, ids, rows)
        if new is not None:
            other = more(self._held, self.family, new)
            for name, value in other.fields.items():
                self._fields[name][which] = value
            self._length[which] = other.length
            self._placed = _placed(self._fields)
            self._rows[which] = new
        self._write(which, qpos=self._fields["qpos0"][which], **dict.fromkeys(_CLEARED, 0.0))
        self._reset[which] = True

    def state(self, ids: Ids = None) -> State:
        """Copies of worlds' states (all by default)."""
        which = worlds(self, ids)
        return State(*(np.array(getattr(self.data, name), float)[which]
                       for name in _STATE.values()))  # fmt: skip

    def restore(self, state: State, ids: Ids = None) -> None:
        """Put worlds (all by default) into given states."""
        given = {name: getattr(state, own) for own, name in _STATE.items()}
        self._write(worlds(self, ids), **given)

    def drive(self, wrench: Array | None = None, ctrl: Array | None = None) -> None:
        """What acts on all worlds from now on; see `Running.drive`."""
        given = {"xfrc_applied": wrench, "ctrl": ctrl}
        for name, value in given.items():
            held = getattr(self.data, name)
            if value is not None and np.shape(value) != held.shape:
                raise ValueError(f"{name} has shape {np.shape(value)}, not {held.shape}")
        every = np.arange(len(self))
        self._write(every, **{k: v for k, v in given.items() if v is not None})

    def step(self, steps: int = 1, idle: NDArray[np.bool_] | None = None) -> None:
        """Advance every world by that many of the model's time steps. A world that goes unstable
        stays so until it is reset. Raises EngineError where "warp" has no room for all contacts.
        """
        for start in range(0, steps, STEPS):
            self.data = self._ahead(min(STEPS, steps - start))
            self._reset[:] = False

    def ncon(self) -> NDArray[np.int64]:
        """(n,) how many contacts each world had at its last step."""
        world = _touching(self._impl, self.data)[0]
        counted = np.bincount(world, minlength=len(self)).astype(np.int64)
        return np.where(self._reset, 0, counted)

    def contacts(self, ids: Ids = None) -> Contacts:
        """All contacts that worlds (all by default) have now: it takes a step of all worlds."""
        found = _touching(self._impl, self._ahead(1))
        order = np.argsort(found[0], kind="stable")
        asked = order[np.isin(found[0][order], worlds(self, ids))]
        return Contacts(*(part[asked] for part in found))

    def sensors(self) -> Array:
        """(n, nsensordata) as of the last step."""
        return np.array(self.data.sensordata, float)

    def awake(self) -> Array:
        """(n,) share of each world's objects that move faster than MuJoCo's sleep tolerance."""
        return moving(self.model, self.qvel, self._length)

    def unstable(self) -> NDArray[np.int64]:
        """Which worlds' states are not finite, or beyond what MuJoCo takes for one."""
        values = np.concatenate([self.qpos, self.qvel], 1)
        return np.flatnonzero(~(np.abs(values) < LIMIT).all(1))

    def _ahead(self, steps: int) -> Any:
        """The data that many steps on."""
        base = self._held.base
        data = _programs().advance(base, self._placed, self.data, np.int32(steps))
        data.qpos.block_until_ready()
        if self._impl == "warp" and np.any(np.asarray(data._impl.overflow)):
            raise EngineError('more contacts than there is room for: Mjx(impl="warp", room=...)')
        return data

    def _write(self, which: NDArray[np.int64], **values: Any) -> None:
        """Put rows into fields of the data."""
        jax, _ = load()

        fields = {}
        for name, value in values.items():
            new = np.array(getattr(self.data, name))
            new[which] = value
            fields[name] = jax.numpy.array(new)
        self.data = self.data.replace(**fields)


@dataclass(frozen=True)
class _Programs:
    advance: Any
    spread: Any


@functools.cache
def _programs() -> _Programs:
    """What JAX compiles, once for all that run the same model with as many worlds."""
    jax, mjx = load()

    def advance(base: Any, fields: Mapping[str, Any], data: Any, steps: Any) -> Any:
        def world(own: Mapping[str, Any], data: Any) -> Any:
            model = base.tree_replace(dict(own))
            return jax.lax.fori_loop(0, steps, lambda _, d: mjx.step(model, d), data)

        return jax.vmap(world)(fields, data)

    def spread(data: Any, qpos: Any) -> Any:
        return jax.vmap(lambda q: data.replace(qpos=q))(qpos)

    return _Programs(jax.jit(advance), jax.jit(spread))


def _placed(fields: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Copies for JAX, whose CPU would share the memory that is written to."""
    jax, _ = load()

    return {name: jax.numpy.array(value) for name, value in fields.items()}


def _data(
    model: mujoco.MjModel, family: Family, rows: NDArray[np.int64], impl: str, room: int
) -> Any:
    """One world's `mjx.Data`, with room for contacts where that is bounded."""
    _, mjx = load(impl)

    if impl == "jax":
        return mjx.make_data(model, impl=impl)
    sims = batch(model, physical(family, rows))
    sims.forward()
    contacts = room or max(ROOM * int(sims.bind("ncon").max()), 8 * model.nbody)
    # A contact is at most as many rows as its condim.
    most = int(model.geom_condim.max())
    return mjx.make_data(model, impl=impl, naconmax=contacts * len(rows), njmax=most * contacts)


def _touching(impl: str, data: Any) -> tuple[NDArray[Any], ...]:
    """The fields of `Contacts` of all worlds, in no order, as of the data's last step."""
    own = data._impl
    if impl == "jax":
        contact = own.contact
        near = np.asarray(contact.dist) < np.asarray(contact.includemargin)
        world, slot = np.nonzero(near)
        row = np.asarray(contact.efc_address)[slot]
        force = np.asarray(own.efc_force)
        geom, at, frame, distance = (np.asarray(v)[near] for v in (
            contact.geom, contact.pos, contact.frame, contact.dist))  # fmt: skip
        row = row[:, None] + np.arange(3)
    else:
        many = int(np.asarray(own.nacon)[0])
        distance, margin, world, row, geom, at, frame = (np.asarray(v)[:many] for v in (
            own.contact__dist, own.contact__includemargin, own.contact__worldid,
            own.contact__efc_address, own.contact__geom, own.contact__pos, own.contact__frame,
        ))  # fmt: skip
        near = (distance < margin) & (row[:, 0] >= 0)
        distance, world, row, geom, at, frame = (
            v[near] for v in (distance, world, row[:, :3], geom, at, frame)
        )
        force = np.asarray(own.efc__force)
    # Along a contact's axes, the first of which is its normal; what follows are torques.
    along = force[world[:, None], row].astype(float)
    frame = frame.astype(float).reshape(-1, 3, 3)
    return (world.astype(np.int64), geom.astype(np.int64), at.astype(float), frame[:, 0],
            distance.astype(float), np.einsum("mi,mij->mj", along, frame))  # fmt: skip
