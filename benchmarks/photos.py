"""Photos alone: how well poses and scale come out of a filmed scene whose truth is known.

    python benchmarks/photos.py [--layout spread] [--seed 0] [--photos 60] [--size 960x720]
                                [--work FOLDER] [--json FILE]

A household scene on a patterned cloth, with a printed tag of 100 mm beside the things, is
photographed all around. Its pictures are solved as unordered photos and as a sequence, with the
camera known and unknown, and each solution is scaled twice: by the tag, and by positions tracked
with 5 mm of noise. Films are kept in the work folder, and used again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import cv2
import mujoco
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from cousins import raycast
from cousins.capture import open_capture
from cousins.household import scene
from cousins.mesh import obj_text, png_bytes
from cousins.phone import Phone, film, middle, poses, stand
from cousins.photos.pick import Pick
from cousins.photos.scale import scaled
from cousins.photos.solve import Solve
from cousins.photos.tag import cells
from cousins.types import Array, Mesh, Photos, Views

TAG = 0.1  # m
SHEET = TAG * 12 / 8  # with a quiet zone of two cells
TRACKED = 0.005  # m: noise of each axis of a tracked position


def main() -> None:
    """Film, solve, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--layout", default="spread")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--size", default="960x720")
    parser.add_argument("--finer", type=int, default=2, help="rays along each side of a pixel")
    parser.add_argument("--no-cloth", action="store_true", help="leave the table as it is")
    parser.add_argument("--work", type=Path, help="keeps the film, and takes one that is there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    staged = scene(arguments.layout, arguments.seed)
    model = dressed(staged.model, staged.spec, not arguments.no_cloth)
    phone = Phone(
        frames=arguments.photos, colour_size=(width, height), finer=arguments.finer,
        walk=staged.walk, noise=None, layout="photos",
    )  # fmt: skip
    true = poses(phone, middle(model, stand(model)))
    with tempfile.TemporaryDirectory() as scratch:
        work = arguments.work or Path(scratch)
        name = f"{arguments.layout}-{arguments.seed}-{arguments.photos}-{arguments.size}"
        folder = work / (name + f"-{arguments.finer}{'-plain' if arguments.no_cloth else ''}")
        if not folder.exists():
            film(model, folder, phone)
        photos = cast(Photos, open_capture(folder))
        results = [
            measured(replace(photos, camera=camera, ordered=ordered), true, work / "solve")
            for camera in (phone.camera, None)
            for ordered in (False, True)
        ]
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    show(results, f"{arguments.layout} {arguments.seed}, {arguments.size}")


def dressed(model: mujoco.MjModel, spec: mujoco.MjSpec, cloth: bool) -> mujoco.MjModel:
    """The scene with a tag on a free place of the table and, if wanted, a cloth under all."""
    data = stand(model)
    table = model.geom("table")
    top, half = float(table.pos[2] + table.size[2]), table.size[:2]
    things = [g for g in range(model.ngeom) if model.geom_bodyid[g] > 0]
    taken = np.concatenate([raycast.triangles(model, data, g)[0].reshape(-1, 3) for g in things])
    rng, aim = np.random.default_rng(0), np.array(middle(model, data))[:2]
    places = aim + rng.uniform(-0.35, 0.35, (2000, 2))
    places = places[(np.abs(places - table.pos[:2]) < half - 0.6 * SHEET).all(1)]
    gaps = np.array([np.linalg.norm(taken[:, :2] - p, axis=1).min() for p in places])
    far = np.linalg.norm(places - aim, axis=1)
    at = places[np.argmax(np.minimum(gaps, 0.75 * SHEET) - 0.1 * far)]
    if cloth:
        sheet(spec, "cloth", pattern(rng), 2 * (half - 0.02), (*table.pos[:2], top + 0.0004), 0.0)
    black = np.pad(cells(0), 2)
    grey = np.where(black, 20, 235).astype(np.uint8).repeat(32, 0).repeat(32, 1)
    sheet(spec, "tag", np.stack([grey] * 3, 2), np.full(2, SHEET), (*at, top + 0.0012), 0.3)
    return spec.compile()


def pattern(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A cloth's print: blots of all sizes."""
    out = np.zeros((1536, 1536, 3))
    for cell in (8, 16, 32, 64, 128):
        blots = rng.standard_normal((1536 // cell + 1, 1536 // cell + 1, 3))
        out += cv2.resize(blots, (1536, 1536), interpolation=cv2.INTER_CUBIC)
    return np.clip(130 + 18 * out, 20, 230).astype(np.uint8)


def sheet(
    spec: mujoco.MjSpec, name: str, picture: NDArray[np.uint8], size: Array,
    at: tuple[float, float, float], yaw: float,
) -> None:  # fmt: skip
    """A flat picture that lies at `at`, turned by yaw; size (2,) m."""
    x, y = size / 2
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
    vertices = np.column_stack([(square * [x, y]) @ turn.T, np.zeros(4)])
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    mesh = Mesh(vertices, faces, ((square + 1) / 2)[faces], picture)
    spec.assets = {**spec.assets, f"{name}.obj": obj_text(mesh).encode(),
                   f"{name}.png": png_bytes(picture)}  # fmt: skip
    texture = spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D)
    texture.file = f"{name}.png"
    material = spec.add_material(name=name)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
    spec.add_mesh(name=name, file=f"{name}.obj", inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
    spec.worldbody.add_geom(
        name=name, type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, material=name, pos=at,
        group=2, contype=0, conaffinity=0,
    )  # fmt: skip


def measured(photos: Photos, true: Array, work: Path) -> dict[str, Any]:
    """One solution, scaled both ways."""
    tracked = true.copy()
    tracked[:, :3, 3] += np.random.default_rng(1).normal(0, TRACKED, (len(true), 3))
    began, spent = time.monotonic(), time.process_time()
    picked = Pick()(photos)
    views = Solve()(photos, picked, work)
    result = {
        "camera": "known" if photos.camera else "unknown",
        "order": "sequence" if photos.ordered else "photos",
        "picked": len(picked.chosen),
        "registered": len(views),
        "points": len(views.points),
        "residual_px": round(views.residual, 3),
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(time.process_time() - spent, 1),
    }
    by_tag = scaled(views, photos, TAG)
    by_tracking = scaled(views, replace(photos, poses=tracked))
    for name, got in (("tag", by_tag), ("tracked", by_tracking)):
        scale, error = errors(got, true)
        result |= {
            f"{name}_source": got.scale_source,
            f"{name}_scale_percent": round(scale, 3),
            f"{name}_mm": round(error[0], 2),
            f"{name}_worst_mm": round(error[1], 2),
        }
    return result


def errors(views: Views, true: Array) -> tuple[float, tuple[float, float]]:
    """The error of the scale in per cent; median and largest of the camera centres in mm, after
    the best rigid motion."""
    a, b = views.poses[:, :3, 3], true[views.chosen][:, :3, 3]
    a, b = a - a.mean(0), b - b.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    scale = float((a**2).sum() / (s * sign).sum())
    away = 1000 * np.linalg.norm(a @ (u @ np.diag(sign) @ vt).T - b, axis=1)
    return 100 * (scale - 1), (float(np.median(away)), float(away.max()))


def show(results: list[dict[str, Any]], title: str) -> None:
    """Print them as a table."""
    table = Table("camera", "as", "registered", "time, s", "CPU, s", "points", "residual, px",
                  "tag: scale, %", "positions, mm (worst)", "tracked: scale, %",
                  "positions, mm (worst)", title=title)  # fmt: skip
    for r in results:
        both = [
            (f"{r[f'{n}_scale_percent']:+.2f}", f"{r[f'{n}_mm']:.2f} ({r[f'{n}_worst_mm']:.1f})")
            for n in ("tag", "tracked")
        ]
        table.add_row(r["camera"], r["order"], f"{r['registered']}/{r['picked']}",
                      f"{r['seconds']:.0f}", f"{r['cpu_seconds']:.0f}", str(r["points"]),
                      f"{r['residual_px']:.2f}", *both[0], *both[1])  # fmt: skip
    Console(width=170).print(table)


if __name__ == "__main__":
    main()
