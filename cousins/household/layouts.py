"""What stands where in a scene, before physics has its say: a room and a list of items.

Colours of a scene's things differ from one another, and partners that touch are turned against
each other: what no geometry could part (flush faces) occurs in the layout `flush` alone, and there
in two colours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from cousins.errors import UsageError
from cousins.household.looks import PALETTE
from cousins.household.rooms import Room, draw_room
from cousins.household.things import Household, draw

# Alone: clear of all others. Beside: touches `other`. Flush: and is as `other` but for its colour,
# and stands as that. Atop and inside: `other` carries it.
Role = Literal["alone", "beside", "flush", "atop", "inside", "wall"]
FLAT_TOPPED = ("box", "carton", "book", "bundle")
SMALL = ("can", "mug", "ball", "box", "carton", "bowl")
COMPACT = (*SMALL, "bottle", "book", "ell", "bundle")
THIN = ("plate", "booklet", "case", "spatula", "screwdriver", "hammer", "book")
EVERY = ("box", "carton", "can", "bottle", "bowl", "mug", "plate", "tray", "basket", "spatula",
         "hammer", "screwdriver", "ell", "ball", "book", "bundle")  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One thing to be placed. other: index of the item that it touches, stands on or lies in.
    surface: of its room, on which it stands unless another item carries it. reflectance: 0 for
    none, else MuJoCo's, which the simulated phone's depth fails on."""

    thing: Household
    role: Role = "alone"
    other: int = -1
    surface: str = "table"
    reflectance: float = 0.0


@dataclass(frozen=True)
class Plan:
    """A room and what is to stand in it, in the order in which it is placed."""

    room: Room
    items: tuple[Item, ...]


class _Cast:
    """Collects a plan's items; no two have the same colour."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.items: list[Item] = []
        self.colours = iter(rng.permutation(list(PALETTE)).tolist())

    def add(
        self,
        categories: Sequence[str],
        role: Role = "alone",
        other: int = -1,
        surface: str = "table",
        fits: Callable[[Household], bool] = lambda thing: True,
    ) -> int:
        """Draw one of the categories until it fits, and return the new item's index."""
        colour = next(self.colours)
        for _ in range(400):
            thing = draw(str(self.rng.choice(categories)), self.rng, colour)
            if fits(thing):
                break
        else:
            raise UsageError(f"none of {', '.join(categories)} fits")
        if other >= 0:
            surface = self.items[other].surface
        self.items.append(Item(thing, role, other, surface))
        return len(self.items) - 1

    def twin(self, other: int) -> int:
        """Something like item `other` in another colour, flush with it."""
        first = self.items[other].thing
        thing = draw(first.category, self.rng, next(self.colours))
        thing = replace(thing, shape=first.shape, make=first.make)
        self.items.append(Item(thing, "flush", other, self.items[other].surface))
        return len(self.items) - 1

    def several(self, low: int, high: int, categories: Sequence[str], **how) -> None:
        """Between `low` and `high` items of different categories."""
        count = int(self.rng.integers(low, high + 1))
        for category in self.rng.permutation(categories)[:count]:
            self.add([str(category)], **how)

    def tower(self, levels: int, surface: str = "table") -> None:
        """Something flat-topped with `levels` - 1 smaller things on one another on it."""
        least = 0.085 + 0.04 * (levels - 2)
        below = self.add(FLAT_TOPPED, surface=surface, fits=lambda thing: _broad(thing, least))
        for level in range(1, levels):
            base = self.items[below].thing
            categories = FLAT_TOPPED if level < levels - 1 else ("can", "mug", *FLAT_TOPPED)
            least = 0.085 if level < levels - 1 else 0.03

            def fits(thing: Household, base: Household = base, least: float = least) -> bool:
                inside = np.sort(thing.size[:2]) <= 0.95 * np.sort(base.size[:2])
                return bool(inside.all()) and _broad(thing, least)

            below = self.add(categories, "atop", below, fits=fits)

    def filled(self, contents: int, surface: str = "table") -> None:
        """A container with things in it."""
        at = self.add(("bowl", "basket", "tray"), surface=surface)
        container = self.items[at].thing
        bowl = container.category == "bowl"
        room = container.openings[0].radius if bowl else 0.4 * float(container.size[:2].min())

        def fits(thing: Household) -> bool:
            across = float(np.hypot(*thing.size[:2])) / 2 if thing.category == "box" else 0.0
            return max(across, float(thing.size[:2].max()) / 2) < 0.8 * room

        for _ in range(1 if bowl else contents):
            self.add(("ball",) if bowl else ("ball", "can", "box"), "inside", at, fits=fits)

    def plan(self, room: Room) -> Plan:
        return Plan(room, tuple(self.items))


def _broad(thing: Household, least: float) -> bool:
    """Whether it is at least so wide (m), and no taller than twice its least width."""
    width = thing.size[:2].min()
    return bool(width >= least and thing.size[2] < 2 * width)


def _apart(thing: Household, other: Household) -> bool:
    """Whether a seam shows where two touch: one is round, or their tops differ in height."""
    boxy = {"box", "carton", "book", "bundle", "ell"}
    both = {thing.category, other.category} <= boxy
    return not both or abs(float(thing.size[2] - other.size[2])) > 0.008


def _spread(rng: np.random.Generator) -> Plan:
    cast = _Cast(rng)
    cast.several(4, 7, EVERY)
    return cast.plan(draw_room(rng))


def _touching(rng: np.random.Generator) -> Plan:
    cast = _Cast(rng)
    for _ in range(int(rng.integers(2, 4))):
        first = cast.add(COMPACT)
        thing = cast.items[first].thing
        cast.add(COMPACT, "beside", first, fits=lambda other, thing=thing: _apart(thing, other))
    return cast.plan(draw_room(rng))


def _stacked(rng: np.random.Generator) -> Plan:
    cast = _Cast(rng)
    cast.tower(int(rng.integers(2, 4)))
    cast.tower(2)
    cast.several(1, 2, COMPACT)
    return cast.plan(draw_room(rng))


def _inside(rng: np.random.Generator) -> Plan:
    cast = _Cast(rng)
    for _ in range(int(rng.integers(1, 3))):
        cast.filled(int(rng.integers(1, 3)))
    cast.several(1, 2, COMPACT)
    return cast.plan(draw_room(rng))


def _wall(rng: np.random.Generator) -> Plan:
    cast = _Cast(rng)
    cast.several(2, 4, COMPACT, role="wall")
    cast.several(1, 2, EVERY)
    return cast.plan(draw_room(rng, wall=True))


def _heights(rng: np.random.Generator) -> Plan:
    room = draw_room(rng, second=True)
    assert room.second is not None
    cast = _Cast(rng)
    cast.several(2, 3, COMPACT, surface=room.second.name)
    cast.several(2, 3, COMPACT)
    return cast.plan(room)


def _thin(rng: np.random.Generator) -> Plan:
    cast = _Cast(rng)
    cast.several(4, 6, THIN)
    return cast.plan(draw_room(rng))


def _shiny(rng: np.random.Generator) -> Plan:
    cast = _Cast(rng)
    cast.several(4, 6, ("can", "bottle", "bowl", "mug", "box", "ball", "tray", "hammer"))
    polished = rng.permutation(len(cast.items))[: int(rng.integers(2, 4))]
    for i in polished:
        item = cast.items[i]
        cast.items[i] = Item(item.thing, reflectance=float(rng.uniform(0.3, 0.8)))
    return cast.plan(draw_room(rng))


def _flush(rng: np.random.Generator) -> Plan:
    cast = _Cast(rng)
    for _ in range(2):
        cast.twin(cast.add(("box", "carton")))
    cast.several(1, 2, COMPACT)
    return cast.plan(draw_room(rng))


def _mixed(rng: np.random.Generator) -> Plan:
    cast = _Cast(rng)
    cast.tower(2)
    cast.filled(1)
    first = cast.add(COMPACT)
    thing = cast.items[first].thing
    cast.add(COMPACT, "beside", first, fits=lambda other: _apart(thing, other))
    cast.several(1, 2, THIN)
    return cast.plan(draw_room(rng))


LAYOUTS: dict[str, Callable[[np.random.Generator], Plan]] = {
    "spread": _spread, "touching": _touching, "stacked": _stacked, "inside": _inside,
    "wall": _wall, "heights": _heights, "thin": _thin, "shiny": _shiny, "mixed": _mixed,
    "flush": _flush,
}  # fmt: skip
