"""Which pictures are held against one another: all of a few, else those that look alike.

Likeness is that of VLAD descriptors (Jégou et al. 2010, "Aggregating local descriptors into a
compact image representation"), with words learnt from these very pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cousins.types import Array

WORDS = 64
SAMPLE = 20_000  # descriptors that the words are learnt from
NEXT = (1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32)  # in time: to the fifth all, then further and further


def pairs(
    descriptors: Sequence[NDArray[np.uint8]], ordered: bool, every: int, alike: int
) -> NDArray[np.int64]:
    """(k, 2) rising indices of the pictures that are to be matched.

    descriptors: for each picture (f, 128). ordered: they follow one another in time, and are held
    against the next ones and the `alike` that look most alike, which closes loops. Others: all
    against all up to `every` pictures, beyond that the `alike` that look most alike.
    """
    n = len(descriptors)
    if not ordered and n <= every:
        return np.stack(np.triu_indices(n, 1), axis=1).astype(np.int64)
    found = {(i, i + d) for d in NEXT for i in range(n - d)} if ordered else set()
    looks = likeness(descriptors)
    np.fill_diagonal(looks, -np.inf)
    nearest = np.argsort(-looks, axis=1, kind="stable")[:, : min(alike, n - 1)]
    for i, others in enumerate(nearest.tolist()):
        found |= {(min(i, j), max(i, j)) for j in others}
    return np.array(sorted(found), np.int64)


def likeness(descriptors: Sequence[NDArray[np.uint8]]) -> Array:
    """(n, n) how alike pictures look, -1 to 1."""
    import cv2

    rng = np.random.default_rng(0)
    share = [d[rng.permutation(len(d))[: SAMPLE // len(descriptors) + 1]] for d in descriptors]
    sample = np.concatenate(share).astype(np.float32)
    cv2.setRNGSeed(0)
    stop = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 20, 1.0)
    words = cv2.kmeans(sample, min(WORDS, len(sample)), np.empty(0), stop, 1,
                       cv2.KMEANS_PP_CENTERS)[2]  # fmt: skip
    words = np.asarray(words, np.float32)
    looks = np.stack([_vlad(d.astype(np.float32), words) for d in descriptors])
    return looks @ looks.T


def _vlad(descriptors: NDArray[np.float32], words: NDArray[np.float32]) -> Array:
    """What a picture's descriptors differ from their words by, summed word by word, unit length."""
    out = np.zeros(words.shape)
    if len(descriptors):
        word = np.argmax(descriptors @ words.T - 0.5 * (words**2).sum(1), axis=1)
        np.add.at(out, word, descriptors - words[word])
        out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
    return out.ravel() / max(float(np.linalg.norm(out)), 1e-9)
