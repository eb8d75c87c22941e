"""Worlds of a whole pack: each family of it runs in an engine of its own, and is seen as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cousins.bank import EXTRAS, Family
from cousins.engines import Engine, Running
from cousins.errors import PackError, UsageError
from cousins.index import index
from cousins.pack import Pack, load_family
from cousins.tasks import Layout, Places, layout, places
from cousins.types import Array

Ids = NDArray[np.int64]
# Which cousins: pack numbers, or the nearest and the farthest distance, as floats; None means all.
Chosen = int | Sequence[int] | NDArray[np.integer] | tuple[float, float] | None
# Bytes that a family's fields may take to be made once for all; as many cousins more than 30,000.
TABLE = 1 << 28


@dataclass(frozen=True)
class Pool:
    """m cousins that worlds may run, in the order of their numbers.

    number, family and row (m,): a cousin's number in the pack, its family and its row there;
    distance (m,) from the twin.
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
    try:
        asked = np.atleast_1d(np.asarray(cousins))
    except ValueError:
        asked = np.zeros((0, 0))
    if asked.dtype.kind in "iu" and asked.ndim == 1 and len(asked):
        lost = asked[~np.isin(asked, every.number)]
        if len(lost):
            span = f"{every.number[0]} to {every.number[-1]}"
            raise UsageError(f"{pack.path}: no cousin {lost[0]}: they go from {span}")
        return every.where(np.isin(every.number, asked))
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
class Part:
    """The worlds of one family. family: its number in the pack; first: its first world, the others
    follow; running: holds the m cousins that may be run; choices (m,): their places in the pool;
    noise (m, 3): of their cameras, None where the pack does not tell; wrench (k, nbody, 6): what is
    pushed at its bodies."""

    family: int
    first: int
    running: Running
    places: Places
    choices: NDArray[np.int64]
    noise: NDArray[np.floating] | None
    wrench: Array

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
    runs. A: the twin's own objects.
    """

    def __init__(self, pack: Pack, chosen: Pool, engine: Engine, n: int) -> None:
        """Load the families. Raises UsageError for no world at all, PackError for a family that
        cannot be run or is stepped unlike the others, and what the engine raises."""
        if n < 1:
            raise UsageError(f"{n} worlds: ask for 1 or more")
        self.pool = chosen
        self.row = np.zeros(len(chosen), np.int64)  # of each cousin of the pool, in its engine
        families, counts = np.unique(chosen.family, return_counts=True)
        self.cousin, parts, told = np.zeros(n, np.int64), [], None
        first = 0
        for k, many in zip(families.tolist(), shares(counts, n).tolist(), strict=True):
            if not many:
                continue
            choices = np.flatnonzero(chosen.family == k)
            rows = chosen.row[choices]
            self.row[choices] = np.arange(len(rows))
            family = load_family(pack, k)
            running = engine(among(family, rows), np.zeros(many, np.int64))
            model, noise = running.model, family.arrays.get("camera_noise")
            told = told or layout(pack, model)
            if model.opt.timestep != told.timestep:
                raise PackError(f"{pack.path}: families/{k} has another time step: augment anew")
            wrench = np.zeros((many, model.nbody, 6))
            where = places(told.names, model)
            seen = None if noise is None else noise[rows]
            parts.append(Part(k, first, running, where, choices, seen, wrench))
            self.cousin[first : first + many] = choices[0]
            first += many
        assert told is not None
        self.layout: Layout = told
        self.parts: tuple[Part, ...] = tuple(parts)
        self._drawn: tuple[NDArray[np.int64], ...] = tuple(p.choices for p in parts)

    def __len__(self) -> int:
        return len(self.cousin)

    @property
    def number(self) -> NDArray[np.int64]:
        """(n,) the pack's number of each world's cousin."""
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
        self.cousin[ids] = cousins

    def objects(self) -> tuple[Array, Array]:
        """(n, A, 7) pose and (n, A, 6) velocity now, as `cousins.tasks.Now` has them."""
        parts = self.parts
        return (
            np.concatenate([p.running.qpos[:, p.places.qpos] for p in parts]),
            np.concatenate([p.running.qvel[:, p.places.qvel] for p in parts]),
        )

    def advance(self, wrench: Array, steps: int) -> None:
        """Step all worlds, with forces and torques (n, A, 6) on their objects meanwhile."""
        for part in self.parts:
            part.wrench[:, part.places.body] = wrench[part.worlds]
            part.running.drive(part.wrench)
            part.running.step(steps)

    def unstable(self) -> NDArray[np.bool_]:
        """(n,) whether a world went unstable since it was last reset."""
        out = np.zeros(len(self), bool)
        for part in self.parts:
            out[part.first + part.running.unstable()] = True
        return out
