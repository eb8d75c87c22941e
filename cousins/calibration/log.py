"""Logs of pushes: what the pusher did, what it felt, and where a tracker saw the objects.

One row a moment, CSV or Parquet. Columns: `time`, s; `pusher_x`, `_y`, `_z`, m, and optionally
`pusher_qw` .. `pusher_qz`; optionally `force_x`, `_y`, `_z`, N, in the pack's world; for each
object NAME `NAME_x` .. `NAME_qz`, the pose of its origin in the pack's world, empty where the
tracker lost it; optionally `object_time`, s, where the tracker has its own clock; optionally
`push`, which tells the pushes of one log apart.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cousins.errors import CaptureError, MissingDependencyError
from cousins.types import Array

MAX_BYTES = 1 << 30
MAX_ROWS = 2_000_000
PUSHER = ("pusher_x", "pusher_y", "pusher_z")
TURN = ("qw", "qx", "qy", "qz")
FORCE = ("force_x", "force_y", "force_z")
GAP = 0.1  # s without the pusher's pose that are bridged
FEWEST = 12  # rows with an object's pose that a push must have
LOST = 0.7  # share of rows without it from which on too little is known of a push


@dataclass(frozen=True)
class Track:
    """Where the tracker saw one object. time (n,) by its own clock, s; pose (n, 7), position and
    quaternion, where it saw it; lost: rows without it; longest: s between two that have it;
    own: the tracker has a clock of its own."""

    time: Array
    pose: Array
    lost: int
    longest: float
    own: bool = False


@dataclass(frozen=True)
class Push:
    """One push. time (n,) s; position (n, 3) and quaternion (n, 4) of the pusher; force (n, 3) N as
    the log has it, or None; gaps: rows without the pusher's pose, which are bridged."""

    name: str
    time: Array
    position: Array
    quaternion: Array
    force: Array | None
    tracks: Mapping[str, Track] = field(default_factory=dict)
    gaps: int = 0


Table = dict[str, NDArray]


def read_logs(paths: Sequence[Path]) -> tuple[Push, ...]:
    """The pushes of all logs, in order. Raises CaptureError, in one line, for a log that cannot be
    used: columns that are missing, times that do not increase, poses that are no numbers."""
    pushes: list[Push] = []
    for path in paths:
        table = read_table(Path(path))
        short = f"{Path(path).stem}: " if len(paths) > 1 else ""
        pushes += pushes_of(str(path), table, short)
    return tuple(pushes)


def read_table(path: Path) -> Table:
    """A log's columns: numbers, NaN where a cell is empty; `push` as text.

    Raises CaptureError for a file that is no table of numbers, MissingDependencyError for Parquet
    without pyarrow.
    """
    if not path.is_file():
        raise CaptureError(f"{path}: no such file")
    if path.stat().st_size > MAX_BYTES:
        raise CaptureError(f"{path}: above {MAX_BYTES:,} bytes: cut it into several logs")
    if path.suffix.lower() in (".parquet", ".pq"):
        return _parquet(path)
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise CaptureError(f"{path}: neither CSV nor .parquet") from None
    return parse_csv(str(path), text)


def parse_csv(where: str, text: str) -> Table:
    """As `read_table`, of CSV text."""
    rows = list(csv.reader(io.StringIO(text)))
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise CaptureError(f"{where}: holds no rows")
    if len(rows) > MAX_ROWS:
        raise CaptureError(f"{where}: above {MAX_ROWS:,} rows: cut it into several logs")
    head = [name.strip() for name in rows[0]]
    twice = next((name for name in head if head.count(name) > 1), None)
    if twice is not None:
        raise CaptureError(f"{where}: the column {twice!r} is there twice")
    out: Table = {}
    for column, name in enumerate(head):
        cells = [row[column].strip() if column < len(row) else "" for row in rows[1:]]
        out[name] = np.array(cells, str) if name == "push" else _numbers(where, name, cells)
    return out


def _numbers(where: str, name: str, cells: Sequence[str]) -> Array:
    out = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        if not cell:
            continue
        try:
            out[row] = float(cell)
        except ValueError:
            raise CaptureError(f"{where}: line {row + 2}: {name} is {cell[:30]!r}") from None
        if not np.isfinite(out[row]):
            raise CaptureError(
                f"{where}: line {row + 2}: {name} is {cell}: leave it empty where it is unknown"
            )
    return out


def _parquet(path: Path) -> Table:
    try:
        from pyarrow import ArrowException, parquet  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise MissingDependencyError(
            f'{path}: reading Parquet needs pyarrow: pip install "cousins[parquet]", or give CSV'
        ) from None
    try:
        table = parquet.read_table(path)
    except (ArrowException, OSError) as error:
        raise CaptureError(f"{path}: not Parquet ({' '.join(str(error).split())[:100]})") from None
    if not 0 < table.num_rows <= MAX_ROWS:
        raise CaptureError(f"{path}: {table.num_rows:,} rows: give 1 to {MAX_ROWS:,}")
    out: Table = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        cells = column.to_pylist()
        if name == "push":
            out[name] = np.array(["" if c is None else str(c) for c in cells])
            continue
        try:
            out[name] = np.array([np.nan if c is None else float(c) for c in cells])
        except (TypeError, ValueError):
            raise CaptureError(f"{path}: the column {name} holds no numbers") from None
    return out


def objects_of(table: Table) -> list[str]:
    """The objects that a log has columns of."""
    names = [c[:-2] for c in table if c.endswith("_x")]
    return [n for n in names if n not in ("pusher", "force")]


def pushes_of(where: str, table: Table, prefix: str = "") -> list[Push]:
    """A log's pushes. Raises CaptureError as `read_logs`."""
    missing = [name for name in ("time", *PUSHER) if name not in table]
    names = objects_of(table)
    for name in names:
        missing += [f"{name}_{c}" for c in ("y", "z", *TURN) if f"{name}_{c}" not in table]
    if 0 < sum(f in table for f in FORCE) < 3:
        missing += [f for f in FORCE if f not in table]
    turns = [f"pusher_{c}" for c in TURN]
    if 0 < sum(t in table for t in turns) < 4:
        missing += [t for t in turns if t not in table]
    if missing:
        more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
        raise CaptureError(f"{where}: columns missing: {', '.join(missing[:4])}{more}")
    if not names:
        raise CaptureError(f"{where}: no object's columns, such as box_1_x to box_1_qz")
    labels = table.get("push")
    if labels is None:
        return [_push(where, f"{prefix}push 1", table, names)]
    starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
    seen = [str(labels[s]) for s in starts]
    twice = next((label for label in seen if seen.count(label) > 1), None)
    if twice is not None:
        raise CaptureError(f"{where}: the rows of push {twice!r} are not together")
    return [
        _push(where, f"{prefix}push {label}", {k: v[a:b] for k, v in table.items()}, names)
        for label, a, b in zip(seen, starts, [*starts[1:], len(labels)], strict=True)
    ]


def _push(where: str, name: str, table: Table, names: Sequence[str]) -> Push:
    where = f"{where}: {name}"
    time = table["time"]
    _increasing(where, "time", time)
    if len(time) < FEWEST:
        raise CaptureError(f"{where}: too short: {len(time)} rows, give {FEWEST} or more")
    place = np.column_stack([table[c] for c in PUSHER])
    known = np.isfinite(place).all(1)
    turns = [f"pusher_{c}" for c in TURN]
    quaternion = np.tile([1.0, 0, 0, 0], (len(time), 1))
    if turns[0] in table:
        quaternion = np.column_stack([table[c] for c in turns])
        known &= np.isfinite(quaternion).all(1)
    if known.sum() < FEWEST:
        raise CaptureError(f"{where}: too short: {known.sum()} rows with the pusher's pose")
    longest = float(np.diff(time[known]).max())
    if longest > GAP and not known.all():
        raise CaptureError(f"{where}: the pusher's pose is missing for {longest:.2f} s")
    force = np.column_stack([table[c] for c in FORCE]) if FORCE[0] in table else None
    if force is not None and not np.isfinite(force).any():
        force = None
    tracks = {}
    for thing in names:
        track = _track(where, thing, table, time)
        if track is not None:
            tracks[thing] = track
    return Push(name, time[known], place[known], _unit(where, "pusher", quaternion[known]),
                None if force is None else force[known], tracks, int((~known).sum()))  # fmt: skip


def _track(where: str, name: str, table: Table, time: Array) -> Track | None:
    """One object's track; None where a push does not have it at all."""
    pose = np.column_stack([table[f"{name}_{c}"] for c in ("x", "y", "z", *TURN)])
    clock = table.get("object_time", time)
    seen = np.isfinite(pose).all(1) & np.isfinite(clock)
    if not seen.any():
        return None
    if seen.sum() < FEWEST or seen.mean() < 1 - LOST:
        raise CaptureError(
            f"{where}: the tracker lost {name} in {(~seen).sum()} of {len(seen)} rows: too many"
        )
    _increasing(where, "object_time" if "object_time" in table else "time", clock[seen])
    pose = pose[seen]
    pose[:, 3:] = _unit(where, name, pose[:, 3:])
    longest = float(np.diff(clock[seen]).max())
    return Track(clock[seen], pose, int((~seen).sum()), longest, "object_time" in table)


def _increasing(where: str, name: str, time: Array) -> None:
    if not np.isfinite(time).all():
        raise CaptureError(
            f"{where}: {name} is empty in row {int(np.argmin(np.isfinite(time))) + 1}"
        )
    bad = np.flatnonzero(np.diff(time) <= 0)
    if len(bad):
        row = int(bad[0]) + 1
        raise CaptureError(
            f"{where}: {name} does not increase: {time[row - 1]:.6g} then {time[row]:.6g}"
        )


def _unit(where: str, name: str, quaternion: Array) -> Array:
    length = np.linalg.norm(quaternion, axis=1, keepdims=True)
    if (abs(length - 1) > 0.1).any():
        raise CaptureError(f"{where}: {name}: a quaternion of length {length.min():.2g}, not 1")
    return quaternion / length
