"""Whether grasps hold: a floating parallel gripper in MuJoCo goes down to the best grasp of a thing
on a table, closes, lifts it by 10 cm and holds it for 2 s. With --pushes, whether things slide: a
closed one pushes those that stand by 10 cm, each from so many sides.

    python benchmarks/grasps.py [PACK ...] [--drawn 10] [--force 30] [--best 1] [--pushes 0]
        [--film DIR] [--json]

The things: every shape of a pack's banks with the twin's mass and friction, and household things
drawn at random. Those graspable are the ones that two pads about their centre of mass would fit by
`cousins.affordance`; of the others some are held by a rim or an end.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import mujoco
import numpy as np
from rich.console import Console
from rich.table import Table

from cousins import household, pack
from cousins.affordance import affordances
from cousins.grasps import Grasps, Gripper, Pushes, family_model, grasps, pushes, shape_parts
from cousins.grasps.solid import Part
from cousins.mesh import matrix_from_quaternion, quaternion_from_matrix
from cousins.scene import Kind
from cousins.shape.primitive import primitive_mesh
from cousins.types import Asset, Mesh, Primitive

ABOVE = 0.12  # m, from where the gripper goes down
DOWN, CLOSE, UP, HOLD = 0.8, 0.5, 0.6, 2.0  # s
LIFT, KEPT = 0.10, 0.05  # m; what rose by KEPT and stays there is held: it may hang askew
KINDS: Mapping[int, Kind] = {
    mujoco.mjtGeom.mjGEOM_BOX: "box",
    mujoco.mjtGeom.mjGEOM_CYLINDER: "cylinder",
    mujoco.mjtGeom.mjGEOM_SPHERE: "sphere",
}
SANK = 0.005  # m, in the last second, of what is not held
BEFORE, SPEED = 0.02, 0.1  # m in front of it, and m/s, of a push


@dataclass(frozen=True, eq=False)
class Thing:
    """What is to be held: where it is from, its collision shape as convex parts or one primitive of
    an asset whose parts, mass, friction and centre of mass count."""

    group: str
    name: str
    asset: Asset
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Try:
    """How it went. graspable: by its affordances. found: whether there is any grasp. rose: m, at
    the end; score, width: of the grasp. seconds: to find the grasps."""

    group: str
    name: str
    graspable: bool
    found: bool
    held: bool
    rose: float
    score: float
    width: float
    seconds: float


def banked(path: Path) -> list[Thing]:
    """Every shape of a pack's first family."""
    held = pack.read(path)
    twin = pack.load_scene(held).assets
    family = pack.load_family(held, 0)
    model, bank = family_model(family), family.bank
    assert bank is not None
    out = []
    for item, asset in enumerate(twin):
        for shape in range(int(bank.shapes[item])):
            parts = shape_parts(model, bank, item, shape)
            mine = (bank.owner == item) & ~bank.visual & bank.used[shape]
            slot = int(np.flatnonzero(mine)[0])
            kind = model.geom_type[bank.geom[slot]]
            like = None
            if kind in KINDS:
                size = np.maximum(bank.size[shape, slot], 1e-6).tolist()
                like = Primitive(KINDS[kind], tuple(size), tuple(bank.position[shape, slot]),
                                 tuple(bank.quaternion[shape, slot]))  # fmt: skip
            meshes = tuple(Mesh(v, np.asarray(f, np.int32)) for v, f in parts)
            centre = (bank.solid[shape, item] + bank.shell[shape, item]) / 2
            inertia = bank.solid_inertia[shape, item]
            made = replace(asset, name=f"{asset.name}_{shape}", parts=meshes, primitive=like,
                           center_of_mass=centre, inertia=inertia)  # fmt: skip
            out.append(Thing(path.name, made.name, made, parts))
    return out


def drawn(count: int) -> list[Thing]:
    """Household things, `count` of each category."""
    out = []
    for category in household.CATEGORIES:
        for seed in range(count):
            made = household.draw(category, np.random.default_rng(seed)).asset(category, "table")
            unit = made.inertia / made.mass.mode
            made = replace(made, name=f"{category}_{seed}", inertia=unit)
            out.append(Thing(category, made.name, made, asset_parts(made)))
    return out


def asset_parts(asset: Asset) -> tuple[Part, ...]:
    """Its collision shape in its own frame."""
    meshes = asset.parts if asset.primitive is None else (primitive_mesh(asset.primitive),)
    return tuple((mesh.vertices, mesh.faces) for mesh in meshes)


def scene(thing: Thing, gripper: Gripper, force: float) -> mujoco.MjModel:
    """A table, the thing, and a gripper that floats: it slides along the world's axes, and turns
    as it is put."""
    spec = mujoco.MjSpec()
    spec.option.timestep = 0.002
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10
    contact = {"solref": [0.006, 1], "solimp": [0.95, 0.99, 0.001, 0.5, 2], "condim": 4}
    world, asset = spec.worldbody, thing.asset
    world.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 0.1], rgba=[0.7, 0.6, 0.5, 1],
                   **contact)  # fmt: skip
    world.add_light(pos=[0.3, -0.4, 1.0], dir=[-0.3, 0.4, -1.0])
    body = world.add_body(name="thing")
    body.add_freejoint()
    body.mass, body.ipos = asset.mass.mode, asset.center_of_mass
    full = asset.inertia * asset.mass.mode
    body.fullinertia = [full[0, 0], full[1, 1], full[2, 2], full[0, 1], full[0, 2], full[1, 2]]
    body.explicitinertial = True
    shared = {**contact, "priority": 1, "rgba": [0.3, 0.5, 0.8, 1]}
    p = asset.primitive
    rolling = 0.01 * p.size[0] if p and p.kind != "box" else 1e-4
    friction = [asset.friction.mode, 0.005, rolling]
    if p is not None:
        kind = getattr(mujoco.mjtGeom, f"mjGEOM_{p.kind.upper()}")
        body.add_geom(type=kind, size=p.size, pos=p.position, quat=p.quaternion, friction=friction,
                      **shared)  # fmt: skip
    for k, part in enumerate(asset.parts if p is None else ()):
        spec.add_mesh(name=f"m{k}", uservert=part.vertices.ravel().tolist(),
                      userface=part.faces.ravel().tolist(), maxhullvert=64)  # fmt: skip
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=f"m{k}", friction=friction,
                      **shared)  # fmt: skip
    _hand(spec, gripper, force, contact)
    return spec.compile()


def _hand(spec: mujoco.MjSpec, gripper: Gripper, force: float, contact: dict) -> None:
    """Body `hand`, its frame the tool's at the tool point, on three slides along the world's axes
    and with two fingers that a force closes alike."""
    hand = spec.worldbody.add_body(name="rail", pos=[0, 0, 0], gravcomp=1)
    hand.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.01, 0, 0], mass=1, contype=0,
                  conaffinity=0, group=4)  # fmt: skip
    for axis in range(3):
        hand.add_joint(name="xyz"[axis], type=mujoco.mjtJoint.mjJNT_SLIDE,
                       axis=np.eye(3)[axis].tolist())  # fmt: skip
        gain = spec.add_actuator(name="xyz"[axis], target="xyz"[axis],
                                 trntype=mujoco.mjtTrn.mjTRN_JOINT)  # fmt: skip
        gain.gainprm[0], gain.biastype = 2e4, mujoco.mjtBias.mjBIAS_AFFINE
        gain.biasprm[:3] = [0, -2e4, -4e2]
    turn = hand.add_body(name="hand", gravcomp=1)
    palm = [gripper.palm[0] / 2, gripper.palm[1] / 2, 0.01]
    up = gripper.pad[1] / 2 - gripper.depth
    turn.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=palm, pos=[0, 0, up - 0.01], mass=0.5,
                  rgba=[0.2, 0.2, 0.2, 1], **contact)  # fmt: skip
    for side in (-1, 1):
        finger = turn.add_body(name=f"finger{side}", gravcomp=1)
        finger.add_joint(name=f"finger{side}", type=mujoco.mjtJoint.mjJNT_SLIDE,
                         axis=[0, side, 0], range=[0, gripper.opening / 2], limited=True,
                         damping=[20, 0, 0], armature=0.05)  # fmt: skip
        t = gripper.thickness
        finger.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, pos=[0, side * t / 2, 0], mass=0.05,
                        size=[gripper.pad[0] / 2, t / 2, gripper.pad[1] / 2],
                        rgba=[0.8, 0.3, 0.2, 1], friction=[1.0, 0.005, 1e-4],
                        **{**contact, "priority": 2})  # fmt: skip
        rest = (gripper.depth - gripper.pad[1]) / 2
        finger.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, pos=[0, side * t / 2, up + rest],
                        size=[gripper.pad[0] / 2, t / 2, rest], mass=0.05,
                        rgba=[0.4, 0.4, 0.4, 1], **contact)  # fmt: skip
        motor = spec.add_actuator(name=f"finger{side}", target=f"finger{side}",
                                  trntype=mujoco.mjtTrn.mjTRN_JOINT)  # fmt: skip
        motor.gainprm[0], motor.forcelimited, motor.forcerange = 1e3, True, [-force, force]
        motor.biastype = mujoco.mjtBias.mjBIAS_AFFINE
        motor.biasprm[:3] = [0, -1e3, -20]
    both = spec.add_equality(type=mujoco.mjtEq.mjEQ_JOINT, name1="finger1", name2="finger-1")
    both.data[:5] = [0, 1, 0, 0, 0]
    # Neither finger minds the other, nor the palm.
    for a, b in (("hand", "finger1"), ("hand", "finger-1"), ("finger1", "finger-1")):
        spec.add_exclude(bodyname1=a, bodyname2=b)


class _Stage:
    """A thing on the table, and the gripper above it."""

    def __init__(self, thing: Thing, gripper: Gripper, force: float, turn: np.ndarray) -> None:
        self.model = scene(thing, gripper, force)
        self.data = mujoco.MjData(self.model)
        foot = min(float(v[:, 2].min()) for v, _ in thing.parts)
        self.start = np.array([0.0, 0.0, -foot])
        at = self.model.jnt_qposadr[self.model.body("thing").jntadr[0]]
        self.pose = slice(at, at + 7)
        self.data.qpos[self.pose] = [*self.start, 1, 0, 0, 0]
        self.model.body_quat[self.model.body("hand").id] = quaternion_from_matrix(turn)

    def put(self, place: np.ndarray, half: float) -> None:
        """The tool point there, the pads as far apart as twice `half`."""
        for axis, value in zip("xyz", place, strict=True):
            self.data.joint(axis).qpos = value
        for side in (-1, 1):
            self.data.joint(f"finger{side}").qpos = half

    def go(self, place: np.ndarray, half: float) -> None:
        """One step towards that."""
        for axis, value in zip("xyz", place, strict=True):
            self.data.actuator(axis).ctrl = value
        for side in (-1, 1):
            self.data.actuator(f"finger{side}").ctrl = half
        mujoco.mj_step(self.model, self.data)


def held(thing: Thing, grasp: Grasps, k: int, gripper: Gripper, force: float,
         film: Path | None = None) -> float:  # fmt: skip
    """How far the thing rose by its k-th grasp, m; nothing where it sank in the last second."""
    stage = _Stage(thing, gripper, force, grasp.rotation[k])
    place = stage.start + grasp.position[k]
    wide = min(grasp.opening[k], grasp.width[k] + 0.02) / 2
    pictures = _Pictures(stage.model, film, thing.name) if film else None
    stage.put(place + [0, 0, ABOVE], wide)
    rose = before = 0.0
    for step in range(round((DOWN + CLOSE + UP + HOLD) / stage.model.opt.timestep)):
        t = step * stage.model.opt.timestep
        z = ABOVE * (1 - min(t / DOWN, 1)) + LIFT * np.clip((t - DOWN - CLOSE) / UP, 0, 1)
        stage.go(place + [0, 0, z], wide - 0.2 * float(np.clip((t - DOWN) / CLOSE, 0, 1)))
        rose = float(stage.data.qpos[stage.pose][2] - stage.start[2])
        if t < DOWN + CLOSE + UP + HOLD - 1.0:
            before = rose
        if pictures and step % 100 == 0:
            pictures.take(stage.data)
    if pictures:
        pictures.save()
    return rose if before - rose < SANK else min(rose, 0.0)


def pushed(thing: Thing, push: Pushes, k: int, gripper: Gripper) -> tuple[float, float]:
    """How far the thing went along the k-th push, m, and how far it leans in the end, rad."""
    stage = _Stage(thing, gripper, 30.0, push.rotation[k])
    place = stage.start + push.position[k] - BEFORE * push.direction[k]
    stage.put(place, 0.0)
    for step in range(round(2.0 / stage.model.opt.timestep)):
        t = step * stage.model.opt.timestep
        stage.go(place + min(SPEED * t, BEFORE + LIFT) * push.direction[k], 0.0)
    pose = stage.data.qpos[stage.pose]
    lean = np.arccos(np.clip(matrix_from_quaternion(pose[3:])[2, 2], -1, 1))
    return float((pose[:3] - stage.start) @ push.direction[k]), float(lean)


class _Pictures:
    """Small pictures of a try, side by side in one file."""

    def __init__(self, model: mujoco.MjModel, folder: Path, name: str) -> None:
        self.renderer = mujoco.Renderer(model, 240, 240)
        self.camera = mujoco.MjvCamera()
        self.camera.lookat, self.camera.distance = np.array([0, 0, 0.06]), 0.45
        self.camera.azimuth, self.camera.elevation = 130, -15
        self.path, self.taken = folder / f"{name}.png", []

    def take(self, data: mujoco.MjData) -> None:
        self.renderer.update_scene(data, self.camera)
        self.taken.append(self.renderer.render().copy())

    def save(self) -> None:
        import cv2

        chosen = [self.taken[i] for i in np.linspace(2, len(self.taken) - 1, 6).astype(int)]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(self.path), np.hstack(chosen)[..., ::-1])


def measure(
    thing: Thing, gripper: Gripper, force: float, best: int, film: Path | None
) -> list[Try]:
    """The best grasps of a thing, tried one by one."""
    graspable = affordances(thing.asset, np.eye(3)).grasp <= gripper.opening
    began = time.process_time()
    found = grasps(thing.parts, gripper, 64, None, thing.asset.center_of_mass)
    seconds = time.process_time() - began
    if not len(found):
        return [Try(thing.group, thing.name, graspable, False, False, 0, 0, 0, seconds)]
    out = []
    for k in range(min(best, len(found))):
        rose = held(thing, found, k, gripper, force)
        good = rose > KEPT
        if film and not good:
            held(thing, found, k, gripper, force, film)
        out.append(Try(thing.group, thing.name, graspable, True, good, rose,
                       float(found.score[k]), float(found.width[k]), seconds))  # fmt: skip
    return out


def slides(thing: Thing, gripper: Gripper, sides: int) -> list[bool]:
    """Whether it went at least half the way, and stands, for pushes from so many sides."""
    angle = 2 * np.pi * np.arange(sides) / sides
    ways = np.column_stack([np.cos(angle), np.sin(angle)])
    made = pushes(thing.parts, ways, None, 0.6, gripper, thing.asset.center_of_mass)
    went = [pushed(thing, made, k, gripper) for k in range(sides)]
    return [far > LIFT / 2 and lean < 0.2 for far, lean in went]


def main() -> None:
    """Try, count, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0] if __doc__ else None)
    parser.add_argument("packs", nargs="*", type=Path, metavar="PACK")
    parser.add_argument("--drawn", type=int, default=10)
    parser.add_argument("--force", type=float, default=30.0)
    parser.add_argument("--best", type=int, default=1)
    parser.add_argument("--pushes", type=int, default=0, help="of each thing, from so many sides")
    parser.add_argument("--every", type=int, default=1, help="of a pack's shapes, every so many")
    parser.add_argument("--film", type=Path, help="pictures of failures")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    things = [t for path in arguments.packs for t in banked(path)[:: arguments.every]]
    things += drawn(arguments.drawn)
    gripper = Gripper()
    tries = [t for thing in things for t in measure(thing, gripper, arguments.force,
             arguments.best, arguments.film)]  # fmt: skip
    firm = [t for t in things if affordances(t.asset, np.eye(3)).stands] if arguments.pushes else []
    went = [good for t in firm for good in slides(t, gripper, arguments.pushes)]
    if arguments.json:
        print(json.dumps({"grasps": [t.__dict__ for t in tries], "slid": went}))
        return
    Console(width=120).print(_table(tries))
    if went:
        print(f"pushes: {np.mean(went):.0%} of {len(went)} slid and stand")
    for t in tries:
        if not t.held and (t.graspable or t.found):
            print(f"{t.name}: {'rose' if t.found else 'no grasp'} {t.rose:.3f} score {t.score:.2f} "
                  f"width {t.width:.3f}{'' if t.graspable else ' (not graspable)'}")  # fmt: skip


def _table(tries: Sequence[Try]) -> Table:
    table = Table("things", "graspable", "grasp found", "held, of them", "others", "found", "held",
                  "ms")  # fmt: skip
    groups = list(dict.fromkeys(t.group for t in tries))
    for group in [*groups, None]:
        mine = [t for t in tries if group in (None, t.group)]
        cells = []
        for good in (True, False):
            some = [t for t in mine if t.graspable == good]
            cells += [str(len(some)), str(sum(t.found for t in some)), _share(some)]
        table.add_row(group or "all", *cells, f"{1e3 * np.mean([t.seconds for t in mine]):.0f}")
    return table


def _share(some: Sequence[Try]) -> str:
    return f"{sum(t.held for t in some)} ({np.mean([t.held for t in some]):.0%})" if some else "–"


if __name__ == "__main__":
    main()
