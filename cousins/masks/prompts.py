"""What is asked of a picture: for each thing that geometry found, the whole of it and its parts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cousins.masks import Prompt
from cousins.masks.keyframes import View
from cousins.types import Array

FEW = 20  # cells of a thing in view: less of it says nothing of what it is
PATCH = 0.05  # m: things of half that are not asked for on their own
MOST = 8  # parts of a thing that are asked for
EDGES = (1.0, 99.0)  # percent of a thing's pixels: the outermost may be its neighbour's
MARGIN = 2.0  # pixels that a box is larger on each side


def prompts(view: View, cells: Array, normals: Array, of: NDArray[np.intp]) -> tuple[Prompt, ...]:
    """For each thing in view a box about it with its middle, and points on its patches alone.

    cells, normals: (n, 3). of: (n,) the thing that each is of. Where geometry took two things for
    one, the box shows both and the points each; where it took one for two, each box shows a part.
    """
    rows, pixel = view.cell, view.pixel
    out = []
    for thing in range(int(of.max(initial=-1)) + 1):
        mine = of[rows] == thing
        if mine.sum() < FEW:
            continue
        at, where = pixel[mine], rows[mine]
        low, high = np.percentile(at, EDGES, axis=0)
        box = np.concatenate([np.maximum(low - MARGIN, 0),
                              np.minimum(high + MARGIN, np.array(view.size) - 1)])  # fmt: skip
        out.append(Prompt(_middle(at)[None], box))
        out += [
            Prompt(_middle(at[patch])[None]) for patch in _patches(cells[where], normals[where])
        ]
    return tuple(out)


def _middle(at: NDArray[np.intp]) -> Array:
    """(2,) the one of pixels (n, 2) that lies nearest to their middle."""
    away = np.linalg.norm(at - np.median(at, axis=0), axis=1)
    return at[int(away.argmin())].astype(float)


def _patches(points: Array, normals: Array) -> list[NDArray[np.intp]]:
    """The rows of the largest patches: of one facing, and within a cube of PATCH."""
    axis = np.abs(normals).argmax(1)
    side = 2 * axis + (normals[np.arange(len(normals)), axis] > 0)
    keys = np.column_stack([np.floor(points / PATCH).astype(int), side])
    _, label, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(-count, kind="stable")[:MOST]
    return [np.flatnonzero(label.ravel() == i) for i in order if count[i] >= FEW]
