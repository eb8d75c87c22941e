"""Household things and scenes of our own, drawn at random, of which the truth is known.

`draw("mug", rng)` is one thing: a closed textured mesh, its exact convex parts, openings, mass,
friction. `scene("stacked", 7)` is a room with some of them at rest, which `cousins.phone.film`
films:

    staged = scene("stacked", 7)
    film(staged.model, "stacked_7", Phone(walk=staged.walk))
"""

from cousins.household.layouts import LAYOUTS
from cousins.household.scenes import Staged, scene
from cousins.household.shapes import Opening, Shape
from cousins.household.things import CATEGORIES, Household, Make, draw

__all__ = [
    "CATEGORIES",
    "LAYOUTS",
    "Household",
    "Make",
    "Opening",
    "Shape",
    "Staged",
    "draw",
    "scene",
]
