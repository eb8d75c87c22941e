"""From pictures alone to a capture with depth, which is then scanned like any other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from cousins.cache import Cache, digest
from cousins.photos import stereo
from cousins.photos.dense import rendered
from cousins.photos.nerfstudio import Nerfstudio
from cousins.photos.pick import Pick
from cousins.photos.scale import scaled
from cousins.photos.solve import Solve, undistorted
from cousins.photos.stereo import Stereo
from cousins.progress import Progress, silent
from cousins.types import Capture, Frame, Intrinsics, Photos, Views


class Dense(Protocol):
    """Gives views their depth: the capture of `photos` with a depth image for each view.

    work: a folder in which it may keep what a second call would have to do again.
    """

    def __call__(
        self, photos: Photos, views: Views, work: Path, progress: Progress = silent
    ) -> Capture: ...


@dataclass(frozen=True)
class FromStereo:
    """Depth by stereo on a CPU; see `Stereo`."""

    make: Stereo = Stereo()

    def __call__(
        self, photos: Photos, views: Views, work: Path, progress: Progress = silent
    ) -> Capture:
        """Raises ScanError as `Stereo` does."""
        return stereo.capture(views, self.depths(photos, views, work, progress), photos)

    def depths(
        self, photos: Photos, views: Views, work: Path, progress: Progress = silent
    ) -> list[Path]:
        """A file for each view, see `Stereo`. What it made in `work` is taken up again."""
        cache = Cache(work)
        key = digest(photos.sha256, views.poses.tolist(), asdict(self.make))
        kept = cache.load("stereo", key)
        files = [] if kept is None else [work / "stereo" / str(name) for name in kept["files"]]
        if not files or not all(file.is_file() for file in files):
            files = list(self.make(views, work, progress))
            cache.save("stereo", key, files=np.array([file.name for file in files]))
        return files


@dataclass(frozen=True)
class FromNerfstudio:
    """Depth by a surface that nerfstudio makes; see `Nerfstudio`. held: to which depth, where it
    knows any; None for by the pictures alone."""

    make: Nerfstudio = Nerfstudio()
    held: FromStereo | None = FromStereo()

    def __call__(
        self, photos: Photos, views: Views, work: Path, progress: Progress = silent
    ) -> Capture:
        """Raises MissingDependencyError, ScanError and ProgramError as `Nerfstudio` and `Stereo`
        do."""
        depths = self.held.depths(photos, views, work, progress) if self.held else ()
        mesh = self.make(views, work, progress, depths)
        return rendered(photos.path, photos.layout, photos.sha256, views, mesh)


@dataclass(frozen=True)
class Settings:
    """How pictures become a capture. tag_size: side of the printed tags' black squares, m."""

    tag_size: float | None = None
    pick: Pick = Pick()
    solve: Solve = Solve()
    dense: Dense = FromStereo()


def captured(
    photos: Photos, settings: Settings, work: Path, progress: Progress = silent
) -> Capture:
    """The pictures with poses and depth, in metres where anything tells them.

    work: a folder, kept as long as the scan may have to go on. Raises ScanError where the pictures
    do not make one whole, MissingDependencyError where a part is not installed.
    """
    views = solved(photos, settings, work, progress)
    capture = settings.dense(photos, views, work, progress)
    told = [asdict(settings.pick), asdict(settings.solve), settings.tag_size, repr(settings.dense)]
    return replace(capture, sha256=digest(photos.sha256, *told))


def rescaled(capture: Capture, factor: float, source: str) -> Capture:
    """The capture with every length `factor` times as long: metres, as `source` tells."""
    poses = capture.poses.copy()
    poses[:, :3, 3] *= factor

    def frames() -> Iterator[Frame]:
        for frame in capture.frames():
            depth = frame.depth * np.float32(factor)
            yield replace(frame, world_from_camera=poses[frame.index], depth=depth)

    sha256 = digest(capture.sha256, factor)
    return replace(
        capture, poses=poses, frames=frames, sha256=sha256, metric=True, scale_source=source
    )


def solved(photos: Photos, settings: Settings, work: Path, progress: Progress = silent) -> Views:
    """The pictures with poses, in metres where anything tells them. Raises as `captured` does.

    Structure from motion takes minutes, and is kept in `work`.
    """
    cache = Cache(work)
    key = digest(photos.sha256, asdict(settings.pick), asdict(settings.solve), str(photos.camera))
    kept = cache.load("views", key)
    if kept is None:
        picked = settings.pick(photos, progress)
        kept = _arrays(settings.solve(photos, picked, work, progress))
        cache.save("views", key, **kept)
    return scaled(_views(photos, kept), photos, settings.tag_size, progress)


def _arrays(views: Views) -> dict[str, Any]:
    told = {name: value for name, value in vars(views).items() if name != "pictures"}
    for name in ("camera", "lens"):
        told[name] = np.array(list(asdict(told[name]).values()))
    return {name: np.asarray(value) for name, value in told.items() if value is not None}


def _views(photos: Photos, kept: dict[str, Any]) -> Views:
    camera, lens = (_intrinsics(kept[name]) for name in ("camera", "lens"))
    chosen, distortion = kept["chosen"], kept["distortion"]
    return Views(
        poses=kept["poses"],
        camera=camera,
        pictures=partial(undistorted, photos.pictures, chosen, lens, distortion, camera),
        chosen=chosen,
        points=kept["points"],
        metric=bool(kept["metric"]),
        scale_source=str(kept["scale_source"]),
        residual=float(kept["residual"]),
        up=kept.get("up"),
        lens=lens,
        distortion=distortion,
        warnings=tuple(str(w) for w in kept["warnings"]),
    )


def _intrinsics(values: np.ndarray) -> Intrinsics:
    width, height, fx, fy, cx, cy = values.tolist()
    return Intrinsics(int(width), int(height), fx, fy, cx, cy)
