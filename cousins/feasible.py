"""Whether a task can be done: an expert tries it in the twin and in cousins, and a pack keeps in
which of them it never did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins import pack as packs
from cousins.env.able import key
from cousins.env.episodes import Draw, draw
from cousins.env.request import Request, request
from cousins.env.twin import NUMBER
from cousins.env.worlds import Pool
from cousins.errors import UsageError
from cousins.evaluation.rates import Rate, rate
from cousins.evaluation.rollout import Rolled, Stage, rollout, stage
from cousins.experts import Expert
from cousins.index import index, spread
from cousins.pack import Feasibility, Pack
from cousins.picture import CAMERA
from cousins.progress import Progress, silent
from cousins.robots import Robot
from cousins.tasks import Task
from cousins.tasks.offers import settled, spelled

TWIN = 32  # episodes in the twin
TRIES = 3  # in each cousin, until one succeeds


@dataclass(frozen=True)
class Tried:
    """What an expert reached in a task. task: as `cousins.tasks.task` takes it; said: in words.
    twin: of as many episodes there; cousins: of the first episode in each of them, None without
    any; failures: how often the expert failed how, of these. entry: what a pack keeps of it."""

    task: str
    said: str
    twin: Rate
    cousins: Rate | None
    failures: Mapping[str, int]
    entry: Feasibility


def tried(
    pack: Pack | Path | str,
    task: Task | str,
    robot: Robot | str,
    *,
    cousins: int = 0,
    tries: int = TRIES,
    twin: int = TWIN,
    seed: int = 0,
    worlds: int = 256,
    progress: Progress = silent,
    **settings: Any,
) -> Tried:
    """Let the expert do a task in the twin, and in so many cousins, from the nearest to the
    farthest evenly apart. A cousin in which it fails is tried again, `tries` times in all.

    settings: of task and engine, as `CousinsVectorEnv` takes them. Raises UsageError for a task
    that suits nothing here or that no expert does, PackError for a pack that cannot be run.
    """
    if min(cousins, seed) < 0 or min(tries, twin, worlds) < 1:
        raise UsageError("ask for at least 1 try, and for no number of cousins or seed below 0")
    opened = packs.read(Path(pack)) if not isinstance(pack, Pack) else pack
    numbers = _numbers(opened, cousins)
    asked = _request(opened, task, robot, [NUMBER, *numbers], settings)
    if asked.robot is None:
        raise UsageError(f"no expert does the task {asked.task.name}: it takes no robot")
    wanted = key(opened, asked.task, asked.robot, asked.control)
    expert, plan = Expert(), [NUMBER] * twin + numbers
    on = stage(asked, worlds, _places(asked.pool, plan))
    label = spelled(asked.task)
    first = rollout(on, _draws(on, plan, seed, 0), expert, progress, label)
    left = first.cousin[~first.success]
    left = left[left != NUMBER]
    for again in range(1, tries):
        if len(left):
            done = rollout(on, _draws(on, left.tolist(), seed, again), expert, progress, label)
            left = done.cousin[~done.success]
    own = first.cousin == NUMBER
    kept = Feasibility(**wanted, tries=tries, seed=seed, tried=tuple(sorted(numbers)),
                       infeasible=tuple(sorted(left.tolist())))  # fmt: skip
    others = rate(first.success[~own]) if numbers else None
    named = spelled(settled(asked.task, on.episodes.worlds.layout))
    return Tried(named, on.episodes.instruction, rate(first.success[own]), others,
                 _failures(first), kept)  # fmt: skip


def keep(pack: Pack, found: Sequence[Tried]) -> None:
    """Write into a pack what was found, in place of what it had of the same tasks and robots.
    Raises PackError where it cannot be written."""
    new = [one.entry for one in found if one.entry.tried]
    same = ("task", "settings", "robot", "control")
    keys = [{name: getattr(entry, name) for name in same} for entry in new]
    old = [entry for entry in pack.feasible
           if {name: getattr(entry, name) for name in same} not in keys]  # fmt: skip
    packs.write_feasible(pack, [*old, *new])


def _numbers(pack: Pack, many: int) -> list[int]:
    held = index(pack)
    return held.number[spread(held, many)].tolist() if many else []


def _request(
    pack: Pack, task: Task | str, robot: Robot | str, cousins: list[int], settings: dict[str, Any]
) -> Request:
    return request(pack, task, "cpu", cousins, ("state",), (CAMERA,), (128, 96), False, settings,
                   robot)  # fmt: skip


def _places(pool: Pool, numbers: Sequence[int]) -> NDArray[np.int64]:
    """(E,) places in a pool of cousins, by their numbers."""
    order = np.argsort(pool.number)
    return order[np.searchsorted(pool.number, numbers, sorter=order)]


def _draws(on: Stage, numbers: Sequence[int], seed: int, again: int) -> list[Draw]:
    """An episode of each, that hangs on the seed, the cousin and how often it was tried alone."""
    out, many = list[Draw](), Counter[int]()
    for number, place in zip(numbers, _places(on.pool, numbers).tolist(), strict=True):
        rng = np.random.default_rng([seed, number + 1, again, many[number]])
        out.append(replace(draw(rng, 1, on.episodes.numbers), choice=place))
        many[number] += 1
    return out


def _failures(done: Rolled) -> dict[str, int]:
    counted = Counter(done.failure[~done.success].tolist())
    return dict(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])))
