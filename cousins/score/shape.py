"""One found shape against the true one: distances, overlap of surfaces, volume, pose. SI units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cousins.score.match import nearest, surface
from cousins.types import Array, Mesh

SAMPLES = 10_000  # points on each surface
NEAR = 0.005  # a point this close to the other surface is right, in the F-score
TRIM = 0.8  # share of the nearest points that an alignment heeds: the rest may be a wrong part
LEVER = 0.1  # of the shape's radius: what turns by less is round about that axis
STEPS = 30


@dataclass(frozen=True)
class ShapeScore:
    """One shape against its truth.

    chamfer: the mean distance to the other surface, averaged over both directions, m.
    hausdorff95: its 95% quantile, the larger of both directions', m.
    f_score: harmonic mean of the shares of both surfaces within NEAR of the other.
    hull_ratio: volume of the found hull over the true one's. centre: of the bounding boxes, m.
    turn: how far the found shape is turned, rad; see `turn`.
    """

    chamfer: float
    hausdorff95: float
    f_score: float
    hull_ratio: float
    centre: float
    turn: float


def compare(true: Mesh, found: Mesh, samples: int = SAMPLES) -> ShapeScore:
    """Scores a found shape by distances between points spread evenly over both surfaces.

    From point to point, as published chamfer distances are: of two equal surfaces of area A it is
    about half of sqrt(A / samples), 0.5 mm for a mug, and not zero.
    """
    from scipy.spatial import ConvexHull

    a, b = (surface(m, samples) for m in (true, found))
    missing, extra = nearest(b)(a)[0], nearest(a)(b)[0]
    recall, precision = (float((d < NEAR).mean()) for d in (missing, extra))
    # Joggled, so that what is flat has a hull too.
    hulls = [ConvexHull(m.vertices, qhull_options="QJ").volume for m in (true, found)]
    middles = [(m.vertices.min(0) + m.vertices.max(0)) / 2 for m in (true, found)]
    return ShapeScore(
        chamfer=float(missing.mean() + extra.mean()) / 2,
        hausdorff95=float(max(np.quantile(missing, 0.95), np.quantile(extra, 0.95))),
        f_score=2 * precision * recall / max(precision + recall, 1e-12),
        hull_ratio=float(hulls[1] / hulls[0]),
        centre=float(np.linalg.norm(middles[1] - middles[0])),
        turn=turn(true, found, samples),
    )


def turn(true: Mesh, found: Mesh, samples: int = SAMPLES) -> float:
    """The angle, rad, by which the found shape must be turned to lie on the true one best.

    Iterated closest points from where it lies, point to plane (Chen and Medioni 1992, "Object
    modelling by registration of multiple range images"), over the TRIM nearest ones. A turn about
    an axis of symmetry moves no point off the other surface, so that it is neither seen nor
    counted: a ball has no turn, a can only its tilt.
    """
    import trimesh
    from scipy.spatial.transform import Rotation

    shape = trimesh.Trimesh(true.vertices, true.faces, process=False)
    sampled: Any = trimesh.sample.sample_surface(shape, samples, seed=0)
    target, normals = np.asarray(sampled[0]), np.asarray(shape.face_normals)[sampled[1]]
    near_target = nearest(target)
    points = surface(found, samples // 4)
    centre = points.mean(0)
    radius = float(np.sqrt(((points - centre) ** 2).sum(1).mean()))
    rotation: Array = np.eye(3)
    shift = np.zeros(3)
    for _ in range(STEPS):
        arms = (points - centre) @ rotation.T
        moved = arms + centre + shift
        distance, index = near_target(moved)
        near = distance <= np.quantile(distance, TRIM)
        normal, arm = normals[index[near]], arms[near] / radius
        ahead = np.einsum("ij,ij->i", target[index[near]] - moved[near], normal)
        turning: Any = np.cross(arm, normal)
        step = _least(np.hstack([turning, normal]), ahead)
        rotation = Rotation.from_rotvec(step[:3] / radius).as_matrix() @ rotation
        shift = shift + step[3:]
        if np.abs(step).max() < 1e-6:
            break
    return float(Rotation.from_matrix(rotation).magnitude())


def _least(matrix: Array, right: Array) -> Array:
    """The least-squares solution (6,) that leaves alone what the rows hardly tell."""
    u, size, v = np.linalg.svd(matrix, full_matrices=False)
    told = size > LEVER * np.sqrt(len(matrix))
    return v[told].T @ ((u[:, told].T @ right) / size[told])
