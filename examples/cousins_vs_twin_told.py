"""What came of cousins_vs_twin.py: its numbers, its table and its figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.archive import write_file
from cousins.errors import UsageError
from cousins.evaluation import charts
from cousins.evaluation.rates import Bin, Curve, Rate
from cousins.statistics import Interval, mean_interval, paired, wilson

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
    "Comparable: the question, and the kinds of test, from the twin to what is unlike it. Not "
    "comparable: the rates themselves. Task and robot, what a policy sees, how it learns (theirs "
    "imitates demonstrations, ours is PPO on the state) and what is called near, far and "
    "dissimilar all differ, and naive randomisation has no published row."
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
Bools = NDArray[np.bool_]


def results(
    asked: Mapping[str, Any], sets: Mapping[str, Any], tests: Tests, span: tuple[float, float]
) -> dict[str, Any]:
    """All numbers, as results.json has them. tests: by <condition>-<seed>-<set>: success and
    distance of each episode."""
    third = (span[1] - span[0]) / 3
    bounds = {"near": (span[0], span[0] + third), "far": (span[1] - third, span[1])}

    def seen(condition: str, column: str, ends: tuple[float, float] | None = None) -> list[Bools]:
        """Of each seed, whether the episodes succeeded whose cousin lies between, ends included."""
        ends = bounds.get(column, ends)
        each = [tests[f"{condition}-{seed}-{'spread' if ends else column}"]
                for seed in range(asked["seeds"])]  # fmt: skip
        low, high = ends or (0.0, np.inf)
        far = [np.array(test["distance"]) for test in each]
        return [np.array(test["success"], bool)[(low <= d) & (d <= high)]
                for test, d in zip(each, far, strict=True)]  # fmt: skip

    edges = np.linspace(*span, BINS + 1).tolist()
    one = next(iter(tests.values()))
    return {
        "asked": dict(asked),
        "instruction": one["instruction"],
        "sets": dict(sets),
        "bounds": bounds,
        "table": {c: {column: rate(seen(c, column)) for column in COLUMNS} for c in CONDITIONS},
        "apart": {
            f"cousins less {other}": {
                column: apart(seen("cousins", column), seen(other, column)) for column in COLUMNS
            }
            for other in ("twin", "naive")
        },
        "curves": {
            c: [
                {"low": 0.0, "high": 0.0, **rate(seen(c, "twin"))},
                *({"low": e[0], "high": e[1], **rate(seen(c, "", e))} for e in pairwise(edges)),
            ]
            for c in CONDITIONS
        },
        "published": PUBLISHED,
    }


def rate(each: Sequence[Bools]) -> dict[str, Any]:
    """Of the successes of each seed of training: the mean of their shares, with Student's interval.
    The seeds have cousins and episodes of their own, so that it takes in the chance of all three.
    It is no narrower than the one of all episodes: three seeds may be alike by chance."""
    every = np.concatenate(each)
    least = wilson(int(every.sum()), len(every))
    return {"successes": int(every.sum()), "trials": len(every),
            **_mean([_share(one) for one in each], least, 0.0)}  # fmt: skip


def apart(first: Sequence[Bools], second: Sequence[Bools]) -> dict[str, Any]:
    """The first's success less the second's, on the same episodes, likewise."""
    a, b = np.concatenate(first), np.concatenate(second)
    least = paired(a, b).interval if len(a) else Interval(-1.0, 1.0)
    return _mean([_share(x) - _share(y) for x, y in zip(first, second, strict=True)], least, -1.0)


def _share(success: Bools) -> float:
    return float(success.mean()) if len(success) else float("nan")


def _mean(shares: Sequence[float], least: Interval, bottom: float) -> dict[str, Any]:
    """Of those that are known, with an interval that holds `least` and ends where shares can."""
    known = np.array([share for share in shares if np.isfinite(share)])
    found = mean_interval(known) or least
    low, high = max(min(found.low, least.low), bottom), min(max(found.high, least.high), 1.0)
    return {"seeds": [share if np.isfinite(share) else None for share in shares],
            "mean": float(known.mean()) if len(known) else None,
            "interval": [low, high]}  # fmt: skip


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
        "intervals of the mean over seeds, by Student's t, and no narrower than those of all "
        "episodes. Dissimilar: other things in place of "
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
        off, rows = 0.004 * k, [row for row in rows if row["trials"]]
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
        f'{300 + LEGEND}" role="img" {words}>\n'
        f"<style>{COLOURS}{charts.STYLE}svg.chart{{margin:0}}</style>\n"
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
