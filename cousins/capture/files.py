"""A capture's files, in a folder or a zip, read without trusting them.

Readers name a file by its path below the capture's root, with slashes, and never learn whether it
was unpacked for them. Nothing is read beyond a limit, and no name leaves the capture.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import struct
import tempfile
import weakref
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from cousins.archive import DAMAGED, Kind, checked_members, unsafe
from cousins.errors import CaptureError
from cousins.types import Array

MAX_BYTES = 512_000_000  # no picture's file is larger
MAX_TEXT = 256_000_000
MAX_FILES = 500_000
MAX_DEPTH = 5  # folders below one another; the deepest layout has four
ARCHIVE = Kind("capture", CaptureError, MAX_FILES, 64 << 30)
AGAIN = "copy the capture from its device again, or delete this frame's files"
_CLUTTER = re.compile(r"(^|/)(__MACOSX(/|$)|\.|Thumbs\.db$|desktop\.ini$)")


Form = TypeVar("Form", bound=BaseModel)


class _Scratch:
    """A temporary folder, made when first asked for, removed with this object."""

    def __init__(self) -> None:
        self._folder: str | None = None

    def folder(self) -> Path:
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="cousins-")
            weakref.finalize(self, shutil.rmtree, self._folder, True)
        return Path(self._folder)


@dataclass(frozen=True)
class Files:
    """The files of a capture. path: as the user gave it. names: sorted, below `root`.

    root: where in the folder or archive the capture begins, "" or with a slash at its end.
    """

    path: Path
    names: tuple[str, ...] = field(repr=False)
    root: str = ""
    _archive: zipfile.ZipFile | None = field(default=None, repr=False)
    _scratch: _Scratch = field(default_factory=_Scratch, repr=False)
    _held: frozenset[str] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_held", frozenset(self.names))

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def where(self, name: str) -> str:
        """The file as a user would look for it: for messages."""
        return str(self.path / (self.root + name))

    def matching(self, pattern: str) -> list[str]:
        """The names that a regular expression matches in full, in order."""
        match = re.compile(pattern).fullmatch
        return [name for name in self.names if match(name)]

    def numbered(self, folder: str, suffix: str) -> dict[int, str]:
        """The names `folder`/NUMBER.`suffix` by their number, in its order; folder may be ""."""
        start = re.escape(f"{folder}/" if folder else "")
        found = self.matching(rf"{start}\d{{1,15}}\.{re.escape(suffix)}")
        by_number = {int(PurePosixPath(name).name.partition(".")[0]): name for name in found}
        return dict(sorted(by_number.items()))

    def below(self, folder: str) -> Files:
        """The same capture seen from one of its folders."""
        start = f"{folder}/"
        names = tuple(n.removeprefix(start) for n in self.names if n.startswith(start))
        return Files(self.path, names, self.root + start, self._archive, self._scratch)

    def folders(self) -> list[str]:
        """The folders at the root."""
        return sorted({name.partition("/")[0] for name in self.names if "/" in name})

    def read(self, name: str, limit: int = MAX_BYTES) -> bytes:
        """A file's bytes. Raises CaptureError where it is missing, damaged or above `limit`."""
        if name not in self._held:
            raise CaptureError(f"{self.where(name)}: is missing; {AGAIN}")
        try:
            if self._archive is None:
                with open(self.path / (self.root + name), "rb") as stream:
                    data = stream.read(limit + 1)
                size = len(data)
            else:
                size = self._archive.getinfo(self.root + name).file_size
                data = b"" if size > limit else self._archive.read(self.root + name)
        except DAMAGED as error:
            reason = getattr(error, "strerror", None) or error
            raise CaptureError(f"{self.where(name)}: cannot be read ({reason}); {AGAIN}") from None
        if size > limit:
            raise CaptureError(f"{self.where(name)}: larger than {limit:,} bytes, which none is")
        return data

    def start(self, name: str, count: int) -> bytes:
        """The first `count` bytes, or all of a shorter file. Raises CaptureError as `read` does."""
        try:
            if self._archive is None:
                with open(self.path / (self.root + name), "rb") as stream:
                    return stream.read(count)
            with self._archive.open(self.root + name) as stream:
                return stream.read(count)
        except (*DAMAGED, KeyError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CaptureError(f"{self.where(name)}: cannot be read ({reason}); {AGAIN}") from None

    def local(self, name: str) -> Path:
        """The file on the disk, for what reads no bytes, such as a video's decoder.

        A member of an archive is unpacked into a temporary folder, which lives as long as this.
        Raises CaptureError as `read` does, and where the disk is full.
        """
        if name not in self._held:
            raise CaptureError(f"{self.where(name)}: is missing; {AGAIN}")
        if self._archive is None:
            return self.path / (self.root + name)
        plain = hashlib.sha256((self.root + name).encode()).hexdigest()
        file = self._scratch.folder() / f"{plain}{PurePosixPath(name).suffix}"
        if not file.exists():
            part = file.with_name(f"{file.name}.part")
            try:
                with self._archive.open(self.root + name) as packed, part.open("wb") as out:
                    shutil.copyfileobj(packed, out, 1 << 20)
                os.replace(part, file)
            except DAMAGED as error:
                part.unlink(missing_ok=True)
                reason = getattr(error, "strerror", None) or error
                raise CaptureError(
                    f"{self.where(name)}: cannot be unpacked to {part.parent} ({reason}); free some"
                    " space, or copy the capture again"
                ) from None
        return file

    def digest(self, names: Iterable[str]) -> str:
        """SHA-256 in hex over the names and contents of some files."""
        total = hashlib.sha256()
        for name in sorted(names):
            total.update(struct.pack("<Q", len(name.encode())) + name.encode())
            content = hashlib.sha256()
            for block in self._blocks(name):
                content.update(block)
            total.update(content.digest())
        return total.hexdigest()

    def _blocks(self, name: str) -> Iterator[bytes]:
        if self._archive is not None:  # its sums are checked as it is unpacked, which is dear
            info = self._archive.getinfo(self.root + name)
            yield struct.pack("<QQ", info.file_size, info.CRC)
            return
        try:
            with open(self.path / (self.root + name), "rb") as stream:
                while block := stream.read(1 << 20):
                    yield block
        except OSError as error:
            raise CaptureError(f"{self.where(name)}: {error.strerror}; {AGAIN}") from None


def open_files(path: Path) -> Files:
    """The files at `path`: of a folder, of a zip, or the one file that it is.

    Hidden files and what file managers leave behind are not seen. Raises CaptureError for an
    archive that is damaged or unsafe, and for more files than a capture has.
    """
    if path.is_dir():
        return Files(path, tuple(sorted(_walk(path, path, 0, []))))
    if not zipfile.is_zipfile(path):
        if _begins_as_zip(path):
            raise CaptureError(f"{path}: a zip that is cut short; copy it again")
        return Files(path.parent, (path.name,))
    try:
        archive = zipfile.ZipFile(path)
        members = checked_members(path, archive, ARCHIVE)
    except DAMAGED as error:
        raise CaptureError(f"{path}: not a readable zip ({error}); copy it again") from None
    names = tuple(sorted(name for name in members if not _CLUTTER.search(name)))
    return Files(path, names, "", archive)


def _begins_as_zip(path: Path) -> bool:
    try:
        with open(path, "rb") as stream:
            return stream.read(4) == b"PK\3\4"
    except OSError as error:
        raise CaptureError(f"{path}: cannot be read ({error.strerror})") from None


def _walk(root: Path, folder: Path, depth: int, found: list[str]) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if _CLUTTER.search(entry.name):
                    continue
                if entry.is_dir():
                    if depth < MAX_DEPTH:
                        _walk(root, Path(entry.path), depth + 1, found)
                elif entry.is_file():
                    found.append(Path(entry.path).relative_to(root).as_posix())
                if len(found) > MAX_FILES:
                    raise CaptureError(f"{root}: more than {MAX_FILES:,} files; name the capture")
    except OSError as error:
        raise CaptureError(f"{folder}: cannot be read ({error.strerror})") from None
    return found


def safe(files: Files, name: str, stated_in: str) -> str:
    """A name that a file states, such as an image's in transforms.json, made one of `files`.

    "./images/1.png" is "images/1.png". Raises CaptureError where it leaves the capture.
    """
    plain = str(PurePosixPath(name)) if name else name
    if reason := unsafe(plain):
        raise CaptureError(f"{files.where(stated_in)}: the file name {name!r} {reason}")
    return plain


def read_text(files: Files, name: str) -> str:
    """A UTF-8 text file. Raises CaptureError where it cannot be read as one."""
    try:
        return files.read(name, MAX_TEXT).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CaptureError(f"{files.where(name)}: not a text file; {AGAIN}") from None


def read_json(files: Files, name: str, form: type[Form], limit: int = MAX_TEXT) -> Form:
    """A JSON file of the given form. Raises CaptureError, with the first fault, for another."""
    try:
        return form.model_validate_json(files.read(name, limit))
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(part) for part in first["loc"])
        more = f"{at}: {first['msg']}" if at else first["msg"]
        raise CaptureError(f"{files.where(name)}: {' '.join(more.split())}; {AGAIN}") from None


def read_matrix(
    files: Files, name: str, shape: tuple[int, int], delimiter: str | None = None
) -> Array:
    """A text file of `shape` numbers. Raises CaptureError where it holds anything else."""
    try:
        lines = read_text(files, name).splitlines()
        values = np.array([line.split(delimiter) for line in lines if line.strip()], float)
    except ValueError:
        values = np.empty(0)
    if values.shape != shape:
        raise CaptureError(
            f"{files.where(name)}: expected {shape[0]} rows of {shape[1]} numbers; {AGAIN}"
        )
    return values
