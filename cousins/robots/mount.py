"""A robot joined to a family of cousins when the family is loaded: packs hold none.

The robot comes last in the union model, so that every id that the family's arrays go by stays what
it was, and its base stands in each world where that cousin's `robot_base` has it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.bank import Bank, Family
from cousins.errors import PackError, UsageError
from cousins.robots import Robot
from cousins.scene import compile_model
from cousins.variation.union import unseen

BASE = "robot"  # the body that stands where a cousin's robot_base is
PREFIX = "robot/"  # of every name of the robot's in the joined model


def mounted(family: Family, robot: Robot) -> Family:
    """The family with a robot in each of its worlds.

    Its model is the union model, then the robot under the body `BASE`, with names that begin with
    `PREFIX`. A reset leaves the robot where all its joints are 0, or their `ref`: what its joints
    are measured from goes by where a cousin starts, so that home cannot be that. Raises PackError
    for a family that says of no cousin where a robot's base stands, and UsageError for a robot that
    MuJoCo cannot join to it.
    """
    if "robot_base" not in family.arrays:
        raise PackError("the cousins have no place for a robot: augment anew with the axis robot")
    xml, files = _joined(family, robot)
    # The union model's own fields are kept in every digit; MuJoCo's writer keeps six.
    try:
        model = compile_model(xml, unseen(xml, files))
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"robot {robot.name} does not join the scene: {reason}") from None
    n, base = len(family), family.arrays["robot_base"]
    root = model.body(BASE).id
    qpos = np.broadcast_to(model.qpos0, (n, model.nq)).copy()
    own = family.arrays["qpos"]
    qpos[:, : own.shape[1]] = own
    place: dict[str, NDArray[Any]] = {}
    for name, part in (("body_pos", base[:, :3]), ("body_quat", base[:, 3:])):
        place[name] = np.broadcast_to(getattr(model, name), (n, *getattr(model, name).shape)).copy()
        place[name][:, root] = part
    kept = {k: _longer(model, k, v) for k, v in family.arrays.items() if k != "qpos"}
    bank = None if family.bank is None else _wider(model, family.bank)
    return replace(family, xml=xml, files=files, arrays={**kept, **place, "qpos": qpos}, bank=bank)


def _joined(family: Family, robot: Robot) -> tuple[str, dict[str, bytes]]:
    """The joint model's XML and its files."""
    files = {**family.files, **robot.files}
    try:
        parent = mujoco.MjSpec.from_string(
            family.xml, assets={**unseen(family.xml, family.files), **robot.files}
        )
        child = mujoco.MjSpec.from_string(robot.xml, assets=dict(robot.files))
        base = parent.worldbody.add_body(name=BASE)
        parent.attach(child, prefix=PREFIX, frame=base.add_frame())
        parent.compile()  # which `to_xml` asks for
        return parent.to_xml(), files
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"robot {robot.name} does not join the scene: {reason}") from None


def _wider(model: mujoco.MjModel, bank: Bank) -> Bank:
    defaults = {k: _longer(model, k, v[None])[0] for k, v in bank.defaults.items()}
    return replace(bank, defaults=defaults)


def _longer(model: mujoco.MjModel, name: str, rows: NDArray[Any]) -> NDArray[Any]:
    """Rows (n, k, ...) of a field of the union model as ones of the joined model, whose own further
    elements are the robot's."""
    own = getattr(model, name, None)
    if not isinstance(own, np.ndarray) or own.shape[1:] != rows.shape[2:]:
        return rows
    more = own[rows.shape[1] :].astype(rows.dtype)
    return np.concatenate([rows, np.broadcast_to(more, (len(rows), *more.shape))], axis=1)
