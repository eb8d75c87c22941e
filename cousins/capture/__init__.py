"""Captures: one reader for each layout, chosen by looking at the folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from cousins import plugins
from cousins.errors import CaptureError, PluginError
from cousins.types import Capture

__all__ = ["Reader", "open_capture", "readers"]


@runtime_checkable
class Reader(Protocol):
    """Reads one layout. Other packages bring theirs to the entry point group cousins.captures."""

    @property
    def layout(self) -> str:
        """Its name, as in `Capture.layout`."""
        ...

    def missing(self, path: Path) -> list[str]:
        """What of this layout `path` lacks; empty where it is recognised."""
        ...

    def __call__(self, path: Path) -> Capture:
        """The capture at `path`. Raises CaptureError."""
        ...


def readers() -> tuple[Reader, ...]:
    """The known readers, in the order in which they are asked: ours, then other packages'.

    Raises PluginError for a package's reader that does not load or is none.
    """
    from cousins.capture.seven_scenes import SevenScenes
    from cousins.capture.stray import StrayScanner

    others = plugins.load("cousins.captures")
    for name, other in others.items():
        if isinstance(other, type) or not isinstance(other, Reader):
            raise PluginError(
                f"plug-in {name!r} (cousins.captures) is no reader: it must be an object with"
                " layout, missing(path) and __call__(path); update or uninstall its package"
            )
    return (StrayScanner(), SevenScenes(), *others.values())


def open_capture(path: str | Path, among: Sequence[Reader] | None = None) -> Capture:
    """The capture at `path`, by the first reader (of `among`, else of all) that recognises it.

    Poses and depth images are checked here; pictures as `frames()` comes to them. Raises
    CaptureError, with the file and the remedy, for a damaged capture or an unknown layout.
    """
    path = Path(path)
    known = readers() if among is None else among
    if not path.exists():
        raise CaptureError(f"{path}: does not exist; name the folder of a capture")
    lacks = {reader.layout: reader.missing(path) for reader in known}
    for reader in known:
        if not lacks[reader.layout]:
            return reader(path)
    layouts = "; ".join(f"{name} (lacks {', '.join(what)})" for name, what in lacks.items())
    if not path.is_dir():
        raise CaptureError(f"{path}: is a file and no known capture; name a folder: {layouts}")
    if not any(path.iterdir()):
        raise CaptureError(f"{path}: is an empty folder; copy a capture into it: {layouts}")
    raise CaptureError(f"{path}: an unknown layout; known: {layouts}")
