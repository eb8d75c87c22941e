"""What pictures without depth hold: whether they are sharp, and far enough apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.progress import Progress, silent
from cousins.survey.looks import COLUMNS, MOST, blurred, edge_width, smaller
from cousins.types import Array, Photos

CORNERS = 400  # followed from picture to picture
TRACKED = 40  # fewer tell no motion
MANY = 0.2  # of the pictures
FEW = 20  # pictures: neighbours on a whole way round are then 18 degrees apart
PARALLAX = 1.5  # px: less is what a camera that only turns gives, and rounding


@dataclass(frozen=True)
class PhotoSurvey:
    """What a set of pictures holds, and what to film again, the most useful first.

    looked_at: how many pictures were, evenly apart. blurred: share of those. edge_px: median width
    of their edges, at 640 columns; 2.7 is sharp. step: median way of the picture to the next one,
    as a share of its width, and parallax_px: what of it no turning of the camera explains; of
    pictures that follow one another and show the same, else None. posed: poses came with them;
    extent: of their positions, m where `metric`.
    """

    path: str
    layout: str
    pictures: int
    looked_at: int
    names: tuple[str, str]
    size: tuple[int, int]
    ordered: bool
    blurred: float | None
    blurriest: tuple[str, ...]
    edge_px: float | None
    step: float | None
    parallax_px: float | None
    posed: bool
    metric: bool
    extent: tuple[float, float, float] | None
    film_again: tuple[str, ...]
    warnings: tuple[str, ...]


def survey_photos(photos: Photos, progress: Progress = silent) -> PhotoSurvey:
    """Looks at MOST or fewer of the pictures, evenly apart, in one pass."""
    every = max(1, -(-len(photos) // MOST))
    numbers: list[int] = []
    edges: list[float] = []
    steps: list[tuple[float, float]] = []
    for i, step, edge in _streamed(photos, every, progress):
        numbers.append(i)
        edges.append(edge)
        if step is not None:
            steps.append(step)
    widths = np.array(edges)
    bad, told = blurred(widths), bool(np.isfinite(widths).any())
    worst = sorted(np.flatnonzero(bad), key=lambda k: -widths[k])[:3]
    share, parallax = np.median(steps, axis=0) if steps else (None, None)
    survey = PhotoSurvey(
        path=str(photos.path),
        layout=photos.layout,
        pictures=len(photos),
        looked_at=len(numbers),
        names=(photos.names[0], photos.names[-1]),
        size=photos.size,
        ordered=photos.ordered,
        blurred=round(float(bad.mean()), 3) if told else None,
        blurriest=tuple(photos.names[numbers[k]] for k in worst),
        edge_px=round(float(np.nanmedian(widths)), 1) if told else None,
        step=None if share is None else round(float(share), 3),
        parallax_px=None if parallax is None else round(float(parallax), 1),
        posed=photos.poses is not None,
        metric=photos.metric,
        extent=None if photos.poses is None else _extent(photos.poses),
        film_again=(),
        warnings=photos.warnings,
    )
    return PhotoSurvey(**{**vars(survey), "film_again": _film_again(survey)})


def _streamed(
    photos: Photos, every: int, progress: Progress
) -> Iterator[tuple[int, tuple[float, float] | None, float]]:
    """Number, motion since the picture before it, and edge width of each picture looked at."""
    last: NDArray[np.uint8] | None = None
    for i, picture in enumerate(photos.pictures()):
        if i % every == 0:
            small = smaller(picture, COLUMNS)
            step = motion(last, small) if last is not None and photos.ordered else None
            yield i, step, edge_width(small)
            last = small
        progress("looking", i + 1, len(photos))


def motion(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> tuple[float, float] | None:
    """How far corners of picture a (h, w, 3) went to b: as a share of the width, and by how many
    pixels from where a turn of the camera, or a plane, would take them; medians. None where too
    few are found again."""
    import cv2

    before, after = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (a, b))
    corners = cv2.goodFeaturesToTrack(before, CORNERS, 0.01, 8)
    if corners is None or len(corners) < TRACKED or before.shape != after.shape:
        return None
    moved, found, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, corners.copy())
    kept = found.ravel() > 0
    if kept.sum() < TRACKED:
        return None
    p, q = corners[kept].reshape(-1, 2), moved[kept].reshape(-1, 2)
    cv2.setRNGSeed(0)
    plane, _ = cv2.findHomography(p, q, cv2.RANSAC, 2.0)
    if plane is None:
        return None
    off = cv2.perspectiveTransform(p[:, None], plane)[:, 0] - q
    # The upper quartile: most corners lie on one plane, a table's, and parallax is in the rest.
    parallax = float(np.percentile(np.linalg.norm(off, axis=1), 75))
    return float(np.median(np.linalg.norm(q - p, axis=1))) / a.shape[1], parallax


def _extent(poses: Array) -> tuple[float, float, float]:
    x, y, z = (round(float(v), 2) for v in np.ptp(poses[:, :3, 3], axis=0))
    return x, y, z


def _film_again(s: PhotoSurvey) -> tuple[str, ...]:
    lines = []
    if s.pictures < FEW:
        lines.append(f"there are {s.pictures} pictures only; take {FEW} or more, all the way round")
    if s.blurred is not None and s.blurred > MANY:
        lines.append(
            f"{s.blurred:.0%} of the pictures are blurred ({', '.join(s.blurriest)}); move more "
            "slowly, with more light"
        )
    if s.parallax_px is not None and s.parallax_px < PARALLAX and not s.posed:
        lines.append(
            "the camera turns more than it moves, which tells no depth; walk round the things"
        )
    return tuple(lines)
