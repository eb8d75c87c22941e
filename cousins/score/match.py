"""Which found object is which true one: told by how much of each surface lies on the other.

Bounding boxes mislead for what lies diagonally, is thin, or stands inside something else; and the
volumes of thin shells hardly overlap when they are a wall's thickness apart. So points on every
surface vote for the nearest surface of the other set, and the votes are counted as Hoover et al.
count pixels in "An experimental comparison of range image segmentation algorithms", 1996: correct,
over-segmented, under-segmented, missed, noise, at one tolerance on the shares.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.mesh import shell_moments
from cousins.types import Array, Mesh

SPACING = 0.003  # m between points: alike on every surface, so that none draws votes by density
REACH = 0.010  # m: what lies farther from every surface of the other set lies on none
SHARE = 0.6  # of a surface; Hoover et al. go from 0.51 to 0.95. Two equals in one have 0.5 each


@dataclass(frozen=True)
class Matching:
    """Indices of true and found objects.

    pairs (true, found): at least SHARE of each surface lies on the other, so that each index is in
    one pair at most. over: a true object and the two or more found ones that lie on it. under: a
    found object and the two or more true ones that lie on it. An index may be in a pair as well:
    the main piece of what fell apart. missed: true ones that are in none of the three; invented:
    found ones that are in none.
    """

    pairs: tuple[tuple[int, int], ...]
    over: tuple[tuple[int, tuple[int, ...]], ...]
    under: tuple[tuple[int, tuple[int, ...]], ...]
    missed: tuple[int, ...]
    invented: tuple[int, ...]


def match(true: Sequence[Mesh], found: Sequence[Mesh]) -> Matching:
    """Compares meshes in one world. Deterministic; the order of either changes only the indices."""
    a, b = ([surface(m, _count(m)) for m in meshes] for meshes in (true, found))
    true_on_found, found_on_true = shares(a, b) >= SHARE, (shares(b, a) >= SHARE).T
    pairs = _indices(true_on_found & found_on_true)
    over = tuple((i, js) for i, row in enumerate(found_on_true)
                 if len(js := _where(row)) > 1)  # fmt: skip
    under = tuple((j, is_) for j, column in enumerate(true_on_found.T)
                  if len(is_ := _where(column)) > 1)  # fmt: skip
    seen_true = {i for i, _ in pairs} | {i for i, _ in over} | {i for _, is_ in under for i in is_}
    seen_found = {j for _, j in pairs} | {j for _, js in over for j in js} | {j for j, _ in under}
    return Matching(
        pairs,
        over,
        under,
        tuple(i for i in range(len(true)) if i not in seen_true),
        tuple(j for j in range(len(found)) if j not in seen_found),
    )


def shares(points: Sequence[Array], others: Sequence[Array]) -> Array:
    """(len(points), len(others)): which share of each surface's points is nearest to each other
    surface's, and within REACH of it."""
    result = np.zeros((len(points), len(others)))
    if not len(others):
        return result
    owner = np.repeat(np.arange(len(others)), [len(o) for o in others])
    near_others = nearest(np.concatenate(list(others)))
    for row, mine in zip(result, points, strict=True):
        distance, index = near_others(mine)
        near = owner[index[distance <= REACH]]
        row += np.bincount(near, minlength=len(others)) / len(mine)
    return result


def nearest(others: Array) -> Callable[[Array], tuple[Array, NDArray[np.int_]]]:
    """What tells, for points (n, 3), the distance (n,) to the nearest of `others`, and its row."""
    from scipy.spatial import KDTree

    tree: Any = KDTree(others)
    return tree.query


def surface(mesh: Mesh, count: int) -> Array:
    """(count, 3) points spread evenly over a mesh, the same at each call."""
    import trimesh

    shape = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    return np.asarray(trimesh.sample.sample_surface(shape, count, seed=0)[0])


def _count(mesh: Mesh) -> int:
    return max(500, round(shell_moments(mesh)[0] / SPACING**2))


def _indices(matrix: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    return tuple((int(i), int(j)) for i, j in np.argwhere(matrix))


def _where(row: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(row))
