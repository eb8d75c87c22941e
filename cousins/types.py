"""The data that flows from capture to cousins. Everything here is frozen.

Units are SI. The world is right-handed with z up. Camera axes are OpenCV's (x right, y down,
z forward). Poses are 4x4 matrices named ``a_from_b``; quaternions are w, x, y, z.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cousins.contact import UNTOLD
from cousins.distributions import UNTOLD_MATERIAL, Categorical, Distribution

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera without distortion: image size and focal lengths in pixels."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    @property
    def matrix(self) -> Array:
        """The 3x3 camera matrix K."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def scaled(self, width: int, height: int) -> Intrinsics:
        """The same camera at another image size. Pixel centres lie at integer coordinates."""
        sx, sy = width / self.width, height / self.height
        return Intrinsics(
            width,
            height,
            self.fx * sx,
            self.fy * sy,
            (self.cx + 0.5) * sx - 0.5,
            (self.cy + 0.5) * sy - 0.5,
        )


@dataclass(frozen=True)
class Frame:
    """One RGB-D frame.

    world_from_camera: (4, 4), in the capture's own world.
    depth: (h, w) float32, metres, 0 where unknown, NaN where a stage left it out.
    colour: (H, W, 3) uint8 RGB, any size of the same field of view; None in a capture without
    pictures, where no frame has one, and `colour_intrinsics` is then the depth camera's.
    confidence: (h, w) uint8 0..2 as ARKit gives it, or None.
    colour_from_depth: (4, 4) pose of the depth camera in the colour camera's axes, where the two
    are apart; `world_from_camera` is then the depth camera's.
    """

    index: int
    time: float
    world_from_camera: Array
    depth: NDArray[np.float32]
    depth_intrinsics: Intrinsics
    colour: NDArray[np.uint8] | None
    colour_intrinsics: Intrinsics
    confidence: NDArray[np.uint8] | None = None
    colour_from_depth: Array | None = None


@dataclass(frozen=True)
class Capture:
    """A capture on disk. Frames are streamed: `frames()` opens the files anew at each call.

    poses: (n, 4, 4) world_from_camera, checked to be finite and rigid.
    up: (3,) the world's up where the layout defines it, else None.
    sha256: over the files' names and contents.
    metric: lengths are metres, as depth sensors give them; scale_source: how that is known, or why
    not, in plain words.
    """

    path: Path
    layout: str
    poses: Array
    up: Array | None
    sha256: str
    frames: Callable[[], Iterator[Frame]] = field(repr=False, compare=False)
    warnings: tuple[str, ...] = ()
    metric: bool = True
    scale_source: str = "the depth sensor"

    def __len__(self) -> int:
        return len(self.poses)


@dataclass(frozen=True)
class Photos:
    """Pictures without depth: photos, a video, or what a phone without a depth sensor wrote.

    Pictures are streamed, as (h, w, 3) uint8 RGB: `pictures()` opens the files anew at each call.
    names: one for each picture, for messages. size: (width, height) of all of them.
    ordered: they follow one another in time, as a video's do.
    camera: of that size, without distortion, where the layout or the user gives it, else None.
    focal: pixels, a first guess where there is no camera, such as EXIF's.
    poses: (n, 4, 4) world_from_camera, metres, where the phone tracked itself, else None.
    solved: the poses come from the pictures themselves and need no second solution.
    metric: the poses' unit is the metre. up: (3,) the world's up where the layout defines it.
    """

    path: Path
    layout: str
    names: tuple[str, ...]
    size: tuple[int, int]
    sha256: str
    pictures: Callable[[], Iterator[NDArray[np.uint8]]] = field(repr=False, compare=False)
    ordered: bool = False
    camera: Intrinsics | None = None
    focal: float | None = None
    poses: Array | None = None
    solved: bool = False
    metric: bool = True
    up: Array | None = None
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Views:
    """Pictures with solved poses: what a surface is made of where there is no depth.

    poses: (n, 4, 4) world_from_camera in the views' own world, metres where `metric`.
    camera: of every picture, which `pictures()` streams with their distortion undone, as (h, w, 3)
    uint8 RGB in the order of the poses. chosen: (n,) their indices among the `Photos`.
    points: (m, 3) sparse points of the surface in the same world.
    up: (3,) the world's up where it is known. scale_source: in plain words. residual: px, median.
    lens, distortion (k1, k2, p1, p2; Brown's model): of the camera as it took the pictures.
    """

    poses: Array
    camera: Intrinsics
    pictures: Callable[[], Iterator[NDArray[np.uint8]]] = field(repr=False, compare=False)
    chosen: NDArray[np.int64]
    points: Array
    metric: bool
    scale_source: str
    residual: float
    up: Array | None = None
    lens: Intrinsics | None = None
    distortion: Array | None = None
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.poses)


@dataclass(frozen=True)
class Mesh:
    """Triangles. vertices (n, 3) metres; faces (m, 3) int, counter-clockwise seen from outside.

    uv (m, 3, 2) per face corner in 0..1 with v up, and texture (h, w, 3) uint8 RGB: both or none.
    """

    vertices: Array
    faces: NDArray[np.int32]
    uv: Array | None = None
    texture: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Primitive:
    """A collision primitive in its object's frame; `size` as MuJoCo's geom size (half lengths)."""

    kind: Literal["box", "cylinder", "sphere"]
    size: tuple[float, float, float]
    position: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]


@dataclass(frozen=True)
class Support:
    """A horizontal surface: polygon (k, 2) in world x, y, counter-clockwise, at `height`."""

    name: str
    kind: Literal["floor", "table", "shelf"]
    height: float
    polygon: Array


@dataclass(frozen=True)
class Wall:
    """A vertical rectangle. centre (3,), normal (3,) towards the room, half width and height."""

    name: str
    centre: Array
    normal: Array
    half_width: float
    half_height: float


@dataclass(frozen=True)
class Camera:
    """A fixed camera in the world, with OpenCV axes."""

    name: str
    world_from_camera: Array
    intrinsics: Intrinsics


@dataclass(frozen=True)
class Physical:
    """One draw of an object's physical properties: what a simulator needs as numbers.

    mass (kg); friction, the sliding coefficient; center_of_mass (3,) and inertia (3, 3), the
    latter about the former, both in the object's frame; rgba (4,) multiplies the texture.
    restitution: the share of its speed with which it leaves what it hits, 0 to 1.
    principal: the inertia's moments (3,) and axes (quaternion), where they are known to the last
    digit; a symmetric object's axes could otherwise come out as others that serve as well.
    contact: (3,) what `cousins.contact.settings` gives, where it is known to the last digit; else
    it follows from the restitution.
    """

    mass: float
    friction: float
    center_of_mass: Array
    inertia: Array
    rgba: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    principal: tuple[Array, Array] | None = None
    restitution: float = 0.0
    contact: Array | None = None


@dataclass(frozen=True)
class Asset:
    """One object, ready to simulate.

    Its frame has z up and its origin at the centre of its bounding box; `position` and
    `quaternion` are world_from_object. `visual` and `parts` (convex) are in the object's frame.
    `primitive` stands for all of `parts` in collision where it fits as well. `volume` (m^3) is
    the visual mesh's. `center_of_mass` (3,) and `inertia` (3, 3; about the centre of mass) are in
    the object's frame, for the mode of the mass. `shell_fraction` is how much of the mass lies in
    the wall instead of being spread through the volume; it sets the inertia. `restitution` is the
    share of its speed with which it leaves what it hits. `material` is what its skin is made of.
    label: what it is, in words, with who says so in `label_source`, and how sure that is (0..1) in
    `label_confidence`. Words of its measured shape ("box-like, 38×89×175 mm") have the source
    "shape" and the confidence 1: they are no guess. category: what that is of
    assets/categories.toml, None where it is none of them.
    """

    name: str
    label: str
    label_source: str
    label_confidence: float
    position: Array
    quaternion: Array
    visual: Mesh
    parts: tuple[Mesh, ...]
    primitive: Primitive | None
    watertight: bool
    volume: float
    observed_fraction: float
    support: str
    mass: Distribution
    friction: Distribution
    shell_fraction: Distribution
    center_of_mass: Array
    inertia: Array
    restitution: Distribution = UNTOLD
    material: Categorical = UNTOLD_MATERIAL
    category: str | None = None

    @property
    def size(self) -> Array:
        """(3,) extent of the visual mesh along the object's axes."""
        return np.ptp(self.visual.vertices, axis=0)

    @property
    def physical(self) -> Physical:
        """The modes: what the twin takes."""
        return Physical(
            self.mass.mode,
            self.friction.mode,
            self.center_of_mass,
            self.inertia,
            restitution=self.restitution.mode,
        )

    def moved(self, position: Array, quaternion: Array) -> Asset:
        """The same object elsewhere."""
        return replace(self, position=position, quaternion=quaternion)


@dataclass(frozen=True)
class Scene:
    """The twin: everything that `model.xml` holds.

    metric: its unit of length is the metre. Where that is not known, no mass is, and each object
    is given 1 kg so that it can be simulated at all.
    """

    assets: tuple[Asset, ...]
    supports: tuple[Support, ...]
    walls: tuple[Wall, ...] = ()
    background: Mesh | None = None
    cameras: tuple[Camera, ...] = ()
    metric: bool = True


@dataclass(frozen=True)
class Certificate:
    """What physics said of one cousin after it was left to settle.

    overlap: deepest penetration after the settle, m. drift: furthest that an object moved, m.
    tilt: most that an object turned, rad. reasons: why it failed; empty when it passed.
    attempts: draws that this cousin took, the good one included. energy: of what still moved in
    the end, J.
    """

    overlap: float
    drift: float
    tilt: float
    reasons: tuple[str, ...] = ()
    attempts: int = 1
    energy: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.reasons


@dataclass(frozen=True)
class Cousin:
    """One cousin's entry in the index: axes holds how far each axis went, distance the whole."""

    index: int
    seed: tuple[int, ...]
    axes: Mapping[str, float]
    distance: float
    certificate: Certificate
