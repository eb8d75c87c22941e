"""The stages of a scan, each cached under the hash of what went into it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from cousins import __version__, physics
from cousins.cache import Cache, digest
from cousins.errors import ScanError
from cousins.mesh import quaternion_from_matrix, solid_moments
from cousins.progress import Progress
from cousins.reconstruct.depth import clean, coarser, points, transform
from cousins.reconstruct.poses import Refine
from cousins.reconstruct.tsdf import Region, Surface, Tsdf
from cousins.segment import Segmenter
from cousins.segment.geometric import FINE, Geometric, Segment, fit_ground
from cousins.segment.room import belongs, beneath, clusters_of, furniture, things_on_floor
from cousins.segment.supports import inside
from cousins.segment.world import World, orient
from cousins.shape.background import background
from cousins.shape.carve import Carving, Grid, decimate, extract
from cousins.shape.convex import Convex, convex_hull, fit_primitive, round_off
from cousins.shape.texture import Baker
from cousins.types import Array, Asset, Camera, Capture, Frame, Mesh, Primitive, Scene, Support


@dataclass(frozen=True)
class Settings:
    """What a scan is made with. voxel: of the fusion, m."""

    voxel: float = 0.003
    coarse_voxel: float = 0.012
    most_frames: int = 120  # for the overview, carving and texture, where more add little
    max_range: float = 4.0
    headroom: float = 0.6  # how far above a support objects may reach, m
    faces: int = 2500  # of an object's visual mesh
    max_size: float = 0.7  # longest side of an object, m
    min_observed: float = 0.2  # of an object's surface, or it is left in the background
    carving: Carving = Carving()
    convex: Convex = Convex()
    refine: Refine | None = Refine()  # poses; None leaves them as they are
    segmenter: Segmenter = Geometric()


@dataclass
class Run:
    """One scan under way: where stages are kept, and what is gathered for the manifest."""

    capture: Capture
    settings: Settings
    cache: Cache
    progress: Progress
    key: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    used: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    checks: dict[str, Any] = field(default_factory=dict)

    def stage(
        self, name: str, make: Callable[[], dict[str, Any]], *settings: Any
    ) -> dict[str, Any]:
        """The stage's arrays, from the cache or made and kept. Stages chain: the key of each
        holds those before it."""
        start = time.perf_counter()
        self.key = digest(__version__, self.key or self.capture.sha256, name, *settings)
        self.used[name] = next((s for s in settings if isinstance(s, dict)), {})
        arrays = self.cache.load(name, self.key)
        if arrays is None:
            arrays = make()
            self.cache.save(name, self.key, **arrays)
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        return arrays

    def views(self, wanted: int) -> float:
        """In how many frames a thing must have been seen: `wanted`, or all if there are fewer.

        Half a frame less, since some hold the weight to be over it and some to be at least it.
        """
        return min(wanted, len(self.capture)) - 0.5

    @property
    def every(self) -> int:
        """Each how-manieth frame is used where not all are."""
        return -(-len(self.capture) // self.settings.most_frames)

    def frames(self, stage: str, every: int = 1) -> Iterator[Frame]:
        """The capture's frames, with progress."""
        total = len(self.capture)
        for done, frame in enumerate(self.capture.frames(), start=1):
            if (done - 1) % every == 0:
                yield frame
            self.progress(stage, done, total)


def refine_poses(run: Run) -> None:
    """Let the frames' poses agree with one another, from here on."""
    refine, capture = run.settings.refine, run.capture
    if refine is None:
        return
    arrays = run.stage("poses", lambda: vars(refine(run.frames("poses"), capture.poses)),
                       asdict(refine))  # fmt: skip
    poses = arrays["poses"]

    def frames() -> Iterator[Frame]:
        for frame in capture.frames():
            yield replace(frame, world_from_camera=poses[frame.index])

    run.capture = replace(capture, poses=poses, frames=frames)
    run.checks["frames_apart_mm"] = round(1000 * float(arrays["before"]), 2)
    run.checks["frames_apart_after_refinement_mm"] = round(1000 * float(arrays["after"]), 2)


def find_world(run: Run) -> World:
    """Fuse coarsely; find up, supports and walls."""
    s = run.settings
    fuse = Tsdf(s.coarse_voxel, 4 * s.coarse_voxel, s.max_range, run.views(2))
    every = run.every
    arrays = run.stage(
        "overview",
        lambda: vars(
            fuse((coarser(f, 320) for f in run.frames("overview", every)), np.eye(4))
        ),
        asdict(fuse), every,
    )  # fmt: skip
    world = orient(run.capture, Surface(**arrays))
    run.checks["up"] = world.up_source
    run.checks["support_tilt_degrees"] = round(float(np.degrees(world.tilt)), 2)
    return world


def fuse(run: Run, world: World) -> Surface:
    """Fuse finely round the supports, and where something stands on the floor."""
    regions = []
    clusters = clusters_of(world)
    for support in world.supports:
        if support.kind == "floor":
            regions += things_on_floor(clusters, support, run.settings.max_size)
        else:
            low = np.append(support.polygon.min(0) - 0.06, support.height - 0.03)
            high = np.append(support.polygon.max(0) + 0.06,
                             support.height + run.settings.headroom)  # fmt: skip
            regions.append(Region(low, high))
    s = run.settings
    make = Tsdf(s.voxel, 4 * s.voxel, s.max_range, run.views(3))
    if not regions:
        raise ScanError(f"{run.capture.path}: only an empty floor was seen; film some objects")
    arrays = run.stage(
        "fusion",
        lambda: vars(make(run.frames("fusion"), world.world_from_capture, tuple(regions))),
        asdict(make), [[r.low.tolist(), r.high.tolist()] for r in regions],
    )  # fmt: skip
    return Surface(**arrays)


def segment(run: Run, world: World, fine: Surface) -> list[Segment]:
    """The objects' seen surfaces. Raises ScanError where there is none."""
    found: list[Segment] = []
    clusters = clusters_of(world)
    for support in world.supports:
        above = tuple(s for s in world.supports if s.height > support.height + 0.05)
        legs = furniture(clusters, support, run.settings.max_size)
        found += [
            s
            for s in run.settings.segmenter(fine, support, above)
            if not belongs(s.points, legs) and not beneath(s, world.supports)
        ]
    kept = []
    for s in found:
        behind = [w for w in world.walls if np.median((s.points - w.centre) @ w.normal) < 0.02
                  and abs(np.median((s.points - w.centre) @ np.cross(w.normal, [0, 0, 1])))
                  < w.half_width]  # fmt: skip
        if not behind:
            kept.append(s)
    if not kept:
        raise ScanError(
            f"{run.capture.path}: no object was found on {_names(world.supports)}; film things "
            "of 2 cm or more that stand apart, from all sides"
        )
    for support in world.supports:
        ground = fit_ground(fine, support)
        if support.kind != "floor":
            run.checks[f"{support.name}_noise_mm"] = round(1000 * ground.noise, 2)
            least = max(0.004, 3 * ground.noise)
            if ground.noise > FINE:
                run.warnings.append(
                    f"{support.name}: what is thinner than {1000 * least:.0f} mm passes for its "
                    f"surface, at a depth noise of {1000 * ground.noise:.1f} mm"
                )
    return kept


def _names(supports: tuple[Support, ...]) -> str:
    return ", ".join(s.name for s in supports)


@dataclass(frozen=True)
class Shape:
    """A segment's closed mesh in the world, its seen share, and the segment itself."""

    segment: Segment
    mesh: Mesh
    observed: float


def carve_all(run: Run, world: World, segments: list[Segment]) -> list[Shape]:
    """Closed meshes of the segments, carved in one pass over the frames."""

    def make() -> dict[str, Any]:
        settings = replace(run.settings.carving, min_views=run.views(2))
        grids = [Grid(s, settings) for s in segments]
        for frame in run.frames("carving", run.every):
            depth = clean(frame, run.settings.max_range)
            pose = world.world_from_capture @ frame.world_from_camera
            for grid in grids:
                grid.add(depth, frame.depth_intrinsics, pose)
        out: dict[str, Any] = {}
        for i, grid in enumerate(grids):
            try:
                mesh, observed = extract(grid)
            except ScanError as error:
                out[f"{i}_error"] = np.array(str(error))
                continue
            small = round_off(decimate(mesh, run.settings.faces))
            out |= {f"{i}_vertices": small.vertices, f"{i}_faces": small.faces,
                    f"{i}_observed": np.array(observed)}  # fmt: skip
        return out

    summary = [[len(s.points), s.points.mean(0).round(4).tolist()] for s in segments]
    arrays = run.stage("carving", make, asdict(run.settings.carving), run.settings.faces, summary)
    shapes = []
    for i, s in enumerate(segments):
        where = f"the thing at {s.points.mean(0).round(2).tolist()} on {s.support.name}"
        if f"{i}_error" in arrays:
            run.warnings.append(f"{where} is left in the background: {arrays[f'{i}_error']}")
            continue
        observed = float(arrays[f"{i}_observed"])
        if observed < run.settings.min_observed:
            run.warnings.append(f"{where} is left in the background: only {observed:.0%} of it "
                                "was seen; film it from more sides")  # fmt: skip
            continue
        shapes.append(Shape(s, Mesh(arrays[f"{i}_vertices"], arrays[f"{i}_faces"]), observed))
    if not shapes:
        raise ScanError(
            f"{run.capture.path}: objects were seen from too few sides to be closed; film all "
            "the way round them"
        )
    return shapes


def bake_all(run: Run, world: World, shapes: list[Shape]) -> list[Mesh]:
    """The shapes' meshes with textures, baked in one pass over the frames."""

    def make() -> dict[str, Any]:
        bakers = [Baker(s.mesh, s.segment.base) for s in shapes]
        drift = []
        for frame in run.frames("texture", run.every):
            depth = clean(frame, run.settings.max_range)
            pose = world.world_from_capture @ frame.world_from_camera
            for baker in bakers:
                baker.add(frame, depth, pose)
            drift.append(_height_residual(frame, depth, pose, world))
        out: dict[str, Any] = {"drift": np.array(drift)}
        for i, (baker, s) in enumerate(zip(bakers, shapes, strict=True)):
            m = baker.bake(255 * s.segment.colours.mean(0))
            out |= {f"{i}_uv": m.uv, f"{i}_texture": m.texture}
        return out

    arrays = run.stage("texture", make, [len(s.mesh.faces) for s in shapes])
    drift = arrays["drift"][np.isfinite(arrays["drift"])]
    if len(drift):
        run.checks["pose_residual_mm"] = round(float(1000 * np.sqrt(np.mean(drift**2))), 2)
    return [replace(s.mesh, uv=arrays[f"{i}_uv"], texture=arrays[f"{i}_texture"])
            for i, s in enumerate(shapes)]  # fmt: skip


def _height_residual(frame: Frame, depth: np.ndarray, pose: Array, world: World) -> float:
    """How far a frame's view of the supports lies off their height, m: its pose's error."""
    p = transform(pose, points(depth, frame.depth_intrinsics, 8))
    off = []
    for support in world.supports:
        if support.kind != "floor":
            near = np.flatnonzero(np.abs(p[:, 2] - support.height) < 0.02)
            near = near[inside(support.polygon, p[near, :2], -0.02)]
            off.append(p[near, 2] - support.height)
    every = np.concatenate(off) if off else np.zeros(0)
    return float(np.median(every)) if len(every) > 30 else float("nan")


def decompose_all(
    run: Run, meshes: list[Mesh]
) -> list[tuple[tuple[Mesh, ...], Primitive | None, str | None]]:
    """Convex parts, and a primitive where one fits as well, of meshes in their object's frames."""
    start = time.perf_counter()
    keys = [digest(run.key, "parts", i, asdict(run.settings.convex)) for i in range(len(meshes))]
    done = 0

    def one(i: int) -> tuple[tuple[Mesh, ...], Primitive | None, str | None]:
        nonlocal done
        mesh = meshes[i]
        fit = fit_primitive(mesh)
        if fit is not None:
            result = ((convex_hull(mesh.vertices),), fit[0], None)
        else:
            kept = run.cache.load(f"parts{i}", keys[i])
            if kept is None:
                parts, warning = run.settings.convex(mesh)
                kept = {"warning": np.array(warning or "")}
                for k, part in enumerate(parts):
                    kept |= {f"{k}_vertices": part.vertices, f"{k}_faces": part.faces}
                run.cache.save(f"parts{i}", keys[i], **kept)
            count = sum(name.endswith("_faces") for name in kept)
            parts = tuple(Mesh(kept[f"{k}_vertices"], kept[f"{k}_faces"]) for k in range(count))
            result = (parts, None, str(kept["warning"]) or None)
        done += 1
        run.progress("convex parts", done, len(meshes))
        return result

    # Each decomposition runs in a process of its own; the threads only wait for them.
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(one, range(len(meshes))))
    run.used["convex parts"] = asdict(run.settings.convex)
    run.seconds["convex parts"] = time.perf_counter() - start
    return results


def to_object_frame(mesh: Mesh) -> tuple[Mesh, Array, Array]:
    """The mesh about the centre of its bounding box, turned so that its footprint's least
    rectangle lies along the axes; with position (3,) and quaternion (4,), world_from_object."""
    import cv2

    _, _, degrees = cv2.minAreaRect(mesh.vertices[:, :2].astype(np.float32))
    # The least turn that does it, so that a thing keeps its heading from scan to scan.
    yaw = np.radians((degrees + 45) % 90 - 45)
    c, s = np.cos(yaw), np.sin(yaw)
    rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    local = mesh.vertices @ rotation
    centre = (local.min(0) + local.max(0)) / 2
    return (
        replace(mesh, vertices=local - centre),
        rotation @ centre,
        quaternion_from_matrix(rotation),
    )


def assemble(run: Run, world: World, fine: Surface, shapes: list[Shape]) -> Scene:
    """Assets with their physical properties, supports, walls, background and cameras."""
    textured = bake_all(run, world, shapes)
    framed = [to_object_frame(m) for m in textured]
    parts = decompose_all(run, [m for m, _, _ in framed])
    counts: dict[str, int] = {}
    assets = []
    for shape, (mesh, position, quaternion), (hulls, primitive, warning) in zip(
        shapes, framed, parts, strict=True
    ):
        kind = _shape_word(mesh, primitive)
        counts[kind] = counts.get(kind, 0) + 1
        name = f"{kind}_{counts[kind]}"
        for note in filter(None, (*shape.segment.notes, warning)):
            run.warnings.append(f"{name}: {note}")
        if shape.observed < 0.5:
            run.warnings.append(
                f"{name}: {shape.observed:.0%} of its surface was seen, the rest is a guess; "
                "film it from its other sides"
            )
        assets.append(_asset(name, kind, mesh, hulls, primitive, position, quaternion, shape))
    segments = [s.segment for s in shapes]
    start = time.perf_counter()
    behind = background(world.surface, fine, world.supports, segments)
    run.seconds["background"] = time.perf_counter() - start
    camera = _capture_camera(run, world, segments)
    return Scene(tuple(assets), world.supports, world.walls, behind, (camera,))


def _shape_word(mesh: Mesh, primitive: Primitive | None) -> str:
    if primitive is not None:
        return {"box": "box", "cylinder": "cylinder", "sphere": "ball"}[primitive.kind]
    size = np.ptp(mesh.vertices, axis=0)
    return "sheet" if size[2] < 0.03 and min(size[:2]) > 3 * size[2] else "object"


def _asset(
    name: str,
    kind: str,
    mesh: Mesh,
    parts: tuple[Mesh, ...],
    primitive: Primitive | None,
    position: Array,
    quaternion: Array,
    shape: Shape,
) -> Asset:
    size = np.ptp(mesh.vertices, axis=0)
    mass = physics.mass_prior(size, primitive.kind if primitive else "other")
    shell = physics.shell_prior()
    centre, inertia = physics.mass_moments(physics.moments(mesh, primitive), mass.mode, shell.mode)
    words = "×".join(f"{1000 * s:.0f}" for s in sorted(size))
    # Close to the support depth cannot part the two: the thing stands on the support's own height.
    on = position + [0, 0, shape.segment.support.height - shape.segment.base]
    return Asset(
        name=name,
        label=f"{kind}-like, {words} mm",
        label_source="shape",
        position=on,
        quaternion=quaternion,
        visual=mesh,
        parts=parts,
        primitive=primitive,
        watertight=True,
        volume=solid_moments(mesh)[0],
        observed_fraction=min(1.0, shape.observed),
        support=shape.segment.support.name,
        mass=mass,
        friction=physics.friction_prior(),
        shell_fraction=shell,
        center_of_mass=centre,
        inertia=inertia,
    )


def _capture_camera(run: Run, world: World, segments: list[Segment]) -> Camera:
    """The frame that saw most objects nearest to its centre, as a camera of the scene."""
    frame = next(iter(run.capture.frames()))
    k = frame.colour_intrinsics
    targets = np.array([s.points.mean(0) for s in segments])
    best, score = run.capture.poses[0], -np.inf
    for pose in run.capture.poses:
        camera = np.linalg.inv(world.world_from_capture @ pose)
        p = transform(camera, targets)
        p = p[p[:, 2] > 0.1]
        x, y = p[:, 0] / p[:, 2] * k.fx / k.width, p[:, 1] / p[:, 2] * k.fy / k.height
        value = float(((np.abs(x) < 0.45) & (np.abs(y) < 0.45)).sum()) - 0.1 * float(
            np.hypot(x, y).mean() if len(x) else 9.0
        )
        if value > score:
            best, score = pose, value
    return Camera("capture", world.world_from_capture @ best, k)
