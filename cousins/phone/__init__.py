"""A simulated phone: films a MuJoCo model as a LiDAR phone would, by ray casting.

It writes a folder in Stray Scanner's layout and, beside it, the truth that a scan of it should
find. No display and no GPU is needed. The same settings and seed give the same depth and poses.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins import raycast
from cousins.errors import CaptureError, MissingDependencyError, UsageError
from cousins.mesh import quaternion_from_matrix
from cousins.phone.bodies import middle
from cousins.phone.truth import truth
from cousins.progress import Progress, silent
from cousins.scene import look_at
from cousins.types import Array, Intrinsics

# A capture's world is ARKit's, y up: the model's turned by -90 degrees about x.
CAPTURE_FROM_WORLD = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
SLOW = (0.1, 0.5)  # Hz: of a hand's sway and of tracking's drift
LAMP = np.array([0.9, -1.1, 2.2])  # from the target to the light, m
LAMP_RADIUS = 0.18  # m: soft shadows


@dataclass(frozen=True)
class Noise:
    """What a phone's LiDAR and its tracking get wrong. All lengths in metres.

    Depth: sigma = floor + growth * depth^2, a share `blotch` of its variance smooth over `grain`
    pixels; edges smeared over `smear` pixels. Poses: `sway` m and `turn` rad (rms along each
    axis) of slow drift, and a tenth of that from frame to frame.
    """

    floor: float = 0.0015
    growth: float = 0.0015
    blotch: float = 0.5
    grain: float = 2.5
    smear: float = 0.7
    sway: float = 0.0010
    turn: float = 0.0007


@dataclass(frozen=True)
class Walk:
    """Hand-held viewpoints on an arc around a target; angles in degrees, lengths in metres.

    target: None for the middle of the movable bodies. distance and elevation: least and most,
    swept up and down `waves` times on the way.
    """

    arc: float = 330.0
    start: float = -90.0
    distance: tuple[float, float] = (0.60, 0.90)
    elevation: tuple[float, float] = (30.0, 60.0)
    waves: float = 2.5
    target: tuple[float, float, float] | None = None
    unsteadiness: float = 0.015


@dataclass(frozen=True)
class Phone:
    """The phone and how it is held. `film(model, folder, Phone(frames=20))`.

    field_of_view: horizontal, degrees. finer: rays along each side of a colour pixel.
    shadows: shadow rays a pixel. noise: None films the truth.
    """

    frames: int = 90
    rate: float = 10.0
    walk: Walk = field(default_factory=Walk)
    depth_size: tuple[int, int] = (256, 192)
    colour_size: tuple[int, int] = (640, 480)
    field_of_view: float = 63.8
    finer: int = 1
    shadows: int = 1
    noise: Noise | None = field(default_factory=Noise)
    seed: int = 0

    @property
    def camera(self) -> Intrinsics:
        """The colour camera; the depth camera is the same one at another size."""
        w, h = self.colour_size
        focal = w / 2 / np.tan(np.radians(self.field_of_view) / 2)
        return Intrinsics(w, h, float(focal), float(focal), (w - 1) / 2, (h - 1) / 2)


def film(
    model: mujoco.MjModel,
    folder: str | Path,
    phone: Phone | None = None,
    data: mujoco.MjData | None = None,
    progress: Progress = silent,
) -> Path:
    """Films `model` (as it stands in `data`, else in its initial state) into `folder`.

    Writes folder/ in Stray Scanner's layout and folder.truth.json beside it; returns `folder`.
    Raises UsageError for settings that film nothing, CaptureError if the folder already exists.
    """
    phone = phone or Phone()
    if phone.frames < 1:
        raise UsageError(f"frames = {phone.frames}: a film needs at least one")
    folder = Path(folder)
    if folder.exists():
        raise CaptureError(f"{folder}: already exists; choose another folder or delete it")
    data = data or _initial(model)
    true = poses(phone, phone.walk.target or middle(model, data))
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        _write(beside, raycast.stage(model, data), phone, true, progress)
        text = json.dumps(truth(model, data))
        (beside.parent / f"{beside.name}.json").write_text(text)
        os.replace(f"{beside}.json", folder.parent / f"{folder.name}.truth.json")
        os.chmod(beside, 0o755)
        os.replace(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        Path(f"{beside}.json").unlink(missing_ok=True)
    return folder


def poses(phone: Phone, target: tuple[float, float, float]) -> Array:
    """(frames, 4, 4) true world_from_camera along the phone's walk around `target`."""
    walk, n = phone.walk, phone.frames
    rng = _rng(phone, 0)
    t = np.arange(n) / max(n - 1, 1)
    azimuth = np.radians(walk.start + walk.arc * t)
    shift = rng.uniform(0, 2 * np.pi, 2)
    distance = _between(walk.distance, 2 * np.pi * walk.waves * t + shift[0])
    elevation = np.radians(_between(walk.elevation, 2 * np.pi * walk.waves * 0.6 * t + shift[1]))
    out = np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth),
                    np.sin(elevation)], axis=1)  # fmt: skip
    shake = _drift(rng, phone, 7)
    eyes = np.array(target) + distance[:, None] * out + walk.unsteadiness / 3 * shake[:, :3]
    aims = np.array(target) + walk.unsteadiness * shake[:, 3:6]
    result = np.stack([look_at(eye, aim) for eye, aim in zip(eyes, aims, strict=True)])
    roll = np.zeros((n, 3))
    roll[:, 2] = np.radians(2.0) * shake[:, 6]
    result[:, :3, :3] = result[:, :3, :3] @ _rotations(roll)
    return result


def _between(ends: tuple[float, float], phase: Array) -> Array:
    return (ends[0] + ends[1]) / 2 + (ends[1] - ends[0]) / 2 * np.sin(phase)


def _rng(phone: Phone, stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(phone.seed, spawn_key=(stream,)))


def _drift(rng: np.random.Generator, phone: Phone, k: int) -> Array:
    """(frames, k) slow curves of unit variance, and a tenth of that from frame to frame."""
    seconds = np.arange(phone.frames)[:, None] / phone.rate
    waves = rng.uniform(*SLOW, (4, 1, k)) * seconds + rng.uniform(0, 1, (4, 1, k))
    rough = 0.1 * rng.standard_normal((phone.frames, k))
    return np.sin(2 * np.pi * waves).sum(0) / np.sqrt(2) + rough


def _rotations(vectors: Array) -> Array:
    """(n, 3, 3) of rotation vectors (n, 3)."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(vectors).as_matrix()


def tracked(true: Array, phone: Phone) -> Array:
    """The (frames, 4, 4) poses that the phone believes it had."""
    noise = phone.noise
    if noise is None:
        return true
    error = _drift(_rng(phone, 2), phone, 6)
    error = (error - error[:1]) / np.sqrt(2)  # the phone's world is where it started
    believed = true.copy()
    believed[:, :3, 3] += noise.sway * error[:, :3]
    believed[:, :3, :3] = _rotations(noise.turn * error[:, 3:]) @ true[:, :3, :3]
    return believed


def sensed(
    depth: Array, cosine: Array, noise: Noise | None, rng: np.random.Generator
) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """What the sensor makes of true depth (h, w; m) seen at `cosine`: mm, confidence 0..2."""
    import cv2

    seen = depth > 0
    measured = depth
    confidence = np.full(depth.shape, 2, np.uint8)
    if noise is not None:
        if noise.smear > 0:
            weight = cv2.GaussianBlur(seen.astype(float), (0, 0), noise.smear)
            measured = cv2.GaussianBlur(depth, (0, 0), noise.smear) / np.maximum(weight, 1e-6)
        smooth = cv2.GaussianBlur(rng.standard_normal(depth.shape), (0, 0), noise.grain)
        grain = np.sqrt(1 - noise.blotch) * rng.standard_normal(depth.shape)
        grain += np.sqrt(noise.blotch) * smooth / smooth.std()
        edge = np.abs(measured - depth)
        measured = measured + (noise.floor + noise.growth * depth**2) * grain
        confidence[edge > 0.003] = 1
        confidence[edge > 0.010] = 0
    confidence[(cosine < 0.3) | (depth > 3.0)] = np.minimum(
        confidence[(cosine < 0.3) | (depth > 3.0)], 1
    )
    confidence[(cosine < 0.12) | (depth > 5.0) | ~seen] = 0
    millimetres = np.clip(np.rint(measured * 1000), 0, 65534)
    return np.where(seen, millimetres, 0).astype(np.uint16), confidence


def _write(
    folder: Path, stage: raycast.Stage, phone: Phone, true: Array, progress: Progress
) -> None:
    import cv2

    for name in ("depth", "confidence"):
        (folder / name).mkdir()
    video = cv2.VideoWriter(
        str(folder / "rgb.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), phone.rate, phone.colour_size
    )
    if not video.isOpened():
        raise MissingDependencyError(
            "this OpenCV cannot write mp4 video: pip install opencv-python-headless"
        )
    lamps, small = lamp_points(phone, true), phone.camera.scaled(*phone.depth_size)
    rng = _rng(phone, 1)
    try:
        for i, pose in enumerate(true):
            progress("film", i, len(true))
            colour = raycast.picture(stage, phone.camera, pose, lamps, phone.finer)
            video.write(cv2.cvtColor(colour, cv2.COLOR_RGB2BGR))
            depth, confidence = sensed(*raycast.depth(stage, small, pose)[:2], phone.noise, rng)
            _png(folder / "depth" / f"{i:06d}.png", depth)
            _png(folder / "confidence" / f"{i:06d}.png", confidence)
    finally:
        video.release()
    progress("film", len(true), len(true))
    np.savetxt(folder / "camera_matrix.csv", phone.camera.matrix, delimiter=",")
    believed = CAPTURE_FROM_WORLD @ tracked(true, phone)
    (folder / "odometry.csv").write_text(_odometry(believed, phone.rate))


def _png(file: Path, image: NDArray[Any]) -> None:
    import cv2

    file.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def _odometry(world_from_camera: Array, rate: float) -> str:
    lines = ["timestamp, frame, x, y, z, qx, qy, qz, qw"]
    for i, pose in enumerate(world_from_camera):
        w, *xyz = quaternion_from_matrix(pose[:3, :3])
        numbers = ", ".join(f"{v:.7f}" for v in (*pose[:3, 3], *xyz, w))
        lines.append(f"{i / rate:.6f}, {i:06d}, {numbers}")
    return "\n".join(lines) + "\n"


def lamp_points(phone: Phone, true: Array) -> Array:
    """(k, 3) points of a round lamp above the scene: k shadow rays make its shadows soft."""
    # Where the optical axes of all frames come closest to meeting.
    axes = true[:, :3, 2]
    across = np.eye(3) - axes[:, :, None] * axes[:, None]
    aim = np.linalg.lstsq(across.sum(0), np.einsum("nij,nj->i", across, true[:, :3, 3]), rcond=None)
    k = phone.shadows
    turn, radius = 2.4 * np.arange(k), LAMP_RADIUS * np.sqrt(np.arange(k) / k)
    disc = np.stack([radius * np.cos(turn), radius * np.sin(turn), np.zeros(k)], axis=1)
    return aim[0] + LAMP + disc


def _initial(model: mujoco.MjModel) -> mujoco.MjData:
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return data
