"""What cousins of one family must answer for."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco

from cousins.bank import Bank
from cousins.types import Scene
from cousins.variation.relations import Relation
from cousins.variation.units import Footprints


@dataclass(frozen=True)
class Judge:
    """What cousins of one family must answer for.

    prints: of the scene's objects. relations: what must hold between them. own: how many of them
    are the twin's, and no distractors.
    """

    model: mujoco.MjModel
    scene: Scene
    prints: Footprints
    relations: tuple[Relation, ...]
    bank: Bank
    own: int

    @property
    def names(self) -> list[str]:
        """Of the objects."""
        return [asset.name for asset in self.scene.assets]
