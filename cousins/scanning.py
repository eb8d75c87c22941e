"""The stages of a scan, each cached under the hash of what went into it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins import __version__
from cousins.cache import Cache, digest
from cousins.errors import ScanError, UsageError
from cousins.masks import Masker
from cousins.masks.ask import Ask
from cousins.progress import Progress
from cousins.reconstruct.depth import coarser
from cousins.reconstruct.poses import Refine
from cousins.reconstruct.registration import Register, moved
from cousins.reconstruct.transient import Transient, without
from cousins.reconstruct.tsdf import Region, Surface, Tsdf
from cousins.segment import Segmenter
from cousins.segment.geometric import FINE, Geometric, Segment, fit_ground
from cousins.segment.informed import nearest
from cousins.segment.room import (
    belongs,
    beneath,
    clusters_of,
    furniture,
    things_on_floor,
    without_walls,
)
from cousins.segment.world import World, orient
from cousins.shape.carve import Carving, Grid, decimate, extract
from cousins.shape.convex import Convex
from cousins.shape.edges import sharp
from cousins.shape.primitive import round_off
from cousins.types import Array, Capture, Frame, Mesh, Support, Wall

WORST_FIT = 4.0  # mm between the surfaces of overlapping frames, refined, before one is told
WORST_DRIFT = 30.0  # mm of tracking drift, likewise


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
    min_size: float = 0.02  # likewise: less is a crumb
    min_observed: float = 0.2  # of an object's surface, or it is left in the background
    carving: Carving = Carving()
    convex: Convex = Convex()
    refine: Refine | None = Refine()  # poses; None leaves them as they are
    transient: Transient | None = Transient()  # hands; None leaves them in
    register: Register | None = Register()  # colour to depth; None leaves it as it is
    segmenter: Segmenter = Geometric()
    masker: Masker | None = None  # what finds things in pictures; None asks none
    ask: Ask = Ask()


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
    again: list[tuple[float, str]] = field(default_factory=list)

    def film_again(self, use: float, line: str) -> None:
        """Say what a user should film again; `use` (0 and up) ranks it among such lines."""
        self.again.append((use, line))

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
    def least_observed(self) -> float:
        """The share of an object's surface that must have been seen. One view shows at most half
        of a convex thing, where a walk round it shows all but its foot."""
        return self.settings.min_observed * (0.5 if len(self.capture) == 1 else 1.0)

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
    old, poses = capture.poses, arrays["poses"]

    def frames() -> Iterator[Frame]:
        for frame in capture.frames():
            yield replace(frame, world_from_camera=poses[frame.index])

    run.capture = replace(capture, poses=poses, frames=frames)
    run.checks["frames_apart_mm"] = round(1000 * float(arrays["before"]), 2)
    run.checks["frames_apart_after_refinement_mm"] = round(1000 * float(arrays["after"]), 2)
    drift = 1000 * _drift(old, poses)
    run.checks["pose_drift_mm"] = round(drift, 2)
    if 1000 * float(arrays["after"]) > WORST_FIT or drift > WORST_DRIFT:
        run.film_again(
            0.5 + drift / 50,
            f"the phone's tracking drifted by {drift:.0f} mm, and after refinement frames still "
            f"lie {1000 * float(arrays['after']):.1f} mm apart; film more slowly, with good light "
            "and things with texture in view",
        )


def leave_out_transient(run: Run) -> None:
    """Leave hands, and things while they stand elsewhere, out of the depth, from here on."""
    find, capture = run.settings.transient, run.capture
    if find is None:
        return

    def make() -> dict[str, Any]:
        masks = find(lambda: run.frames("transient"), capture.poses)
        return {"packed": np.packbits(masks, axis=2), "width": np.array(masks.shape[2])}

    arrays = run.stage("transient", make, asdict(find))
    packed, width = arrays["packed"], int(arrays["width"])
    some = packed.any((1, 2))
    share = float(np.unpackbits(packed[some], axis=2).sum()) / (packed[..., 0].size * width)
    run.checks["transient_share"] = round(share, 5)
    if not some.any():
        return

    def frames() -> Iterator[Frame]:
        for frame in capture.frames():
            mask = np.unpackbits(packed[frame.index], axis=1, count=width).astype(bool)
            yield without(frame, mask)

    run.capture = replace(capture, frames=frames)
    run.warnings.append(
        f"hands or things that moved were left out of {some.sum()} of {len(capture)} frames"
    )


def register_colour(run: Run) -> None:
    """Put the colour camera where the frames' edges say it is, from here on."""
    register, capture = run.settings.register, run.capture
    if register is None:
        return
    every = -(-len(capture) // register.frames)
    arrays = run.stage("registration", lambda: vars(register(run.frames("registration", every))),
                       asdict(register))  # fmt: skip
    offset, error = arrays["offset"], arrays["error"]
    if np.isfinite(error).all():
        run.checks["colour_offset_mm"] = [round(1000 * float(v), 2) for v in offset]
        run.checks["colour_offset_error_mm"] = [round(1000 * float(v), 2) for v in error]
    if not offset.any():
        return

    def frames() -> Iterator[Frame]:
        for frame in capture.frames():
            yield moved(frame, offset)

    run.capture = replace(capture, frames=frames)
    run.warnings.append(
        f"colour and depth lay {1000 * float(np.linalg.norm(offset)):.1f} mm apart: put right"
    )


def _drift(before: Array, after: Array) -> float:
    """How far refinement moved the cameras against one another at most, m."""
    moved = after[:, :3, 3] - before[:, :3, 3]
    return float(np.linalg.norm(moved - np.median(moved, axis=0), axis=1).max())


def overview(run: Run) -> Surface:
    """The coarse surface of everything, in the capture's own world."""
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
    return Surface(**arrays)


def find_world(run: Run) -> World:
    """Fuse coarsely; find up, supports and walls."""
    world = orient(run.capture, overview(run))
    run.checks["up"] = world.up.source
    run.warnings += world.up.warnings
    run.checks["support_tilt_degrees"] = round(float(np.degrees(world.tilt)), 2)
    return world


def regions(world: World, settings: Settings) -> tuple[Region, ...]:
    """Where things may be: over each support, and round what stands on the floor."""
    found = []
    clusters = clusters_of(world)
    for support in world.supports:
        if support.kind == "floor":
            found += things_on_floor(clusters, support, settings.max_size)
        else:
            low = np.append(support.polygon.min(0) - 0.06, support.height - 0.03)
            high = np.append(support.polygon.max(0) + 0.06, support.height + settings.headroom)
            found.append(Region(low, high))
    return tuple(found)


def fuse(run: Run, world: World) -> Surface:
    """Fuse finely where things may be."""
    s = run.settings
    make = Tsdf(s.voxel, 4 * s.voxel, s.max_range, run.views(3))
    where = regions(world, s)
    if not where:
        raise ScanError(f"{run.capture.path}: only an empty floor was seen; film some objects")
    arrays = run.stage(
        "fusion",
        lambda: vars(make(run.frames("fusion"), world.world_from_capture, where)),
        asdict(make), [[r.low.tolist(), r.high.tolist()] for r in where],
    )  # fmt: skip
    return Surface(**arrays)


def segment(run: Run, world: World, fine: Surface) -> list[Segment]:
    """The objects' seen surfaces. Raises ScanError where there is none, UsageError where pictures
    are to be asked and there are none."""
    seen = without_walls(fine, world.walls)
    found = _segments(run, world, seen, None)
    if found and run.settings.masker is not None:
        told, agreement = _told(run, world, seen, found)
        found = [replace(s, agreement=_agreed(s, seen, told, agreement))
                 for s in _segments(run, world, seen, told)]  # fmt: skip
    if not found:
        raise ScanError(
            f"{run.capture.path}: no object was found on {_names(world.supports)}; film things "
            "of 2 cm or more from all sides"
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
    return found


def _segments(
    run: Run, world: World, seen: Surface, told: NDArray[np.intp] | None
) -> list[Segment]:
    """What stands on each support, and is no furniture or wall. told: as in `Segmenter`."""
    found: list[Segment] = []
    clusters = clusters_of(world)
    for support in world.supports:
        above = tuple(s for s in world.supports if s.height > support.height + 0.05)
        legs = furniture(clusters, support, run.settings.max_size)
        here = run.settings.segmenter(seen, support, above, told)
        chosen = [
            not (
                belongs(s.points, legs)
                or beneath(s, world.supports)
                or any(_behind(s, wall) for wall in world.walls)
            )
            for s in here
        ]
        found += _chosen(here, chosen, len(found)).values()
    return found


def _agreed(
    segment: Segment, seen: Surface, told: NDArray[np.intp], agreement: Array
) -> float | None:
    """How far pictures agree on a segment; None where they say nothing of most of it."""
    its = nearest(seen.vertices, told, segment.points, 1e-6)
    votes = np.bincount(its + 1, minlength=2)
    thing = int(votes[1:].argmax())
    return float(agreement[thing]) if votes[1 + thing] > len(its) / 2 else None


def _told(
    run: Run, world: World, seen: Surface, found: list[Segment]
) -> tuple[NDArray[np.intp], Array]:
    """(n,) the thing that pictures say each point of the surface is of, -1 where they do not; (k,)
    how far they agree on each."""
    masker = run.settings.masker
    assert masker is not None
    start = time.perf_counter()
    if next(run.capture.frames()).colour is None:
        raise UsageError(f"{run.capture.path}: has no pictures to find things in: leave out "
                         "--segmenter")  # fmt: skip
    pose = world.world_from_capture

    def frames() -> Iterator[Frame]:
        for frame in run.capture.frames():
            yield replace(frame, world_from_camera=pose @ frame.world_from_camera)

    points = np.concatenate([s.points for s in found])
    normals = np.concatenate([s.normals for s in found])
    of = np.repeat(np.arange(len(found)), [len(s.points) for s in found])
    said, cell = run.settings.ask(
        masker, frames, len(run.capture), points, normals, of, run.settings.max_range, run.cache,
        run.key, run.progress,
    )  # fmt: skip
    run.key = digest(run.key, "masks", repr(run.settings.ask), repr(masker))
    run.used["masks"] = {"masker": type(masker).__name__} | asdict(run.settings.ask)
    run.seconds["masks"] = time.perf_counter() - start
    return nearest(points, said.label[cell], seen.vertices, 1e-6), said.agreement


def _behind(segment: Segment, wall: Wall) -> bool:
    """Whether a segment is a part of a wall, or behind it."""
    off = segment.points - wall.centre
    along = np.median(off @ np.cross(wall.normal, [0, 0, 1]))
    return bool(np.median(off @ wall.normal) < 0.02 and abs(along) < wall.half_width)


def _chosen(segments: Sequence[Segment], chosen: list[bool], first: int = 0) -> dict[int, Segment]:
    """By their old index, the chosen segments that stand on a support or on chosen ones; what each
    stands on is numbered anew, from `first`."""

    def stands(i: int) -> bool:
        on = segments[i].on
        return chosen[i] and (on is None or stands(on))

    kept = [i for i in range(len(segments)) if stands(i)]
    place: dict[int | None, int | None] = {i: first + k for k, i in enumerate(kept)}
    place[None] = None
    return {i: replace(segments[i], on=place[segments[i].on]) for i in kept}


def _names(supports: tuple[Support, ...]) -> str:
    return ", ".join(s.name for s in supports)


@dataclass(frozen=True)
class Shape:
    """A segment's closed mesh in the world, its seen share, and the segment itself."""

    segment: Segment
    mesh: Mesh
    observed: float


def _others(segments: list[Segment], own: Segment) -> Array:
    """(n, 3) points of all segments but `own`."""
    return np.concatenate([np.zeros((0, 3)), *(s.points for s in segments if s is not own)])


def carve_all(run: Run, world: World, segments: list[Segment]) -> list[Shape]:
    """Closed meshes of the segments, carved in one pass over the frames."""

    def make() -> dict[str, Any]:
        settings = replace(run.settings.carving, min_views=run.views(2))
        grids = [Grid(s, settings, _others(segments, s), world.walls) for s in segments]
        for frame in run.frames("carving", run.every):
            depth, camera, trust = sharp(frame, run.settings.max_range)
            pose = world.world_from_capture @ frame.world_from_camera
            for grid in grids:
                grid.add(depth, camera, pose, trust)
        out: dict[str, Any] = {}
        for i, grid in enumerate(grids):
            try:
                mesh, observed = extract(grid)
            except ScanError as error:
                out[f"{i}_error"] = np.array(str(error))
                continue
            small = round_off(decimate(mesh, run.settings.faces))
            told = "; ".join(filter(None, (grid.completed, grid.lost)))
            out |= {f"{i}_vertices": small.vertices, f"{i}_faces": small.faces,
                    f"{i}_observed": np.array(observed), f"{i}_note": np.array(told)}  # fmt: skip
        return out

    summary = [[len(s.points), s.points.mean(0).round(4).tolist()] for s in segments]
    arrays = run.stage("carving", make, asdict(run.settings.carving), run.settings.faces, summary)
    closed = []
    for i, s in enumerate(segments):
        where = f"the thing at {s.points.mean(0).round(2).tolist()} on {s.support.name}"
        observed = float(arrays.get(f"{i}_observed", 0.0))
        size = np.ptp(arrays.get(f"{i}_vertices", np.zeros((1, 3))), axis=0).max()
        closed.append(observed >= run.least_observed and size >= run.settings.min_size)
        if f"{i}_error" in arrays:
            run.film_again(3.0, f"{where} is left in the background: {arrays[f'{i}_error']}")
        elif size < run.settings.min_size:
            run.warnings.append(
                f"{where} is left in the background: it is {1000 * size:.0f} mm long"
            )
        elif not closed[i]:
            run.film_again(3.0, f"{where} is left in the background: only {observed:.0%} of it was "
                                "seen; film it from more sides")  # fmt: skip
    shapes = [
        Shape(
            replace(s, notes=(*s.notes, *filter(None, [str(arrays[f"{i}_note"])]))),
            Mesh(arrays[f"{i}_vertices"], arrays[f"{i}_faces"]),
            float(arrays[f"{i}_observed"]),
        )
        for i, s in _chosen(segments, closed).items()
    ]
    if not shapes:
        raise ScanError(
            f"{run.capture.path}: objects were seen from too few sides to be closed; film all "
            "the way round them"
        )
    return shapes
