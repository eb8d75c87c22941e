"""A pack in which a robot finds something to do, built by hand: a brick, a can, a ball, a bowl and
a slab on a table, in one family with a place for a robot's base."""

import atexit
import functools
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from containers import bowl_mesh, thing
from packs import family, manifest, quality

from cousins.pack import write
from cousins.variation import robot
from examples import ball, box, can, table_scene

NAMES = ("brick_1", "can_1", "ball_1", "bowl_1", "slab_1")
BRICK, CAN, BALL, BOWL, SLAB = range(5)


def scene():
    """The twin. What the bowl is called, somebody said; the can's label tells its shape alone."""
    assets = (
        box("brick_1", (0.05, 0.09, 0.04), (0.05, -0.05)),
        replace(can("can_1", 0.03, 0.09, (-0.15, 0.0)), label="cylinder-like, 60×60×90 mm",
                label_source="shape"),
        ball("ball_1", 0.03, (-0.1, 0.2)),
        replace(thing("bowl_1", bowl_mesh(), (-0.32, 0.12)), label="bowl"),
        box("slab_1", (0.16, 0.16, 0.05), (0.25, 0.15)),
    )  # fmt: skip
    return replace(table_scene(), assets=assets)


def robotic_family(n=6, first=0):
    """Cousins that differ in pose, mass, size and colour, and in where a robot stands."""
    whole = scene()
    made = family(whole, n, first)
    assert made.bank is not None
    shapes = len(made.bank.volume)
    opening, radius, depth = (np.zeros((shapes, 5, *more)) for more in ((3,), (), ()))
    opening[:, BOWL, 2], radius[:, BOWL], depth[:, BOWL] = 0.03, 0.045, 0.056
    bank = replace(made.bank, opening=opening, radius=radius, depth=depth)
    rng = np.random.default_rng(5)
    base = np.tile(robot.nominal(whole), (n, 1))
    base[:, :2] += rng.uniform(-0.03, 0.03, (n, 2))
    turn = rng.uniform(-0.1, 0.1, n)
    w, z = base[:, 3].copy(), base[:, 6].copy()
    base[:, 3] = w * np.cos(turn / 2) - z * np.sin(turn / 2)
    base[:, 6] = w * np.sin(turn / 2) + z * np.cos(turn / 2)
    return replace(made, bank=bank, arrays={**made.arrays, "robot_base": base})


def write_robotic(path):
    """The pack at `path`, a folder or a zip. Written once, then copied."""
    made = _written(path.suffix == ".zip")
    (shutil.copy if made.is_file() else shutil.copytree)(made, path)
    return path


@functools.cache
def _written(zipped):
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / ("pack.zip" if zipped else "pack")
    write(path, scene(), manifest(), quality(), [robotic_family()])
    return path
