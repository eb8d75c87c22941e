"""Settle and hold: things are pushed at random, and are to stay where they stood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cousins.tasks import Command, Layout, Memory, Now, Verdict, Watched

GRAVITY = 9.81
SETTLE = 0.2  # s before the first push
PUSH = 0.1  # s that a push lasts
# Weights of the twin's object: less than friction holds, up to what sends it a hand's breadth off.
WEAK, STRONG = 0.4, 1.2
NEAR = 0.02  # m; where it stood, to the eye
UPRIGHT = 0.5  # cosine of the lean past which it has fallen over
FELL = 0.05  # m below where it stood, it has fallen off
EFFORT = 0.05  # of the reward, for the strongest action


@dataclass(frozen=True)
class Hold:
    """Horizontal forces on each object, up to `strength` times the weight of the twin's, against
    `pushes` random pushes in an episode. Nobody tells the policy what a cousin weighs."""

    pushes: int = 4
    strength: float = 1.0
    control: float = 0.02
    limit: float = 4.0
    name: str = "hold"
    instruction: str = "keep everything where it stands"

    def said(self, layout: Layout) -> str:
        """The same in every scene."""
        return self.instruction

    @property
    def robotic(self) -> bool:
        """Hands that nobody sees push."""
        return False

    def numbers(self, layout: Layout) -> int:
        """When each push comes, at what, whither and how strongly."""
        return 4 * self.pushes

    def actions(self, layout: Layout) -> int:
        """Forces along the world's x and y on each object."""
        return 2 * len(layout.names)

    def observations(self, layout: Layout) -> tuple[str, ...]:
        """Of each object: how far it is from where it stood, its attitude and its velocity."""
        parts = ("dx", "dy", "dz", "qw", "qx", "qy", "qz", "vx", "vy", "vz", "wx", "wy", "wz")
        return tuple(f"{name}.{part}" for name in layout.names for part in parts)

    def begin(self, xp: Any, layout: Layout, uniform: Any, now: Now) -> Memory:
        """The pushes of an episode: each (..., pushes)."""
        when, what, whither, much = (uniform[..., k::4] for k in range(4))
        many = len(layout.names)
        angle = 2 * xp.pi * whither
        return {
            "when": SETTLE + when * max(self.limit - 2 * SETTLE - PUSH, 0.0),
            "what": xp.minimum(xp.floor(what * many), many - 1),
            "push": (WEAK + (STRONG - WEAK) * much)[..., None]
            * xp.stack([xp.cos(angle), xp.sin(angle)], -1),
        }

    def command(self, xp: Any, layout: Layout, memory: Memory, now: Now, action: Any) -> Command:
        """The action's forces and those of the pushes that are on."""
        many = len(layout.names)
        weight = GRAVITY * xp.asarray(layout.mass)[:, None]
        chosen = xp.clip(action, -1, 1)
        own = self.strength * chosen.reshape(*chosen.shape[:-1], many, 2)
        since = now.time[..., None] - memory["when"]
        on = (since >= 0) & (since < PUSH)
        at = on[..., None] & (memory["what"][..., None] == xp.arange(many))
        pushed = (at[..., None] * memory["push"][..., None, :]).sum(-3)
        flat = weight * (own + pushed)
        return Command(xp.concatenate([flat, xp.zeros((*flat.shape[:-1], 4))], -1))

    def observe(self, xp: Any, layout: Layout, memory: Memory, now: Now) -> Any:
        """(..., 13 A); a quaternion and its negative look the same."""
        moved = now.pose[..., :3] - now.start[..., :3]
        turn = now.pose[..., 3:]
        turn = xp.where(turn[..., :1] < 0, -turn, turn)
        told = xp.concatenate([moved, turn, now.velocity], -1)
        return told.reshape(*told.shape[:-2], -1)

    def judge(self, xp: Any, layout: Layout, memory: Memory, now: Now, action: Any) -> Verdict:
        """Reward: the mean over objects of 1 where one stood and less farther off, less the effort;
        ended once one fell; success while all are within `NEAR`."""
        far, fallen = _went(xp, now)
        near = 1 / (1 + (far / NEAR) ** 2)
        effort = (xp.clip(action, -1, 1) ** 2).mean(-1)
        return Verdict(near.mean(-1) - EFFORT * effort, fallen, (far < NEAR).all(-1) & ~fallen)

    def watch(
        self, xp: Any, layout: Layout, memory: Memory, now: Now, watched: Watched | None
    ) -> Watched:
        """How far, m, anything ever was from where it stood."""
        far = _went(xp, now)[0].max(-1)
        return {"farthest": far if watched is None else xp.maximum(far, watched["farthest"])}

    def failures(
        self, xp: Any, layout: Layout, memory: Memory, now: Now, watched: Watched
    ) -> Mapping[str, Any]:
        """Something fell, or is not where it stood."""
        far, fallen = _went(xp, now)
        return {"fell": fallen, "moved": (far >= NEAR).any(-1)}


def _went(xp: Any, now: Now) -> tuple[Any, Any]:
    """(..., A) how far each object is from where it stood, m, and (...) whether any fell."""
    moved = now.pose[..., :3] - now.start[..., :3]
    lean = (_above(xp, now.pose[..., 3:]) * _above(xp, now.start[..., 3:])).sum(-1)
    fallen = ((lean < UPRIGHT) | (moved[..., 2] < -FELL)).any(-1)
    return xp.sqrt((moved**2).sum(-1)), fallen


def _above(xp: Any, quaternion: Any) -> Any:
    """(..., 3) the world's up in the frame of what is turned so."""
    w, x, y, z = (quaternion[..., k] for k in range(4))
    return xp.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x**2 + y**2)], -1)
