"""How things were seen to stand to one another, and whether they still do.

on       stands on another object
in       stands in a container: its middle within the outline, its foot below the rim
beside   nearer than `BESIDE` to another at the same height on the same surface, without
         touching it: put together on purpose; each object with its nearest only
against  nearer than `AGAINST` to a wall, or to the vertical face of a surface's slab
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cousins.polygons import gap, inset, turned
from cousins.types import Array, Scene
from cousins.variation.units import Footprints, Obstacle, Unit, chain, footprints

BESIDE = 0.015  # what is put together stands as near as a finger is wide, m
TOGETHER = 0.02  # and stays together as long as it is this near, m
AGAINST = 0.01  # what leans on a wall or stands at it, scanning errors included, m
RIM = 0.01  # a foot so far below the top of what carries it is inside it, m
SETTLED = 0.005  # how much farther off the parts of a relation may be after they settled, m
SLID = 0.02  # what is carried may be that much higher or lower than it was put, m
TURNED = 0.2  # and what is against a wall may have turned by this, rad

Kind = Literal["on", "in", "beside", "against"]


@dataclass(frozen=True)
class Relation:
    """`a` is on, in, beside or against `b`: an object, or for "against" a wall or a surface.

    gap: how far apart their footprints were seen, m. normal: of the face that `a` is against, away
    from it; span: from where to where the face reaches along its normal turned left, m, in world x,
    y; both None for the other kinds.
    """

    kind: Kind
    a: str
    b: str
    gap: float = 0.0
    normal: tuple[float, float] | None = None
    span: tuple[float, float] | None = None


def relations(scene: Scene) -> tuple[Relation, ...]:
    """The relations of a scene's objects.

    Raises PackError for an object that stands on nothing that the scene holds.
    """
    return found(footprints(scene, [[a] for a in scene.assets]))


def found(prints: Footprints) -> tuple[Relation, ...]:
    """The relations of the objects of which these are the footprints, as they were seen."""
    return (*_carried(prints), *_beside(prints), *_against(prints))


def _carried(prints: Footprints) -> list[Relation]:
    out = []
    foot, top = (prints.position[:, 2] + e[:, 0] for e in (prints.low, prints.high))
    for i, below in enumerate(prints.carrier):
        if below < 0:
            continue
        outline = prints.outline[below, 0] + prints.position[below, :2]
        inside = inset(prints.position[i, :2], outline) > 0 and foot[i] < top[below] - RIM
        kind: Kind = "in" if inside else "on"
        out.append(Relation(kind, prints.names[i], prints.names[below]))
    return out


def _beside(prints: Footprints) -> list[Relation]:
    unit = np.empty(len(prints.names), np.int64)
    for u, one in enumerate(prints.units):
        unit[list(one.members)] = u
    same = np.array([[a is b for b in prints.supports] for a in prints.supports])
    gaps = np.where(same & (unit != unit[:, None]), prints.gaps, np.inf)
    nearest = gaps.argmin(1)
    pairs = {tuple(sorted((i, int(j)))) for i, j in enumerate(nearest) if gaps[i, j] <= BESIDE}
    out, cluster = [], unit.copy()
    for i, j in sorted(pairs, key=lambda p: (gaps[p], p)):
        # In a ring of neighbours the widest gap follows from the others.
        if cluster[i] != cluster[j]:
            cluster[cluster == cluster[j]] = cluster[i]
            out.append(Relation("beside", prints.names[i], prints.names[j], float(gaps[i, j])))
    return out


def _against(prints: Footprints) -> list[Relation]:
    out = []
    for unit in prints.units:
        members, faces = list(unit.members), []
        facing = prints.facing[members]
        for j in np.argsort(facing.min(0), kind="stable"):
            i = members[int(facing[:, j].argmin())]
            if prints.facing[i, j] > AGAINST:
                break
            outline = prints.outline[i, 0] + prints.position[i, :2]
            normal, span = _face(prints.obstacles[j], outline)
            # Two faces that are not parallel say where it stands; a third follows from them.
            if len(faces) < 2 and all(abs(normal @ n) < 0.7 for n in faces):
                faces.append(normal)
                x, y = (float(v) for v in normal)
                name, other = prints.names[i], prints.obstacles[j].name
                out.append(
                    Relation("against", name, other, float(prints.facing[i, j]), (x, y), span)
                )
    return out


def _face(obstacle: Obstacle, outline: Array) -> tuple[Array, tuple[float, float]]:
    """The normal and the span of the face that looks at an outline most."""
    corners = obstacle.outline[0]
    edge = np.roll(corners, -1, axis=0) - corners
    length = np.linalg.norm(edge, axis=1)
    normals = np.column_stack([edge[:, 1], -edge[:, 0]]) / np.maximum(length, 1e-9)[:, None]
    away = (normals @ outline.T).min(1) - (normals * corners).sum(1)
    k = int(np.where(length > 1e-9, away, -np.inf).argmax())
    along = np.array([-normals[k, 1], normals[k, 0]])
    ends = sorted(float(along @ c) for c in (corners[k], corners[k] + edge[k]))
    return normals[k], (ends[0], ends[1])


def parts_of(prints: Footprints, unit: Unit, container: int) -> list[int]:
    """Everything of a unit that stands in or on the container, however indirectly."""
    return [i for i in unit.members if container in chain(prints.carrier, i)[1:]]


def broken(
    relations: tuple[Relation, ...],
    prints: Footprints,
    shape: NDArray[np.int64],
    position: Array,
    quaternion: Array,
    seen: Array,
) -> NDArray[np.bool_]:
    """Which of R relations n cousins of shapes (n, A) no longer keep where they came to rest.

    position (n, A, 3), quaternion (n, A, 4): their poses; seen (A, 4): the twin's orientations.
    Returns (n, R). An object is taken to stand as upright as it was seen: only its yaw counts.
    """
    n, out = len(shape), np.zeros((len(shape), len(relations)), bool)
    index = {name: i for i, name in enumerate(prints.names)}
    obstacle = {o.name: o for o in prints.obstacles}
    yaw = yaws(quaternion, seen)
    low, high = (
        np.take_along_axis(e[None], shape[:, :, None], 2)[..., 0] for e in (prints.low, prints.high)
    )

    def outline(i: int) -> Array:
        return turned(prints.outline[i, shape[:, i]], yaw[:, i]) + position[:, i, None, :2]

    for r, relation in enumerate(relations):
        i = index[relation.a]
        if relation.kind == "against":
            face = obstacle[relation.b].outline
            off = gap(outline(i), np.broadcast_to(face, (n, *face.shape[1:])))
            out[:, r] = (off > AGAINST + SETTLED) | (np.abs(yaw[:, i]) > TURNED)
            continue
        j = index[relation.b]
        if relation.kind == "beside":
            out[:, r] = gap(outline(i), outline(j)) > TOGETHER + SETTLED
            continue
        foot = position[:, i, 2] + low[:, i]
        bottom, top = (position[:, j, 2] + e[:, j] for e in (low, high))
        # As far over the edge of what carries it as it was seen, at most.
        was = inset(prints.position[i, :2], prints.outline[j, 0] + prints.position[j, :2])
        at = position[:, None, i, :2]
        over = gap(at, outline(j)) if n else np.zeros(0)
        out[:, r] = over > max(0.0, -float(was)) + SLID
        expected = bottom + height_share(prints, i) * (top - bottom)
        out[:, r] |= np.abs(foot - expected) > SLID
        if relation.kind == "in":
            out[:, r] |= foot >= top
    return out


def height_share(prints: Footprints, i: int) -> float:
    """How high above its carrier's foot an object was seen to stand, over the carrier's height."""
    below = prints.carrier[i]
    foot = prints.position[:, 2] + prints.low[:, 0]
    return float((foot[i] - foot[below]) / (prints.high[below, 0] - prints.low[below, 0]))


def yaws(quaternion: Array, seen: Array) -> Array:
    """(..., A) by how much poses (..., A, 4) are turned about world z from the seen ones (A, 4)."""
    w, x, y, z = np.moveaxis(quaternion, -1, 0)
    a, b, c, d = np.moveaxis(seen, -1, 0)
    # The quaternion from the seen pose to the present one, of which z and w give the twist.
    real = w * a + x * b + y * c + z * d
    about = -w * d - x * c + y * b + z * a
    return 2 * np.arctan2(np.where(real < 0, -about, about), np.abs(real))
