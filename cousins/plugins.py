"""Parts that other packages bring, found by their entry points.

A package names a part in its own pyproject.toml, and it is there once that package is installed::

    [project.entry-points."cousins.captures"]
    my_phone = "my_package.my_phone:READER"
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from cousins.errors import PluginError

Group = Literal[
    "cousins.captures",
    "cousins.segmenters",
    "cousins.maskers",
    "cousins.labelers",
    "cousins.engines",
    "cousins.axes",
    "cousins.tasks",
    "cousins.policies",
]


def load(group: Group) -> dict[str, Any]:
    """Every part that installed packages bring to `group`, by name, in the names' order.

    Raises PluginError, naming the part and its package, if one does not load or two packages
    bring the same name.
    """
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=group), key=lambda p: (p.name, _package(p))):
        other = found.setdefault(point.name, point)
        if other is not point:
            raise PluginError(
                f"two packages, {_package(other)} and {_package(point)}, bring {point.name!r} to "
                f"{group}: uninstall one of them"
            )
    return {name: _load(point) for name, point in found.items()}


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except Exception as error:  # a stranger's module may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(
            f"plug-in {point.name!r} of package {_package(point)} ({point.group}) does not load: "
            f"{reason}; update that package or run: pip uninstall {_package(point)}"
        ) from error


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown"
