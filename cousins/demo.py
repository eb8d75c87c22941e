"""The demo: a bundled capture becomes a twin, a thousand cousins, their run and a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cousins import pack, picture, report, resources
from cousins.capture import open_rgbd
from cousins.engines import engine
from cousins.engines.measure import Measured, measure
from cousins.errors import PackError, PartlyFailedError, UsageError
from cousins.gl import backend
from cousins.pipeline import AugmentReport, augment, scan
from cousins.progress import Progress, silent
from cousins.types import Capture, Frame

ENGINE = "cpu"
STEPS = 500
TILES = 16
_WIDTH = 640  # px of the picture beside the twin's


@dataclass(frozen=True)
class DemoReport:
    """What the demo wrote and found; seconds: from the capture to stepped cousins, by stage."""

    pack: str
    grid: str
    report: str
    objects: int
    cousins: int
    rejected: int
    steps_per_second: float
    unstable: int
    seconds: dict[str, float]


def demo(
    out: Path,
    n: int = 1000,
    *,
    seed: int = 0,
    capture: Path | None = None,
    workers: int | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> DemoReport:
    """Scan, augment, run, draw and report, into out/pack, out/grid.png and out/report.html.

    capture: one's own, instead of the bundled desk. Raises what each stage raises; an output that
    cannot be written or drawn is told before any work. PartlyFailedError comes last, when all is
    written.
    """
    if n < 1:
        raise UsageError(f"{n} cousins: ask for at least 1")
    out = Path(out)
    path, grid, page = out / "pack", out / "grid.png", out / "report.html"
    if out.exists() and not out.is_dir():
        raise PackError(f"{out}: exists and is a file: choose another output")
    pack.ensure_writable(path, force)
    backend()
    source = capture or resources.sample("desk")
    scan(source, path, force=force, progress=progress)
    made, partly = None, None
    try:
        made = augment(path, n, seed=seed, workers=workers, progress=progress)
    except PartlyFailedError as error:
        partly = error  # most cousins are there: shown first, told at the end
    read = pack.read(path)
    families = (pack.load_family(read, k) for k in read.families)
    run = measure(engine(ENGINE), families, STEPS, progress)
    figures = _figures(read, open_rgbd(source), made, run, progress)
    picture.save(grid, picture.mosaic([i for _, i in figures.tiles], [c for c, _ in figures.tiles]))
    report.write(page, read, figures)
    if partly is not None:
        raise partly
    drawn = read.manifest.augmented
    return DemoReport(
        str(path), str(grid), str(page), len(read.objects), run.cousins,
        drawn.rejected if drawn else 0, run.steps_per_second, len(run.unstable),
        dict(figures.seconds),
    )  # fmt: skip


def _figures(
    read: pack.Pack,
    capture: Capture,
    made: AugmentReport | None,
    run: Measured,
    progress: Progress,
) -> report.Figures:
    frame = best_frame(read, capture)
    model, data = picture.twin_model(read)
    world_from_camera = np.array(read.manifest.world_from_capture) @ frame.world_from_camera
    seen = frame.colour_intrinsics
    height = round(_WIDTH * seen.height / seen.width)
    twin = picture.view_from(model, data, world_from_camera, seen, (_WIDTH, height))
    seconds = {name: stage.seconds for name, stage in read.manifest.stages.items()}
    return report.Figures(
        frame=None if frame.colour is None else _resized(frame.colour, _WIDTH, height),
        twin=twin,
        tiles=picture.tiles(read, TILES, progress=progress),
        seconds={**seconds, **({"cousins": made.seconds} if made else {}), "run": run.seconds},
        speed=report.Speed(
            ENGINE, run.cousins, run.steps, run.seconds, run.steps_per_second, run.contacts,
            run.awake, len(run.unstable),
        ),
    )  # fmt: skip


def best_frame(read: pack.Pack, capture: Capture) -> Frame:
    """The frame that sees most of the pack's objects, and these nearest to its middle."""
    first = next(iter(capture.frames()))
    camera = first.colour_intrinsics
    points = np.array([entry.position for entry in read.objects]).reshape(-1, 3)
    world_from_capture = np.array(read.manifest.world_from_capture)
    scores = []
    for pose in capture.poses:
        camera_from_world = np.linalg.inv(world_from_capture @ pose)
        local = points @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]
        ahead = local[:, 2] > 0.1
        depth = np.where(ahead, local[:, 2], 1.0)
        x = (local[:, 0] / depth * camera.fx + camera.cx) / camera.width - 0.5
        y = (local[:, 1] / depth * camera.fy + camera.cy) / camera.height - 0.5
        inside = ahead & (np.abs(x) < 0.45) & (np.abs(y) < 0.45)
        off = float(np.hypot(x, y)[inside].mean()) if inside.any() else 1.0
        scores.append(inside.sum() - off)
    wanted = int(np.argmax(scores))
    return next(frame for i, frame in enumerate(capture.frames()) if i == wanted)


def _resized(image: picture.Image, width: int, height: int) -> picture.Image:
    import cv2

    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
