"""An evaluation in words for a terminal, as JSON, and its episodes as a table."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cousins.archive import write_file
from cousins.errors import UsageError
from cousins.evaluation.evaluate import Evaluation, Summary
from cousins.evaluation.isolate import by_axis
from cousins.evaluation.rates import Rate
from cousins.evaluation.rollout import Rolled
from cousins.statistics import Comparison, Interval

TABLES = (".csv", ".jsonl")


def result(done: Evaluation) -> dict[str, Any]:
    """All of it in plain JSON types, but the single episodes; what is not a number is null."""
    return _plain(done)


def _plain(value: Any) -> Any:
    if isinstance(value, Rate):
        return {**{f.name: getattr(value, f.name) for f in fields(value)}, "share": value.share}
    if isinstance(value, Rolled):
        return len(value)
    if is_dataclass(value):
        return {f.name.rstrip("_"): _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def check_table(path: Path) -> None:
    """Raises UsageError for a name that says neither CSV nor JSON lines."""
    if path.suffix.lower() not in TABLES:
        raise UsageError(f"{path}: not a table of episodes: end it in .csv or .jsonl")


def write_episodes(path: Path, done: Evaluation) -> None:
    """Every episode of both policies, a row each, as .csv or .jsonl. Raises UsageError for another
    suffix, PackError where it cannot be written."""
    check_table(path)
    told = [s for s in (done.first, done.second) if s is not None]
    rows = [{"policy": s.policy, **row} for s in told for row in s.episodes.rows()]
    if path.suffix.lower() == ".jsonl":
        text = "".join(json.dumps(_plain(row)) + "\n" for row in rows)
    else:
        file = io.StringIO()
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        text = file.getvalue()
    write_file(path, text.encode())


def percent(rate: Rate) -> str:
    """A share with its interval, as 61.2 % [58.1, 64.2]."""
    return f"{100 * rate.share:.1f} % [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"


def points(change: float, interval: Interval) -> str:
    """A difference of shares, as -12.0 points [-15.2, -8.9]."""
    low, high = (100 * end for end in interval)
    return f"{100 * change:+.1f} points [{low:+.1f}, {high:+.1f}]"


def versus(found: Comparison) -> str:
    """A comparison, in words."""
    return (
        f"{points(found.difference, found.interval)}, p = {found.p:.2g} ({found.test}): it alone "
        f"succeeded in {found.wins:,} episodes, the other alone in {found.losses:,}"
    )


def intervals(done: Evaluation) -> str:
    """What intervals there are, as a sentence."""
    if not done.sequential:
        return "Intervals are 95 %."
    return (
        "Intervals are 95 %. That of the success, and p, hold whenever one stops; others are as "
        "if the number of episodes had been fixed before."
    )


def rows(done: Evaluation) -> dict[str, tuple[list[str], list[list[str]]]]:
    """The tables by title: each its head and its rows."""
    out: dict[str, tuple[list[str], list[list[str]]]] = {}
    both = [s for s in (done.first, done.second) if s is not None]
    out["Success"] = (
        ["policy", "episodes", "success", "at any moment", "reward", "length, s", "unstable"],
        [_summary(s) for s in both],
    )
    bins = [s.curve.bins for s in both]
    same = all(len(b) == len(bins[0]) for b in bins)
    if len(bins[0]) > 1 and same:
        out["Success by distance from the twin"] = (
            ["distance", "episodes", *(s.policy for s in both)],
            [[_span(b[0].low, b[0].high), f"{b[0].rate.trials:,}", *(percent(x.rate) for x in b)]
             for b in zip(*bins, strict=True)],
        )  # fmt: skip
    if any(e.change for e in done.effects):
        out["Success by axis"] = (
            ["axis", "from", "to", "success changes by", "nearest bin", "farthest bin"],
            [[e.axis, f"{e.from_:.2f}", f"{e.to:.2f}", points(*e.change), percent(e.bins[0].rate),
              percent(e.bins[-1].rate)] for e in done.effects if e.change],
        )  # fmt: skip
    if done.isolated:
        out["One axis at a time"] = _isolated(done)
    for s in both:
        if s.failures:
            whose = "" if len(both) == 1 else f": {s.policy}"
            out[f"Failures{whose}"] = (
                ["kind", "episodes", "of all"],
                [[kind, f"{r.successes:,}", percent(r)] for kind, r in s.failures.items()],
            )
    if done.worst:
        out["The worst cousins"] = (
            ["cousin", "distance", "success", "rate", "failures", "farthest on"],
            [[str(h.cousin), f"{h.distance:.2f}", f"{h.successes} of {h.trials}",
              f"{100 * h.mean:.0f} % [{100 * h.low:.0f}, {100 * h.high:.0f}]",
              ", ".join(f"{n} {kind}" for kind, n in h.failures.items()), farthest(h.axes)]
             for h in done.worst],
        )  # fmt: skip
    return out


def _isolated(done: Evaluation) -> tuple[list[str], list[list[str]]]:
    assert done.isolated is not None
    cells = by_axis(done.isolated.cells)
    strengths = [f"{c.strength:g}" for c in next(iter(cells.values()), [])]
    head = ["axis", "0", *strengths, "at full strength"]
    rows = []
    for axis, loss in done.isolated.loss.items():
        shares = [f"{100 * c.rate.share:.0f} %" for c in cells[axis]]
        rows.append([axis, f"{100 * done.isolated.twin.share:.0f} %", *shares,
                     points(loss.difference, loss.interval)])  # fmt: skip
    return head, rows


def _summary(s: Summary) -> list[str]:
    return [s.policy, f"{len(s.episodes):,}", percent(s.rate), percent(s.ever), f"{s.reward:.3g}",
            f"{s.seconds:.2f}", str(s.unstable)]  # fmt: skip


def _span(low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}"


def farthest(axes: Mapping[str, float], count: int = 2) -> str:
    """The axes on which a cousin is farthest from the twin."""
    told = {name: value for name, value in axes.items() if math.isfinite(value)}
    first = sorted(told, key=lambda name: -told[name])[:count]
    return ", ".join(f"{name} {told[name]:.2f}" for name in first)
