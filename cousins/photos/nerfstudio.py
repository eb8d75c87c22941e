"""A dense surface from posed pictures by nerfstudio, called as a program of its own environment.

Nerfacto (Tancik et al. 2023, "Nerfstudio") is trained on the pictures, held to the depth that is
known already (its depth-nerfacto; Deng et al. 2022, "Depth-supervised NeRF"), and Poisson's method
(Kazhdan and Hoppe 2013) closes a surface over the points where its rays end. `make nerfstudio-env`
builds the environment.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cousins.cache import Cache, digest
from cousins.errors import ProgramError, UsageError
from cousins.photos.installed import Device, Program, device, find
from cousins.photos.known import known, near, part
from cousins.photos.program import run
from cousins.photos.region import Region, region
from cousins.progress import Progress, silent
from cousins.types import Array, Intrinsics, Mesh, Views

STAGE = "surface"
RUN = "out/views/*/run"  # where a training of any method is kept
MODELS = "nerfstudio_models"
LOG = "nerfstudio.log"
GL_FROM_CV = np.diag([1.0, -1.0, -1.0, 1.0])  # its cameras look along -z, with y up
MOST_BYTES = 2_000_000_000  # of a mesh file; Poisson at its depth makes 100 MB at most
MOST_TEXT = 1_000_000
LIMIT = 3600.0  # s for the surface: where no ray ends in the region, it looks for one for ever


@dataclass(frozen=True)
class Effort:
    """What a device can afford. iterations, each of `rays` rays; samples along a ray: of the two
    proposal networks, and of the field. levels: of its hash tables, of 2^table entries each.
    width: pixels, of the widest picture that is used. points: that the surface is made of. alone:
    share of the cameras' distance from depth that is known, beyond which the surface is a guess."""

    iterations: int
    rays: int
    samples: tuple[int, int, int]
    levels: int
    table: int
    width: int
    points: int
    alone: float


# On a GPU nerfacto's own settings. On a CPU a ray then costs 2.2 ms of a core; with a third of the
# samples, and tables whose entries are not touched in vain at every step, less than 0.7: ten
# minutes of two cores are 1500 steps.
EFFORTS: Mapping[Device, Effort] = {
    "cuda": Effort(30_000, 4096, (256, 96, 48), 16, 19, 1920, 1_000_000, np.inf),
    "cpu": Effort(1_500, 1024, (64, 32, 16), 12, 17, 960, 200_000, 0.01),
}
BACKGROUND = 5.0  # times as far as the region reaches, in a room, is its furthest wall
SETTLED = 1e-3  # learning rate that short trainings end at, a tenth of where they start
WARM = 0.1  # share of a short training in which proposals come to be trusted
# Known depth: the variance about it (region's half lengths, squared) within which a ray may end, at
# first and from a share of the training on.
LOOSE, TIGHT, TIGHTENED = 1e-2, 3e-5, 0.7
HELD = 1.0  # weight of that, beside the colours' error


@dataclass(frozen=True)
class Nerfstudio:
    """`Nerfstudio()(views, work)`. path: of its environment, see `find`.

    device: None for the best that there is. iterations: None for as many as suit the device;
    effort: None for what else suits it.
    """

    path: Path | None = None
    iterations: int | None = None
    device: Device | None = None
    effort: Effort | None = None

    def __call__(
        self,
        views: Views,
        work: Path,
        progress: Progress = silent,
        depths: Sequence[Path] = (),
    ) -> Mesh:
        """The surface that the views show, in their world, cut to what they look at.

        depths: of each view, as `Stereo` writes them; nerfacto is held to what they know. Works in
        `work`, keeps the programs' output in work/nerfstudio.log, and takes up what an earlier call
        with the same views and settings left there. Raises MissingDependencyError where
        nerfstudio is not set up, ScanError for views that look at nothing in common, ProgramError
        where it fails, UsageError for fewer iterations than one.
        """
        if self.iterations is not None and self.iterations < 1:
            raise UsageError(f"iterations = {self.iterations}: nerfstudio needs at least 1")
        program = find(self.path)
        on = self.device or device(program)
        effort = self.effort or EFFORTS[on]
        if self.iterations is not None:
            effort = replace(effort, iterations=self.iterations)
        shown = region(views)
        prior = [hashlib.sha256(path.read_bytes()).hexdigest() for path in depths]
        key = digest(on, asdict(effort), _content(views, effort), prior, shown.frame.tolist(),
                     shown.half.tolist(), shown.near)  # fmt: skip
        cache = Cache(work)
        kept = cache.load(STAGE, key)
        if kept is not None:
            return Mesh(kept["vertices"], kept["faces"])
        folder, log = work / f"nerfstudio-{key}", work / LOG
        try:
            _tidy(work, keep=folder)
            _write(folder, views, shown, effort, depths)
            _train(program, folder, log, shown, effort, on, bool(depths), progress)
            mesh = _export(program, folder, log, shown, effort, on, progress)
            if depths and np.isfinite(effort.alone):
                reach = effort.alone * _distance(views, shown)
                mesh = near(mesh, known(views, depths, reach / 4), reach)
                if not len(mesh.faces):
                    raise ProgramError(
                        f"nerfstudio's mesh lies nowhere near the depth that stereo knows: give it "
                        f"more iterations; see {log}"
                    )
            cache.save(STAGE, key, vertices=mesh.vertices, faces=mesh.faces)
        except OSError as error:
            raise ProgramError(
                f"{error.filename or folder}: {error.strerror}: nerfstudio needs 1 GB there"
            ) from None
        _tidy(work)
        return mesh


def clear(work: Path) -> None:
    """Remove what was kept in `work`, the log included."""
    _tidy(work)
    (work / LOG).unlink(missing_ok=True)


def _tidy(work: Path, keep: Path | None = None) -> None:
    """Remove trainings: they take 300 MB each."""
    for folder in work.glob("nerfstudio-*"):
        if folder != keep and re.fullmatch(r"nerfstudio-[0-9a-f]{16}", folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def _content(views: Views, effort: Effort) -> str:
    total = hashlib.sha256(np.ascontiguousarray(views.poses, float).tobytes())
    total.update(repr(views.camera).encode())
    for picture in _pictures(views, effort):
        total.update(repr(picture.shape).encode() + np.ascontiguousarray(picture).tobytes())
    return total.hexdigest()


def _camera(views: Views, effort: Effort) -> Intrinsics:
    """The camera of the pictures as they are written."""
    k = views.camera
    if k.width <= effort.width:
        return k
    return k.scaled(effort.width, max(round(k.height * effort.width / k.width), 1))


def _pictures(views: Views, effort: Effort) -> Iterator[np.ndarray]:
    import cv2

    k = _camera(views, effort)
    for picture in views.pictures():
        if picture.shape[1] != k.width:
            picture = cv2.resize(picture, (k.width, k.height), interpolation=cv2.INTER_AREA)
        yield np.asarray(picture)


def _write(
    folder: Path, views: Views, shown: Region, effort: Effort, depths: Sequence[Path]
) -> None:
    """transforms.json and the pictures, in coordinates in which the region fills -1..1: there
    nerfacto does not contract space. Last comes transforms.json: with it everything is there."""
    import cv2

    told = folder / "transforms.json"
    if told.exists():
        return
    for name in ("images", "depths"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    frames = []
    box_from_world = np.linalg.inv(shown.frame)
    scale = _scale(shown)
    for i, (picture, pose) in enumerate(zip(_pictures(views, effort), views.poses, strict=True)):
        name = f"images/{i:05d}.png"
        (folder / name).write_bytes(cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes())
        its = box_from_world @ pose @ GL_FROM_CV
        its[:3, 3] *= scale
        frame = {"file_path": name, "transform_matrix": its.tolist()}
        if depths:
            frame["depth_file_path"] = f"depths/{i:05d}.npy"
            shutil.copyfile(depths[i], folder / frame["depth_file_path"])
        frames.append(frame)
    k = _camera(views, effort)
    text = json.dumps(
        {
            "camera_model": "OPENCV",
            "w": k.width,
            "h": k.height,
            "fl_x": k.fx,
            "fl_y": k.fy,
            # Its pixels' centres lie at halves.
            "cx": k.cx + 0.5,
            "cy": k.cy + 0.5,
            # It multiplies these into the transform that it writes, which thus leads back to ours.
            "applied_transform": box_from_world[:3].tolist(),
            "applied_scale": scale,
            "frames": frames,
        }
    )
    beside = told.with_suffix(".part")
    beside.write_text(text)
    os.replace(beside, told)


def _distance(views: Views, shown: Region) -> float:
    """The median of the cameras' distances from the middle of what they show."""
    return float(np.median(np.linalg.norm(views.poses[:, :3, 3] - shown.frame[:3, 3], axis=1)))


def _scale(shown: Region) -> float:
    return float(1 / shown.half.max())


def _environment(on: Device) -> dict[str, str]:
    # Progress is read as it comes; a waiting thread that spins takes the others' time.
    own = {"PYTHONUNBUFFERED": "1", "COLUMNS": "200", "OMP_WAIT_POLICY": "passive"}
    if on == "cpu":
        own["CUDA_VISIBLE_DEVICES"] = ""
    return os.environ | own


def _train(
    program: Program, folder: Path, log: Path, shown: Region, effort: Effort, on: Device,
    held: bool, progress: Progress,
) -> None:  # fmt: skip
    """Trains, or goes on with a training that was cut short."""
    done = _steps(folder)
    if done >= effort.iterations:
        return
    scale, (first, second, last) = _scale(shown), effort.samples
    options = {
        "data": ".",
        "output-dir": "out",
        "experiment-name": "views",
        "timestamp": "run",
        "vis": "tensorboard",
        "machine.device-type": on,
        "max-num-iterations": effort.iterations - done,
        "steps-per-save": max(effort.iterations // 10, 1),
        # Nothing is evaluated: all pictures are used, and the surface is judged elsewhere.
        "steps-per-eval-batch": 0,
        "steps-per-eval-image": 0,
        "steps-per-eval-all-images": 0,
        "logging.steps-per-log": max(effort.iterations // 100, 1),
        "logging.local-writer.max-log-size": 0,
        "mixed-precision": on == "cuda",
        # The poses are solved already, and few iterations would only disturb them.
        "pipeline.model.camera-optimizer.mode": "off",
        "pipeline.model.near-plane": round(shown.near * scale, 4),
        "pipeline.model.far-plane": round(BACKGROUND * shown.far * scale, 4),
        # Before a background of its own choice a surface may stay half transparent for long.
        "pipeline.model.background-color": "random",
        "pipeline.datamanager.train-num-rays-per-batch": effort.rays,
        "pipeline.model.num-nerf-samples-per-ray": last,
        "pipeline.model.num-levels": effort.levels,
        "pipeline.model.log2-hashmap-size": effort.table,
    }
    if on == "cpu":
        # Its schedules are for 30 000 iterations and more.
        options |= {
            "pipeline.model.implementation": "torch",
            "pipeline.model.proposal-weights-anneal-max-num-iters": max(
                round(WARM * effort.iterations), 1
            ),
        }
    if on == "cpu" and not held:  # depth-nerfacto has no such schedules
        options |= {
            "optimizers.fields.scheduler.max-steps": effort.iterations,
            "optimizers.fields.scheduler.lr-final": SETTLED,
            "optimizers.proposal-networks.scheduler.max-steps": effort.iterations,
            "optimizers.proposal-networks.scheduler.lr-final": SETTLED,
        }
    if held:
        options |= _held(effort.iterations, done)
    method = "depth-nerfacto" if held else "nerfacto"
    if done:
        options["load-dir"] = f"out/views/{method}/run/{MODELS}"
    command = [str(program.train), method, *_options(options),
               "--pipeline.model.num-proposal-samples-per-ray", str(first), str(second),
               "nerfstudio-data", *_options({
                   "eval-mode": "all",
                   "center-method": "none",
                   "orientation-method": "none",
                   "auto-scale-poses": False,
                   "depth-unit-scale-factor": 1.0,
               })]  # fmt: skip
    progress("training", done, effort.iterations)
    for line in run(command, folder, log, _environment(on)):
        if step := re.match(r"\s*(\d+) \(\d+\.\d+%\)", line):
            progress("training", min(int(step[1]) + 1, effort.iterations), effort.iterations)
    if _steps(folder) < effort.iterations:
        raise ProgramError(f"nerfstudio ended without a checkpoint: see {log}")
    progress("training", effort.iterations, effort.iterations)


def _held(iterations: int, done: int) -> dict[str, Any]:
    """How depth is believed; a checkpoint does not tell how far the belief has come."""
    decay = (TIGHT / LOOSE) ** (1 / max(TIGHTENED * iterations, 1))
    return {
        "pipeline.model.depth-loss-mult": HELD,
        "pipeline.model.should-decay-sigma": True,
        "pipeline.model.sigma-decay-rate": round(decay, 8),
        "pipeline.model.depth-sigma": TIGHT,
        "pipeline.model.starting-depth-sigma": max(LOOSE * decay**done, TIGHT),
    }


def _options(options: Mapping[str, Any]) -> list[str]:
    return [text for name, value in options.items() for text in (f"--{name}", str(value))]


def _steps(folder: Path) -> int:
    """Iterations of the latest sound checkpoint; one that was cut short is removed."""
    latest = 0
    for file in folder.glob(f"{RUN}/{MODELS}/step-*.ckpt"):
        step = re.fullmatch(r"step-(\d{9})", file.stem)
        if step is None or not zipfile.is_zipfile(file):
            file.unlink()
        else:
            latest = max(latest, int(step[1]) + 1)
    return latest


def _export(
    program: Program, folder: Path, log: Path, shown: Region, effort: Effort, on: Device,
    progress: Progress,
) -> Mesh:  # fmt: skip
    made = next(folder.glob(RUN))
    scale = _scale(shown)
    box = [f"{2 * scale * v:.4f}" for v in shown.half]
    command = [str(program.export), "poisson", *_options({
                   "load-config": made.relative_to(folder) / "config.yml",
                   "output-dir": "mesh",
                   "num-points": effort.points,
                   "remove-outliers": True,
                   "normal-method": "open3d",
                   "texture-method": "point_cloud",
               }),
               "--obb-center", "0", "0", "0", "--obb-rotation", "0", "0", "0",
               "--obb-scale", *box]  # fmt: skip
    progress("surface", 0, 1)
    for _ in run(command, folder, log, _environment(on), LIMIT):
        pass
    mesh = read_mesh(folder / "mesh" / "poisson_mesh.ply", log)
    undone = undo(made / "dataparser_transforms.json", mesh.vertices)
    progress("surface", 1, 1)
    return _cut(Mesh(undone, mesh.faces), shown, log)


def read_mesh(file: Path, log: Path) -> Mesh:
    """A PLY file's triangles. Raises ProgramError where there are none, or they make no sense."""
    import trimesh

    if not file.is_file():
        raise ProgramError(f"nerfstudio wrote no mesh: see {log}")
    if file.stat().st_size > MOST_BYTES:
        raise ProgramError(f"{file}: {file.stat().st_size / 1e9:.1f} GB are no mesh of a scene")
    try:
        loaded: Any = trimesh.load(file, process=False)
        vertices = np.asarray(loaded.vertices, float)
        # Without a face it is a point cloud to trimesh.
        faces = np.asarray(getattr(loaded, "faces", ()), np.int32).reshape(-1, 3)
    except Exception as error:  # trimesh raises what its parsers do
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ProgramError(f"{file}: not a mesh ({reason}): see {log}") from None
    if not len(faces):
        raise ProgramError(f"nerfstudio's mesh is empty: give it more iterations; see {log}")
    if not np.isfinite(vertices).all() or faces.min() < 0 or faces.max() >= len(vertices):
        raise ProgramError(f"{file}: holds NaN, or faces that name missing vertices: see {log}")
    return Mesh(vertices, faces)


def undo(file: Path, vertices: Array) -> Array:
    """(n, 3) vertices of nerfstudio's coordinates in those of what it was given.

    file: its dataparser_transforms.json: a point p went to scale * (transform @ p). Raises
    ProgramError where the file is missing or holds no such transform.
    """
    try:
        with file.open() as stream:
            told = json.loads(stream.read(MOST_TEXT))
        transform = np.array(told["transform"], float).reshape(3, 4)
        scale = float(told["scale"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProgramError(f"{file}: does not say where nerfstudio's mesh lies ({error})") from None
    rotation = transform[:, :3]
    rigid = np.abs(rotation @ rotation.T - np.eye(3)).max() < 1e-4
    if not (np.isfinite(transform).all() and rigid and np.isfinite(scale) and scale > 0):
        raise ProgramError(f"{file}: holds no rotation, shift and positive scale")
    return (vertices / scale - transform[:, 3]) @ rotation


def _cut(mesh: Mesh, shown: Region, log: Path) -> Mesh:
    """What lies in the region: Poisson's surface goes on where there are no points."""
    local = (mesh.vertices - shown.frame[:3, 3]) @ shown.frame[:3, :3]
    mesh = part(mesh, np.all(np.abs(local) <= shown.half, axis=1))
    if not len(mesh.faces):
        raise ProgramError(
            f"nerfstudio's mesh has nothing where the pictures look: give it more iterations; "
            f"see {log}"
        )
    return mesh
