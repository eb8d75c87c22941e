"""What moves together: stacks, and objects that touch or are hooked into one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.errors import PackError
from cousins.mesh import matrix_from_quaternion
from cousins.polygons import clear, gap, outline
from cousins.scene import SLAB, WALL
from cousins.types import Array, Asset, Scene, Support

GAP = 0.005  # kept between footprints, m
MARGIN = 0.01  # kept to the edge of a support, m
TOUCH = 0.001  # nearer than this, two objects touch, m
BEHIND = 0.5  # how far behind a wall nothing may be, m


@dataclass(frozen=True)
class Unit:
    """Objects that keep their relative poses. members: ids, what carries before what is carried.

    hooked: some of them touch or overlap sideways, so their shapes must not change.
    """

    members: tuple[int, ...]
    support: Support
    hooked: bool


@dataclass(frozen=True)
class Obstacle:
    """What stands still: a convex outline (1, k, 2) between two heights."""

    name: str
    outline: Array
    low: float
    high: float


@dataclass(frozen=True)
class Footprints:
    """A objects in K shapes, in their seen orientation about their positions.

    outline (A, K, k, 2); low and high (A, K) are the extents along world z. position (A, 3) is
    the seen one. carrier (A,): the object that each stands on, -1 for a surface.
    inset (A,): what each must keep to its support's edge; room (A, O): to each obstacle;
    apart (A, A): to each other. gaps (A, A) and facing (A, O): how far it was seen from the
    others and from the obstacles, infinite where they were not at one height.
    extra: the last of the objects that the twin does not have, and whose position says nothing.
    """

    names: tuple[str, ...]
    outline: Array
    low: Array
    high: Array
    position: Array
    carrier: tuple[int, ...]
    supports: tuple[Support, ...]
    units: tuple[Unit, ...]
    obstacles: tuple[Obstacle, ...]
    inset: Array
    room: Array
    apart: Array
    gaps: Array
    facing: Array
    extra: int = 0


def footprints(scene: Scene, shapes: Sequence[Sequence[Asset]], extra: int = 0) -> Footprints:
    """The footprints of every shape, and what the seen layout says of what belongs together.

    extra: how many of the scene's last assets are distractors, which were never seen.

    Raises PackError for an object that stands on nothing that the scene holds.
    """
    shadows = [[_shadow(shape) for shape in variants] for variants in shapes]
    out, low, high = (np.array([[s[i] for s in row] for row in shadows]) for i in range(3))
    position = np.array([a.position for a in scene.assets])
    carrier = _carriers(scene)
    supports = tuple(_surface(scene, carrier, i) for i in range(len(carrier)))
    seen = out[:, 0] + position[:, None, :2]
    bottom, top = position[:, 2] + low[:, 0], position[:, 2] + high[:, 0]
    obstacles = _obstacles(scene)
    known = np.arange(len(seen)) < len(seen) - extra
    # What stands over an edge or in a wall when seen may do so in a cousin, but no further.
    inset = np.array(
        [min(MARGIN, clear(seen[i : i + 1], s.polygon)[0]) for i, s in enumerate(supports)]
    )
    inset[~known] = MARGIN
    facing = np.full((len(seen), len(obstacles)), np.inf)
    own = np.array([[o.name == s.name for o in obstacles] for s in supports], bool)
    for i, j in np.argwhere(~own & known[:, None]):
        o = obstacles[j]
        if min(top[i], o.high) > max(bottom[i], o.low):
            facing[i, j] = gap(seen[i : i + 1], o.outline)[0]
    room = np.where(own, -np.inf, np.minimum(GAP, facing))
    gaps = _gaps(seen, bottom, top, known)
    units = _units(seen, gaps, carrier, supports, known)
    return Footprints(
        names=tuple(a.name for a in scene.assets),
        outline=out,
        low=low,
        high=high,
        position=position,
        carrier=carrier,
        supports=supports,
        units=units,
        obstacles=obstacles,
        inset=inset,
        room=room,
        apart=np.minimum(GAP, gaps),
        gaps=gaps,
        facing=facing,
        extra=extra,
    )


def _shadow(shape: Asset) -> tuple[Array, float, float]:
    rotation = matrix_from_quaternion(shape.quaternion)
    solid = contact_points(shape, rotation) @ rotation.T
    seen = shape.visual.vertices @ rotation.T
    flat = outline(np.vstack([solid[:, :2], seen[:, :2]]))
    # It stands on its collision shape.
    return flat, float(solid[:, 2].min()), float(solid[:, 2].max())


def _carriers(scene: Scene) -> tuple[int, ...]:
    names = [a.name for a in scene.assets]
    surfaces = {s.name for s in scene.supports}
    for asset in scene.assets:
        if asset.support not in surfaces and asset.support not in names:
            raise PackError(
                f"{asset.name} stands on {asset.support!r}, which the scene does not hold: "
                f"name one of {', '.join([*surfaces, *names])} in objects.json"
            )
    return tuple(-1 if a.support in surfaces else names.index(a.support) for a in scene.assets)


def _surface(scene: Scene, carrier: Sequence[int], i: int) -> Support:
    first = i
    for _ in carrier:
        if carrier[i] < 0:
            return next(s for s in scene.supports if s.name == scene.assets[i].support)
        i = carrier[i]
    raise PackError(f"{scene.assets[first].name} stands on itself: correct objects.json")


def _obstacles(scene: Scene) -> tuple[Obstacle, ...]:
    slabs = [
        Obstacle(s.name, outline(s.polygon)[None], s.height - SLAB, s.height)
        for s in scene.supports
        if s.kind != "floor"
    ]
    walls = []
    for wall in scene.walls:
        normal = wall.normal[:2] / np.linalg.norm(wall.normal[:2])
        along = wall.half_width * np.array([-normal[1], normal[0]])
        face, back = wall.centre[:2], wall.centre[:2] - max(WALL, BEHIND) * normal
        quad = np.array([face - along, face + along, back + along, back - along])
        low, high = wall.centre[2] - wall.half_height, wall.centre[2] + wall.half_height
        walls.append(Obstacle(wall.name, quad[None], float(low), float(high)))
    return (*slabs, *walls)


def _gaps(seen: Array, bottom: Array, top: Array, known: NDArray[np.bool_]) -> Array:
    gaps = np.full((len(seen), len(seen)), np.inf)
    shared = np.minimum(top, top[:, None]) - np.maximum(bottom, bottom[:, None])
    i, j = np.nonzero(np.triu(shared > TOUCH, 1) & known & known[:, None])
    gaps[i, j] = gaps[j, i] = gap(seen[i], seen[j])
    return gaps


def _units(
    seen: Array,
    gaps: Array,
    carrier: Sequence[int],
    supports: Sequence[Support],
    known: NDArray[np.bool_],
) -> tuple[Unit, ...]:
    count = len(seen)
    label = list(range(count))

    def join(i: int, j: int) -> None:
        a, b = label[i], label[j]
        label[:] = [a if x == b else x for x in label]

    chains = [chain(carrier, i) for i in range(count)]
    for i in range(count):
        if carrier[i] >= 0:
            join(carrier[i], i)
    hooked = set()
    for i, j in np.argwhere(np.tril(gaps < TOUCH)).tolist():
        if i not in chains[j] and j not in chains[i] and supports[i] is supports[j]:
            join(i, j)
            hooked |= {i, j}
    units = []
    for name in sorted(set(label)):
        members = sorted(
            (i for i in range(count) if label[i] == name), key=lambda i: len(chains[i])
        )
        units.append(Unit(tuple(members), supports[members[0]], bool(hooked & set(members))))
    # The largest first: it has the least choice. What was never seen takes what room is left.
    return tuple(
        sorted(
            units,
            key=lambda u: (
                not known[u.members[0]],
                -sum(np.ptp(seen[i], axis=0).prod() for i in u.members),
            ),
        )
    )


def chain(carrier: Sequence[int], i: int) -> list[int]:
    """The object, what carries it, what carries that, down to what stands on a surface."""
    out = [i]
    while carrier[out[-1]] >= 0:
        out.append(carrier[out[-1]])
    return out


def contact_points(asset: Asset, rotation: Array) -> Array:
    """(n, 3) points of the object's frame whose extremes bound its collision shape.

    rotation: world_from_object (3, 3), in which a round primitive's extremes are wanted.
    """
    primitive = asset.primitive
    if primitive is None:
        return np.vstack([part.vertices for part in asset.parts])
    axes = matrix_from_quaternion(np.array(primitive.quaternion))
    centre = np.array(primitive.position)
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    ring = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(48)])
    if primitive.kind == "sphere":
        world = primitive.size[0] * np.vstack([ring, [0, 0, 1], [0, 0, -1]])
        return centre + world @ rotation
    if primitive.kind == "cylinder":
        radius, half = primitive.size[:2]
        ends = np.vstack([radius * ring + [0, 0, half], radius * ring - [0, 0, half]])
        return centre + ends @ axes.T
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    return centre + (signs * np.array(primitive.size)) @ axes.T
