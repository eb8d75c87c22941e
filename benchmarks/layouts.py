"""One film in every layout, scanned: what reading costs, and how far the scans are from the first.

    python benchmarks/layouts.py [LAYOUT ...] [--scene spread] [--frames 90] [--noise] [--json FILE]

Without noise each layout holds the same film but for its own rounding, and the scans differ by what
reading spoils. With --noise they hold the same sensor's film; a layout without confidence then
gives more: nothing tells its noisiest depth. Reading is the time that the scan waits for frames.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from rich.console import Console
from rich.table import Table

from cousins import pipeline
from cousins.capture import open_capture
from cousins.household import scene
from cousins.mesh import matrix_from_quaternion
from cousins.pack import load_scene, read
from cousins.phone import LAYOUTS, Phone, film
from cousins.types import Capture, Frame

DEEP = [n for n, layout in LAYOUTS.items() if not layout.alone and n not in ("photos", "video")]
SAMPLES = 4000  # points of a surface


def main() -> None:
    """Film, scan, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("layouts", nargs="*", default=DEEP, metavar="LAYOUT", help=", ".join(DEEP))
    parser.add_argument("--scene", default="spread")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--frames", type=int, default=90)
    parser.add_argument("--noise", action="store_true", help="of a phone's sensor and tracking")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    arguments = parser.parse_args()
    staged = scene(arguments.scene, arguments.seed)
    phone = Phone(frames=arguments.frames, colour_size=(960, 720), walk=staged.walk)
    phone = phone if arguments.noise else replace(phone, noise=None)
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        first: list[trimesh.Trimesh] = []
        for name in arguments.layouts:
            capture = film(staged.model, Path(folder) / name, replace(phone, layout=name))
            result, meshes = scanned(capture, Path(folder) / f"{name}.pack")
            first = first or meshes
            results.append({"layout": name, **result, "apart_mm": farthest(first, meshes)})
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    show(results)


def scanned(path: Path, out: Path) -> tuple[dict[str, Any], list[trimesh.Trimesh]]:
    """A scan's numbers, and its objects' surfaces in the pack's world."""
    waited = 0.0

    def timed(*arguments: Any) -> Any:
        capture = open_capture(*arguments)
        assert isinstance(capture, Capture)

        def frames() -> Iterator[Frame]:
            nonlocal waited
            every = capture.frames()
            while True:
                began = time.perf_counter()
                frame = next(every, None)
                waited += time.perf_counter() - began
                if frame is None:
                    return
                yield frame

        return replace(capture, frames=frames)

    before, pipeline.open_capture = pipeline.open_capture, timed
    try:
        report = pipeline.scan(path, out)
    finally:
        pipeline.open_capture = before
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    result = {
        "mb": sum(p.stat().st_size for p in files) / 1e6,
        "objects": report.objects,
        "seconds": report.seconds,
        "reading_seconds": waited,
        "share": waited / report.seconds,
    }
    return result, surfaces(out)


def surfaces(path: Path) -> list[trimesh.Trimesh]:
    """Each object's mesh in the pack's world."""
    meshes = []
    for asset in load_scene(read(path)).assets:
        rotation = matrix_from_quaternion(asset.quaternion)
        vertices = asset.visual.vertices @ rotation.T + asset.position
        meshes.append(trimesh.Trimesh(vertices, asset.visual.faces))
    return meshes


def farthest(first: list[trimesh.Trimesh], other: list[trimesh.Trimesh]) -> float:
    """Over the objects of the first scan, the largest mean distance, mm, to the nearest of the
    other's objects, both ways."""
    return max(
        1000
        * apart(mesh, min(other, key=lambda o: float(np.linalg.norm(o.centroid - mesh.centroid))))
        for mesh in first
    )


def apart(a: trimesh.Trimesh, b: trimesh.Trimesh) -> float:
    """Mean distance between two surfaces, both ways, m."""
    ways = []
    for one, two in ((a, b), (b, a)):
        points = trimesh.sample.sample_surface(one, SAMPLES, seed=0)[0]
        ways.append(np.abs(trimesh.proximity.closest_point(two, points)[1]).mean())
    return float(np.mean(ways))


def show(results: list[dict[str, Any]]) -> None:
    """Print the numbers as a table."""
    columns = "layout", "size, MB", "objects", "scan, s", "reading, s", "share"
    table = Table(*columns, "off the first's, mm (worst object)", title="one film in every layout")
    for r in results:
        numbers = f"{r['seconds']:.0f}", f"{r['reading_seconds']:.1f}", f"{r['share']:.0%}"
        table.add_row(
            r["layout"], f"{r['mb']:.0f}", str(r["objects"]), *numbers, f"{r['apart_mm']:.2f}"
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
