"""True masks of a film, and the errors that networks make: a masker whose answers are known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins import raycast
from cousins.bodies import movable
from cousins.masks import Masks, Prompt
from cousins.phone import Phone, middle, poses, stand
from cousins.types import Array, Frame

LEAST = 30  # pixels of an object that a picture shows


@dataclass(frozen=True)
class Errors:
    """Of the masks of a picture. dropped: share that is missing; merged: share that holds the
    nearest other object as well; shift: px by which each is moved; wrong: share of the pictures in
    which every prompt is answered with another object's mask."""

    dropped: float = 0.0
    merged: float = 0.0
    shift: float = 0.0
    wrong: float = 0.0


@dataclass(frozen=True)
class TrueMasks:
    """A masker that knows the pictures of one film. ids: of each picture, by `key`, (h, w) the
    object that each pixel shows, -1 for none."""

    ids: Mapping[str, NDArray[np.int16]] = field(repr=False)
    errors: Errors = Errors()
    seed: int = 0

    def __call__(self, picture: NDArray[np.uint8], prompts: Sequence[Prompt]) -> Masks:
        """Raises KeyError for a picture of another film."""
        name = key(picture)
        ids = self.ids[name]
        rng = np.random.default_rng([self.seed, int(name[:8], 16)])
        shown = [i for i in range(ids.max() + 1) if (ids == i).sum() >= LEAST]
        masks = {i: self._blurred(rng, ids, i, shown) for i in shown}
        turn = dict(zip(shown, shown[1:] + shown[:1], strict=True))
        wrong = rng.random() < self.errors.wrong
        out, which = [], []
        for k, prompt in enumerate(prompts):
            i = _meant(ids, prompt, shown)
            mask = None if i is None else masks[turn[i] if wrong else i]
            if mask is not None:
                out.append(mask)
                which.append(k)
        found = np.array(out, bool).reshape(-1, *ids.shape)
        return Masks(found, np.ones(len(found)), np.array(which, np.intp))

    def _blurred(
        self, rng: np.random.Generator, ids: NDArray[np.int16], i: int, shown: list[int]
    ) -> NDArray[np.bool_] | None:
        dropped, merged, turn = rng.random(3)
        if dropped < self.errors.dropped:
            return None
        mask = ids == i
        others = [j for j in shown if j != i]
        if merged < self.errors.merged and others:
            at = np.argwhere(mask).mean(0)
            away = [np.linalg.norm(np.argwhere(ids == j) - at, axis=1).min() for j in others]
            mask = mask | (ids == others[int(np.argmin(away))])
        along = np.array([np.sin(2 * np.pi * turn), np.cos(2 * np.pi * turn)])
        return _shifted(mask, np.rint(self.errors.shift * along).astype(int))


def _shifted(mask: NDArray[np.bool_], by: NDArray[np.intp]) -> NDArray[np.bool_]:
    out = np.zeros_like(mask)
    rows, columns = np.nonzero(mask)
    rows, columns = rows + by[0], columns + by[1]
    within = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
    out[rows[within], columns[within]] = True
    return out


def _meant(ids: NDArray[np.int16], prompt: Prompt, shown: list[int]) -> int | None:
    """The object that a prompt means: the one that its box fits best, else that under its point."""
    if prompt.box is None:
        x, y = np.rint(prompt.points[0]).astype(int)
        i = int(ids[y, x])
        return i if i in shown else None
    fits = []
    for i in shown:
        rows, columns = np.nonzero(ids == i)
        own = np.array([columns.min(), rows.min(), columns.max(), rows.max()])
        fits.append(_overlap(own, np.asarray(prompt.box)))
    return shown[int(np.argmax(fits))] if fits and max(fits) > 0 else None


def _overlap(a: Array, b: Array) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    both = np.prod(np.maximum(high - low, 0))
    return float(both / max(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both, 1e-9))


def key(picture: NDArray[np.uint8]) -> str:
    """What a picture is known by."""
    return hashlib.sha256(np.ascontiguousarray(picture).tobytes()).hexdigest()


def true_masks(
    model: mujoco.MjModel, phone: Phone, frames: Iterable[Frame], errors: Errors | None = None
) -> TrueMasks:
    """The masker of the film that `phone` made of `model`, whose frames are given as they are shown
    to a masker; they have pictures. Their index is that of the film where no frame is missing."""
    data = stand(model)
    stage, true = raycast.stage(model, data), poses(phone, phone.walk.target or middle(model, data))
    body = np.full(model.ngeom + 1, -1, np.int16)  # the last is nothing's
    for i, b in enumerate(movable(model)):
        body[:-1][model.geom_bodyid == b] = i
    if phone.rig.colour_from_depth is not None:
        true = true @ np.linalg.inv(phone.rig.colour_from_depth)
    ids = {}
    for frame in frames:
        assert frame.colour is not None
        seen = raycast.depth(stage, frame.colour_intrinsics, true[frame.index])
        ids[key(frame.colour)] = body[seen.geom]
    return TrueMasks(ids, errors or Errors())
