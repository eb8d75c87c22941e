"""Handles and other holes right through: where a straight rod passes, and whether it still does.

Seen along the rod, such a hole is a patch of background that the object's silhouette encloses. A
hole that bends so that nobody can look through it is not found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.score.field import Field, Solid, look, patches
from cousins.shape.hollow import sphere
from cousins.types import Array, Mesh

CELL = 0.002  # m
THICK = 0.008  # m: a hole that takes no rod of this radius is none
VIEWS = 80  # directions over a half sphere, 16 degrees apart
TURNS = (0.12, 0.06)  # rad: how the best direction is searched for from there
THINNER = 0.6  # of the rod that fits the truth goes through the scan
SHIFT = 0.005  # m: how far beside the true place


@dataclass(frozen=True)
class Handle:
    """A rod through a hole, along the direction (3,) from which the hole is most open: the thickest
    that passes. point (3,) of its axis in the hole's narrowest part; radius, m."""

    direction: Array
    point: Array
    radius: float


def handles(shape: Solid) -> tuple[Handle, ...]:
    """One for each hole through the shape that one can look through, the most open first."""
    if _without_holes(shape.mesh):
        return ()
    seen = [view for direction in sphere(2 * VIEWS)[:VIEWS] for view in _views(shape, direction)]
    found: list[_View] = []
    for view in sorted(seen, key=lambda v: -v.area):
        if not any(view.shares(other) for other in found):
            best = _openest(shape, view)
            if not any(best.shares(other) for other in found):
                found.append(best)
    return tuple(view.handle for view in found)


def kept(handle: Handle, found: Solid) -> bool:
    """Whether a thinner rod goes through the scan there, and the scan reaches all round it."""
    field = look(found, CELL, handle.direction)
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
    return np.maximum(inward - 0.5, 0) * field.step


@dataclass(frozen=True)
class _View:
    """A handle, and the patch (h, w) of background that shows it, seen along its rod."""

    handle: Handle
    field: Field
    patch: NDArray[np.bool_]

    @property
    def area(self) -> float:
        """Of the patch, m²."""
        return float(self.patch.sum()) * self.field.step**2

    def shares(self, other: _View) -> bool:
        """Whether it is the same hole: one's narrowest part is in the other's patch."""
        return self._shows(other.handle.point) or other._shows(self.handle.point)

    def _shows(self, point: Array) -> bool:
        cell = self.field.cell(self.field.axes[:2] @ point)
        within = ((cell >= 0) & (cell < self.patch.shape)).all()
        return bool(within and self.patch[tuple(cell)])


def _views(shape: Solid, direction: Array) -> list[_View]:
    field = look(shape, CELL, direction)
    radius = _within(field)
    numbers, count = patches(radius > 0)
    views = []
    for k in range(1, count + 1):
        patch = numbers == k
        at = int(np.where(patch, radius, 0).argmax())
        if radius.flat[at] >= THICK:
            cell = np.array(np.unravel_index(at, radius.shape))
            views.append(_View(_handle(shape, field, cell), field, patch))
    return views


def _handle(shape: Solid, field: Field, cell: NDArray[np.int_]) -> Handle:
    """The rod over a cell. Its neck is the middle of what is about as near to it as anything is."""
    place = field.place(cell)
    seen = shape.points @ field.axes.T
    apart = np.hypot(*(seen[:, :2] - place).T)
    around = seen[apart <= apart.min() + 2 * field.step, 2]
    middle = (around.min() + around.max()) / 2
    return Handle(field.axes[2], np.append(place, middle) @ field.axes, float(apart.min()))


def _openest(shape: Solid, view: _View) -> _View:
    """The same hole, looked through from where it shows the most background."""
    for turn in TURNS:
        x, y, up = view.field.axes
        tilted = [up + turn * (np.cos(a) * x + np.sin(a) * y) for a in np.arange(6) * np.pi / 3]
        others = [v for t in tilted for v in _views(shape, t / np.linalg.norm(t))]
        same = [v for v in others if v.shares(view)]
        view = max([view, *same], key=lambda v: v.area)
    return view
