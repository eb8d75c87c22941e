"""What is asked for, by name or as it is, made into what an environment is made of."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from cousins import pack as packs
from cousins.engines import Engine
from cousins.engines import engine as engine_named
from cousins.env.able import able
from cousins.env.episodes import LARGEST, Episodes, Seen
from cousins.env.images import KINDS, Images, Pictures
from cousins.env.worlds import Chosen, Pool, Worlds, pool
from cousins.errors import UsageError
from cousins.pack import Pack
from cousins.robots import Robot
from cousins.robots import robot as named_robot
from cousins.tasks import Task
from cousins.tasks import task as task_named

DEFAULT = "gantry"  # the robot of a task that takes one, where none is asked for


@dataclass(frozen=True)
class Request:
    """An environment before it is loaded. state: whether the state is seen; images: what is seen
    beside it, None if nothing."""

    pack: Pack
    task: Task
    engine: Engine
    pool: Pool
    state: bool
    images: Images | None
    robot: Robot | None = None
    control: str = "delta"

    def load(self, chosen: Pool, n: int, often: NDArray[np.integer] | None = None) -> Episodes:
        """n worlds of these cousins; `often` as `Worlds` takes it. Raises what `Worlds` and
        `Episodes` raise."""
        worlds = Worlds(self.pack, chosen, self.engine, n, often, self.robot, self.control)
        look = None if self.images is None else Pictures(self.pack, worlds, self.images)
        return Episodes(worlds, self.task, look)

    def observation(self, seen: Seen) -> spaces.Space:
        """The space of one world's observation, from what `Episodes.seen` holds."""
        each: dict[str, spaces.Space[Any]] = {
            name: _box(name, value) for name, value in self.told(seen).items()
        }
        return spaces.Dict(each) if self.images is not None else each["state"]

    def told(self, seen: Seen) -> Seen:
        """What was asked for of what was seen."""
        return {name: value for name, value in seen.items() if self.state or name != "state"}

    def action(self, episodes: Episodes) -> spaces.Box:
        """The space of one world's action."""
        shape = (self.task.actions(episodes.worlds.layout),)
        return spaces.Box(-1.0, 1.0, shape, np.float32)


def _box(name: str, value: Any) -> spaces.Box:
    shape, kind = value.shape[1:], value.dtype
    if kind.kind == "u":
        return spaces.Box(0, np.iinfo(kind).max, shape, kind)
    return spaces.Box(0.0 if name == "depth" else -LARGEST, LARGEST, shape, kind)


def request(
    pack: Pack | Path | str,
    task: Task | str,
    engine: Engine | str,
    cousins: Chosen,
    observe: Sequence[str],
    cameras: Sequence[str],
    size: tuple[int, int],
    noise: bool,
    settings: Mapping[str, Any],
    robot: Robot | str | None = None,
    control: str = "delta",
    feasible: bool = False,
) -> Request:
    """See `CousinsVectorEnv`. settings: each goes to the task or the engine, whichever is given
    by name and has it. Raises UsageError for what there is not, PackError for a bad pack."""
    opened = packs.read(Path(pack)) if isinstance(pack, (str, os.PathLike)) else pack
    if not isinstance(opened, Pack):
        raise UsageError(f"a pack is a path, or what cousins.pack.read gives, not {pack!r:.60}")
    asked = dict(settings)
    doing = task_named(task) if isinstance(task, str) else task
    if engine == "cpu" and doing.robotic:
        # All but what the robot touches lies still, and would take most of the time.
        asked.setdefault("sleep", True)
    both = [(task, task_named), (engine, engine_named)]
    found, of = [], [set(_settings(named(given))) if isinstance(given, str) else set()
                     for given, named in both]  # fmt: skip
    unknown = sorted(set(asked) - set().union(*of))
    if unknown:
        names = ", ".join(sorted(set().union(*of))) or "none"
        raise UsageError(f"no setting {unknown[0]!r}; of task and engine there are: {names}")
    for (given, named), names in zip(both, of, strict=True):
        mine = {name: value for name, value in asked.items() if name in names}
        found.append(named(given, **mine) if isinstance(given, str) else given)
    kinds = [observe] if isinstance(observe, str) else list(observe)
    known = ("state", *KINDS)
    wrong = [kind for kind in kinds if kind not in known]
    if wrong or not kinds:
        told = f"no observation {wrong[0]!r}" if wrong else "nothing to observe"
        raise UsageError(f"{told}; there are: {', '.join(known)}")
    seen = tuple(kind for kind in KINDS if kind in kinds)
    views = (cameras,) if isinstance(cameras, str) else tuple(cameras)
    try:
        width, height = (int(side) for side in size)
    except (TypeError, ValueError):
        raise UsageError(f"size: give width and height in pixels, not {size!r:.60}") from None
    images = Images(seen, views, (width, height), noise) if seen else None
    among = pool(opened, cousins)
    joined = None
    if found[0].robotic:
        joined = named_robot(DEFAULT if robot is None else robot) if not isinstance(
            robot, Robot) else robot  # fmt: skip
    if feasible and joined is not None:
        among = able(opened, among, found[0], joined, control)
    return Request(opened, found[0], found[1], among, "state" in kinds, images, joined, control)


def _settings(value: Any) -> Sequence[str]:
    return list(getattr(value, "__dataclass_fields__", ()))
