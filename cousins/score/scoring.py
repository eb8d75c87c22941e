"""The whole score of a scan: who is who, and how well each is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import mujoco
import numpy as np

from cousins.distributions import Distribution
from cousins.errors import PackError
from cousins.mesh import matrix_from_quaternion
from cousins.progress import Progress, silent
from cousins.score import handles as through_holes
from cousins.score import openings as basins
from cousins.score.field import solid
from cousins.score.match import match
from cousins.score.rest import Rest, rest
from cousins.score.shape import ShapeScore, compare
from cousins.score.truth import Truth, in_pack, through
from cousins.types import Array, Asset, Mesh, Scene

STANDS = 0.005  # m: a lowest point so close to the support's height stands on it
FOOT = 0.001  # m: above its lowest point
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
        each = [_flat(o) for o in self.objects]
        still = self.rest

        def column(name: str) -> list[Any]:
            return [e[name] for e in each if e[name] is not None]

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
            "chamfer_mm": _middle(column("chamfer_mm")),
            "worst_chamfer_mm": _most(column("chamfer_mm")),
            "hausdorff95_mm": _middle(column("hausdorff95_mm")),
            "f_score": _middle(column("f_score")),
            "hull_ratio": _middle(column("hull_ratio")),
            "hull_off": _middle([abs(ratio - 1) for ratio in column("hull_ratio")]),
            "volume_ratio": _middle(column("volume_ratio")),
            "centre_mm": _most(column("centre_mm")),
            "off_degrees": _most(column("off_degrees")),
            "supports": len(column("support")),
            "supports_right": sum(column("support")),
            "openings": sum(column("openings")),
            "openings_kept": sum(column("openings_kept")),
            "handles": sum(column("handles")),
            "handles_kept": sum(column("handles_kept")),
            "masses": len(each),
            "masses_held": sum(column("mass")),
            "frictions": len(column("friction")),
            "frictions_held": sum(column("friction")),
            "drift_mm": still and 1e3 * float(still.drift.max(initial=0)),
            "turn_degrees": still and float(np.degrees(still.turn.max(initial=0))),
            "penetration_mm": still and 1e3 * still.penetration,
            "each": each,
        }


def _flat(told: ObjectScore) -> dict[str, Any]:
    entry, shape = asdict(told), told.shape
    del entry["shape"]
    return entry | {
        "chamfer_mm": 1e3 * shape.chamfer,
        "hausdorff95_mm": 1e3 * shape.hausdorff95,
        "f_score": shape.f_score,
        "hull_ratio": shape.hull_ratio,
        "centre_mm": 1e3 * shape.centre,
        "off_degrees": float(np.degrees(shape.turn)),
    }


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
        _support_right(truth, i, float(true.vertices[:, 2].min()), scene, asset, match_of),
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
    i: int,
    lowest: float,
    scene: Scene,
    asset: Asset,
    match_of: dict[str, str],
) -> bool | None:
    """Whether the found object stands on what the true one does; None where that is not known.

    lowest: the height of the true one's lowest point in the pack's world.
    """
    carrier = truth.objects[i].support
    if carrier in {o.name for o in truth.objects}:
        return match_of.get(str(carrier)) == asset.support
    if carrier is None and not _plain(truth, i):
        return None
    heights = {s.name: s.height for s in scene.supports}
    return asset.support in heights and abs(heights[asset.support] - lowest) <= LEVEL


def _plain(truth: Truth, i: int) -> bool:
    """Whether an object whose support is not told plainly stands on the common surface: its foot
    is at that height, and not over a lower object, as that of an orange in a bowl is."""
    import cv2

    vertices = truth.objects[i].mesh.vertices
    lowest = vertices[:, 2].min()
    if truth.support_height is None or abs(lowest - truth.support_height) > STANDS:
        return False
    foot = vertices[vertices[:, 2] < lowest + FOOT, :2].mean(0)
    others = (o.mesh.vertices for k, o in enumerate(truth.objects) if k != i)
    outlines = (cv2.convexHull(v[:, :2].astype(np.float32)) for v in others
                if v[:, 2].min() < lowest - FOOT)  # fmt: skip
    return all(cv2.pointPolygonTest(outline, foot.tolist(), False) < 0 for outline in outlines)


def collision(asset: Asset) -> Mesh:
    """What physics sees of an asset, in the world: its primitive, or the hulls of its parts.

    Raises PackError for an asset that has neither.
    """
    from cousins.shape.convex import convex_hull
    from cousins.shape.primitive import primitive_mesh

    if asset.primitive is not None:
        return _placed(asset, primitive_mesh(asset.primitive))
    if not asset.parts:
        raise PackError(f"objects.json: {asset.name} has no collision geometry: scan anew")
    return _placed(asset, joined([convex_hull(p.vertices, len(p.vertices)) for p in asset.parts]))


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """All triangles of the meshes in one."""
    first = np.cumsum([0, *(len(m.vertices) for m in meshes[:-1])])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + k for m, k in zip(meshes, first, strict=True)]).astype(np.int32),
    )
