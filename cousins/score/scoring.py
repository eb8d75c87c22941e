"""The whole score of a scan: who is who, and how well each is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import mujoco
import numpy as np

from cousins.distributions import Distribution
from cousins.mesh import matrix_from_quaternion
from cousins.progress import Progress, silent
from cousins.score import handles as through_holes
from cousins.score import openings as basins
from cousins.score.field import solid
from cousins.score.match import match
from cousins.score.rest import Rest, rest
from cousins.score.shape import ShapeScore, compare
from cousins.score.truth import TrueObject, Truth, in_pack, through
from cousins.types import Array, Asset, Mesh, Scene

STANDS = 0.005  # m: a lowest point so close to the support's height stands on it
LEVEL = 0.015  # m: a found surface so close to a thing's lowest point carries it


@dataclass(frozen=True)
class ObjectScore:
    """One matched object.

    volume_ratio: the found solid's over the true one's; None where either is not closed.
    support, mass, friction: whether the found support is the true one, and whether mass (kg) and
    friction lie within the scan's q05..q95; None where the truth does not tell.
    openings, handles: of the true object; and how many of these are kept.
    """

    true: str
    found: str
    shape: ShapeScore
    volume_ratio: float | None
    support: bool | None
    mass: bool
    friction: bool | None
    openings: int
    openings_kept: int
    handles: int
    handles_kept: int


@dataclass(frozen=True)
class Score:
    """A scan against its truth.

    true, found: how many objects. objects: one each matched object, in the order of `pairs`
    (indices of true and found). recall, precision: shares of the true objects found, and of the
    found ones that are true. over: the true objects that came out as several, with their pieces;
    under: the found ones that hold several true ones, with these. missed: true objects of which
    no found one tells; invented: found ones that tell of none. rest: None without a model.
    """

    true: int
    found: int
    pairs: tuple[tuple[int, int], ...]
    objects: tuple[ObjectScore, ...]
    recall: float
    precision: float
    over: tuple[tuple[str, tuple[str, ...]], ...]
    under: tuple[tuple[str, tuple[str, ...]], ...]
    missed: tuple[str, ...]
    invented: tuple[str, ...]
    rest: Rest | None

    @property
    def shapes(self) -> tuple[ShapeScore, ...]:
        """The shapes of the matched objects."""
        return tuple(o.shape for o in self.objects)

    def numbers(self) -> dict[str, Any]:
        """Plain JSON: counts, medians in mm and degrees, and `each` object. None: not known."""
        shapes, told = self.shapes, self.objects
        supports = [o.support for o in told if o.support is not None]
        frictions = [o.friction for o in told if o.friction is not None]
        volumes = [o.volume_ratio for o in told if o.volume_ratio is not None]
        still = self.rest
        return {
            "true": self.true,
            "found": self.found,
            "matched": len(self.pairs),
            "recall": self.recall,
            "precision": self.precision,
            "over": {name: list(pieces) for name, pieces in self.over},
            "under": {name: list(held) for name, held in self.under},
            "missed": list(self.missed),
            "invented": list(self.invented),
            "chamfer_mm": _middle([1e3 * s.chamfer for s in shapes]),
            "worst_chamfer_mm": _most([1e3 * s.chamfer for s in shapes]),
            "hausdorff95_mm": _middle([1e3 * s.hausdorff95 for s in shapes]),
            "f_score": _middle([s.f_score for s in shapes]),
            "hull_ratio": _middle([s.hull_ratio for s in shapes]),
            "hull_off": _middle([abs(s.hull_ratio - 1) for s in shapes]),
            "volume_ratio": _middle(volumes),
            "centre_mm": _most([1e3 * s.centre for s in shapes]),
            "off_degrees": _most([float(np.degrees(s.turn)) for s in shapes]),
            "supports": len(supports),
            "supports_right": sum(supports),
            "openings": sum(o.openings for o in told),
            "openings_kept": sum(o.openings_kept for o in told),
            "handles": sum(o.handles for o in told),
            "handles_kept": sum(o.handles_kept for o in told),
            "masses": len(told),
            "masses_held": sum(o.mass for o in told),
            "frictions": len(frictions),
            "frictions_held": sum(frictions),
            "drift_mm": still and 1e3 * float(still.drift.max(initial=0)),
            "turn_degrees": still and float(np.degrees(still.turn.max(initial=0))),
            "penetration_mm": still and 1e3 * still.penetration,
            "each": [_flat(o) for o in told],
        }


def _flat(told: ObjectScore) -> dict[str, Any]:
    entry = asdict(told)
    return entry | entry.pop("shape")


def _middle(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None


def _most(values: list[float]) -> float | None:
    return max(values, default=None)


def score(
    scene: Scene,
    world_from_capture: Array,
    truth: Truth,
    model: mujoco.MjModel | None = None,
    progress: Progress = silent,
) -> Score:
    """Matches a scanned scene's objects with the true ones and scores each.

    world_from_capture: (4, 4), from the manifest. model: the compiled twin, if it is to be let go.
    """
    true, found = in_pack(truth, world_from_capture), in_world(scene)
    who = match(true, found)
    names = [a.name for a in scene.assets]
    true_names = [o.name for o in truth.objects]
    match_of = {true_names[i]: names[j] for i, j in who.pairs}
    objects = []
    for n, (i, j) in enumerate(who.pairs):
        progress("score", n, len(who.pairs))
        objects.append(_object(truth, i, true[i], scene, scene.assets[j], found[j], match_of))
    progress("score", len(who.pairs), len(who.pairs))
    return Score(
        true=len(true),
        found=len(found),
        pairs=who.pairs,
        objects=tuple(objects),
        recall=len(who.pairs) / max(len(true), 1),
        precision=len(who.pairs) / max(len(found), 1),
        over=tuple((true_names[i], tuple(names[j] for j in js)) for i, js in who.over),
        under=tuple((names[j], tuple(true_names[i] for i in is_)) for j, is_ in who.under),
        missed=tuple(true_names[i] for i in who.missed),
        invented=tuple(names[j] for j in who.invented),
        rest=None if model is None else rest(model),
    )


def in_world(scene: Scene) -> tuple[Mesh, ...]:
    """The visual meshes of a scene's objects where they stand."""
    return tuple(_placed(a, a.visual) for a in scene.assets)


def _placed(asset: Asset, mesh: Mesh) -> Mesh:
    return through(mesh, matrix_from_quaternion(asset.quaternion), asset.position)


def _object(
    truth: Truth,
    i: int,
    true: Mesh,
    scene: Scene,
    asset: Asset,
    found: Mesh,
    match_of: dict[str, str],
) -> ObjectScore:
    told = truth.objects[i]
    right, ours = solid(true), solid(collision(asset))
    wells, holes = basins.openings(right), through_holes.handles(right)
    closed = told.volume and asset.watertight
    return ObjectScore(
        told.name,
        asset.name,
        compare(true, found),
        asset.volume / told.volume if closed and told.volume else None,
        _support_right(truth, told, float(true.vertices[:, 2].min()), scene, asset, match_of),
        _within(asset.mass, told.mass),
        None if told.friction is None else _within(asset.friction, told.friction),
        len(wells),
        sum(basins.kept(well, right, ours) for well in wells),
        len(holes),
        sum(through_holes.kept(hole, ours) for hole in holes),
    )


def _within(distribution: Distribution, value: float) -> bool:
    return distribution.quantile(0.05) <= value <= distribution.quantile(0.95)


def _support_right(
    truth: Truth,
    told: TrueObject,
    lowest: float,
    scene: Scene,
    asset: Asset,
    match_of: dict[str, str],
) -> bool | None:
    """Whether the found object stands on what the true one does; None where that is not known."""
    carrier = told.support
    if carrier in {o.name for o in truth.objects}:
        return match_of.get(str(carrier)) == asset.support
    if carrier is None:
        # Older truths do not tell; what stands on the common surface does so all the same.
        height, foot = truth.support_height, float(told.mesh.vertices[:, 2].min())
        if height is None or abs(foot - height) > STANDS:
            return None
    heights = {s.name: s.height for s in scene.supports}
    return asset.support in heights and abs(heights[asset.support] - lowest) <= LEVEL


def collision(asset: Asset) -> Mesh:
    """What physics sees of an asset, in the world: its primitive, or the hulls of its parts."""
    from cousins.shape.convex import convex_hull
    from cousins.shape.primitive import primitive_mesh

    if asset.primitive is not None:
        return _placed(asset, primitive_mesh(asset.primitive))
    return _placed(asset, joined([convex_hull(p.vertices, len(p.vertices)) for p in asset.parts]))


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """All triangles of the meshes in one."""
    first = np.cumsum([0, *(len(m.vertices) for m in meshes[:-1])])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + k for m, k in zip(meshes, first, strict=True)]).astype(np.int32),
    )
