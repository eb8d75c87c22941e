"""Files below a user's folder, which is not trusted: no name that a file states leads out of it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cousins.archive import unsafe
from cousins.errors import CousinsError

MAX_BYTES = 200_000_000  # of one file
MAX_FILES = 20_000  # in a library
MAX_DEPTH = 8  # folders below one another
CACHE = ".cousins-index"


class LibraryError(CousinsError):
    """A library of shapes cannot be used: no folder, no shape in it, or nowhere to keep it."""


class Refused(Exception):  # noqa: N818  what a file is refused for: told, and the others go on
    """Why one file of a library is not taken, without its name."""


@dataclass(frozen=True)
class Within:
    """Opens files below `root`, a resolved folder, and keeps in `used` which (names with slashes).

    It is asked in the place of trimesh's resolvers too.
    """

    root: Path
    used: dict[str, None] = field(default_factory=dict)

    def resolved(self, base: str, name: str) -> str:
        """The file that one in the folder `base` states as `name`, as a name below the root.

        Raises Refused where it leads out of the root, is a link or too large; KeyError where there
        is none.
        """
        while name.startswith("./"):
            name = name[2:]
        reason = unsafe(name)
        if reason and reason != "leaves the archive":
            raise Refused(f"the file name {name!r} in it {reason}")
        plain = os.path.normpath(f"{base}/{name}" if base else name)
        if plain.startswith(("..", "/")):
            raise Refused(f"the file name {name!r} in it leads out of the folder")
        path = self.root / plain
        try:
            info = path.lstat()
        except OSError:
            raise KeyError(name) from None
        if not stat.S_ISREG(info.st_mode) or path.resolve() != path:
            raise Refused(f"the file name {name!r} in it is a link, or no file")
        if info.st_size > MAX_BYTES:
            raise Refused(f"{name!r} has {info.st_size:,} bytes, above {MAX_BYTES:,}")
        self.used[plain] = None
        return plain

    def read(self, base: str, name: str) -> bytes:
        """The bytes of such a file. Raises as `resolved` does."""
        path = self.root / self.resolved(base, name)
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)[:MAX_BYTES]


@dataclass
class Resolver:
    """What trimesh asks for the files that a mesh names, relative to the mesh's folder.

    trimesh goes on without a material that it cannot read, so what was refused is kept here.
    """

    within: Within
    base: str
    refused: Refused | None = None

    def get(self, name: str) -> bytes:
        """The bytes of the file. Raises KeyError where there is none, and Refused."""
        try:
            return self.within.read(self.base, str(name).strip())
        except Refused as error:
            self.refused = error
            raise

    __getitem__ = get

    def __contains__(self, name: object) -> bool:
        return False

    def keys(self) -> list[str]:
        return []

    def namespaced(self, namespace: str) -> Resolver:
        return Resolver(self.within, f"{self.base}/{namespace}" if self.base else namespace)

    def write(self, name: str, data: Any) -> None:
        raise Refused("its reader tried to write a file")


def listed(root: Path, suffixes: tuple[str, ...]) -> dict[str, os.stat_result]:
    """The regular files below a folder with one of these suffixes, by name, sorted.

    Links and hidden ones are not followed. Raises LibraryError for more than a library has.
    """
    found: dict[str, os.stat_result] = {}

    def walk(folder: Path, depth: int) -> None:
        try:
            entries = sorted(os.scandir(folder), key=lambda e: e.name)
        except OSError as error:
            raise LibraryError(f"{folder}: cannot be read ({error.strerror})") from None
        for entry in entries:
            if entry.name.startswith((".", "__MACOSX")):
                continue
            if entry.is_dir(follow_symlinks=False) and depth < MAX_DEPTH:
                walk(Path(entry.path), depth + 1)
            elif entry.is_file(follow_symlinks=False) and entry.name.lower().endswith(suffixes):
                name = Path(entry.path).relative_to(root).as_posix()
                found[name] = entry.stat(follow_symlinks=False)
            if len(found) > MAX_FILES:
                raise LibraryError(f"{root}: more than {MAX_FILES:,} shapes: name a smaller folder")

    walk(root, 0)
    return found
