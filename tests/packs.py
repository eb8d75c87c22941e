"""A pack of the table scene with one small family, built by hand."""

import atexit
import functools
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np

from cousins.bank import Family
from cousins.pack import Augmented, CaptureSource, Manifest, Quality, Stage, write
from cousins.scene import build, compile_model
from cousins.types import Certificate, Cousin, Mesh
from cousins.variation.union import Variants, union
from examples import table_scene

N = 6


def manifest():
    source = CaptureSource(layout="Stray Scanner", sha256="ab" * 32, name="kitchen")
    pose = ((1, 0, 0, 0), (0, 0, -1, 0), (0, 1, 0, 0.4), (0, 0, 0, 1))
    stages = {"tsdf": Stage(settings={"voxel": 0.003}, seconds=12.5)}
    return Manifest(
        cousins_version="0.1.0", capture=source, world_from_capture=pose, stages=stages, seed=7
    )


def augmented(**changes):
    """A manifest that says how its cousins were drawn: of few shapes."""
    how = {"cousins": N, "seed": 7, "axes": {"look": 0.5}, "shapes": 3, "swaps": 0.0,
           "distractors": 0}  # fmt: skip
    return manifest().model_copy(update={"augmented": Augmented(**{**how, **changes})})


def quality():
    return Quality(checks={"settle_drift": 0.0004}, warnings=("the back of can_1 was not seen",))


def family(scene=None, n=N, first=0):
    """Cousins that differ in pose, mass, size and colour, numbered from `first`."""
    scene = scene or table_scene()
    every = [Variants((a,)) if a.primitive else Variants((a, longer(a)), (0.0, 0.2))
             for a in scene.assets]  # fmt: skip
    made = union(scene, every)
    rng = np.random.default_rng(3)
    assets, model = scene.assets, made.model
    tint = np.ones((n, len(assets), 4), np.float32)
    tint[..., :3] *= rng.uniform(0.5, 1, (n, len(assets), 1))
    qpos = np.repeat(model.qpos0[None], n, 0)
    qpos[:, 0::7] += rng.uniform(-0.03, 0.03, (n, len(assets)))
    shape = np.zeros((n, len(assets)), np.uint16)
    shape[1::2] = [len(v.shapes) - 1 for v in every]
    modes = {name: np.tile([getattr(a, name).mode for a in assets], (n, 1))
             for name in ("mass", "friction", "restitution", "shell_fraction")}  # fmt: skip
    modes["mass"] *= rng.uniform(0.5, 2, modes["mass"].shape)
    room = np.repeat(model.geom_rgba[made.bank.surface][None], n, 0)
    room[..., :3] *= rng.uniform(0.5, 1, (n, 1, 3))
    arrays = {"shape": shape, **modes, "tint": tint, "surface_tint": room, "qpos": qpos}
    return Family(made.xml, made.files, arrays, cousins(n, first), made.bank)


def cousins(n, first=0):
    return tuple(
        Cousin(k, (7, 0, k), {"layout": 0.1 * k}, 0.1 * k, Certificate(1e-5, 2e-4, 1e-3))
        for k in range(first, first + n)
    )


def older_family(scene=None, n=N):
    """The same without a bank: as MjModel fields."""
    scene = scene or table_scene()
    bank = [[longer(a)] if a.primitive is None else [] for a in scene.assets]
    xml, files = build(scene, bank=bank, model="family")
    model = compile_model(xml, files)
    rng = np.random.default_rng(3)
    mass = np.repeat(model.body_mass[None], n, 0)
    mass[:, 1:] *= rng.uniform(0.5, 2, (n, model.nbody - 1))
    rgba = np.repeat(model.geom_rgba[None], n, 0)
    rgba[:, :, :3] *= rng.uniform(0.5, 1, (n, 1, 3))
    qpos = np.repeat(model.qpos0[None], n, 0)
    qpos[:, 0::7] += rng.uniform(-0.03, 0.03, (n, 4))
    dataid = np.repeat(model.geom_dataid[None], n, 0)
    dataid[1::2, model.geom("ell_1_visual").id] = mesh_id(model, "ell_1_v1")
    arrays = {"body_mass": mass, "geom_rgba": rgba.astype(np.float32), "qpos": qpos,
              "geom_dataid": dataid}  # fmt: skip
    return Family(xml, files, arrays, cousins(n))


def longer(asset):
    mesh = asset.visual
    visual = Mesh(mesh.vertices * [1.2, 1, 1], mesh.faces, mesh.uv, mesh.texture)
    parts = tuple(Mesh(p.vertices * [1.2, 1, 1], p.faces) for p in asset.parts)
    return replace(asset, name=f"{asset.name}_v1", visual=visual, parts=parts)


def mesh_id(model, name):
    return mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_MESH, name)


def write_pack(path, families=True, older=False):
    """The pack at `path`: a folder, or a zip where it ends in .zip. Written once, then copied.

    older: its cousins are MjModel fields.
    """
    made = _written(path.suffix == ".zip", families, older)
    (shutil.copy if made.is_file() else shutil.copytree)(made, path)
    return path


@functools.cache
def _written(zipped, families, older):
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / ("pack.zip" if zipped else "pack")
    scene = table_scene()
    made = older_family if older else family
    write(path, scene, manifest(), quality(), [made(scene)] if families else [])
    return path
