"""Pictures alone: which to take, where they were taken from, and how large the world is.

`solved(photos, work)` is all of it: `pick.Pick` chooses pictures, `solve.Solve` finds their poses
by structure from motion, `scale.scaled` gives them metres.
"""

from __future__ import annotations

from pathlib import Path

from cousins.photos.pick import Pick
from cousins.photos.scale import rescaled, scaled
from cousins.photos.solve import Solve
from cousins.progress import Progress, silent
from cousins.types import Photos, Views

__all__ = ["Pick", "Solve", "rescaled", "scaled", "solved"]


def solved(
    photos: Photos,
    work: Path,
    tag_size: float | None = None,
    pick: Pick | None = None,
    solve: Solve | None = None,
    progress: Progress = silent,
) -> Views:
    """The views of `photos`, in metres where anything tells them.

    work: a folder for what is not kept, which the caller removes; pycolmap's log stays there.
    tag_size: side of the printed tags' black squares, m. Raises ScanError where the pictures do not
    make one whole, MissingDependencyError without pycolmap.
    """
    picked = (pick or Pick())(photos, progress)
    views = (solve or Solve())(photos, picked, work, progress)
    return scaled(views, photos, tag_size)
