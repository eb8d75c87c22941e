"""Objects on a scale: their masses, and what that tells of the others."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cousins import pack
from cousins.distributions import Z95, Distribution, LogNormal
from cousins.errors import UsageError
from cousins.labels.given import check_names
from cousins.physics.estimate import named, properties
from cousins.physics.form import form
from cousins.progress import Progress, silent
from cousins.restate import Restated, restate
from cousins.types import Asset

UNITS = {"": 1.0, "kg": 1.0, "g": 1e-3, "mg": 1e-6, "lb": 0.45359237, "oz": 0.028349523125}
SCALE, SHARE = 1e-3, 0.005  # a kitchen scale is off by as many kg, or that share, nine times in ten
LIGHTEST, HEAVIEST = 1.0, 23_000.0  # kg/m³ over the hull: air and the densest metal
STRANGE = 1e-3  # share of its prior beyond which a mass is worth a warning
_TEXT = re.compile(
    r"([-+]?[\d.]+(?:e[-+]?\d+)?)\s*([a-z]*)\s*(?:(?:±|\+-|\+/-)\s*([\d.]+(?:e[-+]?\d+)?)\s*([a-z]*))?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Reading:
    """What a scale showed. mass, kg; error, kg: it is off by less nine times in ten."""

    mass: float
    error: float


@dataclass(frozen=True)
class Weighing:
    """What `weigh` did, and what of it is strange, in words."""

    restated: Restated
    warnings: tuple[str, ...]


def parsed(texts: Sequence[str]) -> dict[str, Reading]:
    """Readings by name, of texts such as "mug_1=312g" and "box_1=0.41±0.01". Raises UsageError for
    one that is no mass."""
    out: dict[str, Reading] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f"{text[:80]!r}: give it as OBJECT=MASS, such as mug_1=312g")
        if name in out:
            raise UsageError(f"{name[:60]!r}: is there twice: leave one")
        out[name] = reading(value)
    return out


def reading(text: str) -> Reading:
    """A mass as a user writes it. Raises UsageError for one that is none."""
    match = _TEXT.fullmatch(text.strip())
    unit = match[2].lower() if match else ""
    if match is None or unit not in UNITS or (match[4] or unit).lower() not in UNITS:
        units = ", ".join(u for u in UNITS if u)
        raise UsageError(f"{text[:40]!r}: no mass: write 312g or 0.41±0.01 (kg; or {units})")
    try:
        mass = float(match[1]) * UNITS[unit]
        given = float(match[3]) * UNITS[(match[4] or unit).lower()] if match[3] else None
    except ValueError:
        raise UsageError(f"{text[:40]!r}: no mass: a number is not one") from None
    error = min(max(SCALE, SHARE * mass), mass / 2) if given is None else given
    if not (mass > 0 and math.isfinite(mass)):
        raise UsageError(f"{text[:40]!r}: a mass is more than nothing")
    if not 0 < error < mass:
        raise UsageError(f"{text[:40]!r}: its error must be more than nothing and less than itself")
    return Reading(mass, error)


def weigh(
    path: Path,
    readings: Mapping[str, Reading],
    *,
    force: bool = False,
    workers: int | None = None,
    progress: Progress = silent,
) -> Weighing:
    """Tell a pack what its objects weigh, by name; see `cousins.restate.restate`.

    A new reading takes the place of an older one. Raises UsageError for a name of no object, and
    for a mass that nothing of that size can have.
    """
    read = pack.read(path)
    check_names(str(path), list(readings), [o.name for o in read.objects])
    assets = {a.name: a for a in pack.load_scene(read).assets}
    masses: dict[str, Mapping[str, Distribution]] = {}
    warnings = []
    for name, told in readings.items():
        before = _prior(assets[name], told)
        if not before.quantile(STRANGE) < told.mass < before.quantile(1 - STRANGE):
            low, high = before.quantile(0.05), before.quantile(0.95)
            warnings.append(
                f"{name}: {told.mass:.3g} kg is far from what was thought ({low:.2g} to "
                f"{high:.2g} kg): see that unit and object are right"
            )
        masses[name] = {"mass": conditioned(before, told)}
    return Weighing(
        restate(path, masses, force=force, workers=workers, progress=progress), tuple(warnings)
    )


def conditioned(before: Distribution, told: Reading) -> LogNormal:
    """The mass after it was weighed: a log-normal with the posterior's moments."""
    sigma = told.error / Z95
    source = f"weighed: {1e3 * told.mass:.6g} ± {1e3 * told.error:.2g} g"
    after = before.condition(told.mass, sigma)
    low, middle, high = np.log(after.quantiles(np.array([0.05, 0.5, 0.95])))
    return LogNormal(float(middle), float(high - low) / (2 * Z95), source, "on a scale")


def _prior(asset: Asset, told: Reading) -> Distribution:
    of = form(asset.visual, asset.primitive)
    density = told.mass / of.hull
    if not LIGHTEST < density < HEAVIEST:
        raise UsageError(
            f"{asset.name}: {told.mass:.3g} kg in {1e6 * of.hull:.3g} cm³ would be {density:.3g} "
            "kg/m³, as nothing is: see that unit and object are right"
        )
    category, label, sure = named(asset)
    return properties(of, category, sure, label).mass
