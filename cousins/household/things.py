"""Household things: a drawn shape with what it weighs, how it grips and what it looks like.

Sizes span those of the YCB objects (Calli et al. 2015, "The YCB Object and Model Set", table of
objects). Masses are walls times densities plus contents; densities, wall thicknesses and friction
are common handbook values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from cousins.distributions import Uniform
from cousins.errors import UsageError
from cousins.household import shapes, vessels
from cousins.household.looks import CREAM, INK, OAK, PALETTE, STEEL, Colour, Look, Pattern, painted
from cousins.household.shapes import Opening, Shape
from cousins.household.solids import Solid
from cousins.mesh import shell_moments, solid_moments
from cousins.physics import mass_moments, moments
from cousins.types import Array, Asset, Mesh, Primitive

SOURCE = "by construction"


@dataclass(frozen=True)
class Make:
    """What a thing is made of.

    density: of its material, kg/m³. skin: thickness of the wall of what is closed and hollow, m;
    0 where the thing is as solid as it looks. contents: mean density of what a closed one holds,
    kg/m³. friction: sliding, against a table.
    """

    density: float
    friction: float
    skin: float = 0.0
    contents: float = 0.0

    def masses(self, mesh: Mesh) -> tuple[float, float]:
        """kg in the wall of a closed mesh, and within it."""
        volume, area = solid_moments(mesh)[0], shell_moments(mesh)[0]
        if not self.skin:
            return 0.0, self.density * volume
        wall = self.skin * area
        return self.density * wall, self.contents * max(volume - wall, 0.0)


@dataclass(frozen=True)
class Household:
    """One thing, in a frame with z up and its foot at z = 0; lengths in metres."""

    category: str
    shape: Shape
    make: Make
    look: Look

    @cached_property
    def solid(self) -> Solid:
        """Its closed mesh and exact convex parts."""
        return self.shape.solid()

    @cached_property
    def visual(self) -> Mesh:
        """The closed mesh with its texture."""
        return painted(self.solid.mesh, self.look, self.shape.zone)

    @property
    def parts(self) -> tuple[Mesh, ...]:
        """Convex; they leave its openings open."""
        return self.solid.parts

    @property
    def primitive(self) -> Primitive | None:
        """What collides as the whole of it, where a box, cylinder or sphere does."""
        return self.shape.primitive()

    @property
    def openings(self) -> tuple[Opening, ...]:
        """The room for a ball in each of its hollows and handles."""
        return self.shape.openings()

    @property
    def wall(self) -> float:
        """Thickness of walls that can be seen, m, else 0."""
        return self.shape.wall

    @cached_property
    def mass(self) -> float:
        """kg."""
        return sum(self.make.masses(self.solid.mesh))

    @property
    def shell(self) -> float:
        """The share of its mass that lies in the wall."""
        return self.make.masses(self.solid.mesh)[0] / self.mass

    @property
    def size(self) -> Array:
        """(3,) extent along x, y and z."""
        return np.ptp(self.solid.bounds, axis=0)

    @property
    def origin(self) -> Array:
        """(3,) where an Asset's frame has its origin: the middle of the bounds."""
        return self.solid.bounds.mean(0)

    def asset(self, name: str, support: str) -> Asset:
        """The thing as an object of a scene that stands on `support`, at the world's origin as it
        stands in its own frame. What is known of it is known exactly."""
        solid = self.solid.moved(-self.origin)
        primitive = _shifted(self.primitive, -self.origin)
        centre, inertia = mass_moments(moments(solid.mesh, primitive), self.mass, self.shell)
        return Asset(
            name=name,
            label=self.category,
            label_source=SOURCE,
            label_confidence=1.0,
            position=self.origin,
            quaternion=np.array([1.0, 0.0, 0.0, 0.0]),
            visual=replace(self.visual, vertices=solid.mesh.vertices),
            parts=solid.parts,
            primitive=primitive,
            watertight=True,
            volume=solid_moments(solid.mesh)[0],
            observed_fraction=1.0,
            support=support,
            mass=_exactly(self.mass),
            friction=_exactly(self.make.friction),
            shell_fraction=_exactly(self.shell),
            center_of_mass=centre,
            inertia=inertia,
        )


def _exactly(value: float) -> Uniform:
    return Uniform(value, value, SOURCE)


def _shifted(primitive: Primitive | None, by: Array) -> Primitive | None:
    if primitive is None:
        return None
    x, y, z = (float(v) for v in np.asarray(primitive.position) + by)
    return Primitive(primitive.kind, primitive.size, (x, y, z), primitive.quaternion)


def draw(category: str, rng: np.random.Generator, colour: str | None = None) -> Household:
    """A thing of a category of sane random size, make and look.

    colour: a name of looks.PALETTE for its main colour; drawn where it is None. Raises UsageError
    for a category that there is not.
    """
    if category not in CATEGORIES:
        raise UsageError(f"{category}: no household category; there are {', '.join(CATEGORIES)}")
    shape, make, style = CATEGORIES[category](rng)
    name = colour or str(rng.choice(list(PALETTE)))
    first: Colour = PALETTE[name]
    second: Colour = CREAM if rng.random() < 0.5 else tuple(0.55 * c for c in first)  # pyright: ignore
    pattern = style.patterns[int(rng.integers(len(style.patterns)))]
    look = Look(pattern, first, second, style.other or second, float(rng.uniform(*style.scale)),
                seed=int(rng.integers(2**31)))  # fmt: skip
    return Household(category, shape, make, look)


@dataclass(frozen=True)
class _Style:
    """The patterns to choose from, the second zone's colour, and the pattern's scale, m."""

    patterns: Sequence[Pattern]
    other: Colour | None = None
    scale: tuple[float, float] = (0.012, 0.03)


_Drawn = tuple[Shape, Make, _Style]
_PRINTED = _Style(("plain", "bands", "stripes", "checks", "dots"))


def _friction(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _card(rng: np.random.Generator, contents: tuple[float, float]) -> Make:
    """A cardboard box; cereal weighs 150 kg/m³, sugar 850."""
    return Make(690, _friction(rng, 0.35, 0.55), float(rng.uniform(0.0005, 0.0015)),
                float(np.exp(rng.uniform(*np.log(contents)))))  # fmt: skip


def _ceramic(rng: np.random.Generator) -> Make:
    return Make(2300, _friction(rng, 0.35, 0.55))


def _box(rng: np.random.Generator) -> _Drawn:
    sides = rng.uniform([0.03, 0.065, 0.085], [0.065, 0.14, 0.21])
    order = rng.choice([[0, 1, 2], [1, 0, 2], [0, 2, 1], [2, 1, 0]])
    x, y, z = sides[order]
    return shapes.Box((x, y, z)), _card(rng, (150, 850)), _PRINTED


def _carton(rng: np.random.Generator) -> _Drawn:
    """A small box that lies on its largest side."""
    x, y, z = rng.uniform([0.09, 0.12, 0.03], [0.15, 0.2, 0.07])
    return shapes.Box((x, y, z)), _card(rng, (150, 850)), _PRINTED


def _case(rng: np.random.Generator) -> _Drawn:
    """A flat case of plastic: 5 to 8 mm."""
    x, y, z = rng.uniform([0.07, 0.12, 0.005], [0.12, 0.16, 0.008])
    make = Make(1050, _friction(rng, 0.25, 0.45), 0.0012, 300)
    return shapes.Box((x, y, z)), make, _PRINTED


def _can(rng: np.random.Generator) -> _Drawn:
    radius, height = rng.uniform([0.032, 0.06], [0.042, 0.13])
    make = Make(7860, _friction(rng, 0.3, 0.5), 0.0002, float(rng.uniform(900, 1100)))
    return vessels.Can(radius, height), make, _Style(("bands", "stripes", "checks", "dots"), STEEL)


def _bottle(rng: np.random.Generator) -> _Drawn:
    radius, height, shoulder = rng.uniform([0.03, 0.17, 0.55], [0.042, 0.26, 0.7])
    neck = radius * rng.uniform(0.32, 0.45)
    cap = neck + rng.uniform(0.001, 0.003)
    shape = vessels.Bottle(radius, height, shoulder, neck, cap, rng.uniform(0.015, 0.03))
    make = Make(1380, _friction(rng, 0.25, 0.45), float(rng.uniform(0.0005, 0.001)),
                float(rng.uniform(50, 1000)))  # fmt: skip
    return shape, make, _Style(("plain", "bands", "stripes", "dots"), INK, (0.02, 0.06))


def _bowl(rng: np.random.Generator) -> _Drawn:
    radius = rng.uniform(0.065, 0.095)
    shape = vessels.Bowl(radius, radius * rng.uniform(0.4, 0.55), radius * rng.uniform(0.6, 0.85),
                        rng.uniform(0.003, 0.005), rng.uniform(0.0, 0.5))  # fmt: skip
    return shape, _ceramic(rng), _Style(("plain", "plain", "bands", "checks"))


def _plate(rng: np.random.Generator) -> _Drawn:
    radius = rng.uniform(0.09, 0.135)
    shape = vessels.Bowl(radius, radius * rng.uniform(0.6, 0.72), rng.uniform(0.012, 0.024),
                        rng.uniform(0.004, 0.006), rng.uniform(0.5, 0.9), steps=3)  # fmt: skip
    return shape, _ceramic(rng), _Style(("plain", "plain", "dots"))


def _mug(rng: np.random.Generator) -> _Drawn:
    radius, height, thick, flare = rng.uniform(
        [0.036, 0.08, 0.0035, 0.0], [0.044, 0.105, 0.005, 0.006]
    )
    loop = rng.uniform(0.026, 0.036), height * rng.uniform(0.27, 0.34)
    shape = vessels.Mug(radius, height, thick, flare, loop, rng.uniform(0.004, 0.0055))
    return shape, _ceramic(rng), _Style(("plain", "bands", "stripes", "dots"))


def _tray(rng: np.random.Generator) -> _Drawn:
    x, y, z = rng.uniform([0.17, 0.24, 0.02], [0.24, 0.34, 0.045])
    shape = vessels.Container((x, y), (x - 0.02, y - 0.02), z, rng.uniform(0.004, 0.007))
    make = Make(600, _friction(rng, 0.4, 0.6))
    return shape, make, _Style(("plain", "wood"), None, (0.02, 0.03))


def _basket(rng: np.random.Generator) -> _Drawn:
    x, y, z = rng.uniform([0.15, 0.19, 0.07], [0.2, 0.27, 0.12])
    thick = rng.uniform(0.004, 0.006)
    make = Make(905, _friction(rng, 0.25, 0.45))
    style = _Style(("plain", "bands"), None, (0.01, 0.02))
    if rng.random() < 0.5:
        return vessels.Container((x, y), (x - 0.03, y - 0.03), z, thick), make, style
    count = 3 if z > 0.09 else 2
    gap = rng.uniform(0.01, 0.016)
    rail = (z - (count - 1) * gap) / count
    rails = tuple((i * (rail + gap), i * (rail + gap) + rail) for i in range(count))
    return vessels.Container((x, y), (x, y), z, thick, rails, 3 * thick), make, style


def _spatula(rng: np.random.Generator) -> _Drawn:
    blade = rng.uniform([0.08, 0.065, 0.003], [0.11, 0.085, 0.005])
    handle = rng.uniform([0.15, 0.016, 0.006], [0.21, 0.024, 0.008])
    rise = float(rng.uniform(0.02, 0.04)) if rng.random() < 0.5 else 0.0
    make = Make(1050, _friction(rng, 0.25, 0.45))
    return shapes.Spatula(_three(blade), _three(handle), rise), make, _Style(("plain",), INK)


def _hammer(rng: np.random.Generator) -> _Drawn:
    length, handle, head, across = rng.uniform(
        [0.24, 0.011, 0.0125, 0.085], [0.32, 0.0125, 0.015, 0.115]
    )
    make = Make(2400, _friction(rng, 0.4, 0.6))  # a steel head on a wooden handle, on the whole
    return shapes.Hammer(length, handle, head, across), make, _Style(("plain", "wood"), STEEL)


def _screwdriver(rng: np.random.Generator) -> _Drawn:
    long, handle, reach, shaft = rng.uniform(
        [0.09, 0.012, 0.08, 0.0035], [0.12, 0.017, 0.15, 0.005]
    )
    make = Make(1500, _friction(rng, 0.3, 0.5))
    style = _Style(("plain", "stripes"), STEEL)
    return shapes.Screwdriver(long, handle, reach, shaft), make, style


def _ell(rng: np.random.Generator) -> _Drawn:
    long, short, thick, width = rng.uniform([0.12, 0.08, 0.03, 0.035], [0.18, 0.13, 0.05, 0.06])
    make = Make(500, _friction(rng, 0.4, 0.6))
    shape = shapes.Ell(long, short, thick, width, bool(rng.random() < 0.4))
    return shape, make, _Style(("plain", "wood"), None, (0.015, 0.025))


def _ball(rng: np.random.Generator) -> _Drawn:
    make = Make(1100, _friction(rng, 0.6, 0.9), float(rng.uniform(0.001, 0.003)), 1.2)
    return (
        shapes.Ball(rng.uniform(0.027, 0.048)),
        make,
        _Style(("plain", "stripes", "dots", "checks")),
    )


def _book(rng: np.random.Generator) -> _Drawn:
    x, y, z = rng.uniform([0.11, 0.17, 0.014], [0.17, 0.23, 0.04])
    style = _Style(("plain", "bands", "stripes", "checks", "dots"), CREAM, (0.02, 0.05))
    return shapes.Book((x, y, z)), Make(690, _friction(rng, 0.35, 0.55)), style


def _booklet(rng: np.random.Generator) -> _Drawn:
    """A notebook or a magazine: 4 to 8 mm."""
    x, y, z = rng.uniform([0.13, 0.18, 0.004], [0.19, 0.26, 0.008])
    make = Make(690, _friction(rng, 0.35, 0.55))
    return shapes.Box((x, y, z)), make, _Style(_PRINTED.patterns, scale=(0.02, 0.05))


def _bundle(rng: np.random.Generator) -> _Drawn:
    """Two or three books tied up: one thing."""
    x, y = rng.uniform([0.13, 0.18], [0.17, 0.23])
    layers = []
    for _ in range(int(rng.integers(2, 4))):
        thick, yaw = rng.uniform([0.018, -0.09], [0.035, 0.09])
        layers.append((float(x), float(y), float(thick), float(yaw)))
        x, y = np.array([x, y]) * rng.uniform(0.86, 0.97, 2)
    make = Make(690, _friction(rng, 0.35, 0.55))
    return shapes.Bundle(tuple(layers)), make, _Style(("plain", "bands"), OAK, (0.02, 0.04))


def _three(values: Array) -> tuple[float, float, float]:
    a, b, c = (float(v) for v in values)
    return a, b, c


CATEGORIES: dict[str, Callable[[np.random.Generator], _Drawn]] = {
    "box": _box, "carton": _carton, "case": _case, "can": _can, "bottle": _bottle, "bowl": _bowl,
    "plate": _plate, "mug": _mug, "tray": _tray, "basket": _basket, "spatula": _spatula,
    "hammer": _hammer, "screwdriver": _screwdriver, "ell": _ell, "ball": _ball, "book": _book,
    "booklet": _booklet, "bundle": _bundle,
}  # fmt: skip
