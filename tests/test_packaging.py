"""What is installed: the right packages, nothing beside them, and imports that stay light."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import cousins

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# A machine that only runs packs has none of these.
SCANNERS = {"open3d", "trimesh", "cv2", "scipy", "skimage", "manifold3d"}
FRAMEWORKS = {"torch", "transformers", "jax", "ray", "warp", "gymnasium"}


# Written for a package that an extra brings, and imported late by those that are not.
EXTRAS = {"cousins.engines.warp_kernels", "cousins.env.playground", "cousins.env.sb3"}


def loaded_by(*modules):
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def modules_under(package):
    folder = ROOT / package.replace(".", "/")
    if not folder.is_dir():
        return [package]
    every = {f"{package}.{p.stem}" for p in folder.glob("*.py") if p.stem[0] != "_"}
    return [package, *sorted(every - EXTRAS)]


def test_every_package_is_listed():
    setuptools = PROJECT["tool"]["setuptools"]
    inside = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in ROOT.glob("cousins/**/__init__.py")
    }
    assert set(setuptools["packages"]) == inside | set(setuptools["package-dir"])
    assert setuptools["packages"] == sorted(setuptools["packages"])
    for package, folder in setuptools["package-dir"].items():
        assert package == f"cousins.{folder}"
        assert (ROOT / folder / "__init__.py").is_file()


def test_the_data_folders_hold_no_code():
    for folder in ("assets", "scenes"):
        assert [p.name for p in (ROOT / folder).rglob("*.py")] == ["__init__.py"]


def test_every_import_is_declared():
    project = PROJECT["project"]
    extras = [lines for name, lines in project["optional-dependencies"].items()
              if name not in ("dev", "docs")]  # fmt: skip
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    declared = {re.split(r"[^\w.-]", line)[0] for line in lines}
    imported = set()
    elsewhere = ROOT / "cousins/photos/shim.py"  # runs in nerfstudio's own environment
    for path in {*ROOT.glob("cousins/**/*.py"), *ROOT.glob("cli/*.py")} - {elsewhere}:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add((node.module or "").partition(".")[0])
    imported -= sys.stdlib_module_names | {"cousins"}
    names = {"cv2": "opencv-python-headless", "skimage": "scikit-image", "yaml": "pyyaml",
             "pxr": "usd-core", "stable_baselines3": "stable-baselines3"}  # fmt: skip
    assert {names.get(module, module) for module in imported} <= declared


def test_versions_agree():
    assert PROJECT["project"]["version"] == cousins.__version__ == metadata.version("cousins")
    assert f"## [{cousins.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_importing_cousins_is_light():
    assert not loaded_by("cousins") & (SCANNERS | FRAMEWORKS | {"mujoco", "numpy"})


@pytest.mark.parametrize("package", ["cousins.pack", "cousins.engines", "cousins.variation"])
def test_what_runs_packs_loads_no_scanner(package):
    assert not loaded_by(*modules_under(package)) & (SCANNERS | FRAMEWORKS)


def test_environments_load_gymnasium_and_no_other_framework():
    assert not loaded_by(*modules_under("cousins.env")) & (SCANNERS | FRAMEWORKS - {"gymnasium"})
