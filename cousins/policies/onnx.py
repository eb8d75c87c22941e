"""A policy as an ONNX graph: one that `cousins train` wrote, or anybody else's of the same form.

It has one input, the observation (n, D) or (1, D), and its first output is the action (n, K).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.archive import read_file
from cousins.env.episodes import Episodes
from cousins.env.worlds import Ids
from cousins.errors import PolicyError, UsageError
from cousins.policies import card as cards
from cousins.policies import checked, width
from cousins.policies.card import Card
from cousins.policies.extra import need
from cousins.types import Array

MAX_BYTES = 1 << 30
# A network of this size is done before a second thread has been woken.
THREADS = 1


class Onnx:
    """card: of a `policy.json` beside the file, None without one."""

    def __init__(self, path: Path) -> None:
        """Raises PolicyError for a file that is no such graph, and MissingDependencyError without
        onnxruntime."""
        self.path = Path(path)
        beside = self.path.with_name(cards.FILE)
        self.card: Card | None = cards.read_card(beside) if beside.is_file() else None
        self._session = _session(self.path)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shape = inputs[0].shape if inputs else []
        if len(inputs) != 1 or len(shape) != 2 or inputs[0].type != "tensor(float)" or not outputs:
            told = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs)[:200] or "none"
            raise PolicyError(
                f"{self.path}: takes {told}: a policy has one input, the observation (n, D) float32"
            )
        self._input, self._output = inputs[0].name, outputs[0].name
        self._one = shape[0] == 1
        self.inputs: int | None = shape[1] if isinstance(shape[1], int) else None

    def begin(self, episodes: Episodes, ids: Ids) -> None:
        """Raises UsageError where it was made for other observations, actions or periods."""
        told = episodes.task.observations(episodes.worlds.layout)
        what = f"task {episodes.task.name} here"
        if self.inputs not in (None, len(told)):
            raise UsageError(
                f"{self.path}: takes {self.inputs} numbers, an observation of {what} has "
                f"{len(told)}: give the task and the robot that it was trained with"
            )
        if self.card is not None:
            _fits(self.path, self.card, told, episodes, what)

    def __call__(self, episodes: Episodes) -> Array:
        """(n, K), clipped to -1..1. Raises PolicyError for what is no action."""
        state = np.ascontiguousarray(episodes.seen["state"], np.float32)
        if self._one:
            out = np.concatenate([self._run(state[i : i + 1]) for i in range(len(state))])
        else:
            out = self._run(state)
        return np.clip(checked(out, episodes, str(self.path)), -1, 1)

    def _run(self, state: NDArray[np.float32]) -> NDArray[Any]:
        try:
            return np.asarray(self._session.run([self._output], {self._input: state})[0])
        except Exception as error:  # onnxruntime's own, which have no common base
            raise PolicyError(f"{self.path}: does not run: {_line(error)}") from None


def _fits(path: Path, card: Card, told: tuple[str, ...], episodes: Episodes, what: str) -> None:
    mine, here = len(card.action), width(episodes)
    if mine != here:
        raise UsageError(f"{path}: gives {mine} actions, {what} takes {here}")
    # Objects have other names in another pack; what is told of each is the same.
    for i, (one, other) in enumerate(zip(card.observation, told, strict=False)):
        if one.rpartition(".")[2] != other.rpartition(".")[2]:
            raise UsageError(
                f"{path}: was trained with {one!r} as number {i} of the observation, which of "
                f"{what} is {other!r}"
            )
    mode = episodes.worlds.control
    if card.mode is not None and card.mode != mode:
        raise UsageError(
            f"{path}: was trained to move the robot by {card.mode}, {what} it moves by {mode}: "
            f"--control {card.mode}"
        )
    if abs(card.control - episodes.task.control) > 1e-6 * card.control:
        raise UsageError(
            f"{path}: was trained to act every {card.control:g} s, {what} acts every "
            f"{episodes.task.control:g} s: --set control={card.control:g}"
        )


def graph(path: Path) -> bytes:
    """A graph's bytes. Raises PolicyError for a file that cannot be read or is too large."""
    return read_file(path, MAX_BYTES, PolicyError, "this is no policy")


def _session(path: Path) -> Any:
    onnxruntime = need("onnxruntime")
    data = graph(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = THREADS
    options.log_severity_level = 4  # it raises as well
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own, which have no common base
        raise PolicyError(f"{path}: no ONNX graph that runs here: {_line(error)}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
