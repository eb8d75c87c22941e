"""What a user saw a thing do, as text and as numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cousins.errors import UsageError
from cousins.probe.rig import DROP, PROBES, STEEPEST

_GRAVITY = 9.81
_ANGLES = {"deg": math.pi / 180, "°": math.pi / 180, "rad": 1.0}
_FORCES = {"N": 1.0, "mN": 1e-3, "gf": _GRAVITY / 1000, "kgf": _GRAVITY}
_LENGTHS = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}
UNITS = {"tilt_slide": _ANGLES, "tilt_tip": _ANGLES, "push_slide": _FORCES, "drop": _LENGTHS}
EXAMPLES = {
    "tilt_slide": "27deg", "tilt_tip": "31deg", "push_slide": "2.1N", "drop": "3cm"
}  # fmt: skip
# More than that no thing does, or no probe shows.
_MOST = {"tilt_slide": STEEPEST, "tilt_tip": STEEPEST, "push_slide": 1000.0, "drop": DROP}
_NUMBER = re.compile(r"([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*([A-Za-z°%]*)")
_Z90 = 1.645


@dataclass(frozen=True)
class Observation:
    """What was seen of one of `PROBES`: value in rad, N or m; error: it is off by less nine times
    in ten."""

    probe: str
    value: float
    error: float

    @property
    def sigma(self) -> float:
        """The standard deviation of its error."""
        return self.error / _Z90

    @property
    def words(self) -> str:
        """Such as "slides at 27 ± 2 degrees of tilt"."""
        return words(self.probe, self.value, self.error)


def words(probe: str, value: float, error: float | None = None) -> str:
    """What a thing does that gives this value of a probe, and how far that may be off."""
    scale = {"tilt_slide": 180 / np.pi, "tilt_tip": 180 / np.pi, "push_slide": 1.0, "drop": 100.0}
    number = f"{value * scale[probe]:.3g}"
    if error is not None:
        number += f" ± {error * scale[probe]:.2g}"
    return {
        "tilt_slide": f"slides at {number} degrees of tilt",
        "tilt_tip": f"tips at {number} degrees of tilt",
        "push_slide": f"slides at a push of {number} N",
        "drop": f"comes back {number} cm from {100 * DROP:.0f} cm",
    }[probe]


def observations(seen: Sequence[str], errors: Sequence[str] = ()) -> tuple[Observation, ...]:
    """Of texts such as "tilt_slide=27deg" and of errors such as "tilt_slide=1deg" or
    "push_slide=5%", several of which may stand in one text, parted by commas.

    Errors that are not told are 2 degrees, a tenth of a force, and 5 mm. Raises UsageError for what
    cannot be.
    """
    values, given = _named(seen), _named(errors)
    for probe in given:
        if probe not in values:
            raise UsageError(f"--error {probe}: nothing observed of it: give --observed {probe}=…")
    return tuple(observation(probe, text, given.get(probe)) for probe, text in values.items())


def observation(probe: str, text: str, error: str | None = None) -> Observation:
    """One observation, as `observations` has it. Raises UsageError for what cannot be."""
    value = _value(probe, text)
    if not 0 <= value <= _MOST[probe] or (value == 0 and probe != "drop"):
        most = {"push_slide": "1000N", "drop": f"{100 * DROP:.0f}cm, the height of the drop"}
        limit = most.get(probe, f"{np.degrees(STEEPEST):.0f}deg")
        raise UsageError(f"{probe}={text[:40]}: goes from 0 to {limit}")
    usual = {"push_slide": 0.1 * value, "drop": 0.005}
    off = usual.get(probe, math.radians(2.0)) if error is None else _value(probe, error, value)
    if not 0 < off < math.inf:
        raise UsageError(f"--error {probe}={(error or '')[:40]}: must be more than 0")
    return Observation(probe, value, float(off))


def _named(texts: Sequence[str]) -> dict[str, str]:
    out: dict[str, str] = {}
    for text in (part.strip() for whole in texts for part in whole.split(",")):
        probe, equals, value = text.partition("=")
        if probe not in PROBES:
            raise UsageError(f"{probe[:40]!r}: no probe; there are {', '.join(PROBES)}")
        if not equals:
            raise UsageError(f"{probe}: how much? give it as {probe}={EXAMPLES[probe]}")
        if probe in out:
            raise UsageError(f"{probe}: is there twice: leave one")
        out[probe] = value.strip()
    return out


def _value(probe: str, text: str, whole: float | None = None) -> float:
    """A number with its unit; a share of `whole`, where there is one and the unit is %."""
    units = UNITS[probe] | ({"%": whole / 100} if whole is not None else {})
    match = _NUMBER.fullmatch(text)
    if match is None or match[2] not in units:
        raise UsageError(
            f"{probe}={text[:40]}: give a number with its unit ({', '.join(units)}), such as "
            f"{probe}={EXAMPLES[probe]}"
        )
    return float(match[1]) * units[match[2]]
