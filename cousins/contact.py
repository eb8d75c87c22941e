"""Bounce as MuJoCo's contacts have it: what a coefficient of restitution is, as contact settings.

MuJoCo knows no restitution. A contact is a spring and a damper, `solref` = (time constant, damping
ratio z), of angular frequency w = 1 / (time constant * z), and a thing that meets it leaves with
the share e = exp(-pi z / sqrt(1 - z^2)) of its speed, were there no steps and could the damper
pull. A contact does not pull, and its force changes only every 2 ms, so the relation is measured
instead: `_TABLE`, from drops onto a slab from 0.2 m (2 m/s), means over where within a step the
contact begins; the same for a ball, a flat box and a standing cylinder, and for any mass.

The stiffness stays that of the contact settings (w = 167/s: 9 steps in contact, and the time
constant grows as z falls), and only the damping changes. A stiffer contact would be met in fewer
steps and bounce by chance: at w = 167/s one drop is off by 0.03 (one sigma), at 333/s by 0.08, and
at 500/s some leave faster than they came. A softer one would let things into each other: an impact
goes as deep as its speed over w, which is 11 mm at 2 m/s and e = 0.8.

What is at rest lies 5 to 20 micrometres deep, less than gravity takes it in a step, and with
little damping it would buzz there for ever, at 7 mm/s. So the impedance where two just touch, the
first number of `solimp`, falls as the bounce grows: it then lies deeper (0.1 mm at e = 0.3, and
0.27 mm at `LIMIT`), stays in touch, and comes to rest. Impacts go past the millimetre in which the
impedance rises. As friction shares damping and impedance with the bounce, things at rest would
creep on slopes; `IMPRATIO` makes friction as much harder as the bounce makes it softer.

Two objects that meet take the means of their settings, as MuJoCo mixes contacts of the same
priority, and the larger friction. Objects have a higher priority than supports and walls, so that
on those the object's own bounce and friction count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cousins.distributions import Uniform

# Of a contact without bounce: time constant (s), damping ratio, impedance where two just touch.
PLAIN = (0.006, 1.0, 0.95)
IMPEDANCE = (0.99, 0.001)  # and how high it rises, over how many metres
IMPRATIO = {False: "10", True: "100"}  # of a model in which nothing bounces, or something does
LIMIT = 0.85  # of restitution; for more, what rests would have to lie over 0.3 mm deep
SOFTER = 0.41  # by how much the impedance falls per unit of restitution: 0.6 at the limit
# A pack that tells no restitution simulates as it did before there was one.
UNTOLD = Uniform(0.0, 0.0, "not told: as the contact settings have it, hardly any bounce")
_TABLE = np.array([
    # restitution, damping ratio
    (0.00, 1.00), (0.06, 0.90), (0.104, 0.80), (0.146, 0.70), (0.195, 0.60), (0.255, 0.50),
    (0.33, 0.40), (0.376, 0.35), (0.429, 0.30), (0.49, 0.25), (0.562, 0.20), (0.646, 0.15),
    (0.745, 0.10), (0.815, 0.07), (0.865, 0.05),
])  # fmt: skip


def settings(restitution: ArrayLike) -> NDArray[np.float64]:
    """(..., 3) time constant (s), damping ratio and least impedance of MuJoCo's contacts, for
    coefficients of restitution (...).

    What is under 0 or over `LIMIT` counts as that. 0 gives `PLAIN`.
    """
    e = np.clip(np.asarray(restitution, float), 0.0, LIMIT)
    ratio = np.interp(e, _TABLE[:, 0], _TABLE[:, 1])
    return np.stack([PLAIN[0] * PLAIN[1] / ratio, ratio, PLAIN[2] - SOFTER * e], axis=-1)


def restitution(solref: ArrayLike) -> NDArray[np.float64]:
    """(...) coefficients of restitution behind a `solref` (..., 2) that `settings` gave."""
    ratio = np.asarray(solref, float)[..., 1]
    return np.interp(ratio, _TABLE[::-1, 1], _TABLE[::-1, 0])
