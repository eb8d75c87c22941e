"""Units that are placed together, and by what their places follow from one another's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cousins.types import Array
from cousins.variation.relations import Relation, parts_of
from cousins.variation.units import Footprints, Unit


@dataclass(frozen=True)
class Link:
    """Unit `child` stands with its object `b` beside object `a` of a unit placed before it."""

    child: int
    a: int
    b: int
    gap: float


@dataclass(frozen=True)
class Face:
    """Object i keeps its gap to the face of obstacle j with this normal and span."""

    i: int
    j: int
    normal: Array
    span: tuple[float, float]
    gap: float


@dataclass(frozen=True)
class Group:
    """Units that are placed together: units[0] first, the others by links, in their order.

    members: all their objects. faces: what a unit keeps its gap to, by unit. inner: containers, and
    for each what stands in it. extra: a distractor.
    """

    units: tuple[int, ...]
    members: tuple[int, ...]
    links: tuple[Link, ...]
    faces: dict[int, tuple[Face, ...]]
    inner: tuple[tuple[int, tuple[int, ...]], ...]
    extra: bool


def groups(prints: Footprints, relations: Sequence[Relation]) -> list[Group]:
    """The groups that these relations make of the units, in the order in which they are placed: the
    largest first, distractors last."""
    index = {name: i for i, name in enumerate(prints.names)}
    obstacle = {o.name: j for j, o in enumerate(prints.obstacles)}
    unit = {i: u for u, one in enumerate(prints.units) for i in one.members}
    faces: dict[int, tuple[Face, ...]] = {}
    beside: dict[int, list[Link]] = {u: [] for u in range(len(prints.units))}
    for r in relations:
        i = index[r.a]
        if r.normal is not None and r.span is not None:
            face = Face(i, obstacle[r.b], np.array(r.normal), r.span, r.gap)
            faces[unit[i]] = (*faces.get(unit[i], ()), face)
        elif r.kind == "beside":
            j = index[r.b]
            beside[unit[i]].append(Link(unit[j], i, j, r.gap))
            beside[unit[j]].append(Link(unit[i], j, i, r.gap))
    # Units come largest first; a wall leaves less choice than size does.
    order = sorted(beside, key=lambda u: (-len(faces.get(u, ())), u))
    out, done = [], set[int]()
    for root in order:
        if root in done:
            continue
        units, links = [root], []
        for u in units:
            fresh = [one for one in beside[u] if one.child not in units]
            units += [one.child for one in fresh]
            links += fresh
        done |= set(units)
        members = tuple(i for u in units for i in prints.units[u].members)
        own = {u: faces[u] for u in units if u in faces}
        extra = min(members) >= len(prints.names) - prints.extra
        inner = tuple(_inner(prints, [prints.units[u] for u in units], relations, index))
        out.append(Group(tuple(units), members, tuple(links), own, inner, extra))
    return sorted(out, key=lambda g: min(g.units))


def _inner(
    prints: Footprints,
    units: Sequence[Unit],
    relations: Sequence[Relation],
    index: dict[str, int],
) -> Iterator[tuple[int, tuple[int, ...]]]:
    containers = sorted({index[r.b] for r in relations if r.kind == "in"})
    for unit in units:
        for c in containers:
            # What is in something that is itself in it goes round with it.
            if c in unit.members and prints.carrier[c] < 0 and not unit.hooked:
                yield c, tuple(parts_of(prints, unit, c))
