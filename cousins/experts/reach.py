"""The expert that reaches."""

from __future__ import annotations

from cousins.env.episodes import Episodes
from cousins.env.worlds import Ids
from cousins.experts.motion import look, towards
from cousins.types import Array


class Reaching:
    """Straight to the goal, from above."""

    def begin(self, episodes: Episodes, ids: Ids) -> None:
        """Nothing to remember."""

    def __call__(self, episodes: Episodes) -> Array:
        """(n, K) actions."""
        s = look(episodes)
        return towards(episodes, s, episodes.memory["goal"], None)
