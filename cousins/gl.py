"""MuJoCo's renderer without a window, on whatever off-screen OpenGL this machine has."""

from __future__ import annotations

import importlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from cousins.errors import MissingDependencyError, UsageError
from cousins.native import attempt, install, missing

# Not imported here: with a MUJOCO_GL that does not work MuJoCo's import fails, and this module
# has to be there to say why.
if TYPE_CHECKING:
    import mujoco

# Each backend's Debian packages.
PACKAGES = {
    "egl": ("libegl1", "libegl-mesa0", "libgl1", "libgl1-mesa-dri"),
    "osmesa": ("libosmesa6",),
    "glfw": (),
}
_OFF = ("disable", "disabled", "off", "false", "0")
_PROBE = """
import mujoco
model = mujoco.MjModel.from_xml_string("<mujoco/>")
with mujoco.Renderer(model, 8, 8) as renderer:
    renderer.update_scene(mujoco.MjData(model))
    renderer.render()
"""


@contextmanager
def renderer(model: mujoco.MjModel, height: int, width: int) -> Iterator[mujoco.Renderer]:
    """A `mujoco.Renderer` for images of (height, width) pixels, closed at the end of the block.

    Takes the backend that MUJOCO_GL names, or else the first that works. Raises
    MissingDependencyError with the packages to install where there is none, and UsageError for an
    image larger than the model's off-screen buffer.
    """
    backend()
    import mujoco

    buffer = model.vis.global_
    if height > buffer.offheight or width > buffer.offwidth:
        raise UsageError(
            f"an image of {width} x {height} pixels is larger than the model's off-screen buffer, "
            f"{buffer.offwidth} x {buffer.offheight}: ask for a smaller one"
        )
    # Closed here and not by the garbage collector, which may run after the GL library is unloaded.
    with mujoco.Renderer(model, height, width) as made:
        yield made


@cache
def backend() -> str:
    """The name of the backend that this process renders with, tried once in a process of its own.

    A backend that fails can leave PyOpenGL unable to load another, and some crash; hence the
    separate process. Raises MissingDependencyError if none works.
    """
    asked = os.environ.get("MUJOCO_GL", "").strip().lower()
    failures: dict[str, str] = {}
    for name in (asked,) if asked else candidates():
        reason = probe(name)
        if not reason:
            _select(name)
            return name
        failures[name] = reason
    raise MissingDependencyError(_advice(asked, failures))


def candidates() -> tuple[str, ...]:
    """The backends worth trying here, in order. Elsewhere than on Linux, MuJoCo's own choice."""
    if platform.system() != "Linux":
        return ("",)
    return ("egl", "osmesa", "glfw") if display() else ("egl", "osmesa")


def display() -> str:
    """The display that windows open on, or an empty string."""
    return os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or ""


def probe(name: str, timeout: float = 60.0) -> str:
    """Render 8 x 8 pixels in a new process with MUJOCO_GL=`name`: "", or why it failed."""
    environment = {**os.environ, "MUJOCO_GL": name}
    environment.pop("PYOPENGL_PLATFORM", None)
    reason = attempt(_PROBE, environment=environment, timeout=timeout)
    # PyOpenGL's way of saying so.
    return "its library does not load" if "'NoneType' object" in reason else reason


def remedy(name: str) -> str:
    """How to get a backend that does not work."""
    if name in _OFF:
        return f"MUJOCO_GL={name} turns rendering off: unset it"
    if name == "glfw" and not display():
        return "glfw needs a display: unset MUJOCO_GL, or set it to egl"
    if name not in PACKAGES:
        return f"MUJOCO_GL={name} is not known here: unset it, or use {', '.join(PACKAGES)}"
    packages = missing(PACKAGES[name])
    if packages:
        return install(packages)
    if name == "egl":
        return f"its packages are installed but no driver answers: {install(PACKAGES['osmesa'])}"
    return "its packages are installed: unset MUJOCO_GL, so that another backend is tried"


def _select(name: str) -> None:
    # MuJoCo reads MUJOCO_GL once, at its import, and its Renderer looks the context up in this
    # module at each call: so reading the module again is enough.
    if name:
        os.environ["MUJOCO_GL"] = name
    importlib.reload(importlib.import_module("mujoco.rendering.classic.gl_context"))


def _advice(asked: str, failures: dict[str, str]) -> str:
    name, reason = next(iter(failures.items()))
    if asked:
        return f"rendering with MUJOCO_GL={asked} does not work ({reason}): {remedy(asked)}"
    tried = ", ".join(failures) or "MuJoCo's own choice"
    return f"rendering off screen does not work (tried {tried}; {name}: {reason}): {remedy(name)}"
