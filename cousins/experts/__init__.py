"""Scripted experts: policies that know everything, and show that a task can be done.

They see the worlds themselves, not an observation: each cousin's shapes and where its things are.
They move by what a task's own actions can do, so that what an expert did is a demonstration.
"""

from __future__ import annotations

from cousins.env.episodes import Episodes
from cousins.env.worlds import Ids
from cousins.errors import UsageError
from cousins.tasks.lift import Lift
from cousins.tasks.place import PlaceIn, PlaceOn, Stack
from cousins.tasks.push import Push
from cousins.tasks.reach import Reach
from cousins.tasks.sort import Sort
from cousins.types import Array

CARRIES = (Lift, PlaceOn, PlaceIn, Stack, Sort)


class Expert:
    """The expert for whatever task the worlds have. Raises UsageError when episodes begin of a task
    that nobody wrote one for, or whose actions do not move the tool by steps."""

    def __init__(self) -> None:
        self._of: Episodes | None = None
        self._own: Reaching | Pushing | Carrying | None = None

    def begin(self, episodes: Episodes, ids: Ids) -> None:
        """In worlds (k,) episodes began."""
        if self._own is None or self._of is not episodes:
            self._of, self._own = episodes, _expert(episodes)
        self._own.begin(episodes, ids)

    def __call__(self, episodes: Episodes) -> Array:
        """(n, K) actions."""
        assert self._own is not None
        return self._own(episodes)


from cousins.experts.carry import Carrying  # noqa: E402
from cousins.experts.push import Pushing  # noqa: E402
from cousins.experts.reach import Reaching  # noqa: E402


def _expert(episodes: Episodes) -> Reaching | Pushing | Carrying:
    task, robot = episodes.task, episodes.worlds.layout.robot
    if robot is not None and robot.mode != "delta":
        raise UsageError('the expert moves the tool by steps: take control="delta"')
    if isinstance(task, Reach):
        return Reaching()
    if isinstance(task, Push):
        return Pushing(len(episodes.begun))
    if isinstance(task, CARRIES):
        return Carrying(episodes)
    raise UsageError(f"no expert does the task {task.name}")
