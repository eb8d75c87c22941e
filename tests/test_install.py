"""The wheel, the source distribution and an editable install, each in an environment of its own.

Slow: run with `pytest -m slow`. The dependencies are lent from the environment that runs the test.
"""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

import cousins

ROOT = Path(__file__).parent.parent
WHERE = """
import json
from importlib.resources import files
print(json.dumps([str(files(name)) for name in ("cousins", "cousins.assets", "cousins.scenes")]))
"""
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Environment:
    """A fresh virtual environment with cousins and nothing else of its own."""

    folder: Path

    @property
    def site_packages(self) -> Path:
        return Path(self.run("python", "-c", "import site; print(site.getsitepackages()[0])"))

    def run(self, program: str, *arguments: str) -> str:
        """The output of a program of this environment. It must succeed."""
        # Away from the working tree, so that what is imported is what was installed.
        done = subprocess.run(
            [self.folder / "bin" / program, *arguments], cwd=self.folder, env=clean(),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


def clean() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """The folder with the sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, env=clean(), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module", params=["wheel", "sdist", "editable"])
def installed(request, distributions, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    venv.create(folder / "v", with_pip=True)
    environment = Environment(folder / "v")
    lend = environment.site_packages / "lent.pth"
    lend.write_text(sysconfig.get_path("purelib") + "\n")
    [wheel], [sdist] = distributions.glob("*.whl"), distributions.glob("*.tar.gz")
    if request.param == "editable":
        with tarfile.open(sdist) as archive:
            # Python 3.11.4 and newer ask for a filter.
            archive.extractall(
                folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {})
            )
        target = ["-e", str(folder / sdist.name.removesuffix(".tar.gz"))]
    else:
        target = [str(wheel if request.param == "wheel" else sdist)]
    environment.run("pip", "install", "-q", "--no-deps", *target)
    return environment


def test_nothing_but_cousins_lands_in_site_packages(installed):
    names = {p.name for p in installed.site_packages.iterdir()}
    ours = {n for n in names if not n.startswith(("pip", "setuptools", "_distutils", "pkg_"))}
    ours -= {"lent.pth", "distutils-precedence.pth", "__pycache__"}
    assert ours
    assert all("cousins" in name for name in ours), ours


def test_the_command_runs(installed):
    assert installed.run("cousins", "--version") == f"cousins {cousins.__version__}"
    assert "doctor" in installed.run("cousins", "--help")


def test_bundled_data_is_all_there(installed):
    where = json.loads(installed.run("python", "-c", WHERE))
    for path in where:
        assert Path(path).is_relative_to(installed.folder.parent)
    for folder, path in zip(("assets", "scenes"), where[1:], strict=True):
        assert data(Path(path)) == data(ROOT / folder)


def data(folder: Path) -> dict[str, int]:
    files = (p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {str(p.relative_to(folder)): p.stat().st_size for p in files}


def test_the_distributions_carry_the_licence_and_stay_small(distributions):
    [wheel], [sdist] = distributions.glob("*.whl"), distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {Path(name).name for name in archive.getnames()}
    assert {"LICENSE", "README.md", "py.typed"} <= names
    assert wheel.stat().st_size < 12e6
