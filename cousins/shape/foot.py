"""What a shape is where no frame saw it: whole as far as its hull, and down to its base."""

from __future__ import annotations

from typing import cast

import numpy as np

from cousins.raycast import caster
from cousins.shape.evidence import Grid
from cousins.types import Array

GAP = 0.008  # in the ring of a wall that still goes round a floor, m
ASIDE = 0.0008  # a floor inside a ring is no table where it lies this much over it, m
# Of the seen surface, at which a thing counts as made of thin walls. What is solid is next to never
# seen free behind it, and of a bowl filmed from one side but a part is; over the quiet noise stray
# rays pass behind solids too.
SHELL, NOISY_SHELL = 0.12, 0.3
DEEP = 0.85  # of the truncation: that far in, a signed distance says no more than inside
SKIN = 0.4  # of a wall: what is no deeper than that is wall however it was seen
LEVEL = 0.8  # a normal's least z on what is level
SKIRT = 0.008  # as far as depth is smeared round the foot of a thing, m
BACK = 0.010  # a wall that is free this far behind its surface is thin, m


def guess(grid: Grid, signed: Array, seen: np.ndarray, thin: bool) -> Array:
    """Signed distance (x, y, z) everywhere, from `Grid.evidence`; `thin` as `is_thin` found it.

    What is unseen is inside as far as the hull of what was seen, let down to the base; and what
    lies nearer to another object is that one's.
    """
    outside = grid.truncation
    hull = np.where(_in_hull(grid), -outside, outside).reshape(grid.shape)
    whole = np.where(seen, signed, hull)
    if thin:
        whole = np.where(_far_in(grid, signed, seen), outside, whole)
    if grid.apart is not None:
        whole = np.maximum(whole, grid.apart.reshape(grid.shape))
    # After that: the floor of a bowl lies nearer to what stands on it than to all that is seen.
    whole = _on_foot(grid, whole, seen, thin)
    return np.maximum(whole, grid.behind_walls())


def is_thin(grid: Grid, signed: Array, seen: np.ndarray) -> bool:
    """Whether a thing is made of thin walls: behind much of its surface it is seen to be free."""
    s = grid.segment
    behind = grid.at(s.points - BACK * s.normals)
    free = seen.ravel()[behind] & (signed.ravel()[behind] > 0)
    least = SHELL if s.noise <= grid.settings.quiet else NOISY_SHELL
    return grid.fine and float(free.mean()) > least


def _far_in(grid: Grid, signed: Array, seen: np.ndarray) -> np.ndarray:
    """(x, y, z) whether a voxel lies deeper than a thin wall behind all that was seen free.

    A bowl is a bowl on its far side too. What is thick all round, as a handle, closes again where
    the mesh drops its inner hollows. Just over the base it is a floor.
    """
    from scipy.ndimage import distance_transform_edt

    free = seen & (signed > 0)
    depth = np.asarray(distance_transform_edt(~free, grid.voxel)) - grid.voxel / 2
    # Where walls meet, signed distances are deep and yet it is no farther from either side.
    shallow = (signed > -DEEP * grid.truncation) | (depth < SKIN * grid.wall)
    wall = seen & shallow & (depth < grid.wall)
    low = grid.centres[:, 2].reshape(grid.shape) < grid.segment.base + grid.wall
    return ~(wall | low | free)


def _in_hull(grid: Grid) -> np.ndarray:
    import open3d as o3d
    from scipy.spatial import ConvexHull

    points = _dense(grid.segment.points)
    base = grid.segment.base
    height = points[:, 2] - base
    # A ball seen from above shows nothing near its foot: its lowest ring is let down instead.
    low = points[height < max(0.015, 0.15 * height.max(), height.min() + 0.005)]
    standing = np.vstack([points, np.column_stack([low[:, :2], np.full(len(low), base)])])
    hull = ConvexHull(standing)
    # By distance and not facet by facet: the hull of a ball has thousands of them.
    signed = caster(standing, hull.simplices).compute_signed_distance(
        o3d.core.Tensor(grid.centres), nsamples=3
    )
    return signed.numpy() <= grid.settings.hull_margin


def _dense(points: Array, reach: float = 0.008, share: float = 0.35) -> Array:
    """The points (n, 3) that have about as many neighbours as most do: a few stray ones, as fusion
    strings out behind an edge, would draw the hull after them. One for each 3 mm counts."""
    from scipy.spatial import KDTree

    points = points[np.unique(np.floor(points / 0.003), axis=0, return_index=True)[1]]
    count = KDTree(points).query_ball_point(points, reach, return_length=True)
    return points[count >= share * np.median(count)]


def _on_foot(grid: Grid, signed: Array, seen: np.ndarray, thin: bool) -> Array:
    """Carry the section at the foot's height down, but not through what is plainly free.

    A bowl or a mug whose section is a ring keeps its bottom.
    """
    noise, base = grid.segment.noise, grid.segment.base
    height = grid.origin[2] + np.arange(grid.shape[2]) * grid.voxel - base
    foot = _foot(grid)
    at = np.clip((foot + base - grid.origin[2]) / grid.voxel, 0, grid.shape[2] - 1.001)[:, :, None]
    lower = at.astype(int)
    section = (1 - at + lower) * np.take_along_axis(signed, lower, 2)
    section += (at - lower) * np.take_along_axis(signed, lower + 1, 2)
    k = int(np.searchsorted(height, foot.max()))
    below = signed[:, :, :k]
    low = height[None, None, :k]
    plainly = min(max(0.002, 4 * noise), 0.8 * grid.truncation)
    free = seen[:, :, :k] & (below > plainly) & (low > max(0.003, 5 * noise))
    carried = np.where(low > foot[:, :, None], below, np.where(free, below, section))
    floor = _floor(grid, signed[:, :, : k + 1], seen[:, :, : k + 1], height[: k + 1], thin)
    carried = np.minimum(carried, low - floor[:, :, None])
    whole = np.concatenate([carried, signed[:, :, k:]], axis=2)
    return np.maximum(whole, -height[None, None])


def _foot(grid: Grid) -> Array:
    """(x, y) up to which height a shape stands upright on its base, m.

    Of what is lower than two such feet it is half the height, where its smeared edge runs: of a
    sheet all over, of a spatula's blade, though its handle is higher.
    """
    from scipy.ndimage import grey_dilation

    s, segment = grid.settings, grid.segment
    height = segment.points[:, 2] - segment.base
    column = np.unravel_index(grid.at(segment.points), grid.shape)[:2]
    top = np.zeros(grid.shape[:2])
    np.maximum.at(top, column, height)
    level = np.zeros(grid.shape[:2])
    up = segment.normals[:, 2] > LEVEL
    np.maximum.at(level, tuple(c[up] for c in column), height[up])
    # Beside something higher depth smears a skirt, which slopes.
    reach = 2 * int(np.ceil(SKIRT / grid.voxel)) + 1
    near = np.asarray(grey_dilation(top, (reach, reach)))
    top = np.where(level > 0, level, np.where(near > 0, near, height.max()))
    return np.minimum(max(s.foot, 12 * segment.noise), top / 2)


def _floor(grid: Grid, signed: Array, seen: np.ndarray, height: Array, thin: bool) -> Array:
    """(x, y) height of the bottom of a bowl or a mug over its base, m; -inf where there is none.

    It is what is seen inside of a ring, where that lies higher than the support round it; of a
    thin-walled thing whose ring is broken, what lies within the hull of its foot and was not seen.
    """
    from scipy.ndimage import binary_opening, binary_propagation, label, median_filter

    none = np.full(signed.shape[:2], -np.inf)
    section = signed[:, :, -1] <= 0
    ended = seen & (signed <= 0)
    if not section.any():
        return none
    known = ended.any(2) & ~section
    # The highest voxel below the section that is not free, and where between it and the next
    # the surface lies.
    last = signed.shape[2] - 1 - np.argmax(ended[:, :, ::-1], axis=2)
    after = np.minimum(last + 1, signed.shape[2] - 1)
    inside = np.take_along_axis(signed, last[:, :, None], 2)[:, :, 0]
    out = np.take_along_axis(signed, after[:, :, None], 2)[:, :, 0]
    rise = height[last] + grid.voxel * inside / np.minimum(inside - out, -1e-6)
    top = median_filter(np.where(known, rise, 0.0), 5)
    hull = _hull_mask(section)
    if (known & ~hull).any():
        top = top - float(np.median(top[known & ~hull]))  # the support just outside
    hull = _within(section, int(np.ceil(GAP / grid.voxel)))
    broken = thin and not (hull & ~section).any()  # much of its wall is hidden
    if broken:
        hull = _hull_mask(_low(grid, 2 * float(height[-1])))
    # What is left of it is no wider than the smear at the foot of a wall: opened away.
    width = max(2, int(0.006 / grid.voxel))
    cores, count = cast("tuple[Array, int]", label(binary_opening(known & hull, iterations=width)))
    floor = np.zeros(known.shape, np.bool_)
    for i in range(1, count + 1):
        if np.median(top[cores == i]) > max(ASIDE, 1.5 * grid.segment.noise):
            floor |= cores == i
    if not count or (broken and not floor.any()):  # nobody saw so deep into it
        unseen = hull & ~section & ~(known & broken)
        floor = np.asarray(binary_opening(unseen, iterations=width), np.bool_)
    # As far as the walls, and on where it is hidden.
    floor = np.asarray(binary_propagation(floor, mask=hull & ~section), np.bool_)
    told = top[floor & known]
    level = float(np.median(told)) if len(told) else 0.0
    thick = np.where(known & (top > level / 2), top, level)
    # As thick as a wall, or smoothing would eat it.
    return np.where(floor, np.maximum(thick, grid.settings.wall_voxels * grid.voxel), none)


def _low(grid: Grid, height: float) -> np.ndarray:
    """(x, y) where points of the segment lie lower than `height` over its base."""
    points = grid.segment.points
    mask = np.zeros(grid.shape, np.bool_)
    mask.flat[grid.at(points[points[:, 2] < grid.segment.base + height])] = True
    return np.asarray(mask.any(2))


def _within(ring: np.ndarray, gap: int) -> np.ndarray:
    """What a ring (x, y) goes round, though it has gaps of up to `gap` cells, as the wall of a thin
    bowl may. What lies in the crook of a hammer or of an L is not within."""
    from scipy.ndimage import binary_closing, binary_dilation, binary_fill_holes

    disc = np.hypot(*np.mgrid[-gap : gap + 1, -gap : gap + 1]) <= gap
    closed = np.pad(np.asarray(binary_closing(np.pad(ring, 2 * gap), disc), bool), 1)
    holes = (np.asarray(binary_fill_holes(closed)) & ~closed)[1:-1, 1:-1]
    # Closing has narrowed the holes: they go on to the ring itself.
    wide = np.asarray(binary_dilation(holes, disc)) if gap else holes
    inner = slice(2 * gap, -2 * gap or None)
    return (wide & ~np.pad(ring, 2 * gap))[inner, inner] | ring


def _hull_mask(mask: np.ndarray) -> np.ndarray:
    """The convex hull of a mask's true cells, as a mask."""
    from skimage.morphology import convex_hull_image

    return convex_hull_image(mask) if mask.any() else mask
