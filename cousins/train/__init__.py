"""Training: a pack and a task to a policy that does the task in the pack's cousins.

`train(pack, "hold", out="runs/hold", steps=1_000_000)` leaves a folder with policy.onnx and its
card policy.json, checkpoints, TensorBoard's logs, progress.csv and a video. Same seed, same number
of threads: same policy, as long as steps are asked for and not minutes.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from cousins import __version__
from cousins.engines import Engine
from cousins.env.worlds import Chosen
from cousins.errors import MissingDependencyError, UsageError
from cousins.pack import Pack
from cousins.policies import FILE
from cousins.tasks import Task
from cousins.train.course import Course, Curriculum, Tally
from cousins.train.folder import Board, Folder
from cousins.train.outcome import export
from cousins.train.trainer import Learner, Plan, Trainer, discount, kind

__all__ = ["Curriculum", "Learner", "Moment", "Plan", "Tally", "Trained", "Trainer", "train"]

SAVE_EVERY = 300.0  # s between checkpoints
# Of an environment, which a training decides itself.
NOT_SETTINGS = {"observe", "cameras", "size", "noise", "render_mode", "autoreset_mode", "num_envs"}
STEPS = 1_000_000  # of one world each, where neither steps nor minutes are given


@dataclass(frozen=True)
class Moment:
    """How far a training is. steps: of one world each, of `total` (None where minutes decide);
    seconds: spent on it; left: s still to come, NaN where unknown; rate: steps a second of late;
    tally: of its last episodes."""

    steps: int
    total: int | None
    seconds: float
    left: float
    rate: float
    tally: Tally


@dataclass(frozen=True)
class Trained:
    """What came of it. folder: with policy.onnx in it. steps: made in all; success, mean_return:
    of the last episodes, with the noise that explores, NaN where none has ended; spent: s in all of
    "physics" (the worlds with their tasks), "policy" (choosing actions, keeping books) and
    "learning", of this run; video: where it is, or None, and then why in `no_video`."""

    folder: Path
    steps: int
    seconds: float
    episodes: int
    success: float
    mean_return: float
    distance: float
    spent: Mapping[str, float]
    video: Path | None = None
    no_video: str = ""


def train(
    pack: Pack | Path | str,
    task: Task | str = "hold",
    *,
    out: Path | str,
    steps: int | None = None,
    minutes: float | None = None,
    worlds: int = 64,
    seed: int = 0,
    engine: Engine | str = "cpu",
    cousins: Chosen = None,
    curriculum: Curriculum | None = None,
    trainer: Trainer | str | None = None,
    resume: bool = False,
    video: bool = True,
    watch: Callable[[Moment], None] = lambda moment: None,
    **settings: Any,
) -> Trained:
    """Train a policy on the state of `worlds` worlds at once.

    out: a folder that is not there yet, or, with `resume`, that of a training which goes on from
    its last checkpoint up to the steps or minutes that are now asked for. steps: of one world each,
    rounded up to whole iterations; a million where neither they nor minutes are given. task,
    engine, cousins: as `CousinsVectorEnv` takes them; settings: of task, engine and trainer, where
    these are given by name. trainer: "sb3" or "rsl-rl"; by default the first on the engine cpu, the
    second on any other. watch: called after each iteration.

    A SIGINT ends it after the step that runs, with a checkpoint and a policy of what was learnt;
    then it raises KeyboardInterrupt. Raises UsageError for what there is not, PackError for a bad
    pack or a full disk, MissingDependencyError without the trainer's libraries, PolicyError for a
    training that diverged.
    """
    if worlds < 1:
        raise UsageError(f"{worlds} worlds: ask for 1 or more")
    if seed < 0:
        raise UsageError(f"seed {seed}: a seed is 0 or more")
    if (steps is not None and steps < 1) or (minutes is not None and not minutes > 0):
        raise UsageError("ask for 1 step or more, or for minutes above 0")
    if steps is None and minutes is None:
        steps = STEPS
    found, others = _trainer(trainer, engine, settings)
    seen = sorted(NOT_SETTINGS & set(others))
    if seen:
        raise UsageError(f"no setting {seen[0]!r}: a policy is trained on the state alone")
    folder = Folder(Path(out))
    # The pack, the task and the cousins are looked at before anything is written.
    course = Course(
        pack,
        task,
        worlds,
        engine=engine,
        cousins=cousins,
        seed=seed,
        curriculum=curriculum,
        **others,
    )
    plan = Plan(discount(course.task.control, course.task.limit), seed, 0, steps)
    asked = _asked(course, found, seed, steps, minutes, curriculum)
    learner = found(course, plan)
    saved = folder.begin(asked, resume)
    done, spent_before = 0, 0.0
    if saved is not None:
        done, spent_before = int(saved["steps"]), float(saved["seconds"])
        plan = Plan(plan.gamma, seed, done, steps)
        course.close()
        course = Course(
            course.request.pack, course.task, worlds, engine=course.request.engine,
            cousins=cousins, seed=seed, done=done, curriculum=curriculum,
        )  # fmt: skip
        course.restore(saved["course"])
        learner = found(course, plan)
        learner.restore(saved["learner"])
    folder.cut(done)

    def write(steps: int) -> None:
        export(folder.path, course, learner.network(), found, steps, seed)

    run = _Run(folder, course, learner, steps, minutes, done, spent_before, watch, write)
    try:
        with _stopping() as stop:
            run.go(stop)
            run.save()
            if stop():
                raise KeyboardInterrupt
    finally:
        course.close()
    told, seconds = course.tally(), run.seconds
    film, why = _film(folder.path, course, cousins, seed) if video else (None, "")
    return Trained(
        folder.path, run.steps, seconds, told.episodes, told.success, told.mean_return,
        told.distance, run.spent, film, why,
    )  # fmt: skip


class _Run:
    """One training, from one iteration to the next."""

    def __init__(
        self,
        folder: Folder,
        course: Course,
        learner: Learner,
        total: int | None,
        minutes: float | None,
        steps: int,
        seconds: float,
        watch: Callable[[Moment], None],
        write: Callable[[int], None],
    ) -> None:
        self.folder, self.course, self.learner, self.watch = folder, course, learner, watch
        self.write = write
        self.total, self.minutes, self.steps = total, minutes, steps
        self._before, self._since = seconds, time.monotonic()
        self.spent = {"physics": 0.0, "policy": 0.0, "learning": 0.0}
        self._saved = steps if steps else -1

    @property
    def seconds(self) -> float:
        """s spent on it, by this run and those before."""
        return self._before + time.monotonic() - self._since

    @property
    def left(self) -> float:
        """The share that is still to come: 1 at the start, 0 at the end."""
        shares = [0.0]
        if self.total is not None:
            shares.append(self.steps / self.total)
        if self.minutes is not None:
            shares.append(self.seconds / (60 * self.minutes))
        return max(1.0 - max(shares), 0.0)

    def go(self, stop: Callable[[], bool]) -> None:
        """Until all is done, or until `stop()`."""
        board, checkpoint = Board(self.folder, self.steps), time.monotonic()
        try:
            while self.left > 0 and not stop():
                began, stepped = time.monotonic(), self.course.stepping
                figures = self.learner.iterate(self.left, stop)
                if figures is None:
                    break
                self.steps += self.learner.batch
                took = time.monotonic() - began
                self._tell(board, dict(figures), took, self.course.stepping - stepped)
                self.course.advance()
                if time.monotonic() - checkpoint > SAVE_EVERY:
                    self.save()
                    checkpoint = time.monotonic()
        finally:
            board.close()

    def save(self) -> None:
        """Write the policy, and a checkpoint unless there is one of just these steps."""
        self.write(self.steps)
        if self._saved != self.steps:
            parts = {"learner": self.learner.state(), "course": self.course.state()}
            self.folder.save(self.steps, self.seconds, parts)
            self._saved = self.steps

    def _tell(self, board: Board, figures: dict[str, float], took: float, physics: float) -> None:
        acting, learning = figures.pop("seconds/acting"), figures.pop("seconds/learning")
        for name, value in (("physics", physics), ("policy", acting - physics),
                            ("learning", learning)):  # fmt: skip
            self.spent[name] += value
            figures[f"share/{name}"] = value / took
        rate = self.learner.batch / took
        told = self.course.tally()
        figures["steps_per_second"] = rate
        board.add(self.steps, told, figures)
        self.folder.row(self.steps, self.seconds, told)
        left = [math.nan]
        if self.total is not None:
            left.append(max(self.total - self.steps, 0) / rate)
        if self.minutes is not None:
            left.append(max(60 * self.minutes - self.seconds, 0.0))
        known = [value for value in left if not math.isnan(value)]
        self.watch(Moment(self.steps, self.total, self.seconds, min(known, default=math.nan), rate,
                          told))  # fmt: skip


def _trainer(
    given: Trainer | str | None, engine: Engine | str, settings: Mapping[str, Any]
) -> tuple[Trainer, dict[str, Any]]:
    """The trainer, with those settings that are its own, and the settings that are not."""
    if given is not None and not isinstance(given, str):
        return given, dict(settings)
    plain = engine == "cpu" or getattr(engine, "__module__", "").endswith("engines.cpu")
    sort = kind(given or ("sb3" if plain else "rsl-rl"))
    names = {field.name for field in fields(sort)} - {"name"}
    mine = {n: tuple(v) if isinstance(v, list) else v for n, v in settings.items() if n in names}
    try:
        return sort(**mine), {n: v for n, v in settings.items() if n not in names}
    except TypeError as error:
        raise UsageError(f"a setting of the trainer: {error}") from None


def _asked(
    course: Course, trainer: Trainer, seed: int, steps: int | None, minutes: float | None,
    curriculum: Curriculum | None,
) -> dict[str, Any]:  # fmt: skip
    """What training.json says: all that decides what comes out."""
    from cousins.policies.card import spans
    from cousins.train.outcome import plain

    pool = course.episodes.worlds.pool
    return {
        "cousins_version": __version__,
        "pack": course.request.pack.path.name,
        "task": course.task.name,
        "task_settings": plain(course.task),
        "engine": type(course.request.engine).__name__.lower(),
        "trainer": trainer.name,
        "trainer_settings": plain(trainer) if is_dataclass(trainer) else {},
        "worlds": course.num_envs,
        "seed": seed,
        "steps": steps,
        "minutes": minutes,
        "cousins": [list(span) for span in spans(pool.number.tolist())],
        "curriculum": plain(curriculum) if curriculum else None,
    }


def _film(folder: Path, course: Course, cousins: Chosen, seed: int) -> tuple[Path | None, str]:
    from cousins.policies.film import film
    from cousins.policies.onnx import Onnx

    path = folder / "video.mp4"
    try:
        film(
            path, course.request.pack, course.task, Onnx(folder / FILE), cousins=cousins, seed=seed
        )
    except MissingDependencyError as error:
        return None, str(error)
    return path, ""


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
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
