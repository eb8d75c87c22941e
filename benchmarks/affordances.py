"""What variants of household things and of scanned objects still afford: those of the bank that
cousins take their shapes from and deformations as drawn, beside scaling alike along all axes and
beside a swap with any other household thing.

    python benchmarks/affordances.py [PACK ...] [--variants 200] [--json]

Each share is of the variants whose twin has that affordance. A pack's objects count as much as
drawn ones; only they have neighbours, and a robot that is to reach them.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import mujoco
import numpy as np
from rich.console import Console
from rich.table import Table

from cousins import household, pack
from cousins.affordance import FINGER, GRIPPER, Affordances, affordances, lost
from cousins.library import Household
from cousins.mesh import matrix_from_quaternion
from cousins.scene import build, compile_model
from cousins.shape.primitive import primitive_mesh
from cousins.types import Array, Asset, Mesh, Scene, Support
from cousins.variation.certificate import OVERLAP, SETTLE_DRIFT, SETTLE_TILT
from cousins.variation.deform import Deformation, deformed, draw, shape_distance
from cousins.variation.robot import nominal, reachable
from cousins.variation.shapes import variants

DRAWN = ("mug", "bowl", "box", "can", "bottle", "basket", "tray", "carton")
NAIVE = (0.5, 2.0)  # range of the factor of scaling alike along all axes
WIDER = 1.3  # of the twin's footprint, along either side, still fits in its place
SHAPES, SWAPS = 16, 0.4  # of a twin's bank: about three times as many as are asked of it
ALONE = 1.0  # s of physics on a table with nothing else on it
TABLE = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])  # m


@dataclass(frozen=True, eq=False)
class Twin:
    """An object, and of a pack's the scene that it is in and where the robot stands in that."""

    asset: Asset
    affords: Affordances
    steady: bool
    scene: Scene | None = None
    base: Array | None = None


Make = Callable[[Twin, np.random.Generator], Asset | None]


@dataclass(frozen=True)
class Pair:
    """What a twin affords, and its variant; how far apart they are. steady: of each, whether it
    stands by physics; reached and free: of each, whether the robot reaches it in the twin's place,
    and whether it is clear of its neighbours there; None of what is in no scene."""

    twin: Affordances
    other: Affordances
    distance: float
    steady: tuple[bool, bool]
    reached: tuple[bool, bool] | None
    free: tuple[bool, bool] | None


def banked(twin: Twin, rng: np.random.Generator) -> Asset | None:
    """Ours: as the axis of shape takes it at strength 1, but never the twin's own."""
    others = _bank(twin)
    return others[int(rng.integers(len(others)))] if others else None


@cache
def _bank(twin: Twin) -> tuple[Asset, ...]:
    return variants(twin.asset, SHAPES, SWAPS, Household(), np.random.SeedSequence(17)).shapes[1:]


def drawn(twin: Twin, rng: np.random.Generator) -> Asset:
    """A deformation as drawn, at full strength."""
    return deformed(twin.asset, "variant", draw(twin.asset, rng, 1.0))


def naive(twin: Twin, rng: np.random.Generator) -> Asset:
    """The same in another size."""
    asset = twin.asset
    factor = float(np.exp(rng.uniform(*np.log(NAIVE))))
    if asset.primitive is not None:
        return deformed(asset, "variant", Deformation((factor, factor, factor)))

    def sized(mesh: Mesh) -> Mesh:
        return replace(mesh, vertices=factor * mesh.vertices)

    return replace(asset, visual=sized(asset.visual), parts=tuple(map(sized, asset.parts)),
                   center_of_mass=factor * asset.center_of_mass,
                   inertia=factor**2 * asset.inertia, volume=factor**3 * asset.volume)  # fmt: skip


def swapped(twin: Twin, rng: np.random.Generator) -> Asset:
    """Any other household thing, turned about upright as it comes."""
    category = str(rng.choice(list(household.CATEGORIES)))
    other = household.draw(category, rng).asset("variant", twin.asset.support)
    return replace(other, quaternion=twin.asset.quaternion)


def solid(asset: Asset) -> Array:
    """(n, 3) corners of its collision shape, turned as it is turned, about its origin."""
    meshes = asset.parts if asset.primitive is None else (primitive_mesh(asset.primitive),)
    turn = matrix_from_quaternion(asset.quaternion)
    return np.vstack([mesh.vertices for mesh in meshes]) @ turn.T


def steady(asset: Asset) -> bool:
    """Whether it is where it was put, alone on a table, after a second of physics."""
    place = np.array([0.0, 0.0, -solid(asset)[:, 2].min()])
    alone = Scene((replace(asset, position=place, support="table"),),
                  (Support("table", "table", 0.0, TABLE),))  # fmt: skip
    model = compile_model(*build(alone))
    data = mujoco.MjData(model)
    start = data.qpos.copy()
    mujoco.mj_step(model, data, round(ALONE / model.opt.timestep))
    moved = float(np.linalg.norm(data.qpos[:3] - start[:3]))
    turned = 2 * float(np.arccos(min(1.0, abs(float(data.qpos[3:] @ start[3:])))))
    return moved <= SETTLE_DRIFT and turned <= SETTLE_TILT


def placed(twin: Twin, other: Asset) -> Asset:
    """The other where the twin is, its foot as high and the middle of its shadow in its place."""
    middle, new = (np.append((v[:, :2].min(0) + v[:, :2].max(0)) / 2, v[:, 2].min())
                   for v in (solid(twin.asset), solid(other)))  # fmt: skip
    at = twin.asset.position + middle - new
    return replace(other, name=twin.asset.name, position=at, support=twin.asset.support)


def free(scene: Scene, asset: Asset) -> bool:
    """Whether an object of the scene, as it is given here, goes no deeper than a cousin's may into
    anything but what it stands on."""
    assets = tuple(asset if a.name == asset.name else a for a in scene.assets)
    # Looks play no part, and take the longest to compile.
    bare = [replace(a, visual=replace(a.visual, texture=None)) for a in assets]
    model = compile_model(*build(replace(scene, assets=tuple(bare), background=None)))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    body = model.body(asset.name).id
    # What stands on it is lifted with it in a cousin.
    carried = {model.body(a.name).id for a in assets if a.support == asset.name}
    for contact in data.contact:
        a, b = (int(model.geom_bodyid[g]) for g in contact.geom)
        if body not in (a, b) or contact.dist >= -OVERLAP:
            continue
        geom, mate = (contact.geom[0], a) if b == body else (contact.geom[1], b)
        name = model.body(mate).name if mate else model.geom(int(geom)).name
        if name != asset.support and mate not in carried:
            return False
    return True


def within(twin: Twin, other: Asset) -> bool:
    """Whether the robot reaches its centre of mass."""
    assert twin.base is not None
    middle = other.position + matrix_from_quaternion(other.quaternion) @ other.center_of_mass
    return bool(reachable(twin.base[None], middle[None, None])[0, 0])


MAKES: Mapping[str, Make] = {
    "ours, of the bank": banked,
    "deformed, as drawn": drawn,
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
    "stands by physics": (lambda p: p.steady[0], lambda p: p.steady[1]),
    "fits an 85 mm gripper": (
        lambda p: p.twin.grasp <= GRIPPER,
        lambda p: p.other.grasp <= GRIPPER,
    ),
    "fits its place": (
        lambda p: True,
        lambda p: all(np.array(p.other.footprint) <= WIDER * np.array(p.twin.footprint)),
    ),
    "clear of neighbours": (
        lambda p: p.free is not None and p.free[0],
        lambda p: p.free is not None and p.free[1],
    ),
    "in the robot's reach": (
        lambda p: p.reached is not None and p.reached[0],
        lambda p: p.reached is not None and p.reached[1],
    ),
    "all of it": (lambda p: True, lambda p: not lost(p.twin, p.other) and _kept(p)),
}  # fmt: skip


def _kept(pair: Pair) -> bool:
    """Whether what physics and place say of the twin still holds."""
    told = (pair.steady, pair.reached or (False, True), pair.free or (False, True))
    return all(other or not twin for twin, other in told)


def measure(make: Make, twins: Sequence[Twin], count: int) -> list[Pair | None]:
    """`count` variants, of each twin in turn; None where none could be made."""
    out: list[Pair | None] = []
    for k in range(count):
        twin = twins[k % len(twins)]
        other = make(twin, np.random.default_rng((k, 17)))
        out.append(None if other is None else _pair(twin, other))
    return out


def _pair(twin: Twin, other: Asset) -> Pair:
    there, reached, clear = placed(twin, other), None, None
    if twin.scene is not None:
        reached = within(twin, twin.asset), within(twin, there)
        clear = free(twin.scene, twin.asset), free(twin.scene, there)
    return Pair(twin.affords, affordances(other), shape_distance(twin.asset, other),
                (twin.steady, steady(other)), reached, clear)  # fmt: skip


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


def _twins(packs: Sequence[Path]) -> list[Twin]:
    rng = np.random.default_rng(0)
    made = [household.draw(c, rng).asset(c, "table") for _ in range(3) for c in DRAWN]
    twins = [Twin(asset, affordances(asset), steady(asset)) for asset in made]
    for path in packs:
        scene = pack.load_scene(pack.read(path))
        base = nominal(scene)
        twins += [Twin(a, affordances(a), steady(a), scene, base) for a in scene.assets]
    return twins


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
