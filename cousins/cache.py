"""Finished stages of long work, kept beside the output so that a run that was cut short goes on."""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.errors import PackError

_OURS = re.compile(r".+-[0-9a-f]{16}\.(npz|part)")


def digest(*parts: Any) -> str:
    """A short hash of JSON-able settings."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Cache:
    """Named stages as .npz files in `folder`, each under the hash of what made it."""

    folder: Path

    def load(self, stage: str, key: str) -> dict[str, NDArray[Any]] | None:
        """The stage's arrays, or None where it was not finished with these settings."""
        path = self.folder / f"{stage}-{key}.npz"
        try:
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None

    def save(self, stage: str, key: str, **arrays: NDArray[Any]) -> None:
        """Keep a finished stage; one of the same name with another key is dropped.

        Raises PackError where a file has the folder's name.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise PackError(
                f"{self.folder}: a file lies where finished stages wait: choose another output"
            ) from None
        beside = self.folder / f"{stage}-{key}.part"
        with beside.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        for old in self.folder.glob(f"{stage}-*.npz"):
            old.unlink()
        os.replace(beside, self.folder / f"{stage}-{key}.npz")

    def clear(self) -> None:
        """Remove what was kept, and the folder if nothing else is in it: it may be the user's."""
        for file in self.folder.glob("*-*"):
            if _OURS.fullmatch(file.name):
                file.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()


@dataclass(frozen=True)
class NoCache(Cache):
    """Keeps nothing and touches no disk: for work of seconds."""

    folder: Path = Path()

    def load(self, stage: str, key: str) -> None:
        """Never there."""

    def save(self, stage: str, key: str, **arrays: NDArray[Any]) -> None:
        """Not kept."""

    def clear(self) -> None:
        """Nothing to remove."""
