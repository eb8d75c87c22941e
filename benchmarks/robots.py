"""What the robots that ship do under the controller `delta`: tracking, settling, lifting, pushing.

    python benchmarks/robots.py [NAME ...] [--json FILE]

On a table of its own, with a pack's time step, integrator and contacts.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from rich.console import Console
from rich.table import Table

from cousins.robots import Robot, names, robot
from cousins.robots.chain import fk
from cousins.robots.control import controller, grip, targets
from cousins.types import Array

PERIOD = 0.05  # s: 20 actions a second
SCENE = """
<mujoco>
  <option timestep="0.002" integrator="implicitfast" cone="elliptic" impratio="100"/>
  <default>
    <geom solref="0.006 1" solimp="0.95 0.99 0.001" condim="4" friction="0.6 0.005 0.0001"/>
  </default>
  <worldbody>
    <geom name="table" type="box" size="0.6 0.8 0.02" pos="0.45 0 -0.02"/>
    {things}
  </worldbody>
</mujoco>
"""
BOX = """<body name="box" pos="{x} {y} {half}"><freejoint/>
<geom type="box" size="{half} {half} {half}" mass="{mass}" priority="1" friction="{friction}"/>
</body>"""


class Stand:
    """A robot at a table, driven by actions."""

    def __init__(self, robot: Robot, things: str = "", **settings: Any) -> None:
        spec = mujoco.MjSpec.from_string(SCENE.format(things=things))
        own = mujoco.MjSpec.from_string(robot.xml, assets=dict(robot.files))
        spec.attach(own, prefix="robot/", frame=spec.worldbody.add_frame())
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self.control = controller(robot, "delta", **settings)
        told = robot.config
        joints = [self.model.joint(f"robot/{name}") for name in told.joints]
        self.qpos = np.array([int(j.qposadr[0]) for j in joints])
        self.ctrl = [self.model.actuator(f"robot/{name}").id for name in told.actuators]
        self.grip = [self.model.actuator(f"robot/{name}").id for name in told.gripper.actuators]
        self.target = np.array(told.home)
        self.data.ctrl[self.grip] = told.gripper.open
        self.data.qpos[self.qpos] = told.home
        for name, value in zip(told.gripper.joints, told.gripper.home, strict=True):
            self.data.joint(f"robot/{name}").qpos = value
        self.site = self.model.site("robot/" + str(told.tool)).id
        mujoco.mj_forward(self.model, self.data)

    def act(self, action: Array, each: Callable[[], None] | None = None) -> None:
        """One action, for `PERIOD`; `each` is called after every step."""
        now = self.data.qpos[self.qpos]
        self.target = targets(np, self.control, self.target, now, action, PERIOD)
        self.data.ctrl[self.ctrl] = self.target
        told = grip(np, self.control, self.data.ctrl[self.grip], action, PERIOD)
        self.data.ctrl[self.grip] = told
        for _ in range(round(PERIOD / self.model.opt.timestep)):
            mujoco.mj_step(self.model, self.data)
            if each:
                each()

    @property
    def tool(self) -> Array:
        """(3,) where it is."""
        return self.data.site_xpos[self.site].copy()

    @property
    def aim(self) -> Array:
        """(3,) where its targets have it."""
        return fk(np, self.control.chain, self.target)[0]

    def go(self, place: Array, opening: float, seconds: float) -> None:
        """Towards a place, and to it if there is time."""
        for _ in range(round(seconds / PERIOD)):
            step = (place - self.aim) / (self.control.tool_speed * PERIOD)
            self.act(np.array([*np.clip(step, -1, 1), 0.0, opening]))


def tracking(robot: Robot) -> dict[str, float]:
    """A level circle of 12 cm at 0.15 m/s: how far the tool hangs back behind its target, and how
    far it leaves the circle and the height; then how long a stop takes."""
    stand = Stand(robot)
    middle = stand.aim + [0, 0, -0.1]
    radius, speed = 0.12, 0.15
    stand.go(middle + [radius, 0, 0], 1.0, 3.0)
    lag, off, high, turned = [], [], [], []
    for k in range(round(2 * np.pi * radius / speed / PERIOD) * 2):
        angle = (k + 1) * PERIOD * speed / radius
        goal = middle + radius * np.array([np.cos(angle), np.sin(angle), 0])
        stand.act(np.array([*(goal - stand.aim) / (stand.control.tool_speed * PERIOD), 0, 1]))
        lag.append(np.linalg.norm(stand.tool - stand.aim))
        off.append(np.linalg.norm((stand.tool - middle)[:2]) - radius)
        high.append(stand.tool[2] - middle[2])
        turned.append(np.arccos(-stand.data.site_xmat[stand.site][8]))
    told = {"lag_mm": lag, "off_mm": off, "height_mm": high}
    back = {k: 1e3 * float(np.sqrt(np.mean(np.square(v[5:])))) for k, v in told.items()}
    stand = Stand(robot)
    for _ in range(10):
        stand.act(np.array([1.0, 0, 0, 0, 1]))
    goal, times, places = stand.aim, [], []

    def look() -> None:
        times.append(stand.data.time)
        places.append(stand.tool)

    start = stand.data.time
    for _ in range(16):
        stand.act(np.array([0.0, 0, 0, 0, 1]), look)
    away = np.linalg.norm(np.array(places) - stand.aim, axis=1)
    last = np.flatnonzero(away > 1e-3)
    settle = times[last[-1]] - start if len(last) else 0.0
    over = (np.array(places) - goal) @ [1.0, 0, 0]
    return {**back, "tilt_deg": float(np.degrees(np.max(turned))), "settle_s": float(settle),
            "overshoot_mm": 1e3 * float(over.max()), "rest_mm": 1e3 * float(away[-1])}  # fmt: skip


def lifting(
    robot: Robot, mass: float = 0.5, side: float = 0.06, shake: bool = False
) -> dict[str, float]:
    """A box is gripped, lifted by 20 cm and held for 5 s: how far it slips in the grip, and how far
    what is held hangs below the target."""
    x, y = 0.45, 0.05
    box = BOX.format(x=x, y=y, half=side / 2, mass=mass, friction="0.4 0.005 0.0001")
    stand = Stand(robot, box)
    there = np.array([x, y, max(side / 2, 0.013)])  # not through the table
    stand.go(there + [0, 0, 0.15], 1.0, 3.0)
    stand.go(there, 1.0, 1.5)
    stand.go(there, -1.0, 1.0)

    def relative() -> Array:
        return stand.data.body("box").xpos - stand.tool

    before = relative()
    stand.go(there + [0, 0, 0.2], -1.0, 2.0)
    lifted = float(stand.data.body("box").xpos[2] - side / 2)
    first = relative()
    most, turn = 0.0, 0.0
    for k in range(100):
        move = np.sin(k * PERIOD * 2 * np.pi) if shake else 0.0
        stand.act(np.array([0, move, 0, 0, -1.0]))
        most = max(most, float(np.linalg.norm(relative() - first)))
        turn = max(turn, float(np.arccos(min(1, stand.data.body("box").xmat[8]))))
    return {"lifted_mm": 1e3 * lifted, "at_lift_mm": 1e3 * float(np.linalg.norm(first - before)),
            "slip_mm": 1e3 * most, "turn_deg": float(np.degrees(turn)),
            "sag_mm": 1e3 * float(stand.aim[2] - stand.tool[2])}  # fmt: skip


def pushing(robot: Robot, mass: float = 1.0) -> dict[str, float]:
    """A box of 1 kg is pushed ahead by 10 cm with closed fingers at one height, and then against
    what does not give way: force, and how soon it lets go."""
    box = BOX.format(x=0.55, y=0, half=0.05, mass=mass, friction="0.5 0.005 0.0001")
    wall = '<geom type="box" size="0.02 0.3 0.1" pos="0.82 0 0.1"/>'
    stand = Stand(robot, box + wall, axes=("x", "y"), place=(0.3, 0.0, 0.04))
    for _ in range(80):
        stand.act(np.zeros(2))
    start = float(stand.data.body("box").xpos[0])
    high = []
    while stand.aim[0] < 0.6:  # its face is at 0.5 m
        stand.act(np.array([1.0, 0.0]))
        high.append(stand.tool[2] - 0.04)
    pushed = float(stand.data.body("box").xpos[0]) - start
    for _ in range(60):
        stand.act(np.array([1.0, 0.0]))
    force = -float(sum(_force(stand)))
    ahead = float(np.linalg.norm(stand.aim - stand.tool))
    count = 0
    while abs(sum(_force(stand))) > 1 and count < 40:
        stand.act(np.array([-1.0, 0.0]))
        count += 1
    return {"pushed_mm": 1e3 * pushed, "height_mm": 1e3 * float(np.abs(high).max()),
            "wall_n": force, "ahead_mm": 1e3 * ahead, "release_s": count * PERIOD}  # fmt: skip


def _force(stand: Stand) -> list[float]:
    """N along x, of contacts of the robot with the box."""
    out, found = [], np.zeros(6)
    box = stand.model.body("box").id
    for k in range(stand.data.ncon):
        contact = stand.data.contact[k]
        bodies = stand.model.geom_bodyid[contact.geom]
        roots = stand.model.body_rootid[bodies]
        if box in bodies and all(root != 0 for root in roots):
            mujoco.mj_contactForce(stand.model, stand.data, k, found)
            sign = 1 if bodies[0] == box else -1
            out.append(sign * float((contact.frame.reshape(3, 3).T @ found[:3])[0]))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=names())
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found = {}
    for name in asked.names:
        made = robot(name)
        found[name] = {
            "track": tracking(made),
            "lift 0.5 kg": lifting(made),
            "lift 0.5 kg, shaken": lifting(made, shake=True),
            "lift 0.1 kg of 10 mm": lifting(made, 0.1, 0.010),
            "push 1 kg": pushing(made),
        }
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2))
    table = Table("robot", "test", "found")
    for name, tests in found.items():
        for test, values in tests.items():
            table.add_row(name, test, ", ".join(f"{k} {v:.3g}" for k, v in values.items()))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
