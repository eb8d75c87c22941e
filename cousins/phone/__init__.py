"""A simulated phone: films a MuJoCo model as a LiDAR phone would, by ray casting.

It writes a capture in a layout that `cousins.capture` reads and, beside it, the truth that a scan
of it should find. No display and no GPU is needed. The same settings and seed give the same depth
and poses.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins import raycast
from cousins.bodies import middle, movable
from cousins.capture.quality import check_same_view
from cousins.errors import CaptureError, UsageError
from cousins.phone import gloss, hands, image, tracking, walk
from cousins.phone.image import Exposure
from cousins.phone.layouts import LAYOUTS, layout
from cousins.phone.noise import Noise
from cousins.phone.sensor import sensed
from cousins.phone.shots import Y_UP, Rig, Shot
from cousins.phone.truth import truth
from cousins.phone.walk import PATHS, Walk
from cousins.phone.world import load, stand
from cousins.progress import Progress, silent
from cousins.types import Array, Intrinsics

__all__ = [
    "CAPTURE_FROM_WORLD",
    "LAYOUTS",
    "PATHS",
    "Exposure",
    "Noise",
    "Phone",
    "Walk",
    "film",
    "kept",
    "lamp_points",
    "load",
    "middle",
    "movable",
    "poses",
    "stand",
    "truth",
]

CAPTURE_FROM_WORLD = Y_UP  # of the layouts that do not say otherwise
# Each random thing has a stream of its own, so that switching one on changes no other.
_WALK, _DEPTH, _TRACKING, _DROPPED, _GLOSS, _GAIN, _GRAIN, _HANDS = range(8)


@dataclass(frozen=True)
class Phone:
    """The phone and how it is held. `film(model, folder, Phone(frames=20))`.

    frames, rate: how many, and how many a second. field_of_view: horizontal, degrees; None for
    that of the layout's usual device. coloured: whether the pictures are kept; depth is the same
    without. finer: rays along each side of a colour pixel.
    shadows: shadow rays a pixel. noise: of depth and poses; None films the truth.
    missing: the share of frames that the phone drops. hands: the share of the time in which one
    reaches into the picture. layout: one of LAYOUTS.
    """

    frames: int = 90
    rate: float = 10.0
    walk: Walk = field(default_factory=Walk)
    depth_size: tuple[int, int] = (256, 192)
    colour_size: tuple[int, int] = (640, 480)
    field_of_view: float | None = None
    coloured: bool = True
    finer: int = 1
    shadows: int = 1
    noise: Noise | None = field(default_factory=Noise)
    seed: int = 0
    missing: float = 0.0
    hands: float = 0.0
    exposure: Exposure = field(default_factory=Exposure)
    layout: str = "stray"

    @property
    def camera(self) -> Intrinsics:
        """The field of view as a camera of the colour picture's size."""
        w, h = self.colour_size
        angle = self.field_of_view
        if angle is None:
            angle = layout(self.layout).field_of_view
        focal = w / 2 / np.tan(np.radians(angle) / 2)
        return Intrinsics(w, h, float(focal), float(focal), (w - 1) / 2, (h - 1) / 2)

    @property
    def rig(self) -> Rig:
        """Its depth and colour cameras."""
        return layout(self.layout).rig(self.camera, self.depth_size)


def film(
    model: mujoco.MjModel,
    folder: str | Path,
    phone: Phone | None = None,
    data: mujoco.MjData | None = None,
    progress: Progress = silent,
) -> Path:
    """Films `model` (as it stands in `data`, else in its initial state) into `folder`.

    Writes folder/ in the phone's layout and folder.truth.json beside it; returns `folder`.
    Raises UsageError for settings that film nothing, CaptureError if the folder already exists.
    """
    phone = phone or Phone()
    folder = Path(folder)
    _check(phone)
    if folder.exists():
        raise CaptureError(f"{folder}: already exists; choose another folder or delete it")
    data = data or stand(model)
    target = phone.walk.target or middle(model, data)
    true = poses(phone, target)
    reach = hands.reaches(true, np.array(target), phone.hands, phone.rate, _rng(phone, _HANDS))
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        shots = _shots(raycast.stage(model, data), phone, true, reach, progress)
        layout(phone.layout).write(beside, phone.rig, phone.rate, shots)
        turned = _capture_from_world(phone, true)
        text = json.dumps(truth(model, data) | {"capture_from_world": turned.tolist()})
        (beside.parent / f"{beside.name}.json").write_text(text)
        os.replace(f"{beside}.json", folder.parent / f"{folder.name}.truth.json")
        os.chmod(beside, 0o755)
        os.replace(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        Path(f"{beside}.json").unlink(missing_ok=True)
    return folder


def _check(phone: Phone) -> None:
    walk.check(phone.walk)
    if phone.frames < 1:
        raise UsageError(f"frames = {phone.frames}: a film needs at least one")
    if phone.frames > 1 and layout(phone.layout).alone:
        raise UsageError(f"frames = {phone.frames}: the layout {phone.layout!r} holds one")
    if not phone.rate > 0:
        raise UsageError(f"rate = {phone.rate:g}: a film needs some frames a second")
    if not 0 <= phone.missing < 1:
        raise UsageError(f"missing = {phone.missing:g}: give a share of the frames, 0 to below 1")
    if not 0 <= phone.hands <= 1:
        raise UsageError(f"hands = {phone.hands:g}: give a share of the time, 0 to 1")
    if phone.field_of_view is not None and not 5 <= phone.field_of_view <= 150:
        raise UsageError(f"field of view {phone.field_of_view:g}: give 5 to 150 degrees")
    if phone.finer < 1 or phone.shadows < 1:
        raise UsageError("finer and shadows: give at least 1")
    if min(*phone.depth_size, *phone.colour_size) < 16:
        raise UsageError("depth and colour pictures: give at least 16 x 16 pixels")
    try:
        check_same_view(phone.colour_size, phone.depth_size, "the film")
    except CaptureError:
        (a, b), (c, d) = phone.colour_size, phone.depth_size
        raise UsageError(f"colour {a}x{b}, depth {c}x{d}: give both the same shape") from None


def poses(phone: Phone, target: tuple[float, float, float]) -> Array:
    """(frames, 4, 4) true world_from_camera along the phone's walk around `target`."""
    return walk.viewpoints(phone.walk, target, phone.frames, phone.rate, _rng(phone, _WALK))


def _capture_from_world(phone: Phone, true: Array) -> Array:
    if layout(phone.layout).alone:
        return np.linalg.inv(true[0])
    return layout(phone.layout).capture_from_world


def kept(phone: Phone) -> NDArray[np.bool_]:
    """(frames,): which frames are in the capture; the phone drops the others."""
    return ~tracking.dropped(phone.frames, phone.missing, _rng(phone, _DROPPED))


def lamp_points(phone: Phone, true: Array) -> Array:
    """(k, 3) points of a round lamp above the scene: k shadow rays make its shadows soft."""
    return image.lamps(true, phone.shadows)


def _rng(phone: Phone, stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(phone.seed, spawn_key=(stream,)))


def _shots(
    place: raycast.Stage, phone: Phone, true: Array, reach: Array, progress: Progress
) -> Iterator[Shot]:
    """One after the other: a film is never held in memory."""
    import cv2

    rig, noise, exposure = phone.rig, phone.noise, phone.exposure
    tracked = tracking.believed(true, noise, phone.rate, _rng(phone, _TRACKING))
    keep = kept(phone)
    blobs = gloss.pattern(_rng(phone, _GLOSS))
    gains = image.gains(exposure, phone.frames, phone.rate, _rng(phone, _GAIN))
    lamps = lamp_points(phone, true)
    depth_rng, grain_rng = _rng(phone, _DEPTH), _rng(phone, _GRAIN)
    apart, turned = rig.colour_from_depth, _capture_from_world(phone, true)
    eyes = true if apart is None else true @ np.linalg.inv(apart)
    skin = hands.arm()
    normals = raycast.corner_normals(skin)
    for i, pose in enumerate(true):
        progress("film", i, len(true))
        alone = np.isnan(reach[i]).any()
        stage = place if alone else hands.joined(place, skin, normals, reach[i])
        during = image.instants(eyes, i, phone.rate, exposure.seconds, rig.colour.fx)
        colour = image.picture(stage, rig.colour, during, lamps, phone.finer)
        colour = image.exposed(colour, gains[i], exposure.grain, grain_rng)
        seen = raycast.depth(stage, rig.depth, pose)
        guide = lost = None
        if noise is not None:
            lost = gloss.lost(seen, stage.reflectance, rig.depth, pose, blobs, noise.shine)
        if apart is None:  # else the picture does not lie on the depth image, and guides nothing
            grey = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY)
            small = cv2.resize(grey, phone.depth_size, interpolation=cv2.INTER_AREA)
            guide = np.asarray(small, float) / 255
        depth, confidence = sensed(seen.depth, seen.cosine, noise, depth_rng, guide, lost)
        told = colour if phone.coloured else None
        yield Shot(i, turned @ tracked[i], depth, confidence, told, not keep[i])
    progress("film", len(true), len(true))
