"""Policies: what chooses the actions of an episode, whoever made it.

`policy("runs/reach")` loads one by what it is called on the command line. Each is asked once a
control period for the actions of all worlds together. Other packages bring further ones by the
entry point group `cousins.policies`, which names a class that is called without arguments.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from cousins import plugins
from cousins.env.episodes import Episodes
from cousins.env.worlds import Ids
from cousins.errors import PolicyError, UsageError
from cousins.types import Array

BUILT_IN = {
    "zero": "cousins.policies.simple:Zero",
    "random": "cousins.policies.simple:Random",
    "expert": "cousins.experts:Expert",
}
FILE = "policy.onnx"  # in the folder of a training
FORMS = (
    "a training's folder, policy.onnx, an SB3 .zip, module:callable, file.py:callable, "
    "http://HOST:PORT, zero, random or expert"
)


class Policy(Protocol):
    """What chooses actions.

    One that wants to see more than the state says so in an attribute `observe`, a tuple of what
    `CousinsVectorEnv` takes under that name; see `observed`.
    """

    def begin(self, episodes: Episodes, ids: Ids) -> None:
        """In worlds (k,) episodes began, and were seen. Raises UsageError where it does not fit
        the task, in one line that says what both are."""
        ...

    def __call__(self, episodes: Episodes) -> Array:
        """(n, K) actions in -1..1 of all n worlds, from `episodes.seen`. Raises PolicyError where
        there are none to be had."""
        ...


def policy(text: str) -> Policy:
    """The policy that is meant.

    text: the folder of a training or its policy.onnx; a .zip that Stable-Baselines3 saved;
    `module:callable` or `file.py:callable`, which is run; http://HOST:PORT, or for servers that
    speak as OpenVLA's do openvla+http://HOST:PORT; "zero", "random", "expert", see
    `cousins.experts`, or a plug-in's name. Raises
    UsageError for what is none of these, PolicyError for a file that is no policy, and
    MissingDependencyError without the library that it takes.
    """
    given = {**plugins.load("cousins.policies"), **dict.fromkeys(BUILT_IN)}
    if text in BUILT_IN:
        return _part(BUILT_IN[text])()
    if text in given:
        return given[text]()
    if "://" in text:
        return _part("cousins.policies.http:server")(text)
    path = Path(text)
    if path.is_dir():
        if not (path / FILE).is_file():
            raise PolicyError(f"{path}: holds no {FILE}: give a folder that `cousins train` wrote")
        return _part("cousins.policies.onnx:Onnx")(path / FILE)
    if path.suffix in (".onnx", ".zip"):
        if not path.is_file():
            raise PolicyError(f"{path}: no such file: give {FORMS}")
        part = "onnx:Onnx" if path.suffix == ".onnx" else "sb3:Sb3"
        return _part(f"cousins.policies.{part}")(path)
    if ":" in text:
        return _part("cousins.policies.call:called")(text)
    others = sorted(set(given) - set(BUILT_IN))
    more = f"; plug-ins: {', '.join(others)}" if others else ""
    raise UsageError(f"no policy {text!r:.200}: give {FORMS}{more}")


def observed(policy: Policy) -> tuple[str, ...]:
    """What a policy has to see: of "state", "rgb", "depth" and "segmentation"."""
    return tuple(getattr(policy, "observe", ("state",)))


def width(episodes: Episodes) -> int:
    """K, how many numbers an action has."""
    return episodes.task.actions(episodes.worlds.layout)


def checked(actions: Any, episodes: Episodes, who: str) -> Array:
    """(n, K) actions as they came, as floats. who: the policy, for messages. Raises PolicyError
    for another shape, for what is no number and for numbers that are not finite."""
    shape = (len(episodes.worlds), width(episodes))
    try:
        out = np.asarray(actions, float)
    except (TypeError, ValueError):
        raise PolicyError(f"{who}: gives actions that are no numbers: give {shape}") from None
    if out.shape != shape:
        raise PolicyError(
            f"{who}: gives actions of shape {out.shape}; {shape[0]} worlds of task "
            f"{episodes.task.name} take {shape}"
        )
    if not np.isfinite(out).all():
        world = int(np.argmin(np.isfinite(out).all(1)))
        raise PolicyError(f"{who}: gives an action that is not finite, for world {world}")
    return out


def _part(text: str) -> Any:
    module, _, attribute = text.partition(":")
    return getattr(import_module(module), attribute)
