"""The layouts that a film can be written in: one module each, and one entry here."""

from __future__ import annotations

from cousins.errors import UsageError
from cousins.phone.layouts import (
    arkitscenes,
    nerfcapture,
    nerfstudio,
    photos,
    polycam,
    record3d,
    record3d_exr,
    seven_scenes,
    single,
    stray,
    tum,
)
from cousins.phone.shots import Layout

LAYOUTS: dict[str, Layout] = {
    "stray": stray.LAYOUT,
    "7scenes": seven_scenes.LAYOUT,
    "photos": photos.PHOTOS,
    "video": photos.MOVIE,
    "record3d": record3d.LAYOUT,
    "record3d-exr": record3d_exr.LAYOUT,
    "polycam": polycam.LAYOUT,
    "nerfcapture": nerfcapture.LAYOUT,
    "nerfstudio": nerfstudio.LAYOUT,
    "arkitscenes": arkitscenes.LAYOUT,
    "tum": tum.LAYOUT,
    "single": single.LAYOUT,
}


def layout(name: str) -> Layout:
    """The layout of that name. Raises UsageError for another."""
    if name not in LAYOUTS:
        raise UsageError(f"no layout {name!r} to write: choose one of {', '.join(LAYOUTS)}")
    return LAYOUTS[name]
