"""Depth for pictures that have none: multi-view stereo on a CPU, by numpy and OpenCV alone.

Each view is held against some that show the same from about ten degrees aside. A plane sweep says
how well they fit at each depth (`sweep`), semi-global matching chooses depths that are even where
pictures tell little (`paths`), and a second, finer pass about the surface that was found takes the
slope of things into account. What other views' depths do not bear out is left unknown (`agree`).
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.errors import ScanError
from cousins.photos import agree
from cousins.photos.neighbours import neighbours, parallax, planes, reach
from cousins.photos.paths import aggregated, between
from cousins.photos.sweep import Levels, Picture, costs
from cousins.progress import Progress, silent
from cousins.types import Capture, Frame, Photos, Views


@dataclass(frozen=True)
class Stereo:
    """Depth maps from posed pictures.

    width: of the depth maps, px. others: views that each is held against. step: px by which one
    plane's parallax differs from the next's; most: planes. window: px a side. small, large: prices
    of a depth that is one plane off the neighbour's, or more (`paths`, of 256); edge: grey levels.
    fine: (labels, planes between them) of each finer pass about the surface that was found.
    within: share of its depth by which another view's may differ to bear it out; witnesses: how
    many must. speckle: smaller patches are left out, px. threads: any number gives the same.
    """

    width: int = 320
    others: int = 6
    step: float = 0.75
    most: int = 192
    window: int = 5
    small: int = 10
    large: int = 80
    edge: float = 8.0
    fine: tuple[tuple[int, float], ...] = ((9, 0.5),)
    within: float = 0.01
    witnesses: int = 2
    speckle: int = 60
    threads: int | None = None

    def __call__(self, views: Views, work: Path, progress: Progress = silent) -> tuple[Path, ...]:
        """One file a view in `work`, a folder that the caller removes: numpy's, (h, w) float32, in
        the views' unit, 0 where not known.

        Pictures are streamed and kept small. Raises ScanError where no view can be held against
        two others.
        """
        folder = work / "stereo"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        pictures = self._small(views, progress)
        camera = pictures[0].camera
        chosen = neighbours(views.poses, camera, views.points, self.others)
        raw = [folder / f"raw_{i:06d}.npy" for i in range(len(views))]
        out = tuple(folder / f"{i:06d}.npy" for i in range(len(views)))

        def matched(i: int) -> bool:
            depth = self._matched(pictures[i], [pictures[j] for j in chosen[i]], views.points)
            np.save(raw[i], depth)
            return bool(depth.any())

        done = list(self._all(matched, len(views), "match depths", progress))
        if not any(done):
            raise ScanError(
                "no depth can be told from these pictures: no two show the same things from a"
                " little aside; film again, slowly, all around the things"
            )

        def checked(i: int) -> None:
            others = [(pictures[j], np.load(raw[j])) for j in chosen[i]]
            depth = agree.borne_out(
                pictures[i], np.load(raw[i]), others, self.within, self.witnesses
            )
            np.save(out[i], agree.without_speckles(depth, self.within, self.speckle))

        for _ in self._all(checked, len(views), "compare depths", progress):
            pass
        for path in raw:
            path.unlink()
        return out

    def _small(self, views: Views, progress: Progress) -> list[Picture]:
        import cv2

        k = views.camera
        width = min(self.width, k.width)
        camera = k.scaled(width, round(k.height * width / k.width))
        out = []
        for i, (pose, picture) in enumerate(zip(views.poses, views.pictures(), strict=True)):
            progress("look at views", i, len(views))
            grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
            size = (camera.width, camera.height)
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
            out.append(Picture(np.asarray(grey, np.float32), camera, pose))
        progress("look at views", len(views), len(views))
        return out

    def _matched(self, own: Picture, others: list[Picture], points: NDArray) -> Levels:
        """(h, w) depth by matching alone, 0 all over where there is nothing to match with."""
        between_ = reach(points, own.pose, own.camera)
        if between_ is None or len(others) < 2:
            return np.zeros_like(own.grey)
        poses = np.stack([other.pose for other in others])
        pixels = parallax(own.pose, poses, own.camera, *between_)
        labels = planes(*between_, pixels, self.step, self.most)
        gap = labels[1] - labels[0]
        label, _ = self._chosen(costs(own, others, labels, self.window), own.grey)
        inverse = (labels[0] + gap * label).astype(np.float32)
        for count, part in self.fine:
            base = _smoothed(inverse)
            offsets = ((np.arange(count) - count // 2) * gap * part).astype(np.float32)
            around = np.maximum(base + offsets[:, None, None], np.float32(labels[0] / 2))
            label, _ = self._chosen(costs(own, others, around, self.window), own.grey)
            inverse = base + (label - count // 2) * np.float32(gap * part)
        return (1 / np.maximum(inverse, np.float32(labels[0] / 2))).astype(np.float32)

    def _chosen(self, volume: NDArray[np.int16], grey: Levels) -> tuple[Levels, NDArray[np.int16]]:
        return between(aggregated(volume, grey, self.small, self.large, self.edge))

    def _all(
        self, work: Callable[[int], Any], count: int, stage: str, progress: Progress
    ) -> Iterator[Any]:
        """work(i) of each i in order, on threads."""
        threads = self.threads or os.cpu_count() or 1
        waiting: deque[Future[Any]] = deque()
        with ThreadPoolExecutor(threads) as pool:
            waiting.extend(pool.submit(work, i) for i in range(count))
            for i in range(count):
                progress(stage, i, count)
                yield waiting.popleft().result()
        progress(stage, count, count)


def _smoothed(inverse: Levels) -> Levels:
    """Without the steps that planes leave in it, and as sharp at edges."""
    import cv2

    return np.asarray(cv2.medianBlur(inverse, 5), np.float32)
