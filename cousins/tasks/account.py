"""What is kept account of while a robot is at work: what fell, and why an episode failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cousins.tasks import Layout, Now, Watched
from cousins.tasks.frames import Sight, length, of

UPRIGHT = 0.7  # cosine of the lean past which a thing has fallen over
FELL = 0.05  # m below where it stood, it has fallen off
HELD = 0.015  # m outside of a thing's bounds that the tool is at most while it holds it
SPARE = 0.012  # m wider than the thing that the fingers are at most while they hold it
SHUT = 0.003  # m: they hold nothing
RAISED = 0.03  # m: it was taken up
TOUCHED = 0.01  # m that it was moved at least
ASIDE = 0.03  # m that another thing may be moved
LAG, STILL = 0.02, 0.05  # m behind where the tool is to be, and m/s or rad/s: it presses
PRESSED = 0.5  # s of it
NEAR = 0.12  # m from its goal: it was set down, not dropped


def fallen(xp: Any, layout: Layout, s: Sight, but: Any = None) -> Any:
    """(...) whether anything fell off, or anything fell over that stood; but (..., A): what may
    lean, as what is carried does."""
    return tumbled(xp, layout, s, but).any(-1)


def tumbled(xp: Any, layout: Layout, s: Sight, but: Any = None) -> Any:
    """(..., A) the same of each."""
    stood = np.ones(len(layout.names), bool) if layout.rolls is None else ~layout.rolls
    leans = (s.up < UPRIGHT) & xp.asarray(stood)
    if but is not None:
        leans = leans & (but < 0.5)
    return leans | (s.position[..., 2] < s.start[..., 2] - FELL)


def holding(xp: Any, s: Sight, which: Any) -> Any:
    """(...) whether a thing is between the fingers, 0 or 1, however far these are apart."""
    return (of(xp, which, s.within) > -HELD).astype(float)


def watch(
    xp: Any, now: Now, s: Sight, which: Any, period: float, watched: Watched | None
) -> Watched:
    """Since an episode began: raised, how high the thing ever was between the fingers, m; gripped,
    whether they ever closed on it; moved, how far it ever was from where it stood, m; aside, the
    same of any other thing; pressed, for how long the tool was kept from where it was to go, s.
    period: since the moment before, s."""
    hand, shape = now.hand, now.shape
    assert hand is not None
    assert shape is not None
    between = holding(xp, s, which)
    wide = of(xp, which, shape.high - shape.low)[..., :2].min(-1)
    closed = between * (s.opening < wide + SPARE) * (s.opening > SHUT)
    far = length(xp, s.position - s.start)
    risen = of(xp, which, s.position - s.start)[..., 2]
    still = xp.abs(hand.speed).max(-1) < STILL
    presses = (length(xp, s.lag) > LAG) & still
    new = {
        "raised": between * xp.maximum(risen, 0.0),
        "gripped": closed,
        "moved": of(xp, which, far),
        "aside": (far * (1 - which)).max(-1),
    }
    if watched is None:
        return {**new, "pressed": 0.0 * presses}
    most = {name: xp.maximum(value, watched[name]) for name, value in new.items()}
    return {**most, "pressed": watched["pressed"] + period * presses}


def collided(xp: Any, layout: Layout, s: Sight, which: Any, watched: Watched) -> Any:
    """(...) whether other things were moved or fell, or the tool pressed against something."""
    others = (tumbled(xp, layout, s) & (which < 0.5)).any(-1)
    return others | (watched["aside"] > ASIDE) | (watched["pressed"] > PRESSED)


def fell(xp: Any, layout: Layout, s: Sight, which: Any) -> Any:
    """(...) whether the thing itself fell over or off."""
    return (tumbled(xp, layout, s) & (which > 0.5)).any(-1)


def of_taking(
    xp: Any, layout: Layout, s: Sight, which: Any, watched: Watched, goal: Any = None
) -> Mapping[str, Any]:
    """Kinds of failure of a thing that is to be taken. goal (..., 3): where it is to be set down.

    misplaced: it was taken up, and let go near the goal; dropped: or elsewhere; slipped: the
    fingers closed on it and lost it; collided: see there; fell: it fell over or off; missed: they
    never closed on it."""
    held = holding(xp, s, which) * (s.opening > SHUT) > 0
    raised, gripped = watched["raised"] > RAISED, watched["gripped"] > 0
    let_go = raised & ~held
    set_down = 0 * raised > 0
    if goal is not None:
        at = of(xp, which, s.middle)
        set_down = length(xp, (at - goal)[..., :2]) < NEAR
    return {
        "misplaced": let_go & set_down,
        "dropped": let_go,
        "slipped": gripped & ~raised & ~held,
        "collided": collided(xp, layout, s, which, watched),
        "fell": fell(xp, layout, s, which),
        "missed": ~gripped,
    }
