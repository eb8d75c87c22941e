"""What the scan says of the place that tasks are done in: surfaces, and the twin's own shapes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from cousins.bank import Family
from cousins.pack import Pack, load_scene
from cousins.scene import compile_model
from cousins.tasks import Shape, Surface
from cousins.tasks.shapes import shapes
from cousins.types import Array
from cousins.variation.robot import nominal
from cousins.variation.union import unseen


def surfaces(pack: Pack) -> tuple[NDArray[np.int64], tuple[Surface, ...]]:
    """(A,) which surface each object stands on, be it on others, -1 for none; and the surfaces."""
    made = []
    for entry in pack.supports:
        points = np.array(entry.polygon, float)
        made.append(Surface(entry.name, entry.height, points[ConvexHull(points).vertices]))
    below = {entry.name: entry.support for entry in pack.objects}
    names = [surface.name for surface in made]
    on = []
    for entry in pack.objects:
        name = entry.support
        for _ in below:
            name = below.get(name, name)
        on.append(names.index(name) if name in names else -1)
    return np.array(on, np.int64), tuple(made)


def standing(pack: Pack) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(A,) each: which objects stand on a surface themselves, and on which, and in which, nothing
    stands."""
    surfaces = {entry.name for entry in pack.supports}
    carry = {entry.support for entry in pack.objects}
    return (np.array([entry.support in surfaces for entry in pack.objects]),
            np.array([entry.name not in carry for entry in pack.objects]))  # fmt: skip


def base(pack: Pack) -> Array | None:
    """(7,) where a robot's base stands in the twin; None without a surface to stand on."""
    return nominal(load_scene(pack)) if pack.supports else None


def twin_shape(family: Family, names: tuple[str, ...]) -> Shape:
    """(A, ...) of the twin's objects: a family's first shapes, or its first cousin's where it has
    no bank."""
    row = {name: value[:1] for name, value in family.arrays.items()}
    if family.bank is not None:
        row["shape"] = np.zeros_like(row["shape"])
    one = replace(family, arrays=row, cousins=family.cousins[:1])
    model = compile_model(family.xml, unseen(family.xml, family.files))
    found = shapes(one, model, names)
    return Shape(found.low[0], found.high[0], found.opening[0], found.radius[0], found.depth[0])
