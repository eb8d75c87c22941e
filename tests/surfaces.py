"""Seen surfaces and depth images of known shapes, for tests of what a scan is made of."""

import cv2
import numpy as np
import open3d as o3d
import trimesh

from cousins.reconstruct.tsdf import Surface
from cousins.scene import look_at
from cousins.types import Frame, Intrinsics

CAMERA = Intrinsics(256, 192, 205.0, 205.0, 127.5, 95.5)
TABLE = 0.72


def plane(low, high, z, step=0.01):
    """A level rectangle as triangles, seen from above."""
    x, y = np.arange(low[0], high[0] + step / 2, step), np.arange(low[1], high[1] + step / 2, step)
    xx, yy = np.meshgrid(x, y, indexing="ij")
    vertices = np.column_stack([xx.ravel(), yy.ravel(), np.full(xx.size, float(z))])
    i = np.arange(xx.size).reshape(xx.shape)
    a, b, c, d = i[:-1, :-1].ravel(), i[1:, :-1].ravel(), i[1:, 1:].ravel(), i[:-1, 1:].ravel()
    return trimesh.Trimesh(vertices, np.vstack([[a, b, c], [a, c, d]]).reshape(2, 3, -1)
                           .transpose(0, 2, 1).reshape(-1, 3), process=False)  # fmt: skip


def turned(mesh, axis, degrees, point=(0, 0, 0)):
    """A turned copy."""
    mesh = mesh.copy()
    mesh.apply_transform(trimesh.transformations.rotation_matrix(np.radians(degrees), axis, point))
    return mesh


def standing(mesh, x=0.0, y=0.0, z=TABLE):
    """A copy whose box stands at x, y on the height z."""
    mesh = mesh.copy()
    low, high = mesh.bounds
    mesh.apply_translation([x - (low[0] + high[0]) / 2, y - (low[1] + high[1]) / 2, z - low[2]])
    return mesh


def bowl(radius=0.08, height=0.055, wall=0.004):
    """A bowl, open above, on a flat foot."""
    outer = [(0.0, 0.0), (0.5 * radius, 0.0), (0.85 * radius, 0.4 * height), (radius, height)]
    inner = [(r - wall, max(z, 2 * wall)) for r, z in reversed(outer[1:])]
    inner[0] = (radius - wall, height)
    return trimesh.creation.revolve([*outer, *inner, (0.0, 2 * wall)], sections=64)


def seen(*meshes, edge=0.004, noise=0.0, colours=None):
    """The meshes' sides and tops as one fused surface would give them, a vertex every `edge`."""
    rng = np.random.default_rng(0)
    corners, normals, painted = [], [], []
    for k, mesh in enumerate(meshes):
        fine = trimesh.remesh.subdivide_to_size(mesh.vertices, mesh.faces, edge * 1.5)
        vertices, faces = fine[:2]
        triangles = vertices[faces]
        normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        up = normal[:, 2] > -0.5
        corners.append(triangles[up].reshape(-1, 3))
        normals.append(np.repeat(normal[up], 3, axis=0))
        painted.append(np.tile(colours[k] if colours else (0.5, 0.5, 0.5), (3 * up.sum(), 1)))
    vertices, normals = np.concatenate(corners), np.concatenate(normals)
    vertices = vertices + noise * rng.standard_normal((len(vertices), 1)) * normals
    faces = np.arange(len(vertices), dtype=np.int32).reshape(-1, 3)
    return Surface(vertices, normals, np.concatenate(painted), faces)


def around(target, n=16, distance=0.7, elevations=(25.0, 55.0)):
    """(n, 4, 4) poses on a circle around a point, by turns low and high."""
    poses = []
    for i in range(n):
        azimuth, e = 2 * np.pi * i / n, np.radians(elevations[i % len(elevations)])
        out = [np.cos(e) * np.cos(azimuth), np.cos(e) * np.sin(azimuth), np.sin(e)]
        poses.append(look_at(np.array(target) + distance * np.array(out), np.array(target)))
    return np.array(poses)


def filmed(meshes, poses, camera=CAMERA, colours=None):
    """A frame of true depth, and flat colour per mesh, for each pose."""
    scene = o3d.t.geometry.RaycastingScene()
    for mesh in meshes:
        scene.add_triangles(
            np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.uint32)
        )
    paint = np.array([*(colours or [(128, 128, 128)] * len(meshes)), (0, 0, 0)], np.uint8)
    v, u = np.mgrid[0 : camera.height, 0 : camera.width]
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy,
                     np.ones(u.shape)], -1)  # fmt: skip
    frames = []
    for i, pose in enumerate(poses):
        way = rays @ pose[:3, :3].T
        cast = np.concatenate([np.broadcast_to(pose[:3, 3], way.shape), way], -1)
        hit = scene.cast_rays(np.ascontiguousarray(cast, np.float32))
        depth = hit["t_hit"].numpy()
        depth = np.where(np.isfinite(depth), depth, 0).astype(np.float32)
        which = np.minimum(hit["geometry_ids"].numpy(), len(meshes))
        frames.append(Frame(i, 0.1 * i, pose, depth, camera, paint[which], camera))
    return frames


def off(mesh, points):
    """(n,) distances of points from a mesh's surface."""
    return _cast(mesh).compute_distance(np.asarray(points, np.float32)).numpy()


def within(mesh, points):
    """(n,) whether points are inside of a closed mesh."""
    return _cast(mesh).compute_occupancy(np.asarray(points, np.float32), nsamples=3).numpy() > 0.5


def _cast(mesh):
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.uint32))
    return scene


def chamfer(a, b, n=4000):
    """The mean distance between two meshes' surfaces, both ways."""
    a, b = (trimesh.Trimesh(m.vertices, m.faces, process=False) for m in (a, b))
    ends = [trimesh.sample.sample_surface(m, n, seed=0)[0] for m in (a, b)]
    return (off(b, ends[0]).mean() + off(a, ends[1]).mean()) / 2


def inner_points(mesh, uv, n=2000):
    """Points all over the mesh, and where they lie in the texture."""
    rng = np.random.default_rng(0)
    face, weights = rng.integers(0, len(mesh.faces), n), rng.dirichlet((1, 1, 1), n)
    return (np.einsum("nc,ncd->nd", weights, mesh.vertices[mesh.faces[face]]),
            np.einsum("nc,ncd->nd", weights, uv[face]))  # fmt: skip


def lookup(mesh, uv):
    """The texture's colours at uv (n, 2), bilinear as a renderer has it."""
    h, w = mesh.texture.shape[:2]
    x = (uv[:, 0] * w - 0.5).astype(np.float32)[None]
    y = ((1 - uv[:, 1]) * h - 0.5).astype(np.float32)[None]
    return cv2.remap(mesh.texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
