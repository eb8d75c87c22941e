"""A robot's MJCF as it is joined to a scene: the robot alone, with the files that it names.

The file may come from anywhere: it reads only files in its own folder, and runs nothing.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

from cousins.archive import read_file
from cousins.errors import UsageError
from cousins.pack_mjcf import plain_mjcf
from cousins.robots.describe import Description, Pose, Tool

MAX_XML = 16 << 20
MAX_FILE = 64 << 20
MAX_BYTES = 512 << 20  # of all its files
PRIORITY = 2  # of pads: a scene's objects have 1, and it is the rubber's friction that counts
TORSION, ROLLING = 0.01, 1e-4  # m, of pads: as of a patch of a centimetre
TOOL = "tool"  # the site that is made where the MJCF has none
# A scene has its own; a keyframe's numbers are of a robot that is alone.
LEFT_OUT = {"option", "visual", "statistic", "size", "custom", "sensor", "keyframe"}


def read(path: Path, told: Description) -> tuple[str, dict[str, bytes], Description]:
    """The MJCF's text, the files that it names and the description, whose tool is now a site.

    Files are renamed so that they meet none of a scene's; options, lights, keyframes and sensors
    are left out; what the description says of the root's place, of gravity and of the pads'
    friction is written into it. Raises UsageError.
    """
    data = read_file(path, MAX_XML, UsageError, "this is no robot's MJCF")
    again = "give a robot's MJCF in one plain file, as MuJoCo's MjSpec.to_xml writes it"
    _, root = plain_mjcf(str(path), data, UsageError, again)
    for part in [part for part in root if part.tag in LEFT_OUT]:
        root.remove(part)
    for parent in root.iter():
        for light in parent.findall("light"):
            parent.remove(light)
    worlds = root.findall("worldbody")
    if any(part.tag in ("geom", "site") for world in worlds for part in world):
        raise UsageError(
            f"{path}: has shapes that belong to no body: give the robot alone, without its scene"
        )
    files = _files(path, root, told.name)
    if told.stand is not None:
        _place(_body(path, root, told.base), told.stand)
    bodies = [body for world in worlds for body in world.iter("body")]
    if told.gravcomp:
        for body in bodies:
            body.set("gravcomp", "1")
    if told.gripper.friction is not None:
        for body in bodies:
            for geom in body.findall("geom"):
                if {body.get("name"), geom.get("name")} & set(told.gripper.pads):
                    geom.set("friction", f"{told.gripper.friction!r} {TORSION!r} {ROLLING!r}")
                    geom.set("priority", str(PRIORITY))
    if isinstance(told.tool, Tool):
        sites = {site.get("name") for site in root.iter("site")}
        name = next(n for n in (TOOL, *(f"{TOOL}_{k}" for k in range(99))) if n not in sites)
        site = ET.SubElement(_body(path, root, told.tool.body), "site", name=name, group="4",
                             size="0.004", type="sphere")  # fmt: skip
        _place(site, told.tool)
        told = told.model_copy(update={"tool": name})
    return ET.tostring(root, encoding="unicode") + "\n", files, told


def _files(path: Path, root: ET.Element, robot: str) -> dict[str, bytes]:
    """The bytes of what the MJCF names, by the new names that it now has for them."""
    folders, strip = {"mesh": "", "texture": ""}, False
    for compiler in root.iter("compiler"):
        both = compiler.attrib.pop("assetdir", None)
        for kind in folders:
            folders[kind] = compiler.attrib.pop(f"{kind}dir", both or folders[kind])
        strip = compiler.attrib.pop("strippath", "false") == "true" or strip
    found: dict[str, bytes] = {}
    names: dict[Path, str] = {}
    home = path.resolve().parent
    for element in root.iter():
        for key in [key for key in element.attrib if key.startswith("file")]:
            stated = element.attrib[key]
            named = PurePosixPath(stated).name if strip else stated
            folder = folders["texture" if element.tag == "texture" else "mesh"]
            place = _within(path, home, PurePosixPath(folder) / named)
            if place not in names:
                names[place] = f"{robot}-{len(names)}-{place.name}"
                found[names[place]] = _bytes(path, place)
                if sum(map(len, found.values())) > MAX_BYTES:
                    raise UsageError(f"{path}: names files of more than {MAX_BYTES:,} bytes")
            element.set(key, names[place])
            if key == "file" and "name" not in element.attrib:
                element.set("name", PurePosixPath(stated).stem)
    return found


def _within(path: Path, home: Path, stated: PurePosixPath) -> Path:
    place = Path(os.path.normpath(home / stated))
    if not place.resolve().is_relative_to(home):
        raise UsageError(
            f"{path}: names {str(stated)!r}, which is not in its folder: copy it there"
        )
    return place


def _bytes(path: Path, place: Path) -> bytes:
    try:
        if not place.is_file() or place.stat().st_size > MAX_FILE:
            raise UsageError(f"{path}: {place.name} is missing, or above {MAX_FILE:,} bytes")
        return place.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {place.name} cannot be read ({error.strerror})") from None


def _body(path: Path, root: ET.Element, name: str) -> ET.Element:
    bodies = [body for world in root.findall("worldbody") for body in world.iter("body")]
    for body in bodies:
        if body.get("name") == name:
            return body
    there = ", ".join(body.get("name", "(no name)") for body in bodies[:40]) or "none"
    raise UsageError(f"{path}: no body {name!r}; bodies: {there}")


def _place(element: ET.Element, pose: Pose) -> None:
    for key in ("euler", "axisangle", "xyaxes", "zaxis"):
        element.attrib.pop(key, None)
    element.set("pos", " ".join(map(repr, pose.position)))
    element.set("quat", " ".join(map(repr, pose.quaternion)))
