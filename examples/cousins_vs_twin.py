"""Does a policy that was trained on cousins transfer better than one that was trained on the twin?

    python examples/cousins_vs_twin.py CAPTURE_OR_PACK -o OUT --steps 300000 --seeds 3 --workers 2

trains on the twin, on naive randomisation of the twin and on cousins, several seeds of each with
the same budget, tests every policy on sets that no training saw, and prints a table of success
beside the published one. OUT/ holds packs, policies, results.json, table.md and figure.svg. What is
there already is not made again, so a run that was cut short goes on. docs/experiment.md says more.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cousins_vs_twin_told as told
import numpy as np

from cousins import pack as packs
from cousins.archive import write_file
from cousins.distributions import Distribution, Uniform
from cousins.env import make_vec
from cousins.errors import CousinsError, PackError, PartlyFailedError, UsageError
from cousins.evaluation.evaluate import evaluate
from cousins.index import index
from cousins.pipeline import augment, scan
from cousins.tasks.manipulation import Manipulation
from cousins.variation.axes import Settings

FACTORS = 0.5, 2.0  # of the twin's mass and friction, in naive randomisation
SPAN = 0.05, 0.55  # distances of the test set; its nearest third is near, its farthest third far
SEEDS = {"cousins": 0, "naive": 1, "spread": 1001, "dissimilar": 1002}  # of each pack's draws
EVERY = 20_000  # steps between two lines that tell how far a training is


@dataclass(frozen=True)
class Asked:
    """What decides the results. count: cousins of each pack; episodes: of each column and seed."""

    source: str
    task: str
    steps: int
    seeds: int
    count: int
    episodes: int
    shapes: int
    worlds: int


# All cousins but the dissimilar ones keep to deformations of the objects' own shapes: other things
# of their kind are what is held out.
def settings(name: str, shapes: int) -> Settings:
    """How the cousins of a pack are drawn."""
    plain = Settings(shapes=shapes, swaps=0.0)
    return {
        "cousins": plain,
        "naive": replace(plain, strengths={"shape": 0.0}, distractors=0),
        "spread": replace(plain, distances=SPAN),
        "dissimilar": replace(plain, swaps=1.0),
    }[name]


def twin(source: Path, out: Path) -> Path:
    """The pack to start from: the one that is given, or a scan of the capture that is."""
    with suppress(PackError):
        packs.read(source)
        return source
    made = out / "packs" / "twin"
    if not made.exists():
        scan(source, made)
    return made


def naive(pack: Path, out: Path) -> None:
    """The twin whose masses and frictions are known no better than by plain factors."""

    def wide(known: Distribution) -> Uniform:
        return Uniform(*(factor * known.mode for factor in FACTORS), source="naive randomisation")

    read = packs.read(pack)
    scene = packs.load_scene(read)
    assets = tuple(replace(a, mass=a.mass and wide(a.mass), friction=wide(a.friction))
                   for a in scene.assets)  # fmt: skip
    packs.write(out, replace(scene, assets=assets), read.manifest, read.quality)


def draw(name: str, pack: Path, out: Path, asked: Asked) -> str:
    """Make one pack of cousins; gives a line that says so."""
    target, origin = out / "packs" / name, pack
    if name == "naive":
        origin = out / "packs" / "naive-twin"
        if not origin.exists():
            naive(pack, origin)
    # Of the dissimilar ones only some are taken, see `dissimilar`.
    count = asked.count * (2 if name == "dissimilar" else 1)
    with suppress(PartlyFailedError):  # the rest is there
        augment(origin, count, seed=SEEDS[name], out=target, workers=1,
                settings=settings(name, asked.shapes))  # fmt: skip
    return f"{name}: {len(index(packs.read(target)))} drawn"


def handled(pack: packs.Pack, task: str) -> str:
    """The object that the task takes where none is named; "" where it takes several."""
    env = make_vec(pack, task, 1, cousins="twin", threads=1)
    try:
        doing, layout = env.task, env.episodes.worlds.layout
        chosen = doing.chosen(layout) if isinstance(doing, Manipulation) else range(2)
        return layout.names[chosen[0]] if len(chosen) == 1 else ""
    finally:
        env.close()


def dissimilar(pack: packs.Pack, task: str) -> tuple[list[int], list[str]]:
    """Numbers of the cousins in which what the task takes, else anything, is another thing of its
    kind, and the names of what is. Raises UsageError where nothing can be."""
    one, names, swapped = handled(pack, task), [o.name for o in pack.objects], set[str]()
    numbers = list[int]()
    for k in pack.families:
        family = packs.load_family(pack, k)
        assert family.bank is not None
        # Shapes are named <object>_v<place in its bank>; what was swapped in has a licence.
        other = np.array([[f"{name}_v{row}" in pack.manifest.licences and one in ("", name)
                           for name in names]
                          for row in range(len(family.bank.distance))])  # fmt: skip
        shape = family.arrays["shape"][:, : len(names)].astype(int)
        worn = other[shape, np.arange(len(names))]
        numbers += [family.cousins[i].index for i in np.flatnonzero(worn.any(1))]
        swapped |= {names[i] for i in np.flatnonzero(worn.any(0))}
    if not numbers:
        raise UsageError(f"{pack.path}: no other thing of its kind fits in an object's place")
    return sorted(numbers), sorted(swapped)


def run(condition: str, seed: int, out: Path, asked: Asked) -> str:
    """Train one policy and test it; gives a line that says how it went."""
    from cousins.train import Moment, train

    name = f"{condition}-{seed}"
    policy, last = out / "policies" / name, [0]

    def watch(moment: Moment) -> None:
        if moment.steps - last[0] >= EVERY:
            last[0] = moment.steps
            say(f"{name}: {moment.steps:,} of {asked.steps:,} steps, {moment.rate:,.0f} a second, "
                f"success {moment.tally.success:.0%}")  # fmt: skip

    if not policy.exists():
        part = policy.with_name(f"{name}.part")  # one that was cut short begins anew
        shutil.rmtree(part, ignore_errors=True)
        source = out / "packs" / ("naive" if condition == "naive" else "cousins")
        train(source, asked.task, out=part, steps=asked.steps, seed=seed, worlds=asked.worlds,
              cousins="twin" if condition == "twin" else None, video=False, watch=watch,
              threads=1)  # fmt: skip
        part.rename(policy)
    shares = []
    for test in ("twin", "spread", "dissimilar"):
        file = out / "tested" / f"{name}-{test}.json"
        if not file.exists():
            write_file(file, json.dumps(tested(policy, test, seed, out, asked)).encode())
        success = json.loads(file.read_text())["success"]
        shares.append(f"{test} {np.mean(success):.0%}")
    return f"{name}: trained and tested: success on {', '.join(shares)}"


def tested(policy: Path, test: str, seed: int, out: Path, asked: Asked) -> dict[str, Any]:
    """Episodes of a policy in one set. Each seed of training has cousins and episodes of its own,
    so that the seeds differ by all that is drawn; all conditions of a seed have the same."""
    pack = packs.read(out / "packs" / ("spread" if test == "twin" else test))
    chosen: str | list[int] = "twin"
    if test != "twin":
        every = index(pack).number.tolist() if test == "spread" else dissimilar(pack, asked.task)[0]
        chosen = every[seed :: asked.seeds] or every
    many = asked.episodes * (3 if test == "spread" else 1)
    found = evaluate(pack, str(policy), cousins=chosen, episodes=many, seed=2000 + seed,
                     worlds=asked.worlds, hardest=0, settings={"threads": 1})  # fmt: skip
    done = found.first.episodes
    return {"instruction": found.instruction, "success": done.success.tolist(),
            "cousin": done.cousin.tolist(), "distance": done.distance.tolist(),
            "failure": done.failure.tolist()}  # fmt: skip


def say(line: str) -> None:
    """How far it is, on stderr."""
    print(line, file=sys.stderr, flush=True)


def together(jobs: Iterable[tuple[Callable[..., str], tuple[Any, ...]]], workers: int) -> None:
    """Run jobs, each in a process and on a thread of its own. The first error ends all."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    pool = ProcessPoolExecutor(workers, get_context("spawn"), max_tasks_per_child=1)
    try:
        for done in as_completed([pool.submit(job, *given) for job, given in jobs]):
            say(done.result())
    finally:
        pool.shutdown(cancel_futures=True)


def sets(out: Path, task: str) -> dict[str, Any]:
    """What each pack came to."""
    made: dict[str, Any] = {}
    for name in SEEDS:
        read = packs.read(out / "packs" / name)
        held = index(read)
        made[name] = {"cousins": len(held), "distance": float(held.distance.mean()),
                      "axes": {axis: float(v.mean()) for axis, v in held.axes.items()}}  # fmt: skip
        if name == "dissimilar":
            numbers, swapped = dissimilar(read, task)
            mine = np.isin(held.number, numbers)
            made[name] |= {"cousins": len(numbers), "swapped": swapped,
                           "distance": float(held.distance[mine].mean())}  # fmt: skip
    return made


def experiment(asked: Asked, out: Path, workers: int) -> dict[str, Any]:
    """All of it; what is there already is not made again. Raises UsageError where OUT holds an
    experiment of another kind, and what its parts raise."""
    file, plain = out / "asked.json", asdict(asked)
    if file.exists() and json.loads(file.read_text()) != plain:
        raise UsageError(f"{out}: holds an experiment with other settings: choose another folder")
    for folder in ("packs", "policies", "tested"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    write_file(file, json.dumps(plain, indent=1).encode())
    pack = twin(Path(asked.source), out)
    together([(draw, (name, pack, out, asked)) for name in SEEDS
              if not (out / "packs" / name).exists()], workers)  # fmt: skip
    dissimilar(packs.read(out / "packs" / "dissimilar"), asked.task)  # before hours of work
    together([(run, (condition, seed, out, asked)) for seed in range(asked.seeds)
              for condition in told.CONDITIONS], workers)  # fmt: skip
    tests = {
        f"{condition}-{seed}-{test}": json.loads(
            (out / "tested" / f"{condition}-{seed}-{test}.json").read_text()
        )
        for condition in told.CONDITIONS
        for seed in range(asked.seeds)
        for test in ("twin", "spread", "dissimilar")
    }
    return told.results(plain, sets(out, asked.task), tests, SPAN)


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parse = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parse.add_argument("source", type=Path, help="a capture, or a pack of its scan")
    parse.add_argument("-o", "--out", type=Path, required=True, help="a folder; goes on there")
    parse.add_argument("--task", default="push")
    parse.add_argument("--steps", type=int, default=300_000, help="of each training")
    parse.add_argument("--seeds", type=int, default=3, help="trainings of each condition")
    parse.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parse.add_argument("--cousins", type=int, default=400, help="of each pack")
    parse.add_argument("--episodes", type=int, default=200, help="of each column and seed")
    parse.add_argument("--shapes", type=int, default=Settings().shapes, help="of each object")
    parse.add_argument("--worlds", type=int, default=64, help="stepped at once")
    parse.add_argument("--write-docs", type=Path, metavar="PAGE", help="puts the results there")
    return parse.parse_args()


def main() -> None:
    """Runs it, writes results.json, table.md and figure.svg, and prints the table."""
    given = arguments()
    if min(given.steps, given.seeds, given.workers, given.cousins, given.episodes) < 1:
        raise UsageError("steps, seeds, workers, cousins and episodes are 1 or more")
    asked = Asked(str(given.source), given.task, given.steps, given.seeds, given.cousins,
                  given.episodes, given.shapes, given.worlds)  # fmt: skip
    found = experiment(asked, given.out, given.workers)
    write_file(given.out / "results.json", json.dumps(found, indent=1).encode())
    write_file(given.out / "table.md", told.page(found).encode())
    write_file(given.out / "figure.svg", told.figure(found).encode())
    if given.write_docs:
        told.write_docs(given.write_docs, found)
    print(told.page(found), end="")


if __name__ == "__main__":
    try:
        main()
    except CousinsError as error:
        say(f"error: {error}")
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        say("interrupted: the same command goes on")
        raise SystemExit(130) from None
