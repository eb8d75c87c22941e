"""Where a robot's base stands: at the edge of what most objects stand on, within reach of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.mesh import matrix_from_quaternion
from cousins.polygons import inset
from cousins.scene import SLAB
from cousins.types import Array, Asset, Scene, Support
from cousins.variation.axes import Drawn, Source

REACH = 0.85  # m, of a table-top arm with seven joints
OUTSIDE = 0.05  # m from the support's edge to the middle of the base
FOOT = 0.10  # m, radius of the base
ROOM = 0.05  # m that it keeps from objects and walls
HEAD = 1.2  # m above its foot that it needs: as high as such an arm stretches
GRID = 0.05  # m between the places that are tried
ALONG, AWAY, YAW = 0.25, 0.10, np.radians(20.0)  # how far it goes at most: m, m, rad
SHRINK = (1.0, 0.75, 0.5, 0.25)  # shares of a move that are tried in turn
NEARER = (0.0, 0.05, 0.10, 0.15)  # m further in, that are tried with each


def numbers(scene: Scene) -> int:
    """How many uniform numbers one cousin takes."""
    return 3


def draw(
    scene: Scene,
    uniform: Array,
    strength: Array,
    reach: float = REACH,
    position: Array | None = None,
    more: Sequence[Asset] = (),
) -> dict[str, NDArray[Any]]:
    """robot_base (n, 7): position and quaternion in the world, from (n, 3) uniform numbers and
    (n,) strengths in 0..1; x ahead, z up, its foot at the support's height.

    It stands `OUTSIDE` the edge of the support that carries most objects, on the side from which
    the scene was seen, or -y of a scene without cameras, and looks straight across it: as near to
    that side's middle as reaches most objects, and further in where the support is too wide for
    that, as a floor is. A cousin's is moved along the edge, to and fro and in yaw. What the twin's
    reaches of the twin's objects, it reaches where they stand in the cousin, and it keeps clear of
    all that stands there: if need be on another side, and if there is a place where it can.
    position (n, A, 3): of the twin's objects, by default as in the twin, and of those that there
    are `more`. Raises ValueError for a scene without a support.
    """
    sides, whole = _sides(scene), replace(scene, assets=(*scene.assets, *more))
    n = len(uniform)
    seen = np.array([a.position for a in scene.assets]).reshape(1, -1, 3)
    position = np.broadcast_to(seen, (n, *seen.shape[1:])) if position is None else position
    middle = _nominal(scene, sides[0], reach)
    reached = _within(sides[0], middle[None], seen, reach)
    drawn = strength[:, None] * (2 * uniform - 1)
    offset, yaw = drawn[:, :2] * [ALONG, AWAY], drawn[:, 2] * YAW
    place = np.broadcast_to(middle, (n, 2)).copy()
    which = np.zeros(n, np.int64)
    todo = np.flatnonzero(strength > 0)
    # Too far from something: nearer at first, then less far along the edge, then wherever along it
    # that it can, and then on another side.
    for share, nearer in product(SHRINK, NEARER):
        tried = middle + share * offset[todo] - [0.0, nearer]
        todo = _taken(whole, sides[0], place, todo, tried, position, reached, reach)
    for k, side in enumerate(sides):
        steps = int(side.half / GRID)
        for along in sorted(GRID * np.arange(-steps, steps + 1.0), key=abs):
            for nearer in NEARER:
                tried = np.tile([along, OUTSIDE - nearer], (len(todo), 1))
                left = _taken(whole, side, place, todo, tried, position, reached, reach)
                which[np.setdiff1d(todo, left)] = k
                todo = left
    base = np.empty((n, 7))
    for k, side in enumerate(sides):
        mine = which == k
        half = (np.arctan2(-side.outward[1], -side.outward[0]) + yaw[mine]) / 2
        zero = np.zeros(len(half))
        turn = np.stack([np.cos(half), zero, zero, np.sin(half)], 1)
        base[mine] = np.hstack([side.world(place[mine]), turn])
    return {"robot_base": base}


def _taken(
    scene: Scene, side: _Side, place: Array, todo: NDArray[np.int64], tried: Array,
    position: Array, reached: NDArray[np.bool_], reach: float,
) -> NDArray[np.int64]:  # fmt: skip
    """Put bases where they were tried and can stand; which are left."""
    if not len(todo):
        return todo
    own = position[todo, : reached.shape[1]]
    good = np.asarray((_within(side, tried, own, reach) | ~reached).all(1))
    good[good] = _free(scene, side, tried[good], position[todo[good]])
    place[todo[good]] = tried[good]
    return todo[~good]


def nominal(scene: Scene, reach: float = REACH) -> Array:
    """(7,) where the twin's robot stands; see `draw`."""
    return draw(scene, np.full((1, 3), 0.5), np.zeros(1), reach)["robot_base"][0]


def reachable(base: Array, position: Array, reach: float = REACH) -> NDArray[np.bool_]:
    """(n, A) whether objects at (n, A, 3) lie within `reach` of bases (n, 7), m."""
    return np.linalg.norm(position - base[:, None, :3], axis=-1) <= reach


def distance(scene: Scene, arrays: Mapping[str, NDArray[Any]], reach: float = REACH) -> Array:
    """(n,) in 0..1: half from how far the base was moved and half from how far it was turned, each
    over the farthest that it goes."""
    base = arrays["robot_base"]
    own = nominal(scene, reach)
    moved = np.linalg.norm(base[:, :3] - own[:3], axis=-1) / np.hypot(ALONG, AWAY)
    # Of a difference, not of a product: exactly 0 for the same.
    angle = 4 * np.arcsin(np.minimum(np.linalg.norm(base[:, 3:] - own[3:], axis=-1) / 2, 1))
    return (np.minimum(moved, 1) + np.minimum(angle / YAW, 1)) / 2


@dataclass(frozen=True)
class _Side:
    """One side of the main support. middle (2,) of the support; outward and along (2,), units.

    A place is (along the side from its middle, outwards from the edge there), m.
    """

    support: Support
    members: tuple[int, ...]
    middle: Array
    outward: Array
    along: Array
    half: float

    def world(self, places: Array) -> Array:
        """(n, 3) of places (n, 2); NaN beside the support, where it has no edge."""
        out = self.edge(places[:, 0]) + places[:, 1]
        xy = self.middle + places[:, :1] * self.along + out[:, None] * self.outward
        return np.column_stack([xy, np.full(len(xy), self.support.height)])

    def edge(self, along: Array) -> Array:
        """(n,) how far out of the support's middle its outermost edge lies."""
        a = (self.support.polygon - self.middle) @ np.column_stack([self.along, self.outward])
        b = np.roll(a, -1, axis=0)
        run = np.where(a[:, 0] == b[:, 0], 1.0, b[:, 0] - a[:, 0])
        share = (along[:, None] - a[:, 0]) / run
        crosses = (share >= 0) & (share <= 1) & (a[:, 0] != b[:, 0])
        out = np.where(crosses, a[:, 1] + share * (b[:, 1] - a[:, 1]), -np.inf).max(1)
        return np.where(crosses.any(1), out, np.nan)


def _sides(scene: Scene) -> tuple[_Side, ...]:
    """The main support's four sides: that from which the scene was seen, those next to it, and the
    one beyond."""
    import cv2

    support, members = _main(scene)
    (x, y), (w, h), degrees = cv2.minAreaRect(support.polygon.astype(np.float32))
    yaw, middle = np.radians(degrees), np.array([x, y])
    axes = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
    outward = np.vstack([axes, -axes])
    seen = np.array([0.0, -1.0])
    if scene.cameras:
        there = [scene.assets[i].position[:2] for i in members] or [middle]
        poses = [camera.world_from_camera[:2, 3] for camera in scene.cameras]
        seen = np.mean(poses, axis=0) - np.mean(there, axis=0)
    out = []
    for k in np.argsort(-(outward @ seen), kind="stable"):
        along = np.array([-outward[k, 1], outward[k, 0]])
        out.append(_Side(support, members, middle, outward[k], along, float((h, w)[k % 2]) / 2))
    return tuple(out)


def _main(scene: Scene) -> tuple[Support, tuple[int, ...]]:
    """The support that carries most objects, be it through others, and which these are; the first
    of several, a table before the floor."""
    if not scene.supports:
        raise ValueError("a scene without a support has no place for a robot")
    below = {asset.name: asset.support for asset in scene.assets}

    def root(name: str) -> str:
        for _ in below:
            name = below.get(name, name)
        return name

    roots = [root(asset.support) for asset in scene.assets]
    best = max(scene.supports, key=lambda s: (roots.count(s.name), s.kind != "floor"))
    return best, tuple(i for i, name in enumerate(roots) if name == best.name)


def _nominal(scene: Scene, side: _Side, reach: float) -> Array:
    """(2,) the place from which most is reached; of such, the nearest to the edge's middle."""
    depth = float(np.ptp(side.support.polygon @ side.outward))
    steps = int(side.half / GRID)
    along = GRID * np.arange(-steps, steps + 1, dtype=float)
    out = OUTSIDE - GRID * np.arange(int(depth / GRID) + 1, dtype=float)
    places = np.stack(np.meshgrid(along, out, indexing="ij"), -1).reshape(-1, 2)
    seen = np.array([a.position for a in scene.assets]).reshape(1, -1, 3)
    places = places[_free(scene, side, places, seen)]
    if not len(places):
        return np.array([0.0, OUTSIDE])  # nothing is free: the middle is as good as any
    there = np.array([scene.assets[i].position for i in side.members]).reshape(1, -1, 3)
    reached = _within(side, places, there, reach).sum(1)
    places = places[reached == reached.max()]
    away = np.abs(places[:, 0]) + OUTSIDE - places[:, 1]
    return places[away.argmin()]


def _within(side: _Side, places: Array, position: Array, reach: float) -> NDArray[np.bool_]:
    """(n, A) whether objects at (n, A, 3) are reached from places (n, 2)."""
    return reachable(side.world(places), position, reach)


def _free(scene: Scene, side: _Side, places: Array, position: Array) -> NDArray[np.bool_]:
    """(n,) whether a base at places (n, 2) is clear of objects at (n or 1, A, 3), of walls and of
    what hangs above."""
    low, need = side.support.height, FOOT + ROOM
    base = side.world(places)[:, :2]
    good = np.isfinite(base[:, 0])
    base = np.where(good[:, None], base, side.middle)
    for i, asset in enumerate(scene.assets):
        points = asset.visual.vertices @ matrix_from_quaternion(asset.quaternion).T
        radius = np.linalg.norm(points[:, :2], axis=1).max()
        away = np.linalg.norm(base - position[:, i, :2], axis=1) >= radius + need
        good = good & (away | (position[:, i, 2] + points[:, 2].max() <= low))
    for wall in scene.walls:
        normal = wall.normal[:2] / np.linalg.norm(wall.normal[:2])
        offset = base - wall.centre[:2]
        beside = np.abs(offset @ [-normal[1], normal[0]]) > wall.half_width + need
        above = wall.centre[2] - wall.half_height >= low + HEAD
        below = wall.centre[2] + wall.half_height <= low
        good = good & (beside | above | below | (offset @ normal >= need))
    for other in scene.supports:
        if low < other.height - SLAB and other.height - SLAB < low + HEAD:
            good = good & (inset(base, other.polygon) <= -need)
    return good


@dataclass(frozen=True)
class RobotBase:
    """The axis; see the module. A scene in which nothing stands on a surface has no place for a
    robot, and so none that varies."""

    name: str = "robot"

    def numbers(self, source: Source) -> int:
        """See `numbers`."""
        return numbers(source.twin)

    def draw(self, source: Source, uniform: Array, strength: Array, drawn: Drawn) -> Drawn:
        """See `draw`."""
        if not source.scene.supports:
            return {}
        position = drawn["qpos"][:, source.union.bank.address[:, None] + np.arange(3)]
        more = source.scene.assets[source.own :]
        return draw(source.twin, uniform, strength, position=position, more=more)

    def distance(self, source: Source, drawn: Drawn) -> Array:
        """See `distance`."""
        if "robot_base" not in drawn:
            return np.zeros(len(drawn["qpos"]))
        return distance(source.twin, drawn)
