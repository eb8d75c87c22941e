"""Yardsticks: no action at all, and any."""

from __future__ import annotations

import numpy as np

from cousins.env.episodes import Episodes
from cousins.env.worlds import Ids
from cousins.policies import width
from cousins.types import Array


class Zero:
    """Zeros: what happens by itself."""

    def begin(self, episodes: Episodes, ids: Ids) -> None:
        """Nothing to do."""

    def __call__(self, episodes: Episodes) -> Array:
        """(n, K) zeros."""
        return np.zeros((len(episodes.worlds), width(episodes)))


class Random:
    """Uniform in -1..1, anew at each step. An episode's actions follow from its own seed, so that
    they are the same among however many worlds it runs."""

    def __init__(self) -> None:
        self._streams: dict[int, np.random.Generator] = {}

    def begin(self, episodes: Episodes, ids: Ids) -> None:
        """Take up the seeds of the episodes that began."""
        for world in ids.tolist():
            self._streams[world] = np.random.default_rng(int(episodes.seeds[world]))

    def __call__(self, episodes: Episodes) -> Array:
        """(n, K)."""
        each = [self._streams[world].uniform(-1, 1, width(episodes))
                for world in range(len(episodes.worlds))]  # fmt: skip
        return np.array(each)
