"""Builds nerfstudio's own environment: `python -m cousins.photos.environment [FOLDER]`.

nerfstudio pins libraries that cousins needs newer, so it is never imported here, only called.
Packages come from wherever this machine's pip takes them, with a CUDA torch where that has one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from cousins.errors import CousinsError, MissingDependencyError, ProgramError
from cousins.photos.installed import PLACE, VARIABLE, find

NERFSTUDIO = "nerfstudio==1.1.5"
# The pair that it was tried with; it asks for no version itself.
CONSTRAINTS = ("torch==2.13.0", "torchvision==0.28.0")
SHIM = "cousins_nerfstudio"
TOLD = "cousins.json"  # written last: with it the environment is whole
SPACE = 12_000_000_000  # bytes; 4 without CUDA
_LOOK = """
import importlib.metadata, json, torch
import nerfstudio.scripts.train, nerfstudio.scripts.exporter
print(json.dumps({"nerfstudio": importlib.metadata.version("nerfstudio"),
                  "torch": torch.__version__, "cuda": torch.version.cuda}))
"""


def build(folder: Path) -> dict[str, str | None]:
    """Builds it in `folder`, or leaves it as it is where it is whole. Returns the versions of
    nerfstudio and torch, and of CUDA where torch has it.

    Raises MissingDependencyError where Python lacks venv or pip, ProgramError where pip fails.
    """
    told = folder / TOLD
    if told.is_file():
        return json.loads(told.read_text())
    if folder.exists() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").is_file():
        raise ProgramError(f"{folder}: holds something else; name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder.parent).free < SPACE:
        raise ProgramError(f"{folder}: nerfstudio needs {SPACE / 1e9:.0f} GB of disk there")
    try:
        venv.create(folder, with_pip=True, clear=True)
    except (subprocess.CalledProcessError, OSError) as error:
        raise MissingDependencyError(
            f"{sys.executable}: makes no environment with pip ({error}): install python3-venv"
        ) from None
    python = folder / "bin" / "python"
    with tempfile.TemporaryDirectory() as scratch:
        constraints = Path(scratch) / "constraints.txt"
        constraints.write_text("\n".join(CONSTRAINTS))
        _run([python, "-m", "pip", "install", "--progress-bar", "off", "-c", constraints,
              NERFSTUDIO])  # fmt: skip
    packages = Path(
        _run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    )
    shutil.copyfile(Path(__file__).with_name("shim.py"), packages / f"{SHIM}.py")
    (packages / f"{SHIM}.pth").write_text(f"import {SHIM}\n")
    _run([python, "-c", f"import {SHIM}; {SHIM}.write_weights()"])
    found = json.loads(_run([python, "-c", _LOOK]).splitlines()[-1])
    find(folder)
    told.write_text(json.dumps(found))
    return found


def _run(command: list[str | Path]) -> str:
    """What a command prints; its messages go to ours. Raises ProgramError where it fails."""
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, env=clean,
                          stdout=subprocess.PIPE, text=True, check=False)  # fmt: skip
    if done.returncode:
        what = "pip" if "pip" in command else "its Python"
        raise ProgramError(
            f"nerfstudio's environment: {what} failed with exit code {done.returncode}; its "
            "messages are above; mend that and run this again"
        )
    return done.stdout


def main() -> None:
    """Builds the environment in the folder that is named, else where cousins looks for it."""
    named = sys.argv[1] if len(sys.argv) > 1 else os.environ.get(VARIABLE)
    folder = Path(named or PLACE).expanduser().absolute()
    print(f"Building nerfstudio's environment in {folder}: this takes minutes")
    try:
        found = build(folder)
    except CousinsError as error:
        sys.exit(f"error: {error}")
    print(", ".join(f"{name} {version}" for name, version in found.items() if version))


if __name__ == "__main__":
    main()
