"""MuJoCo Warp: every world of a family at once on a GPU, in single precision."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from xml.etree.ElementTree import ParseError

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.bank import Family
from cousins.engines import Contacts, Ids, State, chosen, moving, resets, worlds
from cousins.engines.warp_room import MARGIN, room, sample
from cousins.engines.warp_rows import PIECE, Rows, Table, device_array, fill, own_fields, put
from cousins.errors import EngineError, MissingDependencyError, UsageError
from cousins.native import explain
from cousins.scene import compile_model
from cousins.types import Array
from cousins.variation.union import unseen

# What is lost when a capacity runs out, and what gives more of it. A solver that stops early loses
# nothing of that kind.
_LOST = {
    "NEFC": ("rows of constraints", "njmax"),
    "NJMAX_NNZ": ("numbers of the constraints' Jacobian", "njmax"),
    "BROADPHASE": ("pairs of geoms that are near", "nconmax"),
    "NARROWPHASE": ("contacts", "nconmax"),
    "CCD": ("pairs of convex geoms that touch", "nconmax"),
    "HFIELD": ("contacts with a height field", ""),
    "CONTACT_MATCH": ("contacts of a contact sensor", ""),
    "NVMAX": ("degrees of freedom that are awake", ""),
    "EPA_HORIZON": ("edges of a mesh that overlaps another", ""),
    "TACTILE": ("contacts of a tactile sensor", ""),
}
_NAMED = 5  # cousins in a message
# m, for Warp's search of the closest points of convex geoms. Single precision rounds a table's
# coordinates to some 1e-7 m, so that MuJoCo's own 1e-6 m is within the noise of what is computed
# from them: of a million resting pairs it then took 191, most of them one pose and its like, for
# up to 0.4 m deep, which throws things about; with this one none.
_CLOSEST = 1e-5


@dataclass(frozen=True)
class Warp:
    """MuJoCo Warp, in single precision: on a GPU, or slowly on the CPU.

    device: as Warp names it, such as cuda:0 or cpu; "" is the first GPU, or the CPU without one.
    nconmax: contacts for which there is room, of each world on average, and njmax: rows of
    constraints, of each world; 0 is twice of what a sample of the cousins had when they were
    stirred.
    """

    device: str = ""
    nconmax: int = 0
    njmax: int = 0

    def __call__(self, family: Family, indices: Ids = None) -> WarpRunning:
        """Load a family. Raises UsageError for a row that it does not hold or a device that is not
        there, MissingDependencyError without the extra, and EngineError for a model that does not
        compile or that Warp cannot step, fields that do not fit it, or too little memory."""
        if self.nconmax < 0 or self.njmax < 0:
            raise UsageError("nconmax and njmax are counts: 1 or more, or 0 to have them measured")
        rows = chosen(family, indices)
        wp, mjw = _packages()
        with _silent(wp):
            device = _device(wp, self.device)
        try:
            model = compile_model(family.xml, unseen(family.xml, family.files))
            return WarpRunning(model, family, rows, wp, mjw, device, (self.nconmax, self.njmax))
        except NotImplementedError as error:
            reason = " ".join(str(error).split())
            raise EngineError(f"MuJoCo Warp cannot step the family: {reason}") from None
        except (ValueError, KeyError, AttributeError, ParseError) as error:
            reason = " ".join(str(error).split())
            raise EngineError(f"MuJoCo refuses the family: {reason}: augment anew") from None
        except (MemoryError, RuntimeError, mujoco.FatalError) as error:
            reason = " ".join(str(error).split())
            raise EngineError(
                f"{len(rows)} cousins do not fit onto {device} ({reason}): step fewer"
            ) from None


class WarpRunning:
    """n running worlds. `table` and `data` are mujoco_warp's Model and Data."""

    def __init__(
        self,
        model: mujoco.MjModel,
        family: Family,
        rows: NDArray[np.int64],
        wp: Any,
        mjw: Any,
        device: Any,
        sizes: tuple[int, int],
    ) -> None:
        self.family, self.model, self.device = family, model, device
        self._wp, self._mjw = wp, mjw
        self._rows, self._graph = rows.copy(), None
        self._counted: NDArray[np.int64] | None = None
        self._lengths = np.zeros((len(rows), model.nv), np.float32)
        self._derive = Rows(model, family, *own_fields(mjw.Model))
        with self._there():
            with warnings.catch_warnings():  # of friction that it then takes for the least it can
                warnings.simplefilter("ignore", UserWarning)
                self.table = mjw.put_model(model)
            self.table.opt.warn_overflow = 0
            self.table.opt.ccd_tolerance.fill_(max(model.opt.ccd_tolerance, _CLOSEST))
            if device.is_cuda:
                self.table.opt.graph_conditional = wp.is_conditional_graph_supported()
            self._table = Table(wp, self.table, len(rows))
            nconmax, njmax = self._sizes(sizes)
            self._load(np.arange(len(rows)))
            self.data = mjw.make_data(model, len(rows), nconmax=nconmax, njmax=njmax)
            self._lost = wp.zeros(len(rows), dtype=int)
            self._start(np.arange(len(rows)))
            mjw.forward(self.table, self.data)
            self._check()

    @property
    def rows(self) -> NDArray[np.int64]:
        """(n,) the family's row that each world runs."""
        return self._rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def qpos(self) -> Array:
        """(n, nq) now: a copy."""
        return self._host(self.data.qpos)

    @property
    def qvel(self) -> Array:
        """(n, nv) now: a copy."""
        return self._host(self.data.qvel)

    def reset(self, ids: Ids = None, rows: Ids = None) -> None:
        """Put worlds (all by default) to where their cousins start; see `Running.reset`."""
        which, new = resets(self, ids, rows)
        with self._there():
            if new is not None:
                self._rows[which] = new
                self._load(which)
            if len(which):
                self._start(which)

    def state(self, ids: Ids = None) -> State:
        """Copies of worlds' states (all by default)."""
        which, d = worlds(self, ids), self.data
        every = (d.time, d.qpos, d.qvel, d.act, d.qacc_warmstart)
        return State(*(self._host(array)[which] for array in every))

    def restore(self, state: State, ids: Ids = None) -> None:
        """Put worlds (all by default) into given states, in single precision."""
        which, d = worlds(self, ids), self.data
        with self._there():
            for name in ("time", "qpos", "qvel", "act"):
                put(self._wp, getattr(d, name), which, getattr(state, name))
            put(self._wp, d.qacc_warmstart, which, state.warmstart)

    def drive(self, wrench: Array | None = None, ctrl: Array | None = None) -> None:
        """What acts on all worlds from now on; see `Running.drive`."""
        n, model = len(self), self.model
        for value, array, shape in (
            (wrench, self.data.xfrc_applied, (n, model.nbody, 6)),
            (ctrl, self.data.ctrl, (n, model.nu)),
        ):
            if value is None:
                continue
            if np.shape(value) != shape:
                raise ValueError(f"what drives {n} worlds has shape {shape}, not {np.shape(value)}")
            if array.size:
                with self._there():
                    fill(self._wp, array, value)

    def step(self, steps: int = 1, idle: NDArray[np.bool_] | None = None) -> None:
        """Advance every world by that many of the model's time steps.

        A world that explodes is unstable, and starts anew as MuJoCo has it; the others go on.
        Raises EngineError where contacts or constraints did not find room: what was stepped is
        then wrong, until those worlds are reset.
        """
        wp, self._counted = self._wp, None
        with self._there():
            for _ in range(steps):
                if self._graph is not None:
                    wp.capture_launch(self._graph)
                    continue
                self._advance()  # which compiles, too, what can't be compiled while capturing
                if self.device.is_cuda:
                    with wp.ScopedCapture() as captured:
                        self._advance()
                    self._graph = captured.graph
            self._check()

    def ncon(self) -> NDArray[np.int64]:
        """(n,) how many contacts each world had at its last step."""
        if self._counted is None:
            world = self._touching(self.data.contact.worldid)
            self._counted = np.bincount(world, minlength=len(self))
        return self._counted

    def contacts(self, ids: Ids = None) -> Contacts:
        """All contacts that worlds (all by default) have now."""
        self.ncon()  # as of the last step
        wp, mjw, d = self._wp, self._mjw, self.data
        with self._there():
            sensed = wp.clone(d.sensordata)
            mjw.forward(self.table, d)
            wp.copy(d.sensordata, sensed)
            self._check()
            count = self._room()
            force = wp.zeros(count, dtype=wp.spatial_vector)
            if count:
                which = device_array(wp, np.arange(count, dtype=np.int32), int, self.device)
                mjw.contact_force(self.table, d, which, True, force)
        c = d.contact
        world = self._touching(c.worldid)
        order = np.argsort(world, kind="stable")
        order = order[np.isin(world[order], worlds(self, ids))]
        geom, position, frame, distance, told = (
            self._touching(each)[order] for each in (c.geom, c.pos, c.frame, c.dist, force)
        )
        return Contacts(
            world[order].astype(np.int64), geom.astype(np.int64), position.astype(float),
            frame[:, 0].astype(float), distance.astype(float), told[:, :3].astype(float),
        )  # fmt: skip

    def sensors(self) -> Array:
        """(n, nsensordata) as of the last step."""
        return self._host(self.data.sensordata)

    def awake(self) -> Array:
        """(n,) share of each world's objects that move faster than MuJoCo's sleep tolerance."""
        return moving(self.model, self.qvel, self._lengths)

    def unstable(self) -> NDArray[np.int64]:
        """Which worlds have exploded since they were last reset, or are not finite now."""
        finite = np.isfinite(self.qpos).all(1) & np.isfinite(self.qvel).all(1)
        return np.flatnonzero(self._lost.numpy().astype(bool) | ~finite)

    @contextmanager
    def _there(self) -> Iterator[None]:
        """Within it Warp works on the device, and tells nothing."""
        with _silent(self._wp), self._wp.ScopedDevice(self.device):
            yield

    @staticmethod
    def _host(array: Any) -> Array:
        return array.numpy().astype(float)

    def _sizes(self, asked: tuple[int, int]) -> tuple[int, int]:
        """How many contacts and constraints to make room for, a world."""
        nconmax, njmax = asked
        if nconmax and njmax:
            return nconmax, njmax
        wp, mjw, rows = self._wp, self._mjw, sample(self._rows)
        found = room(self.model, self.family, rows)
        # Warp wants room for pairs that are near, too, and knows best which those are.
        self._table.write(np.arange(len(rows)), self._derive(rows))
        scratch, near = mjw.make_data(self.model, len(rows), naconmax=1, njmax=1), 0
        for qpos in found.moments:
            fill(wp, scratch.qpos, qpos)
            mjw.kinematics(self.table, scratch)
            mjw.collision(self.table, scratch)
            near = max(near, int(np.ceil(scratch.ncollision.numpy()[0] / len(rows))))
        return nconmax or MARGIN * max(found.contacts, near), njmax or MARGIN * found.rows

    def _load(self, which: NDArray[np.int64]) -> None:
        """Make the worlds `which` the cousins that `_rows` names."""
        for start in range(0, len(which), PIECE):
            some = which[start : start + PIECE]
            if self._table.write(some, self._derive(self._rows[some])):
                self._graph = None
            self._lengths[some] = self._derive.lengths(len(some))

    def _start(self, which: NDArray[np.int64]) -> None:
        """Put worlds to their start, at rest, with no force on them."""
        d, k = self.data, len(which)
        start = self.table.qpos0.numpy()
        put(self._wp, d.qpos, which, start[which % len(start)])
        for name in ("time", "qvel", "act", "qacc_warmstart", "qfrc_applied", "xfrc_applied",
                     "ctrl", "overflow"):  # fmt: skip
            array = getattr(d, name)
            parts = getattr(array.dtype, "_shape_", ())
            put(self._wp, array, which, np.zeros((k, *array.shape[1:], *parts)))
        put(self._wp, self._lost, which, np.zeros(k))

    def _advance(self) -> None:
        """One step."""
        wp, d = self._wp, self.data
        self._mjw.step(self.table, d)
        kernel = import_module("cousins.engines.warp_kernels").restart_lost
        wp.launch(
            kernel,
            dim=len(self),
            inputs=[self.table.qpos0, d.qacc],
            outputs=[d.qpos, d.qvel, d.act, d.qacc_warmstart, d.overflow, self._lost],
        )

    def _check(self) -> None:
        """Raises EngineError where something did not find room."""
        kinds, told = self._mjw.OverflowType, self.data.overflow.numpy()
        for name, (what, setting) in _LOST.items():
            hit = np.flatnonzero(told & int(kinds[name]))
            if not len(hit):
                continue
            each = f"{getattr(self.data, setting)} a world" if setting == "njmax" else ""
            if setting == "nconmax":
                each = f"{self.data.naconmax} of all worlds"
            have = f" ({each})" if each else ""
            more = f": give the engine a larger {setting}" if setting else ""
            raise EngineError(
                f"{self._named(hit)} had more {what} than MuJoCo Warp has room for{have}, and lost"
                f" some ({name}){more}"
            )

    def _named(self, which: Sequence[int] | NDArray[Any]) -> str:
        numbers = [str(self.family.cousins[self._rows[w]].index) for w in which[:_NAMED]]
        more = f" and {len(which) - _NAMED} others" if len(which) > _NAMED else ""
        return f"cousin {numbers[0]}" if len(which) == 1 else f"cousins {', '.join(numbers)}{more}"

    def _room(self) -> int:
        """How many contacts the arrays hold."""
        return min(int(self.data.nacon.numpy()[0]), self.data.naconmax)

    def _touching(self, array: Any) -> NDArray[Any]:
        """An array's rows of contacts that bear, and are no sensor's."""
        count = self._room()
        kind = self.data.contact.type.numpy()[:count]
        return array.numpy()[:count][(kind & 1) > 0]


@contextmanager
def _silent(wp: Any) -> Iterator[None]:
    """Within it Warp does not tell which kernels it compiles and loads, or that there is no GPU."""
    before = wp.config.log_level
    wp.config.log_level = max(before, wp.LOG_ERROR)
    try:
        yield
    finally:
        wp.config.log_level = before


def _packages() -> tuple[Any, Any]:
    """warp and mujoco_warp."""
    try:
        return import_module("warp"), import_module("mujoco_warp")
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            'the engine warp needs mujoco-warp: pip install "cousins[warp]"'
        ) from error
    except ImportError as error:
        raise explain(error, "mujoco_warp") from error


def _device(wp: Any, name: str) -> Any:
    """Warp's device of that name. Raises UsageError where it is not there."""
    try:
        return wp.get_device(name or None)
    except (ValueError, RuntimeError):
        there = ", ".join(device.alias for device in wp.get_devices())
        raise UsageError(f"there is no device {name}; devices: {there}") from None
