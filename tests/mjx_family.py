"""A can, a ball and an L of two shapes, on a table: what MJX compiles in seconds."""

from dataclasses import replace
from functools import cache

import packs

from cousins.bank import Family
from cousins.engines.proxies import proxies
from examples import table_scene

SENSOR = '<sensor><framepos objtype="xbody" objname="can_1"/></sensor></mujoco>'


@cache
def meshes() -> Family:
    """Four cousins, of which the L has another shape in the second and the last."""
    whole = table_scene()
    drawn = packs.family(replace(whole, assets=whole.assets[1:], walls=()), n=4)
    return replace(drawn, xml=drawn.xml.replace("</mujoco>", SENSOR))


@cache
def boxes() -> Family:
    return proxies(meshes())
