"""Captures: one reader for each layout, chosen by looking at the folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from cousins import plugins
from cousins.capture.camera import Lens
from cousins.capture.files import Files, open_files
from cousins.errors import CaptureError, PluginError
from cousins.types import Capture, Photos

__all__ = ["Files", "Lens", "Reader", "open_capture", "open_rgbd", "readers"]


@runtime_checkable
class Reader(Protocol):
    """Reads one layout. Other packages bring theirs to the entry point group cousins.captures."""

    @property
    def layout(self) -> str:
        """Its name, as in `Capture.layout`."""
        ...

    def missing(self, files: Files) -> list[str]:
        """What of this layout the files lack; empty where it is recognised."""
        ...

    def __call__(self, files: Files, lens: Lens | None = None) -> Capture | Photos:
        """The capture that the files are. lens: the camera that the user tells, if any.

        Raises CaptureError; UsageError where a lens is told and the layout has its own.
        """
        ...


def readers() -> tuple[Reader, ...]:
    """The known readers, in the order in which they are asked: ours, then other packages'.

    Raises PluginError for a package's reader that does not load or is none.
    """
    from cousins.capture.arkitscenes import ArkitScenes
    from cousins.capture.cloud import PointCloud
    from cousins.capture.nerfcapture import NeRFCapture
    from cousins.capture.nerfstudio import Nerfstudio
    from cousins.capture.photos import PhotoFolder, VideoFile
    from cousins.capture.polycam import Polycam
    from cousins.capture.record3d import Record3D
    from cousins.capture.record3d_exr import Record3DExr
    from cousins.capture.seven_scenes import SevenScenes
    from cousins.capture.single import SingleImage
    from cousins.capture.stray import StrayScanner
    from cousins.capture.tum import TumRgbd

    others = plugins.load("cousins.captures")
    for name, other in others.items():
        if isinstance(other, type) or not isinstance(other, Reader):
            raise PluginError(
                f"plug-in {name!r} (cousins.captures) is no reader: it must be an object with"
                " layout, missing(files) and __call__(files, lens); update or uninstall its package"
            )
    return (
        StrayScanner(),
        SevenScenes(),
        Record3D(),
        Record3DExr(),
        Polycam(),
        NeRFCapture(),
        Nerfstudio(),
        ArkitScenes(),
        TumRgbd(),
        SingleImage(),
        PointCloud(),
        *others.values(),
        # Last: other layouts hold photos and videos as well.
        PhotoFolder(),
        VideoFile(),
    )


def open_capture(
    path: str | Path, lens: Lens | None = None, among: Sequence[Reader] | None = None
) -> Capture | Photos:
    """The capture at `path`, a folder, an archive or a file, by the first reader (of `among`, else
    of all) that recognises it; also one folder further down, where there is just one.

    lens: the camera, for layouts that do not tell it. Poses and depth images are checked here;
    pictures as they are streamed. Raises CaptureError, with the file and the remedy, for a
    damaged capture or an unknown layout.
    """
    path = Path(path)
    known = readers() if among is None else among
    if not path.exists():
        raise CaptureError(f"{path}: does not exist; name the folder of a capture")
    files = here = open_files(path)
    if not files.names:
        raise CaptureError(f"{path}: is empty; copy a capture into it")
    while True:
        for reader in known:
            if not reader.missing(here):
                return reader(here, lens)
        inside = here.folders()
        if len(inside) != 1:
            break
        here = here.below(inside[0])
    lacks = {reader.layout: reader.missing(files) for reader in known}
    layouts = "; ".join(f"{name} (lacks {', '.join(what)})" for name, what in lacks.items())
    raise CaptureError(f"{path}: an unknown layout; known: {layouts}")


def open_rgbd(path: str | Path, lens: Lens | None = None) -> Capture:
    """The capture at `path`, which must hold depth. Raises CaptureError as `open_capture` does."""
    found = open_capture(path, lens)
    if isinstance(found, Photos):
        raise CaptureError(f"{path}: holds no depth, which is needed here")
    return found
