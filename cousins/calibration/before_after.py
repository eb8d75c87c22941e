"""One push between two scans: only where the object started and where it ended is known."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cousins import pack
from cousins.calibration import turns
from cousins.calibration.calibrate import Calibrated, check, one_object
from cousins.calibration.simulate import Path as Way
from cousins.calibration.simulate import Pusher, Stage, at_rest, gap, stage
from cousins.calibration.trial import BEFORE, TOUCH, NeverTouchedError, Trial
from cousins.errors import CaptureError, UsageError
from cousins.mesh import matrix_from_quaternion, quaternion_from_matrix
from cousins.pack_mjcf import model_files
from cousins.progress import Progress, silent
from cousins.types import Array

SCAN = (0.004, float(np.radians(2)))  # what a scan errs by, of one coordinate: m, rad
SLIDES = 1.5  # s in which it slides on and comes to rest
SECONDS = 2.0  # of a stroke of which nothing is told
RAMP = 0.1  # s in which the pusher comes to speed and to a stop
MOVED = 0.005  # m: less is no push
AGREE = 0.02  # m to which what was not pushed must be where it was


def stroke(text: str) -> tuple[Array, Array, float]:
    """Start (3,), end (3,) and seconds of x0,y0,z0:x1,y1,z1[:seconds]. Raises UsageError."""
    number = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
    point = rf"({number}),({number}),({number})"
    match = re.fullmatch(rf"{point}:{point}(?::({number}))?", text.replace(" ", ""))
    if match is None:
        raise UsageError(f"--push {text[:60]!r}: give it as x0,y0,z0:x1,y1,z1 or with :seconds")
    values = [float(v) for v in match.groups()[:6]]
    seconds = float(match[7]) if match[7] else SECONDS
    start, end = np.array(values[:3]), np.array(values[3:])
    if not 0.05 <= seconds <= 60 or not 0.005 <= np.linalg.norm(end - start) <= 5:
        raise UsageError(f"--push {text[:60]!r}: a stroke takes 0.05 to 60 s and goes 5 mm to 5 m")
    return start, end, seconds


def before_after(
    before: Path,
    after: Path,
    push: str,
    *,
    names: Sequence[str] = (),
    pusher: Pusher = Pusher(),
    seed: int = 0,
    particles: int = 256,
    threads: int = 0,
    progress: Progress = silent,
) -> dict[str, Calibrated]:
    """What one straight push between two scans tells of the object that moved.

    The scans are laid onto one another by the objects that did not move, where there are two or
    more; else both must have the same world. Raises UsageError, CaptureError and PackError.
    """
    check(particles, seed, pusher)
    start, end, seconds = stroke(push)
    first, second = pack.read(Path(before)), pack.read(Path(after))
    if not (first.manifest.metric and second.manifest.metric):
        raise UsageError("a pack without scale has no masses: scan it with a depth sensor")
    was, now = (_poses(p) for p in (first, second))
    name = _pushed(first, names, was, now)
    now = _laid_onto(name, was, now)
    if np.linalg.norm(now[name][:3] - was[name][:3]) < MOVED:
        raise CaptureError(f"{name} did not move between {before} and {after}")
    xml, files = model_files(first.tree, "model.xml")
    on = stage(xml, files, name, pusher)
    made = _trial(on, was, now[name], start, end, seconds)
    entry = next(o for o in first.objects if o.name == name)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    return {name: one_object(on, entry, [made], [], (), particles, rng, threads, progress, False)}


def _poses(read: pack.Pack) -> dict[str, Array]:
    return {o.name: np.array([*o.position, *o.quaternion]) for o in read.objects}


def _pushed(
    first: pack.Pack, names: Sequence[str], was: Mapping[str, Array], now: Mapping[str, Array]
) -> str:
    common = [name for name in was if name in now]
    if len(names) > 1:
        raise UsageError("one push between two scans tells of one object: name one")
    for name in names:
        if name not in common:
            raise UsageError(f"no object {name!r} in both packs; both have {', '.join(common)}")
    if names:
        return names[0]
    if not common:
        raise UsageError(f"{first.path}: no object of it is in the other pack by the same name")
    return max(common, key=lambda n: float(np.linalg.norm(now[n][:3] - was[n][:3])))


def _laid_onto(name: str, was: Mapping[str, Array], now: Mapping[str, Array]) -> dict[str, Array]:
    """The second scan's poses in the first one's world."""
    others = [n for n in was if n in now and n != name]
    if len(others) < 2:
        return dict(now)
    a, b = (np.array([p[n][:3] for n in others]) for p in (was, now))
    am, bm = a.mean(0), b.mean(0)
    # Both have z up: about the vertical alone.
    flat = (b - bm)[:, :2], (a - am)[:, :2]
    yaw = np.arctan2(
        (flat[0][:, 0] * flat[1][:, 1] - flat[0][:, 1] * flat[1][:, 0]).sum(),
        (flat[0] * flat[1]).sum(),
    )
    turn = np.array([np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)])
    rotation = matrix_from_quaternion(turn)
    off = np.linalg.norm((b - bm) @ rotation.T + am - a, axis=1)
    if off.max() > AGREE:
        raise CaptureError(
            f"{others[int(off.argmax())]} moved too, by {1000 * off.max():.0f} mm, or the scans do "
            "not fit: push one object alone"
        )
    out = {}
    for n, pose in now.items():
        both = rotation @ matrix_from_quaternion(pose[3:])
        out[n] = np.concatenate([rotation @ (pose[:3] - bm) + am, quaternion_from_matrix(both)])
    return out


def _trial(
    on: Stage, was: Mapping[str, Array], end_pose: Array, start: Array, end: Array, seconds: float
) -> Trial:
    others = {n: p for n, p in was.items() if n != on.name}
    rest = at_rest(on, was[on.name], others)
    when = np.arange(0.0, seconds + SLIDES, on.period)
    ramp = min(RAMP, seconds / 3)
    up, down = np.clip(when / ramp, 0, 1), np.clip((seconds - when) / ramp, 0, 1)
    gone = np.cumsum(np.minimum(up, down))
    position = start + (gone / gone[-1])[:, None] * (end - start)
    path = Way(position, np.tile([1.0, 0, 0, 0], (len(when), 1)), rest, others)
    apart = gap(on, path)
    if apart.min() > TOUCH:
        raise NeverTouchedError(
            f"{on.name} is never touched: the stroke passes it by {1000 * apart.min():.0f} mm"
        )
    a = max(0, int(np.argmax(apart <= TOUCH)) - round(BEFORE / on.period))
    path = Way(position[a:], path.quaternion[a:], rest, others)
    last = (len(path.position) - 1) * on.period
    end_rest = turns.at(np.array([0.0, 1.0]), np.stack([end_pose, end_pose]), np.array([last]))
    return Trial("the push", path, np.array([last]), end_rest, SCAN, None, None, 0, 0.0, 0, SCAN)
