"""`mine`: from a pack and a policy to a pack of cousins that break it."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cousins import pack as packs
from cousins.bank import Family
from cousins.cache import Cache, NoCache, digest
from cousins.engines import Engine
from cousins.engines import engine as engine_named
from cousins.env.episodes import Episodes
from cousins.env.request import Request
from cousins.errors import MiningError, ScanError, UsageError
from cousins.evaluation.evaluate import loaded, requested
from cousins.evaluation.rates import Rate, rate
from cousins.library import Household, Library
from cousins.mining.bench import Arrays, Bench, fresh
from cousins.mining.finalists import Chosen, choose
from cousins.mining.generations import Searched, Tried, in_words, search
from cousins.mining.search import Search
from cousins.mining.space import Space
from cousins.mining.tell import Difference, differences
from cousins.mining.traits import of_families, table
from cousins.pack import Mined, Pack
from cousins.picture import CAMERA
from cousins.pipeline import sources_of
from cousins.policies import FILE, Policy
from cousins.progress import Progress, silent
from cousins.robots import Robot
from cousins.schema import MinedCousin, Share
from cousins.tasks import Task
from cousins.tasks import task as task_named
from cousins.variation.axes import Settings
from cousins.variation.family import chunk, joined
from cousins.variation.sampling import Sources
from cousins.variation.store import FORM

AGAIN, FRESH = 0.4, 0.2  # shares of the rollouts: the hardest again, and those that only tell
EACH = 10  # rollouts for each cousin that is wanted, at least
ORDINARY = 1 << 31  # the first number of ordinary draws, which no pack has
DRAWN_THINGS = Household()


@dataclass(frozen=True)
class Mining:
    """What `mine` found. path: of the pack; mined: as its manifest says; wanted: how many cousins
    were asked for. differences: what tells them from ordinary cousins, the largest effect first,
    see `cousins.mining.traits`. reasons: why draws failed their certificate, counts."""

    path: Path
    mined: Mined
    wanted: int
    differences: tuple[Difference, ...]
    reasons: Mapping[str, int]
    seconds: float = field(compare=False)


def mine(
    pack: Pack | Path | str,
    policy: Policy | str,
    *,
    out: Path | None = None,
    task: Task | str | None = None,
    rollouts: int = 2000,
    cousins: int = 32,
    seed: int = 0,
    settings: Settings | None = None,
    library: Library = DRAWN_THINGS,
    engine: Engine | str = "cpu",
    robot: Robot | str | None = None,
    control: str | None = None,
    cameras: Sequence[str] = (CAMERA,),
    size: tuple[int, int] = (128, 96),
    noise: bool = False,
    asked: Mapping[str, Any] | None = None,
    how: Search | None = None,
    threads: int = 0,
    force: bool = False,
    progress: Progress = silent,
) -> Mining:
    """Search a pack's axes of variation for cousins on which a policy fails and the scripted expert
    does not, and write at most `cousins` of them as a new pack `out`, by default PACK.mined.

    task: by default the one that the policy's card names, else "push". rollouts: of the policy, in
    all: 2 in 5 try the hardest again, and 1 in 5 only tells how often it succeeds, half of it on
    these cousins and half on ordinary ones, in episodes that decided nothing; the expert's come
    on top. settings: what may vary, and how far; by default as the pack's own cousins were drawn.
    engine, robot, control, cameras, size, noise: as `cousins.evaluation.evaluate` takes them;
    asked: as it takes settings. threads: of the certificates.

    The same arguments give the same pack. What was tried waits beside the output in OUT.mining
    until it is written, where the policy is given by its name. Raises UsageError for what makes no
    sense, PackError for a bad pack or output, ScanError if nothing passes its certificate,
    MiningError if the policy never succeeds, or nowhere less than on ordinary cousins, and what the
    policy and the engine raise.
    """
    began, how = time.monotonic(), how or Search()
    if cousins < 1 or seed < 0 or rollouts < EACH * cousins:
        raise UsageError(
            f"ask for at least 1 cousin, {EACH} rollouts for each of them and a seed of 0 or more"
        )
    one, name = loaded(policy)
    task = task or (None if getattr(one, "card", None) else "push")
    if isinstance(task, str):
        task_named(task)
    if isinstance(engine, str):
        engine_named(engine)
    read = pack if isinstance(pack, Pack) else packs.read(Path(pack))
    target = Path(out) if out is not None else beside(read.path)
    if target.resolve() == read.path.resolve():
        raise UsageError(f"{target}: is the pack itself: give another output")
    packs.ensure_writable(target, force)
    settings = settings or drawn_as(read, library)
    sources = sources_of(read, seed, settings, library)

    def worlds(of: Pack) -> Request:
        return requested(of, task, engine, robot, control, None, [(one, name)], cameras, size,
                         noise, asked or {})  # fmt: skip

    key = digest(FORM, rollouts, cousins, seed, asdict(settings), library.name, asdict(how),
                 repr((task, engine, robot, control, cameras, size, noise, asked)),
                 _twin(read), _content(policy))  # fmt: skip
    cache = Cache(target.with_name(f"{target.name}.mining"))
    bench = Bench(read, worlds, one, cache if isinstance(policy, str) else NoCache(), key, progress)
    space = Space(sources)
    again, last = int(AGAIN * rollouts), int(FRESH * rollouts)
    usual, ordinary, ran = _ordinary(bench, sources, seed, last // 2, threads)
    usual_traits = of_families(sources, ordinary)
    if not usual["success"].any():
        raise MiningError(
            f"{name} succeeds in none of {len(usual['success'])} episodes on ordinary cousins, so "
            "nothing is harder: train it first"
        )
    broke = ~usual["success"] & (usual["expert"] if len(usual["expert"]) else True)
    known = Tried(table(usual_traits), broke.astype(float), np.ones(len(broke)))
    searched = search(bench, space, how, seed, rollouts - again - last, cousins, known, threads)
    usually = float(usual["success"].mean())
    least = 1 - how.hard * usually
    chosen = choose(bench, space, searched.found, seed, cousins, again, last // 2, least, threads)
    if chosen is None:
        raise MiningError(
            f"{name}: in {searched.rollouts} rollouts there was no cousin on which it succeeds "
            f"at most {how.hard:g} times as often as on ordinary ones ({usually:.0%}), but for "
            "those on which the expert fails as well: more rollouts may find one"
        )
    by = engine if isinstance(engine, str) else type(engine).__name__.lower()
    mined = _record(name, ran, by, seed, usual, searched, chosen)
    families = list(chosen.families)
    packs.write_families(read.path, families, out=target, force=force, mined=mined,
                         record=lambda: _augmented(sources, searched, len(chosen.rates)),
                         licences=sources.licences)  # fmt: skip
    bench.cache.clear()
    return Mining(
        target, mined, cousins, differences(of_families(sources, families), usual_traits),
        dict(searched.reasons.most_common()), time.monotonic() - began,
    )  # fmt: skip


def beside(path: Path) -> Path:
    """Where the mined pack of a pack goes by default."""
    stem = path.name.removesuffix(".zip")
    return path.with_name(f"{stem}.mined")


def drawn_as(read: Pack, library: Library) -> Settings:
    """The settings that a pack's own cousins were drawn with; the defaults if it does not tell.
    Raises UsageError where they have shapes from another library."""
    told = read.manifest.augmented
    if told is None:
        return Settings()
    if told.library not in ("", library.name):
        raise UsageError(
            f"{read.path}: its cousins have shapes from {told.library!r}: give that as --library"
        )
    return Settings(told.axes, told.shapes, told.swaps, told.distractors, told.distances)


def _ordinary(
    bench: Bench, sources: Sources, seed: int, count: int, threads: int
) -> tuple[Arrays, list[Family], Episodes]:
    """One episode on each of `count` cousins as `cousins augment` draws them, but none of those
    that it draws; and the worlds of these."""
    numbers = range(ORDINARY, ORDINARY + count)
    of = np.array([sources.family(number) for number in numbers])
    families, reasons = [], Counter[str]()
    for source in sources.each:
        mine = ORDINARY + np.flatnonzero(of == source.family)
        part = chunk(source, mine.tolist(), threads)
        reasons.update(part.faults)
        if part.cousins:
            families.append(joined(source, [part]))
    if not families:
        raise ScanError(
            f"{bench.read.path}: no cousin passed its certificate: {in_words(reasons)}: look at "
            "these objects with `cousins view`"
        )
    with bench.staged(families, 1) as on:

        def tried() -> Arrays:
            plan = fresh(on, np.arange(len(on.pool)), 1, seed, 0)
            success = bench.tried(on, plan, "ordinary cousins").success
            return {"success": success, "expert": bench.expert(on, plan)}

        return bench.kept("ordinary", tried), families, on.episodes


def _record(
    name: str, ran: Episodes, engine: str, seed: int, usual: Arrays, searched: Searched,
    chosen: Chosen,
) -> Mined:  # fmt: skip
    experts, robot = chosen.experts, ran.worlds.robot
    told = getattr(ran.task, "__dataclass_fields__", {})
    return Mined(
        policy=_called(name),
        task=ran.task.name, instruction=ran.instruction,
        settings={key: getattr(ran.task, key) for key in told},
        robot=None if robot is None else robot.name, control=ran.worlds.control, engine=engine,
        seed=seed,
        rollouts=len(usual["success"]) + searched.rollouts + chosen.rollouts,
        expert_rollouts=len(usual["expert"]) + searched.expert_rollouts + chosen.expert_rollouts,
        generations=tuple(_share(one) for one in searched.rates),
        drawn=searched.drawn, rejected=searched.rejected,
        infeasible=searched.infeasible,
        ordinary=_share(rate(usual["success"])), success=_share(_sum(chosen.rates)),
        expert_ordinary=_share(rate(usual["expert"])) if len(usual["expert"]) else None,
        expert=None if experts is None else _share(_sum(experts)),
        cousins=tuple(
            MinedCousin(index=k, generation=int(chosen.generation[k]), success=_share(own),
                        expert=None if experts is None else _share(experts[k]))
            for k, own in enumerate(chosen.rates)
        ),
    )  # fmt: skip


def _called(name: str) -> str:
    """A policy's name, without the folders that it lies in on this machine."""
    path = Path(name)
    if "://" in name:
        return name
    return path.parent.name if path.name == FILE and path.parent.name else path.name


def _share(of: Rate) -> Share:
    return Share(successes=of.successes, trials=of.trials, low=of.low, high=of.high)


def _sum(rates: Sequence[Rate]) -> Rate:
    good, many = sum(one.successes for one in rates), sum(one.trials for one in rates)
    return rate(np.arange(many) < good)


def _augmented(sources: Sources, searched: Searched, count: int) -> packs.Augmented:
    of = sources.settings
    return packs.Augmented(
        cousins=count, seed=sources.seed, axes=dict(of.strengths), shapes=of.shapes, swaps=of.swaps,
        distractors=of.distractors, distances=of.distances, library=sources.library,
        rejected=searched.rejected, rejected_by_reason=dict(searched.reasons.most_common()),
        shapes_rejected=dict(sources.rejected),
    )  # fmt: skip


def _twin(read: Pack) -> list[Any]:
    models = [*read.objects, *read.supports, read.surroundings]
    return [model.model_dump(mode="json") for model in models]


def _content(policy: Policy | str) -> str:
    """What a policy is, as far as files tell."""
    if not isinstance(policy, str):
        return ""
    path = Path(policy)
    if not path.exists() and ".py:" in policy:
        path = Path(policy.rpartition(":")[0])
    files = sorted(path.glob("policy.*")) if path.is_dir() else [path]
    whole = hashlib.sha256(policy.encode())
    for file in files:
        if file.is_file():
            whole.update(file.read_bytes())
    return whole.hexdigest()
