"""One push of one object, made ready: the pusher's path, and what was seen and felt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cousins.calibration import turns
from cousins.calibration.log import Push, Track
from cousins.calibration.simulate import Path, Stage, at_rest, gap
from cousins.errors import CaptureError, UsageError
from cousins.types import Array

BEFORE = 0.06  # s of simulation before the pusher can touch
AFTER = 0.3  # and after the object was last seen to move
TOUCH = 0.004  # m between the two that count as touching: what the start is known to, and more
LEAST = 0.003  # m of motion that is one, above any tracker's noise
LEAST_TURN = np.radians(3)  # and of turning
RESTING = 3  # rows at rest that a start is taken from, at least
SHIFT, TILT = 0.02, np.radians(10)  # how far a start may be from where it rests: m, rad
APART = 3e-4  # m to which a tracker's and a robot's frames agree at best
FLOOR = 1e-5  # least noise that is taken of a tracker, m and rad
WINDOW = 30  # records whose mean force counts as one: contacts chatter from record to record
FORCE_SHARE, FORCE_FLOOR = 0.03, 0.02  # noise of a force: share of it, and N


class NeverTouchedError(UsageError):
    """The pusher does not reach the object in this push."""


class NeverMovedError(CaptureError):
    """The object stays where it is in this push."""


@dataclass(frozen=True)
class Trial:
    """A push of one object. Times count from the path's first record.

    time (m,) by the tracker's clock; pose (m, 7) as seen; noise: the tracker's, m and rad, as its
    own jitter tells. force (w, 3) N on the object in windows of WINDOW records, and its noise
    (w,); None where none was measured. jumps: rows left out since the tracker jumped. start_error:
    how well the start is known against the pusher, m and rad. clock: s that were taken off a
    tracker's own clock, roughly.
    """

    name: str
    path: Path
    time: Array
    pose: Array
    noise: tuple[float, float]
    force: Array | None
    force_noise: Array | None
    lost: int
    longest: float
    jumps: int
    start_error: tuple[float, float]
    clock: float = 0.0


def trial(stage: Stage, push: Push, others: Mapping[str, Array]) -> Trial:
    """The push as `stage`'s object met it.

    others: the poses (7,) of further objects, where they stand. Raises NeverTouchedError, and
    CaptureError for a push that cannot be used or does not fit the scene.
    """
    where = f"{push.name}: {stage.name}"
    track = push.tracks[stage.name]
    time, pose, jumps = _without_jumps(track)
    noise = jitter(time, pose)
    first, last = _moving(where, time, pose, noise)
    rest = time < time[first] - 0.02
    if rest.sum() < RESTING:
        raise CaptureError(
            f"{where} is seen at rest in {rest.sum()} rows before it moves: start the log earlier"
        )
    seen = np.concatenate([np.median(pose[rest, :3], axis=0), turns.mean(pose[rest, 3:])])
    if rest.sum() > 20:
        seen[:3] = pose[rest, :3].mean(0)
    start = at_rest(stage, seen, others)
    moved = float(np.linalg.norm(start[:3] - seen[:3]))
    turned = float(np.linalg.norm(turns.between(start[3:], seen[3:])))
    if moved > SHIFT or (turned > TILT and stage.radius is None):
        raise CaptureError(
            f"{where} starts where it does not rest in this pack: it would move "
            f"by {1000 * moved:.0f} mm and turn by {np.degrees(turned):.0f}°: is it of this scene?"
        )
    whole = np.arange(push.time[0], push.time[-1] + AFTER, stage.period)
    path = _resampled(push, whole, start, others)
    apart = gap(stage, path)
    if apart.min() > TOUCH:
        raise NeverTouchedError(
            f"{where} is never touched: the pusher passes it by {1000 * apart.min():.0f} mm"
        )
    touch = int(np.argmax(apart <= TOUCH))
    # Another clock may count from anywhere: what is touched begins to move.
    clock = float(time[first] - whole[int(np.argmax(apart <= apart.min()))]) if track.own else 0.0
    time = time - clock
    stop = time[last] + AFTER
    a = max(0, touch - round(BEFORE / stage.period))
    b = min(len(whole), a + max(WINDOW + 1, round((stop - whole[a]) / stage.period)) + 25)
    path = Path(path.position[a:b], path.quaternion[a:b], start, others)
    force, force_noise = _forces(stage, push, whole[a:b], whole[touch])
    root = float(np.sqrt(rest.sum()))
    # All that is at rest long before or after says one thing again and again.
    near = (time > whole[a] - 0.2) & (time < stop)
    return Trial(push.name, path, time[near] - whole[a], pose[near], noise, force, force_noise,
                 track.lost, track.longest, jumps,
                 (float(np.hypot(noise[0] / root, APART)), noise[1] / root), clock)  # fmt: skip


def jitter(time: Array, pose: Array) -> tuple[float, float]:
    """The tracker's noise, m and rad, of one coordinate, from third differences: what moves
    smoothly has next to none (Gasser et al. 1986, "Residual variance ... in nonlinear
    regression"), and the median passes over the moments of impact."""
    place = np.diff(pose[:, :3], n=3, axis=0) / np.sqrt(20)
    turn = np.diff(turns.between(pose[:-1, 3:], pose[1:, 3:]), n=2, axis=0) / np.sqrt(20)
    step = np.diff(time)
    even = np.ptp(np.stack([step[:-2], step[1:-1], step[2:]]), axis=0) < 0.2 * np.median(step)
    if even.sum() < 4:
        even[:] = True
    m, rad = (1.4826 * float(np.median(np.abs(v[even]))) for v in (place, turn))
    return max(m, FLOOR), max(rad, FLOOR)


def _without_jumps(track: Track) -> tuple[Array, Array, int]:
    """The track less rows that stand out by ten times the jitter from those around them."""
    place = track.pose[:, :3]
    around = np.stack([np.roll(place, k, axis=0) for k in (-2, -1, 1, 2)])
    off = np.linalg.norm(place - np.median(around, axis=0), axis=1)
    off[:2] = off[-2:] = 0
    jumps = off > np.maximum(0.02, 10 * jitter(track.time, track.pose)[0])
    return track.time[~jumps], track.pose[~jumps], int(jumps.sum())


def _moving(where: str, time: Array, pose: Array, noise: tuple[float, float]) -> tuple[int, int]:
    """The rows at which the object is first and last seen to move."""
    few = max(2, min(10, len(time) // 6))
    ends = []
    for part in (slice(None, few), slice(-few, None)):
        place, turn = np.median(pose[part, :3], axis=0), turns.mean(pose[part, 3:])
        away = np.linalg.norm(pose[:, :3] - place, axis=1) > max(LEAST, 5 * noise[0])
        tilt = np.linalg.norm(turns.between(pose[:, 3:], turn), axis=1)
        away |= tilt > max(LEAST_TURN, 5 * noise[1])
        ends.append(away[:-1] & away[1:])  # one row alone is an outlier
    if not ends[0].any():
        raise NeverMovedError(f"{where} does not move in {time[-1] - time[0]:.1f} s")
    first = int(np.argmax(ends[0]))
    last = len(time) - 1 - int(np.argmax(ends[1][::-1])) if ends[1].any() else first
    return first, max(first, last)


def _resampled(push: Push, when: Array, start: Array, others: Mapping[str, Array]) -> Path:
    from scipy.interpolate import PchipInterpolator

    inside = np.clip(when, push.time[0], push.time[-1])
    position = PchipInterpolator(push.time, push.position)(inside)
    poses = np.hstack([push.position, push.quaternion])
    quaternion = turns.at(push.time, poses, inside)[:, 3:]
    return Path(position, quaternion, start, dict(others))


def _forces(
    stage: Stage, push: Push, when: Array, touch: float
) -> tuple[Array | None, Array | None]:
    """Mean force on the object (w, 3) in each window of records, and its noise (w,); NaN where a
    window has no reading. What the sensor reads before the touch is its zero; its sign is that
    with which the pusher does work on the object."""
    if push.force is None:
        return None, None
    known = np.isfinite(push.force).all(1)
    force, time = push.force[known], push.time[known]
    before = time < touch - 0.05
    jitter = FORCE_FLOOR
    if before.sum() >= 5:
        jitter = max(FORCE_FLOOR, float(force[before].std(0).max()))
        force = force - force[before].mean(0)
    speed = np.gradient(push.position, push.time, axis=0)[known]
    if (force * speed).sum() < 0:
        force = -force
    edges = when[WINDOW::WINDOW]
    index = np.searchsorted(np.append(when[0], edges), time) - 1
    out, noise = np.full((len(edges), 3), np.nan), np.full(len(edges), np.nan)
    for k in range(len(edges)):
        mine = force[index == k]
        if len(mine):
            out[k] = mine.mean(0)
            share = FORCE_SHARE * np.sqrt((mine**2).sum(1).mean())
            noise[k] = np.hypot(jitter, share) / np.sqrt(len(mine))
    return out, noise
