"""How far a scan is from the truth: objects found, shapes, masses, and whether the twin rests.

All lengths are in metres and in the pack's world; the truth is moved there first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from cousins.errors import CousinsError
from cousins.mesh import matrix_from_quaternion
from cousins.phone import CAPTURE_FROM_WORLD
from cousins.types import Array, Mesh, Scene

SAMPLES = 10_000  # points on each surface
NEAR = 0.005  # a point this close to the other surface is right, in the F-score
LEAST_OVERLAP = 0.25  # of bounding boxes, over their union, for a find: as 3D detection counts it


@dataclass(frozen=True)
class TrueObject:
    """One object of the truth: its mesh in the truth's world, and its mass in kg."""

    name: str
    mesh: Mesh
    mass: float


@dataclass(frozen=True)
class Truth:
    """What a perfect scan would find. support_height: of the surface under the objects, if any."""

    objects: tuple[TrueObject, ...]
    support_height: float | None


def load_truth(path: Path) -> Truth:
    """Reads NAME.truth.json, as `cousins.phone.film` writes it. Raises CousinsError in one line."""
    try:
        data = json.loads(Path(path).read_text())
        objects = tuple(
            TrueObject(
                o["name"],
                Mesh(np.array(o["vertices"], float), np.array(o["faces"], np.int32)),
                float(o["mass"]),
            )
            for o in data["objects"]
        )
        return Truth(objects, data["support_height"])
    except OSError as error:
        raise CousinsError(f"{path}: cannot be read ({error.strerror}): no truth") from None
    except (ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise CousinsError(f"{path}: not the truth of a capture ({reason}): film it anew") from None


def in_pack(truth: Truth, world_from_capture: Array) -> tuple[Mesh, ...]:
    """The true meshes in the pack's world. world_from_capture: (4, 4), from the manifest."""
    pose = np.asarray(world_from_capture) @ CAPTURE_FROM_WORLD
    return tuple(_through(o.mesh, pose[:3, :3], pose[:3, 3]) for o in truth.objects)


def in_world(scene: Scene) -> tuple[Mesh, ...]:
    """The visual meshes of a scene's objects where they stand."""
    return tuple(
        _through(a.visual, matrix_from_quaternion(a.quaternion), a.position) for a in scene.assets
    )


def _through(mesh: Mesh, rotation: Array, position: Array) -> Mesh:
    return Mesh(mesh.vertices @ rotation.T + position, mesh.faces)


def match(true: Sequence[Mesh], found: Sequence[Mesh]) -> list[tuple[int, int]]:
    """Pairs (true, found) that give the largest sum of overlaps, one to one.

    Overlap is that of the axis-aligned bounding boxes over their union; a pair below
    LEAST_OVERLAP is none. What is left of `true` was missed, and of `found` invented.
    """
    from scipy.optimize import linear_sum_assignment

    overlaps = np.array([[overlap(t, f) for f in found] for t in true]).reshape(
        len(true), len(found)
    )
    rows, columns = linear_sum_assignment(-overlaps)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True)
            if overlaps[i, j] >= LEAST_OVERLAP]  # fmt: skip


def overlap(a: Mesh, b: Mesh) -> float:
    """Intersection over union of two meshes' bounding boxes, 0..1."""
    low = np.maximum(a.vertices.min(0), b.vertices.min(0))
    high = np.minimum(a.vertices.max(0), b.vertices.max(0))
    both = float(np.clip(high - low, 0, None).prod())
    each = [float(np.ptp(m.vertices, axis=0).prod()) for m in (a, b)]
    return both / max(sum(each) - both, 1e-15)


@dataclass(frozen=True)
class ShapeScore:
    """One shape against its truth.

    chamfer: the mean distance to the other surface, averaged over both directions, m.
    hausdorff95: its 95% quantile, the larger of both directions', m.
    f_score: harmonic mean of the shares of both surfaces within NEAR of the other.
    hull_ratio: volume of the found hull over the true one's. centre: of the bounding boxes, m.
    """

    chamfer: float
    hausdorff95: float
    f_score: float
    hull_ratio: float
    centre: float


def compare(true: Mesh, found: Mesh, samples: int = SAMPLES) -> ShapeScore:
    """Scores a found shape by distances between points spread evenly over both surfaces.

    From point to point, as published chamfer distances are: of two equal surfaces of area A it is
    about half of sqrt(A / samples), 0.5 mm for a mug, and not zero.
    """
    import trimesh
    from scipy.spatial import KDTree

    shapes = [trimesh.Trimesh(m.vertices, m.faces, process=False) for m in (true, found)]
    a, b = (np.asarray(trimesh.sample.sample_surface(s, samples, seed=0)[0]) for s in shapes)
    missing, extra = KDTree(b).query(a)[0], KDTree(a).query(b)[0]
    recall, precision = (float((d < NEAR).mean()) for d in (missing, extra))
    hulls = [s.convex_hull.volume for s in shapes]
    middles = [(m.vertices.min(0) + m.vertices.max(0)) / 2 for m in (true, found)]
    return ShapeScore(
        chamfer=float(missing.mean() + extra.mean()) / 2,
        hausdorff95=float(max(np.quantile(missing, 0.95), np.quantile(extra, 0.95))),
        f_score=2 * precision * recall / max(precision + recall, 1e-12),
        hull_ratio=float(hulls[1] / hulls[0]),
        centre=float(np.linalg.norm(middles[1] - middles[0])),
    )


@dataclass(frozen=True)
class Rest:
    """How still a model's free bodies stand: drift (n,) m, turn (n,) rad after some seconds of
    free motion; penetration: the deepest contact before it, m."""

    drift: Array
    turn: Array
    penetration: float


def rest(model: mujoco.MjModel, seconds: float = 2.0) -> Rest:
    """Steps a model from its initial state and sees how far its free bodies go."""
    free = model.jnt_type == mujoco.mjtJoint.mjJNT_FREE
    bodies = model.jnt_bodyid[free]
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    penetration = max([0.0, *(-float(contact.dist) for contact in data.contact)])
    position, quaternion = data.xpos[bodies].copy(), data.xquat[bodies].copy()
    for _ in range(round(seconds / model.opt.timestep)):
        mujoco.mj_step(model, data)
    dot = np.abs(np.einsum("ij,ij->i", quaternion, data.xquat[bodies]))
    return Rest(
        np.linalg.norm(data.xpos[bodies] - position, axis=1),
        2 * np.arccos(np.clip(dot, 0, 1)),
        penetration,
    )


@dataclass(frozen=True)
class Score:
    """A scan against its truth. shapes and pairs: one each matched object, (true, found).

    recall, precision: shares of the true objects found, and of the found ones that are true.
    masses_held: share of the matched whose true mass lies within the prior's q05..q95.
    """

    true: int
    found: int
    pairs: tuple[tuple[int, int], ...]
    shapes: tuple[ShapeScore, ...]
    recall: float
    precision: float
    masses_held: float


def score(scene: Scene, world_from_capture: Array, truth: Truth) -> Score:
    """Matches a scanned scene's objects with the true ones and scores their shapes and masses."""
    true, found = in_pack(truth, world_from_capture), in_world(scene)
    pairs = tuple(match(true, found))
    held = [
        scene.assets[j].mass.quantile(0.05)
        <= truth.objects[i].mass
        <= scene.assets[j].mass.quantile(0.95)
        for i, j in pairs
    ]
    return Score(
        len(true),
        len(found),
        pairs,
        tuple(compare(true[i], found[j]) for i, j in pairs),
        len(pairs) / max(len(true), 1),
        len(pairs) / max(len(found), 1),
        float(np.mean(held)) if held else 0.0,
    )
