"""Episodes of a task in worlds: what each drew when it began, how it goes on, when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cousins.env.worlds import Ids, Worlds
from cousins.errors import UsageError
from cousins.tasks import JOINTS, OBJECTS, Memory, Now, Task, Watched, said
from cousins.types import Array

# A number beyond it is, to MuJoCo, a sign that a world went unstable (its mjMAXVAL).
LARGEST = np.float32(1e10)

Seen = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Draw:
    """What decides how an episode begins. choice: which of the cousins that may be drawn; uniform
    (numbers,): what the task draws from; noise: the seed of what its cameras see wrongly."""

    choice: int
    uniform: Array
    noise: int


def draw(rng: np.random.Generator, choices: int, numbers: int) -> Draw:
    """The next episode of a stream; in this order, whatever is made of it."""
    choice = int(rng.integers(choices))
    uniform = rng.random(numbers)
    return Draw(choice, uniform, int(rng.integers(2**63)))


@dataclass(frozen=True)
class Outcome:
    """What a step came to, each (n,). unstable: of these worlds physics made nothing; they are
    terminated, their reward is 0, and what is seen of them is what was seen before."""

    reward: Array
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    success: NDArray[np.bool_]
    unstable: NDArray[np.bool_]


class Look(Protocol):
    """More to be seen of worlds than their state."""

    @property
    def forms(self) -> Mapping[str, tuple[tuple[int, ...], Any]]:
        """By name, the shape and the dtype of what is seen of one world."""
        ...

    def begin(self, ids: Ids, cousins: Ids, seeds: list[int]) -> None:
        """In worlds (k,) an episode begins, with cousins (k,), places in the pool."""
        ...

    def __call__(self, ids: Ids) -> Seen:
        """(k, ...) of each, of worlds (k,) as they are now."""
        ...

    def close(self) -> None: ...


class Episodes:
    """One episode after the other of a task in each of n worlds.

    seen: what was last observed of them, by name, each (n, ...): "state", and what `look` adds.
    elapsed (n,): steps since each episode began. seeds (n,): of each episode, for what is drawn
    beside the task. limit: steps after which it is cut off; substeps: the models' time steps in one
    of them.
    """

    def __init__(self, worlds: Worlds, task: Task, look: Look | None = None) -> None:
        """Raises UsageError for a task whose actions are shorter than half a time step, and for one
        that takes a robot where there is none."""
        told, n = worlds.layout, len(worlds)
        if task.robotic and worlds.robot is None:
            raise UsageError(f'task {task.name} takes a robot: give one, as robot="gantry"')
        self.worlds, self.task, self.look = worlds, task, look
        self.substeps = round(task.control / told.timestep)
        if self.substeps < 1:
            raise UsageError(
                f"task {task.name}: an action acts {task.control:g} s, less than the pack's time "
                f"step of {told.timestep:g} s: make `control` longer"
            )
        self.limit = max(round(task.limit / task.control), 1)
        self.elapsed = np.zeros(n, np.int64)
        self.seeds = np.zeros(n, np.int64)
        self.begun = np.zeros(n, bool)
        self._unstable = np.zeros(n, bool)
        self._start = np.zeros((n, len(told.names), 7))
        self._memory: dict[str, NDArray[Any]] = {}
        width = len(task.observations(told))
        self.seen: Seen = {"state": np.zeros((n, width), np.float32)}
        if look is not None:
            self.seen |= {name: np.zeros((n, *shape), dtype)
                          for name, (shape, dtype) in look.forms.items()}  # fmt: skip

    @property
    def instruction(self) -> str:
        """What is to be done in this scene, in words."""
        return said(self.task, self.worlds.layout)

    @property
    def numbers(self) -> int:
        """How many uniform numbers an episode takes."""
        return self.task.numbers(self.worlds.layout)

    def begin(self, ids: Ids, cousins: Ids, draws: list[Draw]) -> None:
        """Begin anew in worlds (k,), in ascending order, with cousins (k,), places in the pool."""
        if not len(ids):
            return
        self.worlds.reset(ids, cousins)
        uniform = np.array([d.uniform for d in draws]).reshape(len(ids), -1)
        self.elapsed[ids], self.begun[ids], self._unstable[ids] = 0, True, False
        self.seeds[ids] = [d.noise for d in draws]
        self._start[ids] = self.worlds.objects()[0][ids]
        drawn = dict(self.task.begin(np, self.worlds.layout, uniform, self.now(ids)))
        joints, pose = drawn.pop(JOINTS, None), drawn.pop(OBJECTS, None)
        if joints is not None or pose is not None:
            self.worlds.put(ids, joints, pose)
        if pose is not None:
            self._start[ids] = pose
        for name, value in drawn.items():
            if name not in self._memory:
                self._memory[name] = np.zeros((len(self.begun), *value.shape[1:]), value.dtype)
            self._memory[name][ids] = value
        if hasattr(self.task, "mark"):
            told = self.worlds.layout
            self.worlds.marks[ids] = self.task.mark(  # pyright: ignore
                np, told, self._of(ids), self.now(ids)
            )
        if self.look is not None:
            self.look.begin(ids, cousins, [d.noise for d in draws])

    def step(self, actions: Array, idle: NDArray[np.bool_]) -> Outcome:
        """Act in all worlds, actions (n, K); nothing is pushed in those that are `idle` (n,), whose
        episode is over, and they may stand still. Raises UsageError before all have begun, and for
        actions of another shape or that are no numbers."""
        told, n = self.worlds.layout, len(self.begun)
        shape = (n, self.task.actions(told))
        actions = np.asarray(actions, float)
        if actions.shape != shape:
            raise UsageError(f"actions of shape {actions.shape}: this takes {shape}")
        if not np.isfinite(actions).all():
            raise UsageError("actions that are not finite numbers")
        if not self.begun.all():
            raise UsageError("no episode has begun: call reset first")
        memory: Memory = self._memory
        with np.errstate(all="ignore"):  # of worlds that went unstable, which nobody asks
            command = self.task.command(np, told, memory, self.now(), actions)
            self.worlds.advance(command, self.substeps, idle)
            self.elapsed += 1
            unstable = self._unstable = self.worlds.unstable()
            verdict = self.task.judge(np, told, memory, self.now(), actions)
        ended = np.asarray(verdict.ended, bool) | unstable
        return Outcome(
            reward=np.where(unstable, 0.0, verdict.reward),
            terminated=ended,
            truncated=(self.elapsed >= self.limit) & ~ended,
            success=np.asarray(verdict.success, bool) & ~unstable,
            unstable=unstable.copy(),
        )

    def observe(self, ids: Ids | None = None) -> None:
        """See worlds (all by default) as they are now; those that are unstable keep what was seen
        of them before."""
        every = np.arange(len(self.begun)) if ids is None else ids
        good = every[~self._unstable[every]]
        if not len(good):
            return
        which: Any = slice(None) if len(good) == len(self.begun) else good
        memory = self._of(which)
        with np.errstate(all="ignore"):
            state = self.task.observe(np, self.worlds.layout, memory, self.now(which))
        self.seen["state"][which] = np.clip(np.nan_to_num(state), -LARGEST, LARGEST)
        if self.look is not None:
            for name, value in self.look(good).items():
                self.seen[name][which] = value

    def watch(self, ids: Ids, watched: Watched | None) -> Watched:
        """What the task keeps account of in worlds (k,), each (k,), after `watched` (k,) of the
        moment before; None: their episodes begin. Empty for a task that keeps none."""
        if not hasattr(self.task, "watch"):
            return {}
        with np.errstate(all="ignore"):
            told = self.task.watch(  # pyright: ignore
                np, self.worlds.layout, self._of(ids), self.now(ids), watched
            )
        return {name: np.broadcast_to(np.asarray(value, float), len(ids))
                for name, value in told.items()}  # fmt: skip

    def failures(self, ids: Ids, watched: Watched) -> Mapping[str, NDArray[np.bool_]]:
        """By kind, the first that is true first: whether the episodes of worlds (k,) failed so, if
        they failed. watched (k,): up to now. Empty for a task that does not tell."""
        if not hasattr(self.task, "failures"):
            return {}
        with np.errstate(all="ignore"):
            told = self.task.failures(  # pyright: ignore
                np, self.worlds.layout, self._of(ids), self.now(ids), watched
            )
        return {name: np.broadcast_to(np.asarray(value, bool), len(ids))
                for name, value in told.items()}  # fmt: skip

    def told(self, outcome: Outcome | None = None) -> Mapping[str, NDArray[Any]]:
        """What `info` says of each world, (n,) each."""
        no = np.zeros(len(self.begun), bool)
        return {
            "cousin": self.worlds.number,
            "distance": self.worlds.distance,
            "success": no if outcome is None else outcome.success,
            "unstable": no.copy() if outcome is None else outcome.unstable,
        }

    @property
    def memory(self) -> Memory:
        """What each world's episode drew when it began, (n, ...) each."""
        return self._memory

    def _of(self, which: Any) -> Memory:
        return {name: value[which] for name, value in self._memory.items()}

    def now(self, which: Any = slice(None)) -> Now:
        """This moment, of worlds (all by default)."""
        pose, velocity = self.worlds.objects()
        time = self.elapsed * (self.substeps * self.worlds.layout.timestep)
        own = (time[which], self._start[which], pose[which], velocity[which])
        if not self.task.robotic:
            return Now(*own)
        shape, clutter = _taken(self.worlds.shapes(), which), self.worlds.clutter()
        return Now(*own, _taken(self.worlds.hands(), which), shape,
                   None if clutter is None else clutter[which])  # fmt: skip


def _taken(values: Any, which: Any) -> Any:
    """Of a dataclass of arrays, what belongs to these worlds."""
    if values is None:
        return None
    return type(values)(*(getattr(values, f.name)[which] for f in fields(values)))
