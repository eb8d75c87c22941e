"""From a pack and a log of pushes to what they tell of each object: reads like the sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cousins import pack
from cousins.calibration.infer import Belief, Posterior, infer, simulated
from cousins.calibration.likelihood import errors, seek
from cousins.calibration.log import Push, read_logs
from cousins.calibration.simulate import Pusher, Stage, stage, usual
from cousins.calibration.tell import Tells, tell
from cousins.calibration.trial import NeverMovedError, NeverTouchedError, Trial, trial
from cousins.distributions import Distribution
from cousins.errors import CaptureError, CousinsError, UsageError
from cousins.pack_mjcf import model_files
from cousins.progress import Progress, silent
from cousins.schema import ObjectEntry

PARTICLES = 256
FAR = 0.1  # m between where a log's first push starts and where the pack has the object
PREDICTED = 48  # draws of posterior and of prior that a held-out push is compared with
WITHIN = 2.0  # times the tracker's noise: residuals below it are explained
# How a pusher grips is not known: a steel pin has 0.2, a rubber tip 0.8.
GRIP = (float(np.log(0.4)), float(np.log(2) / 1.645))
Z95 = 1.645


@dataclass(frozen=True)
class HeldOut:
    """One push that the posterior was not made from. place (m) and turn (rad): root mean square
    errors of posterior and prior, medians over their draws; noise: the tracker's, m; explained:
    the posterior's error of place is no more than WITHIN times what noise alone gives."""

    push: str
    place: float
    turn: float
    prior_place: float
    prior_turn: float
    noise: float
    explained: bool


@dataclass(frozen=True)
class Calibrated:
    """What the pushes tell of one object. pushes: used, by name; offset: the tracker's clock less
    the pusher's, s, mean over them; lost, longest, jumps: rows without it, the longest gap (s), and
    rows left out since the tracker jumped; odd: by push, see `Posterior`; notes: in words."""

    name: str
    tells: Tells
    held_out: tuple[HeldOut, ...]
    pushes: tuple[str, ...]
    offset: float
    lost: int
    longest: float
    jumps: int
    force: bool
    noise: tuple[float, float]
    odd: tuple[float, ...]
    simulated: int
    diverged: int
    notes: tuple[str, ...]

    def distributions(self) -> dict[str, Distribution]:
        """What is worth writing of mass and friction: what the log told."""
        every = self.tells.properties
        return {n: every[n].distribution for n in ("mass", "friction") if every[n].told}


def calibrate(
    path: Path,
    logs: Sequence[Path],
    *,
    names: Sequence[str] = (),
    holdout: Sequence[str] | None = None,
    pusher: Pusher = Pusher(),
    seed: int = 0,
    particles: int = PARTICLES,
    threads: int = 0,
    progress: Progress = silent,
) -> dict[str, Calibrated]:
    """What logs of pushes tell of a pack's objects, by name. Writes nothing.

    names: which objects, by default all that the logs hold and the pusher touches. holdout: pushes
    that are kept back to test the posterior, by default the last quarter. The same arguments give
    the same numbers, with any number of threads. Raises UsageError for names that there are not,
    CaptureError for logs that cannot be used or are not of this pack, PackError for a bad pack.
    """
    check(particles, seed, pusher)
    scene = pack.read(Path(path))
    if not scene.manifest.metric:
        raise UsageError(f"{path}: has no scale, and so no masses: scan it with a depth sensor")
    pushes = read_logs(logs)
    return from_pushes(scene, pushes, names, holdout, pusher, seed, particles, threads, progress)


def check(particles: int, seed: int, pusher: Pusher) -> None:
    """Raises UsageError for settings that make no sense."""
    if not 48 <= particles <= 100_000 or seed < 0:
        raise UsageError("take 48 to 100,000 particles, and a seed of 0 or more")
    if not (0 < pusher.radius <= 0.2 and 0 <= pusher.length <= 1):
        raise UsageError("a pusher's radius goes to 0.2 m and its length to 1 m")


def from_pushes(
    scene: pack.Pack,
    pushes: Sequence[Push],
    names: Sequence[str],
    holdout: Sequence[str] | None,
    pusher: Pusher,
    seed: int,
    particles: int,
    threads: int = 0,
    progress: Progress = silent,
) -> dict[str, Calibrated]:
    """As `calibrate`, of pushes that were read."""
    entries = {o.name: o for o in scene.objects}
    logged = list(dict.fromkeys(n for push in pushes for n in push.tracks))
    for name in (*names, *logged):
        if name not in entries:
            raise UsageError(
                f"{scene.path}: no object {name!r}; objects: {', '.join(sorted(entries))}"
            )
    for name in names:
        if name not in logged:
            raise UsageError(f"{name}: no push of the log has it; it has {', '.join(logged)}")
    known = [push.name for push in pushes]
    for name in holdout or ():
        if name not in known:
            raise UsageError(f"no push {name!r} to hold out; pushes: {', '.join(known)}")
    xml, files = model_files(scene.tree, "model.xml")
    done: dict[str, Calibrated] = {}
    untouched: list[CousinsError] = []
    for k, name in enumerate(names or logged):
        on = stage(xml, files, name, pusher)
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k,)))
        try:
            trials, notes = _trials(on, entries, pushes, name)
        except (NeverTouchedError, NeverMovedError) as error:
            if names:
                raise
            untouched.append(error)
            continue
        done[name] = one_object(on, entries[name], trials, notes, holdout, particles, rng, threads,
                             progress)  # fmt: skip
    if not done:
        raise untouched[0]
    return done


def _trials(
    on: Stage, entries: Mapping[str, ObjectEntry], pushes: Sequence[Push], name: str
) -> tuple[list[Trial], list[str]]:
    trials, notes, missed = [], [], None
    for push in pushes:
        if name not in push.tracks:
            continue
        others = {n: np.median(t.pose[:5], axis=0) for n, t in push.tracks.items() if n != name}
        try:
            trials.append(trial(on, push, others))
        except (NeverTouchedError, NeverMovedError) as error:
            missed = missed or error
            notes.append(f"{push.name} left out: {error}")
    if not trials:
        assert missed is not None
        raise missed
    entry = entries[name]
    away = float(np.linalg.norm(trials[0].path.start[:3] - np.array(entry.position)))
    if away > FAR:
        raise CaptureError(
            f"{trials[0].name}: {name} starts {1000 * away:.0f} mm from where the pack has it: is "
            "the log of this scene, in the pack's world?"
        )
    return trials, notes


def split(names: Sequence[str], holdout: Sequence[str] | None) -> tuple[list[int], list[int]]:
    """Which pushes to learn from and which to hold out: those named, else the last quarter, one at
    least where there are two. Raises UsageError where none is left to learn from."""
    if holdout is None:
        last = 0 if len(names) < 2 else max(1, len(names) // 4)
        kept = list(range(len(names) - last, len(names)))
    else:
        kept = [k for k, name in enumerate(names) if name in holdout]
    learn = [k for k in range(len(names)) if k not in kept]
    if not learn:
        raise UsageError("every push is held out: leave one to learn from")
    return learn, kept


def belief_of(on: Stage, mass: Distribution, friction: Distribution) -> Belief:
    """What is believed before: the pack's distributions as normals of the logarithm by their 5%,
    50% and 95% quantiles, the twin's damping, and any grip of the pusher."""
    mean, sigma = [], []
    for one in (mass, friction):
        low, middle, high = (np.log(max(one.quantile(q), 1e-9)) for q in (0.05, 0.5, 0.95))
        mean.append(float(middle))
        sigma.append(max(float(high - low) / (2 * Z95), 1e-6))
    damping, spread = usual(on)
    return Belief(np.array([*mean, np.log(damping), GRIP[0]]), np.array([*sigma, spread, GRIP[1]]))


def what_damps(on: Stage) -> str:
    """What stands behind the word damping for this object."""
    return "rolling resistance over radius" if on.radius else "torsional friction, m"


def one_object(
    on: Stage, entry: ObjectEntry, trials: Sequence[Trial], notes: Sequence[str],
    holdout: Sequence[str] | None, particles: int, rng: np.random.Generator, threads: int,
    progress: Progress, clocks: bool = True,
) -> Calibrated:  # fmt: skip
    """What trials tell of the stage's object. clocks: False where there is but one."""
    assert entry.mass is not None
    belief = belief_of(on, entry.mass.value(), entry.friction.value())
    learn, kept = split([t.name for t in trials], holdout)
    used = [trials[k] for k in learn]
    posterior = infer(on, used, belief, particles, rng, threads, clocks, progress)
    force = any(t.force is not None for t in used)
    source = f"calibrated from {len(used)} push{'es' if len(used) > 1 else ''}"
    source += " with force" if force else ""
    tests = [_held_out(on, trials[k], posterior, rng, threads, clocks) for k in kept]
    return Calibrated(
        entry.name,
        tell(posterior, what_damps(on), source),
        tuple(tests),
        tuple(t.name for t in used),
        float(np.mean([o + t.clock for o, t in zip(posterior.offsets, used, strict=True)])),
        sum(t.lost for t in used),
        max(t.longest for t in used),
        sum(t.jumps for t in used),
        force,
        (max(t.noise[0] for t in used), max(t.noise[1] for t in used)),
        posterior.odd,
        posterior.simulated,
        posterior.diverged,
        (*notes, *_worries(posterior, used)),
    )


def _worries(posterior: Posterior, trials: Sequence[Trial]) -> list[str]:
    out = []
    for one, odd in zip(trials, posterior.odd, strict=True):
        if odd > 2.5:
            out.append(
                f"{one.name}: no properties explain it well (residuals {np.sqrt(odd):.1f} times "
                "what is to be expected): was something else touched, or is a frame off?"
            )
        if one.lost or one.jumps:
            out.append(
                f"{one.name}: the tracker lost it in {one.lost} rows (longest gap "
                f"{one.longest:.2f} s) and jumped in {one.jumps}"
            )
    if posterior.diverged:
        out.append(
            f"{posterior.diverged} of {posterior.simulated:,} simulations diverged: left out"
        )
    return out


def _held_out(
    on: Stage, held: Trial, posterior: Posterior, rng: np.random.Generator, threads: int,
    clocks: bool,
) -> HeldOut:  # fmt: skip
    belief = posterior.belief
    rows = []
    offset = float(np.mean(posterior.offsets))
    for u in (posterior.sample(rng, PREDICTED), rng.standard_normal((PREDICTED, 4))):
        traces = simulated(on, held, belief.guess(u), rng, threads)
        if clocks and not rows:
            offset = seek(held, on.period, traces)
        place, turn = errors(held, on.period, traces, offset)
        rows.append([float(np.median(v[traces.alive])) for v in (place, turn)])
    (place, turn), (before, turned) = rows
    noise = float(np.sqrt(3) * held.noise[0])
    return HeldOut(held.name, place, turn, before, turned, noise, place <= WITHIN * noise)
