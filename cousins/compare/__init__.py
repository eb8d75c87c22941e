"""Whether a simulation tells policies apart as reality does: success rates of the same policies in
both, and how well they agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins import statistics
from cousins.compare.rates import Rate, Table, joined, parse_rates, read_rates
from cousins.errors import ResultsError
from cousins.statistics import Interval
from cousins.types import Array

__all__ = ["Agreement", "Compared", "Point", "Rate", "Statistic", "Table", "compare",
           "joined", "parse_rates", "read_rates"]  # fmt: skip

FEW = 5  # policies below which nothing that is said of agreement holds
LEAST = 3  # policies that have a correlation at all: that of two is 1 or -1
MOST = 500  # policies whose pairs are compared


@dataclass(frozen=True)
class Point:
    """One policy: its success rate in simulation and in reality, with intervals where trials are
    told."""

    policy: str
    sim: float
    real: float
    sim_interval: Interval | None
    real_interval: Interval | None


@dataclass(frozen=True)
class Statistic:
    """value: of the rates as they are; interval: what it may be for policies of their kind, tried
    as often; dropped: between what it lies when any one policy is left out. None: not told."""

    value: float | None
    interval: Interval | None
    dropped: Interval | None


@dataclass(frozen=True)
class Agreement:
    """Of the policies at one task; task: "" in tables without tasks, None for the mean of a
    policy's rates over all tasks.

    pearson, spearman, kendall (tau-b), mmrv (see `cousins.statistics`); bias: mean of the rate in
    simulation less that in reality. pearson_noiseless: interval of r with the noise of counting
    taken out, where all trials are told. words: what that says, plainly.
    """

    task: str | None
    points: tuple[Point, ...]
    pearson: Statistic
    pearson_noiseless: Interval | None
    mmrv: Statistic
    spearman: Statistic
    kendall: Statistic
    bias: Statistic
    words: str

    @property
    def k(self) -> int:
        """How many policies."""
        return len(self.points)


@dataclass(frozen=True)
class Compared:
    """agreements: by task, the mean over tasks last. only_sim, only_real: what one table lacks,
    as POLICY or TASK/POLICY."""

    agreements: tuple[Agreement, ...]
    only_sim: tuple[str, ...]
    only_real: tuple[str, ...]
    level: float


@dataclass(frozen=True)
class _Cells:
    """Rates and trials (k, T) of k policies at T tasks; trials are NaN where they are not told."""

    rate: Array
    trials: Array

    @classmethod
    def of(cls, table: Table, tasks: list[str], policies: list[str]) -> _Cells:
        cells = [[table.rates[task, policy] for task in tasks] for policy in policies]
        trials = [[np.nan if c.trials is None else c.trials for c in row] for row in cells]
        return cls(np.array([[c.success for c in row] for row in cells]), np.array(trials, float))

    @property
    def mean(self) -> Array:
        """(k,) of each policy over the tasks."""
        return self.rate.mean(1)

    @property
    def enough(self) -> Array:
        """(k,) trials of one rate whose noise is that of the mean over the tasks; NaN as above."""
        smooth = (self.rate * self.trials + 0.5) / (self.trials + 1)
        variance = (smooth * (1 - smooth) / self.trials).sum(1) / self.rate.shape[1] ** 2
        return smooth.mean(1) * (1 - smooth.mean(1)) / variance

    def drawn(self, rng: np.random.Generator, chosen: NDArray[np.int64]) -> Array:
        """(draws, k) means of the chosen policies (draws, k), tried once more where trials are
        told."""
        out = np.zeros(chosen.shape)
        for rate, trials in zip(self.rate.T, self.trials.T, strict=True):
            told = np.isfinite(trials)
            n = np.where(told, trials, 1.0)
            again = statistics.posterior(rng, (rate * n)[chosen], n[chosen])
            out += np.where(told[chosen], again, rate[chosen])
        return out / self.rate.shape[1]


def compare(sim: Table, real: Table, *, level: float = 0.95, seed: int = 0) -> Compared:
    """How well the rates of `sim` agree with those of `real`, of what is in both, by name.

    An interval takes in which policies there were (a bootstrap over them; Fisher's for Pearson's r,
    Student's for a mean) and, where trials are told, the luck in these (each draw tries its
    policies once more). The same
    seed gives the same numbers. Raises ResultsError where the two have nothing in common.
    """
    sim, real = _alike(sim, real)
    both = [key for key in sim.rates if key in real.rates]
    if not both:
        names = [", ".join(sorted({p for _, p in t.rates})[:3]) for t in (sim, real)]
        raise ResultsError(
            f"{real.where}: no policy of {sim.where} is in it: that has {names[0]}, this {names[1]}"
        )
    tasks = list(dict.fromkeys(task for task, _ in both))
    by_task = {task: [policy for at, policy in both if at == task] for task in tasks}
    groups: list[tuple[str | None, list[str], list[str]]] = [
        (task, [task], policies) for task, policies in by_task.items()
    ]
    if len(tasks) > 1:
        everywhere = [p for p in by_task[tasks[0]] if all(p in by_task[t] for t in tasks)]
        groups.append((None, tasks, everywhere))
    too_many = next((policies for _, _, policies in groups if len(policies) > MOST), None)
    if too_many:
        raise ResultsError(f"{sim.where}: {len(too_many)} policies: compare {MOST} or fewer")
    return Compared(
        tuple(
            _agreement(task, policies, _Cells.of(sim, over, policies),
                       _Cells.of(real, over, policies), level, seed)
            for task, over, policies in groups
            if policies
        ),
        _names(sim, real),
        _names(real, sim),
        level,
    )  # fmt: skip


def _alike(sim: Table, real: Table) -> tuple[Table, Table]:
    """Both with tasks or both without: where only one tells them and has but one, that is meant."""
    if sim.tasked == real.tasked:
        return sim, real
    told, other = (sim, real) if sim.tasked else (real, sim)
    tasks = {task for task, _ in told.rates}
    if len(tasks) > 1:
        raise ResultsError(
            f"{other.where}: no column task, which {told.where} has: give it in both"
        )
    task = tasks.pop()
    other = Table(other.where, True, {(task, policy): r for (_, policy), r in other.rates.items()})
    return (told, other) if told is sim else (other, told)


def _names(held: Table, other: Table) -> tuple[str, ...]:
    return tuple(
        f"{t}/{p}" if held.tasked else p for t, p in held.rates if (t, p) not in other.rates
    )


def _agreement(
    task: str | None, policies: list[str], sim: _Cells, real: _Cells, level: float, seed: int
) -> Agreement:
    k = len(policies)
    rng = np.random.default_rng(seed)
    chosen = statistics.resamples(k, seed=seed)
    drawn = sim.drawn(rng, chosen), real.drawn(rng, chosen)
    sides = [_intervals(cells, rng, level) for cells in (sim, real)]

    def statistic(of: Callable[[Array, Array], Array], least: int) -> Statistic:
        if k < least:
            return Statistic(None, None, None)
        interval = None
        if k > LEAST:
            interval = statistics.quantiles(statistics.in_pieces(of, *drawn), level)
        dropped = statistics.drop_one(of, sim.mean, real.mean) if k > least else None
        return Statistic(_number(of(sim.mean, real.mean)), interval, dropped)

    r = statistic(statistics.pearson, LEAST)
    noiseless = None
    if r.value is not None:
        r = Statistic(r.value, statistics.pearson_interval(r.value, k, level), r.dropped)
        if np.isfinite([sim.trials, real.trials]).all():
            noiseless = statistics.true_pearson_interval(
                sim.mean, sim.enough, real.mean, real.enough, level
            )
    again = sim.mean[chosen], real.mean[chosen]
    bias = statistic(lambda a, b: (a - b).mean(-1), 1)
    spread = statistics.mean_interval(sim.mean - real.mean, level) if k > LEAST else None
    return Agreement(
        task=task,
        points=tuple(
            Point(policy, float(a), float(b), *spans)
            for policy, a, b, *spans in zip(policies, sim.mean, real.mean, *sides, strict=True)
        ),
        pearson=r,
        pearson_noiseless=noiseless,
        mmrv=_wider(statistic(statistics.mmrv, 2), k, level,
                    statistics.in_pieces(statistics.mmrv, *again)),
        spearman=statistic(statistics.spearman, LEAST),
        kendall=statistic(statistics.kendall, LEAST),
        bias=Statistic(bias.value, spread, bias.dropped),
        words=_words(k, r),
    )  # fmt: skip


def _wider(mmrv: Statistic, k: int, level: float, drawn: Array) -> Statistic:
    """With an interval that also reaches as far about the value as sets drawn (draws,) spread: with
    replacement they hold fewer policies, of which a largest violation is smaller."""
    if mmrv.value is None or mmrv.interval is None:
        return mmrv
    half = statistics.student(k, level) * float(drawn.std())
    low, high = mmrv.interval
    interval = Interval(max(min(low, mmrv.value - half), 0.0), max(high, mmrv.value + half))
    return Statistic(mmrv.value, interval, mmrv.dropped)


def _intervals(cells: _Cells, rng: np.random.Generator, level: float) -> list[Interval | None]:
    """Of each policy's rate."""
    one = cells.rate.shape[1] == 1
    drawn = None if one else cells.drawn(rng, np.tile(np.arange(len(cells.rate)), (2000, 1)))
    out: list[Interval | None] = []
    for i, (rate, trials) in enumerate(zip(cells.rate, cells.trials, strict=True)):
        if not np.isfinite(trials).all():
            out.append(None)
        elif drawn is None:
            out.append(statistics.wilson(round(rate[0] * trials[0]), int(trials[0]), level))
        else:
            out.append(statistics.quantiles(drawn[:, i], level))
    return out


def _number(value: Array) -> float | None:
    return float(value) if np.isfinite(value) else None


def _words(k: int, r: Statistic) -> str:
    many = f"{k} {'policy is' if k == 1 else 'policies are'} in both"
    if k < LEAST:
        return f"{many}: too few for a correlation, which takes {LEAST}; {FEW} begin to tell"
    if k < FEW:
        return f"{many}: too few to say how well the two agree; {FEW} begin to tell"
    if r.value is None or r.interval is None:
        return f"{many}, and one side gives all of them the same rate, with which nothing agrees"
    if r.interval.low > 0 or r.interval.high < 0:
        how = "better" if r.interval.low > 0 else "worse"
        one = r.dropped and (r.dropped.low if r.interval.low > 0 else r.dropped.high)
        hangs = one is not None and not r.interval.low <= one <= r.interval.high
        but = f", but that hangs on one of them: without it r is {one:.2f}" if hangs else ""
        return f"{many}: what does better in the one does {how} in the other{but}"
    return f"{many}, which leave open whether what does better in the one does so in the other"
