"""What masks of several pictures say together: which cells of a surface are of one thing.

Masks are joined by view consensus, as in Yan et al. 2024 ("MaskClustering"): two masks are of one
thing if the views that see both hold both in one mask. A mask that other views hold as several is
of several things, and is left out. Where a mask is missing, or belongs to another thing than was
asked for, nothing follows: what was asked for is not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.masks import Masks
from cousins.masks.keyframes import View
from cousins.segment.patches import Borders, agglomerate
from cousins.types import Array

Bools = NDArray[np.bool_]

LEAST = 10  # cells of a mask
ON = 0.5  # share of a mask's pixels that must lie on things: else it is of what they stand on
SAME = 0.8  # overlap of two masks of one picture beyond which they are one
PART = 0.9  # share of a mask inside another that makes it a part of that
FILLED = 0.8  # share of a mask that its parts must cover, or it is more than they are
IN_VIEW = 0.3  # share of a mask's cells that a view must see to say that it is of several things
GLIMPSE = 0.1  # likewise, to say which mask holds it
MOSTLY = 0.6  # likewise, to say that it is of one thing: of two that touch, each is half
HELD = 0.7  # share of these in one mask of the view: it holds them
SEVERAL = 0.3  # share of views that part a mask from which it is of several things, as theirs is
AGREED = 0.5  # share of views that hold two masks in one from which they are of one thing
REACH = 0.010  # m, over which neighbours' votes count


@dataclass(frozen=True)
class Vote:
    """label (n,): the thing of each cell, -1 where no mask is believed. agreement (k,): of each
    thing, the mean share of the views that see a cell and hold it in a mask of that thing. views
    (k,): in how many pictures a mask of it is."""

    label: NDArray[np.intp]
    agreement: Array
    views: NDArray[np.intp]


def lifted(view: View, found: Masks, count: int) -> tuple[Bools, Array]:
    """What of `count` cells lies in each mask (m, count), and how sure that mask is (m,).

    Left out are masks of next to nothing, of what things stand on, and what says the same twice;
    of nested ones the parts stay if they fill the whole, else the whole.
    """
    x, y = view.pixel.T
    rows = np.zeros((len(found.masks), count), bool)
    rows[:, view.cell] = found.masks[:, y, x]
    x, y = view.depth.T
    inside = found.masks[:, y, x]
    share = (inside & view.on).sum(1) / np.maximum(inside.sum(1), 1)
    keep = (share > ON) & (rows.sum(1) >= LEAST)
    keep = np.flatnonzero(keep)
    keep = keep[np.argsort(-found.score[keep], kind="stable")]
    kept: list[int] = []
    for i in keep:
        if all(_overlap(rows[i], rows[j]) < SAME for j in kept):
            kept.append(int(i))
    kept = [kept[i] for i in _apart(rows[kept])]
    return rows[kept], found.score[kept]


def _common(a: Bools, b: Bools) -> Array:
    """(m, k) how many cells two of (m, n) and (k, n) share."""
    return np.rint(a.astype(np.float32) @ b.astype(np.float32).T)


def _overlap(a: Bools, b: Bools) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


def _apart(rows: Bools) -> list[int]:
    """Of nested masks (m, n) the wholes, or where parts fill one, the parts; in order."""
    size = rows.sum(1)
    common = _common(rows, rows)
    left: list[int] = []
    dropped: set[int] = set()
    for i in np.argsort(-size, kind="stable").tolist():
        if i in dropped:
            continue
        parts = [j for j in range(len(rows)) if j != i and size[j] < size[i]
                 and common[i, j] > PART * size[j]]  # fmt: skip
        if len(parts) > 1 and (rows[i] & rows[parts].any(0)).sum() > FILLED * size[i]:
            continue
        dropped |= set(parts)
        left.append(i)
    return sorted(left)


def vote(seen: Bools, masks: Sequence[Bools], cells: Array) -> Vote:
    """What masks say of n cells. seen: (v, n) which view sees which; masks: of each view (m, n);
    cells: (n, 3), where they are."""
    n = seen.shape[1]
    rows = np.concatenate([np.zeros((0, n), bool), *masks])
    view = np.repeat(np.arange(len(masks)), [len(m) for m in masks])
    held, several, part = _held(seen, masks, rows, view)
    sound = np.flatnonzero(~several)
    if not len(sound):
        return Vote(np.full(n, -1), np.zeros(0), np.zeros(0, int))
    group = _joined(held[sound], several, part[sound])
    return _counted(seen, rows[sound], view[sound], group, cells)


def _held(
    seen: Bools, masks: Sequence[Bools], rows: Bools, view: NDArray[np.intp]
) -> tuple[NDArray[np.intp], Bools, Array]:
    """(m, v) the mask, of all of them, that holds what a view sees of each; -1 where that says
    nothing, -2 where masks part it. (m,) whether a mask is of several things. (m, v) what share of
    each a view sees."""
    first = np.concatenate([[0], np.cumsum([len(m) for m in masks])])
    held = np.full((len(rows), len(masks)), -1)
    whole = np.zeros(held.shape, bool)
    visible = _common(rows, seen)
    part = visible / np.maximum(rows.sum(1), 1)[:, None]
    for w, theirs in enumerate(masks):
        if not len(theirs):
            continue
        share = _common(rows, theirs) / np.maximum(visible[:, w], 1)[:, None]
        covered = (rows & theirs.any(0)).sum(1) / np.maximum(visible[:, w], 1)
        enough = visible[:, w] > LEAST
        best = share.argmax(1)
        held[enough & (part[:, w] > IN_VIEW) & (covered > HELD), w] = -2
        sure = enough & (part[:, w] > GLIMPSE) & (share.max(1) > HELD)
        held[sure, w] = first[w] + best[sure]
        whole[:, w] = sure & (part[:, w] > MOSTLY) & (view != w)
    own = np.arange(len(rows))
    held[own, view] = own
    parted, several = (held == -2).sum(1), np.zeros(len(rows), bool)
    for _ in range(3):  # what a mask of several things holds is not whole for that
        told = (whole & ~several[held]).sum(1)
        several = parted > SEVERAL * np.maximum(parted + told, 1)
    return held, several, part


def _joined(held: NDArray[np.intp], several: Bools, part: Array) -> NDArray[np.intp]:
    """(m,) the group of each mask, by in what share of the views one mask holds both of two. part
    (m, v): what share of each a view sees, by which that view counts."""
    use = held >= 0
    use[use] = ~several[held[use]]
    pairs, rate, weight = [], [], []
    for a in range(len(held)):
        for b in range(a + 1, len(held)):
            both = use[a] & use[b]
            if both.any():
                w = np.minimum(part[a], part[b])[both]
                pairs.append((a, b))
                weight.append(float(w.sum()))
                rate.append(float((held[a] == held[b])[both] @ w / w.sum()))
    edges = Borders(np.array(pairs, int).reshape(-1, 2), np.array(weight),
                    np.array(rate) - AGREED, np.zeros((len(pairs), 3)))  # fmt: skip
    return agglomerate(len(held), edges)


def _counted(
    seen: Bools, rows: Bools, view: NDArray[np.intp], group: NDArray[np.intp], cells: Array
) -> Vote:
    """Each cell goes to the group that most views, its neighbours' among them, see it in."""
    from scipy.sparse import coo_matrix
    from scipy.spatial import KDTree

    n, k = seen.shape[1], int(group.max()) + 1
    hits = np.zeros((k, n))
    views = np.zeros(k, int)
    for g in range(k):
        mine = group == g
        by_view = [rows[mine & (view == w)].any(0) for w in np.unique(view[mine])]
        hits[g] = np.sum(by_view, axis=0)
        views[g] = len(by_view)
    hits[(views < 2) & (len(seen) > 2)] = 0  # what one view alone shows may be that view's error
    i, j = KDTree(cells).query_pairs(REACH, output_type="ndarray").T
    near = coo_matrix((np.ones(len(i)), (i, j)), (n, n)).tocsr()
    # A cell's own views decide; its neighbours' where these disagree.
    weight = hits + (hits @ (near + near.T)) / np.maximum((near + near.T).sum(1).A1, 1) / 2
    label = np.where(hits.max(0) > 0, weight.argmax(0), -1)
    used, label_of = np.unique(label[label >= 0], return_inverse=True)
    out = np.full(n, -1)
    out[label >= 0] = label_of
    looks = np.maximum(seen.sum(0), 1)
    agreement = np.array([(hits[g] / looks)[out == a].mean() for a, g in enumerate(used)])
    return Vote(out, agreement, views[used])
