"""The layouts that a film can be written in: one module each, and one entry here."""

from __future__ import annotations

from cousins.errors import UsageError
from cousins.phone.layouts import photos, seven_scenes, stray
from cousins.phone.shots import Layout

LAYOUTS: dict[str, Layout] = {
    "stray": stray.LAYOUT,
    "7scenes": seven_scenes.LAYOUT,
    "photos": photos.PHOTOS,
    "video": photos.MOVIE,
}


def layout(name: str) -> Layout:
    """The layout of that name. Raises UsageError for another."""
    if name not in LAYOUTS:
        raise UsageError(f"no layout {name!r} to write: choose one of {', '.join(LAYOUTS)}")
    return LAYOUTS[name]
