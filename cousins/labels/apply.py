"""A label on an object."""

from __future__ import annotations

from dataclasses import replace

from cousins.labels.categories import category
from cousins.labels.label import Label
from cousins.types import Asset

SURE = 0.5  # below it a label is more likely wrong than right


def labelled(asset: Asset, label: Label) -> Asset:
    """The object under this label, to which `cousins.physics.estimate.estimated` brings the rest.

    One that is less than half sure is no label: the object keeps its own, and `label_source` tells
    the guess as one.
    """
    if label.confidence < SURE:
        guess = f"{label.source}: perhaps {label.text} ({label.confidence:.0%})"
        return replace(asset, label_source=f"{asset.label_source}; {guess}")
    return replace(
        asset,
        label=label.text,
        label_source=label.source,
        label_confidence=label.confidence,
        category=label.category or category(label.text),
    )
