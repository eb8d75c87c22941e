"""Poses of many worlds at once, in whichever array library, and in the robot's own frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cousins.robots.chain import fk
from cousins.tasks import Layout, Now


def matrix(xp: Any, quaternion: Any) -> Any:
    """(..., 3, 3) rotations of unit quaternions (..., 4)."""
    w, x, y, z = (quaternion[..., k] for k in range(4))
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return xp.stack([xp.stack(row, -1) for row in rows], -2)


def times(xp: Any, a: Any, b: Any) -> Any:
    """(..., 4) the quaternions of the turns b (..., 4), then a (..., 4)."""
    w, x, y, z = (a[..., k] for k in range(4))
    rows = ((w, -x, -y, -z), (x, w, -z, y), (y, z, w, -x), (z, -y, x, w))
    left = xp.stack([xp.stack(row, -1) for row in rows], -2)
    return (left * b[..., None, :]).sum(-1)


def turned(rotation: Any, vector: Any) -> Any:
    """(..., 3) vectors, turned by rotations (..., 3, 3)."""
    return (rotation * vector[..., None, :]).sum(-1)


def back(rotation: Any, vector: Any) -> Any:
    """(..., 3) vectors, turned by the inverses of rotations (..., 3, 3)."""
    return (rotation * vector[..., :, None]).sum(-2)


@dataclass(frozen=True)
class Sight:
    """A moment in the frame of the robot's base: x ahead, z up, m.

    tool (..., 3) and its rotation (..., 3, 3): z the way that the gripper points, y the way along
    which it closes; lag (..., 3): from where the tool is to where it is told to be; opening (...).
    position (..., A, 3), rotation (..., A, 3, 3) and velocity (..., A, 3) of objects; low and high
    (..., A, 3): the least boxes, upright in this frame, about their bounds; size (..., A, 3): of
    those bounds, along the objects' own axes. start (..., A, 3): where they stood, and up (..., A):
    the cosine of how far each leans from how it stood; within (..., A): how far the tool lies
    inside of each one's own bounds, negative outside.
    """

    tool: Any
    rotation: Any
    lag: Any
    opening: Any
    position: Any
    turn: Any
    velocity: Any
    low: Any
    high: Any
    size: Any
    start: Any
    up: Any
    within: Any

    @property
    def closing(self) -> Any:
        """(..., 3) the way along which the gripper closes."""
        return self.rotation[..., :, 1]

    def across(self, xp: Any, which: Any) -> tuple[Any, Any]:
        """(..., 2) level unit direction along which an object, which (..., A), is narrowest, of its
        own two axes that are most nearly level, and its extents (..., 3): along that, along the
        other, and upright, m."""
        turn, size = of(xp, which, self.turn), of(xp, which, self.size)
        steep = xp.argmax(xp.abs(turn[..., 2, :]), -1)  # the axis that is most nearly upright
        axes = xp.arange(3)
        first = xp.where(steep == 0, 1, 0)
        second = xp.where(steep == 2, 1, 2)
        one, other = ((k[..., None] == axes).astype(float) for k in (first, second))
        lengths = [(mask * size).sum(-1) for mask in (one, other)]
        narrow = xp.where((lengths[0] <= lengths[1])[..., None], one, other)
        way = (turn * narrow[..., None, :]).sum(-1)[..., :2]
        way = way / xp.maximum(length(xp, way), 1e-6)[..., None]
        tall = ((steep[..., None] == axes) * size).sum(-1)
        return way, xp.stack([xp.minimum(*lengths), xp.maximum(*lengths), tall], -1)

    @property
    def middle(self) -> Any:
        """(..., A, 3) of the objects' boxes."""
        return (self.low + self.high) / 2


def sight(xp: Any, layout: Layout, now: Now) -> Sight:
    """The moment as the robot has it."""
    hand, robot, shape = now.hand, layout.robot, now.shape
    assert hand is not None
    assert robot is not None
    assert shape is not None
    tool, rotation = fk(xp, robot.chain, hand.joints)
    told, _ = fk(xp, robot.chain, hand.target)
    base = matrix(xp, hand.base[..., 3:])
    position = inward(xp, hand.base, now.pose[..., :3])
    world = matrix(xp, now.pose[..., 3:])
    turn = (base[..., None, :, :, None] * world[..., :, None, :]).sum(-3)
    half, middle = (shape.high - shape.low) / 2, (shape.high + shape.low) / 2
    centre = position + turned(turn, middle)
    extent = (xp.abs(turn) * half[..., None, :]).sum(-1)
    began = matrix(xp, now.start[..., 3:])
    # Which way in the object's own frame was up, and how far that is from up now.
    up = (began[..., 2, :] * world[..., 2, :]).sum(-1)
    local = back(turn, tool[..., None, :] - position)
    return Sight(
        tool=tool, rotation=rotation, lag=told - tool, opening=hand.opening,
        position=position, turn=turn, velocity=back(base[..., None, :, :], now.velocity[..., :3]),
        low=centre - extent, high=centre + extent, size=2 * half + 0 * centre,
        start=inward(xp, hand.base, now.start[..., :3]), up=up,
        within=xp.minimum(local - shape.low, shape.high - local).min(-1),
    )  # fmt: skip


def inward(xp: Any, base: Any, points: Any) -> Any:
    """Points (..., k, 3) of the world in the frames of bases (..., 7)."""
    return back(matrix(xp, base[..., 3:])[..., None, :, :], points - base[..., None, :3])


def outward(xp: Any, base: Any, points: Any) -> Any:
    """Points (..., k, 3) in the frames of bases (..., 7), in the world."""
    return base[..., None, :3] + turned(matrix(xp, base[..., 3:])[..., None, :, :], points)


def of(xp: Any, which: Any, values: Any) -> Any:
    """(..., *) the values (..., A, *) of the object that `which` (..., A) is 1 for, 0 elsewhere."""
    more = values.ndim - which.ndim
    return (which.reshape(*which.shape, *[1] * more) * values).sum(which.ndim - 1)


def length(xp: Any, vector: Any) -> Any:
    """(...) of vectors (..., k), m."""
    return xp.sqrt((vector**2).sum(-1))


def apart(xp: Any, a: Any, b: Any, points: Any) -> Any:
    """(..., k) m, in the plane, from points (..., k, 2) to the segments from a to b (..., 2)."""
    way = b - a
    offset = points - a[..., None, :]
    long = (way**2).sum(-1)[..., None]
    share = xp.clip((offset * way[..., None, :]).sum(-1) / xp.maximum(long, 1e-12), 0, 1)
    return length(xp, offset - share[..., None] * way[..., None, :])


def inside(xp: Any, polygon: Any, points: Any) -> Any:
    """(...) m that points (..., 2) lie within a convex polygon (V, 2), counter-clockwise; negative
    outside of it."""
    a = xp.asarray(polygon)
    edge = xp.roll(a, -1, axis=0) - a
    normal = xp.stack([-edge[:, 1], edge[:, 0]], -1) / length(xp, edge)[:, None]
    return ((points[..., None, :] - a) * normal).sum(-1).min(-1)
