"""Where nerfstudio is installed, in which version, and what it can run on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cousins.errors import MissingDependencyError, ProgramError

VARIABLE = "COUSINS_NERFSTUDIO"
PLACE = Path(__file__).parents[2] / ".nerfstudio"  # in a clone, where `make nerfstudio-env` puts it
SETUP = (
    "in a clone of cousins run `make nerfstudio-env`, or name an environment that has it with"
    f" --nerfstudio or {VARIABLE}"
)
ANSWER = 120.0  # s for its Python to import torch, which a cold disk makes slow
Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Program:
    """nerfstudio's commands. folder: where they lie."""

    folder: Path

    @property
    def train(self) -> Path:
        return self.folder / "ns-train"

    @property
    def export(self) -> Path:
        return self.folder / "ns-export"

    @property
    def python(self) -> Path:
        return self.folder / "python"


def find(path: Path | None = None) -> Program:
    """nerfstudio at `path` (its environment or the folder of its commands), else where
    COUSINS_NERFSTUDIO says, else in the clone. Raises MissingDependencyError if it is not there."""
    named = path or os.environ.get(VARIABLE)
    place = Path(named or PLACE).expanduser().absolute()
    for folder in (place, place / "bin"):
        found = Program(folder)
        if all(os.access(file, os.X_OK) and file.is_file() for file in (found.train, found.export)):
            return found
    if named:
        raise MissingDependencyError(f"{place}: holds no ns-train and ns-export: {SETUP}")
    raise MissingDependencyError(f"nerfstudio is not set up: {SETUP}")


def version(program: Program) -> str:
    """Of the nerfstudio that is installed. Raises ProgramError where its Python finds none."""
    told = _ask(program, "from importlib import metadata; print(metadata.version('nerfstudio'))")
    if not re.fullmatch(r"\d+(\.\w+)+", told):
        raise ProgramError(f"{program.python}: knows of no nerfstudio: {SETUP}")
    return told


def device(program: Program) -> Device:
    """Whether it is "cuda": the machine has such a GPU, and its torch can use it."""
    if shutil.which("nvidia-smi") is None:
        return "cpu"
    told = _ask(program, "import torch; print('cuda' if torch.cuda.is_available() else 'cpu')")
    return "cuda" if told == "cuda" else "cpu"


def _ask(program: Program, code: str) -> str:
    """The last line that the environment's Python prints; "" where it fails."""
    try:
        done = subprocess.run([str(program.python), "-c", code], capture_output=True, text=True,
                              timeout=ANSWER, check=False, stdin=subprocess.DEVNULL)  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().rpartition("\n")[2] if done.returncode == 0 else ""
