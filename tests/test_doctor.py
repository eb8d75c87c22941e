"""`cousins doctor`: true about what is here, and a remedy for what is not."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cousins import doctor, gl, native, resources
from cousins.doctor import Check, examine, ready


@pytest.fixture(scope="module")
def checks():
    return {check.name: check for check in examine()}


def test_what_these_tests_run_on_works(checks):
    assert ready(list(checks.values()))
    assert checks["mujoco"].works
    assert "mujoco 4" in checks["mujoco"].detail
    assert checks["open3d"].detail.startswith("open3d")


def test_what_does_not_work_says_how_to_get_it(checks):
    for check in checks.values():
        assert bool(check.remedy) != check.works, check


def test_every_extra_is_checked(checks):
    told = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    extras = {name.removeprefix("extra ") for name in checks if name.startswith("extra ")}
    assert extras == set(told["project"]["optional-dependencies"])


def test_rendering_agrees_with_a_real_renderer(checks):
    anything = any(check.works for name, check in checks.items() if name.startswith("rendering"))
    assert anything == any(not gl.probe(name) for name in gl.PACKAGES)


def test_a_library_that_does_not_import_is_broken(monkeypatch):
    monkeypatch.setitem(doctor.MODULES, "no_such_library", ("no-such-library",))
    check = doctor._library("no_such_library")
    assert not check.works
    assert not ready([check])
    assert "pip install" in check.remedy


def test_two_builds_of_open3d_are_told_apart(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda name: "0.20.0")
    check = doctor._library("open3d")
    assert not check.works
    assert "pip uninstall -y open3d-cpu open3d" in check.remedy


def test_a_damaged_clip_does_not_decode(monkeypatch, tmp_path):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(resources.asset("video/hevc.mp4").read_bytes()[:500])
    monkeypatch.setattr(resources, "asset", lambda name: clip)
    assert not doctor._video("hevc").works


def test_only_what_is_required_decides():
    assert ready([Check("a", True, "", required=True), Check("b", False, "")])
    assert not ready([Check("a", False, "", required=True), Check("b", True, "")])


def test_the_verb_prints_one_json_object():
    command = [sys.executable, "-c", "from cousins.cli.main import main; main()"]
    done = subprocess.run([*command, "doctor", "--json"], capture_output=True, check=False)
    result = json.loads(done.stdout)
    assert result["ok"] is (done.returncode == 0)
    assert {"name", "works", "detail", "remedy", "required"} == set(result["checks"][0])


@pytest.mark.parametrize(
    ("message", "command"),
    [
        ("libusb-1.0.so.0: cannot open shared object file", "apt-get install -y libusb-1.0-0"),
        ("/lib/x86_64-linux-gnu/libGL.so.1: file too short", "apt-get install -y libgl1"),
        ("libfoo.so.3: cannot open shared object file", "system package that holds libfoo.so.3"),
    ],
)
def test_a_missing_shared_library_names_its_package(message, command):
    assert command in str(native.explain(ImportError(message), "open3d"))


def test_a_missing_module_names_what_pip_installs():
    with pytest.raises(native.MissingDependencyError, match="pip install no_such_module"):
        native.require("no_such_module.part")


def test_an_attempt_reports_a_crash_and_a_hang():
    assert native.attempt("pass") == ""
    assert native.attempt("import sys; sys.exit('no luck')") == "no luck"
    assert "signal" in native.attempt("import os; os.abort()")
    assert "no answer" in native.attempt("import time; time.sleep(9)", timeout=0.3)
