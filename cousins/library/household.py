"""Our own household things as a library: a new one is drawn for every place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from cousins.labels.categories import category
from cousins.library.descriptor import ALIKE, NEAR, Descriptor, describe, distance
from cousins.library.fit import placements
from cousins.library.item import MOST_VERTICES, Item
from cousins.mesh import solid_moments
from cousins.shape.convex import convex_hull
from cousins.types import Array, Asset, Mesh, Primitive

if TYPE_CHECKING:
    from cousins.household import Household as Thing

SOURCE = "household"
LICENCE = "Apache-2.0"  # this project's own
SAMPLES = 6  # draws that stand for all that a maker makes
TRIES = 6  # draws for each item that is wanted
TOUCH = 1e-6  # m: parts no farther apart share a face or a corner
FEW = 32  # convex parts: more make every cousin slower to step

# Which of our makers make what assets/categories.toml names.
MAKERS = {
    "mug": ("mug",),
    "bowl": ("bowl",),
    "plate": ("plate",),
    "tray": ("tray",),
    "spatula": ("spatula",),
    "food box": ("box", "carton"),
    "can": ("can",),
    "bottle": ("bottle",),
    "milk carton": ("box",),
    "tissue box": ("carton",),
    "hammer": ("hammer",),
    "screwdriver": ("screwdriver",),
    "book": ("book",),
    "notebook": ("booklet", "book"),
    "magazine": ("booklet",),
    "phone": ("case",),
    "tablet": ("case",),
    "ball": ("ball",),
    "basket": ("basket",),
    "box": ("box", "carton"),
    "wood block": ("box",),
    "toy block": ("box",),
}


@dataclass(frozen=True)
class Household:
    """Draws things of the asset's category from `cousins.household`.

    Where the category is not known, or nothing there makes it, the makers whose things are nearest
    by shape draw, each the more often the nearer it is; none where no shape is near. near: see
    `cousins.library.descriptor.NEAR`.
    """

    near: float = NEAR
    name: str = "household"

    def __call__(self, asset: Asset, count: int, rng: np.random.Generator) -> Iterator[Item]:
        """Up to `count` new things that fit the asset, each drawn when it is asked for."""
        from cousins.household import draw

        own = describe(asset.visual)
        makers = MAKERS.get(asset.category or category(asset.label) or "", ())
        shares = _even(makers) if makers else self._nearest(own)
        found = 0
        for _ in range(TRIES * count if shares else 0):
            if found == count:
                break
            maker = str(rng.choice(list(shares), p=list(shares.values())))
            thing = draw(maker, rng)
            bare = Item(
                name=f"{asset.name}_{maker}_{found + 1}",
                label=maker,
                category=category(maker),
                visual=_centred(thing.solid.mesh, thing.origin),
                parts=(),
                primitive=_primitive(thing),
                watertight=True,
                source=SOURCE,
                licence=LICENCE,
            )
            if not placements(asset, bare):
                continue
            if not makers and distance(own, describe(bare.visual), own.lies) > self.near:
                continue
            found += 1
            yield _whole(bare, thing)

    def _nearest(self, own: Descriptor) -> dict[str, float]:
        """The makers that are near, each with the share of the draws that falls to it."""
        found = {m: min(distance(own, d, own.lies) for d in all_) for m, all_ in _samples().items()}
        weights = {
            m: float(np.exp(-0.5 * (d / ALIKE) ** 2)) for m, d in found.items() if d <= self.near
        }
        return {m: w / sum(weights.values()) for m, w in weights.items()}


@cache
def _samples() -> dict[str, tuple[Descriptor, ...]]:
    """A few things of every maker, always the same."""
    from cousins.household import CATEGORIES, draw

    return {
        maker: tuple(
            describe(draw(maker, np.random.default_rng([i, k])).solid.mesh) for k in range(SAMPLES)
        )
        for i, maker in enumerate(CATEGORIES)
    }


def _even(makers: tuple[str, ...]) -> dict[str, float]:
    return {maker: 1 / len(makers) for maker in makers}


def _centred(mesh: Mesh, origin: Array) -> Mesh:
    return replace(mesh, vertices=mesh.vertices - origin)


def _primitive(thing: Thing) -> Primitive | None:
    if thing.primitive is None:
        return None
    x, y, z = (float(v) for v in np.asarray(thing.primitive.position) - thing.origin)
    return replace(thing.primitive, position=(x, y, z))


def _whole(bare: Item, thing: Thing) -> Item:
    """The item with its convex parts, and with its looks once they are asked for."""
    parts = tuple(_centred(_few(p), thing.origin) for p in joined(thing.parts, FEW))
    return replace(bare, parts=parts, paint=lambda: _centred(thing.visual, thing.origin))


def _few(part: Mesh) -> Mesh:
    if len(part.vertices) <= MOST_VERTICES:
        return part
    return convex_hull(part.vertices, MOST_VERTICES - 6)  # and the six of its bounding box


def joined(parts: Sequence[Mesh], most: int) -> list[Mesh]:
    """At most `most` of convex parts, those joined whose common hull adds the least volume.

    Exact parts of what is turned are hundreds of wedges; joined they bulge a little into its
    hollow, and a cousin of it is not slower to step than a scanned one.
    """
    from scipy.spatial import ConvexHull

    if len(parts) <= most:
        return list(parts)
    alive = {i: p.vertices for i, p in enumerate(parts)}
    volume = {i: solid_moments(p)[0] for i, p in enumerate(parts)}
    tried: dict[tuple[int, int], tuple[float, Array]] = {}

    def join(i: int, j: int) -> None:
        if _gap(alive[i], alive[j]) < TOUCH:
            both = np.vstack([alive[i], alive[j]])
            hull = ConvexHull(both)
            tried[i, j] = float(hull.volume) - volume[i] - volume[j], both[hull.vertices]

    for j in alive:
        for i in range(j):
            join(i, j)
    while len(alive) > most and tried:
        i, j = min(tried, key=lambda pair: (tried[pair][0], pair))
        added, both = tried[i, j]
        new = max(alive) + 1
        volume[new] = volume[i] + volume[j] + added
        del alive[i], alive[j]
        tried = {pair: found for pair, found in tried.items() if not {i, j} & set(pair)}
        others = list(alive)
        alive[new] = both
        for k in others:
            join(k, new)
    return [parts[i] if i < len(parts) else convex_hull(points, MOST_VERTICES - 6)
            for i, points in alive.items()]  # fmt: skip


def _gap(a: Array, b: Array) -> float:
    """How far the bounding boxes of points (n, 3) and (m, 3) are apart, m."""
    return float((np.maximum(a.min(0), b.min(0)) - np.minimum(a.max(0), b.max(0))).max())
