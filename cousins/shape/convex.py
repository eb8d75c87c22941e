"""Collision shapes: a box, cylinder or sphere where one fits, else convex parts by CoACD.

CoACD: Wei et al. 2022, "Approximate convex decomposition for 3D meshes with collision-aware
concavity and tree search".
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from cousins.mesh import solid_moments
from cousins.shape.carve import decimate
from cousins.types import Array, Mesh, Primitive

FIT = 0.85  # overlap over union at which a primitive is as good as the mesh


@dataclass(frozen=True)
class Convex:
    """Splits a closed mesh into convex parts.

    threshold: CoACD's concavity. faces: it is decimated to so many first. deadline: seconds, after
    which the hull stands in. hull_vertices: at most so many in each part.
    """

    threshold: float = 0.05
    faces: int = 1500
    parts: int = 16
    hull_vertices: int = 48
    deadline: float = 60.0
    seed: int = 0

    def __call__(self, mesh: Mesh) -> tuple[tuple[Mesh, ...], str | None]:
        """The parts, and a warning where the deadline passed or the program died."""
        small = decimate(mesh, self.faces)
        hull = (convex_hull(mesh.vertices, self.hull_vertices),)
        if solid_moments(hull[0])[0] < 1.03 * solid_moments(mesh)[0]:
            return hull, None
        try:
            found, why = _apart(small, self), "failed"
        except subprocess.TimeoutExpired:
            found, why = [], f"took over {self.deadline:g} s"
        parts = tuple(convex_hull(v, self.hull_vertices) for v in found if _solid(v))
        if parts:
            return parts, None
        return hull, f"convex decomposition {why}; its convex hull collides in its place"


def _apart(mesh: Mesh, settings: Convex) -> list[Array]:
    """The parts' vertices from CoACD in a process of its own, which can be stopped and can die;
    none where it died. Raises subprocess.TimeoutExpired past the deadline.

    Not by multiprocessing, which would run the user's own script again in the new process.
    """
    with tempfile.TemporaryDirectory() as folder:
        task, result = Path(folder) / "task.npz", Path(folder) / "result.npz"
        np.savez(task, vertices=mesh.vertices, faces=mesh.faces)
        command = [sys.executable, "-P", "-m", __name__, task, json.dumps(asdict(settings)), result]
        path = os.pathsep.join(filter(None, sys.path))
        subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=settings.deadline,
            check=False,
        )
        if not result.exists():
            return []
        with np.load(result) as file:
            return [file[name] for name in file.files]


def _decompose(task: str, settings: str, result: str) -> None:
    """What the process of its own does."""
    import coacd

    coacd.set_log_level("error")
    with np.load(task) as file:
        mesh = coacd.Mesh(file["vertices"], file["faces"])
    s = Convex(**json.loads(settings))
    parts = coacd.run_coacd(
        mesh,
        threshold=s.threshold,
        max_convex_hull=s.parts,
        preprocess_mode="off",
        resolution=1000,
        mcts_iterations=60,
        decimate=True,
        max_ch_vertex=s.hull_vertices,
        seed=s.seed,
    )
    beside = f"{result}.part.npz"
    np.savez(beside, *[np.asarray(v) for v, _ in parts])
    os.replace(beside, result)


def _solid(vertices: Array) -> bool:
    """Whether points span a volume that a physics engine can take as a hull."""
    if len(vertices) < 4:
        return False
    singular = np.linalg.svd(vertices - vertices.mean(0), compute_uv=False)
    return bool(singular[2] / np.sqrt(len(vertices)) > 2e-4)


def convex_hull(vertices: Array, most: int = 48) -> Mesh:
    """The hull of points (n, 3), closed and outward, of at most `most` vertices."""
    import trimesh

    hull = trimesh.convex.convex_hull(np.asarray(vertices, float))
    if len(hull.vertices) > most:
        hull = trimesh.convex.convex_hull(np.asarray(hull.vertices)[_spread(hull.vertices, most)])
    return Mesh(np.asarray(hull.vertices, float), np.asarray(hull.faces, np.int32))


def _spread(vertices: Array, count: int) -> np.ndarray:
    """Indices of the extreme vertices along `count` directions spread over the sphere."""
    i = np.arange(count) + 0.5
    z, turn = 1 - 2 * i / count, np.pi * (1 + 5**0.5) * i
    r = np.sqrt(1 - z * z)
    # The axes' own extremes first: they keep the bounding box and so the foot.
    directions = np.vstack([np.column_stack([r * np.cos(turn), r * np.sin(turn), z]),
                            np.eye(3), -np.eye(3)])  # fmt: skip
    return np.unique(np.argmax(np.asarray(vertices) @ directions.T, axis=0))


def fit_primitive(mesh: Mesh, samples: int = 30000) -> tuple[Primitive, float] | None:
    """The primitive that overlaps a closed mesh best, and its overlap over union; None below FIT.

    The mesh is in its object's frame: z up, centred on its bounding box.
    """
    volume, centre, _ = solid_moments(mesh)
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    rng = np.random.default_rng(0)
    points = rng.uniform(low - 0.002, high + 0.002, (samples, 3))
    inside = _occupied(mesh, points)
    best = max(
        ((p, _overlap(points, inside, p)) for p in _candidates(volume, centre, low, high)),
        key=lambda pair: pair[1],
    )
    return best if best[1] >= FIT else None


def round_off(mesh: Mesh, slack: float = 0.0015) -> Mesh:
    """A ball without the pedestal that carving leaves where a ball hides its own underside.

    Where a sphere fits best, what lies more than `slack` metres outside it is drawn in to it.
    """
    fit = fit_primitive(mesh)
    if fit is None or fit[0].kind != "sphere":
        return mesh
    centre, radius = np.array(fit[0].position), fit[0].size[0] + slack
    offset = mesh.vertices - centre
    distance = np.linalg.norm(offset, axis=1, keepdims=True)
    inner = centre + offset * np.minimum(1.0, radius / np.maximum(distance, 1e-9))
    return replace(mesh, vertices=inner)


def _candidates(volume: float, centre: Array, low: Array, high: Array) -> list[Primitive]:
    middle, size = (low + high) / 2, high - low
    unit = (1.0, 0.0, 0.0, 0.0)
    out = []
    # A noisy surface bulges past its faces: the box of equal volume, but never far from the bounds.
    shrink = np.clip((volume / size.prod()) ** (1 / 3), 0.95, 1.0)
    half = size * np.array([shrink, shrink, 1.0]) / 2
    out.append(Primitive("box", tuple(half), tuple(middle), unit))
    s = np.sqrt(0.5)
    for axis, quaternion in ((2, unit), (0, (s, 0.0, s, 0.0)), (1, (s, s, 0.0, 0.0))):
        length = size[axis]
        across = np.delete(size, axis)
        if across.max() > 1.25 * across.min():
            continue
        radius = np.sqrt(volume / (np.pi * length))
        at = np.where(np.arange(3) == 2, middle, centre)
        at[axis] = middle[axis]
        if axis != 2:
            at[2] = low[2] + radius
        out.append(Primitive("cylinder", (radius, length / 2, 0.0), tuple(at), quaternion))
    if size.max() < 1.2 * size.min():
        radius = (3 * volume / (4 * np.pi)) ** (1 / 3)
        at = (centre[0], centre[1], low[2] + radius)
        out.append(Primitive("sphere", (radius, 0.0, 0.0), at, unit))
    return [Primitive(p.kind, _floats(p.size), _floats(p.position), p.quaternion) for p in out]


def _floats(values) -> tuple[float, float, float]:
    a, b, c = (float(v) for v in values)
    return a, b, c


def _occupied(mesh: Mesh, points: Array) -> np.ndarray:
    import open3d as o3d

    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(o3d.core.Tensor(mesh.vertices.astype(np.float32)),
                        o3d.core.Tensor(mesh.faces.astype(np.uint32)))  # fmt: skip
    return scene.compute_occupancy(o3d.core.Tensor(points.astype(np.float32))).numpy() > 0.5


def _overlap(points: Array, inside: np.ndarray, primitive: Primitive) -> float:
    from cousins.mesh import matrix_from_quaternion

    local = (points - primitive.position) @ matrix_from_quaternion(np.array(primitive.quaternion))
    a, b, _ = primitive.size
    if primitive.kind == "box":
        within = np.all(np.abs(local) <= primitive.size, axis=1)
    elif primitive.kind == "cylinder":
        within = (np.hypot(local[:, 0], local[:, 1]) <= a) & (np.abs(local[:, 2]) <= b)
    else:
        within = np.linalg.norm(local, axis=1) <= a
    return float((within & inside).sum() / max(1, (within | inside).sum()))


def primitive_mesh(primitive: Primitive) -> Mesh:
    """The primitive as a convex mesh in its object's frame, for tools that read meshes."""
    import trimesh

    from cousins.mesh import matrix_from_quaternion

    a, b, _ = primitive.size
    if primitive.kind == "box":
        mesh = trimesh.creation.box(2 * np.array(primitive.size))
    elif primitive.kind == "cylinder":
        mesh = trimesh.creation.cylinder(a, 2 * b, sections=32)
    else:
        mesh = trimesh.creation.icosphere(2, a)
    rotation = matrix_from_quaternion(np.array(primitive.quaternion))
    vertices = np.asarray(mesh.vertices) @ rotation.T + primitive.position
    return Mesh(vertices, np.asarray(mesh.faces, np.int32))


if __name__ == "__main__":
    _decompose(*sys.argv[1:])
