"""Rendering without a window: it works here, and where it does not, the error says what to do."""

import os
import platform
import subprocess
import sys

import mujoco
import numpy as np
import pytest

from cousins import gl
from cousins.errors import MissingDependencyError, UsageError

RED = """<mujoco><visual><headlight ambient="1 1 1"/></visual><worldbody>
<geom type="sphere" size="1" rgba="1 0 0 1"/><camera name="c" pos="0 0 3"/></worldbody></mujoco>"""
linux = pytest.mark.skipif(platform.system() != "Linux", reason="Linux has these backends")


def test_a_picture_shows_what_is_there():
    model = mujoco.MjModel.from_xml_string(RED)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    with gl.renderer(model, 48, 64) as renderer:
        renderer.update_scene(data, "c")
        image = renderer.render()
    assert image.shape == (48, 64, 3)
    red, green, blue = image[24, 32].astype(int)
    assert red > 2 * max(green, blue)
    assert np.ptp(image) > 50


def test_a_renderer_can_be_made_again():
    model = mujoco.MjModel.from_xml_string("<mujoco/>")
    for _ in range(3):
        with gl.renderer(model, 16, 16) as renderer:
            renderer.update_scene(mujoco.MjData(model))
            renderer.render()


def test_an_image_too_large_is_refused_in_one_line():
    model = mujoco.MjModel.from_xml_string("<mujoco/>")
    with pytest.raises(UsageError, match="larger than the model's") as error:
        gl.renderer(model, 4000, 4000).__enter__()
    assert "\n" not in str(error.value)


@linux
def test_a_backend_is_found_after_mujoco_was_imported():
    code = """
import os, mujoco
from cousins import gl
with gl.renderer(mujoco.MjModel.from_xml_string("<mujoco/>"), 8, 8) as renderer:
    renderer.update_scene(mujoco.MjData(renderer.model)); renderer.render()
print(os.environ["MUJOCO_GL"] == gl.backend())
"""
    environment = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", "DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"


@pytest.fixture
def nothing_works(monkeypatch):
    gl.backend.cache_clear()
    monkeypatch.setattr(gl, "probe", lambda name, timeout=0: "no such library")
    monkeypatch.setattr(gl, "missing", list)
    yield monkeypatch
    gl.backend.cache_clear()


@linux
def test_no_backend_at_all_names_the_packages(nothing_works):
    nothing_works.delenv("MUJOCO_GL", raising=False)
    with pytest.raises(MissingDependencyError) as error:
        gl.backend()
    assert "apt-get install -y libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri" in str(error.value)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("osmesa", "apt-get install -y libosmesa6"),
        ("disabled", "turns rendering off"),
        ("nonsense", "is not known"),
        ("glfw", "needs a display"),
    ],
)
def test_the_users_choice_is_kept_and_explained(nothing_works, name, advice):
    nothing_works.setenv("MUJOCO_GL", name)
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        nothing_works.delenv(variable, raising=False)
    with pytest.raises(MissingDependencyError, match=advice):
        gl.backend()
