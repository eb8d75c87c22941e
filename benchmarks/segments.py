"""How well objects are told apart: overlap with the true ones, too many and too few parts.

    python benchmarks/segments.py VIEWS [--json FILE]
    python benchmarks/segments.py --truth CAPTURE ...

VIEWS is a folder of labelled single views as organised PCD files, as the Object Segmentation
Database has them (Richtsfeld et al. 2012; labels modified by Alexandrov: 20..29 are the parts of
the first object, 30..39 of the second, and so on), from a Kinect. With --truth it is captures with
their truth beside them. Both go through the stages of a scan as far as its objects.

A true object's overlap is that with its best segment, intersection over union: of pixels in a view,
of surface points in a capture. An object is over-segmented if two segments hold a tenth of it each;
a segment is under-segmented if it holds a quarter of each of two objects.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from cousins import scanning
from cousins.cache import Cache
from cousins.capture import open_rgbd
from cousins.errors import CousinsError, ScanError
from cousins.progress import silent
from cousins.raycast import caster
from cousins.reconstruct.depth import points, transform
from cousins.reconstruct.tsdf import Surface
from cousins.score import in_pack, load_truth
from cousins.segment.geometric import Segment
from cousins.segment.world import World
from cousins.types import Capture, Frame, Intrinsics

KINECT = Intrinsics(640, 480, 525.0, 525.0, 319.5, 239.5)
REACH = 0.008  # a point farther from a segment or a true object is not of it, m
ON_TABLE = 0.004  # lower points of a truth cannot be told from its support, m


@dataclass(frozen=True)
class Result:
    """One view or capture. overlaps: of each true object with its best segment. seconds: to
    segment."""

    name: str
    overlaps: list[float]
    found: int
    over: int
    under: int
    seconds: float


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("path", nargs="+", type=Path)
    parser.add_argument("--truth", action="store_true", help="the paths are captures with a truth")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    arguments = parser.parse_args()
    if arguments.truth:
        results = [of_capture(path) for path in arguments.path]
    else:
        results = [of_view(file) for folder in arguments.path for file in _views(folder)]
    table = Table("", "true", "found", "mean overlap", "over", "under", "seconds")
    for r in results:
        table.add_row(r.name, str(len(r.overlaps)), str(r.found), f"{np.mean(r.overlaps):.3f}",
                      str(r.over), str(r.under), f"{r.seconds:.2f}")  # fmt: skip
    every = np.concatenate([r.overlaps for r in results])
    table.add_row("all", str(len(every)), str(sum(r.found for r in results)), f"{every.mean():.3f}",
                  str(sum(r.over for r in results)), str(sum(r.under for r in results)),
                  f"{np.mean([r.seconds for r in results]):.2f}")  # fmt: skip
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(r) for r in results], indent=1) + "\n")


def _views(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.pcd"))
    if not files:
        raise SystemExit(f"{folder}: holds no .pcd; name the folder of the labelled views")
    return files


def of_view(file: Path) -> Result:
    """One labelled view. Labels are by object: parts that an occluder divides are one."""
    frame, labels = read_view(file)
    capture = Capture(file, "pcd", np.eye(4)[None], None, file.name, lambda: iter([frame]))
    world, _, segments, seconds = segmented(capture)
    known = frame.depth > 0
    seen = transform(world.world_from_capture, points(frame.depth, frame.depth_intrinsics))
    true = np.where(labels >= 20, labels // 10 - 2, -1)[known]
    found = nearest([s.points for s in segments], seen)
    # What the label says where depth is missing counts as well: nobody can find it.
    missed = labels[~known]
    true = np.concatenate([true, np.where(missed >= 20, missed // 10 - 2, -1)])
    found = np.concatenate([found, np.full(len(missed), -1)])
    return Result(file.stem, *compare(true, found, len(segments)), seconds)


def read_view(file: Path) -> tuple[Frame, np.ndarray]:
    """A PCD file as a frame of a camera at the origin, and its labels (480, 640)."""
    import open3d as o3d

    cloud = o3d.t.io.read_point_cloud(str(file)).point
    shape = KINECT.height, KINECT.width
    depth = np.nan_to_num(cloud["positions"].numpy()[:, 2]).reshape(shape).astype(np.float32)
    colour = np.ascontiguousarray(cloud["colors"].numpy().reshape(*shape, 3))
    frame = Frame(0, 0.0, np.eye(4), depth, KINECT, colour, KINECT)
    return frame, cloud["label"].numpy().reshape(shape).astype(int)


def of_capture(path: Path) -> Result:
    """One capture whose truth lies beside it, as PATH.truth.json."""
    world, surface, segments, seconds = segmented(open_rgbd(path))
    truth = load_truth(path.with_name(f"{path.name}.truth.json"))
    true = true_labels(surface, world, in_pack(truth, world.world_from_capture))
    found = nearest([s.points for s in segments], surface.vertices, 1e-6)
    return Result(path.name, *compare(true, found, len(segments)), seconds)


def true_labels(surface: Surface, world: World, meshes: tuple) -> np.ndarray:
    """(n,) which true mesh each vertex lies on; -1 for none."""
    v = surface.vertices
    best, labels = np.full(len(v), REACH), np.full(len(v), -1)
    for i, mesh in enumerate(meshes):
        distance = caster(mesh.vertices, mesh.faces).compute_distance(v.astype(np.float32)).numpy()
        near = distance < best
        labels[near], best[near] = i, distance[near]
    for support in world.supports:
        labels[np.abs(v[:, 2] - support.height) < ON_TABLE] = -1
    return labels


def segmented(capture: Capture) -> tuple[World, Surface, list[Segment], float]:
    """A scan as far as its objects, and the seconds that the last stage took."""
    with tempfile.TemporaryDirectory() as folder:
        run = scanning.Run(capture, scanning.Settings(), Cache(Path(folder)), silent)
        scanning.refine_poses(run)
        scanning.register_colour(run)
        world = scanning.find_world(run)
        surface = scanning.fuse(run, world)
        start = time.perf_counter()
        try:
            segments = scanning.segment(run, world, surface)
        except ScanError:
            segments = []
        return world, surface, segments, time.perf_counter() - start


def nearest(clouds: list[np.ndarray], p: np.ndarray, reach: float = REACH) -> np.ndarray:
    """(n,) the cloud that each of n points is nearest to; -1 beyond `reach` of any."""
    from scipy.spatial import KDTree

    best, labels = np.full(len(p), reach), np.full(len(p), -1)
    for i, cloud in enumerate(clouds):
        distance = KDTree(cloud).query(p, distance_upper_bound=reach)[0]
        near = distance < best
        labels[near], best[near] = i, distance[near]
    return labels


def compare(
    true: np.ndarray, found: np.ndarray, segments: int
) -> tuple[list[float], int, int, int]:
    """Overlaps, number found, over- and under-segmented, from labels (n,) with -1 for none."""
    objects, of = np.unique(true[true >= 0], return_inverse=True)
    shared = np.zeros((len(objects), segments + 1))
    np.add.at(shared, (of, found[true >= 0]), 1)  # the last column is that of -1
    size, shared = shared.sum(1, keepdims=True), shared[:, :segments]
    taken = np.bincount(found[found >= 0], minlength=segments)[:segments]
    overlaps = shared / np.maximum(size + taken - shared, 1)
    over = int(((shared > size / 10).sum(1) > 1).sum())
    under = int(((shared > size / 4).sum(0) > 1).sum())
    return overlaps.max(axis=1, initial=0).tolist(), segments, over, under


if __name__ == "__main__":
    try:
        main()
    except CousinsError as error:
        raise SystemExit(str(error)) from None
