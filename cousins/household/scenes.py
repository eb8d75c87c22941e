"""Scenes of household things as truth: laid out at random, settled by physics, ready to film."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from cousins.errors import UsageError
from cousins.household import rooms
from cousins.household.layouts import LAYOUTS, Plan
from cousins.household.placing import Placer
from cousins.household.things import Household
from cousins.phone import Walk
from cousins.scene import build
from cousins.standing import support_of
from cousins.types import Asset, Scene

PLANS = 12  # casts of things that are tried for a seed
PLACES = 6  # arrangements that are tried for a cast
CALM = 1.0  # s of motion without momentum
WATCH = 1.0  # s of free motion in which nothing may move by STILL
STILL = 0.0005  # m
TILT = np.radians(20)  # most that a thing may lean after settling: tools rest on their ends
WITHIN_REACH = Walk()
BEFORE_WALL = Walk(arc=130.0, start=-155.0)  # never behind the wall


@dataclass(frozen=True)
class Staged:
    """A scene at rest. things: by body name. carriers: for each body name, the body or the static
    geom that it stands on or lies in. walk: how a phone films it."""

    layout: str
    seed: int
    spec: mujoco.MjSpec
    model: mujoco.MjModel
    things: Mapping[str, Household]
    carriers: Mapping[str, str]
    walk: Walk

    def save(self, folder: str | Path) -> Path:
        """Writes scene.xml and what it names under assets/ into a new folder; returns the XML's
        path. It loads alone. Raises UsageError if the folder exists."""
        folder = Path(folder)
        if folder.exists():
            raise UsageError(f"{folder}: already exists; choose another folder or delete it")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
            beside = Path(scratch) / folder.name
            (beside / "assets").mkdir(parents=True)
            for name, content in self.spec.assets.items():
                (beside / "assets" / name).write_bytes(content)
            (beside / "scene.xml").write_text(self.spec.to_xml())
            os.replace(beside, folder)
        return folder / "scene.xml"


def scene(layout: str, seed: int) -> Staged:
    """The scene of a layout and seed: 3 to 8 things at rest, always the same.

    Arrangements that do not settle, or settle into other relations than the layout's, are drawn
    anew. Raises UsageError for an unknown layout, and for a seed that finds no arrangement.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"{layout}: no such layout; there are {', '.join(LAYOUTS)}")
    number = list(LAYOUTS).index(layout)
    for attempt in range(PLANS):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number, attempt)))
        plan = LAYOUTS[layout](rng)
        assets = _assets(plan)
        spec = _spec(plan, assets)
        model = spec.compile()
        for _ in range(PLACES):
            placer = Placer(model, mujoco.MjData(model), plan, rng)
            if placer.run() and settle(model, placer.data) and as_planned(placer, assets):
                return _staged(layout, seed, plan, assets, placer.data)
    raise UsageError(f"{layout}, seed {seed}: no arrangement came to rest; take another seed")


def _assets(plan: Plan) -> list[Asset]:
    names: list[str] = []
    for i, item in enumerate(plan.items):
        same = sum(other.thing.category == item.thing.category for other in plan.items[:i])
        names.append(f"{item.thing.category}_{same + 1}")
    carriers = [names[item.other] if item.role in ("atop", "inside") else item.surface
                for item in plan.items]  # fmt: skip
    return [item.thing.asset(name, carrier)
            for item, name, carrier in zip(plan.items, names, carriers, strict=True)]  # fmt: skip


def _spec(plan: Plan, assets: list[Asset]) -> mujoco.MjSpec:
    xml, files = build(Scene(tuple(assets), ()), model="household")
    spec = mujoco.MjSpec.from_string(xml, assets=files)
    for item, asset in zip(plan.items, assets, strict=True):
        spec.material(asset.name).reflectance = item.reflectance
    rooms.add(spec, plan.room)
    return spec


def _staged(layout: str, seed: int, plan: Plan, assets: list[Asset], data: mujoco.MjData) -> Staged:
    poses = data.qpos.reshape(-1, 7)
    assets = [a.moved(q[:3].copy(), q[3:].copy()) for a, q in zip(assets, poses, strict=True)]
    spec = _spec(plan, assets)
    return Staged(
        layout,
        seed,
        spec,
        spec.compile(),
        {a.name: item.thing for a, item in zip(assets, plan.items, strict=True)},
        {a.name: a.support for a in assets},
        BEFORE_WALL if plan.room.wall else WITHIN_REACH,
    )


def settle(model: mujoco.MjModel, data: mujoco.MjData) -> bool:
    """Lets things come to rest where they were put; False if one still moves or fell far."""
    for _ in range(int(CALM / model.opt.timestep)):
        mujoco.mj_step(model, data)
        data.qvel *= 0.85
    for _ in range(3):
        data.qvel[:] = 0
        before = data.qpos.reshape(-1, 7).copy()
        for _ in range(int(WATCH / model.opt.timestep)):
            mujoco.mj_step(model, data)
        after = data.qpos.reshape(-1, 7)
        if np.linalg.norm(after - before, axis=1).max() < STILL:
            data.qvel[:] = 0
            mujoco.mj_forward(model, data)
            return True
    return False


def as_planned(placer: Placer, assets: list[Asset]) -> bool:
    """Whether things at rest stand where the plan has them."""
    model, data = placer.model, placer.data
    for i, (item, asset) in enumerate(zip(placer.plan.items, assets, strict=True)):
        w, x, y, z = data.xquat[i + 1]
        lean = 2 * np.arctan2(np.hypot(x, y), np.hypot(w, z))
        vertices = asset.visual.vertices @ data.xmat[i + 1].reshape(3, 3).T + data.xpos[i + 1]
        stand = support_of(model, data, i + 1, vertices)
        if item.role != "inside" and lean > TILT:
            return False
        if stand is None or stand.name != asset.support:
            return False
        if not (placer.apart(i) and placer.together(i)):
            return False
    return True
