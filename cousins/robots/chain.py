"""A robot's arm as a serial chain: where its tool is, and how each joint moves it.

Pure functions over any leading axes, for numpy and jax.numpy alike: `xp` is either. The numbers are
MuJoCo's, taken from the compiled model, and in the frame of the robot's base.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.mesh import matrix_from_quaternion
from cousins.robots import Robot
from cousins.types import Array


@dataclass(frozen=True, eq=False)
class Chain:
    """J joints in a row, the last link carrying the tool.

    offset (J + 1, 3) and turn (J + 1, 3, 3): where each joint's frame lies in that which the joint
    before it moves, the base's at first, and last the tool's. axis (J, 3): in the joint's own
    frame, whose origin it goes through; slide (J,): whether it slides along it; rest (J,): the
    position at which it moves nothing; low and high (J,): its range, m or rad.
    """

    offset: Array
    turn: Array
    axis: Array
    slide: NDArray[np.bool_]
    rest: Array
    low: Array
    high: Array

    def __len__(self) -> int:
        return len(self.axis)


def chain(robot: Robot) -> Chain:
    """The chain from a robot's base frame to its tool. What the actuators cannot be told is left
    out of the ranges."""
    told, model = robot.config, robot.model()
    joints = [model.joint(name).id for name in told.joints]
    assert isinstance(told.tool, str)
    site = model.site(told.tool).id
    bodies = [int(model.site_bodyid[site])]
    while bodies[0] > 0:
        bodies.insert(0, int(model.body_parentid[bodies[0]]))
    at, turned = np.zeros(3), np.eye(3)  # in the frame of the joint before
    offset, turn = [], []
    for body in bodies[1:]:
        at = at + turned @ model.body_pos[body]
        turned = turned @ matrix_from_quaternion(model.body_quat[body])
        first = int(model.body_jntadr[body])
        for joint in range(first, first + int(model.body_jntnum[body])):
            anchor = model.jnt_pos[joint]
            offset.append(at + turned @ anchor)
            turn.append(turned)
            at, turned = -anchor, np.eye(3)
    offset.append(at + turned @ model.site_pos[site])
    turn.append(turned @ matrix_from_quaternion(model.site_quat[site]))
    low, high = model.jnt_range[joints].T
    for k, name in enumerate(told.actuators):
        actuator = model.actuator(name).id
        if model.actuator_ctrllimited[actuator]:
            low[k] = max(low[k], model.actuator_ctrlrange[actuator, 0])
            high[k] = min(high[k], model.actuator_ctrlrange[actuator, 1])
    return Chain(
        np.array(offset),
        np.array(turn),
        np.array(model.jnt_axis[joints]),
        model.jnt_type[joints] == int(mujoco.mjtJoint.mjJNT_SLIDE),
        np.array(model.qpos0[model.jnt_qposadr[joints]]),
        low,
        high,
    )


def fk(xp: Any, chain: Chain, q: Any) -> tuple[Any, Any]:
    """Of joints (..., J), the tool's place (..., 3) and rotation (..., 3, 3) in the base frame."""
    position, rotation, _, _ = _run(xp, chain, q)
    return position, rotation


def jacobian(xp: Any, chain: Chain, q: Any) -> Any:
    """(..., 6, J) what each joint's speed adds to the tool's: m/s, and then rad/s, in the base
    frame."""
    return poses(xp, chain, q)[2]


def poses(xp: Any, chain: Chain, q: Any) -> tuple[Any, Any, Any]:
    """What `fk` and `jacobian` give, at the cost of one."""
    position, rotation, anchors, axes = _run(xp, chain, q)
    columns = []
    for slides, anchor, axis in zip(chain.slide, anchors, axes, strict=True):
        linear = axis if slides else cross(xp, axis, position - anchor)
        columns.append(xp.concatenate([linear, 0 * axis if slides else axis], -1))
    return position, rotation, xp.stack(columns, -1)


def _run(xp: Any, chain: Chain, q: Any) -> tuple[Any, Any, list[Any], list[Any]]:
    """The tool's pose, and each joint's anchor and axis (..., 3), in the base frame."""
    position: Any = xp.zeros((*q.shape[:-1], 3)) + xp.asarray(chain.offset[0])
    rotation: Any = xp.zeros((*q.shape[:-1], 3, 3)) + xp.asarray(chain.turn[0])
    anchors, axes = [], []
    for k in range(len(chain)):
        axis = rotation @ xp.asarray(chain.axis[k])
        anchors.append(position)
        axes.append(axis)
        moved = q[..., k] - chain.rest[k]
        if chain.slide[k]:
            position = position + moved[..., None] * axis
        else:
            rotation = rotation @ _about(xp, chain.axis[k], moved)
        position = position + rotation @ xp.asarray(chain.offset[k + 1])
        rotation = rotation @ xp.asarray(chain.turn[k + 1])
    return position, rotation, anchors, axes


def _about(xp: Any, axis: Array, angle: Any) -> Any:
    """(..., 3, 3) the rotation by angles (...) about a fixed axis (3,), by Rodrigues' formula."""
    x, y, z = axis
    across = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = angle[..., None, None]
    return (
        xp.asarray(np.eye(3))
        + xp.sin(angle) * xp.asarray(across)
        + (1 - xp.cos(angle)) * xp.asarray(across @ across)
    )


def cross(xp: Any, a: Any, b: Any) -> Any:
    """(..., 3) of vectors (..., 3); numpy's own takes ten times as long."""
    return xp.stack(
        [
            a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1],
            a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2],
            a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0],
        ],
        -1,
    )


def rotation_of(xp: Any, vector: Any) -> Any:
    """(..., 3, 3) the rotation about vectors (..., 3) by their length, rad."""
    angle = xp.sqrt((vector**2).sum(-1))[..., None, None]
    x, y, z, o = *(vector[..., k] for k in range(3)), 0 * vector[..., 0]
    across = xp.stack([o, -z, y, z, o, -x, -y, x, o], -1)
    across = across.reshape(*across.shape[:-1], 3, 3)
    # sin(a) / a, and (1 - cos(a)) / a^2
    first, second = xp.sinc(angle / xp.pi), xp.sinc(angle / (2 * xp.pi)) ** 2 / 2
    return xp.asarray(np.eye(3)) + first * across + second * (across @ across)


def vector_of(xp: Any, rotation: Any) -> Any:
    """(..., 3) the reverse: rotation vectors, of at most pi, of rotations (..., 3, 3)."""
    r = rotation
    across = xp.stack(
        [r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]], -1
    )
    twice_sine = xp.sqrt((across**2).sum(-1))
    twice_cosine = r[..., 0, 0] + r[..., 1, 1] + r[..., 2, 2] - 1
    angle = xp.arctan2(twice_sine, twice_cosine)
    # Near half a turn the sine vanishes, and the axis is any column of R + R' + (1 - trace) I.
    both = r + xp.swapaxes(r, -1, -2) - twice_cosine[..., None, None] * xp.asarray(np.eye(3))
    length = xp.sqrt((both**2).sum(-2))
    column = xp.argmax(length, -1)[..., None, None]
    other = xp.take_along_axis(both, column, -1)[..., 0]
    other = other / xp.maximum(length.max(-1), 1e-12)[..., None]
    side = (other * across).sum(-1)[..., None]
    other = xp.where(side < 0, -other, other)
    small = twice_sine < 1e-4
    usual = across * (xp.where(small, 0.5, angle / xp.where(small, 1.0, twice_sine)))[..., None]
    return xp.where((small & (twice_cosine < 0))[..., None], other * angle[..., None], usual)
