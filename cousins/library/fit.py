"""An item of a library in an object's place: turned, scaled and stood on the same foot."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cousins.library.descriptor import VESSEL, held, on_surface
from cousins.library.item import Item
from cousins.mesh import matrix_from_quaternion, quaternion_from_matrix, solid_moments
from cousins.physics import mass_moments, moments
from cousins.shape.convex import convex_hull
from cousins.types import Array, Asset, Mesh, Primitive

STRETCH = 1.25  # most that one side is scaled against the whole: more looks like another thing
WIDER = 1.3  # a footprint beyond that runs into what stands beside it
HEIGHT = 0.35  # share by which it may be taller or lower
POINTS = 400  # on each surface, of which the nearest are compared


@dataclass(frozen=True)
class Placement:
    """How an item takes an object's place. turn (3, 3), a rotation by right angles; scale (3,)
    along the axes after it; off: how far the sides are from the object's, as a logarithm."""

    turn: Array
    scale: Array
    off: float


def placements(asset: Asset, item: Item) -> list[Placement]:
    """Every way in which the item fits the asset; empty where it fits in none.

    It stays upright where it fits so. Only in the place of what lies, being longer than it is
    high and no bowl, may it be laid over; nothing is turned upside down.
    """
    size = asset.size
    upright = [p for turn in YAWS if (p := _placement(size, item, turn))]
    if upright or size[2] >= size[:2].max():
        return upright
    if held(asset.visual) > VESSEL * size.prod():  # a bowl stays one
        return []
    return [p for turn in LAID if (p := _placement(size, item, turn))]


def fitted(asset: Asset, item: Item, name: str) -> Asset | None:
    """The item in the asset's place, under another name; None where it does not fit.

    It is turned by right angles and scaled as a whole so that its bounding box agrees best, then
    by STRETCH along single axes at most; of turns that fit alike, the one whose surface lies
    nearest to the asset's. Label, distributions and support are the asset's; visual, parts and
    primitive are the item's, in a frame with its origin at the centre of the bounding box. It
    stands where the asset does, its foot at the same height. None: a footprint over WIDER times
    the asset's, or a height off by more than HEIGHT.
    """
    found = placements(asset, item)
    if not found:
        return None
    best = min(found, key=lambda p: _unlike(asset, item, p))
    linear = np.diag(best.scale) @ best.turn
    centre = _middle(item.visual.vertices @ linear.T)
    visual = replace(item.visual, vertices=item.visual.vertices @ linear.T - centre)
    parts = tuple(Mesh(p.vertices @ linear.T - centre, p.faces) for p in item.parts)
    primitive = item.primitive and _turned(item.primitive, best, centre)
    closed = visual if item.watertight else convex_hull(visual.vertices, len(visual.vertices))
    com, inertia = mass_moments(
        moments(closed, primitive), asset.mass.mode, asset.shell_fraction.mode
    )
    rotation = matrix_from_quaternion(asset.quaternion)
    lower = _lowest(asset.visual, rotation) - _lowest(visual, rotation)
    return replace(
        asset,
        name=name,
        position=asset.position + [0.0, 0.0, lower],
        visual=visual,
        parts=parts,
        primitive=primitive,
        watertight=item.watertight,
        volume=solid_moments(closed)[0],
        center_of_mass=com,
        inertia=inertia,
    )


def _right_angles(axis: int, quarters: int) -> Array:
    out = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    c, s = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[quarters % 4]
    out[[i, i, j, j], [i, j, i, j]] = c, -s, s, c
    return out


YAWS = [_right_angles(2, k) for k in range(4)]
LAID = [yaw @ _right_angles(axis, side) for axis in (0, 1) for side in (1, 3) for yaw in YAWS]


def _placement(size: Array, item: Item, turn: Array) -> Placement | None:
    """size: (3,) of what it is fitted to."""
    own = np.abs(turn) @ item.size
    ratio = np.log(size / own)
    whole = (ratio.max() + ratio.min()) / 2  # so that the side which is most off is least so
    stretch = np.clip(ratio - whole, -np.log(STRETCH), np.log(STRETCH))
    if item.primitive is not None:
        stretch = _kept(item.primitive, turn, stretch)
    off = whole + stretch - ratio
    wide = (off[:2] > np.log(WIDER)).any()
    if wide or off[2] > np.log(1 + HEIGHT) or off[2] < np.log(1 - HEIGHT):
        return None
    return Placement(turn, np.exp(whole + stretch), float(np.abs(off).max()))


def _kept(primitive: Primitive, turn: Array, stretch: Array) -> Array:
    """The logarithms of a scale (3,) by which a primitive stays one of its kind."""
    axes = np.abs(turn @ matrix_from_quaternion(np.array(primitive.quaternion)))
    if primitive.kind == "sphere" or (np.sort(axes, axis=0)[1] > 1e-6).any():
        return np.full(3, stretch.mean())
    if primitive.kind == "cylinder":
        along = axes[:, 2] > 0.5
        return np.where(along, stretch, stretch[~along].mean())
    return stretch


def _turned(primitive: Primitive, by: Placement, centre: Array) -> Primitive:
    rotation = by.turn @ matrix_from_quaternion(np.array(primitive.quaternion))
    along = np.abs(rotation).T @ by.scale  # the scale along the primitive's own axes
    if (np.sort(np.abs(rotation), axis=0)[1] > 1e-6).any():
        along = by.scale  # slanting: it was scaled as a whole
    a, b, c = (float(v) for v in primitive.size)
    size = {
        "box": (a * along[0], b * along[1], c * along[2]),
        "cylinder": (a * along[0], b * along[2], c),
        "sphere": (a * along[0], b, c),
    }[primitive.kind]
    x, y, z = (float(v) for v in by.scale * (by.turn @ primitive.position) - centre)
    w, i, j, k = (float(v) for v in quaternion_from_matrix(rotation))
    sides = float(size[0]), float(size[1]), float(size[2])
    return Primitive(primitive.kind, sides, (x, y, z), (w, i, j, k))


def _unlike(asset: Asset, item: Item, placement: Placement) -> float:
    """How far the sides are off, and the surfaces apart against the asset's size."""
    from scipy.spatial import KDTree

    rng = np.random.default_rng(0)
    here = on_surface(asset.visual, POINTS, rng)
    there = on_surface(item.visual, POINTS, rng) @ (np.diag(placement.scale) @ placement.turn).T
    # By the boxes' middles: a shape's surface may well have its own elsewhere.
    here = here - _middle(asset.visual.vertices)
    apart = KDTree(here).query(there)[0].mean() + KDTree(there).query(here)[0].mean()
    return placement.off + float(apart / np.linalg.norm(asset.size))


def _middle(points: Array) -> Array:
    return (points.min(0) + points.max(0)) / 2


def _lowest(mesh: Mesh, rotation: Array) -> float:
    return float((mesh.vertices @ rotation[2]).min())
