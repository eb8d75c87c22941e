"""Makes scenes/desk: models six household objects on a desk and films them with a simulated phone.

    python examples/film_desk.py scenes/desk

Everything is arithmetic: no scan, no picture and no model of anybody else's goes in. The folder
holds the capture in Stray Scanner's layout, picture.png, truth.json and LICENSE.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import desk_paint as paint
import mujoco
import numpy as np
import open3d as o3d
import trimesh

from cousins import raycast
from cousins.mesh import obj_text, png_bytes
from cousins.phone import Noise, Phone, Walk, film, lamp_points, poses
from cousins.scene import look_at
from cousins.types import Array, Intrinsics, Mesh

DESK, THICK = 0.74, 0.03  # height of the top and thickness of the board, m
BOARD = 1.30, 0.72
WALL = 0.84  # y of the wall
GAP = 0.04  # m at least between two objects
PHONE = Phone(
    frames=84,
    walk=Walk(arc=300, start=120, distance=(0.62, 0.88), elevation=(31, 58), waves=3.0),
    finer=2,
    shadows=3,
    noise=Noise(smoothing=0.0),
    seed=7,
)
LICENSE = """\
Copyright 2026 The cousins authors

Licensed under the Apache License, Version 2.0; the licence's text is in the project's LICENSE.

All of this folder was computed by examples/film_desk.py: shapes, textures and film are the
project's own work.
"""


def textured_box(size: Sequence[float], faces: dict[str, paint.Image]) -> Mesh:
    """A box centred on the origin. faces: images for +x -x +y -y +z -z, or "*" for the rest."""
    names = ["+x", "-x", "+y", "-y", "+z", "-z"]
    images = [faces.get(name, faces.get("*", paint.flat(8, 8, paint.CREAM))) for name in names]
    height = max(len(image) for image in images)
    sheets = [cv2.resize(i, (round(i.shape[1] * height / len(i)), height)) for i in images]
    edges = np.cumsum([0] + [s.shape[1] for s in sheets]) / sum(s.shape[1] for s in sheets)
    # For each side the directions of the picture's right and up, as seen from outside.
    views = [((0, 1, 0), (0, 0, 1)), ((0, -1, 0), (0, 0, 1)), ((-1, 0, 0), (0, 0, 1)),
             ((1, 0, 0), (0, 0, 1)), ((1, 0, 0), (0, 1, 0)), ((-1, 0, 0), (0, 1, 0))]  # fmt: skip
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    quads, uv, inset = [], [], 0.5 / sum(s.shape[1] for s in sheets)
    for k, (right, up) in enumerate(views):
        r, u = np.array(right, float), np.array(up, float)
        for ids in ([(-1, -1), (1, -1), (1, 1)], [(-1, -1), (1, 1), (-1, 1)]):
            points = [np.cross(r, u) + a * r + b * u for a, b in ids]
            quads.append([int(np.abs(corners - p).sum(1).argmin()) for p in points])
            left, width = edges[k] + inset, edges[k + 1] - edges[k] - 2 * inset
            uv.append([(left + width * (a + 1) / 2, (b + 1) / 2) for a, b in ids])
    return Mesh(corners * np.array(size) / 2, np.array(quads, np.int32), np.array(uv),
                np.hstack(sheets).astype(np.uint8))  # fmt: skip


def revolved(profile: Array, image: paint.Image, sections: int = 64) -> Mesh:
    """A solid of revolution about z. profile (k, 2): radius and height from axis to axis, outside
    on the right as one walks. The image's rows run along the profile, last row first."""
    mesh = trimesh.creation.revolve(profile, sections=sections)
    # Where along the profile each vertex lies: the nearest of its points.
    flat = np.column_stack([np.linalg.norm(mesh.vertices[:, :2], axis=1), mesh.vertices[:, 2]])
    nearest = np.linalg.norm(flat[:, None] - profile[None], axis=2).argmin(1)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(profile, axis=0), axis=1))])
    return wrapped(mesh, (length / length[-1])[nearest][mesh.faces], image)


def wrapped(mesh: trimesh.Trimesh, v: Array, image: paint.Image) -> Mesh:
    """`image` once round z, with v (m, 3) given for the corners of each face."""
    turn = (np.arctan2(mesh.vertices[:, 1], mesh.vertices[:, 0]) / (2 * np.pi))[mesh.faces]
    middle = mesh.triangles_center
    around = np.arctan2(middle[:, 1], middle[:, 0])[:, None] / (2 * np.pi)
    turn = turn + np.round(around - turn)  # across the seam, go on beyond 1
    on_axis = np.linalg.norm(mesh.vertices[:, :2], axis=1)[mesh.faces] < 1e-9
    uv = np.stack([np.where(on_axis, around, turn), np.broadcast_to(v, turn.shape)], axis=2)
    return Mesh(np.asarray(mesh.vertices, float), mesh.faces.astype(np.int32), uv, image)


def cereal_box() -> Mesh:
    """A tall box: 62 mm x 158 mm x 218 mm."""
    front, side = paint.oats_front(436, 316), paint.oats_side(436, 124)
    plain = paint.flat(64, 128, paint.CORAL)
    return textured_box((0.062, 0.158, 0.218), {"+x": front, "-x": front, "+y": side, "-y": side,
                                                "*": plain})  # fmt: skip


def book() -> Mesh:
    """A book that lies flat: 148 mm x 210 mm x 25 mm."""
    edge, spine = paint.pages(50, 420), paint.flat(50, 420, paint.BLUE)
    return textured_box((0.148, 0.210, 0.025), {"+z": paint.cover(420, 296), "+x": edge,
                                                "+y": edge, "-y": edge, "-x": spine,
                                                "*": spine})  # fmt: skip


def can() -> Mesh:
    """A food can: 66 mm wide, 101 mm high, with rims."""
    r, h = 0.033, 0.101
    profile = [(0, 0.002), (r - 0.003, 0.002), (r - 0.002, 0), (r, 0.001), (r, 0.004),
               (r - 0.001, 0.006), (r - 0.001, h - 0.006), (r, h - 0.004), (r, h - 0.001),
               (r - 0.002, h), (r - 0.003, h - 0.003), (0, h - 0.003)]  # fmt: skip
    points = np.array(profile)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    image = paint.flat(512, 640, paint.STEEL)
    top, bottom = (round(512 * (1 - length[k] / length[-1])) for k in (6, 5))
    image[top:bottom] = paint.soup(bottom - top, 640)
    return revolved(points, image)


def bowl() -> Mesh:
    """A bowl on a foot: 150 mm wide, 58 mm high, 5 mm thick."""
    t = np.linspace(0, np.pi / 2, 14)[1:]
    outside = np.column_stack([0.030 + 0.045 * np.sin(t) ** 0.8, 0.006 + 0.052 * (1 - np.cos(t))])
    inside = np.column_stack([0.070 * np.sin(t[::-1]), 0.012 + 0.046 * (1 - np.cos(t[::-1]))])
    profile = np.vstack([[(0, 0), (0.030, 0)], outside, [(0.0725, 0.0595)], inside, [(0, 0.012)]])
    image = paint.bands(paint.flat(400, 640, paint.CREAM), [(0, 0.44, (238, 244, 240)),
                        (0.44, 0.50, paint.TEAL), (0.72, 1, paint.TEAL)])  # fmt: skip
    paint.zigzag(image, 0.60, 0.09, 18, paint.TEAL)
    return revolved(profile, image)


def mug() -> Mesh:
    """A mug with a handle that fingers go through: 80 mm wide, 92 mm high, 4 mm thick."""
    r, h, wall = 0.040, 0.092, 0.004
    cup = [(0, 0), (r - 0.003, 0), (r, 0.003), (r, h - 0.001), (r - 0.0015, h),
           (r - wall + 0.0015, h), (r - wall, h - 0.001), (r - wall, 0.010),
           (r - wall - 0.005, 0.005), (0, 0.005)]  # fmt: skip
    body = trimesh.creation.revolve(np.array(cup), sections=64)
    t = np.linspace(-np.pi / 2, np.pi / 2, 25)
    way = np.column_stack([r - 0.002 + 0.030 * np.cos(t), 0 * t, h / 2 + 0.027 * np.sin(t)])
    handle = tube(way, 0.0045, 0.0065)
    cavity = trimesh.creation.cylinder(r - wall, h, sections=64)
    cavity.apply_translation([0, 0, 0.010 + h / 2])
    handle = trimesh.boolean.difference([handle, cavity])
    mesh = trimesh.boolean.union([body, handle])
    radius = np.linalg.norm(mesh.vertices[:, :2], axis=1)[mesh.faces]
    height = mesh.vertices[:, 2][mesh.faces] / h
    centre = radius.mean(1)
    # Three strips of one picture: the outside with its stripes, the inside, the handle.
    v = np.where((centre > r - 0.001)[:, None], 0.02 + 0.56 * height, 0.70)
    v[radius.max(1) > r + 0.0005] = 0.90
    image = paint.bands(paint.flat(500, 640, paint.CREAM),
                        [(0, 0.2, paint.SUN), (0.42, 1, paint.SUN), (0.55, 0.58, paint.CREAM),
                         (0.62, 0.72, paint.CREAM), (0.85, 0.88, paint.CREAM)])  # fmt: skip
    for at in (0.645, 0.67, 0.695):
        paint.zigzag(image, at, 0.02, 16, paint.CORAL)
    return wrapped(mesh, v, image)


def tube(way: Array, thick: float, wide: float) -> trimesh.Trimesh:
    """An elliptic tube along `way` (k, 3), a curve at y = 0; half widths in its plane and in y."""
    along = np.gradient(way, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across, y = np.cross(along, [0, 1.0, 0]), np.array([0, 1.0, 0])
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)[:, None]
    rings = [p + thick * np.cos(turn) * a + wide * np.sin(turn) * y
             for p, a in zip(way, across, strict=True)]  # fmt: skip
    n, k = len(turn), len(way)
    quads = [(i * n + j, i * n + (j + 1) % n, (i + 1) * n + (j + 1) % n, (i + 1) * n + j)
             for i in range(k - 1) for j in range(n)]  # fmt: skip
    fan = [[0, j + 1, j] for j in range(1, n - 1)]
    caps = fan + [[(k - 1) * n + i for i in reversed(f)] for f in fan]
    faces = [f for a, b, c, d in quads for f in ([a, b, c], [a, c, d])] + caps
    mesh = trimesh.Trimesh(np.vstack(rings), faces)
    mesh.fix_normals()
    return mesh


def ball() -> Mesh:
    """A toy ball: 72 mm, in six sectors with white caps."""
    t = np.linspace(-np.pi / 2, np.pi / 2, 33)
    profile = 0.036 * np.column_stack([np.cos(t), np.sin(t)])
    profile[[0, -1], 0] = 0
    image = np.hstack([paint.flat(300, 107, c) for c in 2 * (paint.CORAL, paint.CREAM, paint.BLUE)])
    paint.bands(image, [(0, 0.09, paint.CREAM), (0.91, 1, paint.CREAM)])
    return revolved(profile, image)


# name: shape, x, y, yaw and tilt in degrees, mass in kg, friction
OBJECTS: dict[str, tuple[Any, float, float, float, float, float, float]] = {
    "cereal_box": (cereal_box, -0.17, 0.13, -62, 0, 0.56, 0.45),
    "soup_can": (can, 0.06, 0.17, 20, 0, 0.35, 0.40),
    "mug": (mug, 0.21, 0.06, -35, 0, 0.30, 0.55),
    "bowl": (bowl, 0.01, -0.01, 0, 0, 0.24, 0.50),
    "ball": (ball, 0.15, -0.13, 20, 35, 0.06, 0.70),
    "book": (book, -0.20, -0.12, 14, 0, 0.38, 0.50),
}


def place(mesh: Mesh, x: float, y: float, yaw: float, tilt: float) -> Mesh:
    """The mesh turned, and stood on the desk."""
    turn = trimesh.transformations.euler_matrix(0, np.radians(tilt), np.radians(yaw), "sxyz")
    vertices = mesh.vertices @ turn[:3, :3].T
    vertices = vertices + np.array([x, y, DESK - vertices[:, 2].min()])
    return Mesh(vertices, mesh.faces, mesh.uv, mesh.texture)


def board(size: Sequence[float], at: Sequence[float], image: paint.Image) -> Mesh:
    """A static box."""
    box = textured_box(size, {"*": image})
    return Mesh(box.vertices + np.array(at), box.faces, box.uv, box.texture)


def room() -> dict[str, Mesh]:
    """What does not move: desk, floor, wall."""
    oak = paint.wood(3, 512, 1024, (150, 104, 62), (214, 172, 118), 4)
    floor = paint.wood(11, 1024, 1024, (96, 78, 64), (150, 126, 104), 20)
    metal = paint.flat(8, 8, (70, 74, 80))
    w, d = BOARD
    legs = {
        f"leg_{i}": board((0.04, 0.04, DESK - THICK), (x, y, (DESK - THICK) / 2), metal)
        for i, (x, y) in enumerate([(a * (w / 2 - 0.05), b * (d / 2 - 0.05))
                                    for a in (-1, 1) for b in (-1, 1)])}  # fmt: skip
    return {
        "desk": board((w, d, THICK), (0, 0, DESK - THICK / 2), oak),
        "floor": board((5, 5, 0.02), (0, WALL - 2.5, -0.01), floor),
        "wall": board((5, 0.1, 2.6), (0, WALL + 0.05, 1.3),
                      paint.plaster(2, 512, (206, 214, 204))),
        "skirting": board((5, 0.015, 0.09), (0, WALL - 0.0075, 0.045),
                          paint.flat(8, 8, (240, 238, 232))),
        **legs,
    }  # fmt: skip


def distance(a: Mesh, b: Mesh) -> float:
    """From the vertices of `a` to the surface of `b`, m."""
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(b.vertices.astype(np.float32), b.faces.astype(np.uint32))
    return float(scene.compute_distance(a.vertices.astype(np.float32)).numpy().min())


def model() -> mujoco.MjModel:
    """The scene, compiled."""
    objects = {name: place(o[0](), *o[1:5]) for name, o in OBJECTS.items()}
    for a, b in combinations(objects, 2):
        gap = min(distance(objects[a], objects[b]), distance(objects[b], objects[a]))
        if gap < GAP:
            raise SystemExit(f"{a} and {b} are only {1000 * gap:.0f} mm apart")
    files: dict[str, bytes] = {}
    assets, bodies = [], []
    for name, mesh in {**room(), **objects}.items():
        centre = (mesh.vertices.min(0) + mesh.vertices.max(0)) / 2
        assert mesh.texture is not None
        files[f"{name}.obj"] = obj_text(Mesh(mesh.vertices - centre, mesh.faces, mesh.uv)).encode()
        files[f"{name}.png"] = png_bytes(mesh.texture)
        assets.append(f'<mesh name="{name}" file="{name}.obj"/>'
                      f'<texture name="{name}" type="2d" file="{name}.png"/>'
                      f'<material name="{name}" texture="{name}"/>')  # fmt: skip
        shape = f'type="mesh" mesh="{name}" material="{name}"'
        at = " ".join(f"{v:.9g}" for v in centre)
        if name in OBJECTS:
            shape += ' mass="{}" friction="{}"'.format(*OBJECTS[name][5:])
            bodies.append(f'<body name="{name}" pos="{at}"><freejoint/>'
                          f"<geom {shape}/></body>")  # fmt: skip
        else:
            bodies.append(f'<geom name="{name}" {shape} pos="{at}"/>')
    xml = (f"<mujoco model='desk'><asset>{''.join(assets)}</asset>"
           f"<worldbody>{''.join(bodies)}</worldbody></mujoco>")  # fmt: skip
    return mujoco.MjModel.from_xml_string(xml, files)


def picture(desk: mujoco.MjModel) -> paint.Image:
    """One good look at the scene, 960x640."""
    data = mujoco.MjData(desk)
    mujoco.mj_forward(desk, data)
    target = np.array([-0.015, 0.0, DESK + 0.06])
    camera = Intrinsics(960, 640, 1260.0, 1260.0, 479.5, 319.5)
    pose = look_at(np.array([0.42, -0.88, DESK + 0.62]), target)
    lamps = lamp_points(Phone(shadows=12), poses(PHONE, (0.0, 0.02, DESK)))
    return raycast.picture(raycast.stage(desk, data), camera, pose, lamps, finer=3)


def main(folder: Path) -> None:
    """Films the desk into `folder`, which is replaced."""
    desk = model()
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        new = film(desk, Path(scratch) / "desk", PHONE)
        truth = json.loads((new.parent / "desk.truth.json").read_text())
        for thing in truth["objects"]:
            thing["vertices"] = np.round(thing["vertices"], 5).tolist()
        (new / "truth.json").write_text(json.dumps(truth, separators=(",", ":")))
        (new / "picture.png").write_bytes(png_bytes(picture(desk)))
        (new / "LICENSE").write_text(LICENSE)
        if folder.exists():
            shutil.rmtree(folder)
        new.replace(folder)
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    print(f"{folder}: {PHONE.frames} frames, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python examples/film_desk.py FOLDER")
    main(Path(sys.argv[1]))
