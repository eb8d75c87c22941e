"""A scene pack as environments to learn in: gymnasium's Env and VectorEnv.

Importing this package also tells gymnasium of them, so that
`gymnasium.make_vec("cousins.env:cousins/Hold-v0", num_envs=64, pack=path)` works by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gymnasium.vector import AutoresetMode

from cousins.engines import Engine
from cousins.env.registration import register
from cousins.env.single import CousinEnv
from cousins.env.vector import CousinsVectorEnv, Seeds
from cousins.env.worlds import Chosen
from cousins.pack import Pack
from cousins.picture import CAMERA
from cousins.tasks import Task

__all__ = ["CousinEnv", "CousinsVectorEnv", "make", "make_vec", "register"]

register()


def make_vec(
    pack: Pack | Path | str,
    task: Task | str = "hold",
    num_envs: int = 64,
    *,
    engine: Engine | str = "cpu",
    cousins: Chosen = None,
    seed: Seeds = None,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    observe: Sequence[str] = ("state",),
    cameras: Sequence[str] = (CAMERA,),
    size: tuple[int, int] = (128, 96),
    noise: bool = False,
    render_mode: str | None = None,
    **settings: Any,
) -> CousinsVectorEnv:
    """`num_envs` worlds of a pack, shared out among its families by how many cousins each has; each
    episode takes another cousin.

    pack: where it lies, or what `cousins.pack.read` gives. task, engine: by name or as they are;
    settings: of those that are given by name, as `pushes=2` or `threads=4`. cousins: the pack
    numbers of those that may be drawn, or a span of distances from the twin as two floats. seed: of
    the first world, the others count on; or one each. autoreset_mode: when a world whose episode is
    over begins the next, as gymnasium has it.

    observe: "state", and of "rgb", "depth" (m) and "segmentation" (k for the twin's k-th object,
    from 1) as `cameras` of the pack see each cousin, at size (width, height); with any of these an
    observation is a dict. noise: they see as badly as each cousin's own camera. render_mode:
    "rgb_array" makes `render` give a picture of each world.

    Raises UsageError for what there is not, PackError for a bad pack, EngineError for worlds that
    an engine cannot step.
    """
    return CousinsVectorEnv(
        pack, task, num_envs, engine=engine, cousins=cousins, seed=seed,
        autoreset_mode=autoreset_mode, observe=observe, cameras=cameras, size=size, noise=noise,
        render_mode=render_mode, **settings,
    )  # fmt: skip


def make(
    pack: Pack | Path | str,
    task: Task | str = "hold",
    cousin: Chosen = None,
    *,
    engine: Engine | str = "cpu",
    observe: Sequence[str] = ("state",),
    cameras: Sequence[str] = (CAMERA,),
    size: tuple[int, int] = (128, 96),
    noise: bool = False,
    render_mode: str | None = None,
    **settings: Any,
) -> CousinEnv:
    """One world of a pack. cousin: its pack number; or several, or a span of distances, of which
    each episode takes one; all of the pack by default. The rest as `make_vec` has it."""
    return CousinEnv(
        pack, task, cousin, engine=engine, observe=observe, cameras=cameras, size=size,
        noise=noise, render_mode=render_mode, **settings,
    )  # fmt: skip
