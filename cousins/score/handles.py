"""Handles and other holes right through: where a straight rod passes, and whether it still does.

Seen along the rod, such a hole is a patch of background that the object's silhouette encloses. A
hole that bends so that nobody can look through it is not found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.score.field import STEP, Field, Solid, axes, look, patches
from cousins.types import Array, Mesh

THICK = 0.005  # m: a hole that takes no rod of this radius is none
VIEWS = 80  # directions over a half sphere, 16 degrees apart
TURNS = (0.12, 0.06)  # rad: how the best direction is searched for from there
THINNER = 0.6  # of the rod that fits the truth goes through the scan
SHIFT = 0.005  # m: how far beside the true place


@dataclass(frozen=True)
class Handle:
    """The thickest rod through a hole: direction (3,), a point (3,) of its axis in the hole's
    narrowest part, and radius, m."""

    direction: Array
    point: Array
    radius: float


def handles(shape: Solid) -> tuple[Handle, ...]:
    """One for each hole through the shape that one can look through, widest first."""
    if _without_holes(shape.mesh):
        return ()
    seen = [view for direction in _half_sphere(VIEWS) for view in _views(shape, direction)]
    found: list[Handle] = []
    for view in sorted(seen, key=lambda v: -v.handle.radius):
        if not any(view.shows(handle) for handle in found):
            found.append(_widest(shape, view.handle))
    return tuple(found)


def kept(handle: Handle, found: Solid) -> bool:
    """Whether a thinner rod goes through the scan there, and the scan reaches all round it."""
    field = look(found, handle.direction)
    inside, place = _within(field), field.axes[:2] @ handle.point
    away = field.place(np.argwhere(inside >= THINNER * handle.radius)) - place
    return bool((np.hypot(*away.T) <= SHIFT).any())


def _without_holes(mesh: Mesh) -> bool:
    """Whether the mesh is one closed surface of genus 0, which has no handle."""
    import trimesh

    shape = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    return bool(shape.is_watertight) and shape.body_count == 1 and shape.euler_number == 2


def _within(field: Field) -> Array:
    """(h, w) radius of the rod that passes over each cell of enclosed background; else 0."""
    from scipy.ndimage import distance_transform_edt

    empty = ~np.isfinite(field.heights)
    parts, _ = patches(empty)
    inward: Any = distance_transform_edt(empty & (parts != parts[0, 0]))
    # From a cell's centre to the edge of the nearest that is not empty.
    return np.maximum(inward - 0.5, 0) * STEP


@dataclass(frozen=True)
class _View:
    """A handle, and the patch (h, w) of background that shows it, seen along its rod."""

    handle: Handle
    field: Field
    patch: NDArray[np.bool_]

    def shows(self, handle: Handle) -> bool:
        """Whether that handle's narrowest part is in the same patch."""
        cell = self.field.cell(self.field.axes[:2] @ handle.point)
        within = ((cell >= 0) & (cell < self.patch.shape)).all()
        return bool(within and self.patch[tuple(cell)])


def _views(shape: Solid, direction: Array) -> list[_View]:
    field = look(shape, direction)
    radius = _within(field)
    numbers, count = patches(radius > 0)
    views = []
    for k in range(1, count + 1):
        patch = numbers == k
        at = int(np.where(patch, radius, 0).argmax())
        if radius.flat[at] >= THICK:
            cell = np.array(np.unravel_index(at, radius.shape))
            handle = _handle(shape, field, cell, float(radius.flat[at]))
            views.append(_View(handle, field, patch))
    return views


def _handle(shape: Solid, field: Field, cell: NDArray[np.int_], radius: float) -> Handle:
    """The rod's neck is the middle of what is about as near to its axis as anything is."""
    place = field.place(cell)
    seen = shape.points @ field.axes.T
    apart = np.hypot(*(seen[:, :2] - place).T)
    around = seen[apart <= apart.min() + 2 * STEP, 2]
    middle = (around.min() + around.max()) / 2
    return Handle(field.axes[2], np.append(place, middle) @ field.axes, radius)


def _widest(shape: Solid, handle: Handle) -> Handle:
    """The same hole, looked through from the side that takes the thickest rod."""
    for turn in TURNS:
        tilted = [handle.direction + turn * (np.cos(a) * x + np.sin(a) * y)
                  for x, y in [axes(handle.direction)[:2]]
                  for a in np.arange(6) * np.pi / 3]  # fmt: skip
        views = [v for t in tilted for v in _views(shape, t / np.linalg.norm(t))]
        same = [v.handle for v in views if v.shows(handle)]
        handle = max([handle, *same], key=lambda h: h.radius)
    return handle


def _half_sphere(count: int) -> Array:
    """(count, 3) unit vectors, evenly over the upper half sphere (Fibonacci's spiral)."""
    i = np.arange(count) + 0.5
    z, turn = 1 - i / count, np.pi * (1 + 5**0.5) * i
    r = np.sqrt(1 - z * z)
    return np.column_stack([r * np.cos(turn), r * np.sin(turn), z])
