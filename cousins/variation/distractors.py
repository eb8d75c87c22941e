"""Things that the twin does not have: household shapes, and properties as a scan guesses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import mujoco
import numpy as np

from cousins.affordance import affordances
from cousins.bank import Family
from cousins.distributions import Uniform
from cousins.errors import PackError
from cousins.household import draw
from cousins.mesh import parse_obj
from cousins.physics.estimate import properties
from cousins.physics.form import form
from cousins.scene import Kind
from cousins.types import Asset, Mesh, Primitive, Scene
from cousins.variation.union import Variants

# Of few convex parts: they are to be in the way, not to be handled.
CATEGORIES = ("box", "can", "carton", "bottle", "book", "case")
SHAPES = 8  # of each
KINDS: Mapping[int, Kind] = {
    int(mujoco.mjtGeom.mjGEOM_BOX): "box",
    int(mujoco.mjtGeom.mjGEOM_CYLINDER): "cylinder",
    int(mujoco.mjtGeom.mjGEOM_SPHERE): "sphere",
}


def distractors(scene: Scene, count: int, seed: np.random.SeedSequence) -> tuple[Variants, ...]:
    """`count` things in `SHAPES` shapes each, to stand on the surface that carries most objects.

    They have no place of their own yet. None where nothing stands on a surface.
    """
    support = _support(scene)
    if support is None:
        return ()
    # What frames the scene must not look for them: they stand nowhere yet.
    places = np.array([asset.position for asset in scene.assets])
    middle = (places.min(0) + places.max(0)) / 2
    out = []
    for k, own in enumerate(seed.spawn(count)):
        rng = np.random.default_rng(own)
        category = CATEGORIES[int(rng.integers(len(CATEGORIES)))]
        name = f"distractor_{k + 1}"
        names = [name, *(f"{name}_v{i}" for i in range(1, SHAPES))]
        things = tuple(replace(_thing(category, rng, n, support), position=middle) for n in names)
        out.append(Variants(things, (1.0,) * SHAPES, tuple(affordances(t) for t in things)))
    return tuple(out)


def _support(scene: Scene) -> str | None:
    surfaces = [s.name for s in scene.supports]
    carried = [a.support for a in scene.assets if a.support in surfaces]
    return max(surfaces, key=carried.count) if carried else None


def with_distractors(scene: Scene, family: Family, model: mujoco.MjModel) -> Scene:
    """The scene with a family's distractors, each in its first shape. Raises PackError for a family
    of another scene."""
    bank, own = family.bank, len(scene.assets)
    if bank is None:
        return scene
    wrong = bank.misfit(model)
    if wrong:
        raise PackError(f"bank.npz: {wrong}: augment anew")
    names = [model.body(int(body)).name for body in bank.body]
    if names[:own] != [asset.name for asset in scene.assets]:
        raise PackError("a family of other objects than the scene's: augment anew")
    if len(names) == own:
        return scene
    support = _support(scene) or ""
    more = [_stand_in(family, model, i, support) for i in range(own, len(names))]
    return replace(scene, assets=(*scene.assets, *more))


def _stand_in(family: Family, model: mujoco.MjModel, i: int, support: str) -> Asset:
    """What a family says of a distractor in its first shape."""
    bank = family.bank
    assert bank is not None
    name = model.body(int(bank.body[i])).name
    mine = np.flatnonzero((bank.owner == i) & bank.used[0])
    first, *solid = mine.tolist()
    kind = KINDS.get(model.geom_type[bank.geom[solid[0]]])
    primitive, parts = None, ()
    if kind is not None:
        fields = (bank.size, bank.position, bank.quaternion)
        primitive = Primitive(kind, *(tuple(f[0, solid[0]].tolist()) for f in fields))
    else:
        parts = tuple(_mesh(family, model, bank.dataid[0, j]) for j in solid)
    mass = float(model.body_mass[bank.body[i]])
    friction = float(model.geom_friction[bank.geom[solid[0]], 0])
    return Asset(
        name=name, label=name.replace("_", " "), label_source="distractor", label_confidence=1.0,
        position=model.body_pos[bank.body[i]], quaternion=np.array([1.0, 0, 0, 0]),
        visual=_mesh(family, model, bank.dataid[0, first]), parts=parts, primitive=primitive,
        watertight=True, volume=float(bank.volume[0, i]), observed_fraction=1.0, support=support,
        mass=Uniform(mass, mass, "distractor"), friction=Uniform(friction, friction, "distractor"),
        shell_fraction=Uniform(0.5, 0.5, "distractor"), center_of_mass=bank.solid[0, i],
        inertia=mass * bank.solid_inertia[0, i],
    )  # fmt: skip


def _mesh(family: Family, model: mujoco.MjModel, k: int) -> Mesh:
    name = f"{model.mesh(int(k)).name}.obj"
    return parse_obj(family.files[name].decode(), name)


def _thing(category: str, rng: np.random.Generator, name: str, support: str) -> Asset:
    asset = draw(category, rng).asset(name, support)
    known = properties(form(asset.visual, asset.primitive))
    return replace(
        asset,
        mass=known.mass,
        friction=known.friction,
        restitution=known.restitution,
        shell_fraction=known.shell_fraction,
        inertia=asset.inertia * (known.mass.mode / asset.mass.mode),
        parts=() if asset.primitive else asset.parts,
    )
