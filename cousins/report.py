"""The one-page report: a file that opens anywhere, with its pictures and numbers inside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np

from cousins.archive import write_file
from cousins.html import bars, document, figure, numbers
from cousins.index import Index, index
from cousins.pack import Pack
from cousins.picture import Image, encode
from cousins.schema import Augmented, ObjectEntry, Property

_BINS = 24


@dataclass(frozen=True)
class Speed:
    """How the cousins stepped: in all, per second, contacts and share awake of a cousin."""

    engine: str
    cousins: int
    steps: int
    seconds: float
    steps_per_second: float
    contacts: float
    awake: float
    unstable: int


@dataclass(frozen=True)
class Figures:
    """What a report shows besides the pack itself.

    frame: one of the capture's pictures; twin: the twin from the same place. tiles: captions and
    pictures of the twin and of cousins. seconds: by stage, in order.
    """

    frame: Image | None
    twin: Image
    tiles: Sequence[tuple[str, Image]]
    seconds: Mapping[str, float] = field(default_factory=dict)
    speed: Speed | None = None


def write(path: Path, pack: Pack, figures: Figures) -> None:
    """Write the page; it is there whole, or not at all. Raises PackError where it cannot be."""
    write_file(path, page(pack, figures).encode())


def page(pack: Pack, figures: Figures) -> str:
    """The report as HTML: no script, nothing from the network, light and dark, any width."""
    title = pack.manifest.capture.name or "A scene"
    held, made = index(pack), pack.manifest.augmented
    sections = [
        _head(pack, title, len(held)),
        _numbers(pack, len(held), figures),
        _pair(figures),
        _objects(pack.objects),
        _tiles(figures.tiles, held),
        _drawn(made),
        _certificates(len(held), made),
        _distances(held),
        _time(figures),
        _warnings(pack.quality.warnings),
        _foot(pack),
    ]
    return document(f"{title} and its cousins", sections)


def _head(pack: Pack, title: str, cousins: int) -> str:
    count = f"{cousins:,} simulated cousins of it" if cousins else "no cousins yet"
    return (
        f"<header><h1>{escape(title)}</h1><p>A place, scanned into "
        f"{_plural(len(pack.objects), 'object')} that physics can move, and {count}.</p>"
        "</header>\n"
    )


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _numbers(pack: Pack, cousins: int, figures: Figures) -> str:
    told = [(f"{len(pack.objects)}", "objects found"), (f"{cousins:,}", "cousins certified")]
    if figures.speed:
        told.append((_short(figures.speed.steps_per_second), "physics steps a second"))
        told.append((f"{figures.speed.unstable}", "went unstable"))
    if figures.seconds:
        told.append((_duration(sum(figures.seconds.values())), "from capture to report"))
    return numbers(told)


def _short(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:.1f} M"
    return f"{value / 1e3:.0f} k" if value >= 1e4 else f"{value:,.0f}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def _picture(image: Image, caption: str, words: str) -> str:
    return figure(encode(image, ".jpg"), (image.shape[1], image.shape[0]), caption, words)


def _pair(figures: Figures) -> str:
    seen = ""
    if figures.frame is not None:
        seen = _picture(figures.frame, "The capture: one of its frames", "A frame of the capture")
    same = " from the same place" if seen else ""
    twin = _picture(figures.twin, f"The twin{same}", "The twin, rendered")
    return f'<section class="pair">{seen}{twin}</section>\n'


def _objects(objects: Sequence[ObjectEntry]) -> str:
    if not objects:
        return ""
    masses, frictions = [o.mass for o in objects if o.mass], [o.friction for o in objects]
    scales = _scale(masses), _scale(frictions)
    rows = "".join(_row(entry, *scales) for entry in objects)
    sources = sorted({p.source for p in (*masses, *frictions)})
    return (
        "<section><h2>Objects</h2><p>What cannot be seen is a distribution, not a number. The bar "
        "spans 90 % of it, the dot is what the twin takes; each cousin draws its own. Scales are "
        "logarithmic and shared by all rows.</p>"
        "<table><thead><tr><th>Object</th><th>Size, cm</th><th>Seen</th><th>Mass, kg</th>"
        f"<th>Friction</th></tr></thead><tbody>{rows}</tbody></table>"
        f'<p class="note">Sources: {escape("; ".join(sources))}.</p></section>\n'
    )


def _scale(properties: Sequence[Property]) -> tuple[float, float]:
    if not properties:
        return 0.0, 1.0
    low = min(math.log(max(min(p.q05, p.mode), 1e-9)) for p in properties)
    high = max(math.log(max(p.q95, p.mode, 1e-9)) for p in properties)
    margin = 0.05 * (high - low) or 0.1
    return low - margin, high + margin


def _row(entry: ObjectEntry, mass: tuple[float, float], friction: tuple[float, float]) -> str:
    label = "" if entry.label == entry.name else f"<small>{escape(entry.label)}</small>"
    size = " &times; ".join(f"{100 * s:.1f}" for s in entry.size)
    seen = 100 * entry.observed_fraction
    return (
        f'<tr><th scope="row">{escape(entry.name)}{label}</th>'
        f'<td data-of="Size, cm">{size}</td>'
        f'<td data-of="Seen">{seen:.0f} %</td>'
        f'<td data-of="Mass, kg">{_interval(entry.mass, mass) if entry.mass else "not known"}</td>'
        f'<td data-of="Friction">{_interval(entry.friction, friction)}</td></tr>'
    )


def _interval(value: Property, scale: tuple[float, float]) -> str:
    def at(x: float) -> float:
        return 4 + 132 * (math.log(max(x, 1e-9)) - scale[0]) / (scale[1] - scale[0])

    words = f"{_digits(value.mode)}, 90 % from {_digits(value.q05)} to {_digits(value.q95)}"
    a, b, c = at(value.q05), at(value.q95), at(value.mode)
    return (
        f'<span class="interval"><svg viewBox="0 0 140 14" role="img" aria-label="{words}">'
        '<path class="rail" d="M4 7H136"/>'
        f'<path class="bar" d="M{a:.1f} 7H{b:.1f}"/><circle cx="{c:.1f}" cy="7" r="4"/></svg>'
        f"<b>{_digits(value.mode)}</b> "
        f"<span>{_digits(value.q05)}&ndash;{_digits(value.q95)}</span></span>"
    )


def _digits(value: float) -> str:
    return f"{value:.2g}" if value < 100 else f"{value:.0f}"


def _tiles(tiles: Sequence[tuple[str, Image]], held: Index) -> str:
    if len(tiles) < 2:
        return ""
    figures = "".join(_picture(image, caption, caption) for caption, image in tiles)
    return (
        f"<section><h2>Cousins</h2><p>The twin, and {len(tiles) - 1} of {len(held):,} cousins from "
        f"near to far. They differ in {escape(_listed(list(held.axes)))}.</p>"
        f'<div class="tiles">{figures}</div></section>\n'
    )


def _listed(words: Sequence[str]) -> str:
    *most, last = words or ["nothing that was told"]
    return f"{', '.join(most)} and {last}" if most else last


def _drawn(made: Augmented | None) -> str:
    if made is None:
        return ""
    strengths = ", ".join(f"{name} {value:g}" for name, value in made.axes.items())
    shapes = f"Each object has up to {_plural(made.shapes, 'shape')}"
    if made.library and made.swaps and made.shapes > 1:
        shapes += (
            f": its own, bent and scaled ones, and up to {made.swaps:.0%} that are other things of "
            f"its kind, from {made.library}"
        )
    told = [
        f"Strength of each axis, 0 as the twin and 1 as far as is sensible: {strengths}.",
        f"{shapes}.",
        f"Up to {_plural(made.distractors, 'thing')} that the twin does not have may stand about."
        if made.distractors
        else "Nothing stands about that the twin does not have.",
        f"{made.cousins:,} were asked for, with seed {made.seed}"
        + (", at a distance of {:g} to {:g}.".format(*made.distances) if made.distances else "."),
    ]
    return f"<section><h2>How they were drawn</h2><p>{escape(' '.join(told))}</p></section>\n"


def _certificates(cousins: int, made: Augmented | None) -> str:
    if not cousins:
        return ""
    text = (
        "<section><h2>Certificates</h2><p>Every cousin was left to physics: after it settled, "
        "nothing overlaps by more than a millimetre, nothing fell, nothing moves, and everything "
        "stands to the other things as it did. What failed was drawn anew.</p>"
    )
    if made is None:
        return text + '<p class="note">What failed is not told.</p></section>\n'
    text += bars({"passed": cousins, **made.rejected_by_reason}, _count, first="good")
    share = made.rejected / (made.rejected + cousins)
    said = (
        f"{_plural(made.rejected, 'draw')} failed ({share:.0%} of all); one may have failed for "
        "several reasons."
        if made.rejected
        else "No draw failed."
    )
    text += f'<p class="note">{said}</p>'
    for title, counts in (
        ("Shapes that did not get into the bank", made.shapes_rejected),
        ("Places that were tried for an object in vain", made.places_rejected),
    ):
        if counts:
            text += f"<h3>{title}</h3>{bars(counts, _count)}"
    return text + "</section>\n"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _distances(held: Index) -> str:
    if len(held) < 2:
        return ""
    counts, edges = np.histogram(held.distance, bins=_BINS)
    most, width = int(counts.max()), 720 / _BINS
    bars = "".join(
        f'<rect x="{i * width + 1:.1f}" y="{130 - 120 * c / most:.1f}" width="{width - 2:.1f}" '
        f'height="{120 * c / most:.1f}"><title>{edges[i]:.2f} to {edges[i + 1]:.2f}: {c}</title>'
        "</rect>"
        for i, c in enumerate(counts)
    )
    middle = float(np.median(held.distance))
    return (
        "<section><h2>Distance from the twin</h2><p>How far each cousin went along the axes on "
        "which it differs, so that a policy's success can be plotted against it: 0 is the twin. "
        f'Median {middle:.2f}.</p><svg class="histogram" viewBox="0 0 720 150" role="img" '
        f'aria-label="Distances from {edges[0]:.2f} to {edges[-1]:.2f}">{bars}'
        f'<text x="0" y="148">{edges[0]:.2f}</text>'
        f'<text x="720" y="148" text-anchor="end">{edges[-1]:.2f}</text></svg>'
        f"{_by_axis(held)}</section>\n"
    )


def _by_axis(held: Index) -> str:
    told = {name: values[np.isfinite(values)] for name, values in held.axes.items()}
    means = {name: float(values.mean()) for name, values in told.items() if len(values)}
    if not means:
        return ""
    return f"<h3>The mean of each axis</h3>{bars(means, lambda v: f'{v:.2f}')}"


def _time(figures: Figures) -> str:
    text = ""
    if figures.seconds:
        text += "<section><h2>Time</h2>" + bars(dict(figures.seconds), _duration)
    if figures.speed:
        s = figures.speed
        text += (
            f'<p class="note">{s.cousins:,} cousins &times; {s.steps:,} steps on the '
            f"{escape(s.engine)} engine in {_duration(s.seconds)}: "
            f"{s.steps_per_second:,.0f} steps a second, "
            f"{s.contacts:.1f} contacts a cousin, {s.awake:.0%} of the objects awake.</p>"
        )
    return text + "</section>\n" if figures.seconds else text


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return "<section><h2>Warnings</h2><p>None.</p></section>\n"
    items = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    return f'<section class="warnings"><h2>Warnings</h2><ul>{items}</ul></section>\n'


def _foot(pack: Pack) -> str:
    m = pack.manifest
    licences = "; ".join(f"{k}: {v}" for k, v in m.licences.items())
    told = [
        f"cousins {m.cousins_version}",
        f"layout {m.capture.layout}",
        f"capture {m.capture.sha256[:12]}",
        f"seed {m.seed}",
        *([licences] if licences else []),
    ]
    return f"<footer>{' · '.join(escape(t) for t in told)}</footer>\n"
