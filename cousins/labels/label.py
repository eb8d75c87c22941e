"""What a thing is called, by whom, and how sure that is."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cousins.types import Array

LONGEST = 80  # characters: a name of a thing, not a story about it


@dataclass(frozen=True)
class Label:
    """A thing's name in words. source: who says so; confidence: how sure that is, 0..1.

    category: of assets/categories.toml, where the source tells one apart from the text.
    usage: what it took, by name, such as the tokens of a server's model.
    """

    text: str
    source: str
    confidence: float
    category: str | None = None
    usage: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Thing:
    """What a labeler is shown of an object. name: as its scene names it; crops: pictures of it,
    (h, w, 3) uint8 RGB, the best view first; shape: its shape and size in words; size: (3,) m,
    where the scan has a scale, else in units of it."""

    name: str
    crops: tuple[NDArray[np.uint8], ...]
    shape: str
    size: Array


def wrong(text: str) -> str | None:
    """Why a text cannot be a label, or None: it is one line of letters that show themselves."""
    if not text.strip():
        return "is empty"
    if len(text) > LONGEST:
        return f"is longer than {LONGEST} characters"
    if any(unicodedata.category(c)[0] == "C" or c in "\u2028\u2029" for c in text):
        return "holds a character that does not print"
    return None
