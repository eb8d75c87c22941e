"""The household categories of assets/categories.toml, and which of them a label means."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache

from cousins.resources import asset


@dataclass(frozen=True)
class Category:
    """A kind of household thing. said: it in a sentence, "a mug"; also: other words for it."""

    name: str
    said: str
    also: tuple[str, ...]
    sense: str


@cache
def categories() -> tuple[Category, ...]:
    """All of them, in the order of the file."""
    senses = tomllib.loads(asset("categories.toml").read_text("utf-8"))
    return tuple(
        Category(name, entry["said"], tuple(entry["also"]), sense)
        for sense, entries in senses.items()
        for name, entry in entries.items()
    )


@cache
def _by_words() -> dict[str, str]:
    return {words(text): c.name for c in categories() for text in (c.name, *c.also)}


def words(text: str) -> str:
    """The text in small letters and plain words, without an article: "A Coffee-Mug" is
    "coffee mug"."""
    plain = re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", text).casefold()).strip()
    return re.sub(r"^(a|an|the) (?=\S)", "", plain)


def category(text: str) -> str | None:
    """The category that a label names, by its own name or another word for it, else None.

    Only equal words count: a label that is merely close to one would be a guess.
    """
    return _by_words().get(words(text))
