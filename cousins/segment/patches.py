"""A surface parted where it bends inwards: small even patches, then what they add up to.

Patches as in Papon et al. 2013 (supervoxels of place, normal and colour); convex and concave
borders as in Stein et al. 2014 (Object partitioning using local convexity); agglomeration by the
mean over the whole border as in Bailoni et al. 2019 (GASP, average linkage), so that one noisy
patch neither joins nor parts two things.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, fields, replace

import numpy as np

from cousins.types import Array

OPPOSED = -0.2  # cosine beyond which near points lie on two sides of a wall, or face one another
THINNEST = 0.002  # m: a wall's two sides that are nearer cannot be told from two things that touch
LAYOUTS = 7  # of the seeds of patches: more agree no better
CUT = 0.5  # the share of layouts that must keep two things one
ROUNDS = 4  # of moving the patches' centres: more change little
CREASE = np.radians(12.0)  # a border that bends inwards by more parts, as in Stein et al. 2014
ALIKE = 0.5  # squared difference of normals that are smoothed into one another: 40 degrees
UNSURE = 0.3  # the affinity of two patches whose normals tell nothing
LEVELS = 0.002  # m between levels at which a part may be cut
LEAST_SIDE = 0.05  # of a part's points must lie below such a level, and above it
LEAST_RISE = 0.010  # m of a part below such a level: depth is smeared round its foot
STEP = np.radians(20.0)  # neighbours one above the other, seen so from their common normal


@dataclass(frozen=True)
class Borders:
    """Where parts of a surface meet, e pairs: pairs (e, 2) of labels, first the smaller.

    weight (e,): its length, in pairs of near points. affinity (e,): the mean over it of what
    speaks for one thing, -1.5..1. place (e, 3): its middle.
    """

    pairs: np.ndarray
    weight: Array
    affinity: Array
    place: Array

    def between(self, labels: np.ndarray) -> Borders:
        """The borders of coarser parts: labels (k,) are the new ones of the old."""
        pairs = np.sort(labels[self.pairs], axis=1)
        keep = (pairs[:, 0] != pairs[:, 1]) & (pairs[:, 0] >= 0)
        pairs, which = np.unique(pairs[keep], axis=0, return_inverse=True)
        which, n = which.ravel(), len(pairs)
        weight = np.bincount(which, self.weight[keep], n).astype(float)

        def mean(values: Array) -> Array:
            return np.bincount(which, self.weight[keep] * values[keep], n) / weight

        place = np.column_stack([mean(self.place[:, i]) for i in range(3)])
        return Borders(pairs, weight, mean(self.affinity), place)


def thinned(points: Array, normals: Array, cell: float) -> np.ndarray:
    """(n,) which of the cells `cell` metres wide each point is in; a wall's two sides are two."""
    axis = np.argmax(np.abs(normals), axis=1)
    side = 2 * axis + (normals[np.arange(len(normals)), axis] > 0)
    return _numbered(np.column_stack([np.floor(points / cell).astype(int), side]))


def smoothed(points: Array, normals: Array, radius: float) -> Array:
    """(n, 3) unit normals, each the mean over `radius` metres of those that are much alike."""
    from scipy.sparse import csr_matrix
    from scipy.spatial import KDTree

    a, b = KDTree(points).query_pairs(radius, output_type="ndarray").T
    own = np.arange(len(points))
    rows, columns = np.concatenate([a, b, own]), np.concatenate([b, a, own])
    for _ in range(2):
        apart = ((normals[rows] - normals[columns]) ** 2).sum(1)
        weights = csr_matrix((np.exp(-apart / ALIKE), (rows, columns)), (len(points),) * 2)
        normals = unit(weights @ normals)
    return normals


def patches(
    points: Array, normals: Array, colours: Array, size: float, shift: float = 0.0
) -> np.ndarray:
    """(n,) labels of patches about `size` metres wide that keep to creases and colour edges.

    shift: of the grid of their seeds along each axis, in patches.
    """
    import cv2
    from scipy.spatial import KDTree

    lab = cv2.cvtColor(colours.astype(np.float32)[None], cv2.COLOR_RGB2LAB)[0]
    feature = np.column_stack([points / size, normals, lab / 40.0])
    labels = _numbered(np.floor(points / size + shift).astype(int))
    for _ in range(ROUNDS):
        centres = means(feature, labels)
        labels = _numbered(np.asarray(KDTree(centres).query(feature)[1])[:, None])
    return labels


def _numbered(keys: np.ndarray) -> np.ndarray:
    return np.unique(keys, axis=0, return_inverse=True)[1].ravel()


def means(values: Array, labels: np.ndarray) -> Array:
    """(k, d) the mean of (n, d) values over each of the labels 0..k-1."""
    count = np.maximum(np.bincount(labels), 1)
    return np.column_stack([np.bincount(labels, v) / count for v in values.T])


def borders(
    points: Array, normals: Array, colours: Array, labels: np.ndarray, gap: float, sure: Array
) -> Borders:
    """Where patches lie within `gap` of one another, and how their surfaces bend there.

    sure (k,): 0..1, how far each patch's normal is to be trusted.
    """
    from scipy.spatial import KDTree

    cells = _numbered(np.column_stack([labels, np.floor(points / (0.4 * gap)).astype(int)]))
    spots, facing = means(points, cells), unit(means(normals, cells))
    of = np.zeros(len(spots), int)
    of[cells] = labels
    near = KDTree(spots).query_pairs(gap, output_type="ndarray")
    near = near[of[near[:, 0]] != of[near[:, 1]]]
    i, j = near.T
    opposed = np.einsum("ij,ij->i", facing[i], facing[j]) < OPPOSED
    # Back to back are the two sides of a thin wall; face to face are two things.
    between = np.einsum("ij,ij->i", spots[i] - spots[j], facing[i] - facing[j])
    back, face = opposed & (between > 2 * THINNEST), opposed & (between < -2 * THINNEST)
    told = ~opposed | back | face
    near, back, face = near[told], back[told], face[told]
    pairs, which = np.unique(np.sort(of[near], axis=1), axis=0, return_inverse=True)
    which, n = which.ravel(), len(pairs)
    weight = np.bincount(which, minlength=n).astype(float)
    thin, split = (np.bincount(which, k, n) / weight for k in (back, face))
    middle = (spots[near[:, 0]] + spots[near[:, 1]]) / 2
    place = np.column_stack([np.bincount(which, middle[:, k], n) / weight for k in range(3)])
    bend, step = _bends(means(points, labels), unit(means(normals, labels)), pairs)
    apart = np.linalg.norm(np.diff(means(colours, labels)[pairs], axis=1)[:, 0], axis=1)
    trust = sure[pairs].min(axis=1)
    affinity = trust * _affinity(bend, step, apart) + (1 - trust) * UNSURE
    affinity = (1 - thin - split) * affinity + thin - split
    return Borders(pairs, weight, affinity, place)


def _bends(centre: Array, normal: Array, pairs: np.ndarray) -> tuple[Array, Array]:
    """(e,) the signed angle between neighbours' normals, and how steeply one lies over another."""
    a, b = pairs.T
    way = unit(centre[a] - centre[b])
    cosine = np.clip(np.einsum("ij,ij->i", normal[a], normal[b]), -1, 1)
    outwards = np.einsum("ij,ij->i", normal[a] - normal[b], way) >= 0
    rise = np.abs(np.einsum("ij,ij->i", way, unit(normal[a] + normal[b])))
    return np.where(outwards, 1, -1) * np.arccos(cosine), np.arcsin(np.clip(rise, 0, 1))


def _affinity(bend: Array, step: Array, apart: Array) -> Array:
    """What is flat, then what bends outwards, speaks for one thing; an inward bend against it."""
    flat = np.abs(bend) < CREASE
    value = np.where(bend < 0, 1 + bend / CREASE, 1 - bend / np.pi)
    value = np.where(flat & (step > STEP), -0.5, value)
    return np.clip(value - 0.3 * np.clip(apart / 0.4, 0, 1), -1.5, 1.0)


def trusted(normals: Array, labels: np.ndarray) -> Array:
    """(k,) 0..1 how much alike the normals of each patch are, before they were smoothed."""
    alike = np.linalg.norm(means(normals, labels), axis=1)
    return np.clip((alike - 0.7) / 0.2, 0, 1)


def unit(vectors: Array) -> Array:
    """(n, d) vectors at length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def parted(
    points: Array, normals: Array, raw: Array, colours: Array, size: float, gap: float, seam: float
) -> tuple[np.ndarray, Borders]:
    """(n,) labels of the parts of a surface, and the parts' borders.

    Where one layout of patches cuts hangs on where their seeds happen to lie. So several are tried:
    what most of them cut is cut (cluster ensembles, Strehl and Ghosh 2002; average linkage of the
    share that agrees, Fred and Jain 2005). Two boxes one on the other that are flush on one side
    grow together there all the same; but the seam of what is stacked is level: where the mean
    affinity all round one is less than `seam`, it is cut. raw (n, 3): normals before they were
    smoothed.
    """
    found = []
    for k in range(LAYOUTS):
        patch = patches(points, normals, colours, size, k / LAYOUTS)
        edges = borders(points, normals, colours, patch, gap, trusted(raw, patch))
        found.append((patch, edges, agglomerate(int(patch.max()) + 1, edges)))
    whole = _agreed(points, np.column_stack([part[patch] for patch, _, part in found]), gap)
    whole = _cut_level(points, whole, [(patch, edges) for patch, edges, _ in found], seam)
    seams = [edges.between(_commonest(patch, whole)) for patch, edges, _ in found]
    return whole, _together(seams)


def _cut_level(
    points: Array, whole: np.ndarray, found: list[tuple[np.ndarray, Borders]], seam: float
) -> np.ndarray:
    """Labels (n,) with each part cut at the level where that is best, until none is under `seam`.

    found: layouts of patches (n,) and the patches' borders.
    """
    heights = [means(points[:, 2:], patch)[:, 0] for patch, _ in found]
    parts = [_commonest(patch, whole) for patch, _ in found]
    whole, todo = whole.copy(), list(range(int(whole.max(initial=-1)) + 1))
    while todo:
        part = todo.pop()
        mine = whole == part
        within = []
        for (_, edges), height, of in zip(found, heights, parts, strict=True):
            inside = (of == part)[edges.pairs].all(1)
            ends = np.sort(height[edges.pairs[inside]], axis=1)
            within.append(np.column_stack([ends, edges.weight[inside], edges.affinity[inside]]))
        level = _worst_level(points[mine, 2], np.concatenate(within), seam)
        if level is not None:
            whole[mine & (points[:, 2] > level)] = whole.max() + 1
            parts = [_commonest(patch, whole) for patch, _ in found]
            todo += [part, int(whole.max())]
    return whole


def _worst_level(heights: Array, borders: Array, seam: float) -> float | None:
    """The lowest level at which borders (e, 4: lower end, upper end, weight, affinity) are worst,
    if their mean is less than `seam` there; of points at heights (n,) enough must lie on each side.
    """
    low, high = np.quantile(heights, [LEAST_SIDE, 1 - LEAST_SIDE])
    levels = np.arange(max(low, heights.min() + LEAST_RISE), high, LEVELS)
    if not len(levels):
        return None
    first, last = np.searchsorted(levels, borders[:, :2].T)
    crossing = np.zeros((len(levels) + 1, 2))
    for values, column in ((borders[:, 2], 0), (borders[:, 2] * borders[:, 3], 1)):
        np.add.at(crossing[:, column], first, values)
        np.add.at(crossing[:, column], last, -values)
    weight, total = np.cumsum(crossing[:-1], axis=0).T
    mean = np.where(weight > 0, total / np.maximum(weight, 1e-9), np.inf)
    return float(levels[mean.argmin()]) if mean.min() < seam else None


def _agreed(points: Array, labels: np.ndarray, gap: float) -> np.ndarray:
    """(n,) the parts on which most of k labellings (n, k) agree."""
    from scipy.spatial import KDTree

    atoms = _numbered(labels)
    i, j = KDTree(points).query_pairs(gap, output_type="ndarray").T
    apart = atoms[i] != atoms[j]
    i, j = i[apart], j[apart]
    votes = np.mean(labels[i] == labels[j], axis=1) - CUT
    edges = Borders(np.column_stack([atoms[i], atoms[j]]), np.ones(len(i)), votes,
                    np.zeros((len(i), 3)))  # fmt: skip
    count = int(atoms.max()) + 1
    return agglomerate(count, edges.between(np.arange(count)))[atoms]


def _commonest(labels: np.ndarray, of: np.ndarray) -> np.ndarray:
    """(k,) for each of the labels 0..k-1 what it most often is by `of`."""
    votes = np.zeros((labels.max() + 1, of.max() + 1), int)
    np.add.at(votes, (labels, of), 1)
    return votes.argmax(1)


def _together(seams: list[Borders]) -> Borders:
    """The mean of several layouts' borders between the same parts."""
    every = Borders(*(np.concatenate([getattr(s, f.name) for s in seams]) for f in fields(Borders)))
    every = replace(every, weight=every.weight / len(seams))
    return every.between(np.arange(int(every.pairs.max(initial=-1)) + 1))


def agglomerate(count: int, edges: Borders, least: float = 0.0) -> np.ndarray:
    """(count,) labels: patches are joined, the surest pair first, while the mean affinity over
    their whole border exceeds `least`."""
    beside: list[dict[int, tuple[float, float]]] = [{} for _ in range(count)]
    heap: list[tuple[float, int, int]] = []
    for (a, b), w, s in zip(edges.pairs.tolist(), edges.weight.tolist(),
                            (edges.weight * edges.affinity).tolist(), strict=True):  # fmt: skip
        beside[a][b] = beside[b][a] = (s, w)
        if s > least * w:
            heap.append((-s / w, a, b))
    heapq.heapify(heap)
    into = list(range(count))
    while heap:
        cost, a, b = heapq.heappop(heap)
        now = beside[a].get(b)
        if into[a] != a or into[b] != b or now is None or -now[0] / now[1] != cost:
            continue
        if len(beside[a]) < len(beside[b]):
            a, b = b, a
        into[b] = a
        for other, (s, w) in beside[b].items():
            del beside[other][b]
            if other == a:
                continue
            old = beside[a].get(other, (0.0, 0.0))
            new = old[0] + s, old[1] + w
            beside[a][other] = beside[other][a] = new
            if new[0] > least * new[1]:
                heapq.heappush(heap, (-new[0] / new[1], min(a, other), max(a, other)))
        beside[b].clear()
    return _numbered(np.array([_root(into, i) for i in range(count)], int)[:, None])


def _root(into: list[int], i: int) -> int:
    while into[i] != i:
        i = into[i]
    return i
