"""Where policies are tried on cousins that lie in no pack yet: each lot becomes one, in a folder
that goes again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins import pack
from cousins.bank import Family
from cousins.cache import Cache
from cousins.env.episodes import Draw, draw
from cousins.env.request import Request
from cousins.errors import UsageError
from cousins.evaluation.rollout import Rolled, Stage, rollout, stage
from cousins.experts import Expert
from cousins.pack import Pack
from cousins.policies import Policy
from cousins.progress import Progress

WORLDS = 256  # at once, at most
SEARCH, FRESH = 3, 4  # keep draws apart from one another, and from those of an evaluation
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Bench:
    """read: the pack that cousins are of; request: asks for worlds of the policy's task of a pack;
    cache, key: keep what came of a lot, for a run that was cut short."""

    read: Pack
    request: Callable[[Pack], Request]
    policy: Policy
    cache: Cache
    key: str
    progress: Progress

    def kept(self, lot: str, made: Callable[[], Arrays]) -> Arrays:
        """What came of a lot, from an earlier time or made now."""
        held = self.cache.load(lot, self.key)
        if held is None:
            held = made()
            self.cache.save(lot, self.key, **held)
        return held

    @contextmanager
    def staged(self, families: Sequence[Family], episodes: int) -> Iterator[Stage]:
        """Worlds for so many episodes of each of these cousins, which are numbered from 0."""
        with tempfile.TemporaryDirectory(prefix="cousins-mine-") as folder:
            path = Path(folder) / "pack"
            pack.write_families(self.read.path, families, out=path)
            asked = self.request(pack.read(path))
            on = stage(asked, WORLDS, np.repeat(np.arange(len(asked.pool)), episodes))
            try:
                yield on
            finally:
                on.close()

    def tried(
        self, on: Stage, plan: Sequence[Draw], label: str, done: int = 0, whole: int = 0
    ) -> Rolled:
        """The policy, on a plan. done, whole: told of the part that the plan is of more."""
        return rollout(on, plan, self.policy, self._part(done, whole), label)

    def expert(self, on: Stage, plan: Sequence[Draw]) -> NDArray[np.bool_]:
        """(E,) whether the scripted expert succeeds; nothing (0,) where the task has none."""
        expert = Expert()
        try:
            expert.begin(on.episodes, np.zeros(0, np.int64))
        except UsageError:
            return np.zeros(0, bool)
        return rollout(on, plan, expert).success if len(plan) else np.zeros(0, bool)

    def broken(
        self, on: Stage, plan: Sequence[Draw], success: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], int]:
        """(E,) whether the expert does what the policy failed at, of a plan's episodes of which the
        policy did some (E,); and how many rollouts that took. Without an expert, what it failed at.
        """
        failed = np.flatnonzero(~success)
        did = self.expert(on, [plan[k] for k in failed.tolist()])
        if len(did) != len(failed):
            return ~success, 0
        broke = np.zeros(len(plan), bool)
        broke[failed] = did
        return broke, len(did)

    def _part(self, before: int, whole: int) -> Progress:
        def report(stage: str, done: int, total: int) -> None:
            self.progress(stage, before + done, whole or total)

        return report


def alike(
    on: Stage, cousins: Sequence[int] | NDArray[np.int64], episodes: int, seed: int, lot: int
) -> list[Draw]:
    """A plan in which each of the cousins, one after the other, gets the same episodes: what is
    left between them is the cousins' doing."""
    drawn = [_draw(on, [seed, lot, k, SEARCH]) for k in range(episodes)]
    return [Draw(int(c), d.uniform, d.noise) for c in cousins for d in drawn]


def fresh(
    on: Stage, cousins: Sequence[int] | NDArray[np.int64], episodes: int, seed: int, lot: int
) -> list[Draw]:
    """A plan in which each of the cousins, one after the other, gets episodes of its own."""
    drawn = [(int(c), _draw(on, [seed, lot, int(c), k, FRESH]))
             for c in cousins for k in range(episodes)]  # fmt: skip
    return [Draw(c, d.uniform, d.noise) for c, d in drawn]


def _draw(on: Stage, entropy: list[int]) -> Draw:
    return draw(np.random.default_rng(entropy), 1, on.episodes.numbers)
