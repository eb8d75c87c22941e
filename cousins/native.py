"""Libraries with compiled parts: what they want of the system, and how to get what is missing."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib import import_module
from types import ModuleType

from cousins.errors import MissingDependencyError

# The Debian and Ubuntu packages of the shared libraries that our dependencies link to.
DEBIAN = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libGLdispatch.so.0": "libglvnd0",
    "libGLX.so.0": "libglx0",
    "libOSMesa.so.8": "libosmesa6",
    "libX11.so.6": "libx11-6",
    "libgomp.so.1": "libgomp1",
    "libidn2.so.0": "libidn2-0",
    "libtbb.so.12": "libtbb12",
    "libudev.so.1": "libudev1",
    "libusb-1.0.so.0": "libusb-1.0-0",
    "libxcb.so.1": "libxcb1",
}
_SHARED_OBJECT = re.compile(r"(lib[\w.+-]*\.so(?:\.\d+)*)")


def require(module: str) -> ModuleType:
    """Import a module, or raise MissingDependencyError with the command that mends it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise explain(error, module) from error


def explain(error: ImportError, module: str = "") -> MissingDependencyError:
    """What a failed import lacks, in one line with the command that mends it."""
    library = _SHARED_OBJECT.search(str(error))
    if library:
        what = f"{module} needs {library[1]}" if module else f"{library[1]} is missing"
        return MissingDependencyError(f"{what}: {remedy(library[1])}")
    module = module or error.name or "a library"
    top = (error.name or module).partition(".")[0]
    if isinstance(error, ModuleNotFoundError):
        return MissingDependencyError(
            f"{module} needs {top}, which is not installed: pip install {top}"
        )
    reason = " ".join(str(error).split())
    return MissingDependencyError(f"{module} does not import ({reason}): reinstall it with pip")


def remedy(library: str) -> str:
    """The command that installs a shared library, such as ``libusb-1.0.so.0``."""
    package = DEBIAN.get(library)
    if package is None:
        return f"install the system package that holds {library}"
    return install([package])


def install(packages: Iterable[str]) -> str:
    """The command that installs Debian packages."""
    return f"sudo apt-get install -y {' '.join(packages)}"


def attempt(
    code: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    timeout: float = 60.0,
) -> str:
    """Run Python code in a process of its own, where it may crash: "", or why it failed."""
    command = [sys.executable, "-c", code, *arguments]
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False,
                              capture_output=True, text=True, timeout=timeout)  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"no answer after {timeout:.0f} s"
    if done.returncode == 0:
        return ""
    if done.returncode < 0:
        return f"crashed with signal {-done.returncode}"
    lines = done.stderr.strip().splitlines()
    return lines[-1].strip() if lines else f"exit code {done.returncode}"


def missing(packages: Iterable[str]) -> list[str]:
    """Those of the Debian packages that are not installed; all of them where there is no dpkg."""
    packages = list(packages)
    command = ["dpkg-query", "-W", "-f", "${binary:Package} ${db:Status-Status}\n", *packages]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return packages
    rows = [line.split() for line in listed.splitlines()]
    installed = {row[0].partition(":")[0] for row in rows if row[-1] == "installed"}
    return [package for package in packages if package not in installed]
