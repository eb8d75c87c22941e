"""Every physical property of the objects of a scene, from shape, label, and what was weighed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cousins.contact import LIMIT
from cousins.distributions import (
    STAND_IN,
    Beta,
    Categorical,
    Distribution,
    LogNormal,
    Mixture,
    Normal,
    mixture,
)
from cousins.physics.form import Form, form
from cousins.physics.mass import LEAST, Weighed, Weighing, called, published, reweighed, weighing
from cousins.physics.materials import makes, materials, told
from cousins.types import Asset

PRIOR = "prior: "  # what the source of a property begins with that nobody measured
NAMED = 3  # ways to be made that the evidence tells of
SHAPE = "shape"  # the source of a label that is no more than words of a measured shape


@dataclass(frozen=True)
class Properties:
    """What is known of one thing. mass, kg; material, by name; friction on a household surface;
    restitution; shell_fraction: the share of its mass in its walls."""

    mass: Mixture
    material: Categorical
    friction: Mixture
    restitution: Mixture
    shell_fraction: Mixture


def properties(
    of: Form,
    category: str | None = None,
    confidence: float = 1.0,
    label: str | None = None,
    known: Sequence[Weighed] = (),
    mass: Distribution | None = None,
) -> Properties:
    """What is known of a thing of that form.

    category, of assets/categories.toml, or else label, its name in words: what it is, as sure as
    `confidence` (0..1). known: what was weighed in its scene. mass: its own where that is known,
    which tells of its material. Raises ValueError for a confidence outside 0..1.
    """
    if not 0 <= confidence <= 1:
        raise ValueError(f"a confidence of {confidence}: it goes from 0 to 1")
    found = [(1.0, weighing(of, known=known))]
    if confidence > 0 and (category or label):
        named = weighing(of, category, label, known)
        found = [(confidence, named), (1 - confidence, found[0][1])]
    if mass is not None:
        found = [(share, _given(w, mass)) for share, w in found]
    return _properties(found, _words(of, category, confidence, label, known, mass is not None))


def _given(found: Weighing, mass: Distribution) -> Weighing:
    middle, spread = _log(mass)
    sigma = np.hypot(found.sigma, spread)
    z = (middle - found.mu) / sigma
    return reweighed(found, -0.5 * z**2 - np.log(sigma))


def _log(mass: Distribution) -> tuple[float, float]:
    """Middle and standard deviation of the logarithm of a mass, by its quantiles."""
    low, middle, high = np.log(mass.quantiles(np.array([0.16, 0.5, 0.84])))
    return float(middle), float(high - low) / 2


def _properties(found: Sequence[tuple[float, Weighing]], evidence: str) -> Properties:
    pairs = [(weight * w.share[k], w, k) for weight, w in found for k in range(len(w.share))]
    pairs = [(share, w, k) for share, w, k in pairs if share > LEAST]
    share = np.array([s for s, _, _ in pairs])
    share = share / share.sum()
    made = [makes()[k] for _, _, k in pairs]
    of = [materials()[make.material] for make in made]
    by = {m.name: float(share[[o is m for o in of]].sum()) for m in dict.fromkeys(of)}
    ways = sorted({make.name for make in made},
                  key=lambda name: -share[[m.name == name for m in made]].sum())  # fmt: skip
    likely = ", ".join(
        f"{share[[m.name == name for m in made]].sum():.0%} {name}" for name in ways[:NAMED]
    )
    words = f"{evidence}; {likely}"
    source = PRIOR + f"{told()['source']}, and what materials.toml holds of materials"
    names = list(by)
    kept, weights = [materials()[n] for n in names], [by[n] for n in names]
    walls = [float(w.walls[k]) for _, w, k in pairs]
    return Properties(
        mass=mixture(
            share,
            [LogNormal(float(w.mu[k]), float(w.sigma[k]), "") for _, w, k in pairs],
            source,
            words,
        ),
        material=Categorical(by, source, words),
        friction=mixture(
            weights, [m.friction for m in kept], PRIOR + kept[0].friction.source, words
        ),
        restitution=mixture(
            weights, [_bounce(m.restitution) for m in kept], PRIOR + kept[0].restitution.source,
            words,
        ),
        shell_fraction=_walls(share, walls, words),
    )  # fmt: skip


def _bounce(restitution: Normal) -> Normal:
    return replace(restitution, high=LIMIT)


def _walls(share: np.ndarray, walls: Sequence[float], words: str) -> Mixture:
    """A share in the walls for each way to be made, give or take a tenth; ways alike are one."""
    near = np.clip(np.round(np.array(walls), 1), 0.03, 0.97)  # nothing is the one or the other
    parts = [Beta.around(float(v), 0.1 * (0.3 + v * (1 - v) * 2), "") for v in np.unique(near)]
    weights = [float(share[near == v].sum()) for v in np.unique(near)]
    return mixture(weights, parts, PRIOR + "how much of what it can be made of is wall", words)


def _words(
    of: Form,
    category: str | None,
    confidence: float,
    label: str | None,
    known: Sequence[Weighed],
    weighed: bool,
) -> str:
    if of.wall is None:
        words = f"{of.kind}, closed, {1e6 * of.volume:.3g} cm³ within {1e4 * of.area:.3g} cm²"
    else:
        words = f"walls of {1e4 * of.area / 2:.3g} cm², seen {1e3 * of.wall:.1f} mm thick"
    if confidence > 0 and (category or label):
        rows = [n for n, w in published().items() if category and w.category == category]
        words += f"; a {category or label}"
        words += f" ({', '.join(rows)})" if rows else ""
        words += f", {confidence:.0%} sure" if confidence < 1 else ""
        alike = [w for w in known if called(w.category, w.label) == called(category, label)]
        words += f"; {len(alike)} called alike were weighed" if alike else ""
    return words + ("; its own mass" if weighed else "")


def is_prior(distribution: Distribution | Categorical) -> bool:
    """Whether nobody measured or gave it: what is known of others may change it."""
    return distribution.source.startswith(PRIOR)


def named(asset: Asset) -> tuple[str | None, str | None, float]:
    """Category, label and confidence of an object; none of one that has words of its shape only."""
    if asset.label_source.partition(";")[0] == SHAPE:
        return None, None, 0.0
    return asset.category, asset.label.casefold(), asset.label_confidence


def estimated(assets: Sequence[Asset], metric: bool = True) -> tuple[Asset, ...]:
    """The objects with every property that nobody measured as all that is known now has it.

    A mass that was measured tells of those that share its label, and of its own material. What
    stood keeps its centre of mass; its inertia follows its mass. In a scene that is not metric
    nothing can be told of masses: each stays.
    """
    forms = [form(asset.visual, asset.primitive) for asset in assets]
    known = [
        None if is_prior(a.mass) or not metric or a.mass == STAND_IN else _weighed(a, f)
        for a, f in zip(assets, forms, strict=True)
    ]
    out = []
    for i, asset in enumerate(assets):
        others = [k for j, k in enumerate(known) if k is not None and j != i]
        category, label, sure = named(asset)
        mass = asset.mass if known[i] is not None else None
        found = properties(forms[i], category, sure, label, others, mass)
        out.append(_with(asset, found, metric))
    return tuple(out)


def _weighed(asset: Asset, of: Form) -> Weighed:
    middle, spread = _log(asset.mass)
    category, label, sure = named(asset)
    if sure < 1:  # what is perhaps called so tells nothing of what is
        category = label = None
    return Weighed(of, float(np.exp(middle)), spread, category, label)


def _with(asset: Asset, found: Properties, metric: bool) -> Asset:
    changes: dict[str, Distribution | Categorical] = {
        name: getattr(found, name)
        for name in ("friction", "restitution", "shell_fraction", "material")
        if is_prior(getattr(asset, name))
    }
    inertia = asset.inertia
    if metric and is_prior(asset.mass):
        changes["mass"] = found.mass
        inertia = asset.inertia * (found.mass.mode / asset.mass.mode)
    return replace(asset, **changes, inertia=inertia)
