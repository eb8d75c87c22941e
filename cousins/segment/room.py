"""What in a room is no object: furniture, its legs, and what lies beneath a support."""

from __future__ import annotations

import numpy as np

from cousins.reconstruct.tsdf import Region, Surface
from cousins.segment.geometric import Segment, connected
from cousins.segment.supports import inside
from cousins.segment.world import World
from cousins.types import Array, Support, Wall


def clusters_of(world: World, gap: float = 0.04, least: int = 60) -> list[Array]:
    """What hangs together, (n, 3) points each, in the coarse surface once the supports' own layers
    are out of it. gap: m. least: points."""
    v = world.surface.vertices
    free = np.ones(len(v), bool)
    for support in world.supports:
        layer = np.flatnonzero(np.abs(v[:, 2] - support.height) < 0.03)
        free[layer[inside(support.polygon, v[layer, :2], 0.03)]] = False
    points = v[free & ~on_walls(world.surface, world.walls, 0.03)]
    labels = connected(points, gap)
    order = np.argsort(labels, kind="stable")
    parts = np.split(points[order], np.flatnonzero(np.diff(labels[order])) + 1)
    return [p for p in parts if len(p) >= least]


def on_walls(surface: Surface, walls: tuple[Wall, ...], reach: float) -> np.ndarray:
    """(n,) bool: the vertices that are a wall's, at most `reach` metres before it, or behind."""
    found = np.zeros(len(surface.vertices), bool)
    for wall in walls:
        v = surface.vertices - wall.centre
        before = v @ wall.normal
        along = np.abs(v @ np.cross(wall.normal, [0, 0, 1])) < wall.half_width + 0.05
        facing = surface.normals @ wall.normal > 0.8
        found |= along & (before > -0.3) & ((before < 0.25 * reach) | (facing & (before < reach)))
    return found


def without_walls(surface: Surface, walls: tuple[Wall, ...]) -> Surface:
    """The surface less its walls, with which what stands against one would hang together."""
    keep = ~on_walls(surface, walls, 0.015)
    new = np.cumsum(keep) - 1
    faces = new[surface.faces[keep[surface.faces].all(1)]].astype(np.int32)
    return Surface(surface.vertices[keep], surface.normals[keep], surface.colours[keep], faces)


def things_on_floor(clusters: list[Array], floor: Support, max_size: float) -> list[Region]:
    """Boxes round what rises from the floor and is no larger than `max_size` metres."""
    regions = []
    for cluster in clusters:
        low, high = cluster.min(0), cluster.max(0)
        alone = max(high - low) < max_size and low[2] < floor.height + 0.12
        if alone and high[2] > floor.height + 0.06 and inside(floor.polygon, cluster[:, :2]).all():
            low, high = low - 0.05, high + 0.05
            low[2] = floor.height - 0.03
            regions.append(Region(low, high))
    return regions


def furniture(clusters: list[Array], support: Support, max_size: float) -> Array:
    """(n, 3) coarse points of what reaches a support from below or beside, a chair's back say,
    and so does not stand on it."""
    height = support.height
    found = [np.zeros((0, 3))]
    for cluster in clusters:
        low, high = cluster.min(0), cluster.max(0)
        if support.kind == "floor":
            if max(high - low) > 1.3 * max_size:
                found.append(cluster)
        elif low[2] < height - 0.08 and high[2] > height + 0.02:
            found.append(cluster)
    return np.vstack(found)


def beneath(segment: Segment, supports: tuple[Support, ...]) -> bool:
    """Whether a segment lies under a higher support, where only its legs and shadows are seen."""
    some = segment.points[:: 1 + len(segment.points) // 200, :2]
    return any(
        s.height > segment.support.height + 0.1 and inside(s.polygon, some, 0.05).mean() > 0.5
        for s in supports
    )


def belongs(points: Array, others: Array) -> bool:
    """Whether most of a segment's points lie on other things."""
    from scipy.spatial import KDTree

    if not len(others):
        return False
    some = points[:: 1 + len(points) // 500]
    distance, _ = KDTree(others).query(some, distance_upper_bound=0.025)
    return bool(np.isfinite(distance).mean() > 0.5)
