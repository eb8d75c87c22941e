"""Which pictures to take: sharp ones, with enough parallax between them and no more than needed.

One pass over the pictures, made small, holding two of them. A video's way through the picture is
measured by points that are tracked (Lucas and Kanade 1981), and divided into equal stretches; the
sharpest picture of each is taken. Sharpness is the variance of the Laplacian (Pech-Pacheco et al.
2000), comparable only among pictures of the same things: neighbours in time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.errors import ScanError
from cousins.progress import Progress, silent
from cousins.types import Array, Photos

FEWEST = 3  # two pictures give a pair, whose depth nothing confirms
_Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class Picked:
    """chosen (k,): indices among the photos, rising. warnings: which were left out, and why."""

    chosen: NDArray[np.int64]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pick:
    """Chooses among `Photos`.

    most: pictures of a video. step: how far its points move from one chosen picture to the next, as
    a share of the picture's width; features are found again over several such steps. width: of the
    small pictures, px. blurred: a single photo is left out below this share of the median
    sharpness: a stroke of blur over k pixels costs about a factor of k squared, and photos of
    different things differ by three or four.
    """

    most: int = 100
    step: float = 0.04
    width: int = 480
    blurred: float = 0.08

    def __call__(self, photos: Photos, progress: Progress = silent) -> Picked:
        """What to take. Raises ScanError for less than three pictures."""
        picked = self._of_video(photos, progress) if photos.ordered else self._of_photos(
            photos, progress
        )  # fmt: skip
        if len(picked.chosen) < FEWEST:
            raise ScanError(
                f"{photos.path}: {len(picked.chosen)} of {len(photos)} pictures show something new:"
                " walk round the things while you film, with the camera on them"
            )
        return picked

    def _of_video(self, photos: Photos, progress: Progress) -> Picked:
        sharp, travel = [], _Travel()
        way = []
        for small in self._small(photos, progress):
            sharp.append(sharpness(small))
            way.append(travel(small))
        return Picked(stretches(np.array(sharp), np.array(way), self.step, self.most))

    def _of_photos(self, photos: Photos, progress: Progress) -> Picked:
        sharp: list[float] = []
        hashes: list[bytes] = []
        for small in self._small(photos, progress):
            sharp.append(sharpness(small))
            hashes.append(hashlib.sha256(small.tobytes()).digest())
        keep = np.ones(len(sharp), bool)
        first: dict[bytes, int] = {}
        said = []
        for i, value in enumerate(hashes):
            if first.setdefault(value, i) != i:
                keep[i] = False
                said.append(f"{photos.names[i]}: the same as {photos.names[first[value]]}")
        least = self.blurred * np.median(np.array(sharp)[keep])
        for i in np.flatnonzero(keep & (np.array(sharp) < least)):
            keep[i] = False
            said.append(f"{photos.names[i]}: blurred")
        return Picked(np.flatnonzero(keep).astype(np.int64), tuple(f"{s}, left out" for s in said))

    def _small(self, photos: Photos, progress: Progress) -> Iterator[_Grey]:
        """Every picture in grey, `width` px wide or less."""
        import cv2

        w, h = photos.size
        scale = min(1.0, self.width / max(w, h))
        size = max(1, round(w * scale)), max(1, round(h * scale))
        for i, picture in enumerate(photos.pictures()):
            progress("look at pictures", i, len(photos))
            grey = cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA),
                                cv2.COLOR_RGB2GRAY)  # fmt: skip
            yield np.asarray(grey, np.uint8)
        progress("look at pictures", len(photos), len(photos))


def sharpness(grey: _Grey) -> float:
    """The variance of the Laplacian of (h, w) grey levels."""
    import cv2

    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


def stretches(sharp: Array, way: Array, step: float, most: int) -> NDArray[np.int64]:
    """Indices of the sharpest picture in each stretch of the way, rising.

    sharp (n,): larger is sharper. way (n,): how far the picture has moved since the first, rising.
    At most `most` stretches of equal length, none shorter than `step`; an empty one gives nothing.
    """
    count = int(np.clip(np.floor(way[-1] / step) + 1, 1, min(most, len(way))))
    length = max(way[-1] / count, np.finfo(float).tiny)
    place = np.minimum((way / length).astype(int), count - 1)
    order = np.lexsort((np.arange(len(sharp)), -sharp, place))
    return np.sort(order[np.unique(place[order], return_index=True)[1]]).astype(np.int64)


class _Travel:
    """How far the picture has moved since the first, in widths: the median of tracked points.

    Measured from a picture that stays the reference while most of its points are found again, so
    that a hand's tremor, which comes back, does not add up.
    """

    REFERENCE = 0.1  # widths that the points may move before new ones are taken

    def __init__(self) -> None:
        self.done = self.most = 0.0
        self.last: Any = None
        self.start: Any = None
        self.now: Any = None

    def __call__(self, grey: _Grey) -> float:
        import cv2

        if self.last is None:
            self._refer(grey)
            return 0.0
        found = None
        if len(self.now) >= 8:
            found, status, _ = cv2.calcOpticalFlowPyrLK(
                self.last, grey, self.now, np.empty_like(self.now)
            )
            good = status.ravel() == 1
        if found is None or good.sum() < max(8, 0.5 * len(self.now)):
            # Nothing is found again: a jump, which is worth a picture on either side.
            self.done = self.most = self.most + self.REFERENCE
            self._refer(grey)
            return self.most
        self.start, self.now, self.last = self.start[good], found[good], grey
        moved = np.linalg.norm(self.now - self.start, axis=-1) / max(grey.shape)
        far = float(np.median(moved))
        self.most = max(self.most, self.done + far)
        if far > self.REFERENCE:
            self.done = self.most
            self._refer(grey)
        return self.most

    def _refer(self, grey: _Grey) -> None:
        import cv2

        points = cv2.goodFeaturesToTrack(grey, 400, 0.01, 6)
        self.start = self.now = np.zeros((0, 1, 2), np.float32) if points is None else points
        self.last = grey
