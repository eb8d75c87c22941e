"""Depth for pictures that have none: multi-view stereo on a CPU, by numpy and OpenCV alone.

Each view is held against some that show the same from about ten degrees aside. A plane sweep says
how well they fit at each depth (`sweep`), semi-global matching chooses depths that are even where
pictures tell little (`paths`), and a second, finer pass about the surface that was found takes the
slope of things into account. What other views' depths do not bear out is left unknown (`agree`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cousins.errors import ScanError
from cousins.photos import agree
from cousins.photos.neighbours import ground, levels, neighbours, slope_of, sweep
from cousins.photos.paths import FULL, Costs, aggregated, between
from cousins.photos.sweep import SIZE, Levels, Picture, costs, edges
from cousins.progress import Progress, silent
from cousins.types import Array, Capture, Frame, Photos, Views

MOST_THREADS = 8  # each holds costs of some 100 MB


@dataclass(frozen=True)
class Stereo:
    """Depth maps from posed pictures.

    width: of the depth maps, px. others: views that each is held against. step: px by which what is
    seen moves from one plane to the next; most: planes. small, large: prices of a depth that is one
    plane off the neighbour's, or more, in `paths`; edge: grey levels, at an edge of so many large
    is halved. fine: (labels, planes between them) of the passes about the surface that was found.
    sure: likeness, 0 to 1, from which a window tells its depth; between such windows what lies on a
    straight line is believed as well, beyond them nothing is.
    within: share of its depth by which another view's may differ to bear it out; witnesses: how
    many must. speckle: smaller patches are left out, px. threads: any number gives the same.
    """

    width: int = 320
    others: int = 8
    step: float = 0.75
    most: int = 192
    small: int = 40
    large: int = 400
    edge: float = 8.0
    fine: tuple[tuple[int, float], ...] = ((9, 0.25),)
    sure: float = 0.3
    within: float = 0.01
    witnesses: int = 3
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
        flat = ground(views.points, views.poses, views.up)
        flats = levels(views.points, flat, views.poses)
        raw = [folder / f"raw_{i:06d}.npy" for i in range(len(views))]
        out = tuple(folder / f"{i:06d}.npy" for i in range(len(views)))

        def matched(i: int) -> bool:
            others = [pictures[j] for j in chosen[i]]
            depth = self._matched(pictures[i], others, views.points, flats)
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
            depth = agree.without_rims(depth, self.within, SIZE)
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

    def _matched(self, own: Picture, others: list[Picture], points: Array, flats: Array) -> Levels:
        """(h, w) depth by matching alone, 0 all over where there is nothing to match with."""
        if len(others) < 2:
            return np.zeros_like(own.grey)
        poses = np.stack([other.pose for other in others])
        flat = flats[0] if len(flats) else None
        planes = sweep(points, flat, own.pose, poses, own.camera, self.step, self.most)
        if planes is None:
            return np.zeros_like(own.grey)
        h, w = own.grey.shape
        gap = planes.labels[1] - planes.labels[0]
        u, v = np.arange(w), np.arange(h)[:, None]

        def inverse_on(plane: Array) -> Levels:
            return np.asarray(plane[0] * u + plane[1] * v + plane[2], np.float32)

        slope = inverse_on(planes.slope)
        volume = costs(own, others, planes.labels, planes.slope)
        for d, label in enumerate(planes.labels):
            volume[:, d][(slope + label < planes.low) | (slope + label > planes.high)] = 2 * FULL
        label, cost = self._chosen(volume, own.grey)
        inverse = np.asarray(slope + planes.labels[0] + gap * label, np.float32)
        least = np.float32(planes.low / 2)
        for count, part in self.fine:
            base = _smoothed(inverse)
            offsets = ((np.arange(count) - count // 2) * gap * part).astype(np.float32)
            around = np.maximum(base + offsets[:, None, None], least)
            label, cost = self._chosen(costs(own, others, around), own.grey)
            inverse = np.asarray(base + (label - count // 2) * (gap * part), np.float32)
        told = sure = cost < FULL * (1 - self.sure)
        # What nothing is to be seen on goes on as what is beside it, or is level ground.
        for guess in (inverse, *(inverse_on(slope_of(p, own.pose, own.camera)) for p in flats)):
            more = agree.spanned(guess, inverse, sure, self.within) & ~told & (guess > least)
            inverse = np.where(more, guess, inverse).astype(np.float32)
            told = told | more
        return np.where(told, 1 / np.maximum(inverse, least), 0).astype(np.float32)

    def _chosen(self, volume: Costs, grey: Levels) -> tuple[Levels, Costs]:
        """(h, w) labels and what they cost by themselves."""
        price = np.maximum(self.large / (1 + edges(grey) / self.edge), self.small)
        label = between(aggregated(volume, price.astype(np.int16), self.small))
        nearest = np.rint(label).astype(np.intp)[:, None]
        return label, np.take_along_axis(volume, nearest, axis=1)[:, 0]

    def _all(
        self, work: Callable[[int], Any], count: int, stage: str, progress: Progress
    ) -> Iterator[Any]:
        """work(i) of each i in order, on threads."""
        threads = self.threads or min(MOST_THREADS, os.cpu_count() or 1)
        with ThreadPoolExecutor(threads) as pool:
            waiting = [pool.submit(work, i) for i in range(count)]
            try:
                for i, future in enumerate(waiting):
                    progress(stage, i, count)
                    yield future.result()
            finally:
                pool.shutdown(cancel_futures=True)
        progress(stage, count, count)


def capture(views: Views, depths: Sequence[Path], photos: Photos) -> Capture:
    """The RGB-D capture that views and their depth maps (`Stereo`) make up, of the `photos` that
    they come from; views without any depth are left out, with a warning.

    It says nothing of confidence: what is not sure is unknown already.
    """
    keep = [i for i, path in enumerate(depths) if np.load(path, mmap_mode="r").any()]
    lost = len(depths) - len(keep)
    note = f"{lost} of {len(depths)} pictures gave no depth and are left out"
    return Capture(
        path=photos.path,
        layout=photos.layout,
        poses=views.poses[keep],
        up=views.up,
        sha256=photos.sha256,
        frames=partial(_frames, views, tuple(depths), keep),
        warnings=views.warnings + ((note,) if lost else ()),
        metric=views.metric,
        scale_source=views.scale_source,
    )


def _frames(views: Views, depths: Sequence[Path], keep: Sequence[int]) -> Iterator[Frame]:
    place = {i: k for k, i in enumerate(keep)}
    for i, picture in enumerate(views.pictures()):
        if i not in place:
            continue
        depth = np.asarray(np.load(depths[i]), np.float32)
        h, w = depth.shape
        yield Frame(
            index=place[i],
            time=float(views.chosen[i]),
            world_from_camera=views.poses[i],
            depth=depth,
            depth_intrinsics=views.camera.scaled(w, h),
            colour=picture,
            colour_intrinsics=views.camera,
        )


def _smoothed(inverse: Levels) -> Levels:
    """Without the steps that planes leave in it, and as sharp at edges."""
    import cv2

    return np.asarray(cv2.medianBlur(inverse, 5), np.float32)
