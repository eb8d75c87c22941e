"""deploy.json: what goes into a policy and comes out, within what limits, and where it is from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cousins import __version__
from cousins.deploy import runner
from cousins.deploy.record import Recorded
from cousins.deploy.words import Moved, observed, rests, workspace
from cousins.errors import PolicyError, UsageError
from cousins.policies import FILE as MODEL
from cousins.policies import card as cards
from cousins.policies.card import Card
from cousins.tasks import Task
from cousins.types import Array

SAMPLE = "sample.npz"
TOLERANCE = 1e-4  # of an action, on another processor
DEVIATIONS = 5.0  # of training's observations that count as seen, where no range is told
MARGIN = 0.1  # of a recorded range, added on both sides
CHANGE = 1.25  # times the largest change of an action that was recorded
LEAST_CHANGE = 0.05  # that an action may always change by
PERIODS = 5  # without a good observation until that is stale


@dataclass(frozen=True)
class Safety:
    """What the runner does; see `cousins.deploy.runner.Contract`. change: the most that an action
    changes by in a period; stale_after: s; None: from what is known of the policy.

    Raises UsageError for ways that there are not, and for numbers that are not above 0.
    """

    outside: str = runner.FLAG
    bad: str = runner.REST
    stale: str = runner.REST
    stale_after: float | None = None
    change: float | None = None

    def __post_init__(self) -> None:
        for name, ways in runner.WAYS.items():
            if getattr(self, name) not in ways:
                raise UsageError(
                    f"{name}: no way {getattr(self, name)[:40]!r}; there are: {', '.join(ways)}"
                )
        for name in ("stale_after", "change"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise UsageError(f"{name.replace('_', '-')}: {value:g} is not above 0")


@dataclass(frozen=True)
class Known:
    """All that deploy.json is made from. pack: in which it was recorded."""

    card: Card
    task: Task | None
    moved: Moved | None
    recorded: Recorded | None
    pack: str
    limits: Mapping[str, tuple[float, float]]
    safety: Safety


def tell(known: Known, model: bytes, pairs: int) -> dict[str, Any]:
    """deploy.json, of that ONNX file and so many pairs of a sample. Raises PolicyError for a card
    that does not fit itself."""
    card, safety, seen = known.card, known.safety, known.recorded
    robot = known.moved
    sha = hashlib.sha256(model).hexdigest()
    after = safety.stale_after or PERIODS * card.control
    return {
        "schema_version": runner.VERSION,
        "cousins_version": __version__,
        "policy": {"file": MODEL, "sha256": sha, "bytes": len(model)},
        "task": {
            "name": card.task.name,
            "settings": card.task.settings,
            "instruction": "" if known.task is None else known.task.instruction,
        },
        "robot": None if card.robot is None else {"name": card.robot} | _robot(robot),
        "control": {"period": card.control, "rate": 1 / card.control},
        "observation": _entries(known),
        "action": _actions(known),
        "normalisation": None if card.normalisation is None else card.normalisation.model_dump(),
        "safety": {"outside": safety.outside, "bad": safety.bad, "stale": safety.stale,
                   "stale_after": after},
        "sample": {"file": SAMPLE, "pairs": pairs, "tolerance": TOLERANCE,
                   "recorded": seen is not None},
        "fails": card.limits,
        "provenance": {
            "cousins_version": card.cousins_version,
            "trained_on": card.trained_on.model_dump(),
            "trainer": card.trainer,
            "engine": card.engine,
            "steps": card.steps,
            "seed": card.seed,
            "recorded_on": None if seen is None else {
                "pack": known.pack, "episodes": seen.episodes, "successes": seen.successes},
        },
    }  # fmt: skip


def _entries(known: Known) -> list[dict[str, Any]]:
    """Of each number of the observation."""
    card, seen = known.card, known.recorded
    ranges = _ranges(card, seen)
    box = workspace(known.moved) if known.moved else {}
    out = []
    for i, name in enumerate(card.observation):
        unit, meaning = observed(name, card.robot is not None)
        entry: dict[str, Any] = {"name": name, "unit": unit, "meaning": meaning}
        entry["range"] = None if ranges is None else ranges[i].tolist()
        if seen is not None:
            column = seen.observation[:, i].astype(float)
            entry["seen"] = [float(column.min()), float(column.max())]
            entry["quantiles"] = [float(q) for q in np.quantile(column, [0.01, 0.5, 0.99])]
        limit = known.limits.get(name, box.get(name))
        entry["limit"] = None if limit is None else list(limit)
        out.append(entry)
    return out


def _ranges(card: Card, seen: Recorded | None) -> Array | None:
    """(D, 2) what counts as seen in training: so many deviations about the mean of training, and
    what was recorded with a margin. None where neither is known."""
    spans = []
    norm = card.normalisation
    if norm is not None:
        mean, std = np.array(norm.mean), np.array(norm.std)
        wide = min(norm.clip, DEVIATIONS) * std
        spans.append(np.stack([mean - wide, mean + wide], 1))
    if seen is not None:
        low, high = seen.observation.min(0).astype(float), seen.observation.max(0).astype(float)
        more = MARGIN * (high - low)
        spans.append(np.stack([low - more, high + more], 1))
    if not spans:
        return None
    if any(span.shape != (len(card.observation), 2) for span in spans):
        raise PolicyError(f"{cards.FILE}: its observations and its normalisation do not match")
    return np.stack([np.min([s[:, 0] for s in spans], 0), np.max([s[:, 1] for s in spans], 0)], 1)


def _actions(known: Known) -> list[dict[str, Any]]:
    """Of each number of an action; one and minus_one: what these are, in the unit."""
    card, seen, robotic = known.card, known.recorded, known.card.robot is not None
    out = []
    for i, name in enumerate(card.action):
        change = 2.0
        if known.safety.change is not None:
            change = known.safety.change
        elif seen is not None:
            change = min(max(CHANGE * float(seen.change[i]), LEAST_CHANGE), 2.0)
        entry = {"name": name, "low": -1.0, "high": 1.0, "max_change": change}
        entry["rest"] = rests(name, robotic)
        told = known.moved.actions[i] if known.moved else None
        entry["unit"] = told.unit if told else ""
        entry["minus_one"], entry["one"] = (told.low, told.high) if told else (None, None)
        out.append(entry)
    return out


def _robot(told: Moved | None) -> dict[str, Any]:
    if told is None:
        return {}
    config, model = told.robot.config, told.robot.model()
    joints = [
        {"name": name, "range": [float(b) for b in model.joint(name).range], "velocity": velocity,
         "home": home}
        for name, velocity, home in zip(config.joints, config.velocity, config.home, strict=True)
    ]  # fmt: skip
    return {"mode": told.mode or None, "joints": joints, "reach": config.reach,
            "workspace": config.workspace.model_dump(), "tool_speed": config.tool_speed,
            "tool_turn": config.tool_turn, "opening": config.gripper.opening}  # fmt: skip
