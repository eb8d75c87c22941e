"""One pass over a capture's frames: what is measured on each alone, and the frames made small."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cousins.progress import Progress
from cousins.reconstruct.depth import coarser
from cousins.types import Array, Frame

MOST = 90  # frames or pictures looked at: as many as a minute's walk round a table needs
COLUMNS = 640  # of the pictures looked at; their sharpness is measured in pixels of that
DEPTH_COLUMNS = 320  # of the depth images, likewise
IDEAL = 8 / 3  # px: what `edge_width` gives for a step from one pixel to the next
REACH = 31  # px along which an edge's two sides are looked for
CONTRAST = 40  # of 255: an edge that stands out of grain
EDGES = 50  # fewer tell nothing: a picture of a bare wall
BLURRED = 1.5  # times the width of the capture's sharpest pictures
SMEARED = 2.0  # times IDEAL: blurred, even where all pictures are


@dataclass(frozen=True)
class Look:
    """One frame. number: in the capture. frame: made small, and numbered anew.

    known: share of the depth pixels with depth within `max_range`; sure: share of those of which
    the phone is sure, or None. distance: median depth in the middle of the image, m; 0: none.
    edge: width of the picture's edges, px (see `edge_width`), or NaN.
    """

    number: int
    frame: Frame
    known: float
    sure: float | None
    distance: float
    edge: float


def gather(
    frames: Iterable[Frame], count: int, max_range: float, progress: Progress
) -> tuple[tuple[Look, ...], Array, tuple[int, int] | None, tuple[int, int]]:
    """Looks at MOST or fewer of `count` frames, evenly apart; the times (count,) of all of them;
    and (width, height) of pictures, if any, and of depth images."""
    every = -(-count // MOST)
    looks: list[Look] = []
    times: list[float] = []
    picture: tuple[int, int] | None = None
    depth = (0, 0)
    for i, frame in enumerate(frames):
        times.append(frame.time)
        if i % every == 0:
            looks.append(_look(frame, len(looks), i, max_range))
            depth = frame.depth.shape[1], frame.depth.shape[0]
            if frame.colour is not None:
                picture = frame.colour.shape[1], frame.colour.shape[0]
        progress("looking", i + 1, count)
    return tuple(looks), np.array(times), picture, depth


def _look(frame: Frame, index: int, number: int, max_range: float) -> Look:
    depth = frame.depth
    known = np.isfinite(depth) & (depth > 0.1) & (depth < max_range)
    share = float(known.mean())
    sure = None
    if frame.confidence is not None:
        sure = float((frame.confidence[known] == 2).mean()) if known.any() else 0.0
    h, w = depth.shape
    inner = (slice(h // 4, h - h // 4), slice(w // 4, w - w // 4))
    ahead = depth[inner][known[inner]]
    distance = float(np.median(ahead)) if len(ahead) else 0.0
    small = replace(coarser(frame, DEPTH_COLUMNS), index=index)
    edge = float("nan")
    if small.colour is not None:
        picture = smaller(small.colour, COLUMNS)
        lens = small.colour_intrinsics.scaled(picture.shape[1], picture.shape[0])
        small = replace(small, colour=picture, colour_intrinsics=lens)
        edge = edge_width(picture)
    return Look(number, small, share, sure, distance, edge)


def smaller(picture: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """(h, w, 3) the picture with at most so many columns."""
    import cv2

    h, w = picture.shape[:2]
    if w <= columns:
        return picture
    size = columns, round(h * columns / w)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def edge_width(picture: NDArray[np.uint8]) -> float:
    """How wide the strong edges of a picture (h, w, 3) are, px: IDEAL where they are sharp, wider
    by what motion or focus smears; NaN where there are too few.

    The contrast across an edge over its slope (Marziliano et al. 2002), as a median over the
    edges, of those that run up and those that run across, whichever are wider: motion smears one
    way. Unlike the picture's detail, it does not hang on what is in view.
    """
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    grey = cv2.GaussianBlur(grey, (3, 3), 0).astype(np.float32)
    slopes = [np.abs(cv2.Sobel(grey, cv2.CV_32F, 1 - a, a, ksize=3, scale=1 / 8)) for a in (0, 1)]
    widths = []
    for along in (0, 1):
        window = np.ones((1, REACH) if along == 0 else (REACH, 1), np.uint8)
        contrast = cv2.dilate(grey, window) - cv2.erode(grey, window)
        slope = slopes[along]
        steepest = slope >= cv2.dilate(slope, window)
        edge = steepest & (contrast > CONTRAST) & (slope > slopes[1 - along])
        if edge.sum() >= EDGES:
            widths.append(float(np.median(contrast[edge] / slope[edge])))
    return max(widths, default=float("nan"))


def blurred(edges: Array) -> NDArray[np.bool_]:
    """(n,) which pictures are blurred, by the widths of their edges (n,) against one another."""
    if not np.isfinite(edges).any():
        return np.zeros(len(edges), bool)
    # The tenth percentile and not the least, which a picture of little may have.
    best = float(np.nanpercentile(edges, 10))
    with np.errstate(invalid="ignore"):
        return edges > min(BLURRED * max(best, IDEAL), SMEARED * IDEAL)


def streamed(looks: Sequence[Look]) -> Callable[[], Iterator[Frame]]:
    """The small frames as `Capture.frames` gives them."""
    return lambda: (look.frame for look in looks)
