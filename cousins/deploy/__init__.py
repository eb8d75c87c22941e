"""A trained policy as a folder that runs on a robot's computer, without `cousins`.

policy.onnx and deploy.json, which says what goes in and comes out, in what units and frames, and
within what limits; runner.py, which runs it and guards it (numpy and onnxruntime alone);
sample.npz, by which that is held against what the policy gave here; README.md.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.archive import ensure_writable, replace
from cousins.deploy import runner
from cousins.deploy.readme import readme
from cousins.deploy.record import record
from cousins.deploy.tell import SAMPLE, Known, Safety, tell
from cousins.deploy.words import moved
from cousins.errors import CousinsError, PolicyError, UsageError
from cousins.policies import FILE as MODEL
from cousins.policies import card as cards
from cousins.policies.card import Card
from cousins.policies.extra import need
from cousins.policies.onnx import graph
from cousins.progress import Progress, silent
from cousins.robots import Robot
from cousins.tasks import Task
from cousins.tasks import task as named_task

MARKER = "deploy.json"
FILES = (MODEL, MARKER, "runner.py", SAMPLE, "README.md")
PAIRS = 64  # observations with their actions that are kept


@dataclass(frozen=True)
class Deployed:
    """What was written. check: what `runner.py --check` says; notes: what was not known of the
    policy, so that the folder does not tell it. recorded: episodes, and successes of them."""

    path: Path
    sha256: str
    rate: float
    observations: int
    actions: int
    pairs: int
    recorded: tuple[int, int] | None
    check: str
    notes: tuple[str, ...]


def deploy(
    run: Path,
    out: Path,
    *,
    pack: Path | None = None,
    episodes: int = 32,
    limits: Mapping[str, tuple[float, float]] | None = None,
    safety: Safety | None = None,
    robot: Robot | None = None,
    seed: int = 0,
    force: bool = False,
    progress: Progress = silent,
) -> Deployed:
    """Write the folder, or one zip, of the policy that a training left in `run`.

    pack: where it is run for that many episodes, so that the ranges of observations, the changes
    of actions and the sample are what it met. limits: by the name of a number of the observation,
    between what it has to stay; the robot stops where it does not. robot: that of the training,
    where it is none of those that ship. force: replace `out`, whatever
    it is. The same seed gives the same folder.

    Raises PolicyError for a run that holds no such policy, UsageError for a name or a setting that
    makes no sense, MissingDependencyError without onnxruntime, and PackError where the folder
    cannot be written, or the pack cannot be read.
    """
    run, out = Path(run), Path(out)
    card = cards.read_card(run / cards.FILE)
    need("onnxruntime")
    model = graph(run / MODEL)
    if episodes < 1 or seed < 0:
        raise UsageError("ask for at least 1 episode, with a seed of 0 or more")
    _limited(card, limits or {})
    ensure_writable(out, FILES, MARKER, force, "deployed policy")
    task, notes = _task(card)
    if robot is not None and robot.name != card.robot:
        raise UsageError(f"--robot {robot.name}: it was trained with {card.robot or 'none'}")
    known_as = robot or card.robot
    arm = None if known_as is None else moved(known_as, card.action, card.mode)
    seen = None
    if pack is not None:
        if task is None:
            raise UsageError(f"{notes[0]}: leave out --pack, or install what brings it")
        mode = card.mode or (arm.mode if arm else "")
        seen = record(run / MODEL, pack, task, known_as, mode, episodes, seed, progress)
    if known_as is not None and (arm is None or not arm.mode):
        notes.append(f"how the robot {card.robot} is moved by these actions is not known here")
    if seen is None and card.normalisation is None:
        notes.append("no range of observations is known: give --pack")
    if seen is None and (safety is None or safety.change is None):
        notes.append("changes of actions are not bounded: give --pack, or --max-change")
    known = Known(
        card, task, arm, seen, pack.name if pack else "", limits or {}, safety or Safety()
    )
    pairs = _observations(known, seed)
    members: dict[str, bytes | Path] = {MODEL: model}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            told = tell(known, model, len(pairs))
            (folder / MODEL).write_bytes(model)
            (folder / MARKER).write_bytes(_json(told))
            contract = runner.contract(folder)
            policy = runner.Policy(folder, contract)
            acted = np.stack([np.clip(policy(row), -1, 1) for row in pairs])
            if acted.shape[1] != len(card.action):
                raise runner.RunnerError(
                    f"gives {acted.shape[1]} actions, its card {len(card.action)}"
                )
            np.savez(folder / SAMPLE, observation=pairs, action=acted)
            says = runner.check(folder, contract)
        except (runner.RunnerError, ValueError) as error:
            raise PolicyError(f"{run / MODEL}: {str(error).removeprefix(f'{folder}/')}") from None
        members |= {name: (folder / name).read_bytes() for name in (MARKER, SAMPLE)}
    members["runner.py"] = (files("cousins.deploy") / "runner.py").read_bytes()
    members["README.md"] = readme(told, task, notes).encode()
    replace(out, members)
    return Deployed(
        path=out,
        sha256=told["policy"]["sha256"],
        rate=told["control"]["rate"],
        observations=len(card.observation),
        actions=len(card.action),
        pairs=len(pairs),
        recorded=None if seen is None else (seen.episodes, seen.successes),
        check=says,
        notes=tuple(notes),
    )


def _limited(card: Card, limits: Mapping[str, tuple[float, float]]) -> None:
    for name, (low, high) in limits.items():
        if name not in card.observation:
            some = ", ".join(card.observation[:8])
            raise UsageError(f"no observation {name[:80]!r} to limit; there are: {some}, …")
        if not low < high:
            raise UsageError(f"the limit of {name}: {low:g} does not lie below {high:g}")


def _task(card: Card) -> tuple[Task | None, list[str]]:
    try:
        return named_task(card.task.name, **card.task.settings), []
    except (CousinsError, TypeError, ValueError) as error:
        return None, [f"the task {card.task.name} is not known here ({error})"]


def _observations(known: Known, seed: int) -> NDArray[np.float32]:
    """(n, D) of the sample: out of what was recorded, evenly, else drawn as training saw them."""
    seen, norm = known.recorded, known.card.normalisation
    if seen is not None:
        many = min(PAIRS, len(seen.observation))
        return seen.observation[np.linspace(0, len(seen.observation) - 1, many).astype(int)]
    drawn = np.random.default_rng(seed).standard_normal((PAIRS, len(known.card.observation)))
    if norm is not None and len(norm.mean) == drawn.shape[1]:
        drawn = np.array(norm.mean) + drawn * np.array(norm.std)
    return drawn.astype(np.float32)


def _json(told: dict[str, Any]) -> bytes:
    return (json.dumps(told, indent=1, allow_nan=False) + "\n").encode()
