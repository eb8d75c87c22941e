#!/usr/bin/env python3
"""Run a trained policy on a robot. Needs numpy and onnxruntime, and the files beside it.

    python runner.py --check                the policy gives here what it gave when it was exported
    python runner.py --dry-run              at its rate, on recorded observations, with no robot
    python runner.py --robot mine.py:Robot  on yours

A robot is a class that is made without arguments, with

- `observe()`, which gives what deploy.json lists, as a dict by name or as an array in that order,
  or None while nothing new has come: never the old one again;
- `act(action)`, which takes an array, in the order of deploy.json. Another thread calls it where
  `observe` hangs, never two at once;
- maybe `stop()`, for where `act` hangs, and `close()`.

Between the two stands a guard. It asks the policy nothing that is no number, tells what lies
outside of what was seen in training, and bounds what goes to the robot and how fast that changes.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import math
import sys
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

FLAG, HOLD, REST, STOP = "flag", "hold", "rest", "stop"
WAYS = {"outside": (FLAG, HOLD, REST, STOP), "bad": (HOLD, REST, STOP), "stale": (REST, STOP)}
END = "the end"  # where it stops since its time is up
VERSION = 1  # of deploy.json
EVERY = 1.0  # s between two lines about the same thing
FAST = 10  # times a stale period that a robot's `act` may take before its `stop` is called


class RunnerError(Exception):
    """What keeps a policy from running, in one line."""


@dataclass(frozen=True)
class Contract:
    """deploy.json: D observations and K actions, in order.

    low and high (D,): the range seen in training; floor and ceiling (D,): limits past which the
    robot stops. least and most (K,): of actions; change (K,): at most in a period; rest (K,): what
    leaves the robot be, NaN where that is what it was told last. period: s.

    What to do outside, with an observation out of its range; if it is bad, no observation at all;
    and if it is stale, when nothing good has come for `stale_after` s. flag: say so, and go on;
    hold: the last action again, until it is stale; rest: go to rest; stop: and end.
    """

    observations: tuple
    actions: tuple
    low: np.ndarray
    high: np.ndarray
    floor: np.ndarray
    ceiling: np.ndarray
    least: np.ndarray
    most: np.ndarray
    change: np.ndarray
    rest: np.ndarray
    period: float
    outside: str
    bad: str
    stale: str
    stale_after: float
    model: str
    sha256: str
    sample: str
    tolerance: float


def contract(folder: Path) -> Contract:
    """Read deploy.json. Raises RunnerError where it is not there, or is of another version."""
    path = Path(folder) / "deploy.json"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["schema_version"] != VERSION:
            raise RunnerError(
                f"{path}: schema_version {told['schema_version']}, this reads {VERSION}"
            )
        seen, acts, safety = told["observation"], told["action"], told["safety"]
        made = Contract(
            observations=tuple(one["name"] for one in seen),
            actions=tuple(one["name"] for one in acts),
            low=_bounds(seen, "range", 0),
            high=_bounds(seen, "range", 1),
            floor=_bounds(seen, "limit", 0),
            ceiling=_bounds(seen, "limit", 1),
            least=np.array([float(one["low"]) for one in acts]),
            most=np.array([float(one["high"]) for one in acts]),
            change=np.array([float(one["max_change"]) for one in acts]),
            rest=np.array([math.nan if one["rest"] is None else one["rest"] for one in acts]),
            period=float(told["control"]["period"]),
            outside=safety["outside"],
            bad=safety["bad"],
            stale=safety["stale"],
            stale_after=float(safety["stale_after"]),
            model=told["policy"]["file"],
            sha256=told["policy"]["sha256"],
            sample=told["sample"]["file"],
            tolerance=float(told["sample"]["tolerance"]),
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise RunnerError(f"{path}: cannot be used ({type(error).__name__}: {error})") from None
    return checked(made)


def _bounds(entries: list, name: str, end: int) -> np.ndarray:
    none = (-math.inf, math.inf)
    return np.array([float((one.get(name) or none)[end]) for one in entries])


def checked(told: Contract) -> Contract:
    """The contract, if its settings make sense. Raises RunnerError if not."""
    for name, ways in WAYS.items():
        if getattr(told, name) not in ways:
            raise RunnerError(f"{name} is {getattr(told, name)!r}: choose of {', '.join(ways)}")
    if not (math.inf > told.period > 0 and math.inf > told.stale_after > 0):
        raise RunnerError("the period and the time until it is stale have to be above 0")
    outside = (told.rest < told.least) | (told.rest > told.most)
    if not (told.change > 0).all() or outside.any() or not (told.least <= told.most).all():
        raise RunnerError("an action's rest lies between its bounds, and it changes by more than 0")
    return told


class Policy:
    """The network: an observation (D,) to an action (K,)."""

    def __init__(self, folder: Path, told: Contract) -> None:
        """Raises RunnerError for a file that is not the one that was exported, or does not run."""
        try:
            import onnxruntime  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise RunnerError(f"{error}: pip install numpy onnxruntime") from None
        path = Path(folder) / told.model
        try:
            data = path.read_bytes()
        except OSError as error:
            raise RunnerError(f"{path}: cannot be read ({error.strerror})") from None
        if hashlib.sha256(data).hexdigest() != told.sha256:
            raise RunnerError(
                f"{path}: is not the file that deploy.json tells of: copy the folder anew"
            )
        options = onnxruntime.SessionOptions()
        # So small a network is done before a second thread has been woken.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own, which have no common base
            raise RunnerError(f"{path}: no ONNX graph that runs here: {_line(error)}") from None
        self._path = path
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """(K,) of (D,). Raises RunnerError where the graph fails."""
        row = np.asarray(observation, np.float32)[None]
        try:
            out = self._session.run([self._output], {self._input: row})[0]
        except Exception as error:  # as above
            raise RunnerError(f"{self._path}: does not run: {_line(error)}") from None
        return np.asarray(out, float).reshape(-1)


class Guard:
    """What goes to the robot, period by period.

    begun: whether the policy has acted; stopped: why it ends, or None; counts: how often each thing
    was met. now: s, of any clock that only goes on.
    """

    def __init__(self, told: Contract, policy, now: float, say=lambda line: None) -> None:
        self._told, self._policy, self._say = told, policy, say
        self._last = told.rest.copy()
        self._good = now  # when the policy acted last
        self._spoke: dict = {}
        self.begun = False
        self.stopped: str | None = None
        self.counts: Counter = Counter()

    @property
    def resting(self) -> bool:
        """Whether the last action was the one that leaves the robot be."""
        rest = self._told.rest
        return bool(((self._last == rest) | np.isnan(rest)).all())

    def stop(self, why: str, now: float) -> None:
        """Go to rest from now on."""
        if self.stopped is None:
            self.stopped = why
            if why != END:
                self._note("stop", f"stop: {why}", now)

    def step(self, observation, now: float):
        """(K,) what to do now, from what was observed; None: nothing new. It gives None until the
        policy has acted once: the robot is left as it is."""
        action = self._step(observation, now)
        return action if self.begun else None

    def _step(self, observation, now: float) -> np.ndarray:
        told = self._told
        self.counts["steps"] += 1
        if self.stopped is not None:
            return self._to(told.rest)
        stale = now - self._good > told.stale_after
        if observation is None:
            if not stale:
                return self._to(self._last)
            words = f"nothing new was observed for {now - self._good:.2f} s"
            return self._respond(told.stale, "stale", words, now)
        try:
            seen = self._ordered(observation)
        except RunnerError as error:
            return self._respond(told.stale if stale else told.bad, "bad", str(error), now)
        past = np.flatnonzero((seen < told.floor) | (seen > told.ceiling))
        if len(past):
            return self._respond(STOP, "limit", f"{self._named(seen, past)}: past its limit", now)
        off = np.flatnonzero((seen < told.low) | (seen > told.high))
        if len(off):
            for i in off:
                self.counts[f"outside: {told.observations[i]}"] += 1
            words = f"{self._named(seen, off)}: outside of what was seen in training"
            if told.outside != FLAG:
                how = told.stale if stale and told.outside == HOLD else told.outside
                return self._respond(how, "outside", words, now)
            self._note("outside", words, now)
        try:
            action = self._policy(seen)
        except RunnerError as error:
            return self._respond(STOP, "policy", str(error), now)
        if action.shape != told.rest.shape or not np.isfinite(action).all():
            return self._respond(STOP, "policy", "the policy's answer is no action", now)
        self.begun, self._good = True, now
        return self._to(action)

    def _ordered(self, observation) -> np.ndarray:
        """(D,) in the contract's order. Raises RunnerError for what is no observation."""
        names = self._told.observations
        if isinstance(observation, Mapping):
            missing = [name for name in names if name not in observation]
            if missing or len(observation) != len(names):
                other = missing or [name for name in observation if name not in set(names)]
                raise RunnerError(
                    f"an observation {'without' if missing else 'with'} {other[0]!r:.80}"
                )
            observation = [observation[name] for name in names]
        try:
            seen = np.asarray(observation, float)
        except (TypeError, ValueError):
            raise RunnerError("an observation that is no numbers") from None
        if seen.shape != (len(names),):
            raise RunnerError(f"an observation of shape {seen.shape}: give ({len(names)},)")
        wrong = np.flatnonzero(~np.isfinite(seen))
        if len(wrong):
            raise RunnerError(f"an observation in which {self._named(seen, wrong)}")
        return seen

    def _named(self, seen: np.ndarray, which: np.ndarray) -> str:
        first = f"{self._told.observations[which[0]]} is {seen[which[0]]:.4g}"
        return first if len(which) == 1 else f"{first} (and {len(which) - 1} more)"

    def _respond(self, how: str, kind: str, words: str, now: float) -> np.ndarray:
        self._note(kind, f"{how}: {words}", now)
        self.counts[kind] += 1
        if how == STOP:
            self.stopped = self.stopped or words
        return self._to(self._last if how == HOLD else self._told.rest)

    def _to(self, action: np.ndarray) -> np.ndarray:
        """As near to an action as bounds and the last one allow."""
        told, last = self._told, self._last
        wanted = np.clip(np.where(np.isnan(action), last, action), told.least, told.most)
        near = np.clip(wanted, last - told.change, last + told.change)
        self._last = np.where(np.isnan(last), wanted, near)  # the first changes from nothing
        return self._last.copy()

    def _note(self, kind: str, words: str, now: float) -> None:
        if now - self._spoke.get(kind, -math.inf) >= EVERY:
            self._spoke[kind] = now
            self._say(words)


def run(robot, guard: Guard, told: Contract, seconds: float = math.inf, say=lambda line: None):
    """Act once a period until the time is up or the guard has stopped and the robot is at rest.

    A watchdog acts in its place while `observe` hangs. Gives what was met, as a dict: `late`, how
    often a period took too long, and `latest`, by how much at most, s.
    """
    lock, done, met = threading.Lock(), threading.Event(), Counter()
    alive = time.monotonic()

    def tick(observation) -> None:
        action = guard.step(observation, time.monotonic())
        if action is not None:
            robot.act(action)

    def watch() -> None:
        while not done.wait(told.period):
            if time.monotonic() - alive <= told.stale_after:
                continue
            if lock.acquire(timeout=FAST * told.stale_after):
                try:
                    if not done.is_set():
                        met["watchdog"] += 1
                        tick(None)
                finally:
                    lock.release()
            else:
                guard.stop("the robot's act hangs", time.monotonic())
                getattr(robot, "stop", lambda: None)()

    dog = threading.Thread(target=watch, daemon=True)
    dog.start()
    begin, beat, latest = time.monotonic(), 0, 0.0
    try:
        while time.monotonic() - begin < seconds and not guard.stopped:
            time.sleep(max(begin + beat * told.period - time.monotonic(), 0.0))
            observation = robot.observe()
            with lock:
                tick(observation)
            beat, alive = beat + 1, time.monotonic()
            late = alive - (begin + beat * told.period)
            if late > 0:
                met["late"] += 1
                latest = max(latest, late)
                # What was missed is not made up for.
                beat += int(late / told.period)
    finally:
        done.set()
        try:
            with lock:
                guard.stop(END, time.monotonic())
                tick(None)
                while guard.begun and not guard.resting:
                    time.sleep(told.period)
                    tick(None)
        finally:
            getattr(robot, "close", lambda: None)()
    if met["late"]:
        say(f"{met['late']} of {beat} periods took too long, at most by {1000 * latest:.1f} ms")
    return {"seconds": time.monotonic() - begin, "latest": latest, **met, **guard.counts}


class Replay:
    """Recorded observations in place of a robot."""

    def __init__(self, observations: np.ndarray) -> None:
        self._observations, self._at = observations, -1

    def observe(self) -> np.ndarray:
        """The next of them, from the first again after the last."""
        self._at += 1
        return self._observations[self._at % len(self._observations)]

    def act(self, action: np.ndarray) -> None:
        """Nothing."""


def sample(folder: Path, told: Contract) -> tuple:
    """(n, D) recorded observations and (n, K) actions. Raises RunnerError without them."""
    path = Path(folder) / told.sample
    try:
        with np.load(path, allow_pickle=False) as held:
            seen, acted = np.asarray(held["observation"]), np.asarray(held["action"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise RunnerError(f"{path}: cannot be read ({_line(error)})") from None
    wanted = (len(seen), len(told.observations)), (len(seen), len(told.actions))
    if (seen.shape, acted.shape) != wanted or not len(seen):
        raise RunnerError(f"{path}: is not of this policy")
    return seen, acted


def check(folder: Path, told: Contract) -> str:
    """What the policy gives here, held against what it gave when it was exported, and how long it
    takes. Raises RunnerError where that is not the same."""
    seen, acted = sample(folder, told)
    policy = Policy(folder, told)
    off, times = 0.0, []
    for row, expected in zip(seen, acted):  # noqa: B905 - Python 3.9 has no strict
        begin = time.perf_counter()
        action = policy(row)
        times.append(time.perf_counter() - begin)
        if action.shape != expected.shape or not np.isfinite(action).all():
            raise RunnerError("the policy's answer is no action here")
        off = max(off, float(np.abs(np.clip(action, told.least, told.most) - expected).max()))
    if off > told.tolerance:
        raise RunnerError(
            f"actions are off by {off:.2g} from those at export, above {told.tolerance:g}"
        )
    return (
        f"{len(seen)} recorded observations give the same actions, to {off:.1g}; one takes "
        f"{1000 * float(np.median(times)):.2f} ms, at most {1000 * max(times):.2f} ms, of a period "
        f"of {1000 * told.period:g} ms"
    )


def robot_of(text: str):
    """Make the robot FILE.py:CLASS; the file is run. Raises RunnerError where there is none."""
    file, _, name = text.rpartition(":")
    path = Path(file)
    if not name or path.suffix != ".py" or not path.is_file():
        raise RunnerError(f"--robot {text}: give FILE.py:CLASS")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    if not hasattr(module, name):
        raise RunnerError(f"{path}: has no {name}")
    return getattr(module, name)()


def main(arguments=None) -> int:
    """The command line: 0 for what went to its end, 1 where it stopped or did not begin."""
    parser = argparse.ArgumentParser(description="Run a trained policy on a robot.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="does it act here as when exported")
    what.add_argument("--dry-run", action="store_true", help="recorded observations, no robot")
    what.add_argument("--robot", metavar="FILE.py:CLASS", help="your robot; see the top of this")
    parser.add_argument("--seconds", type=float, default=math.inf, help="for how long; no end")
    parser.add_argument("--outside", help="of its range in training: flag, hold, rest or stop")
    parser.add_argument("--bad", help="an observation that is none: hold, rest or stop")
    parser.add_argument("--stale", help="nothing good: rest or stop")
    parser.add_argument("--stale-after", type=float, help="s without anything good")
    parser.add_argument("--folder", type=Path, default=Path(__file__).resolve().parent)
    given = parser.parse_args(arguments)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        asked = {name: getattr(given, name) for name in ("outside", "bad", "stale", "stale_after")}
        told = contract(given.folder)
        told = checked(replace(told, **{k: v for k, v in asked.items() if v is not None}))
        if given.check:
            print(check(given.folder, told))
            return 0
        policy = Policy(given.folder, told)
        seen = sample(given.folder, told)[0]
        policy(seen[0])  # the first takes longest
        seconds = given.seconds
        if given.dry_run:
            robot, seconds = Replay(seen), 5.0 if math.isinf(seconds) else seconds
        else:
            robot = robot_of(given.robot)
        guard = Guard(told, policy, time.monotonic(), say)
        try:
            met = run(robot, guard, told, seconds, say)
        except KeyboardInterrupt:
            say("interrupted: at rest")
            return 130
    except RunnerError as fault:
        say(f"error: {fault}")
        return 1
    ended = guard.stopped == END
    print(json.dumps({**met, "stopped": None if ended else guard.stopped}))
    return 0 if ended else 1


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


if __name__ == "__main__":
    sys.exit(main())
