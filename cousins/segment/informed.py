"""Parts of a surface where pictures say which of it is one thing, and geometry what that allows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cousins.segment.pairs import lies_within, rests_on
from cousins.segment.parts import NEAR, Limits, Parts
from cousins.segment.patches import Borders, agglomerate
from cousins.types import Array

MOSTLY = 0.5  # share of a part that must be told, or it stays as geometry has it
PIECE = 0.15  # share of a part below which another thing in it is a mask's ragged edge
SHARE = 0.25  # likewise, of that thing
CREASE = np.cos(np.radians(30.0))  # sides that face more apart than that meet at an edge


def informed(parts: Parts, told: np.ndarray, limits: Limits) -> Parts:
    """The parts as pictures tell them. told (n,): the thing of each point, -1 where they do not.

    What is not told stays as geometry has it, or goes to what is told beside it in the same part.
    Then geometry has its say: sides of one part that meet at an edge which bends outwards are one
    thing, for two that touch bend inwards there or lie flush; what is too small or hangs in the air
    is a piece of what holds it.
    """
    if not (told >= 0).any():
        return parts
    cut = _edges(_with(parts, _filled(parts, told)), parts.labels)
    return cut.merged(lambda now, a: _holder(now, a, limits))


def _filled(parts: Parts, told: np.ndarray) -> np.ndarray:
    """(n,) labels: each part is cut among the things that pictures see in it, or goes as a whole to
    the one thing that it mostly is of. Geometry's own borders are sharper than masks'."""
    from scipy.spatial import KDTree

    labels = parts.labels + told.max(initial=-1) + 1
    known = told >= 0
    held = np.zeros((parts.labels.max(initial=-1) + 1, told.max(initial=-1) + 1))
    np.add.at(held, (parts.labels[known], told[known]), parts.count[known])
    size = np.bincount(parts.labels, parts.count)
    for part, own in enumerate(held):
        if not own.any() or own.sum() < MOSTLY * size[part]:
            continue
        real = (own > PIECE * own.sum()) & (own > SHARE * held.sum(0))
        if real.sum() < 2:
            real = own == own.max()
        mine, sure = parts.labels == part, known & (parts.labels == part)
        sure[sure] = real[told[sure]]
        nearest = KDTree(parts.points[sure]).query(parts.points[mine])[1]
        labels[mine] = told[sure][nearest]
    return np.unique(labels, return_inverse=True)[1].ravel()


def _with(parts: Parts, labels: np.ndarray) -> Parts:
    """The parts with other labels, and their borders anew."""
    i, j = _across(parts.points, labels)
    edges = Borders(np.column_stack([labels[i], labels[j]]), np.ones(len(i)),
                    np.zeros(len(i)), (parts.points[i] + parts.points[j]) / 2)  # fmt: skip
    return replace(parts, labels=labels, borders=edges.between(np.arange(labels.max() + 1)))


def _across(points: Array, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of points that touch and have two labels."""
    from scipy.spatial import KDTree

    i, j = KDTree(points).query_pairs(NEAR, output_type="ndarray").T
    across = labels[i] != labels[j]
    return i[across], j[across]


def _edges(parts: Parts, before: np.ndarray) -> Parts:
    """With sides joined that geometry had as one part and that meet mostly at an outward edge."""
    i, j = _across(parts.points, parts.labels)
    one, other, apart = parts.normals[i], parts.normals[j], parts.points[i] - parts.points[j]
    bends = (one * other).sum(1) < CREASE
    outward = bends & ((apart * (one - other)).sum(1) > 0) & (before[i] == before[j])
    pairs = np.column_stack([parts.labels[i], parts.labels[j]])
    edges = Borders(pairs, np.ones(len(i)), outward.astype(float), np.zeros((len(i), 3)))
    edges = edges.between(np.arange(parts.labels.max() + 1))
    into = agglomerate(int(parts.labels.max()) + 1, edges, MOSTLY)
    return replace(parts, labels=into[parts.labels], borders=parts.borders.between(into))


def _holder(parts: Parts, a: int, limits: Limits) -> int | None:
    """The part that part a is a piece of, if it is none of its own."""
    others = [b for b, _ in parts.beside(a)]
    mine = parts.labels == a
    if not others:
        return None
    if parts.count[mine].sum() < limits.least:
        return others[0]
    if np.percentile(parts.height[mine], 2) < limits.lift or parts.bare[mine].mean() < 0.5:
        return None
    if any(rests_on(parts, a, b, limits) or lies_within(parts, a, b) for b in others):
        return None
    return others[0]


def nearest(points: Array, told: np.ndarray, wanted: Array, reach: float) -> np.ndarray:
    """(k,) what is told (n,) of points (n, 3) at the nearest of them to wanted (k, 3) within
    `reach` metres; -1 beyond."""
    from scipy.spatial import KDTree

    if not len(points):
        return np.full(len(wanted), -1)
    away, row = KDTree(points).query(wanted, distance_upper_bound=reach)
    return np.where(np.isfinite(away), np.append(told, -1)[row], -1)
