"""From what geometry found to what pictures say of it: key frames, prompts, masks, a vote."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.cache import Cache, digest
from cousins.masks import Masker
from cousins.masks.keyframes import View, chosen, seen, smaller
from cousins.masks.prompts import prompts
from cousins.masks.vote import Vote, lifted, vote
from cousins.progress import Progress, silent
from cousins.segment.patches import means, thinned, unit
from cousins.types import Array, Frame

CELL = 0.004  # of the surface on which is voted, m
CANDIDATES = 60  # frames among which the key frames are chosen


@dataclass(frozen=True)
class Ask:
    """How pictures are asked. least, most: how many of them; longest: side they are shown with,
    pixels: networks look at no more."""

    least: int = 5
    most: int = 10
    longest: int = 1024

    def __call__(
        self,
        masker: Masker,
        frames: Callable[[], Iterator[Frame]],
        count: int,
        points: Array,
        normals: Array,
        of: NDArray[np.intp],
        max_range: float,
        cache: Cache,
        key: str,
        progress: Progress = silent,
    ) -> tuple[Vote, NDArray[np.intp]]:
        """What the pictures of frames say of points (n, 3), and the cell (n,) of the vote that each
        is in.

        frames: `count` of them, of the points' world, streamed anew at each call, with pictures.
        of: (n,) the thing that geometry has each point for. What a picture said is kept in `cache`
        under `key`, for a network takes seconds.
        """
        index = thinned(points, normals, CELL)
        cells, facing = means(points, index), unit(means(normals, index))
        thing = np.zeros(len(cells), np.intp)
        thing[index] = of
        asked = hashlib.sha256(cells.tobytes() + thing.tobytes()).hexdigest()
        views, rows = [], []
        for frame in self._keyframes(frames, count, cells, facing, max_range):
            view = seen(frame, cells, facing, max_range)
            views.append(view)
            name = f"masks{frame.index}"
            own = digest(key, asked, repr(self), repr(masker), frame.index)
            kept = cache.load(name, own)
            if kept is None:
                kept = {"rows": np.packbits(_asked(masker, frame, view, cells, facing, thing), 1)}
                cache.save(name, own, **kept)
            rows.append(np.unpackbits(kept["rows"], axis=1, count=len(cells)).astype(bool))
            progress("masks", len(views), self.most)
        progress("masks", self.most, self.most)
        shown = np.array([view.cells(len(cells)) for view in views])
        return vote(shown.reshape(-1, len(cells)), rows, cells), index

    def _keyframes(
        self,
        frames: Callable[[], Iterator[Frame]],
        count: int,
        cells: Array,
        facing: Array,
        max_range: float,
    ) -> Iterator[Frame]:
        every = max(1, count // CANDIDATES)
        shown, index = [], []
        for i, frame in enumerate(frames()):
            if i % every == 0:
                shown.append(seen(frame, cells, facing, max_range).cells(len(cells)))
                index.append(i)
        wanted = {index[i] for i in chosen(shown, self.least, self.most)}
        for i, frame in enumerate(frames()):
            if i in wanted:
                yield smaller(frame, self.longest)


def _asked(
    masker: Masker, frame: Frame, view: View, cells: Array, normals: Array, of: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """(m, n) what of n cells lies in each of the masks that one frame has for them."""
    asked = prompts(view, cells, normals, of)
    if not asked:
        return np.zeros((0, len(cells)), bool)
    assert frame.colour is not None
    return lifted(view, masker(frame.colour, asked), len(cells))[0]
