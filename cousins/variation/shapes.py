"""The axis of shape, and the bank of shapes that it picks from.

An object's bank holds its own shape, deformations of it, and other things of its kind that fit into
its place. Whatever affords less than the twin's does not get in. At strength s a cousin takes any
shape that is at most s of the way to the farthest one. Its distance is the mean over the twin's
objects of how far their shapes lie from their own; see `cousins.variation.deform.shape_distance`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from cousins.affordance import Affordances, affordances, lost
from cousins.library import Library, fitted
from cousins.scene import collision_geoms
from cousins.types import Array, Asset
from cousins.variation import deform
from cousins.variation.axes import Drawn, Source, mean
from cousins.variation.union import Variants

WIDER_FOOT = 1.35  # how much wider and longer than the twin's its shadow may be
ALIKE = 0.01  # of its size: what differs by less is no other shape
TRIES = 12  # deformations that are tried for a place in the bank
WIDER = 4  # times as many things of its kind are looked at as are wanted
MOST_PARTS = 24  # convex parts of a shape that is swapped in, or the object's own where it has more


@dataclass(frozen=True)
class Shape:
    """See the module."""

    name: str = "shape"

    def numbers(self, source: Source) -> int:
        """One for each object."""
        return len(source.scene.assets)

    def draw(self, source: Source, uniform: Array, strength: Array, drawn: Drawn) -> Drawn:
        """shape (n, A): a row of each object's bank. A distractor takes any at any strength, and
        what is hooked into something keeps its own."""
        bank = source.union.bank
        out = np.zeros(uniform.shape, np.uint16)
        for i, count in enumerate(bank.shapes):
            far = bank.distance[:count, i]
            order = np.argsort(far, kind="stable")
            reach = np.ones(len(strength)) if i >= source.own else strength
            near = np.searchsorted(far[order], reach * far.max() + 1e-9, side="right")
            out[:, i] = order[(uniform[:, i] * near).astype(np.int64)]
        for unit in source.footprints.units:
            if unit.hooked:
                out[:, list(unit.members)] = 0
        return {"shape": out}

    def distance(self, source: Source, drawn: Drawn) -> Array:
        """See the module."""
        each = np.arange(source.own)
        far = source.union.bank.distance[drawn["shape"][:, : source.own], each]
        return mean(far)


def variants(
    asset: Asset, count: int, swaps: float, library: Library, seed: np.random.SeedSequence
) -> Variants:
    """`count` shapes: the asset's own first, then variants of it named `<name>_v1`, `_v2`, …

    swaps: the share of the variants that should be other things of its kind; where the library has
    too few that fit and afford what the asset does, deformations take their place.
    """
    chance, change = (np.random.default_rng(s) for s in seed.spawn(2))
    kept = _Kept(asset, affordances(asset), Counter())
    wanted = round(swaps * (count - 1))
    most = max(MOST_PARTS, collision_geoms(asset))
    for item in library(asset, WIDER * wanted, chance) if wanted else ():
        if len(kept.shapes) >= wanted:
            break
        other = fitted(asset, item, kept.name)
        if other is None:
            kept.rejected["does not fit in its place"] += 1
        elif collision_geoms(other) > most:
            kept.rejected["has too many parts"] += 1
        elif kept.add(other):
            dressed = fitted(asset, item.dressed(), other.name)
            kept.shapes[-1] = replace(other, visual=dressed.visual) if dressed else other
            if item.licence:
                kept.licences[other.name] = f"{item.source}: {item.licence}"
    left = count - 1 - len(kept.shapes)
    for k in range(left):
        for _ in range(TRIES):
            how = deform.draw(asset, change, (k + 1) / left)
            found = deform.deformed(asset, kept.name, how)
            # It is drawn with the asset's own texture.
            if kept.add(replace(found, visual=replace(found.visual, texture=None))):
                break
    far = (0.0, *(deform.shape_distance(asset, other) for other in kept.shapes))
    bare = [replace(o, parts=()) if o.primitive else o for o in kept.shapes]
    return Variants((asset, *bare), far, (kept.twin, *kept.affords), dict(kept.rejected),
                    kept.licences)  # fmt: skip


@dataclass
class _Kept:
    """What got into the bank so far beside the asset's own shape, and what did not."""

    asset: Asset
    twin: Affordances
    rejected: Counter[str]
    shapes: list[Asset] = field(default_factory=list)
    affords: list[Affordances] = field(default_factory=list)
    licences: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the next one."""
        return f"{self.asset.name}_v{len(self.shapes) + 1}"

    def add(self, other: Asset) -> bool:
        """Whether it affords what the asset does, and is in."""
        found = affordances(other)
        reasons = [*lost(self.twin, found)]
        if any(
            b > WIDER_FOOT * a for a, b in zip(self.twin.footprint, found.footprint, strict=True)
        ):
            reasons.append("takes too much room")
        if any(_alike(other, known) for known in (self.asset, *self.shapes)):
            reasons.append("is like another one")
        self.rejected.update(reasons)
        if not reasons:
            self.shapes.append(other)
            self.affords.append(found)
        return not reasons


def _alike(a: Asset, b: Asset) -> bool:
    """Whether two are one shape, as far as size, volume and where that lies tell."""
    if np.abs(a.size / b.size - 1).max() > ALIKE or abs(a.volume / b.volume - 1) > 3 * ALIKE:
        return False
    return float(np.linalg.norm(a.center_of_mass - b.center_of_mass)) < ALIKE * a.size.max()
