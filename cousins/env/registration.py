"""Names for `gymnasium.make` and `gymnasium.make_vec`."""

from __future__ import annotations

import gymnasium

# gymnasium's name of a task, and the task's own.
NAMES = {
    "cousins/Hold-v0": "hold",
    "cousins/Reach-v0": "reach",
    "cousins/Push-v0": "push",
    "cousins/Lift-v0": "lift",
    "cousins/PlaceOn-v0": "place_on",
    "cousins/PlaceIn-v0": "place_in",
    "cousins/Stack-v0": "stack",
    "cousins/Sort-v0": "sort",
}


def register() -> None:
    """Make the names known to gymnasium; once is enough, and more does no harm."""
    for name, task in NAMES.items():
        if name not in gymnasium.registry:
            gymnasium.register(
                id=name,
                entry_point="cousins.env.single:CousinEnv",
                vector_entry_point="cousins.env.vector:CousinsVectorEnv",
                kwargs={"task": task},
            )
