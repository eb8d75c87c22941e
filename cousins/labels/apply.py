"""A label on an object: what it is called, and what that tells of its mass."""

from __future__ import annotations

from dataclasses import replace

from cousins import physics
from cousins.labels.categories import category
from cousins.labels.label import Label
from cousins.types import Asset

SURE = 0.5  # below it a label is more likely wrong than right


def labelled(asset: Asset, label: Label, metric: bool = True) -> Asset:
    """The object under this label, with the mass prior of its category; see `mass_prior`.

    One that is less than half sure is no label: the object keeps its own and its prior, and
    `label_source` tells the guess as one. A mass that is no prior stays, as all do in a scene that
    is not metric, and friction, of which no category is known to tell.
    """
    if label.confidence < SURE:
        guess = f"{label.source}: perhaps {label.text} ({label.confidence:.0%})"
        return replace(asset, label_source=f"{asset.label_source}; {guess}")
    asset = replace(
        asset,
        label=label.text,
        label_source=label.source,
        label_confidence=label.confidence,
    )
    shape = physics.shape_behind(asset.mass)
    if not metric or shape is None:
        return asset
    named = label.category or category(label.text)
    mass = physics.mass_prior(asset.size, shape, named, label.confidence)
    # The centre of mass and the shape of the inertia are the mesh's, or what made it stand.
    return replace(asset, mass=mass, inertia=asset.inertia * (mass.mode / asset.mass.mode))
