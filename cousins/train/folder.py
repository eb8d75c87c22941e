"""The folder of a training: what was asked for, checkpoints, logs and what comes out."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cousins.archive import write_file
from cousins.errors import PolicyError, UsageError
from cousins.policies.extra import need
from cousins.train.course import Tally

ASKED, PROGRESS = "training.json", "progress.csv"
CHECKPOINTS, TENSORBOARD = "checkpoints", "tensorboard"
COLUMNS = ("steps", "seconds", "episodes", "success", "unstable", "return", "length", "distance")
KEPT = 3  # checkpoints
MAX_BYTES = 1 << 30
MAX_ASKED = 1 << 20
VERSION = 1
# What may be asked for otherwise when one goes on.
FREE = {"steps", "minutes", "cousins_version"}


@dataclass(frozen=True)
class Folder:
    """path: where it lies."""

    path: Path

    def before(self, asked: Mapping[str, Any], resume: bool) -> dict[str, Any] | None:
        """The last checkpoint, where a training is to go on and has one. Writes nothing.

        Raises UsageError where the folder holds a training that nobody wants to go on with, none to
        go on with, or one of something else; PolicyError for a checkpoint that cannot be read.
        """
        file = self.path / ASKED
        if not resume:
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                begun = "holds a training: --resume goes on in it, or"
                what = begun if file.exists() else "exists:"
                raise UsageError(f"{self.path}: {what} choose another output")
            return None
        if not file.is_file():
            raise UsageError(f"{self.path}: holds no training to go on with: leave out --resume")
        before = self._asked(file)
        now = json.loads(json.dumps(asked))
        for name in sorted({*before, *now} - FREE):
            if before.get(name) != now.get(name):
                raise UsageError(
                    f"{self.path}: was begun with {name} {_short(before.get(name))}, not "
                    f"{_short(now.get(name))}: ask for the same, or choose another output"
                )
        return self._last()

    def begin(self, asked: Mapping[str, Any], steps: int) -> None:
        """Say what is asked for, and forget the lines of progress.csv after so many steps. Raises
        PackError where the disk refuses."""
        write_file(self.path / ASKED, (json.dumps(asked, indent=1) + "\n").encode())
        file = self.path / PROGRESS
        if not file.exists():
            return
        head, *lines = file.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if line.split(",")[0].isdecimal()
                and int(line.split(",")[0]) <= steps]  # fmt: skip
        write_file(file, ("\n".join([head, *kept]) + "\n").encode())

    def save(self, steps: int, seconds: float, parts: Mapping[str, Any]) -> Path:
        """Write a checkpoint, and forget the oldest."""
        held = io.BytesIO()
        told = {"version": VERSION, "steps": steps, "seconds": seconds, **parts}
        need("torch").save(told, held)
        path = self.path / CHECKPOINTS / f"{steps:012d}.pt"
        write_file(path, held.getvalue())
        for old in self._checkpoints()[:-KEPT]:
            old.unlink()
        return path

    def row(self, steps: int, seconds: float, told: Tally) -> None:
        """Add a line to progress.csv."""
        numbers = (told.episodes, told.success, told.unstable, told.mean_return, told.length,
                   told.distance)  # fmt: skip
        cells = [str(steps), f"{seconds:.1f}", *(_cell(value) for value in numbers)]
        file = self.path / PROGRESS
        head = "" if file.exists() else ",".join(COLUMNS) + "\n"
        with open(file, "a", encoding="utf-8") as out:
            out.write(head + ",".join(cells) + "\n")

    def _checkpoints(self) -> list[Path]:
        return sorted((self.path / CHECKPOINTS).glob("[0-9]*.pt"))

    def _last(self) -> dict[str, Any] | None:
        found = self._checkpoints()
        if not found:
            return None
        path, torch = found[-1], need("torch")
        try:
            if path.stat().st_size > MAX_BYTES:
                raise ValueError(f"above {MAX_BYTES:,} bytes")
            told = torch.load(path, map_location="cpu", weights_only=True)
            if told["version"] != VERSION:
                raise ValueError(f"of version {told['version']}, this reads {VERSION}")
            return dict(told)
        except Exception as error:  # whatever a damaged file makes torch raise
            reason = " ".join(str(error).split())[:150]
            raise PolicyError(
                f"{path}: cannot be read ({reason}): remove it, to go on from the one before"
            ) from None

    def _asked(self, file: Path) -> dict[str, Any]:
        try:
            with open(file, "rb") as held:
                told = json.loads(held.read(MAX_ASKED))
        except (OSError, ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise PolicyError(f"{file}: cannot be read: choose another output")
        return told


class Board:
    """TensorBoard's file of a training."""

    def __init__(self, folder: Folder, steps: int) -> None:
        """Points after so many steps are forgotten. Raises MissingDependencyError without it."""
        writer = need("torch.utils.tensorboard").SummaryWriter
        self._writer = writer(str(folder.path / TENSORBOARD), purge_step=steps + 1)

    def add(self, steps: int, told: Tally, figures: Mapping[str, float]) -> None:
        """Figures after so many steps; those that are no numbers are left out."""
        episodes = {
            "episodes/success": told.success,
            "episodes/unstable": told.unstable,
            "episodes/return": told.mean_return,
            "episodes/length_s": told.length,
            "cousins/largest_distance": told.distance,
        }
        for name, value in {**episodes, **figures}.items():
            if math.isfinite(value):
                self._writer.add_scalar(name, value, steps)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


def _cell(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""


def _short(value: Any) -> str:
    return json.dumps(value)[:60]
