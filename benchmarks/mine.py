"""Mining against search at random with as many rollouts: how hard are the cousins that come out?

    python benchmarks/mine.py --pack PACK [--policy POLICY ...] [--rollouts 2000] [--cousins 32]
        [--seeds 1] [--json FILE]

At random the same is done, but that each generation is drawn as ordinary cousins are; the hardest
are tried again by halves, held to the expert and tried in fresh episodes alike. By default the
policy is a scripted one for `push`: by the state that it sees it goes on behind the thing, and is
good as long as that slides as things do for the most part. half: whether success on the mined
cousins is at most half of that on ordinary ones.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from cousins.errors import MiningError
from cousins.mining import Mining, Search, mine
from cousins.policies import policy
from cousins.schema import Share
from cousins.tasks.manipulation import SEEN
from cousins.types import Array

LEAD = 0.06  # m ahead of the fingertips that it aims


class Straight:
    """Behind the thing and on to the goal, at full speed; aside: how much of what the thing is off
    the line it makes up for."""

    def __init__(self, aside: float = 1.0) -> None:
        self.aside, self.name = aside, f"straight {aside:g}"

    def begin(self, episodes: Any, ids: Any) -> None:
        """Nothing to remember."""

    def __call__(self, episodes: Any) -> Array:
        """(n, 2)."""
        state = episodes.seen["state"].astype(float)
        at = {name: k for k, name in enumerate(SEEN)}
        thing, goal = (state[:, [at[f"{of}.x"], at[f"{of}.y"]]] for of in ("object", "goal"))
        left = goal - thing
        way = left / np.maximum(np.linalg.norm(left, axis=1, keepdims=True), 1e-6)
        off = thing - (thing * way).sum(1, keepdims=True) * way
        out = LEAD * way + self.aside * off
        return out / np.maximum(np.abs(out).max(1, keepdims=True), 1e-6)


def told(name: str, how: str, seed: int, done: Mining) -> dict[str, Any]:
    """One row."""
    m = done.mined
    row = {"policy": name, "search": how, "seed": seed, "rollouts": m.rollouts,
           "expert_rollouts": m.expert_rollouts, "cousins": len(m.cousins),
           "infeasible": m.infeasible, "seconds": done.seconds}  # fmt: skip
    for key in ("ordinary", "success", "expert_ordinary", "expert"):
        share: Share | None = getattr(m, key)
        row[key] = None if share is None else share.model_dump()
    row["generations"] = [g.successes / g.trials for g in m.generations]
    row["ratio"] = (m.success.successes / m.success.trials) / (
        m.ordinary.successes / m.ordinary.trials
    )
    row["half"] = row["ratio"] <= 0.5
    row["effects"] = {d.name: d.effect for d in done.differences}
    return row


def line(row: dict[str, Any]) -> str:
    """For a terminal."""

    def share(key: str) -> str:
        of = row[key]
        if of is None:
            return "-"
        rate = of["successes"] / of["trials"]
        return f"{rate:.1%} [{of['low']:.1%}, {of['high']:.1%}]"

    return (
        f"{row['policy']:<16} {row['search']:<7} {row['rollouts']:>6} rollouts  ordinary "
        f"{share('ordinary')}  {row['cousins']} mined {share('success')} ({row['ratio']:.2f})  "
        f"expert there {share('expert')}  {row['infeasible']} infeasible  {row['seconds']:.0f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--policy", nargs="*", default=[])
    parser.add_argument("--task", default="push")
    parser.add_argument("--rollouts", type=int, default=2000)
    parser.add_argument("--cousins", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    tried = [(Path(name).name, name) for name in asked.policy] or [("straight", None)]
    rows = []
    for name, text in tried:
        for seed in range(asked.seeds):
            for how, search in (("mined", Search()), ("random", Search(step=0.0, drawn=1))):
                with tempfile.TemporaryDirectory() as folder:
                    try:
                        done = mine(
                            asked.pack, Straight() if text is None else policy(text),
                            out=Path(folder) / "hard", task=asked.task, rollouts=asked.rollouts,
                            cousins=asked.cousins, seed=seed, how=search,
                            threads=asked.threads, asked={"threads": asked.threads},
                        )  # fmt: skip
                    except MiningError as error:
                        print(f"{name:<16} {how:<7} {error}", flush=True)
                        continue
                rows.append(told(name, how, seed, done))
                print(line(rows[-1]), flush=True)
                if asked.json:
                    asked.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
