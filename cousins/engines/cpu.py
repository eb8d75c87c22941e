"""The default engine: MuJoCo itself, every world a simulation of one native batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import ParseError

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from cousins.bank import Family
from cousins.batch import advance, load, quiet
from cousins.engines import Contacts, Ids, State, chosen, moving, resets, worlds
from cousins.errors import EngineError, UsageError
from cousins.scene import compile_model
from cousins.types import Array
from cousins.variation.union import unseen

PIECE = 512  # cousins whose fields are made at once: on the way they take four times their room
# All but the first field of `Contacts`, of a world without any.
_NONE: tuple[NDArray[Any], ...] = (
    np.zeros((0, 2), np.int64),
    *(np.zeros(s) for s in ((0, 3), (0, 3), 0, (0, 3))),
)
# Fields that no force depends on.
LOOK = ("geom_rgba", "geom_matid", "light_")


@dataclass(frozen=True)
class Cpu:
    """MuJoCo on the CPU, in double precision; the same results on any number of threads.

    threads: 0 takes every CPU. sleep: objects slower than MuJoCo's sleep tolerance, a millimetre
    a second, are frozen until something touches them; it costs the memory of one MjData a world.
    """

    threads: int = 0
    sleep: bool = False

    def __call__(self, family: Family, indices: Ids = None) -> CpuRunning:
        """Load a family. Raises UsageError for a row that it does not hold, and EngineError for
        a model that does not compile, fields that do not fit it, or too little memory."""
        if self.threads < 0:
            raise UsageError(f"{self.threads} threads: ask for 1 or more, or 0 for every CPU")
        rows = chosen(family, indices)
        try:
            model = compile_model(family.xml, unseen(family.xml, family.files))
            if self.sleep:
                model.opt.enableflags |= int(mujoco.mjtEnableBit.mjENBL_SLEEP)
            return CpuRunning(model, family, rows, self.threads, self.sleep)
        except (ValueError, KeyError, AttributeError, ParseError) as error:
            reason = " ".join(str(error).split())
            raise EngineError(f"MuJoCo refuses the family: {reason}: augment anew") from None
        except (MemoryError, mujoco.FatalError) as error:
            raise EngineError(
                f"{len(rows)} cousins do not fit into memory ({error}): step fewer"
            ) from None


def physical(family: Family, rows: NDArray[np.int64]) -> Mapping[str, NDArray[Any]]:
    """What `Family.fields` gives, without the fields that no force depends on."""
    fields = family.fields(rows.tolist())
    return {name: value for name, value in fields.items() if not name.startswith(LOOK)}


class CpuRunning:
    """n running worlds. `batch` is the `mujoco.batch.Batch`."""

    def __init__(
        self,
        model: mujoco.MjModel,
        family: Family,
        rows: NDArray[np.int64],
        threads: int,
        sleep: bool,
    ) -> None:
        self.family, self.model = family, model
        self.batch = Batch(model, len(rows), threads, sleep)
        for start in range(0, len(rows), PIECE):
            ids = np.arange(start, min(start + PIECE, len(rows)))
            load(self.batch, physical(family, rows[ids]), ids)
        with quiet():
            self.batch.reset()
        self._rows = rows.copy()
        self._failed = np.zeros(len(rows), bool)
        self._count = self.batch.bind("ncon")
        self._sensors = self.batch.bind("sensordata") if model.nsensordata else None
        self._awake = self.batch.bind("tree_awake") if sleep else None
        with quiet():
            self.batch.forward()

    @property
    def rows(self) -> NDArray[np.int64]:
        """(n,) the family's row that each world runs."""
        return self._rows

    def __len__(self) -> int:
        return self.batch.nsim

    @property
    def qpos(self) -> Array:
        """(n, nq) now: a view, to be read."""
        return _read_only(self.batch.qpos)

    @property
    def qvel(self) -> Array:
        """(n, nv) now: a view, to be read."""
        return _read_only(self.batch.qvel)

    def reset(self, ids: Ids = None, rows: Ids = None) -> None:
        """Put worlds (all by default) to where their cousins start; see `Running.reset`."""
        which, new = resets(self, ids, rows)
        if new is not None:
            load(self.batch, physical(self.family, new), which)
            self._rows[which] = new
        with quiet():
            self.batch.reset(which)
        self._failed[which] = False

    def state(self, ids: Ids = None) -> State:
        """Copies of worlds' states (all by default)."""
        which = worlds(self, ids)
        names = ("time", "qpos", "qvel", "act", "qacc_warmstart")
        return State(*(np.array(self.batch.bind(name)[which]) for name in names))

    def restore(self, state: State, ids: Ids = None) -> None:
        """Put worlds (all by default) into given states."""
        which = worlds(self, ids)
        for name in ("time", "qpos", "qvel", "act"):
            self.batch.bind(name)[which] = getattr(state, name)
        self.batch.bind("qacc_warmstart")[which] = state.warmstart

    def drive(self, wrench: Array | None = None, ctrl: Array | None = None) -> None:
        """What acts on all worlds from now on; see `Running.drive`."""
        if wrench is not None:
            self.batch.xfrc_applied = wrench
        if ctrl is not None:
            self.batch.ctrl = ctrl

    def step(self, steps: int = 1, idle: NDArray[np.bool_] | None = None) -> None:
        """Advance every world that is not idle by that many of the model's time steps.

        A world that MuJoCo gives up is unstable and stays where it was; the others go on.
        """
        ids = np.flatnonzero(~idle) if idle is not None and idle.any() else None
        if ids is None or len(ids):
            self._failed |= advance(self.batch, steps, ids=ids)

    def ncon(self) -> NDArray[np.int64]:
        """(n,) how many contacts each world had at its last step; none between sleepers."""
        return self._count.astype(np.int64)

    def contacts(self, ids: Ids = None) -> Contacts:
        """All contacts that worlds (all by default) have now, between sleepers too."""
        which = worlds(self, ids)
        model, data = self.batch.get_model(0), mujoco.MjData(self.model)
        found = [_NONE]
        for world in which.tolist():
            self.batch.get_model(world, model)
            self.batch.get_data(world, data)
            found.append(_contacts(model, data))
        world = np.repeat(which, [len(each[0]) for each in found[1:]])
        return Contacts(world, *(np.concatenate(part) for part in zip(*found, strict=True)))

    def sensors(self) -> Array:
        """(n, nsensordata) as of the last step."""
        return np.zeros((len(self), 0)) if self._sensors is None else np.array(self._sensors)

    def awake(self) -> Array:
        """(n,) share of each world's objects that are awake.

        Without sleep: that move faster than MuJoCo's sleep tolerance.
        """
        if self._awake is not None:
            return self._awake.mean(1)
        length = self.batch.expanded("dof_length")
        return moving(self.model, self.qvel, self.model.dof_length if length is None else length)

    def unstable(self) -> NDArray[np.int64]:
        """Which worlds have gone unstable since they were last reset.

        MuJoCo warned of them (it then puts them back to their start), gave them up, or their
        state is not finite.
        """
        finite = np.isfinite(self.qpos).all(1) & np.isfinite(self.qvel).all(1)
        warned = (self.batch.warning[..., 1] > 0).any(1)
        return np.flatnonzero(self._failed | warned | ~finite)


def _contacts(model: mujoco.MjModel, data: mujoco.MjData) -> tuple[NDArray[Any], ...]:
    """All but the first field of `Contacts`, of one world; none where its state is not finite."""
    model.opt.enableflags &= ~int(mujoco.mjtEnableBit.mjENBL_SLEEP)  # what sleeps touches too
    if not (np.isfinite(data.qpos).all() and np.isfinite(data.qvel).all()):
        return _NONE
    with quiet():
        mujoco.mj_forward(model, data)
    force = np.zeros((data.ncon, 6))
    for i in range(data.ncon):
        mujoco.mj_contactForce(model, data, i, force[i])
    contact = data.contact
    frame = contact.frame.reshape(-1, 3, 3)  # its axes are rows, the first of them the normal
    there = (force[:, None, :3] @ frame)[:, 0]
    return (contact.geom.astype(np.int64), contact.pos.copy(), frame[:, 0].copy(),
            contact.dist.copy(), there)  # fmt: skip


def _read_only(values: Array) -> Array:
    view = values.view()
    view.flags.writeable = False
    return view
