"""How far a mass can be told from a shape, and from a label as well: each published object foretold
by all the others, beside a prior of mass over bounding box alone.

    python benchmarks/priors.py [--plot FILE.svg] [--each]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from cousins.distributions import Distribution, LogNormal, mixture
from cousins.physics.mass import LEAST, Weighed, published, weighing, without
from cousins.physics.materials import told

NOMINAL = np.linspace(0.05, 0.95, 19)  # intervals about the median that hold so much


@dataclass(frozen=True)
class Foretold:
    """A published object and what all others say of its mass."""

    name: str
    truth: float
    mass: Distribution

    @property
    def ratio(self) -> float:
        mode = self.mass.mode
        return min(mode / self.truth, self.truth / mode)

    @property
    def width(self) -> float:
        return self.mass.quantile(0.95) / self.mass.quantile(0.05)

    def held(self, share: float) -> bool:
        low, high = self.mass.quantile((1 - share) / 2), self.mass.quantile((1 + share) / 2)
        return low <= self.truth <= high


def by_law(labelled: bool) -> list[Foretold]:
    """By the library's own prior."""
    out = []
    for name, thing in published().items():
        known = weighing(thing.form, thing.category if labelled else None, table=without(name))
        keep = known.share > LEAST
        parts = [LogNormal(float(m), float(s), "") for m, s in
                 zip(known.mu[keep], known.sigma[keep], strict=True)]  # fmt: skip
        out.append(Foretold(name, thing.mass, mixture(known.share[keep], parts, "")))
    return out


def by_box() -> list[Foretold]:
    """By a log-normal of mass over bounding box, of those of the same kind of shape."""
    out = []
    things = published()
    logs = {name: np.log(thing.mass / _box(name)) for name, thing in things.items()}
    for name, thing in things.items():
        kin = [logs[n] for n, t in things.items() if t.form.kind == thing.form.kind and n != name]
        sigma = float(np.std(kin, ddof=1) * np.sqrt(1 + 1 / len(kin)))
        mu = float(np.mean(kin) + np.log(_box(name)))
        out.append(Foretold(name, thing.mass, LogNormal(mu, sigma, "")))
    return out


def _box(name: str) -> float:
    sides = next(rows[name]["size"] for rows in told()["objects"].values() if name in rows)
    x, y, z = (sides * 3)[:3] if len(sides) == 1 else \
        (sides[0], *sides) if len(sides) == 2 else sides  # fmt: skip
    return 1e-9 * x * y * z


def main() -> None:
    """Foretell, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--plot", type=Path, metavar="FILE.svg")
    parser.add_argument("--each", action="store_true", help="every object as well")
    arguments = parser.parse_args()
    rows = {
        "mass over bounding box": by_box(),
        "shape and materials": by_law(False),
        "... and its label": by_law(True),
    }
    table = Table("prior", "objects", "in the 90% interval", "mode to truth, median",
                  "q95/q05, median", "log density, mean")  # fmt: skip
    for name, found in rows.items():
        log = [f.mass.log_density(np.array([f.truth]))[0] + np.log(f.truth) for f in found]
        table.add_row(name, str(len(found)), f"{np.mean([f.held(0.9) for f in found]):.3f}",
                      f"{np.median([f.ratio for f in found]):.3f}",
                      f"{np.median([f.width for f in found]):.1f}",
                      f"{np.mean(log):.2f}")  # fmt: skip
    console = Console(width=110)
    console.print(table)
    if arguments.each:
        console.print(_each(rows["shape and materials"], rows["... and its label"]))
    if arguments.plot:
        arguments.plot.write_text(plot(rows["shape and materials"], rows["... and its label"]))


def _each(plain: list[Foretold], labelled: list[Foretold]) -> Table:
    things: dict[str, Weighed] = dict(published())
    table = Table("object", "category", "g", "by shape, g", "with its label, g")
    for a, b in zip(plain, labelled, strict=True):
        what = things[a.name].category or ""
        table.add_row(a.name, what, f"{1e3 * a.truth:.0f}", _row(a), _row(b))
    return table


def _row(found: Foretold) -> str:
    low, high = found.mass.quantile(0.05), found.mass.quantile(0.95)
    miss = "" if found.held(0.9) else "  missed"
    return f"{1e3 * found.mass.mode:.0f}  [{1e3 * low:.0f}, {1e3 * high:.0f}]{miss}"


def plot(plain: list[Foretold], labelled: list[Foretold]) -> str:
    """The page's figure: intervals against truth on the left, calibration on the right."""
    order = np.argsort([f.truth for f in plain])[::-1]
    row, left, wide = 18, 130, 420
    high = 40 + row * len(order)

    def at(mass: float) -> float:
        return left + wide * (np.log10(np.clip(mass, 1e-3, 10)) + 3) / 4

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 940 {high + 40}" '
        'font-family="sans-serif" font-size="11" fill="#555">',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for mass, words in ((0.001, "1 g"), (0.01, "10 g"), (0.1, "100 g"), (1, "1 kg"), (10, "10 kg")):
        parts.append(f'<path d="M{at(mass):.1f} 24V{high}" stroke="#ddd"/>')
        parts.append(f'<text x="{at(mass):.1f}" y="16" text-anchor="middle">{words}</text>')
    for i, k in enumerate(order):
        y = 36 + row * i
        name = plain[k].name.replace("_", " ")
        parts.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{name}</text>')
        for found, colour, off in ((plain[k], "#9aa4ad", -3), (labelled[k], "#0f766e", 3)):
            low, top = at(found.mass.quantile(0.05)), at(found.mass.quantile(0.95))
            parts.append(f'<path d="M{low:.1f} {y + off}H{top:.1f}" stroke="{colour}" '
                         'stroke-width="4" stroke-linecap="round" opacity=".6"/>')  # fmt: skip
        parts.append(f'<circle cx="{at(plain[k].truth):.1f}" cy="{y}" r="3.5" fill="#b4593a"/>')
    parts.append(_calibration(plain, labelled))
    parts.append(
        f'<text x="{left}" y="{high + 24}"><tspan fill="#b4593a">●</tspan> published mass   '
        '<tspan fill="#9aa4ad">▬</tspan> 90% interval by shape   '
        '<tspan fill="#0f766e">▬</tspan> with its label; each without the object itself'
        "</text></svg>"
    )
    return "\n".join(parts) + "\n"


def _calibration(plain: list[Foretold], labelled: list[Foretold]) -> str:
    x0, y0, side = 640, 60, 260

    def line(found: list[Foretold]) -> str:
        share = [np.mean([f.held(float(q)) for f in found]) for q in NOMINAL]
        return " ".join(f"{x0 + side * q:.1f},{y0 + side * (1 - s):.1f}"
                        for q, s in zip(NOMINAL, share, strict=True))  # fmt: skip

    ticks = "".join(
        f'<text x="{x0 + side * t}" y="{y0 + side + 16}" text-anchor="middle">{t:.0%}</text>'
        f'<text x="{x0 - 6}" y="{y0 + side * (1 - t) + 4}" text-anchor="end">{t:.0%}</text>'
        for t in (0.0, 0.5, 1.0)
    )
    return (
        f'<rect x="{x0}" y="{y0}" width="{side}" height="{side}" fill="none" stroke="#ddd"/>'
        f'<path d="M{x0} {y0 + side}L{x0 + side} {y0}" stroke="#ccc" stroke-dasharray="4 4"/>'
        f'<polyline points="{line(plain)}" fill="none" stroke="#9aa4ad" stroke-width="2.5"/>'
        f'<polyline points="{line(labelled)}" fill="none" stroke="#0f766e" stroke-width="2.5"/>'
        f'{ticks}<text x="{x0 + side / 2}" y="{y0 + side + 34}" text-anchor="middle">'
        'share that an interval should hold</text>'
        f'<text x="{x0}" y="{y0 - 10}">share of objects that it does hold</text>'
    )  # fmt: skip


if __name__ == "__main__":
    main()
