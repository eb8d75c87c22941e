"""Which cousins an expert could do a task in: what a pack's feasible.json says, looked up."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np

from cousins.env.worlds import Pool
from cousins.errors import UsageError
from cousins.pack import Feasibility, Pack
from cousins.robots import Robot
from cousins.tasks import Task
from cousins.tasks.offers import known, settled, spelled


def key(pack: Pack, task: Task, robot: Robot, control: str) -> dict[str, Any]:
    """By what an entry of feasible.json is found: task, with what it takes by itself named, its
    settings, robot and control. Raises UsageError where the task suits nothing."""
    named = settled(task, known(pack, robot, control))
    settings = asdict(named) if is_dataclass(named) else {}  # pyright: ignore
    # As the file has it: a tuple comes back as a list.
    settings = json.loads(json.dumps(settings, default=str))
    return {"task": named.name, "settings": settings, "robot": robot.name, "control": control}


def entry(pack: Pack, wanted: dict[str, Any]) -> Feasibility | None:
    """The one of that `key`; None where it was never tried."""
    fits = (e for e in pack.feasible if {name: getattr(e, name) for name in wanted} == wanted)
    return next(fits, None)


def able(pack: Pack, pool: Pool, task: Task, robot: Robot, control: str) -> Pool:
    """Of a pool, all but those that the expert never did the task in. Raises UsageError for a task
    that was not tried, and where nothing is left."""
    wanted = key(pack, task, robot, control)
    found = entry(pack, wanted)
    if found is None:
        asked = spelled(settled(task, known(pack, robot, control)))
        raise UsageError(
            f"{pack.path}: nobody tried {asked} with the robot {robot.name}: "
            f"`cousins tasks {pack.path} --task {asked} --robot {robot.name} --check 1000`"
        )
    left = pool.where(~np.isin(pool.number, found.infeasible))
    if not len(left):
        raise UsageError(f"{pack.path}: the expert does {found.task} in none of these cousins")
    return left
