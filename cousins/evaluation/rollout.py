"""Episodes by a plan: what comes of each hangs on the plan and the policy alone, not on how many
worlds there are nor on what else runs in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.env.episodes import Draw, Episodes, draw
from cousins.env.request import Request
from cousins.env.worlds import Ids, Pool
from cousins.errors import UsageError
from cousins.policies import Policy
from cousins.progress import Progress, silent
from cousins.types import Array

# How an episode ended: its time was up, the task said so without or with success, or physics did.
ENDS = ("limit", "ended", "done", "unstable")
# Kinds of failure where the task tells none of its own.
LATE, OVER, UNSTABLE = "timed out", "ended", "unstable"


@dataclass(frozen=True)
class Rolled:
    """E episodes in the order of their plan, each field (E,).

    cousin: its pack number; distance: from the twin; success: at the end, ever: at any moment;
    reward: the sum of the episode's; steps: actions; seconds: of simulated time; end: of `ENDS`;
    failure: its kind, "" for a success; watched: the task's own account by name, at the end.
    """

    cousin: NDArray[np.int64]
    distance: Array
    success: NDArray[np.bool_]
    ever: NDArray[np.bool_]
    reward: Array
    steps: NDArray[np.int64]
    seconds: Array
    end: NDArray[np.str_]
    failure: NDArray[np.str_]
    watched: Mapping[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.cousin)

    @property
    def unstable(self) -> NDArray[np.bool_]:
        """(E,) whether physics made nothing of it."""
        return self.end == "unstable"

    def rows(self) -> list[dict[str, Any]]:
        """Each episode in plain types, by column."""
        flat = {name: value for name, value in vars(self).items() if name != "watched"}
        each = [value.tolist() for value in (flat | dict(self.watched)).values()]
        names = [*flat, *self.watched]
        return [
            {"episode": k, **dict(zip(names, row, strict=True))}
            for k, row in enumerate(zip(*each, strict=True))
        ]


def joined(parts: Sequence[Rolled]) -> Rolled:
    """One after the other, of the same task."""
    flat = {name: np.concatenate([getattr(part, name) for part in parts])
            for name in vars(parts[0]) if name != "watched"}  # fmt: skip
    watched = {name: np.concatenate([part.watched[name] for part in parts])
               for name in parts[0].watched}  # fmt: skip
    return Rolled(**flat, watched=watched)


def cousins_of(pool: Pool, episodes: int, seed: int) -> NDArray[np.int64]:
    """(E,) the cousins of `plan`, as places in the pool, which it takes no worlds to know."""
    return np.array([d.choice for d in plan(pool, 0, episodes, seed)], np.int64)


def plan(pool: Pool, numbers: int, episodes: int, seed: int) -> list[Draw]:
    """E episodes; choice: a place in the pool. numbers: `Episodes.numbers`. Episode k depends on
    (seed, k) alone, so two policies get the same, and more of them begin with the same. Each takes
    any of the cousins alike, so that the share of successes estimates that over all of them.

    Raises UsageError for no episode, or a seed below 0.
    """
    if episodes < 1 or seed < 0:
        raise UsageError("ask for at least 1 episode, with a seed of 0 or more")
    return [draw(np.random.default_rng([seed, k]), len(pool), numbers) for k in range(episodes)]


@dataclass(frozen=True)
class Stage:
    """Worlds that are loaded to run plans. pool: the cousins that plans choose from; place (m,):
    where each of them is in the worlds' own pool, -1 for those that were not loaded."""

    pool: Pool
    place: NDArray[np.int64]
    episodes: Episodes

    def close(self) -> None:
        """Let go of OpenGL."""
        if self.episodes.look is not None:
            self.episodes.look.close()


def stage(request: Request, worlds: int = 256, cousins: NDArray[np.int64] | None = None) -> Stage:
    """Load what a plan needs. cousins (E,): places in `request.pool` of the cousins of all its
    episodes; all of the pool by default. worlds: at most; fewer where that takes no longer, more
    where there are more families.

    Raises UsageError for no world, and what loading families raises.
    """
    if worlds < 1:
        raise UsageError(f"{worlds} worlds: ask for 1 or more")
    pool, often = request.pool, None
    keep = np.ones(len(pool), bool)
    if cousins is not None:
        often = np.bincount(cousins, minlength=len(pool))
        keep = often > 0
        often = often[keep]
        rounds = -(-len(cousins) // worlds)
        worlds = -(-len(cousins) // rounds)
    place = np.where(keep, np.cumsum(keep) - 1, -1)
    chosen = pool.where(keep)
    n = max(worlds, len(np.unique(chosen.family)))
    return Stage(pool, place, request.load(chosen, n, often))


def rollout(
    on: Stage,
    plan: Sequence[Draw],
    policy: Policy,
    progress: Progress = silent,
    label: str = "episodes",
) -> Rolled:
    """Run all episodes of a plan; each world takes the next one of its family when it is free.
    label: under which it tells how far it is.

    What comes of an episode is the same whatever n and the plan's other episodes are, to the bit on
    the engine cpu, as far as a policy's actions in one world do not hang on the other worlds.
    Raises UsageError for an empty plan, for a cousin that is not loaded, and for bad actions.
    """
    if not len(plan):
        raise UsageError("a plan without an episode")
    run = _Run(on, plan, policy)
    progress(label, 0, len(plan))
    while run.busy:
        run.step()
        progress(label, run.finished, len(plan))
    return run.rolled()


class _Run:
    """One plan on its way. at (n,): the episode that each world runs, -1 where it has none."""

    def __init__(self, on: Stage, plan: Sequence[Draw], policy: Policy) -> None:
        self.episodes, self.plan, self.policy = on.episodes, plan, policy
        worlds, many = on.episodes.worlds, len(plan)
        choice = np.array([d.choice for d in plan], np.int64)
        if choice.min() < 0 or choice.max() >= len(on.pool) or (on.place[choice] < 0).any():
            raise UsageError("a plan with a cousin that is not loaded")
        self.place = on.place[choice]
        self.cousin, self.distance = on.pool.number[choice], on.pool.distance[choice]
        families = [part.family for part in worlds.parts]
        self.part = np.repeat(np.arange(len(families)), [len(p.running) for p in worlds.parts])
        of = on.pool.family[choice]
        self.waiting = [deque(np.flatnonzero(of == k).tolist()) for k in families]
        n = len(self.part)
        self.at = np.full(n, -1)
        self.gained, self.ever = np.zeros(n), np.zeros(n, bool)
        self.watched: dict[str, Array] = {}
        self.finished = 0
        self.out = {
            "success": np.zeros(many, bool), "ever": np.zeros(many, bool),
            "reward": np.zeros(many), "steps": np.zeros(many, np.int64),
        }  # fmt: skip
        self.end, self.failure = np.full(many, "", object), np.full(many, "", object)
        self.kept: dict[str, Array] = {}
        self._begin(np.arange(n))
        policy.begin(self.episodes, np.arange(n))  # of those, too, that go on from another plan

    @property
    def busy(self) -> bool:
        return self.finished < len(self.plan)

    def step(self) -> None:
        """One action in all worlds, and the next episode where one is over."""
        episodes, live = self.episodes, self.at >= 0
        came = episodes.step(self.policy(episodes), idle=~live)
        self.gained += came.reward
        self.ever |= came.success
        # Of a world that exploded there is nothing to be seen: what was seen before stays.
        every = np.arange(len(live))
        for name, value in episodes.watch(every, self.watched).items():
            self.watched[name] = np.where(came.unstable, self.watched[name], value)
        done = live & (came.terminated | came.truncated)
        if not done.any():
            episodes.observe()
            return
        ids = np.flatnonzero(done)
        at = self.at[ids]
        self.out["success"][at], self.out["ever"][at] = came.success[ids], self.ever[ids]
        self.out["reward"][at], self.out["steps"][at] = self.gained[ids], episodes.elapsed[ids]
        for name, value in self.watched.items():
            self.kept.setdefault(name, np.zeros(len(self.plan)))[at] = value[ids]
        ended = np.where(came.success, "done", "ended")
        ended = np.where(came.unstable, "unstable", np.where(came.truncated, "limit", ended))[ids]
        self.end[at] = ended
        self.failure[at] = self._why(ids, came.success[ids], ended)
        self.finished += len(ids)
        fresh = self._begin(ids)
        if len(fresh):
            self.policy.begin(episodes, fresh)

    def _why(
        self, ids: Ids, success: NDArray[np.bool_], ended: NDArray[np.str_]
    ) -> NDArray[np.object_]:
        """(k,) kinds of failure."""
        kind = np.where(ended == "limit", LATE, OVER).astype(object)
        told = self.episodes.failures(ids, {name: v[ids] for name, v in self.watched.items()})
        for name, value in reversed(list(told.items())):
            kind[value] = name
        kind[ended == "unstable"] = UNSTABLE
        kind[success] = ""
        return kind

    def _begin(self, ids: Ids) -> Ids:
        """In worlds (k,) the next episodes of their families, as long as there are any; a world
        that gets none stays as it is, but has to have begun. Gives those in which one began."""
        episodes = self.episodes
        self.at[ids] = -1
        begun, places, draws = list[int](), list[int](), list[Draw]()
        for world in ids.tolist():
            queue = self.waiting[self.part[world]]
            if queue:
                k = queue.popleft()
                self.at[world] = k
                draws.append(self.plan[k])
                places.append(int(self.place[k]))
            elif not episodes.begun[world]:
                draws.append(Draw(0, np.zeros(episodes.numbers), 0))
                places.append(int(episodes.worlds.choices(world)[0]))
            else:
                continue
            begun.append(world)
        fresh = np.array(begun, np.int64)
        episodes.begin(fresh, np.array(places, np.int64), draws)
        episodes.observe()
        self.gained[fresh], self.ever[fresh] = 0.0, False
        if len(fresh):
            for name, value in episodes.watch(fresh, None).items():
                self.watched.setdefault(name, np.zeros(len(self.at)))[fresh] = value
        return fresh

    def rolled(self) -> Rolled:
        control = self.episodes.substeps * self.episodes.worlds.layout.timestep
        return Rolled(
            cousin=self.cousin, distance=self.distance, **self.out,
            seconds=self.out["steps"] * control, end=self.end.astype(str),
            failure=self.failure.astype(str), watched=self.kept,
        )  # fmt: skip
