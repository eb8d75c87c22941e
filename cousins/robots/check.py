"""A description held against the MJCF: what is named is there, and is what it is taken for."""

from __future__ import annotations

import mujoco
import numpy as np

from cousins.errors import UsageError
from cousins.robots.describe import Description

_KINDS = {
    "joint": mujoco.mjtObj.mjOBJ_JOINT,
    "actuator": mujoco.mjtObj.mjOBJ_ACTUATOR,
    "site": mujoco.mjtObj.mjOBJ_SITE,
    "body": mujoco.mjtObj.mjOBJ_BODY,
    "geom": mujoco.mjtObj.mjOBJ_GEOM,
}
_COUNTS = {"joint": "njnt", "actuator": "nu", "site": "nsite", "body": "nbody", "geom": "ngeom"}
_MOVING = (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE))
_MARGIN = 1e-6  # m or rad, by which home may lie outside a range: of numbers that were written out


def find(model: mujoco.MjModel, kind: str, name: str, where: str, prefix: str = "") -> int:
    """The id of what is called so. Raises UsageError, with those that there are."""
    found = mujoco.mj_name2id(model, _KINDS[kind], prefix + name)
    if found < 0:
        many = getattr(model, _COUNTS[kind])
        named = [mujoco.mj_id2name(model, _KINDS[kind], k) for k in range(many)]
        there = ", ".join(n for n in named[:60] if n) or f"none that has a name, of {many}"
        raise UsageError(f"{where}: no {kind} {name!r}; there are: {there}")
    return found


def pads(model: mujoco.MjModel, told: Description, prefix: str = "") -> tuple[int, ...]:
    """The geoms that touch what is gripped: those that the description names, and all that collide
    of bodies that it names. Raises UsageError for a name that is neither's."""
    out: list[int] = []
    for name in told.gripper.pads:
        body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, prefix + name)
        geom = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, prefix + name)
        if geom < 0 and body < 0:
            geom = find(model, "geom", name, f"robot {told.name}: gripper.pads", prefix)
        own = [geom] if geom >= 0 else np.flatnonzero(model.geom_bodyid == body).tolist()
        own = [g for g in own if collides(model, g)]
        if not own:
            raise UsageError(f"robot {told.name}: gripper.pads: {name!r} collides with nothing")
        out += own
    return tuple(out)


def collides(model: mujoco.MjModel, geom: int) -> bool:
    """Whether a geom meets a scene's, whose contype and conaffinity are 1."""
    return bool((model.geom_contype[geom] | model.geom_conaffinity[geom]) & 1)


def check(model: mujoco.MjModel, told: Description) -> None:
    """Raises UsageError for the first thing in which the description and the MJCF disagree."""
    where = f"robot {told.name}"
    base = find(model, "body", told.base, f"{where}: base")
    roots = [b for b in range(1, model.nbody) if model.body_parentid[b] == 0]
    if roots != [base]:
        there = ", ".join(repr(model.body(b).name) for b in roots)
        raise UsageError(f"{where}: base {told.base!r} is not alone at the root: {there}")
    if model.body_jntnum[base]:
        raise UsageError(f"{where}: base {told.base!r} has a joint: a base stands still")
    joints = [_joint(model, name, f"{where}: joints") for name in told.joints]
    _chain(model, told, joints, where)
    for name, joint, home in zip(told.joints, joints, told.home, strict=True):
        low, high = model.jnt_range[joint]
        if not low - _MARGIN <= home <= high + _MARGIN:
            raise UsageError(f"{where}: home of {name!r}, {home:g}, is not in {low:g} to {high:g}")
    for actuator, joint in zip(told.actuators, joints, strict=True):
        _position(model, actuator, joint, where)
    _gripper(model, told, joints, where)


def _joint(model: mujoco.MjModel, name: str, where: str) -> int:
    joint = find(model, "joint", name, where)
    if model.jnt_type[joint] not in _MOVING:
        raise UsageError(f"{where}: {name!r} is no hinge or slide")
    if not model.jnt_limited[joint]:
        raise UsageError(f"{where}: {name!r} has no range: give it one in the MJCF")
    return joint


def _chain(model: mujoco.MjModel, told: Description, joints: list[int], where: str) -> None:
    """From the base to the tool there are these joints, in this order."""
    assert isinstance(told.tool, str)
    body = int(model.site_bodyid[find(model, "site", told.tool, f"{where}: tool")])
    there: list[int] = []
    while body > 0:
        first, many = model.body_jntadr[body], model.body_jntnum[body]
        there = [*range(first, first + many), *there]
        body = int(model.body_parentid[body])
    if there != joints:
        on_it = ", ".join(model.joint(j).name or "(no name)" for j in there) or "none"
        raise UsageError(f"{where}: joints: from the base to {told.tool!r} there are: {on_it}")


def _position(model: mujoco.MjModel, name: str, joint: int, where: str) -> None:
    """It drives this joint to what it is told: force = k (ctrl - q) - ..."""
    actuator = find(model, "actuator", name, f"{where}: actuators")
    of = model.joint(joint).name
    on = model.actuator_trntype[actuator] == mujoco.mjtTrn.mjTRN_JOINT
    if not on or model.actuator_trnid[actuator, 0] != joint:
        raise UsageError(f"{where}: actuators: {name!r} does not drive the joint {of!r}")
    gain, bias = model.actuator_gainprm[actuator, 0], model.actuator_biasprm[actuator]
    affine = model.actuator_biastype[actuator] == mujoco.mjtBias.mjBIAS_AFFINE
    fixed = model.actuator_gaintype[actuator] == mujoco.mjtGain.mjGAIN_FIXED
    to_ctrl = gain > 0 and bias[0] == 0 and np.isclose(bias[1], -gain)
    plain = model.actuator_gear[actuator, 0] == 1 and model.actuator_dyntype[actuator] == 0
    if not (affine and fixed and to_ctrl and plain):
        raise UsageError(
            f"{where}: actuators: {name!r} is no position actuator: it must drive {of!r} to its "
            "ctrl, as <position> does"
        )


def _gripper(model: mujoco.MjModel, told: Description, joints: list[int], where: str) -> None:
    grip, where = told.gripper, f"{where}: gripper"
    hand = int(model.jnt_bodyid[joints[-1]])
    for name, home in zip(grip.joints, grip.home, strict=True):
        joint = find(model, "joint", name, f"{where}.joints")
        if model.jnt_type[joint] not in _MOVING:
            raise UsageError(f"{where}.joints: {name!r} is no hinge or slide")
        body = int(model.jnt_bodyid[joint])
        while body not in (0, hand):
            body = int(model.body_parentid[body])
        if not body or joint in joints:
            raise UsageError(f"{where}.joints: {name!r} does not lie beyond the last joint")
        low, high = model.jnt_range[joint]
        if model.jnt_limited[joint] and not low - _MARGIN <= home <= high + _MARGIN:
            raise UsageError(f"{where}.home of {name!r}, {home:g}, is not in {low:g} to {high:g}")
    for name, *ctrl in zip(grip.actuators, grip.open, grip.closed, strict=True):
        actuator = find(model, "actuator", name, f"{where}.actuators")
        low, high = model.actuator_ctrlrange[actuator]
        if model.actuator_ctrllimited[actuator] and not low <= min(ctrl) <= max(ctrl) <= high:
            raise UsageError(f"{where}: {name!r} is told {low:g} to {high:g}, no more")
    pads(model, told)
    known = {*told.actuators, *grip.actuators}
    for actuator in range(model.nu):
        if model.actuator(actuator).name not in known:
            name = model.actuator(actuator).name
            raise UsageError(f"{where}: nobody is to tell the actuator {name!r} what to do")
