"""Probes of a pack's objects, and what an observation of one makes of what the pack says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cousins import pack
from cousins.distributions import Distribution
from cousins.errors import PackError, UsageError
from cousins.labels.given import check_names
from cousins.probe.condition import check, condition, near, nearer
from cousins.probe.observe import Observation
from cousins.probe.rig import (
    PROBES,
    PROPERTIES,
    TELLS,
    Outcomes,
    Samples,
    draw,
    simulate,
    spread,
)
from cousins.progress import Progress, silent
from cousins.types import Asset, Scene

WITHOUT_SCALE = ("tilt_slide", "tilt_tip")  # what no length and no mass matters for
MOST = 20_000  # samples
ROUNDS = 4  # of drawing nearer to what was seen
SELDOM = 0.05  # share of the draws that must do a thing for it to be told


@dataclass(frozen=True)
class Probed:
    """What one object's draws did; `probes` are those that were done."""

    asset: Asset
    outcomes: Outcomes
    probes: tuple[str, ...]

    @property
    def slides_first(self) -> float:
        """The share of the draws that stand that slide before they tip, on a tilted board."""
        stands = self.outcomes.stands
        return float(np.mean(~np.isnan(self.outcomes.tilt_slide[stands]))) if stands.any() else 0.0

    def quantiles(self, probe: str) -> tuple[float, float, float] | None:
        """5%, 50% and 95% of a probe over the draws that do it, in rad, N or m; None where hardly
        any does."""
        values = getattr(self.outcomes, probe)
        values = values[~np.isnan(values)]
        if len(values) <= SELDOM * len(self.outcomes.stands):
            return None
        low, middle, high = (float(v) for v in np.quantile(values, [0.05, 0.5, 0.95]))
        return low, middle, high


@dataclass(frozen=True)
class Told:
    """What was seen of one object, and what that makes of its properties. after: by name, those
    that it tells of; effective: as in `Conditioned`; expected: the share of what was known that
    comes near it, roughly."""

    asset: Asset
    seen: tuple[Observation, ...]
    after: Mapping[str, Distribution]
    effective: float
    expected: float

    @property
    def before(self) -> dict[str, Distribution]:
        """All properties that it could tell of, as they were."""
        return {name: getattr(self.asset, name) for name in PROPERTIES}


def probe(
    path: Path,
    names: Sequence[str] = (),
    samples: int = 200,
    seed: int = 0,
    progress: Progress = silent,
) -> list[Probed]:
    """Probe the objects of these names, all where there are none, each alone.

    In a pack without scale only the tilts are done. Raises UsageError for an unknown name, and
    PackError for a pack that cannot be read.
    """
    scene, assets = _assets(path, names)
    probes = PROBES if scene.metric else WITHOUT_SCALE
    done = []
    for i, asset in enumerate(assets):
        progress("probes", i, len(assets))
        drawn = draw(asset, _checked(samples), seed)
        done.append(Probed(asset, _simulated(path, asset, drawn, probes), probes))
    progress("probes", len(assets), len(assets))
    return done


def observe(
    path: Path, name: str, seen: Sequence[Observation], samples: int = 200, seed: int = 0
) -> Told:
    """What was seen of an object of a pack makes of its properties; the pack stays as it is.

    Raises UsageError for an unknown name and for what cannot be, PackError as `probe` does.
    """
    scene, (asset,) = _assets(path, [name])
    probes = tuple(one.probe for one in seen)
    unfit = [p for p in probes if p not in WITHOUT_SCALE]
    if unfit and not scene.metric:
        raise UsageError(
            f"{path}: {unfit[0]} tells nothing here: the pack has no scale; tilts do"
        )  # fmt: skip
    over = spread([name for probe in probes for name in TELLS[probe]])
    expected = 0.0
    for turn in range(ROUNDS):
        drawn = draw(asset, _checked(samples), seed, over)
        outcomes = _simulated(path, asset, drawn, probes)
        if not outcomes.stands.any():
            raise UsageError(f"{name}: does not stand by itself on a board: nothing can be probed")
        if turn == 0:
            check(asset, outcomes, seen)
            expected = near(drawn, outcomes, seen)
        closer = nearer(drawn, outcomes, seen)
        if closer is None:
            break
        over = closer
    found = condition(asset, drawn, outcomes, seen)
    return Told(asset, tuple(seen), found.after, found.effective, expected)


def _assets(path: Path, names: Sequence[str]) -> tuple[Scene, list[Asset]]:
    read = pack.read(path)
    check_names(str(path), list(names), [o.name for o in read.objects])
    scene = pack.load_scene(read)
    return scene, [a for a in scene.assets if not names or a.name in names]


def _checked(samples: int) -> int:
    if not 1 < samples <= MOST:
        raise UsageError(f"{samples} samples: take 2 to {MOST:,}")
    return samples


def _simulated(path: Path, asset: Asset, drawn: Samples, probes: Sequence[str]) -> Outcomes:
    try:
        return simulate(asset, drawn, probes)
    except ValueError as error:
        raise PackError(f"{path}: {asset.name}: {error}") from None
