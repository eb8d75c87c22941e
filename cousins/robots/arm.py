"""Where a robot's parts lie in a joined model: its arm's joints, its fingers, what drives them."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.robots import Robot
from cousins.robots.mount import PREFIX
from cousins.types import Array

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Arm:
    """Addresses in a model's qpos (J,) and qvel (J,), and the actuators (J,) of the arm's joints,
    base to tool; fingers (F,): addresses in qpos of the gripper's joints, with their values shut
    and wide (F,), and the opening between them then, m; gripper (G,): actuators, with what they are
    told to be closed and open (G,); speed:
    at which the opening changes, m/s. home (J,): of the arm's joints."""

    qpos: Ids
    qvel: Ids
    actuators: Ids
    fingers: Ids
    shut: Array
    wide: Array
    opening: float
    gripper: Ids
    closed: Array
    open: Array
    speed: float
    home: Array

    def opened(self, fingers: Array) -> Array:
        """(n,) m between the fingertips, of joints (n, F)."""
        share = (fingers - self.shut) / (self.wide - self.shut)
        return self.opening * share.mean(-1)

    def gripped(self, grip: Array, last: Array, period: float) -> Array:
        """(n, G) what drives the fingers until the end of a period, s, of how far they are to open,
        (n,) in 0..1, and of what drove them last (n, G): they go no faster than their speed."""
        way = self.open - self.closed
        wanted = self.closed + np.clip(grip, 0, 1)[:, None] * way
        most = np.abs(way) * self.speed / self.opening * period
        return last + np.clip(wanted - last, -most, most)

    def still(self, model: mujoco.MjModel) -> Array:
        """(nu,) what keeps the robot at home, open."""
        out = np.zeros(model.nu)
        out[self.actuators], out[self.gripper] = self.home, self.open
        return out


def arm(model: mujoco.MjModel, robot: Robot) -> Arm:
    """The addresses of a robot in a model that it was joined to."""
    config, grip = robot.config, robot.config.gripper
    joints = [model.joint(PREFIX + name) for name in config.joints]
    fingers = [model.joint(PREFIX + name) for name in grip.joints]
    wide = np.array(grip.home)
    ranges = np.array([joint.range for joint in fingers])
    # Shut is the end of a finger's range that is farther from where it is when it is open.
    far = np.abs(ranges - wide[:, None]).argmax(1)
    return Arm(
        qpos=np.array([joint.qposadr[0] for joint in joints]),
        qvel=np.array([joint.dofadr[0] for joint in joints]),
        actuators=np.array([model.actuator(PREFIX + name).id for name in config.actuators]),
        fingers=np.array([joint.qposadr[0] for joint in fingers]),
        shut=ranges[np.arange(len(far)), far],
        wide=wide,
        opening=grip.opening,
        gripper=np.array([model.actuator(PREFIX + name).id for name in grip.actuators]),
        closed=np.array(grip.closed),
        open=np.array(grip.open),
        speed=grip.speed,
        home=np.array(config.home),
    )
