"""What of a model is seen beside its objects."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.raycast import VISIBLE


def surface_geoms(model: mujoco.MjModel) -> NDArray[np.int64]:
    """(S,) ids of the visible geoms that are no object's: supports and walls, or what was scanned
    around the objects."""
    return np.flatnonzero((model.geom_bodyid == 0) & np.isin(model.geom_group, VISIBLE))
