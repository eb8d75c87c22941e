"""Semi-global matching: a label for each pixel, chosen with those along straight paths to it.

Hirschmüller 2008, over eight paths. Costs are whole numbers, so that sums are exact.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

Costs = NDArray[np.int16]
FULL = 256  # the cost of what does not match at all


def aggregated(costs: Costs, jump: Costs, small: int) -> Costs:
    """(h, d, w) the sum over eight paths of the costs (h, d, w) of d labels.

    small: the price of a label that is one off the neighbour's on a path; jump (h, w): of any
    other, on the way to each pixel, `small` or more.
    """
    total = np.zeros_like(costs)
    for turned in (False, True):
        volume = np.ascontiguousarray(costs.transpose(2, 1, 0)) if turned else costs
        price = jump.T if turned else jump
        here = np.zeros_like(volume) if turned else total
        steps = (0,) if turned else (-1, 0, 1)
        for back, aside in product((False, True), steps):
            flip = slice(None, None, -1 if back else 1)
            _along(volume[flip], price[flip], here[flip], aside, small)
        if turned:
            total += here.transpose(2, 1, 0)
    return total


def _along(costs: Costs, jump: Costs, total: Costs, aside: int, small: int) -> None:
    """Adds to `total` the costs of the paths that come from the row above, `aside` columns over."""
    _, labels, width = costs.shape
    ago = np.zeros((labels + 2, width), np.int16)  # a label more at either end, never chosen
    ago[[0, -1]] = np.iinfo(np.int16).max // 2
    last, best, other = (np.zeros((labels, width), np.int16) for _ in range(3))
    to = slice(max(aside, 0), width + min(aside, 0))
    since = slice(max(-aside, 0), width - max(aside, 0))
    for y, cost in enumerate(costs):
        if y == 0:
            last[:] = cost
            total[y] += last
            continue
        ago[1:-1] = 0
        ago[1:-1, to] = last[:, since]
        low = ago[1:-1].min(axis=0)
        np.minimum(ago[:-2], ago[2:], out=other)
        other += np.int16(small)
        np.minimum(ago[1:-1], other, out=best)
        np.minimum(best, low + jump[y], out=best)
        best -= low
        np.add(cost, best, out=last)
        total[y] += last


def between(total: Costs) -> NDArray[np.float32]:
    """(h, w) the label of the least of the costs (h, d, w), between labels by a parabola."""
    best = total.argmin(axis=1)[:, None]
    inner = np.clip(best, 1, total.shape[1] - 2)
    a, b, c = (np.take_along_axis(total, inner + k, 1)[:, 0].astype(np.float32) for k in (-1, 0, 1))
    bend = a - 2 * b + c
    shift = 0.5 * (a - c) / np.where(bend > 0, bend, np.inf)
    shift = np.where(best[:, 0] == inner[:, 0], np.clip(shift, -0.5, 0.5), best[:, 0] - inner[:, 0])
    return (inner[:, 0] + shift).astype(np.float32)
