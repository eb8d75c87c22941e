"""The index of a pack's cousins as columns: sorted and picked by distance, by axis, by effort.

One line of a family's cousins.jsonl is read at a time, and of each only its numbers are kept.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cousins.errors import PackError, UsageError
from cousins.pack_reader import Pack, entries
from cousins.types import Array

Numbers = NDArray[np.int64]
Spans = Mapping[str, tuple[float, float]]
CERTIFIED = ("overlap", "drift", "tilt", "energy")


@dataclass(frozen=True)
class Index:
    """n cousins, one row each, in the order of their numbers.

    number, family and row (n,): a cousin's number in the pack, its family, and its row there.
    distractors (n,): things that the twin does not have. distance (n,), and axes by name, each
    (n,): NaN where a cousin's entry does not tell it. attempts (n,): draws it took. overlap (m),
    drift (m), tilt (rad) and energy (J) (n,): as in its certificate.
    """

    number: Numbers
    family: Numbers
    row: Numbers
    distractors: Numbers
    attempts: Numbers
    distance: Array
    axes: Mapping[str, Array] = field(repr=False)
    overlap: Array = field(repr=False)
    drift: Array = field(repr=False)
    tilt: Array = field(repr=False)
    energy: Array = field(repr=False)

    def __len__(self) -> int:
        return len(self.number)

    @property
    def columns(self) -> dict[str, NDArray]:
        """What cousins can be sorted by, by name; their number is the `index`."""
        certified = {name: getattr(self, name) for name in CERTIFIED}
        return {"index": self.number, "distance": self.distance, **self.axes,
                "attempts": self.attempts, **certified}  # fmt: skip


def index(pack: Pack) -> Index:
    """Every cousin that the pack holds. Raises PackError for a bad index."""
    whole = {name: array("q") for name in ("number", "family", "row", "distractors", "attempts")}
    real = {name: array("d") for name in ("distance", *CERTIFIED)}
    axes: dict[str, array] = {}
    for k in pack.families:
        for row, entry in enumerate(entries(pack, k)):
            c = entry.certificate
            # A seed is of the run, the distractors, the index, the attempt; older ones are shorter.
            extra = entry.seed[1] if len(entry.seed) == 4 else 0
            try:
                for name, v in zip(whole, (entry.index, k, row, extra, c.attempts), strict=True):
                    whole[name].append(v)
            except OverflowError:
                where = f"{pack.path}: families/{k}/cousins.jsonl line {row + 1}"
                raise PackError(f"{where}: numbers beyond all counting: augment anew") from None
            for name, value in zip(real, (entry.distance, c.overlap, c.drift, c.tilt, c.energy),
                                   strict=True):  # fmt: skip
                real[name].append(value)
            for name in entry.axes:
                if name not in axes:
                    axes[name] = array("d", [np.nan]) * (len(whole["row"]) - 1)
            for name, values in axes.items():
                values.append(entry.axes.get(name, np.nan))
    order = np.lexsort([np.array(whole[name]) for name in ("row", "family", "number")])
    return Index(
        **{name: np.array(values, np.int64)[order] for name, values in whole.items()},
        **{name: np.array(values, float)[order] for name, values in real.items()},
        axes={name: np.array(values, float)[order] for name, values in axes.items()},
    )


def chosen(held: Index, sort: str = "index", spans: Spans | None = None) -> Numbers:
    """Rows of the index that lie within all spans, ends included, in rising order of a column.

    sort, and the names of spans: of `Index.columns`. Those alike are in the order of their
    numbers. Raises UsageError for a column that there is not, with those there are.
    """
    keep = np.ones(len(held), bool)
    for name, (low, high) in (spans or {}).items():
        column = _column(held, name)
        keep &= (low <= column) & (column <= high)
    rows = np.flatnonzero(keep)
    return rows[np.argsort(_column(held, sort)[rows], kind="stable")]


def _column(held: Index, name: str) -> NDArray:
    if name not in held.columns:
        axes = ", ".join(held.axes) or "none"
        others = ", ".join(n for n in held.columns if n not in held.axes)
        raise UsageError(f"no axis {name[:60]!r}; axes: {axes}; beside them: {others}")
    return held.columns[name]


def spread(held: Index, count: int) -> Numbers:
    """Up to `count` rows of the index, from the nearest to the farthest cousin, evenly apart."""
    order = chosen(held, "distance")
    return order[np.linspace(0, len(held) - 1, min(count, len(held))).round().astype(int)]
