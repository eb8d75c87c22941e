"""A tree of files that came from anywhere: a folder or a zip, read within limits, replaced whole.

Nothing here trusts a name or a size that the tree states. Writing happens beside the target, and
a rename puts it in place, so that a run which is killed leaves what was there before.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cousins.errors import CousinsError, PackError

MAX_RATIO = 200  # unpacked over packed; honest meshes and arrays stay below 20
_RATIO_FROM = 64 << 20  # below this size, how well it packs does not matter
_CLUTTER = {".DS_Store", "Thumbs.db", "desktop.ini", "MUJOCO_LOG.TXT"}
_STORED = (".png", ".npz", ".jpg")  # packed already
DAMAGED = (  # what zipfile raises for an archive that is broken or not what it says
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
)


@dataclass(frozen=True)
class Tree:
    """The files of a folder or a zip. sizes: each file's name, with slashes, to its bytes."""

    path: Path
    sizes: Mapping[str, int] = field(repr=False)
    zipped: bool

    def __contains__(self, name: str) -> bool:
        return name in self.sizes

    def read(self, name: str, limit: int) -> bytes:
        """One file's bytes. Raises PackError where it is missing, damaged or above `limit`."""
        return self.read_all([name], limit)[name]

    def read_all(self, names: Iterable[str], limit: int) -> dict[str, bytes]:
        """Several files' bytes, each at most `limit`. Raises PackError as `read` does."""
        names = list(names)
        for name in names:
            if name not in self.sizes:
                raise PackError(f"{self.path}: {name} is missing: write the pack anew")
            if self.sizes[name] > limit:
                raise PackError(
                    f"{self.path}: {name} is {self.sizes[name]:,} bytes, above the limit of"
                    f" {limit:,}: this is no file of a scene pack"
                )
        try:
            if not self.zipped:
                return {name: self._bytes(name) for name in names}
            with zipfile.ZipFile(self.path) as archive:
                return {name: archive.read(name) for name in names}
        except DAMAGED as error:
            raise PackError(f"{self.path}: damaged or unreadable ({error}): copy it anew") from None

    def _bytes(self, name: str) -> bytes:
        with open(self.path / name, "rb") as file:
            return file.read(self.sizes[name] + 1)

    def source(self, name: str, limit: int) -> bytes | Path:
        """The file as `replace` takes it: where it lies, or its bytes out of a zip."""
        return self.read(name, limit) if self.zipped else self.path / name


@dataclass(frozen=True)
class Kind:
    """What an archive is taken for: its limits, and the error that a breach of them raises."""

    noun: str
    error: type[CousinsError]
    members: int
    bytes: int  # of all members together, unpacked


PACK = Kind("scene pack", PackError, members=50_000, bytes=4 << 30)


def open_tree(path: Path, files: Iterable[str], folders: Iterable[str]) -> Tree:
    """The files named, and all below the folders named, that are there.

    Raises PackError, in one line, for a path that is neither a folder nor a zip, for a member
    that leaves the tree or is a link, for too many members and for more bytes than a pack has.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return Tree(path, _folder_sizes(path, files, folders), zipped=False)
        if not stat.S_ISREG(mode) or not zipfile.is_zipfile(path):
            raise PackError(f"{path}: neither a folder nor a zip: give what `cousins scan` wrote")
        return Tree(path, _zip_sizes(path, set(files), tuple(f"{f}/" for f in folders)), True)
    except FileNotFoundError:
        raise PackError(f"{path}: no such folder or zip: `cousins scan` writes one") from None
    except OSError as error:
        raise PackError(f"{path}: cannot be read ({error.strerror}): check the path") from None


def unsafe(name: str) -> str | None:
    """Why a member's name must not be followed, or None."""
    if not name or "\0" in name or any(ord(c) < 32 for c in name):
        return "has an empty or unprintable name"
    if name.startswith(("/", "\\", "~")) or re.match(r"[A-Za-z]:", name):
        return "is an absolute path"
    if "\\" in name:
        return "has a backslash in its name"
    if ".." in name.split("/"):
        return "leaves the archive"
    return None


def _folder_sizes(path: Path, files: Iterable[str], folders: Iterable[str]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    pending = [*files, *folders]
    while pending:
        name = pending.pop()
        try:
            info = os.lstat(path / name)
        except FileNotFoundError:
            continue
        if stat.S_ISDIR(info.st_mode):
            pending.extend(f"{name}/{child}" for child in os.listdir(path / name))
        elif stat.S_ISREG(info.st_mode):
            sizes[name] = info.st_size
        else:
            raise PackError(f"{path}: {name} is a link or a device: a pack holds plain files only")
        if len(sizes) + len(pending) > PACK.members:
            raise PackError(f"{path}: more than {PACK.members:,} files: this is no scene pack")
    return sizes


def _zip_sizes(path: Path, files: set[str], folders: tuple[str, ...]) -> dict[str, int]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = checked_members(path, archive, PACK)
    except DAMAGED as error:
        raise PackError(f"{path}: not a readable zip ({error}): copy it anew") from None
    return {
        name: info.file_size
        for name, info in members.items()
        if name in files or name.startswith(folders)
    }


def checked_members(path: Path, archive: zipfile.ZipFile, kind: Kind) -> dict[str, zipfile.ZipInfo]:
    """The archive's files by name, folders left out. `path` is for messages.

    Raises `kind.error` for a member that leaves the archive, is a link, encrypted or there twice,
    for too many, and for more bytes, or bytes packed more densely, than such an archive has.
    """
    members = archive.infolist()
    if len(members) > kind.members:
        raise kind.error(f"{path}: more than {kind.members:,} members: this is no {kind.noun}")
    unpacked = sum(m.file_size for m in members)
    packed = sum(m.compress_size for m in members)
    if unpacked > kind.bytes or (unpacked > _RATIO_FROM and unpacked > MAX_RATIO * packed):
        raise kind.error(f"{path}: unpacks to {unpacked:,} bytes: this is no {kind.noun}")
    found: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        name = member.filename
        reason = unsafe(name)
        if reason is None and stat.S_ISLNK(member.external_attr >> 16):
            reason = "is a link"
        if reason is None and member.flag_bits & 1:
            reason = "is encrypted"
        if reason is None and name in found:
            reason = "is there twice"
        if reason:
            raise kind.error(f"{path}: member {name!r} {reason}: do not trust this file")
        if not member.is_dir():
            found[name] = member
    return found


def ensure_writable(
    path: Path, known: Iterable[str], marker: str, force: bool = False, noun: str = "scene pack"
) -> None:
    """Raises PackError, before any work, where `replace` with these arguments could not write."""
    path = Path(path)
    if path.is_symlink() and not path.exists():
        raise PackError(f"{path}: a link to nothing: remove it or choose another output")
    if path.exists():
        _check_replaceable(path, set(known), marker, force, noun)
    parent = path.absolute().parent
    while not parent.exists():
        parent = parent.parent
    probe = parent / f".{path.name}.{secrets.token_hex(4)}.probe"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        reason = error.strerror or error
        raise PackError(f"{parent}: cannot be written ({reason}): choose another output") from None


def _check_replaceable(path: Path, known: set[str], marker: str, force: bool, noun: str) -> None:
    here, target = Path.cwd().resolve(), path.resolve()
    if target in (here, *here.parents, Path.home().resolve()):
        raise PackError(f"{path}: the folder you are in, or one above it: choose another output")
    if force:
        return
    remedy = "choose another output or pass --force to replace it"
    if path.suffix == ".zip" and path.is_file():
        try:
            ours = zipfile.is_zipfile(path) and marker in zipfile.ZipFile(path).namelist()
        except DAMAGED:
            ours = False
        if not ours:
            raise PackError(f"{path}: exists and is no {noun}: {remedy}")
        return
    if not path.is_dir():
        raise PackError(f"{path}: exists and is a file: {remedy}")
    held = {entry.name for entry in path.iterdir()} - _CLUTTER
    if held and marker not in held:
        raise PackError(f"{path}: exists and is no {noun}: {remedy}")
    foreign = sorted(held - known)
    if foreign:
        raise PackError(f"{path}: holds {foreign[0]}, which is not the pack's: {remedy}")


def replace(path: Path, members: Mapping[str, bytes | Path]) -> None:
    """Write the members as a folder, or as one zip where `path` ends in .zip, in place of `path`.

    members: names with slashes to contents, or to a file to copy; a zip keeps their order.
    The caller has asked `ensure_writable`. Raises PackError where the disk refuses.
    """
    path = Path(path)
    target = path.resolve() if path.is_symlink() else path.absolute()
    token = secrets.token_hex(4)
    fresh = target.with_name(f".{target.name}.{token}.part")
    old = target.with_name(f".{target.name}.{token}.old")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == ".zip":
            _write_zip(fresh, members)
        else:
            _write_folder(fresh, members)
        if target.is_dir() or (target.exists() and fresh.is_dir()):
            os.rename(target, old)  # no folder can be renamed over one that is not empty
        os.replace(fresh, target)
    except OSError as error:
        raise PackError(
            f"{path}: cannot be written ({error.strerror or error}): free space or choose"
            " another output"
        ) from None
    finally:
        if old.exists() and not target.exists():
            os.rename(old, target)
        for leftover in (fresh, old):
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            elif leftover.exists():
                leftover.unlink()


def read_file(path: Path, limit: int, error: type[CousinsError], beyond: str) -> bytes:
    """One file's bytes. Raises `error`, in one line, where it cannot be read, and where it is above
    `limit` bytes, with `beyond`: what to make of that."""
    try:
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except OSError as reason:
        raise error(f"{path}: cannot be read ({reason.strerror}): check the path") from None
    if len(data) > limit:
        raise error(f"{path}: above {limit:,} bytes: {beyond}")
    return data


def write_file(path: Path, data: bytes) -> None:
    """Write one file; it is there whole, or as it was. Raises PackError where the disk refuses."""
    path = Path(path)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(data)
        os.replace(fresh, path)
    except OSError as error:
        raise PackError(
            f"{path}: cannot be written ({error.strerror}): choose another output"
        ) from None
    finally:
        if fresh.exists():
            fresh.unlink()


def _write_folder(path: Path, members: Mapping[str, bytes | Path]) -> None:
    path.mkdir()
    for name, content in members.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copyfile(content, file)
        else:
            file.write_bytes(content)


def _write_zip(path: Path, members: Mapping[str, bytes | Path]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            # A fixed time, so that equal contents give equal files.
            info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            stored = name.endswith(_STORED)
            info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            data = content.read_bytes() if isinstance(content, Path) else content
            archive.writestr(info, data)
