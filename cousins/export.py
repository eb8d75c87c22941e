"""One cousin as plain MJCF: model.xml and assets/, with nothing of the family in it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from cousins import archive
from cousins.pack import load_family, load_scene, locate, read
from cousins.scene import build
from cousins.variation.export import cousin_scene

_KNOWN = ("model.xml", "assets")


def export_cousin(path: Path, number: int, output: Path, force: bool = False) -> int:
    """Write the pack's cousin of that number to a folder or a zip. How many files it took.

    model.xml holds the cousin in the pose in which it starts, so that it steps as in a batch.
    Raises PackError for an output that is there and no earlier export, unless `force` is set;
    UsageError for a number that the pack does not hold.
    """
    archive.ensure_writable(output, _KNOWN, "model.xml", force)
    pack = read(path)
    k, row = locate(pack, number)
    scene, physical = cousin_scene(load_scene(pack), load_family(pack, k), row)
    xml, files = build(scene, physical, model=f"cousin_{number}")
    named = {e.get("file") for e in ET.fromstring(xml).iter() if e.get("file")}
    members: dict[str, bytes | Path] = {
        f"assets/{name}": data for name, data in files.items() if name in named
    }
    members["model.xml"] = xml.encode()
    archive.replace(output, members)
    return len(members)
