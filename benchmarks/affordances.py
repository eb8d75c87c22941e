"""What variants of household things and of scanned objects still afford: our deformations, kept and
as drawn, beside scaling alike along all axes and beside a swap with any other household thing.

    python benchmarks/affordances.py [PACK ...] [--variants 200] [--json]

Each share is of the variants whose twin has that affordance. A pack's objects count as much as
drawn ones.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from cousins import household, pack
from cousins.affordance import FINGER, GRIPPER, Affordances, affordances, lost
from cousins.types import Asset, Mesh
from cousins.variation.deform import Deformation, deformed, draw, shape_distance

DRAWN = ("mug", "bowl", "box", "can", "bottle", "basket", "tray", "carton")
NAIVE = (0.5, 2.0)  # range of the factor of scaling alike along all axes
WIDER = 1.3  # of the twin's footprint, along either side, still fits in its place
TRIES = 12  # draws in which one that keeps everything is looked for

Make = Callable[[Asset, Affordances, np.random.Generator], Asset | None]


@dataclass(frozen=True)
class Pair:
    """What a twin affords, and its variant; how far apart they are."""

    twin: Affordances
    other: Affordances
    distance: float


def kept(asset: Asset, twin: Affordances, rng: np.random.Generator) -> Asset | None:
    """Ours: the first deformation that affords all that the twin does."""
    for _ in range(TRIES):
        found = ours(asset, twin, rng)
        if not lost(twin, affordances(found)):
            return found
    return None


def ours(asset: Asset, _: Affordances, rng: np.random.Generator) -> Asset:
    """A deformation as drawn, at full strength."""
    return deformed(asset, "variant", draw(asset, rng, 1.0))


def naive(asset: Asset, _: Affordances, rng: np.random.Generator) -> Asset:
    """The same in another size."""
    factor = float(np.exp(rng.uniform(*np.log(NAIVE))))
    if asset.primitive is not None:
        return deformed(asset, "variant", Deformation((factor, factor, factor)))

    def sized(mesh: Mesh) -> Mesh:
        return replace(mesh, vertices=factor * mesh.vertices)

    return replace(asset, visual=sized(asset.visual), parts=tuple(map(sized, asset.parts)),
                   center_of_mass=factor * asset.center_of_mass)  # fmt: skip


def swapped(asset: Asset, _: Affordances, rng: np.random.Generator) -> Asset:
    """Any other household thing, turned about upright as it comes."""
    category = str(rng.choice(list(household.CATEGORIES)))
    other = household.draw(category, rng).asset("variant", asset.support)
    return replace(other, quaternion=asset.quaternion)


MAKES: Mapping[str, Make] = {
    "ours, what is lost rejected": kept,
    "ours, as drawn": ours,
    "scaled alike, 0.5 to 2": naive,
    "swapped with anything": swapped,
}

# What is asked of a pair: whether it counts, and whether it is kept.
ASKED: Mapping[str, tuple[Callable[[Pair], bool], Callable[[Pair], bool]]] = {
    "opening open": (
        lambda p: p.twin.opening is not None and 2 * p.twin.opening.radius >= FINGER,
        lambda p: not any("opening" in reason for reason in lost(p.twin, p.other)),
    ),
    "handle graspable": (
        lambda p: p.twin.handle is not None and p.twin.handle.gap >= FINGER,
        lambda p: not any("handle" in reason for reason in lost(p.twin, p.other)),
    ),
    "stands": (lambda p: p.twin.stands, lambda p: p.other.stands),
    "fits an 85 mm gripper": (
        lambda p: p.twin.grasp <= GRIPPER,
        lambda p: p.other.grasp <= GRIPPER,
    ),
    "fits its place": (
        lambda p: True,
        lambda p: all(np.array(p.other.footprint) <= WIDER * np.array(p.twin.footprint)),
    ),
    "all of it": (lambda p: True, lambda p: not lost(p.twin, p.other)),
}  # fmt: skip


def measure(
    make: Make, twins: Sequence[tuple[Asset, Affordances]], count: int
) -> list[Pair | None]:
    """`count` variants, of each twin in turn; None where none could be made."""
    out: list[Pair | None] = []
    for k in range(count):
        asset, twin = twins[k % len(twins)]
        other = make(asset, twin, np.random.default_rng((k, 17)))
        if other is None:
            out.append(None)
            continue
        out.append(Pair(twin, affordances(other), shape_distance(asset, other)))
    return out


def told(pairs: Sequence[Pair | None]) -> dict[str, float | int | None]:
    """The shares, by what is asked; the reasons' counts are `reasons`."""
    made = [p for p in pairs if p is not None]
    out: dict[str, float | int | None] = {"variants": len(made), "not made": len(pairs) - len(made)}
    for name, (counts, holds) in ASKED.items():
        asked = [p for p in made if counts(p)]
        out[f"{name}, of"] = len(asked)
        out[name] = float(np.mean([holds(p) for p in asked])) if asked else None
    out["distance, mean"] = float(np.mean([p.distance for p in made])) if made else None
    return out


def reasons(pairs: Sequence[Pair | None]) -> dict[str, int]:
    """How often each was lost."""
    return dict(Counter(r for p in pairs if p is not None for r in lost(p.twin, p.other)))


def _twins(packs: Sequence[Path]) -> list[tuple[Asset, Affordances]]:
    rng = np.random.default_rng(0)
    drawn = [household.draw(c, rng).asset(c, "table") for _ in range(3) for c in DRAWN]
    scanned = [a for path in packs for a in pack.load_scene(pack.read(path)).assets]
    return [(asset, affordances(asset)) for asset in (*drawn, *scanned)]


def _table(rows: Mapping[str, Mapping[str, float | int | None]]) -> Table:
    table = Table("variants", "made", *ASKED, "distance")
    for name, row in rows.items():
        cells = []
        for asked in ASKED:
            share = row[asked]
            cells.append("–" if share is None else f"{share:.0%} of {row[f'{asked}, of']}")
        far = row["distance, mean"]
        made = f"{row['variants']}"
        table.add_row(name, made, *cells, "–" if far is None else f"{far:.2f}")
    return table


def main() -> None:
    """Make, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0] if __doc__ else None)
    parser.add_argument("packs", nargs="*", type=Path, metavar="PACK")
    parser.add_argument("--variants", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    twins = _twins(arguments.packs)
    found = {name: measure(make, twins, arguments.variants) for name, make in MAKES.items()}
    rows = {name: told(pairs) for name, pairs in found.items()}
    if arguments.json:
        print(json.dumps({n: {**r, "reasons": reasons(found[n])} for n, r in rows.items()}))
        return
    console = Console(width=150)
    console.print(_table(rows))
    for name, pairs in found.items():
        lines = ", ".join(f"{reason} {count}" for reason, count in reasons(pairs).items())
        console.print(f"{name}: {lines or 'nothing lost'}")


if __name__ == "__main__":
    main()
