"""What an environment costs beside the bare CPU engine: the same cousins, the same pushes.

    python benchmarks/env.py --pack PACK [--envs 64 256 1024] [--steps 200] [--json FILE]

Both step by turns, so that a busy machine slows both alike. Random actions make things fall, so
that episodes are short; each begins with another cousin. The engine is pushed by the same forces,
and put into the same starts without the clock, so that it does the same work to the bit.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from cousins.engines import Running
from cousins.engines.cpu import Cpu
from cousins.env import CousinsVectorEnv, make_vec
from cousins.pack import Pack, read


def bare(env: CousinsVectorEnv, threads: int) -> list[Running]:
    """The worlds' families in engines of their own, with the cousins that they run now."""
    return [Cpu(threads)(part.running.family, part.running.rows.copy())
            for part in env.episodes.worlds.parts]  # fmt: skip


def measure(pack: Pack, envs: int, steps: int, strength: float, threads: int) -> dict[str, float]:
    """Substeps a second of both, and how many episodes the environment began."""
    env = make_vec(pack, "hold", envs, seed=0, threads=threads)
    env.reset()
    engines = bare(env, threads)
    rng = np.random.default_rng(0)
    width = env.single_action_space.shape or (0,)
    with_env = alone = 0.0
    begun = 0
    parts = env.episodes.worlds.parts
    for _ in range(steps):
        action = strength * rng.uniform(-1, 1, (envs, *width))
        began = time.perf_counter()
        env.step(action)
        with_env += time.perf_counter() - began
        began = time.perf_counter()
        for running, part in zip(engines, parts, strict=True):
            running.drive(part.wrench)
            running.step(env.episodes.substeps)
        alone += time.perf_counter() - began
        fresh = env.episodes.elapsed == 0
        begun += int(fresh.sum())
        for running, part in zip(engines, parts, strict=True):
            ids = np.flatnonzero(fresh[part.worlds])
            running.reset(ids, part.running.rows[ids])
    for running, part in zip(engines, parts, strict=True):
        np.testing.assert_array_equal(running.qpos, part.running.qpos)
    env.close()
    done = steps * envs * env.episodes.substeps
    return {
        "envs": envs, "actions": strength, "env": done / with_env, "engine": done / alone,
        "ratio": alone / with_env, "episodes": begun,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--envs", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    pack = read(told.pack)
    rows = []
    for envs in told.envs:
        for strength in (0.0, 1.0):
            row = measure(pack, envs, told.steps, strength, told.threads)
            rows.append(row)
            print("  ".join(f"{name} {value:,.2f}" for name, value in row.items()), flush=True)
    if told.json:
        told.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
