"""Strengths of axes as a user gives them: `layout=1,shape=0.5`, or a YAML file of the same."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from cousins.archive import read_file
from cousins.errors import UsageError
from cousins.variation.axes import Settings

MAX_YAML = 1 << 20
KEYS = ("axes", "shapes", "swaps", "distractors", "distances")


def strengths(text: str) -> dict[str, float]:
    """The axes of `layout=1,shape=0.5`. Raises UsageError."""
    out: dict[str, float] = {}
    for part in text.split(","):
        name, given, value = (p.strip() for p in part.partition("="))
        if not given or not name or name in out:
            raise UsageError(f"--axes {text[:60]!r}: give it as layout=1,shape=0.5, or a YAML file")
        out[name] = _number(f"--axes {name}", value)
    return out


def span(text: str, option: str = "--distance") -> tuple[float, float]:
    """The ends of `0.2:0.4`. Raises UsageError, which names the option."""
    low, colon, high = text.partition(":")
    if not colon:
        raise UsageError(f"{option} {text[:40]!r}: give it as 0.2:0.4")
    return _number(option, low), _number(option, high)


def settings_of(axes: str | None, base: Settings | None = None) -> Settings:
    """`base`, by default all at full strength, with the axes of a text, or with all that a
    YAML file says.

    Such a file holds `axes`, a mapping of names to strengths, and may hold `shapes`, `swaps`,
    `distractors` and `distances` (a list of two), see `Settings`. Raises UsageError.
    """
    base = base or Settings()
    if axes is None:
        return base
    if "=" in axes or not re.search(r"\.ya?ml$", axes):
        return replace(base, strengths=strengths(axes))
    held = _yaml(Path(axes))
    for key in held:
        if key not in KEYS:
            raise UsageError(f"{axes}: no setting {key!r}; settings: {', '.join(KEYS)}")
    named = held.get("axes", {})
    if not isinstance(named, dict):
        raise UsageError(f"{axes}: axes: give names with strengths, as layout: 1")
    changes: dict[str, object] = {
        "strengths": {str(k): _number(f"{axes}: {k}", v) for k, v in named.items()}
    }
    for key in ("shapes", "distractors"):
        if key in held:
            if type(held[key]) is not int:
                raise UsageError(f"{axes}: {key}: give a whole number")
            changes[key] = held[key]
    if "swaps" in held:
        changes["swaps"] = _number(f"{axes}: swaps", held["swaps"])
    if "distances" in held:
        ends = held["distances"]
        if not isinstance(ends, list) or len(ends) != 2:
            raise UsageError(f"{axes}: distances: give two, as [0.2, 0.4]")
        changes["distances"] = tuple(_number(f"{axes}: distances", end) for end in ends)
    return replace(base, **changes)  # pyright: ignore


def _yaml(path: Path) -> dict[str, object]:
    import yaml

    data = read_file(path, MAX_YAML, UsageError, "this is no file of axes")
    try:
        held = yaml.safe_load(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise UsageError(f"{path}: no text in UTF-8: save it as such") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{path}: not YAML: {reason}") from None
    if not isinstance(held, dict):
        raise UsageError(f"{path}: not a mapping: give `axes:` with names and strengths")
    return {str(key): value for key, value in held.items()}


def _number(what: str, value: object) -> float:
    try:
        number = float(value)  # pyright: ignore
    except (TypeError, ValueError):
        raise UsageError(f"{what}: {str(value)[:40]!r} is no number") from None
    if number != number or abs(number) == float("inf"):
        raise UsageError(f"{what}: {value} is no number that an axis can have")
    return number
