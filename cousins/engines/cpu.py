"""The default engine: MuJoCo itself, every cousin a simulation of one native batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.bank import Family
from cousins.errors import EngineError, UsageError
from cousins.scene import compile_model, quiet
from cousins.types import Array
from cousins.variation.batch import advance, batch
from cousins.variation.certificate import contacts


@dataclass(frozen=True)
class Cpu:
    """MuJoCo on the CPU, in double precision; the same results on any number of threads.

    threads: 0 takes every CPU. sleep: objects slower than MuJoCo's sleep tolerance, a millimetre
    a second, are frozen until something touches them; it costs the memory of one MjData a cousin.
    """

    threads: int = 0
    sleep: bool = False

    def __call__(self, family: Family, indices: Sequence[int] | None = None) -> CpuRunning:
        """Load a family. Raises UsageError for a row that it does not hold, and EngineError for
        a model that does not compile, fields that do not fit it, or too little memory."""
        if self.threads < 0:
            raise UsageError(f"{self.threads} threads: ask for 1 or more, or 0 for every CPU")
        arrays = _selected(family, indices)
        try:
            model = compile_model(family.xml, dict(family.files))
            if self.sleep:
                model.opt.enableflags |= int(mujoco.mjtEnableBit.mjENBL_SLEEP)
            return CpuRunning(model, arrays, self.threads, self.sleep)
        except (ValueError, KeyError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise EngineError(f"MuJoCo refuses the family: {reason}: augment anew") from None
        except (MemoryError, mujoco.FatalError) as error:
            raise EngineError(
                f"{len(arrays['qpos'])} cousins do not fit into memory ({error}): step fewer"
            ) from None


def _selected(family: Family, indices: Sequence[int] | None) -> Mapping[str, NDArray[Any]]:
    rows = np.arange(len(family)) if indices is None else np.asarray(indices, np.int64)
    if not len(rows):
        raise UsageError("no cousin to step: ask for at least one")
    if rows.min() < 0 or rows.max() >= len(family):
        raise UsageError(f"the family holds cousins 0 to {len(family) - 1} only")
    if "qpos" not in family.arrays:
        raise EngineError("the family does not say where its cousins start: augment anew")
    return family.fields(rows.tolist())


class CpuRunning:
    """n running cousins. `batch` is the `mujoco.batch.Batch` and `model` what it was made of."""

    def __init__(
        self,
        model: mujoco.MjModel,
        arrays: Mapping[str, NDArray[Any]],
        threads: int,
        sleep: bool,
    ) -> None:
        self.model = model
        self.batch = batch(model, arrays, threads, persistent=sleep)
        self._sleep = sleep
        self._failed = np.zeros(len(self), bool)
        self._count = self.batch.bind("ncon")
        self._awake = self.batch.bind("tree_awake") if sleep else None
        self.batch.forward()

    def __len__(self) -> int:
        return self.batch.nsim

    @property
    def qpos(self) -> Array:
        """(n, nq) live: a write is the state at the next step."""
        return self.batch.qpos

    @property
    def qvel(self) -> Array:
        """(n, nv) live."""
        return self.batch.qvel

    def reset(self, ids: Sequence[int] | None = None) -> None:
        """Put cousins (all by default) back to where they start, at rest."""
        with quiet():
            self.batch.reset(ids)
        self._failed[slice(None) if ids is None else ids] = False

    def step(self, steps: int = 1) -> None:
        """Advance every cousin by that many of the model's time steps.

        A cousin that MuJoCo gives up is unstable and stays where it was; the others go on.
        """
        self._failed |= advance(self.batch, steps)

    def contacts(self) -> NDArray[np.int64]:
        """(n,) how many contacts each cousin had at its last step; none between sleepers."""
        return self._count.astype(np.int64)

    def overlap(self) -> Array:
        """(n,) each cousin's deepest penetration now, m; 0 where nothing touches."""
        deepest, _ = contacts(self.batch, self.model)
        return deepest.max(1)

    def awake(self) -> Array:
        """(n,) share of each cousin's objects that are awake.

        Without sleep: that move faster than MuJoCo's sleep tolerance.
        """
        if self._awake is not None:
            return self._awake.mean(1)
        length = self.batch.expanded("dof_length")
        speed = np.abs(self.qvel) * (self.model.dof_length if length is None else length)
        tree = self.model.dof_treeid
        moving = [speed[:, tree == t].max(1) for t in range(self.model.ntree)]
        return (np.array(moving) > self.model.opt.sleep_tolerance).mean(0)

    def unstable(self) -> NDArray[np.int64]:
        """Which cousins have gone unstable since they were last reset.

        MuJoCo warned of them (it then puts them back to their start), gave them up, or their
        state is not finite.
        """
        finite = np.isfinite(self.qpos).all(1) & np.isfinite(self.qvel).all(1)
        warned = (self.batch.warning[..., 1] > 0).any(1)
        return np.flatnonzero(self._failed | warned | ~finite)
