"""Libraries that only some need, imported when they are."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cousins.errors import MissingDependencyError


def need(module: str, extra: str = "rl") -> Any:
    """Import a module. Raises MissingDependencyError, with the extra that brings it."""
    try:
        return import_module(module)
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise MissingDependencyError(
            f'{module} does not import ({reason}): pip install "cousins[{extra}]"'
        ) from None
