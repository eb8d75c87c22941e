"""Where the data that ships with the package lies: priors, robots, sample captures."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from cousins.errors import UsageError


def asset(name: str) -> Path:
    """A bundled file or folder, such as ``materials.toml``. Raises UsageError if there is none."""
    return _find("cousins.assets", "asset", name)


def sample(name: str) -> Path:
    """A bundled sample capture or pack, by name. Raises UsageError if there is none."""
    return _find("cousins.scenes", "sample", name)


def samples() -> tuple[str, ...]:
    """The names of the bundled samples."""
    root = _root("cousins.scenes")
    return tuple(name for name in _names(root) if (root / name).is_dir())


def _root(package: str) -> Path:
    root = files(package)
    if not isinstance(root, Path):
        raise UsageError(
            f"{package} lies inside an archive ({root}): install cousins with pip, which unpacks it"
        )
    return root


def _find(package: str, kind: str, name: str) -> Path:
    root = _root(package)
    path = root / name
    inside = path.resolve().is_relative_to(root.resolve())
    if not name or not inside or not path.exists():
        known = ", ".join(_names(root)) or "none"
        raise UsageError(f"no bundled {kind} {name!r}; there are: {known}")
    return path


def _names(root: Path) -> tuple[str, ...]:
    return tuple(sorted(p.name for p in root.iterdir() if not p.name.startswith(("_", "."))))
