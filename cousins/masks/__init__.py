"""Maskers: each finds things in one picture, asked for by boxes and points. A new one is one file.

A masker is a frozen dataclass that holds its own settings. Where it looks, and what its masks of
several pictures say together, is not its concern. Other packages bring further ones by the entry
point group `cousins.maskers`, which names a class; it is called with the checkpoint, or None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cousins import plugins
from cousins.errors import UsageError
from cousins.types import Array


@dataclass(frozen=True)
class Prompt:
    """Where in a picture a thing is. points: (k, 2) x and y, pixels, that lie on it, at least one.
    box: (4,) left, top, right and bottom of all of it, pixels, where that is known: it is then the
    whole thing that is meant, else whatever the points lie on."""

    points: Array
    box: Array | None = None


@dataclass(frozen=True)
class Masks:
    """What was found in a picture of h x w pixels. masks: (m, h, w); score: (m,) 0..1, how sure
    each is; prompt: (m,) the prompt that it answers, -1 where none asked for it. A prompt may have
    any number of answers."""

    masks: NDArray[np.bool_]
    score: Array
    prompt: NDArray[np.intp]


class Masker(Protocol):
    """Finds things in a picture, (h, w, 3) uint8 RGB."""

    def __call__(self, picture: NDArray[np.uint8], prompts: Sequence[Prompt]) -> Masks: ...


def maskers() -> dict[str, Callable[[Path | None], Masker]]:
    """All that there are, by name."""
    from cousins.masks.hf_sam import HfSam
    from cousins.masks.sam import Sam

    return {"sam": Sam, "hf-sam": HfSam, **plugins.load("cousins.maskers")}


def masker(name: str, checkpoint: Path | None = None) -> Masker:
    """The masker of this name, with the network's weights from `checkpoint`; None for where each
    looks for them. Raises UsageError for a name that is not known, and lists those, and
    MissingDependencyError where what the masker needs is not there."""
    known = maskers()
    if name not in known:
        raise UsageError(f"no masker {name!r}; there are: {', '.join(sorted(known))}")
    return known[name](checkpoint)
