"""What numbers from trials can say: intervals, agreement of two measurements, comparisons of two
policies, and when an evaluation may stop. Arrays in, numbers out; nothing here knows of packs."""

from __future__ import annotations

from cousins.statistics.agreement import (
    drop_one,
    kendall,
    mmrv,
    pearson,
    pearson_interval,
    spearman,
)
from cousins.statistics.intervals import (
    Interval,
    bootstrap,
    in_pieces,
    mean_interval,
    posterior,
    quantiles,
    resamples,
    student,
    wilson,
)
from cousins.statistics.noise import true_pearson_interval
from cousins.statistics.sequential import Stop, anytime, evidence, running, stop, stop_pairs
from cousins.statistics.two import Comparison, paired, unpaired

__all__ = [
    "Comparison",
    "Interval",
    "Stop",
    "anytime",
    "bootstrap",
    "drop_one",
    "evidence",
    "in_pieces",
    "kendall",
    "mean_interval",
    "mmrv",
    "paired",
    "pearson",
    "pearson_interval",
    "posterior",
    "quantiles",
    "resamples",
    "running",
    "spearman",
    "stop",
    "stop_pairs",
    "student",
    "true_pearson_interval",
    "unpaired",
    "wilson",
]
