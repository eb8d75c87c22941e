"""Finds places for a plan's items, one after the other, by exact distances between convex parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import mujoco
import numpy as np

from cousins.household.layouts import Item, Plan
from cousins.household.rooms import Slab
from cousins.types import Array

GAP = 0.03  # m at least between things that do not touch
CLOSE = 0.003  # m at most between things that do
NEAR_WALL = (0.012, 0.045)  # m from a wall
MARGIN = 0.02  # m that a thing keeps from its support's edge
REACH = np.array([0.27, 0.20])  # m: half lengths of the area that things are spread over
TRIES = 60
_LOOSE = 1.1 * GAP  # settling takes a little of it
_DROP = 0.0005  # m above its support that a thing starts at
_FAR = 0.6  # m: from where things approach each other


@dataclass
class Placer:
    """Moves the bodies of a compiled scene about. placed: the bodies that have found a place."""

    model: mujoco.MjModel
    data: mujoco.MjData
    plan: Plan
    rng: np.random.Generator
    placed: list[int] = field(default_factory=list)

    def run(self) -> bool:
        """Places all items; False if one finds no room."""
        for i in range(len(self.plan.items)):
            # Out of the way, each in a place of its own, until it is its turn.
            self._put(i, np.array([10.0 + i, 10.0, 10.0]), 0.0)
        for i, item in enumerate(self.plan.items):
            if not any(self._try(i, item) for _ in range(TRIES)):
                return False
            self.placed.append(i)
        return True

    def _try(self, i: int, item: Item) -> bool:
        if item.role in ("atop", "inside"):
            return self._over(i, item)
        slab = self._slab(item)
        yaw = self.rng.uniform(0, 2 * np.pi)
        z = slab.top + item.thing.size[2] / 2 + _DROP
        xy = self._centre(slab) + self.rng.uniform(-1, 1, 2) * REACH
        at = np.array([*xy, z])
        if item.role == "wall" and self.plan.room.wall:
            wanted = self.rng.uniform(*NEAR_WALL)
            at[1] = self.plan.room.wall.low[1] - _FAR
            at = self._approach(i, at, yaw, np.array([0.0, 1.0, 0.0]), wanted,
                                self._static("wall"))  # fmt: skip
        elif item.role == "flush":
            yaw, along = self._yaw(item.other), int(item.thing.size[0] > item.thing.size[1])
            out = np.array([np.cos(yaw), np.sin(yaw), 0.0])
            out = out if not along else np.array([-out[1], out[0], 0.0])
            out *= self.rng.choice([-1, 1])
            start = np.array([*self._position(item.other)[:2], z]) + _FAR * out
            at = self._approach(i, start, yaw, -out, 0.0005, self.geoms([item.other]))
        elif item.role == "beside":
            # Never flush: at least 15 degrees between their sides.
            yaw = self._yaw(item.other) + np.radians(self.rng.choice([0, 90, 180, 270])
                                                     + self.rng.uniform(15, 75))  # fmt: skip
            around = self.rng.uniform(0, 2 * np.pi)
            out = np.array([np.cos(around), np.sin(around), 0.0])
            start = np.array([*self._position(item.other)[:2], z]) + _FAR * out
            wanted = self.rng.uniform(0.0003, 0.0012)
            at = self._approach(i, start, yaw, -out, wanted, self.geoms([item.other]))
        self._put(i, at, yaw)
        return (
            self._on(i, slab)
            and self.apart(i, _LOOSE)
            and self.clearance(i, self._obstacles(slab), 0.01) >= 0.01
            and self.together(i)
        )

    def together(self, i: int) -> bool:
        """Whether an item is as near to its partner, or to the wall, as its role asks."""
        item = self.plan.items[i]
        if item.role in ("beside", "flush"):
            return self.clearance(i, self.geoms([item.other]), 0.02) < CLOSE
        if item.role == "wall":
            return 0.01 <= self.clearance(i, self._static("wall"), 0.1) <= 0.05
        return self._sunk(i, item)

    def _over(self, i: int, item: Item) -> bool:
        """On or in another thing, let down from above."""
        below = self.plan.items[item.other].thing
        slack = np.abs(below.size[:2] - item.thing.size[:2]) / 2
        if item.role == "inside":
            slack = 0.15 * below.size[:2] if below.category == "bowl" else 0.6 * slack
        turn, yaw = self._yaw(item.other), self.rng.uniform(0, 2 * np.pi)
        if item.role == "atop":
            yaw = turn + self.rng.uniform(-0.5, 0.5)  # piles are roughly aligned
            if (item.thing.size[0] > item.thing.size[1]) != (below.size[0] > below.size[1]):
                yaw += np.pi / 2
        shift = self.rng.uniform(-0.9, 0.9, 2) * slack
        c, s = np.cos(turn), np.sin(turn)
        xy = self._position(item.other)[:2] + [c * shift[0] - s * shift[1],
                                               s * shift[0] + c * shift[1]]  # fmt: skip
        top = self._position(item.other)[2] + below.size[2] / 2 + item.thing.size[2] / 2
        at = self._approach(i, np.array([*xy, top + 0.1]), yaw, np.array([0.0, 0.0, -1.0]), _DROP,
                            self.geoms(self.placed))  # fmt: skip
        self._put(i, at, yaw)
        return self.together(i) and self.apart(i, _LOOSE)

    def _sunk(self, i: int, item: Item) -> bool:
        """Whether what is meant to lie in a container reaches below its rim, within its bounds."""
        if item.role != "inside":
            return True
        container = self.plan.items[item.other].thing
        middle, other = self._position(i), self._position(item.other)
        low = self._lowest(i)
        return bool(
            low < other[2] + container.size[2] / 2 - 0.008
            and np.linalg.norm(middle[:2] - other[:2]) < container.size[:2].max() / 2
        )

    def _lowest(self, i: int) -> float:
        thing = self.plan.items[i].thing
        rotation = self.data.xmat[i + 1].reshape(3, 3)
        heights = (thing.solid.mesh.vertices - thing.origin) @ rotation.T[:, 2]
        return float(heights.min() + self._position(i)[2])

    def apart(self, i: int, gap: float = GAP) -> bool:
        """Whether an item keeps its distance from all that have a place and it has no part with."""
        items = self.plan.items
        kin = {k for k in self.placed if _pile(items, k) == _pile(items, i)}
        strangers = [k for k in self.placed if k not in kin]
        siblings = [k for k in kin if k != i and items[k].other == items[i].other >= 0]
        return (
            self.clearance(i, self.geoms(strangers), gap) >= gap
            and self.clearance(i, self.geoms(siblings), 0.003) >= 0.003
        )

    def clearance(self, i: int, geoms: Sequence[int], limit: float) -> float:
        """Distance from item i to geoms, m: negative where they overlap, `limit` beyond that."""
        model, data = self.model, self.data
        mine, others = np.array(self.geoms([i])), np.array(geoms, int)
        if not len(others):
            return limit
        apart = np.linalg.norm(data.geom_xpos[mine][:, None] - data.geom_xpos[others][None], axis=2)
        apart -= model.geom_rbound[mine][:, None] + model.geom_rbound[others][None]
        distance = limit
        for a, b in np.argwhere(apart < limit):
            d = mujoco.mj_geomDistance(model, data, int(mine[a]), int(others[b]), distance, None)
            distance = min(distance, d)
        return distance

    def _approach(
        self, i: int, start: Array, yaw: float, along: Array, wanted: float, geoms: Sequence[int]
    ) -> Array:
        """The first place on the way from `start` along a unit vector at which item i comes within
        `wanted` metres of geoms; where it meets none, the way's end."""
        gone = 0.0
        while gone < _FAR:
            self._put(i, start + gone * along, yaw)
            # So far it can go without meeting anything, whatever the direction.
            free = self.clearance(i, geoms, 0.1) - wanted
            if free < 1e-4:
                break
            gone += free
        return start + gone * along

    def _put(self, i: int, position: Array, yaw: float) -> None:
        self.data.qpos[7 * i : 7 * i + 3] = position
        self.data.qpos[7 * i + 3 : 7 * i + 7] = [np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]
        mujoco.mj_kinematics(self.model, self.data)

    def _position(self, i: int) -> Array:
        return self.data.qpos[7 * i : 7 * i + 3].copy()

    def _yaw(self, i: int) -> float:
        w, _, _, z = self.data.qpos[7 * i + 3 : 7 * i + 7]
        return 2 * float(np.arctan2(z, w))

    def geoms(self, items: Sequence[int]) -> list[int]:
        """Collision geoms of items: body i + 1 is item i."""
        mine = np.isin(self.model.geom_bodyid, np.array(items, int) + 1)
        return np.flatnonzero(mine & (self.model.geom_group == 3)).tolist()

    def _static(self, *names: str) -> list[int]:
        return [self.model.geom(name).id for name in names]

    def _obstacles(self, slab: Slab) -> list[int]:
        """What stands beside a support."""
        room = self.plan.room
        tall = [
            s for s in (room.wall, room.second) if s and s.name not in (slab.name, "side_table")
        ]
        return self._static(*(s.name for s in tall if slab.name == "table"))

    def _slab(self, item: Item) -> Slab:
        second = self.plan.room.second
        return second if second and item.surface == second.name else self.plan.room.table

    def _centre(self, slab: Slab) -> Array:
        """Where on a support things gather."""
        room = self.plan.room
        if room.second is None:
            return slab.middle
        if slab is room.second:
            return slab.middle
        if room.second.name == "step":
            return np.array([room.second.middle[0], room.second.low[1] - REACH[1]])
        return np.array([slab.high[0] - REACH[0], slab.middle[1]])

    def _on(self, i: int, slab: Slab) -> bool:
        """Whether item i stands clear of its support's edges."""
        thing = self.plan.items[i].thing
        turn = self._yaw(i)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        outline = (thing.solid.mesh.vertices - thing.origin)[:, :2] @ rotation.T
        outline = outline + self._position(i)[:2]
        low, high = np.array(slab.low[:2]) + MARGIN, np.array(slab.high[:2]) - MARGIN
        return bool((outline > low).all() and (outline < high).all())


def _pile(items: Sequence[Item], i: int) -> int:
    """The item that carries, holds or touches item i in the end; i itself where none does."""
    while items[i].other >= 0:
        i = items[i].other
    return i
