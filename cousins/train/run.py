"""One training from one iteration to the next, until its steps or minutes are over."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cousins.train.course import Course, Tally
from cousins.train.folder import Board, Folder
from cousins.train.trainer import Learner

SAVE_EVERY = 300.0  # s between checkpoints
PARTS = ("physics", "policy", "learning")


@dataclass(frozen=True)
class Budget:
    """How long a training is: so many steps of one world each, or minutes, or what is over first;
    None for what does not matter."""

    steps: int | None
    minutes: float | None

    def left(self, steps: int, seconds: float) -> float:
        """The share that is still to come after so many steps and seconds: 1 to 0."""
        shares = [0.0]
        if self.steps is not None:
            shares.append(steps / self.steps)
        if self.minutes is not None:
            shares.append(seconds / (60 * self.minutes))
        return max(1.0 - max(shares), 0.0)

    def wait(self, steps: int, seconds: float, rate: float) -> float:
        """s still to come, at so many steps a second."""
        each = [math.inf]
        if self.steps is not None:
            each.append(max(self.steps - steps, 0) / rate)
        if self.minutes is not None:
            each.append(max(60 * self.minutes - seconds, 0.0))
        return min(each)


@dataclass(frozen=True)
class Moment:
    """How far a training is. steps: of one world each, of `total` (None where minutes decide);
    seconds: spent on it; left: s still to come; rate: steps a second of late; tally: of its last
    episodes."""

    steps: int
    total: int | None
    seconds: float
    left: float
    rate: float
    tally: Tally


class Run:
    """steps: made so far, of one world each; spent: s on each of `PARTS`, by this run alone."""

    def __init__(
        self, folder: Folder, course: Course, learner: Learner, budget: Budget, steps: int,
        seconds: float, write: Callable[[int], None],
    ) -> None:  # fmt: skip
        """Goes on after so many steps and seconds. write: is to write the policy, as it is after so
        many steps."""
        self.folder, self.course, self.learner, self.budget = folder, course, learner, budget
        self.steps, self._before, self._since = steps, seconds, time.monotonic()
        self._write, self._saved = write, steps if steps else -1
        self.spent: dict[str, float] = dict.fromkeys(PARTS, 0.0)

    @property
    def seconds(self) -> float:
        """s spent on it, by this run and those before."""
        return self._before + time.monotonic() - self._since

    @property
    def left(self) -> float:
        """The share that is still to come: 1 at the start, 0 at the end."""
        return self.budget.left(self.steps, self.seconds)

    def go(self, watch: Callable[[Moment], None], stop: Callable[[], bool]) -> None:
        """Until all is done, or until `stop()`; then with a policy and a checkpoint."""
        board, saved = Board(self.folder, self.steps), time.monotonic()
        try:
            while self.left > 0 and not stop():
                began, stepped = time.monotonic(), self.course.stepping
                figures = self.learner.iterate(self.left, stop)
                if figures is None:
                    break
                self.steps += self.learner.batch
                took, physics = time.monotonic() - began, self.course.stepping - stepped
                watch(self._told(board, dict(figures), took, physics))
                self.course.advance()
                if time.monotonic() - saved > SAVE_EVERY:
                    self.save()
                    saved = time.monotonic()
        finally:
            board.close()
        self.save()

    def save(self) -> None:
        """Write the policy, and a checkpoint unless there is one of just these steps."""
        self._write(self.steps)
        if self._saved != self.steps:
            parts = {"learner": self.learner.state(), "course": self.course.state()}
            self.folder.save(self.steps, self.seconds, parts)
            self._saved = self.steps

    def _told(self, board: Board, figures: dict[str, float], took: float, physics: float) -> Moment:
        acting, learning = figures.pop("seconds/acting"), figures.pop("seconds/learning")
        for name, value in zip(PARTS, (physics, acting - physics, learning), strict=True):
            self.spent[name] += value
            figures[f"time/{name}"] = value / took
        rate, told = self.learner.batch / took, self.course.tally()
        figures["time/steps_per_second"] = rate
        board.add(self.steps, told, figures)
        self.folder.row(self.steps, self.seconds, told)
        left = self.budget.wait(self.steps, self.seconds, rate)
        return Moment(self.steps, self.budget.steps, self.seconds, left, rate, told)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT came; a second one interrupts at once. Only the main thread hears of it."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came = threading.Event()

    def heard(number: int, frame: Any) -> None:
        if came.is_set():
            raise KeyboardInterrupt
        came.set()

    before = signal.signal(signal.SIGINT, heard)
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGINT, before)
