"""The stages in a row: each function here reads like the sentence that it is."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from cousins import __version__, assembly, pack, scanning
from cousins.bank import Family
from cousins.cache import Cache
from cousins.capture import Lens, open_capture
from cousins.errors import CaptureError, PackError, PartlyFailedError, ScanError, UsageError
from cousins.labels.stage import Labelling, check, label_all
from cousins.library import Household, Library
from cousins.native import require
from cousins.pack_reader import MAX_ASSET
from cousins.photos import capture as photo_capture
from cousins.progress import Progress, silent
from cousins.segment.world import World
from cousins.settle import Settled, lift, steady
from cousins.types import Capture, Photos, Scene
from cousins.variation.axes import Settings
from cousins.variation.family import HOPELESS, Chunk, chunk, joined
from cousins.variation.sampling import Sources, axes, sources
from cousins.variation.store import Store, store

CHUNK = 256  # cousins that are stepped together, and kept if the run is cut short
FAMILY = 10_000  # cousins that share one file of arrays
DRAWN_THINGS = Household()
PICTURES = "pictures"  # below the folder of finished stages: what making depth of pictures leaves


@dataclass(frozen=True)
class AugmentReport:
    """What `augment` did. cousins: how many the pack now holds; rejected: draws that failed their
    certificate, and why: counts by reason, of which a draw may have several. shapes_rejected: the
    same of shapes that did not get into the bank. bytes: what the cousins take beyond the meshes;
    bank_bytes: what the meshes take."""

    cousins: int
    rejected: int
    rejected_by_reason: dict[str, int]
    shapes_rejected: dict[str, int]
    seconds: float
    families: int
    bytes: int
    bank_bytes: int


def augment(
    pack_path: Path,
    n: int,
    *,
    seed: int = 0,
    out: Path | None = None,
    workers: int | None = None,
    progress: Progress = silent,
    settings: Settings | None = None,
    library: Library = DRAWN_THINGS,
    force: bool = False,
) -> AugmentReport:
    """Give a pack `n` cousins in place of those it has; into `out`, if given, the twin as well.

    The same pack, seed, settings and library give the same cousins, however many `workers`
    (threads; all CPUs by default) there are and however often the run was cut short. Finished
    chunks wait beside the output in <output>.partial until it is written, and memory does not grow
    with `n`. Raises UsageError for a request that makes no sense, PackError for a bad pack or
    output, ScanError if no cousin passes its certificate, and PartlyFailedError, once the rest is
    written, if some never did.
    """
    if n < 1 or seed < 0 or (workers is not None and workers < 1):
        raise UsageError("ask for at least 1 cousin, with a seed of 0 or more and 1 worker or more")
    began = time.monotonic()
    read = pack.read(Path(pack_path))
    target = Path(out) if out is not None else read.path
    pack.ensure_writable(target, force)
    drawn_from = sources_of(read, seed, settings or Settings(), library)
    kept = store(target, drawn_from, _twin(read))
    count = _Count()
    families = _families(target, drawn_from, n, workers or os.cpu_count() or 1, kept, count,
                         progress)  # fmt: skip
    pack.write_families(read.path, families, out=out, force=force, scratch=kept.folder,
                        record=lambda: _augmented(n, drawn_from, count),
                        licences=drawn_from.licences)  # fmt: skip
    kept.remove()
    if count.missing:
        raise PartlyFailedError(
            f"{target}: {count.missing} of {n} cousins never passed their certificate and are left "
            f"out: {count.worst()}: use the others, or scan the scene anew"
        )
    return _report(target, drawn_from, count, time.monotonic() - began)


def sources_of(read: pack.Pack, seed: int, settings: Settings, library: Library) -> Sources:
    """What a pack's cousins are drawn from. Raises PackError for a pack that has none, and what
    `cousins.variation.sampling.sources` raises."""
    if not read.manifest.metric:
        raise PackError(
            f"{read.path}: has no scale, so no mass is known and cousins would be guesses: scan it "
            "again with --tag-size or --length"
        )
    scene = pack.load_scene(read)
    if not scene.assets:
        raise PackError(f"{read.path}: holds no object, so it has no cousins: scan it anew")
    names = pack.twin_assets(read)
    held = {name.removeprefix("assets/"): read.tree.read(name, MAX_ASSET) for name in names}
    try:
        return sources(scene, seed, settings, library, held)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise PackError(f"{read.path}: MuJoCo refuses its cousins: {reason}") from None


def _twin(read: pack.Pack) -> bytes:
    models = [*read.objects, *read.supports, read.surroundings]
    return "\n".join(model.model_dump_json() for model in models).encode()


@dataclass
class _Count:
    """What came of a run so far."""

    cousins: int = 0
    families: int = 0
    rejected: int = 0
    missing: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    places: Counter[str] = field(default_factory=Counter)

    def add(self, part: Chunk) -> None:
        self.cousins += len(part.cousins)
        self.rejected += part.rejected
        self.missing += len(part.missing)
        self.faults.update(part.faults)
        self.places.update(part.places)

    def worst(self) -> str:
        """The faults that reject most, with their counts, in words."""
        return "; ".join(f"{why} ({times} times)" for why, times in self.faults.most_common(3))


def _families(
    target: Path, drawn_from: Sources, n: int, workers: int, kept: Store, count: _Count,
    progress: Progress,
) -> Iterator[Family]:  # fmt: skip
    """The run's families, one at a time. Whatever its number of distractors is, a cousin's index
    says its seed and its place in the pack."""
    done = 0
    for first in range(0, n, FAMILY):
        block = range(first, min(first + FAMILY, n))
        of = np.array([drawn_from.family(index) for index in block])
        for source in drawn_from.each:
            indices = (first + np.flatnonzero(of == source.family)).tolist()
            members = []
            for start in range(0, len(indices), CHUNK):
                mine = indices[start : start + CHUNK]
                name = f"{source.family}-{mine[0]}-{mine[-1]}-{len(mine)}"
                part = kept.load(name)
                if part is None:
                    part = chunk(source, mine, workers,
                                 lambda passed, before=done: progress("cousins", before + passed, n)
                                 )  # fmt: skip
                    kept.save(name, part)
                members.append(part)
                count.add(part)
                done += len(mine)
                progress("cousins", done, n)
                if not count.cousins and done >= min(HOPELESS, n):
                    kept.remove()
                    raise ScanError(
                        f"{target}: no cousin passed its certificate in {count.rejected} draws: "
                        f"{count.worst()}: look at these objects with `cousins view`"
                    )
            if any(part.cousins for part in members):
                count.families += 1
                yield joined(source, members)


def _augmented(n: int, drawn_from: Sources, count: _Count) -> pack.Augmented:
    """What the manifest says of the run: nothing that another run of it would say otherwise."""
    of = drawn_from.settings
    return pack.Augmented(
        cousins=n, seed=drawn_from.seed, shapes=of.shapes, swaps=of.swaps,
        axes={axis.name: of.strength(axis.name) for axis in axes()},
        distractors=of.distractors, distances=of.distances, library=drawn_from.library,
        rejected=count.rejected, rejected_by_reason=_by_reason(count.faults),
        shapes_rejected=dict(drawn_from.rejected), places_rejected=dict(count.places),
    )  # fmt: skip


def _by_reason(faults: Mapping[str, int]) -> dict[str, int]:
    reasons: Counter[str] = Counter()
    for fault, times in faults.items():
        reasons[fault.partition(": ")[2]] += times
    return dict(reasons.most_common())


def _report(target: Path, drawn_from: Sources, count: _Count, seconds: float) -> AugmentReport:
    written = pack.read(target)
    sizes, twin = written.tree.sizes, pack.twin_assets(written)
    rows = re.compile(r"families/\d+/cousins\.")
    return AugmentReport(
        cousins=count.cousins,
        rejected=count.rejected,
        rejected_by_reason=_by_reason(count.faults),
        shapes_rejected=dict(drawn_from.rejected),
        seconds=seconds,
        families=count.families,
        bytes=sum(size for name, size in sizes.items() if rows.match(name)),
        bank_bytes=sum(
            size
            for name, size in sizes.items()
            if not rows.match(name)
            and name.startswith(("assets/", "families/"))
            and name not in twin
        ),
    )


@dataclass(frozen=True)
class ScanReport:
    """What `scan` found. objects: their number; film_again and warnings: plain words, the most
    useful first, as in quality.json."""

    objects: int
    seconds: float
    peak_rss_mb: float
    film_again: tuple[str, ...]
    warnings: tuple[str, ...]
    stages: dict[str, float]


def scan(
    capture_path: Path,
    pack_path: Path,
    *,
    settings: scanning.Settings | None = None,
    photos: photo_capture.Settings | None = None,
    lens: Lens | None = None,
    length: tuple[str, float] | None = None,
    labels: Labelling | None = None,
    progress: Progress = silent,
    force: bool = False,
) -> ScanReport:
    """Turn a capture into a scene pack: its objects, supports and walls, settled by physics.

    photos: how pictures without depth get it. lens: the camera, where the layout does not tell it.
    length: the longest side of one object, named as an earlier scan of the same pictures named it,
    m: the scale of pictures that nothing else gives a scale. labels: what objects are called, named
    likewise, and who says the rest; without it, by words of their shape.

    Finished stages wait beside the output in <pack>.scan until it is written, so that a run that
    was cut short goes on. Raises CaptureError for a capture that cannot be read, ScanError where
    it holds no scene, UsageError for a length or a label of no object, LabelError where a labeler
    cannot label, PackError where the pack cannot be written.
    """
    began = time.monotonic()
    require("open3d")
    pack.ensure_writable(pack_path, force)
    settings = settings or scanning.Settings()
    pack_path = Path(pack_path)
    cache = Cache(pack_path.with_name(pack_path.name + ".scan"))
    found = open_capture(capture_path, lens)
    if labels:
        check(labels, found)
    try:
        capture = found if isinstance(found, Capture) else photo_capture.captured(
            found, photos or photo_capture.Settings(), cache.folder / PICTURES, progress
        )  # fmt: skip
        if isinstance(found, Photos):
            # Depth was made at these poses, from these pictures: there is nothing to agree on.
            settings = replace(settings, refine=None, register=None)
        _check_length(capture, length)
        run, world, scene = _reconstructed(capture, settings, cache, progress)
        if length:
            capture = _measured(capture, scene, *length)
            run, world, scene = _reconstructed(capture, settings, cache, progress)
    except (CaptureError, ScanError):
        _clear(cache)  # there is nothing to go on with: it would fail so again
        raise
    if labels:
        scene = label_all(run, world, scene, labels)
    progress("settling", 0, 1)
    settled, remedies = steady(lift(scene))
    for name, remedy in remedies.items():
        run.film_again(
            2.0, f"{name}: would not stand as scanned; it stands {remedy}; film its lower part"
        )
    progress("settling", 1, 1)
    quality = _quality(run, settled)
    manifest = pack.Manifest(
        cousins_version=__version__,
        capture=pack.CaptureSource(
            layout=capture.layout, sha256=capture.sha256, name=capture_path.resolve().name
        ),
        world_from_capture=_matrix(world.world_from_capture),
        stages={
            name: pack.Stage(seconds=round(s, 3), settings=run.used.get(name, {}))
            for name, s in run.seconds.items()
        },
    )
    pack.write(pack_path, settled.scene, manifest, quality, force=force)
    _clear(cache)
    return ScanReport(
        len(settled.scene.assets),
        time.monotonic() - began,
        peak_rss_mb(),
        quality.film_again,
        quality.warnings,
        {name: round(s, 3) for name, s in run.seconds.items()},
    )


def _reconstructed(
    capture: Capture, settings: scanning.Settings, cache: Cache, progress: Progress
) -> tuple[scanning.Run, World, Scene]:
    run = scanning.Run(capture, settings, cache, progress)
    run.warnings += capture.warnings
    run.checks["scale"] = capture.scale_source
    if not capture.metric:
        run.warnings.append(f"the scale is not known ({capture.scale_source}): masses are withheld")
    scanning.refine_poses(run)
    scanning.leave_out_transient(run)
    scanning.register_colour(run)
    world = scanning.find_world(run)
    fine = scanning.fuse(run, world)
    shapes = scanning.carve_all(run, world, scanning.segment(run, world, fine))
    return run, world, assembly.assemble(run, world, fine, shapes)


def _check_length(capture: Capture, length: tuple[str, float] | None) -> None:
    if length is None:
        return
    if capture.metric:
        raise UsageError(f"--length: the scale is known already ({capture.scale_source}): leave it")
    if not 0 < length[1] < 10:
        raise UsageError(f"--length {length[0]}={length[1]:g}: give metres, such as 0.12")


def _measured(capture: Capture, scene: Scene, name: str, length: float) -> Capture:
    """The capture in metres, by the longest side of one of its objects."""
    sizes = {asset.name: float(asset.size.max()) for asset in scene.assets}
    if name not in sizes:
        raise UsageError(f"--length {name}: no such object; there are {', '.join(sizes)}")
    source = f"the length of {name}, {length:g} m, as it was given"
    return photo_capture.rescaled(capture, length / sizes[name], source)


def _clear(cache: Cache) -> None:
    shutil.rmtree(cache.folder / PICTURES, ignore_errors=True)
    cache.clear()


def _matrix(pose: np.ndarray) -> tuple:
    return tuple(tuple(float(v) for v in row) for row in pose)


def _quality(run: scanning.Run, settled: Settled) -> pack.Quality:
    for asset, moved, turned in zip(settled.scene.assets, settled.moved, settled.turned,
                                    strict=True):  # fmt: skip
        if moved > 0.01 or turned > np.radians(10):
            run.film_again(
                2.5,
                f"{asset.name}: does not stand as it was seen (it went {1000 * moved:.0f} mm and "
                f"{np.degrees(turned):.0f} degrees in settling); film its lower part",
            )
    checks = run.checks | {
        "frames": len(run.capture),
        "settle_moved_mm": _millimetres(settled.moved),
        "settle_drift_mm": _millimetres(settled.drift),
        "penetration_mm": round(1000 * settled.penetration, 3),
        "observed_fraction": {a.name: round(a.observed_fraction, 3) for a in settled.scene.assets},
    }
    # Each object once: of one that fell over, that its side was not seen is no second line.
    lines: dict[str, str] = {}
    for _, line in sorted(run.again, key=lambda pair: -pair[0]):
        lines.setdefault(line.partition(":")[0], line)
    return pack.Quality(
        checks=checks, film_again=tuple(lines.values()), warnings=tuple(run.warnings)
    )


def _millimetres(values: np.ndarray) -> float:
    return round(1000 * float(values.max(initial=0.0)), 3)


def peak_rss_mb() -> float:
    """The most memory that this process, or one that it started, has held, MB."""
    import resource
    import sys

    unit = 1e6 if sys.platform == "darwin" else 1e3
    own, started = (resource.getrusage(who).ru_maxrss / unit for who in
                    (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))  # fmt: skip
    status = Path("/proc/self/status")
    if status.is_file():  # Linux counts what held us before we were this program
        told = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        own = int(told[1]) / 1e3 if told else own
    return max(own, started)
