"""Logs of which the truth is known: a twin pushed about, and a tracker and a sensor that err."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cousins.calibration import turns
from cousins.calibration.log import Table
from cousins.calibration.simulate import Guess, Path, Pusher, Stage, at_rest, simulate, stage
from cousins.household import draw
from cousins.mesh import matrix_from_quaternion
from cousins.physics.estimate import properties
from cousins.physics.form import form
from cousins.scene import build
from cousins.types import Array, Asset, Scene, Support

TABLE = 0.72  # m
NAME = "thing"


@dataclass(frozen=True)
class Stroke:
    """A straight push. angle: of its way in the world, rad; aside: how far it passes the middle, m;
    speed m/s; length: how far it goes after the touch, m; height over the foot, m; ramp: s in
    which it comes to speed and to a stop."""

    angle: float
    aside: float
    speed: float
    length: float
    height: float
    ramp: float = 0.05


@dataclass(frozen=True)
class Sensors:
    """rate: rows a second. place, m, and turn, rad: a tracker's noise of one coordinate. force:
    share of it, and `floor`, N. offset: the tracker's clock less the pusher's, s. lost: share of
    rows. zero: what the sensor reads without a load, N."""

    rate: float = 100.0
    place: float = 0.001
    turn: float = float(np.radians(0.5))
    force: float | None = 0.03
    floor: float = 0.02
    offset: float = 0.0
    lost: float = 0.02
    zero: float = 0.1


EXACT = Sensors(place=1e-5, turn=1e-5, force=0.0, floor=0.0, lost=0.0, zero=0.0)


def thing(category: str, rng: np.random.Generator, name: str = NAME) -> Asset:
    """A household thing on the table, its properties as widely known as after a scan."""
    asset = draw(category, rng).asset(name, "table")
    known = properties(form(asset.visual, asset.primitive))
    return replace(
        asset,
        position=asset.position + [0.0, 0.0, TABLE],
        mass=known.mass,
        friction=known.friction,
        inertia=asset.inertia * (known.mass.mode / asset.mass.mode),
    )


def scene(*assets: Asset) -> Scene:
    """Things on a table 2 m × 2 m."""
    square = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    return Scene(assets, (Support("table", "table", TABLE, square),))


def strokes(asset: Asset, rng: np.random.Generator, n: int = 4, quick: bool = True) -> list[Stroke]:
    """Pushes low on the asset, from all sides and past its middle; every second one is quick and
    lets go, so that it slides on. quick: False for slow ones only."""
    wide = float(asset.size[:2].min())
    height = float(np.clip(0.3 * asset.size[2], 0.004, 0.03))
    out = []
    for k in range(n):
        angle, aside = rng.uniform(-np.pi, np.pi), rng.uniform(-0.2, 0.2) * wide
        if quick and k % 2 == 0:
            speed = rng.uniform(0.4, 0.7)
            out.append(Stroke(angle, aside, speed, rng.uniform(0.06, 0.1), height, 0.02))
        else:
            speed = rng.uniform(0.06, 0.15)
            out.append(Stroke(angle, aside, speed, rng.uniform(0.05, 0.09), height, 0.1))
    return out


def make_log(
    of: Scene,
    name: str,
    truth: Guess,
    ways: Sequence[Stroke],
    sensors: Sensors,
    rng: np.random.Generator,
    pusher: Pusher = Pusher(),
) -> Table:
    """A log as `cousins.calibration.log.read_table` gives it: one push a stroke, each from where
    the object stands in the scene, turned at random about the vertical.

    truth: one guess, as `simulate` takes it.
    """
    xml, files = build(of)
    on = stage(xml, files, name, pusher)
    # The pusher is put on its path at every step: as finely as the model goes.
    on = replace(on, steps=1)
    asset = next(a for a in of.assets if a.name == name)
    tables = [_push(on, asset, truth, way, sensors, rng, k, pusher) for k, way in enumerate(ways)]
    keys = tables[0]
    return {key: np.concatenate([t[key] for t in tables]) for key in keys}


def _push(
    on: Stage, asset: Asset, truth: Guess, way: Stroke, sensors: Sensors,
    rng: np.random.Generator, k: int, pusher: Pusher,
) -> Table:  # fmt: skip
    yaw = rng.uniform(-np.pi, np.pi) / 2
    start = np.concatenate([asset.position, [np.cos(yaw), 0, 0, np.sin(yaw)]])
    start = at_rest(on, start, {})
    path = _path(on, asset, start, way, pusher)
    traces = simulate(on, path, truth, 1)
    dt, name = on.period, asset.name
    times = np.asarray(np.arange(len(path.position)) * dt, float)
    rows = np.arange(0.0, float(times[-1]) - 0.02, 1 / sensors.rate)
    at = np.clip(np.round(rows / dt).astype(int), 0, len(times) - 1)
    poses = np.concatenate([path.position, path.quaternion], 1)
    tool = turns.at(times, poses, rows)
    # A row that says t by the tracker's clock was seen at t - offset by the pusher's.
    seen = turns.at(times, traces.pose[0], rows - sensors.offset)
    place = seen[:, :3] + rng.normal(0, sensors.place, (len(rows), 3))
    turn = _jittered(seen[:, 3:], rng.normal(0, sensors.turn, (len(rows), 3)))
    lost = rng.random(len(rows)) < sensors.lost
    place[lost], turn[lost] = np.nan, np.nan
    table: Table = {"push": np.full(len(rows), str(k)), "time": rows}
    for axis in range(3):
        table[f"pusher_{'xyz'[axis]}"] = tool[:, axis]
    if sensors.force is not None:
        ten = max(1, round(1 / sensors.rate / dt))  # a sensor's own filter
        smooth = np.stack([traces.force[0, np.maximum(at - i, 0)] for i in range(ten)]).mean(0)
        smooth = smooth * (1 + rng.normal(0, sensors.force, smooth.shape)) + sensors.zero
        smooth = smooth + rng.normal(0, sensors.floor, smooth.shape)
        for axis in range(3):
            table[f"force_{'xyz'[axis]}"] = smooth[:, axis]
    for axis in range(3):
        table[f"{name}_{'xyz'[axis]}"] = place[:, axis]
    for axis in range(4):
        table[f"{name}_q{'wxyz'[axis]}"] = turn[:, axis]
    return table


def _path(on: Stage, asset: Asset, start: Array, way: Stroke, pusher: Pusher) -> Path:
    """From beside the object through it: to speed, along, to a stop and a little back."""
    towards = np.array([np.cos(way.angle), np.sin(way.angle)])
    left = np.array([-towards[1], towards[0]])
    corners = asset.visual.vertices @ matrix_from_quaternion(start[3:]).T
    back = float((corners[:, :2] @ towards).min()) - pusher.radius - 0.015
    begin = start[:2] + back * towards + way.aside * left
    foot = start[2] + corners[:, 2].min()
    far = 0.015 + way.length
    dt = on.period
    pause = 0.35
    run = far / way.speed + way.ramp
    t = np.arange(0.0, pause + run + 1.2, dt) - pause
    # Trapezoid of speed: up in `ramp`, down in `ramp`.
    up = np.clip(t / way.ramp, 0, 1)
    down = np.clip((run - t) / way.ramp, 0, 1)
    gone = np.cumsum(way.speed * np.minimum(up, down)) * dt
    # Away again, so that it holds nothing that rocks.
    gone = gone - 0.03 * np.clip((t - run - 0.05) / 0.3, 0, 1)
    place = np.column_stack([begin + gone[:, None] * towards, np.full(len(t), foot + way.height
                             + max(0.0, pusher.radius - way.height + 0.001))])  # fmt: skip
    turn = np.tile([1.0, 0, 0, 0], (len(t), 1))
    return Path(place, turn, start)


def _jittered(quaternion: Array, turn: Array) -> Array:
    """(n, 4) turned by small (n, 3)."""
    w, v = quaternion[:, :1], quaternion[:, 1:]
    half = turn / 2
    out = np.hstack([w - (v * half).sum(1, keepdims=True), v + w * half + np.cross(v, half)])
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def csv_text(table: Table) -> str:
    """The log as CSV; what is not known is left empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table)
    columns = [v if v.dtype.kind == "U" else [_cell(x) for x in v] for v in table.values()]
    writer.writerows(zip(*columns, strict=True))
    return out.getvalue()


def _cell(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.7g}"
