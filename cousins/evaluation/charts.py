"""Charts of an evaluation as SVG: drawn in the page's own colours, told in words to who cannot see
them, and told apart by form as well as by colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from cousins.evaluation.rates import Curve, Rate
from cousins.statistics import Interval

STYLE = """
.chart{display:block;width:100%;height:auto;margin:.4rem 0}
.chart text{fill:var(--soft);font-size:12px;font-variant-numeric:tabular-nums}
.chart .grid{stroke:var(--line);stroke-width:1}
.chart .axis{stroke:var(--soft);stroke-width:1}
.chart .zero{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3}
.chart circle{stroke:none}
.chart .a{--c:var(--mark)}.chart .b{--c:var(--bad)}.chart .c{--c:var(--soft)}
.chart .a *,.chart .b *,.chart .c *{vector-effect:non-scaling-stroke}
.chart .band{fill:var(--c);opacity:.14;stroke:none}
.chart .line{fill:none;stroke:var(--c);stroke-width:2}
.chart .b .line{stroke-dasharray:7 4}.chart .c .line{stroke-dasharray:2 4}
.chart .whisker{stroke:var(--c);stroke-width:1.5}
.chart .dot{fill:var(--c)}
.chart .name{fill:var(--ink);font-weight:600;font-size:13px}
.legend{display:flex;gap:1.4rem;flex-wrap:wrap;font-size:.875rem;color:var(--soft);margin:.2rem 0}
.legend svg{display:inline;width:34px;height:12px;vertical-align:middle;margin:0 .4rem 0 0}
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:.6rem 1.2rem}
.panels figcaption{padding:0;color:var(--ink);font-weight:600}
.panels figcaption span{font-weight:400;color:var(--soft)}
details{margin:.6rem 0 0;font-size:.875rem}
summary{cursor:pointer;color:var(--soft)}
.wide{overflow-x:auto}
.effect{display:inline-grid;grid-template-columns:190px auto;gap:.7rem;align-items:center}
.effect svg{width:190px;height:18px}
@media (max-width:760px){.effect{grid-template-columns:1fr;gap:0;justify-items:end}
.chart.large{min-width:34rem}.panels{grid-template-columns:repeat(auto-fill,minmax(10rem,1fr))}}
"""
KINDS = ("a", "b", "c")  # classes of the first, the second and a third policy


@dataclass(frozen=True)
class Box:
    """Where a chart's numbers lie: x from low to high, y as a share; in pixels of the picture."""

    width: float
    height: float
    low: float
    high: float
    left: float = 44
    right: float = 14
    top: float = 12
    bottom: float = 34

    def x(self, value: float) -> float:
        """Of a number."""
        span = self.high - self.low or 1.0
        return self.left + (value - self.low) / span * (self.width - self.left - self.right)

    def y(self, share: float) -> float:
        """Of a share in 0..1."""
        return self.height - self.bottom - share * (self.height - self.top - self.bottom)


def curves(each: Sequence[tuple[str, Curve]], label: str) -> str:
    """Success against a distance, of one policy to three. each: names and curves."""
    told = [c for _, c in each if c.bins]
    if not told:
        return ""
    low = min(c.bins[0].low for c in told)
    high = max(c.bins[-1].high for c in told)
    box = Box(760, 300, low, high)
    parts = [_shares(box), _ticks(box, label)]
    for kind, (_, curve) in zip(KINDS, each, strict=False):
        drawn = []
        if curve.at:
            band = [*zip(curve.at, curve.low, strict=True),
                    *reversed(list(zip(curve.at, curve.high, strict=True)))]  # fmt: skip
            drawn.append(f'<path class="band" d="{_path(box, band)}Z"/>')
            line = list(zip(curve.at, curve.rate, strict=True))
            drawn.append(f'<path class="line" d="{_path(box, line)}"/>')
        for b in curve.bins:
            words = f"{b.low:.3f} to {b.high:.3f}: {_words(b.rate)}"
            drawn.append(_whisker(box, b.middle, b.rate, kind, words))
        parts.append(f'<g class="{kind}">{"".join(drawn)}</g>')
    words = f"Success against {label}. " + " ".join(
        f"{name}: " + ", ".join(f"{b.middle:.2f} {b.rate.share:.0%}" for b in c.bins) + "."
        for name, c in each
    )
    drawn = _svg(box, words, parts).replace('class="chart"', 'class="chart large"', 1)
    return f'{legend([name for name, _ in each])}<div class="wide">{drawn}</div>'


def legend(names: Sequence[str]) -> str:
    """Which form is which policy; nothing for one alone."""
    if len(names) < 2:
        return ""
    box = Box(34, 12, 0, 1, 0, 0, 0, 0)
    items = "".join(
        f'<span><svg class="chart" viewBox="0 0 34 12" aria-hidden="true"><g class="{kind}">'
        f'<path class="line" d="M0 6H34"/>{_dot(box, 0.5, 0.5, kind)}</g></svg>'
        f"{escape(name)}</span>"
        for kind, name in zip(KINDS, names, strict=False)
    )
    return f'<p class="legend">{items}</p>'


def steps(points: Sequence[tuple[float, Rate]], words: str, label: str) -> str:
    """A small chart of rates at a few numbers, joined by a line."""
    values = [x for x, _ in points]
    box = Box(260, 160, min(values), max(values), left=44, right=12, top=8, bottom=38)
    line = _path(box, [(x, r.share) for x, r in points])
    dots = "".join(_whisker(box, x, r, "a", f"{x:g}: {_words(r)}") for x, r in points)
    drawn = f'<g class="a"><path class="line" d="{line}"/>{dots}</g>'
    return _svg(box, words, [_shares(box, 3), _ticks(box, label, 4), drawn])


def effect(change: float, interval: Interval, most: float) -> str:
    """A difference of shares on a scale of -most to most, with its interval."""

    def at(value: float) -> float:
        return 95 + 90 * max(-1.0, min(1.0, value / most))

    low, high = at(interval.low), at(interval.high)
    words = f"{100 * change:+.1f} points, {100 * interval.low:+.1f} to {100 * interval.high:+.1f}"
    return (
        f'<svg class="chart" viewBox="0 0 190 18" role="img" aria-label="{words}">'
        '<path class="grid" d="M5 9H185"/><path class="zero" d="M95 1V17"/><g class="a">'
        f'<path class="whisker" d="M{low:.1f} 9H{high:.1f}" style="stroke-width:3"/>'
        f'<circle class="dot" cx="{at(change):.1f}" cy="9" r="4.5"/></g></svg>'
    )


def _words(rate: Rate) -> str:
    return (f"{100 * rate.share:.1f} % of {rate.trials:,} episodes, 95 % interval "
            f"{100 * rate.low:.1f} to {100 * rate.high:.1f}")  # fmt: skip


def _whisker(box: Box, x: float, rate: Rate, kind: str, words: str) -> str:
    low, high = box.y(rate.low), box.y(rate.high)
    return (
        f'<g><title>{escape(words)}</title><path class="whisker" '
        f'd="M{box.x(x):.1f} {low:.1f}V{high:.1f}"/>{_dot(box, x, rate.share, kind)}</g>'
    )


def _dot(box: Box, x: float, share: float, kind: str) -> str:
    at, up = box.x(x), box.y(share)
    if kind == "a":
        return f'<circle class="dot" cx="{at:.1f}" cy="{up:.1f}" r="4.5"/>'
    if kind == "b":
        return f'<rect class="dot" x="{at - 4:.1f}" y="{up - 4:.1f}" width="8" height="8"/>'
    return f'<path class="dot" d="M{at - 5:.1f} {up + 4:.1f}h10l-5 -9Z"/>'


def _path(box: Box, points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{box.x(x):.1f} {box.y(y):.1f}" for x, y in points)


def _shares(box: Box, count: int = 5) -> str:
    """Lines at shares, and what they are."""
    right = box.width - box.right
    out = []
    for k in range(count):
        share = k / (count - 1)
        y = box.y(share)
        out.append(
            f'<path class="grid" d="M{box.left} {y:.1f}H{right}"/>'
            f'<text x="{box.left - 6}" y="{y + 4:.1f}" text-anchor="end">{100 * share:.0f} %</text>'
        )
    return "".join(out)


def _ticks(box: Box, label: str, most: int = 6) -> str:
    base = box.height - box.bottom
    ticks = "".join(
        f'<text x="{box.x(value):.1f}" y="{base + 16}" text-anchor="middle">{value:g}</text>'
        for value in _round(box.low, box.high, most)
    )
    return (
        f'<path class="axis" d="M{box.left} {base}H{box.width - box.right}"/>{ticks}'
        f'<text x="{(box.left + box.width - box.right) / 2:.1f}" y="{box.height - 3}" '
        f'text-anchor="middle">{escape(label)}</text>'
    )


def _round(low: float, high: float, most: int) -> list[float]:
    """Round numbers from low to high, at most so many and a few more."""
    span = high - low
    if span <= 0:
        return [float(f"{low:.3g}")]
    step = 10 ** math.floor(math.log10(span / most))
    step = next(step * k for k in (1, 2, 2.5, 5, 10) if span / (step * k) <= most)
    first = math.ceil(low / step - 1e-9)
    return [float(f"{k * step:.6g}") for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _svg(box: Box, words: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {box.width:g} {box.height:g}" role="img" '
        f'aria-label="{escape(words)}">{"".join(parts)}</svg>'
    )
