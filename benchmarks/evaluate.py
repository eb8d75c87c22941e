"""How many episodes a second an evaluation runs, and what its loop adds to the engine's steps.

    python benchmarks/evaluate.py --pack PACK [--episodes 1000] [--steps 80] [--json FILE]

Of the wall time of a rollout, engine is what is spent in the engine's own steps and resets, env
what `Episodes` adds (the task's forces, rewards and observations), and loop the rest: the plan, the
account of each episode, the policy. steady pulls everything back to where it stood, so that
episodes are long and everything moves; zero does nothing, and what lies still sleeps.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from cousins.engines.cpu import Cpu
from cousins.env.episodes import Episodes
from cousins.env.request import request
from cousins.env.worlds import Ids
from cousins.evaluation.rollout import cousins_of, plan, rollout, stage
from cousins.pack import Pack, read
from cousins.policies import Policy
from cousins.policies.simple import Zero
from cousins.tasks.hold import Hold
from cousins.types import Array


class Steady:
    """Pulls everything back to where it stood."""

    def begin(self, episodes: Episodes, ids: Ids) -> None:
        """Nothing to do."""

    def __call__(self, episodes: Episodes) -> Array:
        """(n, K)."""
        seen = episodes.seen["state"].reshape(len(episodes.begun), -1, 13)
        pull = -20 * seen[..., :2] - 2 * seen[..., 7:9]
        return np.clip(pull, -1, 1).reshape(len(seen), -1)


POLICIES: dict[str, type[Policy]] = {"steady": Steady, "zero": Zero}


class Clock:
    """How long calls of an object's method take together."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, of: Any, name: str) -> None:
        """Count that method's calls from now on."""
        method = getattr(of, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            out = method(*args, **kwargs)
            self.seconds += time.perf_counter() - began
            return out

        setattr(of, name, timed)


def measure(
    pack: Pack, name: str, episodes: int, steps: int, worlds: int, threads: int, sleep: bool
) -> dict[str, Any]:
    """One rollout."""
    task = Hold(limit=steps * 0.02)
    asked = request(pack, task, Cpu(threads, sleep), None, ("state",), (), (64, 64), False, {})
    began = time.perf_counter()
    on = stage(asked, worlds, cousins_of(asked.pool, episodes, 0))
    loading = time.perf_counter() - began
    engine, env = Clock(), Clock()
    for part in on.episodes.worlds.parts:
        engine(part.running, "step")
        engine(part.running, "reset")
    for method in ("step", "begin", "observe", "watch"):
        env(on.episodes, method)
    drawn = plan(asked.pool, on.episodes.numbers, episodes, 0)
    began, spent = time.perf_counter(), time.process_time()
    done = rollout(on, drawn, POLICIES[name]())
    wall, spent = time.perf_counter() - began, time.process_time() - spent
    return {
        "policy": name, "worlds": len(on.episodes.begun), "sleep": sleep,
        "success": float(done.success.mean()), "steps": float(done.steps.mean()),
        "loading, s": loading, "seconds": wall, "CPU s": spent, "episodes/s": episodes / wall,
        "substeps/s": float(done.steps.sum() * on.episodes.substeps / wall),
        "engine, %": 100 * engine.seconds / wall,
        "env, %": 100 * (env.seconds - engine.seconds) / wall,
        "loop, %": 100 * (wall - env.seconds) / wall,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--worlds", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--policies", nargs="+", default=list(POLICIES))
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    pack, rows = read(told.pack), []
    for name in told.policies:
        for worlds in told.worlds:
            for sleep in (False, True):
                row = measure(pack, name, told.episodes, told.steps, worlds, told.threads, sleep)
                if not rows:
                    print("  ".join(f"{key:>10}" for key in row))
                rows.append(row)
                print("  ".join(f"{value:>10,.4g}" if isinstance(value, float) else f"{value!s:>10}"
                                for value in row.values()), flush=True)  # fmt: skip
    if told.json:
        told.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
