"""What cousins are like, in quantities that a policy may notice: what a guess at its success goes
by, and what tells mined cousins from ordinary ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.bank import Family
from cousins.types import Array
from cousins.variation.axes import Source
from cousins.variation.sampling import Sources

AXIS = "the axis "  # what the names of distances by axis begin with


def traits(
    source: Source, rows: Mapping[str, NDArray[Any]], axes: Mapping[str, Array]
) -> dict[str, Array]:
    """Of n cousins, (n,) each; the same names in each family.

    rows: as a family's arrays. axes: how far they are from the twin on each. Of each of the twin's
    objects: x and y (m) in the frame of the robot's base, or the world's without one; height (m)
    and turn, as cosine and sine; mass (kg), friction, restitution and shell fraction; how far its
    shape is from its own, and its volume (l); how far it was moved (m), and how far the next thing
    is (m), from middle to middle.
    """
    bank, n = source.union.bank, len(rows["qpos"])
    place = rows["qpos"][:, bank.address[:, None] + np.arange(7)]
    base = np.tile([0.0, 0, 0, 1, 0, 0, 0], (n, 1))
    if "robot_base" in rows:
        base = np.asarray(rows["robot_base"], float)
    own, yaw = range(source.own), _yaw(base[:, 3:])
    cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    x, y = (place[:, :, k] - base[:, k, None] for k in range(2))
    there = np.stack([cos * x + sin * y, cos * y - sin * x], -1)
    apart = np.linalg.norm(there[:, :, None] - there[:, None], axis=-1)
    apart[:, np.arange(len(bank.body)), np.arange(len(bank.body))] = np.inf
    shape = rows["shape"]
    out = {f"{AXIS}{name}": np.asarray(value, float) for name, value in axes.items()}
    out["distractors"] = np.full(n, float(source.family))
    for i in own:
        asset = source.scene.assets[i]
        turn = _yaw(place[:, i, 3:]) - yaw
        each = {
            "x": there[:, i, 0], "y": there[:, i, 1], "height": place[:, i, 2],
            "turn's cosine": np.cos(turn), "turn's sine": np.sin(turn),
            **{name.replace("_", " "): rows[name][:, i]
               for name in ("mass", "friction", "restitution", "shell_fraction")},
            "shape's distance": bank.distance[shape[:, i], i],
            "volume": 1000 * bank.volume[shape[:, i], i],
            "way": np.linalg.norm(place[:, i, :2] - asset.position[:2], axis=1),
        }  # fmt: skip
        if apart.shape[1] > 1:
            each["next thing"] = apart[:, i].min(1)
        out |= {f"{asset.name}: {name}": np.asarray(value, float) for name, value in each.items()}
    return out


def of_families(sources: Sources, families: Sequence[Family]) -> dict[str, Array]:
    """Of all cousins of families, one after the other."""
    parts = []
    for family in families:
        source = sources.each[family.cousins[0].seed[1]]
        names = family.cousins[0].axes
        axes = {name: np.array([c.axes[name] for c in family.cousins]) for name in names}
        parts.append(traits(source, family.arrays, axes))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def table(told: Mapping[str, Array]) -> Array:
    """(n, T) in the order of their names."""
    return np.stack(list(told.values()), 1)


def _yaw(quaternion: Array) -> Array:
    """(n,) rad about z of (n, 4), wxyz."""
    w, x, y, z = quaternion.T
    return np.arctan2(2 * (w * z + x * y), np.maximum(1 - 2 * (y * y + z * z), -1.0))
