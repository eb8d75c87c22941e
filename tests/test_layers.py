"""Imports point down only, as [tool.importlinter] in pyproject.toml draws the layers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_imports_point_down(tmp_path):
    done = lint(lay_out(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_import_that_points_up_is_found(tmp_path):
    packages = lay_out(tmp_path)
    with (packages / "cousins" / "errors.py").open("a") as file:
        file.write("\n\nimport cousins.cli\n")
    done = lint(packages)
    assert done.returncode == 1
    assert "cousins.errors -> cousins.cli" in done.stdout


def lay_out(folder: Path) -> Path:
    """The packages as an install lays them out, with cousins.cli inside cousins."""
    ignore = shutil.ignore_patterns("__pycache__")
    # Not what somebody linked there to run from this folder.
    linked = shutil.ignore_patterns("__pycache__", "cli", "assets", "scenes")
    shutil.copytree(ROOT / "cousins", folder / "cousins", ignore=linked)
    shutil.copytree(ROOT / "cli", folder / "cousins" / "cli", ignore=ignore)
    return folder


def lint(packages: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    arguments = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=packages, env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
