"""What came of cousins_vs_twin.py: its numbers, its table and its figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from cousins.archive import write_file
from cousins.errors import UsageError
from cousins.evaluation import charts
from cousins.evaluation.rates import Bin, Curve, Rate
from cousins.statistics import mean_interval

CONDITIONS = {
    "twin": "the twin",
    "naive": "naive randomisation",
    "cousins": "cousins",
}
COLUMNS = "twin", "near", "far", "dissimilar"
BINS = 5  # of a curve, of equal width
# Success in percent, of COLUMNS: Dai et al. 2024, "Automated creation of digital cousins for robust
# policy learning", arXiv 2410.07408.
PUBLISHED = {"the twin": (89, 88, 41, 48), "cousins": (94, 94, 98, 38)}
COMPARABLE = (
    "Comparable: the question, the four kinds of test, from the twin to what is unlike it. Not "
    "comparable: the rates themselves, since task (theirs opens doors and drawers), robot, what a "
    "policy sees (theirs point clouds, ours the state), how it learns (theirs from demonstrations, "
    "ours by PPO) and what is called near, far and dissimilar all differ."
)
# The page's own colours, see cousins/style.py, on a ground that is light or dark.
COLOURS = """
svg{--ink:#1c2024;--soft:#626b73;--line:#e3e4df;--mark:#0f766e;--bad:#b4593a;--paper:#fbfbf9;
font-family:system-ui,sans-serif}
@media (prefers-color-scheme:dark){svg{--ink:#e8eaec;--soft:#9aa4ad;--line:#2c3238;--mark:#4fc3b5;
--bad:#e08a68;--paper:#14171a}}
"""
LEGEND = 30  # px above the chart
BEGIN, END = "<!-- results -->", "<!-- end of results -->"  # of a page's part that is written
FIGURE = "cousins_vs_twin.svg"

Tests = Mapping[str, Mapping[str, Any]]


def results(
    asked: Mapping[str, Any], sets: Mapping[str, Any], tests: Tests, span: tuple[float, float]
) -> dict[str, Any]:
    """All numbers, as results.json has them. tests: by <condition>-<seed>-<set>: success and
    distance of each episode."""
    third = (span[1] - span[0]) / 3
    bounds = {"near": (span[0], span[0] + third), "far": (span[1] - third, span[1])}
    seeds = range(asked["seeds"])

    def shares(condition: str, column: str) -> list[float]:
        test = "spread" if column in bounds else column
        return [_share(tests[f"{condition}-{seed}-{test}"], bounds.get(column)) for seed in seeds]

    table = {c: {column: _told(shares(c, column)) for column in COLUMNS} for c in CONDITIONS}
    apart = {
        f"cousins less {other}": {
            column: _told([a - b for a, b in zip(shares("cousins", column), shares(other, column),
                                                 strict=True)], -1.0)
            for column in COLUMNS
        }
        for other in ("twin", "naive")
    }  # fmt: skip
    edges = np.linspace(*span, BINS + 1).tolist()
    places = [
        ("twin", (0.0, 0.0)),
        *(("spread", e) for e in pairwise(edges)),
    ]
    curves = {
        condition: [
            _point([tests[f"{condition}-{seed}-{test}"] for seed in seeds], ends)
            for test, ends in places
        ]
        for condition in CONDITIONS
    }
    one = next(iter(tests.values()))
    return {
        "asked": dict(asked), "instruction": one["instruction"], "sets": dict(sets),
        "bounds": bounds, "table": table, "apart": apart, "curves": curves,
        "published": PUBLISHED,
    }  # fmt: skip


def _within(test: Mapping[str, Any], ends: tuple[float, float] | None) -> np.ndarray:
    """Successes of the episodes whose cousin lies between, ends included."""
    success, far = np.array(test["success"], bool), np.array(test["distance"], float)
    return success if ends is None else success[(ends[0] <= far) & (far <= ends[1])]


def _share(test: Mapping[str, Any], ends: tuple[float, float] | None) -> float:
    """NaN without such an episode."""
    mine = _within(test, ends)
    return float(mine.mean()) if len(mine) else float("nan")


def _point(tests: Sequence[Mapping[str, Any]], ends: tuple[float, float]) -> dict[str, Any]:
    """Of all seeds, at distances between."""
    every = np.concatenate([_within(test, ends) for test in tests])
    return {"low": ends[0], "high": ends[1], "successes": int(every.sum()), "trials": len(every),
            **_told([_share(test, ends) for test in tests])}  # fmt: skip


def _told(shares: Sequence[float] | np.ndarray, least: float = 0.0) -> dict[str, Any]:
    """Mean over the seeds of training, with Student's interval, cut to what can be. The seeds have
    cousins and episodes of their own, so that it takes in the chance of all three."""
    known = np.array([s for s in shares if np.isfinite(s)])
    found = mean_interval(known)
    ends = (least, 1.0) if found is None else (max(found.low, least), min(found.high, 1.0))
    middle = float(known.mean()) if len(known) else None
    each = [float(s) if np.isfinite(s) else None for s in shares]
    return {"seeds": each, "mean": middle, "interval": list(ends)}


def page(found: Mapping[str, Any]) -> str:
    """The table in Markdown, with what went into it."""
    asked, sets = found["asked"], found["sets"]
    near, far = found["bounds"]["near"], found["bounds"]["far"]
    rows = [f"| {CONDITIONS[c]} | " + " | ".join(_cell(v) for v in told.values()) + " |"
            for c, told in found["table"].items()]  # fmt: skip
    rows += [f"| cousins less {CONDITIONS[name.split()[-1]]}, points | "
             + " | ".join(_cell(v, "+.0f") for v in told.values()) + " |"
             for name, told in found["apart"].items()]  # fmt: skip
    rows += [f"| *published, {name}* | " + " | ".join(f"*{v}*" for v in values) + " |"
             for name, values in found["published"].items()]  # fmt: skip
    every = ", ".join(sets["dissimilar"]["swapped"])
    return "\n".join([
        f"| Success, %, trained on | twin | near ({near[0]:.2f} to {near[1]:.2f}) "
        f"| far ({far[0]:.2f} to {far[1]:.2f}) "
        f"| dissimilar (mean {sets['dissimilar']['distance']:.2f}) |",
        "| --- | --- | --- | --- | --- |",
        *rows,
        "",
        f"*{asked['task']}*: {found['instruction']}. {asked['steps']:,} steps, {asked['seeds']} "
        f"seeds of training; of each {asked['episodes']} episodes in the twin and in dissimilar "
        f"cousins, {3 * asked['episodes']} over the cousins from near to far. In brackets 95 % "
        "intervals of the mean over seeds, by Student's t. Dissimilar: other things in place of "
        f"{every}.",
        "",
        COMPARABLE,
        "",
    ])  # fmt: skip


def _cell(told: Mapping[str, Any], form: str = ".0f") -> str:
    if told["mean"] is None:
        return "–"
    low, high = (f"{100 * v:{form}}" for v in told["interval"])
    ends = f" ({low} to {high})" if len(told["seeds"]) > 1 else ""
    return f"{100 * told['mean']:{form}}{ends}"


def figure(found: Mapping[str, Any]) -> str:
    """Success against distance, the twin at 0, as an SVG that stands by itself."""
    each = []
    for k, (condition, rows) in enumerate(found["curves"].items()):
        # A little beside one another, so that none hides another.
        off, rows = 0.004 * (k - 1), [row for row in rows if row["trials"]]
        bins = [_bin(row, off) for row in rows]
        at, shares = tuple(b.middle for b in bins), tuple(b.rate.share for b in bins)
        each.append((CONDITIONS[condition], Curve(tuple(bins), at, shares, shares, shares, None)))
    drawn = charts.curves(each, "distance from the twin")
    start = drawn.rindex("<svg")
    inner = drawn[drawn.index(">", start) + 1 : drawn.rindex("</svg>")]
    words = drawn[drawn.index('aria-label="', start) : drawn.index(">", start)]
    names = "".join(
        f'<g class="{kind}" transform="translate({44 + 190 * k} {-LEGEND / 2})">'
        f'<path class="line" d="M0 0H34"/>{mark}<text x="42" y="4">{name}</text></g>'
        for k, (kind, mark, (name, _)) in enumerate(zip(charts.KINDS, _MARKS, each, strict=True))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 {-LEGEND} 760 '
        f'{300 + LEGEND}" role="img" {words}>\n<style>{COLOURS}{charts.STYLE}</style>\n'
        f'<rect x="0" y="{-LEGEND}" width="760" height="{300 + LEGEND}" '
        f'style="fill:var(--paper)"/>\n{names}{inner}</svg>\n'
    )


_MARKS = (
    '<circle class="dot" cx="17" cy="0" r="4.5"/>',
    '<rect class="dot" x="13" y="-4" width="8" height="8"/>',
    '<path class="dot" d="M12 4h10l-5 -9Z"/>',
)


def _bin(row: Mapping[str, Any], off: float) -> Bin:
    middle = (row["low"] + row["high"]) / 2 + off
    return Bin(middle, middle, middle, Rate(row["successes"], row["trials"], *row["interval"]))


def write_docs(path: Path, found: Mapping[str, Any]) -> None:
    """Put the table between the marks of a page, and the figure beside it into images/. Raises
    UsageError for a page without the marks."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error})") from None
    head, begun, rest = text.partition(BEGIN)
    _, ended, tail = rest.partition(END)
    if not begun or not ended:
        raise UsageError(f"{path}: has no lines {BEGIN} and {END} to put a table between")
    drawn = f"![Success against the distance from the twin](images/{FIGURE})"
    write_file(path.parent / "images" / FIGURE, figure(found).encode())
    write_file(path, f"{head}{BEGIN}\n\n{page(found)}\n{drawn}\n\n{END}{tail}".encode())
