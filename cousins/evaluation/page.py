"""The page of an evaluation: one file that opens anywhere, with its charts and pictures inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from cousins.archive import write_file
from cousins.errors import CousinsError, UsageError
from cousins.evaluation import charts
from cousins.evaluation.evaluate import Evaluation, Summary
from cousins.evaluation.isolate import by_axis
from cousins.evaluation.rates import Rate
from cousins.evaluation.tell import farthest, intervals, percent, points, rows, versus
from cousins.evaluation.worst import Hard
from cousins.html import bars, document, figure, numbers
from cousins.pack import read
from cousins.picture import Image, encode, shown
from cousins.progress import Progress, silent


def check_page(path: Path) -> None:
    """Raises UsageError for a name that is no page's."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{path}: not a page's name: end it in .html")


def write(path: Path, done: Evaluation, progress: Progress = silent) -> None:
    """Write the page, with pictures of the worst cousins where this machine can draw them. Raises
    UsageError for another suffix, PackError where it cannot be written."""
    check_page(path)
    progress("page", 0, 1)
    write_file(path, page(done, _pictures(done)).encode())
    progress("page", 1, 1)


def _pictures(done: Evaluation) -> dict[int, Image]:
    """By number, of the worst cousins; none where there is no OpenGL, or no such pack any more."""
    numbers = [h.cousin for h in done.worst if h.cousin >= 0]
    if not numbers:
        return {}
    try:
        return dict(zip(numbers, shown(read(Path(done.pack)), numbers), strict=True))
    except CousinsError:
        return {}


def page(done: Evaluation, pictures: Mapping[int, Image] | None = None) -> str:
    """The page as HTML: no script, nothing from the network, light and dark, any width."""
    title = f"{done.first.policy} at {done.task}"
    sections = [
        _head(done),
        _numbers(done),
        _versus(done),
        _distance(done),
        _axes(done),
        _isolated(done),
        _failures(done),
        _worst(done.worst, pictures or {}),
        _notes(done),
        _foot(done),
    ]
    return document(title, sections, charts.STYLE)


def _both(done: Evaluation) -> list[Summary]:
    return [s for s in (done.first, done.second) if s is not None]


def _head(done: Evaluation) -> str:
    return (
        f"<header><h1>{escape(done.first.policy)} at {escape(done.task)}</h1><p>"
        f"{len(done.first.episodes):,} episodes of “{escape(done.instruction)}” in "
        f"{escape(Path(done.pack).name)}, each with one of {done.cousins:,} cousins.</p></header>\n"
    )


def _numbers(done: Evaluation) -> str:
    first = done.first
    return numbers(
        [
            (f"{100 * first.rate.share:.1f} %", f"succeeded ({_interval(first.rate)})"),
            (f"{len(first.episodes):,}", "episodes"),
            (f"{first.seconds:.1f} s", "an episode's mean length"),
            (f"{first.reward:.3g}", "mean sum of rewards"),
            (f"{done.per_second:,.0f}", "episodes a second"),
        ]
    )


def _interval(rate: Rate) -> str:
    return f"{100 * rate.low:.1f} to {100 * rate.high:.1f}"


def _versus(done: Evaluation) -> str:
    if done.comparison is None or done.second is None:
        return ""
    table = _table(*rows(done)["Success"])
    return (
        f"<section><h2>Against {escape(done.second.policy)}</h2><p>On the same episodes "
        f"{escape(done.first.policy)} is at {escape(versus(done.comparison))}.</p>{table}"
        "</section>\n"
    )


def _distance(done: Evaluation) -> str:
    each = [(s.policy, s.curve) for s in _both(done)]
    drawn = charts.curves(each, "distance from the twin")
    if not drawn:
        return ""
    table = rows(done).get("Success by distance from the twin")
    data = f"<details><summary>The numbers</summary>{_table(*table)}</details>" if table else ""
    told = ""
    if done.first.curve.slope:
        middle, (low, high) = done.first.curve.slope
        told = (
            f" For each 0.1 of distance the log odds of success change by {middle / 10:+.2f} "
            f"({low / 10:+.2f} to {high / 10:+.2f})."
        )
    return (
        "<section><h2>Success against the distance from the twin</h2><p>Dots are bins of as many "
        "episodes each, whiskers their 95 % intervals; the curve is a logistic regression with its "
        f"95 % band.{told}</p>{drawn}{data}</section>\n"
    )


def _axes(done: Evaluation) -> str:
    told = [e for e in done.effects if e.change]
    if not told:
        return ""
    most = max(max(abs(e.change[1].low), abs(e.change[1].high)) for e in told if e.change)
    body = []
    for e in told:
        assert e.change is not None
        drawn = charts.effect(*e.change, max(most, 0.05))
        body.append(
            f'<tr><th scope="row">{escape(e.axis)}</th>'
            f'<td data-of="Distance">{e.from_:.2f} to {e.to:.2f}</td><td data-of="Success changes '
            f'by"><span class="effect">{drawn}<span>{points(*e.change)}</span></span></td></tr>'
        )
    panels = "".join(
        f"<figure><figcaption>{escape(e.axis)}</figcaption>"
        + charts.steps([(b.middle, b.rate) for b in e.bins], f"Success by distance on {e.axis}",
                       "distance on this axis")
        + "</figure>"
        for e in told
    )  # fmt: skip
    unseen = ""
    if done.unseen:
        names = escape(", ".join(done.unseen))
        unseen = f'<p class="note">Left out are axes that cannot matter here: {names}.</p>'
    return (
        "<section><h2>What each axis does</h2><p>By how much success changes from the distance "
        "that one episode in ten stays below on an axis to the one that nine in ten do, the other "
        "axes as they are: by a logistic regression on all of them, so that those that go together "
        "are told apart. An interval that crosses the line may be no effect at all.</p>"
        "<table><thead><tr><th>Axis</th><th>Distance</th><th>Success changes by</th></tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>{unseen}<h3>Success by distance on one axis, "
        f'whatever the others do</h3><div class="panels">{panels}</div></section>\n'
    )


def _isolated(done: Evaluation) -> str:
    found = done.isolated
    if found is None:
        return ""
    cells = by_axis(found.cells)
    panels = "".join(
        f"<figure><figcaption>{escape(axis)} <span>{points(loss.difference, loss.interval)}</span>"
        "</figcaption>"
        + charts.steps([(0.0, found.twin), *((c.strength, c.rate) for c in cells[axis])],
                       f"Success by the strength of {axis}, all other axes at 0", "strength")
        + "</figure>"
        for axis, loss in found.loss.items()
    )  # fmt: skip
    return (
        "<section><h2>One axis at a time</h2><p>Cousins that differ from the twin on one axis "
        "only, so that what is lost is that axis' doing; beside its name, success at full strength "
        f'less the twin\'s.</p><div class="panels">{panels}</div><details><summary>The numbers'
        f"</summary>{_table(*rows(done)['One axis at a time'])}</details></section>\n"
    )


def _failures(done: Evaluation) -> str:
    out = []
    most = max((r.share for s in _both(done) for r in s.failures.values()), default=1.0)
    for s in _both(done):
        if s.failures:
            shares = {kind: r.share for kind, r in s.failures.items()}
            said = {f"{r.share}": f"{percent(r)}" for r in s.failures.values()}
            name = f"<h3>{escape(s.policy)}</h3>" if done.second else ""
            out.append(name + bars(shares, lambda v, said=said: said[f"{v}"], most=most))
    if not out:
        return "<section><h2>Failures</h2><p>None.</p></section>\n"
    return (
        "<section><h2>Failures</h2><p>How episodes failed, as shares of all of them.</p>"
        f"{''.join(out)}</section>\n"
    )


def _worst(hard: Sequence[Hard], pictures: Mapping[int, Image]) -> str:
    if not hard:
        return ""
    out = []
    for h in hard:
        kinds = ", ".join(f"{n} {kind}" for kind, n in h.failures.items()) or "no failure"
        caption = (
            f"cousin {h.cousin}   distance {h.distance:.2f}\n{h.successes} of {h.trials}: {kinds}\n"
            f"far on {farthest(h.axes)}"
        )
        image = pictures.get(h.cousin)
        if image is None:
            out.append(f"<figure><figcaption>{escape(caption)}</figcaption></figure>")
        else:
            size = image.shape[1], image.shape[0]
            out.append(figure(encode(image, ".jpg"), size, caption, f"Cousin {h.cousin}"))
    return (
        "<section><h2>The worst cousins</h2><p>Those that did worst were tried anew, several times "
        "each, and only these new episodes are told here: the worst after an episode or two are "
        f'mostly the unlucky ones.</p><div class="tiles">{"".join(out)}</div></section>\n'
    )


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(h)}</th>" for h in head)
    lines = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f'<td data-of="{escape(h)}">{escape(c)}</td>'
                  for h, c in zip(head[1:], rest, strict=True))
        + "</tr>"
        for first, *rest in body
    )  # fmt: skip
    return (f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>'
            "</div>")  # fmt: skip


def _notes(done: Evaluation) -> str:
    if not done.notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in done.notes)
    return f'<section class="warnings"><h2>Notes</h2><ul>{items}</ul></section>\n'


def _foot(done: Evaluation) -> str:
    from cousins import __version__

    told = [
        f"cousins {__version__}", f"engine {done.engine}", f"seed {done.seed}",
        *([f"stopped: {done.stopped}"] if done.stopped else []),
    ]  # fmt: skip
    return f"<footer>{escape(intervals(done))}<br>{escape(' · '.join(told))}</footer>\n"
