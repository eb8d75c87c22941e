"""How a parallel gripper takes hold of an object, and where a closed one pushes it."""

from __future__ import annotations

from cousins.grasps.gripper import Grasps, Gripper
from cousins.grasps.near import Obstacles, clearance
from cousins.grasps.push import Pushes, pushes
from cousins.grasps.sample import grasps
from cousins.grasps.table import GraspTable, family_model, shape_grasps, shape_parts, table

__all__ = [
    "GraspTable",
    "Grasps",
    "Gripper",
    "Obstacles",
    "Pushes",
    "clearance",
    "family_model",
    "grasps",
    "pushes",
    "shape_grasps",
    "shape_parts",
    "table",
]
