"""What of `cousins` works on this machine, and how to get the rest. Everything is tried for real:
libraries are imported, a video is decoded, a picture is rendered, each in a process of its own.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import get_args

from cousins import gl, plugins, resources
from cousins.errors import CousinsError
from cousins.masks import checkpoint
from cousins.native import attempt
from cousins.photos import installed
from cousins.progress import Progress, silent

_LINUX = platform.system() == "Linux"
TIMEOUT = 60.0  # seconds for one check
SCAN_MEMORY = 4e9  # bytes; a scan of a table takes up to 3 GB

# The module that each distribution brings; where two are named, one of them is enough.
MODULES = {
    "mujoco": ("mujoco",),
    "open3d": ("open3d-cpu", "open3d"),
    "trimesh": ("trimesh",),
    "numpy": ("numpy",),
    "scipy": ("scipy",),
    "skimage": ("scikit-image",),
    "cv2": ("opencv-python-headless",),
    "manifold3d": ("manifold3d",),
    "typer": ("typer",),
    "rich": ("rich",),
    "pydantic": ("pydantic",),
    "yaml": ("pyyaml",),
}
_IMPORT = """
import sys
from cousins.errors import CousinsError
from cousins.native import require
try:
    require(sys.argv[1])
except CousinsError as error:
    sys.exit(str(error))
"""
# The bundled clips show nothing but this colour.
_DECODE = """
import sys
import cv2
import numpy as np
ok, frame = cv2.VideoCapture(sys.argv[1]).read()
if not ok or np.abs(frame.mean((0, 1)) - (208, 160, 48)).max() > 8:
    sys.exit("the bundled clip does not decode")
"""


@dataclass(frozen=True)
class Check:
    """One thing that was tried. `remedy` says how to get it; `required`: a scan needs it."""

    name: str
    works: bool
    detail: str
    remedy: str = ""
    required: bool = False


def examine(progress: Progress = silent) -> tuple[Check, ...]:
    """Try everything, a few things at a time. The order of the result is always the same."""
    tasks: list[Callable[[], Check]] = [
        _python,
        _memory,
        *(partial(_library, module) for module in MODULES),
        _samples,
        *(partial(_video, codec) for codec in ("hevc", "h264")),
        *(partial(_rendering, name) for name in (gl.PACKAGES if _LINUX else ("",))),
        _display,
        _gpu,
        _nerfstudio,
        _sam,
        *(partial(_plugins, group) for group in get_args(plugins.Group)),
        *(partial(_extra, extra) for extra in _extras()),
    ]
    results = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for result in pool.map(lambda task: task(), tasks):
            results.append(result)
            progress("checking", len(results), len(tasks))
    return tuple(results)


def ready(checks: Sequence[Check]) -> bool:
    """Whether the main job can run: a capture in, stepping cousins out."""
    return all(check.works for check in checks if check.required)


def _python() -> Check:
    version = platform.python_version()
    return Check(
        "python", True, f"{version} on {platform.system()} {platform.machine()}", required=True
    )


def _memory() -> Check:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if not hasattr(os, "sysconf"):
        return Check("memory", True, f"{cores} cores; memory not known")
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    detail = f"{cores} cores, {size / 1e9:.1f} GB"
    if size < SCAN_MEMORY:
        remedy = f"a scan wants {SCAN_MEMORY / 1e9:.0f} GB: choose a coarser voxel"
        return Check("memory", False, detail, remedy)
    return Check("memory", True, detail)


def _library(module: str) -> Check:
    found = {name: v for name in MODULES[module] if (v := _version(name))}
    detail = ", ".join(f"{name} {version}" for name, version in found.items())
    if len(found) > 1:
        remedy = f"they overwrite each other: pip uninstall -y {' '.join(found)}, then pip install "
        remedy += MODULES[module][0]
        return Check(module, False, detail, remedy, required=True)
    failure = attempt(_IMPORT, module)
    if failure:
        return Check(module, False, detail or "not installed", failure, required=True)
    return Check(module, True, detail, required=True)


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _samples() -> Check:
    try:
        names = resources.samples()
    except (CousinsError, OSError) as error:
        return Check("bundled data", False, str(error), "reinstall cousins", required=True)
    return Check("bundled data", True, ", ".join(names) or "no samples", required=True)


def _video(codec: str) -> Check:
    clip = str(resources.asset(f"video/{codec}.mp4"))
    failure = attempt(_DECODE, clip)
    remedy = "reinstall OpenCV with its decoders: pip install --force-reinstall --no-deps "
    remedy += "opencv-python-headless"
    detail = failure or "decodes"
    return Check(f"{codec} video", not failure, detail, remedy if failure else "", required=True)


def _rendering(name: str) -> Check:
    if name == "glfw" and not gl.display():
        return Check("rendering with glfw", False, "no display", gl.remedy(name))
    failure = gl.probe(name, TIMEOUT)
    if failure:
        return Check(f"rendering with {name}", False, failure, gl.remedy(name))
    return Check(f"rendering with {name or 'the default'}", True, "off screen")


def _display() -> Check:
    if not _LINUX or gl.display():
        return Check("display", True, gl.display() or "native")
    return Check("display", False, "none", "cousins view --web shows a pack in a browser")


def _gpu() -> Check:
    remedy = "not needed: everything here runs on the CPU"
    program = shutil.which("nvidia-smi")
    if program is None:
        return Check("gpu", False, "no nvidia-smi", remedy)
    query = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("gpu", False, f"nvidia-smi: {error}", remedy)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return Check("gpu", False, "nvidia-smi finds none", remedy)
    return Check("gpu", True, "; ".join(lines))


def _nerfstudio() -> Check:
    """It makes surfaces of pictures without depth, which nothing else here needs."""
    try:
        program = installed.find()
        detail = f"{installed.version(program)} on {installed.device(program).upper()}"
    except CousinsError as error:
        return Check("nerfstudio", False, "not set up", str(error))
    return Check("nerfstudio", True, f"{detail}, in {program.folder}")


def _sam() -> Check:
    """The weights of segment-anything, which nothing but its segmenter needs."""
    try:
        file = checkpoint.find()
    except CousinsError as error:
        return Check("sam checkpoint", False, "not found", str(error))
    return Check("sam checkpoint", True, f"{file} ({file.stat().st_size / 1e6:.0f} MB)")


def _plugins(group: plugins.Group) -> Check:
    try:
        names = ", ".join(plugins.load(group)) or "none installed"
    except CousinsError as error:
        return Check(group, False, "broken", str(error), required=True)
    return Check(group, True, names)


def _extras() -> list[str]:
    return sorted(metadata.metadata("cousins").get_all("Provides-Extra") or [])


def _extra(extra: str) -> Check:
    required = [
        re.split(r"[^\w.-]", line, maxsplit=1)[0]
        for line in metadata.requires("cousins") or []
        if re.search(rf"extra == ['\"]{re.escape(extra)}['\"]", line)
    ]
    lacking = [name for name in required if not _version(name)]
    if lacking:
        remedy = f'in a clone of cousins: pip install -e ".[{extra}]"'
        return Check(f"extra {extra}", False, f"lacks {', '.join(lacking)}", remedy)
    return Check(f"extra {extra}", True, ", ".join(required))
