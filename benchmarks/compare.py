"""How often the intervals of `cousins compare` hold what they are of, over policies as drawn.

    python benchmarks/compare.py [-n 300] [--policies 5 8 20] [--trials 10 20 100] [--r 0 0.8]

Rates are normal on the logit scale, correlated by the r that is asked for, and tried ten times as
often in simulation as on the robot. r true is that of endless trials; Fisher's interval is held
against it too, as it is often read. MMRV, tau and the difference are held against their means over
all sets that were drawn, with the same trials. A 95 % interval should hold 95 %.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import numpy as np
from rich.console import Console
from rich.table import Table

from cousins import statistics
from cousins.compare import Agreement, compare, parse_rates
from cousins.types import Array

HEAD = ("policies", "trials", "r", "r true", "r measured", "held: noiseless", "Fisher of true",
        "Fisher of measured", "MMRV", "tau", "sim less real")  # fmt: skip


def rates(rng: np.random.Generator, r: float, k: int) -> Array:
    """(2, k) true rates in simulation and on the robot."""
    z = rng.standard_normal((2, k))
    z[1] = r * z[0] + np.sqrt(1 - r * r) * z[1]
    return 1 / (1 + np.exp(-(1.3 * z + np.array([[0.3], [-0.2]]))))


def measured(rng: np.random.Generator, true: Array, trials: int) -> Agreement:
    """What is told of these policies once they were tried."""
    tables = []
    for rate, n in zip(true, (10 * trials, trials), strict=True):
        counts = rng.binomial(n, rate)
        rows = "".join(f"p{i},{x},{n}\n" for i, x in enumerate(counts))
        tables.append(parse_rates("drawn", f"policy,successes,trials\n{rows}"))
    return compare(*tables).agreements[0]


def held(rng: np.random.Generator, r: float, k: int, trials: int, n: int) -> list[str]:
    """A row of the table."""
    many = rates(rng, r, 200_000)
    true = float(statistics.pearson(*many))
    noisy = (
        rng.binomial(10 * trials, many[0]) / (10 * trials),
        rng.binomial(trials, many[1]) / trials,
    )
    lowered = float(statistics.pearson(*noisy))
    sets = [measured(rng, rates(rng, r, k), trials) for _ in range(n)]
    means: Mapping[str, float] = {
        name: float(np.nanmean([np.nan if value is None else value for value in values]))
        for name in ("mmrv", "kendall", "bias")
        for values in [[getattr(one, name).value for one in sets]]
    }
    shares = [
        _share([one.pearson_noiseless for one in sets], true),
        _share([one.pearson.interval for one in sets], true),
        _share([one.pearson.interval for one in sets], lowered),
        *(_share([getattr(one, name).interval for one in sets], of) for name, of in means.items()),
    ]
    return [f"{k}", f"{trials}", f"{r:g}", f"{true:.3f}", f"{lowered:.3f}",
            *(f"{share:.0%}" for share in shares)]  # fmt: skip


def _share(intervals: list[statistics.Interval | None], value: float) -> float:
    told = [interval for interval in intervals if interval is not None]
    return float(np.mean([value in interval for interval in told]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-n", type=int, default=300, help="sets of policies for each row")
    parser.add_argument("--policies", type=int, nargs="+", default=[5, 8, 20])
    parser.add_argument("--trials", type=int, nargs="+", default=[10, 20, 100])
    parser.add_argument("--r", type=float, nargs="+", default=[0.0, 0.5, 0.8, 0.95])
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    table = Table(*HEAD)
    for trials in given.trials:
        for r in given.r:
            for k in given.policies:
                table.add_row(*held(rng, r, k, trials, given.n))
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
