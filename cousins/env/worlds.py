"""Worlds of a whole pack: each family of it runs in an engine of its own, and is seen as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.bank import EXTRAS, Bank, Family
from cousins.engines import Engine, Running
from cousins.env.twin import NUMBER, with_twin
from cousins.errors import PackError, UsageError
from cousins.index import index
from cousins.pack import Pack, load_family
from cousins.robots import Robot
from cousins.robots.arm import Arm, arm
from cousins.robots.mount import mounted
from cousins.scene import compile_model
from cousins.tasks import Command, Hand, Layout, Places, Shape, layout, places
from cousins.tasks.shapes import balls, shapes
from cousins.types import Array
from cousins.variation.union import unseen

Ids = NDArray[np.int64]
# Which cousins: pack numbers, or the nearest and the farthest distance, as floats; "twin", or -1
# among the numbers, is the twin; None means all cousins.
Chosen = int | Sequence[int] | NDArray[np.integer] | tuple[float, float] | str | None
# Bytes that a family's fields may take to be made once for all; as many cousins more than 30,000.
TABLE = 1 << 28


@dataclass(frozen=True)
class Pool:
    """m cousins that worlds may run, in the order of their numbers.

    number, family and row (m,): a cousin's number in the pack, its family and its row there, -1
    for the twin; distance (m,) from the twin.
    """

    number: NDArray[np.int64]
    family: NDArray[np.int64]
    row: NDArray[np.int64]
    distance: Array

    def __len__(self) -> int:
        return len(self.number)

    def where(self, keep: NDArray[np.bool_]) -> Pool:
        """Those of them."""
        return Pool(self.number[keep], self.family[keep], self.row[keep], self.distance[keep])


def pool(pack: Pack, cousins: Chosen = None) -> Pool:
    """The cousins of a pack that are meant. Raises UsageError for a pack without cousins, for a
    number that it does not hold, and for a span in which none lies."""
    held = index(pack)
    every = Pool(held.number, held.family, held.row, held.distance)
    if not len(every):
        raise UsageError(f"{pack.path}: holds no cousins yet: `cousins augment` adds them")
    if cousins is None:
        return every
    if isinstance(cousins, str):
        if cousins != "twin":
            raise UsageError(f'cousins: {cousins!r:.60} is neither "twin" nor numbers')
        cousins = [NUMBER]
    try:
        asked = np.atleast_1d(np.asarray(cousins))
    except ValueError:
        asked = np.zeros((0, 0))
    if asked.dtype.kind in "iu" and asked.ndim == 1 and len(asked):
        lost = asked[~np.isin(asked, every.number) & (asked != NUMBER)]
        if len(lost):
            span = f"{every.number[0]} to {every.number[-1]}"
            raise UsageError(f"{pack.path}: no cousin {lost[0]}: they go from {span}")
        found = every.where(np.isin(every.number, asked))
        return _and_twin(found, held.family[held.distractors == 0]) if NUMBER in asked else found
    if asked.dtype.kind != "f" or asked.shape != (2,):
        raise UsageError("cousins: give their numbers, or the least and the largest distance")
    low, high = asked.tolist()
    found = every.where((low <= every.distance) & (every.distance <= high))
    if not len(found):
        near, far = np.nanmin(every.distance), np.nanmax(every.distance)
        raise UsageError(
            f"{pack.path}: no cousin at a distance of {low:g} to {high:g}: they lie at "
            f"{near:.3g} to {far:.3g}"
        )
    return found


def _and_twin(found: Pool, plain: NDArray[np.int64]) -> Pool:
    """The pool with the twin before its cousins, in the first of those families that hold nothing
    that it does not."""
    if not len(plain):
        raise UsageError("no cousin is without distractors, and so has room for the twin")
    one = np.array([NUMBER])
    return Pool(
        np.concatenate([one, found.number]), np.concatenate([plain[:1], found.family]),
        np.concatenate([one, found.row]), np.concatenate([[0.0], found.distance]),
    )  # fmt: skip


def shares(counts: NDArray[np.integer], n: int) -> NDArray[np.int64]:
    """(F,) how many of n worlds each of F families gets: in proportion to its count of cousins,
    and at least one where n allows it."""
    quota = n * counts / counts.sum()
    out = np.maximum(np.floor(quota).astype(np.int64), 1)
    while out.sum() < n:
        out[np.argmax(quota - out)] += 1
    while out.sum() > n:
        may = out > 1 if (out > 1).any() else out > 0
        out[np.argmax(np.where(may, out - quota, -np.inf))] -= 1
    return out


def among(family: Family, rows: NDArray[np.int64]) -> Family:
    """Only these cousins of a family, in this order. Where there is room for that, what MuJoCo
    wants of them is made here, and not at each reset, where it would take as long as the rest."""
    cousins = tuple(family.cousins[row] for row in rows)
    if sum(value.nbytes for value in family.fields(rows[:1].tolist()).values()) * len(rows) > TABLE:
        arrays = {name: value[rows] for name, value in family.arrays.items()}
        return replace(family, arrays=arrays, cousins=cousins)
    fields = family.fields(rows.tolist())
    kept = {name: value for name, value in fields.items() if name not in EXTRAS}
    return replace(family, arrays=kept, cousins=cousins, bank=None)


@dataclass(frozen=True)
class Reach:
    """What a part with a robot knows. arm: its addresses; base (m, 7) and shape (m, A, ...): of
    each cousin that may be run; other (D,): the bodies of distractors, as addresses of their qpos,
    and radius (m, D); ctrl (k, nu): what drives the robots. plain: the union model without the
    robot; bank: its shapes, and variant (m, A): which of them each object of a cousin has; None
    and 0 without a bank."""

    arm: Arm
    base: Array
    shape: Shape
    other: NDArray[np.int64]
    radius: Array
    ctrl: Array
    plain: mujoco.MjModel
    bank: Bank | None
    variant: NDArray[np.int64]


def _variants(
    family: Family, model: mujoco.MjModel, names: tuple[str, ...]
) -> tuple[Bank | None, NDArray[np.int64]]:
    bank = family.bank
    if bank is None:
        return None, np.zeros((len(family), len(names)), np.int64)
    body = [model.body(name).id for name in names]
    order = [int(np.flatnonzero(bank.body == b)[0]) for b in body]
    if order != list(range(len(names))):
        raise PackError("a family's objects are in another order than the twin's: augment anew")
    return bank, family.arrays["shape"][:, order].astype(np.int64)


@dataclass(frozen=True)
class Part:
    """The worlds of one family. family: its number in the pack; first: its first world, the others
    follow; running: holds the m cousins that may be run; choices (m,): their places in the pool;
    noise (m, 3): of their cameras, None where the pack does not tell; wrench (k, nbody, 6): what is
    pushed at its bodies; reach: None without a robot."""

    family: int
    first: int
    running: Running
    places: Places
    choices: NDArray[np.int64]
    noise: NDArray[np.floating] | None
    wrench: Array
    reach: Reach | None = None

    @property
    def worlds(self) -> slice:
        """Its worlds among all."""
        return slice(self.first, self.first + len(self.running))

    def holds(self, ids: Ids) -> NDArray[np.bool_]:
        """(k,) which of worlds (k,) are its own."""
        return (ids >= self.first) & (ids < self.first + len(self.running))


class Worlds:
    """n worlds, each of one family for its life, with a cousin of it that may change at a reset.

    layout: what a task knows of the pack. cousin (n,): the place in `pool` of the cousin that each
    runs. marks (n, 4): where pictures show a region, a place in the world and a radius, m; NaN for
    none. A: the twin's own objects.
    """

    def __init__(
        self,
        pack: Pack,
        chosen: Pool,
        engine: Engine,
        n: int,
        often: NDArray[np.integer] | None = None,
        robot: Robot | None = None,
        control: str = "delta",
    ) -> None:
        """Load the families, with a robot in each world where one is given, that is moved in the
        mode `control` of `cousins.robots.control`. often (m,): how many episodes each cousin will
        run, by which families get their worlds; alike if not told. Raises UsageError for no world
        at all, PackError for a family that cannot be run or is stepped unlike the others, and what
        the engine and the robot raise."""
        if n < 1:
            raise UsageError(f"{n} worlds: ask for 1 or more")
        self.pool, self.robot, self.control = chosen, robot, control
        self.row = np.zeros(len(chosen), np.int64)  # of each cousin of the pool, in its engine
        families, of = np.unique(chosen.family, return_inverse=True)
        counts = np.bincount(of, often).astype(np.int64)
        self.cousin, parts, told = np.zeros(n, np.int64), [], None
        self.marks = np.full((n, 4), np.nan)
        first = 0
        for k, many in zip(families.tolist(), shares(counts, n).tolist(), strict=True):
            if not many:
                continue
            choices = np.flatnonzero(chosen.family == k)
            rows = chosen.row[choices]
            self.row[choices] = np.arange(len(rows))
            family = load_family(pack, k)
            if (rows == NUMBER).any():
                family = with_twin(pack, family)
                rows = np.where(rows == NUMBER, len(family) - 1, rows)
            part, told = self._part(pack, k, family, rows, engine, many, first, choices, told)
            parts.append(part)
            self.cousin[first : first + many] = choices[0]
            first += many
        assert told is not None
        self.layout: Layout = told
        self.parts: tuple[Part, ...] = tuple(parts)
        self._drawn: tuple[NDArray[np.int64], ...] = tuple(p.choices for p in parts)
        self._others = max((len(p.reach.other) for p in parts if p.reach), default=0)

    def _part(
        self, pack: Pack, k: int, family: Family, rows: NDArray[np.int64], engine: Engine,
        many: int, first: int, choices: NDArray[np.int64], told: Layout | None,
    ) -> tuple[Part, Layout]:  # fmt: skip
        """The worlds of one family, and what a task knows of the pack, from the first of them."""
        joined = family if self.robot is None else mounted(family, self.robot)
        running = engine(among(joined, rows), np.zeros(many, np.int64))
        model, noise = running.model, family.arrays.get("camera_noise")
        if told is None:
            told = layout(pack, model, self.robot, self.control, family)
        if model.opt.timestep != told.timestep:
            raise PackError(f"{pack.path}: families/{k} has another time step: augment anew")
        reach = None
        if self.robot is not None:
            few = replace(family, arrays={n: v[rows] for n, v in family.arrays.items()},
                          cousins=tuple(family.cousins[row] for row in rows))  # fmt: skip
            plain = compile_model(family.xml, unseen(family.xml, family.files))
            body, radius = balls(few, plain, told.names)
            other = plain.jnt_qposadr[plain.body_jntadr[body]]
            addresses = arm(model, self.robot)
            ctrl = np.tile(addresses.still(model), (many, 1))
            shape = shapes(few, plain, told.names)
            reach = Reach(addresses, few.arrays["robot_base"], shape, other, radius, ctrl, plain,
                          *_variants(few, plain, told.names))  # fmt: skip
        where = places(told.names, model)
        seen = None if noise is None else noise[rows]
        wrench = np.zeros((many, model.nbody, 6))
        return Part(k, first, running, where, choices, seen, wrench, reach), told

    def __len__(self) -> int:
        return len(self.cousin)

    @property
    def number(self) -> NDArray[np.int64]:
        """(n,) the pack's number of each world's cousin; -1 for the twin."""
        return self.pool.number[self.cousin]

    @property
    def distance(self) -> Array:
        """(n,) how far each world's cousin is from the twin."""
        return self.pool.distance[self.cousin]

    def choices(self, world: int) -> NDArray[np.int64]:
        """The places in the pool of the cousins that a world may run."""
        return next(drawn for p, drawn in zip(reversed(self.parts), reversed(self._drawn),
                                              strict=True) if p.first <= world)  # fmt: skip

    def only(self, keep: NDArray[np.bool_]) -> None:
        """Let episodes that begin from now on draw of these cousins alone, `keep` (m,) of the pool;
        of a family without any, of the nearest that it has."""
        drawn = []
        for part in self.parts:
            some = part.choices[keep[part.choices]]
            if not len(some):
                some = part.choices[[np.argmin(self.pool.distance[part.choices])]]
            drawn.append(some)
        self._drawn = tuple(drawn)

    def reset(self, ids: Ids, cousins: Ids) -> None:
        """Put worlds (k,), in ascending order, to where cousins (k,), places in the pool, start."""
        for part in self.parts:
            mine = part.holds(ids)
            if not mine.any():
                continue
            local, rows = ids[mine] - part.first, self.row[cousins[mine]]
            same = (rows == part.running.rows[local]).all()
            part.running.reset(local, None if same else rows)
            if part.reach is not None:
                part.reach.ctrl[local] = part.reach.arm.still(part.running.model)
        self.cousin[ids] = cousins
        if self.parts[0].reach is not None:
            self.put(ids, np.tile(self.parts[0].reach.arm.home, (len(ids), 1)))

    def put(self, ids: Ids, joints: Array | None = None, pose: Array | None = None) -> None:
        """Put the arms of robots in worlds (k,) to joints (k, J), at rest and open, and tell them
        to stay so; and objects to pose (k, A, 7)."""
        for part in self.parts:
            mine, reach = part.holds(ids), part.reach
            if not mine.any():
                continue
            local = ids[mine] - part.first
            state = part.running.state(local)
            qpos = state.qpos.copy()
            if pose is not None:
                qpos[:, part.places.qpos] = pose[mine]
            if joints is not None and reach is not None:
                qpos[:, reach.arm.qpos], qpos[:, reach.arm.fingers] = joints[mine], reach.arm.wide
                reach.ctrl[local[:, None], reach.arm.actuators] = joints[mine]
            part.running.restore(replace(state, qpos=qpos), local)

    def objects(self) -> tuple[Array, Array]:
        """(n, A, 7) pose and (n, A, 6) velocity now, as `cousins.tasks.Now` has them."""
        parts = self.parts
        return (
            np.concatenate([p.running.qpos[:, p.places.qpos] for p in parts]),
            np.concatenate([p.running.qvel[:, p.places.qvel] for p in parts]),
        )

    def hands(self) -> Hand | None:
        """(n, ...) where robots are now; None without any."""
        each: list[tuple[Array, ...]] = []
        for part in self.parts:
            if (reach := part.reach) is None:
                return None
            qpos, at = part.running.qpos, reach.arm
            each.append((
                reach.base[part.running.rows], qpos[:, at.qpos], part.running.qvel[:, at.qvel],
                reach.ctrl[:, at.actuators], at.opened(qpos[:, at.fingers]),
            ))  # fmt: skip
        return Hand(*(np.concatenate(values) for values in zip(*each, strict=True)))

    def shapes(self) -> Shape | None:
        """(n, A, ...) what the objects of each world's cousin are like; None without robots."""
        each = [(p.reach.shape, p.running.rows) for p in self.parts if p.reach is not None]
        if not each:
            return None
        names = ("low", "high", "opening", "radius", "depth")
        return Shape(*(np.concatenate([getattr(s, n)[rows] for s, rows in each]) for n in names))

    def clutter(self) -> Array | None:
        """(n, D, 4) where distractors are now, and the radii of balls about them, of as many as
        some world has; far off where one has fewer. None without robots."""
        if self.parts[0].reach is None:
            return None
        out = np.zeros((len(self), self._others, 4))
        out[..., :3] = 1e3
        for part in self.parts:
            reach = part.reach
            if reach is None or not len(reach.other):
                continue
            mine, many = part.worlds, len(reach.other)
            out[mine, :many, :3] = part.running.qpos[:, reach.other[:, None] + np.arange(3)]
            out[mine, :many, 3] = reach.radius[part.running.rows]
        return out

    def advance(self, command: Command, steps: int, idle: NDArray[np.bool_] | None = None) -> None:
        """Step all worlds under a command. idle (n,): worlds in which nothing new is told."""
        busy = np.ones(len(self), bool) if idle is None else ~idle
        for part in self.parts:
            mine, go = part.worlds, busy[part.worlds]
            if command.wrench is not None:
                pushed = np.where(go[:, None, None], command.wrench[mine], 0.0)
                part.wrench[:, part.places.body] = pushed
            reach = part.reach
            if reach is not None and command.joints is not None:
                reach.ctrl[np.ix_(go, reach.arm.actuators)] = command.joints[mine][go]
            if reach is not None and command.grip is not None:
                fingers = np.ix_(go, reach.arm.gripper)
                period = steps * self.layout.timestep
                grip = command.grip[mine][go]
                reach.ctrl[fingers] = reach.arm.gripped(grip, reach.ctrl[fingers], period)
            part.running.drive(part.wrench, None if reach is None else reach.ctrl)
            part.running.step(steps, None if idle is None else idle[part.worlds])

    def unstable(self) -> NDArray[np.bool_]:
        """(n,) whether a world went unstable since it was last reset."""
        out = np.zeros(len(self), bool)
        for part in self.parts:
            out[part.first + part.running.unstable()] = True
        return out
