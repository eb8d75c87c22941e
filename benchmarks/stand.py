"""Cousins as plain MJCF, each opened and stepped by MuJoCo alone: does everything in them stand?

    python benchmarks/stand.py PACK [-k 150] [--seconds 5] [--workers N] [--json FILE]

A cousin stands if no object ever goes 2 mm or turns 2 degrees. The worst are told by object and by
how they go, beside what the certificate said of them.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from cousins import pack
from cousins.export import export_cousin
from cousins.mesh import matrix_from_quaternion

MOVED, TURNED = 0.002, np.radians(2)  # m, rad: what goes farther does not stand
TOLD = (0.5, 1.0, 2.0, 5.0)  # s at which it is told how far things went
PIECE = 25  # steps from one look to the next
FALLEN = np.radians(20)
BACK = 0.5  # of the way that it went: what ends nearer than this went to and fro
WORST = 12  # that are told


@dataclass(frozen=True)
class Gone:
    """An object that does not stand. consists: of which collision geoms; how: it creeps, rolls,
    turns, rocks or falls; moved (mm) and turned (degrees) at the times `TOLD`; farthest, mm."""

    cousin: int
    name: str
    label: str
    consists: str
    how: str
    moved: tuple[float, ...]
    turned: tuple[float, ...]
    farthest: float


@dataclass(frozen=True)
class Stood:
    """What became of one cousin: the farthest that anything moved, m, and turned, rad, and what
    does not stand. drift (m) and energy (J): as its certificate has them."""

    cousin: int
    moved: float
    turned: float
    drift: float
    energy: float
    gone: tuple[Gone, ...]


def measure(path: Path, k: int, seconds: float, workers: int, seed: int = 0) -> list[Stood]:
    """k of a pack's cousins, drawn at random, each by itself."""
    numbers = [entry[0] for entry in pack.numbered(pack.read(path))]
    chosen = np.random.default_rng(seed).permutation(numbers)[:k].tolist()
    share = max(1, min(8, len(chosen) // workers))
    blocks = [chosen[i : i + share] for i in range(0, len(chosen), share)]
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        args = [[v] * len(blocks) for v in (path, seconds)]
        return [one for block in pool.map(_block, args[0], blocks, args[1]) for one in block]


def _block(path: Path, numbers: Sequence[int], seconds: float) -> list[Stood]:
    labels = {o.name: o.label for o in pack.read(path).objects}
    known = {entry[0]: entry[3].certificate for entry in pack.numbered(pack.read(path))}
    out = []
    for number in numbers:
        with tempfile.TemporaryDirectory() as folder:
            export_cousin(path, number, Path(folder) / "cousin")
            model = mujoco.MjModel.from_xml_path(str(Path(folder) / "cousin" / "model.xml"))
        path_of = _stepped(model, seconds)
        moved, turned = _far(path_of)
        which = np.flatnonzero((moved > MOVED).any(0) | (turned > TURNED).any(0)).tolist()
        gone = tuple(_gone(model, labels, number, path_of[:, i], i) for i in which)
        said = known[number]
        out.append(Stood(number, float(moved.max(initial=0.0)), float(turned.max(initial=0.0)),
                         said.drift, said.energy, gone))  # fmt: skip
    return out


def _stepped(model: mujoco.MjModel, seconds: float) -> NDArray[np.float64]:
    """(t, A, 7) poses of the free bodies, a `PIECE` of steps apart."""
    data = mujoco.MjData(model)
    out = [data.qpos.reshape(-1, 7).copy()]
    for _ in range(round(seconds / model.opt.timestep / PIECE)):
        mujoco.mj_step(model, data, PIECE)
        out.append(data.qpos.reshape(-1, 7).copy())
    return np.array(out)


def _far(poses: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """m and rad from the first of poses (t, ..., 7)."""
    moved = np.linalg.norm(poses[..., :3] - poses[0, ..., :3], axis=-1)
    apart = np.linalg.norm(poses[..., 3:] - poses[0, ..., 3:], axis=-1)
    other = np.linalg.norm(poses[..., 3:] + poses[0, ..., 3:], axis=-1)
    # Of a difference: an arc cosine tells nothing of a hundredth of a degree.
    turned = 4 * np.arcsin(np.minimum(np.minimum(apart, other) / 2, 1))
    return np.nan_to_num(moved, nan=np.inf), np.nan_to_num(turned, nan=np.inf)


def _gone(
    model: mujoco.MjModel, labels: dict[str, str], number: int, poses: NDArray[np.float64], i: int
) -> Gone:
    body = int(model.jnt_bodyid[np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE)[i]])
    name = model.body(body).name
    first = model.body_geomadr[body]
    solid = [g for g in range(first, first + model.body_geomnum[body]) if model.geom_contype[g]]
    kind = mujoco.mjtGeom(model.geom_type[solid[0]]).name.removeprefix("mjGEOM_").lower()
    consists = f"{len(solid)} parts" if kind == "mesh" else kind
    moved, turned = _far(poses)
    at = [min(round(t / model.opt.timestep / PIECE), len(poses) - 1) for t in TOLD]
    return Gone(
        number, name, labels.get(name, "distractor"), consists, _how(poses),
        tuple(float(1000 * moved[t]) for t in at),
        tuple(float(np.degrees(turned[t])) for t in at),
        float(1000 * moved.max()),
    )  # fmt: skip


def _how(poses: NDArray[np.float64]) -> str:
    """In what manner something goes whose poses are (t, 7)."""
    moved, turned = _far(poses)
    if not np.isfinite(poses).all() or turned.max() > FALLEN:
        return "falls"
    way = turned if turned.max() > TURNED else moved
    if way[-1] < BACK * way.max():
        return "rocks"
    if turned.max() <= TURNED:
        return "creeps"
    up = [matrix_from_quaternion(pose[3:]) @ [0.0, 0.0, 1.0] for pose in (poses[0], poses[-1])]
    upright = float(np.arccos(np.clip(up[0] @ up[1], -1, 1)))
    return "rolls" if upright > turned[-1] / 2 else "turns"


def show(found: Sequence[Stood], seconds: float) -> None:
    """The share, the worst, and what the certificate might have told."""
    still = np.array([not one.gone for one in found])
    console = Console(width=150)
    console.print(f"{still.mean():.1%} of {len(found)} cousins stand {seconds:g} s as plain MJCF, "
                  f"each object within {1000 * MOVED:g} mm and {np.degrees(TURNED):g} degrees; "
                  "wanted: 95%")  # fmt: skip
    moved = 1000 * np.array([one.moved for one in found])
    console.print(f"the farthest of a cousin: {_spread(moved)} mm")
    gone = sorted((g for one in found for g in one.gone), key=lambda g: -g.farthest)
    if not gone:
        return
    counts = Counter((g.how, g.label, g.consists) for g in gone)
    console.print("; ".join(f"{label} ({of}) {how}: {times}"
                            for (how, label, of), times in counts.most_common()))  # fmt: skip
    at = ", ".join(f"{t:g}" for t in TOLD)
    table = Table("cousin", "object", "label", "collides as", "how", f"mm after {at} s",
                  f"degrees after {at} s", title="the worst")  # fmt: skip
    for g in gone[:WORST]:
        each = [" ".join(f"{v:.2f}" for v in values) for values in (g.moved, g.turned)]
        table.add_row(str(g.cousin), g.name, g.label, g.consists, g.how, *each)
    console.print(table)
    for name, unit in (("drift", "m"), ("energy", "J")):
        values = np.array([getattr(one, name) for one in found])
        console.print(f"certified {name}, {unit}: {_spread(values[still])} of those that stand, "
                      f"{_spread(values[~still])} of the others")  # fmt: skip
        console.print("  " + "; ".join(_kept(values, still)))


def _spread(values: NDArray[np.float64]) -> str:
    if not len(values):
        return "–"
    low, middle, most = np.quantile(values, [0.05, 0.5, 0.95])
    return f"{low:.2g} … {middle:.2g} … {most:.2g}"


def _kept(values: NDArray[np.float64], still: NDArray[np.bool_]) -> Iterator[str]:
    """What a limit on a number would keep, and how many of that stand."""
    for share in (0.5, 0.8, 0.9, 0.95):
        limit = np.quantile(values, share)
        yield f"at most {limit:.2g}: {still[values <= limit].mean():.0%} of {share:.0%} stand"


def told(found: Sequence[Stood]) -> dict[str, Any]:
    """The same for a machine."""
    share = float(np.mean([not one.gone for one in found]))
    return {"stand": share, "cousins": [asdict(one) for one in found]}


def main() -> None:
    """Export, step, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("pack", type=Path, help="with cousins")
    parser.add_argument("-k", type=int, default=150)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    arguments = parser.parse_args()
    found = measure(arguments.pack, arguments.k, arguments.seconds, arguments.workers)
    if arguments.json:
        arguments.json.write_text(json.dumps(told(found)) + "\n")
    show(found, arguments.seconds)


if __name__ == "__main__":
    main()
