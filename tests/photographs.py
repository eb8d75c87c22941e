"""A table with patterned boxes and a printed tag, photographed: pictures with known poses."""

import cv2
import mujoco
import numpy as np

from cousins import raycast
from cousins.mesh import obj_text, png_bytes
from cousins.phone.walk import Walk, viewpoints
from cousins.photos.tag import cells
from cousins.types import Intrinsics, Mesh, Photos

TAG = 0.1  # m
LAMPS = np.array([[0.9, -1.1, 2.2]])
BOXES = [((-0.19, 0.10), (0.10, 0.16, 0.12)), ((0.19, 0.12), (0.12, 0.08, 0.18)),
         ((-0.04, -0.20), (0.16, 0.10, 0.07))]  # fmt: skip


def pattern(seed, size=512, finest=16):
    """(size, size, 3) blots of all sizes: what a newspaper or a cloth is to a camera."""
    rng = np.random.default_rng(seed)
    out = np.zeros((size, size, 3))
    for cell in (c for c in (4, 8, 16, 32, 64, 128) if c >= finest):
        blots = rng.standard_normal((size // cell + 1, size // cell + 1, 3))
        out += cv2.resize(blots, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(130 + 22 * out, 20, 230).astype(np.uint8)


def tag_picture(number=0, pixels=32):
    """The tag with a quiet zone of two cells."""
    black = np.pad(cells(number), 2)
    grey = np.where(black, 15, 225).astype(np.uint8).repeat(pixels, 0).repeat(pixels, 1)
    return np.stack([grey] * 3, axis=2)


def rectangle(centre, across, along):
    """Two triangles with the whole texture: centre and half sides (3,)."""
    c, a, b = (np.asarray(v, float) for v in (centre, across, along))
    return [c - a - b, c + a - b, c + a + b, c - a + b]


def patches(rectangles, texture):
    vertices = np.concatenate(rectangles)
    first = 4 * np.arange(len(rectangles))[:, None]
    faces = np.concatenate([first + [0, 1, 2], first + [0, 2, 3]], 1).reshape(-1, 3)
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    return Mesh(vertices, faces.astype(np.int32), square[faces % 4], texture)


def model(tag=True):
    """The scene; the table's top is at z = 0."""
    x, y, z = np.eye(3)
    parts = {"table": patches([rectangle((0, 0, 0), 0.6 * x, 0.5 * y)], pattern(1, 1024))}
    for i, ((u, v), (w, d, h)) in enumerate(BOXES):
        mid = np.array([u, v, h / 2])
        a, b, c = w / 2 * x, d / 2 * y, h / 2 * z
        faces = [rectangle(mid + c, a, b), rectangle(mid - b, a, c), rectangle(mid + b, -a, c),
                 rectangle(mid + a, b, c), rectangle(mid - a, -b, c)]  # fmt: skip
        parts[f"box_{i}"] = patches(faces, pattern(10 + i, 256))
    if tag:
        half = TAG / 2 * 12 / 8
        turn = np.array([[0.96, 0.28, 0], [-0.28, 0.96, 0]]) * half
        parts["tag"] = patches([rectangle((0.02, 0.02, 0.001), *turn)], tag_picture())
    files, assets, geoms = {}, "", ""
    for name, mesh in parts.items():
        files[f"{name}.obj"] = obj_text(mesh).encode()
        files[f"{name}.png"] = png_bytes(mesh.texture)
        assets += (f'<mesh name="{name}" file="{name}.obj" inertia="shell"/>'
                   f'<texture name="{name}" type="2d" file="{name}.png"/>'
                   f'<material name="{name}" texture="{name}"/>')  # fmt: skip
        geoms += (f'<geom name="{name}" type="mesh" mesh="{name}" material="{name}"'
                  ' contype="0" conaffinity="0"/>')  # fmt: skip
    xml = f"<mujoco><asset>{assets}</asset><worldbody>{geoms}</worldbody></mujoco>"
    return mujoco.MjModel.from_xml_string(xml, files)


def photographed(n=12, size=(480, 360), arc=100.0, finer=1, **walk):
    """(camera, true poses (n, 4, 4), pictures) on a walk round the table."""
    width, height = size
    focal = 0.8 * width
    camera = Intrinsics(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
    way = Walk(arc=arc, target=(0.0, 0.0, 0.03), elevation=(35.0, 55.0), waves=1.0, **walk)
    poses = viewpoints(way, way.target, n, 10.0, np.random.default_rng(0))
    scene = model()
    data = mujoco.MjData(scene)
    mujoco.mj_forward(scene, data)
    stage = raycast.stage(scene, data)
    return camera, poses, [raycast.picture(stage, camera, p, LAMPS, finer) for p in poses]


def as_photos(pictures, path, **more):
    """`Photos` of pictures in memory."""
    height, width = pictures[0].shape[:2]
    names = tuple(f"{i}.jpg" for i in range(len(pictures)))
    return Photos(path, "photos", names, (width, height), "0", lambda: iter(pictures), **more)


def rigid_error(poses, true):
    """(n,) m between camera centres after the best rigid motion."""
    a, b = poses[:, :3, 3], true[:, :3, 3]
    u, _, vt = np.linalg.svd((b - b.mean(0)).T @ (a - a.mean(0)))
    turn = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
    return np.linalg.norm((a - a.mean(0)) @ turn.T + b.mean(0) - b, axis=1)


def scale_error(poses, true):
    """How much longer distances are than in truth, as a share."""
    a, b = (p[:, :3, 3] - p[:, :3, 3].mean(0) for p in (poses, true))
    return float(np.linalg.norm(a) / np.linalg.norm(b) - 1)
