"""Collision shapes: a box, cylinder or sphere where one fits, else convex parts by CoACD.

CoACD: Wei et al. 2022, "Approximate convex decomposition for 3D meshes with collision-aware
concavity and tree search".
"""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass

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
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_decompose, daemon=True,
                                  args=(theirs, small.vertices, small.faces, self))  # fmt: skip
        process.start()
        theirs.close()
        try:
            found = ours.recv() if ours.poll(self.deadline) else None
            late = found is None
        except EOFError:
            found, late = None, False
        finally:
            process.kill()
            process.join()
            ours.close()
        parts = tuple(convex_hull(v, self.hull_vertices) for v in found or [] if _solid(v))
        if parts:
            return parts, None
        why = f"took over {self.deadline:.0f} s" if late else "failed"
        return hull, f"convex decomposition {why}; its convex hull collides in its place"


def _decompose(pipe, vertices: Array, faces: np.ndarray, settings: Convex) -> None:
    import coacd

    coacd.set_log_level("error")
    parts = coacd.run_coacd(
        coacd.Mesh(vertices, faces),
        threshold=settings.threshold,
        max_convex_hull=settings.parts,
        preprocess_mode="off",
        resolution=1000,
        mcts_iterations=60,
        decimate=True,
        max_ch_vertex=settings.hull_vertices,
        seed=settings.seed,
    )
    pipe.send([np.asarray(v) for v, _ in parts])
    pipe.close()


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
        ((p, _overlap(points, inside, p)) for p in _candidates(mesh, volume, centre, low, high)),
        key=lambda pair: pair[1],
    )
    return best if best[1] >= FIT else None


def _candidates(
    mesh: Mesh, volume: float, centre: Array, low: Array, high: Array
) -> list[Primitive]:
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
