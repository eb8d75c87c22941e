"""A video of a policy at work: one episode each in a few worlds, side by side."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cousins.engines import Engine
from cousins.env.episodes import Episodes
from cousins.env.images import Images, Pictures
from cousins.env.vector import CousinsVectorEnv
from cousins.env.worlds import Chosen
from cousins.errors import PackError
from cousins.pack import Pack
from cousins.phone.shots import open_video
from cousins.picture import CAMERA, Image, mosaic
from cousins.policies import Policy, observed
from cousins.robots import Robot
from cousins.tasks import Task
from cousins.types import Intrinsics

RATE = 25.0  # pictures a second at most
LONGEST = 12.0  # s of a video


def film(
    path: Path,
    pack: Pack | Path | str,
    task: Task | str,
    policy: Policy,
    *,
    engine: Engine | str = "cpu",
    robot: Robot | str | None = None,
    control: str = "delta",
    cousins: Chosen = None,
    worlds: int = 4,
    seed: int = 0,
    camera: str = CAMERA,
    size: tuple[int, int] = (320, 240),
) -> None:
    """Write an .mp4 of an episode in each of some worlds, as fast as it happens. A caption tells
    the cousin, how far it is from the twin, and whether the task is done; an episode that is over
    stays as it ended. Raises MissingDependencyError without OpenGL or without a writer of mp4, and
    what the environment and the policy raise."""
    env = CousinsVectorEnv(
        pack,
        task,
        worlds,
        engine=engine,
        robot=robot,
        control=control,
        cousins=cousins,
        seed=seed,
        observe=observed(policy),
    )
    images = Images(("rgb",), (camera,), size, samples=4)
    pictures = Pictures(env.request.pack, env.episodes.worlds, images)
    skip = max(round(1 / (RATE * env.task.control)), 1)
    try:
        env.reset()
        shown = _shown(env.episodes, policy, pictures, skip)
        _write(path, shown, 1 / (skip * env.task.control))
    finally:
        pictures.close()
        env.close()


def _shown(episodes: Episodes, policy: Policy, pictures: Pictures, skip: int) -> Iterator[Image]:
    """Every so many steps a picture of all worlds, until all their episodes are over."""
    every = np.arange(len(episodes.worlds))
    policy.begin(episodes, every)
    pictures.begin(every, episodes.worlds.cousin, [0] * len(every))
    over, done = np.zeros(len(every), bool), np.zeros(len(every), bool)
    tiles = pictures(every)["rgb"]
    most = min(episodes.limit, round(LONGEST / episodes.task.control))
    for k in range(most):
        if k % skip == 0:
            tiles[~over] = pictures(every[~over])["rgb"]
            yield mosaic(list(tiles), _captions(episodes, done))
        came = episodes.step(policy(episodes), idle=over)
        episodes.observe()
        done = np.where(over, done, came.success)
        ended = ~over & (came.terminated | came.truncated)
        over |= ended
        tiles[ended] = pictures(every[ended])["rgb"]
        if over.all():
            break
    yield mosaic(list(tiles), _captions(episodes, done))


def _captions(episodes: Episodes, done: NDArray[np.bool_]) -> list[str]:
    told = zip(episodes.worlds.number, episodes.worlds.distance, done, strict=True)
    return [f"cousin {number}   distance {distance:.2f}{'   done' * bool(good)}"
            for number, distance, good in told]  # fmt: skip


def _write(path: Path, shown: Iterator[Image], rate: float) -> None:
    """Beside, then renamed: half a video is none."""
    import cv2

    fresh = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.mp4")
    first = next(shown)
    height, width = first.shape[:2]
    video = open_video(fresh, Intrinsics(width, height, 1, 1, 0, 0), rate)
    try:
        for image in (first, *shown):
            video.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        video.release()
        os.replace(fresh, path)
    except OSError as error:
        raise PackError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        video.release()
        fresh.unlink(missing_ok=True)
