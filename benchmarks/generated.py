"""Scenes of household things, filmed, scanned and scored: the part of scan.py that has no capture.

    python benchmarks/scan.py --generated 40 [--seed 0] [--layout touching] [--keep DIR]

The layouts take turns. With --keep films stay there, and are made anew only where the scene, the
phone or their code has changed.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import cousins
from cousins.household import LAYOUTS, scene
from cousins.phone import Phone, film
from cousins.score import load_truth, truth_of

COLOUR = (480, 360)  # of the films, pixels: enough to colour a texture
FLUSH = "flush"  # no geometry can part it: only where it is asked for, see masks.py
CODE = "household", "phone", "raycast.py", "scene.py"  # what a film depends on


@dataclass(frozen=True)
class Goal:
    """A share that is pooled over all scenes: the sum of `part` over that of `whole`."""

    name: str
    part: str
    whole: str
    target: float | None = None


GOALS = (
    Goal("recall", "matched", "true", 0.95),
    Goal("precision", "matched", "found", 0.95),
    Goal("supports right", "supports_right", "supports", 0.95),
    Goal("openings kept", "openings_kept", "openings", 0.90),
    Goal("handles kept", "handles_kept", "handles"),
)
MEDIANS = {"chamfer, mm": "chamfer_mm", "F at 5 mm": "f_score", "hull": "hull_ratio"}


def cases(count: int, seed: int, layouts: Sequence[str]) -> list[tuple[str, int]]:
    """`count` layouts and seeds; the layouts take turns, and every turn has the next seed."""
    names = list(layouts) or [name for name in LAYOUTS if name != FLUSH]
    return [(names[i % len(names)], seed + i // len(names)) for i in range(count)]


def filmed(layout: str, seed: int, folder: Path) -> Path:
    """The film of a scene in `folder`, from before if there is one. Raises as `film` does."""
    path = folder / f"{layout}_{seed}_{_version()}"
    if not path.exists():
        staged = scene(layout, seed)
        film(staged.model, path, Phone(colour_size=COLOUR, walk=staged.walk, seed=seed))
    return path


def _version() -> str:
    root = Path(cousins.__file__).parent
    digest = hashlib.sha256(repr((Phone(), COLOUR)).encode())
    for name in CODE:
        whole = root / name
        for file in sorted(whole.rglob("*.py")) if whole.is_dir() else [whole]:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:8]


Measure = Callable[[Path, Path], dict[str, Any]]


def run(
    chosen: Sequence[tuple[str, int]], keep: Path | None, packs: Path, workers: int,
    measure: Measure, console: Console,
) -> list[dict[str, Any]]:  # fmt: skip
    """Films, scans and scores the chosen layouts and seeds; prints the tables; returns a result
    each. Where several run at once their times tell nothing of one alone."""
    with tempfile.TemporaryDirectory() as scratch:
        films = keep or Path(scratch)

        def one(case: tuple[str, int]) -> dict[str, Any]:
            layout, seed = case
            path = filmed(layout, seed, films)
            result = {"layout": layout, "seed": seed, **measure(path, packs / path.name)}
            if "error" in result:
                truth = truth_of(path)
                true = len(load_truth(truth).objects) if truth else 0
                result |= {"true": true, "found": 0, "matched": 0}
                console.print(f"{layout} {seed}: {result['error']}", markup=False, soft_wrap=True)
            return result

        with ThreadPoolExecutor(workers) as pool:
            results = []
            for result in pool.map(one, chosen):
                results.append(result)
                console.print(_line(result), markup=False, highlight=False, soft_wrap=True)
    console.print(_scenes(results))
    console.print(_pooled(results))
    return results


def pooled(results: Sequence[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Each goal by layout, and over all scenes. What is of an object counts the matched ones."""
    groups = {"all": list(results)}
    for layout in dict.fromkeys(r["layout"] for r in results):
        groups[layout] = [r for r in results if r["layout"] == layout]
    return {name: {goal.name: _share(goal, group) for goal in GOALS} | _medians(group)
            for name, group in groups.items()}  # fmt: skip


def _share(goal: Goal, results: Sequence[dict[str, Any]]) -> float | None:
    part, whole = (sum(r.get(k, 0) for r in results) for k in (goal.part, goal.whole))
    return part / whole if whole else None


def _medians(results: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    each = [e for r in results for e in r.get("each", ())]
    return {name: float(np.median([e[key] for e in each])) if each else None
            for name, key in MEDIANS.items()}  # fmt: skip


def _line(result: dict[str, Any]) -> str:
    """What of a scene came out wrong, in a line."""
    told = [f"{result['layout']} {result['seed']}: {result['matched']} of {result['true']} found"]
    told += [f"{k} {', '.join(result[k])}" for k in ("missed", "invented") if result.get(k)]
    told += [f"{name} in {len(pieces)} pieces" for name, pieces in result.get("over", {}).items()]
    told += [f"{' and '.join(held)} are one" for held in result.get("under", {}).values()]
    return "; ".join(told)


def _scenes(results: Sequence[dict[str, Any]]) -> Table:
    columns = ("layout", "seed", "true", "found", "recall", "precision", "chamfer", "F", "hull",
               "supports", "openings", "handles", "s", "MB")  # fmt: skip
    table = Table(*columns, title="generated scenes; chamfer in mm")
    for r in results:
        counts = [
            f"{r.get(f'{k}_{done}', 0)}/{r.get(k, 0)}"
            for k, done in (("supports", "right"), ("openings", "kept"), ("handles", "kept"))
        ]
        shares = [_number(r.get(k), 2) for k in ("recall", "precision", "chamfer_mm", "f_score",
                                                 "hull_ratio")]  # fmt: skip
        cost = _number(r.get("seconds"), 0), _number(r.get("peak_rss_mb"), 0)
        names = r["layout"], str(r["seed"]), str(r["true"]), str(r["found"])
        table.add_row(*names, *shares, *counts, *cost)
    return table


def _pooled(results: Sequence[dict[str, Any]]) -> Table:
    numbers = pooled(results)
    table = Table("over all objects", *numbers, "target", "")
    for goal in GOALS:
        whole = numbers["all"][goal.name]
        target = verdict = ""
        if goal.target is not None and whole is not None:
            target = f"≥ {goal.target:g}"
            verdict = "met" if whole >= goal.target else "MISSED"
        table.add_row(goal.name, *(_number(n[goal.name], 2) for n in numbers.values()), target,
                      verdict)  # fmt: skip
    for name in MEDIANS:
        table.add_row(f"median {name}", *(_number(n[name], 2) for n in numbers.values()), "", "")
    return table


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
