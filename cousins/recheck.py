"""Certificates of a pack's cousins, earned anew by stepping a sample of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cousins.pack import load_family, load_scene, numbered, read
from cousins.variation.certificate import certify


def certificates(path: Path, count: int, seed: int = 0) -> tuple[int, list[str]]:
    """Step up to `count` cousins of each family: how many were stepped, and what went wrong.

    The same seed draws the same cousins. Raises PackError for a pack that cannot be read; it is
    meant for one in which `cousins.pack.check` found nothing.
    """
    pack = read(path)
    scene = load_scene(pack)
    problems: list[str] = []
    stepped = 0
    numbers = {(k, row): number for number, k, row, _ in numbered(pack)}
    for k in pack.families:
        family = load_family(pack, k)
        rng = np.random.default_rng(np.random.SeedSequence([seed, k]))
        rows = np.sort(rng.choice(len(family), min(count, len(family)), replace=False))
        stepped += len(rows)
        for row, found in zip(rows, certify(scene, family, rows.tolist()), strict=True):
            if not found.passed:
                number = numbers[k, int(row)]
                problems.append(f"families/{k}: cousin {number}: {'; '.join(found.reasons)}")
    return stepped, problems
