"""Training: a pack and a task to a policy that does the task in the pack's cousins.

`train(pack, "reach", out="runs/reach", steps=1_000_000)` leaves a folder with policy.onnx and its
card policy.json, checkpoints, TensorBoard's logs, progress.csv and a video. The same seed gives the
same policy, as long as steps are asked for and not minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from cousins import __version__
from cousins.engines import Engine
from cousins.engines.cpu import Cpu
from cousins.env.worlds import Chosen
from cousins.errors import MissingDependencyError, UsageError
from cousins.pack import Pack
from cousins.policies import FILE
from cousins.policies.card import spans
from cousins.policies.film import film
from cousins.robots import Robot
from cousins.tasks import Task
from cousins.train.course import Course, Curriculum, Tally
from cousins.train.folder import Folder
from cousins.train.outcome import export, plain
from cousins.train.run import Budget, Moment, Run, interruptible
from cousins.train.trainer import Learner, Plan, Trainer, discount, kind

__all__ = ["Curriculum", "Learner", "Moment", "Plan", "Tally", "Trained", "Trainer", "train"]

STEPS = 1_000_000  # of one world each, where neither steps nor minutes are given
# Of an environment, which a training decides itself.
NOT_SETTINGS = {"observe", "cameras", "size", "noise", "render_mode", "autoreset_mode", "num_envs"}


@dataclass(frozen=True)
class Trained:
    """What came of it. folder: with policy.onnx in it. steps: made in all; success, mean_return:
    of the last episodes, with the noise that explores, NaN where none has ended; spent: s in all of
    "physics" (the worlds with their tasks), "policy" (choosing actions, keeping books) and
    "learning", by this run; video: where it is, or None, and then why in `no_video`."""

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
    robot: Robot | str | None = None,
    control: str = "delta",
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
    engine, robot, control, cousins: as `CousinsVectorEnv` takes them; settings: of task, engine and
    trainer, where these are given by name. trainer: "sb3" or "rsl-rl"; by default the first on the
    engine cpu, the second on any other. watch: called after each iteration.

    A SIGINT ends it after the step that runs, with a checkpoint and a policy of what was learnt;
    then it raises KeyboardInterrupt. Raises UsageError for what there is not, PackError for a bad
    pack or a full disk, MissingDependencyError without the trainer's libraries, PolicyError for a
    training that diverged.
    """
    budget = _budget(steps, minutes)
    if worlds < 1 or seed < 0:
        raise UsageError(f"{worlds} worlds, seed {seed}: worlds are 1 or more, a seed is 0 or more")
    found, others = _trainer(trainer, engine, settings)
    course = Course(
        pack, task, worlds, engine=engine, robot=robot, control=control, cousins=cousins, seed=seed,
        curriculum=curriculum, **others,
    )  # fmt: skip
    try:
        folder, asked = Folder(Path(out)), _asked(course, found, seed, budget)
        saved = folder.before(asked, resume) or {}
        done = int(saved.get("steps", 0))
        gamma = discount(course.task.control, course.task.limit)
        course.draw_from(seed, done)
        learner = found(course, Plan(gamma, seed, done, budget.steps))
        if saved:
            course.restore(saved["course"])
            learner.restore(saved["learner"])
        folder.begin(asked, done)

        def write(steps: int) -> None:
            export(folder.path, course, learner.network(), found, steps, seed)

        spent = float(saved.get("seconds", 0.0))
        run = Run(folder, course, learner, budget, done, spent, write)
        with interruptible() as stop:
            run.go(watch, stop)
            if stop():
                raise KeyboardInterrupt
    finally:
        course.close()
    told, took = course.tally(), run.seconds
    shown, why = _film(folder.path, course, cousins, seed) if video else (None, "")
    return Trained(
        folder.path, run.steps, took, told.episodes, told.success, told.mean_return,
        told.distance, run.spent, shown, why,
    )  # fmt: skip


def _budget(steps: int | None, minutes: float | None) -> Budget:
    if (steps is not None and steps < 1) or (minutes is not None and not minutes > 0):
        raise UsageError("ask for 1 step or more, or for minutes above 0")
    return Budget(STEPS if steps is None and minutes is None else steps, minutes)


def _trainer(
    given: Trainer | str | None, engine: Engine | str, settings: Mapping[str, Any]
) -> tuple[Trainer, dict[str, Any]]:
    """The trainer, with those settings that are its own, and the settings that are not."""
    found, mine, others = given, dict[str, Any](), dict(settings)
    if found is None or isinstance(found, str):
        sort = kind(found or ("sb3" if engine == "cpu" or isinstance(engine, Cpu) else "rsl-rl"))
        names = {field.name for field in fields(sort)} - {"name"}
        mine = {n: tuple(v) if isinstance(v, list) else v for n, v in others.items() if n in names}
        others = {n: v for n, v in others.items() if n not in names}
        found = sort(**mine)
    seen = sorted(NOT_SETTINGS & set(others))
    if seen:
        raise UsageError(f"no setting {seen[0]!r}: a policy is trained on the state alone")
    return found, others


def _asked(course: Course, trainer: Trainer, seed: int, budget: Budget) -> dict[str, Any]:
    """What training.json says: all that decides what comes out."""
    asked, pool = course.request, course.episodes.worlds.pool
    return {
        "cousins_version": __version__,
        "pack": asked.pack.path.name,
        "task": course.task.name,
        "task_settings": plain(course.task),
        "robot": asked.robot and asked.robot.name,
        "control": asked.control,
        "engine": type(asked.engine).__name__.lower(),
        "trainer": trainer.name,
        "trainer_settings": plain(trainer) if is_dataclass(trainer) else {},
        "worlds": course.num_envs,
        "seed": seed,
        "steps": budget.steps,
        "minutes": budget.minutes,
        "cousins": spans(pool.number.tolist()),
        "curriculum": plain(course.curriculum) if course.curriculum else None,
    }


def _film(folder: Path, course: Course, cousins: Chosen, seed: int) -> tuple[Path | None, str]:
    """The video of what came out, or why there is none."""
    from cousins.policies.onnx import Onnx

    asked, path = course.request, folder / "video.mp4"
    try:
        film(path, asked.pack, course.task, Onnx(folder / FILE), robot=asked.robot,
             control=asked.control, cousins=cousins, seed=seed)  # fmt: skip
    except MissingDependencyError as error:
        return None, str(error)
    return path, ""
