"""A user's folder of meshes as a library: read and split once, kept, and looked up by shape."""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from cousins.archive import write_file
from cousins.labels.categories import category
from cousins.library.descriptor import ALIKE, BINS, NEAR, Descriptor, apart, describe, distance
from cousins.library.fit import placements
from cousins.library.item import Item
from cousins.library.names import named
from cousins.library.read import ALONE, SUFFIXES
from cousins.library.within import CACHE, MAX_BYTES, LibraryError, listed
from cousins.library.worker import Worker
from cousins.progress import Progress, silent
from cousins.types import Array, Asset, Mesh, Primitive

VERSION = 1  # of what is kept: another is made anew
MAX_INDEX = 512_000_000  # bytes
MAX_ARRAYS = 1_000_000_000  # bytes of one item, unpacked
_OURS = re.compile(r"[0-9a-f]{64}(-\d+)?\.(npz|json|part)")


@dataclass(frozen=True)
class Entry:
    """One shape of a folder. kept: the name of its arrays among the kept ones. source: its file,
    below the folder."""

    label: str
    category: str | None
    source: str
    kept: str
    descriptor: Descriptor
    licence: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Folder:
    """A folder of shapes, as `index` found it. cache: where they are kept.

    distances (n, n): between the shapes of the n entries, see `cousins.library.descriptor`.
    refused: a line for each file that is not taken. near: how unlike a shape may be to stand in
    for a thing that nothing here is called like.
    """

    path: Path
    cache: Path
    entries: tuple[Entry, ...] = field(repr=False)
    distances: Array = field(repr=False)
    refused: tuple[str, ...] = ()
    near: float = NEAR

    @property
    def name(self) -> str:
        """The folder's own, without where it lies; a slash tells it from ours."""
        return f"{self.path.name}/"

    def __call__(self, asset: Asset, count: int, rng: np.random.Generator) -> tuple[Item, ...]:
        """Up to `count` shapes that fit, all different, the nearer the likelier.

        Those of the asset's category, however they are shaped; where there is none, those of any
        that are nearer than `near`. Raises LibraryError where a kept shape is damaged.
        """
        own = describe(asset.visual)
        wanted = asset.category or category(asset.label)
        off = np.array([_unlike(own, e.descriptor) for e in self.entries])
        same = [i for i, e in enumerate(self.entries) if wanted and e.category == wanted]
        pool = same or [i for i in range(len(off)) if off[i] <= self.near]
        # Gumbel's trick: sorted so, it is a draw without putting back, by the shapes' likelihoods.
        keys = -0.5 * (off / ALIKE) ** 2 + rng.gumbel(size=len(off))
        items: list[Item] = []
        for i in sorted(pool, key=lambda i: -keys[i]):
            if len(items) == count:
                break
            item = self.item(i)
            if placements(asset, item):
                items.append(item)
        return tuple(items)

    def item(self, i: int) -> Item:
        """The shape of entry `i`. Raises LibraryError where its kept arrays are damaged."""
        entry = self.entries[i]
        visual, parts, primitive, watertight = _arrays(self.cache / "items" / f"{entry.kept}.npz")
        return Item(
            name=f"{entry.label} {i}",
            label=entry.label,
            category=entry.category,
            visual=visual,
            parts=parts,
            primitive=primitive,
            watertight=watertight,
            source=entry.source,
            licence=entry.licence,
        )


def _unlike(own: Descriptor, other: Descriptor) -> float:
    """By shape, and a little by size: twice as large counts as much as another category's shape."""
    size = abs(np.log(own.extent / other.extent)) / np.log(2)
    return float(np.hypot(distance(own, other, own.lies), size))


class _Kept(BaseModel):
    """What is known of one body; the rest lies in arrays."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    notes: tuple[str, ...]
    size: tuple[float, float, float]
    full: float
    closed: float
    open: float
    d2: tuple[float, ...]


class _File(BaseModel):
    """What was made of one file. used: the sha256 of every file that it names, by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: int
    bodies: tuple[_Kept, ...] = ()
    refused: str = ""
    used: dict[str, str] = {}


class _Seen(BaseModel):
    """A file as it was when last looked at: size, time, and its sha256."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    size: int
    time: int
    sha256: str


class _Index(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    version: int
    seen: dict[str, _Seen] = {}


def index(folder: Path, cache: Path | None = None, progress: Progress = silent) -> Folder:
    """The library that a folder of GLB, glTF, OBJ, STL, PLY, USD and MJCF files is.

    Every file is read and split into convex parts once, in a process of its own, and kept under
    its sha256 in `<folder>/.cousins-index`, or in `cache`; a run that was cut short goes on where
    it stopped, and a file that was changed, added or removed since is noticed. A file that cannot
    be taken gets a line in `refused`. Raises LibraryError where there is no folder, where none of
    its files can be taken, and where nothing can be kept.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise LibraryError(f"{folder}: no such folder: name one that holds meshes")
    root = folder.resolve()
    files = listed(root, SUFFIXES)
    if not files:
        known = ", ".join(SUFFIXES)
        raise LibraryError(f"{folder}: holds no shape; these are read: {known}")
    cache = _cache(root, cache)
    hashes = _Hashes(root, _read(cache / "index.json", _Index))
    entries: list[Entry] = []
    refused: list[str] = []
    wanted: set[str] = set()
    with Worker() as worker:
        for done, name in enumerate(files):
            progress("library", done, len(files))
            # What names other files is read by where it lies, too.
            place = "" if name.lower().endswith(ALONE) else name
            key = hashlib.sha256(f"{place}\n{hashes.of(name)}".encode()).hexdigest()
            found = _read(cache / "items" / f"{key}.json", _File)
            if found is None or not _fresh(found, hashes, cache, key):
                found = _made(worker, root, name, cache, key, hashes)
            wanted |= {f"{key}.json", *(f"{key}-{i}.npz" for i in range(len(found.bodies)))}
            if found.refused:
                refused.append(f"{folder / name}: {found.refused}")
            entries += _entries(root, name, key, found)
    progress("library", len(files), len(files))
    write_file(cache / "index.json", hashes.index().model_dump_json().encode())
    for old in (cache / "items").iterdir():
        if _OURS.fullmatch(old.name) and old.name not in wanted:
            old.unlink(missing_ok=True)
    if not entries:
        more = f"; the first: {refused[0]}" if refused else ""
        raise LibraryError(f"{folder}: none of its {len(files)} files can be taken{more}")
    return Folder(folder, cache, tuple(entries), _distances(cache, entries), tuple(refused))


def _cache(root: Path, given: Path | None) -> Path:
    """Where shapes are kept. Raises LibraryError where that cannot be written."""
    cache = root / CACHE if given is None else Path(given)
    if cache.is_symlink() and given is None:
        raise LibraryError(f"{cache}: a link: remove it, or name another place to keep shapes")
    try:
        (cache / "items").mkdir(parents=True, exist_ok=True)
        if not os.access(cache / "items", os.W_OK):
            raise PermissionError(13, "not writable")
    except OSError as error:
        raise LibraryError(
            f"{cache}: shapes cannot be kept there ({error.strerror}): name another folder for them"
        ) from None
    return cache


@dataclass
class _Hashes:
    """The sha256 of files below the root; a file that looks as it did is not read again."""

    root: Path
    last: _Index | None
    now: dict[str, _Seen] = field(default_factory=dict)

    def of(self, name: str) -> str | None:
        """None where there is no such file."""
        if name not in self.now:
            path = self.root / name
            try:
                info = path.stat()
                known = self.last.seen.get(name) if self.last else None
                same = known and (known.size, known.time) == (info.st_size, info.st_mtime_ns)
                sha = known.sha256 if known and same else _sha256(path)
            except OSError:
                return None
            self.now[name] = _Seen(size=info.st_size, time=info.st_mtime_ns, sha256=sha)
        return self.now[name].sha256

    def index(self) -> _Index:
        return _Index(version=VERSION, seen=self.now)


def _sha256(path: Path) -> str:
    if path.stat().st_size > MAX_BYTES:
        return "0" * 64  # it is refused unread
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path, form: type[Any]) -> Any:
    """A JSON file of ours, or None where it is missing, damaged or of another version."""
    try:
        if path.stat().st_size > MAX_INDEX:
            return None
        found = form.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return found if found.version == VERSION else None


def _fresh(found: _File, hashes: _Hashes, cache: Path, key: str) -> bool:
    """Whether what was kept of a file is whole, and the files that it names are as they were."""
    whole = all((cache / "items" / f"{key}-{i}.npz").is_file() for i in range(len(found.bodies)))
    return whole and all(hashes.of(name) == sha for name, sha in found.used.items())


def _made(worker: Worker, root: Path, name: str, cache: Path, key: str, hashes: _Hashes) -> _File:
    answer = worker(root, name, cache.resolve() / "items" / key)
    bodies = []
    for i, body in enumerate(answer.get("bodies", ())):
        mesh = _arrays(cache / "items" / f"{key}-{i}.npz")[0]
        bodies.append(_Kept(**body, **asdict(describe(mesh))))
    found = _File(
        version=VERSION,
        bodies=tuple(bodies),
        refused=answer.get("refused", ""),
        used={n: hashes.of(n) or "" for n in answer.get("used", ()) if n != name},
    )
    if answer.get("missing"):  # it may be installed before the next time
        return found
    write_file(cache / "items" / f"{key}.json", found.model_dump_json().encode())
    return found


def _entries(root: Path, name: str, key: str, found: _File) -> list[Entry]:
    out = []
    licence = _licence(root, name)
    for i, body in enumerate(found.bodies):
        label, what = named(name, body.name, several=len(found.bodies) > 1)
        if len(body.d2) != BINS:
            continue
        descriptor = Descriptor(body.size, body.full, body.closed, body.open, body.d2)
        out.append(Entry(label, what, name, f"{key}-{i}", descriptor, licence, body.notes))
    return out


def _licence(root: Path, name: str) -> str:
    """The first line of the licence that lies nearest to a file, from its folder upwards."""
    for parent in PurePosixPath(name).parents:
        for path in sorted((root / parent).glob("[Ll][Ii][Cc][Ee][Nn][CcSs][Ee]*")):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    lines = file.read(2000).decode("utf-8", "replace").splitlines()
                return next((line.strip()[:80] for line in lines if line.strip()), "")
    return ""


def _distances(cache: Path, entries: Sequence[Entry]) -> Array:
    """(n, n) distances, kept until an entry changes."""
    key = hashlib.sha256(json.dumps([e.kept for e in entries]).encode()).hexdigest()
    path = cache / f"distances-{key[:16]}.npy"
    try:
        kept = np.load(path, allow_pickle=False)
        if kept.shape == (len(entries),) * 2 and np.isfinite(kept).all():
            return kept.astype(float)
    except (OSError, ValueError, EOFError):
        pass
    found = apart([e.descriptor for e in entries])
    for old in cache.glob("distances-*.npy"):
        old.unlink(missing_ok=True)
    beside = path.with_suffix(".part")
    with beside.open("wb") as file:
        np.save(file, found.astype(np.float32), allow_pickle=False)
    os.replace(beside, path)
    return found


def _arrays(path: Path) -> tuple[Mesh, tuple[Mesh, ...], Primitive | None, bool]:
    """Reads what `worker` wrote. Raises LibraryError for anything else."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(m.file_size for m in archive.infolist()) > MAX_ARRAYS:
                raise ValueError("too large")
        with np.load(path, allow_pickle=False) as file:
            held = {name: file[name] for name in file.files}
        count = sum(name.endswith("_faces") for name in held)
        parts = tuple(_mesh(held, f"{k}_") for k in range(count))
        visual = _mesh(held, "")
        if "uv" in held:
            uv, texture = held["uv"].astype(float), held["texture"]
            if uv.shape != (*visual.faces.shape, 2) or texture.dtype != np.uint8:
                raise ValueError("no texture")
            visual = Mesh(visual.vertices, visual.faces, uv, texture)
        primitive = None
        if "kind" in held:
            v = tuple(float(x) for x in held["primitive"].reshape(10))
            kind: Any = str(held["kind"])
            if kind not in ("box", "cylinder", "sphere") or not np.isfinite(v).all():
                raise ValueError("no primitive")
            primitive = Primitive(kind, v[:3], v[3:6], v[6:])  # pyright: ignore
        return visual, parts, primitive, bool(held["watertight"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, IndexError) as error:
        raise LibraryError(f"{path}: a damaged shape ({error}): remove it and index anew") from None


def _mesh(held: dict[str, Any], prefix: str) -> Mesh:
    vertices, faces = held[f"{prefix}vertices"].astype(float), held[f"{prefix}faces"]
    sound = vertices.ndim == 2 and vertices.shape[1] == 3 and np.isfinite(vertices).all()
    if not sound or faces.shape[1:] != (3,) or not 0 <= faces.min() <= faces.max() < len(vertices):
        raise ValueError("no mesh")
    return Mesh(vertices, faces.astype(np.int32))
