"""Joints that bring a tool to a pose, within their ranges, by damped least squares."""

from __future__ import annotations

from typing import Any

import numpy as np

from cousins.robots.chain import Chain, poses, vector_of

ITERATIONS = 30  # of `ik` from afar; a pose a centimetre away takes two
# Of the error, what damps a step: the more, the farther off. It goes on where a pose is out of
# reach or an arm is stretched (Sugihara 2011, "Solvability-Unconcerned Inverse Kinematics by the
# Levenberg-Marquardt Method"), and leaves next to nothing at the end.
DAMPING, LEAST = 0.5, 1e-6
REST = 0.1  # share of the way to `rest` that joints go at each step, where the tool allows it


def ik(
    xp: Any,
    chain: Chain,
    q: Any,
    position: Any,
    rotation: Any,
    iterations: int = ITERATIONS,
    rest: Any = None,
) -> tuple[Any, Any]:
    """Joints (..., J) that bring the tool to positions (..., 3) and rotations (..., 3, 3) in the
    base frame, sought from q (..., J), and how far off they are (..., 2): m and rad.

    What is out of reach is approached: look at what is left. rest (J,): where joints are drawn
    that the tool leaves free, of an arm with more than six. Other starts can lead elsewhere.
    """
    low, high = xp.asarray(chain.low), xp.asarray(chain.high)
    eye = xp.asarray(np.eye(6))
    free = rest is not None and len(chain) > 6
    for _ in range(iterations):
        place, turned, jacobian = poses(xp, chain, q)
        error = _error(xp, place, turned, position, rotation)
        damped = DAMPING * (error**2).sum(-1) + LEAST
        idle = REST * (rest - q) if free else 0 * q
        error = error - (jacobian @ idle[..., None])[..., 0]
        across = jacobian @ xp.swapaxes(jacobian, -1, -2) + damped[..., None, None] * eye
        solved = xp.linalg.solve(across, error[..., None])
        q = q + idle + (xp.swapaxes(jacobian, -1, -2) @ solved)[..., 0]
        q = xp.minimum(xp.maximum(q, low), high)
    place, turned, _ = poses(xp, chain, q)
    left = _error(xp, place, turned, position, rotation) ** 2
    return q, xp.sqrt(xp.stack([left[..., :3].sum(-1), left[..., 3:].sum(-1)], -1))


def _error(xp: Any, place: Any, turned: Any, position: Any, rotation: Any) -> Any:
    """(..., 6) what is missing, m and rad, in the base frame."""
    turn = vector_of(xp, rotation @ xp.swapaxes(turned, -1, -2))
    return xp.concatenate([position - place, turn], -1)
