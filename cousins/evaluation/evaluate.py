"""`evaluate`: one policy, or two on the same episodes, over the cousins of a pack."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cousins.engines import Engine
from cousins.env.request import Request, request
from cousins.env.worlds import Chosen
from cousins.errors import UsageError
from cousins.evaluation.effects import Effect, distances, effects
from cousins.evaluation.isolate import Isolated, isolated
from cousins.evaluation.rates import Curve, Rate, curve, failures, rate
from cousins.evaluation.rollout import Rolled, cousins_of, joined, plan, rollout, stage
from cousins.evaluation.worst import Hard, worst
from cousins.index import index
from cousins.pack import Pack
from cousins.picture import CAMERA
from cousins.policies import Policy, observed
from cousins.policies import policy as policy_named
from cousins.progress import Progress, silent
from cousins.robots import Robot
from cousins.statistics import Comparison, Stop, anytime, evidence, paired, stop, stop_pairs, wilson
from cousins.tasks import Task

SEEN_ONLY = ("look", "camera")  # axes that nothing but pictures tell of
BATCH = 100  # episodes between two looks at whether it is enough


@dataclass(frozen=True)
class Until:
    """When an evaluation may end before all its episodes. width: once the interval of the success
    rate is as narrow; better: once one of two policies is known to be the better one. Statements
    hold at any time, see `cousins.statistics.sequential`."""

    width: float | None = None
    better: bool = False


@dataclass(frozen=True)
class Summary:
    """One policy. rate: of episodes that were a success in the end; ever: at any moment. reward and
    seconds: means over episodes. unstable: episodes of which physics made nothing; they count as
    failures. curve: against the distance from the twin. failures: by kind, as shares of all."""

    policy: str
    rate: Rate
    ever: Rate
    reward: float
    seconds: float
    unstable: int
    curve: Curve
    failures: Mapping[str, Rate]
    episodes: Rolled = field(repr=False)


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    cousins: that could be drawn. first, second: the policy, and the one that it was held against;
    comparison: the first's success less the second's, on the same episodes. effects: of each axis;
    isolated: of each axis by itself; unseen: axes left out there, since no policy here can notice
    them: it sees no pictures, there is no robot. worst: cousins that the first does worst on.
    stopped: why before all episodes. sequential: the intervals of `rate` and `ever` and the
    comparison's p hold at any time; else, and all others, they are of a number of episodes that was
    fixed before.
    seconds: that it took; per_second: episodes, while they ran.
    """

    pack: str
    cousins: int
    task: str
    instruction: str
    engine: str
    seed: int
    first: Summary
    second: Summary | None
    comparison: Comparison | None
    effects: tuple[Effect, ...]
    isolated: Isolated | None
    unseen: tuple[str, ...]
    worst: tuple[Hard, ...]
    stopped: str | None
    sequential: bool
    seconds: float
    per_second: float
    notes: tuple[str, ...] = ()


def evaluate(
    pack: Pack | Path | str,
    policy: Policy | str,
    *,
    task: Task | str | None = None,
    episodes: int = 1000,
    worlds: int = 256,
    seed: int = 0,
    engine: Engine | str = "cpu",
    robot: Robot | str | None = None,
    control: str | None = None,
    cousins: Chosen = None,
    against: Policy | str | None = None,
    until: Until | None = None,
    hardest: int = 8,
    again: int = 8,
    isolate: int = 0,
    scratch: Path | None = None,
    cameras: Sequence[str] = (CAMERA,),
    size: tuple[int, int] = (128, 96),
    noise: bool = False,
    settings: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """How often a policy succeeds over a pack's cousins, and on which axes that hangs.

    policy, against: as they are, or as `cousins.policies.policy` takes them. task: by default the
    one that the policy's card names, else "hold". episodes: at most, see `until`; episode k hangs
    on `seed` and k alone. worlds: at most at once. engine: on "cpu" what lies still is not stepped,
    unless settings say `sleep=False`. robot, control: as `CousinsVectorEnv` takes them, by default
    as the card has them. hardest: how many cousins are looked for that it does worst on; again:
    episodes of each of these. isolate: cousins of each axis and strength, 0 for none, kept in
    `scratch`, see `cousins.evaluation.isolate`. cameras, size, noise: as `CousinsVectorEnv` takes
    them; settings: of the task or the engine, whichever is given by name. Raises UsageError for
    what there is not, PackError for a bad pack, and what the policy and the engine raise.
    """
    began = time.monotonic()
    if episodes < 1 or seed < 0 or min(hardest, again, isolate) < 0:
        raise UsageError("ask for at least 1 episode, and for no number or seed below 0")
    until = until or Until()
    if until.better and against is None:
        raise UsageError("until one is better: name the policy to hold it against")
    sequential = until.width is not None or until.better
    rule = Stop(width=until.width, most=episodes)
    both = [loaded(policy)] + ([] if against is None else [loaded(against)])
    asked = requested(pack, task, engine, robot, control, cousins, both, cameras, size, noise,
                     settings or {})  # fmt: skip
    chosen = cousins_of(asked.pool, episodes, seed)
    on = stage(asked, worlds, chosen)
    whole = plan(asked.pool, on.episodes.numbers, episodes, seed)
    ran = time.monotonic()
    done: list[list[Rolled]] = [[] for _ in both]
    why, step = None, BATCH if sequential else episodes
    for start in range(0, episodes, step):
        for k, (one, name) in enumerate(both):
            label = name if len(both) > 1 else "episodes"
            done[k].append(rollout(on, whole[start : start + step], one,
                                   _later(progress, start, episodes), label))  # fmt: skip
        if sequential and (why := _enough(rule, until, [joined(d) for d in done])):
            break
    each = [joined(d) for d in done]
    seconds = max(time.monotonic() - ran, 1e-9)
    interval = anytime if sequential else wilson
    told = [_summary(name, d, interval) for (_, name), d in zip(both, each, strict=True)]
    held = index(asked.pack)
    first = each[0]
    hard = worst(on, first, both[0][0], held, hardest, again, seed, progress)
    far = distances(held, first.cousin)
    unseen = _unseen(asked)
    apart = isolated(asked, both[0][0], isolate, seed, unseen, scratch, worlds,
                     progress=progress) if isolate else None  # fmt: skip
    effect = effects({name: values for name, values in far.items() if name not in unseen},
                     first.success, first.cousin)  # fmt: skip
    on.close()
    return Evaluation(
        pack=str(asked.pack.path), cousins=len(asked.pool), task=asked.task.name,
        instruction=on.episodes.instruction, engine=type(asked.engine).__name__.lower(), seed=seed,
        first=told[0], second=told[1] if len(told) > 1 else None,
        comparison=_compared(each, sequential),
        effects=effect, isolated=apart, unseen=unseen, worst=hard,
        stopped=why, sequential=sequential,
        seconds=time.monotonic() - began, per_second=sum(map(len, each)) / seconds,
        notes=_notes(asked, both, first),
    )  # fmt: skip


def loaded(given: Policy | str) -> tuple[Policy, str]:
    """A policy and what it is called. Raises UsageError for what is none, and what
    `cousins.policies.policy` raises."""
    if isinstance(given, str):
        return policy_named(given), given
    if not callable(given) or not hasattr(given, "begin"):
        raise UsageError(
            f"a policy is what cousins.policies.policy takes or gives, not {given!r:.60}"
        )
    return given, getattr(given, "name", type(given).__name__)


def requested(
    pack: Pack | Path | str, task: Task | str | None, engine: Engine | str,
    robot: Robot | str | None, control: str | None, cousins: Chosen,
    both: list[tuple[Policy, str]], cameras: Sequence[str], size: tuple[int, int], noise: bool,
    settings: Mapping[str, Any],
) -> Request:  # fmt: skip
    """Worlds as these policies take them; what is None goes by the first one's card. Raises
    UsageError for what there is not, PackError for a bad pack."""
    asked = dict(settings)
    card = getattr(both[0][0], "card", None)
    if task is None and card is not None:
        task, asked = card.task.name, {**card.task.settings, **asked}
    if card is not None:
        robot, control = robot or card.robot, control or card.mode
    if engine == "cpu":
        asked.setdefault("sleep", True)
    seen = tuple(dict.fromkeys(["state", *(kind for one, _ in both for kind in observed(one))]))
    return request(pack, task or "hold", engine, cousins, seen, cameras, size, noise, asked, robot,
                   control or "delta")  # fmt: skip


def _unseen(asked: Request) -> tuple[str, ...]:
    """Axes of which a policy can notice nothing."""
    return (() if asked.images else SEEN_ONLY) + (() if asked.robot else ("robot",))


def _later(progress: Progress, start: int, whole: int) -> Progress:
    """Of a part of a plan, told as of the whole."""

    def report(stage: str, done: int, total: int) -> None:
        progress(stage, start + done, whole)

    return report


def _enough(rule: Stop, until: Until, each: list[Rolled]) -> str | None:
    """Why the evaluation may end now; None at its end, which needs no reason."""
    many = len(each[0])
    if many >= (rule.most or many):
        return None
    if until.better:
        a, b = (d.success for d in each)
        why = stop_pairs(rule, int((a & ~b).sum()), int((b & ~a).sum()), many)
        if why:
            return why
    if until.width is None:
        return None
    whys = [stop(rule, int(d.success.sum()), many) for d in each]
    return whys[0] if all(whys) else None


def _compared(each: list[Rolled], sequential: bool) -> Comparison | None:
    if len(each) < 2:
        return None
    a, b = (d.success for d in each)
    found = paired(a, b)
    if not sequential:
        return found
    p = min(1.0, math.exp(-evidence(found.wins or 0, found.losses or 0)))
    return replace(found, p=p, test="by betting, at any time")


def _summary(name: str, done: Rolled, interval: Any) -> Summary:
    return Summary(
        policy=name, rate=rate(done.success, interval), ever=rate(done.ever, interval),
        reward=float(done.reward.mean()), seconds=float(done.seconds.mean()),
        unstable=int(done.unstable.sum()),
        curve=curve(done.distance, done.success, done.cousin), failures=failures(done),
        episodes=done,
    )  # fmt: skip


def _notes(asked: Request, both: list[tuple[Policy, str]], done: Rolled) -> tuple[str, ...]:
    """What whoever reads the numbers should know."""
    out = []
    if done.unstable.any():
        out.append(f"{int(done.unstable.sum())} episodes went unstable and count as failures")
    for one, name in both:
        card = getattr(one, "card", None)
        if card is None:
            continue
        spans = np.array(card.trained_on.numbers, np.int64).reshape(-1, 2)
        seen = ((done.cousin[:, None] >= spans[:, 0]) & (done.cousin[:, None] <= spans[:, 1])).any(
            1
        )
        if seen.any() and card.trained_on.pack == asked.pack.path.name:
            out.append(
                f"{name} was trained on the cousins of {seen.mean():.0%} of these episodes, by "
                "their numbers in a pack of this name: it may know them by heart"
            )
    return tuple(out)
