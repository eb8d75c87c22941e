"""An arm of one's own: MJCF in the manner of a collection of real robots, with its description.

Seven joints, default classes, meshes in a folder, one actuator of 0 to 255 that closes a gripper by
a tendon, a keyframe and a light; no site for the tool and no names for the pads' geoms.
"""

from pathlib import Path

import yaml

from cousins.mesh import obj_text
from cousins.types import Mesh

CONFIG = {
    "name": "seven",
    "base": "link0",
    "tool": {"body": "hand", "position": [0, 0, 0.1]},
    "joints": [f"joint{k}" for k in range(1, 8)],
    "actuators": [f"actuator{k}" for k in range(1, 8)],
    "velocity": [2.1] * 4 + [2.6] * 3,
    "home": [0, 0, 0, -1.6, 0, 1.6, 0],
    "reach": 0.85,
    "workspace": {"low": [0.2, -0.6, 0], "high": [0.8, 0.6, 0.8]},
    "gripper": {
        "actuators": ["actuator8"],
        "open": [255],
        "closed": [0],
        "opening": 0.08,
        "joints": ["finger_joint1", "finger_joint2"],
        "home": [0.04, 0.04],
        "pads": ["left_finger", "right_finger"],
        "friction": 1.2,
    },
}
# Where each link is in the one before, and its joint's range.
LINKS = [
    ('pos="0 0 0.33"', -2.9, 2.9),
    ('quat="1 -1 0 0"', -1.8, 1.8),
    ('pos="0 -0.32 0" quat="1 1 0 0"', -2.9, 2.9),
    ('pos="0.08 0 0" quat="1 1 0 0"', -3.0, -0.1),
    ('pos="-0.08 0.38 0" quat="1 -1 0 0"', -2.9, 2.9),
    ('quat="1 1 0 0"', 0.0, 3.7),
    ('pos="0.09 0 0" quat="1 1 0 0"', -2.9, 2.9),
]
FINGER = """
<body name="{name}_finger" pos="0 0 0.06" {turn}>
  <inertial mass="0.02" pos="0 0 0.02" diaginertia="3e-6 3e-6 1e-6"/>
  <joint name="finger_joint{k}" class="finger"/>
  <geom mesh="wedge" class="visual"/>
  <geom class="pad"/>
</body>"""


def write(folder: Path, config: dict | None = None, **texts: str) -> tuple[Path, Path]:
    """seven.xml with its meshes, and seven.yaml, in a folder. texts: of the MJCF, what is to be
    written in the place of what; config: in the place of `CONFIG`."""
    (folder / "assets").mkdir(parents=True, exist_ok=True)
    corners = [[0, 0, 0], [0.03, 0, 0], [0, 0.03, 0], [0, 0, 0.06]]
    faces = [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]
    (folder / "assets" / "wedge.obj").write_text(obj_text(mesh(corners, faces)))
    text = mjcf()
    for old, new in texts.items():
        assert old in text
        text = text.replace(old, new)
    path, told = folder / "seven.xml", folder / "seven.yaml"
    path.write_text(text)
    told.write_text(yaml.safe_dump(CONFIG if config is None else config))
    return path, told


def mesh(corners, faces):
    import numpy as np

    return Mesh(np.array(corners, float), np.array(faces, np.int32))


def mjcf() -> str:
    """The text."""
    links = "".join(
        f'<body name="link{k}" {where}><inertial mass="1.5" pos="0 0 0.03" '
        f'diaginertia="0.01 0.01 0.01"/><joint name="joint{k}" range="{low} {high}"/>'
        '<geom mesh="wedge" class="visual"/><geom mesh="wedge" class="collision"/>'
        for k, (where, low, high) in enumerate(LINKS, 1)
    )
    fingers = FINGER.format(name="left", k=1, turn="") + FINGER.format(
        name="right", k=2, turn='quat="0 0 0 1"'
    )
    drives = "".join(
        f'<general class="seven" name="actuator{k}" joint="joint{k}" gainprm="3000" '
        f'biasprm="0 -3000 -300" ctrlrange="{low} {high}"/>'
        for k, (_, low, high) in enumerate(LINKS, 1)
    )
    return f"""<mujoco model="seven">
  <compiler angle="radian" meshdir="assets" autolimits="true"/>
  <option integrator="implicit"/>
  <default>
    <default class="seven">
      <joint armature="0.1" damping="1" axis="0 0 1"/>
      <general dyntype="none" biastype="affine" forcerange="-80 80"/>
      <site size="0.001" quat="0 1 0 0"/>
      <default class="finger"><joint axis="0 1 0" type="slide" range="0 0.04"/></default>
      <default class="visual">
        <geom type="mesh" contype="0" conaffinity="0" group="2"/>
      </default>
      <default class="collision">
        <geom type="mesh" group="3"/>
        <default class="pad">
          <geom type="box" size="0.01 0.004 0.01" pos="0 0.004 0.04"/>
        </default>
      </default>
    </default>
  </default>
  <asset><mesh file="wedge.obj"/></asset>
  <worldbody>
    <light name="top" pos="0 0 2"/>
    <body name="link0" childclass="seven">
      <geom mesh="wedge" class="collision"/>
      {links}
      <body name="hand" pos="0 0 0.107">
        <inertial mass="0.7" pos="0 0 0.03" diaginertia="0.001 0.002 0.002"/>
        {fingers}
      </body>
      {"</body>" * len(LINKS)}
    </body>
  </worldbody>
  <tendon>
    <fixed name="split">
      <joint joint="finger_joint1" coef="0.5"/><joint joint="finger_joint2" coef="0.5"/>
    </fixed>
  </tendon>
  <equality><joint joint1="finger_joint1" joint2="finger_joint2"/></equality>
  <actuator>
    {drives}
    <general class="seven" name="actuator8" tendon="split" ctrlrange="0 255"
      gainprm="0.0157 0 0" biasprm="0 -100 -10"/>
  </actuator>
  <keyframe><key name="home" qpos="0 0 0 -1.6 0 1.6 0 0.04 0.04"/></keyframe>
</mujoco>
"""
