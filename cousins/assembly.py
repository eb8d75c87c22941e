"""From closed shapes to a scene: textures, convex parts, physics, and what stands on what."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from cousins import physics
from cousins.cache import digest
from cousins.distributions import STAND_IN
from cousins.mesh import quaternion_from_matrix, solid_moments
from cousins.physics.estimate import properties
from cousins.physics.form import form
from cousins.reconstruct.depth import clean, points, transform
from cousins.reconstruct.tsdf import Surface
from cousins.scanning import Run, Shape
from cousins.segment.geometric import Segment
from cousins.segment.supports import inside
from cousins.segment.world import World
from cousins.shape.background import background
from cousins.shape.convex import convex_hull
from cousins.shape.coverage import ENOUGH, Coverage
from cousins.shape.primitive import fit_primitive
from cousins.shape.texture import Baker, matte, sharpness
from cousins.types import Array, Asset, Camera, Frame, Mesh, Primitive, Scene

MUCH_UNSEEN = 0.25  # share of an object's surface that is worth filming again
MUCH_MISSING = 0.25  # share of the looks at it without depth, likewise
DOUBTFUL = 0.5  # share of the looks at an object on which its masks agree


@dataclass(frozen=True)
class Look:
    """How an object was seen. unseen: share of its surface that was not; side: which one most of
    that faces; missing: share of the looks at it that came back without depth."""

    unseen: float
    side: str
    missing: float


def bake_all(run: Run, world: World, shapes: list[Shape]) -> tuple[list[Mesh], list[Look]]:
    """The shapes' meshes with textures, and how each was seen, in one pass over the frames.

    In a capture without pictures each has a plain colour of its own.
    """
    pictured = next(run.capture.frames()).colour is not None
    eye = transform(world.world_from_capture, run.capture.poses[:1, :3, 3])[0]

    def make() -> dict[str, Any]:
        bakers = [Baker(s.mesh, s.segment.base) for s in shapes if pictured]
        coverage = [Coverage(s.mesh, run.views(ENOUGH)) for s in shapes]
        drift = []
        for frame in run.frames("texture", run.every):
            depth = clean(frame, run.settings.max_range)
            pose = world.world_from_capture @ frame.world_from_camera
            if frame.colour is not None:
                sharp = sharpness(frame.colour)
                for baker in bakers:
                    baker.add(frame, depth, pose, sharp)
            for cover in coverage:
                cover.add(frame.depth, depth, frame.depth_intrinsics, pose)
            drift.append(_height_residual(frame, depth, pose, world))
        out: dict[str, Any] = {"drift": np.array(drift)}
        for i, (cover, s) in enumerate(zip(coverage, shapes, strict=True)):
            m = bakers[i].bake(255 * s.segment.colours.mean(0)) if pictured else matte(s.mesh, i)
            out |= {f"{i}_uv": m.uv, f"{i}_texture": m.texture}
            out |= {f"{i}_unseen": np.array(cover.unseen), f"{i}_missing": np.array(cover.missing),
                    f"{i}_side": np.array(cover.side(eye))}  # fmt: skip
        return out

    if not pictured:
        run.warnings.append(
            "the capture has no pictures: objects wear made-up colours, to tell them apart, and "
            "everything else is grey"
        )
    arrays = run.stage("texture", make, [len(s.mesh.faces) for s in shapes])
    drift = arrays["drift"][np.isfinite(arrays["drift"])]
    if len(drift):
        run.checks["pose_residual_mm"] = round(float(1000 * np.sqrt(np.mean(drift**2))), 2)
    meshes = [replace(s.mesh, uv=arrays[f"{i}_uv"], texture=arrays[f"{i}_texture"])
              for i, s in enumerate(shapes)]  # fmt: skip
    looks = [Look(float(arrays[f"{i}_unseen"]), str(arrays[f"{i}_side"]),
                  float(arrays[f"{i}_missing"])) for i in range(len(shapes))]  # fmt: skip
    return meshes, looks


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

    # Most of it is numpy and manifold3d, which let other threads run.
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
    textured, looks = bake_all(run, world, shapes)
    framed = [to_object_frame(m) for m in textured]
    parts = decompose_all(run, [m for m, _, _ in framed])
    kinds = [_shape_word(mesh, primitive)
             for (mesh, _, _), (_, primitive, _) in zip(framed, parts, strict=True)]  # fmt: skip
    names = [f"{kind}_{kinds[: i + 1].count(kind)}" for i, kind in enumerate(kinds)]
    segments = [s.segment for s in shapes]
    assets = []
    for i, (shape, (mesh, position, quaternion), (hulls, primitive, warning)) in enumerate(
        zip(shapes, framed, parts, strict=True)
    ):
        for note in filter(None, (*shape.segment.notes, warning)):
            run.warnings.append(f"{names[i]}: {note}")
        _film_again(run, names[i], looks[i])
        _agreement(run, names[i], shape.segment.agreement)
        on = shape.segment.on
        support = shape.segment.support.name if on is None else names[on]
        # Close to a surface depth cannot part the two: a thing stands on the surface's own height.
        below = _lowest(segments, i)
        position = position + [0, 0, below.support.height - below.base]
        assets.append(
            _asset(names[i], kinds[i], mesh, hulls, primitive, position, quaternion, shape, support,
                   run.capture.metric)
        )  # fmt: skip
    start = time.perf_counter()
    behind = background(world.surface, fine, world.supports, segments)
    run.seconds["background"] = time.perf_counter() - start
    camera = _capture_camera(run, world, segments)
    return Scene(tuple(assets), world.supports, world.walls, behind, (camera,), run.capture.metric)


def _lowest(segments: list[Segment], i: int) -> Segment:
    """What stands on the surface itself, of all that segment `i` stands on."""
    on = segments[i].on
    return segments[i] if on is None else _lowest(segments, on)


def _agreement(run: Run, name: str, agreement: float | None) -> None:
    """What the pictures' vote was, where they were asked."""
    if agreement is None:
        return
    run.checks.setdefault("mask_agreement", {})[name] = round(agreement, 2)
    if agreement < DOUBTFUL:
        run.warnings.append(
            f"{name}: only {agreement:.0%} of what pictures show of it is masked as one thing; it "
            "may be several, or a part"
        )


def _film_again(run: Run, name: str, look: Look) -> None:
    """What of an object would be better for more frames."""
    if look.unseen > MUCH_UNSEEN:
        run.film_again(
            1 + look.unseen,
            f"{name}: {look.unseen:.0%} of its surface was not seen and is a guess, most of it on "
            f"its {look.side} (as seen from the first frame); film it from there",
        )
    if look.missing > MUCH_MISSING:
        run.film_again(
            1 + look.missing,
            f"{name}: {look.missing:.0%} of the looks at it came back without depth (shiny, dark "
            "or clear?); film it from more angles, or dull it with powder or tape",
        )


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
    support: str,
    metric: bool,
) -> Asset:
    size = np.ptp(mesh.vertices, axis=0)
    known = properties(form(mesh, primitive))
    mass = known.mass if metric else STAND_IN
    shell = known.shell_fraction
    centre, inertia = physics.mass_moments(physics.moments(mesh, primitive), mass.mode, shell.mode)
    words = "×".join(f"{1000 * s:.0f}" for s in sorted(size)) + " mm"
    if not metric:
        words = "×".join(f"{s / size.max():.2f}" for s in sorted(size)) + " of its length"
    return Asset(
        name=name,
        label=f"{kind}-like, {words}",
        label_source="shape",
        label_confidence=1.0,
        position=position,
        quaternion=quaternion,
        visual=mesh,
        parts=parts,
        primitive=primitive,
        watertight=True,
        volume=solid_moments(mesh)[0],
        observed_fraction=min(1.0, shape.observed),
        support=support,
        mass=mass,
        friction=known.friction,
        shell_fraction=shell,
        center_of_mass=centre,
        inertia=inertia,
        restitution=known.restitution,
        material=known.material,
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
