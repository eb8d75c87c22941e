"""How far an engine's cousins go from those that MuJoCo steps one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import mujoco
import numpy as np

from cousins.bank import Family
from cousins.batch import quiet
from cousins.engines import Engine
from cousins.engines.proxies import proxies
from cousins.errors import EngineError
from cousins.pack import load_family, load_scene, read
from cousins.picture import set_cousin
from cousins.progress import Progress, silent
from cousins.scene import build, compile_model
from cousins.types import Array, Scene
from cousins.variation.export import cousin_scene
from cousins.variation.union import unseen

STEPS = 200  # after which places are compared
REST = 1000  # further steps, after which things lie still again
# Normal, of each component: what a hand gives. Things slide a hand's breadth, and some fall over.
SPEED, SPIN = 0.2, 2.0  # m/s, rad/s
MEDIAN = 1e-4  # m, to which an engine in single precision agrees
EACH = 1e-3  # m, for each object: what rocks or topples magnifies any difference


@dataclass(frozen=True)
class Parity:
    """An engine beside sequential `mj_step` of each cousin's own compiled model, set going alike.

    Over all objects of all cousins: moved (m) and turned (rad) apart after `steps`, median and
    worst; rest: m apart after `REST` more, likewise. by_object: m, after `steps`, the largest of
    the objects' medians over cousins, so that no object hides among the others. contacts: the mean
    of a cousin, in MuJoCo and in the engine; identical: the share of cousins that are the same to
    the bit after `steps`.
    """

    cousins: int
    steps: int
    moved: tuple[float, float]
    turned: tuple[float, float]
    rest: tuple[float, float]
    by_object: float
    contacts: tuple[float, float]
    identical: float

    @property
    def good(self) -> bool:
        """Whether the median is within `MEDIAN`, and each object's within `EACH`."""
        return self.moved[0] <= MEDIAN and self.by_object <= EACH


def parity(
    path: Path,
    engine: Engine,
    count: int,
    seed: int = 0,
    primitive: bool = False,
    progress: Progress = silent,
) -> Parity:
    """Of `count` of a pack's cousins, from all its families; the same seed draws the same.

    primitive: of their proxies, in the engine and in MuJoCo.

    Raises PackError for a pack that cannot be read, and what the engine raises.
    """
    pack = read(path)
    scene = load_scene(pack)
    families = [load_family(pack, k) for k in pack.families]
    if primitive:
        families = [proxies(family) for family in families]
    each = np.repeat(np.arange(len(families)), [len(f) for f in families])
    drawn = np.random.default_rng(seed).permutation(len(each))[:count]
    first = np.searchsorted(each, np.arange(len(families)))
    found: list[tuple[Array, ...]] = []
    for k, family in enumerate(families):
        rows = np.sort(drawn[each[drawn] == k]) - first[k]
        if len(rows):
            found.append(compare(engine, family, rows.tolist(), scene, seed))
        progress("compare", sum(len(f[0]) for f in found), len(drawn))
    return told(found)


def told(found: Sequence[tuple[Array, ...]]) -> Parity:
    """The sums of what `compare` found in each family."""
    far, round_, late = (
        (float(np.median(v)), float(v.max(initial=0.0)))
        for v in (np.concatenate([f[i].ravel() for f in found]) for i in range(3))
    )
    most = max(f[0].shape[1] for f in found)
    # Families have more or fewer distractors.
    wide = [
        np.pad(f[0], ((0, 0), (0, most - f[0].shape[1])), constant_values=np.nan) for f in found
    ]
    mine, theirs, same = (np.concatenate([f[i] for f in found]) for i in (3, 4, 5))
    return Parity(
        len(same), STEPS, far, round_, late,
        float(np.nanmedian(np.concatenate(wide), axis=0).max(initial=0.0)),
        (float(theirs.mean()), float(mine.mean())), float(same.mean()),
    )  # fmt: skip


def compare(
    engine: Engine, family: Family, rows: Sequence[int], scene: Scene | None, seed: int = 0
) -> tuple[Array, ...]:
    """Of n cousins of A objects: moved, turned and rest (n, A), as `Parity` has them; contacts in
    the engine and in MuJoCo (n,); whether the two are the same to the bit (n,).

    scene: of which each cousin is compiled by itself; without one, and for a family without a
    bank, MuJoCo steps the union model with the cousin's fields in it.
    """
    running = engine(family, rows)
    state = running.state()
    qvel = np.array([_stir(family, row, seed, state.qvel.shape[1]) for row in rows])
    running.restore(replace(state, qvel=qvel))
    running.step(STEPS)
    mine, count = np.array(running.qpos), running.ncon()
    running.step(REST)
    rested = np.array(running.qpos)
    each = zip(_models(family, rows, scene), qvel, strict=True)
    theirs = [_alone(model, data, running.model, push) for (model, data), push in each]
    qpos, calm = (np.array([t[i] for t in theirs]) for i in (0, 1))
    ncon = np.array([t[2] for t in theirs])
    pose, own = (v.reshape(len(rows), -1, 7) for v in (mine, qpos))
    apart = np.minimum(
        *(np.linalg.norm(pose[..., 3:] - s * own[..., 3:], axis=-1) for s in (1, -1))
    )
    at_rest = np.linalg.norm((rested - calm).reshape(len(rows), -1, 7)[..., :3], axis=-1)
    return (
        np.linalg.norm(pose[..., :3] - own[..., :3], axis=-1),
        4 * np.arcsin(np.minimum(apart / 2, 1)),
        at_rest,
        count.astype(float),
        ncon.astype(float),
        (mine == qpos).all(1),
    )


def _stir(family: Family, row: int, seed: int, nv: int) -> Array:
    """(nv,) velocities of a cousin's objects, its own whoever else is compared."""
    of = np.random.SeedSequence([seed, family.cousins[row].index])
    drawn = np.random.default_rng(of).normal(size=(nv // 6, 6))
    return (drawn * np.repeat([SPEED, SPIN], 3)).ravel()


def _models(
    family: Family, rows: Sequence[int], scene: Scene | None
) -> Iterator[tuple[mujoco.MjModel, mujoco.MjData]]:
    """Each cousin's own model and its data at the start, until the next is asked for."""
    if scene is None or family.bank is None:
        model = compile_model(family.xml, unseen(family.xml, family.files))
        data, fields = mujoco.MjData(model), family.fields(rows)
        for k in range(len(rows)):
            set_cousin(model, data, fields, k)
            yield model, data
        return
    for row in rows:
        xml, files = build(*cousin_scene(scene, family, row))
        model = compile_model(xml, unseen(xml, files))
        yield model, mujoco.MjData(model)


def _alone(
    model: mujoco.MjModel, data: mujoco.MjData, union: mujoco.MjModel, qvel: Array
) -> tuple[Array, Array, int]:
    """qpos after `STEPS` and after `REST` more, and contacts at the former's last step."""
    if _bodies(model) != _bodies(union):
        raise EngineError(
            "a cousin's own model holds other objects than its family's: augment anew"
        )
    data.qvel[:] = qvel
    with quiet():
        mujoco.mj_step(model, data, STEPS)
        after, count = data.qpos.copy(), data.ncon
        mujoco.mj_step(model, data, REST)
    return after, data.qpos.copy(), count


def _bodies(model: mujoco.MjModel) -> list[str]:
    return [model.body(i).name for i in range(model.nbody)]
