"""What a training leaves to be used: policy.onnx and its card."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cousins import __version__
from cousins.archive import write_file
from cousins.policies import FILE
from cousins.policies import card as cards
from cousins.policies.card import Card, Normalisation, TaskTold, TrainedOn
from cousins.policies.mlp import Mlp, graph
from cousins.train.course import Course
from cousins.train.trainer import Trainer


def export(
    folder: Path, course: Course, network: Mlp, trainer: Trainer, steps: int, seed: int
) -> Card:
    """Write policy.onnx and policy.json, each whole or not at all."""
    told = card(course, network, trainer, steps, seed)
    write_file(folder / FILE, graph(network))
    cards.write_card(folder / cards.FILE, told)
    return told


def card(course: Course, network: Mlp, trainer: Trainer, steps: int, seed: int) -> Card:
    """The card of a network that was trained in a course."""
    task, pool, layout = course.task, course.episodes.worlds.pool, course.episodes.worlds.layout
    known = np.isfinite(pool.distance).all()
    span = (float(pool.distance.min()), float(pool.distance.max())) if known else None
    settings = plain(task) if is_dataclass(task) else {}
    settings.pop("name", None)
    return Card(
        cousins_version=__version__,
        task=TaskTold(name=task.name, settings=settings),
        robot=course.request.robot and course.request.robot.name,
        mode=course.request.control if course.request.robot else None,
        control=task.control,
        observation=task.observations(layout),
        action=_actions(task, layout, network.outputs),
        normalisation=Normalisation(
            mean=tuple(network.mean.tolist()), std=tuple(network.std.tolist()), clip=network.clip
        ),
        trained_on=TrainedOn(
            pack=course.request.pack.path.name, count=len(pool), distance=span,
            numbers=cards.spans(pool.number.tolist()),
        ),
        trainer=trainer.name,
        engine=type(course.request.engine).__name__.lower(),
        steps=steps,
        seed=seed,
    )  # fmt: skip


def plain(settings: Any) -> dict[str, Any]:
    """A dataclass' fields as JSON has them; what JSON does not know as its `repr`."""
    names = [field.name for field in fields(settings)]
    return {name: _plain(getattr(settings, name)) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return plain(value)
    return value if isinstance(value, (bool, int, float, str, type(None))) else repr(value)


def _actions(task: Any, layout: Any, many: int) -> tuple[str, ...]:
    """A name for each number of an action: the task's own where it has them."""
    named = getattr(task, "action_names", None)
    told: Any = named(layout) if callable(named) else ()
    return tuple(told) if len(told) == many else tuple(f"action_{k}" for k in range(many))
