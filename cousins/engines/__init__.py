"""Engines: each takes a family and gives it back running. A new one is one small file.

An engine is a frozen dataclass that holds its own settings, so `Cpu(threads=4)(family)` says all.
Other packages bring further ones by the entry point group `cousins.engines`, which names a class.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cousins import plugins
from cousins.bank import Family
from cousins.errors import UsageError
from cousins.types import Array

BUILT_IN = {"cpu": "cousins.engines.cpu:Cpu"}


class Running(Protocol):
    """n cousins of a family, each in its own state."""

    @property
    def qpos(self) -> Array:
        """(n, nq) live: a write is the state at the next step."""
        ...

    @property
    def qvel(self) -> Array:
        """(n, nv) live."""
        ...

    def __len__(self) -> int: ...

    def reset(self, ids: Sequence[int] | None = None) -> None:
        """Put cousins (all by default) back to where they start, at rest."""
        ...

    def step(self, steps: int = 1) -> None:
        """Advance every cousin by that many of the model's time steps."""
        ...

    def contacts(self) -> NDArray[np.int64]:
        """(n,) how many contacts each cousin has."""
        ...

    def overlap(self) -> Array:
        """(n,) each cousin's deepest penetration now, m; 0 where nothing touches."""
        ...

    def awake(self) -> Array:
        """(n,) share of each cousin's objects that are awake."""
        ...

    def unstable(self) -> NDArray[np.int64]:
        """Which cousins have gone unstable since they were last reset."""
        ...


class Engine(Protocol):
    """Loads a family: all its cousins, or those of `indices` (rows, in any order)."""

    def __call__(self, family: Family, indices: Sequence[int] | None = None) -> Running: ...


def engine(name: str, **settings: Any) -> Engine:
    """The engine of this name, with its settings.

    Raises UsageError for a name or a setting that is not known, and lists those that are.
    """
    found = {**plugins.load("cousins.engines"), **dict.fromkeys(BUILT_IN)}
    if name not in found:
        raise UsageError(f"no engine {name!r}; engines: {', '.join(sorted(found))}")
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        kind = getattr(import_module(module), attribute)
    else:
        kind = found[name]
    known = getattr(kind, "__dataclass_fields__", {})
    for setting in settings:
        if setting not in known:
            raise UsageError(
                f"engine {name} has no setting {setting!r}; settings: {', '.join(known) or 'none'}"
            )
    return kind(**settings)
