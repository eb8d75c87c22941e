"""Robots that are joined to a scene's cousins: what ships, and anybody's own MJCF.

`robot("arm")` is one that ships, `robot("panda.xml", "panda.yaml")` one's own: the MJCF as it is,
with a description of what it does not say of itself. docs/robots.md tells of both.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mujoco

from cousins.errors import UsageError
from cousins.resources import asset
from cousins.robots.check import check
from cousins.robots.describe import Description, description
from cousins.robots.read import read


@dataclass(frozen=True)
class Robot:
    """A robot by itself: what MuJoCo compiles, and what that does not say.

    xml: the robot alone, whose world is its base frame; files: what it names, by those names;
    config: its description, whose `tool` is a site of it.
    """

    name: str
    xml: str
    files: Mapping[str, bytes]
    config: Description

    def model(self) -> mujoco.MjModel:
        """The robot alone, compiled anew."""
        return mujoco.MjModel.from_xml_string(self.xml, dict(self.files))


def names() -> tuple[str, ...]:
    """The robots that ship."""
    return tuple(sorted(p.parent.name for p in asset("robots").glob("*/robot.yaml")))


def robot(name: str | Path, config: str | Path | None = None) -> Robot:
    """A robot that ships, by its name, or one's own: the path of its MJCF and that of its
    description, a YAML file as `cousins.robots.describe` says.

    Raises UsageError for a name that there is not, files that cannot be read, and a description
    that the MJCF does not bear out, with what the MJCF has.
    """
    if str(name) in names() and config is None:
        path = asset("robots") / str(name) / "robot.xml"
        config = path.with_suffix(".yaml")
    else:
        path = Path(name)
        own = path.suffix == ".xml" or os.sep in str(name)
        if not own:
            told = f"no robot {str(name)[:80]!r}; robots: {', '.join(names())}"
            raise UsageError(f"{told}; or give the path of an MJCF file")
        if config is None:
            raise UsageError(f"{path}: what is it? Describe it in a YAML file: see docs/robots.md")
    text, files, told = read(path, description(Path(config)))
    try:
        made = Robot(told.name, text, files, told)
        model = made.model()
    except (ValueError, mujoco.FatalError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{path}: MuJoCo refuses it: {reason}") from None
    check(model, told)
    return made
