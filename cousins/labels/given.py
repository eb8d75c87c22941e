"""Labels that a user gives in a YAML file: `box_1: cracker box`, one line an object."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from cousins.archive import read_file
from cousins.errors import UsageError
from cousins.labels.label import Label, wrong

MAX_BYTES = 1 << 20
MAX_NAMES = 10_000
SHOWN = 40  # names of objects that a message lists
USER = "user"


def read(path: Path) -> dict[str, Label]:
    """The labels of a file, by object: each a text, or `{label: text, confidence: 0.9}`.

    Raises UsageError, in one line, for a file that cannot be read or holds anything else.
    """
    path = Path(path)
    data = read_file(path, MAX_BYTES, UsageError, "this is no list of labels")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is no text in UTF-8: save it as such") from None
    entries = _parsed(path, text)
    if len(entries) > MAX_NAMES:
        raise UsageError(f"{path}: more than {MAX_NAMES:,} names: this is no list of labels")
    return {name: _label(path, name, value) for name, value in entries.items()}


def _parsed(path: Path, text: str) -> dict[str, Any]:
    import yaml

    try:
        # Scalars stay text, so that `no` is no False; and no tag makes anything but text.
        node = yaml.compose(text, yaml.BaseLoader)
        names = [key.value for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        value = yaml.load(text, yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}:" if mark else ""
        reason = getattr(error, "problem", None) or type(error).__name__
        raise UsageError(f"{path}:{where} no YAML ({reason}): write `box_1: cracker box`") from None
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"{path}: holds no names with labels: write `box_1: cracker box`")
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{path}: {_shown(name)} is there twice: leave one")
    return value


def _label(path: Path, name: str, value: Any) -> Label:
    confidence: Any = 1.0
    if isinstance(value, dict) and "label" in value and not value.keys() - {"label", "confidence"}:
        confidence = value.get("confidence", confidence)
        value = value["label"]
    if not isinstance(value, str):
        raise UsageError(
            f"{path}: {_shown(name)}: give a text, or {{label: text, confidence: 0.9}}"
        )
    return given(f"{path}: {_shown(name)}", value, confidence)


def given(where: str, text: str, confidence: Any = 1.0) -> Label:
    """A user's label. Raises UsageError for a text that is none, and a confidence not in 0..1."""
    reason = wrong(text)
    if reason:
        raise UsageError(f"{where}: the label {reason}: give a few plain words")
    try:
        sure = float(confidence)
    except (TypeError, ValueError):
        sure = math.nan
    if not 0 <= sure <= 1:
        raise UsageError(f"{where}: give a confidence from 0 to 1")
    return Label(text.strip(), USER, sure)


def check_names(where: str, names: list[str], there: list[str]) -> None:
    """Raises UsageError for the first name of no object; it lists those that there are."""
    for name in names:
        if name not in there:
            more = f" and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
            raise UsageError(
                f"{where}: no object {_shown(name)}; there are {', '.join(there[:SHOWN])}{more}"
            )


def _shown(name: str) -> str:
    """A name for a message: no control character reaches the terminal."""
    return ascii(name[:60]) if wrong(name) else name
