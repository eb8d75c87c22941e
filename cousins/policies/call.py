"""A policy that is somebody's own Python: the one thing here that is run and not read.

`f(observation, instruction)` is given what is seen by name, each (n, ...), and the task in words,
and gives actions (n, K). A class is made without arguments; it, or what it makes, may instead have
`begin(episodes, ids)` and be called with the episodes, as `cousins.policies.Policy` says.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from cousins.env.episodes import Episodes
from cousins.env.worlds import Ids
from cousins.errors import CousinsError, PolicyError, UsageError
from cousins.policies import Policy, checked
from cousins.types import Array


class Called:
    """given: a function of observation and instruction, or something with `begin`."""

    def __init__(self, given: Any, name: str) -> None:
        self.given, self.name = given, name
        self.observe: tuple[str, ...] = tuple(getattr(given, "observe", ("state",)))
        self._whole = hasattr(given, "begin")

    def begin(self, episodes: Episodes, ids: Ids) -> None:
        """Raises PolicyError, with its place, for what the policy raises."""
        if self._whole:
            with _told(self.name):
                self.given.begin(episodes, ids)

    def __call__(self, episodes: Episodes) -> Array:
        """(n, K). Raises as `begin`, and for what are no actions."""
        with _told(self.name):
            if self._whole:
                out = self.given(episodes)
            else:
                seen = {name: value.copy() for name, value in episodes.seen.items()}
                out = self.given(seen, episodes.instruction)
        return checked(out, episodes, self.name)


def called(text: str) -> Policy:
    """The policy of `module:callable` or `file.py:callable`. Raises UsageError for what there is
    not, PolicyError for what its code raises."""
    source, _, attribute = text.rpartition(":")
    named = all(part.isidentifier() for part in source.split("."))
    if not attribute or not (named or source.endswith(".py")):
        raise UsageError(f"no policy {text!r:.200}: give module:callable or file.py:callable")
    module = _file(Path(source)) if source.endswith(".py") else _module(source)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UsageError(f"{source}: holds no {attribute!r:.100}")
        found = getattr(found, part)
    if isinstance(found, type):
        with _told(text):
            found = found()
    if not callable(found):
        raise UsageError(f"{text}: cannot be called: give a function or a class")
    return Called(found, text)


def _module(name: str) -> ModuleType:
    with _beside(Path.cwd()), _told(name):
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise
            raise UsageError(f"no module {name} here: check its name, or give its file") from None


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    name = f"_cousins_policy_{path.stem}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path}: no Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look themselves up there
    with _beside(path.parent.resolve()), _told(str(path)):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """What is imported meanwhile may lie in that folder."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Whatever somebody's code raises, as one line that says where."""
    try:
        yield
    except CousinsError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)[1:]
        last = frames[-1] if frames else None
        where = f" at {Path(last.filename).name}:{last.lineno}" if last else ""
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise PolicyError(f"{name}: {reason}{where}") from error
