"""A camera's path, told at times of its own: where it was when an image was taken."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cousins.capture.files import AGAIN, Files, read_text
from cousins.errors import CaptureError
from cousins.types import Array

# s between two poses. Between them a hand that starts or stops, at 1 m/s², is off the straight
# line by its square over eight: 3 mm.
GAP = 0.15


def table(files: Files, name: str, columns: int) -> tuple[Array, list[str]]:
    """(n, columns) numbers of a text file, one row a line, and where each row is, for messages.

    Empty lines and those that begin with # are left out. Raises CaptureError for anything else.
    """
    file = files.where(name)
    rows, places = [], []
    for number, line in enumerate(read_text(files, name).splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        place = f"{file} line {number}"
        try:
            row = [float(word) for word in words]
        except ValueError:
            row = []
        if len(row) != columns or not np.isfinite(row).all():
            raise CaptureError(
                f"{place}: expected {columns} numbers, none NaN or infinite; {AGAIN}"
            )
        rows.append(row)
        places.append(place)
    if not rows:
        raise CaptureError(f"{file}: holds no poses; {AGAIN}")
    return np.array(rows), places


def interpolated(
    times: Array, poses: Array, wanted: Array, reach: float
) -> tuple[Array, NDArray[np.bool_]]:
    """(m, 4, 4) poses at the `wanted` times (m,), and which of them are known.

    times (n,) and poses (n, 4, 4): of the path, in any order. Positions are interpolated along a
    line, rotations along the arc (Shoemake 1985, "Animating rotation with quaternion curves"). A
    time is known where the poses round it are at most GAP apart, or one is within `reach` seconds.
    """
    from scipy.spatial.transform import Rotation, Slerp

    times, first = np.unique(times, return_index=True)
    poses = poses[first]
    after = np.clip(np.searchsorted(times, wanted), 1, max(1, len(times) - 1))
    before = after - 1
    after = np.minimum(after, len(times) - 1)
    inside = (wanted >= times[before]) & (wanted <= times[after])
    nearest = np.minimum(np.abs(wanted - times[before]), np.abs(wanted - times[after]))
    known = (inside & (times[after] - times[before] <= GAP)) | (nearest <= reach)
    out = np.tile(np.eye(4), (len(wanted), 1, 1))
    within = np.clip(wanted, times[0], times[-1])
    for axis in range(3):
        out[:, axis, 3] = np.interp(within, times, poses[:, axis, 3])
    out[:, :3, :3] = poses[0, :3, :3]
    if len(times) > 1:
        path = Slerp(times, Rotation.from_matrix(poses[:, :3, :3]))
        out[:, :3, :3] = path(within).as_matrix()
    return out, known


def nearest(times: Array, wanted: Array, reach: float) -> NDArray[np.int64]:
    """(m,) the index of the time (of n, sorted) nearest to each of m; -1 if beyond `reach` s."""
    if not len(times):
        return np.full(len(wanted), -1)
    after = np.clip(np.searchsorted(times, wanted), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    first = np.abs(times[before] - wanted) <= np.abs(times[after] - wanted)
    best = np.where(first, before, after)
    return np.where(np.abs(times[best] - wanted) <= reach, best, -1)


def left_out(names: list[str], total: int, why: str) -> tuple[str, ...]:
    """The warning of frames that were left out, by their names, if any were."""
    if not names:
        return ()
    return (f"{names[0]}: {why}: frame left out ({len(names)} such of {total})",)
