"""A comparison as a page: a scatter of the policies with their intervals, and what it says."""

from __future__ import annotations

from html import escape
from pathlib import Path

from cousins.archive import write_file
from cousins.compare import Agreement, Compared, Point, Statistic
from cousins.statistics import Interval
from cousins.style import STYLE

# As the report's pages, and what only a scatter has.
_STYLE = """
.agree{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(32rem,100%),1fr));gap:1rem;
align-items:start}
.scatter{display:block;width:100%;max-width:30rem;height:auto}
.scatter .frame{fill:none;stroke:var(--line)}
.scatter .same{stroke:var(--rail);stroke-width:2;stroke-dasharray:5 5}
.scatter .span{stroke:var(--mark);stroke-width:1.5;opacity:.45}
.scatter text{fill:var(--soft);font-size:12px}
.scatter .name{fill:var(--ink)}
"""
_SIDE, _LEFT, _BELOW, _MARGIN = 400, 44, 44, 14  # pixels of the square, and around it
_NAMED = 20  # points beyond which names would hide one another
_LONG = 24  # letters of a name in the picture


def write(path: Path, compared: Compared) -> None:
    """Write the page; it is there whole, or not at all. Raises PackError where it cannot be."""
    write_file(path, page(compared).encode())


def page(compared: Compared) -> str:
    """The comparison as HTML: no script, nothing from the network, light and dark, any width."""
    sections = "".join(_section(each, compared.level) for each in compared.agreements)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>Simulation and reality</title>\n<style>{STYLE}{_STYLE}</style>\n</head>\n"
        "<body>\n<main>\n<header><h1>Simulation and reality</h1><p>Success rates of the same "
        f"policies in both, and how well they agree. Intervals are of {compared.level:.0%}.</p>"
        f"</header>\n{sections}{_left_out(compared)}</main>\n</body>\n</html>\n"
    )


def title(agreement: Agreement) -> str:
    """What a comparison is of, in words."""
    if agreement.task is None:
        return "mean over all tasks"
    return f"task {agreement.task}" if agreement.task else "all policies"


def rows(agreement: Agreement) -> list[tuple[str, Statistic]]:
    """What is told of an agreement, by name."""
    noiseless = Statistic(None, agreement.pearson_noiseless, None)
    told = [("Pearson r", agreement.pearson)]
    if agreement.pearson_noiseless is not None:
        told.append(("without noise of counting", noiseless))
    return [
        *told,
        ("MMRV", agreement.mmrv),
        ("Spearman", agreement.spearman),
        ("Kendall tau-b", agreement.kendall),
        ("sim less real", agreement.bias),
    ]


def number(value: float | None) -> str:
    """Of a statistic; empty where it is not told."""
    return "" if value is None else f"{value:.3f}"


def span(interval: Interval | None) -> str:
    """From where to where."""
    return "" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"


def _section(one: Agreement, level: float) -> str:
    cells = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td data-of="Value">{number(of.value)}</td>'
        f'<td data-of="{level:.0%}">{span(of.interval)}</td>'
        f'<td data-of="Without any one">{span(of.dropped)}</td></tr>'
        for name, of in rows(one)
    )
    policies = "".join(
        f'<tr><th scope="row">{escape(p.policy)}</th>'
        f'<td data-of="Simulation">{_rate(p.sim, p.sim_interval)}</td>'
        f'<td data-of="Reality">{_rate(p.real, p.real_interval)}</td></tr>'
        for p in one.points
    )
    return (
        f"<section><h2>{escape(_capital(title(one)))}</h2><p>{escape(_capital(one.words))}.</p>"
        f'<div class="agree">{_scatter(one)}<div><table><thead><tr><th></th><th>Value</th>'
        f"<th>{level:.0%}</th><th>Without any one</th></tr></thead><tbody>{cells}</tbody></table>"
        "</div></div><h3>Policies</h3><table><thead><tr><th>Policy</th><th>Simulation</th>"
        f"<th>Reality</th></tr></thead><tbody>{policies}</tbody></table></section>\n"
    )


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def _rate(value: float, interval: Interval | None) -> str:
    told = f"{value:.3f}"
    return told if interval is None else f"{told} ({span(interval)})"


def _scatter(one: Agreement) -> str:
    """Simulation to the right, reality upwards, both from 0 to 1; on the line they are the same."""
    width, height = _LEFT + _SIDE + _MARGIN, _MARGIN + _SIDE + _BELOW
    right, floor = _LEFT + _SIDE, _MARGIN + _SIDE
    ticks = "".join(
        f'<text x="{_x(t):.0f}" y="{floor + 16}" text-anchor="middle">{t:g}</text>'
        f'<text x="{_LEFT - 6}" y="{_y(t) + 4:.0f}" text-anchor="end">{t:g}</text>'
        for t in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    points = "".join(_point(p, len(one.points) <= _NAMED) for p in one.points)
    return (
        f'<svg class="scatter" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="Success in simulation and in reality of {len(one.points)} policies">'
        f'<rect class="frame" x="{_LEFT}" y="{_MARGIN}" width="{_SIDE}" height="{_SIDE}"/>'
        f'<path class="same" d="M{_LEFT} {floor}L{right} {_MARGIN}"/>{ticks}'
        f'<text x="{_LEFT + _SIDE / 2}" y="{floor + 36}" text-anchor="middle">success in '
        f'simulation</text><text transform="translate(12 {_MARGIN + _SIDE / 2}) rotate(-90)" '
        f'text-anchor="middle">success in reality</text>{points}</svg>'
    )


def _point(p: Point, named: bool) -> str:
    x, y = _x(p.sim), _y(p.real)
    spans = ""
    if p.sim_interval:
        a, b = map(_x, p.sim_interval)
        spans += f'<path class="span" d="M{a:.1f} {y:.1f}H{b:.1f}"/>'
    if p.real_interval:
        a, b = map(_y, p.real_interval)
        spans += f'<path class="span" d="M{x:.1f} {a:.1f}V{b:.1f}"/>'
    words = f"{p.policy}: {p.sim:.3f} in simulation, {p.real:.3f} in reality"
    short = p.policy if len(p.policy) <= _LONG else f"{p.policy[: _LONG - 1]}…"
    # To the side on which there is room.
    at, end = (x - 8, "end") if p.sim > 0.6 else (x + 8, "start")
    name = f'x="{at:.1f}" y="{y - 8:.1f}" text-anchor="{end}">{escape(short)}'
    return (
        f'{spans}<circle cx="{x:.1f}" cy="{y:.1f}" r="5"><title>{escape(words)}</title></circle>'
        + (f'<text class="name" {name}</text>' if named else "")
    )


def _x(rate: float) -> float:
    return _LEFT + _SIDE * rate


def _y(rate: float) -> float:
    return _MARGIN + _SIDE * (1 - rate)


def _left_out(compared: Compared) -> str:
    told = [
        f"<li>Only in {where}: {escape(', '.join(names))}</li>"
        for where, names in (("simulation", compared.only_sim), ("reality", compared.only_real))
        if names
    ]
    if not told:
        return ""
    return f'<section class="warnings"><h2>Left out</h2><ul>{"".join(told)}</ul></section>\n'
